"""Business Hours day by day: what a page or a table shows, and what a change would change."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

from homing.hours.rules import wall
from homing.hours.rules.contract import LAST_DAY, zone_info
from homing.hours.rules.holidays import holidays_of
from homing.hours.rules.measure import HORIZON_DAYS, stretches
from homing.hours.types import Calendar, Holiday, Why

_DAY = timedelta(days=1)


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One local date.

    spans     what counts of it, as [start, end)
    why       why it counts, or why it does not
    version   the version that decided last
    """

    day: date
    spans: tuple[tuple[datetime, datetime], ...]
    why: Why
    holiday: str
    version: int

    @property
    def seconds(self) -> int:
        """Return how much of it counts."""
        return sum(int((end - start).total_seconds()) for start, end in self.spans)


def days(calendar: Calendar, first: date, count: int) -> list[Day]:
    """Return some local dates in order.

    raises   ValueError as `measure.elapsed`
    """
    return [_day(calendar, first + n * _DAY) for n in range(count)]


def changed_days(before: Calendar, after: Calendar, first: date, count: int) -> Iterator[tuple[Day, Day]]:
    """Yield the dates of which other spans count in one calendar than in the other."""
    for one, other in zip(days(before, first, count), days(after, first, count), strict=True):
        if one.spans != other.spans:
            yield one, other


def changed_from(before: Calendar, after: Calendar, moment: datetime) -> list[tuple[Day, Day]]:
    """Return the dates of a horizon after a moment of which other spans count, as far as calendars know years."""
    first = today(after, moment)
    count = max(0, min(HORIZON_DAYS, (LAST_DAY - first).days - 1))
    return list(changed_days(before, after, first, count))


def today(calendar: Calendar, now: datetime) -> date:
    """Return the date that the zone's clocks show."""
    return now.astimezone(zone_info(calendar.zone)).date()


def observed(calendar: Calendar, year: int) -> Mapping[date, Holiday]:
    """Return the holidays of a year with everything that was recorded about them, by date."""
    found = dict(holidays_of(calendar.holiday_set, year))
    for change in calendar.holiday_changes:
        if change.day.year == year:
            found.pop(change.day, None)
            if change.active:
                found[change.day] = Holiday(day=change.day, name=change.name, substitute_for=change.substitute_for)
    return dict(sorted(found.items()))


def _day(calendar: Calendar, day: date) -> Day:
    zone = zone_info(calendar.zone)
    begin, end = (datetime.fromtimestamp(wall.opening(zone, one, 0), UTC) for one in (day, day + _DAY))
    found = list(stretches(calendar, begin, end))
    said = next((one for one in found if one.why.counts), found[-1])
    spans = tuple((one.start, one.end) for one in found if one.why.counts)
    return Day(day=day, spans=spans, why=said.why, holiday=said.holiday, version=found[-1].version)
