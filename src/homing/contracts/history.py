"""What was known when: Order Forms and TAMs are recorded by the server's clock, and what comes later hides nothing (R11)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from homing.contracts.types import Assignment, OrderForm


def as_known(forms: Iterable[OrderForm], at: datetime) -> list[OrderForm]:
    """Return Order Forms as they were recorded at a moment: those recorded later are not there, and have ended no other one."""
    return [
        msgspec.structs.replace(one, ends_at=None) if one.end_recorded_at is not None and one.end_recorded_at > at else one
        for one in forms
        if one.recorded_at <= at
    ]


def in_force(forms: Iterable[OrderForm], service: str, at: datetime) -> OrderForm | None:
    """Return the Order Form of a service that is in force at an instant."""
    return next(
        (one for one in forms if one.service == service and one.begins_at <= at and (one.ends_at is None or at < one.ends_at)),
        None,
    )


def without_tam(assignments: Sequence[Assignment], since: datetime, until: datetime, *, as_recorded: bool) -> int:
    """Return for how many seconds of [since, until) nobody was TAM (clause B1).

    as_recorded   by what was recorded at each instant: an assignment fills no gap before it was recorded, and one that another
                  ended afterwards counts until that was recorded; else as the records stand now
    """
    held = []
    for one in assignments:
        begin, end = one.begins_at, one.ends_at
        if as_recorded:
            begin = max(begin, one.recorded_at)
            if end is not None and one.end_recorded_at is not None:
                end = max(end, one.end_recorded_at)
        if one.person.left_at is not None:
            end = one.person.left_at if end is None else min(end, one.person.left_at)
        held.append((min(max(begin, since), until), until if end is None else min(end, until)))
    gap, reached = timedelta(), since
    for begin, end in sorted(held):
        if end > reached:
            gap += max(timedelta(), begin - reached)
            reached = end
    return int((gap + max(timedelta(), until - reached)).total_seconds())
