"""A/B tests as sending needs them: from memory, two seconds old at most."""

from datetime import timedelta

from homing.abtests import store
from homing.abtests.types import Current
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.memo import Memo

_FRESH = timedelta(seconds=2)
_ABSENT = timedelta(seconds=1)
_STALE = timedelta(seconds=60)


class AbTestBook:
    """Answers how a test stands. One per worker."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._tests: Memo[tuple[int, int, str], Current] = Memo(self._find, clock, fresh=_FRESH, absent=_ABSENT, stale=_STALE)

    async def current(self, account_id: int, subaccount_id: int, test_id: str) -> Current | None:
        """Return the latest version of a test of this sender's own, with its counts; None: there is none.

        raises   StoreUnavailable if the database is away and it was not seen within the last minute
        """
        return None if "\0" in test_id else await self._tests.get((account_id, subaccount_id, test_id))

    def forget(self) -> None:
        """Ask the database anew: a test was changed in this process."""
        self._tests.clear()

    async def _find(self, key: tuple[int, int, str]) -> Current | None:
        test = await store.find(self._pool, *key)
        if test is None:
            return None
        (counts,) = await store.counts_of(self._pool, [test])
        return Current(test, counts)
