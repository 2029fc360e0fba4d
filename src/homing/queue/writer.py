"""The one writer of a worker's hot tables: one connection, one transaction at a time, one shard in each.

Whoever hands mail over waits for the commit that holds it; everybody who came meanwhile shares the next one. A batch
whose outcome is unknown (the connection broke while COMMIT was under way) is looked up afterwards by its first event,
so a restart of the database neither loses nor doubles anything.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from datetime import date
from typing import Any

from msgspec import structs

from homing.events.types import Event
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable
from homing.ground.log import get
from homing.queue.lease import Lease
from homing.queue.types import LaneKey, NewChunk, Settlement, Wish
from homing.recipients import store as recipients
from homing.recipients.rules.repeats import repeat_of
from homing.recipients.types import Strike
from homing.spool.types import encode_content, encode_facts

log = get("queue")

BATCH_BYTES = 4_194_304  # most content in one transaction; a larger body goes alone
BATCH_CHUNKS = 500
BATCH_SETTLEMENTS = 1_000
JOIN_S = 0.003  # most that a hand-in waits for others before its commit
JOIN_MOST = 256  # hand-ins that are enough for a commit
SETTLE_S = 0.02  # outcomes gather so long where no hand-in takes them along
PENDING_BYTES = 67_108_864  # most content that may wait for a commit; beyond it the doors say 452 / 503
CLEAN_WAIT_S = 30.0  # how long a hand-in waits for a database that is away, while surely nothing was stored
UNKNOWN_WAIT_S = 300.0  # how long it waits for the answer whether its commit happened; SMTP clients wait 10 minutes

_CHUNK_COLUMNS = ("shard", "chunk_id", "transmission_id", "account_id", "pending", "facts", "content")
_ENTRY_COLUMNS = ("shard", "entry_id", "lane", "due_at", "expires_at", "chunk_id", "recipient", "detail")
_EVENT_COLUMNS = (
    "day",
    "shard",
    "seq",
    "at",
    "type",
    "account_id",
    "subaccount_id",
    "message_id",
    "transmission_id",
    "recipient",
    "recipient_domain",
    "campaign_id",
    "detail",
)


class _HandIn:
    """One chunk that waits for its commit."""

    __slots__ = ("chunk", "content", "done", "ended", "facts", "lanes", "since", "size", "wish")

    def __init__(self, chunk: NewChunk, done: asyncio.Future[None], since: float, wish: Wish | None) -> None:
        self.chunk = chunk
        self.done = done
        self.ended = False
        self.since = since
        self.wish = wish  # the inbox item that this chunk comes from; taken off in the same transaction
        self.content = chunk.content_bytes or encode_content(chunk.content)
        self.facts = encode_facts(chunk.facts)
        self.size = len(self.content) + len(self.facts) + 200 * len(chunk.entries)
        facts = chunk.facts
        keys: dict[str, tuple[int, LaneKey]] = {}
        for entry in chunk.entries:
            if entry.domain not in keys:
                key = LaneKey(facts.account_id, facts.subaccount_id, facts.campaign_id, entry.domain)
                keys[entry.domain] = (key.number(), key)
        self.lanes = keys


class _Batch:
    """What one transaction writes."""

    __slots__ = ("day", "first_seq", "hand_ins", "numbered", "plain", "settlements", "shard", "unknown")

    def __init__(self, shard: int, hand_ins: list[_HandIn], settlements: list[Settlement], day: date) -> None:
        self.shard = shard
        self.hand_ins = hand_ins
        self.settlements = settlements
        self.day = day
        self.first_seq: int | None = None  # of the first event, once it has a number
        self.numbered: dict[int, int] = {}  # id(event) -> seq, so that a second try gives the same numbers
        self.unknown = False  # COMMIT was sent and its answer did not come
        self.plain = False  # its only settlement was stripped of what the database could not take


class FenceClosed(Exception):
    """The shard has another owner: the transaction found another epoch.

    committed   an earlier try of the same batch had been committed before
    """

    def __init__(self, *, committed: bool) -> None:
        super().__init__(committed)
        self.committed = committed


class HotWriter:
    """Turns hand-ins and settlements into transactions.

    committed   called after a chunk's commit, before its door answers: (chunk, lane of each domain)
    settled     called after a settlement's commit: (settlement, was the entry really there)
    """

    def __init__(
        self,
        dsn: str,
        lease: Lease,
        clock: Clock,
        *,
        committed: Callable[[NewChunk, dict[str, tuple[int, LaneKey]]], None],
        settled: Callable[[Settlement, bool], None],
    ) -> None:
        self._dsn = dsn
        self._lease = lease
        self._clock = clock
        self._committed = committed
        self._settled = settled
        self._sql = db.queries("homing.queue")
        self._connection: db.Connection | None = None
        self._hand_ins: dict[int, deque[_HandIn]] = {}
        self._settlements: dict[int, deque[Settlement]] = {}
        self._turns: deque[int] = deque()
        self._lined_up: set[int] = set()
        self._wake = asyncio.Event()
        self._joined = asyncio.Event()
        self._enough = 0
        self._last_joined = 0  # hand-ins in the last commit
        self.hurry = False  # the platform drains: commit at once
        self._idle = asyncio.Event()
        self._idle.set()
        self._sequences: dict[int, int] = {}  # shard -> last seq given
        self._named: dict[int, set[int]] = {}  # shard -> lanes whose names are in the table
        self._last_day = date.min
        self.pending_bytes = 0
        self.pending_settlements = 0
        self.writable = True  # False: outcomes cannot be written now, so nothing new should be attempted
        self.commits = 0
        self.committed_messages = 0

    def took(self, shard: int, epoch: int) -> None:
        """Begin to number a shard's events: a new epoch begins above everything an older one gave."""
        self._sequences[shard] = epoch << 40
        self._named[shard] = set()

    def lost(self, shard: int) -> None:
        """Give up what was not committed for a shard that has another owner now."""
        self._sequences.pop(shard, None)
        self._named.pop(shard, None)
        for hand_in in self._hand_ins.pop(shard, ()):
            self._end(hand_in, LeaseLost("this shard has another owner now"))
        for settlement in self._settlements.pop(shard, ()):
            self._settle_end(settlement, False)

    def busy(self, shard: int) -> bool:
        """Return whether something of this shard waits to be written."""
        return bool(self._hand_ins.get(shard)) or bool(self._settlements.get(shard)) or shard in self._lined_up

    async def hand_over(self, chunk: NewChunk, wish: Wish | None = None) -> None:
        """Make a chunk durable; returns after the commit.

        raises   Overloaded, StoreUnavailable or LeaseLost; then nothing was stored
        """
        if chunk.shard not in self._sequences:
            raise LeaseLost("this shard has another owner now")
        loop = asyncio.get_running_loop()
        hand_in = _HandIn(chunk, loop.create_future(), loop.time(), wish)
        if self.pending_bytes and self.pending_bytes + hand_in.size > PENDING_BYTES:
            raise Overloaded("too much mail waits to be stored")
        self.pending_bytes += hand_in.size
        self._hand_ins.setdefault(chunk.shard, deque()).append(hand_in)
        self._line_up(chunk.shard)
        self._enough -= 1
        if self._enough <= 0:
            self._joined.set()
        # A caller who goes away (its connection dropped) cancels its own future alone: the commit goes on without it.
        await hand_in.done

    def settle(self, settlement: Settlement) -> None:
        """Write how an attempt ended, with the next commit of its shard; `settled` tells when it is there."""
        shard = settlement.entry.shard
        self.pending_settlements += 1
        if shard not in self._sequences:
            self._settle_end(settlement, False)
            return
        self._settlements.setdefault(shard, deque()).append(settlement)
        self._line_up(shard)

    async def flushed(self) -> None:
        """Wait until nothing waits to be written; from here on nothing gathers any more."""
        self.hurry = True
        self._joined.set()
        while self._turns or not self._idle.is_set():
            await self._idle.wait()
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Write until cancelled. Cancel only after `flushed`, or what waits is refused (never half-written)."""
        try:
            while True:
                if not self._turns:
                    self._idle.set()
                    self._wake.clear()
                    await self._wake.wait()
                self._idle.clear()
                await self._let_others_join()
                await self._turn()
        finally:
            self._idle.set()
            for shard in list(self._hand_ins):
                for hand_in in self._hand_ins.pop(shard):
                    self._end(hand_in, StoreUnavailable("the platform is stopping"))
            if self._connection is not None:
                self._connection.terminate()

    async def _let_others_join(self) -> None:
        """Wait a moment before a commit, where that makes it carry more: a commit costs about as much for one as for twenty.

        A lone hand-in waits for nobody: only if the last commit carried several does this one wait, at most JOIN_S, and
        until as many have come. Outcomes alone, for which nobody waits, gather for SETTLE_S.
        """
        if self.hurry:
            return
        if not self._waiting_hand_ins() and self.pending_settlements < BATCH_SETTLEMENTS:
            await self._gather_until(1, SETTLE_S)
        if self._last_joined > 1 and 0 < (here := self._waiting_hand_ins()) < (enough := min(self._last_joined, JOIN_MOST)):
            await self._gather_until(enough - here, JOIN_S)

    async def _gather_until(self, further: int, seconds: float) -> None:
        """Wait for so many further hand-ins, at most so long."""
        self._joined.clear()
        self._enough = further
        timer = asyncio.get_running_loop().call_later(seconds, self._joined.set)
        await self._joined.wait()
        timer.cancel()

    def _waiting_hand_ins(self) -> int:
        return sum(map(len, self._hand_ins.values()))

    # one turn ---------------------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        shard = self._turns.popleft()
        self._lined_up.discard(shard)
        batch = self._gather(shard)
        if batch is None:
            return
        await self._carry_out(batch)
        if self._hand_ins.get(shard) or self._settlements.get(shard):
            self._line_up(shard)

    def _gather(self, shard: int) -> _Batch | None:
        hand_ins: list[_HandIn] = []
        waiting = self._hand_ins.get(shard)
        size = 0
        while waiting and len(hand_ins) < BATCH_CHUNKS and (not hand_ins or size + waiting[0].size <= BATCH_BYTES):
            hand_in = waiting.popleft()
            size += hand_in.size
            hand_ins.append(hand_in)
        done = self._settlements.get(shard)
        settlements: list[Settlement] = []
        while done and len(settlements) < BATCH_SETTLEMENTS:
            settlements.append(done.popleft())
        if not hand_ins and not settlements:
            return None
        self._last_day = max(self._last_day, self._clock.now().date())
        return _Batch(shard, hand_ins, settlements, self._last_day)

    async def _carry_out(self, batch: _Batch) -> None:
        """Write a batch until it is written, refused, or surely not ours any more."""
        pause = 0.05
        while True:
            try:
                gone = await self._write(batch)
                self._finish(batch, gone)
                self.writable = True
                return
            except FenceClosed as closed:
                log.warning("fence_closed", shard=batch.shard, committed_before=closed.committed)
                for hand_in in batch.hand_ins:
                    self._end(hand_in, None if closed.committed else LeaseLost("this shard has another owner now"))
                for settlement in batch.settlements:
                    self._settle_end(settlement, False)
                return
            except db.TEMPORARY as trouble:
                self.writable = False
                await self._drop_connection()
                log.warning(
                    "batch_waits",
                    shard=batch.shard,
                    cause=type(trouble).__name__,
                    detail=str(trouble)[:200],
                    unknown=batch.unknown,
                    hand_ins=len(batch.hand_ins),
                    settlements=len(batch.settlements),
                )
                if not batch.unknown and db.is_full(trouble):
                    self._refuse_hand_ins(batch.hand_ins, StoreUnavailable("the store cannot take more now"))
                    batch.hand_ins = []
                self._give_up_waiting(batch)
                if not batch.hand_ins and not batch.settlements:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            except Exception:  # a row that the database cannot take must not hold up the others
                await self._drop_connection()
                parts = self._parts(batch)
                if len(parts) > 1:
                    for part in parts:
                        await self._carry_out(part)
                    return
                log.exception("row_refused", shard=batch.shard)
                if batch.hand_ins:
                    self._refuse_hand_ins(batch.hand_ins, StoreUnavailable("the store cannot take this message"))
                    return
                if batch.plain:
                    self._settle_end(batch.settlements[0], False)
                    return
                # The attempt happened: its outcome is written without whatever the database choked on.
                settlement = batch.settlements[0]
                settlement.events = tuple(structs.replace(event, detail=b"{}") for event in settlement.events)
                settlement.note = ""
                settlement.suppression = settlement.strike = None
                batch.plain = True

    @staticmethod
    def _parts(batch: _Batch) -> list[_Batch]:
        return [_Batch(batch.shard, [hand_in], [], batch.day) for hand_in in batch.hand_ins] + [
            _Batch(batch.shard, [], [settlement], batch.day) for settlement in batch.settlements
        ]

    async def _write(self, batch: _Batch) -> set[bytes] | None:
        """Write one batch in one transaction; returns the ids of entries that its settlements really found.

        None means that an earlier try was committed after all, so all of them were found.
        """
        connection = await self._connected()
        shard = batch.shard
        epoch = self._sequences.get(shard, -1) >> 40  # the epoch under which the shard was taken
        fence = await connection.execute(
            f"BEGIN; SELECT 1 FROM shards WHERE shard = {shard:d} AND owner = '{self._lease.worker_id}'"  # noqa: S608 - our own values
            f" AND epoch = {epoch:d} FOR SHARE"
        )
        committed = batch.unknown and await self._sql.batch_exists(connection, shard=shard, seq=batch.first_seq, day=batch.day)
        if fence != "SELECT 1":
            await connection.execute("ROLLBACK")
            raise FenceClosed(committed=committed)
        if committed:
            await connection.execute("ROLLBACK")
            batch.unknown = False
            return None
        batch.unknown = False
        gone: set[bytes] = set()
        named: dict[int, LaneKey] = {}
        if batch.settlements:
            gone = await self._write_settlements(connection, batch)
        if batch.hand_ins:
            named = await self._write_hand_ins(connection, batch)
        await self._append(connection, batch, gone)
        batch.unknown = batch.first_seq is not None
        await connection.execute("COMMIT")
        batch.unknown = False
        if named and shard in self._named:
            self._named[shard].update(named)
        return gone

    async def _write_hand_ins(self, connection: db.Connection, batch: _Batch) -> dict[int, LaneKey]:
        shard = batch.shard
        known = self._named.get(shard, set())
        new: dict[int, LaneKey] = {}
        chunks: list[tuple[Any, ...]] = []
        entries: list[tuple[Any, ...]] = []
        for hand_in in list(batch.hand_ins):
            chunk = hand_in.chunk
            if hand_in.wish is not None:
                wish = hand_in.wish
                if await self._sql.inbox_done(connection, shard=wish.shard, item_id=wish.item_id) is None:
                    batch.hand_ins.remove(hand_in)  # obeyed before
                    self._end(hand_in, None)
                    continue
            new.update(named for named in hand_in.lanes.values() if named[0] not in known)
            if chunk.entries:
                facts = chunk.facts
                chunks.append(
                    (
                        shard,
                        chunk.chunk_id,
                        facts.transmission_id,
                        facts.account_id,
                        len(chunk.entries),
                        hand_in.facts,
                        hand_in.content,
                    )
                )
                lanes = hand_in.lanes
                entries.extend(
                    (shard, e.entry_id, lanes[e.domain][0], e.due_at, e.expires_at, chunk.chunk_id, e.recipient, e.detail)
                    for e in chunk.entries
                )
        if new:
            await self._sql.open_lanes(
                connection,
                shard=shard,
                lanes=list(new),
                account_ids=[key.account_id for key in new.values()],
                subaccount_ids=[key.subaccount_id for key in new.values()],
                campaign_ids=[key.campaign_id for key in new.values()],
                domains=[key.domain for key in new.values()],
            )
        if chunks:
            await connection.copy_records_to_table("chunks", columns=_CHUNK_COLUMNS, records=chunks)
            await connection.copy_records_to_table("queue_entries", columns=_ENTRY_COLUMNS, records=entries)
        return new

    async def _write_settlements(self, connection: db.Connection, batch: _Batch) -> set[bytes]:
        shard = batch.shard
        finish = [s.entry.entry_id for s in batch.settlements if s.finish]
        redate = [s for s in batch.settlements if not s.finish]
        gone: set[bytes] = set()
        if finish:
            found = self._sql.finish_entries(connection, shard=shard, entry_ids=finish)
            gone.update([row[0] async for row in found])
        if redate:
            found = self._sql.redate_entries(
                connection,
                shard=shard,
                entry_ids=[s.entry.entry_id for s in redate],
                due_ats=[s.due_at for s in redate],
                tries=[s.entry.tries for s in redate],
                last_attempts=[s.note[:500] for s in redate],
            )
            gone.update([row[0] async for row in found])
        suppressions = [s.suppression for s in batch.settlements if s.suppression is not None and s.entry.entry_id in gone]
        struck = [s.strike for s in batch.settlements if s.strike is not None and s.entry.entry_id in gone]
        days = await recipients.strike_all(
            connection,
            [
                Strike(
                    account_id=row.account_id,
                    subaccount_id=row.subaccount_id,
                    recipient=row.recipient,
                    subclass=subclass,
                    day=batch.day,
                )
                for row, subclass in struck
            ],
        )
        suppressions.extend(
            row for (row, subclass), count in zip(struck, days, strict=True) if count >= repeat_of(subclass).times
        )
        if suppressions:
            await recipients.suppress(connection, suppressions)
        return gone

    async def _append(self, connection: db.Connection, batch: _Batch, gone: set[bytes]) -> None:
        records: list[tuple[Any, ...]] = []
        for settlement in batch.settlements:
            if settlement.entry.entry_id in gone:
                records.extend(self._record(batch, event) for event in settlement.events)
        for hand_in in batch.hand_ins:
            records.extend(self._record(batch, event) for event in hand_in.chunk.events)
        if records:
            batch.first_seq = records[0][2]
            await connection.copy_records_to_table("events", columns=_EVENT_COLUMNS, records=records)

    def _record(self, batch: _Batch, event: Event) -> tuple[Any, ...]:
        seq = batch.numbered.get(id(event))
        if seq is None:
            seq = self._sequences.get(batch.shard, 0) + 1
            self._sequences[batch.shard] = seq
            batch.numbered[id(event)] = seq
        return (
            batch.day,
            batch.shard,
            seq,
            event.at,
            event.type,
            event.account_id,
            event.subaccount_id,
            event.message_id,
            event.transmission_id,
            event.recipient,
            event.recipient_domain,
            event.campaign_id,
            event.detail.decode(),
        )

    # ends -------------------------------------------------------------------------------------------------------------

    def _finish(self, batch: _Batch, gone: set[bytes] | None) -> None:
        self.commits += 1
        self._last_joined = len(batch.hand_ins) if batch.hand_ins else self._last_joined
        for hand_in in batch.hand_ins:
            self.committed_messages += len(hand_in.chunk.entries)
            self._committed(hand_in.chunk, hand_in.lanes)
            self._end(hand_in, None)
        for settlement in batch.settlements:
            self._settle_end(settlement, gone is None or settlement.entry.entry_id in gone)

    def _refuse_hand_ins(self, hand_ins: list[_HandIn], trouble: Exception) -> None:
        for hand_in in hand_ins:
            self._end(hand_in, trouble)

    def _give_up_waiting(self, batch: _Batch) -> None:
        """Refuse hand-ins that have waited too long for a database that is away."""
        now = asyncio.get_running_loop().time()
        trouble = StoreUnavailable("the store cannot be reached now")
        if batch.unknown:  # it may be stored: the callers stop waiting, the batch goes on until it is known
            for hand_in in batch.hand_ins:
                if now - hand_in.since > UNKNOWN_WAIT_S:
                    self._end(hand_in, trouble)
        else:
            late = [hand_in for hand_in in batch.hand_ins if now - hand_in.since > CLEAN_WAIT_S]
            self._refuse_hand_ins(late, trouble)
            batch.hand_ins = [hand_in for hand_in in batch.hand_ins if hand_in not in late]
        for waiting in self._hand_ins.values():
            while waiting and now - waiting[0].since > CLEAN_WAIT_S:
                self._end(waiting.popleft(), trouble)

    def _end(self, hand_in: _HandIn, trouble: Exception | None) -> None:
        if hand_in.ended:
            return
        hand_in.ended = True
        self.pending_bytes -= hand_in.size
        if hand_in.done.done():
            return
        if trouble is None:
            hand_in.done.set_result(None)
        else:
            hand_in.done.set_exception(trouble)
            hand_in.done.exception()  # seen: the caller may have gone away

    def _settle_end(self, settlement: Settlement, really: bool) -> None:
        self.pending_settlements -= 1
        self._settled(settlement, really)

    def _line_up(self, shard: int) -> None:
        if shard not in self._lined_up:
            self._lined_up.add(shard)
            self._turns.append(shard)
            self._wake.set()

    async def _connected(self) -> db.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await db.connect(self._dsn, name="homing-hot", timeout_s=5.0)
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.terminate()
