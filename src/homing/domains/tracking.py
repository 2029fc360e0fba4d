"""Where tracked addresses lead, and whose links a host serves. From memory, a few seconds old at most."""

import asyncio
from datetime import timedelta

from homing.domains import tracking_store
from homing.domains.rules.tracking import base_of, choose
from homing.domains.types import TrackingDomain
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.memo import Memo

_FRESH = timedelta(seconds=5)
_ABSENT = timedelta(seconds=2)  # a domain that was just verified serves soon
_STALE = timedelta(hours=1)  # links work, and mail in memory is sent, while the database is away
_LOOKUPS = 4  # of hosts at once: a flood of made-up names must not take all connections

Choice = tuple[int, int, str, str]  # account, subaccount, sending domain, what the transmission names


class TrackingBook:
    """Answers what marks and the tracking site ask. One for a worker.

    own_base    what the installation's own addresses begin with
    own_hosts   names of the installation, lower case: they serve everybody's links
    """

    def __init__(self, pool: Pool, clock: Clock, *, own_base: str, own_hosts: frozenset[str]) -> None:
        self.own_base = own_base
        self.own_hosts = own_hosts
        self._pool = pool
        self._bases: Memo[Choice, str] = Memo(self._load_base, clock, fresh=_FRESH, absent=_FRESH, stale=_STALE)
        self._hosts: Memo[str, int] = Memo(self._load_host, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE)
        self._named: Memo[tuple[int, int, str], TrackingDomain] = Memo(
            self._load_named, clock, fresh=_FRESH, absent=_ABSENT, stale=timedelta(seconds=60)
        )
        self._lookups = asyncio.Semaphore(_LOOKUPS)

    def base_cached(self, account_id: int, subaccount_id: int, sending_domain: str, named: str) -> str | None:
        """Return what `base` would, if memory has it fresh, else None. Never waits."""
        return self._bases.peek((account_id, subaccount_id, sending_domain, named))

    async def base(self, account_id: int, subaccount_id: int, sending_domain: str, named: str) -> str:
        """Return what the tracked addresses of a message begin with.

        named    tracking domain that the transmission names; ''
        raises   StoreUnavailable if the database is away and nothing is remembered
        """
        return await self._bases.get((account_id, subaccount_id, sending_domain, named)) or self.own_base

    async def is_usable(self, account_id: int, subaccount_id: int, domain: str) -> bool:
        """Return whether a transmission may name this tracking domain: verified, and of the same (sub)account.

        raises   StoreUnavailable
        """
        found = await self._named.get((account_id, subaccount_id, domain))
        return found is not None and found.is_usable

    async def serves(self, host: str, account_id: int | None) -> bool:
        """Return whether a host serves the links of this account; None: whether it serves anybody's.

        host     as rules.tracking.host_of gave it
        raises   StoreUnavailable
        """
        if host in self.own_hosts:
            return True
        owner = await self._hosts.get(host) if host else None
        return owner is not None and account_id in (None, owner)

    def forget(self) -> None:
        """Ask the database anew for everything: something was changed in this process."""
        self._bases.clear()
        self._hosts.clear()
        self._named.clear()

    async def _load_base(self, choice: Choice) -> str:
        account_id, subaccount_id, sending_domain, named = choice
        found, linked = await tracking_store.candidates(
            self._pool, account_id=account_id, subaccount_id=subaccount_id, sending_domain=sending_domain, named=named
        )
        chosen = choose(found, subaccount_id=subaccount_id, named=named, linked=linked)
        return self.own_base if chosen is None else base_of(chosen, own_base=self.own_base)

    async def _load_host(self, host: str) -> int | None:
        async with self._lookups:
            return await tracking_store.account_of_host(self._pool, host)

    async def _load_named(self, name: tuple[int, int, str]) -> TrackingDomain | None:
        account_id, subaccount_id, domain = name
        return await tracking_store.get(self._pool, domain, account_id=account_id, subaccount_id=subaccount_id)
