"""The queue as the other rooms see it: take mail over, settle attempts, hand out what is due.

One `Owner` lives in each worker. It joins the lease (which shards are ours), the writer (what is durable) and the lane
book (what waits), and keeps them in step: the book changes only after a commit, in the order of commits.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from homing.events.types import Event
from homing.ground import db, ids
from homing.ground.clock import Clock, boot_seconds
from homing.ground.errors import LeaseLost, Overloaded, Temporary
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue import store, submissions
from homing.queue.inbox import Inbox, Obey
from homing.queue.lease import SHARDS, Lease, ShardKeeper
from homing.queue.rules.lanes import Lane, LaneBook
from homing.queue.types import Entry, Happened, LaneKey, NewChunk, Place, Settlement, Wish
from homing.queue.writer import HotWriter
from homing.recipients.types import SuppressionRow

log = get("queue")

FLUSH_S = 2.0  # a stopping worker waits so long for the next commit of what is left, and for as many as it takes
LAST_BEAT_S = 1.0
READ_ROWS = 500
LANE_RESTS_S = 30.0  # a lane whose entries cannot be taken is read again then
SWEEP_EVERY_S = 30.0
SWEEP_ROWS = 500


Expand = Callable[[bytes, Callable[[int], Place], datetime], Awaitable[NewChunk]]


class Delivery(Protocol):
    """What the queue asks of whoever tries the entries."""

    def wants(self, lane: LaneKey, count: int) -> bool:
        """Return whether `count` further entries of this lane may be kept in memory."""
        ...

    def room_for(self, lane: LaneKey) -> int:
        """Return how many entries of a lane may be read into memory, 1 or more; asked of lanes that may be read."""
        ...

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        """Receive an entry that was just committed; chunk: its content."""
        ...

    def settled(self, settlement: Settlement, really: bool) -> None:
        """Hear that an outcome is written; really=False: the entry was not ours any more."""
        ...

    def drop_shard(self, shard: int) -> None:
        """Forget every entry of a shard that has another owner now; attempts under way may end, unsettled."""
        ...

    def holds_shard(self, shard: int) -> bool:
        """Return whether an entry of the shard is in memory."""
        ...

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        """Receive entries that were read when due. Raises Temporary where the store fails: they come again."""
        ...

    async def expire(self, entry: Entry, last_reply: str | None) -> None:
        """Return a message that outlived its time without another attempt."""
        ...


class Owner:
    """The shards of one worker."""

    def __init__(
        self,
        *,
        dsn: str,
        pool: db.Pool,
        worker_id: str,
        term_s: float,
        lifetime: timedelta,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._lifetime = lifetime
        self.lease = Lease(worker_id, term_s)
        self.book = LaneBook()
        self.writer = HotWriter(
            dsn,
            worker_id,
            clock,
            committed=self._committed,
            settled=self._settled,
            fenced=self._fenced,
            appended=lambda shard: self.appended(shard),
        )
        self.keeper = ShardKeeper(pool, self.lease, take=self._take_shard, lose=self._lose_shard, let_go=self._may_go)
        self._mints: dict[int, ids.Mint] = {}
        self._shards: list[int] = []
        self._closing = False
        self._delivery: Delivery | None = None
        self._inbox: Inbox | None = None
        self._due_wake = asyncio.Event()
        self.appended: Callable[[int], None] = lambda shard: None  # told after each commit that brought a shard events
        self.drained = asyncio.Event()  # set by whoever delivers, once nothing is in flight any more

    def attach(self, delivery: Delivery, expand: Expand, *, kinds: Mapping[str, Obey] | None = None) -> None:
        """Wire who tries the entries, who expands the chunks of large transmissions, and who obeys other wishes."""
        self._delivery = delivery

        async def expanded(wish: Wish, payload: bytes) -> NewChunk:
            return await expand(payload, lambda count: self._mint(wish.shard, count), self._clock.now())

        every = {"expand": expanded, **(kinds or {})}
        self._inbox = Inbox(self._pool, self.writer, shards=lambda: self._shards, kinds=every)

    # handing in -------------------------------------------------------------------------------------------------------

    def place(self, count: int) -> Place:
        """Return a shard of ours with a transmission id, a chunk id and `count` message ids.

        raises   Overloaded while this worker owns no shard, or is stopping
        """
        if self._closing or not self._shards or not self.lease.valid():
            raise Overloaded("the queue is not ready")
        # The same shard for about a second: everybody who comes shares its commits.
        shard = self._shards[int(boot_seconds()) % len(self._shards)]
        return self._mint(shard, count)

    async def hand_over(self, chunk: NewChunk) -> None:
        """Make a chunk durable; from the moment this returns the mail is ours.

        raises   Overloaded, StoreUnavailable or LeaseLost; then nothing was stored
        """
        await self.writer.hand_over(chunk)

    def shards(self) -> list[int]:
        """Return the shards that are ours now."""
        return self._shards

    def place_in(self, shard: int, count: int) -> Place:
        """Return fresh ids of a shard of ours. Raises LeaseLost."""
        return self._mint(shard, count)

    async def record(self, events: Sequence[Event], suppressions: Sequence[SuppressionRow] = ()) -> None:
        """Write down what happened besides attempts, with the suppressions that it brings, in one transaction.

        raises   Overloaded, StoreUnavailable or LeaseLost; then nothing was written
        """
        shard = self.place(0).shard
        await self.writer.hand_over(Happened(shard=shard, events=list(events), suppressions=list(suppressions)))

    async def hand_over_large(self, account_id: int, payloads: list[bytes], *, messages: int, now: datetime) -> None:
        """Make a transmission of many chunks durable in one transaction; the owners of all shards expand it.

        messages   how many it will be; they are counted now
        raises    Overloaded or StoreUnavailable; then nothing was stored
        """
        if self._closing:
            raise Overloaded("the platform is stopping")
        start = int(boot_seconds() * 1000)
        step = 64 // len(payloads) if len(payloads) <= SHARDS else 1
        items = [((start + number * step) % SHARDS, payload) for number, payload in enumerate(payloads)]
        await store.append_expansion(self._pool, account_id, items, messages=messages, now=now)
        self._look_into_inbox()

    def settle(self, settlement: Settlement) -> None:
        """Write how an attempt ended; `Delivery.settled` tells when it is written."""
        self.writer.settle(settlement)

    def give_back(self, entry: Entry) -> None:
        """Let an untried entry wait in PostgreSQL again; its row never changed."""
        lane = self.book.get(entry.shard, entry.lane)
        if lane is not None:
            self.book.returned(lane, entry.entry_id, entry.due_at)
            self._due_wake.set()

    def claim(self, entry: Entry) -> bool:
        """Take an entry that was read outside its lane's turn into our hands; False: it is in memory, or not ours."""
        lane = self.book.get(entry.shard, entry.lane)
        if lane is None or entry.entry_id in lane.held or not self.lease.holds(entry.shard):
            return False
        lane.held.add(entry.entry_id)
        return True

    def look_into_inbox(self) -> None:
        """Look now: something was put there."""
        self._look_into_inbox()

    def set_aside(self, entry: Entry, why: str) -> None:
        """Let an untried entry wait, and do not read its lane again until `unpark(why)`."""
        lane = self.book.get(entry.shard, entry.lane)
        if lane is not None:
            self.book.returned(lane, entry.entry_id, entry.due_at)
            self.book.set_aside(lane, why)

    def rest(self, entry: Entry) -> None:
        """Let an untried entry wait, and its lane rest: an error of ours stands in the way, and would again."""
        lane = self.book.get(entry.shard, entry.lane)
        if lane is not None:
            self.book.returned(lane, entry.entry_id, entry.due_at)
            self._rest_lane(lane)

    def unpark(self, why: str) -> None:
        """Let the lanes that were set aside for this reason be read again."""
        if self.book.unpark(why):
            self._due_wake.set()

    @property
    def writable(self) -> bool:
        """Return whether outcomes can be written now; while they cannot, nothing new is attempted."""
        return self.writer.writable and self.writer.pending_settlements < 5_000

    # running ----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event, *, may_read: Callable[[Lane], Awaitable[str | None]]) -> None:
        """Own shards until told to stop, then write what is left and give the shards back.

        may_read   asked before a lane is read: None, or why it must be set aside (`unpark` with it brings it back)
        """
        halt = asyncio.Event()  # of the parts that must outlive the drain: lease and writer
        async with asyncio.TaskGroup() as outer:
            writing = outer.create_task(self.writer.run(), name="writer")
            keeping = outer.create_task(self.keeper.run(halt), name="keeper")
            async with asyncio.TaskGroup() as inner:
                inner.create_task(self._until(stop, self._read_due(may_read)), name="reader")
                if self._inbox is not None:
                    inner.create_task(self._until(stop, self._inbox.run()), name="inbox")
                inner.create_task(self._until(stop, self._sweep()), name="sweeper")
            self._closing = True
            await self.drained.wait()
            await self._flush()
            halt.set()
            await asyncio.wait({keeping}, timeout=LAST_BEAT_S)
            keeping.cancel()
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await self.keeper.leave()

    async def _flush(self) -> None:
        """Write what is left, while the store takes it."""
        flushing = asyncio.ensure_future(self.writer.flushed())
        try:
            commits = -1
            while not flushing.done() and commits != self.writer.commits:
                commits = self.writer.commits
                await asyncio.wait({flushing}, timeout=FLUSH_S)
        finally:
            flushing.cancel()

    async def _until(self, stop: asyncio.Event, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for pending in (task, stopping):
                pending.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)

    async def _read_due(self, may_read: Callable[[Lane], Awaitable[str | None]]) -> None:
        """Bring due entries into memory, lane by lane, customers in turn."""
        while True:
            self._due_wake.clear()
            now = self._clock.now()
            lane = self.book.turn(now)
            if lane is None:
                wake_at = self.book.wake_at(now)
                wait = 1.0 if wake_at is None else min(1.0, max(0.005, (wake_at - now).total_seconds()))
                await set_within(self._due_wake, wait)
                continue
            try:
                await self._read_lane(lane, may_read)
            except (Temporary, *db.TEMPORARY) as trouble:
                log.warning("lane_not_read", shard=lane.shard, cause=type(trouble).__name__, detail=str(trouble)[:200])
                self.book.postpone(lane)
                await asyncio.sleep(0.5)
            except Exception:  # the edge of one lane: the others go on
                log.exception("lane_not_taken", shard=lane.shard, account_id=lane.key.account_id)
                self._rest_lane(lane)

    def _rest_lane(self, lane: Lane) -> None:
        self.book.park(lane, "trouble")
        self.book.set_aside(lane, "trouble")
        asyncio.get_running_loop().call_later(LANE_RESTS_S, self.unpark, "trouble")

    async def _read_lane(self, lane: Lane, may_read: Callable[[Lane], Awaitable[str | None]]) -> None:
        """Bring the due entries of one lane into memory. If that fails, all of them wait in PostgreSQL as before."""
        why = await may_read(lane)
        if why is not None:
            self.book.park(lane, why)
            return
        assert self._delivery is not None
        limit = min(READ_ROWS, self._delivery.room_for(lane.key))
        found = await store.read_lane(self._pool, lane, now=self._clock.now(), limit=limit)
        taken = [entry for entry in found.due if self.book.admit(lane, entry.entry_id)]
        last = (found.due[-1].due_at, found.due[-1].entry_id) if found.due else None
        self.book.read(lane, last, found.next_due)
        try:
            await self._delivery.take_read(taken, lane)
        except BaseException:
            for entry in taken:
                self.book.returned(lane, entry.entry_id, entry.due_at)
            raise

    async def _sweep(self) -> None:
        """Return what outlived its time, whatever holds it; tidy up after transmissions that were written down."""
        while True:
            await self.sweep_once()
            try:
                await submissions.tidy(self._pool, now=self._clock.now())
            except (Temporary, *db.TEMPORARY) as trouble:
                log.warning("submissions_not_tidied", cause=type(trouble).__name__)
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep_once(self) -> None:
        """Look through every shard once for what outlived its time."""
        for shard in list(self._shards):
            try:
                await self._sweep_shard(shard)
            except (Temporary, *db.TEMPORARY) as trouble:
                log.warning("expired_not_read", shard=shard, cause=type(trouble).__name__)
            except Exception:  # the edge of one shard's sweep
                log.exception("sweep_failed", shard=shard)

    async def _sweep_shard(self, shard: int) -> None:
        assert self._delivery is not None
        now = self._clock.now()
        found = await store.expired(
            self._pool, shard=shard, cutoff=ids.floor_at(now - self._lifetime, shard), now=now, limit=SWEEP_ROWS
        )
        for entry, last_reply in found:
            lane = self.book.get(shard, entry.lane)
            if lane is None or entry.entry_id in lane.held:
                continue
            lane.held.add(entry.entry_id)
            try:
                await self._delivery.expire(entry, last_reply)
            except BaseException:
                lane.held.discard(entry.entry_id)
                raise

    # hooks ------------------------------------------------------------------------------------------------------------

    async def _take_shard(self, shard: int, epoch: int) -> None:
        rows = await store.lanes_of_shard(self._pool, shard)
        await store.prune_lanes(self._pool, shard, [row[0] for row in rows], owner=self.lease.worker_id, epoch=epoch)
        self.book.restore(shard, rows)
        self.writer.took(shard, epoch)
        self._mints[shard] = ids.Mint(shard)
        self._shards = sorted({*self._shards, shard})
        self._due_wake.set()
        self._look_into_inbox()

    def _lose_shard(self, shard: int) -> None:
        self._shards = [s for s in self._shards if s != shard]
        self._mints.pop(shard, None)
        self.book.forget_shard(shard)
        self.writer.lost(shard)
        if self._delivery is not None:
            self._delivery.drop_shard(shard)

    def _fenced(self, shard: int) -> None:
        """A transaction found another owner: no attempt for this shard may begin, whatever the lease believes."""
        self.lease.epochs.pop(shard, None)
        self._lose_shard(shard)

    def _may_go(self, shard: int) -> bool:
        """A surplus shard may go once nothing of it is in memory or on its way to the disk."""
        if self._delivery is not None and self._delivery.holds_shard(shard):
            return False
        return not self.writer.busy(shard)

    def _look_into_inbox(self) -> None:
        if self._inbox is not None:
            self._inbox.look()

    def _mint(self, shard: int, count: int) -> Place:
        mint = self._mints.get(shard)
        if mint is None:
            raise LeaseLost("this shard has another owner now")
        now_ms = time.time_ns() // 1_000_000
        make = mint.make
        return Place(shard, make(now_ms), make(now_ms), [make(now_ms) for _ in range(count)])

    def _committed(self, chunk: NewChunk, lanes: dict[str, tuple[int, LaneKey]]) -> None:
        delivery = self._delivery
        shard = chunk.shard
        if shard not in self._mints:
            return  # lost meanwhile: the new owner reads it from the table
        now = self._clock.now()
        counts: dict[str, int] = {}
        for new in chunk.entries:
            counts[new.domain] = counts.get(new.domain, 0) + 1
        opened: dict[str, tuple[Lane, bool]] = {}
        for domain, count in counts.items():
            number, key = lanes[domain]
            lane = self.book.open(shard, number, key)
            opened[domain] = (lane, delivery is not None and delivery.wants(key, count))
        for new in chunk.entries:
            lane, wanted = opened[new.domain]
            in_memory = wanted and new.due_at <= now
            self.book.committed(lane, new.entry_id, new.due_at, in_memory=in_memory)
            if in_memory and delivery is not None:
                entry = Entry(
                    shard=shard,
                    entry_id=new.entry_id,
                    lane=lane.number,
                    due_at=new.due_at,
                    expires_at=new.expires_at,
                    chunk_id=chunk.chunk_id,
                    recipient=new.recipient,
                    tries=0,
                    detail=new.detail,
                    alone=len(chunk.entries) == 1,
                )
                try:
                    delivery.take(entry, lane, chunk)
                except Exception:  # the edge of one message: it waits in its lane like any other
                    log.exception("entry_not_taken", message_id=entry.entry_id.hex())
                    self.rest(entry)
            else:
                self._due_wake.set()

    def _settled(self, settlement: Settlement, really: bool) -> None:
        entry = settlement.entry
        lane = self.book.get(entry.shard, entry.lane)
        if lane is not None:
            if not really:
                # Its row has gone, and this was a repetition; or it is as it was, and the outcome came from before the
                # shard was lost and found again. A read will tell.
                self.book.returned(lane, entry.entry_id, entry.due_at)
                self._due_wake.set()
            elif settlement.finish:
                self.book.finished(lane, entry.entry_id)
            elif settlement.due_at is not None:
                entry.due_at = settlement.due_at
                self.book.returned(lane, entry.entry_id, settlement.due_at)
                self._due_wake.set()
        if self._delivery is not None:
            self._delivery.settled(settlement, really)
