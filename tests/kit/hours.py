"""What tests of Business Hours share: calendars, local times, records, and a march that knows nothing of our arithmetic."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from homing.hours.rules.contract import TERMS, calendar_of
from homing.hours.rules.holidays import holiday_on
from homing.hours.rules.text import read_week, read_windows
from homing.hours.types import Calendar, HolidayChange, HolidaySet, OpeningHours, ServiceZone, Version

ABBREVIATIONS = {"EST": -5, "EDT": -4, "PST": -8, "PDT": -7, "GMT": 0, "BST": 1}
ZONES = {zone: ZoneInfo(terms.tz) for zone, terms in TERMS.items()}


def at(text: str) -> datetime:
    """Return an instant written as the tables of the model write it: `2026-01-14 10:00 EST`, or `2026-01-14T15:00Z`."""
    words = text.split()
    if len(words) == 1:
        return datetime.fromisoformat(text)
    if words[0].isalpha():  # the day of the week
        assert f"{date.fromisoformat(words[1]):%a}" == words[0]
        words = words[1:]
    naive = datetime.fromisoformat(f"{words[0]} {words[1]}")
    return (naive - timedelta(hours=ABBREVIATIONS[words[2]])).replace(tzinfo=UTC)


def shown(moment: datetime, zone: str) -> str:
    """Return an instant as the tables write it."""
    there = moment.astimezone(ZONES[ServiceZone(zone)])
    return f"{there:%a %Y-%m-%d %H:%M %Z}"


def calendar(name: str, *, versions: tuple[Version, ...] = (), holiday_changes: tuple[HolidayChange, ...] = ()) -> Calendar:
    """Return a calendar by its name, for example `ET` or `ET/US-FED`, with what was recorded."""
    zone, _, holiday_set = name.partition("/")
    made = calendar_of(ServiceZone(zone), HolidaySet(holiday_set) if holiday_set else None)
    return Calendar(zone=made.zone, holiday_set=made.holiday_set, versions=versions, holiday_changes=holiday_changes)


def hours(zone: str, *, week: str | None = None, on: dict[str, str] | None = None) -> OpeningHours:
    """Return the hours of a zone with another week, or with exceptions."""
    return OpeningHours(
        weekly=TERMS[ServiceZone(zone)].hours.weekly if week is None else read_week(week),
        exceptions={date.fromisoformat(day): read_windows(windows) for day, windows in (on or {}).items()},
    )


def version(
    zone: str,
    *,
    recorded: str,
    number: int = 1,
    begins: str | None = None,
    ends: str | None = None,
    week: str | None = None,
    on: dict[str, str] | None = None,
) -> Version:
    """Return a version that was recorded at some time."""
    return Version(
        number=number,
        zone=ServiceZone(zone),
        hours=hours(zone, week=week, on=on),
        effective_from=at(begins or recorded),
        effective_to=None if ends is None else at(ends),
        recorded_at=at(recorded),
        author="kim",
        reason="for a test",
    )


def change(holiday_set: str, day: str, *, recorded: str, active: bool = True, number: int = 1) -> HolidayChange:
    """Return a holiday that was declared, or taken back, at some time."""
    return HolidayChange(
        number=number,
        holiday_set=HolidaySet(holiday_set),
        day=date.fromisoformat(day),
        name="a day of its own",
        active=active,
        source="a proclamation",
        recorded_at=at(recorded),
        author="kim",
        reason="for a test",
    )


@cache
def readings(zone: ServiceZone, day: date) -> tuple[int, tuple[int, ...]]:
    """Return the first second of a local date, and what the clock on the wall reads in each of its seconds (since midnight).

    The clock is read at both ends of every minute of UTC: no zone changes its clock within one, which is seen thereby.
    """
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 14 * 3600
    found: list[int] = []
    first = 0
    for minute in range(begin, begin + 60 * 3600, 60):
        there, last = (datetime.fromtimestamp(second, ZONES[zone]) for second in (minute, minute + 59))
        assert (there.second, last.minute, last.second) == (0, there.minute, 59)
        if there.date() == day:
            first = first or minute
            reading = there.hour * 3600 + there.minute * 60
            found.extend(range(reading, reading + 60))
        elif there.date() > day:
            break
    return first, tuple(found)


@cache
def open_seconds(zone: ServiceZone, day: date, windows: tuple[tuple[int, int], ...]) -> frozenset[int]:
    """Return the open seconds of a local date.

    A window begins with the first second that reads `opens` or more, and ends with the last that reads less than `closes`.
    """
    first, reads = readings(zone, day)
    found: set[int] = set()
    for opens, closes in windows:
        begin = next((n for n, reading in enumerate(reads) if reading >= 60 * opens), len(reads))
        last = next((n for n in range(len(reads) - 1, -1, -1) if reads[n] < 60 * closes), -1)
        found.update(range(first + begin, first + last + 1))
    return frozenset(found)


def opened(calendar: Calendar, second: int) -> frozenset[int]:
    """Return the open seconds of the day of one second, as what was recorded by then says."""
    day = datetime.fromtimestamp(second, ZONES[calendar.zone]).date()
    now = datetime.fromtimestamp(second, UTC)
    hours = TERMS[calendar.zone].hours
    for one in calendar.versions:  # the last that was recorded, and is meant for this second
        if one.recorded_at <= now and one.effective_from <= now and (one.effective_to is None or now < one.effective_to):
            hours = one.hours
    holiday = holiday_on(calendar.holiday_set, day) is not None
    for change in calendar.holiday_changes:
        if change.day == day and change.recorded_at <= now:
            holiday = change.active
    windows = hours.exceptions.get(day)
    if windows is None:
        windows = () if holiday else hours.weekly[day.weekday()]
    return open_seconds(calendar.zone, day, tuple((one.opens_min, one.closes_min) for one in windows))


def march(calendar: Calendar, first: int, length: int) -> list[bool]:
    """Return of each second whether it counts.

    What holds is asked anew with every minute, and with every second of a minute in which something recorded begins or ends:
    days begin with a minute everywhere.
    """
    moments = [moment for one in calendar.versions for moment in (one.recorded_at, one.effective_from, one.effective_to)]
    moments += [change.recorded_at for change in calendar.holiday_changes]
    unsettled = {int(moment.timestamp()) // 60 for moment in moments if moment is not None}
    marched: list[bool] = []
    for minute in range(first // 60, (first + length - 1) // 60 + 1):
        seconds = range(max(first, 60 * minute), min(first + length, 60 * minute + 60))
        if minute in unsettled:
            marched += [second in opened(calendar, second) for second in seconds]
        elif seconds:
            found = opened(calendar, seconds[0])
            marched += [second in found for second in seconds]
    return marched
