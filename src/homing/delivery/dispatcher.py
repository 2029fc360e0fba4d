"""One connection's life: pull from the ready queue until the cap, an idle time, a hold or an error ends it."""

import asyncio
from typing import TYPE_CHECKING

from homing.delivery import settle
from homing.delivery.client import Connection
from homing.delivery.letters import Chunk, Unmakeable
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.types import Attempt, Stage, Trouble
from homing.ground.errors import StoreUnavailable
from homing.ground.log import get

if TYPE_CHECKING:
    from homing.delivery.engine import Engine

log = get("delivery")


class Dispatcher:
    """Serves one connection of a site queue."""

    def __init__(self, engine: "Engine", queue: SiteQueue) -> None:
        self._engine = engine
        self._queue = queue
        self._connection: Connection | None = None
        self._done = 0  # messages on this connection

    async def run(self) -> None:
        """Send until nothing is left to send here."""
        engine, queue = self._engine, self._queue
        limits = engine.sites.limits(queue.site)
        try:
            while not engine.stopping and not engine.sites.is_held(queue):
                if queue.connections > queue.granted or (queue.connections > queue.limit and self._connection is None):
                    break  # the site takes fewer than we thought, or other workers need their share
                ready = queue.pop()
                if ready is None:
                    if self._connection is None or not await queue.wait(engine.settings.idle_s):
                        break
                    continue
                engine.popped(queue)
                if not await self._may_go(ready, limits.per_minute):
                    continue
                token = await engine.in_flight.enter()
                queue.busy += 1
                try:
                    goes_on = await self._try(ready)
                finally:
                    queue.busy -= 1
                    engine.in_flight.leave(token)
                if not goes_on:
                    break
                if self._connection is not None and (not self._connection.usable or self._done >= limits.messages_per_connection):
                    await self._close()
        finally:
            try:
                await self._close()
            finally:
                await engine.connection_ended(queue)

    async def _may_go(self, ready: Ready, per_minute: int | None) -> bool:
        """See that the entry is still ours, that nothing stops it, and that its outcome can be written."""
        engine, queue = self._engine, self._queue
        owner = engine.owner
        while not owner.writable or not owner.lease.valid():
            if engine.stopping or ready.entry.shard not in owner.lease.epochs:
                break
            await asyncio.sleep(0.1)
        if not owner.lease.holds(ready.entry.shard):
            engine.give_back(ready)
            return False
        if engine.stopping or engine.holds.blocks(ready.lane.key) is not None:
            engine.give_back(ready)
            return False
        if per_minute is not None:
            while await engine.slots.tokens(queue.source.address, queue.site.key, per_minute=per_minute) < 1:
                if engine.stopping or engine.sites.is_held(queue):
                    engine.give_back(ready)
                    return False
                await asyncio.sleep(0.25)
        return True

    async def _try(self, ready: Ready) -> bool:
        """Make one attempt and settle it; False: this connection should not go on."""
        engine, queue = self._engine, self._queue
        try:
            chunk = engine.letters.at_hand(ready.entry) or await engine.letters.chunk(ready.entry)
        except StoreUnavailable:
            engine.give_back(ready)
            await asyncio.sleep(0.2)
            return True
        if chunk is None:
            engine.lost_content(ready)
            return True
        told = settle.Told(sending_ip=queue.source.address, provider=queue.site.provider, region=queue.site.region)
        try:
            if self._connection is None:
                opened = await engine.peers.connect(queue)
                if isinstance(opened, Attempt):
                    engine.counters.connections_failed += 1
                    if engine.sites.crowded(queue, opened):
                        queue.push(ready)
                    else:
                        await engine.finished(queue, ready, chunk, opened, told)
                    return False
                engine.counters.connections_opened += 1
                self._connection = opened
                self._done = 0
            return await self._send(ready, chunk)
        except asyncio.CancelledError:
            # Cut off by the end of the drain: whether the peer has it is unknown, so it counts as not delivered.
            engine.give_back(ready)
            raise
        except Exception:  # the edge of one attempt: it is settled as deferred, never as silence
            log.exception("attempt_crashed", message_id=ready.entry.entry_id.hex(), site=queue.site.key[:120])
            crashed = Attempt(stage=Stage.RENDER, trouble=Trouble.CRASHED, note="an error of ours")
            await engine.finished(queue, ready, chunk, crashed, told)
            return False

    async def _send(self, ready: Ready, chunk: Chunk) -> bool:
        engine, queue, connection = self._engine, self._queue, self._connection
        assert connection is not None
        entry = ready.entry
        letter = await engine.letters.make(entry, chunk)
        if isinstance(letter, Unmakeable):
            engine.unmakeable(ready, chunk, letter.why)
            return True
        if not engine.owner.lease.holds(entry.shard):  # judged as late as possible: right before MAIL FROM
            engine.give_back(ready)
            return True
        first_here = connection.sent == 0
        attempt = await connection.send(
            letter.mail_from, entry.recipient, letter.data, utf8=letter.utf8, eight_bit=letter.eight_bit
        )
        self._done += 1
        if attempt.trouble is Trouble.DROPPED and attempt.stage is Stage.MAIL and not first_here:
            queue.push(ready)  # the peer had closed the idle session; nothing was tried
            return True
        told = settle.Told(
            sending_ip=queue.source.address,
            msg_size=len(letter.data),
            msg_from=letter.mail_from,
            subject=letter.subject,
            provider=queue.site.provider,
            region=queue.site.region,
        )
        await engine.finished(queue, ready, chunk, attempt, told)
        return True

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.quit()
