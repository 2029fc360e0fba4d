"""Shapes of /api/v1/support/sev1 and /api/v1/support/line."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.hours.types import ServiceZone
from homing.ingress.rules.problem import Problem, Wrong, bad_params
from homing.support.line.reports import Later
from homing.support.line.rules.numbers import parse
from homing.support.line.rules.promise import shown
from homing.support.line.rules.script import missing
from homing.support.line.types import Answers, Attempt, Call, Entitlement, HandCall, Obligation, Source
from homing.support.oncall.types import Run

MOST = {"company": 200, "name": 200, "phone": 40, "email": 254, "description": 20_000}
_EMAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")


class Sev1In(msgspec.Struct):
    """What somebody writes who cannot phone (clause F3)."""

    company: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    description: str = ""
    idempotency_key: str = ""


class AttemptIn(msgspec.Struct):
    """Which number to call, and by which carrier."""

    number: str = ""
    confirmed: bool = False
    carrier: str = ""


class HandCallIn(msgspec.Struct):
    """A call-back that was dialled by hand."""

    number: str = ""
    called_at: str = ""
    reached: bool | None = None
    evidence: str = ""


class ResultIn(msgspec.Struct):
    """What became of an attempt."""

    result: str = ""


class VoidIn(msgspec.Struct):
    """Why a call-back is not owed."""

    reason: str = ""


class EntitlementIn(msgspec.Struct):
    """What was decided about a caller."""

    verdict: str = ""
    account_id: int | None = None
    clause: str = ""
    reason: str = ""
    route: str = ""


def answers_of(given: Sev1In) -> Answers:
    """Return what was written, checked.

    raises   Wrong
    """
    found = {name: text_of(getattr(given, name), name, most) for name, most in MOST.items()}
    if found["email"] and not _EMAIL.fullmatch(found["email"]):
        raise Wrong(Problem(422, "invalid data format/type", "email must be an address such as kim@example.com", "1300"))
    if found["phone"]:
        number = parse(found["phone"], near="")
        if not number:
            raise Wrong(Problem(422, "invalid data format/type", "phone must be written as +<country code><number>", "1300"))
        found["phone"] = number
    if not found["phone"] and not found["email"]:
        raise Wrong(Problem(422, "required field is missing", "phone or email is required: how do we reach you?", "1400"))
    if not found["description"]:
        raise Wrong(Problem(422, "required field is missing", "description is required", "1400"))
    return Answers(**found)


def text_of(text: str, name: str, most: int) -> str:
    """Return a text as PostgreSQL can keep it.

    raises   Wrong where it is too long or no text
    """
    stripped = text.strip()
    if len(stripped) > most:
        raise Wrong(bad_params(f"{name} must be at most {most} characters"))
    if "\0" in stripped or any("\ud800" <= sign <= "\udfff" for sign in stripped):
        raise Wrong(Problem(422, "invalid data format/type", f"{name} must be text, without NUL", "1300"))
    return stripped


def show(call: Call, owed: Obligation, zone: ServiceZone | None, decided_by: str) -> dict[str, Any]:
    """Return a call as its customer sees it. decided_by: the name of who refused the caller; '': nobody did."""
    return {
        "reference": call.reference,
        "source": call.source.value,
        "first_ring_at": at(call.first_ring_at),
        "due_at": at(owed.due_at),
        "due_local": shown(owed.due_at, zone),
        "returned_at": at(owed.returned_at),
        "connected_at": at(owed.connected_at),
        "engaged_at": at(owed.engaged_at),
        "outcome": None if owed.outcome is None else owed.outcome.value,
        "void": owed.voided_at is not None,
        "case": call.case_ref,
        "entitlement": call.entitlement.value,
        "refusal": _refusal(call, decided_by),
        "answers": msgspec.to_builtins(call.state.answers),
        "missing": missing(call.state.answers, call.state.recorded),
    }


def show_later(answers: Answers, source: Source, later: Later, numbers: Sequence[str]) -> dict[str, Any]:
    """Return a report that is written down while our store is away, as its customer sees it."""
    return {
        "reference": later.reference,
        "source": source.value,
        "first_ring_at": at(later.came_at),
        "due_at": at(later.due_at),
        "due_local": shown(later.due_at, None),
        "outcome": None,
        "answers": msgspec.to_builtins(answers),
        "missing": missing(answers, ()),
        "written_down": True,
        "phone": list(numbers),
    }


def _refusal(call: Call, decided_by: str) -> dict[str, Any] | None:
    """Return by what, by whom and when a caller was refused, and what he can do instead (invariant 14)."""
    made = call.decision
    if made is None or call.entitlement is not Entitlement.NO:
        return None
    said = {"clause": made.clause, "reason": made.reason, "route": made.route}
    return {**said, "decided_by": decided_by, "decided_at": at(made.at)}


def show_to_staff(call: Call, owed: Obligation, zone: ServiceZone | None, decided_by: str) -> dict[str, Any]:
    """Return a call as the staff sees it."""
    return {
        "call_id": call.intake_id,
        **show(call, owed, zone, decided_by),
        "account_id": call.account_id,
        "name_by": at(call.decide_by) if call.is_unnamed and owed.voided_at is None else None,
        "contact_id": call.contact_id,
        "carrier": call.carrier,
        "caller": call.caller or None,
        "called": call.called,
        "proof": call.proof.value,
        "step": call.state.step.value,
        "partial": call.partial,
        "ended_at": at(call.ended_at),
        "accepted_by": call.accepted_by,
        "linked_to": call.linked_to,
        "claimed_by": owed.claimed_by,
        "claim_until": at(owed.claim_until),
        "next_try_at": at(owed.next_try_at),
        "voids": msgspec.to_builtins(owed.voids),
    }


def show_attempt(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt."""
    return {
        "attempt_id": attempt.attempt_id,
        "person_id": attempt.person_id,
        "number": attempt.number,
        "carrier": attempt.carrier,
        "status": attempt.status.value,
        "created_at": at(attempt.created_at),
        "placed_at": at(attempt.placed_at),
        "connected_at": at(attempt.connected_at),
        "ended_at": at(attempt.ended_at),
        "result": attempt.result or None,
    }


def show_hand_call(one: HandCall, *, staff: bool) -> dict[str, Any]:
    """Return a call that was dialled by hand, as it was told; its customer learns no number and no evidence of ours."""
    found: dict[str, Any] = {"called_at": at(one.called_at), "reached": one.reached, "counts": False}
    if staff:
        more = {"person_id": one.person_id, "number": one.number, "evidence": one.evidence, "recorded_at": at(one.recorded_at)}
        found |= more
    return found


def show_recordings(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Return recordings without their sound."""
    return [
        {
            "recording_id": row["recording_id"],
            "step": row["step"],
            "seconds": row["seconds"],
            "state": row["state"],
            "why": row["why"] or None,
            "size_bytes": row["size_bytes"],
            "sha256": None if row["sha256"] is None else bytes(row["sha256"]).hex(),
            "erase_at": at(row["erase_at"]),
        }
        for row in rows
    ]


def at(moment: datetime | None) -> str | None:
    """Return a moment in UTC."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def show_ladder(run: Run | None) -> dict[str, Any] | None:
    """Return the ladder of a call-back: under `run_id` it is answered (/api/v1/support/oncall/runs)."""
    if run is None:
        return None
    return {
        "run_id": run.run_id,
        "steps": len(run.steps),
        "next_step": run.next_step,
        "engaged_by": run.engaged_by,
        "engaged_at": at(run.engaged_at),
        "ended_at": at(run.ended_at),
        "ended_because": run.ended_because,
    }
