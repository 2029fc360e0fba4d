"""A town for tests: `async with small_town(provider) as town`, and a client that says exactly what a test writes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from homing.simulator.providers import CAST, Provider
from homing.simulator.server import ServerSettings
from homing.simulator.town import Town


@asynccontextmanager
async def small_town(*cast: Provider, keep_data: bool = True, **bounds: object) -> AsyncIterator[Town]:
    """Run a town of these providers (or of the whole default cast) that keeps what it receives."""
    settings = ServerSettings(keep_data=keep_data, **bounds)  # type: ignore[arg-type]
    async with Town(cast or CAST, settings=settings) as town:
        yield town


class Talker:
    """An SMTP client without opinions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def call(cls, host: str, port: int) -> "Talker":
        return cls(*await asyncio.open_connection(host, port))

    async def hear(self) -> str:
        """Return the next reply, its lines joined by newlines; '' where the peer has closed."""
        lines: list[str] = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 5)).decode("utf-8", "replace").rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, text: str | bytes, *, replies: int = 1) -> str:
        """Send text (CRLF is added to a str) and return the last of so many replies."""
        self.writer.write(text if isinstance(text, bytes) else text.encode() + b"\r\n")
        await self.writer.drain()
        last = ""
        for _ in range(replies):
            last = await self.hear()
        return last

    async def send(self, sender: str, recipient: str, body: bytes = b"Subject: hi\r\n\r\nhello\r\n") -> str:
        """Send one message and return the reply that decided."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = await self.say(line)
            if reply[:1] not in "23":
                return reply
        return await self.say(body + b".\r\n")

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def talking(town: Town, address: str = "127.0.0.11", *, hello: bool = True) -> AsyncIterator[Talker]:
    """Connect to a provider of a town, greeted and past EHLO."""
    talker = await Talker.call(address, town.port)
    try:
        if hello:
            await talker.hear()
            await talker.say("EHLO client.test")
        yield talker
    finally:
        await talker.close()
