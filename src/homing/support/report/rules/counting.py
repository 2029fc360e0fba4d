"""Counts of a month, out of what the stores hold. Nothing is judged anew: a clock that missed has missed."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from math import ceil

from homing.contracts.history import as_known
from homing.contracts.kept import (
    CalendarOfMonth,
    CallBack,
    CallBacks,
    Holiday,
    HoursInForce,
    Miss,
    Promise,
    Stand,
    TamOfMonth,
)
from homing.contracts.types import Assignment, OrderForm
from homing.hours.rules import text
from homing.hours.rules.contract import zone_info
from homing.hours.rules.days import observed
from homing.hours.rules.measure import elapsed, in_force
from homing.hours.types import Calendar
from homing.support.clocks.types import Kind, Nature, Reading, State
from homing.support.line.types import Entitlement, Outcome

TOLD = (Nature.CONTRACTUAL, Nature.PROVISIONAL, Nature.OBJECTIVE)  # what is internal or a courtesy is nobody else's business
MOST_LISTED = 1_000  # call-backs and misses; more are counted, and the first are listed
_PROMISED = ("met", "missed", "owed")


def counted_as(outcome: Outcome | None, entitlement: Entitlement, *, voided: bool) -> str:
    """Return in which figure a call-back stands: in exactly one (E16; `line.rules.callback.attainment` counts alike)."""
    if voided or outcome is Outcome.VOID:
        return "void"
    if entitlement is Entitlement.NO:
        return "not_entitled"
    if entitlement is Entitlement.UNKNOWN:
        return "undecided"
    return "owed" if outcome is None else outcome.value


def call_backs(calls: Sequence[CallBack]) -> CallBacks:
    """Return the call-backs of a month, counted."""
    counts = dict.fromkeys(("met", "missed", "owed", "not_entitled", "undecided", "void"), 0)
    for one in calls:
        counts[one.counted_as] += 1
    connected = sum(one.connected_at is not None and one.counted_as in _PROMISED for one in calls)
    undecided_missed = sum(one.counted_as == "undecided" and one.outcome == Outcome.MISSED for one in calls)
    return CallBacks(
        count=len(calls),
        connected=connected,
        undecided_missed=undecided_missed,
        calls=list(calls[:MOST_LISTED]),
        **counts,
    )


def promises(readings: Iterable[Reading], since: datetime, until: datetime) -> list[Promise]:
    """Return the promises of [since, until) by nature and kind. Call-backs are the line's own to count.

    readings   of every clock that was undecided at some moment of it: each is counted as decided in one month alone
    """
    lines: dict[tuple[Nature, Kind], list[Reading]] = {}
    for one in readings:
        if one.nature in TOLD and one.kind is not Kind.CALLBACK:
            lines.setdefault((one.nature, one.kind), []).append(one)
    order = sorted(lines, key=lambda key: (TOLD.index(key[0]), list(Kind).index(key[1])))
    return [_promise(nature, kind, lines[nature, kind], since, until) for nature, kind in order]


def misses(readings: Iterable[tuple[str, Reading]], since: datetime, until: datetime) -> list[Miss]:
    """Return what fell due in [since, until) and was missed, each with what it is about, by the time at which it was due."""
    found = [
        Miss(kind=one.kind.value, nature=one.nature.value, subject=about, due_at=one.outcome_at, ended_at=one.ended_at)
        for about, one in readings
        if one.nature in TOLD
        and one.kind is not Kind.CALLBACK
        and one.void is None
        and one.outcome is State.MISSED
        and one.outcome_at is not None
        and since <= one.outcome_at < until
    ]
    return sorted(found, key=lambda one: (one.due_at, one.subject, one.kind))[:MOST_LISTED]


def tams(assignments: Sequence[tuple[Assignment, Sequence[Stand]]], since: datetime, until: datetime) -> list[TamOfMonth]:
    """Return who was TAM within a stretch of time."""
    found = []
    for one, covers in assignments:
        begin, end = max(one.begins_at, since), min(one.ends_at or until, until)
        if begin >= end:
            continue
        stood = [cover for cover in covers if cover.begins_at < end and begin < cover.ends_at]
        found.append(
            TamOfMonth(
                name=one.person.name,
                email=one.person.email,
                begins_at=one.begins_at,
                ends_at=one.ends_at,
                recorded_at=one.recorded_at,
                covers=stood,
            )
        )
    return found


def forms_of_month(forms: Sequence[OrderForm], until: datetime) -> list[OrderForm]:
    """Return Order Forms as they were recorded when a stretch of time ended, then those that were recorded later."""
    return [*as_known(forms, until), *(one for one in forms if one.recorded_at > until)]


def calendar(form: OrderForm, known: Calendar, since: datetime, until: datetime) -> CalendarOfMonth | None:
    """Return the Business Hours of an Order Form within a stretch of time; None: it was not in force then.

    raises   ValueError out of the years that calendars know
    """
    begin, end = max(form.begins_at, since), min(form.ends_at or until, until)
    if begin >= end:
        return None
    zone = zone_info(known.zone)
    first, last = begin.astimezone(zone).date(), (end - timedelta(seconds=1)).astimezone(zone).date()
    years = range(first.year, last.year + 1)
    return CalendarOfMonth(
        service=form.service,
        order_form_id=form.order_form_id,
        plan=form.plan,
        calendar=known.name,
        since=begin,
        until=end,
        seconds=elapsed(known, begin, end),
        recorded_at=form.recorded_at,
        recorded_later=form.recorded_at > until,
        versions=_versions(known, begin, end),
        holidays=[
            Holiday(day=day, name=one.name)
            for year in years
            for day, one in observed(known, year).items()
            if first <= day <= last
        ],
    )


def _promise(nature: Nature, kind: Kind, readings: Sequence[Reading], since: datetime, until: datetime) -> Promise:
    counted = [one for one in readings if one.void is None and one.outcome is not State.VOID]
    outcomes = [one.outcome if one.outcome_at is not None and one.outcome_at < until else None for one in counted]
    carried = sum(one.started_at < since for one in readings)
    return Promise(
        kind=kind.value,
        nature=nature.value,
        basis=readings[0].basis.value,
        started=len(readings) - carried,
        carried=carried,
        met=outcomes.count(State.MET),
        missed=outcomes.count(State.MISSED),
        running=outcomes.count(None),
        superseded=outcomes.count(State.SUPERSEDED),
        void=len(readings) - len(counted),
    )


def _versions(known: Calendar, begin: datetime, end: datetime) -> list[HoursInForce]:
    """Return which hours held from when on: at the begin, and wherever a version begins or ends in between."""
    turns = {begin}
    for one in known.versions:
        for moment in (max(_next_second(one.recorded_at), one.effective_from), one.effective_to):
            if moment is not None and begin < moment < end:
                turns.add(moment)
    found: list[HoursInForce] = []
    reasons = {one.number: one.reason for one in known.versions}
    for turn in sorted(turns):
        number, hours = in_force(known, turn)
        if not found or found[-1].version != number:
            week = text.show_week(hours.weekly) or text.CLOSED
            found.append(HoursInForce(since=turn, version=number, week=week, reason=reasons.get(number, "the contract")))
    return found


def _next_second(moment: datetime) -> datetime:
    """Return the first whole second that is not before a moment: what is recorded within a second counts from the next."""
    return datetime.fromtimestamp(ceil(moment.timestamp()), moment.tzinfo)
