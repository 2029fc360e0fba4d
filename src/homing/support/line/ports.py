"""What the line asks of other rooms; boot wires it."""

from typing import Protocol

from homing.ground import db
from homing.support.line.types import Opening, Page


class StartLadder(Protocol):
    """Pages people for an obligation. It only writes, over the connection that it is given: the call and the pages are one
    transaction.
    """

    async def __call__(self, connection: db.Executor, page: Page) -> None:
        """Note that people must be paged."""
        ...


class OpenCase(Protocol):
    """Opens a critical case for a call, over the connection that it is given."""

    async def __call__(self, connection: db.Executor, opening: Opening) -> str:
        """Return the number of the case."""
        ...


class OnDuty(Protocol):
    """Says who may be rung for a live hunt, best first."""

    async def __call__(self, executor: db.Executor) -> list[tuple[int, str]]:
        """Return (person, number in E.164)."""
        ...


class Mail(Protocol):
    """Sends mail of the platform itself."""

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        """Take responsibility for a mail; False: there is no address that it could come from."""
        ...
