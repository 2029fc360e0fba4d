"""Posts inbound mail to its relay webhooks, again and again until it is taken or given up.

Every worker takes due rows; a row is leased, so only one posts it, and a row whose worker died is taken again after the lease.
A target gets a few posts at once, one while it fails, so a dead one holds up nobody. Mail arrives at least once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from homing.events.types import Event
from homing.ground import log
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.errors import Temporary
from homing.ground.turns import edge
from homing.ground.waiting import set_within
from homing.inbound import store
from homing.inbound.relay_types import RelayMail
from homing.inbound.rules import relay as rules
from homing.inbound.target import Poster, succeeded, why

_log = log.get("inbound")
AT_ONCE = 64  # posts of one worker
PER_TARGET = 4
LARGE = 1_048_576  # octets; of mail that is larger only so many are in memory at once
LARGE_AT_ONCE = 2
LEASE = timedelta(seconds=180)  # longer than a post with its token can take
_LOOK_EVERY_S = 1.0
_MOMENT = timedelta(seconds=1)
_WRITE_AGAIN_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_THREAD_FROM = 65_536  # octets of a mail that is read in a thread

Record = Callable[[Sequence[Event]], Awaitable[None]]


class RelayEngine:
    """Takes what is due and posts it. One per worker.

    record     writes events (queue.owner.record); raises Temporary
    may_post   whether events can be written now: what is posted must be told
    counters   delivered, deferred, failed
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        webhooks: store.RelayWebhooks,
        poster: Poster,
        record: Record,
        may_post: Callable[[], bool],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._webhooks = webhooks
        self._poster = poster
        self._record = record
        self._may_post = may_post
        self._under_way: Counter[str] = Counter()  # domain -> posts
        self._failing: set[str] = set()  # domains whose last post failed
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._news = asyncio.Event()
        self.counters: Counter[str] = Counter()

    def look(self) -> None:
        """Look now: something has come."""
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop, then let what is under way end."""
        async with asyncio.TaskGroup() as posts:
            stopping = posts.create_task(self._wake_at(stop))
            while not stop.is_set():  # no take_turns: it is told to stop, and lets its posts end
                self._news.clear()
                taken = 0
                with edge(_log, waits="relay_mail_not_read", failed="relay_turn_failed"):
                    taken = await self._take(posts)
                if not taken:
                    await set_within(self._news, _LOOK_EVERY_S)
            await stopping

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._news.set()

    async def _take(self, posts: asyncio.TaskGroup) -> int:
        """Begin some posts; return how many."""
        room = min(PER_TARGET, AT_ONCE - self._under_way.total())
        if room <= 0 or not self._may_post():
            return 0
        now = self._clock.now()
        busy = [domain for domain, count in self._under_way.items() if count >= self._most(domain)]
        mails = await store.claim(self._pool, now=now, until=now + LEASE, busy=busy, limit=room)
        for mail in mails:
            if self._under_way[mail.domain] >= self._most(mail.domain):
                await store.give_back(self._pool, mail.mail_id, due_at=now + _MOMENT)
                continue
            self._under_way[mail.domain] += 1
            posts.create_task(self._one(mail), name=f"relay-{mail.mail_id.hex()}")
        return len(mails)

    def _most(self, domain: str) -> int:
        return 1 if domain in self._failing else PER_TARGET

    async def _one(self, mail: RelayMail) -> None:
        try:
            if mail.size_bytes <= LARGE:
                await self._post(mail)
            elif self._large.locked():
                await store.give_back(self._pool, mail.mail_id, due_at=self._clock.now() + _MOMENT)
            else:
                async with self._large:
                    await self._post(mail)
        except Temporary as trouble:  # posted or not, it was not written down: after the lease it is posted (again)
            _log.warning("relay_outcome_not_written", relay_id=mail.mail_id.hex(), cause=type(trouble).__name__)
        except Exception:  # the edge of one mail
            _log.exception("relay_crashed", relay_id=mail.mail_id.hex())
            with suppress(Temporary):
                await self._failed(mail, "homing: this mail could not be posted", "")
        finally:
            self._under_way[mail.domain] -= 1
            if not self._under_way[mail.domain]:
                del self._under_way[mail.domain]
            self._news.set()

    async def _post(self, mail: RelayMail) -> None:
        raw = await store.raw_of(self._pool, mail.mail_id)
        if raw is None:
            return  # another worker had it after all
        webhook = await self._webhooks.of_domain(mail.domain)
        if webhook is None:
            await self._failed(mail, "no relay webhook takes the mail of this domain", "")
            return
        if len(raw) > _THREAD_FROM:
            body = await asyncio.to_thread(rules.payload, raw, mail, webhook.webhook_id)
        else:
            body = rules.payload(raw, mail, webhook.webhook_id)
        del raw
        answer = await self._poster.post(webhook, body)
        if not succeeded(answer):
            self._failing.add(mail.domain)
            await self._failed(mail, *why(answer))
            return
        self._failing.discard(mail.domain)
        await self._write(rules.delivered(mail, now=self._clock.now()))
        await store.forget(self._pool, mail.mail_id)
        self.counters["delivered"] += 1

    async def _write(self, event: Event) -> None:
        """Write an event; while that cannot be, for some seconds again, since a second post would be worse. Raises Temporary."""
        for wait_s in _WRITE_AGAIN_S:
            try:
                return await self._record([event])
            except Temporary:
                await asyncio.sleep(wait_s)
        return await self._record([event])

    async def _failed(self, mail: RelayMail, reason: str, code: str) -> None:
        now = self._clock.now()
        due_at = rules.next_try(mail.tries + 1, now)
        await self._write(rules.failed(mail, now=now, reason=reason, code=code, final=due_at is None))
        if due_at is None:
            await store.forget(self._pool, mail.mail_id)
            self.counters["failed"] += 1
            _log.warning("relay_given_up", relay_id=mail.mail_id.hex(), domain=mail.domain, reason=reason[:200])
        else:
            await store.postpone(self._pool, mail.mail_id, due_at=due_at, note=reason)
            self.counters["deferred"] += 1
