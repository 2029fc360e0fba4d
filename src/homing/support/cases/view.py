"""What a case shows to either side: the case, its clocks as they stand now, and the names of people in it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from homing.contracts import contacts, people
from homing.contracts import store as contracts
from homing.ground import db
from homing.hours.rules import measure
from homing.hours.rules.explain import Move, moves
from homing.support.cases import letter_store, steps, store
from homing.support.cases.letter_store import Letter
from homing.support.cases.types import Case
from homing.support.clocks import store as clocks
from homing.support.clocks.store import GRACE, Calendars, LegalClock, Stored
from homing.support.clocks.types import Basis, Nature, Reading, State


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a case."""

    person_id: int
    name: str
    email: str


class ClockSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A clock now.

    overdue   it is past its due time, and still owed
    moved     records of Business Hours that made it due later, or earlier, since it began to run (rule V3)
    """

    number: int
    reading: Reading
    overdue: bool
    moved: tuple[Move, ...] = ()


class CaseSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A case now.

    tam      the TAM, and who acts for him
    unsent   mail that is owed and has not left, or did not arrive
    """

    case: Case
    clocks: tuple[ClockSeen, ...]
    owner: Person | None
    tam: Person | None
    acting: Person | None
    people: tuple[Person, ...]
    unsent: tuple[Letter, ...]
    at: datetime


async def look(executor: db.Executor, legal: LegalClock, case: Case) -> CaseSeen:
    """Return what a case shows. raises StoreUnavailable."""
    with db.trouble_is_temporary():
        now = await legal.now(executor)
        calendars = Calendars(executor)
        kept = await clocks.of_subject(executor, steps.SUBJECT, case.case_id)
        seen = [await _clock(one, calendars, now) for one in kept]
        owner = None if case.owner_id is None else await people.one(executor, case.owner_id)
        tam = await contracts.tam_at(executor, case.account_id, now)
        letters = await letter_store.of_case(executor, case.case_id)
        there = [await contacts.one(executor, case.account_id, one) for one in case.people]
    return CaseSeen(
        case=case,
        clocks=tuple(seen),
        owner=None if owner is None else Person(person_id=owner.person_id, name=owner.name, email=owner.email),
        tam=None if tam is None else Person(person_id=tam.primary.person_id, name=tam.primary.name, email=tam.primary.email),
        acting=None if tam is None else Person(person_id=tam.acting.person_id, name=tam.acting.name, email=tam.acting.email),
        people=tuple(Person(person_id=one.contact_id, name=one.name, email=one.email) for one in there if one is not None),
        unsent=tuple(one for one in letters if one.sent_at is None or one.returned),
        at=now,
    )


async def next_due(executor: db.Executor, rows: Sequence[store.Row]) -> dict[int, Reading]:
    """Return, for cases, the open clock that is due next; internal ones do not count."""
    kept = await clocks.of_subjects(executor, steps.SUBJECT, [row.case_id for row in rows])
    found: dict[int, Reading] = {}
    for case_id, mine in kept.items():
        waiting = [
            (one.reading.due_at, one.number, one.reading)
            for one in mine
            if one.reading.ended_at is None
            and one.reading.due_at is not None
            and one.reading.nature not in (Nature.INTERNAL, Nature.COURTESY)
        ]
        if waiting:
            found[case_id] = min(waiting, key=lambda one: one[:2])[2]
    return found


async def _clock(stored: Stored, calendars: Calendars, now: datetime) -> ClockSeen:
    reading = await calendars.read(stored.log, now)
    overdue = reading.due_at is not None and reading.due_at < now and reading.ended_at is None
    fresh_miss = reading.outcome is State.MISSED and stored.reading.outcome is None
    if fresh_miss and reading.outcome_at is not None and now - reading.outcome_at <= GRACE:
        # What happened a moment ago may still be written down with its own time.
        reading = msgspec.structs.replace(reading, state=State.RUNNING, outcome=None, outcome_at=None)
    return ClockSeen(number=stored.number, reading=reading, overdue=overdue, moved=_moved(reading, calendars))


def _moved(reading: Reading, calendars: Calendars) -> tuple[Move, ...]:
    due, pin = reading.due_at, reading.pin
    if reading.basis is not Basis.BUSINESS or pin is None or due is None or reading.ended_at is not None:
        return ()
    calendar = calendars.of(pin)
    rest = measure.elapsed(calendar, reading.ran_since, due) if due > reading.ran_since else 0
    return moves(calendar, reading.ran_since, rest)
