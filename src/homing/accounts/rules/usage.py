"""How much an account may still send: hours, days and months of UTC, and the first limit that would be passed."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from homing.accounts.types import Limits


class Period(StrEnum):
    """What a limit counts in."""

    HOUR = "hourly"
    DAY = "daily"
    MONTH = "monthly"


class Span(msgspec.Struct, frozen=True, gc=False):
    """When a period begins and ends; the end does not belong to it."""

    start: datetime
    end: datetime


class Used(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Messages that were taken in the hour, day and month of a moment."""

    hour: int = 0
    day: int = 0
    month: int = 0


def hour_of(now: datetime) -> datetime:
    """Return when the hour of a moment began."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def span_of(period: Period, now: datetime) -> Span:
    """Return the hour, day or month of UTC that a moment lies in."""
    start = hour_of(now)
    if period is Period.HOUR:
        return Span(start, start + timedelta(hours=1))
    start = start.replace(hour=0)
    if period is Period.DAY:
        return Span(start, start + timedelta(days=1))
    start = start.replace(day=1)
    return Span(start, (start + timedelta(days=32)).replace(day=1))


def passed(limits: Limits, used: Used, messages: int) -> Period | None:
    """Return the first limit that so many messages more would pass; None: they may be sent."""
    for period, limit, so_far in (
        (Period.HOUR, limits.hourly, used.hour),
        (Period.DAY, limits.daily, used.day),
        (Period.MONTH, limits.monthly, used.month),
    ):
        if limit is not None and so_far + messages > limit:
            return period
    return None
