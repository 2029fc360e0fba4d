"""Batches on their way: formed of what webhooks are owed, posted, tried again, given up.

A dead or slow target delays nobody: it has a few open batches at a time, and what else it is owed stays a few rows that
point into the log. A batch is claimed for a minute by the worker that tries it; if that dies, another one takes it with the
same id.
"""

import asyncio
import uuid
from collections import Counter
from datetime import timedelta

import msgspec

from homing.events.rules.wire import pushed
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.http import Answered
from homing.ground.log import get
from homing.ground.oauth import NoToken
from homing.ground.turns import edge
from homing.ground.waiting import set_within
from homing.webhooks import store
from homing.webhooks.delivery import Poster
from homing.webhooks.rules.owed import wants
from homing.webhooks.rules.retry import is_success, next_try, why_pause
from homing.webhooks.store import Webhooks
from homing.webhooks.types import Batch, Webhook

log = get("webhooks")

LOOKS_S = 1.0
GATHERS = timedelta(seconds=1)  # events wait so long for others, unless there are enough
ENOUGH = 500  # events
MOST_EVENTS = 1_000  # of a batch, about
OPEN_OF_EACH = 4  # batches of one webhook that have not ended
AT_ONCE_OF_EACH = 2  # posts to one webhook from one worker
AT_ONCE = 50  # posts from one worker
CLAIM_S = 60.0
TIDIES_S = 300.0

_encode = msgspec.json.Encoder().encode


class Pusher:
    """Pushes for one worker."""

    def __init__(self, pool: db.Pool, clock: Clock, webhooks: Webhooks, poster: Poster) -> None:
        self._pool = pool
        self._clock = clock
        self._webhooks = webhooks
        self._poster = poster
        self._news = asyncio.Event()
        self._busy: Counter[uuid.UUID] = Counter()
        self._tidied = float("-inf")

    def news(self) -> None:
        """Hear that somebody is owed something, or a post has ended."""
        self._news.set()

    async def run(self) -> None:
        """Push until cancelled."""
        async with asyncio.TaskGroup() as posts:
            while True:
                with edge(log, waits="webhooks_wait", failed="webhooks_turn_failed"):
                    for batch in await self.turn():
                        self._busy[batch.webhook_id] += 1
                        posts.create_task(self._guarded(batch), name=f"webhook {batch.batch_id.hex}")
                await set_within(self._news, LOOKS_S)
                self._news.clear()
                await asyncio.sleep(0.05)  # no take_turns: after news, events gather for a moment

    async def turn(self) -> list[Batch]:
        """Form batches, tidy now and then, and claim what is due."""
        now = self._clock.now()
        loop_now = asyncio.get_running_loop().time()
        if loop_now - self._tidied > TIDIES_S:
            await store.tidy(self._pool, now=now)
            self._tidied = loop_now
        for one in await store.loose(self._pool):
            while one.open < OPEN_OF_EACH and (one.events >= ENOUGH or one.since <= now - GATHERS):
                if not await store.form_batch(self._pool, one, uuid.uuid4(), most=MOST_EVENTS):
                    break
                one = msgspec.structs.replace(one, open=one.open + 1, events=one.events - MOST_EVENTS)
                if one.events <= 0:
                    break
        room = AT_ONCE - self._busy.total()
        if room <= 0:
            return []
        busy = [webhook_id for webhook_id, count in self._busy.items() if count >= AT_ONCE_OF_EACH]
        return await store.claim(self._pool, busy=busy, of_each=AT_ONCE_OF_EACH, most=room, claim_s=CLAIM_S)

    async def _guarded(self, batch: Batch) -> None:
        try:
            with edge(log, waits="batch_waits", failed="batch_failed", batch_id=batch.batch_id.hex):
                await self.push(batch)
        finally:
            self._busy[batch.webhook_id] -= 1
            if not self._busy[batch.webhook_id]:
                del self._busy[batch.webhook_id]
            self.news()

    async def push(self, batch: Batch) -> None:
        """Post a batch once, and note what became of it.

        raises   StoreUnavailable; then the claim runs out, and it is posted again
        """
        webhook = await self._webhooks.to_push(batch.webhook_id)
        events = [] if webhook is None else [one for one in await store.events_of(self._pool, batch) if wants(webhook, one)]
        if webhook is None or not events:  # the log keeps no events that old, or the webhook wants none of them any more
            await store.delivered(self._pool, batch, response_code="", latency_ms=0)
            return
        body = await asyncio.to_thread(lambda: _encode([pushed(event) for event in events]))
        posted = await self._poster.post(webhook, body, batch_id=batch.batch_id)
        if isinstance(posted, NoToken):
            await self._failed(batch, webhook, None, posted.why, 0)
            return
        answer = posted.answer
        if isinstance(answer, Answered) and is_success(answer.status):
            await store.delivered(self._pool, batch, response_code=str(answer.status), latency_ms=posted.latency_ms)
            return
        status = answer.status if isinstance(answer, Answered) else None
        why = f"HTTP {answer.status}" if isinstance(answer, Answered) else f"{answer.code}: {answer.why}"
        await self._failed(batch, webhook, status, why, posted.latency_ms)

    async def _failed(self, batch: Batch, webhook: Webhook, status: int | None, why: str, latency_ms: int) -> None:
        now = self._clock.now()
        due_at = next_try(attempts=batch.attempts + 1, made_at=batch.made_at, now=now)
        paused = why_pause(status=status, dropped=due_at is None, made_at=batch.made_at, last_successful=webhook.last_successful)
        if due_at is None or paused:
            log.warning(
                "webhook_batch_given_up" if due_at is None else "webhook_paused", webhook=str(webhook.webhook_id), why=why
            )
        await store.failed(
            self._pool,
            batch,
            due_at=due_at,
            response_code="" if status is None else str(status),
            failure_code=why[:200],
            latency_ms=latency_ms,
            paused_why=paused,
        )
