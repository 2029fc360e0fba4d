"""What a worker does besides taking and delivering mail: it follows the log, and tells customers what happened."""

import asyncio
import contextlib
from functools import partial

from homing.accounts.grants import read_masks
from homing.engagement.desk import Desk
from homing.engagement.geo import Geo
from homing.engagement.site import Site
from homing.events.feed import Feed, Follower
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.message import msfbl, unsubscribe
from homing.message.tracked import Seal
from homing.metrics.fold import MetricsFollower
from homing.queue.owner import Owner
from homing.spool.marks import Marking
from homing.webhooks.delivery import Poster
from homing.webhooks.fold import WebhookFollower
from homing.webhooks.pusher import Pusher
from homing.webhooks.store import Webhooks

TRACKED = "tracked"  # purpose of the secret that tracked addresses are sealed with


def tracking_base(settings: Settings) -> str:
    """Return what tracked addresses begin with."""
    if settings.tracking_url:
        return settings.tracking_url.rstrip("/")
    port = settings.tracking.port if settings.tracking is not None else 80
    scheme, usual = ("https", 443) if settings.tls_cert is not None else ("http", 80)
    return f"{scheme}://{settings.hostname}" + ("" if port == usual else f":{port}")


def marking_of(settings: Settings, master_key: MasterKey) -> Marking:
    """Return what this installation writes into messages so that it can follow them."""
    token = master_key.token
    return Marking(
        seal=Seal(token(b"seal", purpose=TRACKED, size=32)) if settings.tracking is not None else None,
        base=tracking_base(settings),
        mail_domain=settings.bounce_domain if settings.mx is not None else "",
        unsubscribe_token=partial(token, purpose=unsubscribe.PURPOSE),
        msfbl_token=partial(token, purpose=msfbl.PURPOSE, size=msfbl.MAC_BYTES) if settings.mx is not None else None,
    )


class Services:
    """The followers of the log and what they feed, wired. One for a worker."""

    def __init__(
        self, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey, owner: Owner, classifier: Classifier
    ) -> None:
        policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=settings.target_ports)
        self.http = OutboundHttp.over(policy, settings.dns)
        self.webhooks = Webhooks(pool, master_key)
        self.pusher = Pusher(pool, clock, self.webhooks, Poster(self.http, clock, keep=self.webhooks.keep_token))
        self.desk = Desk(pool, owner.record)
        self.site = Site(
            Seal(master_key.token(b"seal", purpose=TRACKED, size=32)),
            self.desk,
            Geo(settings.geoip),
            now=clock.now,
            proxies=read_masks(settings.tracking_proxies),
        )
        followers: list[Follower] = [WebhookFollower(self.webhooks, news=self.pusher.news), MetricsFollower(classifier, clock)]
        self.feed = Feed(pool, followers, shards=owner.shards)
        owner.appended = self.feed.news

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(), name="feed")
            tasks.create_task(self.pusher.run(), name="pusher")
            tasks.create_task(self.desk.run(), name="engagement")

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
