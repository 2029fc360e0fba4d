"""A worker's side of automatic warm-up: it leases messages of a warming address, and tells what became of them.

The tally is a row of the address and day in PostgreSQL (warmup_store.py), so all workers share it and a restart keeps it.
A lease is counted when it is given; what was not used is given back, and lost only with a worker that is killed.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import Enum
from functools import partial
from typing import Protocol

from homing.egress import warmup_store
from homing.egress.rules.choice import Standing
from homing.egress.rules.warmup import Lease, Returned
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.log import get
from homing.ground.turns import edge

log = get("egress")

EVERY_S = 1.0
TELL_S = 5.0  # what became of leases is told so often
IDLE_S = 30.0  # a lease that nobody has used for so long is given back


class Exchange(Protocol):
    """Tells what became of leases, and gets a new one where it is wanted."""

    async def __call__(self, key: str, /, *, now: datetime, returned: Sequence[Returned], wanted: bool) -> Lease | None:
        """Return a lease; None where the address is not warming any more, or nothing was wanted."""
        ...


class Fate(Enum):
    """What became of a message that was let send."""

    SENT = "sent"  # the attempt ended the message, or nobody knows
    PUT_OFF = "put off"  # it was deferred
    UNUSED = "unused"  # there was no attempt


class _Held:
    """What this worker holds of one address."""

    __slots__ = ("beyond", "day", "full_until", "hour", "left", "lock", "put_off", "until", "unused", "used_at")

    def __init__(self) -> None:
        self.left = 0
        self.until: datetime | None = None
        self.day: date | None = None
        self.hour = 0
        self.unused = 0
        self.put_off = 0
        self.beyond = 0
        self.full_until: datetime | None = None
        self.used_at = 0.0
        self.lock = asyncio.Lock()


class Warmup:
    """The warming addresses, as one worker sends from them.

    stage     of an address that is warming, else None (egress.pools)
    filled    called with an address whose volume has just been found used up
    opened    called when an address may have room again, or pools have changed
    exchange  tells the store what became of leases, and gets new ones; default: those of addresses as a whole.
              With that of pairs, what is called an address here is the key of a pair
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        *,
        stage: Callable[[str], int | None],
        filled: Callable[[str], None],
        opened: Callable[[], None],
        exchange: Exchange | None = None,
    ) -> None:
        self._store = exchange or partial(warmup_store.exchange, pool)
        self._clock = clock
        self._stage = stage
        self._filled = filled
        self._opened = opened
        self._held: dict[str, _Held] = {}

    def standing(self, address: str) -> Standing:
        """Return how an address stands, as far as this worker knows. Never waits."""
        if self._stage(address) is None:
            return Standing.FREE
        held = self._held.get(address)
        full = held is not None and held.full_until is not None and held.full_until > self._clock.now()
        return Standing.FULL if full else Standing.ROOM

    async def take(self, address: str, *, beyond: bool = False) -> bool:
        """Ask to send one message; `settle` must follow where the answer is True.

        beyond   it goes in any case, and is counted
        raises   StoreUnavailable
        """
        held = self._held.setdefault(address, _Held())
        held.used_at = asyncio.get_running_loop().time()
        if self._use_one(held):
            return True
        if beyond:
            await self._begin(address, held)
            if not held.beyond:
                log.warning("warmup_volume_exceeded", address=address, stage=self._stage(address))
            held.beyond += 1
            return True
        async with held.lock:
            if self._use_one(held):
                return True
            if self.standing(address) is Standing.FULL:
                return False
            if not await self._exchange(address, held, wanted=True) or self._use_one(held):
                return True
        self._filled(address)
        return False

    def settle(self, address: str, fate: Fate) -> None:
        """Tell what became of a message that was let send."""
        held = self._held.get(address)
        if held is None or fate is Fate.SENT:
            return
        if fate is Fate.UNUSED:
            held.unused += 1
        else:
            held.put_off += 1

    def changed(self) -> None:
        """Stages, pools or addresses have changed: what was used up may not be any more."""
        for held in self._held.values():
            held.full_until = None
        self._opened()

    async def run(self) -> None:
        """Give back what is not used, and notice when there is room again. Runs until cancelled."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while True:
            await asyncio.sleep(EVERY_S)
            now = self._clock.now()
            over = [held for held in self._held.values() if held.full_until is not None and held.full_until <= now]
            for held in over:
                held.full_until = None
            if over:
                self._opened()
            if loop.time() - told_at >= TELL_S:
                told_at = loop.time()
                await self.tell()

    async def tell(self, *, everything: bool = False) -> None:
        """Tell what became of leases; everything: and give back what is left of them."""
        moment = asyncio.get_running_loop().time()
        for address, held in list(self._held.items()):
            async with held.lock:
                ended = held.until is not None and held.until <= self._clock.now()
                if everything or ended or moment - held.used_at > IDLE_S:
                    held.unused, held.left = held.unused + held.left, 0
                with edge(log, waits="warmup_not_told", failed="warmup_tell_failed", address=address):
                    await self._exchange(address, held, wanted=False)
                nothing = not (held.left or held.unused or held.put_off or held.beyond)
                if nothing and self._stage(address) is None and moment - held.used_at > IDLE_S:
                    self._held.pop(address, None)

    def _use_one(self, held: _Held) -> bool:
        if held.left and held.until is not None and held.until > self._clock.now():
            held.left -= 1
            return True
        return False

    async def _begin(self, address: str, held: _Held) -> None:
        """See to it that what is counted now belongs to this hour."""
        now = self._clock.now()
        if (held.day, held.hour) != (now.date(), now.hour):
            async with held.lock:
                held.unused, held.left = held.unused + held.left, 0
                await self._exchange(address, held, wanted=False)

    async def _exchange(self, address: str, held: _Held, *, wanted: bool) -> bool:
        """Tell what became of the last lease, and get another one where it is wanted. The lock is held.

        returns   whether the address is warming, as the store has it; True where nothing was wanted
        """
        now = self._clock.now()
        if wanted:
            held.unused, held.left = held.unused + held.left, 0
        unused, put_off, beyond = held.unused, held.put_off, held.beyond
        returned = []
        if held.day is not None and (unused or put_off or beyond):
            returned.append(Returned(day=held.day, hour=held.hour, unused=unused, put_off=put_off, beyond=beyond))
        if returned or wanted:
            lease = await self._store(address, now=now, returned=returned, wanted=wanted)
        else:
            lease = None
        held.unused -= unused
        held.put_off -= put_off
        held.beyond -= beyond
        if not held.left:
            held.day, held.hour = now.date(), now.hour
        if lease is None:
            return not wanted
        held.left, held.until = lease.count, lease.until
        held.full_until = None if lease.count else lease.again_at
        return True
