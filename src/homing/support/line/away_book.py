"""What was done for calls that came while the store was away: whom we woke, by what, and who said that he has it.

A file for each call, sealed under the master key; the supervisor alone writes it. What somebody presses is a file beside it,
which workers write. When the store is back the call's ladder begins with what stands here (`Ladders`): nobody is woken anew.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import structs

from homing.ground.errors import Misuse
from homing.ground.files import write_whole
from homing.ground.log import get
from homing.ground.secrets import MasterKey
from homing.support.oncall.rules import ladder
from homing.support.oncall.runs import AwayPage
from homing.support.oncall.types import Run

log = get("line")

BOOK = "line-away"
PURPOSE = "line away"


class AwayCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that nobody but we on this host know of. caller: E.164, '' where he withheld it; run: its ladder so far."""

    caller: str
    run: Run
    pages: tuple[AwayPage, ...] = ()


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was woken has said that he has it."""

    person_id: int
    at: datetime


class AwayBook:
    """Keeps what was done, on this host."""

    def __init__(self, data: Path, master_key: MasterKey) -> None:
        self._folder = data / BOOK
        self._master_key = master_key

    async def load(self, key: str) -> AwayCall | None:
        """Return a call with what was said of it since; None: nobody was woken for it."""
        return await asyncio.to_thread(self._load, key)

    async def save(self, key: str, call: AwayCall) -> None:
        """Keep a call; it is on the disk when this returns. raises OSError."""
        sealed = self._master_key.seal(msgspec.json.encode(call), purpose=PURPOSE)
        await asyncio.to_thread(self._write, self._folder / f"{key}.call", sealed)

    async def say(self, key: str, said: Said) -> None:
        """Keep that somebody has it; the first one stays. raises OSError."""
        path = self._folder / f"{key}.said"
        if not path.exists():
            await asyncio.to_thread(self._write, path, msgspec.json.encode(said))

    async def copy(self, key: str, to: str) -> None:
        """Let a call be found by another name, too: in the store it has that one. raises OSError."""
        call = await self.load(key)
        if call is not None:
            await self.save(to, call)

    async def keys(self) -> list[str]:
        """Return the calls that there is something of."""
        return await asyncio.to_thread(lambda: sorted(path.stem for path in self._folder.glob("*.call")))

    async def forget(self, key: str) -> None:
        """Take off what is in rows now."""
        for ending in ("call", "said"):
            await asyncio.to_thread((self._folder / f"{key}.{ending}").unlink, missing_ok=True)

    def _load(self, key: str) -> AwayCall | None:
        try:
            sealed = (self._folder / f"{key}.call").read_bytes()
            call = msgspec.json.decode(self._master_key.open(sealed, purpose=PURPOSE), type=AwayCall)
        except FileNotFoundError:
            return None
        except (OSError, Misuse, msgspec.MsgspecError) as trouble:
            log.error("line_away_unreadable", cause=type(trouble).__name__)
            return None
        try:
            said = msgspec.json.decode((self._folder / f"{key}.said").read_bytes(), type=Said)
        except (OSError, msgspec.MsgspecError):
            return call
        if call.run.engaged_at is not None:
            return call
        return structs.replace(call, run=ladder.claimed(call.run, said.person_id, said.at) or call.run)

    def _write(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path, content)


def key_of(carrier: str, call_id: str) -> str:
    """Return the name of a call: nothing of what carriers send becomes a path."""
    return hashlib.sha256(f"{carrier}\0{call_id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_key(text: str) -> bool:
    """Return whether a text of a request may be such a name."""
    return len(text) == 32 and not set(text) - set("0123456789abcdef")


def unsent(pages: Iterable[AwayPage]) -> list[AwayPage]:
    """Return the pages that nothing is known of yet."""
    return [one for one in pages if not one.outcome]
