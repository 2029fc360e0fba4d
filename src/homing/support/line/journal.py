"""The journal of requests that came while the store was away: a file each, on the disk before the carrier is answered.

The keeper plays them when the store is back, in order, with the time at which they came; doing so twice changes nothing.
"""

import asyncio
import itertools
import os
import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from homing.ground.log import get
from homing.support.line.types import Happened

log = get("line")

FOLDER = "line"
MOST = 10_000  # files; beyond it something else is wrong


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """One request.

    what           inbound, status, recording, offline, whisper-accept, written, a step of the script; page- or attempt- and a leg
    step           of page- and attempt-: the number of the page or attempt
    sealed         written: the report, under the master key; carrier and call_id are those that its call will have
    call, person   whisper-accept: our number of the call, and who takes it; the leg that asks is no call of its own
    """

    at: datetime
    carrier: str
    what: str
    happened: Happened
    step: str = ""
    turn: int = 0
    empty: bool = False
    call: int = 0
    person: int = 0
    sealed: bytes = b""


class Journal:
    """Keeps requests. One for a worker; the folder is everybody's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()  # what comes in one instant is played in its order

    async def keep(self, noted: Noted) -> None:
        """Write a request down; it is on the disk when this returns.

        raises   OSError
        """
        await asyncio.to_thread(self._write, noted)

    async def waiting(self) -> list[Path]:
        """Return what waits, oldest first."""
        return await asyncio.to_thread(self._list)

    async def read(self, path: Path) -> Noted | None:
        """Return one of them; None where another worker has played it, or it is no journal."""
        try:
            return msgspec.json.decode(await asyncio.to_thread(path.read_bytes), type=Noted)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.error("line_journal_unreadable", file=path.name)
            await self.put_aside(path)
            return None

    async def put_aside(self, path: Path) -> None:
        """Let a request wait for a person that cannot be read or played; those after it go on."""
        with suppress(FileNotFoundError):  # another worker was quicker
            await asyncio.to_thread(path.rename, path.with_suffix(".bad"))

    async def forget(self, path: Path) -> None:
        """Take off what has been played."""
        await asyncio.to_thread(path.unlink, missing_ok=True)

    def _list(self) -> list[Path]:
        return sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []

    def _write(self, noted: Noted) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in self._folder.iterdir()) >= MOST:
            raise OSError("the journal of the Severity 1 Line is full")
        name = f"{noted.at:%Y%m%dT%H%M%S%f}-{next(self._numbers):09}-{secrets.token_hex(4)}"
        draft = self._folder / f"{name}.part"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(noted))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(draft.with_suffix(".json"))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
