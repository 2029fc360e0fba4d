"""What a change of severity does to the clocks of a case (E8 to E10). Nothing here ends a CALLBACK: the contract owes it."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import Kind, Started


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """Kinds whose running clocks are superseded, and kinds that start.

    starts   in order; a CALLBACK and an ENGAGE that belong to a call are kept with the call
    """

    supersedes: frozenset[Kind]
    starts: tuple[Kind, ...]


TO_CRITICAL = "critical"
TO_NON_CRITICAL = "non-critical"


AWAY = frozenset({Kind.FIRST_RESPONSE, Kind.UPDATE})  # what a critical case owes no more: status updates take their place


def escalated(*, by_call: bool) -> Flip:
    """Return what a step up to Critical does.

    by_call   the customer called the Severity 1 Line: the call has its own CALLBACK and ENGAGE, from its first ring, and
              the cadence begins with the call-back. Without a call somebody must still be woken and the customer hear soon.
    """
    return Flip(supersedes=AWAY, starts=() if by_call else (Kind.ENGAGE, Kind.CADENCE))


def downgraded(running: Iterable[Kind]) -> Flip:
    """Return what a step down does, which both sides agreed: a new UPDATE, not the rest of the old one (E9).

    running   kinds of the case, and of the calls that belong to it, that run now. While a call is owed, whoever was paged
              must still move.
    """
    away = {Kind.CADENCE} if Kind.CALLBACK in set(running) else {Kind.CADENCE, Kind.ENGAGE}
    return Flip(supersedes=frozenset(away), starts=(Kind.UPDATE,))


def callback(first_ring: datetime, *, earlier_due: datetime | None = None) -> Started:
    """Return how the CALLBACK of a call starts: at its first ring (reading R3).

    earlier_due   of a call by the same customer that is still owed: a second call never buys us time (E12)
    """
    due = first_ring + timedelta(seconds=TERMS[Kind.CALLBACK].budget_s)
    if earlier_due is not None:
        due = min(due, max(earlier_due, first_ring))
    return Started(at=first_ring, budget_s=int((due - first_ring).total_seconds()))
