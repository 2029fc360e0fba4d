"""Asking and telling between our own processes: msgpack frames over a Unix stream socket, both sides alike.

A frame is its length (4 bytes, big-endian) and a msgpack array [kind, number, name, payload]. The supervisor and a worker
share a socket pair; the command line reaches the supervisor by `<data>/run/control.sock`.
"""

import asyncio
import contextlib
import inspect
import itertools
import os
import socket
import stat
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from homing.ground import errors, log
from homing.ground.errors import HomingError, Misuse, Temporary

Handler = Callable[..., Any]  # takes the frame's arguments by name; may be async; what it returns is the answer

MAX_FRAME_BYTES = 16_777_216
_MAX_BACKLOG_BYTES = 33_554_432  # what a peer that does not read may make us keep
_MAX_AT_ONCE = 256  # handlers of one peer at a time
_SOCKET_LIMIT = 107  # bytes of a Unix socket's path, sockaddr_un
_ASK, _ANSWER, _ERROR, _TELL = range(4)
_LENGTH = struct.Struct(">I")
_KINDS: Mapping[str, type[HomingError]] = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HomingError)
}


class ChannelClosed(Temporary):
    """The other process is gone, or does not answer in time."""


class Channel:
    """One end of a conversation. Its owner runs `run` until it returns; `opened` does that for you."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        name: str = "channel",
        max_frame_bytes: int = MAX_FRAME_BYTES,
    ) -> None:
        self.name = name
        self._reader = reader
        self._writer = writer
        self._max_frame_bytes = max_frame_bytes
        self._handlers: dict[str, Handler] = {}
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._closed = asyncio.Event()
        self._log = log.get("ground")

    @property
    def closed(self) -> bool:
        """Say whether nothing can be said any more."""
        return self._closed.is_set()

    async def wait_closed(self) -> None:
        """Wait until the other side has gone or we have closed."""
        await self._closed.wait()

    def on(self, name: str, handler: Handler) -> None:
        """Let a handler answer `name`; it gets the arguments by name and may be async.

        An exception of ours (HomingError) arrives at the asker as the same kind with the same text; of any other the
        asker learns the type alone, and the cause is logged here.
        """
        self._handlers[name] = handler

    async def ask(self, name: str, *, timeout_s: float = 5.0, **args: Any) -> Any:
        """Send a question and wait for its answer.

        raises   ChannelClosed if the other side is gone or silent for timeout_s; else what its handler raised
        """
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            self._send(_ASK, number, name, args)
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise ChannelClosed(f"{self.name} did not answer {name!r} within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    def tell(self, name: str, **args: Any) -> None:
        """Send without waiting for anything.

        raises   ChannelClosed if the other side is gone
        """
        self._send(_TELL, 0, name, args)

    def _send(self, kind: int, number: int, name: str, payload: Any) -> None:
        if self.closed:
            raise ChannelClosed(f"{self.name} is closed")
        body = msgspec.msgpack.encode((kind, number, name, payload))
        if len(body) > self._max_frame_bytes:
            raise Misuse(f"a frame {name!r} of {len(body)} bytes is too large for {self.name}")
        self._writer.write(_LENGTH.pack(len(body)) + body)
        if self._writer.transport.get_write_buffer_size() > _MAX_BACKLOG_BYTES:
            self._log.error("channel_peer_does_not_read", channel=self.name)
            self.close()

    async def run(self) -> None:
        """Read and serve frames until either side closes; handlers that still run are cancelled then."""
        at_once = asyncio.Semaphore(_MAX_AT_ONCE)
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                header = await self._reader.readexactly(_LENGTH.size)
                size = _LENGTH.unpack(header)[0]
                if size > self._max_frame_bytes:
                    self._log.error("channel_frame_too_large", channel=self.name, size_bytes=size)
                    return
                kind, number, name, payload = msgspec.msgpack.decode(await self._reader.readexactly(size))
                if kind in (_ANSWER, _ERROR):
                    self._settle(kind, number, payload)
                    continue
                outcome = self._call(kind, number, name, payload)
                if outcome is not None:
                    await at_once.acquire()
                    task = asyncio.ensure_future(self._finish(kind, number, name, outcome))
                    running.add(task)
                    task.add_done_callback(running.discard)
                    task.add_done_callback(lambda _: at_once.release())
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            return
        except (msgspec.DecodeError, ValueError, TypeError):
            self._log.error("channel_frame_unreadable", channel=self.name)
            return
        finally:
            for task in running:
                task.cancel()
            self.close()

    def _settle(self, kind: int, number: int, payload: Any) -> None:
        answer = self._waiting.pop(number, None)
        if answer is None or answer.done():
            return  # the asker has stopped waiting
        if kind == _ANSWER:
            answer.set_result(payload)
        else:
            known = _KINDS.get(payload[0])
            answer.set_exception(known(payload[1]) if known else Temporary(f"{self.name} failed: {payload[1]}"))

    def _call(self, kind: int, number: int, name: str, payload: dict[str, Any]) -> Any:
        """Answer at once where the handler is a plain function; return what is left to await otherwise."""
        handler = self._handlers.get(name)
        try:
            if handler is None:
                raise Misuse(f"nothing answers {name!r} here")
            outcome = handler(**payload)
        except Exception as trouble:  # the edge of one frame
            self._report(kind, number, name, trouble)
            return None
        if inspect.isawaitable(outcome):
            return outcome
        if kind == _ASK:
            self._reply(_ANSWER, number, name, outcome)
        return None

    async def _finish(self, kind: int, number: int, name: str, outcome: Any) -> None:
        try:
            result = await outcome
        except Exception as trouble:  # the edge of one frame
            self._report(kind, number, name, trouble)
            return
        if kind == _ASK:
            self._reply(_ANSWER, number, name, result)

    def _report(self, kind: int, number: int, name: str, trouble: Exception) -> None:
        if not isinstance(trouble, HomingError):
            self._log.error("channel_handler_failed", channel=self.name, name=name, exc_info=trouble)
        elif kind == _TELL:
            self._log.warning("channel_handler_failed", channel=self.name, name=name, reason=str(trouble))
        if kind == _ASK:
            text = str(trouble) if isinstance(trouble, HomingError) else f"{type(trouble).__name__} in {name!r}"
            self._reply(_ERROR, number, name, (type(trouble).__name__, text))

    def _reply(self, kind: int, number: int, name: str, payload: Any) -> None:
        try:
            self._send(kind, number, "", payload)
        except ChannelClosed:
            return
        except (Misuse, TypeError, msgspec.MsgspecError) as trouble:  # an answer too large, or of no wire type
            self._send(_ERROR, number, "", ("Misuse", f"the answer to {name!r} cannot be sent: {trouble}"))

    def close(self) -> None:
        """Say no more; whoever waits for an answer gets ChannelClosed."""
        if self.closed:
            return
        self._closed.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ChannelClosed(f"{self.name} is closed"))
        self._waiting.clear()
        self._writer.close()


@asynccontextmanager
async def opened(
    sock: socket.socket, *, handlers: Mapping[str, Handler] | None = None, name: str = "channel"
) -> AsyncIterator[Channel]:
    """Speak over a connected Unix socket; the channel closes with the block."""
    sock.setblocking(False)
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    async with _running(Channel(reader, writer, name=name), handlers or {}) as channel:
        yield channel


@asynccontextmanager
async def _running(channel: Channel, handlers: Mapping[str, Handler]) -> AsyncIterator[Channel]:
    for name, handler in handlers.items():
        channel.on(name, handler)
    task = asyncio.ensure_future(channel.run())
    try:
        yield channel
    finally:
        channel.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


# the command line's way in ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def serve_control(data: Path, handlers: Mapping[str, Handler]) -> AsyncIterator[Path]:
    """Answer the command line at `<data>/run/control.sock` (mode 600); return where it really listens.

    Call it under the lock of the data folder: a socket that is there already is then a dead process's. Where the path is
    too long for a socket, it listens in a private folder in /tmp, and `control.path` says where.
    """
    run = data / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    run.chmod(0o700)
    path, note = run / "control.sock", run / "control.path"
    short: Path | None = None
    if len(os.fsencode(path.absolute())) > _SOCKET_LIMIT:
        short = Path(tempfile.mkdtemp(prefix="homing-", dir="/tmp"))
        path = short / "control.sock"
        note.write_text(str(path))
    else:
        note.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    channels: set[Channel] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer, name="command line")
        channels.add(channel)
        for name, handler in handlers.items():
            channel.on(name, handler)
        try:
            await channel.run()
        finally:
            channels.discard(channel)

    server = await asyncio.start_unix_server(serve, path=str(path.absolute()))
    try:
        path.chmod(0o600)
        yield path
    finally:
        server.close()
        for channel in list(channels):
            channel.close()
        path.unlink(missing_ok=True)
        if short is not None:
            short.rmdir()
            note.unlink(missing_ok=True)


@asynccontextmanager
async def control(data: Path, *, timeout_s: float = 5.0) -> AsyncIterator[Channel]:
    """Reach the platform that runs on a data folder.

    raises   Temporary if none does
    """
    path, note = data / "run" / "control.sock", data / "run" / "control.path"
    try:
        if note.exists():
            path = Path(note.read_text().strip())
            facts = path.parent.lstat()
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in (0, data.stat().st_uid):
                raise Temporary(f"{note} points to a folder of somebody else; start homing again")
        reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(str(path.absolute())), timeout_s)
    except (OSError, TimeoutError) as trouble:
        raise Temporary(f"no homing runs on {data}; start it with `homing up`") from trouble
    async with _running(Channel(reader, writer, name="homing"), {}) as channel:
        yield channel
