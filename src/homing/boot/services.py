"""What a worker does besides taking and delivering mail: it follows the log, and tells customers what happened."""

import asyncio
import contextlib

from homing.events.feed import Feed
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.queue.owner import Owner
from homing.webhooks.delivery import Poster
from homing.webhooks.fold import WebhookFollower
from homing.webhooks.pusher import Pusher
from homing.webhooks.store import Webhooks


class Services:
    """The followers of the log and what they feed, wired. One for a worker."""

    def __init__(self, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey, owner: Owner) -> None:
        policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=settings.target_ports)
        self.http = OutboundHttp.over(policy, settings.dns)
        self.webhooks = Webhooks(pool, master_key)
        self.pusher = Pusher(pool, clock, self.webhooks, Poster(self.http, clock, keep=self.webhooks.keep_token))
        followers = [WebhookFollower(self.webhooks, news=self.pusher.news)]
        self.feed = Feed(pool, followers, shards=owner.shards)
        owner.appended = self.feed.news

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(), name="feed")
            tasks.create_task(self.pusher.run(), name="pusher")

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
