"""Scheduled transmissions on a real queue with a real engine: seen, cancelled, and never doubled."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from homing.events.types import EventType
from homing.ground import ids
from tests.kit.engine import PostOffice, post_office
from tests.kit.resources import resource_door
from tests.kit.scripted_mx import ACCEPT, EHLO, Loop, Say, Stall, scripted_mx
from tests.store.test_events import append

SLOW = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.05), Say("250 2.0.0 taken"))))
CANCELLED = "554 5.7.1 [internal] Campaign cancelled"


@pytest.fixture
async def town(database, pool):
    async with (
        scripted_mx(SLOW, strict=False) as mx,
        post_office(database, {"there.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
        resource_door(pool, handover=post.owner) as door,
    ):
        await door.door.domain()
        yield post, door, mx


def people(count: int) -> list[dict[str, object]]:
    return [{"address": f"u{n}@there.test"} for n in range(count)]


def start(**ahead: float) -> dict[str, str]:
    return {"start_time": (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="seconds")}


async def waiting(post: PostOffice, count: int) -> None:
    async with asyncio.timeout(20):
        while await post.waiting() != count:
            await asyncio.sleep(0.02)


async def bounces(post: PostOffice) -> list[tuple[str, str]]:
    rows = await post.pool.fetch(
        "SELECT recipient, detail->>'raw_reason' AS reason FROM events WHERE type = $1 ORDER BY recipient", int(EventType.BOUNCE)
    )
    return [(row["recipient"], row["reason"]) for row in rows]


async def test_a_scheduled_transmission_is_shown(town):
    _, door, _ = town
    sent = await door.door.send(
        campaign_id="fall", description="d", metadata={"k": "v"}, options=start(hours=1), recipients=people(2)
    )
    ident = sent.json()["results"]["id"]
    await door.door.send(campaign_id="fall", recipients=people(1))  # at once: not shown
    listed = (await door.call("GET", "transmissions?campaign_id=fall")).json()["results"]
    assert listed == [
        {"id": ident, "campaign_id": "fall", "description": "d", "state": "submitted", "content": {"template_id": "inline"}}
    ]
    assert (await door.call("GET", "transmissions?campaign_id=")).json() == {"results": []}
    whole = (await door.call("GET", f"transmissions/{ident}")).json()["results"]["transmission"]
    assert (whole["id"], whole["state"], whole["num_rcpts"], whole["metadata"]) == (ident, "submitted", 2, {"k": "v"})
    for unknown in ("123", "x", "9" * 30):
        answer = await door.call("GET", f"transmissions/{unknown}")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "1600")


async def test_failures_and_the_draft_are_shown(town):
    post, door, _ = town
    content = {"from": "news@acme.test", "subject": "Hi", "text": "hello"}
    assert (
        await door.call("POST", "templates", json={"id": "welcome", "content": content, "published": True})
    ).status_code == 200
    draft = await door.call("PUT", "templates/welcome", json={"content": {**content, "text": "draft"}})
    assert draft.status_code == 200
    for use_draft in (True, False):
        body = {
            "recipients": people(3),
            "options": start(hours=1),
            "content": {"template_id": "welcome", "use_draft_template": use_draft},
        }
        ident = (await door.door.send(body)).json()["results"]["id"]
        whole = (await door.call("GET", f"transmissions/{ident}")).json()["results"]["transmission"]
        assert whole["content"] == {"template_id": "welcome", "use_draft_template": use_draft}
        assert whole["num_failed_gen"] == 0
    of = {"day": datetime.now(UTC).date(), "transmission_id": ids.from_digits(ident), "account_id": door.account_id}
    for changes in (
        {"type": EventType.GENERATION_FAILURE},
        {"type": EventType.GENERATION_FAILURE},
        {"type": EventType.DELIVERY},
        {"type": EventType.GENERATION_FAILURE, "account_id": door.account_id + 1},
    ):
        await append(post.pool, **of | changes)
    await waiting(post, 6)
    whole = (await door.call("GET", f"transmissions/{ident}")).json()["results"]["transmission"]
    assert (whole["num_rcpts"], whole["num_failed_gen"], whole["num_generated"]) == (3, 2, 1)


async def test_nobody_else_sees_or_cancels_it(town):
    post, door, _ = town
    sent = await door.door.send(campaign_id="fall", options=start(hours=1), recipients=people(2))
    ident = sent.json()["results"]["id"]
    await waiting(post, 2)
    key = await door.stranger()
    assert (await door.call("GET", "transmissions", key=key)).json() == {"results": []}
    assert (await door.call("GET", f"transmissions/{ident}", key=key)).status_code == 404
    assert (await door.call("DELETE", f"transmissions/{ident}", key=key)).status_code == 404
    assert (await door.call("DELETE", "transmissions?campaign_id=fall", key=key)).status_code == 204
    assert (await door.call("DELETE", "transmissions?campaign_id=fall", sub="7")).status_code == 204
    assert (await door.call("DELETE", f"transmissions/{ident}", sub="7")).status_code == 404
    assert (await door.call("GET", "transmissions", sub="7")).json() == {"results": []}
    async with asyncio.timeout(10):
        while await post.pool.fetchval("SELECT count(*) FROM inbox"):
            await asyncio.sleep(0.02)
    assert await post.waiting() == 2


async def test_a_campaign_that_is_cancelled_bounces_once_for_each_recipient(town):
    post, door, mx = town
    sent = await door.door.send(campaign_id="fall", options=start(hours=1), recipients=people(2_500))
    other = await door.door.send(campaign_id="spring", options=start(hours=1), recipients=people(3))
    assert other.status_code == 200
    await waiting(post, 2_503)
    assert (await door.call("DELETE", "transmissions?campaign_id=fall")).status_code == 204
    await waiting(post, 3)
    told = await bounces(post)
    assert len(told) == len({who for who, _ in told}) == 2_500
    assert {why for _, why in told} == {CANCELLED}
    assert mx.messages == []
    ident = sent.json()["results"]["id"]
    whole = (await door.call("GET", f"transmissions/{ident}")).json()["results"]["transmission"]
    assert whole["state"] == "Canceled"
    assert (await door.call("DELETE", "transmissions?campaign_id=fall")).status_code == 204
    await asyncio.sleep(0.5)
    assert len(await bounces(post)) == 2_500


async def test_shares_that_are_not_expanded_yet_end_as_cancelled(town):
    post, door, _ = town
    post.owner._inbox._kinds["generate"], kept = None, post.owner._inbox._kinds["generate"]  # its expansion fails for now
    await door.door.send(campaign_id="fall", options=start(hours=1), recipients=people(1_500))
    assert (await door.call("DELETE", "transmissions?campaign_id=fall")).status_code == 204
    await asyncio.sleep(0.3)
    assert await post.waiting() == 0
    post.owner._inbox._kinds["generate"] = kept
    post.owner._inbox._obeying.clear()
    async with asyncio.timeout(20):
        while await post.pool.fetchval("SELECT count(*) FROM inbox"):
            await asyncio.sleep(0.05)
    assert await post.waiting() == 0
    assert len(await bounces(post)) == 1_500
    assert await post.pool.fetchval("SELECT count(*) FROM events WHERE type = $1", int(EventType.INJECTION)) == 1_500


async def test_one_is_cancelled_by_its_id_unless_it_begins_soon(town):
    post, door, _ = town
    later = (await door.door.send(options=start(hours=1), recipients=people(2))).json()["results"]["id"]
    soon = (await door.door.send(options=start(seconds=600), recipients=people(1))).json()["results"]["id"]
    await waiting(post, 3)
    answer = await door.call("DELETE", f"transmissions/{soon}")
    assert (answer.status_code, answer.json()["errors"][0]) == (
        409,
        {
            "message": "too close to generation time to delete transmission",
            "description": "Deletion time window (660 seconds) doesn't permit transmission deletion",
            "code": "2003",
        },
    )
    assert (await door.call("DELETE", f"transmissions/{later}")).status_code == 204
    await waiting(post, 1)
    answer = await door.call("DELETE", f"transmissions/{later}")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "2006")
    assert (await door.call("DELETE", "transmissions")).status_code == 400


async def test_a_campaign_that_has_begun_is_stopped_in_the_middle(town):
    post, door, mx = town
    await door.door.send(campaign_id="fall", options=start(seconds=2), recipients=people(200))
    async with asyncio.timeout(20):
        while len(mx.messages) < 10:
            await asyncio.sleep(0.02)
    assert (await door.call("DELETE", "transmissions?campaign_id=fall")).status_code == 204
    await waiting(post, 0)
    sent, told = len(mx.messages), await bounces(post)
    assert sent < 200
    assert len(told) + len(await post.events(EventType.DELIVERY)) == 200
    assert {why for _, why in told} == {CANCELLED}


async def test_what_waited_in_a_worker_that_died_is_stopped_when_it_is_read(town):
    post, door, mx = town
    await door.door.send(campaign_id="fall", options=start(seconds=2), recipients=people(3))
    await waiting(post, 3)
    await post.pool.execute("UPDATE transmissions SET canceled_at = now()")  # and the wishes were obeyed before
    await waiting(post, 0)
    assert mx.messages == []
    assert len(await bounces(post)) == 3


async def test_a_list_is_sent_to_and_each_recipient_is_written_once(town):
    post, door, _ = town
    await door.call("POST", "recipient-lists", json={"id": "all", "recipients": people(2_200)})
    answer = await door.door.send(recipients={"list_id": "all"}, options=start(hours=1))
    assert answer.json()["results"]["total_accepted_recipients"] == 2_200
    await waiting(post, 2_200)
    assert await post.pool.fetchval("SELECT count(DISTINCT recipient) FROM queue_entries") == 2_200
    assert await post.pool.fetchval("SELECT count(DISTINCT shard) FROM chunks") == 3


async def test_mail_to_the_sink_is_delivered_to_nobody(town):
    post, door, mx = town
    answer = await door.door.send(recipients=[{"address": "kim@there.test.sink.sparkpostmail.com"}, {"address": "l@there.test"}])
    assert answer.status_code == 200
    await waiting(post, 0)
    assert len(mx.messages) == 1
    assert len(await post.events(EventType.DELIVERY)) == 2
