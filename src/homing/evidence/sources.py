"""Who injects from which address: so that an attempt which was refused before AUTH still has a name.

While no worker serves, an SMTP client hears 421 at once, and has shown no key. It is known by its address all the same: by a
trusted network (HOMING_SMTP_TRUST), or because it authenticated from there within the last week, and nobody else did. Each
process keeps what it learns in `<data>/evidence/YYYY-MM-DD/<process>.sources`, a line for each account and address a day.
"""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from homing.accounts.grants import within
from homing.evidence.badges import name_badge
from homing.evidence.journal import day_of
from homing.evidence.types import DAY_S
from homing.ground import log
from homing.ground.config import TrustedNet

REMEMBER_DAYS = 7
_MOST = 20_000  # addresses
_LINE = re.compile(r"(\d{1,10}) ([0-9a-fA-F:.]{2,45})\Z")


class Whose(NamedTuple):
    """Who an address belongs to: an account, or a badge to find it by; both empty: nobody knows."""

    account_id: int | None = None
    key: str = ""


class SourceBook:
    """What one process knows of addresses.

    folder   `<data>/evidence`
    process  as the journal's
    """

    def __init__(
        self, folder: Path, process: str, *, trust: Sequence[TrustedNet] = (), clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._name = re.sub(r"[^A-Za-z0-9._-]", "_", process) + ".sources"
        self._trust = sorted(trust, key=lambda net: -net.network.prefixlen)
        self._clock = clock
        self._accounts: dict[str, set[int]] = {}
        self._noted: set[tuple[str, int, str]] = set()  # day, account, address
        self._new: list[tuple[str, int, str]] = []
        self._news = asyncio.Event()
        self._log = log.get("evidence")

    def whose(self, address: str) -> Whose:
        """Return who an address belongs to; the narrowest trusted network wins, an address of several accounts is nobody's."""
        for net in self._trust:
            if within(address, (net.network,)):
                return Whose(key=name_badge(net.account))
        known = self._accounts.get(address, ())
        return Whose(account_id=next(iter(known))) if len(known) == 1 else Whose()

    def note(self, address: str, account_id: int) -> None:
        """Remember that an account authenticated from an address."""
        noted = (day_of(int(self._clock())), account_id, address)
        if noted in self._noted or len(self._noted) >= _MOST or not _LINE.match(f"{account_id} {address}"):
            return
        self._noted.add(noted)
        self._learn(address, account_id)
        self._new.append(noted)
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Write down what is new, until told to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({news, stopping}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                self._news.clear()
                new, self._new = self._new, []
                if new:
                    await asyncio.to_thread(self._append, new)
                    today = day_of(int(self._clock()))
                    self._noted = {one for one in self._noted if one[0] == today}
        finally:
            stopping.cancel()

    def load(self) -> None:
        """Read what all processes learned within the last week. Blocks for a moment."""
        now = int(self._clock())
        for days_ago in range(REMEMBER_DAYS):
            for path in (self._folder / day_of(now - days_ago * DAY_S)).glob("*.sources"):
                with contextlib.suppress(OSError):
                    for line in path.read_text("ascii", "replace").splitlines():
                        found = _LINE.match(line)
                        if found is not None:
                            self._learn(found[2], int(found[1]))

    def _learn(self, address: str, account_id: int) -> None:
        if address in self._accounts or len(self._accounts) < _MOST:
            self._accounts.setdefault(address, set()).add(account_id)

    def _append(self, new: Sequence[tuple[str, int, str]]) -> None:
        for day, account_id, address in new:
            folder = self._folder / day
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.mkdir(mode=0o700, exist_ok=True)
                handle = os.open(folder / self._name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    os.write(handle, f"{account_id} {address}\n".encode())
                finally:
                    os.close(handle)
            except OSError as trouble:  # it is in memory; the next process learns it anew
                self._log.warning("source_not_written", reason=str(trouble))
