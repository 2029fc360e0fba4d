"""Clocks in PostgreSQL: what they showed when they were last read. Events are the truth; these rows are a cache of it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from homing.ground import db
from homing.hours import store as hours
from homing.hours.types import Calendar, HolidaySet, ServiceZone
from homing.support.clocks.rules.run import read
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import (
    ClockLog,
    Kind,
    Mark,
    Nature,
    Pin,
    Reading,
    Span,
    State,
    Voided,
)

_sql = db.queries("homing.support.clocks")
_encode = msgspec.json.Encoder().encode
_marks = msgspec.json.Decoder(tuple[Mark, ...]).decode
_spans = msgspec.json.Decoder(tuple[Span, ...]).decode
_void = msgspec.json.Decoder(Voided).decode


# An attempt or answer is written down a moment after it happened, with the time at which it did; so long a miss is not final.
GRACE = timedelta(seconds=30)


class LegalClock(Protocol):
    """Says when something happened, where that is evidence. Only the database server's clock may (E29)."""

    async def now(self, executor: db.Executor) -> datetime:
        """Return this moment, aware, in UTC."""
        ...


class ServerClock:
    """The clock of the database server."""

    async def now(self, executor: db.Executor) -> datetime:
        """Return this moment."""
        moment: datetime = await _sql.server_time(executor)
        return moment


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A row.

    hours_version, holiday_change   edition of the calendar that it was computed with; 0: as the contract and this program say
    """

    subject: str
    subject_id: int
    number: int
    account_id: int | None
    reading: Reading
    marks: tuple[Mark, ...]
    hours_version: int
    holiday_change: int

    @property
    def log(self) -> ClockLog:
        """Return what it was computed from."""
        return ClockLog(kind=self.reading.kind, marks=self.marks)


class Calendars:
    """Calendars by pin, each read once. For one piece of work: what is recorded later is not seen."""

    def __init__(self, executor: db.Executor) -> None:
        self._executor = executor
        self._known: dict[tuple[ServiceZone, HolidaySet], Calendar] = {}

    async def load(self, pins: Sequence[Pin]) -> None:
        """Read the calendars of some pins."""
        for pin in pins:
            key = (pin.zone, pin.holiday_set)
            if key not in self._known:
                self._known[key] = await hours.calendar(self._executor, *key)

    def of(self, pin: Pin) -> Calendar:
        """Return a calendar that was loaded."""
        return self._known[pin.zone, pin.holiday_set]

    async def read(self, log: ClockLog, now: datetime) -> Reading:
        """Return what a clock shows."""
        pin = log.started.pin
        if pin is None:
            return read(log, None, now=now)
        await self.load([pin])
        return read(log, self.of(pin), now=now)

    def edition(self, pin: Pin | None) -> tuple[int, int]:
        """Return the numbers of the last version of the hours, and of the last change of the holidays."""
        if pin is None:
            return 0, 0
        calendar = self.of(pin)
        return (
            calendar.versions[-1].number if calendar.versions else 0,
            calendar.holiday_changes[-1].number if calendar.holiday_changes else 0,
        )


async def put(
    executor: db.Executor,
    subject: str,
    subject_id: int,
    logs: Sequence[ClockLog],
    *,
    account_id: int | None,
    now: datetime,
    calendars: Calendars | None = None,
    before: Sequence[ClockLog] = (),
) -> None:
    """Write what the clocks of a subject show, in the transaction of the events that moved them.

    logs     every clock the subject ever had, in the order in which they started
    before   the same before those events: what they did not move is not written again
    """
    calendars = calendars or Calendars(executor)
    for number, log in enumerate(logs, 1):
        if number <= len(before) and before[number - 1] == log:
            continue
        reading = await calendars.read(log, now)
        if reading.ended_at is None and reading.outcome_at is not None and now - reading.outcome_at <= GRACE:
            reading = await calendars.read(
                log, reading.outcome_at
            )  # it may have been stopped in time; the keeper writes the miss
        stored = Stored(
            subject=subject,
            subject_id=subject_id,
            number=number,
            account_id=account_id,
            reading=reading,
            marks=log.marks,
            hours_version=calendars.edition(reading.pin)[0],
            holiday_change=calendars.edition(reading.pin)[1],
        )
        await _write(executor, stored, now)


async def _write(executor: db.Executor, stored: Stored, now: datetime) -> None:
    one = stored.reading
    await _sql.put_clock(
        executor,
        subject=stored.subject,
        subject_id=stored.subject_id,
        number=stored.number,
        account_id=stored.account_id,
        kind=one.kind.value,
        nature=one.nature.value,
        zone=one.pin.zone.value if one.pin else None,
        holiday_set=one.pin.holiday_set.value if one.pin else None,
        order_form_id=one.pin.order_form_id if one.pin else None,
        budget_s=one.budget_s,
        started_at=one.started_at,
        state=one.state.value,
        due_at=one.due_at,
        elapsed_s=one.elapsed_s,
        remaining_s=one.remaining_s,
        spans=_encode(one.spans).decode(),
        outcome=one.outcome.value if one.outcome else None,
        outcome_at=one.outcome_at,
        ended_at=one.ended_at,
        reached_at=one.reached_at,
        remark=one.remark,
        void=_encode(one.void).decode() if one.void else None,
        marks=_encode(stored.marks).decode(),
        hours_version=stored.hours_version,
        holiday_change=stored.holiday_change,
        read_at=now,
    )


async def of_subject(executor: db.Executor, subject: str, subject_id: int) -> list[Stored]:
    """Return the clocks of one subject, in the order in which they started."""
    with db.trouble_is_temporary():
        return [_stored(row) async for row in _sql.clocks_of(executor, subject=subject, subject_id=subject_id)]


async def of_subjects(executor: db.Executor, subject: str, subject_ids: Sequence[int]) -> dict[int, list[Stored]]:
    """Return the clocks of several subjects."""
    found: dict[int, list[Stored]] = {one: [] for one in subject_ids}
    with db.trouble_is_temporary():
        async for row in _sql.clocks_of_many(executor, subject=subject, subject_ids=list(subject_ids)):
            found[row["subject_id"]].append(_stored(row))
    return found


async def of_account(executor: db.Executor, account_id: int, begin: datetime, end: datetime) -> list[Stored]:
    """Return the clocks of an account that started in [begin, end)."""
    with db.trouble_is_temporary():
        rows = _sql.clocks_of_account(executor, account_id=account_id, begin=begin, end=end)
        return [_stored(row) async for row in rows]


async def alive_in(executor: db.Executor, account_id: int, begin: datetime, end: datetime) -> list[Stored]:
    """Return the clocks of an account that were undecided at some moment of [begin, end)."""
    with db.trouble_is_temporary():
        rows = _sql.clocks_alive_in(executor, account_id=account_id, begin=begin, end=end)
        return [_stored(row) async for row in rows]


async def refresh(executor: db.Executor, stored: Stored, calendars: Calendars, now: datetime) -> Reading:
    """Read a clock anew from its marks, and write what it shows."""
    reading = await calendars.read(stored.log, now)
    version, change = calendars.edition(reading.pin)
    await _write(
        executor,
        msgspec.structs.replace(stored, reading=reading, hours_version=version, holiday_change=change),
        now,
    )
    return reading


async def take_overdue(executor: db.Executor, *, before: datetime, limit: int, untold: Sequence[int] = ()) -> list[Stored]:
    """Return clocks that were due before a moment and run on; they are the caller's until his transaction ends.

    untold   cases that do not know yet whether their calls were answered and returned
    """
    return [_stored(row) async for row in _sql.take_overdue(executor, before=before, limit=limit, untold=list(untold))]


async def take_outdated(executor: db.Executor, *, limit: int) -> list[Stored]:
    """Return open clocks whose calendar has changed; they are the caller's until his transaction ends."""
    return [_stored(row) async for row in _sql.take_outdated(executor, limit=limit)]


def _stored(row: Any) -> Stored:
    kind = Kind(row["kind"])
    pin = None
    if row["zone"] is not None:
        pin = Pin(zone=ServiceZone(row["zone"]), holiday_set=HolidaySet(row["holiday_set"]), order_form_id=row["order_form_id"])
    reading = Reading(
        kind=kind,
        nature=Nature(row["nature"]),
        basis=TERMS[kind].basis,
        pin=pin,
        budget_s=row["budget_s"],
        started_at=row["started_at"],
        state=State(row["state"]),
        due_at=row["due_at"],
        elapsed_s=row["elapsed_s"],
        remaining_s=row["remaining_s"],
        spans=_spans(row["spans"]),
        outcome=State(row["outcome"]) if row["outcome"] else None,
        outcome_at=row["outcome_at"],
        ended_at=row["ended_at"],
        reached_at=row["reached_at"],
        remark=row["remark"],
        void=_void(row["void"]) if row["void"] else None,
    )
    return Stored(
        subject=row["subject"],
        subject_id=row["subject_id"],
        number=row["number"],
        account_id=row["account_id"],
        reading=reading,
        marks=_marks(row["marks"]),
        hours_version=row["hours_version"],
        holiday_change=row["holiday_change"],
    )
