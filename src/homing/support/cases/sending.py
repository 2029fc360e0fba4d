"""The round of a post: letters leave one after the other, each until it is accepted; what fails waits, and longer each time.

A letter is claimed for a while by the worker that sends it. Who dies between the acceptance and writing it down lets it be sent
again, under the same Message-ID. The posts of cases, threads and the programme go this round, each with its own letters.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from homing.ground import db, log
from homing.ground.turns import PASSING, take_turns
from homing.message.addresses import BadAddress
from homing.spool.types import Part
from homing.support.clocks.store import LegalClock

LOOKS_S = 5.0
KEPT = timedelta(days=5)
NOT_SENT = "mail cannot be sent from the support address; its domain must be a sending domain"
NOBODY = "there is nobody of the staff"
_WAIT_S = 15  # doubled with each try
_LONGEST_WAIT_S = 3_600
_NEVER = timedelta(days=36_500)


class Mail(Protocol):
    """Sends mail of the platform itself; `ingress.notices.Notices` does."""

    async def send(
        self,
        to: str,
        *,
        subject: str,
        text: str,
        sender: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        attachments: Sequence[Part] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """Take responsibility for a mail; False: the address that it should come from cannot be used. Raises Temporary."""
        ...


class Owed(Protocol):
    """A letter, as far as the round knows it. attempts: this one among them."""

    @property
    def letter_id(self) -> int:
        """Return its number."""
        ...

    @property
    def made_at(self) -> datetime:
        """Return since when it is owed."""
        ...

    @property
    def attempts(self) -> int:
        """Return how often it was claimed."""
        ...


L = TypeVar("L", bound=Owed)


class Round(ABC, Generic[L]):
    """Sends letters for one worker. room: names its lines in the log."""

    def __init__(self, pool: db.Pool, legal: LegalClock, *, room: str) -> None:
        self._pool = pool
        self._legal = legal
        self._log = log.get(room)
        self._news = asyncio.Event()

    @abstractmethod
    async def _claim(self, now: datetime) -> Sequence[L]:
        """Return letters that are due; they are ours for a while."""

    @abstractmethod
    async def _send(self, letter: L, now: datetime) -> str:
        """Send one; return why it could not be, '' where nothing is left to do. raises Temporary, BadAddress."""

    @abstractmethod
    async def _failed(self, letter: L, *, due_at: datetime, trouble: str) -> None:
        """Keep when to try one again, and why."""

    def _about(self, letter: L) -> Mapping[str, object]:
        """Return what the log says of a letter beside its number."""
        return {}

    def look(self) -> None:
        """Look now: somebody is owed a mail."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=self._log,
            waits="letters_wait",
            failed="letters_turn_failed",
            news=self._news,
        )

    async def turn(self) -> int:
        """Send what is due; return how many were tried."""
        now = await self._legal.now(self._pool)
        letters = await self._claim(now)
        for letter in letters:
            try:
                await self._one(letter, now)
            except PASSING as passing:
                await self._again(letter, now, type(passing).__name__)
            except BadAddress as bad:
                await self._again(letter, now, str(bad), give_up=True)
            except Exception as failed:  # the edge of one letter: the others leave all the same
                self._log.exception("letter_failed", letter=letter.letter_id, **self._about(letter))
                await self._again(letter, now, type(failed).__name__)
        return len(letters)

    async def _one(self, letter: L, now: datetime) -> None:
        if now - letter.made_at > KEPT:
            await self._again(letter, now, "it could not be sent for five days", give_up=True)
            return
        trouble = await self._send(letter, now)
        if trouble:
            await self._again(letter, now, trouble)

    async def _again(self, letter: L, now: datetime, trouble: str, *, give_up: bool = False) -> None:
        tell = self._log.error if give_up else self._log.warning
        tell("letter_given_up" if give_up else "letter_waits", letter=letter.letter_id, cause=trouble, **self._about(letter))
        await self._failed(letter, due_at=now + (_NEVER if give_up else _wait_after(letter.attempts)), trouble=trouble)


def _wait_after(attempts: int) -> timedelta:
    """Return how long a letter waits that was tried so often."""
    return timedelta(seconds=min(_LONGEST_WAIT_S, _WAIT_S * 2 ** min(attempts, 20)))
