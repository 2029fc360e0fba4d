"""What a worker does besides taking and delivering mail: it follows the log, and tells customers what happened."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from homing.abtests.book import AbTestBook
from homing.abtests.fold import AbTestFollower
from homing.abtests.keeper import Keeper
from homing.accounts.grants import read_masks
from homing.boot.alarms import Alarms
from homing.boot.domains import DnsDomains, resolver_of
from homing.boot.names import tracking_base, tracking_hosts
from homing.boot.support import Support
from homing.domains.recheck import Rechecker
from homing.domains.tracking import TrackingBook
from homing.domains.verify import DomainDns
from homing.egress.fold import WarmupFollower
from homing.engagement.desk import Desk
from homing.engagement.geo import Geo
from homing.engagement.site import Site
from homing.events.feed import Feed, Follower
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.certificates import Certificates
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.message import keepsake, msfbl, unsubscribe
from homing.message.tracked import Seal
from homing.metrics.alerts import Alerts
from homing.metrics.fold import MetricsFollower
from homing.metrics.watch import Mail, Watcher
from homing.privacy.clerk import Clerk
from homing.queue.owner import Owner
from homing.queue.tell import tell
from homing.recipients.importer import FOLDER, Importer
from homing.recipients.recall import Recall
from homing.spool.marks import Marking
from homing.support.oncall.channels import Channels
from homing.support.oncall.engine import Engine as OnCall
from homing.validation.judge import Judge
from homing.validation.rules.names import Names
from homing.validation.runner import Runner
from homing.webhooks.delivery import Poster
from homing.webhooks.fold import WebhookFollower
from homing.webhooks.pusher import Pusher
from homing.webhooks.store import Webhooks

ERASED = "erased"  # purpose of the markers in place of addresses
TRACKED = "tracked"  # purpose of the secret that tracked addresses are sealed with


def bounce_hosts(settings: Settings) -> frozenset[str]:
    """Return the names of ours that bounces come to; lower case."""
    return frozenset({settings.bounce_domain.lower(), settings.hostname.lower()})


def marking_of(settings: Settings, master_key: MasterKey) -> Marking:
    """Return what this installation writes into messages so that it can follow them."""
    token = master_key.token
    return Marking(
        seal=Seal(token(b"seal", purpose=TRACKED, size=32)) if settings.tracking is not None else None,
        base=tracking_base(settings),
        mail_domain=settings.bounce_domain if settings.mx is not None else "",
        unsubscribe_token=partial(token, purpose=unsubscribe.PURPOSE),
        msfbl_token=partial(token, purpose=msfbl.PURPOSE, size=msfbl.MAC_BYTES) if settings.mx is not None else None,
        keepsakes=keepsakes_of(master_key),
    )


def keepsakes_of(master_key: MasterKey) -> keepsake.Box:
    """Return the box that seals what messages carry of themselves."""
    return keepsake.Box(master_key.token(b"seal", purpose=keepsake.PURPOSE, size=32))


def recall_of(master_key: MasterKey) -> Recall:
    """Return what reads a message out of its keepsake."""
    return Recall(partial(master_key.token, purpose=ERASED, size=16))


class Services:
    """The followers of the log and what they feed, wired. One for a worker."""

    def __init__(
        self,
        settings: Settings,
        pool: db.Pool,
        clock: Clock,
        master_key: MasterKey,
        owner: Owner,
        classifier: Classifier,
        ab_tests: AbTestBook,
        *,
        worker_id: str,
        mail: Mail,
        tracking: TrackingBook,
        support: Support,
        channels: Channels,
        forget_domains: Callable[[], None],
    ) -> None:
        policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=settings.target_ports)
        self.http = OutboundHttp.over(policy, settings.dns)
        self.webhooks = Webhooks(pool, master_key)
        self.pusher = Pusher(pool, clock, self.webhooks, Poster(self.http, clock, keep=self.webhooks.keep_token))
        self.alerts = Alerts(pool, master_key)
        self.watcher = Watcher(pool, clock, self.alerts, self.http, mail)
        self.support = support
        self.desk = Desk(pool, owner.record, recall_of(master_key))
        self.site = Site(
            Seal(master_key.token(b"seal", purpose=TRACKED, size=32)),
            self.desk,
            Geo(settings.geoip),
            now=clock.now,
            serves=tracking.serves,
            proxies=read_masks(settings.tracking_proxies),
        )
        self.certificates = Certificates(settings.tracking_certs)
        self.oncall = OnCall(
            pool,
            clock,
            channels,
            self.http,
            heartbeat_url=settings.heartbeat_url,
        )
        self.alarms = Alarms(pool, clock, mail)
        self.importer = Importer(pool, clock, settings.data / FOLDER, worker_id)
        self.resolver = resolver_of(settings, clock)
        self.judge = Judge(pool, DnsDomains(self.resolver), Names.from_package())
        self.validation = Runner(pool, clock, self.judge, worker_id)
        self.rechecker = Rechecker(
            pool,
            clock,
            DomainDns(settings.dns),
            bounce_hosts=bounce_hosts(settings),
            tracking_hosts=tracking_hosts(settings),
            changed=forget_domains,
        )
        followers: list[Follower] = [
            WebhookFollower(self.webhooks, news=self.pusher.news),
            MetricsFollower(classifier, clock),
            WarmupFollower(),
            AbTestFollower(),
            support.follower,
        ]
        self.clerk = Clerk(pool, clock, token=partial(master_key.token, purpose=ERASED, size=16))
        self.keeper = Keeper(pool, clock, tell=tell, forget=ab_tests.forget)
        self.feed = Feed(pool, followers, shards=owner.shards)
        owner.appended = self.feed.news

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(), name="feed")
            tasks.create_task(self.pusher.run(), name="pusher")
            tasks.create_task(self.desk.run(), name="engagement")
            tasks.create_task(self.watcher.run(), name="alerts")
            tasks.create_task(self.rechecker.run(), name="domains")
            tasks.create_task(self.support.run(), name="support")
            tasks.create_task(self.importer.run(), name="imports")
            tasks.create_task(self.validation.run(), name="validation")
            tasks.create_task(self.keeper.run(), name="ab tests")
            tasks.create_task(self.clerk.run(), name="privacy")
            tasks.create_task(self.oncall.run(), name="oncall")
            tasks.create_task(self.certificates.run(), name="certificates")
            tasks.create_task(self.alarms.run(), name="alarms of the ledger")

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop. What is cut off is found again: a place in the log, a batch that was claimed."""
        running = asyncio.ensure_future(self._run())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            stopping.cancel()
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await self.resolver.close()
