"""Delivery status notifications (RFC 3464 in RFC 6522), and what hosts make of them.

Forgiven: a missing blank line between message fields and recipient fields, several recipients in one block, fields in the
wrong order, missing Action, comments behind values, missing types (`Final-Recipient: kim@there.test`), an encoded body.
"""

import re

from homing.inbound.types import Failure
from homing.message.lines import normalise_line_ends
from homing.message.mime import Part
from homing.message.scan import split_fields, unfold
from homing.message.words import decode_words

MAX_RECIPIENTS = 100
MAX_REASON = 1_000
STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])[45]\d\d(?=[ -])")
_TYPED = re.compile(
    r"\s*(?:rfc ?822|utf-8|x400|x-[a-z0-9-]+|smtp|dns|unknown|lmtp|x-unix|x-notes|[a-z][a-z0-9-]{1,30})\s*;\s*", re.I
)
_BLANK = re.compile(rb"\r\n[ \t]*(?=\r\n)")
_ADDRESS = re.compile(r"[^\s<>;,\"]{1,320}@[^\s<>;,\"]{1,255}")


def read_status(part: Part) -> list[Failure]:
    """Return what a status part says of each recipient, in its order; [] if it names nobody."""
    block = _BLANK.sub(b"\r\n\r\n", normalise_line_ends(part.octets()).strip(b"\r\n"))
    found: list[Failure] = []
    for group in block.split(b"\r\n\r\n"):
        fields: dict[str, str] = {}
        for name, field in split_fields(group.strip(b"\r\n") + b"\r\n" if group.strip() else b""):
            key = name.decode("latin-1")
            again = key in fields and key in ("final-recipient", "action", "status")
            if again:
                _close(fields, found)
                fields = {}
            fields.setdefault(key, decode_words(unfold(field))[:4000])
            if len(found) >= MAX_RECIPIENTS:
                return found
        _close(fields, found)
    return found[:MAX_RECIPIENTS]


def enhanced_in(text: str) -> str:
    """Return the first enhanced status code of a text, '' without one."""
    found = _STATUS.search(text[:MAX_REASON])
    return found[1] if found else ""


def without_type(value: str) -> str:
    """Return a value such as `rfc822; kim@there.test` or `smtp; 550 no` without the type before it."""
    found = _TYPED.match(value)
    return value[found.end() :].strip() if found else value.strip()


def reason_of(*, diagnostic: str, status: str) -> str:
    """Return the words to classify: what the host said, led by the status where it says no code itself."""
    words = " ".join(without_type(diagnostic).split())[:MAX_REASON]
    if _CODE.search(words[:160]) or (enhanced_in(words) and not status):
        return words
    return f"{status} {words}".strip()


def _close(fields: dict[str, str], found: list[Failure]) -> None:
    final, original = fields.get("final-recipient", ""), fields.get("original-recipient", "")
    action = fields.get("action", "").strip().lower()
    if not (final or original or action):
        return
    status = enhanced_in(fields.get("status", ""))
    action = next((each for each in _ACTIONS if action.startswith(each)), "")
    if not action:
        action = {"4": "delayed", "2": "delivered"}.get(status[:1], "failed")
    diagnostic = fields.get("diagnostic-code") or fields.get("x-diagnostic-code") or fields.get("x-display-reason") or ""
    if action == "failed" and not status:
        status = enhanced_in(diagnostic)
    found.append(
        Failure(
            recipient=_address(final or fields.get("x-actual-recipient", "") or original),
            original=_address(original),
            action=action,
            status=status,
            text=reason_of(diagnostic=diagnostic, status=status),
            remote=without_type(fields.get("remote-mta", ""))[:255],
        )
    )


def _address(value: str) -> str:
    found = _ADDRESS.search(without_type(value)[:1000])
    return found[0].strip(".").lower() if found else ""
