"""The window of a question: rounded to its precision, and cut into buckets (SparkPost reference, section 2.17.2)."""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from homing.metrics.types import Grain

_DAY = timedelta(days=1)
# precision: (grain that it is read from, longest window; None: no bound)
PRECISIONS: dict[str, tuple[Grain, timedelta | None]] = {
    "1min": (Grain.MINUTE, _DAY),
    "5min": (Grain.MINUTE, _DAY),
    "15min": (Grain.QUARTER, 2 * _DAY),
    "hour": (Grain.QUARTER, 31 * _DAY),
    "12hr": (Grain.QUARTER, None),
    "day": (Grain.DAY, None),
    "week": (Grain.DAY, None),
    "month": (Grain.DAY, None),
}
SERIES_ALONE = frozenset({"12hr", "week", "month"})
IN_UTC = frozenset({"day", "week", "month"})
_MINUTES = {"1min": 1, "5min": 5, "15min": 15, "hour": 60}
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,6})?)?)?(Z|z|[+ -]\d\d:?\d\d)?")
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)

Piece = tuple[Grain, datetime, datetime]  # grain, since, until


class BadWindow(ValueError):
    """The text tells the caller what to change."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that is asked about.

    since, until   inclusive, exclusive, both on a boundary of the grain
    asked_at       now: what happens later is not in any figure yet, and older days than are kept are forgotten
    zone           the caller's
    """

    since: datetime
    until: datetime
    asked_at: datetime
    grain: Grain
    precision: str
    zone: tzinfo


def window(*, since: str, until: str, timezone: str, precision: str, now: datetime, series: bool) -> Window:
    """Return the window that a caller asks for; '' where a parameter is absent.

    Without a precision the finest that the window allows is taken.
    raises   BadWindow
    """
    zone = _zone(timezone)
    begin = _moment(since, "from", zone)
    end = _moment(until, "to", zone) if until else now
    if begin > end:
        raise BadWindow("from must not be later than to")
    if precision:
        _check(precision, begin, end, now, series=series)
    else:
        precision = _finest(begin, end, now, series=series)
    grain, _ = PRECISIONS[precision]
    return Window(
        since=_down(begin, precision, zone),
        until=_up(end, precision, zone),
        asked_at=now,
        grain=grain,
        precision=precision,
        zone=UTC if precision in IN_UTC else zone,
    )


def coarse(one: Window) -> Window:
    """Return a window as far as texts know it: by quarters of an hour at the finest."""
    if one.grain is not Grain.MINUTE:
        return one
    return msgspec.structs.replace(
        one, since=_down(one.since, "15min", one.zone), until=_up(one.until, "15min", one.zone), grain=Grain.QUARTER
    )


def pieces(one: Window, grains: Collection[Grain]) -> list[Piece]:
    """Return the stretches that a window is read in: as coarse as they fit, so that few rows answer for months.

    The last may reach over the end of a window that ends in the future, where nothing is.
    grains   that there are; the window's own is one of them
    """
    since = max(one.since, Grain.DAY.end(one.asked_at - Grain.DAY.kept))  # older days are forgotten
    able = [grain for grain in sorted(grains) if grain >= one.grain]
    return _cut(since, one.until, able, ends_later=one.until > one.asked_at) or [(one.grain, one.until, one.until)]


def _cut(since: datetime, until: datetime, grains: list[Grain], *, ends_later: bool) -> list[Piece]:
    if since >= until:
        return []
    *finer, grain = grains
    first, last = grain.end(since), grain.end(until) if ends_later else grain.start(until)
    if not finer or last <= first:
        return _cut(since, until, finer, ends_later=ends_later) if finer else [(grain, since, until)]
    return [
        *_cut(since, first, finer, ends_later=False),
        (grain, first, last),
        *_cut(last, until, finer, ends_later=False),
    ]


def buckets(one: Window) -> list[datetime]:
    """Return the begin of every bucket of a time series, in the caller's time zone."""
    starts = []
    moment = one.since
    while moment < one.until:
        starts.append(moment.astimezone(one.zone))
        moment = _next(moment, one.precision, one.zone)
    return starts


def _zone(name: str) -> tzinfo:
    if not name or name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadWindow("timezone must be an IANA name, for example America/New_York") from None


def _moment(text: str, name: str, zone: tzinfo) -> datetime:
    if not text.strip():
        raise BadWindow(f"{name} is required: YYYY-MM-DDTHH:MM")
    found = _MOMENT.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        if offset := found[7]:
            offset = "+00:00" if offset in "Zz" else offset.replace(" ", "+")  # a bare + in a query means a space
            moment = datetime.fromisoformat(f"{moment:%Y-%m-%dT%H:%M:%S}{offset}")
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadWindow(f"{name} must be a time such as 2026-05-01T08:00") from None
    if not _EARLIEST <= moment <= _LATEST:
        raise BadWindow(f"{name} must lie between 2000 and 2200")
    return moment


def _check(precision: str, begin: datetime, end: datetime, now: datetime, *, series: bool) -> None:
    known = [name for name in PRECISIONS if series or name not in SERIES_ALONE]
    if precision not in known:
        raise BadWindow(f"precision must be one of {', '.join(known)}")
    grain, longest = PRECISIONS[precision]
    if longest is not None and end - begin > longest:
        raise BadWindow(f"precision {precision} allows a window of {longest.days * 24} hours at most; use {_coarser(precision)}")
    if grain is not Grain.DAY and begin < now - grain.kept:  # of older days there are no figures, and nothing coarser knows them
        raise BadWindow(f"figures for precision {precision} are kept for {grain.kept.days} days; use {_coarser(precision)}")


def _coarser(precision: str) -> str:
    return {"1min": "15min, hour or day", "5min": "15min, hour or day", "15min": "hour or day"}.get(precision, "day")


def _finest(begin: datetime, end: datetime, now: datetime, *, series: bool) -> str:
    if end - begin <= _DAY and begin >= now - Grain.MINUTE.kept:
        return "1min"
    if begin >= now - Grain.QUARTER.kept and (not series or end - begin <= 31 * _DAY):
        return "hour" if series else "15min"
    return "day"


def _down(moment: datetime, precision: str, zone: tzinfo) -> datetime:
    """Return the begin of the bucket that a moment lies in, in UTC."""
    local = moment.astimezone(UTC if precision in IN_UTC else zone)
    if precision in _MINUTES:
        # Subtracted in UTC: in the hour that a change of clocks repeats, wall-clock arithmetic would jump.
        past = timedelta(minutes=local.minute % _MINUTES[precision], seconds=local.second, microseconds=local.microsecond)
        return moment.astimezone(UTC) - past
    start = local.replace(hour=local.hour // 12 * 12 if precision == "12hr" else 0, minute=0, second=0, microsecond=0, fold=0)
    if precision == "week":
        start -= timedelta(days=start.weekday())
    if precision == "month":
        start = start.replace(day=1)
    return start.astimezone(UTC)


def _up(moment: datetime, precision: str, zone: tzinfo) -> datetime:
    """Return the end of the bucket that a moment lies in, or the moment itself where one begins."""
    start = _down(moment, precision, zone)
    return moment.astimezone(UTC) if start == moment else _next(start, precision, zone)


def _next(start: datetime, precision: str, zone: tzinfo) -> datetime:
    if precision in _MINUTES:
        return start + timedelta(minutes=_MINUTES[precision])
    if precision == "12hr":  # by the wall clock: noon stays noon when clocks change
        return _down(start + timedelta(hours=14), precision, zone)
    if precision == "month":
        return _down(start + timedelta(days=32), precision, zone)
    return start + timedelta(days=7 if precision == "week" else 1)
