"""Sizes (SparkPost reference, sections 1.10 and 9, no. 37): a large call lies in a file, its content is judged by itself."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from homing.ground import ids
from homing.ingress.generate import Generator
from homing.ingress.suppression import SuppressionDesk
from homing.queue import submissions
from homing.queue.types import Place
from homing.spool.types import decode_detail
from tests.kit.http import HttpDoor, http_door
from tests.kit.resources import resource_door

SMALL, LARGE = 20_000, 1_000_000
CONTENT = {"from": "news@acme.test", "subject": "Hi {{n}}", "text": "hello"}
MINT = ids.Mint(3)


@pytest.fixture
async def door(pool):
    """A door whose bodies are large from 20 kB on."""
    async with http_door(pool, max_body_bytes=SMALL, max_request_bytes=LARGE) as made:
        await made.domain()
        yield made


def people(count: int, *, padding: int = 1_000) -> list[dict]:
    data = "x" * padding
    return [{"address": {"email": f"kim{n}@there.test"}, "substitution_data": {"n": n, "more": data}} for n in range(count)]


def error(answer):
    return answer.status_code, answer.json()["errors"][0].get("code", "")


def place(count: int) -> Place:
    made = [MINT.make(1_777_593_600_000) for _ in range(count + 2)]
    return Place(3, made[0], made[1], made[2:])


async def made_of(door: HttpDoor):
    """Return everybody that the shares in the inboxes become: entries of all chunks."""
    generate = Generator(door.pool, SuppressionDesk.over(door.pool), door.domains, lifetime=timedelta(hours=72))
    payloads = await door.pool.fetch("SELECT payload FROM inbox WHERE kind = 'generate' ORDER BY item_id")
    chunks = [await generate(row["payload"], place, datetime.now(UTC)) for row in payloads]
    return [entry for chunk in chunks if chunk is not None for entry in chunk.entries]


async def test_a_call_that_is_larger_than_memory_takes_reaches_everybody(door: HttpDoor):
    everybody = [*people(150), {"address": "@"}, {"address": "last@there.test", "tags": ["vip"]}]
    answer = await door.send(recipients=everybody, content=CONTENT)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (151, 1)
    assert answer.json()["errors"][0]["code"] == "2000"
    entries = await made_of(door)
    assert [entry.recipient for entry in entries] == [*(f"kim{n}@there.test" for n in range(150)), "last@there.test"]
    assert decode_detail(entries[7].detail).substitution_data == {"n": 7, "more": "x" * 1_000}
    assert decode_detail(entries[-1].detail).tags == ("vip",)
    counted = await door.pool.fetchval("SELECT sum(messages) FROM usage_hours WHERE account_id = $1", door.account_id)
    assert counted == 151


async def test_its_recipients_go_once_their_messages_are_made(door: HttpDoor):
    assert (await door.send(recipients=people(30), content=CONTENT)).status_code == 200
    await submissions.tidy(door.pool, now=datetime.now(UTC))
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 1
    await door.pool.execute("DELETE FROM inbox")
    await submissions.tidy(door.pool, now=datetime.now(UTC))
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 0


async def test_a_body_of_unknown_length_is_taken_as_well(door: HttpDoor):
    body = json.dumps({"recipients": people(100), "content": CONTENT}).encode()

    async def parts():
        for start in range(0, len(body), 7_001):
            yield body[start : start + 7_001]

    headers = {"Content-Type": "application/json"}
    answer = await door.client.post("/api/v1/transmissions", content=parts(), headers=headers)
    assert answer.json()["results"]["total_accepted_recipients"] == 100
    answer = await door.client.post("/api/v1/transmissions", content=b"x" * (LARGE + 1), headers=headers)
    assert answer.status_code == 413


async def test_its_content_is_judged_by_itself(door: HttpDoor):
    part = {"name": "a.bin", "type": "application/octet-stream", "data": base64.b64encode(b"x" * 19_900).decode()}
    assert (await door.send(content=CONTENT | {"attachments": [part]})).status_code == 200  # 26 kB of JSON, 20 kB of content
    answer = await door.send(content=CONTENT | {"attachments": [part], "html": "y" * 200})
    assert answer.status_code == 413
    assert "content must be at most 20000 bytes" in answer.json()["errors"][0]["description"]
    assert (await door.send(content=CONTENT | {"html": "y" * 60_000})).status_code == 413


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"recipients": {"list_id": "nobody", "more": "x" * SMALL}}, 404, "1600"),
        ({"recipients": "x" * SMALL}, 422, "1300"),
        ({"recipients": [{"address": "@" + "x" * SMALL}]}, 400, "5002"),
        ({"recipients": [*people(25), {"address": "a@b.test", "return_path": "x@nowhere.test"}]}, 400, "7001"),
        ({"recipients": [{"address": "a@b.test", "return_path": f"x@d{n}.{'d' * 60}.test"} for n in range(200)]}, 422, "1300"),
        ({"metadata": {"a": "x" * SMALL}}, 422, "2007"),
        ({"metadata": {"a": "x" * 300_000}}, 422, "2007"),
        ({"substitution_data": {"a": "x" * 110_000}}, 422, "2002"),
        ({"substitution_data": [SMALL * "x"]}, 422, "1300"),
        ({"content": {"text": "x" * 15_000, "subject": 5, "more": "x" * 9_000}}, 422, "1300"),
        ({"content": {"ab_test_id": "t"}, "recipients": people(30)}, 422, "1301"),
        ({"content": None, "recipients": people(30)}, 422, "1400"),
    ],
)
async def test_what_is_wrong_in_it_is_called_as_in_any_call(door: HttpDoor, changes, status, code):
    given = {"recipients": [{"address": "kim@there.test"}], "content": CONTENT} | changes
    assert error(await door.send(given)) == (status, code)
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 0


async def test_where_its_json_ends_to_be_is_told(door: HttpDoor):
    headers = {"Content-Type": "application/json"}
    for body, code, said in (
        (b'{"a": "' + b"\xc3\xa4" * SMALL + b'\xff"}', "1305", f"offset {7 + 2 * SMALL} "),
        (b"{\n" + b" " * SMALL + "\u20ac".encode() + b"}", "1300", f"line 2, column {SMALL + 1}"),
        (b" " * (SMALL + 1), "1300", "the body is empty"),
    ):
        answer = await door.client.post("/api/v1/transmissions", content=body, headers=headers)
        assert error(answer) == (400, code)
        assert said in answer.json()["errors"][0]["description"]


async def test_five_thousand_recipients_with_five_kilobytes_each_are_taken(pool):
    async with http_door(pool) as door:
        await door.domain()
        answer = await door.send(recipients=people(5_000, padding=5_000), content=CONTENT)
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"]["total_accepted_recipients"] == 5_000


async def test_suppressions_in_bulk_may_have_50_mb(pool):
    async with resource_door(pool) as door:
        entry = {"type": "transactional", "description": "d" * 2_200}
        entries = [{"recipient": f"kim{n}@there.test", **entry} for n in range(10_000)]  # 22 MB
        assert (await door.call("PUT", "suppression-list", json={"recipients": entries})).status_code == 200
        assert await pool.fetchval("SELECT count(*) FROM suppressions") == 10_000
        answer = await door.call("PUT", "suppression-list", json={"recipients": [{}] * 10_001})
        assert answer.json()["errors"] == [{"message": "PUT body contains more than 10000 recipients"}]
        reader, writer = await asyncio.open_connection("127.0.0.1", door.door.port)
        head = f"Authorization: {door.door.key}\r\nContent-Type: application/json\r\nContent-Length: 52428801\r\n"
        writer.write(f"PUT /api/v1/suppression-list HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        assert b" 413 " in await reader.readline()
        writer.close()
