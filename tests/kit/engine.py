"""A delivery engine with everything real around it: an owner on PostgreSQL, a resolver on the kit's DNS, peers on loopback.

async with post_office(database, {"slow.test": "127.0.0.31"}, port=mx.port) as post:
    await post.hand_over(["a@slow.test"])
    await post.until(lambda: post.delivered == 1)
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace as restruct

from homing.delivery.cancel import Canceller
from homing.delivery.engine import Engine
from homing.delivery.letters import NO_MARKING, Letters
from homing.delivery.peers import Peers
from homing.delivery.ready import SiteQueue
from homing.delivery.resolver import Resolver
from homing.delivery.rules.addresses import AddressPolicy
from homing.delivery.rules.site import Providers
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.tracking import TrackingBook
from homing.egress import store as egress
from homing.egress.pools import PoolBook
from homing.egress.rules.pace import PaceBook
from homing.egress.rules.shaping import Shaping
from homing.egress.types import IpPool, SendingIp
from homing.events.rules.classify import Classifier
from homing.events.types import EventType
from homing.ground import db
from homing.ground.clock import Clock, SystemClock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.ingress.generate import Generator
from homing.ingress.suppression import SuppressionDesk
from homing.message.tracked import Seal
from homing.queue import holds
from homing.queue.owner import Owner
from homing.queue.types import NewChunk, Wish
from homing.spool.css import Inliner
from homing.spool.marks import Marking
from homing.templates.book import SnippetBook
from tests.kit.dns import DnsServer, Records, dns_server
from tests.kit.mail import new_chunk

KEY = MasterKey(b"k" * 32)


class NoExpansion(AssertionError):
    """These tests hand nothing over that would have to be expanded."""


class AnyDomain(DomainBook):
    """Lets everybody send from everywhere: for tests of what comes after that question."""

    def is_sender(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        return True

    async def may_send(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        return True

    async def may_return(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        return True


class LocalPace:
    """The pace keeper's book without the channel to it; `other` is another worker of the node."""

    def __init__(self) -> None:
        self.book = PaceBook()
        self.asked = 0
        self.engine: Engine | None = None

    async def slots(self, ip: str, site: str, *, wanted: int, limit: int) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        return self.book.want("us", ip, site, wanted=wanted, limit=limit, now=loop.time()).keep

    async def release(self, ip: str, site: str, kept: int) -> None:
        self.book.keep("us", ip, site, kept=kept)

    async def tokens(self, ip: str, site: str, *, per_minute: int) -> int:
        return min(1, self.book.tokens(ip, site, per_minute=per_minute, now=asyncio.get_running_loop().time()))

    def other_wants(self, ip: str, site: str, *, wanted: int, limit: int) -> int:
        """Ask for another worker, and pass on what the keeper asks of us."""
        answer = self.book.want("other", ip, site, wanted=wanted, limit=limit, now=asyncio.get_running_loop().time())
        assert self.engine is not None
        for recall in answer.recalls:
            self.engine.recalled(recall.ip, recall.site, recall.keep)
        return answer.granted


class PostOffice:
    """What a test sees."""

    def __init__(
        self,
        engine: Engine,
        owner: Owner,
        pool: db.Pool,
        pace: LocalPace,
        dns: DnsServer,
        pools: PoolBook,
        domains: DomainBook,
        clock: Clock,
    ) -> None:
        self.engine = engine
        self.owner = owner
        self.pool = pool
        self.pace = pace
        self.dns = dns
        self.pools = pools
        self.clock = clock
        self.domains = domains
        self.stop = asyncio.Event()

    async def hand_over(
        self, recipients: list[str], *, pool: str = "default", lifetime: timedelta | None = None, **facts: Any
    ) -> None:
        """Take responsibility for one chunk."""
        facts.setdefault("accepted_at", self.clock.now())
        place = self.owner.place(len(recipients))
        chunk: NewChunk = new_chunk(place, recipients, lifetime=lifetime or timedelta(hours=72), **facts)
        await self.owner.hand_over(restruct(chunk, facts=restruct(chunk.facts, ip_pool=pool)))

    async def account(self, name: str = "acme") -> int:
        """Make a customer."""
        number: int = await self.pool.fetchval("INSERT INTO accounts (name) VALUES ($1) RETURNING account_id", name)
        return number

    async def give(
        self, account_id: int, address: str, *, pool: str = "default", stage: int | None = None, **of_pool: Any
    ) -> None:
        """Give a customer an address, in a pool that is made where it is missing; this worker knows it afterwards."""
        if pool not in await egress.pools_of(self.pool, account_id):
            await egress.add_pool(self.pool, IpPool(account_id=account_id, pool_id=pool, name=pool))
        if of_pool:
            await egress.change_pool(self.pool, account_id, pool, of_pool)
        made = SendingIp(address=address, hostname=f"{pool}.test", account_id=account_id, pool_id=pool, stage=stage)
        await egress.assign(self.pool, made, today=self.clock.now().date())
        await self.pools.refresh()

    def queue(self, site: str, source: str = "") -> SiteQueue:
        """Return the ready queue of a site."""
        return next(one for one in self.engine.sites if one.site.key == site and one.source.address == source)

    @property
    def delivered(self) -> int:
        return self.engine.outcomes.counters.delivered

    async def events(self, kind: EventType) -> list[str]:
        """Return the recipients of the events of one type."""
        rows = await self.pool.fetch("SELECT recipient FROM events WHERE type = $1 ORDER BY seq", int(kind))
        return [row["recipient"] for row in rows]

    async def waiting(self) -> int:
        """Return how many messages wait, in memory or not."""
        number: int = await self.pool.fetchval("SELECT count(*) FROM queue_entries")
        return number

    async def hold(self, scope: str, key: str, *, account_id: int | None = None, source_ip: str = "") -> None:
        """Place a hold as an operator does, in the table alone."""
        await holds.place(
            self.pool,
            holds.Hold(scope=scope, key=key, account_id=account_id, reason="a test", source_ip=source_ip, placed_by="kim"),
        )

    async def resume(self, scope: str, key: str, *, account_id: int | None = None, source_ip: str = "") -> None:
        """Lift a hold as an operator does."""
        assert await holds.lift(self.pool, scope=scope, key=key, account_id=account_id, source_ip=source_ip)

    async def until(self, condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
        """Wait for something to be true."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_empty(self, *, within_s: float = 10.0) -> None:
        """Wait until nothing is in the queue any more."""
        async with asyncio.timeout(within_s):
            while await self.waiting():
                await asyncio.sleep(0.02)

    def everything_is_somewhere(self) -> bool:
        """Say whether each message that the book counts as in memory really lies in a queue, a look-up or an attempt."""
        held = {entry_id for lane in self.owner.book for entry_id in lane.held}
        places = [self.engine.where_is(entry_id) for entry_id in held]
        adrift = sum(1 for place in places if place is None)
        under_way = sum(1 for place in places if place is not None and place["state"] == "in_flight")
        busy = sum(queue.connections for queue in self.engine.sites) + self.owner.writer.pending_settlements
        return not adrift and under_way <= busy


@asynccontextmanager
async def post_office(
    dsn: str,
    sites: dict[str, str] | Records,
    *,
    port: int,
    owner_name: str = "one",
    tracking_base: str = "",
    clock: Clock | None = None,
    judged: bool = False,
    **settings: Any,
) -> AsyncIterator[PostOffice]:
    """Run an engine.

    sites           domain -> address of its MX, or whole DNS records
    tracking_base   what the installation's tracked addresses begin with; '': nothing is tracked
    judged          mail leaves only from domains that its senders may use, as it is in a house
    """
    records: Records = {}
    for name, value in sites.items():
        if isinstance(value, str) and value[:1].isdigit():
            records[f"{name} MX"] = [f"10 mx.{name}."]
            records[f"mx.{name} A"] = [value]
        else:
            records[name] = value
    chosen: dict[str, Any] = {
        "data": Path("/nonexistent"),
        "hostname": "mta.test",
        "bounce_domain": "bounce.test",
        "delivery_port": port,
        "allow_private_mx": True,
        "retry_first_s": 20.0,
        "retry_jitter": 0.0,
        "drain_s": 2.0,
        "idle_s": 0.2,
        "command_timeout_s": 10.0,
        "connect_timeout_s": 2.0,
    }
    made = Settings(**(chosen | settings))
    clock = clock or SystemClock()
    async with dns_server(records) as dns, db.pool(dsn, name="test", most=6) as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS events_any PARTITION OF events DEFAULT")
        owner = Owner(
            dsn=dsn, pool=pool, worker_id=owner_name, term_s=5.0, lifetime=timedelta(seconds=made.lifetime_s), clock=clock
        )
        pools = PoolBook(pool, source_ips=made.source_ips, hostname=made.hostname)
        resolver = Resolver(
            dns_server=dns.address,
            smarthost=None,
            policy=AddressPolicy(port=port, allow_private=True),
            providers=Providers.from_package(),
            ipv6=False,
            clock=clock,
            timeout_s=2.0,
        )
        inliner = Inliner()
        domains = (DomainBook if judged else AnyDomain)(pool, clock, house=made.sandbox_domain)
        letters = Letters(
            pool,
            clock,
            KeyRing(pool, KEY, clock),
            pools,
            domains,
            SnippetBook(pool, clock),
            marking=Marking(seal=Seal(b"s" * 32), base=tracking_base) if tracking_base else NO_MARKING,
            tracking=TrackingBook(pool, clock, own_base=tracking_base, own_hosts=frozenset()),
            hostname=made.hostname,
            bounce_domain=made.bounce_domain,
            inline=inliner,
            token=lambda message: KEY.token(message, purpose="verp"),
        )
        pace = LocalPace()
        engine = Engine(
            settings=made,
            owner=owner,
            pool=pool,
            clock=clock,
            letters=letters,
            pools=pools,
            domains=domains,
            resolver=resolver,
            slots=pace,
            shaping=Shaping.from_package(),
            classifier=Classifier.from_package(),
            peers=Peers(made),
        )
        pace.engine = engine

        async def expand(*_: object) -> NewChunk:
            raise NoExpansion

        generate = Generator(pool, SuppressionDesk.over(pool), domains, lifetime=timedelta(seconds=made.lifetime_s))

        async def generated(wish: Wish, payload: bytes) -> NewChunk | None:
            return await generate(payload, lambda count: owner.place_in(wish.shard, count), clock.now())

        owner.attach(engine, expand, kinds={"generate": generated, "cancel": Canceller(engine, pool)})
        post = PostOffice(engine, owner, pool, pace, dns, pools, domains, clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(engine.run(post.stop))
            tasks.create_task(owner.run(post.stop, may_read=engine.may_read))
            await asyncio.wait_for(owner.keeper.first_claim.wait(), 10)
            try:
                yield post
            finally:
                post.stop.set()
        await resolver.close()
        inliner.close()


def free_port() -> int:
    """Return a port that is free on every loopback address, as far as one can know."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port: int = probe.getsockname()[1]
        return port
