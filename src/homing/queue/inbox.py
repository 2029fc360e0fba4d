"""The inbox of our shards: what others wish of them is done here, each wish exactly once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.errors import Misuse, Temporary
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue import store
from homing.queue.types import NewChunk, Place, Wish
from homing.queue.writer import HotWriter

log = get("queue")

EVERY_S = 0.2
AT_ONCE = 2  # wishes obeyed side by side: their payloads are in memory
HEADS = 50
WAITS_S = 0.5  # a wish that the store could not take is tried again then
RESTS_S = 10.0  # a wish that failed otherwise


Expand = Callable[[bytes, Callable[[int], Place], datetime], Awaitable[NewChunk]]


class Inbox:
    """Obeys the wishes of the shards that a worker owns.

    shards   returns the shards that are ours now
    mint     gives fresh ids of a shard: (shard, how many messages); raises LeaseLost
    """

    def __init__(
        self,
        pool: db.Pool,
        clock: Clock,
        writer: HotWriter,
        *,
        shards: Callable[[], list[int]],
        mint: Callable[[int, int], Place],
        expand: Expand,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._writer = writer
        self._shards = shards
        self._mint = mint
        self._expand = expand
        self._obeying: set[int] = set()
        self._news = asyncio.Event()

    def look(self) -> None:
        """Look now: there may be news."""
        self._news.set()

    async def run(self) -> None:
        """Obey until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while True:
                self._news.clear()
                try:
                    wishes = await self._heads()
                except db.TEMPORARY as trouble:
                    log.warning("inbox_not_read", cause=type(trouble).__name__)
                    wishes = []
                fresh = [wish for wish in wishes if wish.item_id not in self._obeying]
                for wish in fresh:
                    await slots.acquire()
                    self._obeying.add(wish.item_id)
                    group.create_task(self._obey(wish, slots))
                if not fresh:
                    await set_within(self._news, EVERY_S)

    async def _heads(self) -> list[Wish]:
        shards = self._shards()
        return await store.inbox_heads(self._pool, shards=shards, limit=HEADS + len(self._obeying)) if shards else []

    async def _obey(self, wish: Wish, slots: asyncio.Semaphore) -> None:
        rests_s = 0.0
        try:
            if wish.kind != "expand":
                raise Misuse(f"nobody knows the wish {wish.kind!r}")
            payload = await store.inbox_payload(self._pool, wish)
            if payload is not None:
                chunk = await self._expand(payload, lambda count: self._mint(wish.shard, count), self._clock.now())
                await self._writer.hand_over(chunk, wish)
        except (Temporary, *db.TEMPORARY) as trouble:
            log.warning("wish_waits", kind=wish.kind, shard=wish.shard, item=wish.item_id, cause=str(trouble)[:200])
            rests_s = WAITS_S
        except Exception:  # the edge of one wish: it stays in the inbox, the others go on
            log.exception("wish_failed", kind=wish.kind, shard=wish.shard, item=wish.item_id)
            rests_s = RESTS_S
        finally:
            slots.release()
        await asyncio.sleep(rests_s)
        self._obeying.discard(wish.item_id)
