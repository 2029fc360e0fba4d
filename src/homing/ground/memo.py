"""What was read lately, kept for a moment: bounded, one look-up in flight per key, and an answer of some age in an outage.

A value of None means "there is no such thing"; such answers are kept apart and shorter, so that a flood of wrong keys
cannot push out the right ones.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from homing.ground.clock import Clock
from homing.ground.errors import StoreUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers what `load` answered.

    fresh    how long an answer is simply believed
    absent   how long "there is none" is believed
    stale    up to this age an answer still serves while the store cannot be reached; zero: never
    most     values kept; the oldest goes first (and as many keys that are known to lead nowhere)
    patience how long one look-up may take before it counts as an unreachable store
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        clock: Clock,
        *,
        fresh: timedelta,
        absent: timedelta,
        stale: timedelta = timedelta(0),
        most: int = 10_000,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self._load = load
        self._clock = clock
        self._fresh = fresh
        self._absent_for = absent
        self._stale = stale
        self._most = most
        self._patience = patience
        self._values: dict[K, tuple[V, datetime]] = {}
        self._absent: dict[K, datetime] = {}
        self._in_flight: dict[K, asyncio.Task[V | None]] = {}
        self._unreachable_at: datetime | None = None

    def peek(self, key: K) -> V | None:
        """Return a fresh value without waiting, or None if it must be asked for."""
        kept = self._values.get(key)
        if kept is not None and timedelta(0) <= self._clock.now() - kept[1] < self._fresh:
            return kept[0]
        return None

    async def get(self, key: K) -> V | None:
        """Return the value, or None where there is none.

        raises   StoreUnavailable if neither the store nor an answer of tolerable age can tell
        """
        now = self._clock.now()
        kept = self._values.get(key)
        age = now - kept[1] if kept is not None else timedelta.max
        if kept is not None and timedelta(0) <= age < self._fresh:
            return kept[0]
        absent_at = self._absent.get(key)
        if absent_at is not None and timedelta(0) <= now - absent_at < self._absent_for:
            return None
        tolerable = kept is not None and timedelta(0) <= age < self._stale
        if kept is not None and tolerable and self._failed_just_now(now):
            return kept[0]  # an outage must not cost every caller the whole patience
        try:
            return await self._ask(key)
        except StoreUnavailable:
            if kept is not None and tolerable:
                return kept[0]
            raise

    def forget(self, key: K) -> None:
        """Drop what is known of a key; the next caller asks the store."""
        self._values.pop(key, None)
        self._absent.pop(key, None)
        self._in_flight.pop(key, None)  # its waiters get an answer, but nobody later does

    def clear(self) -> None:
        """Drop everything."""
        self._values.clear()
        self._absent.clear()
        self._in_flight.clear()

    def __len__(self) -> int:
        return len(self._values) + len(self._absent)

    def _failed_just_now(self, now: datetime) -> bool:
        return self._unreachable_at is not None and timedelta(0) <= now - self._unreachable_at < timedelta(seconds=1)

    async def _ask(self, key: K) -> V | None:
        """Join the look-up of this key that is in flight, or begin one. A caller that goes away does not end it."""
        task = self._in_flight.get(key)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(self._look_up(key), name="memo")
            self._in_flight[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def _look_up(self, key: K) -> V | None:
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                value = await self._load(key)
        except TimeoutError as trouble:
            self._unreachable_at = self._clock.now()
            raise StoreUnavailable("the store did not answer in time") from trouble
        except StoreUnavailable:
            self._unreachable_at = self._clock.now()
            raise
        self._unreachable_at = None
        if self._in_flight.get(key) is asyncio.current_task():  # else it was forgotten meanwhile
            self._keep(key, value, asked_at)
        return value

    def _keep(self, key: K, value: V | None, asked_at: datetime) -> None:
        self._values.pop(key, None)
        self._absent.pop(key, None)
        if value is None:
            self._absent[key] = asked_at
            if len(self._absent) > self._most:
                del self._absent[next(iter(self._absent))]
        else:
            self._values[key] = (value, asked_at)
            if len(self._values) > self._most:
                del self._values[next(iter(self._values))]

    def _landed(self, key: K, task: "asyncio.Task[V | None]") -> None:
        if self._in_flight.get(key) is task:
            del self._in_flight[key]
        if not task.cancelled():
            task.exception()  # its waiters have it; without waiters it is not worth a warning
