"""Clocks as rows: misses are written once, changed hours move what lies ahead, the nightly audit finds a hand in the database."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from homing.accounts import store as accounts
from homing.ground import db
from homing.hours import store as hours
from homing.hours.rules.contract import TERMS
from homing.hours.rules.text import read_windows
from homing.hours.types import HolidaySet, OpeningHours, ServiceZone
from homing.support.clocks import auditor, store
from homing.support.clocks.auditor import Auditor, Replay
from homing.support.clocks.keeper import Keeper
from homing.support.clocks.store import GRACE, ServerClock
from homing.support.clocks.types import HOUR_S, ClockLog, Kind, Nature, Paused, Pin, Resumed, Started, State, Stopped
from tests.kit.hours import at
from tests.kit.moved_clock import MovedClock, MovedLegalClock

LONDON = Pin(zone=ServiceZone.UK, holiday_set=HolidaySet.GB_EAW, order_form_id=7)
RAISED = at("Thu 2026-12-24 16:29 GMT")


def first_response(**more) -> ClockLog:
    return ClockLog(kind=Kind.FIRST_RESPONSE, marks=(Started(at=RAISED, budget_s=HOUR_S, pin=LONDON), *more.get("then", ())))


class Events:
    """A room whose events are what a test says."""

    subject = "case"

    def __init__(self) -> None:
        self.logs: dict[int, list[ClockLog]] = {}
        self.complaints: dict[int, list[str]] = {}

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        return [one for one in sorted(self.logs) if one > subject_id][:limit]

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        return Replay(logs=self.logs[subject_id], complaints=self.complaints.get(subject_id, ()))


class Town:
    def __init__(self, pool: db.Pool, account_id: int) -> None:
        self.pool, self.account_id = pool, account_id
        self.clock = MovedClock(RAISED)
        self.legal = MovedLegalClock(self.clock)
        self.events = Events()
        self.keeper = Keeper(pool, self.legal, self.clock, [self.events])
        self.auditor = Auditor(pool, self.legal, [self.events])

    async def put(self, *logs: ClockLog, case: int = 1) -> None:
        self.events.logs[case] = list(logs)
        await store.put(self.pool, "case", case, logs, account_id=self.account_id, now=self.clock.now())

    async def one(self, case: int = 1) -> store.Stored:
        return (await store.of_subject(self.pool, "case", case))[0]


@pytest.fixture
async def town(pool: db.Pool) -> Town:
    return Town(pool, (await accounts.get_or_create_account(pool, "acme")).account_id)


async def test_a_clock_comes_back_as_it_was_written(town: Town):
    log = first_response()
    await town.put(log, ClockLog(kind=Kind.CALLBACK, marks=(Started(at=RAISED, budget_s=900), Stopped(at=RAISED))))
    found = await store.of_subject(town.pool, "case", 1)
    assert [one.log for one in found] == town.events.logs[1]
    assert found[0].reading.due_at == at("Tue 2026-12-29 09:29 GMT"), "Christmas, the weekend and Boxing Day's substitute"
    assert (found[0].reading.pin, found[0].reading.nature) == (LONDON, Nature.OBJECTIVE)
    assert (found[1].reading.state, found[1].reading.nature) == (State.MET, Nature.CONTRACTUAL)
    started = await store.of_account(town.pool, town.account_id, RAISED, RAISED + timedelta(seconds=1))
    assert started == found
    assert await store.of_account(town.pool, town.account_id, RAISED + timedelta(seconds=1), RAISED + timedelta(days=9)) == []


async def test_a_miss_is_written_once_a_moment_after_it_was_due(town: Town):
    await town.put(first_response())
    town.clock.forward(seconds=(at("Tue 2026-12-29 09:29 GMT") - RAISED).total_seconds())
    await town.keeper.turn()
    assert (await town.one()).reading.state is State.RUNNING
    town.clock.forward(seconds=GRACE.total_seconds() + 1)
    await town.keeper.turn()
    missed = (await town.one()).reading
    assert (missed.state, missed.outcome_at) == (State.MISSED, at("Tue 2026-12-29 09:29 GMT"))
    await town.put(first_response(then=(Stopped(at=town.clock.now()),)))
    assert (await town.one()).reading.state is State.MISSED
    with pytest.raises(asyncpg.RaiseError, match="is decided"):
        await town.put(first_response(then=(Stopped(at=RAISED),)))


async def test_nobody_drops_a_clock_or_lets_a_call_back_wait(town: Town):
    await town.put(first_response(), ClockLog(kind=Kind.CALLBACK, marks=(Started(at=RAISED, budget_s=900),)))
    with pytest.raises(asyncpg.RaiseError, match="only ever added"):
        await town.pool.execute("DELETE FROM clocks")
    with pytest.raises(asyncpg.CheckViolationError):
        await town.pool.execute("UPDATE clocks SET state = 'paused' WHERE kind = 'CALLBACK'")
    with pytest.raises(asyncpg.CheckViolationError):
        await town.pool.execute("UPDATE clocks SET nature = 'contractual' WHERE kind = 'FIRST_RESPONSE'")


async def test_hours_that_are_changed_move_the_due_time_of_what_runs(town: Town):
    start = await ServerClock().now(town.pool)
    running = ClockLog(kind=Kind.FIRST_RESPONSE, marks=(Started(at=start, budget_s=400 * HOUR_S, pin=LONDON),))
    town.clock.forward(seconds=(start - town.clock.now()).total_seconds())
    await town.put(running)
    before = (await town.one()).reading.due_at
    assert before is not None
    longer = OpeningHours(weekly=(read_windows("00:00-24:00"),) * 7)
    await hours.record_version(town.pool, ServiceZone.UK, longer, author="kim", reason="a trial", follows=0)
    await town.keeper.turn()
    moved = await town.one()
    assert moved.hours_version == 1
    assert moved.reading.due_at is not None
    assert moved.reading.due_at < before
    again = await town.one()
    await town.keeper.turn()
    assert await town.one() == again
    assert TERMS[ServiceZone.UK].hours.weekly[5] == ()


async def test_the_audit_agrees_with_what_was_written_and_runs_once_a_day(town: Town):
    await town.put(first_response(then=(Stopped(at=RAISED),)))
    await town.put(
        ClockLog(
            kind=Kind.UPDATE,
            marks=(Started(at=RAISED, budget_s=HOUR_S, pin=LONDON), Paused(at=RAISED), Resumed(at=RAISED + timedelta(days=1))),
        ),
        case=2,
    )
    found = await town.auditor.nightly()
    assert found is not None
    assert (found.subjects, found.clocks, found.findings) == (2, 2, ())
    assert await town.auditor.nightly() is None
    assert await Auditor(town.pool, town.legal, [town.events]).nightly() is None, "another worker"
    town.clock.forward(days=1)
    assert await Auditor(town.pool, town.legal, [town.events]).nightly() is not None
    assert [one.day.day for one in await auditor.latest(town.pool)] == [25, 24]


async def test_an_audit_whose_worker_died_is_taken_up(town: Town):
    day = town.clock.now()
    await town.pool.execute("INSERT INTO clock_audits (day, began_at) VALUES ($1, $2)", day.date(), day - timedelta(hours=1))
    assert await town.auditor.nightly() is None
    await town.pool.execute("UPDATE clock_audits SET began_at = $1", day - timedelta(hours=3))
    assert await Auditor(town.pool, town.legal, [town.events]).nightly() is not None


@pytest.mark.parametrize(
    ("hand", "words"),
    [
        ("UPDATE clocks SET due_at = due_at + interval '1 hour'", "kept as due"),
        ("UPDATE clocks SET outcome = 'met', outcome_at = started_at, state = 'met'", "was met"),
        ("UPDATE clocks SET marks = marks - 1", "not those of the events"),
        ("UPDATE clocks SET budget_s = 9999999", "another nature, budget"),
        ("UPDATE clocks SET order_form_id = 8", "pin"),
    ],
)
async def test_the_audit_finds_a_hand_in_the_database(town: Town, hand: str, words: str):
    await town.put(first_response(then=(Paused(at=RAISED),)))  # which a first response ignores
    await town.pool.execute(hand)
    audit = await town.auditor.nightly()
    assert audit is not None
    assert [(one.subject_id, one.clock) for one in audit.findings] == [(1, 1)]
    assert words in audit.findings[0].what
    assert (await auditor.latest(town.pool))[0].findings == audit.findings


async def test_the_audit_tells_clocks_that_are_missing_and_what_its_source_complains_of(town: Town):
    await town.put(first_response())
    town.events.logs[1].append(first_response())
    town.events.complaints[1] = ["the chain of events is broken at 3"]
    audit = await town.auditor.nightly()
    assert audit is not None
    assert [one.what for one in audit.findings] == [
        "the chain of events is broken at 3",
        "1 clocks are kept, and 2 follow from the events",
    ]


async def test_a_miss_that_nobody_wrote_is_a_finding_after_ten_minutes(town: Town):
    await town.put(ClockLog(kind=Kind.CALLBACK, marks=(Started(at=RAISED, budget_s=900),)))
    town.clock.forward(seconds=900 + 599)
    assert (await town.auditor.audit(town.clock.now())).findings == ()
    town.clock.forward(seconds=2)
    found = (await town.auditor.audit(town.clock.now())).findings
    assert "is missed since" in found[0].what


async def test_the_servers_clock_is_the_legal_one(pool: db.Pool):
    before = await ServerClock().now(pool)
    assert before.utcoffset() == timedelta()
    assert await ServerClock().now(pool) >= before
