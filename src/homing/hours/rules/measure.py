"""Business Hours, counted: how much of them lies between two instants, when a number of seconds has passed, and why.

Everything here walks over the same stretches, so figures and their explanation cannot differ. Instants are whole seconds;
fractions are dropped. Which hours are in force at an instant is decided by what was recorded by then, so the past is never
judged anew, whatever is recorded later (rules V1 to V4 of the model).
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import NamedTuple

from homing.hours.rules import wall
from homing.hours.rules.contract import FIRST_DAY, LAST_DAY, TERMS, zone_info
from homing.hours.rules.holidays import holiday_on
from homing.hours.types import (
    Calendar,
    Closed,
    HolidayChange,
    NeverDue,
    Open,
    OpeningHours,
    Stretch,
    Version,
    Why,
    Windows,
)

HORIZON_DAYS = 400  # beyond it a calendar is taken for wrong, not for slow
_HORIZON_S = HORIZON_DAYS * 86_400
_DAY = timedelta(days=1)
_FIRST = int(datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC).timestamp())
_LAST = int(datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC).timestamp())


def elapsed(calendar: Calendar, start: datetime, end: datetime) -> int:
    """Return how many seconds of Business Hours lie in [start, end).

    raises   ValueError where an instant is not aware, out of the years that calendars know, or end is before start
    """
    return sum(one.end - one.start for one in _walk(calendar, *_range(start, end)) if one.why.counts)


def due(calendar: Calendar, start: datetime, seconds: int) -> datetime:
    """Return the earliest instant by which so many seconds of Business Hours have passed since start; start for 0.

    A budget that ends exactly at closing time is due at closing time, not at the next opening. What happens at the very
    instant that is due is in time.

    raises   ValueError as `elapsed`, and for a negative number; NeverDue where 400 days do not hold so many seconds
    """
    if seconds < 0:
        raise ValueError(f"a promise cannot last {seconds} seconds")
    begin = _instant(start)
    rest = seconds
    if not rest:
        return _moment(begin)
    for one in _walk(calendar, begin, begin + _HORIZON_S):
        if one.why.counts:
            if one.end - one.start >= rest:
                return _moment(one.start + rest)
            rest -= one.end - one.start
    raise NeverDue(
        f"calendar {calendar.name} holds only {seconds - rest} of {seconds} seconds of Business Hours in the {HORIZON_DAYS} days "
        f"after {_moment(begin):%Y-%m-%d %H:%M:%S} UTC; correct its hours with `homing hours record`"
    )


def status(calendar: Calendar, at: datetime) -> Open | Closed:
    """Return whether Business Hours run at an instant, and when that changes."""
    begin = _instant(at)
    stretches = _walk(calendar, begin, begin + _HORIZON_S)
    first = next(stretches)
    for one in stretches:
        if one.why.counts != first.why.counts:
            turn: datetime | None = _moment(one.start)
            break
    else:
        turn = None
    if first.why.counts:
        return Open(closes_at=turn)
    return Closed(opens_at=turn, why=first.why, holiday=first.holiday)


def stretches(calendar: Calendar, start: datetime, end: datetime) -> Iterator[Stretch]:
    """Yield what lies in [start, end) without a gap, cut at midnight and wherever the reason changes."""
    for one in _walk(calendar, *_range(start, end)):
        yield Stretch(
            start=_moment(one.start), end=_moment(one.end), day=one.day, why=one.why, version=one.version, holiday=one.holiday
        )


def in_force(calendar: Calendar, at: datetime) -> tuple[int, OpeningHours]:
    """Return the number of the version that decides at an instant (0: the contract), and its hours."""
    rule = _in_force(calendar, _instant(at))
    return rule.version, rule.hours


class _Part(NamedTuple):
    start: int
    end: int
    day: date
    why: Why
    version: int
    holiday: str

    def continues(self, other: "_Part") -> bool:
        """Return whether a part goes on where the other ends, for the same reason."""
        return self.start == other.end and self[2:] == other[2:]


class _InForce(NamedTuple):
    """What decides over a stretch of time: the hours of one version, and the holidays as they were known then."""

    version: int
    hours: OpeningHours
    changed: Mapping[date, HolidayChange]


def _walk(calendar: Calendar, start: int, end: int) -> Iterator[_Part]:
    """Yield the parts of [start, end), neighbours joined where nothing differs."""
    held: _Part | None = None
    for one in _parts(calendar, start, end):
        if held is None:
            held = one
        elif one.continues(held):
            held = held._replace(end=one.end)
        else:
            yield held
            held = one
    if held is not None:
        yield held


def _parts(calendar: Calendar, start: int, end: int) -> Iterator[_Part]:
    zone = zone_info(calendar.zone)
    turns = [turn for turn in _turns(calendar) if start < turn < end]
    day = wall.local(zone, start).date()
    for begin, stop in zip([start, *turns], [*turns, end], strict=True):
        rule = _in_force(calendar, begin)
        at = begin
        while at < stop:
            midnight = wall.opening(zone, day + _DAY, 0)
            until = min(stop, midnight)
            yield from _of_day(calendar, rule, day, at, until)
            at = until
            if at == midnight:
                day += _DAY


def _turns(calendar: Calendar) -> list[int]:
    """Return the instants at which another version or another set of holidays may come into force."""
    found = set()
    for version in calendar.versions:
        found.add(_second(version.recorded_at))
        found.add(_second(version.effective_from))
        if version.effective_to is not None:
            found.add(_second(version.effective_to))
    found.update(_second(change.recorded_at) for change in calendar.holiday_changes)
    return sorted(found)


def _in_force(calendar: Calendar, at: int) -> _InForce:
    """Return what was in force at an instant by what had been recorded then: of several versions the last recorded."""
    version = next((one for one in reversed(calendar.versions) if _covers(one, at)), None)
    changed = {one.day: one for one in calendar.holiday_changes if _second(one.recorded_at) <= at}
    if version is None:
        return _InForce(0, TERMS[calendar.zone].hours, changed)
    return _InForce(version.number, version.hours, changed)


def _covers(version: Version, at: int) -> bool:
    if not max(_second(version.recorded_at), _second(version.effective_from)) <= at:
        return False
    return version.effective_to is None or at < _second(version.effective_to)


def _of_day(calendar: Calendar, rule: _InForce, day: date, start: int, end: int) -> Iterator[_Part]:
    """Yield the parts of one local day between two instants of it."""
    windows, opened, closed, holiday = _plan(calendar, rule, day)
    if not windows:
        yield _Part(start, end, day, closed, rule.version, holiday)
        return
    at, gap = start, Why.EARLY
    for opens, closes in _instants(calendar, day, windows):
        if at < opens and at < end:
            yield _Part(at, min(opens, end), day, gap, rule.version, "")
        at = max(at, opens)
        if at < closes and at < end:
            yield _Part(at, min(closes, end), day, opened, rule.version, "")
        at = max(at, closes)
        gap = Why.BETWEEN
    if at < end:
        yield _Part(at, end, day, Why.LATE, rule.version, "")


def _plan(calendar: Calendar, rule: _InForce, day: date) -> tuple[Windows, Why, Why, str]:
    """Return the windows of a day, why they count, why the day does not if there are none, and the holiday it is."""
    exception = rule.hours.exceptions.get(day)
    if exception is not None:
        return exception, Why.OPENED, Why.CLOSED, ""
    windows = rule.hours.weekly[day.weekday()]
    change = rule.changed.get(day)
    known = holiday_on(calendar.holiday_set, day) if change is None else change if change.active else None
    if known is not None and windows:
        return (), Why.WEEKLY, Why.HOLIDAY, known.name
    return windows, Why.WEEKLY, Why.DAY_OFF, ""


def _instants(calendar: Calendar, day: date, windows: Windows) -> Iterator[tuple[int, int]]:
    """Yield the windows of a local day as instants; what a clock change has swallowed is left out."""
    zone = zone_info(calendar.zone)
    midnight = wall.opening(zone, day + _DAY, 0)
    for window in windows:
        opens = wall.opening(zone, day, window.opens_min)
        closes = min(wall.closing(zone, day, window.closes_min), midnight)
        if opens < closes:
            yield opens, closes


def _range(start: datetime, end: datetime) -> tuple[int, int]:
    begin, stop = _instant(start), _instant(end)
    if stop < begin:
        raise ValueError(f"the end, {end:%Y-%m-%d %H:%M:%S %Z}, is before the start, {start:%Y-%m-%d %H:%M:%S %Z}")
    return begin, stop


def _instant(moment: datetime) -> int:
    """Return an instant in whole seconds; fractions are dropped."""
    if moment.utcoffset() is None:
        raise ValueError("an instant needs a time zone")
    second = int(moment.timestamp() // 1)
    if not _FIRST <= second < _LAST:
        raise ValueError(f"calendars know the years {FIRST_DAY.year} to {LAST_DAY.year}; not {moment:%Y-%m-%d}")
    return second


def _second(moment: datetime) -> int:
    """Return the first whole second that is not before a moment: what is recorded within a second counts from the next."""
    return ceil(moment.timestamp())


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
