"""The clerk of privacy: carries requests out in bounded steps, each a transaction of its own. One in each worker.

A request to be forgotten is gone through twice: at once, and when nothing that was under way then can write about it any more.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from homing.events import store as events
from homing.events.rules.erasure import marker
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool
from homing.ground.log import get
from homing.ground.turns import take_turns
from homing.privacy import store
from homing.privacy.types import Ask, PrivacyRequest
from homing.recipients import store as recipients
from homing.recipients.rules.provenance import of_privacy
from homing.recipients.types import Source, SuppressionRow, SuppressionType

log = get("privacy")

LOOKS_S = 10.0  # the clerk looks for requests so often
LOOKS = 2  # a request to be forgotten is gone through so often
SETTLED = timedelta(days=7)  # after the request; mail starts up to 3 days ahead and lives for 3 days: by then it is over
EVENTS_AT_ONCE = 500
ADDRESSES_AT_ONCE = 50
ROWS_AT_ONCE = 2_000  # suppressions of one step, unless one address has more

Token = Callable[[bytes], bytes]


class Clerk:
    """Carries out the requests of all customers.

    token   a keyed digest that only we can make, for markers in place of addresses
    """

    def __init__(self, pool: Pool, clock: Clock, *, token: Token) -> None:
        self._pool = pool
        self._clock = clock
        self._token = token
        self._news = asyncio.Event()

    def news(self) -> None:
        """Hear that there is a new request."""
        self._news.set()

    async def run(self) -> None:
        """Carry out until cancelled."""
        await take_turns(
            lambda: self.step(self._clock.now()),
            every_s=LOOKS_S,
            log=log,
            waits="privacy_waits",
            failed="privacy_failed",
            news=self._news,
        )

    async def step(self, now: datetime) -> bool:
        """Take one step of one request that is due; return whether there was one."""
        async with self._pool.acquire() as connection, connection.transaction():
            request = await store.next_due(connection, now=now)
            if request is None:
                return False
            if request.ask is Ask.OPT_OUT:
                await self._opt_out(connection, request, now)
            else:
                await self._forget(connection, request, now)
        return True

    async def _opt_out(self, connection: Executor, request: PrivacyRequest, now: datetime) -> None:
        if request.subaccount_id is None:
            subaccounts = await store.subaccounts_of(connection, request.account_id)
        else:
            subaccounts = [request.subaccount_id]
        at_once = max(1, ROWS_AT_ONCE // (2 * len(subaccounts)))
        addresses = await store.recipients_left(connection, request, limit=at_once)
        if not addresses:
            await self._end(connection, request, now)
            return
        await recipients.suppress(
            connection,
            [
                SuppressionRow(
                    account_id=request.account_id,
                    subaccount_id=subaccount_id,
                    recipient=address,
                    type=kind.value,
                    source=Source.MANUALLY_ADDED.value,
                    description="opt-out request",
                    provenance=of_privacy(request.request_id),
                )
                for address in addresses
                for subaccount_id in subaccounts
                for kind in SuppressionType
            ],
        )
        await store.looked_at(connection, request, addresses)

    async def _forget(self, connection: Executor, request: PrivacyRequest, now: datetime) -> None:
        addresses = await store.recipients_left(connection, request, limit=ADDRESSES_AT_ONCE)
        if not addresses:
            if request.looks + 1 < LOOKS:
                await store.look_again(connection, request, due_at=request.requested_at + SETTLED)
            else:
                await self._end(connection, request, now)
            return
        spelled = {spelling: address for address in addresses for spelling in (address, recipients.canonical(address))}
        count = await events.erase(
            connection,
            request.account_id,
            request.subaccount_id,
            list(spelled),
            marker=lambda recipient: self._marker(request.account_id, spelled.get(recipient, recipient)),
            limit=EVENTS_AT_ONCE,
        )
        if count:
            await store.add_events(connection, request, count)
        if count < EVENTS_AT_ONCE:  # nothing is left of these
            await recipients.forget_person(
                connection,
                request.account_id,
                request.subaccount_id,
                addresses,
                markers=[self._marker(request.account_id, address) for address in addresses],
                provenance=of_privacy(request.request_id),
                now=now,
            )
            await store.looked_at(connection, request, addresses)

    def _marker(self, account_id: int, address: str) -> str:
        return marker(account_id, recipients.canonical(address), self._token)

    async def _end(self, connection: Executor, request: PrivacyRequest, now: datetime) -> None:
        await store.end(connection, request, now=now)
        log.info("privacy_request_done", request=request.request_id, ask=request.ask.value, recipients=request.recipients)
