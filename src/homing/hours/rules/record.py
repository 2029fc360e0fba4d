"""A new version of a zone's hours: made from the one before, and what it would hide."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from homing.hours.rules.contract import LAST_DAY
from homing.hours.rules.measure import in_force
from homing.hours.types import Calendar, OpeningHours, Version, Windows

MOST_EXCEPTIONS = 1_000
_SECOND = timedelta(seconds=1)


def next_hours(
    base: OpeningHours, week: tuple[Windows, ...] | None, days: Mapping[date, Windows | None], *, today: date
) -> OpeningHours:
    """Return hours with another week and other single days. Days that are over are left out: earlier versions hold them.

    week     None: as it was
    days     None takes the exception of a date back
    raises   ValueError where a day is over, or there are too many
    """
    gone = sorted(day for day in days if not today <= day < LAST_DAY)
    if gone:
        raise ValueError(f"{gone[0]} is over, or out of reach; the past is not measured anew")
    merged = {**base.exceptions, **days}
    exceptions = {day: windows for day, windows in merged.items() if windows is not None and day >= today}
    if len(exceptions) > MOST_EXCEPTIONS:
        raise ValueError(f"a version holds up to {MOST_EXCEPTIONS} single days; change the week instead")
    return OpeningHours(weekly=base.weekly if week is None else week, exceptions=exceptions)


def hidden_turn(calendar: Calendar, made: Version) -> datetime | None:
    """Return the first moment at which another version would have begun or ended while a new one is in force.

    Nobody would see it, since of all versions the last recorded decides. None: there is no such moment.

    raises   ValueError where a moment is out of reach
    """
    begin, end = max(made.effective_from, made.recorded_at), made.effective_to
    turns = {turn for one in calendar.versions for turn in (one.effective_from, one.effective_to) if turn is not None}
    for turn in sorted(turns):
        if begin < turn and (end is None or turn < end):
            before, after = (in_force(calendar, moment)[0] for moment in (turn - _SECOND, turn + _SECOND))
            if before != after:
                return turn
    return None
