"""Table, lane book and delivery stay in step when shards change hands, commits end in doubt, and rows or callers fail."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from homing.ground import db, ids
from homing.ground.clock import SystemClock
from homing.ground.errors import LeaseLost, StoreUnavailable
from homing.queue import store
from homing.queue.batch import Batch, HandIn
from homing.queue.owner import Owner
from homing.queue.types import Entry, LaneKey
from tests.kit.mail import new_chunk
from tests.store.test_queue_owner import Recorder, count, delivered, owner


async def until(condition, *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_repeated_settlement_does_not_make_the_queue_forget_others_of_the_lane(database):
    async with owner(database) as (queue, delivery, _):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        first, second = delivery.taken
        for _ in range(2):
            queue.settle(delivered(first, place))
            await delivery.until(lambda: len(delivery.ended) in (1, 2))
            await asyncio.sleep(0.05)
        await delivery.until(lambda: len(delivery.ended) == 2)
        queue.give_back(second)
        await delivery.until(lambda: [entry.entry_id for entry in delivery.read] == [second.entry_id])


async def test_an_outcome_from_before_a_shard_was_lost_and_found_again_leaves_its_message_in_the_queue(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["a@there.test"]))
        entry = delivery.taken[0]
        async with pool.acquire() as other, other.transaction():
            await other.execute(f"UPDATE shards SET epoch = epoch + 1 WHERE shard = {place.shard}")
            queue.settle(delivered(entry, place))
            await asyncio.sleep(0.1)  # the batch waits for the lock of the take-over
            epoch = queue.lease.epochs.pop(place.shard)
            queue._lose_shard(place.shard)
        # ours again under another epoch before the old batch has heard of it
        await queue.keeper._own(place.shard, epoch + 1)
        await delivery.until(lambda: bool(delivery.ended))
        assert [really for _, really in delivery.ended] == [False]
        assert await count(pool, "events WHERE type = 2") == 0
        await delivery.until(lambda: bool(delivery.read))
        assert queue.book.depth() == 1


async def test_a_worker_that_finds_the_fence_closed_knows_at_once_that_the_shard_is_not_its_own(database):
    async with owner(database, term_s=60.0) as (queue, delivery, pool):
        place = queue.place(1)
        await pool.execute(f"UPDATE shards SET owner = 'another', epoch = epoch + 1 WHERE shard = {place.shard}")
        with pytest.raises(LeaseLost):
            await queue.hand_over(new_chunk(place, ["a@there.test"]))
        assert not queue.lease.holds(place.shard)
        assert delivery.dropped == [place.shard]
        assert len(queue.lease.epochs) == 63


async def test_a_commit_that_the_old_connection_still_carries_out_is_waited_for(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        chunk = new_chunk(place, ["a@there.test"])
        writer = queue.writer
        # The first try is written by a backend that goes on although its client has lost it.
        async with pool.acquire() as backend:
            transaction = backend.transaction()
            await transaction.start()
            await backend.execute(f"SELECT 1 FROM shards WHERE shard = {place.shard} FOR SHARE")
            loop = asyncio.get_running_loop()
            hand_in = HandIn(chunk, loop.create_future(), loop.time(), None)
            batch = Batch(place.shard, queue.lease.epochs[place.shard], [hand_in], [], datetime.now(UTC).date())
            writer.pending_bytes += hand_in.size
            await writer.transactions._write_rows(backend, batch)
            batch.unknown = True
            carrying = asyncio.ensure_future(writer._carry_out(batch))
            await asyncio.sleep(0.2)
            assert not carrying.done()
            await transaction.commit()
            await asyncio.wait_for(carrying, 5)
        assert await count(pool, "events WHERE type = 1") == 1
        assert await count(pool, "queue_entries") == 1
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 1  # not counted twice either
        assert [entry.recipient for entry in delivery.taken] == ["a@there.test"]


async def test_one_statement_behind_a_closed_fence_writes_nothing(database):
    async with owner(database, term_s=60.0) as (queue, _, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["first@there.test"]))
        await pool.execute(f"UPDATE shards SET owner = 'another', epoch = epoch + 1 WHERE shard = {place.shard}")
        with pytest.raises(LeaseLost):
            await queue.hand_over(new_chunk(queue.place_in(place.shard, 1), ["second@there.test"]))
        assert await count(pool, "queue_entries") == await count(pool, "chunks") == await count(pool, "events") == 1
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 1
        assert not queue.lease.holds(place.shard)


async def test_one_statement_whose_connection_breaks_is_carried_out_once(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["first@there.test"]))
        chunk = new_chunk(queue.place_in(place.shard, 1), ["second@there.test"])
        async with pool.acquire() as other, other.transaction():
            await other.execute(f"SELECT 1 FROM shards WHERE shard = {place.shard} FOR UPDATE")
            handing = asyncio.ensure_future(queue.hand_over(chunk))
            waits = "pg_stat_activity WHERE application_name = 'homing-hot' AND wait_event_type = 'Lock'"
            async with asyncio.timeout(10):
                while not await count(pool, waits):
                    await asyncio.sleep(0.01)
            await pool.fetchval(f"SELECT count(pg_terminate_backend(pid)) FROM {waits}")
        await asyncio.wait_for(handing, 10)
        assert await count(pool, "queue_entries") == await count(pool, "events") == 2
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 2
        assert [entry.recipient for entry in delivery.taken] == ["first@there.test", "second@there.test"]


async def test_one_statement_that_an_old_connection_begins_too_late_doubles_nothing(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["first@there.test"]))
        writer, loop = queue.writer, asyncio.get_running_loop()
        place = queue.place_in(place.shard, 1)
        hand_in = HandIn(new_chunk(place, ["second@there.test"]), loop.create_future(), loop.time(), None)
        batch = Batch(place.shard, queue.lease.epochs[place.shard], [hand_in], [], datetime.now(UTC).date())
        writer.pending_bytes += hand_in.size
        brought = writer.transactions._brought(batch, set())
        batch.unknown = True  # it was sent, and its connection broke before the server had begun with it
        await writer._carry_out(batch)
        queue.settle(delivered(delivery.taken[1], place))
        await delivery.until(lambda: bool(delivery.ended))
        with pytest.raises(db.UniqueViolation):
            await writer.transactions._write_few(pool, batch, brought, [])
        assert await count(pool, "queue_entries") == await count(pool, "chunks") == 1
        assert await count(pool, "events WHERE type = 1") == 2
        assert await pool.fetchval("SELECT sum(messages) FROM usage_hours") == 2


async def test_an_outcome_of_what_is_gone_is_not_told_though_others_share_its_transaction(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        here, gone = delivery.taken
        await pool.execute("DELETE FROM queue_entries WHERE entry_id = $1", gone.entry_id)
        queue.settle(delivered(gone, place))
        queue.settle(delivered(here, place))
        await queue.hand_over(new_chunk(queue.place_in(place.shard, 1), ["c@there.test"]))
        await delivery.until(lambda: len(delivery.ended) == 2)
        assert [(settled.entry.entry_id, really) for settled, really in delivery.ended] == [
            (gone.entry_id, False),
            (here.entry_id, True),
        ]
        assert [row["message_id"] for row in await pool.fetch("SELECT message_id FROM events WHERE type = 2")] == [here.entry_id]
        assert await count(pool, "queue_entries") == 1


async def test_an_outcome_is_told_that_shares_its_transaction_with_the_first_mail_for_a_domain(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@there.test", "b@there.test"]))
        here, gone = delivery.taken
        await pool.execute("DELETE FROM queue_entries WHERE entry_id = $1", gone.entry_id)
        queue.settle(delivered(here, place))
        queue.settle(delivered(gone, place))
        await queue.hand_over(new_chunk(queue.place_in(place.shard, 1), ["c@elsewhere.test"]))
        await delivery.until(lambda: len(delivery.ended) == 2)
        assert [row["message_id"] for row in await pool.fetch("SELECT message_id FROM events WHERE type = 2")] == [here.entry_id]
        assert [row["recipient"] for row in await pool.fetch("SELECT recipient FROM queue_entries")] == ["c@elsewhere.test"]


async def test_a_failure_in_memory_after_the_commit_does_not_refuse_what_is_stored(database):
    class Clumsy(Recorder):
        def take(self, entry, lane, chunk) -> None:
            if entry.recipient.startswith("bad"):
                raise RuntimeError("no hands")
            super().take(entry, lane, chunk)

    async with owner(database) as (queue, _, pool):
        clumsy = Clumsy()
        queue._delivery = clumsy
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["bad@there.test", "good@there.test"]))
        assert await count(pool, "queue_entries") == 2
        assert [entry.recipient for entry in clumsy.taken] == ["good@there.test"]
        assert queue.book.parked() == {"trouble": 1}
        queue.unpark("trouble")  # as it does itself after a while
        await clumsy.until(lambda: [entry.recipient for entry in clumsy.read] == ["bad@there.test"])


async def test_entries_that_nobody_can_take_do_not_stop_other_lanes(database):
    class Choosy(Recorder):
        async def take_read(self, entries, lane) -> None:
            if lane.key.domain == "bad.test":
                raise RuntimeError("cannot read this")
            await super().take_read(entries, lane)

    async with owner(database, room=0) as (queue, _, _):
        choosy = Choosy(room=0)
        queue._delivery = choosy
        place = queue.place(2)
        await queue.hand_over(new_chunk(place, ["a@bad.test", "b@good.test"]))
        await choosy.until(lambda: [entry.recipient for entry in choosy.read] == ["b@good.test"])
        assert queue.book.parked() == {"trouble": 1}
        lane = next(lane for lane in queue.book if lane.key.domain == "bad.test")
        assert not lane.held


async def test_a_store_that_fails_while_something_expires_does_not_end_the_queue(database):
    class Away(Recorder):
        async def expire(self, entry: Entry, last_reply: str | None) -> None:
            self.expired.append(entry)
            self.arrived.set()
            if len(self.expired) == 1:
                raise StoreUnavailable("away")

    long_ago = datetime.now(UTC) - timedelta(hours=80)
    async with owner(database, room=0) as (queue, _, _):
        away = Away(room=0)
        queue._delivery = away
        place = queue.place(1)
        old = ids.Mint(place.shard).make(int(long_ago.timestamp() * 1000))
        later = datetime.now(UTC) + timedelta(hours=1)
        chunk = new_chunk(place._replace(message_ids=[old]), ["a@there.test"], accepted_at=long_ago, due_at=later)
        await queue.hand_over(replace(chunk, entries=[replace(entry, expires_at=long_ago) for entry in chunk.entries]))
        await queue.sweep_once()
        lane = next(iter(queue.book))
        assert not lane.held  # it will be found again
        await queue.sweep_once()
        assert len(away.expired) == 2


async def test_a_day_without_a_partition_makes_hand_ins_and_outcomes_wait_and_loses_none(database):
    async with owner(database) as (queue, delivery, pool):
        place = queue.place(1)
        await queue.hand_over(new_chunk(place, ["a@there.test"]))
        await pool.execute("ALTER TABLE events DETACH PARTITION events_any")
        queue.settle(delivered(delivery.taken[0], place))
        await until(lambda: not queue.writable)
        assert not delivery.ended
        await pool.execute("DROP TABLE events_any")
        await pool.execute("CREATE TABLE events_any PARTITION OF events DEFAULT")
        await delivery.until(lambda: [really for _, really in delivery.ended] == [True])
        assert queue.writable
        assert await count(pool, "events WHERE type = 2") == 1


async def test_a_wish_that_fails_does_not_hold_up_the_others(database):
    async with owner(database) as (queue, delivery, _):
        real = queue._inbox._kinds["expand"]

        async def expand(wish, payload):
            if payload.startswith(b"bad"):
                raise RuntimeError("nobody can expand this")
            return await real(wish, payload)

        queue._inbox._kinds["expand"] = expand
        await queue.hand_over_large(1, [b"bad-1", b"bad-2", b"bad-3", b"good"], messages=3, now=datetime.now(UTC))
        async with asyncio.timeout(3):
            while len(delivery.taken) < 2:
                await asyncio.sleep(0.02)


async def test_a_stop_before_the_first_claim_ends_at_once(database):
    async with db.pool(database, name="test") as pool:
        made = Owner(dsn=database, pool=pool, worker_id="w", term_s=15, lifetime=timedelta(hours=72), clock=SystemClock())
        made.attach(Recorder(), None)
        stop = asyncio.Event()
        stop.set()
        made.drained.set()

        async def may_read(lane):
            return None

        await asyncio.wait_for(made.run(stop, may_read=may_read), 5)
        assert await count(pool, "shards WHERE owner IS NOT NULL") == 0


async def test_a_stop_while_the_database_hangs_ends_soon(database):
    async with db.pool(database, name="test") as pool, db.pool(database, name="locker") as other:
        made = Owner(dsn=database, pool=pool, worker_id="w", term_s=20, lifetime=timedelta(hours=72), clock=SystemClock())
        recorder = Recorder()
        made.attach(recorder, None)
        stop = asyncio.Event()

        async def may_read(lane):
            return None

        running = asyncio.ensure_future(made.run(stop, may_read=may_read))
        await asyncio.wait_for(made.keeper.first_claim.wait(), 10)
        async with other.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE shards, workers IN ACCESS EXCLUSIVE MODE")
            made.writer.writable = False
            stop.set()
            made.drained.set()
            await asyncio.wait_for(running, 6)


async def test_names_of_lanes_are_pruned_only_by_the_owner_of_the_shard(database):
    async with db.pool(database, name="test") as pool:
        key = LaneKey(1, 0, "", "there.test")
        await pool.execute("INSERT INTO workers (worker_id, node, pid) VALUES ('w', 'n', 1)")
        await pool.execute("UPDATE shards SET owner = 'w', epoch = 3 WHERE shard = 5")
        await pool.execute("INSERT INTO lanes VALUES (5, $1, 1, 0, '', 'there.test')", key.number())
        await store.prune_lanes(pool, 5, [], owner="w", epoch=2)
        assert await count(pool, "lanes") == 1
        await store.prune_lanes(pool, 5, [], owner="w", epoch=3)
        assert await count(pool, "lanes") == 0
