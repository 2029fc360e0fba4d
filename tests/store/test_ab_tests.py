"""The counts of A/B tests out of the log, each message once; the keeper that ends and completes them, and is told of once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from homing.abtests import store
from homing.abtests.fold import AbTestFollower
from homing.abtests.keeper import EVERY, Keeper
from homing.abtests.types import AbTest, Arm, Audience, Counts, Ended, Metric, Mode, Plan, Status
from homing.events import store as events
from homing.events.detail import Addressee, EventBook
from homing.events.feed import Feed
from homing.events.rules.search import Asked, read_query
from homing.events.rules.wire import pushed, shown
from homing.events.types import Event, EventType
from homing.ground import db, ids
from homing.ground.clock import SystemClock
from homing.queue import tell
from homing.queue.owner import Owner
from homing.spool.types import ChunkFacts
from tests.kit.owner import shard_owner

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
TEST = AbTest(
    account_id=1,
    subaccount_id=0,
    test_id="pay",
    name="Pay",
    status=Status.SCHEDULED,
    plan=Plan(
        default=Arm(template_id="a", percent=50.0),
        variants=(Arm(template_id="b", percent=50.0),),
        metric=Metric.CONFIRMED_OPENED,
        audience=Audience.PERCENT,
        mode=Mode.BAYESIAN,
    ),
    start_at=NOW - HOUR,
    end_at=NOW + 10 * HOUR,
    created_at=NOW - HOUR,
    updated_at=NOW - HOUR,
)
CLOCK = SystemClock()


@pytest.fixture
async def log(pool: db.Pool) -> db.Pool:
    await events.ensure_partitions(pool, NOW.date())
    await pool.execute("INSERT INTO accounts (name) VALUES ('acme'), ('other')")
    return pool


@pytest.fixture
async def owner(database: str, log: db.Pool):
    async with shard_owner(database, log, kinds={tell.KIND: tell.told}) as made:
        yield made


class Line:
    """A test with its follower, and the messages that are sent by it."""

    def __init__(self, pool: db.Pool, owner: Owner) -> None:
        self.pool = pool
        self.owner = owner
        self.follower = AbTestFollower()
        self.feed = Feed(pool, [self.follower], shards=owner.shards)

    def messages(self, count: int, **facts: Any) -> list[tuple[EventBook, Addressee]]:
        made = ChunkFacts(
            **{
                "account_id": 1,
                "transmission_id": self.owner.place(0).transmission_id,
                "accepted_at": NOW,
                "recv_method": "rest",
                "sending_domain": "acme.test",
                "friendly_from": "news@acme.test",
                "template_id": "a",
                "template_version": "1",
                "ab_test_id": "pay",
                "ab_test_version": "1",
                **facts,
            }
        )
        book, place = EventBook(made), self.owner.place(count)
        return [(book, Addressee(message_id, f"u{n}@there.test", "there.test")) for n, message_id in enumerate(place.message_ids)]

    async def tell(self, messages: Sequence[tuple[EventBook, Addressee]], *kinds: EventType) -> None:
        made: list[Event] = []
        for book, to in messages:
            injection = book.injection(to, at=NOW)
            made += [structs.replace(injection, type=kind) for kind in kinds]
        await self.owner.record(made)

    async def follow(self) -> None:
        while await self.feed.step(self.follower):
            pass

    async def counts(self, test: AbTest = TEST) -> dict[str, Counts]:
        (found,) = await store.counts_of(self.pool, [test])
        return dict(found)

    async def found(self, version: int | None = None) -> AbTest:
        test = await store.find(self.pool, 1, 0, "pay", version=version)
        assert test is not None
        return test

    async def search(self, **query: str) -> list[dict[str, Any]]:
        given = {name: [value] for name, value in query.items()} | {"to": [(NOW + 48 * HOUR).isoformat()]}
        asked = read_query(given, account_id=1, subaccount_id=None, now=NOW + HOUR)
        assert isinstance(asked, Asked)
        page = await events.search(self.pool, asked.search, after=None, limit=100)
        assert all(pushed(event)["msys"] for event in page.events)
        return [shown(event) for event in page.events]


@pytest.fixture
async def line(log, owner):
    await store.insert(log, TEST)
    await log.execute("UPDATE ab_tests SET looked_at = $1", NOW - HOUR)
    return Line(log, owner)


SENT = (EventType.INJECTION, EventType.DELIVERY)


async def test_each_message_counts_once_however_often_it_is_opened(line):
    first, second = line.messages(3), line.messages(2, template_id="b")
    await line.tell(first, *SENT)
    await line.tell(second, *SENT, EventType.CLICK)
    await line.follow()
    for _ in range(3):
        await line.tell(first[:2], EventType.OPEN, EventType.INITIAL_OPEN)
        await line.follow()
    await line.tell(first[2:], EventType.OUT_OF_BAND)
    await line.follow()
    assert await line.counts() == {"a": Counts(3, 2, 2, 0), "b": Counts(2, 2, 2, 2)}


async def test_two_workers_that_meet_over_one_message_count_it_once(line):
    messages = line.messages(50)
    await line.tell(messages, *SENT)
    for _ in range(2):  # the same again, in another shard or not
        await line.tell(messages, EventType.OPEN)
    shards = line.owner.shards()
    halves = [Feed(line.pool, [line.follower], shards=lambda part=part: shards[part::2]) for part in range(2)]
    while any(await asyncio.gather(*(half.step(line.follower) for half in halves))):
        pass
    assert await line.counts() == {"a": Counts(50, 50, 50, 0)}


async def test_what_belongs_to_no_running_version_does_not_count(line):
    await line.tell(line.messages(1, ab_test_version="2"), *SENT)
    await line.tell(line.messages(1, account_id=2), *SENT)
    await line.tell(line.messages(1, subaccount_id=7), *SENT)
    await line.tell(line.messages(1, ab_test_id=""), *SENT)
    old = [(book, structs.replace(to, message_id=ids.compose(1, 1, 1))) for book, to in line.messages(1)]
    await line.tell(old, *SENT)  # of an earlier test with this id
    await line.follow()
    assert await line.counts() == {}
    await line.pool.execute("UPDATE ab_tests SET status = 'completed'")
    assert not await line.follower.cares(line.pool)
    await line.tell(line.messages(1), *SENT)
    await line.follow()
    assert await line.counts() == {}


async def test_the_sample_size_ends_it_the_timeout_completes_it_and_the_log_tells_once(line):
    plan = structs.replace(TEST.plan, total_sample_size=4)
    async with line.pool.acquire() as connection:
        await store.change(connection, structs.replace(TEST, plan=plan))
    await line.tell(line.messages(2), *SENT)
    await line.tell(line.messages(2, template_id="b"), *SENT, EventType.OPEN)
    await line.follow()
    forgotten: list[int] = []
    keeper = Keeper(line.pool, CLOCK, tell=tell.tell, forget=lambda: forgotten.append(1))
    assert await keeper.look(NOW + 2 * EVERY)
    ended = await line.found()
    assert (ended.status, ended.ended_why, ended.ended_at) == (Status.SCHEDULED, Ended.SAMPLE_SIZE, NOW + 2 * EVERY)
    assert not await keeper.look(NOW + 2 * EVERY)  # somebody has looked just now
    assert await keeper.look(NOW + 23 * HOUR)
    assert (await line.found()).status is Status.SCHEDULED
    await line.tell(line.messages(1), *SENT)  # what was on its way still counts
    await line.follow()
    both = await asyncio.gather(*(keeper.look(NOW + 25 * HOUR) for _ in range(2)))
    assert sorted(both) == [False, True]
    done = await line.found()
    assert (done.status, done.winner, done.over_at) == (Status.COMPLETED, "b", NOW + 25 * HOUR)
    assert await line.counts() == {"a": Counts(3, 3, 0, 0), "b": Counts(2, 2, 2, 0)}
    assert len(forgotten) == 2
    async with asyncio.timeout(10):
        while not (found := await line.search(events="ab_test_completed")):
            await asyncio.sleep(0.05)
    (one,) = found
    assert one["ab_test"]["winning_template_id"] == "b"
    assert set(one) == {"type", "event_id", "timestamp", "customer_id", "ab_test"}
    assert await line.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_confidence_ends_it_and_the_leader_wins(line):
    counts = {"a": Counts(1000, 1000, 100, 0), "b": Counts(1000, 1000, 200, 0)}
    for template_id, one in counts.items():
        await line.pool.execute("INSERT INTO ab_test_counts VALUES (1, 0, 'pay', 1, $1, $2, $3, $4, $5)", template_id, *one)
    keeper = Keeper(line.pool, CLOCK, tell=tell.tell)
    await keeper.look(NOW + HOUR)
    ended = await line.found()
    assert (ended.ended_why, ended.leader, ended.ended_at) == (Ended.CONFIDENCE, "b", NOW + HOUR)
    await keeper.look(NOW + 26 * HOUR)
    assert (await line.found()).winner == "b"


async def test_a_keeper_that_was_away_for_long_takes_both_steps_at_once(line):
    await Keeper(line.pool, CLOCK, tell=tell.tell).look(NOW + 100 * HOUR)
    done = await line.found()
    assert (done.status, done.ended_why, done.ended_at) == (Status.COMPLETED, Ended.END_TIME, TEST.end_at)


async def test_a_test_that_has_not_begun_or_is_over_is_left_alone(line):
    keeper = Keeper(line.pool, CLOCK, tell=tell.tell)
    await line.pool.execute("UPDATE ab_tests SET start_at = $1", NOW + 10 * HOUR)
    assert not await keeper.look(NOW + HOUR)
    await line.pool.execute("UPDATE ab_tests SET start_at = $1, status = 'cancelled'", NOW - HOUR)
    assert not await keeper.look(NOW + HOUR)


async def test_what_happened_to_messages_is_forgotten_when_the_test_is_over_and_the_counts_stay(line):
    await line.tell(line.messages(3), *SENT)
    await line.follow()
    await store.forget_messages(line.pool)
    assert await line.pool.fetchval("SELECT count(*) FROM ab_test_messages") == 3
    await line.pool.execute("UPDATE ab_tests SET status = 'completed'")
    await store.forget_messages(line.pool)
    assert await line.pool.fetchval("SELECT count(*) FROM ab_test_messages") == 0
    assert await line.counts() == {"a": Counts(3, 3, 0, 0)}


async def test_events_are_told_only_if_the_transaction_is_committed(line):
    event = line.messages(1)[0][0].injection(line.messages(1)[0][1], at=NOW)
    async with line.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await tell.tell(connection, [event])
        await transaction.rollback()
    assert await line.pool.fetchval("SELECT count(*) FROM inbox") == 0
