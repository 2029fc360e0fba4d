"""Serves the application with uvicorn on a socket that we were given, inside our own event loop.

uvicorn's connection is guarded where it trusts its clients: heads that come slowly or never end, heads that are too
large, chunked bodies that are all framing and trailers, requests without end before the first answer was read, bodies
behind an offer to upgrade, more connections than we want, and what is no HTTP. All of them get an answer in the API's own
form.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from homing.api.frame import ARRIVED_AT, GONE_AT
from homing.evidence.types import Begin, FaultTag
from homing.ground.certificates import Certificates

HEAD_WITHIN_S = 15.0  # from the first byte (of a connection: from its start) to the end of the head
MOST_HEAD_BYTES = 32_768
MOST_FRAMING_BYTES = 262_144  # of a chunked body without a byte of content: extensions of chunks, trailers
MOST_PIPELINED = 32  # requests of one connection that wait for the answer to an earlier one
KEEP_ALIVE_S = 75  # an open connection without a request is kept so long
LINGER_S = 5.0  # a request that was refused may send the rest of its body so long; then it is cut off
CLOSE_WITHIN_S = 5.0  # a peer that does not read its last answer is cut off then
GOODBYE_S = 1.0  # time for the peer's end of TLS: pools of clients keep a connection and do not look at it


class GuardedProtocol(HttpToolsProtocol):
    """One connection. Limits are class members, set by `serving` on a subclass of its own."""

    most_connections: ClassVar[int] = 1_000
    begin: ClassVar[Begin | None] = None
    head_within_s: ClassVar[float] = HEAD_WITHIN_S
    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True
    _framing_bytes = 0  # since the last byte of a body
    _turned_away = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or turn it away."""
        super().connection_made(transport)
        self._unanswered: deque[RequestResponseCycle] = deque()
        if len(self.connections) > self.most_connections:
            self._turn_away(503, "Service unavailable", "too many connections; try again in a few seconds", FaultTag.SERVER)
            return
        self._head_timer = self.loop.call_later(self.head_within_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        if not self._turned_away:
            for cycle in self._unanswered:
                cycle.scope["state"][GONE_AT] = time.time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, counting the bytes of heads."""
        if self._turned_away:
            return
        if self._in_head:
            # Counted generously: what follows a head in the same segment belongs to the body.
            self._head_bytes += len(data)
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(self.head_within_s, self._too_slow)
        else:
            self._framing_bytes += len(data)  # back to 0 where the segment holds a byte of the body
        super().data_received(data)
        if not self._in_head and self._framing_bytes > MOST_FRAMING_BYTES and not self._turned_away:
            if self.cycle.response_complete:
                self.transport.abort()  # it has its answer
            else:
                self._turn_away(400, "invalid request", "the body holds more framing than content", FaultTag.CLIENT)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES and not self._turned_away:
            self._turn_away(431, "Request header fields too large", f"at most {MOST_HEAD_BYTES} bytes", FaultTag.CLIENT)

    def on_message_begin(self) -> None:
        """Begin a head, unless too many requests wait already: the parser stops at once where this raises."""
        if len(self.pipeline) >= MOST_PIPELINED:
            text = f"at most {MOST_PIPELINED} requests may wait for the answer to an earlier one"
            self._turn_away(400, "invalid request", text, FaultTag.CLIENT)
            raise ConnectionRefusedError(text)
        self._in_head = True
        super().on_message_begin()
        self.scope["state"][ARRIVED_AT] = time.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; trailers, which nobody here asks for, are dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, for the request that it belongs to."""
        self._framing_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """End a head; its clock stops."""
        self._in_head = False
        self._head_bytes = self._framing_bytes = 0
        self._stop_timer()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self._unanswered.append(self.cycle)

    def on_message_complete(self) -> None:
        """End a request: what comes next is another head, whose clock starts with its first byte."""
        self._in_head = True
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer. If the body still comes, let it come and drop it: closing at once would take the answer back."""
        super().on_response_complete()
        while self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        if self.pipeline:
            self.flow.pause_reading()  # uvicorn would read more with each answer, however many requests wait
        if not self._in_head and self.cycle.response_complete and not self.transport.is_closing():
            self._stop_timer()
            self._head_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        self._cut_off_soon()

    def shutdown(self) -> None:
        """Close if nothing is under way, else after the answer."""
        super().shutdown()
        self._cut_off_soon()

    def _cut_off_soon(self) -> None:
        """End a connection that is closing and has nothing left to say: over TLS the transport would wait for the peer."""
        if self.transport.is_closing() and self in self.connections:
            self.loop.call_later(GOODBYE_S, self._cut_off)

    def _cut_off(self) -> None:
        if self.transport.get_write_buffer_size():
            self._cut_off_soon()
        else:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if not self._turned_away:
            self._turn_away(400, "invalid request", "this is not an HTTP/1.1 request", FaultTag.CLIENT)

    def _unsupported_upgrade_warning(self) -> None:
        """Ignore an offer to upgrade (RFC 9110 section 7.8). The parser has stopped behind it, so it is the last request."""
        self.cycle.keep_alive = False
        if any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in self.headers):
            self._turn_away(400, "invalid request", "no upgrade is offered here; send the body without one", FaultTag.CLIENT)

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._turn_away(408, "Request timeout", "the request arrived too slowly", FaultTag.CLIENT)

    def _turn_away(self, status: int, message: str, description: str, fault: FaultTag) -> None:
        """Send a last answer and close."""
        self._turned_away = True
        self._stop_timer()
        body = json.dumps({"errors": [{"message": message, "description": description}]}).encode()
        retry = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(
            b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n%s"
            % (status, message.encode(), len(body), retry, body)
        )
        self.transport.close()
        self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)
        if type(self).begin is not None:
            type(self).begin(int(time.time())).ended(fault, str(status))  # type: ignore[misc]

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Server(uvicorn.Server):
    """Leaves signals to whoever started the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serving(
    app: Callable[..., Any],
    sock: socket.socket,
    *,
    drain_s: float = 30.0,
    cert: Path | None = None,
    key: Path | None = None,
    certificates: Certificates | None = None,
    begin: Begin | None = None,
    most_connections: int = 1_000,
    head_within_s: float = HEAD_WITHIN_S,
) -> AsyncIterator[None]:
    """Serve until the block ends; then take nothing new, and give what is under way up to drain_s to be answered.

    sock   bound; it is closed at the end
    cert   PEM chain for HTTPS, with its key; None: plain HTTP
    certificates  further ones for HTTPS, by the name that a client asks for
    begin  notes the answers that are given before there is a request
    """
    protocol = type(
        "Connection",
        (GuardedProtocol,),
        {
            "most_connections": most_connections,
            "begin": None if begin is None else staticmethod(begin),
            "head_within_s": head_within_s,
        },
    )
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        loop="none",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, int(drain_s)),
        backlog=2_048,
        ssl_certfile=None if cert is None else str(cert),
        ssl_keyfile=None if key is None else str(key),
    )
    config.load()
    if certificates is not None and config.ssl is not None:
        certificates.serve(config.ssl)
    # uvicorn writes head and body apart. Without this the body waits for the peer's acknowledgement, which Linux delays by 40 ms;
    # uvloop sets it by itself, asyncio's own loop only where the socket's protocol is told. Accepted sockets inherit it.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]), name="http")
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the HTTP server ended before it started")
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({task})
        if not task.cancelled() and (trouble := task.exception()) is not None:
            raise trouble
