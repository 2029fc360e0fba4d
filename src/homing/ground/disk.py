"""Enough free disk, or nothing new: what has been accepted must still be delivered, settled and logged.

The ballast is a file that holds space back; an operator with a full disk releases it (`homing doctor --free`) and has room to
work in.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from homing.ground import log

BALLAST = "ballast"
_REFUSAL = "the service is short of storage space; try again later"
_RECOVERY = 1.02  # accept again only with a little more than the limit, so that the answer does not flutter
_EVERY_S = 1.0

Space = Callable[[Path], tuple[int, int]]


def space(folder: Path) -> tuple[int, int]:
    """Return (free for us, in all) of the disk under a folder, in bytes."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize


class DiskGuard:
    """Watches the disks under some folders. `refuse_new` is asked for every message, so it only reads what `check` found.

    folders         the data folder, and the cluster's where that is elsewhere
    min_free_bytes  this much stays free, or min_free_share of the disk, whichever is more
    """

    def __init__(self, folders: Sequence[Path], *, min_free_bytes: int, min_free_share: float, space: Space = space) -> None:
        self._folders = list(folders)
        self._min_free_bytes = min_free_bytes
        self._min_free_share = min_free_share
        self._space = space
        self._refusal: str | None = None
        self._log = log.get("ground")
        self.free_bytes = 0  # of the fullest disk, when last checked

    def refuse_new(self) -> str | None:
        """Return why nothing new is taken, in words for strangers; None: all is well."""
        return self._refusal

    def check(self) -> str | None:
        """Look at the disks now, and return what `refuse_new` returns from here on."""
        short: Path | None = None
        free_bytes: int | None = None
        for folder in self._folders:
            try:
                free, total = self._space(folder)
            except OSError as trouble:
                self._log.error("disk_unreadable", folder=str(folder), reason=str(trouble))
                continue
            free_bytes = free if free_bytes is None else min(free, free_bytes)
            limit = max(float(self._min_free_bytes), self._min_free_share * total)
            if free < limit * (_RECOVERY if self._refusal else 1.0):
                short = folder
        self.free_bytes = free_bytes or 0
        if short is not None and self._refusal is None:
            self._log.error("disk_low", folder=str(short), free_bytes=self.free_bytes)
        elif short is None and self._refusal is not None:
            self._log.info("disk_has_room_again", free_bytes=self.free_bytes)
        self._refusal = _REFUSAL if short is not None else None
        return self._refusal

    async def run(self, stop: asyncio.Event) -> None:
        """Check once a second until told to stop."""
        while not stop.is_set():
            self.check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY_S)


def make_ballast(data: Path, size_bytes: int) -> bool:
    """Hold `size_bytes` back in the data folder (0: none); False where the disk has no room for it. Blocks for a moment."""
    path = data / BALLAST
    if size_bytes == 0:
        path.unlink(missing_ok=True)
        return True
    if path.exists() and path.stat().st_size == size_bytes:
        return True
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if space(data)[0] < 2 * size_bytes:
            raise OSError("no room")
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size_bytes)
        else:
            for start in range(0, size_bytes, 1_048_576):  # zeros in full: a sparse file would hold nothing back
                os.write(handle, bytes(min(1_048_576, size_bytes - start)))
    except OSError:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(handle)
    return True


def release_ballast(data: Path) -> int:
    """Give the ballast's space free; return how many bytes that were (0: there was none). It is made again at the next start."""
    path = data / BALLAST
    try:
        size_bytes = path.stat().st_blocks * 512
        path.unlink()
    except FileNotFoundError:
        return 0
    return size_bytes
