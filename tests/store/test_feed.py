"""Followers of the log: each event once, in the order of its shard, whatever dies in between."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from homing.events import store
from homing.events.feed import AT_ONCE, Feed
from homing.events.types import Logged
from homing.ground import db
from tests.store.test_events import TODAY, append


class Reader:
    """Notes in a table what it was given."""

    name = "reader"
    rests_s = 0.5

    def __init__(self) -> None:
        self.given: list[tuple[int, int]] = []
        self.fails = False
        self.cared = True

    async def cares(self, connection: db.Executor) -> bool:
        return self.cared

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        self.given.extend((event.shard, event.seq) for event in events)
        await connection.executemany("INSERT INTO seen VALUES ($1, $2)", [(event.shard, event.seq) for event in events])
        if self.fails:
            raise RuntimeError("after the rows were written")


@pytest.fixture
async def log(pool: db.Pool) -> db.Pool:
    await store.ensure_partitions(pool, TODAY)
    await pool.execute("CREATE TABLE seen (shard smallint, seq bigint)")
    return pool


async def follow(feed: Feed, follower: Reader) -> None:
    while await feed.step(follower):
        pass


async def seen(pool: db.Pool) -> list[tuple[int, int]]:
    return [(row["shard"], row["seq"]) for row in await pool.fetch("SELECT * FROM seen ORDER BY shard, seq")]


async def test_each_event_comes_once_in_the_order_of_its_shard(log):
    reader = Reader()
    feed = Feed(log, [reader], shards=lambda: [3, 4])
    first = [await append(log), await append(log, shard=4), await append(log, day=TODAY + timedelta(days=1))]
    await follow(feed, reader)
    later = await append(log, day=TODAY + timedelta(days=1))
    await follow(feed, reader)
    assert reader.given == [(3, first[0]), (3, first[2]), (4, first[1]), (3, later)]
    assert await seen(log) == sorted(reader.given)


async def test_a_fold_that_fails_wrote_nothing_and_gets_the_same_events_again(log):
    reader = Reader()
    feed = Feed(log, [reader], shards=lambda: [3])
    seq = await append(log)
    reader.fails = True
    with pytest.raises(RuntimeError):
        await follow(feed, reader)
    assert await seen(log) == []
    reader.fails = False
    await follow(feed, reader)
    assert await seen(log) == [(3, seq)]


async def test_a_shard_that_is_not_ours_is_left_alone(log):
    reader = Reader()
    await append(log, shard=5)
    await follow(Feed(log, [reader], shards=lambda: [3]), reader)
    assert reader.given == []


async def test_another_worker_goes_on_where_the_first_one_was(log):
    reader, successor = Reader(), Reader()
    await append(log)
    await follow(Feed(log, [reader], shards=lambda: [3]), reader)
    seq = await append(log)
    await follow(Feed(log, [successor], shards=lambda: [3]), successor)
    assert successor.given == [(3, seq)]


async def test_a_place_that_another_worker_holds_is_left_to_it(log):
    reader = Reader()
    feed = Feed(log, [reader], shards=lambda: [3])
    await follow(feed, reader)
    await append(log)
    async with log.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM followers WHERE name = 'reader' AND shard = 3 FOR UPDATE")
        assert await feed.step(reader) is False
    assert reader.given == []


async def test_a_follower_whom_nobody_notices_jumps_to_the_end(log):
    reader = Reader()
    feed = Feed(log, [reader], shards=lambda: [3])
    await append(log)
    reader.cared = False
    await follow(feed, reader)
    reader.cared = True
    seq = await append(log)
    await follow(feed, reader)
    assert reader.given == [(3, seq)]


async def test_many_events_come_in_several_steps(log):
    reader = Reader()
    feed = Feed(log, [reader], shards=lambda: [3])
    for _ in range(3):
        await append(log)
    await log.execute(
        "INSERT INTO events SELECT day, shard, seq + n * 1000000, at, type, account_id, subaccount_id, message_id, "
        "transmission_id, recipient, recipient_domain, campaign_id, detail FROM events CROSS JOIN generate_series(1, $1) n",
        AT_ONCE,
    )
    await follow(feed, reader)
    assert len(reader.given) == len(set(reader.given)) == 3 * (AT_ONCE + 1)
    assert [seq for _, seq in reader.given] == sorted(seq for _, seq in reader.given)
