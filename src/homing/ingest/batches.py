"""A batch is written down whole before it is answered; its shares are read one after the other in the background."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from uuid import UUID, uuid4

from homing.ground.clock import boot_seconds
from homing.ground.db import Executor, Pool, trouble_is_temporary
from homing.ingest import store
from homing.ingest.rules.cutting import BadBatch, cut, pack
from homing.ingest.store import Order, encode_order
from homing.ingest.types import Batch, Cut, Share
from homing.queue import store as queue
from homing.queue.lease import SHARDS

KIND = "ingest"
MOST_OPEN = 100  # batches of one account that wait to be read


class TooMany(Exception):
    """So many batches of this account wait to be read that another one has to wait outside."""


class Batches:
    """Takes batches. One for a worker.

    news   called after a commit: a shard's inbox has something
    """

    def __init__(self, pool: Pool, *, news: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._news = news

    async def take(self, body: bytes, *, account_id: int, subaccount_id: int, any_subaccount: bool, now: datetime) -> UUID:
        """Make a batch durable, and return its id.

        body     gzip of lines
        raises   TooMany; BadBatch, StoreUnavailable: nothing was stored
        """
        if await store.count_open(self._pool, account_id) >= MOST_OPEN:
            raise TooMany
        batch = Batch(
            batch_id=uuid4(),
            account_id=account_id,
            subaccount_id=subaccount_id,
            any_subaccount=any_subaccount,
            received_at=now,
            shares=0,
        )
        number, begins = 0, 1
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.insert_batch(connection, batch)
                async for raw, packed in _packed(cut(body)):
                    await store.insert_share(connection, Share(batch=batch, number=number, begins=begins, packed=packed))
                    number, begins = number + 1, begins + raw.raw.count(b"\n")
                if not number:
                    raise BadBatch("the body holds no events")
                await store.complete(connection, batch.batch_id, shares=number)
                await ask(connection, batch, 0)
        self._news()
        return batch.batch_id


async def ask(connection: Executor, batch: Batch, share: int) -> None:
    """Ask some shard to read a share, in the caller's transaction."""
    payload = encode_order(Order(batch.batch_id.bytes, share))
    shard = int(boot_seconds() * 1000) % SHARDS
    await queue.append_inbox(connection, kind=KIND, account_id=batch.account_id, items=[(shard, payload)])


async def _packed(shares: Iterator[Cut]) -> AsyncIterator[tuple[Cut, bytes]]:
    """Give shares with their gzip members, made in a thread."""

    def following() -> tuple[Cut, bytes] | None:
        share = next(shares, None)
        return None if share is None else (share, pack(share.raw))

    while (made := await asyncio.to_thread(following)) is not None:
        yield made
