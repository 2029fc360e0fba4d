"""The inbox of our shards: what others wish of them is done here, each wish exactly once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from homing.ground import db
from homing.ground.errors import Misuse, Temporary
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue import store
from homing.queue.types import Happened, NewChunk, Wish
from homing.queue.writer import HotWriter

log = get("queue")

EVERY_S = 0.2
AT_ONCE = 2  # wishes obeyed side by side: their payloads are in memory
HEADS = 50
WAITS_S = 0.5  # a wish that the store could not take is tried again then
RESTS_S = 10.0  # a wish that failed otherwise


Obey = Callable[[Wish, bytes], Awaitable[NewChunk | Happened | None]]
"""Does what a wish asks, from the wish and its payload. What it returns is committed together with the wish's removal; None:
all is done, in a way that could be repeated, and the wish is only taken off. Raises Temporary where it must wait."""


class Inbox:
    """Obeys the wishes of the shards that a worker owns.

    shards   returns the shards that are ours now
    kinds    what is done for each kind of wish
    """

    def __init__(
        self,
        pool: db.Pool,
        writer: HotWriter,
        *,
        shards: Callable[[], list[int]],
        kinds: Mapping[str, Obey],
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._shards = shards
        self._kinds = kinds
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
            obey = self._kinds.get(wish.kind)
            if obey is None:
                raise Misuse(f"nobody knows the wish {wish.kind!r}")
            payload = await store.inbox_payload(self._pool, wish)
            if payload is not None:
                made = await obey(wish, payload)
                await self._writer.hand_over(made or Happened(shard=wish.shard, events=[]), wish)
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
