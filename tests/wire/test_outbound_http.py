"""Posting to targets that customers name: only out into the world, one request, bounded."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from homing.ground.http import KEPT_ANSWER, MOST_ANSWER, Answered, OutboundHttp, Refused, TargetPolicy, Unanswered

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def names(host: str) -> list[str]:
    return {
        "here.test": ["127.0.0.1"],
        "inside.test": ["10.0.0.7"],
        "metadata.test": ["169.254.169.254"],
        "mapped.test": ["::ffff:127.0.0.1"],
        "nothing.test": [],
        "both.test": ["10.0.0.7", "127.0.0.1"],
    }[host]


@asynccontextmanager
async def peer(answer: bytes | Peer) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Listen on loopback and answer each request with these bytes."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if callable(answer):
                await answer(reader, writer)
                return
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(int(line.split(b":")[1]) for line in head.lower().splitlines() if line.startswith(b"content-length"))
            heard.append(head + await reader.readexactly(size))
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def http(port: int, *, allow_private: bool = True) -> OutboundHttp:
    return OutboundHttp(TargetPolicy(allow_private=allow_private, ports=(port,)), resolve=names)


async def post(door: OutboundHttp, url: str, timeout_s: float = 3.0) -> Answered | Unanswered:
    return await door.post(url, b"[]", headers={"Content-Type": "application/json"}, timeout_s=timeout_s)


async def test_a_body_is_posted_to_the_address_that_was_judged_under_the_name_that_was_given():
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: y\r\n\r\nOK") as (port, heard):
        answer = await post(http(port), f"http://user:p%40ss@here.test:{port}/hook?x=1")
    assert isinstance(answer, Answered)
    assert (answer.status, answer.body, answer.headers["x-own"]) == (200, "OK", "y")
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert body == b"[]"
    assert head.startswith(b"POST /hook?x=1 HTTP/1.1")
    assert f"host: here.test:{port}".encode() in head.lower()
    assert b"Authorization: Basic dXNlcjpwQHNz" in head


@pytest.mark.parametrize("host", ["inside.test", "metadata.test", "mapped.test", "here.test", "nothing.test"])
async def test_a_name_that_leads_into_our_own_network_is_not_posted_to(host):
    async with peer(b"") as (port, heard):
        answer = await post(http(port, allow_private=False), f"http://{host}:{port}/")
    assert isinstance(answer, Unanswered)
    assert answer.code == "refused"
    assert heard == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://[::1]/", "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data", "http://10.1.2.3/", "http://192.168.0.1/", "http://100.64.0.1/", "http://0.0.0.0/",
        "http://224.0.0.1/", "http://[fd00:ec2::254]/", "http://[fe80::1%25eth0]/", "http://[64:ff9b::a00:1]/",
        "ftp://app.test/", "file:///etc/passwd", "http:///x", "https://app.test:22/", "http://a b/", "http://app.test/\r\nX: y",
        "http://app.test:99999/", "gopher://app.test/", "", "x" * 3000,
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_is_refused_with_a_sentence(url):
    with pytest.raises(Refused) as told:
        OutboundHttp(TargetPolicy()).check(url)
    assert len(str(told.value)) > 20


@pytest.mark.parametrize("url", ["https://app.test/hook", "http://app.test", "https://93.184.216.34/x?y", "https://bücher.test/"])
def test_a_target_out_in_the_world_is_fine(url):
    OutboundHttp(TargetPolicy()).check(url)


async def test_a_redirect_is_not_followed():
    async with peer(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.7/\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        answer = await post(http(port), f"http://here.test:{port}/")
    assert isinstance(answer, Answered)
    assert answer.status == 302
    assert len(heard) == 1


async def test_a_huge_answer_is_read_to_a_bound():
    body = b"x" * (MOST_ANSWER * 20)
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as (port, _):
        answer = await post(http(port), f"http://here.test:{port}/")
    assert isinstance(answer, Answered)
    assert (len(answer.body), len(answer.whole)) == (KEPT_ANSWER, MOST_ANSWER)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def byte_by_byte(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for sign in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000:
        writer.write(bytes([sign]))
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("behaviour", [silent, byte_by_byte])
async def test_a_target_that_stalls_is_given_up(behaviour):
    async with peer(behaviour) as (port, _):
        answer = await post(http(port), f"http://here.test:{port}/", timeout_s=0.3)
    assert isinstance(answer, Unanswered)
    assert answer.code == "timeout"


async def rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 no HTTP at all\r\n\r\n")
    await writer.drain()
    writer.close()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("behaviour", [rubbish, hang_up])
async def test_what_is_no_http_is_told_as_such(behaviour):
    async with peer(behaviour) as (port, _):
        answer = await post(http(port), f"http://here.test:{port}/")
    assert isinstance(answer, Unanswered)
    assert answer.code in ("protocol", "connect")


async def test_a_closed_port_is_told_as_such():
    async with peer(b"") as (port, _):
        pass
    answer = await post(http(port), f"http://here.test:{port}/")
    assert isinstance(answer, Unanswered)
    assert answer.code == "connect"


async def test_the_first_address_that_may_be_posted_to_is_taken():
    async with peer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (port, heard):
        answer = await post(OutboundHttp(TargetPolicy(ports=(port,)), resolve=names), f"http://both.test:{port}/")
    assert isinstance(answer, Unanswered)
    assert heard == []
