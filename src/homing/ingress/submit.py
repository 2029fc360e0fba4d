"""Writes a transmission down whole, in one transaction, before it becomes messages: scheduled, large, or to a stored list."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from homing.accounts import usage
from homing.ground.db import Executor, Pool, trouble_is_temporary
from homing.ingress.rules.expand import chunk_size
from homing.ingress.types import Many, Refusal, Refused, Transmission
from homing.queue import submissions
from homing.queue.submissions import Submission
from homing.recipients import lists
from homing.recipients.lists import Piece
from homing.recipients.types import StoredList
from homing.spool.types import ChunkFacts, RecipientDetail, encode_content

MOST_IN_A_SHARE = 10_000  # recipients: so many become messages in one transaction
SHARE_BYTES = 8 * 1024 * 1024  # of recipients with what differs for them; they are in memory while they become messages


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What one share of a transmission is: the payload of a `generate` wish.

    recipients    email, routing domain, detail, where they came inline
    first, last   pieces of the snapshot otherwise
    """

    transmission_id: bytes
    recipients: list[tuple[str, str, RecipientDetail | None]] | None = None
    first: int = 0
    last: int = 0


encode_order = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(Order).decode


class Submit:
    """Writes transmissions down. One per worker.

    news   called after a commit: the shards' inboxes have something
    """

    def __init__(self, pool: Pool, *, news: Callable[[], None] = lambda: None) -> None:
        self._pool = pool
        self._news = news

    async def find_list(self, account_id: int, list_id: str) -> StoredList | None:
        """Return a stored list of an account; None: there is none."""
        return await lists.find(self._pool, account_id, list_id)

    async def __call__(self, facts: ChunkFacts, transmission: Transmission) -> int | Refused:
        """Make a transmission durable with its shares; return how many recipients it has, or why nothing was stored.

        Its list may have gone, and what others took meanwhile may leave no room in the sandbox.

        raises   StoreUnavailable; then nothing was stored
        """
        content = encode_content(transmission.content)
        if transmission.stored_list:
            verdict = await self._to_list(facts, content, transmission.stored_list, sandbox=transmission.sandbox)
        elif transmission.bulk is not None:
            verdict = await self._to_many(facts, content, transmission.bulk, sandbox=transmission.sandbox)
        else:
            verdict = await self._to_given(facts, content, transmission)
        if not isinstance(verdict, Refused):
            self._news()
        return verdict

    async def _to_given(self, facts: ChunkFacts, content: bytes, transmission: Transmission) -> int | Refused:
        count = len(transmission.recipients)
        shares = await asyncio.to_thread(_inline, facts, content, transmission)
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if transmission.sandbox and not await _room_in_sandbox(connection, facts, count):
                    return Refused(Refusal.SANDBOX_LIMIT)
                await submissions.write_down(connection, Submission(facts=facts, content=content, recipients=count), shares)
        return count

    async def _to_many(self, facts: ChunkFacts, content: bytes, bulk: Many, *, sandbox: bool) -> int | Refused:
        """The recipients are stored as those of a list are, some at a time; they go once their messages are made."""
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                if sandbox and not await _room_in_sandbox(connection, facts, bulk.accepted):
                    return Refused(Refusal.SANDBOX_LIMIT)
                snapshot = await lists.write_pieces(connection, _in_thread(bulk.pieces()))
                shares = await _shares(connection, facts, snapshot, recipients=bulk.accepted, content_bytes=len(content))
                made = Submission(facts=facts, content=content, recipients=bulk.accepted, snapshot=snapshot)
                await submissions.write_down(connection, made, shares)
        return bulk.accepted

    async def _to_list(self, facts: ChunkFacts, content: bytes, list_id: str, *, sandbox: bool) -> int | Refused:
        """The list stays as it is while somebody uses it, so a share need only name some of its pieces."""
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                stored = await lists.hold(connection, facts.account_id, list_id)
                if stored is None:
                    return Refused(Refusal.UNKNOWN_LIST, list_id)
                if sandbox and not await _room_in_sandbox(connection, facts, stored.recipients):
                    return Refused(Refusal.SANDBOX_LIMIT)
                shares = await _shares(
                    connection, facts, stored.snapshot, recipients=stored.recipients, content_bytes=len(content)
                )
                made = Submission(
                    facts=facts, content=content, recipients=stored.recipients, list_id=list_id, snapshot=stored.snapshot
                )
                await submissions.write_down(connection, made, shares)
        return stored.recipients


async def _shares(connection: Executor, facts: ChunkFacts, snapshot: int, *, recipients: int, content_bytes: int) -> list[bytes]:
    """Return the orders for the recipients of a snapshot."""
    pieces = await lists.sizes(connection, snapshot)
    most = min(MOST_IN_A_SHARE, chunk_size(recipients, content_bytes))
    return [
        encode_order(Order(facts.transmission_id, None, first, last))
        for first, last, _ in lists.ranges(pieces, most_recipients=most, most_bytes=SHARE_BYTES)
    ]


async def _in_thread(pieces: Iterator[tuple[int, bytes]]) -> AsyncIterator[Piece]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield Piece(*piece)


async def _room_in_sandbox(connection: Executor, facts: ChunkFacts, messages: int) -> bool:
    """Count messages against the sandbox in the transaction that takes them; False: there is no room for all of them."""
    return await usage.count_sandbox(connection, facts.account_id, messages)


def _inline(facts: ChunkFacts, content: bytes, transmission: Transmission) -> list[bytes]:
    recipients = [(recipient.email, recipient.domain, recipient.detail) for recipient in transmission.recipients]
    size = min(MOST_IN_A_SHARE, chunk_size(len(recipients), len(content)))
    return [
        encode_order(Order(facts.transmission_id, recipients[start : start + size])) for start in range(0, len(recipients), size)
    ]
