"""The keeper of A/B tests: ends them, completes them, and lets it be told. One in each worker; a test has one at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from homing.abtests import store
from homing.abtests.rules.phase import Complete, End, next_step
from homing.abtests.types import AbTest, Status
from homing.events.types import Event, EventType
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool
from homing.ground.log import get
from homing.ground.turns import take_turns

log = get("abtests")

EVERY = timedelta(seconds=5)  # each running test is looked at so often
_encode = msgspec.json.Encoder().encode

Tell = Callable[[Executor, Sequence[Event]], Awaitable[None]]
"""Lets events come into the log, once, if the caller's transaction is committed."""


class Keeper:
    """Sees to the tests of all customers.

    forget   called after a change: what sending remembers of tests is old
    """

    def __init__(self, pool: Pool, clock: Clock, *, tell: Tell, forget: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._clock = clock
        self._tell = tell
        self._forget = forget

    async def run(self) -> None:
        """Look at tests until cancelled."""
        await take_turns(
            lambda: self.look(self._clock.now()),
            every_s=EVERY.total_seconds(),
            log=log,
            waits="ab_tests_wait",
            failed="ab_tests_failed",
        )

    async def look(self, now: datetime) -> bool:
        """Look at one test that is due for it; return whether there was one."""
        async with self._pool.acquire() as connection, connection.transaction():
            test = await store.next_to_look_at(connection, now=now, before=now - EVERY)
            if test is None:
                return False
            (counts,) = await store.counts_of(connection, [test])
            after, step = test, await asyncio.to_thread(next_step, test, counts, now)
            while step is not None:
                after = self._taken(after, step, now)
                log.info(
                    "ab_test_ended" if isinstance(step, End) else "ab_test_completed", test_id=test.test_id, version=test.version
                )
                step = next_step(after, counts, now)
            if after is not test:
                await store.change(connection, after)
            await store.looked(connection, test, now=now)
            if after.status is Status.COMPLETED:
                await self._tell(connection, [told(after, EventType.AB_TEST_COMPLETED, at=now)])
        if after is not test:
            self._forget()
        return True

    def _taken(self, test: AbTest, step: End | Complete, now: datetime) -> AbTest:
        if isinstance(step, End):
            return msgspec.structs.replace(test, ended_at=step.at, ended_why=step.why, leader=step.leader)
        return msgspec.structs.replace(test, status=Status.COMPLETED, winner=step.winner, over_at=now, updated_at=now)


def told(test: AbTest, kind: EventType, *, at: datetime) -> Event:
    """Return the event that tells what became of a test (SparkPost reference, section 4.4)."""
    plan = test.plan
    about: dict[str, Any] = {
        "id": test.test_id,
        "name": test.name,
        "version": test.version,
        "test_mode": plan.mode,
        "engagement_metric": plan.metric,
        "default_template": {"template_id": plan.default.template_id},
        "variants": [{"template_id": arm.template_id} for arm in plan.variants],
    }
    if test.winner:
        about["winning_template_id"] = test.winner
    return Event(
        type=kind,
        at=at,
        account_id=test.account_id,
        subaccount_id=test.subaccount_id,
        message_id=None,
        transmission_id=None,
        recipient="",
        recipient_domain="",
        campaign_id="",
        detail=_encode({"ab_test": about}),
    )
