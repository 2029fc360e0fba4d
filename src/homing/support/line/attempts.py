"""Attempts to return a call: which of them counts, when one is over, what follows, and what time does to all of them.

The carrier's events decide. An attempt counts from the moment at which the carrier took the customer's leg, if ringing is told
within ten seconds (rules/callback.py).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import structs

from homing.contracts import contacts
from homing.contracts import store as contracts
from homing.ground import db
from homing.ground.log import get
from homing.support.line import store
from homing.support.line.ladders import Ladders
from homing.support.line.rules import callback
from homing.support.line.store import LegalClock
from homing.support.line.types import Attempt, AttemptStatus, Entitlement, Obligation, Outcome, Page, PageReason

log = get("line")

LOST_AFTER = timedelta(seconds=90)  # an attempt that neither rings nor ends by then was cut off (a worker died)
DEFAULT_CADENCE = timedelta(hours=1)
BEFORE_CUSTOMER = (AttemptStatus.CALLING_REP, AttemptStatus.REP_ANSWERED)


async def entitlement(executor: db.Executor, account_id: int, at: datetime) -> Entitlement:
    """Return what the Order Forms say, of whichever service. Where none has the Severity 1 Line, a person decides (E16)."""
    forms = await contracts.order_forms_at(executor, account_id, at)
    return Entitlement.YES if any(form.sev1_entitled for form in forms) else Entitlement.UNKNOWN


class NotNow(Exception):
    """What was asked cannot be done; the text says why, and what to do. missing: there is no such thing."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


class Attempts:
    """Keeps attempts and what is owed, for one worker. Each word is given a row that is held."""

    def __init__(self, pool: db.Pool, legal: LegalClock, ladders: Ladders) -> None:
        self._pool = pool
        self._legal = legal
        self._ladders = ladders

    @asynccontextmanager
    async def owed(self, intake_id: int) -> AsyncIterator[tuple[Any, datetime, Obligation]]:
        """Hold what is owed for a call, in a transaction. raises NotNow where there is no such call."""
        async with self._transaction() as (connection, now):
            owed = await store.obligation_locked(connection, intake_id)
            if owed is None:
                raise NotNow("there is no such call", missing=True)
            yield connection, now, owed

    @asynccontextmanager
    async def attempt(self, attempt_id: int) -> AsyncIterator[tuple[Any, datetime, Attempt]]:
        """Hold an attempt, in a transaction. raises NotNow where there is no such attempt."""
        async with self._transaction() as (connection, now):
            attempt = await store.attempt_locked(connection, attempt_id)
            if attempt is None:
                raise NotNow("there is no such attempt", missing=True)
            yield connection, now, attempt

    async def judge(self, now: datetime) -> None:
        """Write down what did not ring, what was missed, whose claim is over, and page for whom it is time."""
        too_late = {
            "accepted_before": now - callback.PROOF_WITHIN,
            "created_before": now - LOST_AFTER,
            "most": callback.LOOKS,
            "now": now,
        }
        async with db.holding(self._pool, store.sql.unproven, **too_late) as (connection, rows):
            for attempt in map(store.attempt_of, rows):
                lost = AttemptStatus.REP_LOST if attempt.status in BEFORE_CUSTOMER else AttemptStatus.NOT_SET_UP
                await self.ended(connection, structs.replace(attempt, status=lost), now)
        async with db.holding(self._pool, store.sql.overdue, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await self._overdue(connection, owed, now)
        async with db.holding(self._pool, store.sql.lapsed, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await self.lapsed(connection, owed, now, why="claim lapsed")
        async with db.holding(self._pool, store.sql.to_retry, now=now) as (connection, rows):
            for owed in map(store.obligation_of, rows):
                await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)
                await self._ladders.start(connection, await self._page(connection, owed, PageReason.RETRY), now)
                await store.note(connection, owed.intake_id, now, "homing", "time to try again")

    async def to_ask(self) -> list[Attempt]:
        """Claim the attempts that nobody told of ringing in time: before they are judged their carriers are asked."""
        now = await self._legal.now(self._pool)
        with db.trouble_is_temporary():
            rows = store.sql.to_ask(
                self._pool,
                accepted_before=now - callback.PROOF_WITHIN,
                most=callback.LOOKS,
                now=now,
                until=now + callback.LOOK_WAITS,
            )
            return [store.attempt_of(row) async for row in rows]

    async def asked(self, attempt_id: int) -> None:
        """Note that the carrier of an attempt has said how it stands."""
        with db.trouble_is_temporary():
            now = await self._legal.now(self._pool)
            await store.sql.asked(self._pool, attempt_id=attempt_id, most=callback.LOOKS, now=now)

    async def ended(self, connection: db.Executor, attempt: Attempt, now: datetime) -> None:
        """End an attempt: its claim runs on for three minutes, and who was not reached is tried again (E14, E15)."""
        if attempt.ended_at is not None:
            await store.put_attempt(connection, attempt)
            return
        attempt = structs.replace(attempt, ended_at=now)
        await store.put_attempt(connection, attempt)
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await store.note(
            connection, owed.intake_id, now, "carrier", "attempt ended", attempt=attempt.attempt_id, status=attempt.status.value
        )
        if owed.claimed_by == attempt.person_id:
            await store.sql.put_claim(
                connection, obligation_id=owed.obligation_id, person_id=owed.claimed_by, until=now + callback.CLAIM
            )
            await self._ladders.hold(connection, owed.obligation_id, owed.claimed_by, now)
        if attempt.placed_at is not None and owed.connected_at is None and attempt.status is not AttemptStatus.HUMAN:
            await self.try_again(connection, owed, now)

    async def proven(self, connection: db.Executor, attempt: Attempt, now: datetime) -> None:
        """Let an attempt count, once it is placed: for its own call-back, and for those of the same contact and number."""
        if attempt.placed_at is None:
            return
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await self._ladders.end(connection, owed.obligation_id, because=f"staff {attempt.person_id} called back", now=now)
        if owed.returned_at is not None or owed.voided_at is not None:
            return
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        rows = store.sql.siblings(
            connection,
            obligation_id=owed.obligation_id,
            placed_at=attempt.placed_at,
            account_id=one.account_id,
            number=attempt.number,
            contact_id=one.contact_id,
        )
        for each in [owed, *[store.obligation_of(row) async for row in rows]]:
            outcome = callback.judged(each.due_at, [attempt.placed_at], pending=False, now=now)
            await store.put_result(connection, each, returned_at=attempt.placed_at, outcome=outcome, outcome_at=attempt.placed_at)
            if each is not owed:
                await self._ladders.end(connection, each.obligation_id, because=f"staff {attempt.person_id} called back", now=now)
            await store.note(
                connection,
                each.intake_id,
                now,
                f"staff {attempt.person_id}",
                "returned",
                attempt=attempt.attempt_id,
                placed_at=attempt.placed_at.isoformat(),
                in_time=attempt.placed_at <= each.due_at,
            )

    async def reached(self, connection: db.Executor, attempt: Attempt) -> None:
        """Note that the customer was reached: he is not called again."""
        owed = await store.obligation_by_id(connection, attempt.obligation_id)
        await store.put_result(connection, owed, connected_at=attempt.connected_at)
        await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=None)
        if attempt.connected_at is not None:
            await self.shown(connection, owed, attempt.number, attempt.connected_at)

    async def shown(self, connection: db.Executor, owed: Obligation, number: str, at: datetime) -> None:
        """Decide whether a caller is entitled who was reached at a verified number, where the Order Form says so (E16).

        Else a person decides; a miss is counted without waiting for one where nothing is left to be decided.
        """
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        whose = callback.known_by(number, await contacts.by_phone(connection, number))
        if one.entitlement is not Entitlement.UNKNOWN or whose is None or one.account_id not in (None, whose.account_id):
            return
        if await entitlement(connection, whose.account_id, one.first_ring_at) is not Entitlement.YES:
            return
        if one.account_id is None:
            await self._ladders.belong(connection, owed.obligation_id, whose.account_id, owed.due_at)
        reason = "reached at a verified number of the account, whose Order Form has the line"
        await store.sql.decide(
            connection,
            intake_id=one.intake_id,
            entitlement=Entitlement.YES.value,
            decision=msgspec.json.encode({"by": None, "at": at.isoformat(), "reason": reason}).decode(),
            account_id=whose.account_id,
        )
        await store.note(connection, one.intake_id, at, "homing", "entitlement", verdict=Entitlement.YES.value, reason=reason)

    async def try_again(self, connection: db.Executor, owed: Obligation, now: datetime) -> None:
        """Say when a customer is called again who was not reached (E14)."""
        placed = [one.placed_at for one in await store.attempts_of(connection, owed.obligation_id) if one.placed_at is not None]
        if not placed or owed.voided_at is not None:
            return
        forms = [] if owed.account_id is None else await contracts.order_forms_at(connection, owed.account_id, now)
        cadence = min((timedelta(seconds=form.cadence_s) for form in forms), default=DEFAULT_CADENCE)
        at = callback.next_try(min(placed), len(placed), last_at=now, cadence=cadence)
        await store.sql.put_next_try(connection, obligation_id=owed.obligation_id, next_try_at=at)
        await store.note(connection, owed.intake_id, now, "homing", "not reached", next_try_at=at.isoformat())

    async def lapsed(self, connection: db.Executor, owed: Obligation, now: datetime, *, why: str, hand_on: bool = False) -> None:
        """Take a claim from who has it, and have people paged again."""
        await store.sql.put_claim(connection, obligation_id=owed.obligation_id, person_id=None, until=None)
        await store.note(connection, owed.intake_id, now, "homing", why, person=owed.claimed_by)
        page = await self._page(connection, owed, PageReason.CLAIM_LAPSED)
        await self._ladders.let_go(connection, page, now, hand_on=hand_on)

    async def _overdue(self, connection: db.Executor, owed: Obligation, now: datetime) -> None:
        tries = await store.attempts_of(connection, owed.obligation_id)
        placed = [one.placed_at for one in tries if one.placed_at is not None]
        pending = any(
            one.ended_at is None and one.evidence_at is None and one.accepted_at is not None and one.accepted_at <= owed.due_at
            for one in tries
        )
        one = await store.call(connection, owed.intake_id)
        pending = pending or (one is not None and callback.may_yet_be_engaged(one, owed, now))
        outcome = callback.judged(owed.due_at, placed, pending=pending, now=now)
        if outcome is None:
            return
        await store.put_result(connection, owed, outcome=outcome, outcome_at=owed.due_at)
        if outcome is Outcome.MISSED:
            await store.note(connection, owed.intake_id, now, "homing", "missed", due_at=owed.due_at.isoformat())
            log.error("sev1_call_back_missed", intake=owed.intake_id, due_at=owed.due_at)

    async def _page(self, connection: db.Executor, owed: Obligation, reason: PageReason) -> Page:
        one = await store.call(connection, owed.intake_id)
        assert one is not None
        return Page(
            reason=reason,
            reference=one.reference,
            obligation_id=owed.obligation_id,
            account_id=one.account_id,
            first_ring_at=one.first_ring_at,
            due_at=owed.due_at,
        )

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Any, datetime]]:
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                yield connection, await self._legal.now(connection)
