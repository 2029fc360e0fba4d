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

from msgspec import structs

from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.errors import LeaseLost, Overloaded, StoreUnavailable
from homing.ground.log import get
from homing.queue.batch import Batch, HandIn
from homing.queue.transaction import FenceClosed, Transactions
from homing.queue.types import Happened, LaneKey, NewChunk, Settlement, Wish

log = get("queue")

BATCH_BYTES = 4_194_304  # most content in one transaction; a larger body goes alone
BATCH_CHUNKS = 500
BATCH_SETTLEMENTS = 1_000
JOIN_S = 0.003  # most that a hand-in waits for others before its commit
JOIN_MOST = 256  # hand-ins that are enough for a commit
SETTLE_S = 0.02  # outcomes gather so long where no hand-in takes them along
PENDING_BYTES = 67_108_864  # most content that may wait for a commit; beyond it the doors say 452 / 503
CLEAN_WAIT_S = 30.0  # how long a hand-in waits for a database that is away, while surely nothing was stored
WRITE_WITHIN_S = 60.0  # a transaction that takes longer is given up, and its outcome looked up
UNKNOWN_WAIT_S = 300.0  # how long it waits for the answer whether its commit happened; SMTP clients wait 10 minutes


class HotWriter:
    """Turns hand-ins and settlements into transactions.

    committed   called after a chunk's commit, before its door answers: (chunk, lane of each domain)
    settled     called after a settlement's commit: (settlement, was the entry really there)
    appended    called with a shard after a commit that brought it events
    fenced      called with a shard that turned out to have another owner, before what waits for it is refused
    """

    def __init__(
        self,
        dsn: str,
        worker_id: str,
        clock: Clock,
        *,
        committed: Callable[[NewChunk, dict[str, tuple[int, LaneKey]]], None],
        settled: Callable[[Settlement, bool], None],
        fenced: Callable[[int], None],
        appended: Callable[[int], None] = lambda shard: None,
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._committed = committed
        self._settled = settled
        self._fenced = fenced
        self._appended = appended
        self.transactions = Transactions(worker_id)
        self._connection: db.Connection | None = None
        self._hand_ins: dict[int, deque[HandIn]] = {}
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
        self._at_work: int | None = None  # the shard whose batch is being written
        self._last_day = date.min
        self.pending_bytes = 0
        self.pending_settlements = 0
        self.writable = True  # False: outcomes cannot be written now, so nothing new should be attempted
        self.commits = 0
        self.committed_messages = 0

    def took(self, shard: int, epoch: int) -> None:
        """Write for a shard that became ours."""
        self.transactions.took(shard, epoch)

    def lost(self, shard: int) -> None:
        """Give up what was not committed for a shard that has another owner now."""
        self.transactions.lost(shard)
        for hand_in in self._hand_ins.pop(shard, ()):
            self._end(hand_in, LeaseLost("this shard has another owner now"))
        for settlement in self._settlements.pop(shard, ()):
            self._settle_end(settlement, False)

    def busy(self, shard: int) -> bool:
        """Return whether something of this shard waits to be written."""
        return (
            shard == self._at_work or shard in self._lined_up or bool(self._hand_ins.get(shard) or self._settlements.get(shard))
        )

    async def hand_over(self, chunk: NewChunk | Happened, wish: Wish | None = None) -> None:
        """Make a chunk, or something that happened, durable; returns after the commit.

        raises   Overloaded, StoreUnavailable or LeaseLost; then nothing was stored
        """
        if self.transactions.epoch(chunk.shard) is None:
            raise LeaseLost("this shard has another owner now")
        loop = asyncio.get_running_loop()
        hand_in = HandIn(chunk, loop.create_future(), loop.time(), wish)
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
        if self.transactions.epoch(shard) is None:
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
        self._at_work = shard
        await self._carry_out(batch)
        self._at_work = None
        if self._hand_ins.get(shard) or self._settlements.get(shard):
            self._line_up(shard)

    def _gather(self, shard: int) -> Batch | None:
        hand_ins: list[HandIn] = []
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
        epoch = self.transactions.epoch(shard)
        if epoch is None or not (hand_ins or settlements):  # what waited for a lost shard was refused when it was lost
            return None
        return Batch(shard, epoch, hand_ins, settlements, self._today())

    def _today(self) -> date:
        self._last_day = max(self._last_day, self._clock.now().date())  # the day never decreases with seq
        return self._last_day

    async def _carry_out(self, batch: Batch) -> None:
        """Write a batch until it is written, refused, or surely not ours any more."""
        pause = 0.05
        while True:
            try:
                async with asyncio.timeout(WRITE_WITHIN_S):
                    gone = await self.transactions.write(await self._connected(), batch)
            except FenceClosed as closed:
                self._not_ours(batch, committed=closed.committed)
                return
            except Exception as trouble:
                await self._drop_connection()
                if not (isinstance(trouble, db.TEMPORARY) or db.lacks_partition(trouble)):
                    if await self._without_the_bad_row(batch):
                        return
                    continue
                self.writable = False
                self._wait_for_store(batch, trouble)
                if not batch.hand_ins and not batch.settlements:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                if not batch.unknown:
                    batch.day = self._today()
            else:
                self.writable = True
                self._finish(batch, gone)
                return

    def _not_ours(self, batch: Batch, *, committed: bool) -> None:
        """The fence was closed: nothing of this shard may go on here, even before the next heartbeat tells."""
        log.warning("fence_closed", shard=batch.shard, committed_before=committed)
        if self.transactions.epoch(batch.shard) == batch.epoch:
            self._fenced(batch.shard)
        self._end_obeyed(batch)
        for hand_in in batch.hand_ins:
            self._end(hand_in, None if committed else LeaseLost("this shard has another owner now"))
        for settlement in batch.settlements:
            self._settle_end(settlement, False)

    def _wait_for_store(self, batch: Batch, trouble: Exception) -> None:
        """The store cannot take the batch now: refuse whoever cannot wait for it."""
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

    async def _without_the_bad_row(self, batch: Batch) -> bool:
        """A row that the database cannot take must not hold up the others; False: the batch is worth another try."""
        self._end_obeyed(batch)
        parts = batch.parts()
        if len(parts) > 1:
            for part in parts:
                await self._carry_out(part)
            return True
        log.exception("row_refused", shard=batch.shard)
        if batch.hand_ins:
            self._refuse_hand_ins(batch.hand_ins, StoreUnavailable("the store cannot take this message"))
            return True
        settlement = batch.settlements[0]
        if batch.plain:
            # Nobody may try this message again while we live: its attempt happened. So it stays in memory.
            log.error("outcome_not_written", message_id=settlement.entry.entry_id.hex())
            self.pending_settlements -= 1
            return True
        # The attempt happened: its outcome is written without whatever the database choked on.
        settlement.events = tuple(structs.replace(event, detail=b"{}") for event in settlement.events)
        settlement.note = ""
        settlement.suppression = settlement.strike = None
        batch.plain = True
        return False

    # ends -------------------------------------------------------------------------------------------------------------

    def _finish(self, batch: Batch, gone: set[bytes] | None) -> None:
        self.commits += 1
        self._last_joined = len(batch.hand_ins) if batch.hand_ins else self._last_joined
        self._end_obeyed(batch)
        for hand_in in batch.hand_ins:
            self.committed_messages += len(hand_in.chunk.entries)
            try:
                if isinstance(hand_in.chunk, NewChunk):
                    self._committed(hand_in.chunk, hand_in.lanes)
            except Exception:  # the edge of one hand-in: it is stored, whatever happens to it in memory
                log.exception("committed_and_not_noted", shard=batch.shard)
            self._end(hand_in, None)
        for settlement in batch.settlements:
            self._settle_end(settlement, gone is None or settlement.entry.entry_id in gone)
        self._appended(batch.shard)

    def _end_obeyed(self, batch: Batch) -> None:
        for hand_in in batch.obeyed:
            self._end(hand_in, None)

    def _refuse_hand_ins(self, hand_ins: list[HandIn], trouble: Exception) -> None:
        for hand_in in hand_ins:
            self._end(hand_in, trouble)

    def _give_up_waiting(self, batch: Batch) -> None:
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

    def _end(self, hand_in: HandIn, trouble: Exception | None) -> None:
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
        try:
            self._settled(settlement, really)
        except Exception:  # the edge of one outcome: the others must be told too
            log.exception("settled_and_not_noted", message_id=settlement.entry.entry_id.hex())

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
