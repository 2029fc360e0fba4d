"""The shapes of Support Cases: what a caller gives, and what either side is shown.

Contractual clocks and objectives stand in different members, so that nobody adds them up; internal ones are the staff's.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from homing.ingress.rules.problem import Problem, Wrong, bad_type, missing
from homing.support.cases import store
from homing.support.cases.happened import Event, Noted
from homing.support.cases.rules.chain import write_payload
from homing.support.cases.rules.reading import (
    LARGEST_FILE,
    LARGEST_TOGETHER,
    LONGEST_BODY,
    LONGEST_SUBJECT,
    MOST_FILES,
    clean,
    clean_text,
    safe_name,
)
from homing.support.cases.types import Attachment, Case, Eta, Message, Purpose, Side
from homing.support.cases.view import CaseSeen, ClockSeen, Person
from homing.support.clocks.rules.cadence import Cadence, Every, Times
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.rules.words import in_service_zone, local_time
from homing.support.clocks.types import Nature, Reading

MEMBERS = {
    Nature.CONTRACTUAL: "contractual",
    Nature.OBJECTIVE: "objectives",
    Nature.PROVISIONAL: "provisional",
    Nature.COURTESY: "reminders",
    Nature.INTERNAL: "internal",
}


class AttachmentIn(msgspec.Struct):
    """A file; data is base64."""

    name: str
    data: str
    type: str = "application/octet-stream"


class EtaIn(msgspec.Struct):
    """When it is expected to be over, or why that is unknown."""

    at: datetime | None = None
    unknown_because: str = ""


class OpenIn(msgspec.Struct):
    """A new case. account_id and source are the staff's."""

    subject: str = ""
    text: str = ""
    kind: str = "information_request"
    severity: str = "non_critical"
    contact: str = ""
    service: str = ""
    attachments: list[AttachmentIn] = []
    account_id: int = 0
    source: str = "staff"


class MessageIn(msgspec.Struct):
    """A word. question, internal and update are the staff's."""

    text: str = ""
    contact: str = ""
    question: bool = False
    internal: bool = False
    update: EtaIn | None = None
    attachments: list[AttachmentIn] = []


class SharedIn(msgspec.Struct):
    """One status update of an outage, for several cases."""

    text: str = ""
    cases: list[int] = []
    update: EtaIn = msgspec.field(default_factory=EtaIn)


class StepIn(msgspec.Struct):
    """What a step may say; each reads the members that it needs."""

    text: str = ""
    contact: str = ""
    person_id: int = 0
    severity: str = ""
    accept: int = 0
    interval_s: int = 0
    zone: str = ""
    times: list[str] = []
    effective_at: datetime | None = None
    evidence: str = ""
    version: int = 0
    words: str = ""
    method: str = ""
    verdict: str = ""
    clause: str = ""
    route: str = ""
    into: int = 0
    call: str = ""
    kind: str = ""
    case: int = 0
    account_id: int = 0
    discard: bool = False


def subject_of(text: str) -> str:
    """Return a subject. raises Wrong."""
    subject = clean(text, LONGEST_SUBJECT)
    if not subject:
        raise Wrong(missing("subject is a required field"))
    return subject


def text_of(text: str) -> str:
    """Return what somebody wrote. raises Wrong."""
    words = clean_text(text)
    if not words.strip():
        raise Wrong(missing("text is a required field"))
    if len(words) > LONGEST_BODY:
        raise Wrong(bad_type(f"text has at most {LONGEST_BODY} characters; attach what is longer"))
    return words


def line(text: str, longest: int = 2_000) -> str:
    """Return a short text, fit to be kept."""
    return clean_text(text)[:longest].strip()


def files_of(given: Sequence[AttachmentIn]) -> tuple[Attachment, ...]:
    """Return files. raises Wrong."""
    if len(given) > MOST_FILES:
        raise Wrong(bad_type(f"at most {MOST_FILES} attachments"))
    made: list[Attachment] = []
    for number, one in enumerate(given, 1):
        try:
            data = base64.b64decode(one.data, validate=True)
        except (binascii.Error, ValueError):
            raise Wrong(bad_type(f"attachments[{number - 1}].data is no base64")) from None
        if len(data) > LARGEST_FILE or sum(file.size_bytes for file in made) + len(data) > LARGEST_TOGETHER:
            text = f"a file has at most {LARGEST_FILE} bytes, all together {LARGEST_TOGETHER}"
            raise Wrong(Problem(413, "Request entity too large", text))
        made.append(store.attached(number, safe_name(one.name, number), clean(one.type, 100) or "application/octet-stream", data))
    return tuple(made)


def eta_of(given: EtaIn) -> Eta:
    """Return an expected time. raises Wrong."""
    if given.at is not None and given.at.utcoffset() is None:
        raise Wrong(bad_type("eta needs a time zone, for example 2026-05-20T12:00:00Z"))
    return Eta(at=None if given.at is None else given.at.astimezone(UTC), unknown_because=line(given.unknown_because, 500))


def cadence_of(given: StepIn) -> Cadence:
    """Return a cadence. raises Wrong."""
    if given.interval_s:
        return Every(interval_s=given.interval_s)
    if not given.times:
        raise Wrong(missing("give interval_s, or zone and times, or accept"))
    return Times(zone=given.zone, minutes=tuple(sorted({_minute(text) for text in given.times})))


def _minute(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit() and len(text) <= 5):
        raise Wrong(bad_type("times are written as 09:00"))
    return int(hours) * 60 + int(minutes) if int(minutes) < 60 else 1440


# Shown ------------------------------------------------------------------------------------------------------------------


def shown_row(row: store.Row, due: Reading | None, *, staff: bool) -> dict[str, Any]:
    """Return what a list shows of a case."""
    made = {
        "number": row.case_id,
        "subject": row.subject,
        "kind": row.kind.value,
        "severity": row.severity.value,
        "state": row.state.value,
        "source": row.source.value,
        "opened_at": _iso(row.opened_at),
        "updated_at": _iso(row.updated_at),
        "ended_at": _iso(row.ended_at),
        "next_due": None if due is None else {"kind": due.kind.value, "nature": due.nature.value, "due_at": _iso(due.due_at)},
    }
    return made | {"account_id": row.account_id, "owner_id": row.owner_id} if staff else made


def shown_case(seen: CaseSeen, *, staff: bool) -> dict[str, Any]:
    """Return a whole case."""
    case = seen.case
    made: dict[str, Any] = {
        "number": case.number,
        "subject": case.subject,
        "kind": case.kind.value,
        "severity": case.severity.value,
        "state": case.state.value,
        "source": case.source.value,
        "service": case.service,
        "opened_at": _iso(case.opened_at),
        "updated_at": _iso(case.updated_at),
        "ended_at": _iso(case.ended_at),
        "order_form_id": case.order_form_id,
        "reopened_from": case.reopened_from,
        "merged_into": case.merged_into_number,
        "owner": _person(seen.owner, staff=staff),
        "accepted": case.accepted,
        "tam": _person(seen.tam, staff=staff),
        "tam_acting": _person(seen.acting, staff=staff),
        "contacts": [{"contact_id": one.person_id, "name": one.name, "email": one.email} for one in seen.people],
        "severity_1_call": case.called,
        "no_severity_1_call_made": case.no_call,
        "stage": case.stage,
        "restored_at": _iso(case.restored_at),
        "last_update_at": _iso(case.last_update_at),
        "eta": None if case.eta is None else {"at": _iso(case.eta.at), "unknown_because": case.eta.unknown_because},
        "clocks": _clocks(seen.clocks, staff=staff),
        "cadences": [_agreement(one) for one in case.agreements],
        "step_down": None if case.downgrade is None else dict(zip(("version", "side", "text"), case.downgrade, strict=True)),
        "proposals": [_proposal(case, number) for number in range(len(case.proposals))],
        "scope": _scope(case),
    }
    if not staff:
        return made
    unsent = [
        {
            "to": one.email,
            "purpose": one.purpose.value,
            "since": _iso(one.made_at),
            "attempts": one.attempts,
            "returned": bool(one.returned),
            "trouble": one.returned or one.trouble,
        }
        for one in seen.unsent
    ]
    return made | {"account_id": case.account_id, "unsent_mail": unsent}


def _clocks(clocks: Iterable[ClockSeen], *, staff: bool) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {
        member: [] for nature, member in MEMBERS.items() if staff or nature is not Nature.INTERNAL
    }
    for one in clocks:
        member = MEMBERS[one.reading.nature]
        if member in made:
            made[member].append(_clock(one))
    return made


def _clock(one: ClockSeen) -> dict[str, Any]:
    reading = one.reading
    zone = None if reading.pin is None else reading.pin.zone
    local = None
    if reading.due_at is not None:
        local = local_time(reading.due_at, UTC) if zone is None else in_service_zone(reading.due_at, zone)
    return {
        "number": one.number,
        "kind": reading.kind.value,
        "clause": TERMS[reading.kind].clause if reading.nature is Nature.CONTRACTUAL else "",
        "state": reading.state.value,
        "basis": reading.basis.value,
        "zone": None if zone is None else zone.value,
        "holiday_set": None if reading.pin is None else reading.pin.holiday_set.value,
        "budget_s": reading.budget_s,
        "started_at": _iso(reading.started_at),
        "due_at": _iso(reading.due_at),
        "due_local": local,
        "elapsed_s": reading.elapsed_s,
        "remaining_s": reading.remaining_s,
        "overdue": one.overdue,
        "outcome_at": _iso(reading.outcome_at),
        "ended_at": _iso(reading.ended_at),
        "reached_at": _iso(reading.reached_at),
        "remark": reading.remark,
        "void": None if reading.void is None else {"people": list(reading.void.people), "reason": reading.void.reason},
        "moved": [
            {
                "recorded_at": _iso(move.record.recorded_at),
                "reason": move.record.reason,
                "before": _iso(move.before),
                "after": _iso(move.after),
            }
            for move in one.moved
        ],
    }


def _agreement(one: Any) -> dict[str, Any]:
    return {
        "version": one.version,
        "proposed_by": one.side.value,
        "accepted": one.effective_at is not None,
        "effective_at": _iso(one.effective_at),
        "spoken": None if not one.entered_by else {"evidence": one.evidence, "call": one.call or None},
        **msgspec.to_builtins(one.cadence),
    }


def _proposal(case: Case, number: int) -> dict[str, Any]:
    one = case.proposals[number]
    return {
        "version": one.version,
        "text": one.text,
        "sha256": one.sha256,
        "proposed_by": one.side.value,
        "proposed_at": _iso(one.proposed_at),
        "stands": one.stands,
        "doubted": one.doubted,
        "reminders": one.reminders,
        "signatures": [
            {
                "side": signature.side.value,
                "person": signature.person,
                "method": signature.method.value,
                "evidence": signature.evidence if signature.entered_by else None,
                "call": signature.call or None,
                "at": _iso(signature.at),
                "void": signature.void,
                "entered_by_staff": bool(signature.entered_by),
                "dispute_until": _iso(signature.dispute_until),
            }
            for signature in case.signatures
            if signature.version == one.version
        ],
        "waits_for_confirmation_by": case.draft if one.stands else None,
    }


def _scope(case: Case) -> dict[str, Any] | None:
    scope = case.scope
    if scope is None:
        return None
    return {
        "verdict": scope.verdict.value,
        "clause": scope.clause,
        "text": scope.text,
        "route": scope.route,
        "decided_by": scope.decided_by,
        "decided_at": _iso(scope.decided_at),
        "acknowledged_at": _iso(scope.acknowledged_at),
    }


def shown_message(message: Message) -> dict[str, Any]:
    """Return a message; its files are fetched apart."""
    return {
        "number": message.number,
        "side": message.side.value,
        "author": message.author,
        "sender": message.sender,
        "channel": message.channel.value,
        "purpose": message.purpose.value,
        "verified": message.verified.value,
        "automatic": message.automatic,
        "subject": message.subject,
        "text": message.body,
        "remark": message.remark,
        "received_at": _iso(message.received_at),
        "sent_at": _iso(message.sent_at),
        "attachments": [
            {"number": one.number, "name": one.name, "type": one.kind, "size": one.size_bytes, "sha256": one.sha256}
            for one in message.attachments
        ],
    }


def is_public(message: Message) -> bool:
    """Return whether the customer may read a message."""
    return message.purpose is not Purpose.NOTE


def shown_event(event: Event, *, staff: bool) -> dict[str, Any]:
    """Return an event with the hashes that prove the chain; a note of the staff is the staff's."""
    hidden = isinstance(event.payload, Noted) and not staff
    return {
        "seq": event.seq,
        "at": _iso(event.at),
        "side": event.side.value,
        "actor": event.actor if staff or event.side is not Side.PROVIDER else "staff",
        "event": "internal" if hidden else type(event.payload).__name__.lower(),
        "prev_hash": event.prev_hash.hex(),
        "hash": event.hash.hex(),
        **({"payload": msgspec.json.decode(write_payload(event.payload))} if staff else {}),
    }


def _person(person: Person | None, *, staff: bool) -> dict[str, Any] | None:
    if person is None:
        return None
    return {"name": person.name} | ({"person_id": person.person_id, "email": person.email} if staff else {})


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
