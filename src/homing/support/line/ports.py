"""What the line asks of other rooms; boot wires it."""

from typing import Protocol


class Mail(Protocol):
    """Sends mail of the platform itself."""

    async def send(self, to: str, *, subject: str, text: str) -> bool:
        """Take responsibility for a mail; False: there is no address that it could come from."""
        ...
