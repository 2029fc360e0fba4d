"""The clock as an argument: a shell asks `Clock.now`, a rule receives `now`."""

import ctypes
import struct
import time
from datetime import UTC, datetime, timedelta
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


_STA_NANO = 0x2000
_TIMEX = struct.Struct("@Iqqqqi")  # modes, offset, freq, maxerror, esterror, status: the head of struct timex on 64-bit Linux


def kernel_offset() -> timedelta | None:
    """Return how far the kernel believes the clock to be off, as its time service told it; None where that is not known."""
    buffer = ctypes.create_string_buffer(512)  # modes=0 only reads
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (AttributeError, OSError):
        return None
    if state < 0 or struct.calcsize("l") != 8:
        return None
    _, offset, _, _, _, status = _TIMEX.unpack_from(buffer)
    return timedelta(microseconds=offset / 1_000 if status & _STA_NANO else offset)
