"""What is wrong with a call-back, said by its call and its attempts; the nightly audit asks (invariants 7 and 15)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from homing.support.line.rules.callback import PROOF_WITHIN, judged, placed_at
from homing.support.line.rules.told import Told
from homing.support.line.types import Attempt, Call, Obligation, Outcome

PROMISE = timedelta(minutes=15)  # clause F4
BEHIND = timedelta(minutes=10)  # the keeper writes misses in seconds; so late they are a finding
PEOPLE = 2  # who make a call-back void


def complaints(call: Call, owed: Obligation, attempts: Sequence[Attempt], *, proven: bool, now: datetime) -> list[str]:
    """Return how a call-back differs from what follows, in sentences.

    attempts   of this call-back
    proven     an attempt, also of another call of the same customer (E12), was placed when this one counts as returned
    """
    found = []
    if owed.due_at > call.first_ring_at + PROMISE:
        found.append(f"it is due at {owed.due_at}, later than fifteen minutes after the first ring at {call.first_ring_at}")
    for one in attempts:
        follows = placed_at(accepted_at=one.accepted_at, evidence_at=one.evidence_at)
        if follows != one.placed_at:
            found.append(f"attempt {one.attempt_id} is kept as placed at {one.placed_at}, and its events say {follows}")
    if owed.returned_at is not None and not proven:
        found.append(f"it counts as returned at {owed.returned_at}, when no attempt was placed")
    found += [f"its case does not know that it was {what} at {at}" for what, at in _untold(call, owed) if now - at > BEHIND]
    people = {one.person_id for one in owed.voids}
    if (owed.voided_at is not None or owed.outcome is Outcome.VOID) and len(people) < PEOPLE:
        found.append("it is void by fewer than two people")
    if owed.outcome is Outcome.VOID:
        return found
    kept = [moment for moment in (owed.returned_at, owed.engaged_at) if moment is not None]
    pending = any(one.placed_at is None and one.accepted_at is not None and one.accepted_at <= owed.due_at for one in attempts)
    follows_outcome = judged(owed.due_at, kept, pending=pending and now <= owed.due_at + PROOF_WITHIN, now=now)
    late = owed.outcome is None and follows_outcome is Outcome.MISSED and now - owed.due_at <= BEHIND
    if owed.outcome is not follows_outcome and not late and owed.voided_at is None:
        found.append(f"it is kept as {owed.outcome or 'open'}, and is {follows_outcome or 'open'} by what happened")
    return found


def _untold(call: Call, owed: Obligation) -> list[tuple[Told, datetime]]:
    """Return what a case should know of its call and does not, and since when that is so."""
    if call.case_ref is None:
        return []
    since = {
        Told.ANSWERED: owed.answered_at,
        Told.RETURNED: owed.returned_at or owed.engaged_at,
        Told.REACHED: owed.connected_at,
        Told.VOID: owed.voided_at,
    }
    return [(what, at) for what, at in since.items() if at is not None and what.value not in call.told]
