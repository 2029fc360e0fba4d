"""How many connections serve each ready queue: as its depth deserves, within the slots that the pace keeper leases."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from homing.delivery.ready import SiteQueue
from homing.delivery.rules.growth import connections_wanted
from homing.delivery.sites import Sites

ASK_AGAIN_S = 1.0  # a queue that did not get the slots it wanted asks again then

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None] | None]


class Slots(Protocol):
    """The pace keeper, as delivery needs it (egress.pace)."""

    async def slots(self, ip: str, site: str, *, wanted: int, limit: int) -> int:
        """Return how many connections this worker may have there in all."""
        ...

    async def release(self, ip: str, site: str, kept: int) -> None:
        """Give slots back, keeping so many."""
        ...

    async def tokens(self, ip: str, site: str, *, per_minute: int) -> int:
        """Return how many messages may be sent now; 0: none, ask again a little later."""
        ...


class Connections:
    """Opens dispatchers, and keeps what is leased in step with what is used.

    serve   one dispatcher's life
    spawn   runs a coroutine in the background, supervised; None: the engine has ended
    """

    def __init__(
        self, sites: Sites, slots: Slots, *, serve: Callable[[SiteQueue], Coroutine[Any, Any, None]], spawn: Spawn
    ) -> None:
        self._sites = sites
        self._slots = slots
        self._serve = serve
        self._spawn = spawn
        self._closing = False
        self.running: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Open nothing any more; dispatchers that wait end."""
        self._closing = True
        for queue in self._sites:
            queue.wake_all()

    def grow_soon(self, queue: SiteQueue) -> None:
        """Decide about further connections, once for all entries of this turn of the loop."""
        if not queue.growing and not self._closing:
            queue.growing = self._spawn(self._grow(queue), "growth") is not None

    async def _grow(self, queue: SiteQueue) -> None:
        await asyncio.sleep(0)  # the rest of this commit's entries come first
        queue.growing = False
        if self._closing or self._sites.is_held(queue):
            return
        wanted = connections_wanted(queue.depth + queue.busy, 1 if queue.probing else queue.limit)
        if wanted <= queue.connections:
            return
        if wanted > queue.granted and not queue.asking:
            await self._ask(queue, wanted)
        while queue.connections < min(wanted, queue.granted) and queue.depth and not self._closing:
            task = self._spawn(self._serve(queue), "dispatcher")
            if task is None:
                return
            queue.connections += 1
            self.running.add(task)
            task.add_done_callback(self.running.discard)
        if not queue.connections and not queue.asking:
            await self._keep(queue, 0)  # what was to be sent has gone meanwhile

    async def _ask(self, queue: SiteQueue, wanted: int) -> None:
        """Ask for slots; while the answer is awaited, and for a moment after too small an answer, nobody asks again."""
        queue.asking = True
        limit = self._sites.limits(queue.site).connections
        try:
            queue.granted = await self._slots.slots(queue.source.address, queue.site.key, wanted=wanted, limit=limit)
        except BaseException:
            queue.asking = False
            raise
        if queue.granted < wanted:
            asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._ask_again, queue)
        else:
            queue.asking = False

    def _ask_again(self, queue: SiteQueue) -> None:
        queue.asking = False
        if queue.depth:
            self.grow_soon(queue)
        elif not queue.connections and queue.granted:
            self._spawn(self._keep(queue, 0), "release")

    async def ended(self, queue: SiteQueue) -> None:
        """A dispatcher ends; what is still ready may deserve another."""
        queue.connections -= 1
        if queue.recalled and queue.connections <= queue.granted:
            await self._keep(queue, queue.connections)
        if queue.depth and not self._sites.is_held(queue):
            self.grow_soon(queue)
        elif queue.connections == 0 and not queue.asking:
            await self._keep(queue, 0)

    def recalled(self, ip: str, site: str, keep: int) -> None:
        """The pace keeper wants connections back: other workers have none. Dispatchers end after their message."""
        for queue in self._sites.at(site):
            if queue.source.address == ip:
                queue.granted = min(queue.granted, keep)
                queue.recalled = True
                queue.wake_all()
                if queue.connections <= queue.granted:  # what it wants is not in use: nobody has to end first
                    self._spawn(self._keep(queue, queue.granted), "release")

    async def _keep(self, queue: SiteQueue, kept: int) -> None:
        """Give back what is leased beyond so many slots."""
        if not queue.granted and not queue.recalled:
            return
        queue.recalled = False
        queue.granted = kept
        with contextlib.suppress(Exception):
            await self._slots.release(queue.source.address, queue.site.key, kept)
