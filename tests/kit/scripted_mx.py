"""A peer that follows a script: a real server on loopback that says and does exactly what a test wants.

    script = [Say("220 mx"), Expect("EHLO"), Say("250-mx", "250 PIPELINING"), Expect("MAIL"), Drop()]
    async with scripted_mx(script) as mx:
        ... connect to mx.address, mx.port ...
    assert mx.heard == ["EHLO client", ...]

Several scripts: the first connection follows the first, and so on; the last one serves all further connections.
"""

import asyncio
import datetime
import socket
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Say:
    """Write these lines in one piece."""

    def __init__(self, *lines: str) -> None:
        self.data = "".join(f"{line}\r\n" for line in lines).encode()


@dataclass
class Raw:
    """Write these bytes, whatever they are; in pieces of `size` where it is given."""

    data: bytes
    size: int = 0


@dataclass
class Expect:
    """Read one line that begins so (any case)."""

    prefix: str


class Message:
    """Read a message up to its final dot, and keep it as it was on the wire."""


@dataclass
class Stall:
    """Do nothing for so long, neither read nor write."""

    seconds: float = 60.0


class Drop:
    """Close the connection."""


class Reset:
    """Reset the connection (RST)."""


@dataclass
class Tls:
    """Begin TLS as a server; broken: answer the ClientHello with rubbish."""

    broken: bool = False


@dataclass
class Loop:
    """Follow these steps again and again until the peer has gone."""

    steps: Sequence["Step"]


Step = Say | Raw | Expect | Message | Stall | Drop | Reset | Tls | Loop


class OutOfScript(AssertionError):
    """The client said something else than the script expects."""


class _Gone(Exception):
    pass


@dataclass
class ScriptedMX:
    """What a script heard: lines of all connections in order, messages, and what went against the script."""

    address: str = "127.0.0.1"
    port: int = 0
    heard: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    connections: int = 0
    encrypted: int = 0


EHLO = (Say("220 mx.test ESMTP"), Expect("EHLO"), Say("250-mx.test", "250-PIPELINING", "250-8BITMIME", "250 SMTPUTF8"))
ACCEPT = (
    Expect("MAIL FROM"),
    Expect("RCPT TO"),
    Expect("DATA"),
    Say("250 2.1.0 ok", "250 2.1.5 ok", "354 go"),
    Message(),
    Say("250 2.0.0 taken"),
)


@asynccontextmanager
async def scripted_mx(
    *scripts: Sequence[Step], address: str = "127.0.0.1", port: int = 0, strict: bool = True
) -> AsyncIterator[ScriptedMX]:
    """Serve the scripts; at the end fail if the client left the script (unless strict is False)."""
    mx = ScriptedMX(address=address)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        script = scripts[min(mx.connections, len(scripts) - 1)]
        mx.connections += 1
        mx.peers.append(writer.get_extra_info("peername")[0])
        try:
            await _follow(script, mx, reader, writer)
        except OutOfScript as surprise:
            mx.surprises.append(str(surprise))
        except (_Gone, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, address, port)
    mx.port = server.sockets[0].getsockname()[1]
    try:
        yield mx
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while tasks:
                    await asyncio.sleep(0.01)
    if strict and mx.surprises:
        raise OutOfScript("; ".join(mx.surprises))


async def _follow(script: Sequence[Step], mx: ScriptedMX, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for step in script:
        match step:
            case Say():
                writer.write(step.data)
            case Raw():
                size = step.size or len(step.data) or 1
                for at in range(0, len(step.data), size):
                    writer.write(step.data[at : at + size])
                    await asyncio.sleep(0.001)
            case Expect():
                line = (await _line(reader)).decode("utf-8", "replace").rstrip("\r\n")
                mx.heard.append(line)
                if not line.upper().startswith(step.prefix.upper()):
                    raise OutOfScript(f"expected {step.prefix!r}, heard {line!r}")
            case Message():
                lines = []
                while (raw := await _line(reader)) != b".\r\n":
                    lines.append(raw)
                mx.messages.append(b"".join(lines))
            case Stall():
                await asyncio.sleep(step.seconds)
            case Drop():
                raise _Gone
            case Reset():
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                raise _Gone
            case Tls(broken=True):
                await reader.read(1)
                writer.write(b"this is no TLS\r\n" * 4)
                await reader.read(65536)
                raise _Gone
            case Tls():
                await writer.start_tls(_server_context())
                mx.encrypted += 1
            case Loop():
                while True:
                    await _follow(step.steps, mx, reader, writer)


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise _Gone
    return line


@lru_cache(maxsize=1)
def _server_context() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mx.pem"
        path.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(path)
    return context
