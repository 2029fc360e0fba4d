"""Reads a share: its lines become events, each event id once, and what cannot be taken is put aside.

The inbox of the queue carries it: what this returns is committed together with the removal of the order, so a share is in the
log once, whatever dies in between. What it notes before that is noted again in the same way.
"""

import asyncio
from datetime import datetime
from typing import NamedTuple

import msgspec

from homing.accounts import subaccounts
from homing.events.detail import iso
from homing.events.types import Event, EventType
from homing.ground.clock import Clock
from homing.ground.db import Pool, trouble_is_temporary
from homing.ingest import store
from homing.ingest.batches import ask
from homing.ingest.rules.cutting import pack, unpack
from homing.ingest.rules.reading import read_line
from homing.ingest.types import Batch, Faulty, Outcome, Share, Taken
from homing.queue.types import Happened, Wish

_encode = msgspec.json.Encoder().encode
_FAILURES = "/api/v1/ingest/events/failures"


class _Read(NamedTuple):
    taken: list[tuple[int, Taken]]  # with the number of the line in the batch
    failed: list[bytes]
    failures: bytes
    reason: str


class Digester:
    """Obeys the wishes of the kind `ingest`."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(self, wish: Wish, payload: bytes) -> Happened | None:
        """Return the events of a share; with those of the last one the event that tells of the batch.

        raises   StoreUnavailable; the order stays in the inbox
        """
        share = await store.share_of(self._pool, store.decode_order(payload))
        if share is None:
            return None
        batch = share.batch
        known = await subaccounts.numbers(self._pool, batch.account_id) if batch.any_subaccount else None
        read = await asyncio.to_thread(_read, share, known)
        event_ids = [taken.event_id for _, taken in read.taken]
        first = await store.first_come(self._pool, batch, event_ids, [line for line, _ in read.taken])
        outcome = Outcome(
            succeeded=len(first),
            duplicates=len(read.taken) - len(first),
            failed=len(read.failed),
            failures=read.failures,
            reason=read.reason,
        )
        events = [taken.event for line, taken in read.taken if line in first and taken.event is not None]
        whole = await self._note(share, outcome)
        if whole is not None:
            events.append(told(batch, whole, now=self._clock.now()))
        return Happened(shard=wish.shard, events=events)

    async def _note(self, share: Share, outcome: Outcome) -> Outcome | None:
        """Note what became of a share and ask for the next one; after the last return what became of the batch."""
        batch = share.batch
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.note_share(connection, share, outcome)
                following = share.number + 1
                if following >= batch.shares:
                    return await store.end(connection, batch.batch_id)
                if await store.may_ask(connection, batch.batch_id, following):
                    await ask(connection, batch, following)
        return None


def told(batch: Batch, outcome: Outcome, *, now: datetime) -> Event:
    """Return the event that tells what became of a batch (SparkPost reference, section 2.16)."""
    detail = {
        "batch_id": str(batch.batch_id),
        "number_succeeded": outcome.succeeded,
        "number_duplicates": outcome.duplicates,
        "expiration_timestamp": iso(batch.received_at + store.KEPT),
    }
    if outcome.failed:
        detail |= {
            "number_failed": outcome.failed,
            "error_type": "validation",
            "retryable": False,
            "reason": outcome.reason,
            "href": f"{_FAILURES}/{batch.batch_id}",
        }
    return Event(
        type=EventType.INGEST_ERROR if outcome.failed else EventType.INGEST_SUCCESS,
        at=now,
        account_id=batch.account_id,
        subaccount_id=batch.subaccount_id,
        message_id=None,
        transmission_id=None,
        recipient="",
        recipient_domain="",
        campaign_id="",
        detail=_encode(detail),
    )


def _read(share: Share, known: frozenset[int] | None) -> _Read:
    batch = share.batch
    taken: list[tuple[int, Taken]] = []
    failed: list[bytes] = []
    reason = ""
    for number, line in enumerate(unpack(share.packed).split(b"\n"), start=share.begins):
        if not line.strip():
            continue
        found = read_line(
            line,
            account_id=batch.account_id,
            subaccount_id=batch.subaccount_id,
            subaccounts=known,
            received_at=batch.received_at,
        )
        if isinstance(found, Faulty):
            reason = reason or f"line {number}: {found.why}"
            failed.append(line + b"\n")
        else:
            taken.append((number, found))
    return _Read(taken, failed, pack(b"".join(failed)) if failed else b"", reason)
