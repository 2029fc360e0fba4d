"""What a mail that came back says: one answer for every mail, with the proof (status parts) before the prose.

Order: feedback report, delivery status, receipt, a bounce in prose that shows itself as one, auto-replies and challenges,
other bounces in prose, requests to be taken off, and OTHER for the rest.
"""

import re
from typing import Protocol

from homing.inbound.rules import arf, auto_reply, dsn, plain_bounce
from homing.inbound.rules.returned import COPIES, addresses_in, seen_in, split_copy
from homing.inbound.types import Failure, Kind, Reading, Report
from homing.message.keepsake import words_in
from homing.message.lines import normalise_line_ends
from homing.message.mime import Part, leaves
from homing.message.scan import Scan
from homing.message.words import decode_words

MAX_READ = 1_048_576  # octets of a mail that are read; what explains a bounce stands at its beginning
_MAX_SUBJECT = 200


class _Make(Protocol):
    def __call__(self, kind: Kind, failures: list[Failure] | None = None, report: Report | None = None) -> Reading: ...


_UNSUBSCRIBE = re.compile(
    r"^\W*(?:(?:re|aw|fw|fwd|wg): ?)*(?:(?:please )?(?:unsubscribe|remove (?:me|my (?:e-?mail|address))|opt[- ]?out|"
    r"take me off)|"
    r"list-unsubscribe|abmelden|abbestellen|d[ée]sabonne\w*|d[ée]sinscri\w*|(?:dar(?:me)? de )?baja\b|cancella\w*|"
    r"afmelden|uitschrijven)",
    re.IGNORECASE,
)


def read(raw: bytes, *, null_sender: bool) -> Reading:
    """Return what a mail says. Never raises.

    raw          the mail as it came
    null_sender  whether its envelope sender was empty, as a bounce's must be (RFC 5321 section 4.5.5)
    """
    head = Scan(normalise_line_ends(raw[:MAX_READ]))
    parts = leaves(head)
    whole_subject = _subject(head)
    subject = whole_subject[:_MAX_SUBJECT]
    sender = next(iter(addresses_in(next(iter(head.values(b"from")), ""))), "")
    explanation, copy = _prose(parts)
    addressed = [value for name in (b"to", b"delivered-to", b"x-original-to") for value in head.values(name)]

    def made(kind: Kind, failures: list[Failure] | None = None, report: Report | None = None) -> Reading:
        returned = seen_in(parts, copy, addressed=addressed)
        return Reading(
            kind=kind,
            failures=tuple(failures or ()),
            report=report,
            returned=returned,
            subject=subject,
            sender=sender,
            keepsakes=tuple(words_in(whole_subject)),
        )

    for part in parts:
        if part.kind in arf.FEEDBACK_PARTS:
            report, paths = arf.read_report(part)
            addressed += paths
            return made(arf.kind_of(report), report=report)
    old_report = arf.jmrp(head, parts, sender)
    if old_report is not None:
        return made(Kind.COMPLAINT, report=old_report)
    told = [failure for part in parts if part.kind in dsn.STATUS_PARTS for failure in dsn.read_status(part)]
    if told:
        return _of_status(told, made, explanation)
    if any(part.kind == "message/disposition-notification" for part in parts):
        return made(Kind.AUTO_REPLY)
    if plain_bounce.is_strong(head, subject=subject, sender=sender):
        return made(*_of_prose(head, subject, explanation))
    automatic = auto_reply.kind_of(head, subject=subject, explanation=explanation)
    if automatic is not None:
        return made(automatic)
    if plain_bounce.is_bounce(head, subject=subject, sender=sender, explanation=explanation, null_sender=null_sender):
        return made(*_of_prose(head, subject, explanation))
    first_line = next((line for line in explanation[:2000].split("\n") if line.strip()), "")
    if _UNSUBSCRIBE.search(subject) or (not subject and _UNSUBSCRIBE.search(first_line)):
        return made(Kind.UNSUBSCRIBE)
    return made(Kind.OTHER)


def _of_status(told: list[Failure], made: _Make, explanation: str) -> Reading:
    failed = [each for each in told if each.action == "failed"]
    if failed:
        return made(Kind.BOUNCE, [_with_reason(each, explanation) for each in failed])
    delayed = [each for each in told if each.action == "delayed"]
    return made(Kind.DELAYED, delayed) if delayed else made(Kind.DELIVERED, told)


def _with_reason(failure: Failure, explanation: str) -> Failure:
    """Return the failure with words of the prose where the status part has none of its own."""
    if failure.text.removeprefix(failure.status).strip():
        return failure
    words = plain_bounce.reason_in(explanation)
    text = dsn.reason_of(diagnostic=words, status=failure.status) if words else failure.text
    return Failure(
        recipient=failure.recipient,
        original=failure.original,
        action=failure.action,
        status=failure.status,
        text=text,
        remote=failure.remote,
    )


def _of_prose(head: Scan, subject: str, explanation: str) -> tuple[Kind, list[Failure]]:
    delayed = plain_bounce.is_delay(subject=subject, explanation=explanation)
    kind = Kind.DELAYED if delayed else Kind.BOUNCE
    return kind, [plain_bounce.failure_of(head, explanation, delayed=delayed)]


def _prose(parts: list[Part]) -> tuple[str, str]:
    """Return the text of a mail without the copy in it, and that copy; HTML only where there is no plain text."""
    for kind in ("text/plain", "text/html"):
        texts = [part.text() for part in parts if part.kind == kind and part.kind not in COPIES]
        if any(text.strip() for text in texts):
            return split_copy("\n".join(texts)[:131_072])
    return "", ""


def _subject(head: Scan) -> str:
    found = head.values(b"subject")
    return decode_words(found[0][:4000]) if found else ""
