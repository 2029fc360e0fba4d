"""An owner of every shard without a delivery engine: what is recorded and wished is really done, nothing is attempted."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from homing.ground import db
from homing.ground.clock import SystemClock
from homing.queue.inbox import Obey
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey, NewChunk, Settlement


class Nobody:
    """A delivery that takes nothing."""

    def wants(self, lane: LaneKey, count: int) -> bool:
        return False

    def room_for(self, lane: LaneKey) -> int:
        return 1

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        raise AssertionError

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        raise AssertionError

    def settled(self, settlement: Settlement, really: bool) -> None: ...

    def drop_shard(self, shard: int) -> None: ...

    def holds_shard(self, shard: int) -> bool:
        return False

    async def expire(self, entry: Entry, last_reply: str | None) -> None: ...


async def _expand(payload: bytes, place: object, now: datetime) -> NewChunk:
    raise AssertionError("nothing large is handed over here")


async def _never(lane: Lane) -> str | None:
    return "nobody delivers here"


@asynccontextmanager
async def shard_owner(dsn: str, pool: db.Pool, *, kinds: Mapping[str, Obey] | None = None) -> AsyncIterator[Owner]:
    """Run an owner that obeys these wishes."""
    made = Owner(dsn=dsn, pool=pool, worker_id="one", term_s=15.0, lifetime=timedelta(hours=72), clock=SystemClock())
    made.attach(Nobody(), _expand, kinds=kinds)
    stop = asyncio.Event()
    running = asyncio.ensure_future(made.run(stop, may_read=_never))
    try:
        await asyncio.wait_for(made.keeper.first_claim.wait(), 10)
        yield made
    finally:
        stop.set()
        made.drained.set()
        await asyncio.wait_for(running, 15)
