"""Verdicts about one address or a thousand: DNS and our own log are asked, then the rules decide.

No foreign mail server is asked. A server that is asked about mailboxes without being given mail (RCPT and QUIT) takes the
asker for a spammer who collects addresses, and blocks the source IPs that our customers' mail leaves from; and many say yes to
everybody, or later, so the answer would be worth little.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from homing.events import store as events
from homing.events.types import EventType
from homing.ground import db
from homing.recipients import store as recipients
from homing.validation.rules.names import Names
from homing.validation.rules.verdict import badly_spelled, read, verdict
from homing.validation.types import DomainState, History, Verdict

DOMAINS_AT_ONCE = 50


class Domains(Protocol):
    """Asks DNS about the mail of a domain; never raises."""

    async def __call__(self, domain: str) -> DomainState:
        """Return what DNS says."""
        ...


class Judge:
    """Judges for one worker."""

    def __init__(self, pool: db.Pool, domains: Domains, names: Names) -> None:
        self._pool = pool
        self._domains = domains
        self._names = names

    async def judge(self, texts: Sequence[str], *, account_id: int, subaccount_id: int | None) -> list[Verdict]:
        """Return the verdicts about some texts, in their order.

        subaccount_id   whose log and suppression list are asked; None: all of the account
        raises          StoreUnavailable
        """
        known = [read(text) for text in texts]
        addresses = {address for address, _ in filter(None, known)}
        states = await self._ask({domain for _, domain in filter(None, known)})
        histories = await self._histories(sorted(addresses), account_id, subaccount_id)
        return (
            await asyncio.to_thread(self._decide, texts, known, states, histories)
            if len(texts) > 1
            else self._decide(texts, known, states, histories)
        )

    def _decide(
        self,
        texts: Sequence[str],
        known: Sequence[tuple[str, str] | None],
        states: dict[str, DomainState],
        histories: dict[str, History],
    ) -> list[Verdict]:
        nothing = History()
        return [
            badly_spelled(text)
            if found is None
            else verdict(found[0], states[found[1]], histories.get(found[0], nothing), self._names)
            for text, found in zip(texts, known, strict=True)
        ]

    async def _ask(self, domains: set[str]) -> dict[str, DomainState]:
        slots = asyncio.Semaphore(DOMAINS_AT_ONCE)
        found: dict[str, DomainState] = {}

        async def ask(domain: str) -> None:
            async with slots:
                found[domain] = await self._domains(domain)

        async with asyncio.TaskGroup() as tasks:
            for domain in domains:
                tasks.create_task(ask(domain))
        return found

    async def _histories(self, addresses: Sequence[str], account_id: int, subaccount_id: int | None) -> dict[str, History]:
        if not addresses:
            return {}
        last = await events.last_outcomes(self._pool, account_id, addresses, subaccount_id=subaccount_id)
        bad = await recipients.bad_among(self._pool, account_id, addresses, subaccount_id=subaccount_id)
        found: dict[str, History] = {}
        for address in {*last, *bad}:
            kind, at = last.get(address, (None, None))
            found[address] = History(
                delivered_at=at if kind is EventType.DELIVERY else None,
                bounced_at=at if kind is not EventType.DELIVERY else None,
                suppressed=bad.get(address, ""),
            )
        return found
