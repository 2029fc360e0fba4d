"""GET /message-events over HTTP: what older clients still call."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from homing.events import store
from homing.events.detail import Addressee, EventBook
from homing.ground import ids
from homing.spool.types import ChunkFacts, RecipientDetail
from tests.kit.http import HttpDoor, http_door
from tests.wire.test_api_events import AT, NOW, deliver

RECENT = {"from": (AT - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")}


@pytest.fixture
async def door(pool):
    await store.ensure_partitions(pool, NOW.date())
    async with http_door(pool) as made:
        yield made


async def bounce(door: HttpDoor, reason: str, *, seq: int) -> None:
    facts = ChunkFacts(
        account_id=door.account_id,
        transmission_id=ids.compose(1, 2, 3),
        accepted_at=AT,
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
    )
    to = Addressee(ids.compose(9, 2, seq), "kim@there.test", "there.test", RecipientDetail(metadata={"list": ["a", "b"], "n": 1}))
    event = EventBook(facts).bounce(to, at=AT, reason=reason, error_code="550", bounce_class=10)
    row = (NOW.date(), 2, seq, event.at, event.type, event.account_id, 0, event.message_id, event.transmission_id)
    rest = (event.recipient, event.recipient_domain, event.campaign_id, event.detail.decode())
    async with door.pool.acquire() as connection:
        await connection.copy_records_to_table("events", columns=store.COLUMNS, records=[(*row, *rest)])


async def search(door: HttpDoor, path: str = "/api/v1/message-events", **query: object) -> httpx.Response:
    return await door.client.get(path, params={**RECENT, **{name.rstrip("_"): str(value) for name, value in query.items()}})


async def test_an_event_is_told_in_text(door: HttpDoor):
    await deliver(door, subaccount_id=7)
    answer = (await search(door)).json()
    (event,) = answer["results"]
    assert (event["type"], event["customer_id"], event["subaccount_id"]) == ("delivery", str(door.account_id), "7")
    assert (event["outbound_tls"], event["open_tracking"], event["msg_size"]) == ("1", "0", "2048")
    assert event["timestamp"].endswith("+00:00")
    assert event["tdate"] == event["timestamp"].replace("+00:00", "Z")
    assert event["rcpt_tags"] == ["vip"]
    assert (answer["total_count"], answer["links"]) == (1, [])


async def test_only_the_last_hour_is_searched_unless_asked_otherwise(door: HttpDoor):
    await deliver(door, at=NOW - timedelta(hours=2))
    assert (await door.client.get("/api/v1/message-events")).json()["results"] == []
    assert len((await search(door, from_=(NOW - timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M"))).json()["results"]) == 1


async def test_a_reason_is_matched_with_wildcards(door: HttpDoor):
    await bounce(door, "550 5.1.1 No such user", seq=1)
    await bounce(door, "552 5.2.2 mailbox full", seq=2)
    found = (await search(door, reason="%no such%")).json()["results"]
    assert [event["raw_reason"] for event in found] == ["550 5.1.1 No such user"]
    assert found[0]["rcpt_meta"] == {"list": {"0": "a", "1": "b"}, "n": "1"}
    assert (await search(door, reason="no such")).json()["results"] == []  # the whole reason, as SQL's LIKE
    assert (await search(door, reason="%\\")).json()["results"] == []
    assert len((await search(door, reason="55_ %")).json()["results"]) == 2


async def test_numbered_pages_show_every_event_once(door: HttpDoor):
    for seq in range(1, 8):
        await deliver(door, f"u{seq}@there.test", seq=seq, at=AT - timedelta(seconds=seq))
    answer, seen = await search(door, per_page=3, events="delivery"), []
    while True:
        page = answer.json()
        assert page["total_count"] == 7
        seen += [event["rcpt_to"] for event in page["results"]]
        places = {link["rel"]: link["href"] for link in page["links"]}
        if "next" not in places:
            break
        await deliver(
            door, "late@there.test", seq=100 + len(seen), at=datetime.now(UTC) + timedelta(minutes=5)
        )  # behind the span
        answer = await door.client.get(places["next"])
    assert seen == [f"u{seq}@there.test" for seq in range(1, 8)]
    first = (await door.client.get(places["first"])).json()
    assert [event["rcpt_to"] for event in first["results"]] == seen[:3]
    beyond = (await search(door, per_page=3, page=9)).json()
    assert (beyond["results"], beyond["total_count"]) == ([], 7)
    assert {link["rel"] for link in beyond["links"]} == {"first", "last"}


async def test_a_cursor_shows_every_event_once(door: HttpDoor):
    for seq in range(1, 6):
        await deliver(door, f"u{seq}@there.test", seq=seq, at=AT - timedelta(seconds=seq))
    answer, seen = await search(door, per_page=2, cursor="initial"), []
    while True:
        page = answer.json()
        assert page["total_count"] == 5
        seen += [event["rcpt_to"] for event in page["results"]]
        places = {link["rel"]: link["href"] for link in page["links"]}
        if "next" not in places:
            break
        answer = await door.client.get(places["next"])
    assert seen == [f"u{seq}@there.test" for seq in range(1, 6)]


async def test_keys_see_their_own_account_and_subaccount(door: HttpDoor):
    await deliver(door, "primary@there.test", seq=1)
    await deliver(door, "sub@there.test", seq=2, subaccount_id=7)
    key = await door.key_with("message_events/view", subaccount_id=7)
    own = await door.client.get("/api/v1/message-events", params=RECENT, headers={"Authorization": key})
    assert [event["rcpt_to"] for event in own.json()["results"]] == ["sub@there.test"]
    key = await door.key_with("transmissions/modify")
    assert (await door.client.get("/api/v1/message-events", headers={"Authorization": key})).status_code == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"page": "0"}, "page"),
        ({"page": "1001", "per_page": "10"}, "cursor=initial"),
        ({"per_page": "x"}, "per_page"),
        ({"timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"from_": "yesterday"}, "from"),
        ({"events": "creation"}, "'creation' is not an event type"),
        ({"recipients": "a\0b"}, "NUL"),
        ({"reason": "a\0b"}, "NUL"),
    ],
)
async def test_parameters_that_cannot_be_used_are_named(door: HttpDoor, query, words):
    answer = await search(door, **query)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["description"]


async def test_an_address_that_is_too_long_is_refused(door: HttpDoor):
    assert (await search(door, recipients="x" * 5_000)).status_code == 414


async def test_samples_and_documentation_are_open_to_all(door: HttpDoor):
    door.client.headers.pop("authorization")
    found = (await door.client.get("/api/v1/message-events/events/samples?events=bounce,click")).json()["results"]
    assert [event["type"] for event in found] == ["bounce", "click"]
    assert isinstance(found[0]["customer_id"], str)
    fields = (await door.client.get("/api/v1/message-events/events/documentation")).json()["results"][0]
    assert set(fields["rcpt_to"]) == {"description", "sampleValue"}
    assert (await door.client.get("/api/v1/message-events/events/samples?events=nope")).status_code == 400
