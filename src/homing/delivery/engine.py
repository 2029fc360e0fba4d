"""The engine: what is ready goes to its site, over as many connections as the site deserves, and is settled.

Entries come in by `take` (straight from the commit) or `take_read` (read when due), find their site (routing.py), and
lie in its ready queue (sites.py, ready.py). Dispatchers (dispatcher.py), one for each connection, pull from there. A site
that refuses everything is held: one row and one flag, and its entries go back to PostgreSQL, where they cost nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from homing.delivery import settle
from homing.delivery.connections import Connections, Slots
from homing.delivery.dispatcher import Dispatcher
from homing.delivery.flight import InFlight
from homing.delivery.holds import UNKNOWN, HoldBook
from homing.delivery.letters import Letters
from homing.delivery.memory import CUSTOMER_ENTRIES, Memory
from homing.delivery.outcomes import Outcomes
from homing.delivery.peers import Peers
from homing.delivery.ready import Ready, SiteQueue
from homing.delivery.resolver import Resolver
from homing.delivery.room import Room
from homing.delivery.routing import Routing
from homing.delivery.rules.retry import RetryPlan
from homing.delivery.sink import SINK
from homing.delivery.sites import Sites
from homing.delivery.stops import Stops
from homing.delivery.types import Route, Site, Stop
from homing.delivery.unroutable import Unroutable
from homing.domains.facts import DomainBook
from homing.egress.levels import Levels
from homing.egress.pools import PoolBook
from homing.egress.rules.choice import is_full
from homing.egress.rules.shaping import Shaping
from homing.egress.rules.warmup import patience
from homing.egress.types import Line, WhenFull
from homing.events.rules.classify import Classifier
from homing.events.rules.reason import CANCELED
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.errors import Temporary
from homing.ground.log import get
from homing.ground.waiting import set_within
from homing.queue.holds import Hold
from homing.queue.owner import Owner
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry, LaneKey, NewChunk, Settlement
from homing.recipients.fresh import Fresh
from homing.spool.types import ChunkFacts

log = get("delivery")

TELL_AT_END_S = 2.0  # what became of leases of warming addresses is told so long at the end


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
        domains: DomainBook,
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
        self.stopping = False
        self.in_flight = InFlight(settings.max_in_flight, unsettled=lambda: owner.writer.pending_settlements)
        self.opening = InFlight(settings.max_in_flight)  # connections that are being opened
        self._stop = asyncio.Event()
        self._pool = pool
        self._pools = pools
        self._classifier = classifier
        self.fresh = Fresh(pool, give_back=self.give_back_of)
        self.stops = Stops(pool, self.fresh, domains)
        self._plan = RetryPlan(
            first=timedelta(seconds=settings.retry_first_s),
            ceiling=timedelta(seconds=settings.retry_ceiling_s),
            jitter=settings.retry_jitter,
        )
        self._lifetime = timedelta(seconds=settings.lifetime_s)
        self._patience = patience(self._lifetime)
        self.warmup = Levels(
            pool,
            clock,
            stage=pools.stage,
            filled=self._filled,
            opened=lambda: self.room.open(),
            by_provider=settings.warmup_by_provider,
        )
        self.room = Room(clock, patience=self._patience, unpark=owner.unpark)
        pools.changed = self.warmup.changed
        self.holds = HoldBook(pool, clock, began=self._hold_began, ended=self._hold_ended, looked=lambda: owner.unpark(UNKNOWN))
        self.sites = Sites(
            clock=clock,
            holds=self.holds,
            shaping=shaping,
            default_connections=settings.site_connections,
            first_wait=self._plan.first,
            opened=self._opened,
            given_back=self.give_back,
            emptied=lambda site: self.memory.emptied(site),
            later=lambda seconds, work: self._spawn(self._after(seconds, work), "later"),
            standing=self.warmup.standing,
        )
        self.memory = Memory(settings.ready_entries, queues=self.sites.at, unpark=owner.unpark)
        self.connections = Connections(self.sites, slots, serve=lambda queue: Dispatcher(self, queue).run(), spawn=self._spawn)
        self.outcomes = Outcomes(
            owner=owner, sites=self.sites, letters=letters, classifier=classifier, plan=self._plan, clock=clock
        )
        self._unroutable = Unroutable(self.holds, clock, classifier, self._plan, give_back=self.give_back)
        self._routing = Routing(
            resolver,
            clock,
            found=self._queue_up,
            unroutable=self._settle_unroutable,
            looked_up=self._looked_up,
            spawn=self._spawn,
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    # the queue's side -------------------------------------------------------------------------------------------------

    def wants(self, lane: LaneKey, count: int) -> bool:
        """Return whether `count` further entries of this lane may be kept in memory."""
        if self.stopping or not self.holds.known or self.memory.full(count) or self.holds.blocks(lane):
            return False
        line = self._pools.line(lane.account_id, lane.ip_pool)
        if self.room.waits(lane.account_id, lane.ip_pool) and is_full(line, self.warmup.standing):
            return False
        route = self._routing.known(lane.domain)
        if route is None or route.site is None:
            return self._routing.waiting(lane.domain) + count <= min(CUSTOMER_ENTRIES, self.memory.part())
        if self.sites.stops(route.site, line.own):
            return False
        return self.memory.site_full(route.site.key, lane.account_id, count) is None

    def room_for(self, lane: LaneKey) -> int:
        """Return how many entries of this lane may be read now."""
        route = self._routing.known(lane.domain)
        return self.memory.part() if route is None or route.site is None else self.memory.room(route.site.key, lane.account_id)

    def take(self, entry: Entry, lane: Lane, chunk: NewChunk | None) -> None:
        """Receive an entry that was just committed, with its content."""
        ip_pool = "default" if chunk is None else chunk.facts.ip_pool
        if self.stopping or not self._pools.is_known(lane.key.account_id, ip_pool):
            self.owner.give_back(entry)  # a read will find the pool's addresses first
        elif self.memory.remember(entry):
            if chunk is not None:
                self.letters.keep(chunk)
            self._routing.send(Ready(entry, lane, ip_pool))

    async def take_read(self, entries: list[Entry], lane: Lane) -> None:
        """Receive entries that were read when due: their content is fetched together, what stops them is asked again."""
        if not entries:
            return
        facts = await self.letters.fetch(entries)
        stopped = await self.stops.reasons(entries, facts)
        for entry in entries:  # nothing waits from here on: either all of them are ours, or none
            if not self.memory.remember(entry):
                continue
            its = facts.get(entry.chunk_id)
            stop = stopped.get(entry.entry_id)
            ready = Ready(entry, lane, its.ip_pool if its else "default")
            if stop is None or its is None:
                self._routing.send(ready)
            else:
                self.outcomes.stopped(ready, its, stop)

    def cancel_entry(self, entry: Entry, lane: Lane, facts: ChunkFacts) -> bool:
        """End an entry that was claimed for us, as cancelled; False: an attempt of before still runs."""
        if not self.memory.remember(entry):
            return False
        self.outcomes.stopped(Ready(entry, lane), facts, Stop(CANCELED))
        return True

    def give_back_of(self, accounts: set[int]) -> None:
        """Let the untried entries of some customers wait in PostgreSQL again: they are checked when they are read."""
        for queue in self.sites:
            for ready in queue.remove_accounts(accounts):
                self.give_back(ready)
            self.memory.emptied(queue.site.key)
        for ready in self._routing.remove_accounts(accounts):
            self.give_back(ready)

    def settled(self, settlement: Settlement, really: bool) -> None:
        """An outcome is written: the entry leaves memory, and a chunk of its own with it."""
        self.in_flight.settled()
        self.memory.forget(settlement.entry)
        if settlement.finish and settlement.entry.alone:
            self.letters.drop((settlement.entry.chunk_id,))

    def drop_shard(self, shard: int) -> None:
        """Forget what belongs to a shard that has another owner now."""
        for queue in self.sites:
            for ready in queue.remove_shard(shard):
                self.memory.forget(ready.entry)
            self.memory.emptied(queue.site.key)
        for ready in self._routing.remove_shard(shard):
            self.memory.forget(ready.entry)

    def holds_shard(self, shard: int) -> bool:
        """Return whether an entry of this shard is in memory."""
        return self.memory.holds_shard(shard)

    async def may_read(self, lane: Lane) -> str | None:
        """Return why a lane must not be read now; None: it may."""
        if self.stopping:
            return "stopping"
        if not self.holds.known:
            return UNKNOWN
        blocked = self.holds.blocks(lane.key)
        if blocked is not None:
            return blocked.name
        full = self.memory.full()
        if full is not None:
            return self.memory.wait(full)
        route = self._routing.known(lane.key.domain)
        if route is None:
            self._routing.look_up(lane.key.domain)
            return f"dns:{lane.key.domain}"
        site = route.site
        if site is None:
            return None  # its entries are settled with the trouble
        if self.sites.stops(site, self._pools.line(lane.key.account_id, lane.key.ip_pool).own):
            return f"site:{site.key}"
        full = self.memory.site_full(site.key, lane.key.account_id, 1)
        if full is None:
            return None
        of_customer = full != f"room:{site.key}"
        return self.memory.wait(full, site_key=site.key, account_id=lane.key.account_id if of_customer else None)

    async def expire(self, entry: Entry, last_reply: str | None) -> None:
        """Return a message that outlived its time without another attempt."""
        chunk = await self.letters.chunk(entry)
        lane = self.owner.book.get(entry.shard, entry.lane)
        if chunk is not None and lane is not None and self.memory.remember(entry):
            self.outcomes.expired(Ready(entry, lane), chunk, last_reply or self._what_holds(lane.key))

    async def outlived(self, ready: Ready, last_reply: str) -> None:
        """Return a message whose time ended while it waited in memory."""
        chunk = await self.letters.chunk(ready.entry)
        if chunk is None:
            self.lost_content(ready)
        else:
            self.outcomes.expired(ready, chunk, last_reply if ready.entry.tries else self._what_holds(ready.lane.key))

    def _what_holds(self, lane: LaneKey) -> str:
        """Return why a lane's messages were not tried."""
        route = self._routing.known(lane.domain)
        if self.room.waits(lane.account_id, lane.ip_pool):
            return "its addresses have sent what warm-up lets them send"
        hold = self.holds.blocks(lane) or (self.holds.site("", route.site.key) if route and route.site else None)
        return (hold.last_reply or hold.reason) if hold else "never attempted"

    # running ----------------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until told to stop; then finish what is in flight, for drain_s at most, and tell the queue."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for watching in (
                    self.holds.run(),
                    self.fresh.run(),
                    self.in_flight.watch(),
                    self.opening.watch(),
                    self._pools.run(),
                    self.warmup.addresses.run(),
                    self.warmup.pairs.run(),
                    self.room.run(),
                ):
                    self._spawn(watching, "watch")
                try:
                    await stop.wait()
                finally:
                    self.stopping = True
                    self._stop.set()
                    self.connections.close()
                if self.connections.running:
                    _, left = await asyncio.wait(set(self.connections.running), timeout=self.settings.drain_s)
                    if left:
                        log.warning("drain_cut_short", connections=len(left))
                self._tasks = None
                for task in self._under_way:  # look-ups, too: what waits for them waits in PostgreSQL as well
                    task.cancel()
        finally:
            self.stopping = True
            self._tasks = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_AT_END_S):
                    await self.warmup.tell(everything=True)
            self.owner.drained.set()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._tasks is None or self.stopping:
            work.close()
            return None
        task = self._tasks.create_task(self._guarded(work, name), name=name)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception:  # the edge of one unit of work: the others go on
            log.exception("delivery_task_failed", task=name)

    async def _after(self, seconds: float, work: Callable[[], None]) -> None:
        if not await set_within(self._stop, seconds):
            work()

    # to the site ------------------------------------------------------------------------------------------------------

    def _queue_up(self, ready: Ready, site: Site) -> None:
        line = self._pools.line(ready.lane.key.account_id, ready.ip_pool)
        choice = self.sites.choose(line, ready.entry.entry_id, site)
        if choice is None:
            if self._waits_for_room(ready, line):
                return
            choice = self.sites.choose(line, ready.entry.entry_id, site, must_go=True)
            assert choice is not None
        ready.beyond = choice.beyond
        self.requeue(self.sites.queue(choice.source, site), ready)

    def reroute(self, queue: SiteQueue, ready: Ready) -> None:
        """Let an untried entry find another address: that of its queue has used up its volume."""
        self._queue_up(ready, queue.site)

    def _filled(self, address: str, provider: str) -> None:
        """An address has used up its volume (of one provider): what waits for it finds another one, or waits for room."""
        for queue in self.sites:
            if queue.source.address != address or queue.site.key == SINK.key:
                continue
            if provider and queue.site.provider != provider:
                continue
            for ready in queue.drain():
                self._queue_up(ready, queue.site)
            self.memory.emptied(queue.site.key)

    def _waits_for_room(self, ready: Ready, line: Line) -> bool:
        """Let an entry wait in PostgreSQL until an address of its pool has room; False: it has waited long enough."""
        until = ready.entry.expires_at - self._lifetime + self._patience
        if line.when_full is WhenFull.SEND or until <= self.clock.now():
            return False
        self.memory.forget(ready.entry)
        why = self.room.wait(ready.lane.key.account_id, ready.ip_pool, until=until)
        self.owner.set_aside(ready.entry, why)
        return True

    def requeue(self, queue: SiteQueue, ready: Ready) -> None:
        """Let an untried entry wait in a site's queue, or in PostgreSQL where the site is held."""
        if self.sites.keeps(queue):
            queue.push(ready)
            self.connections.grow_soon(queue)
        else:
            self.memory.forget(ready.entry)
            self.owner.set_aside(ready.entry, f"site:{queue.name}")

    def _looked_up(self, domain: str, has_site: bool) -> None:
        if has_site:
            self._unroutable.found(domain)
        self.owner.unpark(f"dns:{domain}")

    async def _settle_unroutable(self, domain: str, route: Route, waiting: list[Ready]) -> None:
        """No host takes this domain's mail."""
        try:
            outcome, attempt, waiting = await self._unroutable.judge(domain, route, waiting)
            for ready in waiting:
                chunk = await self.letters.chunk(ready.entry)
                if chunk is None:
                    self.lost_content(ready)
                    continue
                self.outcomes.settle(ready, chunk, outcome, attempt, settle.Told())
        except Temporary:
            for ready in waiting:
                if not ready.settled:
                    self.give_back(ready)
        except BaseException:
            for ready in waiting:
                if not ready.settled:
                    self.rest(ready)
            raise

    # holds ------------------------------------------------------------------------------------------------------------

    def _hold_began(self, hold: Hold) -> None:
        """What a hold stops leaves memory. The entries of a lane do so when their turn comes."""
        if hold.scope == "site":
            for queue in self.sites.at(hold.key):
                if self.sites.is_held(queue):
                    self.sites.clear(queue)

    def _hold_ended(self, hold: Hold) -> None:
        self.owner.unpark(hold.name)
        if hold.scope == "site":
            self.owner.unpark(f"site:{hold.key}")
            for queue in self.sites.at(hold.key):
                if hold.placed_by == "delivery" and hold.source_ip == queue.source.address:
                    self.sites.lifted(queue)
                if not self.sites.is_held(queue):
                    self._opened(queue)

    def _opened(self, queue: SiteQueue) -> None:
        """A queue may go on, or deserves more connections."""
        self.owner.unpark(f"site:{queue.site.key}")
        self.owner.unpark(f"site:{queue.name}")
        if queue.depth:
            self.connections.grow_soon(queue)

    def lost_content(self, ready: Ready) -> None:
        """An entry without its chunk: a fault of ours. The row stays for whoever looks; it is not read again until a restart."""
        log.error("content_missing", message_id=ready.entry.entry_id.hex(), chunk_id=ready.entry.chunk_id.hex())
        ready.settled = True
        self.memory.forget(ready.entry)

    def give_back(self, ready: Ready) -> None:
        """Let an untried entry wait in PostgreSQL again."""
        self.memory.forget(ready.entry)
        self.owner.give_back(ready.entry)

    def rest(self, ready: Ready) -> None:
        """Let an untried entry wait in PostgreSQL, and its lane rest: an error of ours stands in its way."""
        self.memory.forget(ready.entry)
        self.owner.rest(ready.entry)

    # for whoever looks ------------------------------------------------------------------------------------------------

    def where_is(self, entry_id: bytes) -> dict[str, Any] | None:
        """Return where a message is in memory; None: it is not."""
        if entry_id not in self.memory:
            return None
        for queue in self.sites:
            place = queue.place_of(entry_id)
            if place is not None:
                return {"state": "ready", "site": queue.site.key, "source_ip": queue.source.address, "before_it": place}
        if self._routing.is_waiting(entry_id):
            return {"state": "looking_up"}
        return {"state": "in_flight"}

    def recalled(self, ip: str, site: str, keep: int) -> None:
        """The pace keeper wants connections back."""
        self.connections.recalled(ip, site, keep)

    @property
    def in_memory(self) -> int:
        """Return how many messages are in memory."""
        return len(self.memory)
