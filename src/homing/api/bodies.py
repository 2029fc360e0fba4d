"""Bodies in and out: counted before and while they are read, bounded for the whole worker, compressed where wanted."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Request, Response

from homing.api.errors import ApiError
from homing.ground.errors import Overloaded
from homing.ingress.rules.problem import Problem

JSON = "application/json"
IDLE_S = 15.0  # a body that brings nothing for so long has timed out
FREE_S = 30.0  # after that it must have come at LEAST_RATE on average
LEAST_RATE = 4_096  # bytes a second
COMPRESS_FROM = 1_400  # bytes: less fits into one packet anyway
COMPRESS_APART_FROM = 32_768  # more is compressed in a thread


class Bodies:
    """Reads request bodies. One per worker.

    most        bytes of one body
    in_memory   bytes of all bodies together, until their requests are answered
    """

    def __init__(self, *, most: int, in_memory: int) -> None:
        self._most = most
        self._free = max(in_memory, most)

    @asynccontextmanager
    async def json(self, request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
        """Give the bytes of a JSON body; they count as held until the block ends.

        raises   ApiError 408, 413, 415; Overloaded
        """
        length = _check_headers(request)
        if length is not None and length > self._most:
            raise self._too_large()
        held = 0
        try:
            parts: list[bytes] = []
            size = 0
            started = time.monotonic()
            more = True
            while more:
                try:
                    async with asyncio.timeout(IDLE_S):
                        message = await request.receive()
                except TimeoutError as trouble:
                    raise ApiError(_TOO_SLOW, close=True) from trouble
                if message["type"] != "http.request":
                    raise ApiError(_GONE, close=True)
                part = message.get("body", b"")
                more = message.get("more_body", False)
                size += len(part)
                if size > self._most:
                    raise self._too_large()
                if size > held:
                    held += self._hold(size - held)
                if more and time.monotonic() - started > FREE_S + size / LEAST_RATE:
                    raise ApiError(_TOO_SLOW, close=True)
                if part:
                    parts.append(part)
            yield parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            self._free += held

    def _hold(self, size: int) -> int:
        if size > self._free:
            raise Overloaded("too many requests are being read")
        self._free -= size
        return size

    def _too_large(self) -> ApiError:
        text = f"the body must be at most {self._most} bytes"
        return ApiError(Problem(413, "Request entity too large", text))


_TOO_SLOW = Problem(408, "Request timeout", "the body arrived too slowly")
_GONE = Problem(400, "Request body parsing failed", "the body ended before its time", "1300")


def _check_headers(request: Request[Any, Any, Any]) -> int | None:
    length: int | None = None
    kind = encoding = b""
    for name, value in request.scope["headers"]:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 19 else None
        elif name == b"content-encoding":
            encoding = value
    media, _, parameters = kind.decode("latin-1").lower().partition(";")
    if media.strip() != JSON or ("charset=" in parameters and "utf-8" not in parameters and "utf8" not in parameters):
        text = f"the Content-Type must be {JSON}, in UTF-8"
        raise ApiError(Problem(415, "unsupported Content-Type", text, "1700"))
    if encoding.strip().lower() not in (b"", b"identity"):
        raise ApiError(Problem(415, "unsupported Content-Encoding", "send the body uncompressed", "1700"))
    return length


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
