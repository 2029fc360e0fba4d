"""A worker process: both doors, the queue of its shards and the delivery engine in one event loop.

Started by the supervisor with its listening sockets and a channel (ground.attach). SIGTERM drains: doors close, what is
in flight ends, outcomes are written, shards are given back.
"""

import asyncio
import contextlib
import gc
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from litestar.handlers import HTTPRouteHandler

from homing.abtests.book import AbTestBook
from homing.accounts.allowance import Allowance
from homing.accounts.authenticate import Authenticator
from homing.accounts.types import Sender
from homing.api import server
from homing.api.app import Deps, make_app
from homing.api.bodies import Bodies
from homing.boot.gauges import register, snapshot_of, trace_of
from homing.boot.line import Line
from homing.boot.names import SLATE, resolved, tracking_base, tracking_hosts
from homing.boot.oversight import Oversight
from homing.boot.routes import resources
from homing.boot.services import Services, keepsakes_of, marking_of, recall_of
from homing.boot.support import Support
from homing.delivery.cancel import Canceller
from homing.delivery.engine import Engine
from homing.delivery.letters import Letters
from homing.delivery.peers import Peers
from homing.delivery.resolver import Resolver
from homing.delivery.rules.addresses import AddressPolicy
from homing.delivery.rules.site import Providers
from homing.delivery.sink import SUFFIX
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.tracking import TrackingBook
from homing.egress.pace import PaceClient
from homing.egress.pools import PoolBook
from homing.egress.rules.shaping import Shaping
from homing.events.rules.classify import Classifier
from homing.evidence.journal import Journal
from homing.evidence.slate import Slate
from homing.evidence.sources import SourceBook
from homing.evidence.types import Door
from homing.ground import config, db, log, metrics
from homing.ground.attach import Attachment, attached
from homing.ground.clock import SystemClock
from homing.ground.config import Settings
from homing.ground.disk import DiskGuard
from homing.ground.errors import Temporary
from homing.ground.postgres import DSN_FILE
from homing.ground.secrets import load_or_make
from homing.ground.sockets import BACKLOG
from homing.ground.tls import self_signed, server_context
from homing.inbound.door import MxDoor
from homing.inbound.relay import RelayEngine
from homing.inbound.relays import Relays
from homing.inbound.returned import Returns
from homing.inbound.rules.destination import Tokens
from homing.inbound.store import RelayWebhooks
from homing.inbound.target import Poster
from homing.ingest import batches
from homing.ingest.digest import Digester
from homing.ingress.accept import Accept
from homing.ingress.expand import Expander
from homing.ingress.generate import Generator
from homing.ingress.notices import Notices
from homing.ingress.smtp_server import SmtpDoor
from homing.ingress.submit import Submit
from homing.ingress.suppression import SuppressionDesk
from homing.ingress.types import Accepted, Refused, Transmission
from homing.message import msfbl, unsubscribe
from homing.queue import tell
from homing.queue.inbox import Obey
from homing.queue.owner import Owner
from homing.queue.types import NewChunk, Wish
from homing.smtp.server import SmtpSettings
from homing.spool.css import Inliner
from homing.templates.book import SnippetBook, TemplateBook

_log = log.get("boot")


def main() -> None:
    """Run one worker until SIGTERM, or until the supervisor is gone."""
    settings = resolved(config.read())
    log.set_up(level=settings.log_level)
    gc.set_threshold(50_000, 20, 50)  # messages make no cycles; what the modules hold is frozen (ground/collector.py)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # Ctrl-C reaches the whole group; the supervisor decides
    dsn = settings.database_url or (settings.data / DSN_FILE).read_text().strip()
    async with attached() as attachment, db.pool(dsn, least=2, most=8, name="homing") as pool:
        worker = Worker(settings, dsn, pool, attachment)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_stop_when_orphaned(attachment, stop), name="orphaned")
            await worker.run(stop)
            attachment.orphaned.set()


async def _stop_when_orphaned(attachment: Attachment, stop: asyncio.Event) -> None:
    await attachment.orphaned.wait()
    stop.set()


class Worker:
    """Everything one worker is made of, wired."""

    def __init__(self, settings: Settings, dsn: str, pool: db.Pool, attachment: Attachment) -> None:
        self._settings = settings
        self._attachment = attachment
        self._pool = pool
        clock = self._clock = SystemClock()
        master_key = self._master_key = load_or_make(settings.master_key_path)
        lifetime = timedelta(seconds=settings.lifetime_s)
        self.owner = Owner(
            dsn=dsn, pool=pool, worker_id=attachment.worker_id, term_s=settings.lease_s, lifetime=lifetime, clock=clock
        )
        pools = self.pools = PoolBook(pool, source_ips=settings.source_ips, hostname=settings.hostname)
        self.resolver = Resolver(
            dns_server=settings.dns,
            smarthost=settings.smarthost,
            sinks=tuple(name for name in (SUFFIX, settings.sink_domain.lower()) if name),
            policy=AddressPolicy(
                port=settings.delivery_port,
                allow_private=settings.allow_private_mx,
                listeners=(settings.smtp,),
                own=pools,
            ),
            providers=Providers.from_package(),
            clock=clock,
        )
        self.templates = TemplateBook(pool, clock)
        self.snippets = SnippetBook(pool, clock)
        self.inliner, self.preview_inliner = Inliner(), Inliner()  # a preview that takes long holds up no delivery
        self.ab_tests = AbTestBook(pool, clock)
        self.domains = DomainBook(pool, clock, house=settings.sandbox_domain.lower())
        self.keyring = KeyRing(pool, master_key, clock)
        self.tracking = TrackingBook(pool, clock, own_base=tracking_base(settings), own_hosts=tracking_hosts(settings))
        self.classifier = Classifier.from_package()
        self.pace = PaceClient(attachment.channel, recalled=lambda ip, site, keep: self.engine.recalled(ip, site, keep))
        self.engine = Engine(
            settings=settings,
            owner=self.owner,
            pool=pool,
            clock=clock,
            letters=Letters(
                pool,
                clock,
                self.keyring,
                pools,
                self.domains,
                self.snippets,
                marking=marking_of(settings, master_key),
                inline=self.inliner,
                tracking=self.tracking,
                hostname=settings.hostname,
                bounce_domain=settings.bounce_domain,
                token=partial(master_key.token, purpose="verp"),
            ),
            pools=pools,
            domains=self.domains,
            resolver=self.resolver,
            slots=self.pace,
            shaping=Shaping.from_package(),
            classifier=self.classifier,
            peers=Peers(settings),
        )
        desk = SuppressionDesk.over(pool)
        generate = Generator(pool, desk, self.domains, lifetime=lifetime)

        async def generated(wish: Wish, payload: bytes) -> NewChunk | None:
            return await generate(payload, lambda count: self.owner.place_in(wish.shard, count), clock.now())

        kinds: dict[str, Obey] = {
            "generate": generated,
            "cancel": Canceller(self.engine, pool),
            batches.KIND: Digester(pool, clock),
            tell.KIND: tell.told,
        }
        self.owner.attach(self.engine, Expander(desk, self.domains, lifetime=lifetime), kinds=kinds)
        self.authenticator = Authenticator(pool, clock)
        self.accept = Accept(
            accounts=self.authenticator.book,
            allowance=Allowance(pool, clock),
            domains=self.domains,
            keys=self.keyring,
            tracking=self.tracking,
            pools=pools,
            desk=desk,
            handover=self.owner,
            submit=Submit(pool, news=self.owner.look_into_inbox),
            templates=self.templates,
            ab_tests=self.ab_tests,
            bounce_domain=settings.bounce_domain,
            lifetime=lifetime,
        )
        self.notices = Notices(pool, self.accept, sender=settings.notice_from, refuse_new=self.refuse_new, clock=clock)
        self.support = Support(settings, pool, clock, master_key, self.notices)
        self.line = Line(settings, pool, clock, master_key, mail=self.notices, calls=self.support.calls)
        self.services = Services(
            settings,
            pool,
            clock,
            master_key,
            self.owner,
            self.classifier,
            self.ab_tests,
            worker_id=attachment.worker_id,
            mail=self.notices,
            tracking=self.tracking,
            support=self.support,
            channels=self.line.channels,
            forget_domains=self.forget_domains,
        )
        self.oversight = Oversight(
            settings,
            pool,
            clock,
            master_key,
            mail=self.notices,
            line=self.line,
            desk=self.support.desk,
            address=self.support.address,
            legal=self.support.legal,
        )
        slate = attachment.files.get(SLATE)
        evidence, worker_id = settings.data / "evidence", attachment.worker_id
        self.journal = Journal(evidence, worker_id, slate=None if slate is None else Slate(slate))
        self.sources = SourceBook(evidence, worker_id, trust=settings.smtp_trust)
        self.guard = DiskGuard(self._disks(), min_free_bytes=settings.min_free_bytes, min_free_share=settings.min_free_share)
        self._tls = self._tls_context()
        self.smtp = self._smtp_door()
        self.relay_webhooks = RelayWebhooks(pool, master_key)
        self.poster = Poster(self.services.http, clock)
        self.relay = RelayEngine(
            pool,
            clock,
            webhooks=self.relay_webhooks,
            poster=self.poster,
            record=self.owner.record,
            may_post=lambda: self.refuse_new() is None,
        )
        self.relays = Relays(
            pool,
            clock,
            record=self.owner.record,
            new_ids=lambda count: self.owner.place(count).message_ids,
            news=self.relay.look,
        )
        self.mx = self._mx_door()
        self.registry = metrics.new_registry()
        register(self.registry, self)
        channel = attachment.channel
        channel.on("metrics", lambda: metrics.text(self.registry))
        channel.on("snapshot", lambda: snapshot_of(self, attachment.worker_id))
        channel.on("trace", lambda message_id: trace_of(self, message_id))

    def _disks(self) -> list[Path]:
        """Return the folders whose disks must not fill up: our data, and the embedded server's wherever it lies."""
        cluster = self._settings.data / "postgres"
        return [self._settings.data, *([cluster.resolve()] if cluster.exists() else [])]

    def _tls_context(self) -> ssl.SSLContext:
        settings = self._settings
        if settings.tls_cert is not None:
            return server_context(settings.tls_cert, settings.tls_key)
        return server_context(self_signed(settings.data / "tls", hostname=settings.hostname, now=self._clock.now()))

    def _mx_door(self) -> MxDoor:
        """Return the door for mail that comes back; it is opened only where HOMING_MX is set."""
        settings, token = self._settings, self._master_key.token
        tokens = Tokens(
            verp=partial(token, purpose="verp"),
            unsubscribe=partial(token, purpose=unsubscribe.PURPOSE),
            msfbl=partial(token, purpose=msfbl.PURPOSE, size=msfbl.MAC_BYTES),
            keepsakes=keepsakes_of(self._master_key),
        )
        return MxDoor(
            self._pool,
            hostname=settings.hostname,
            max_message_bytes=settings.max_message_bytes,
            own_domains=frozenset({settings.bounce_domain.lower(), settings.hostname.lower()}),
            tokens=tokens,
            returns=Returns(
                self._pool,
                self._clock,
                record=self.owner.record,
                rules=self.classifier,
                tokens=tokens,
                recall=recall_of(self._master_key),
            ),
            relays=self.relays,
            refuse_new=self.refuse_new,
            clock=self._clock,
            tls=self._tls,
            support=self.support.door(),
            tam=self.oversight.mailroom,
        )

    def _smtp_door(self) -> SmtpDoor:
        settings = self._settings

        async def accept(transmission: Transmission, sender: Sender) -> Accepted | Refused:
            return await self.accept(transmission, sender, now=self._clock.now())

        return SmtpDoor(
            SmtpSettings(
                hostname=settings.hostname,
                max_message_bytes=settings.max_message_bytes,
                max_connections=settings.smtp_max_connections,
                idle_s=settings.smtp_idle_s,
                auth_in_clear=settings.smtp_auth_in_clear,
            ),
            accept=accept,
            authenticate=self.authenticator.authenticate,
            refuse_new=self.refuse_new,
            clock=self._clock,
            trusted=(lambda ip: self.authenticator.trusted(ip, settings.smtp_trust)) if settings.smtp_trust else None,
            tls=self._tls,
            begin=self.journal.at(Door.SMTP),
            whose=self.sources.whose,
            note=self.sources.note,
        )

    def refuse_new(self) -> str | None:
        """Return why nothing new is taken now, in words for strangers."""
        reason = self.guard.refuse_new()
        if reason is not None:
            return reason
        if not self.owner.lease.valid() or not self.owner.lease.epochs:
            return "the queue is not ready"
        return None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop, then drain."""
        settings = self._settings
        attachment = self._attachment
        await asyncio.to_thread(self.sources.load)
        halt = asyncio.Event()  # of the journal and the disk guard: they outlive the drain
        quiet = asyncio.Event()  # no door takes anything any more: the queue may end
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.journal.run(halt), name="journal")
            tasks.create_task(self.guard.run(halt), name="disk")
            tasks.create_task(self.sources.run(halt), name="sources")
            # Attempts end while the doors answer what they have taken: all of it within drain_s.
            engine = tasks.create_task(self.engine.run(stop), name="engine")
            relay = tasks.create_task(self.relay.run(stop), name="relay")
            owner = tasks.create_task(self.owner.run(quiet, may_read=self.engine.may_read), name="owner")
            tasks.create_task(self.services.run(stop), name="services")
            line = tasks.create_task(self.line.keeper.run(), name="line")
            oversight = tasks.create_task(self.oversight.run(), name="oversight")
            async with self._doors():
                claimed = asyncio.ensure_future(self.owner.keeper.first_claim.wait())
                stopping = asyncio.ensure_future(stop.wait())
                await asyncio.wait({claimed, stopping}, return_when=asyncio.FIRST_COMPLETED)
                claimed.cancel()
                if not stop.is_set():
                    attachment.ready()
                await stopping
                attachment.draining()
                _log.info("draining", worker=attachment.worker_id)
            await asyncio.wait({relay}, timeout=settings.drain_s / 3)
            quiet.set()
            await asyncio.wait({engine, owner})
            relay.cancel()
            line.cancel()
            oversight.cancel()
            halt.set()
        await self.resolver.close()
        for inliner in (self.inliner, self.preview_inliner):
            inliner.close()
        _log.info("drained", worker=attachment.worker_id, drain_s=settings.drain_s)

    @asynccontextmanager
    async def _doors(self) -> AsyncIterator[None]:
        """Serve the doors; on leaving, take nothing new and answer what was taken."""
        settings, sockets = self._settings, self._attachment.sockets
        loop = asyncio.get_running_loop()
        deps = self._deps()
        tls: dict[str, Any] = {}
        if settings.tls_cert is not None:
            tls = {"cert": settings.tls_cert, "key": settings.tls_key}
        async with server.serving(make_app(deps), sockets["http"], drain_s=settings.drain_s * 2 / 3, begin=deps.begin, **tls):
            # The loop listens anew, and would cut the queue to 100: two hundred clients that connect at once then wait a second.
            doors = [(self.smtp, sockets["smtp"]), *([(self.mx.smtp, sockets["mx"])] if "mx" in sockets else [])]
            opened = [await loop.create_server(door.protocol_factory, sock=sock, backlog=BACKLOG) for door, sock in doors]
            tracking = contextlib.AsyncExitStack()
            if "tracking" in sockets:
                certificates = self.services.certificates
                await asyncio.to_thread(certificates.look)
                site = server.serving(
                    self.services.site,
                    sockets["tracking"],
                    drain_s=settings.drain_s / 3,
                    certificates=certificates,
                    **tls,
                )
                await tracking.enter_async_context(site)
            try:
                yield
            finally:
                await tracking.aclose()
                await self.services.desk.flush()  # what was noted until the last request
                for server_socket in opened:
                    server_socket.close()
                patience = min(settings.drain_s / 3, 10.0)
                await asyncio.gather(*(door.close(patience) for door, _ in doors), return_exceptions=True)

    def _deps(self) -> Deps:
        """Return what the HTTP door needs."""
        settings, channel = self._settings, self._attachment.channel

        async def ready() -> dict[str, Any]:
            try:
                everybody = bool(await channel.ask("house_ready", timeout_s=2.0))
            except Temporary:
                everybody = False
            reason = self.refuse_new()
            return {"ready": everybody} if reason is None else {"ready": everybody, "refuses_new": reason}

        async def all_metrics() -> bytes:
            text: str = await channel.ask("house_metrics", timeout_s=5.0)
            return text.encode()

        def further(bodies: Bodies) -> list[HTTPRouteHandler]:
            return resources(self, bodies, settings=settings, pool=self._pool, clock=self._clock, master_key=self._master_key)

        return Deps(
            authenticate=self.authenticator.authenticate,
            accept=self.accept,
            begin=self.journal.at(Door.API),
            refuse_new=self.refuse_new,
            ready=ready,
            metrics=all_metrics,
            pool=self._pool,
            clock=self._clock,
            max_body_bytes=settings.max_message_bytes,
            max_request_bytes=settings.max_request_bytes,
            spool_folder=settings.data,
            more_routes=further,
            pages=self.support.pages(self._pool),
        )

    def forget_domains(self) -> None:
        """Ask the database anew for domains and keys: one was changed."""
        self.domains.forget()
        self.keyring.forget()
        self.tracking.forget()
