"""What tests of clocks share: marks written as the tables of the model write them."""

from datetime import datetime

from homing.hours.types import Calendar
from homing.support.clocks.rules.run import read
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import (
    HOUR_S,
    Basis,
    ClockLog,
    Kind,
    Mark,
    Paused,
    Pin,
    Reading,
    Resumed,
    Started,
    Stopped,
)
from tests.kit.hours import at

FAR = at("2030-01-01T00:00Z")


def pin_of(calendar: Calendar) -> Pin:
    return Pin(zone=calendar.zone, holiday_set=calendar.holiday_set, order_form_id=1)


def begun(kind: Kind, calendar: Calendar | None, when: str | datetime, *, hours: float | None = None) -> Started:
    """Return how a clock starts. hours: its budget, where it is not the usual one."""
    business = TERMS[kind].basis is Basis.BUSINESS
    return Started(
        at=at(when) if isinstance(when, str) else when,
        budget_s=TERMS[kind].budget_s if hours is None else int(hours * HOUR_S),
        pin=pin_of(calendar) if business and calendar is not None else None,
    )


def shown(kind: Kind, calendar: Calendar | None, *marks: Mark, now: str | datetime = FAR) -> Reading:
    """Return what a clock with these marks shows at a moment."""
    return read(ClockLog(kind=kind, marks=marks), calendar, now=at(now) if isinstance(now, str) else now)


def paused(*pauses: tuple[str, str]) -> list[Mark]:
    """Return the marks of some stretches of waiting."""
    return [mark for begin, end in pauses for mark in (Paused(at=at(begin)), Resumed(at=at(end)))]


def stopped(when: str) -> Stopped:
    return Stopped(at=at(when))
