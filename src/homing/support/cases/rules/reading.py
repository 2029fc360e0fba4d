"""What a mail to the support address says: who wrote it, his own words, what he quotes, files, and what it answers.

Never raises, whatever the mail is made of. Nothing of it is ever shown as HTML: a mail of HTML alone is read as text, and its
source is kept as a file.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from homing.message.addresses import BadAddress, parse_address, split_mailboxes
from homing.message.automatic import by_subject, declared
from homing.message.lines import normalise_line_ends
from homing.message.mime import Part, leaves, read_content_type
from homing.message.scan import Scan
from homing.message.words import decode_words

LONGEST_BODY = 100_000  # characters that are kept of a text
LONGEST_SUBJECT = 200
LONGEST_NAME = 120
MOST_FILES = 20
LARGEST_FILE = 10_485_760
LARGEST_TOGETHER = 15_728_640
MOST_ATTACHED = 104_857_600  # octets of all files of a case
MOST_REFERENCES = 20

_IDENT = re.compile(r"<([^<>\s]{3,250})>")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_NAME = re.compile(r"[^\w .,()+@=-]|\.{2,}")
_QUOTE_BEGINS = re.compile(
    r"^(?:-{2,}\s*(?:original message|urspr[uü]ngliche nachricht|message d'origine|mensaje original|forwarded message).*|"
    r"_{10,}\s*|"
    r"(?:on|am|le|el|il|op|em) .{4,200}(?:wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu)[^\n]{0,80}:\s*|"
    r"from: .{3,200})$",
    re.IGNORECASE,
)
_NULL = ("mailer-daemon", "postmaster")


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a mail."""

    name: str
    kind: str
    data: bytes


class MailIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail says.

    sender       address of its one From, lower case; '' where there is none, or several
    body         what is kept: his words and what he quotes
    words        his own words alone
    remark       what was left out, in a sentence
    answers      Message-IDs that it answers, the most direct first
    automatic    a machine wrote it
    dedupe       the same for copies of one mail
    """

    sender: str
    name: str
    domain: str
    subject: str
    body: str
    words: str
    remark: str
    message_id: str
    answers: tuple[str, ...]
    automatic: bool
    files: tuple[File, ...]
    dedupe: bytes


def read_mail(raw: bytes, *, null_sender: bool) -> MailIn:
    """Read a mail.

    null_sender   its envelope sender was empty: a machine wrote it
    """
    head = Scan(normalise_line_ends(raw))
    parts = leaves(head)
    subject = clean(head.subject, LONGEST_SUBJECT)
    sender, name = _author(head)
    body, files, remark = _content(parts)
    message_id = next(iter(_idents(head.values(b"message-id"))), "")
    answers = (*_idents(head.values(b"in-reply-to")), *reversed(_idents(head.values(b"references"))))
    automatic = (
        null_sender
        or declared(head)
        or by_subject(subject)
        or sender.partition("@")[0] in _NULL
        or any(part.kind in ("message/delivery-status", "message/disposition-notification") for part in parts)
    )
    return MailIn(
        sender=sender,
        name=name,
        domain=sender.rpartition("@")[2],
        subject=subject,
        body=body,
        words=own_words(body),
        remark=remark,
        message_id=message_id,
        answers=tuple(dict.fromkeys(answers))[:MOST_REFERENCES],
        automatic=automatic,
        files=files,
        dedupe=_dedupe(raw, message_id, sender),
    )


def clean(text: str, longest: int) -> str:
    """Return a text fit to be kept on one line: no control character, not too long."""
    return " ".join(_CONTROL.sub(" ", text).split())[:longest].strip()


def clean_text(text: str) -> str:
    """Return a text of several lines fit to be kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _CONTROL.sub("", text).strip("\n")


def safe_name(name: str, number: int) -> str:
    """Return a file's name without anything that a path or a header could stumble over."""
    plain = _UNSAFE_NAME.sub("_", clean(name.replace("\\", "/").rpartition("/")[2], LONGEST_NAME)).strip(". _")
    return plain or f"file-{number}"


def own_words(body: str) -> str:
    """Return what somebody wrote himself: without quoted lines, and without all that follows the sign of a quote."""
    kept: list[str] = []
    for line in body.splitlines():
        stripped = line.strip()
        if _QUOTE_BEGINS.match(stripped):
            break
        if stripped == "-- " or line == "-- ":
            break
        if not stripped.startswith(">"):
            kept.append(line)
    return "\n".join(kept).strip()


def _author(head: Scan) -> tuple[str, str]:
    values = head.values(b"from")
    try:
        mailboxes = split_mailboxes(values[0]) if len(values) == 1 else []
        if len(mailboxes) != 1:
            return "", ""
        name, email = mailboxes[0]
        return parse_address(email).text.lower(), clean(decode_words(name), LONGEST_NAME)
    except BadAddress:
        return "", ""


def _idents(values: Iterable[str]) -> list[str]:
    return [one for value in values for one in _IDENT.findall(value[:20_000])]


def _content(parts: list[Part]) -> tuple[str, tuple[File, ...], str]:
    """Return the text, the files, and what was left out."""
    plain = [part for part in parts if part.kind == "text/plain" and not _is_file(part)]
    html = [part for part in parts if part.kind == "text/html" and not _is_file(part)]
    shown = plain if any(part.text(LONGEST_BODY).strip() for part in plain) else html
    text = clean_text("\n".join(part.text(4 * LONGEST_BODY) for part in shown))
    remarks = []
    if len(text) > LONGEST_BODY:
        text = text[:LONGEST_BODY]
        remarks.append("the text was cut after 100,000 characters")
    files: list[File] = []
    together = 0
    left: list[str] = []
    for part in parts:
        if part in plain or (part in html and shown is plain):
            continue
        name = safe_name(_name(part), len(files) + 1)
        data = part.octets(LARGEST_FILE + 1)
        together += len(data)
        if len(files) >= MOST_FILES or len(data) > LARGEST_FILE or together > LARGEST_TOGETHER:
            left.append(name)
            together -= len(data)
            continue
        files.append(File(name=name, kind=clean(part.kind, 100), data=data))
    if left:
        remarks.append(f"{len(left)} files were not kept, they are too many or too large: {', '.join(left[:5])}"[:300])
    return text, tuple(files), "; ".join(remarks)


def _is_file(part: Part) -> bool:
    found = part.head.values(b"content-disposition")
    return bool(found) and found[0].partition(";")[0].strip().lower() == "attachment"


def _name(part: Part) -> str:
    for value in part.head.values(b"content-disposition"):
        found = _parameter(read_content_type(value)[1], "filename")
        if found:
            return found
    if part.kind == "text/html":
        return "message.html"
    return "message.eml" if part.kind.startswith("message/") else _parameter(part.parameters, "name")


def _parameter(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter, also one that was cut and encoded (RFC 2231)."""
    if name in parameters:
        return decode_words(parameters[name])
    pieces = sorted((key, value) for key, value in parameters.items() if key.startswith(f"{name}*"))
    text = "".join(value for _, value in pieces)
    encoded = bool(pieces) and pieces[0][0].endswith("*") and text.count("'") >= 2
    return unquote(text.split("'", 2)[2] if encoded else text, errors="replace")


def _dedupe(raw: bytes, message_id: str, sender: str) -> bytes:
    facts = f"{message_id}\n{sender}".encode("utf-8", "replace") if message_id else raw
    return hashlib.sha256(facts).digest()
