"""Expands one share of a large transmission: called by the owner of the shard that its inbox item lies in."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from homing.ingress.rules.expand import decode_share
from homing.ingress.rules.expand import expand as expanded
from homing.ingress.suppression import SuppressionDesk
from homing.ingress.types import Recipient
from homing.queue.types import NewChunk, Place
from homing.spool.types import decode_content


class Expander:
    """Turns payloads into chunks; the queue calls it (`Owner.attach`)."""

    def __init__(self, desk: SuppressionDesk, *, lifetime: timedelta) -> None:
        self._desk = desk
        self._lifetime = lifetime

    async def __call__(self, payload: bytes, place: Callable[[int], Place], now: datetime) -> NewChunk:
        """Return the chunk of a payload that `accept` wrote.

        raises   StoreUnavailable while suppressions cannot be looked up; the item stays in the inbox then
        """
        share = await asyncio.to_thread(decode_share, payload)
        recipients = [Recipient(email, domain, detail) for email, domain, detail in share.recipients]
        facts = share.facts
        suppressed: dict[str, str] = {}
        if not facts.skip_suppression:
            suppressed = await self._desk.suppressed(
                facts.account_id,
                facts.subaccount_id,
                [recipient.email.lower() for recipient in recipients],
                facts.transactional,
                facts.named_list,
            )
        where = place(len(recipients))
        return await asyncio.to_thread(
            expanded,
            facts,
            decode_content(share.content),
            recipients,
            suppressed=suppressed,
            shard=where.shard,
            chunk_id=where.chunk_id,
            message_ids=where.message_ids,
            lifetime=self._lifetime,
            now=now,
            content_bytes=share.content,
        )
