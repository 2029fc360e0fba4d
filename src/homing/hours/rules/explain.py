"""Why a figure is what it is: every stretch that counts and every one that does not, adding up to the second."""

from datetime import datetime

import msgspec

from homing.hours.rules.measure import due, stretches
from homing.hours.types import Calendar, HolidayChange, NeverDue, Stretch, Version


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between two instants. Counted and skipped seconds together are the whole of it."""

    calendar: str
    start: datetime
    end: datetime
    counted_s: int
    skipped_s: int
    stretches: tuple[Stretch, ...]


def explain(calendar: Calendar, start: datetime, end: datetime) -> Explanation:
    """Return every stretch of [start, end), in order and without a gap.

    raises   ValueError as `measure.elapsed`
    """
    found = tuple(stretches(calendar, start, end))
    counted = sum(one.seconds for one in found if one.why.counts)
    return Explanation(
        calendar=calendar.name,
        start=found[0].start if found else start,
        end=found[-1].end if found else end,
        counted_s=counted,
        skipped_s=sum(one.seconds for one in found) - counted,
        stretches=found,
    )


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A record that moved a due time after its clock had started, so that the customer can be told why (rule V3).

    before, after   None: not within the horizon
    """

    record: Version | HolidayChange
    before: datetime | None
    after: datetime | None


def moves(calendar: Calendar, start: datetime, seconds: int) -> tuple[Move, ...]:
    """Return what has moved the due time of a clock since it started, in the order of recording.

    raises   ValueError as `measure.due`
    """
    records: list[Version | HolidayChange] = [*calendar.versions, *calendar.holiday_changes]
    before = _due(calendar.as_known_at(start), start, seconds)
    found = []
    for record in sorted((one for one in records if one.recorded_at > start), key=lambda one: one.recorded_at):
        after = _due(calendar.as_known_at(record.recorded_at), start, seconds)
        if after != before:
            found.append(Move(record=record, before=before, after=after))
        before = after
    return tuple(found)


def _due(calendar: Calendar, start: datetime, seconds: int) -> datetime | None:
    try:
        return due(calendar, start, seconds)
    except NeverDue:
        return None
