"""Shapes of /api/v1/support/oversight and /api/v1/support/threads."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from homing.api.v1.support_cases_wire import AttachmentIn
from homing.api.v1.support_sev1_wire import at, text_of
from homing.contracts.contacts import Known
from homing.contracts.types import StaffMember, Tam
from homing.ingress.rules.problem import Problem, Wrong, bad_params
from homing.support.clocks.rules.words import in_service_zone
from homing.support.clocks.types import Reading, State
from homing.support.threads.desk import BusinessHours
from homing.support.threads.oversight import Stream, Watched
from homing.support.threads.rules.oversight import Cursor, moment_of
from homing.support.threads.types import Item, Letter, Message, Quarantined

MOST_PER_PAGE = 200
BAD_CURSOR = Problem(400, "invalid params", "cursor must be 'initial' or come from links.next", "1200")
BAD_PER_PAGE = bad_params(f"per_page must be a number from 1 to {MOST_PER_PAGE}")
_decode_cursor = msgspec.json.Decoder(Cursor).decode
_ASKS = ("account_id", "per_page")
_OURS = frozenset({"letters", "recordings", "verified", "remark", "voids"})


class EscalationIn(msgspec.Struct):
    """Which case goes where, and why."""

    case: int = 0
    to: str = ""
    reason: str = ""


class AnswerIn(msgspec.Struct):
    """What the TAM says. by: email, or phone: it was said already. contact: the address of whom he answers."""

    text: str = ""
    by: str = "email"
    contact: str = ""


class WordIn(msgspec.Struct):
    """What the customer writes to his TAM. contact: the address of whose word it is."""

    text: str = ""
    subject: str = ""
    contact: str = ""
    attachments: list[AttachmentIn] = []


class VoidIn(msgspec.Struct):
    """Why no answer was ever owed."""

    reason: str = ""


class ReleaseIn(msgspec.Struct):
    """Whose word it is."""

    account_id: int = 0
    contact: str = ""


def cursor_of(text: str) -> Cursor | None:
    """Return where a page begins; None: at the top. raises Wrong."""
    if text == "initial":
        return None
    try:
        found = _decode_cursor(base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True))
        moment_of(found.until)
        moment_of(found.place.key)
    except (ValueError, OverflowError, binascii.Error, msgspec.MsgspecError):
        raise Wrong(BAD_CURSOR) from None
    if not 0 <= found.place.rank <= 3 or "\0" in found.place.kind + found.place.ident:
        raise Wrong(BAD_CURSOR)
    return found


def per_page_of(text: str) -> int:
    """Return how many are asked for. raises Wrong."""
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_PER_PAGE):
        raise Wrong(BAD_PER_PAGE)
    return int(text)


def number_of(text: str) -> int:
    """Return a number of a path or query; 0 where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def show_stream(stream: Stream, query: Mapping[str, str], path: str) -> dict[str, Any]:
    """Return one page of the stream."""
    links = {}
    if stream.next is not None:
        cursor = base64.urlsafe_b64encode(msgspec.json.encode(stream.next)).rstrip(b"=").decode()
        kept = [(name, query[name]) for name in _ASKS if query.get(name)]
        links = {"next": f"{path}?{urlencode([('cursor', cursor), *kept], quote_via=quote)}"}
    return {
        "results": [show_item(one) for one in stream.items],
        "accounts": [show_watched(one) for one in stream.watched],
        "at": at(stream.at),
        "links": links,
    }


def show_item(item: Item) -> dict[str, Any]:
    """Return an item of the stream."""
    return {
        "kind": item.kind.value,
        "id": item.ident,
        "account_id": item.account_id,
        "risk": item.risk.value,
        "at": at(item.at),
        "due_at": at(item.due_at),
        "state": item.state,
        "what": item.what,
        "detail": item.detail,
    }


def show_watched(one: Watched) -> dict[str, Any]:
    """Return an account with its TAM and who acts."""
    return {"account_id": one.account_id, "name": one.name, **show_tam(one.tam)}


def show_tam(tam: Tam | None) -> dict[str, Any]:
    """Return the TAM, who has the oversight, and who is turned to (E26)."""
    return {
        "tam": None if tam is None else _person(tam.primary),
        "acting": None if tam is None else _person(tam.acting),
        "away_because": None if tam is None else tam.away_because or None,
    }


def name_tam(tam: Tam | None) -> dict[str, Any]:
    """Return the TAM and who acts, as the customer knows them: by name; how they are reached stands beside it."""
    return {
        "tam": None if tam is None else {"name": tam.primary.name},
        "acting": None if tam is None else {"name": tam.acting.name},
    }


def _person(member: StaffMember) -> dict[str, Any]:
    return {"person_id": member.person_id, "name": member.name, "email": member.email}


def show_message(
    message: Message, *, clock: Reading | None, letters: Sequence[Letter], recordings: Sequence[Any]
) -> dict[str, Any]:
    """Return a message of a thread."""
    return {
        "number": message.number,
        "sort": message.sort.value,
        "side": message.side.value,
        "author": message.author or None,
        "contact_id": message.contact_id,
        "channel": message.channel.value,
        "verified": message.verified.value,
        "automatic": message.automatic,
        "sender": message.sender or None,
        "subject": message.subject,
        "body": message.body,
        "remark": message.remark or None,
        "received_at": at(message.received_at),
        "sent_at": at(message.sent_at),
        "answered_at": at(message.answered_at),
        "answered_by": message.answered_by,
        "clock": None if clock is None else show_clock(clock),
        "voids": [{"person_id": one.person_id, "reason": one.reason, "at": at(one.at)} for one in message.voids],
        "files": [
            {"number": one.number, "name": one.name, "type": one.kind, "size_bytes": one.size_bytes, "sha256": one.sha256}
            for one in message.files
        ],
        "recordings": [
            {
                "recording_id": row["recording_id"],
                "seconds": row["seconds"],
                "state": row["state"],
                "why": row["why"] or None,
                "size_bytes": row["size_bytes"],
                "sha256": None if row["sha256"] is None else bytes(row["sha256"]).hex(),
                "erase_at": at(row["erase_at"]),
            }
            for row in recordings
        ],
        "letters": [
            {"to": one.email, "side": one.side.value, "sent_at": at(one.sent_at), "trouble": one.trouble or None}
            for one in letters
        ],
    }


def for_the_customer(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a message of a thread without what is ours alone."""
    return {name: value for name, value in shown.items() if name not in _OURS}


def show_hours(hours: BusinessHours) -> dict[str, Any]:
    """Return whether Business Hours run, and when that changes; local times carry zone and offset (invariant 16)."""
    return {
        "zone": hours.zone.value,
        "open": hours.is_open,
        "changes_at": at(hours.changes_at),
        "changes_local": None if hours.changes_at is None else in_service_zone(hours.changes_at, hours.zone),
    }


def show_clock(clock: Reading) -> dict[str, Any]:
    """Return what a clock shows."""
    return {
        "kind": clock.kind.value,
        "nature": clock.nature.value,
        "state": clock.state.value,
        "due_at": at(clock.due_at),
        "remaining_s": clock.remaining_s,
        "outcome": None if clock.outcome is None else clock.outcome.value,
        "outcome_at": at(clock.outcome_at),
        "void": clock.void is not None or clock.state is State.VOID,
    }


def show_quarantined(one: Quarantined, candidates: Sequence[Known]) -> dict[str, Any]:
    """Return what waits for a decision. candidates: whose word it may be."""
    return {
        "quarantine_id": one.quarantine_id,
        "received_at": at(one.received_at),
        "person_id": one.person_id,
        "account_id": one.account_id,
        "sender": one.sender or None,
        "subject": one.subject,
        "reason": one.reason,
        "automatic": one.automatic,
        "voicemail": one.call_ref is not None,
        "size_bytes": one.size_bytes,
        "candidates": [
            {"account_id": each.account_id, "account": each.account, "contact": each.email, "name": each.name}
            for each in candidates
        ],
    }


__all__ = ["at", "text_of"]
