"""Gathers what a statement says of promises: call-backs, clocks, cases, the TAM, his programme, the hours in force."""

from datetime import datetime

from homing.contracts import people
from homing.contracts import store as contracts
from homing.contracts.history import without_tam
from homing.contracts.kept import CalendarOfMonth, CallBack, Cases, CriticalCase, Kept, Programme, Stand
from homing.contracts.types import Assignment
from homing.ground import db
from homing.hours import store as hours
from homing.support.cases import store as cases
from homing.support.clocks import store as clocks
from homing.support.line import store as line
from homing.support.report.rules import counting
from homing.support.tam import store as programme


async def kept(executor: db.Executor, account_id: int, since: datetime, until: datetime) -> Kept:
    """Return how what was promised to an account was kept in [since, until).

    raises   StoreUnavailable
    """
    with db.trouble_is_temporary():
        calls = [
            CallBack(
                reference=one.reference,
                source=one.source.value,
                first_ring_at=one.first_ring_at,
                due_at=one.due_at,
                returned_at=one.returned_at,
                connected_at=one.connected_at,
                outcome=None if one.outcome is None else one.outcome.value,
                counted_as=counting.counted_as(one.outcome, one.entitlement, voided=one.voided),
                by_hand_at=one.by_hand_at,
            )
            for one in await line.returned(executor, account_id, since=since, until=until)
        ]
        alive = await clocks.alive_in(executor, account_id, since, until)
        counts = await cases.happened_in(executor, account_id, since=since, until=until)
        held = await _tams(executor, account_id)
        assignments = [one for one, _ in held]
        return Kept(
            call_backs=counting.call_backs(calls),
            promises=counting.promises([one.reading for one in alive], since, until),
            misses=counting.misses([(f"{one.subject} {one.subject_id}", one.reading) for one in alive], since, until),
            cases=Cases(**counts),
            critical=[
                CriticalCase(case=number, opened_at=begin, ended_at=end)
                for number, begin, end in await cases.critical_in(executor, account_id, since=since, until=until)
            ],
            tams=counting.tams(held, since, until),
            without_tam_s=without_tam(assignments, since, until, as_recorded=True),
            without_tam_now_s=without_tam(assignments, since, until, as_recorded=False),
            programme=Programme(**await programme.happened_in(executor, account_id, since=since, until=until)),
            calendars=await _calendars(executor, account_id, since, until),
        )


async def _tams(executor: db.Executor, account_id: int) -> list[tuple[Assignment, list[Stand]]]:
    found = []
    for one in await contracts.tams_of(executor, account_id):
        covers = []
        for cover in await contracts.covers_of(executor, one.person.person_id):
            delegate = await people.one(executor, cover.delegate_id)
            name = "" if delegate is None else delegate.name
            covers.append(
                Stand(
                    name=name,
                    begins_at=cover.begins_at,
                    ends_at=cover.ends_at,
                    reason=cover.reason,
                    recorded_at=cover.recorded_at,
                )
            )
        found.append((one, covers))
    return found


async def _calendars(executor: db.Executor, account_id: int, since: datetime, until: datetime) -> list[CalendarOfMonth]:
    found = []
    for form in counting.forms_of_month(await contracts.order_forms_of(executor, account_id), until):
        known = await hours.calendar(executor, form.zone, form.holiday_set)
        try:
            one = counting.calendar(form, known, since, until)
        except ValueError:  # a month of a year that calendars do not know
            continue
        if one is not None:
            found.append(one)
    return found
