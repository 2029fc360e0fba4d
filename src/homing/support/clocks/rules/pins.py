"""Which Order Form a new clock follows (E18): that of the affected service; if unclear, the one that promises the earlier time.

The choice is made once, when the clock starts, and kept with it: a later Order Form does not reach a running clock (E19).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from homing.contracts.types import Objectives, OrderForm
from homing.hours.rules import measure
from homing.hours.rules.contract import calendar_of
from homing.hours.types import Calendar, NeverDue, ServiceZone
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import Basis, Kind, Pin, Promise

_NEVER = datetime.max.replace(tzinfo=UTC)
CalendarOf = Callable[[Pin], Calendar]


def promise(kind: Kind, forms: Sequence[OrderForm], at: datetime, calendars: CalendarOf) -> Promise:
    """Return what a clock that starts now is started with.

    forms       in force at that moment for the services that may be meant; none: the account has no Order Form, and the
                zone of the contract counts that promises most
    calendars   gives the calendar of a pin, with what is recorded about it
    """
    terms = TERMS[kind]
    if terms.basis is Basis.WALL:
        budget = min((form.cadence_s for form in forms), default=terms.budget_s) if kind is Kind.CADENCE else terms.budget_s
        return Promise(budget_s=budget)
    return min(_candidates(kind, forms), key=lambda one: _due(one, at, calendars))


def pins_of(forms: Sequence[OrderForm]) -> list[Pin]:
    """Return whose Business Hours may have to be compared."""
    return [one.pin for one in _candidates(Kind.FIRST_RESPONSE, forms) if one.pin is not None]


def _candidates(kind: Kind, forms: Sequence[OrderForm]) -> list[Promise]:
    if forms:
        return [
            Promise(
                budget_s=_objective(kind, form.objectives),
                pin=Pin(zone=form.zone, holiday_set=form.holiday_set, order_form_id=form.order_form_id),
            )
            for form in forms
        ]
    plain: Iterable[Calendar] = (calendar_of(zone) for zone in ServiceZone)
    return [
        Promise(budget_s=_objective(kind, Objectives()), pin=Pin(zone=one.zone, holiday_set=one.holiday_set)) for one in plain
    ]


def _objective(kind: Kind, objectives: Objectives) -> int:
    match kind:
        case Kind.OWN:
            return objectives.own_s
        case Kind.FIRST_RESPONSE:
            return objectives.first_response_s
        case Kind.UPDATE:
            return objectives.update_s
        case Kind.TAM_REPLY:
            return objectives.tam_reply_s
        case _:
            return TERMS[kind].budget_s


def _due(one: Promise, at: datetime, calendars: CalendarOf) -> datetime:
    if one.pin is None:
        raise ValueError("a clock in Business Hours has a pin")
    try:
        return measure.due(calendars(one.pin), at, one.budget_s)
    except NeverDue:  # its hours are recorded wrongly; another Order Form may be better
        return _NEVER
