"""Keeps accounts within their limits at the moment of admission, from figures that are a second old at most."""

from datetime import datetime, timedelta

import msgspec

from homing.accounts import usage
from homing.accounts.rules.usage import Period, Used, hour_of, passed
from homing.accounts.types import Limits
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.memo import Memo

FRESH = timedelta(seconds=1)  # what other workers have taken is seen after so long
_STALE = timedelta(seconds=60)


class _Ledger:
    """What this worker has held against one account's limits, ever; and what it still holds, its outcome being open."""

    __slots__ = ("held", "open", "returned")

    def __init__(self) -> None:
        self.held = self.returned = self.open = 0


class _Figures(msgspec.Struct, frozen=True, gc=False):
    """What the table said, and how the ledger stood when it was asked; what was open then may be in it or not."""

    used: Used
    open: int
    held: int
    returned: int


class Hold:
    """Messages that are about to be taken; `end` says how it went."""

    __slots__ = ("_ledger", "_messages")

    def __init__(self, ledger: _Ledger | None, messages: int) -> None:
        self._ledger = ledger
        self._messages = messages
        if ledger is not None:
            ledger.held += messages
            ledger.open += messages

    def end(self, *, taken: bool) -> None:
        """Let go; taken: they are in the table now."""
        if self._ledger is not None:
            self._ledger.open -= self._messages
            self._ledger.returned += 0 if taken else self._messages
            self._ledger = None


class Allowance:
    """Says whether so many messages more may be taken. One per worker.

    What this worker takes counts at once; what others take meanwhile is seen within a second, so together they may pass a
    limit by what they take in one.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._ledgers: dict[int, _Ledger] = {}
        self._figures: Memo[tuple[int, datetime], _Figures] = Memo(self._load, clock, fresh=FRESH, absent=FRESH, stale=_STALE)

    async def hold(self, account_id: int, limits: Limits, messages: int, *, now: datetime) -> Hold | Period:
        """Hold messages against the limits of an account, or say which limit they would pass.

        raises   StoreUnavailable
        """
        if not limits.any:
            return Hold(None, messages)
        key = (account_id, hour_of(now))
        figures = self._figures.peek(key) or await self._figures.get(key)
        assert figures is not None
        ledger = self._ledgers[account_id]
        since = figures.open + (ledger.held - figures.held) - (ledger.returned - figures.returned)
        used = figures.used
        over = passed(limits, Used(hour=used.hour + since, day=used.day + since, month=used.month + since), messages)
        return Hold(ledger, messages) if over is None else over

    async def _load(self, key: tuple[int, datetime]) -> _Figures:
        account_id, hour = key
        ledger = self._ledgers.setdefault(account_id, _Ledger())
        before = (ledger.open, ledger.held, ledger.returned)
        found = await usage.of_account(self._pool, account_id, now=hour)
        return _Figures(found.used, *before)
