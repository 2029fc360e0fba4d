"""A relay webhook's target on loopback: hears what is posted, answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Target:
    """What was posted.

    heard     (path, header fields in lower case, body) of each request
    answers   statuses to give, one after another; the last one for good
    silent    hear, and do not answer
    """

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.answers = [200]
        self.bodies = {"/token": b'{"access_token": "t0k", "token_type": "bearer", "expires_in": "3600"}'}
        self.silent = False
        self.port = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            path = first.split()[1]
            self.heard.append((path, fields, body))
            if self.silent:
                await asyncio.sleep(30)
            status = 200 if path == "/token" else self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            said = self.bodies.get(path, b"OK")
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nX-Own: y\r\n\r\n" % (status, len(said)) + said)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def posts(self, path: str = "/hook") -> list[bytes]:
        return [body for where, _, body in self.heard if where == path]


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    made = Target()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
