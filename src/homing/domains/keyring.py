"""Keys that are ready to sign, opened once and kept in memory."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from homing.domains import store
from homing.domains.keys import unseal
from homing.domains.types import DEFAULT_KEY, KeyStanding, SealedKey, SigningKey
from homing.ground.clock import Clock, SystemClock
from homing.ground.db import Pool
from homing.ground.memo import Memo
from homing.ground.secrets import MasterKey

_FRESH = timedelta(seconds=30)
_ABSENT = timedelta(seconds=5)  # a key that was just verified signs soon
_KNOWN = timedelta(seconds=2)  # what doors ask of a key that a message names
_STALE = timedelta(hours=1)  # mail in memory is still signed while the database is away


class _Opened(NamedTuple):
    """The parts of one key, and who may use it."""

    keys: tuple[SigningKey, ...]
    subaccount_id: int
    shared: bool

    def of(self, subaccount_id: int) -> tuple[SigningKey, ...]:
        """Return the keys if a subaccount may use them: those of its own domain, or of one that its account shares."""
        return self.keys if subaccount_id == self.subaccount_id or (self.subaccount_id == 0 and self.shared) else ()


class KeyRing:
    """Hands out signing keys. One per worker.

    Keys are known by the account as well as by the domain: mail that an account handed in before it removed a domain is
    not signed by whoever has added it since.
    """

    def __init__(self, pool: Pool, master_key: MasterKey, clock: Clock | None = None) -> None:
        self._pool = pool
        self._master_key = master_key
        self._keys: Memo[tuple[int, str, str], _Opened] = Memo(
            self._load, clock or SystemClock(), fresh=_FRESH, absent=_ABSENT, stale=_STALE
        )
        self._standings: Memo[tuple[int, str, str], KeyStanding] = Memo(
            self._load_standing, clock or SystemClock(), fresh=_KNOWN, absent=_KNOWN, stale=_FRESH
        )

    def get_cached(
        self, account_id: int, subaccount_id: int, sending_domain: str, dkim_key: str = DEFAULT_KEY
    ) -> tuple[SigningKey, ...] | None:
        """Return the keys if memory has them fresh, else None: then ask `signing_keys`. Never waits."""
        found = self._keys.peek((account_id, sending_domain, dkim_key))
        return None if found is None else found.of(subaccount_id)

    async def signing_keys(
        self, account_id: int, subaccount_id: int, sending_domain: str, dkim_key: str = DEFAULT_KEY
    ) -> tuple[SigningKey, ...]:
        """Return the keys of a sender to sign with for a From domain: RSA first, then Ed25519; empty: send unsigned.

        Only keys that were seen published in DNS sign, or those of a domain that an operator vouched for: a signature
        that nobody can verify is worse than none. Where the key that a message named cannot sign any more, because it was
        removed or its record has gone, the default key does.

        raises   StoreUnavailable; Misuse if the master key does not belong to this database
        """
        found = await self._keys.get((account_id, sending_domain, dkim_key))
        if found is None and dkim_key != DEFAULT_KEY:
            found = await self._keys.get((account_id, sending_domain, DEFAULT_KEY))
        return () if found is None else found.of(subaccount_id)

    async def standing(self, account_id: int, sending_domain: str, dkim_key: str) -> KeyStanding:
        """Return whether a message may name this key. Whether its sender may name the domain was asked before.

        raises   StoreUnavailable
        """
        return await self._standings.get((account_id, sending_domain, dkim_key)) or KeyStanding.ABSENT

    def forget(self) -> None:
        """Ask the database anew for everything: keys were changed in this process."""
        self._keys.clear()
        self._standings.clear()

    async def _load_standing(self, which: tuple[int, str, str]) -> KeyStanding | None:
        return await store.key_standing(self._pool, *which)

    async def _load(self, which: tuple[int, str, str]) -> _Opened | None:
        sealed = await store.sealed_keys(self._pool, *which)
        if not sealed:
            return None
        keys = await asyncio.to_thread(self._open, sealed)
        return _Opened(keys, sealed[0].subaccount_id, sealed[0].shared)

    def _open(self, sealed: list[SealedKey]) -> tuple[SigningKey, ...]:
        return tuple(
            SigningKey(domain=one.signing_domain, selector=one.selector, private=unseal(one.private_sealed, self._master_key))
            for one in sealed
        )
