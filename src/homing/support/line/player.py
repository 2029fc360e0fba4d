"""Plays what was written down while the store was away, to whoever takes calls. What cannot be played is put aside, and the rest
goes on; playing something twice changes nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from homing.ground.turns import PASSING
from homing.support.line.carriers import Carriers
from homing.support.line.desk import Replayed
from homing.support.line.journal import Journal, Noted
from homing.support.line.rules.offline import OFFLINE
from homing.support.line.types import Carrier, Happened


class TakesCalls(Protocol):
    """Who takes calls: the Severity 1 Line, or the numbers of TAMs. at: when it came. raises Replayed where a call is over."""

    async def inbound(self, carrier: Carrier, happened: Happened, /, *, at: datetime) -> object:
        """Take a call that rings."""
        ...

    async def status(self, carrier: Carrier, happened: Happened, /, *, at: datetime) -> None:
        """Note how far a call has come."""
        ...

    async def recording(self, carrier: Carrier, step: str, turn: int, happened: Happened, /, *, at: datetime) -> None:
        """Note that a recording can be fetched."""
        ...

    async def whisper_accept(self, carrier: Carrier, call: int, person: int, happened: Happened, /, *, at: datetime) -> object:
        """Connect who accepts."""
        ...

    async def offline(self, carrier: Carrier, happened: Happened, /, *, at: datetime) -> object:
        """Take what a caller said while nobody of ours answered."""
        ...


class Player:
    """Plays one journal.

    failed     event of the line of what cannot be played; over: of what is too late
    ours       plays what is about calls that we made, to wake people and to call back; None: there is nothing of the kind
    written    plays reports of people who could not phone; None: there is nothing of the kind
    ends_last  what was said comes before the news that the call has ended, whichever was written down first
    """

    def __init__(
        self,
        journal: Journal,
        carriers: Carriers,
        taker: TakesCalls,
        *,
        log: Any,
        failed: str,
        over: str,
        ours: Callable[[Carrier, Noted], Awaitable[None]] | None = None,
        written: Callable[[Noted], Awaitable[None]] | None = None,
        ends_last: bool = False,
    ) -> None:
        self._journal = journal
        self._carriers = carriers
        self._taker = taker
        self._log = log
        self._failed = failed
        self._over = over
        self._ours = ours
        self._written = written
        self._ends_last = ends_last

    async def play(self) -> None:
        """Play what waits. raises what passes: the rest is played next time."""
        found = [(path, await self._journal.read(path)) for path in await self._journal.waiting()]
        if self._ends_last:
            found.sort(key=lambda one: one[1] is not None and one[1].what == "status")
        for path, noted in found:
            if noted is None:
                continue
            try:
                await self._one(noted)
            except PASSING:
                raise
            except Exception:  # the edge of one request: it must hold up neither the others nor the rest of the turn
                self._log.exception(self._failed, file=path.name)
                await self._journal.put_aside(path)
            else:
                await self._journal.forget(path)

    async def _one(self, noted: Noted) -> None:
        if noted.what == "written" and self._written is not None:
            await self._written(noted)
            return
        carrier = self._carriers.all.get(noted.carrier)
        if carrier is None:
            self._log.error("line_journal_unknown_carrier", carrier=noted.carrier)
            return
        happened, at = noted.happened, noted.at
        try:
            if noted.what == "status":
                await self._taker.status(carrier, happened, at=at)
            elif noted.what == "recording":
                await self._taker.recording(carrier, noted.step, noted.turn, happened, at=at)
            elif noted.what.startswith(("page-", "attempt-")) and self._ours is not None:
                await self._ours(carrier, noted)
            elif noted.what == "whisper-accept":
                await self._taker.whisper_accept(carrier, noted.call, noted.person, happened, at=at)
            elif noted.what == OFFLINE:
                await self._taker.offline(carrier, happened, at=at)
            else:
                await self._taker.inbound(carrier, happened, at=at)
        except Replayed:
            self._log.info(self._over, carrier=noted.carrier)
