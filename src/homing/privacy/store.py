"""Typed access to requests about personal data."""

from collections.abc import Sequence
from datetime import datetime

from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary
from homing.privacy.types import Ask, PrivacyRequest

_sql = queries("homing.privacy")


async def add(
    pool: Pool, *, account_id: int, subaccount_id: int | None, ask: Ask, recipients: Sequence[str], now: datetime
) -> int:
    """Write a request down whole; return its number."""
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            request_id: int = await _sql.insert_request(
                connection,
                account_id=account_id,
                subaccount_id=subaccount_id,
                ask=ask.value,
                recipients=len(recipients),
                now=now,
            )
            await _sql.insert_recipients(connection, request_id=request_id, recipients=list(recipients))
    return request_id


async def count_open(executor: Executor, account_id: int) -> int:
    """Return how many requests of an account are not done."""
    with trouble_is_temporary():
        number: int = await _sql.count_open(executor, account_id=account_id)
    return number


async def next_due(connection: Executor, *, now: datetime) -> PrivacyRequest | None:
    """Return a request that is due; it stays locked to the end of the transaction."""
    row = await _sql.next_due(connection, now=now)
    return None if row is None else _request(row)


async def recipients_left(connection: Executor, request: PrivacyRequest, *, limit: int) -> list[str]:
    """Return some addresses that this look has not come to."""
    rows = _sql.recipients_left(connection, request_id=request.request_id, looks=request.looks, limit=limit)
    return [row["recipient"] async for row in rows]


async def looked_at(connection: Executor, request: PrivacyRequest, recipients: Sequence[str]) -> None:
    """Note that this look is through with some addresses."""
    await _sql.looked_at(connection, request_id=request.request_id, looks=request.looks, recipients=list(recipients))


async def add_events(connection: Executor, request: PrivacyRequest, events: int) -> None:
    """Add to the number of events that were erased."""
    await _sql.add_events(connection, request_id=request.request_id, events=events)


async def look_again(connection: Executor, request: PrivacyRequest, *, due_at: datetime) -> None:
    """Note that a look is through, and when the next one is due."""
    await _sql.look_again(connection, request_id=request.request_id, due_at=due_at)


async def end(connection: Executor, request: PrivacyRequest, *, now: datetime) -> None:
    """Note that a request is done, and forget whom it was about."""
    await _sql.end_request(connection, request_id=request.request_id, now=now)


async def subaccounts_of(executor: Executor, account_id: int) -> list[int]:
    """Return the primary account (0) and the subaccounts of an account."""
    return sorted([row["subaccount_id"] async for row in _sql.subaccounts_of(executor, account_id=account_id)])


async def latest(executor: Executor, *, account_id: int | None, open_only: bool, limit: int) -> list[PrivacyRequest]:
    """Return the newest requests, for operators."""
    with trouble_is_temporary():
        rows = _sql.latest_requests(executor, account_id=account_id, open_only=open_only, limit=limit)
        return [_request(row) async for row in rows]


def _request(row: Record) -> PrivacyRequest:
    fields = dict(row)
    return PrivacyRequest(ask=Ask(fields.pop("ask")), **fields)
