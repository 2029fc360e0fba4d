"""Expands one share of a large transmission: called by the owner of the shard that its inbox item lies in."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from homing.domains.facts import DomainBook
from homing.events.rules.reason import unconfigured_reason
from homing.ingress.rules.expand import decode_share
from homing.ingress.rules.expand import expand as expanded
from homing.ingress.suppression import SuppressionDesk
from homing.ingress.types import Recipient
from homing.queue.types import NewChunk, Place
from homing.spool.types import ChunkFacts, decode_content


async def rejection_of(facts: ChunkFacts, domains: DomainBook) -> str:
    """Return why the messages of a transmission must not be made, though it was taken; '': they may.

    Nothing is asked of suspension: who is suspended has his messages made, and they wait in the queue until he is active again.
    raises   StoreUnavailable
    """
    if await domains.may_send(facts.account_id, facts.subaccount_id, facts.sending_domain):
        return ""
    return unconfigured_reason(facts.sending_domain)


class Expander:
    """Turns payloads into chunks; the queue calls it (`Owner.attach`)."""

    def __init__(self, desk: SuppressionDesk, domains: DomainBook, *, lifetime: timedelta) -> None:
        self._desk = desk
        self._domains = domains
        self._lifetime = lifetime

    async def __call__(self, payload: bytes, place: Callable[[int], Place], now: datetime) -> NewChunk:
        """Return the chunk of a payload that `accept` wrote.

        Where the sender may not use its domain any more, no message is made: each is a generation rejection.
        raises   StoreUnavailable while suppressions or the domain cannot be looked up; the item stays in the inbox then
        """
        share = await asyncio.to_thread(decode_share, payload)
        recipients = [Recipient(email, domain, detail) for email, domain, detail in share.recipients]
        facts = share.facts
        suppressed: dict[str, str] = {}
        rejection = await rejection_of(facts, self._domains)
        if not facts.skip_suppression and not rejection:
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
            rejection=rejection,
        )
