"""The queue on a real PostgreSQL: durable when it answers, one owner for each shard, nothing doubled by repetition."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from homing.events.detail import Addressee, EventBook
from homing.ground import db, ids
from homing.ground.clock import SystemClock
from homing.ground.errors import LeaseLost, Overloaded
from homing.queue import store
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey, NewChunk, Place, Settlement
from tests.kit.mail import new_chunk


class Recorder:
    """A delivery that only remembers what it was given."""

    def __init__(self, room: int = 10_000) -> None:
        self.room = room
        self.taken: list[Entry] = []
        self.read: list[Entry] = []
        self.ended: list[tuple[Settlement, bool]] = []
        self.expired: list[Entry] = []
        self.dropped: list[int] = []
        self.arrived = asyncio.Event()

    def wants(self, lane: LaneKey, count: int) -> bool:
        return len(self.taken) + count <= self.room

    def room_for(self, lane: LaneKey) -> int:
        return 1_000

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        self.taken.append(entry)
        self.arrived.set()

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        self.read.extend(entries)
        self.arrived.set()

    def settled(self, settlement: Settlement, really: bool) -> None:
        self.ended.append((settlement, really))
        self.arrived.set()

    def drop_shard(self, shard: int) -> None:
        self.dropped.append(shard)

    def holds_shard(self, shard: int) -> bool:
        return False

    async def expire(self, entry: Entry, last_reply: str | None) -> None:
        self.expired.append(entry)
        self.arrived.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.arrived.clear()
                await asyncio.wait_for(self.arrived.wait(), 10)


async def no_expand(payload: bytes, place, now: datetime) -> NewChunk:
    here = place(2)
    return new_chunk(here, [f"{payload.decode()}-{n}@there.test" for n in range(2)])


async def always(lane: Lane) -> str | None:
    return None


@asynccontextmanager
async def owner(
    dsn: str, name: str = "one", *, room: int = 10_000, term_s: float = 5.0
) -> AsyncIterator[tuple[Owner, Recorder, db.Pool]]:
    async with db.pool(dsn, name="test") as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS events_any PARTITION OF events DEFAULT")
        made = Owner(dsn=dsn, pool=pool, worker_id=name, term_s=term_s, lifetime=timedelta(hours=72), clock=SystemClock())
        recorder = Recorder(room)
        made.attach(recorder, no_expand)
        stop = asyncio.Event()
        running = asyncio.ensure_future(made.run(stop, may_read=always))
        try:
            await asyncio.wait_for(made.keeper.first_claim.wait(), 10)
            yield made, recorder, pool
        finally:
            stop.set()
            made.drained.set()
            await asyncio.wait_for(running, 15)


def delivered(entry: Entry, place: Place) -> Settlement:
    chunk = new_chunk(place._replace(message_ids=[entry.entry_id]), [entry.recipient])
    event = EventBook(chunk.facts).delivery(
        Addressee(entry.entry_id, entry.recipient, "there.test", None),
        at=datetime.now(UTC),
        ip_address="127.0.0.1",
        sending_ip="",
        outbound_tls=0,
        num_retries=0,
        queue_time_ms=1,
        msg_size=1,
    )
    return Settlement(entry=entry, finish=True, events=(event,))


async def count(pool: db.Pool, what: str) -> int:
    number: int = await pool.fetchval(f"SELECT count(*) FROM {what}")
    return number


async def test_what_was_handed_over_is_in_the_tables_and_goes_straight_to_delivery(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        assert [entry.recipient for entry in delivery.taken] == ["a@there.test", "b@there.test"]
        assert await count(pool, "chunks WHERE pending = 2") == 1
        assert await count(pool, "queue_entries") == 2
        assert await count(pool, "events WHERE type = 1") == 2
        assert all(ids.shard_of(message_id) == place.shard for message_id in place.message_ids)


async def test_a_settled_message_leaves_nothing_but_its_events(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        for entry in list(delivery.taken):
            queue.settle(delivered(entry, place))
        await delivery.until(lambda: len(delivery.ended) == 2)
        assert all(really for _, really in delivery.ended)
        assert await count(pool, "chunks") == 0
        assert await count(pool, "queue_entries") == 0
        assert await count(pool, "events WHERE type = 2") == 2
        assert len(queue.book) == 0


async def test_a_repeated_settlement_doubles_nothing(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["a@there.test"]))
        entry = delivery.taken[0]
        queue.settle(delivered(entry, place))
        await delivery.until(lambda: len(delivery.ended) == 1)
        queue.settle(delivered(entry, place))
        await delivery.until(lambda: len(delivery.ended) == 2)
        assert [really for _, really in delivery.ended] == [True, False]
        assert await count(pool, "events WHERE type = 2") == 1


async def test_what_finds_no_room_in_memory_is_read_when_it_is_due(database):
    async with owner(database, room=0) as (queue, delivery, _):
        place = queue.place(3)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test", "c@other.test"]))
        await delivery.until(lambda: len(delivery.read) == 3)
        assert not delivery.taken
        assert {entry.entry_id for entry in delivery.read} == set(place.message_ids)


async def test_a_scheduled_message_waits_for_its_time(database):
    async with owner(database) as (queue, delivery, _):
        place = queue.place(1)
        due_at = datetime.now(UTC) + timedelta(seconds=0.7)
        await queue.hand_over(new_chunk(place, ["a@there.test"], due_at=due_at))
        await asyncio.sleep(0.3)
        assert not delivery.taken
        assert not delivery.read
        await delivery.until(lambda: len(delivery.read) == 1)
        assert datetime.now(UTC) >= due_at


async def test_a_re_dated_message_comes_back_with_its_tries(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["a@there.test"]))
        entry = delivery.taken[0]
        entry.tries = 1
        event = EventBook(new_chunk(place, ["a@there.test"]).facts).delay(
            Addressee(entry.entry_id, entry.recipient, "there.test", None),
            at=datetime.now(UTC),
            reason="451 later",
            error_code="451",
            bounce_class=70,
            num_retries=0,
            queue_time_ms=1,
        )
        due_at = datetime.now(UTC) + timedelta(seconds=0.3)
        queue.settle(Settlement(entry=entry, finish=False, events=(event,), due_at=due_at, note="451 later"))
        await delivery.until(lambda: len(delivery.read) == 1)
        assert delivery.read[0].tries == 1
        assert await pool.fetchval("SELECT last_attempt FROM queue_entries") == "451 later"


async def test_a_successor_finds_everything_that_was_not_settled(database):
    async with owner(database) as (queue, delivery, _):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        queue.settle(delivered(delivery.taken[0], place))
        await delivery.until(lambda: len(delivery.ended) == 1)
        waiting = delivery.taken[1].entry_id
    async with owner(database, "two") as (_, delivery, _):
        await delivery.until(lambda: len(delivery.read) == 1)
        assert delivery.read[0].entry_id == waiting


async def test_a_worker_whose_shard_was_taken_can_neither_hand_over_nor_settle(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["a@there.test"]))
        await pool.execute("UPDATE shards SET owner = 'another', epoch = epoch + 1")
        queue.settle(delivered(delivery.taken[0], place))
        with pytest.raises(LeaseLost):
            await queue.hand_over(new_chunk(Place(place.shard, place.transmission_id, b"0" * 10, [b"1" * 10]), ["b@there.test"]))
        assert await count(pool, "queue_entries") == 1
        assert await count(pool, "events WHERE type = 2") == 0


async def test_two_workers_share_the_shards_and_the_first_gives_back_its_surplus(database):
    async with owner(database, "one", term_s=2.0) as (first, _, _):
        assert len(first.lease.epochs) == 64
        async with owner(database, "two", term_s=2.0) as (second, _, _):
            async with asyncio.timeout(10):
                while len(first.lease.epochs) != 32 or len(second.lease.epochs) != 32:
                    await asyncio.sleep(0.05)
            assert not set(first.lease.epochs) & set(second.lease.epochs)


async def test_the_shards_of_a_worker_that_is_known_to_be_dead_are_free_at_once(database):
    async with db.pool(database, name="test") as pool:
        await pool.execute("INSERT INTO workers (worker_id, node, pid) VALUES ('dead', 'n', 1)")
        await pool.execute("UPDATE shards SET owner = 'dead', epoch = 7")
        await store.release_worker(pool, "dead")
    async with owner(database) as (queue, _, _):
        assert len(queue.lease.epochs) == 64
        assert min(queue.lease.epochs.values()) > 7


async def test_the_shards_of_a_silent_worker_are_not_taken_before_its_lease_ran_out(database):
    async with db.pool(database, name="test") as pool:
        await pool.execute("INSERT INTO workers (worker_id, node, pid) VALUES ('silent', 'n', 1), ('other', 'n', 2)")
        await pool.execute("UPDATE shards SET owner = 'silent', epoch = 1 WHERE shard < 10")
        sql = db.queries("homing.queue")
        claimed = [row async for row in sql.claim_shards(pool, worker_id="other", lease_s=36_000.0, most=64)]
        assert len(claimed) == 54
        await pool.execute("UPDATE workers SET heartbeat_at = now() - interval '11 hours' WHERE worker_id = 'silent'")
        early = [row async for row in sql.claim_shards(pool, worker_id="other", lease_s=36_000.0, most=64)]
        assert not early  # the server itself has not been up for a term: its owner may still renew
        await pool.execute("UPDATE workers SET heartbeat_at = now() - interval '1 second' WHERE worker_id = 'silent'")
        async with asyncio.timeout(10):
            while not [row async for row in sql.claim_shards(pool, worker_id="other", lease_s=0.5, most=64)]:
                await asyncio.sleep(0.1)


async def test_a_large_transmission_is_expanded_by_the_owners_of_all_shards_exactly_once(database):
    async with owner(database) as (queue, delivery, pool):
        await queue.hand_over_large(1, [b"first", b"second", b"third"], messages=3, now=datetime.now(UTC))
        await delivery.until(lambda: len(delivery.taken) == 6)
        assert await count(pool, "inbox") == 0
        assert len({entry.shard for entry in delivery.taken}) == 3


async def test_messages_are_counted_with_the_commit_that_takes_them_however_many_come_together(database):
    async with owner(database) as (queue, _, pool):
        chunks = [(1, ["a@there.test"]), (2, ["b@there.test", "c@there.test"]), (1, [f"u{n}@there.test" for n in range(300)])]
        places = [queue.place(len(recipients)) for _, recipients in chunks]
        made = [
            new_chunk(place, recipients, account_id=account) for place, (account, recipients) in zip(places, chunks, strict=True)
        ]
        await asyncio.gather(*(queue.hand_over(chunk) for chunk in made))
        rows = await pool.fetch("SELECT account_id, sum(messages) AS sum FROM usage_hours GROUP BY 1 ORDER BY 1")
        assert [tuple(row) for row in rows] == [(1, 301), (2, 2)]
        assert {row["shard"] for row in await pool.fetch("SELECT shard FROM usage_hours")} <= {place.shard for place in places}


async def test_what_is_not_stored_is_not_counted(database):
    async with owner(database) as (queue, _, pool):
        place = queue.place(1)
        await pool.execute(f"UPDATE shards SET owner = 'another', epoch = epoch + 1 WHERE shard = {place.shard}")
        with pytest.raises(LeaseLost):
            await queue.hand_over(new_chunk(place, ["a@there.test"]))
        assert await count(pool, "usage_hours") == 0


async def test_nothing_is_placed_while_the_lease_is_in_doubt(database):
    async with owner(database) as (queue, _, _):
        queue.lease._renewed = float("-inf")
        with pytest.raises(Overloaded):
            queue.place(1)


async def test_what_outlived_its_time_is_swept_out_even_if_nothing_reads_its_lane(database):
    long_ago = datetime.now(UTC) - timedelta(hours=80)
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        mint = ids.Mint(place.shard)
        old = mint.make(int(long_ago.timestamp() * 1000))
        await queue.hand_over(
            new_chunk(
                Place(place.shard, place.transmission_id, place.chunk_id, [old]),
                ["a@there.test"],
                accepted_at=long_ago,
                due_at=long_ago,
            )
        )
        queue.give_back(delivery.taken[0])
        found = await store.expired(
            pool,
            shard=place.shard,
            cutoff=ids.floor_at(datetime.now(UTC) - timedelta(hours=72), place.shard),
            now=datetime.now(UTC),
            limit=10,
        )
        assert [entry.entry_id for entry, _ in found] == [old]


async def test_a_row_that_the_database_cannot_take_does_not_hold_up_the_others(database):
    async with owner(database) as (queue, _, pool):
        good, bad = queue.place(1), queue.place(1)
        results = await asyncio.gather(
            queue.hand_over(new_chunk(good, ["a@there.test"])),
            queue.hand_over(new_chunk(bad, ["nul\0@there.test"])),
            return_exceptions=True,
        )
        assert results[0] is None
        assert isinstance(results[1], Exception)
        assert await count(pool, "queue_entries") == 1
