"""Bounces without a machine-readable part: qmail, Exim, old Exchange, Domino, web hosts, and everybody's own prose.

Two questions: is this a bounce at all, or a delay, and which of its sentences is the reason?
"""

import re

from homing.inbound.rules.dsn import MAX_REASON, enhanced_in, reason_of
from homing.inbound.rules.returned import addresses_in
from homing.inbound.types import Failure
from homing.message.scan import Scan

_SEARCHED = 16_384  # characters of an explanation that are looked at
_REASON_LINES = 6

_DAEMON = re.compile(r"\b(?:mailer-?daemon|mail-?daemon|post-?master|mdaemon|bounces?|mail delivery|symantec_antivirus)\b", re.I)
_SUBJECT = re.compile(
    r"\b(?:undeliver(?:able|ed)|non[- ]?delivery|delivery (?:status notification|failure|report|has failed|problem|error)|"
    r"delivery (?:of .{0,80} )?failed|fail(?:ed|ure) (?:to deliver|delivery|notice)|failure notice|returned (?:mail|"
    r"to sender|e-?mail)|"
    r"mail (?:delivery|system) (?:failed|failure|error|problem)|mail could not be delivered|message (?:undeliver|"
    r"could not be|not "
    r"delivered|rejected|status - undeliverable)|bounce|ndn|ndr|unzustellbar|nicht zugestellt|unzustellbarkeit|"
    r"zustellung fehlgeschlagen|"
    r"fehlgeschlagene zustellung|non remis|non distribu\w*|"
    r"[ée]chec (?:de |d')\w+|no se puede entregar|no entregad[oa]|devuelto|impossibile recapitare|"
    r"mancato recapito|mancata consegna|não (?:é possível entregar|entregue)|onbestelbaar|niet bezorgd|kan ikke leveres|"
    r"kunne ikke leveres|olevererbart|levereras inte|nie mo[żz]na dostarczy[ćc]|niedostarczon\w*|nedoručiteln\w*|"
    r"teslim edilemedi|"
    r"недоставлен\w*|не доставлен\w*|не удается доставить|配信不能|配信できません|无法送达|退信|無法傳遞)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?:(?:wasn'?t|was not|not|un)(?: been)? able to deliver (?:your|the) message|could ?n[o']t be delivered|"
    r"could not deliver|"
    r"(?:has|have) not been delivered|was not delivered|delivery (?:to the following|has failed|failed)|"
    r"following (?:recipients?|address(?:es)?)[^\n]{0,60}(?:could not|fail|had permanent)|permanent (?:fatal )?errors?|"
    r"unable to (?:deliver|relay|send)|undeliverable|message (?:you sent )?(?:was )?(?:could not|cannot) be delivered|"
    r"konnte nicht zugestellt|nicht zugestellt werden|n'a (?:pas )?pu être (?:remis|distribu)|no se pudo entregar|"
    r"non è stato possibile (?:recapitare|consegnare)|não foi possível entregar|kon niet worden (?:bezorgd|afgeleverd)|"
    r"не может быть доставлен|не удалось доставить|giving up on)",
    re.IGNORECASE,
)
_DELAY = re.compile(
    r"\b(?:delivery (?:status notification )?\(?delay(?:ed)?\)?|delayed|delay notification|still being retried|"
    r"will (?:continue to |be )?"
    r"(?:retry|retried|keep trying)|do(?:es)? not need to resend|warning message only|no action is required on your part|"
    r"could not send message for past|has not yet been delivered|verzögert|zustellung verzögert|retardée?|retraso|ritardo|"
    r"vertraagd|отложен\w*|задерж\w+)",
    re.IGNORECASE,
)
_FINAL = re.compile(
    r"(?:giving up|given up|permanent|no longer be (?:retried|tried)|will not be (?:retried|tried)|has been returned|gave up|"
    r"retry timeout exceeded|expired|delivery attempts? (?:has|have) failed permanently)",
    re.IGNORECASE,
)
_CODE_LINE = re.compile(
    r"(?<![\w.@:/-])(?:[45]\d\d(?=[ -][^\s\d]|[ -][45]\.\d)|#?(?:[45]\d\d )?#?[45]\.\d{1,3}\.\d{1,3}(?![\d.]))"
)
_PHRASES = re.compile(
    r"(?:user|mailbox|account|recipient|address|e-?mail|inbox|box|member|alias|destinatario|destinataire|empfänger|"
    r"benutzer|konto|"
    r"postfach|utente|gebruiker|compte|usuario|adresse)\S*[^\n]{0,80}(?:unknown|not (?:found|exist|known|listed|"
    r"active|valid|local)|n't exist|"
    r"does not|disabled|inactive|suspended|full|quota|invalid|unbekannt|nicht|exist|over|inconnu|plein|voll|"
    r"desconocid|non esist|"
    r"sconosciut|onbekend|vol)|"
    r"(?:no such|unknown|invalid|over|exceed\w*|unrouteable|unroutable|unrouted|illegal|bad) (?:\w+ )?(?:user|"
    r"mailbox|recipient|address|"
    r"account|person|quota|domain|host|name|storage)|(?:not|isn'?t|n'?est pas) (?:\w+ )?list(?:ed)? in|doesn'?t have an? |"
    r"no mailbox here|quota exceeded|mailbox (?:is )?full|(?:rejected|blocked|classified|detected|"
    r"identified)[^\n]{0,40}(?:spam|content|"
    r"policy)|spam (?:message )?(?:rejected|detected)|host (?:not found|unknown|is unknown)|domain (?:not found|"
    r"does not exist)|"
    r"retry (?:timeout|time) (?:exceeded|not reached)|timed? ?out|relay(?:ing)? (?:access )?denied|"
    r"message (?:size|too large|is too)|too (?:big|large)|couldn'?t find any host|loops? back to|too many hops|"
    r"ist nicht (?:bekannt|vorhanden|verfügbar)|existiert nicht|n'existe pas|no existe|non esiste|bestaat niet|"
    r"не существует|переполнен",
    re.IGNORECASE,
)
# What sentences without a code mean, in languages that the bounce rules do not read.
_SAID = (
    (
        "5.2.2",
        re.compile(
            r"postfach[^\n]{0,60}voll|voll[^\n]{0,40}postfach|bo[iî]te[^\n]{0,60}pleine|buz[óo]n[^\n]{0,40}llen|"
            r"casella[^\n]{0,40}piena|"
            r"caixa[^\n]{0,40}cheia|postvak[^\n]{0,40}vol|переполнен",
            re.IGNORECASE,
        ),
    ),
    (
        "5.1.1",
        re.compile(
            r"not known at this|not recogni[sz]ed|(?:ist )?nicht bekannt|existiert nicht|unbekannt|n'existe pas|"
            r"inconnu|no existe|"
            r"desconocid|non esiste|sconosciut|n[ãa]o existe|desconhecid|bestaat niet|onbekend|findes ikke|finns inte|"
            r"nie istnieje|"
            r"не существует|не найден|存在しない|不存在",
            re.IGNORECASE,
        ),
    ),
)
_QMAIL = re.compile(r"^<([^<>\s]{1,320})>:[ \t]*$", re.MULTILINE)


def is_bounce(head: Scan, *, subject: str, sender: str, explanation: str, null_sender: bool) -> bool:
    """Return whether a mail without a status part tells of a message that was not delivered.

    The machine must speak (a null envelope sender, a daemon's address, X-Failed-Recipients) and say so.
    """
    if head.count(b"x-failed-recipients"):
        return True
    by_machine = null_sender or bool(_DAEMON.search(sender.partition("@")[0]) or _DAEMON.search(_display(head)))
    words = explanation[:_SEARCHED]
    return by_machine and bool(_SUBJECT.search(subject) or _SENTENCE.search(words) or _QMAIL.search(words))


def is_strong(head: Scan, *, subject: str, sender: str) -> bool:
    """Return whether a mail is a bounce whatever else it claims (Exim marks its bounces as auto-replied)."""
    daemon = bool(_DAEMON.search(sender.partition("@")[0]))
    return head.count(b"x-failed-recipients") > 0 or (daemon and bool(_SUBJECT.search(subject) or _DELAY.search(subject)))


def is_delay(*, subject: str, explanation: str) -> bool:
    """Return whether a bounce-like mail only says that the other side is still trying."""
    words = explanation[:_SEARCHED]
    if _DELAY.search(subject):
        return True
    return bool(_DELAY.search(words)) and not _FINAL.search(words) and not _SUBJECT.search(subject)


def failure_of(head: Scan, explanation: str, *, delayed: bool) -> Failure:
    """Return what the prose says about its (first) recipient."""
    words = explanation[:_SEARCHED]
    named = [address for value in head.values(b"x-failed-recipients") for address in addresses_in(value)]
    qmail = _QMAIL.search(words)
    if qmail is not None:
        named.append(qmail[1].lower())
        words = words[qmail.end() :].strip("\n").partition("\n\n")[0]
    reason = reason_in(words)
    status = enhanced_in(reason)
    if not status and not re.search(r"(?<![\d.])[45]\d\d(?=[ -])", reason[:160]):
        # No code anywhere: the first digit is what we know, and the rest where the sentence is one that we know.
        status = "4.0.0" if delayed else next((code for code, said in _SAID if said.search(reason)), "5.0.0")
        reason = reason_of(diagnostic=reason, status=status)
    found = named or addresses_in(words)
    return Failure(
        recipient=found[0] if found else "", action="delayed" if delayed else "failed", status=status, text=reason[:MAX_REASON]
    )


def reason_in(words: str) -> str:
    """Return the sentence that says why: the line of the code, else the line of a known phrase, else how it begins."""
    lines = [line.strip(" \t|>*") for line in words.split("\n")]
    coded = _first(lines, _CODE_LINE)
    if coded is not None:
        number, place = coded
        return _joined([lines[number][place:], *lines[number + 1 :]])
    phrased = _first(lines, _PHRASES)
    if phrased is not None:
        return _joined(lines[phrased[0] :])
    begun = next((number for number, line in enumerate(lines) if line), 0)
    return _joined(lines[begun:])


def _first(lines: list[str], pattern: re.Pattern[str]) -> tuple[int, int] | None:
    for number, line in enumerate(lines):
        found = pattern.search(line[:1000])
        if found is not None:
            return number, found.start()
    return None


def _joined(lines: list[str]) -> str:
    """Return the lines up to the first blank one as one."""
    taken: list[str] = []
    for line in lines[:_REASON_LINES]:
        if not line and taken:
            break
        taken.append(line)
    return " ".join(" ".join(taken).split())[:MAX_REASON]


def _display(head: Scan) -> str:
    found = head.values(b"from")
    return found[0][:200].partition("<")[0] if found else ""
