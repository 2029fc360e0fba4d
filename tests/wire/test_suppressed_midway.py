"""A row that comes in the middle of a campaign stops what is not yet sent, wherever it lies."""

import asyncio

import pytest

from homing.events.types import EventType
from homing.recipients import store
from homing.recipients.types import SuppressionRow
from tests.kit.engine import PostOffice, post_office
from tests.kit.resources import resource_door
from tests.kit.scripted_mx import ACCEPT, EHLO, Loop, Say, Stall, scripted_mx

SLOW = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.05), Say("250 2.0.0 taken"))))


@pytest.fixture
async def town(database, pool):
    async with (
        scripted_mx(SLOW, strict=False) as mx,
        post_office(database, {"there.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
        resource_door(pool, handover=post.owner) as door,
    ):
        await door.door.domain()
        yield post, door, mx


async def until_empty(post: PostOffice) -> None:
    await post.until_empty(within_s=20)


def arrived(mx) -> list[str]:
    return [line.partition("<")[2].partition(">")[0] for line in mx.heard if line.upper().startswith("RCPT TO")]


async def test_a_row_put_by_the_api_stops_what_waits_in_memory(town):
    post, door, mx = town
    await door.door.send(recipients=[{"address": f"u{n}@there.test"} for n in range(80)])
    await post.until(lambda: len(mx.messages) >= 3)
    for n in range(60, 80):
        answer = await door.call("PUT", f"suppression-list/U{n}@there.test", json={"type": "non_transactional"})
        assert answer.status_code == 200
    await door.call("PUT", "suppression-list/u59@there.test", json={"type": "transactional"})  # of another type
    await door.call("PUT", "suppression-list/u58@there.test", json={"type": "non_transactional"})
    await door.call("DELETE", "suppression-list/u58@there.test")  # and taken back
    await until_empty(post)
    stopped = await post.events(EventType.BOUNCE)
    assert sorted(stopped) == sorted(f"u{n}@there.test" for n in range(60, 80))
    assert not {f"u{n}@there.test" for n in range(60, 80)} & set(arrived(mx))
    assert len(mx.messages) == 60


async def test_a_row_of_one_list_stops_only_mail_of_that_list(town):
    post, door, mx = town
    people = [{"address": f"u{n}@there.test"} for n in range(30)]
    await door.door.send(recipients=people, override={"list_id": "<news.acme.test>"})
    await door.door.send(recipients=people)
    await post.until(lambda: len(mx.messages) >= 3)
    body = {"type": "non_transactional", "list_id": "news.acme.test"}
    for n in (28, 29):
        await door.call("PUT", f"suppression-list/u{n}@there.test", json=body)
    await until_empty(post)
    assert sorted(await post.events(EventType.BOUNCE)) == ["u28@there.test", "u29@there.test"]
    assert len(mx.messages) == 58


async def test_an_import_stops_what_waits_too(town, monkeypatch):
    post, door, mx = town
    post.engine.fresh._most_at_once = 10
    await door.door.send(recipients=[{"address": f"u{n}@there.test"} for n in range(60)])
    await post.until(lambda: len(mx.messages) >= 3)
    rows = [
        SuppressionRow(
            account_id=door.account_id,
            recipient=f"u{n}@there.test",
            type="non_transactional",
            source="Manually Added",
            provenance="api",
        )
        for n in range(40, 60)
    ]
    await store.suppress(post.pool, rows)
    await until_empty(post)
    assert len(await post.events(EventType.BOUNCE)) == 20
    assert len(mx.messages) == 40


async def test_a_row_stops_what_waits_in_postgresql(town):
    post, door, mx = town
    await post.hold("domain", "there.test")
    await post.until(lambda: len(post.engine.holds._holds) == 1)
    await door.door.send(recipients=[{"address": "u1@there.test"}, {"address": "u2@there.test"}], override={"list_id": "<news>"})
    body = {"type": "non_transactional", "list_id": "news"}
    await door.call("PUT", "suppression-list/u1@there.test", json=body)
    await asyncio.sleep(0.1)
    await post.resume("domain", "there.test")
    await until_empty(post)
    assert await post.events(EventType.BOUNCE) == ["u1@there.test"]
    assert len(mx.messages) == 1
