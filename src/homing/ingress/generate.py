"""Makes the messages of one share of a transmission that was written down: called by the owner of the share's shard."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from homing.domains.facts import DomainBook
from homing.ground.db import Pool
from homing.ground.log import get
from homing.ingress.expand import rejection_of
from homing.ingress.rules.expand import expand
from homing.ingress.submit import Order, decode_order
from homing.ingress.suppression import SuppressionDesk
from homing.ingress.types import Recipient
from homing.queue import submissions
from homing.queue.submissions import ToGenerate
from homing.queue.types import NewChunk, Place
from homing.recipients import lists
from homing.spool.types import RecipientDetail, decode_content

log = get("ingress")
_decode_piece = msgspec.msgpack.Decoder(list[tuple[str, str, RecipientDetail | None]]).decode


class Generator:
    """Turns orders into chunks; the queue calls it for wishes of the kind `generate`."""

    def __init__(self, pool: Pool, desk: SuppressionDesk, domains: DomainBook, *, lifetime: timedelta) -> None:
        self._pool = pool
        self._desk = desk
        self._domains = domains
        self._lifetime = lifetime

    async def __call__(self, payload: bytes, place: Callable[[int], Place], now: datetime) -> NewChunk | None:
        """Return the chunk of an order; None where its transmission is not known any more.

        Of a transmission that was cancelled meanwhile no message waits: each is an injection and a bounce. Where its sender may
        not use its domain any more, none is made: each is a generation rejection.
        raises   StoreUnavailable; the wish stays in the inbox then
        """
        order = await asyncio.to_thread(decode_order, payload)
        given = await submissions.to_generate(self._pool, order.transmission_id)
        if given is None:
            log.error("transmission_missing", transmission_id=order.transmission_id.hex())
            return None
        recipients = await self._recipients(order, given)
        facts = given.facts
        suppressed: dict[str, str] = {}
        rejection = await rejection_of(facts, self._domains)
        if not facts.skip_suppression and not given.canceled and not rejection:
            suppressed = await self._desk.suppressed(
                facts.account_id,
                facts.subaccount_id,
                [recipient.email.lower() for recipient in recipients],
                facts.transactional,
                facts.named_list,
            )
        where = place(len(recipients))
        return await asyncio.to_thread(
            expand,
            facts,
            decode_content(given.content),
            recipients,
            suppressed=suppressed,
            shard=where.shard,
            chunk_id=where.chunk_id,
            message_ids=where.message_ids,
            lifetime=self._lifetime,
            now=now,
            content_bytes=given.content,
            canceled=given.canceled,
            rejection=rejection,
        )

    async def _recipients(self, order: Order, given: ToGenerate) -> list[Recipient]:
        if order.recipients is not None:
            return [Recipient(*one) for one in order.recipients]
        assert given.snapshot is not None
        pieces = await lists.read(self._pool, given.snapshot, order.first, order.last)
        return await asyncio.to_thread(_unpacked, pieces)


def _unpacked(pieces: list[bytes]) -> list[Recipient]:
    return [Recipient(*one) for piece in pieces for one in _decode_piece(piece)]
