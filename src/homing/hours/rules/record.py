"""A new version of a zone's hours: made from the one before, and what it would hide."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from homing.hours.rules.contract import FIRST_DAY, LAST_DAY, TERMS
from homing.hours.rules.days import today
from homing.hours.rules.measure import in_force
from homing.hours.rules.text import read_date, read_windows
from homing.hours.types import Calendar, HolidaySet, OpeningHours, ServiceZone, Version, Windows

MOST_EXCEPTIONS = 1_000
LONGEST_TEXT = 1_000
_BAD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECOND = timedelta(seconds=1)


class Wish(NamedTuple):
    """What somebody wants to record.

    week             None: as it was
    days             single dates; None takes the exception of a date back
    effective_from   None: from now on
    effective_to     None: for good
    """

    week: tuple[Windows, ...] | None
    days: Mapping[date, Windows | None]
    author: str
    reason: str
    effective_from: datetime | None = None
    effective_to: datetime | None = None
    notice_sent_at: datetime | None = None


class Plan(NamedTuple):
    """A version as it would be recorded.

    follows   the version whose hours it changes; 0: the contract
    hides     where another version would have begun or ended meanwhile; None: nowhere
    """

    version: Version
    follows: int
    hides: datetime | None


def plan(calendar: Calendar, wish: Wish, *, now: datetime) -> Plan:
    """Return the version that a wish makes.

    now      the server's clock may be ahead of the caller's: what is recorded already counts as before it
    raises   ValueError where it ends before it begins, a day is over, or a moment is out of reach
    """
    now = max([now, *(one.recorded_at for one in calendar.versions)])
    begin = now if wish.effective_from is None else wish.effective_from
    if wish.effective_to is not None and wish.effective_to <= max(begin, now):
        raise ValueError("the end must be later than now, and than the begin")
    # A second later, so that what was recorded just now is followed too.
    follows, base = in_force(calendar, max(begin, now) + _SECOND)
    made = Version(
        number=len(calendar.versions) + 1,
        zone=calendar.zone,
        hours=next_hours(base, wish.week, wish.days, today=today(calendar, now)),
        effective_from=begin,
        effective_to=wish.effective_to,
        recorded_at=now,
        author=wish.author,
        reason=wish.reason,
        notice_sent_at=wish.notice_sent_at,
    )
    return Plan(made, follows, hidden_turn(calendar, made))


def read_day(day: str, windows: str) -> tuple[date, Windows | None]:
    """Return a single date and its windows; `usual` takes its exception back.

    raises   ValueError
    """
    return read_date(day), None if windows.strip().lower() == "usual" else read_windows(windows)


def read_words(text: str, name: str) -> str:
    """Return a text that is kept.

    raises   ValueError
    """
    said = text.strip()
    if not said or len(said) > LONGEST_TEXT or _BAD.search(said):
        raise ValueError(f"{name} needs a text of one line, up to {LONGEST_TEXT} characters")
    return said


def zone_of(holiday_set: HolidaySet) -> ServiceZone:
    """Return the zone of a set whose days end last."""
    return [zone for zone, terms in TERMS.items() if holiday_set in terms.holiday_sets][-1]


def check_holiday(calendar: Calendar, day: date, *, now: datetime) -> None:
    """Refuse a day that can be made no holiday any more. raises ValueError."""
    if not max(FIRST_DAY, today(calendar, now)) <= day <= LAST_DAY - timedelta(days=1):
        raise ValueError(f"{day} is over, or out of reach; the past is not measured anew")


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
