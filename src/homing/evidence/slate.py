"""The slate: memory shared with the parent process, so that a killed worker's last second and open attempts are not lost.

A file in memory (memfd) that the supervisor makes and passes down. The worker keeps one row for each (second, account, door)
that is not on the disk yet; when it dies without a word, the supervisor reads what it left: attempts that ended, and those
that never will. Nothing here waits for a disk, so the mail path never does either.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from homing.evidence.types import Door

ROWS = 8_192  # attempts of some seconds of very many customers; beyond it rows are in the worker's own memory alone
_ROW = struct.Struct("<qqIIII16s")
_COUNTS = struct.Struct("<III")
_COUNTS_AT = 20
SIZE = ROWS * _ROW.size
_NOBODY = -1


class Left(NamedTuple):
    """One row: what was attempted in one second and not written to the disk yet.

    open    attempts under way
    ok      attempts that ended well
    failed  attempts that failed through our fault
    """

    second: int
    account_id: int | None
    door: Door
    key: str
    open: int
    ok: int
    failed: int


def make() -> int:
    """Return the descriptor of an empty slate; it is closed on exec unless it is passed down."""
    handle = os.memfd_create("homing-evidence", os.MFD_CLOEXEC)
    os.ftruncate(handle, SIZE)
    return handle


class Slate:
    """The worker's side."""

    def __init__(self, handle: int) -> None:
        self._memory = mmap.mmap(handle, SIZE)
        self._free = list(range(ROWS - 1, -1, -1))

    def take(self, second: int, account_id: int | None, door: Door, key: str) -> int:
        """Begin a row and return its place; -1 where all rows are taken."""
        if not self._free:
            return -1
        place = self._free.pop()
        account = _NOBODY if account_id is None else account_id
        _ROW.pack_into(self._memory, place * _ROW.size, second, account, door.number, 0, 0, 0, key.encode()[:16])
        return place

    def write(self, place: int, open_: int, ok: int, failed: int) -> None:
        """Say how a row stands."""
        _COUNTS.pack_into(self._memory, place * _ROW.size + _COUNTS_AT, open_, ok, failed)

    def wipe(self, place: int) -> None:
        """End a row: all of it is on the disk."""
        self.write(place, 0, 0, 0)
        self._free.append(place)

    def close(self) -> None:
        """Let the memory go."""
        self._memory.close()


def read(handle: int) -> Iterator[Left]:
    """Give the rows of a slate that say something."""
    for second, account, door, open_, ok, failed, key in _ROW.iter_unpack(os.pread(handle, SIZE, 0)):
        if open_ or ok or failed:
            yield Left(
                second,
                None if account == _NOBODY else account,
                Door.SMTP if door else Door.API,
                key.rstrip(b"\0").decode("ascii", "replace"),
                open_,
                ok,
                failed,
            )
