"""The auditor: each night it replays the events of everything that has clocks, and compares (invariants 15 and 18).

What it finds is kept and logged as an error; it corrects nothing. A finding is a bug or a hand in the database.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Protocol

import msgspec

from homing.ground import db, log
from homing.support.clocks import store
from homing.support.clocks.store import Calendars, LegalClock, Stored
from homing.support.clocks.types import ClockLog, Reading, State

_log = log.get("clocks")
_sql = db.queries("homing.support.clocks")
_encode = msgspec.json.Encoder().encode
AT_ONCE = 100
STALE = timedelta(hours=2)
BEHIND = timedelta(minutes=10)  # the keeper writes misses in seconds; so late they are a finding
MOST_FINDINGS = 1_000


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What the events of one subject say.

    complaints   what is wrong with the events themselves, in sentences
    """

    logs: Sequence[ClockLog]
    complaints: Sequence[str] = ()


class Source(Protocol):
    """A room that keeps clocks."""

    @property
    def subject(self) -> str:
        """Return the name of its subjects in the table of clocks."""
        ...

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        """Return the next subjects with a higher number, in order."""
        ...

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        """Return what the events of a subject say."""
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that should not be. clock: its number; 0: the subject as a whole."""

    subject: str
    subject_id: int
    clock: int
    what: str


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """One night's."""

    day: date
    began_at: datetime
    ended_at: datetime | None = None
    subjects: int = 0
    clocks: int = 0
    findings: tuple[Finding, ...] = ()


class Auditor:
    """Audits for one worker; each day is one worker's."""

    def __init__(self, pool: db.Pool, legal: LegalClock, sources: Sequence[Source]) -> None:
        self._pool = pool
        self._legal = legal
        self._sources = sources
        self._done: date | None = None

    async def nightly(self) -> Audit | None:
        """Audit if nobody has today."""
        now = await self._legal.now(self._pool)
        if self._done == now.date():
            return None
        self._done = now.date()
        if await _sql.begin_audit(self._pool, day=now.date(), now=now, stale=now - STALE) is None:
            return None
        audit = await self.audit(now)
        ended = await self._legal.now(self._pool)
        await _sql.end_audit(
            self._pool,
            day=audit.day,
            now=ended,
            subjects=audit.subjects,
            clocks=audit.clocks,
            findings=_encode(audit.findings).decode(),
        )
        for finding in audit.findings:
            _log.error("audit_found", **msgspec.to_builtins(finding))
        _log.info("clocks_audited", subjects=audit.subjects, clocks=audit.clocks, findings=len(audit.findings))
        return msgspec.structs.replace(audit, ended_at=ended)

    async def audit(self, now: datetime) -> Audit:
        """Replay everything, and return what differs."""
        findings: list[Finding] = []
        subjects = clocks = 0
        for source in self._sources:
            last = 0
            while ids := await source.ids_after(self._pool, last, AT_ONCE):
                for subject_id in ids:
                    found, count = await self._one(source, subject_id)
                    findings += found
                    clocks += count
                subjects += len(ids)
                last = ids[-1]
        return Audit(day=now.date(), began_at=now, subjects=subjects, clocks=clocks, findings=tuple(findings[:MOST_FINDINGS]))

    async def _one(self, source: Source, subject_id: int) -> tuple[list[Finding], int]:
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            now = await self._legal.now(connection)
            replay = await source.replay(connection, subject_id)
            cached = await store.of_subject(connection, source.subject, subject_id)
            calendars = Calendars(connection)
            words = [(0, what) for what in replay.complaints]
            if len(cached) != len(replay.logs):
                words.append((0, f"{len(cached)} clocks are kept, and {len(replay.logs)} follow from the events"))
            for stored, replayed in zip(cached, replay.logs, strict=False):
                reading = await calendars.read(replayed, now)
                current = (stored.hours_version, stored.holiday_change) == calendars.edition(reading.pin)
                words += [(stored.number, what) for what in differences(stored, replayed, reading, now=now, current=current)]
        return [Finding(subject=source.subject, subject_id=subject_id, clock=number, what=what) for number, what in words], len(
            cached
        )


def differences(stored: Stored, replayed: ClockLog, reading: Reading, *, now: datetime, current: bool) -> list[str]:
    """Return how a row differs from what the events say, in sentences.

    current   whether the row was computed with the calendar as it is recorded now; if not, the keeper has not come by yet
    """
    kept = stored.reading
    if kept.kind is not replayed.kind or stored.marks != replayed.marks:
        return [f"the marks of {kept.kind} are not those of the events"]
    found = []
    if kept.outcome is not None and (kept.outcome, kept.outcome_at) != (reading.outcome, reading.outcome_at):
        found.append(f"{kept.kind} was {kept.outcome} at {kept.outcome_at}, and is {reading.outcome} at {reading.outcome_at}")
    if kept.outcome is None and reading.outcome is not None:
        missed = reading.outcome is State.MISSED and reading.ended_at is None
        if not missed or reading.outcome_at is None or now - reading.outcome_at > BEHIND:
            found.append(f"{kept.kind} is {reading.outcome} since {reading.outcome_at}, and is kept as {kept.state}")
    if kept.outcome is None and reading.outcome is None and current and kept.due_at != reading.due_at:
        found.append(f"{kept.kind} is due at {reading.due_at}, and kept as due at {kept.due_at}")
    if (kept.nature, kept.budget_s, kept.started_at, kept.pin) != (
        reading.nature,
        reading.budget_s,
        reading.started_at,
        reading.pin,
    ):
        found.append(f"{kept.kind} has another nature, budget, begin or pin than its events say")
    return found


async def latest(executor: db.Executor, *, limit: int = 7) -> list[Audit]:
    """Return the latest audits, newest first."""
    with db.trouble_is_temporary():
        return [
            Audit(
                day=row["day"],
                began_at=row["began_at"],
                ended_at=row["ended_at"],
                subjects=row["subjects"],
                clocks=row["clocks"],
                findings=msgspec.json.decode(row["findings"], type=tuple[Finding, ...]),
            )
            async for row in _sql.audits(executor, limit=limit)
        ]
