"""Strangers who speak HTTP only to fill a worker: each is cut off while it has cost next to nothing."""

import asyncio

import pytest

from homing.api.server import MOST_FRAMING_BYTES, MOST_PIPELINED
from tests.kit.http import HttpDoor, http_door

CHUNKED = b"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def door(pool):
    async with http_door(pool) as made:
        yield made


async def flood(door: HttpDoor, head: bytes, unit: bytes, most: int) -> tuple[int, bytes]:
    """Send the head, then the unit until we are cut off or `most` bytes have gone; return how many, and what we heard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    sent = 0
    heard = b""
    try:
        async with asyncio.timeout(8):
            writer.write(head)
            while sent < most:
                writer.write(unit)
                await writer.drain()
                sent += len(unit)
            heard = await reader.read()
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.transport.abort()
    return sent, heard


@pytest.mark.parametrize("has_key", [False, True])
@pytest.mark.parametrize(
    ("start", "unit"),
    [(b"0\r\n", b"a:b\r\n" * 4_000), (b"0\r\nA: ", b"a" * 20_000), (b"1;", b"a" * 20_000)],
    ids=["trailers", "one trailer", "an extension of a chunk"],
)
async def test_a_body_that_is_all_framing_is_cut_off(door: HttpDoor, has_key: bool, start: bytes, unit: bytes):
    authorization = f"Authorization: {door.key}\r\n".encode() if has_key else b""
    sent, _ = await flood(door, CHUNKED + authorization + b"\r\n" + start, unit, 64 * MOST_FRAMING_BYTES)
    assert sent < 64 * MOST_FRAMING_BYTES
    assert (await door.client.get("/health/live")).status_code == 200


async def test_a_body_in_tiny_chunks_with_a_trailer_is_read(door: HttpDoor):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    key = f"Authorization: {door.key}\r\nConnection: close\r\n\r\n".encode()
    writer.write(CHUNKED + key + b"1\r\n \r\n" * (MOST_FRAMING_BYTES // 3) + b"2\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n")
    async with asyncio.timeout(8):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 422 ")  # read to its end: what is missing are the recipients
    writer.close()


async def test_requests_without_end_before_the_first_answer_are_refused(door: HttpDoor):
    sent, heard = await flood(door, b"", LIVE * 10_000, len(LIVE) * 10_000)
    assert sent <= len(LIVE) * 10_000
    assert heard.count(b"HTTP/1.1 200 OK") <= MOST_PIPELINED + 1
    assert (await door.client.get("/health/live")).status_code == 200


async def test_a_few_requests_may_wait_for_an_earlier_one(door: HttpDoor):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    last = LIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    writer.write(LIVE * (MOST_PIPELINED - 1) + last)
    async with asyncio.timeout(8):
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200 OK") == MOST_PIPELINED
    writer.close()


async def test_an_offer_to_upgrade_is_ignored_and_ends_the_connection(door: HttpDoor):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(LIVE.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n") + LIVE)
    async with asyncio.timeout(8):
        answer = await reader.read()
    assert answer.count(b"HTTP/1.1 200 OK") == 1
    writer.close()


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
async def test_a_body_behind_an_offer_to_upgrade_is_never_read_as_a_request(door: HttpDoor, pause_s: float):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {len(LIVE)}\r\n\r\n".encode())
    await asyncio.sleep(pause_s)
    writer.write(LIVE)
    heard = b""
    try:
        async with asyncio.timeout(8):
            heard = await reader.read()
    except ConnectionError:
        pass
    assert b"200 OK" not in heard
    assert heard.startswith(b"HTTP/1.1 400 ") or not heard
    writer.close()
