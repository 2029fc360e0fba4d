"""A real SMTP door on loopback whose `accept` keeps what it gets in memory."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from homing.accounts.authenticate import acting_as
from homing.accounts.types import Sender
from homing.evidence.types import FaultTag
from homing.ground.clock import SystemClock
from homing.ground.errors import StoreUnavailable
from homing.ground.ids import compose
from homing.ground.tls import self_signed, server_context
from homing.ingress.smtp_server import SmtpDoor
from homing.ingress.types import Accepted, Refused, Transmission
from homing.smtp.server import SmtpSettings
from tests.kit.evidence import Evidence
from tests.kit.smtp_script import KEYS


class Desk:
    """What stands behind the door.

    answer   given instead of Accepted, or raised
    gate     accept waits for it
    """

    def __init__(self) -> None:
        self.taken: list[tuple[Transmission, Sender]] = []
        self.answer: Refused | Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.evidence = Evidence()
        self.why_not: str | None = None
        self.keys_away = False

    async def accept(self, transmission: Transmission, sender: Sender) -> Accepted | Refused:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        self.taken.append((transmission, sender))
        return Accepted(compose(1, 2, len(self.taken)), len(transmission.recipients), 0)

    async def authenticate(self, key: str, *, ip: str, subaccount: str | None = None) -> Sender | None:
        await asyncio.sleep(0)
        if self.keys_away:
            raise StoreUnavailable("away")
        found = KEYS.get(key)
        return None if found is None else acting_as(found, subaccount)

    @property
    def counted(self) -> Counter[tuple[int | None, FaultTag]]:
        return Counter(self.evidence.counted)

    def refuse_new(self) -> str | None:
        return self.why_not


class OpenDoor:
    """A listening door."""

    def __init__(self, door: SmtpDoor, desk: Desk, port: int) -> None:
        self.door = door
        self.desk = desk
        self.port = port

    async def connect(self) -> "Line":
        return await connect_to(self.port)


class Line:
    """A client that types octets and reads lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> str:
        """Write, and read one whole reply."""
        self.writer.write(data)
        return await self.hear()

    async def hear(self) -> str:
        """Read one reply: its lines joined by LF; '' at the end of the connection."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 5)).decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        return await asyncio.wait_for(self.reader.read(), 5)

    def close(self) -> None:
        self.writer.close()


async def connect_to(port: int) -> Line:
    """Connect to a door on loopback."""
    return Line(*await asyncio.open_connection("127.0.0.1", port))


class BlockingLine:
    """A client in a thread that turns to TLS (asyncio's own streams of Python 3.11 cannot reliably, as a client).

    behind   octets sent in the clear together with STARTTLS
    """

    def __init__(self, port: int, *, behind: bytes = b"") -> None:
        clear = socket.create_connection(("127.0.0.1", port), 5)
        self.socket: socket.socket = clear
        self.file = clear.makefile("rb")
        assert self.hear().startswith("220")
        self.say(b"EHLO client.test\r\n")
        assert self.say(b"STARTTLS\r\n" + behind).startswith("220")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(clear)
        self.file = self.socket.makefile("rb")

    def say(self, data: bytes) -> str:
        self.socket.sendall(data)
        return self.hear()

    def hear(self) -> str:
        lines = [self.file.readline().decode().rstrip("\r\n")]
        while lines[-1][3:4] == "-":
            lines.append(self.file.readline().decode().rstrip("\r\n"))
        return "\n".join(lines)

    def rest(self) -> list[str]:
        return self.file.read().decode().splitlines()

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@asynccontextmanager
async def open_door(
    folder: Path,
    *,
    trusted: Callable[[str], Awaitable[Sender | None]] | None = None,
    has_tls: bool = True,
    **settings: float,
) -> AsyncIterator[OpenDoor]:
    desk, clock = Desk(), SystemClock()
    context = server_context(self_signed(folder, hostname="mx.homing.test", now=clock.now())) if has_tls else None
    door = SmtpDoor(
        SmtpSettings(hostname="mx.homing.test", **settings),  # type: ignore[arg-type]
        accept=desk.accept,
        authenticate=desk.authenticate,
        begin=desk.evidence.begin,
        refuse_new=desk.refuse_new,
        clock=clock,
        trusted=trusted,
        tls=context,
    )
    server = await asyncio.get_running_loop().create_server(door.protocol_factory, "127.0.0.1", 0)
    try:
        yield OpenDoor(door, desk, server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await door.close(0.05)
