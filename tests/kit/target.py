"""A target of webhooks on loopback, which answers as a test says and remembers what it was sent."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple


class Heard(NamedTuple):
    """One request: path, headers with lower-case names, the body decoded."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the events of a batch."""
        return [event for element in self.body for event in element["msys"].values()]


Script = Callable[[Heard], "int | bytes | None"]


class Target:
    """What it answers: a status, whole bytes, or None for silence until the client goes away."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.script: Script = lambda heard: 200
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def batches(self) -> list[Heard]:
        """Return what was no ping."""
        return [one for one in self.heard if one.raw != b'[{"msys":{}}]']

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for one in self.batches for event in one.events]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            heard = Heard(head[0].split()[1], headers, await reader.readexactly(int(headers.get("content-length", 0))))
            self.heard.append(heard)
            answer = self.script(heard)
            if answer is None:
                await reader.read()
            elif isinstance(answer, bytes):
                writer.write(answer)
            else:
                writer.write(
                    b"HTTP/1.1 %d Said\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK" % answer
                )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    """Listen on a free port of loopback."""
    made = Target()
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


@contextmanager
def listening() -> Iterator[Target]:
    """Run a target in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, end = threading.Event(), asyncio.Event()
    found: list[Target] = []

    async def serve() -> None:
        async with target() as app:
            found.append(app)
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
