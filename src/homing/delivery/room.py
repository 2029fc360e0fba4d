"""Mail that waits for room: every address of its pool, and of its overflow, has used up what warm-up lets it send.

Its lanes are set aside under a name, and cost nothing. They are read again when there may be room, when pools change, when
somebody among them has waited long enough, and once an hour in any case.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from homing.ground.clock import Clock

EVERY_S = 0.5
LOOK_AGAIN = timedelta(hours=1)


def name_of(account_id: int, ip_pool: str) -> str:
    """Return the reason under which lanes wait."""
    return f"warmup:{account_id}:{ip_pool}"


class Room:
    """Which pools wait. unpark: called with a reason under which lanes were set aside, so that they are read again."""

    def __init__(self, clock: Clock, *, patience: timedelta, unpark: Callable[[str], None]) -> None:
        self._clock = clock
        self._again = min(LOOK_AGAIN, patience / 4)
        self._unpark = unpark
        self._waiting: dict[str, datetime] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, account_id: int, ip_pool: str, *, until: datetime) -> str:
        """Note that mail of a pool waits, and until when at the latest; returns the reason to set its lane aside under."""
        name = name_of(account_id, ip_pool)
        at = min(until, self._clock.now() + self._again)
        self._waiting[name] = min(at, self._waiting.get(name, at))
        return name

    def waits(self, account_id: int, ip_pool: str) -> bool:
        """Return whether mail of a pool waits now."""
        return bool(self._waiting) and name_of(account_id, ip_pool) in self._waiting

    def names(self) -> list[str]:
        """Return the reasons under which lanes wait."""
        return list(self._waiting)

    def open(self) -> None:
        """There may be room: everybody looks again."""
        waiting, self._waiting = self._waiting, {}
        for name in waiting:
            self._unpark(name)

    async def run(self) -> None:
        """Let those look again whose time has come. Runs until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            now = self._clock.now()
            for name in [name for name, at in self._waiting.items() if at <= now]:
                del self._waiting[name]
                self._unpark(name)
