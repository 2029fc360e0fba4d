"""Bodies in and out: counted before and while they are read, bounded for the whole worker, compressed where wanted."""

import asyncio
import mmap
import os
import tempfile
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any

from litestar import Request, Response

from homing.api.errors import GONE, NOT_PLAIN, TOO_SLOW, ApiError, not_of, too_large
from homing.ground.errors import Overloaded

JSON = "application/json"
IDLE_S = 15.0  # a body that brings nothing for so long has timed out
FREE_S = 30.0  # after that it must have come at LEAST_RATE on average
LEAST_RATE = 4_096  # bytes a second
SPOOL_FROM = 1_048_576  # bytes of a large body that wait in memory to be written to its file
SPOOLED_AT_ONCE = 2
COMPRESS_FROM = 1_400  # bytes: less fits into one packet anyway
COMPRESS_APART_FROM = 32_768  # more is compressed in a thread


class Bodies:
    """Reads request bodies. One per worker.

    most        bytes of one body
    in_memory   bytes of all bodies together, until their requests are answered
    folder      where bodies are put that are too large to be kept in memory; None: the system's folder for that
    """

    def __init__(self, *, most: int, in_memory: int, folder: Path | None = None) -> None:
        self._most = most
        self._free = max(in_memory, most)
        self._folder = folder
        self._spooled = 0

    @asynccontextmanager
    async def json(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """Give the bytes of a JSON body; they count as held until the block ends.

        raises   ApiError 408, 413, 415; Overloaded
        """
        check_json(request)
        async with self.counted(request, most=self._most) as body:
            yield body

    @asynccontextmanager
    async def counted(self, request: Request[Any, Any, Any], *, most: int) -> AsyncIterator[bytes]:
        """Give the bytes of a body whatever it is; they count as held until the block ends.

        most     bytes of the body; the caller has looked at its headers
        raises   ApiError 408, 413; Overloaded
        """
        held = 0
        try:
            parts: list[bytes] = []
            async for part in self._parts(request, most):
                held += self._hold(len(part))
                parts.append(part)
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            self._free += held

    @asynccontextmanager
    async def large(self, request: Request[Any, Any, Any], *, most: int) -> AsyncIterator[bytes | mmap.mmap]:
        """Give a JSON body that may be large: bytes in memory where any other could be as long, else as `spooled` does.

        most     bytes of the body
        raises   ApiError 408, 413, 415; Overloaded
        """
        check_json(request)
        begun: list[bytes] = []
        parts = self._parts(request, most)
        length = request.headers.get("content-length", "")
        if not (length.isdigit() and int(length[:19]) > self._most):
            held = 0
            try:
                async for part in parts:
                    held += self._hold(len(part))
                    begun.append(part)
                    if held > self._most:
                        break
                else:
                    yield begun[0] if len(begun) == 1 else b"".join(begun)
                    return
            finally:
                self._free += held
        async with self.spooled(request, most=most, parts=_after(begun, parts), in_file_from=min(SPOOL_FROM, self._most)) as body:
            yield body

    async def small(self, request: Request[Any, Any, Any], *, most: int) -> bytes:
        """Return the bytes of a small body of any kind.

        most     bytes
        raises   ApiError 408, 413
        """
        return b"".join([part async for part in self._parts(request, most)])

    @asynccontextmanager
    async def spooled(
        self,
        request: Request[Any, Any, Any],
        *,
        most: int,
        parts: AsyncIterator[bytes] | None = None,
        in_file_from: int = SPOOL_FROM,
    ) -> AsyncIterator[bytes | mmap.mmap]:
        """Give the bytes of a large body, which lies in a file without a name if it is over 1 MiB; removed when the block ends.

        most     bytes of the body; the caller has looked at its headers (check_json)
        parts    what comes, where the caller has begun to read
        in_file_from   bytes that are enough to make a file, where 1 MiB is too much
        raises   ApiError 408, 413; Overloaded while two others are being read, or the disk takes no more
        """
        if self._spooled >= SPOOLED_AT_ONCE:
            raise Overloaded("too many large requests are being read")
        self._spooled += 1
        file: IO[bytes] | None = None
        try:
            kept: list[bytes] = []
            waiting = 0
            async for part in parts or self._parts(request, most):
                kept.append(part)
                waiting += len(part)
                if waiting >= in_file_from:
                    file = file or tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed below
                    await asyncio.to_thread(file.write, b"".join(kept))
                    kept, waiting = [], 0
            if file is None:
                yield b"".join(kept)
                return
            await asyncio.to_thread(_written, file, b"".join(kept))
            seen = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            try:
                yield seen
            finally:
                with suppress(BufferError):  # a failure on its way still looks at it; the file goes with the last look
                    seen.close()
        except OSError as trouble:
            raise Overloaded("the disk takes no more") from trouble
        finally:
            self._spooled -= 1
            if file is not None:
                file.close()

    async def saved(self, request: Request[Any, Any, Any], path: Path, *, most: int) -> int:
        """Write a body into a file, which is whole and on the disk afterwards; return its bytes. Otherwise there is no file.

        most     bytes of the body; the caller has looked at its headers (check_media)
        raises   ApiError 400, 408, 413; Overloaded while two others are being read, or the disk takes no more
        """
        if self._spooled >= SPOOLED_AT_ONCE:
            raise Overloaded("too many large requests are being read")
        self._spooled += 1
        part_path = path.with_name(path.name + ".part")
        size = 0
        try:
            file = await asyncio.to_thread(part_path.open, "wb")
            try:
                parts: list[bytes] = []
                waiting = 0
                async for part in self._parts(request, most):
                    parts.append(part)
                    size += len(part)
                    waiting += len(part)
                    if waiting >= SPOOL_FROM:
                        await asyncio.to_thread(file.write, b"".join(parts))
                        parts, waiting = [], 0
                await asyncio.to_thread(_synced, file, b"".join(parts))
            finally:
                file.close()
            await asyncio.to_thread(_renamed, part_path, path)
        except OSError as trouble:
            raise Overloaded("the disk takes no more") from trouble
        finally:
            self._spooled -= 1
            part_path.unlink(missing_ok=True)
        return size

    async def _parts(self, request: Request[Any, Any, Any], most: int) -> AsyncIterator[bytes]:
        """Give what comes, counted and in time."""
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length[:19]) > most:
            raise ApiError(too_large(most))
        size = 0
        started = time.monotonic()
        more = True
        while more:
            try:
                async with asyncio.timeout(IDLE_S):
                    message = await request.receive()
            except TimeoutError as trouble:
                raise ApiError(TOO_SLOW, close=True) from trouble
            if message["type"] != "http.request":
                raise ApiError(GONE, close=True)
            part = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(part)
            if size > most:
                raise ApiError(too_large(most))
            if more and time.monotonic() - started > FREE_S + size / LEAST_RATE:
                raise ApiError(TOO_SLOW, close=True)
            if part:
                yield part

    def _hold(self, size: int) -> int:
        if size > self._free:
            raise Overloaded("too many requests are being read")
        self._free -= size
        return size


async def _after(begun: list[bytes], parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give what was read already, and let go of it; then what comes."""
    begun.reverse()
    while begun:
        yield begun.pop()
    async for part in parts:
        yield part


def _written(file: IO[bytes], rest: bytes) -> None:
    file.write(rest)
    file.flush()


def _synced(file: IO[bytes], rest: bytes) -> None:
    _written(file, rest)
    os.fsync(file.fileno())


def _renamed(part_path: Path, path: Path) -> None:
    part_path.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def check_json(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that does not say it is JSON.

    raises   ApiError 415
    """
    check_media(request, (JSON,))


def check_media(request: Request[Any, Any, Any], allowed: Sequence[str]) -> None:
    """Refuse a body that does not say it is one of these, in UTF-8.

    raises   ApiError 415
    """
    kind = encoding = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding":
            encoding = value
    media, _, parameters = kind.decode("latin-1").lower().partition(";")
    if media.strip() not in allowed or ("charset=" in parameters and "utf-8" not in parameters and "utf8" not in parameters):
        raise ApiError(not_of(allowed))
    if encoding.strip().lower() not in (b"", b"identity"):
        raise ApiError(NOT_PLAIN)


async def json_answer(request: Request[Any, Any, Any], body: bytes, *, status: int = 200) -> Response[bytes]:
    """Return an answer of JSON, compressed if the client takes gzip and it is worth it."""
    headers: dict[str, str] = {}
    if len(body) >= COMPRESS_FROM:
        headers["vary"] = "accept-encoding"
        if "gzip" in request.headers.get("accept-encoding", "").lower():
            apart = len(body) >= COMPRESS_APART_FROM
            body = await asyncio.to_thread(_gzipped, body) if apart else _gzipped(body)
            headers["content-encoding"] = "gzip"
    return Response(body, status_code=status, media_type=JSON, headers=headers)


def _gzipped(body: bytes) -> bytes:
    deflater = zlib.compressobj(6, zlib.DEFLATED, 31)  # 31: with gzip's header and trailer
    return deflater.compress(body) + deflater.flush()
