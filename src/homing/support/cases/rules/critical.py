"""When a case was critical: the stretches of its life in which it was, and since when it is."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from homing.support.cases.happened import Called, Escalated, Event
from homing.support.cases.rules.fold import apply, fold
from homing.support.cases.types import Case, Severity


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a case was critical and work on it went on; ended_at None: it still is."""

    began_at: datetime
    ended_at: datetime | None


def stretches(events: Sequence[Event]) -> list[Stretch]:
    """Return when a case was critical. A call makes it so from its first ring.

    events   all of it, in order
    """
    found: list[Stretch] = []
    case: Case | None = None
    for event in events:
        case = fold([event], number=event.case_id, account_id=0) if case is None else apply(case, event)
        critical = case.severity is Severity.CRITICAL and case.live
        open_one = found[-1] if found and found[-1].ended_at is None else None
        if critical and open_one is None:
            found.append(Stretch(began_at=_began(event), ended_at=None))
        elif critical and open_one is not None and isinstance(event.payload, Called) and len(found) == 1:
            # The call that opened the case: it is noted right after.
            found[-1] = Stretch(began_at=min(open_one.began_at, event.payload.first_ring_at), ended_at=None)
        elif not critical and open_one is not None:
            found[-1] = Stretch(began_at=open_one.began_at, ended_at=event.at)
    return found


def critical_since(events: Sequence[Event]) -> datetime | None:
    """Return since when a case is critical; None: it is not."""
    last = stretches(events)[-1:]
    return last[0].began_at if last and last[0].ended_at is None else None


def _began(event: Event) -> datetime:
    step = event.payload
    if isinstance(step, Escalated) and step.by_call and step.first_ring_at is not None:
        return min(step.first_ring_at, event.at)
    return event.at
