"""The clock as an argument: a shell asks `Clock.now`, a rule receives `now`."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a shell gets the moment from; tests pass one that they move."""

    def now(self) -> datetime:
        """Return this moment, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Return this moment, aware, in UTC."""
        return datetime.now(UTC)


def boot_seconds() -> float:
    """Return seconds since the machine started, sleep included.

    CLOCK_BOOTTIME also counts while the machine is suspended, which CLOCK_MONOTONIC does not: a lease judged
    by it cannot outlive a laptop's lid.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
