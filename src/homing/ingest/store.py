"""Typed access to batches, their shares, and the ids of events that came before."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec

from homing.ground.db import Executor, Pool, queries, trouble_is_temporary
from homing.ingest.types import Batch, Outcome, Share

_sql = queries("homing.ingest")
KEPT = timedelta(days=3)  # a batch can be had so long
IDS_KEPT = timedelta(days=2)  # what is older than a day is not taken anyway
_AT_ONCE = 10_000


class Order(msgspec.Struct, frozen=True, array_like=True):
    """The payload of an `ingest` wish: read this share."""

    batch_id: bytes
    share: int


encode_order = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode


async def count_open(executor: Executor, account_id: int) -> int:
    """Return how many batches of an account wait to be read."""
    with trouble_is_temporary():
        number: int = await _sql.count_open(executor, account_id=account_id)
    return number


async def insert_batch(connection: Executor, batch: Batch) -> None:
    """Begin to write a batch down, in the caller's transaction."""
    await _sql.insert_batch(
        connection,
        batch_id=batch.batch_id,
        account_id=batch.account_id,
        subaccount_id=batch.subaccount_id,
        any_subaccount=batch.any_subaccount,
        received_at=batch.received_at,
    )


async def insert_share(connection: Executor, share: Share) -> None:
    """Write a share down."""
    await _sql.insert_share(
        connection, batch_id=share.batch.batch_id, share=share.number, begins=share.begins, packed=share.packed
    )


async def complete(connection: Executor, batch_id: UUID, *, shares: int) -> None:
    """Note how many shares a batch has."""
    await _sql.complete_batch(connection, batch_id=batch_id, shares=shares)


async def share_of(executor: Executor, order: Order) -> Share | None:
    """Return the share that an order names; None: it is gone."""
    with trouble_is_temporary():
        row = await _sql.one_share(executor, batch_id=UUID(bytes=order.batch_id), share=order.share)
    if row is None:
        return None
    fields = dict(row)
    own = {name: fields.pop(name) for name in ("begins", "packed")}
    return Share(number=fields.pop("share"), batch=Batch(**fields), **own)


async def first_come(executor: Executor, batch: Batch, event_ids: Sequence[str], lines: Sequence[int]) -> set[int]:
    """Return which of these lines came first with their event ids. Asked again, the answer is the same.

    lines   numbers within the batch, one for each event id
    """
    if not event_ids:
        return set()
    hashes = [hashlib.sha256(text.encode()).digest()[:16] for text in event_ids]
    with trouble_is_temporary():
        await _sql.claim_ids(
            executor,
            account_id=batch.account_id,
            batch_id=batch.batch_id,
            day=batch.received_at.date(),
            id_hashes=hashes,
            lines=list(lines),
        )
        rows = _sql.lines_that_claimed(
            executor, account_id=batch.account_id, batch_id=batch.batch_id, id_hashes=hashes, lines=list(lines)
        )
        return {row["line"] async for row in rows}


async def note_share(connection: Executor, share: Share, outcome: Outcome) -> None:
    """Note what became of a share, in the caller's transaction."""
    await _sql.note_share(
        connection,
        batch_id=share.batch.batch_id,
        share=share.number,
        succeeded=outcome.succeeded,
        duplicates=outcome.duplicates,
        failed=outcome.failed,
        failures=outcome.failures or None,
        reason=outcome.reason,
    )


async def may_ask(connection: Executor, batch_id: UUID, share: int) -> bool:
    """Return whether nobody has asked for the reading of a share before; from now on somebody has."""
    return await _sql.ask_next(connection, batch_id=batch_id, share=share) is not None


async def end(connection: Executor, batch_id: UUID) -> Outcome:
    """Note that the last share is read; return what became of the whole batch."""
    row = await _sql.end_batch(connection, batch_id=batch_id)
    return Outcome(**dict(row))


async def shares_of(executor: Executor, account_id: int, subaccount_id: int | None, batch_id: UUID) -> int | None:
    """Return how many shares a batch has; None: there is none for this customer."""
    with trouble_is_temporary():
        row = await _sql.batch_of(executor, batch_id=batch_id, account_id=account_id, subaccount_id=subaccount_id)
    return None if row is None else int(row["shares"])


async def members(executor: Executor, batch_id: UUID, shares: int, *, failures: bool) -> AsyncIterator[bytes]:
    """Give the gzip members of a batch, or of its failures, one after the other; together they are one gzip file."""
    ask = _sql.packed_failures if failures else _sql.packed_lines
    for share in range(shares):
        with trouble_is_temporary():
            packed = await ask(executor, batch_id=batch_id, share=share)
        if packed:
            yield packed


async def forget_old(pool: Pool, *, now: datetime) -> None:
    """Forget what was read long ago."""
    before: date = (now - IDS_KEPT).date()
    with trouble_is_temporary():
        await _sql.forget_batches(pool, before=now - KEPT)
        while await _sql.forget_ids(pool, before=before, limit=_AT_ONCE) == _AT_ONCE:
            pass
