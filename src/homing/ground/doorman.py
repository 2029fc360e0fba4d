"""The doorman: while no worker serves, the supervisor itself answers 503 or 421, and notes who asked, and when.

The listening sockets are shared with workers that are starting. All of them are non-blocking, so whoever comes second finds
nothing to accept and goes on. A connection that the doorman has taken is answered by the doorman.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from homing.ground import log
from homing.ground.secrets import hash_api_key

HEAD_BYTES = 16_384
AT_ONCE = 512  # beyond it connections wait in the backlog
_BATCH = 64
_HEAD_S = 5.0
_GOODBYE_S = 1.0
_RETRY_AFTER_S = 5
_TEXT = "The service is starting or interrupted; try again in a few seconds."


class Turned(NamedTuple):
    """Somebody who was turned away.

    door      "http", "smtp" or "mx"
    at        Unix seconds at which the first byte of the request came; SMTP: the connection
    address   of the peer; '' where there is none
    key_hash  of the API key that was shown; None: none was
    path      that was asked for; '' where no request could be read
    """

    door: str
    at: float
    address: str
    key_hash: bytes | None = None
    path: str = ""


Refused = Callable[[Turned], None]


class Doorman:
    """Stands in at the doors. `stand` when no worker is ready, `step_back` at once when one is.

    http, smtp   the listening sockets of all workers
    mx           those of the MX door, if there is one
    hostname     for the SMTP greeting
    refused      called once for everybody who was turned away
    tls          the configured context where HTTP speaks TLS: a client gets an honest answer there too, not a reset
    """

    def __init__(
        self,
        *,
        http: Sequence[socket.socket],
        smtp: Sequence[socket.socket],
        hostname: str,
        refused: Refused,
        mx: Sequence[socket.socket] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._doors = [(sock, "http") for sock in http] + [(sock, "smtp") for sock in smtp]
        self._doors += [(sock, "mx") for sock in mx]
        self._greeting = f"421 4.3.2 {hostname} service not available, try again later\r\n".encode("ascii", "replace")
        self._refused = refused
        self._tls = tls
        self._standing = False
        self._guests: set[asyncio.Task[None]] = set()
        self._log = log.get("ground")

    @property
    def standing(self) -> bool:
        """Say whether the doorman accepts."""
        return self._standing

    def stand(self) -> None:
        """Begin to accept."""
        if self._standing:
            return
        self._standing = True
        loop = asyncio.get_running_loop()
        for sock, door in self._doors:
            loop.add_reader(sock, self._accept, sock, door)
        self._log.warning("doorman_stands")

    def step_back(self) -> None:
        """Accept nothing more; who was let in is still answered."""
        if not self._standing:
            return
        self._standing = False
        loop = asyncio.get_running_loop()
        for sock, _ in self._doors:
            loop.remove_reader(sock)
        self._log.info("doorman_steps_back")

    async def leave(self) -> None:
        """Step back, and wait until everybody let in has been answered."""
        self.step_back()
        if self._guests:
            await asyncio.wait(self._guests, timeout=_HEAD_S + _GOODBYE_S)
        for guest in list(self._guests):
            guest.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)

    def _accept(self, sock: socket.socket, door: str) -> None:
        for _ in range(_BATCH):
            if len(self._guests) >= AT_ONCE:
                self._rest()
                return
            try:
                connection, peer = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # a worker was quicker, or the client has left
            except OSError as trouble:  # out of descriptors, for example
                self._log.warning("doorman_cannot_accept", reason=str(trouble))
                self._rest()
                return
            connection.setblocking(False)
            address = str(peer[0]) if isinstance(peer, tuple) else ""
            guest = asyncio.ensure_future(self._answer(connection, door, address))
            self._guests.add(guest)
            guest.add_done_callback(self._guests.discard)

    def _rest(self) -> None:
        """Leave the doors alone for a moment instead of being woken again and again by what cannot be taken."""
        loop = asyncio.get_running_loop()
        for sock, _ in self._doors:
            loop.remove_reader(sock)
        loop.call_later(0.1, self._resume)

    def _resume(self) -> None:
        if self._standing:
            loop = asyncio.get_running_loop()
            for sock, door in self._doors:
                loop.add_reader(sock, self._accept, sock, door)

    async def _answer(self, connection: socket.socket, door: str, address: str) -> None:
        try:
            if door == "http":
                await self._answer_http(connection, address)
            else:
                await self._answer_smtp(connection, door, address)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            return  # the client has left or talks rubbish; it has been noted
        except Exception:  # the edge of one connection
            self._log.exception("doorman_failed", door=door)

    async def _answer_smtp(self, connection: socket.socket, door: str, address: str) -> None:
        self._refused(Turned(door, time.time(), address))
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(self._greeting)
        await self._say_goodbye(reader, writer)

    async def _answer_http(self, connection: socket.socket, address: str) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEAD_BYTES)
        at = time.time()
        head = b""
        writer: asyncio.StreamWriter | None = None
        try:
            transport, protocol = await loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=_HEAD_S if self._tls else None,
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            async with asyncio.timeout(_HEAD_S):
                first = await reader.readexactly(1)
                at = time.time()
                head = first + await reader.readuntil(b"\r\n\r\n")
        finally:
            self._refused(Turned("http", at, address, shown_key(head), asked_path(head)))
            if writer is not None:
                writer.write(_unavailable())
                await self._say_goodbye(reader, writer)

    async def _say_goodbye(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close so that the answer arrives: bytes left unread would turn our close into a reset."""
        try:
            if writer.can_write_eof():
                writer.write_eof()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_swallow(reader), _GOODBYE_S)
        finally:
            writer.close()


async def _swallow(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def _unavailable() -> bytes:
    body = json.dumps({"errors": [{"message": _TEXT}]}).encode()
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nRetry-After: %d\r\nConnection: close\r\n\r\n" % (len(body), _RETRY_AFTER_S)
    ) + body


def asked_path(head: bytes) -> str:
    """Return the path of a request's first line, as it was written; '' where there is none."""
    words = head.partition(b"\r\n")[0].split(b" ")
    return words[1].partition(b"?")[0].decode("latin-1") if len(words) == 3 else ""


def shown_key(head: bytes) -> bytes | None:
    """Return the hash of the API key in a request's Authorization field (the key alone, or Basic with the key as user)."""
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if not colon or name.strip().lower() != b"authorization":
            continue
        text = value.strip().decode("latin-1")
        scheme, _, rest = text.partition(" ")
        if scheme.lower() == "basic":
            try:
                text = base64.b64decode(rest.strip(), validate=True).decode("utf-8", "replace").partition(":")[0]
            except (binascii.Error, ValueError):
                return None
        return hash_api_key(text) if text else None
    return None
