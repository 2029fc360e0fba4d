"""The engine: what is ready goes to its site, over as many connections as the site deserves, and is settled.

Entries come in by `take` (straight from the commit, or read when due), find their site, and lie in the ready queue of
(source IP, site). Dispatchers (dispatcher.py), one for each connection, pull from there. A site that refuses everything
is held: one row and one flag, and its entries go back to PostgreSQL, where they cost nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
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
from homing.delivery.rules.growth import connections_wanted
from homing.delivery.rules.hold import hold_for
from homing.delivery.rules.outcome import judge
from homing.delivery.rules.retry import RetryPlan
from homing.delivery.types import Attempt, Bounced, Deferred, Delivered, Outcome, Route, Scope, Site, Stage, Trouble
from homing.egress.pools import PoolBook
from homing.egress.rules.shaping import Limits, Shaping
from homing.events.detail import Addressee
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings, SourceIP
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue.holds import Hold, name_of
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey, NewChunk, Settlement
from homing.recipients import store as recipients

log = get("delivery")

SITE_ENTRIES = 5_000  # most entries of one site in memory
CUSTOMER_ENTRIES = 2_000  # most entries of one customer for one site in memory
LOOKUPS_AT_ONCE = 100
SHORT_HOLD_S = 5.0  # entries stay in memory over a hold that is shorter


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


Resolve = Callable[[str], Awaitable[Route]]


@dataclass(slots=True)
class Counters:
    """What this worker has done since it started; /metrics shows it."""

    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    connections_opened: int = 0
    connections_failed: int = 0
    attempts: int = 0
    suppressed_late: int = 0
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
        resolve: Resolve,
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
        self._stop = asyncio.Event()
        self._pool = pool
        self._pools = pools
        self._resolve = resolve
        self._shaping = shaping
        self._limits: dict[str, Limits] = {}
        self._classifier = classifier
        self._plan = RetryPlan(
            first=timedelta(seconds=settings.retry_first_s),
            ceiling=timedelta(seconds=settings.retry_ceiling_s),
            jitter=settings.retry_jitter,
        )
        self.holds = HoldBook(pool, clock, ended=self._hold_ended)
        self.in_flight = InFlight(settings.max_in_flight)
        self._routes: dict[str, Route] = {}
        self._waiting: dict[str, list[Ready]] = {}  # domain -> entries whose site is not known yet
        self._looking: set[str] = set()
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._queues: dict[tuple[str, str], SiteQueue] = {}
        self._by_site: dict[str, list[SiteQueue]] = {}
        self._memory: set[bytes] = set()  # ids in memory: ready, waiting or in flight
        self._shard_counts: dict[int, int] = {}
        self._full: set[str] = set()  # reasons under which lanes were set aside for want of room
        self._tasks: asyncio.TaskGroup | None = None
        self._domain_failures: dict[str, int] = {}
        self._dispatchers: set[asyncio.Task[None]] = set()

    # the queue's side -------------------------------------------------------------------------------------------------

    def wants(self, lane: LaneKey, count: int) -> bool:
        """Return whether `count` further entries of this lane may be kept in memory."""
        if self.stopping or len(self._memory) + count > self.settings.ready_entries or self.holds.blocks(lane):
            return False
        route = self._routes.get(lane.domain)
        if route is None or route.site is None:
            return len(self._waiting.get(lane.domain, ())) + count <= CUSTOMER_ENTRIES
        return self._room(route.site, lane.account_id, count) is None

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        """Receive an entry to try now."""
        if not self._remember(entry):
            return
        if chunk is not None:
            self.letters.keep(chunk)
        self._route(Ready(entry, lane))

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        """Receive entries that were read when due: their content is fetched together, suppression is checked again."""
        if not entries:
            return
        facts = await self.letters.fetch(entries)
        blocked: dict[bytes, str] = {}
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
                blocked.update({e.entry_id: found[e.recipient.lower()] for e in group if e.recipient.lower() in found})
        for entry in entries:
            source = blocked.get(entry.entry_id)
            if source is None:
                self.take(entry, lane, None)
            elif self._remember(entry):
                await self._settle_suppressed(entry, lane, source)

    def settled(self, settlement: Settlement, really: bool) -> None:
        """An outcome is written: the entry leaves memory, and a chunk of its own with it."""
        self._forget(settlement.entry)
        if settlement.finish and settlement.entry.alone:
            self.letters.drop((settlement.entry.chunk_id,))

    def drop_shard(self, shard: int) -> None:
        """Forget what belongs to a shard that has another owner now."""
        for queue in self._queues.values():
            for ready in queue.remove_shard(shard):
                self._forget(ready.entry)
        for domain, waiting in list(self._waiting.items()):
            keep = [ready for ready in waiting if ready.entry.shard != shard]
            for ready in waiting:
                if ready.entry.shard == shard:
                    self._forget(ready.entry)
            self._waiting[domain] = keep

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
        route = self._known_route(lane.key.domain)
        if route is None:
            self._look_up(lane.key.domain)
            return f"dns:{lane.key.domain}"
        if route.site is None:
            return None  # its entries are settled with the trouble
        held = [queue for queue in self._by_site.get(route.site.key, ()) if self.is_held(queue)]
        if held and len(held) >= len(self._pools.default):
            return name_of("site", route.site.key, None, held[0].source.address)
        by_row = self.holds.site("", route.site.key)
        if by_row is not None:
            return by_row.name
        return self._room(route.site, lane.key.account_id, 1)

    # running ----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is in flight and tell the queue."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                reading = tasks.create_task(self.holds.run(), name="holds")
                slow = tasks.create_task(self.in_flight.watch(), name="slow")
                await stop.wait()
                self.stopping = True
                self._stop.set()
                for queue in self._queues.values():
                    queue.wake_all()
                deadline = asyncio.get_running_loop().time() + self.settings.drain_s
                while any(queue.connections for queue in self._queues.values()):
                    if asyncio.get_running_loop().time() > deadline:
                        log.warning("drain_cut_short", in_flight=sum(queue.busy for queue in self._queues.values()))
                        break
                    await asyncio.sleep(0.02)
                reading.cancel()
                slow.cancel()
                for task in self._dispatchers:
                    task.cancel()
        finally:
            self._tasks = None
            self.owner.drained.set()

    # routing ----------------------------------------------------------------------------------------------------------

    def _known_route(self, domain: str) -> Route | None:
        route = self._routes.get(domain)
        if route is not None and route.expires_at > self.clock.now():
            return route
        return None

    def _route(self, ready: Ready) -> None:
        domain = ready.lane.key.domain
        route = self._known_route(domain)
        if route is None:
            self._waiting.setdefault(domain, []).append(ready)
            self._look_up(domain)
        elif route.site is None:
            self._waiting.setdefault(domain, []).append(ready)
            self._spawn(self._settle_unroutable(domain, route), "unroutable")
        else:
            self._queue_up(ready, route.site)

    def _look_up(self, domain: str) -> None:
        if domain not in self._looking and not self.stopping:
            self._looking.add(domain)
            self._spawn(self._find_route(domain), "lookup")

    async def _find_route(self, domain: str) -> None:
        try:
            async with self._lookups:
                try:
                    route = await self._resolve(domain)
                except Exception:  # an error of ours while looking up is as temporary as any other
                    log.exception("lookup_crashed", domain=domain)
                    route = Route(
                        domain=domain,
                        site=None,
                        trouble=Trouble.DNS_TEMPORARY,
                        note="look-up failed",
                        expires_at=self.clock.now() + timedelta(seconds=30),
                    )
            if len(self._routes) > 100_000:
                self._routes.clear()
            self._routes[domain] = route
        finally:
            self._looking.discard(domain)
        if route.site is None:
            await self._settle_unroutable(domain, route)
        else:
            self._domain_failures.pop(domain, None)
            for ready in self._waiting.pop(domain, []):
                self._queue_up(ready, route.site)
        self.owner.unpark(f"dns:{domain}")

    async def _settle_unroutable(self, domain: str, route: Route) -> None:
        """No host takes this domain's mail: bounce, or defer one message and hold the domain for the others."""
        waiting = self._waiting.pop(domain, [])
        if not waiting:
            return
        attempt = Attempt(stage=Stage.DNS, trouble=route.trouble or Trouble.NO_HOSTS, note=route.note)
        outcome = judge(attempt, provider="", rules=self._classifier)
        if isinstance(outcome, Deferred):
            failures = self._domain_failures[domain] = self._domain_failures.get(domain, 0) + 1
            now = self.clock.now()
            pause = hold_for(failures, first=self._plan.first, retry=outcome.retry)
            await self.holds.place(
                Hold(
                    scope="domain",
                    key=domain,
                    until=now + pause,
                    reason=f"no host can be found: {route.note or route.trouble}",
                    last_reply=outcome.reason,
                    placed_by="delivery",
                )
            )
            for ready in waiting[1:]:
                self.give_back(ready)
            waiting = waiting[:1]
        for ready in waiting:
            chunk = await self.letters.chunk(ready.entry)
            if chunk is None:
                self.lost_content(ready)
            else:
                self._settle(ready, chunk, outcome, attempt, settle.Told())

    def _queue_up(self, ready: Ready, site: Site) -> None:
        source = self._choose_source(ready, site)
        queue = self._queue(source, site)
        if self.is_held(queue) and not self._short(queue):
            self.give_back(ready)
            return
        queue.push(ready)
        self._grow_soon(queue)

    def _choose_source(self, ready: Ready, site: Site) -> SourceIP:
        """Pick the address by the message's id, so that it stays the same; one that the site refuses now is passed over."""
        addresses = self.letters.addresses(ready.entry) or self._pools.default
        if len(addresses) == 1:
            return addresses[0]
        start = int.from_bytes(ready.entry.entry_id[-3:], "big") % len(addresses)
        for step in range(len(addresses)):
            candidate = addresses[(start + step) % len(addresses)]
            queue = self._queues.get((candidate.address, site.key))
            if queue is None or not self.is_held(queue):
                return candidate
        return addresses[start]

    def _queue(self, source: SourceIP, site: Site) -> SiteQueue:
        queue = self._queues.get((source.address, site.key))
        if queue is None:
            queue = SiteQueue(source, site, self.limits(site).connections)
            self._queues[source.address, site.key] = queue
            self._by_site.setdefault(site.key, []).append(queue)
        else:
            queue.site = site  # addresses may have changed
        return queue

    def limits(self, site: Site) -> Limits:
        """Return what a site allows."""
        found = self._limits.get(site.provider)
        if found is None:
            found = self._limits[site.provider] = self._shaping.limits_for(site.provider, self.settings.site_connections)
        return found

    # growth -----------------------------------------------------------------------------------------------------------

    def _grow_soon(self, queue: SiteQueue) -> None:
        if not queue.growing and not self.stopping:
            queue.growing = True
            self._spawn(self._grow(queue), "growth")

    async def _grow(self, queue: SiteQueue) -> None:
        """Open connections as the depth deserves, within the site's limit and the slots that the pace keeper leases."""
        await asyncio.sleep(0)  # the rest of this commit's entries come first
        queue.growing = False
        if self.stopping or self.is_held(queue):
            return
        limit = min(queue.limit, 1) if queue.probing else queue.limit
        wanted = connections_wanted(queue.depth + queue.busy, limit)
        if wanted <= queue.connections:
            return
        if wanted > queue.granted:
            queue.granted = await self.slots.slots(
                queue.source.address, queue.site.key, wanted=wanted, limit=self.limits(queue.site).connections
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
        if queue.depth and not self.is_held(queue):
            self._grow_soon(queue)
        elif queue.connections == 0 and queue.granted:
            queue.granted = 0
            with contextlib.suppress(Exception):
                await self.slots.release(queue.source.address, queue.site.key, 0)

    # what an attempt came to ------------------------------------------------------------------------------------------

    async def finished(self, queue: SiteQueue, ready: Ready, chunk: Chunk, attempt: Attempt, told: settle.Told) -> Outcome:
        """Judge an attempt, settle it, and draw the consequences for the site."""
        outcome = judge(attempt, provider=queue.site.provider, rules=self._classifier)
        self.counters.attempts += 1
        if attempt.reply is not None:
            queue.last_reply = attempt.reply.text[:300]
        match outcome:
            case Delivered():
                self.counters.delivered += 1
                if queue.failures or queue.probing:
                    await self._recovered(queue)
                queue.successes += 1
                ceiling = self.limits(queue.site).connections
                if queue.limit < ceiling and queue.successes % 20 == 0:
                    queue.limit += 1
            case Bounced():
                self.counters.bounced += 1
                if attempt.stage in (Stage.RCPT, Stage.END_OF_DATA) and (queue.failures or queue.probing):
                    await self._recovered(queue)  # it refuses one message, not everything
            case Deferred(scope=Scope.SITE):
                self.counters.deferred += 1
                await self._refused(queue, outcome)
            case Deferred():
                self.counters.deferred += 1
        if attempt.trouble is not None:
            name = str(attempt.trouble)
            self.counters.by_trouble[name] = self.counters.by_trouble.get(name, 0) + 1
        self._settle(ready, chunk, outcome, attempt, told)
        return outcome

    def crowded(self, queue: SiteQueue, attempt: Attempt) -> bool:
        """A connection more was refused while others work: lower our own limit instead of holding the site."""
        if attempt.stage not in (Stage.CONNECT, Stage.GREETING, Stage.EHLO) or queue.connections <= 1 or not queue.successes:
            return False
        queue.limit = max(1, queue.connections - 1)
        return True

    async def _refused(self, queue: SiteQueue, outcome: Deferred) -> None:
        now = self.clock.now()
        if queue.held_until is not None and queue.held_until > now:
            return  # another connection said so already
        queue.failures += 1
        pause = hold_for(queue.failures, first=self._plan.first, retry=outcome.retry)
        queue.held_until = now + pause
        queue.hold_reply = outcome.reason
        queue.successes = 0
        log.info(
            "site_held",
            site=queue.site.key[:120],
            source_ip=queue.source.address,
            seconds=round(pause.total_seconds(), 1),
            reason=outcome.reason[:200],
        )
        if pause.total_seconds() > SHORT_HOLD_S:
            for ready in queue.drain():
                self.give_back(ready)
        queue.wake_all()
        self._spawn(self._reopen_later(queue, pause.total_seconds()), "reopen")
        await self.holds.place(
            Hold(
                scope="site",
                key=queue.site.key,
                until=queue.held_until,
                reason="the site refuses everything" if outcome.retry != "pause" else "the site refuses us over reputation",
                last_reply=outcome.reason,
                source_ip=queue.source.address,
                placed_by="delivery",
            )
        )

    async def _reopen_later(self, queue: SiteQueue, seconds: float) -> None:
        if await set_within(self._stop, seconds):
            return
        queue.held_until = None
        queue.probing = True
        self._full.discard(f"room:{queue.site.key}")
        self.owner.unpark(name_of("site", queue.site.key, None, queue.source.address))
        self.owner.unpark(f"room:{queue.site.key}")
        self._grow_soon(queue)

    async def _recovered(self, queue: SiteQueue) -> None:
        queue.failures = 0
        queue.probing = False
        queue.hold_reply = ""
        await self.holds.lift(name_of("site", queue.site.key, None, queue.source.address))
        self._grow_soon(queue)

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

    async def expire(self, entry: Entry, last_reply: str | None) -> None:
        """Return a message that outlived its time without another attempt."""
        chunk = await self.letters.chunk(entry)
        lane = self.owner.book.get(entry.shard, entry.lane)
        if chunk is None or lane is None:
            return
        why = last_reply
        if why is None:
            route = self._routes.get(lane.key.domain)
            hold = self.holds.blocks(lane.key) or (self.holds.site("", route.site.key) if route and route.site else None)
            why = (hold.last_reply or hold.reason) if hold else "never attempted"
        if not self._remember(entry):
            return
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

    def give_back(self, ready: Ready) -> None:
        """Let an untried entry wait in PostgreSQL again."""
        self._forget(ready.entry)
        self.owner.give_back(ready.entry)

    def unmakeable(self, ready: Ready, chunk: Chunk, why: str) -> None:
        """The message cannot be rendered or built: it ends with a generation failure, as its sender can see."""
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

    def popped(self, queue: SiteQueue) -> None:
        """Room may have been made: lanes that wait for it are read again."""
        if not self._full:
            return
        if "room" in self._full and len(self._memory) < self.settings.ready_entries * 3 // 4:
            self._full.discard("room")
            self.owner.unpark("room")
        why = f"room:{queue.site.key}"
        if why in self._full and queue.depth < SITE_ENTRIES // 2:
            self._full.discard(why)
            self.owner.unpark(why)

    # small things -----------------------------------------------------------------------------------------------------

    def is_held(self, queue: SiteQueue) -> bool:
        """Return whether nothing may go from this queue now."""
        if queue.held_until is not None and queue.held_until > self.clock.now():
            return True
        return self.holds.site(queue.source.address, queue.site.key) is not None

    def _short(self, queue: SiteQueue) -> bool:
        left = queue.held_until - self.clock.now() if queue.held_until else timedelta(days=1)
        return left.total_seconds() <= SHORT_HOLD_S

    def _room(self, site: Site, account_id: int, count: int) -> str | None:
        queues = self._by_site.get(site.key, ())
        total = sum(queue.depth for queue in queues)
        if total + count > SITE_ENTRIES:
            return self._no_room(f"room:{site.key}")
        if sum(queue.depth_of(account_id) for queue in queues) + count > CUSTOMER_ENTRIES:
            return self._no_room(f"room:{site.key}")
        return None

    def _no_room(self, why: str) -> str:
        self._full.add(why)
        return why

    def _hold_ended(self, name: str) -> None:
        self.owner.unpark(name)
        for queue in self._queues.values():
            if queue.depth and not self.is_held(queue):
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
