"""The desk for customers' inbound domains: mail is kept until its target has it, and only then answered with 250."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from homing.events.types import Event
from homing.ground.clock import Clock
from homing.ground.db import Pool, trouble_is_temporary
from homing.ground.memo import Memo
from homing.inbound import store
from homing.inbound.relay_types import InboundDomain, RelayMail
from homing.inbound.rules import relay as rules

_FRESH = timedelta(seconds=5)
_ABSENT = timedelta(seconds=1)
_AT_ONCE = 3  # each holds a connection of the pool while the event is written
_STALE = timedelta(seconds=60)

Record = Callable[[Sequence[Event]], Awaitable[None]]


class Relays:
    """Knows inbound domains, and keeps their mail. One per worker.

    record    writes events (queue.owner.record); raises Temporary
    new_ids   returns so many fresh ids of 10 bytes; raises Overloaded
    news      tells the relay engine that something has come
    """

    def __init__(
        self, pool: Pool, clock: Clock, *, record: Record, new_ids: Callable[[int], list[bytes]], news: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._record = record
        self._new_ids = new_ids
        self._news = news
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._book: Memo[str, tuple[InboundDomain, bool]] = Memo(
            lambda domain: store.find_domain(pool, domain), clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE
        )

    async def find(self, domain: str) -> tuple[InboundDomain, bool] | None:
        """Return an inbound domain, and whether a relay webhook takes its mail. raises StoreUnavailable."""
        return self._book.peek(domain) or await self._book.get(domain)

    def forget(self) -> None:
        """Ask the database anew: a domain or webhook was changed in this process."""
        self._book.clear()

    def mail_for(
        self, domain: InboundDomain, recipients: Sequence[str], *, mail_from: str, recv_method: str, size_bytes: int
    ) -> list[RelayMail]:
        """Return one mail for each recipient of a domain."""
        now = self._clock.now()
        return [
            RelayMail(
                mail_id=mail_id,
                domain=domain.domain,
                account_id=domain.account_id,
                subaccount_id=domain.subaccount_id,
                mail_from=mail_from,
                rcpt_to=recipient,
                recv_method=recv_method,
                size_bytes=size_bytes,
                received_at=now,
            )
            for mail_id, recipient in zip(self._new_ids(len(recipients)), recipients, strict=True)
        ]

    async def keep(self, mails: Sequence[RelayMail], raw: bytes) -> None:
        """Keep a mail for these recipients, all or none. raises Temporary: nothing is ours.

        The events are written before the rows are committed: whoever dies in between has answered nothing, and the mail
        comes again.
        """
        with trouble_is_temporary():
            async with self._slots, self._pool.acquire() as connection, connection.transaction():
                for mail in mails:
                    await store.put_mail(connection, mail, raw)
                await self._record([rules.injected(mail) for mail in mails])
        self._news()

    async def reject(self, mails: Sequence[RelayMail], *, reason: str, code: str, remote_addr: str) -> None:
        """Write down that a mail for these recipients was refused."""
        await self._record([rules.rejected(mail, reason=reason, code=code, remote_addr=remote_addr) for mail in mails])
