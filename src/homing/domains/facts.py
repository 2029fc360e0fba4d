"""May this domain be used? From memory, a few seconds old at most.

The From domain must be registered itself: a verified acme.test does not cover mail.acme.test, as SparkPost has it
(reference, sections 2.7 and 2.31.1: the From-header domain is what must be a verified sending domain).
"""

from datetime import timedelta

from homing.domains import store
from homing.domains.rules.status import facts_of, may_return, may_send, may_use
from homing.domains.types import DomainFacts
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.memo import Memo

_FRESH = timedelta(seconds=5)
_ABSENT = timedelta(seconds=1)  # a domain that was just added works at once
_STALE = timedelta(seconds=60)


class DomainBook:
    """Answers what admission asks of domains. One per worker.

    house   the domain of the sandbox, which every account's mail may leave with: admission decides which mail does; '': none
    """

    def __init__(self, pool: Pool, clock: Clock, *, house: str = "") -> None:
        self._pool = pool
        self.house = house  # lower case A-labels
        self._domains: Memo[str, DomainFacts] = Memo(self._load, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE)
        self._bounce: Memo[tuple[int, int], DomainFacts] = Memo(
            self._load_bounce, clock, fresh=_FRESH, absent=_FRESH, stale=_STALE
        )

    async def facts(self, account_id: int, subaccount_id: int, domain: str) -> DomainFacts | None:
        """Return a domain that this sender may name: its own, or one that its primary account shares; else None.

        domain   lower case, A-labels
        raises   StoreUnavailable if the database is away and the domain was not seen within the last minute
        """
        found = self._domains.peek(domain) or await self._domains.get(domain)
        if found is None or not may_use(found, account_id=account_id, subaccount_id=subaccount_id):
            return None
        return found

    def is_sender(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        """Return whether memory knows that this sender's mail may leave with this domain in From; never waits.

        False: ask `may_send`.
        """
        return self._may_send(self._domains.peek(domain), domain, account_id, subaccount_id)

    async def may_send(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        """Return whether mail that this sender handed in may still leave with this domain in From.

        A no ends mail that was accepted, so it is never a memory's: the domain may have been verified since, and the mail
        accepted by another worker, who knew.

        raises   StoreUnavailable
        """
        found = await self._domains.get(domain)
        if self._may_send(found, domain, account_id, subaccount_id):
            return True
        self._domains.forget(domain)
        found = await self._domains.get(domain)
        return self._may_send(found, domain, account_id, subaccount_id)

    def _may_send(self, found: DomainFacts | None, domain: str, account_id: int, subaccount_id: int) -> bool:
        if domain == self.house:
            return found is not None and found.usable_in_from
        return may_send(found, account_id=account_id, subaccount_id=subaccount_id)

    async def may_return(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        """Return whether the bounces of this sender's mail may come back to this domain. Raises StoreUnavailable."""
        found = self._domains.peek(domain) or await self._domains.get(domain)
        return may_return(found, account_id=account_id, subaccount_id=subaccount_id)

    async def of_house(self) -> DomainFacts | None:
        """Return the domain of the sandbox, whoever has it: the operator has named it for the whole house. Raises as `facts`."""
        return self._domains.peek(self.house) or await self._domains.get(self.house) if self.house else None

    async def signer(self, account_id: int, subaccount_id: int, domain: str) -> tuple[int, int]:
        """Return whose keys sign for a domain: the sender's, for that of the sandbox its owner's. Raises as `facts`."""
        if domain != self.house:
            return account_id, subaccount_id
        found = await self.of_house()
        return (account_id, subaccount_id) if found is None else (found.account_id, found.subaccount_id)

    async def default_bounce(self, account_id: int, subaccount_id: int) -> str | None:
        """Return the domain of envelope senders that this sender has chosen, if it takes bounces; else None.

        A subaccount without one of its own uses that of the primary account.
        """
        for owner in dict.fromkeys((subaccount_id, 0)):
            found = await self._bounce.get((account_id, owner))
            if found is not None and found.usable_as_return_path:
                return found.domain
        return None

    def forget(self) -> None:
        """Ask the database anew for everything: a domain was changed in this process."""
        self._domains.clear()
        self._bounce.clear()

    async def _load(self, domain: str) -> DomainFacts | None:
        found = await store.find(self._pool, domain)
        return None if found is None else facts_of(found)

    async def _load_bounce(self, owner: tuple[int, int]) -> DomainFacts | None:
        found = await store.default_bounce(self._pool, *owner)
        return None if found is None else facts_of(found)
