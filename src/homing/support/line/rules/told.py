"""What a call tells its case, in words and in steps. It is told once, in this order."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from homing.support.line.types import Call, Entitlement, Obligation, Proof, Source


class Told(StrEnum):
    """What a case knows of a call."""

    WORDS = "words"  # what the caller gave, once the call is over
    ANSWERED = "answered"  # somebody who was woken has answered
    RETURNED = "returned"
    REACHED = "reached"
    VOID = "void"
    ENTITLEMENT = "entitlement"


_PROOFS = {
    Proof.NONE: "who he is, nothing proves",
    Proof.CALLER_ID: "known by his number alone, which is a hint and no proof",
    Proof.PIN: "known by the support PIN",
    Proof.KEY: "known by an API key of the account",
}
_LABELS = {"company": "Company", "name": "Name", "phone": "Number", "email": "Address", "description": "What is wrong"}


def news(one: Call, owed: Obligation, told: frozenset[str]) -> list[Told]:
    """Return what a case has still to be told."""
    happened = {
        Told.WORDS: one.ended_at is not None,
        Told.ANSWERED: owed.answered_at is not None,
        Told.RETURNED: owed.returned_at is not None or owed.engaged_at is not None,
        Told.REACHED: owed.connected_at is not None,
        Told.VOID: owed.voided_at is not None,
        Told.ENTITLEMENT: one.entitlement is not Entitlement.UNKNOWN,
    }
    return [what for what, there in happened.items() if there and what not in told]


def opening(one: Call, recordings: Mapping[str, int]) -> str:
    """Return the first words in a case: what is known so far.

    recordings   number of the recording of each step
    """
    way = {Source.FORM: "A report by the web form", Source.API: "A report over the API"}.get(one.source, "A call")
    number = f" from {one.caller}" if one.caller else " from a withheld number" if one.source.is_call else ""
    lines = [
        f"{way} to the Severity 1 Line{number}, {_PROOFS[one.proof]}.",
        f"Reference: {one.reference}",
        f"First ring: {_shown(one.first_ring_at)}. The call-back is due at {_shown(one.due_at)}.",
    ]
    if one.entitlement is Entitlement.UNKNOWN:
        lines.append("Whether the caller is entitled, a person decides within 60 minutes; it changes nothing of the call-back.")
    said = given(one, recordings)
    return "\n".join([*lines, "", said or "What the caller says is added when the call is over."])


def given(one: Call, recordings: Mapping[str, int]) -> str:
    """Return what the caller gave, a line for each; '' where that is nothing (clause F3)."""
    lines = []
    for name, label in _LABELS.items():
        said = getattr(one.state.answers, name)
        if said:
            lines.append(f"{label}: {said}")
        elif name in recordings:
            lines.append(f"{label}: recording {recordings[name]} (/api/v1/support/line/recordings/{recordings[name]})")
    return "\n".join(lines)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
