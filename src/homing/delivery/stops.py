"""What stops a message that waits: its recipient was suppressed lately, its transmission was cancelled, or its sender may
not use its From domain any more.
"""

from collections import OrderedDict
from collections.abc import Iterable

from homing.delivery.types import Stop
from homing.domains.facts import DomainBook
from homing.events.rules.reason import CANCELED, suppression_reason, unconfigured_reason
from homing.ground.db import Pool
from homing.queue import submissions
from homing.queue.types import Entry
from homing.recipients import store as recipients
from homing.recipients.fresh import Fresh
from homing.spool.types import ChunkFacts

REMEMBERED = 10_000  # cancelled transmissions; of older ones nothing lies in memory, or it is read and checked again


class Stops:
    """Judges messages before they are made. One for a worker."""

    def __init__(self, pool: Pool, fresh: Fresh, domains: DomainBook) -> None:
        self._pool = pool
        self._fresh = fresh
        self._domains = domains
        self._canceled: OrderedDict[bytes, None] = OrderedDict()

    def cancel(self, transmission_ids: Iterable[bytes]) -> None:
        """Note transmissions whose messages must not be tried any more."""
        for transmission_id in transmission_ids:
            self._canceled[transmission_id] = None
        while len(self._canceled) > REMEMBERED:
            self._canceled.popitem(last=False)

    def may_stop(self, entry: Entry, facts: ChunkFacts) -> bool:
        """Return whether `reason` must be asked; no await, for the hot path."""
        if self._canceled and facts.transmission_id in self._canceled:
            return True
        if not self._domains.is_sender(facts.account_id, facts.subaccount_id, facts.sending_domain):
            return True
        return not facts.skip_suppression and self._fresh.may_stop(facts.account_id, entry.recipient)

    async def reason(self, entry: Entry, facts: ChunkFacts) -> Stop | None:
        """Return why a message must not be tried; None: it may.

        raises   StoreUnavailable
        """
        if facts.transmission_id in self._canceled:
            return Stop(CANCELED)
        listed = not facts.skip_suppression and self._fresh.may_stop(facts.account_id, entry.recipient)
        if not await self._domains.may_send(facts.account_id, facts.subaccount_id, facts.sending_domain):
            return _unconfigured(facts)
        if not listed:
            return None
        found = await recipients.suppressed(
            self._pool, facts.account_id, facts.subaccount_id, [entry.recipient], facts.transactional, facts.named_list
        )
        source = found.get(entry.recipient.lower())
        return None if source is None else Stop(suppression_reason(source))

    async def reasons(self, entries: list[Entry], facts: dict[bytes, ChunkFacts]) -> dict[bytes, Stop]:
        """Return why entries that were read must not be tried: entry id -> reason, of those that are stopped.

        facts    of their chunks, all of one customer
        raises   StoreUnavailable
        """
        scheduled = {its.transmission_id for its in facts.values() if its.scheduled_at is not None}
        canceled = await submissions.canceled_among(self._pool, scheduled)
        refused = await self._refused(facts.values())
        found: dict[bytes, Stop] = {}
        groups: dict[tuple[bool, str], list[Entry]] = {}
        for entry in entries:
            its = facts.get(entry.chunk_id)
            if its is None:
                continue
            if its.transmission_id in canceled:
                found[entry.entry_id] = Stop(CANCELED)
            elif refused and _sender(its) in refused:
                found[entry.entry_id] = _unconfigured(its)
            elif not its.skip_suppression:
                groups.setdefault((its.transactional, its.named_list), []).append(entry)
        for (transactional, list_id), group in groups.items():
            its = facts[group[0].chunk_id]
            suppressed = await recipients.suppressed(
                self._pool, its.account_id, its.subaccount_id, [entry.recipient for entry in group], transactional, list_id
            )
            for entry in group:
                source = suppressed.get(entry.recipient.lower())
                if source is not None:
                    found[entry.entry_id] = Stop(suppression_reason(source))
        return found

    async def _refused(self, facts: Iterable[ChunkFacts]) -> set[tuple[int, int, str]]:
        """Return the senders, with their From domain, whose mail may not leave any more."""
        unsure = {sender for sender in map(_sender, facts) if not self._domains.is_sender(*sender)}
        return {sender for sender in unsure if not await self._domains.may_send(*sender)}


def _sender(facts: ChunkFacts) -> tuple[int, int, str]:
    return facts.account_id, facts.subaccount_id, facts.sending_domain


def _unconfigured(facts: ChunkFacts) -> Stop:
    return Stop(unconfigured_reason(facts.sending_domain), rejected=True)
