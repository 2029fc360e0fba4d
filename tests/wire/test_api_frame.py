"""What every request gets, and what guards a connection before there is one."""

import asyncio
import json
import re
import time

import pytest

from homing.api.app import make_app
from homing.api.openapi import Common, document
from homing.evidence.badges import key_badge
from homing.evidence.types import FaultTag
from homing.ground import db
from homing.ground.secrets import hash_api_key
from tests.kit.http import HttpDoor, http_door


@pytest.fixture
async def door(pool):
    async with http_door(pool, head_within_s=0.5, most_connections=5) as made:
        yield made


async def raw(door: HttpDoor, data: bytes) -> bytes:
    """Send bytes on a connection of our own and return everything until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        writer.write(data)
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_an_unknown_path_is_a_404_in_our_form(door: HttpDoor):
    for path in ("/api/v1/nope", "/api/v1", "/", "/api/v1/transmissions/1/2"):
        answer = await door.client.get(path)
        assert (answer.status_code, answer.json()) == (404, {"errors": [{"message": "Resource could not be found"}]})
        assert answer.headers["x-sparkpost-request-id"]
    assert door.counted == [(None, FaultTag.CLIENT)] * 3  # what is not below /api is no call of the API


async def test_another_method_is_a_405(door: HttpDoor):
    answer = await door.client.put("/api/v1/transmissions", json={})
    assert (answer.status_code, answer.json()) == (405, {"errors": [{"message": "Method Not Allowed", "code": "1102"}]})


async def test_each_answer_has_its_own_request_id(door: HttpDoor):
    found = {(await door.client.get("/health/live")).headers["x-sparkpost-request-id"] for _ in range(5)}
    assert len(found) == 5


async def test_probes_and_metrics_need_no_key(door: HttpDoor):
    door.client.headers.pop("authorization")
    assert (await door.client.get("/health/live")).json() == {"live": True}
    assert (await door.client.get("/health/ready")).json() == {"ready": True}
    metrics = await door.client.get("/metrics")
    assert (metrics.text, metrics.headers["content-type"]) == ("homing_test 1\n", "text/plain; version=0.0.4; charset=utf-8")
    door.refuse = "not now"
    answer = await door.client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})
    assert door.counted == []


async def test_large_answers_are_compressed_for_those_who_take_it(door: HttpDoor):
    answer = await door.client.get("/api/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in answer.headers
    answer = await door.client.get("/api/v1/events/message/documentation", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["results"][0]["display_name"] == "Injection"


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00" * 50, b"GET\r\n\r\n", b"EHLO x\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_http_gets_a_400(door: HttpDoor, rubbish: bytes):
    answer = await raw(door, rubbish)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"][0]["message"] == "invalid request"
    assert door.counted == [(None, FaultTag.CLIENT)]


@pytest.mark.parametrize("start", [b"", b"GET /health/live HTTP/1.1\r\nX-A: "])
async def test_a_head_that_does_not_end_is_cut_off(door: HttpDoor, start: bytes):
    assert (await raw(door, start)).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_drips_is_cut_off(door: HttpDoor):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(5):
        while not reader._buffer and not reader.at_eof():
            writer.write(b"X")
            await asyncio.sleep(0.05)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_a_head_that_is_too_large_is_refused(door: HttpDoor):
    answer = await raw(door, b"GET / HTTP/1.1\r\n" + b"X-A: " + b"y" * 40_000)
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


async def test_connections_over_the_limit_are_told_so(door: HttpDoor):
    opened = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(5)]
    await asyncio.sleep(0.05)
    answer = await raw(door, b"")
    for _, writer in opened:
        writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after" in answer


async def test_a_body_that_stalls_is_answered_with_408(pool, monkeypatch):
    monkeypatch.setattr("homing.api.bodies.IDLE_S", 0.2)
    async with http_door(pool) as door:
        head = (
            f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\nContent-Type: application/json\r\n"
        )
        answer = await raw(door, head.encode() + b"Content-Length: 100\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert door.counted == [(door.account_id, FaultTag.CLIENT)]


async def test_bodies_are_bounded_all_together(pool):
    async with http_door(pool, max_body_bytes=20_000, bodies_in_memory=20_000) as door:
        await door.domain()
        head = (
            f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\nContent-Type: application/json\r\n"
        )
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(head.encode() + b"Content-Length: 19990\r\n\r\n")
        await asyncio.sleep(0.1)
        assert (await door.send()).status_code == 200  # what was only announced holds nothing
        writer.write(b" " * 19_980)
        await asyncio.sleep(0.1)
        assert (await door.send()).status_code == 503
        writer.close()
        await asyncio.sleep(0.1)
        assert (await door.send()).status_code == 200


async def test_an_answer_that_takes_too_long_is_a_504_and_counts_as_a_timeout(pool):
    async with http_door(pool, timeout_s=0.2) as door:
        await door.domain()
        door.queue.place = lambda count: (_ for _ in ()).throw(TimeoutError())  # type: ignore[method-assign]
        answer = await door.send()
        assert answer.status_code == 504
        assert door.counted == [(door.account_id, FaultTag.TIMEOUT)]


async def test_a_connection_serves_many_requests(door: HttpDoor):
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(request * 3)
    async with asyncio.timeout(5):
        for _ in range(3):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
    await asyncio.sleep(0.7)  # an idle connection is not a slow head
    writer.write(request)
    async with asyncio.timeout(5):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_the_document_names_every_route_with_grants_and_errors(door: HttpDoor):
    found = (await door.client.get("/api/openapi.json")).json()
    send = found["paths"]["/api/v1/transmissions"]["post"]
    assert send["x-homing-grants"] == ["transmissions/modify"]
    assert {"200", "400", "401", "403", "405", "413", "415", "422", "503"} <= set(send["responses"])
    assert {"/api/v1/events/message", "/health/live", "/health/ready", "/metrics", "/api/openapi.json"} <= set(found["paths"])
    assert callable(make_app)
    assert document([], Common(body_bytes=1, large_bytes=1, answer_s=1, uri_bytes=1))["paths"] == {}


# evidence (clause D) ----------------------------------------------------------------------------------------------------


async def until_ended(door: HttpDoor, count: int) -> None:
    async with asyncio.timeout(5):
        while len(door.evidence.ended) < count:
            await asyncio.sleep(0.01)


async def test_a_request_belongs_to_the_second_of_its_first_byte(door: HttpDoor):
    before = int(time.time())
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = f"GET /api/v1/events/message/samples HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\nConnection: close\r\n\r\n"
    writer.write(head[:20].encode())
    await asyncio.sleep(0.3)
    after = int(time.time())
    writer.write(head[20:].encode())
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert before <= door.evidence.seconds[0] <= after
    assert door.evidence.codes == ["200"]


async def test_a_client_that_leaves_before_its_answer_tells_nothing(door: HttpDoor):
    _, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\nContent-Type: application/json\r\n"
    writer.write(head.encode() + b"Content-Length: 100\r\n\r\n{")
    async with asyncio.timeout(5):
        while not (door.evidence.open and door.evidence.open[0].account_id == door.account_id):
            await asyncio.sleep(0.01)
    writer.transport.abort()
    await until_ended(door, 1)
    assert door.evidence.ended == [(door.account_id, FaultTag.VOID)]


async def test_keys_that_cannot_be_checked_are_a_503_and_count_under_their_badge(database: str):
    other = "f" * 40
    async with db.pool(database) as pool, http_door(pool) as door:
        await pool.close()
        answer = await door.client.get("/api/v1/events/message", headers={"Authorization": other})
        assert answer.status_code == 503, "401 would blame whoever asks"
        assert door.evidence.counted == [(None, FaultTag.SERVER)]
        assert door.evidence.keys == [key_badge(hash_api_key(other))]


async def test_what_we_cut_off_when_we_stop_is_our_failure(pool):
    async with http_door(pool, drain_s=1.0) as door:
        await door.domain()
        stuck = asyncio.Event()

        async def never(*_: object) -> None:
            stuck.set()
            await asyncio.sleep(60)

        door.queue.hand_over = never  # type: ignore[method-assign]
        body = json.dumps(
            {"recipients": [{"address": "kim@there.test"}], "content": {"from": "news@acme.test", "subject": "Hi", "text": "x"}}
        )
        head = f"POST /api/v1/transmissions HTTP/1.1\r\nHost: x\r\nAuthorization: {door.key}\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await asyncio.wait_for(stuck.wait(), 5)
    writer.close()
    assert door.evidence.ended == [(door.account_id, FaultTag.SERVER)]
