"""How an account and subaccount stand, from memory: a few seconds old at most."""

from datetime import timedelta

from homing.accounts import store
from homing.accounts.types import Standing
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.memo import Memo

_FRESH = timedelta(seconds=5)
_ABSENT = timedelta(seconds=1)  # a subaccount that was just made works at once
_STALE = timedelta(seconds=60)


class AccountBook:
    """Answers what sending must know of an account. One per worker."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._standings: Memo[tuple[int, int], Standing] = Memo(self._load, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE)

    async def standing(self, account_id: int, subaccount_id: int) -> Standing | None:
        """Return how an account and subaccount (0: the primary account) stand; None where either does not exist.

        raises   StoreUnavailable if the database is away and it was not asked for within the last minute
        """
        key = (account_id, subaccount_id)
        return self._standings.peek(key) or await self._standings.get(key)

    def forget(self) -> None:
        """Ask the database anew for everything: an account or subaccount was changed in this process."""
        self._standings.clear()

    async def _load(self, key: tuple[int, int]) -> Standing | None:
        return await store.standing(self._pool, *key)
