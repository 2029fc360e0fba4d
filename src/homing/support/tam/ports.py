"""What the programme needs of other stations; boot wires it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from homing.ground import db
from homing.support.tam.types import About, Counts


class Figures(Protocol):
    """Answers how much mail there was: what /api/v1/metrics would say of the same days of UTC. Both days belong to it."""

    async def total(self, account_id: int, about: About, *, first: date, last: date) -> Counts:
        """Return the figures of some mail of an account."""
        ...

    async def by_provider(self, account_id: int, *, first: date, last: date) -> Mapping[str, Counts]:
        """Return the figures of an account by mailbox provider, as far as it is known."""
        ...

    async def everywhere(self, *, first: date, last: date) -> Mapping[str, Mapping[int, Counts]]:
        """Return the figures of every account, by mailbox provider and account."""
        ...


class AnswersTo(Protocol):
    """Says where a customer's answer comes into the thread with his TAM; `threads.desk.address_of` does."""

    async def __call__(self, executor: db.Executor, account_id: int, now: datetime, /) -> str | None:
        """Return the address of an account's TAM; None: he has none."""
        ...
