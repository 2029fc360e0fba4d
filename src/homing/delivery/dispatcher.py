"""One connection's life: pull from the ready queue until the cap, an idle time, a hold or an error ends it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from homing.delivery import settle
from homing.delivery.client import Connection
from homing.delivery.letters import Chunk, Unmakeable
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.sink import Sink
from homing.delivery.types import Attempt, Deferred, Outcome, Stage, Trouble
from homing.egress.rules.choice import Standing
from homing.egress.warmup import Fate
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
        self._connection: Connection | Sink | None = None
        self._done = 0  # messages on this connection

    async def run(self) -> None:
        """Send until nothing is left to send here."""
        engine, queue = self._engine, self._queue
        limits = engine.sites.limits(queue.site)
        try:
            while not engine.stopping and not engine.sites.is_held(queue):
                if queue.connections > queue.granted or (queue.connections > queue.limit and self._connection is None):
                    break  # the site takes fewer than we thought, or other workers need their share
                if self._connection is None:
                    # Entries stay in the queue meanwhile: another connection may be free sooner, or a hold come.
                    if not queue.depth or not await self._open():
                        break
                    continue
                ready = queue.pop()
                if ready is None:
                    if not await queue.wait(engine.settings.idle_s):
                        break
                    continue
                if not await self._serve(ready, self._attempt, limits.per_minute):
                    break
                if not self._connection.usable or self._done >= limits.messages_per_connection:
                    await self._close()
        finally:
            try:
                await self._close()
            finally:
                await engine.connections.ended(queue)

    async def _open(self) -> bool:
        """Open a session; where that fails, one entry is told, and the site judged by it."""
        engine, queue = self._engine, self._queue
        place = await engine.opening.enter()
        try:
            if engine.stopping or not queue.depth:
                return False
            opened = await engine.peers.connect(queue)
        finally:
            engine.opening.leave(place)
        if not isinstance(opened, Attempt):
            engine.outcomes.counters.connections_opened += 1
            self._connection = opened
            self._done = 0
            return True
        engine.outcomes.counters.connections_failed += 1
        if not engine.sites.crowded(queue, opened):
            told = False

            async def tell(ready: Ready, chunk: Chunk) -> bool:
                nonlocal told
                told = True
                await engine.outcomes.finished(queue, ready, chunk, opened, self._told())
                return False

            while not told and not engine.stopping and (ready := queue.pop()) is not None:
                await self._serve(ready, tell, None)
        return False

    async def _serve(self, ready: Ready, attempt: Callable[[Ready, Chunk], Awaitable[bool]], per_minute: int | None) -> bool:
        """See one entry to its end: settled, or back to where it waits. False: this connection should not go on."""
        engine, queue = self._engine, self._queue
        engine.memory.popped(queue, ready.lane.key.account_id)
        queue.busy += 1
        try:
            if not await self._may_go(ready, per_minute):
                return True
            chunk = engine.letters.at_hand(ready.entry) or await engine.letters.chunk(ready.entry)
            if chunk is None:
                engine.lost_content(ready)
                return True
            try:
                return await attempt(ready, chunk)
            except StoreUnavailable:
                raise
            except Exception:  # the edge of one attempt: it is settled as deferred, never as silence
                if ready.settled:
                    raise
                log.exception("attempt_crashed", message_id=ready.entry.entry_id.hex(), site=queue.site.key[:120])
                crashed = Attempt(stage=Stage.RENDER, trouble=Trouble.CRASHED, note="an error of ours")
                await engine.outcomes.finished(queue, ready, chunk, crashed, self._told())
                return False
        except asyncio.CancelledError:
            # Cut off by the end of the drain: whether the peer has it is unknown, so it counts as not delivered.
            if not ready.settled:
                engine.give_back(ready)
            raise
        except StoreUnavailable:
            if not ready.settled:
                engine.give_back(ready)
            await asyncio.sleep(0.2)
            return True
        except Exception:  # the edge of one entry: an error of ours must not leave it nowhere
            log.exception("entry_crashed", message_id=ready.entry.entry_id.hex(), site=queue.site.key[:120])
            if not ready.settled:
                engine.rest(ready)
            return False
        finally:
            queue.busy -= 1

    async def _may_go(self, ready: Ready, per_minute: int | None) -> bool:
        """See that the entry is still ours and in time, that nothing stops it, and that its outcome can be written."""
        engine, queue = self._engine, self._queue
        owner, entry = engine.owner, ready.entry
        while True:
            while not owner.writable or not owner.lease.valid():
                if engine.stopping or entry.shard not in owner.lease.epochs:
                    break
                await asyncio.sleep(0.1)
            if engine.stopping or not owner.lease.holds(entry.shard) or engine.holds.blocks(ready.lane.key) is not None:
                engine.give_back(ready)
                return False
            if entry.expires_at <= engine.clock.now():
                await engine.outlived(ready, queue.last_reply)
                return False
            if per_minute is None:
                return True
            if await engine.slots.tokens(queue.source.address, queue.site.key, per_minute=per_minute) >= 1:
                return True
            if engine.sites.is_held(queue):
                engine.requeue(queue, ready)
                return False
            await asyncio.sleep(0.25)

    async def _attempt(self, ready: Ready, chunk: Chunk) -> bool:
        """Make one attempt on the open session and settle it."""
        in_flight = self._engine.in_flight
        place = await in_flight.enter()
        try:
            return await self._send(ready, chunk)
        finally:
            in_flight.leave(place)

    async def _send(self, ready: Ready, chunk: Chunk) -> bool:
        engine, queue, connection = self._engine, self._queue, self._connection
        assert connection is not None
        entry = ready.entry
        if engine.stops.may_stop(entry, chunk.facts):
            stop = await engine.stops.reason(entry, chunk.facts)
            if stop is not None:
                engine.outcomes.stopped(ready, chunk.facts, stop)
                return True
        address, provider = queue.source.address, queue.site.provider
        if isinstance(connection, Sink) or engine.warmup.standing(address) is Standing.FREE:
            await self._converse(ready, chunk, connection)
            return True
        if not await engine.warmup.take(address, provider, beyond=ready.beyond):
            engine.reroute(queue, ready)
            return True
        fate = Fate.SENT
        try:
            outcome = await self._converse(ready, chunk, connection)
            fate = Fate.UNUSED if outcome is None else Fate.PUT_OFF if isinstance(outcome, Deferred) else Fate.SENT
        finally:
            engine.warmup.settle(address, provider, fate)
        return True

    async def _converse(self, ready: Ready, chunk: Chunk, connection: Connection | Sink) -> Outcome | None:
        """Make the message, send it and settle it; None: there was no attempt."""
        engine, queue, entry = self._engine, self._queue, ready.entry
        letter = await engine.letters.make(entry, chunk, provider=queue.site.provider)
        if isinstance(letter, Unmakeable):
            engine.outcomes.unmakeable(ready, chunk, letter.why)
            return None
        if not engine.owner.lease.holds(entry.shard):  # judged as late as possible: right before MAIL FROM
            engine.give_back(ready)
            return None
        first_here = connection.sent == 0
        attempt = await connection.send(
            letter.mail_from, entry.recipient, letter.data, utf8=letter.utf8, eight_bit=letter.eight_bit
        )
        self._done += 1
        if attempt.trouble is Trouble.DROPPED and attempt.stage is Stage.MAIL and not first_here:
            engine.requeue(queue, ready)  # the peer had closed the idle session; nothing was tried
            return None
        told = settle.Told(
            sending_ip=queue.source.address,
            msg_size=len(letter.data),
            msg_from=letter.mail_from,
            subject=letter.subject,
            provider=queue.site.provider,
            region=queue.site.region,
        )
        return await engine.outcomes.finished(queue, ready, chunk, attempt, told)

    def _told(self) -> settle.Told:
        queue = self._queue
        return settle.Told(sending_ip=queue.source.address, provider=queue.site.provider, region=queue.site.region)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.quit()
