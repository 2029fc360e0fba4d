"""The engine: what is ready goes to its site, over as many connections as the site deserves, and is settled.

Entries come in by `take` (straight from the commit) or `take_read` (read when due), find their site (routing.py), and
lie in its ready queue (sites.py, ready.py). Dispatchers (dispatcher.py), one for each connection, pull from there. A site
that refuses everything is held: one row and one flag, and its entries go back to PostgreSQL, where they cost nothing.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from homing.delivery import settle
from homing.delivery.dispatcher import Dispatcher
from homing.delivery.flight import InFlight
from homing.delivery.holds import HoldBook
from homing.delivery.letters import Chunk, Letters
from homing.delivery.peers import Peers
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.resolver import Resolver
from homing.delivery.routing import Routing
from homing.delivery.rules.growth import connections_wanted
from homing.delivery.rules.hold import hold_for
from homing.delivery.rules.outcome import judge
from homing.delivery.rules.retry import RetryPlan
from homing.delivery.sites import CUSTOMER_ENTRIES, SITE_ENTRIES, Sites
from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Outcome, Route, Scope, Site, Stage, Trouble
from homing.egress.pools import PoolBook
from homing.egress.rules.shaping import Shaping
from homing.events.detail import Addressee
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue.holds import Hold, name_of
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey, NewChunk, Settlement
from homing.recipients import store as recipients

log = get("delivery")


class Slots(Protocol):
    """The pace keeper, as the engine needs it (egress.pace)."""

    async def slots(self, ip: str, site: str, *, wanted: int, limit: int) -> int:
        """Return how many connections this worker may have there in all."""
        ...

    async def release(self, ip: str, site: str, kept: int) -> None:
        """Give slots back, keeping so many."""
        ...

    async def tokens(self, ip: str, site: str, *, per_minute: int) -> int:
        """Return how many messages may be sent now; 0: none, ask again a little later."""
        ...


@dataclass(slots=True)
class Counters:
    """What this worker has done since it started; /metrics shows it."""

    attempts: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    failed_to_make: int = 0
    suppressed_late: int = 0
    connections_opened: int = 0
    connections_failed: int = 0
    by_trouble: dict[str, int] = field(default_factory=dict)


class Engine:
    """Delivery of one worker. Implements queue.owner.Delivery."""

    def __init__(
        self,
        *,
        settings: Settings,
        owner: Owner,
        pool: db.Pool,
        clock: Clock,
        letters: Letters,
        pools: PoolBook,
        resolver: Resolver,
        slots: Slots,
        shaping: Shaping,
        classifier: Classifier,
        peers: Peers,
    ) -> None:
        self.settings = settings
        self.owner = owner
        self.clock = clock
        self.letters = letters
        self.slots = slots
        self.peers = peers
        self.counters = Counters()
        self.stopping = False
        self.in_flight = InFlight(settings.max_in_flight, unsettled=lambda: owner.writer.pending_settlements)
        self._stop = asyncio.Event()
        self._pool = pool
        self._pools = pools
        self._classifier = classifier
        self._plan = RetryPlan(
            first=timedelta(seconds=settings.retry_first_s),
            ceiling=timedelta(seconds=settings.retry_ceiling_s),
            jitter=settings.retry_jitter,
        )
        self.holds = HoldBook(pool, clock, ended=self._hold_ended)
        self.sites = Sites(
            clock=clock,
            holds=self.holds,
            shaping=shaping,
            default_connections=settings.site_connections,
            first_wait=self._plan.first,
            opened=self._grow_soon,
            given_back=self.give_back,
            later=lambda seconds, work: self._spawn(self._after(seconds, work), "later"),
        )
        self._routing = Routing(
            resolver,
            clock,
            found=self._queue_up,
            unroutable=self._settle_unroutable,
            looked_up=lambda domain: self.owner.unpark(f"dns:{domain}"),
            spawn=self._spawn,
        )
        self._memory: set[bytes] = set()  # ids in memory: ready, waiting or in flight
        self._shard_counts: dict[int, int] = {}
        self._full: set[str] = set()  # reasons under which lanes were set aside for want of room
        self._tasks: asyncio.TaskGroup | None = None
        self._dispatchers: set[asyncio.Task[None]] = set()
        self._domain_failures: dict[str, int] = {}

    # the queue's side -------------------------------------------------------------------------------------------------

    def wants(self, lane: LaneKey, count: int) -> bool:
        """Return whether `count` further entries of this lane may be kept in memory."""
        if self.stopping or len(self._memory) + count > self.settings.ready_entries or self.holds.blocks(lane):
            return False
        route = self._routing.known(lane.domain)
        if route is None or route.site is None:
            return self._routing.waiting(lane.domain) + count <= CUSTOMER_ENTRIES
        if self.sites.stops(route.site, len(self._pools.default)) is not None:
            return False
        return not self.sites.full(route.site, lane.account_id, count)

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        """Receive an entry to try now."""
        if self._remember(entry):
            if chunk is not None:
                self.letters.keep(chunk)
            self._routing.send(Ready(entry, lane))

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        """Receive entries that were read when due: their content is fetched together, suppression is checked again."""
        if not entries:
            return
        facts = await self.letters.fetch(entries)
        suppressed: dict[bytes, str] = {}
        for transactional in (False, True):
            group = [
                entry
                for entry in entries
                if (its := facts.get(entry.chunk_id)) and its.transactional is transactional and not its.skip_suppression
            ]
            if group:
                found = await recipients.suppressed(
                    self._pool,
                    lane.key.account_id,
                    lane.key.subaccount_id,
                    [entry.recipient for entry in group],
                    transactional=transactional,
                )
                suppressed.update({e.entry_id: found[e.recipient.lower()] for e in group if e.recipient.lower() in found})
        for entry in entries:
            source = suppressed.get(entry.entry_id)
            if source is None:
                self.take(entry, lane, None)
            elif self._remember(entry):
                await self._settle_suppressed(entry, lane, source)

    def settled(self, settlement: Settlement, really: bool) -> None:
        """An outcome is written: the entry leaves memory, and a chunk of its own with it."""
        self.in_flight.settled()
        self._forget(settlement.entry)
        if settlement.finish and settlement.entry.alone:
            self.letters.drop((settlement.entry.chunk_id,))

    def drop_shard(self, shard: int) -> None:
        """Forget what belongs to a shard that has another owner now."""
        for queue in self.sites:
            for ready in queue.remove_shard(shard):
                self._forget(ready.entry)
        for ready in self._routing.remove_shard(shard):
            self._forget(ready.entry)

    def holds_shard(self, shard: int) -> bool:
        """Return whether an entry of this shard is in memory."""
        return self._shard_counts.get(shard, 0) > 0

    async def may_read(self, lane: Lane) -> str | None:
        """Return why a lane must not be read now; None: it may."""
        blocked = self.holds.blocks(lane.key)
        if blocked is not None:
            return blocked.name
        if len(self._memory) >= self.settings.ready_entries:
            return self._no_room("room")
        route = self._routing.known(lane.key.domain)
        if route is None:
            self._routing.look_up(lane.key.domain)
            return f"dns:{lane.key.domain}"
        if route.site is None:
            return None  # its entries are settled with the trouble
        stopped = self.sites.stops(route.site, len(self._pools.default))
        if stopped is not None:
            return stopped
        return self._no_room(f"room:{route.site.key}") if self.sites.full(route.site, lane.key.account_id, 1) else None

    async def expire(self, entry: Entry, last_reply: str | None) -> None:
        """Return a message that outlived its time without another attempt."""
        chunk = await self.letters.chunk(entry)
        lane = self.owner.book.get(entry.shard, entry.lane)
        if chunk is None or lane is None or not self._remember(entry):
            return
        why = last_reply
        if why is None:
            route = self._routing.known(lane.key.domain)
            hold = self.holds.blocks(lane.key) or (self.holds.site("", route.site.key) if route and route.site else None)
            why = (hold.last_reply or hold.reason) if hold else "never attempted"
        self.owner.settle(
            settle.expiry(
                entry,
                why,
                domain=lane.key.domain,
                facts=chunk.facts,
                events=chunk.events,
                classifier=self._classifier,
                now=self.clock.now(),
            )
        )

    # running ----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is in flight and tell the queue."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                watching = [
                    tasks.create_task(self.holds.run(), name="holds"),
                    tasks.create_task(self.in_flight.watch(), name="slow"),
                ]
                await stop.wait()
                self.stopping = True
                self._stop.set()
                for queue in self.sites:
                    queue.wake_all()
                if self._dispatchers:
                    _, left = await asyncio.wait(set(self._dispatchers), timeout=self.settings.drain_s)
                    if left:
                        log.warning("drain_cut_short", connections=len(left))
                for task in (*watching, *self._dispatchers):
                    task.cancel()
        finally:
            self._tasks = None
            self.owner.drained.set()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(self._guarded(work, name), name=name)

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # the edge of one unit of work: the others go on
            log.exception("delivery_task_failed", task=name)

    async def _after(self, seconds: float, work: Coroutine[Any, Any, None]) -> None:
        if await set_within(self._stop, seconds):
            work.close()
        else:
            await work

    # to the site ------------------------------------------------------------------------------------------------------

    def _queue_up(self, ready: Ready, site: Site) -> None:
        addresses = self.letters.addresses(ready.entry) or self._pools.default
        queue = self.sites.queue(self.sites.choose_source(addresses, ready.entry.entry_id, site), site)
        if self.sites.keeps(queue):
            queue.push(ready)
            self._grow_soon(queue)
        else:
            self._forget(ready.entry)
            self.owner.set_aside(ready.entry, name_of("site", site.key, None, queue.source.address))

    async def _settle_unroutable(self, domain: str, route: Route, waiting: list[Ready]) -> None:
        """No host takes this domain's mail: bounce, or defer one message and hold the domain for the others."""
        attempt = Attempt(stage=Stage.DNS, trouble=route.trouble or Trouble.NO_HOSTS, note=route.note)
        outcome = judge(attempt, rules=self._classifier)
        trouble = str(attempt.trouble)
        if isinstance(outcome, Deferred):
            failures = self._domain_failures[domain] = self._domain_failures.get(domain, 0) + 1
            await self.holds.place(
                Hold(
                    scope="domain",
                    key=domain,
                    until=self.clock.now() + hold_for(failures, first=self._plan.first, retry=outcome.retry),
                    reason=f"no host can be found: {route.note or route.trouble}",
                    last_reply=outcome.reason,
                    placed_by="delivery",
                )
            )
            for ready in waiting[1:]:
                self.give_back(ready)
            waiting = waiting[:1]
            self.counters.deferred += 1
        else:
            self.counters.bounced += len(waiting)
        self.counters.by_trouble[trouble] = self.counters.by_trouble.get(trouble, 0) + len(waiting)
        for ready in waiting:
            chunk = await self.letters.chunk(ready.entry)
            if chunk is None:
                self.lost_content(ready)
            else:
                self._settle(ready, chunk, outcome, attempt, settle.Told())

    def _grow_soon(self, queue: SiteQueue) -> None:
        """Decide about further connections, once for all entries of this turn of the loop."""
        self._make_room(queue)
        if not queue.growing and not self.stopping:
            queue.growing = True
            self._spawn(self._grow(queue), "growth")

    async def _grow(self, queue: SiteQueue) -> None:
        """Open connections as the depth deserves, within the site's limit and the slots that the pace keeper leases."""
        await asyncio.sleep(0)  # the rest of this commit's entries come first
        queue.growing = False
        if self.stopping or self.sites.is_held(queue):
            return
        wanted = connections_wanted(queue.depth + queue.busy, 1 if queue.probing else queue.limit)
        if wanted <= queue.connections:
            return
        if wanted > queue.granted:
            queue.granted = await self.slots.slots(
                queue.source.address, queue.site.key, wanted=wanted, limit=self.sites.limits(queue.site).connections
            )
            if queue.granted < wanted and queue.depth:
                asyncio.get_running_loop().call_later(1.0, self._grow_soon, queue)
        while queue.connections < min(wanted, queue.granted) and queue.depth:
            queue.connections += 1
            task = self._spawn(Dispatcher(self, queue).run(), "dispatcher")
            if task is not None:
                self._dispatchers.add(task)
                task.add_done_callback(self._dispatchers.discard)

    async def connection_ended(self, queue: SiteQueue) -> None:
        """A dispatcher ends; what is still ready may deserve another."""
        queue.connections -= 1
        if queue.recalled and queue.connections <= queue.granted:
            queue.recalled = False
            with contextlib.suppress(Exception):
                await self.slots.release(queue.source.address, queue.site.key, queue.connections)
                queue.granted = queue.connections
        if queue.depth and not self.sites.is_held(queue):
            self._grow_soon(queue)
        elif queue.connections == 0 and queue.granted:
            queue.granted = 0
            with contextlib.suppress(Exception):
                await self.slots.release(queue.source.address, queue.site.key, 0)

    # what an attempt came to ------------------------------------------------------------------------------------------

    async def finished(self, queue: SiteQueue, ready: Ready, chunk: Chunk, attempt: Attempt, told: settle.Told) -> Outcome:
        """Judge an attempt, settle it, and draw the consequences for the site."""
        outcome = judge(attempt, provider=queue.site.provider, rules=self._classifier)
        counters = self.counters
        counters.attempts += 1
        if attempt.reply is not None:
            queue.last_reply = attempt.reply.text[:300]
        if attempt.trouble is not None:
            counters.by_trouble[attempt.trouble] = counters.by_trouble.get(attempt.trouble, 0) + 1
        self._settle(ready, chunk, outcome, attempt, told)
        match outcome:
            case Delivered():
                counters.delivered += 1
                await self.sites.took_one(queue)
            case Bounced():
                counters.bounced += 1
                if attempt.stage in (Stage.RCPT, Stage.END_OF_DATA):
                    await self.sites.took_one(queue)
            case Deferred(scope=Scope.SITE):
                counters.deferred += 1
                await self.sites.refused(queue, outcome)
            case Deferred():
                counters.deferred += 1
        return outcome

    def unmakeable(self, ready: Ready, chunk: Chunk, why: str) -> None:
        """The message cannot be rendered or built: it ends with a generation failure, as its sender can see."""
        self.counters.failed_to_make += 1
        event = chunk.events.generation_failure(
            Addressee(ready.entry.entry_id, ready.entry.recipient, ready.lane.key.domain, settle.detail_of(ready.entry)),
            at=self.clock.now(),
            reason=f"554 5.3.3 [internal] {why}",
        )
        self.owner.settle(Settlement(entry=ready.entry, finish=True, events=(event,)))

    def lost_content(self, ready: Ready) -> None:
        """An entry without its chunk: a fault of ours. The row stays for whoever looks; it is not read again until a restart."""
        log.error("content_missing", message_id=ready.entry.entry_id.hex(), chunk_id=ready.entry.chunk_id.hex())
        self._forget(ready.entry)

    def give_back(self, ready: Ready) -> None:
        """Let an untried entry wait in PostgreSQL again."""
        self._forget(ready.entry)
        self.owner.give_back(ready.entry)

    def _settle(self, ready: Ready, chunk: Chunk, outcome: Outcome, attempt: Attempt, told: settle.Told) -> None:
        self.owner.settle(
            settle.settlement(
                ready.entry,
                outcome,
                attempt,
                domain=ready.lane.key.domain,
                facts=chunk.facts,
                events=chunk.events,
                told=told,
                plan=self._plan,
                classifier=self._classifier,
                now=self.clock.now(),
            )
        )

    async def _settle_suppressed(self, entry: Entry, lane: Lane, source: str) -> None:
        chunk = await self.letters.chunk(entry)
        if chunk is not None:
            self.counters.suppressed_late += 1
            self.owner.settle(
                settle.suppressed(
                    entry, source, domain=lane.key.domain, facts=chunk.facts, events=chunk.events, now=self.clock.now()
                )
            )

    # memory -----------------------------------------------------------------------------------------------------------

    def popped(self, queue: SiteQueue) -> None:
        """Room may have been made: lanes that wait for it are read again."""
        if self._full:
            self._make_room(queue)

    def _make_room(self, queue: SiteQueue) -> None:
        if "room" in self._full and len(self._memory) < self.settings.ready_entries * 3 // 4:
            self._full.discard("room")
            self.owner.unpark("room")
        why = f"room:{queue.site.key}"
        if why in self._full and queue.depth < SITE_ENTRIES // 4:
            self._full.discard(why)
            self.owner.unpark(why)

    def _no_room(self, why: str) -> str:
        self._full.add(why)
        return why

    def _hold_ended(self, name: str) -> None:
        self.owner.unpark(name)
        for queue in self.sites:
            if queue.depth and not self.sites.is_held(queue):
                self._grow_soon(queue)

    def _remember(self, entry: Entry) -> bool:
        """Note an entry as in memory; False: an attempt from before its shard was lost and found again still runs."""
        if entry.entry_id in self._memory:
            return False
        self._memory.add(entry.entry_id)
        self._shard_counts[entry.shard] = self._shard_counts.get(entry.shard, 0) + 1
        return True

    def _forget(self, entry: Entry) -> None:
        if entry.entry_id in self._memory:
            self._memory.discard(entry.entry_id)
            self._shard_counts[entry.shard] -= 1

    def where_is(self, entry_id: bytes) -> dict[str, Any] | None:
        """Return where a message is in memory; None: it is not."""
        if entry_id not in self._memory:
            return None
        for queue in self.sites:
            place = queue.place_of(entry_id)
            if place is not None:
                return {"state": "ready", "site": queue.site.key, "source_ip": queue.source.address, "before_it": place}
        if self._routing.is_waiting(entry_id):
            return {"state": "looking_up"}
        return {"state": "in_flight"}

    def recalled(self, ip: str, site: str, keep: int) -> None:
        """The pace keeper wants connections back: other workers have none. Dispatchers end after their message."""
        for queue in self.sites:
            if queue.source.address == ip and queue.site.key == site:
                queue.granted = min(queue.granted, keep)
                queue.recalled = True
                queue.wake_all()

    @property
    def in_memory(self) -> int:
        """Return how many messages are in memory."""
        return len(self._memory)
