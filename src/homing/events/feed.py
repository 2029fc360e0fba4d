"""The feed: followers read the log behind its end, each from its own saved place, in log order.

What a follower writes and the place that it has reached are one transaction, so what it writes happens exactly once: a
worker that dies in between leaves both as they were. A shard is followed by whoever owns it; if two workers meet over one
that changes hands, the lock on its place lets only one of them go on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from homing.events.store import logged
from homing.events.types import Logged
from homing.ground import db
from homing.ground.errors import Temporary
from homing.ground.log import get
from homing.ground.waiting import set_within

log = get("events")
_sql = db.queries("homing.events")

LOOKS_S = 10.0  # and so often in any case: shards may have come from another worker
AT_ONCE = 500  # events of one shard in one transaction
RESTS_S = 2.0  # after a failure


class Follower(Protocol):
    """Somebody who follows the log, from its oldest event on.

    name     of its place; never changed once it is out in the world
    rests_s  between two looks at the log; the longer, the more events come together
    """

    name: str
    rests_s: float

    async def cares(self, connection: db.Executor) -> bool:
        """Return whether anybody would notice; if not, the place jumps to the end of the log, and nothing is read."""
        ...

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Take the next events, of several shards, each in its order; what is written goes through this connection.

        raises   anything: then nothing of it happened, and the same events come again
        """
        ...


class Feed:
    """Runs the followers of one worker.

    shards   returns the shards that are ours now
    """

    def __init__(self, pool: db.Pool, followers: Sequence[Follower], *, shards: Callable[[], list[int]]) -> None:
        self._pool = pool
        self._followers = followers
        self._shards = shards
        self._placed: set[tuple[str, int]] = set()  # followers that have a place in a shard
        self._news = {follower.name: asyncio.Event() for follower in followers}

    def news(self, _shard: int) -> None:
        """Hear that a shard got events."""
        for event in self._news.values():
            event.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for follower in self._followers:
                tasks.create_task(self._follow(follower), name=f"follower {follower.name}")

    async def _follow(self, follower: Follower) -> None:
        news = self._news[follower.name]
        while True:
            await set_within(news, LOOKS_S)
            news.clear()
            try:
                while await self.step(follower):
                    pass
            except (Temporary, *db.TEMPORARY) as trouble:
                log.warning("follower_waits", follower=follower.name, cause=type(trouble).__name__)
                await asyncio.sleep(RESTS_S)
                news.set()
            except Exception:  # the edge of one follower: the others go on, and it comes to the same events again
                log.exception("follower_failed", follower=follower.name)
                await asyncio.sleep(RESTS_S)
                news.set()
            await asyncio.sleep(follower.rests_s)

    async def step(self, follower: Follower) -> bool:
        """Hand a follower its next events; return whether there may be more at once."""
        shards = self._shards()
        if not shards:
            return False
        async with self._pool.acquire() as connection, connection.transaction():
            new = [shard for shard in shards if (follower.name, shard) not in self._placed]
            if new:
                await _sql.make_places(connection, name=follower.name, shards=new)
            known = [row["shard"] async for row in _sql.lock_places(connection, name=follower.name, shards=shards)]
            if not await follower.cares(connection):
                await _sql.skip_places(connection, name=follower.name, shards=known)
                self._placed.update((follower.name, shard) for shard in new)
                return False
            rows = [row async for row in _sql.next_events(connection, name=follower.name, shards=known, limit=AT_ONCE)]
            if not rows:
                self._placed.update((follower.name, shard) for shard in new)
                return False
            await follower.fold(connection, [logged(row) for row in rows])
            last = {row["shard"]: (row["day"], row["seq"]) for row in rows}
            counts: dict[int, int] = {}
            for row in rows:
                counts[row["shard"]] = counts.get(row["shard"], 0) + 1
            await _sql.move_places(
                connection,
                name=follower.name,
                shards=list(last),
                days=[day for day, _ in last.values()],
                seqs=[seq for _, seq in last.values()],
            )
        self._placed.update((follower.name, shard) for shard in new)
        return max(counts.values()) >= AT_ONCE
