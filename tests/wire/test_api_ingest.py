"""/ingest/events: batches of events from elsewhere, durable before the answer, each event once in the log."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from homing.events import store as events
from homing.ground.clock import SystemClock
from homing.ingest import batches, store
from homing.ingest.digest import Digester
from homing.ingest.rules.cutting import SHARE_LINES
from homing.queue.types import Happened, Wish
from tests.kit.owner import shard_owner
from tests.kit.resources import ResourceDoor, resource_door

NDJSON = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
NOW = datetime.now(UTC)
UNTIL = {"to": (NOW + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def line(event_id: str, group: str = "message_event", **fields: Any) -> bytes:
    event = {
        "type": "delivery",
        "event_id": event_id,
        "message_id": f"m-{event_id}",
        "timestamp": str(int(NOW.timestamp()) - 600),
        "delv_method": "esmtp",
        "rcpt_to": "kim@there.test",
    } | fields
    return json.dumps({"msys": {group: event}}).encode() + b"\n"


@pytest.fixture
async def door(pool):
    """A door whose orders nobody obeys."""
    await events.ensure_partitions(pool, NOW.date())
    async with resource_door(pool) as made:
        yield made


@pytest.fixture
async def house(database, pool, door):
    """A door with an owner who reads what comes."""
    async with shard_owner(database, pool, kinds={batches.KIND: Digester(pool, SystemClock())}):
        yield door


async def hand_in(door: ResourceDoor, *lines: bytes, key: str = "", sub: str | None = None, **headers: str) -> httpx.Response:
    body = gzip.compress(b"".join(lines))
    return await post(door, body, key=key, sub=sub, **headers)


async def post(door: ResourceDoor, body: bytes, *, key: str = "", sub: str | None = None, **headers: str) -> httpx.Response:
    own = {"Authorization": key} if key else {}
    if sub is not None:
        own["X-MSYS-SUBACCOUNT"] = sub
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await door.door.client.post("/api/v1/ingest/events", content=body, headers={**NDJSON, **own, **named})


async def status(door: ResourceDoor, batch_id: str, **query: str) -> dict[str, Any]:
    """Return what is told of a batch, once it is."""
    async with asyncio.timeout(20):
        while True:
            found = await door.call("GET", "events/ingest", params={**UNTIL, "batch_ids": batch_id, **query})
            if found.json()["results"]:
                (one,) = found.json()["results"]
                return one
            await asyncio.sleep(0.05)


async def logged(door: ResourceDoor, key: str = "", **query: str) -> list[dict[str, Any]]:
    return (await door.call("GET", "events/message", key=key, params={**UNTIL, **query})).json()["results"]


async def test_a_batch_comes_into_the_log_and_is_told_of(house):
    answer = await hand_in(
        house, line("e1", type="reception", recv_method="rest"), line("e2"), line("e3", "track_event", type="click")
    )
    assert answer.status_code == 200
    batch_id = answer.json()["results"]["id"]
    UUID(batch_id)
    told = await status(house, batch_id)
    assert (told["type"], told["batch_id"], told["number_succeeded"], told["number_duplicates"]) == ("success", batch_id, 3, 0)
    assert told["customer_id"] == house.account_id
    assert told["expiration_timestamp"] > told["timestamp"]
    assert "href" not in told
    found = await logged(house)
    assert {(one["type"], one["event_id"], one["message_id"]) for one in found} == {
        ("injection", "e1", "m-e1"),
        ("delivery", "e2", "m-e2"),
        ("click", "e3", "m-e3"),
    }


async def test_ingested_events_are_found_by_their_own_ids(house):
    await status(house, (await hand_in(house, line("e1"), line("e2"))).json()["results"]["id"])
    assert [one["event_id"] for one in await logged(house, event_ids="e2")] == ["e2"]
    assert [one["event_id"] for one in await logged(house, messages="m-e1")] == ["e1"]
    assert await logged(house, messages="m-e9") == []


async def test_an_event_that_came_before_is_a_duplicate(house):
    first = (await hand_in(house, line("e1"), line("e1"), line("e2"))).json()["results"]["id"]
    told = await status(house, first)
    assert (told["number_succeeded"], told["number_duplicates"]) == (2, 1)
    second = (await hand_in(house, line("e2"), line("e3"))).json()["results"]["id"]
    told = await status(house, second)
    assert (told["number_succeeded"], told["number_duplicates"]) == (1, 1)
    assert sorted(one["event_id"] for one in await logged(house)) == ["e1", "e2", "e3"]


async def test_the_same_id_of_another_account_is_no_duplicate(house):
    await status(house, (await hand_in(house, line("e1"))).json()["results"]["id"])
    key = await house.stranger()
    batch_id = (await hand_in(house, line("e1"), key=key)).json()["results"]["id"]
    async with asyncio.timeout(20):
        while not (await house.call("GET", "events/ingest", key=key, params=UNTIL)).json()["results"]:
            await asyncio.sleep(0.05)
    assert [one["event_id"] for one in await logged(house, key=key)] == ["e1"]
    assert (await house.call("GET", "events/ingest", params={**UNTIL, "batch_ids": batch_id})).json()["results"] == []


async def test_lines_that_fail_are_told_and_can_be_had(house):
    bad = [b"nonsense\n", line("e2", timestamp="1"), line("e3", type="explosion")]
    batch_id = (await hand_in(house, bad[0], line("e1"), *bad[1:])).json()["results"]["id"]
    told = await status(house, batch_id)
    assert (told["type"], told["number_succeeded"], told["number_failed"]) == ("error", 1, 3)
    assert (told["error_type"], told["retryable"], told["reason"]) == (
        "validation",
        False,
        "line 1: the line is no JSON object in UTF-8",
    )
    answer = await house.door.client.get(told["href"])
    assert answer.headers["content-type"] == "application/gzip"
    assert gzip.decompress(answer.content) == b"".join(bad)
    whole = await house.call("GET", f"ingest/events/{batch_id}")
    assert gzip.decompress(whole.content) == b"".join((bad[0], line("e1"), *bad[1:]))
    assert await status(house, batch_id, events="error", error_types="validation", retryable="false") == told
    for nothing in ({"events": "success"}, {"error_types": "other"}, {"retryable": "true"}, {"subaccounts": "7"}):
        found = await house.call("GET", "events/ingest", params={**UNTIL, "batch_ids": batch_id, **nothing})
        assert found.json() == {"results": [], "total_count": 0, "links": {}}


async def test_an_event_of_a_subaccount_that_there_is_not_fails_and_the_others_are_taken(house):
    unknown = line("e1", subaccount_id=4_711)
    told = await status(house, (await hand_in(house, unknown, line("e2", subaccount_id=7))).json()["results"]["id"])
    assert (told["type"], told["number_succeeded"], told["number_failed"]) == ("error", 1, 1)
    assert told["reason"] == "line 1: this account has no subaccount 4711"
    assert gzip.decompress((await house.door.client.get(told["href"])).content) == unknown
    assert [one["event_id"] for one in await logged(house)] == ["e2"]


async def test_a_batch_of_several_shares_is_read_whole(house):
    count = 2 * SHARE_LINES + 10
    batch_id = (await hand_in(house, *(line(f"e{number}") for number in range(count)))).json()["results"]["id"]
    told = await status(house, batch_id)
    assert (told["type"], told["number_succeeded"]) == ("success", count)
    assert await house.pool.fetchval("SELECT count(*) FROM events WHERE type < 60") == count
    assert await house.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_a_batch_is_on_disk_before_it_is_answered(door):
    batch_id = (await hand_in(door, line("e1"))).json()["results"]["id"]
    assert await door.pool.fetchval("SELECT count(*) FROM inbox WHERE kind = 'ingest'") == 1
    answer = await door.call("GET", f"ingest/events/{batch_id}")
    assert gzip.decompress(answer.content) == line("e1")
    assert (await door.call("GET", f"ingest/events/failures/{batch_id}")).content == b""


async def test_a_share_that_is_read_twice_says_the_same_and_asks_once(door):
    lines = [line(f"e{number}") for number in range(SHARE_LINES + 1)]
    await hand_in(door, *lines, lines[0])
    digest = Digester(door.pool, SystemClock())
    for share, expected in ((0, SHARE_LINES), (1, 2)):  # the second share has an event of its own, a duplicate, and the status
        orders = await door.pool.fetch("SELECT shard, item_id, payload FROM inbox ORDER BY item_id")
        assert len(orders) == share + 1
        wish = Wish(orders[-1]["shard"], orders[-1]["item_id"], batches.KIND, door.account_id)
        once, again = [await digest(wish, orders[-1]["payload"]) for _ in range(2)]
        assert isinstance(once, Happened)
        assert isinstance(again, Happened)
        assert len(once.events) == len(again.events) == expected
        assert [event.detail for event in once.events] == [event.detail for event in again.events]


async def test_subaccounts_are_named_by_lines_only_with_a_key_that_sees_them_all(house):
    await status(house, (await hand_in(house, line("e1", subaccount_id=7), line("e2"))).json()["results"]["id"])
    batch_id = (await hand_in(house, line("e3", subaccount_id=9), sub="7")).json()["results"]["id"]
    told = await status(house, batch_id)
    assert told["subaccount_id"] == 7
    assert {one["event_id"]: one.get("subaccount_id") for one in await logged(house)} == {"e1": 7, "e2": None, "e3": 7}
    assert (await house.call("GET", f"ingest/events/{batch_id}", sub="8")).status_code == 404
    assert (await house.call("GET", f"ingest/events/{batch_id}", sub="7")).status_code == 200


async def test_nobody_sees_the_batches_of_another_account(house):
    batch_id = (await hand_in(house, line("e1"))).json()["results"]["id"]
    await status(house, batch_id)
    key = await house.stranger()
    assert (await house.call("GET", f"ingest/events/{batch_id}", key=key)).status_code == 404
    assert (await house.call("GET", f"ingest/events/failures/{batch_id}", key=key)).status_code == 404
    assert (await house.call("GET", "events/ingest", key=key, params=UNTIL)).json()["results"] == []
    assert await logged(house, key=key) == []


@pytest.mark.parametrize(
    ("headers", "status_code", "words"),
    [
        ({"content_type": "application/json"}, 415, "application/x-ndjson"),
        ({"content_encoding": "identity"}, 415, "gzip"),
        ({"content_encoding": ""}, 415, "gzip"),
    ],
)
async def test_a_body_that_does_not_say_what_it_is_is_refused(door, headers, status_code, words):
    answer = await hand_in(door, line("e1"), **headers)
    assert answer.status_code == status_code
    error = answer.json()["errors"][0]
    assert error["code"] == "1700"
    assert words in error["description"]


@pytest.mark.parametrize(
    ("body", "status_code", "words"),
    [
        (b"", 400, "no events"),
        (b"plain", 400, "not gzip"),
        (gzip.compress(b""), 400, "no events"),
        (gzip.compress(b"\n\n"), 400, "no events"),
        (gzip.compress(line("e1"))[:-6], 400, "ends before its time"),
        (gzip.compress(b"x" * 1_100_000), 400, "line 1"),
        (gzip.compress((b" " * 1000 + b"\n") * 140_000), 413, "unpacks to more"),
        (b"\0" * (5 * 1024 * 1024 + 1), 413, "at most 5242880 bytes"),
    ],
    ids=["empty", "plain", "gzip of nothing", "blank", "cut off", "long line", "bomb", "large"],
)
async def test_what_is_no_batch_is_refused_and_not_kept(door, body, status_code, words):
    answer = await post(door, body)
    assert answer.status_code == status_code, answer.text
    assert words in answer.json()["errors"][0]["description"]
    assert await door.pool.fetchval("SELECT count(*) FROM ingest_batches") == 0
    assert await door.pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_too_many_batches_that_wait_are_refused_for_now(door, monkeypatch):
    monkeypatch.setattr(batches, "MOST_OPEN", 2)
    for number in range(2):
        assert (await hand_in(door, line(f"e{number}"))).status_code == 200
    answer = await hand_in(door, line("e9"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert (await hand_in(door, line("e9"), key=await door.stranger())).status_code == 200


async def test_without_the_grant_there_is_nothing(door):
    key = await door.door.key_with("transmissions/modify")
    assert (await hand_in(door, line("e1"), key=key)).status_code == 403
    assert (await door.call("GET", "events/ingest", key=key)).status_code == 403
    viewer = await door.door.key_with("message_events/view")
    assert (await door.call("GET", "events/ingest", key=viewer)).status_code == 200


@pytest.mark.parametrize("text", ["nonsense", "92a65d11-f339-46a1-a3f4-bdf5fdfd0609", "%00"])
async def test_a_batch_that_is_none_is_not_found(door, text):
    for path in ("ingest/events", "ingest/events/failures"):
        answer = await door.call("GET", f"{path}/{text}")
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (404, "Resource could not be found")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"events": "delivery"}, "'delivery' is not an event type"),
        ({"retryable": "perhaps"}, "retryable"),
        ({"per_page": "0"}, "per_page"),
        ({"cursor": "rubbish"}, "cursor"),
        ({"batch_ids": "a\0"}, "NUL"),
        ({"from": "x"}, "from"),
    ],
)
async def test_parameters_that_cannot_be_used_are_named(door, query, words):
    answer = await door.call("GET", "events/ingest", params=query)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["description"]


async def test_the_search_of_messages_does_not_show_batches(house):
    await status(house, (await hand_in(house, line("e1"))).json()["results"]["id"])
    assert {one["type"] for one in await logged(house)} == {"delivery"}
    assert (await house.call("GET", "events/message?events=success")).status_code == 400


async def test_links_lead_through_all_pages(house):
    made = {(await hand_in(house, line(f"e{number}"))).json()["results"]["id"] for number in range(3)}
    for batch_id in made:
        await status(house, batch_id)
    answer, seen = await house.call("GET", "events/ingest", params={**UNTIL, "per_page": "2"}), []
    while True:
        page = answer.json()
        assert page["total_count"] == 3
        seen += [one["batch_id"] for one in page["results"]]
        if "next" not in page["links"]:
            break
        assert page["links"]["next"].startswith("/api/v1/events/ingest?")
        answer = await house.door.client.get(page["links"]["next"])
    assert (set(seen), len(seen)) == (made, 3)


async def test_old_batches_and_ids_are_forgotten(house):
    batch_id = (await hand_in(house, line("e1"), b"bad\n")).json()["results"]["id"]
    await status(house, batch_id)
    await store.forget_old(house.pool, now=NOW + timedelta(days=1))
    assert (await house.call("GET", f"ingest/events/{batch_id}")).status_code == 200
    await store.forget_old(house.pool, now=NOW + timedelta(days=4))
    assert (await house.call("GET", f"ingest/events/{batch_id}")).status_code == 404
    for table in ("ingest_batches", "ingest_shares", "ingested_ids"):
        assert await house.pool.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_samples_and_documentation_are_open_to_all(door):
    door.door.client.headers.pop("authorization")
    found = (await door.call("GET", "ingest/events/samples?events=bounce,open")).json()["results"]
    assert [one["type"] for one in found] == ["bounce", "open"]
    fields = (await door.call("GET", "ingest/events/documentation")).json()["results"][0]
    assert (fields["event_id"]["required"], fields["event_id"]["reporting"]) == (True, True)
    assert (await door.call("GET", "ingest/events/samples?events=success")).status_code == 400
