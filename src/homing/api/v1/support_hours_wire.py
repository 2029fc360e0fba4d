"""Business Hours on the wire: queries and bodies in, what to look at or to record out. Nothing is looked up here."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec

from homing.api.v1.support_askers import reads
from homing.ground.errors import Misuse
from homing.hours.rules import text
from homing.hours.rules.contract import FIRST_DAY, LAST_DAY, calendar_of, zone_info
from homing.hours.rules.measure import HORIZON_DAYS
from homing.hours.rules.record import Wish, read_day, read_words
from homing.hours.types import Calendar, HolidaySet, ServiceZone
from homing.ingress.rules.problem import Wrong, bad_combination, bad_params, bad_type, missing

T = TypeVar("T")
MOST_DAYS = 62  # of a list
MOST_ON = 400  # single days in one body
LONGEST = timedelta(days=HORIZON_DAYS)


class VersionIn(msgspec.Struct, kw_only=True):
    """Hours of a zone to be recorded."""

    zone: str | None = None
    week: str | None = None
    days: dict[str, str] = {}
    effective_from: str | None = None
    effective_to: str | None = None
    notice_sent_at: str | None = None
    reason: str | None = None
    follows: int | None = None
    override: bool = False
    dry_run: bool = False


class HolidayIn(msgspec.Struct, kw_only=True):
    """A day that is a holiday of a set, or is none after all."""

    holiday_set: str | None = None
    date: str | None = None
    name: str | None = None
    active: bool = True
    source: str | None = None
    reason: str | None = None
    substitute_for: str | None = None


class Which(NamedTuple):
    """Which calendar a query is about, as it was known at a moment; None: as it is known now."""

    calendar: Calendar
    known_at: datetime | None


def which_in(query: Mapping[str, str], *, usual: Calendar) -> Which:
    """Return which calendar a query is about; usual: where it names no zone. Raises Wrong."""
    zone, holidays = usual.zone, None if "zone" in query or "holiday_set" in query else usual.holiday_set
    if query.get("zone"):
        zone = one_of(ServiceZone, query["zone"].upper(), "zone", bad_params)
    if query.get("holiday_set"):
        holidays = one_of(HolidaySet, query["holiday_set"].upper(), "holiday_set", bad_params)
    named = _read(lambda _: calendar_of(zone, holidays), "", "holiday_set")
    known_at = instant_in(query["known_at"], zone, "known_at") if query.get("known_at") else None
    return Which(named, known_at)


def start_in(query: Mapping[str, str], zone: ServiceZone, *, now: datetime) -> datetime:
    """Return where counting begins; default: now. Raises Wrong."""
    given = query.get("start")
    return instant_in(given, zone, "start") if given else now.replace(microsecond=0)


def seconds_in(query: Mapping[str, str]) -> int:
    """Return how much of Business Hours is promised. Raises Wrong."""
    given = query.get("duration")
    if not given:
        raise Wrong(bad_params("duration: say how much, for example 4h, 90m or 1h30m"))
    return _read(text.read_duration, given, "duration")


def until_in(query: Mapping[str, str], start: datetime, zone: ServiceZone) -> datetime | None:
    """Return where an explanation ends; None: where a duration is due. Raises Wrong."""
    if bool(query.get("until")) == bool(query.get("duration")):
        raise Wrong(bad_params("say how far: until, or duration"))
    if not query.get("until"):
        return None
    until = instant_in(query["until"], zone, "until")
    if not timedelta() <= until - start <= LONGEST:
        raise Wrong(bad_params(f"until must not be before start, and at most {LONGEST.days} days after it"))
    return until


def count_in(query: Mapping[str, str], name: str, default: int, lowest: int, most: int) -> int:
    """Return a number of a query. Raises Wrong."""
    given = query.get(name)
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 6 and lowest <= int(given) <= most):
        raise Wrong(bad_params(f"{name} must be a number from {lowest} to {most}"))
    return int(given)


def year_in(query: Mapping[str, str], *, default: int) -> int:
    """Return a year that calendars know. Raises Wrong."""
    return count_in(query, "year", default, FIRST_DAY.year, LAST_DAY.year)


def zone_in(given: VersionIn) -> ServiceZone:
    """Return the zone whose hours are to be recorded. Raises Wrong."""
    if given.zone is None or given.reason is None or given.follows is None:
        raise Wrong(missing("zone, reason and follows are required fields"))
    zone: ServiceZone = one_of(ServiceZone, given.zone, "zone", bad_type)
    return zone


def wish_in(given: VersionIn, zone: ServiceZone, *, author: str) -> Wish:
    """Return what is to be recorded. Raises Wrong."""
    if given.week is None and not given.days:
        raise Wrong(bad_combination("say what changes: week, or days"))
    if len(given.days) > MOST_ON:
        raise Wrong(bad_type(f"days: at most {MOST_ON} single days are taken at once"))

    def moment(member: str) -> datetime | None:
        value = getattr(given, member)
        if value is None:
            return None
        with reads(member):
            return text.read_instant(value, zone_info(zone))

    with reads("week"):
        week = None if given.week is None else text.read_week(given.week)
    with reads("days"):
        days = dict(read_day(day, windows) for day, windows in given.days.items())
    with reads("reason"):
        reason = read_words(given.reason or "", "it")
    return Wish(week, days, author, reason, moment("effective_from"), moment("effective_to"), moment("notice_sent_at"))


class Holiday(NamedTuple):
    """A change of a holiday set to be recorded."""

    holiday_set: HolidaySet
    day: date
    name: str
    active: bool
    source: str
    reason: str
    substitute_for: date | None


def holiday_in(given: HolidayIn) -> Holiday:
    """Return a change of a holiday set. Raises Wrong."""
    wanted = [given.holiday_set, given.date, given.name, given.source, given.reason]
    if any(one is None for one in wanted):
        raise Wrong(missing("holiday_set, date, name, source and reason are required fields"))
    with reads("date"):
        day = text.read_date(given.date or "")
    with reads("substitute_for"):
        other = None if given.substitute_for is None else text.read_date(given.substitute_for)
    said = []
    for member in ("name", "source", "reason"):
        with reads(member):
            said.append(read_words(getattr(given, member), "it"))
    name, source, reason = said
    chosen: HolidaySet = one_of(HolidaySet, given.holiday_set or "", "holiday_set", bad_type)
    return Holiday(chosen, day, name, given.active, source, reason, other)


def one_of(kind: Any, given: str, name: str, problem: Callable[[str], Any]) -> Any:
    """Return a member of a closed list. Raises Wrong."""
    try:
        return kind(given)
    except ValueError:
        raise Wrong(problem(f"{name} must be one of {', '.join(kind)}")) from None


def instant_in(given: str, zone: ServiceZone, name: str) -> datetime:
    """Return an instant of a query: with an offset, or as clocks of the zone read. Raises Wrong."""
    return _read(lambda value: text.read_instant(value, zone_info(zone)), given, name).astimezone(UTC)


def _read(reader: Callable[[str], T], given: str, name: str) -> T:
    try:
        return reader(given)
    except (ValueError, Misuse) as trouble:
        raise Wrong(bad_params(f"{name}: {trouble}")) from None
