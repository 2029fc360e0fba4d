"""How often the customer hears of a Critical Issue (clause F5): agreements, the next due time, and what a new one changes.

Both sides agree: one proposes, the other accepts. Before that the Order Form's interval counts, shown as provisional
(reading R6).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from homing.hours.rules import wall

SHORTEST_S = 300
LONGEST_S = 7 * 86_400
MOST_TIMES = 24
_DAYS_AHEAD = 4  # a reading that a zone skips altogether (a whole day, once in history) is passed over


class Every(msgspec.Struct, frozen=True, kw_only=True, tag="interval", tag_field="form"):
    """So many seconds after the last update, whatever clocks on the wall do meanwhile."""

    interval_s: int


class Times(msgspec.Struct, frozen=True, kw_only=True, tag="times", tag_field="form"):
    """At these readings of a zone's clocks each day; the reading is kept over clock changes, not the distance.

    zone      IANA name
    minutes   of the day, ascending; one that is skipped means the first instant after the gap, one that comes twice the first
    """

    zone: str
    minutes: tuple[int, ...]


Cadence = Every | Times


class Version(NamedTuple):
    """An accepted agreement. Of several that have begun the highest number counts."""

    number: int
    cadence: Cadence
    effective_at: datetime


def in_words(cadence: Cadence) -> str:
    """Return a cadence as a mail says it: `every 30 minutes`, `every day at 09:00 and 17:00 (Europe/London)`."""
    match cadence:
        case Every(interval_s=interval):
            for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
                if interval % size == 0:
                    return f"every {name}" if interval == size else f"every {interval // size} {name}s"
        case Times(zone=zone, minutes=minutes):
            readings = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes]
            listed = " and ".join([", ".join(readings[:-1]), readings[-1]] if len(readings) > 1 else readings)
            return f"every day at {listed} ({zone})"
    raise ValueError("a cadence has one of two forms")


def complaint(cadence: Cadence) -> str:
    """Return why a cadence cannot be kept, in a sentence; '' where it can."""
    match cadence:
        case Every(interval_s=interval):
            if not SHORTEST_S <= interval <= LONGEST_S:
                return f"an interval is {SHORTEST_S} to {LONGEST_S} seconds"
        case Times(zone=zone, minutes=minutes):
            if zone_of(zone) is None:
                return f"there is no time zone {zone[:60]!r}; write for example Europe/London"
            if not minutes or len(minutes) > MOST_TIMES or list(minutes) != sorted(set(minutes)):
                return f"times are 1 to {MOST_TIMES} different readings of a day, in order"
            if not all(0 <= minute < 1440 for minute in minutes):
                return "a time is 00:00 to 23:59"
    return ""


def zone_of(name: str) -> ZoneInfo | None:
    """Return a zone by its IANA name; None where there is none."""
    if not name or len(name) > 60 or name.startswith(("/", ".")) or "\0" in name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def following(cadence: Cadence, after: datetime) -> datetime:
    """Return when an update is due that follows one sent at a moment; always later than it.

    raises   ValueError for a zone that this machine does not know
    """
    if isinstance(cadence, Every):
        return after + timedelta(seconds=cadence.interval_s)
    zone = zone_of(cadence.zone)
    if zone is None:
        raise ValueError(f"this machine has no time zone data for {cadence.zone}")
    second = int(after.timestamp() // 1)
    first = wall.local(zone, second).date()
    for days in range(_DAYS_AHEAD):
        found = [at for at in _of_day(zone, first + timedelta(days=days), cadence.minutes) if at > second]
        if found:
            return datetime.fromtimestamp(min(found), UTC)
    raise ValueError(f"no reading of {cadence.zone} within {_DAYS_AHEAD} days")


def _of_day(zone: ZoneInfo, day: date, minutes: Sequence[int]) -> list[int]:
    return [wall.opening(zone, day, minute) for minute in minutes]


def renegotiated(cadence: Cadence, *, last_update: datetime, old_due: datetime, accepted: datetime) -> datetime:
    """Return the next due time once another cadence was accepted (E21). A miss that has happened stays one.

    last_update   the update, or call-back, that the running clock began with
    old_due       by the cadence before; past it the promise is overdue already
    accepted      when the new one takes effect
    """
    if accepted > old_due:
        return following(cadence, accepted)
    candidate = following(cadence, last_update)
    return candidate if candidate > accepted else min(old_due, following(cadence, accepted))


def in_force(versions: Sequence[Version], now: datetime) -> Version | None:
    """Return the agreement in force; None: nothing was agreed, the provisional cadence counts."""
    begun = [version for version in versions if version.effective_at <= now]
    return max(begun, key=lambda version: version.number, default=None)
