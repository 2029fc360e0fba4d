"""Hours, durations and instants as people write and read them. What cannot be read is a ValueError whose text says what can.

Windows of a day: `09:00-17:00`, `09:00-12:00,13:00-17:00`, `closed`. A week: `mon-fri 09:00-17:00; sat 10:00-12:00`; days that
are not named are closed. A local time is always shown with its abbreviation and its offset.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo

import msgspec

from homing.hours.rules import wall
from homing.hours.types import DAY_MIN, OpeningHours, Window, Windows

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED = "closed"
_WINDOW = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?:in)?)?(?:(\d{1,8})s)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def read_windows(text: str) -> Windows:
    """Return the windows of a day."""
    if text.strip().lower() == CLOSED:
        return ()
    found: list[Window] = []
    for piece in text.split(","):
        match = _WINDOW.fullmatch(piece.strip())
        if match is None:
            raise ValueError(f"{piece.strip()!r} is no window; write for example 09:00-17:00, or closed")
        opens_h, opens_m, closes_h, closes_m = (int(number) for number in match.groups())
        window = Window(60 * opens_h + opens_m, 60 * closes_h + closes_m)
        if opens_m > 59 or closes_m > 59 or window.closes_min > DAY_MIN:
            raise ValueError(f"{piece.strip()!r} is no window: a day runs from 00:00 to 24:00")
        if window.opens_min >= window.closes_min:
            raise ValueError(f"{piece.strip()!r} ends before it begins; what runs past midnight belongs to the next day as well")
        if found and window.opens_min < found[-1].closes_min:
            raise ValueError(f"{piece.strip()!r} begins before the window ahead of it ends; write windows in order, apart")
        if found and window.opens_min == found[-1].closes_min:
            window = Window(found.pop().opens_min, window.closes_min)
        found.append(window)
    return tuple(found)


def show_windows(windows: Windows) -> str:
    """Return the windows of a day as `read_windows` reads them."""
    return ",".join(f"{_clock(one.opens_min)}-{_clock(one.closes_min)}" for one in windows) or CLOSED


def read_week(text: str) -> tuple[Windows, ...]:
    """Return the windows of seven days, Monday first."""
    week: dict[int, Windows] = {}
    for piece in filter(None, (part.strip() for part in text.split(";"))):
        names, _, rest = piece.partition(" ")
        for day in _days(names.lower()):
            if day in week:
                raise ValueError(f"{DAYS[day]} stands there twice; name each day once, with all its windows")
            week[day] = read_windows(rest)
    return tuple(week.get(day, ()) for day in range(7))


def show_week(weekly: tuple[Windows, ...]) -> str:
    """Return a week as `read_week` reads it: neighbours with equal windows together, closed days left out."""
    runs: list[tuple[int, int]] = []
    for day in range(7):
        if runs and weekly[day] == weekly[runs[-1][0]]:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    said = [
        f"{DAYS[first]}{'' if first == last else '-' + DAYS[last]} {show_windows(weekly[first])}"
        for first, last in runs
        if weekly[first]
    ]
    return "; ".join(said)


def read_date(text: str) -> date:
    """Return a date written as 2026-12-24."""
    try:
        if _DATE.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no date; write for example 2026-12-24")


def read_duration(text: str) -> int:
    """Return seconds of `4h`, `90min`, `1h30m`, `45s`; a business day is as long as its windows, so days cannot be named."""
    match = _DURATION.fullmatch(text.strip().lower().replace(" ", ""))
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration; write for example 4h, 90m, 1h30m or 45s")
    hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def show_duration(seconds: int) -> str:
    """Return seconds to the second: `67 h 00 min`, `0 h 15 min 30 s`."""
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours} h {minutes:02d} min" + (f" {left:02d} s" if left else "")


def read_instant(text: str, zone: tzinfo) -> datetime:
    """Return an instant in UTC, from a time with an offset, or from what a clock in the zone reads."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time; write for example '2026-12-23 16:00' or 2026-12-23T21:00Z") from None
    if moment.tzinfo is None:
        if not wall.is_plain(zone, moment):
            example = moment.replace(tzinfo=zone, fold=1).isoformat()
            raise ValueError(
                f"{text!r} is a time that the clock change skips or repeats; write it with its offset, for example {example}"
            )
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is out of reach") from None


def show_instant(moment: datetime, zone: tzinfo) -> str:
    """Return an instant as clocks in the zone show it: `Wed 2026-01-14 14:00 EST (UTC-05:00)`; seconds where there are any."""
    there = moment.astimezone(zone)
    seconds = f":{there:%S}" if there.second else ""
    offset = there.isoformat()[-6:]
    return f"{there:%a %Y-%m-%d %H:%M}{seconds} {there:%Z} (UTC{offset})"


class _Written(msgspec.Struct):
    """Hours as they are stored."""

    weekly: str
    exceptions: dict[str, str] = {}


def read_hours(stored: str | bytes) -> OpeningHours:
    """Return hours from the JSON that they are stored as."""
    written = msgspec.json.decode(stored, type=_Written)
    return OpeningHours(
        weekly=read_week(written.weekly),
        exceptions={read_date(day): read_windows(windows) for day, windows in written.exceptions.items()},
    )


def write_hours(hours: OpeningHours) -> str:
    """Return hours as the JSON that they are stored as."""
    return msgspec.json.encode(_Written(show_week(hours.weekly), show_exceptions(hours.exceptions))).decode()


def show_exceptions(exceptions: Mapping[date, Windows]) -> dict[str, str]:
    """Return exceptions by date, as text."""
    return {day.isoformat(): show_windows(windows) for day, windows in sorted(exceptions.items())}


def _days(names: str) -> list[int]:
    first, dash, last = names.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"{names!r} is no day of the week; write for example mon, or mon-fri")
    begin = DAYS.index(first)
    count = (DAYS.index(last) - begin) % 7 if dash else 0
    return [(begin + step) % 7 for step in range(count + 1)]


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
