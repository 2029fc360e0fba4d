"""GET /events/message over HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from homing.events import store
from homing.events.detail import Addressee, EventBook
from homing.ground import ids
from homing.spool.types import ChunkFacts, RecipientDetail
from tests.kit.http import HttpDoor, http_door

NOW = datetime.now(UTC)
AT = NOW - timedelta(hours=1)


@pytest.fixture
async def door(pool):
    await store.ensure_partitions(pool, NOW.date())
    async with http_door(pool) as made:
        yield made


async def deliver(door: HttpDoor, recipient: str = "Kim@there.test", *, seq: int = 1, subaccount_id: int = 0, **changes) -> None:
    """Write a delivery as the queue does."""
    facts = ChunkFacts(
        account_id=door.account_id,
        subaccount_id=subaccount_id,
        transmission_id=ids.compose(1, 2, 3),
        accepted_at=AT,
        recv_method="rest",
        sending_domain="acme.test",
        friendly_from="news@acme.test",
        subject="Hi",
        campaign_id="spring",
    )
    to = Addressee(ids.compose(9, 2, seq), recipient, "there.test", RecipientDetail(tags=("vip",), metadata={"uid": "7"}))
    event = EventBook(facts).delivery(
        to,
        at=changes.get("at", AT),
        ip_address="198.51.100.5",
        sending_ip="",
        outbound_tls=1,
        num_retries=0,
        queue_time_ms=812,
        msg_size=2048,
        reply="250 ok",
    )
    row = (NOW.date(), 2, seq, event.at, event.type, event.account_id, event.subaccount_id, event.message_id)
    rest = (event.transmission_id, event.recipient, event.recipient_domain, event.campaign_id, event.detail.decode())
    async with door.pool.acquire() as connection:
        await connection.copy_records_to_table("events", columns=store.COLUMNS, records=[(*row, *rest)])


async def search(door: HttpDoor, **query: object) -> httpx.Response:
    return await door.client.get("/api/v1/events/message", params={name.rstrip("_"): str(value) for name, value in query.items()})


async def test_an_event_is_flat_and_complete(door: HttpDoor):
    await deliver(door)
    answer = await search(door)
    assert answer.status_code == 200
    (event,) = answer.json()["results"]
    injected = AT.isoformat(timespec="milliseconds")
    assert event == {
        "type": "delivery",
        "event_id": str(1 << 8 | 2),
        "timestamp": injected,
        "injection_time": injected,
        "customer_id": door.account_id,
        "message_id": ids.to_hex(ids.compose(9, 2, 1)),
        "transmission_id": ids.to_digits(ids.compose(1, 2, 3)),
        "template_id": "template_" + ids.to_digits(ids.compose(1, 2, 3)),
        "template_version": "0",
        "campaign_id": "spring",
        "friendly_from": "news@acme.test",
        "sending_domain": "acme.test",
        "rcpt_to": "kim@there.test",
        "raw_rcpt_to": "Kim@there.test",
        "rcpt_hash": event["rcpt_hash"],
        "rcpt_meta": {"uid": "7"},
        "rcpt_tags": ["vip"],
        "recipient_domain": "there.test",
        "routing_domain": "there.test",
        "ip_pool": "default",
        "ip_address": "198.51.100.5",
        "recv_method": "rest",
        "delv_method": "esmtp",
        "msg_size": "2048",
        "num_retries": "0",
        "queue_time": "812",
        "outbound_tls": 1,
        "transactional": "0",
        "subject": "Hi",
        "open_tracking": False,
        "click_tracking": False,
        "initial_pixel": False,
        "amp_enabled": False,
    }
    assert len(event["rcpt_hash"]) == 40
    assert (answer.json()["total_count"], answer.json()["links"]) == (1, {})


async def test_links_lead_through_all_pages(door: HttpDoor):
    for seq in range(1, 8):
        await deliver(door, f"u{seq}@there.test", seq=seq, at=AT - timedelta(seconds=seq % 3))
    answer = await search(door, per_page=3, campaigns="spring")
    seen = []
    while True:
        page = answer.json()
        assert page["total_count"] == 7
        seen += [event["rcpt_to"] for event in page["results"]]
        if "next" not in page["links"]:
            break
        assert page["links"]["next"].startswith("/api/v1/events/message?")
        assert "&" not in page["links"]["next"].partition("cursor=")[2]
        await deliver(door, "late@there.test", seq=100 + len(seen), at=AT)  # newer ones do not shift the pages
        answer = await door.client.get(page["links"]["next"])
    assert sorted(set(seen) - {"late@there.test"}) == [f"u{seq}@there.test" for seq in range(1, 8)]
    assert len(seen) == len(set(seen)) + max(0, seen.count("late@there.test") - 1)


async def test_keys_see_their_own_account_and_subaccount(door: HttpDoor):
    await deliver(door, "primary@there.test", seq=1)
    await deliver(door, "sub@there.test", seq=2, subaccount_id=7)
    everything = (await search(door)).json()["results"]
    assert {event.get("subaccount_id") for event in everything} == {None, 7}
    key = await door.key_with("message_events/view", subaccount_id=7)
    own = await door.client.get("/api/v1/events/message?subaccounts=0,7", headers={"Authorization": key})
    assert [event["rcpt_to"] for event in own.json()["results"]] == ["sub@there.test"]


async def test_without_the_grant_there_is_nothing_to_see(door: HttpDoor):
    key = await door.key_with("transmissions/modify")
    assert (await door.client.get("/api/v1/events/message", headers={"Authorization": key})).status_code == 403


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"per_page": "0"}, "per_page"),
        ({"per_page": "10001"}, "per_page"),
        ({"per_page": "x"}, "per_page"),
        ({"cursor": "rubbish"}, "cursor"),
        ({"cursor": "%%%"}, "cursor"),
        ({"events": "explosion"}, "'explosion' is not an event type"),
        ({"from_": "yesterday"}, "from"),
        ({"from_": "2026-05-05T00:00:00Z", "to": "2026-05-04T00:00:00Z"}, "from must not be later"),
        ({"bounce_classes": "ten"}, "bounce_classes"),
        ({"subaccounts": "-1"}, "subaccounts"),
        ({"subaccounts": "9999999999"}, "subaccounts"),
        ({"ab_test_versions": "1"}, "requires ab_tests"),
        ({"recipients": "a\0b"}, "NUL"),
    ],
)
async def test_parameters_that_cannot_be_used_are_named(door: HttpDoor, query, words):
    answer = await search(door, **query)
    assert answer.status_code == 400
    assert words in answer.json()["errors"][0]["description"]


async def test_a_query_that_is_no_text_or_too_long_is_refused(door: HttpDoor):
    assert (await door.client.get("/api/v1/events/message?subjects=%ff")).status_code == 400
    assert (await door.client.get("/api/v1/events/message?subjects=" + "x" * 5_000)).status_code == 414
    assert (await door.client.get("/api/v1/events/message?" + "&".join(f"a{n}=1" for n in range(400)))).status_code == 400


async def test_a_search_that_takes_too_long_is_told_so(door: HttpDoor, monkeypatch):
    async def slow(*args: object, **others: object) -> None:
        raise store.TooSlow("x")

    monkeypatch.setattr(store, "search", slow)
    answer = await search(door)
    assert answer.status_code == 504
    assert "narrow" in answer.json()["errors"][0]["description"]


async def test_samples_and_documentation_are_open_to_all(door: HttpDoor):
    door.client.headers.pop("authorization")
    found = (await door.client.get("/api/v1/events/message/samples?events=bounce,delay")).json()["results"]
    assert [event["type"] for event in found] == ["bounce", "delay"]
    fields = (await door.client.get("/api/v1/events/message/documentation")).json()["results"][0]
    assert set(fields["rcpt_to"]) == {"description", "sampleValue"}
    assert (await door.client.get("/api/v1/events/message/samples?events=nope")).status_code == 400
