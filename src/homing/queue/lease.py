"""Which shards are ours: the worker's lease, renewed by heartbeat; claims, surplus, loss.

The fence in every hot transaction protects the tables; what it cannot protect is SMTP, so `Lease.holds` is asked
before each MAIL FROM. It is judged by CLOCK_BOOTTIME, counted from before the last renewal was sent.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from math import ceil

from homing.ground import db
from homing.ground.clock import boot_seconds
from homing.ground.log import get
from homing.ground.waiting import set_within

log = get("queue")
SHARDS = 64
LEAVE_WITHIN_S = 1.0  # a store that cannot be reached keeps nobody from ending: the lease runs out by itself


class Lease:
    """What this worker owns, and until when it may believe so without asking."""

    def __init__(self, worker_id: str, term_s: float) -> None:
        self.worker_id = worker_id
        self.term_s = term_s
        self.epochs: dict[int, int] = {}  # shard -> epoch
        self._renewed = float("-inf")

    def renewed(self, asked_at: float) -> None:
        """Note a renewal; asked_at is boot_seconds() from before it was sent."""
        self._renewed = asked_at

    def valid(self) -> bool:
        """Return whether the lease surely stands at this moment; a tenth of the term is left as margin."""
        return boot_seconds() < self._renewed + 0.9 * self.term_s

    def holds(self, shard: int) -> bool:
        """Return whether an attempt for an entry of this shard may begin now."""
        return shard in self.epochs and boot_seconds() < self._renewed + 0.9 * self.term_s


class ShardKeeper:
    """Keeps the lease alive and the number of shards fair.

    take       called with a shard that became ours, before anything is accepted into it; reads what waits there
    lose       called with a shard that has another owner now
    let_go     asked for a surplus shard: finish what is in flight and say whether it may be given back now
    """

    def __init__(
        self,
        pool: db.Pool,
        lease: Lease,
        *,
        take: Callable[[int, int], Awaitable[None]],
        lose: Callable[[int], None],
        let_go: Callable[[int], bool],
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._take = take
        self._lose = lose
        self._let_go = let_go
        self._sql = db.queries("homing.queue")
        self.first_claim = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Renew, claim and release until stopped, then leave in good order."""
        lease = self._lease
        beat = lease.term_s / 8
        while not stop.is_set():
            try:
                async with asyncio.timeout(lease.term_s / 2):
                    await self._beat()
            except (*db.TEMPORARY, TimeoutError) as trouble:
                log.warning("lease_not_renewed", worker=lease.worker_id, cause=type(trouble).__name__)
            except Exception:  # the edge of one beat: an unrenewed lease ends by itself, a dead worker sends twice
                log.exception("lease_not_renewed", worker=lease.worker_id)
            await set_within(stop, beat)

    async def leave(self) -> None:
        """Give everything back at once; the successor need not wait for the lease to run out."""
        try:
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._sql.release_worker(self._pool, worker_id=self._lease.worker_id)
                await self._sql.strike_worker(self._pool, worker_id=self._lease.worker_id)
        except db.TEMPORARY as trouble:
            log.warning("lease_not_returned", worker=self._lease.worker_id, cause=type(trouble).__name__)

    async def _beat(self) -> None:
        lease = self._lease
        asked_at = boot_seconds()
        alive = await self._sql.heartbeat(self._pool, worker_id=lease.worker_id)
        if alive is None:
            await self._sql.register_worker(self._pool, worker_id=lease.worker_id, node=socket.gethostname(), pid=os.getpid())
        owned = {row["shard"]: row["epoch"] async for row in self._sql.owned_shards(self._pool, worker_id=lease.worker_id)}
        for shard in [s for s, epoch in lease.epochs.items() if owned.get(s) != epoch]:
            log.warning("shard_lost", shard=shard, worker=lease.worker_id)
            del lease.epochs[shard]
            self._lose(shard)
        lease.renewed(asked_at)
        for shard in [s for s in owned if s not in lease.epochs]:  # claimed by a beat that was cut off before it had read them
            await self._own(shard, owned[shard])
        live = max(1, await self._sql.live_workers(self._pool, lease_s=lease.term_s))
        fair = ceil(SHARDS / live)
        if len(lease.epochs) > fair:
            await self._give_surplus(len(lease.epochs) - fair)
        elif len(lease.epochs) < fair:
            claimed = self._sql.claim_shards(
                self._pool, worker_id=lease.worker_id, lease_s=lease.term_s, most=fair - len(lease.epochs)
            )
            for row in [row async for row in claimed]:
                await self._own(row["shard"], row["epoch"])
        if lease.epochs:
            self.first_claim.set()
        await self._sql.strike_silent_workers(self._pool, lease_s=lease.term_s)

    async def _own(self, shard: int, epoch: int) -> None:
        await self._take(shard, epoch)
        self._lease.epochs[shard] = epoch

    async def _give_surplus(self, count: int) -> None:
        given = [shard for shard in sorted(self._lease.epochs, reverse=True) if self._let_go(shard)][:count]
        if not given:
            return
        for shard in given:
            del self._lease.epochs[shard]
            self._lose(shard)
        await self._sql.release_shards(self._pool, worker_id=self._lease.worker_id, shards=given)
