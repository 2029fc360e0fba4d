"""The engine of webhooks against targets of every kind: every event at least once, in batches, and nobody waits for others."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.events import store as events
from homing.events.feed import Feed
from homing.events.types import EventType
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.webhooks import pusher as pushing
from homing.webhooks.delivery import Poster
from homing.webhooks.fold import WebhookFollower
from homing.webhooks.pusher import MOST_EVENTS, OPEN_OF_EACH, Pusher
from homing.webhooks.rules.signature import signature
from homing.webhooks.store import Webhooks
from homing.webhooks.types import Auth, Webhook
from tests.kit.target import Target, target

KEY = MasterKey(b"k" * 32)
NOW = datetime.now(UTC)


class Tower:
    """A worker's follower and pusher, over the log of shard 3."""

    def __init__(self, pool: db.Pool, ports: tuple[int, ...]) -> None:
        clock = SystemClock()
        self.pool = pool
        self.webhooks = Webhooks(pool, KEY)
        http = OutboundHttp(TargetPolicy(allow_private=True, ports=ports))
        self.pusher = Pusher(pool, clock, self.webhooks, Poster(http, clock, keep=self.webhooks.keep_token))
        self.follower = WebhookFollower(self.webhooks, news=self.pusher.news)
        self.feed = Feed(pool, [self.follower], shards=lambda: [3])
        self.seq = 0

    async def hook(self, app: Target, **changes: Any) -> Webhook:
        made = Webhook(
            **{
                "webhook_id": uuid.uuid4(),
                "account_id": 1,
                "subaccount_id": None,
                "name": "app",
                "target": app.url,
                "types": frozenset({EventType.DELIVERY}),
                "auth": Auth(secret="secret"),
                **changes,
            }
        )
        await self.webhooks.add(made)
        return made

    async def happen(self, count: int = 1, *, account_id: int = 1, sub: int = 0, kind: EventType = EventType.DELIVERY) -> None:
        """Append events to the log, and fold them."""
        first = self.seq + 1
        self.seq += count
        await self.pool.execute(
            "INSERT INTO events SELECT current_date, 3, n, now(), $3, $4, $5, decode(lpad(to_hex(n), 20, '0'), 'hex'), NULL, "
            "'kim@there.test', 'there.test', '', '{}' FROM generate_series($1::int, $2::int) n",
            first, self.seq, int(kind), account_id, sub,
        )  # fmt: skip
        while await self.feed.step(self.follower):
            pass

    async def push(self) -> None:
        """Let the pusher make its turns until nothing is due."""
        while batches := await self.pusher.turn():
            await asyncio.gather(*(self.pusher.push(batch) for batch in batches))

    async def due_again(self) -> None:
        """Let the time of every batch come."""
        await self.pool.execute("UPDATE webhook_batches SET due_at = now() - interval '1 second' WHERE ended_at IS NULL")


def ids(app: Target) -> list[str]:
    return [event["message_id"] for event in app.events]


@asynccontextmanager
async def tower(pool: db.Pool, *ports: int) -> AsyncIterator[Tower]:
    await events.ensure_partitions(pool, NOW.date())
    await accounts.get_or_create_account(pool, "one")
    await accounts.get_or_create_account(pool, "two")
    made = Tower(pool, ports)
    while await made.feed.step(made.follower):
        pass
    yield made


@pytest.fixture
async def house(pool, monkeypatch):
    monkeypatch.setattr(pushing, "GATHERS", timedelta(0))
    async with target() as app, target() as other, tower(pool, app.port, other.port) as made:
        yield made, app, other


async def test_events_are_pushed_once_in_one_batch_with_its_headers(house):
    tower, app, _ = house
    await tower.hook(app, custom_headers={"x-app": "1"})
    await tower.happen(3)
    await tower.push()
    (batch,) = app.heard
    assert [event["type"] for event in batch.events] == ["delivery"] * 3
    assert len(set(ids(app))) == 3
    assert all(event["event_id"] and event["timestamp"].isdigit() and event["customer_id"] == "1" for event in batch.events)
    assert len(batch.headers["x-messagesystems-batch-id"]) == 32
    assert batch.headers["x-app"] == "1"
    moment = int(batch.headers["x-homing-signature"].split(",")[0][2:])
    assert batch.headers["x-homing-signature"] == signature("secret", batch.raw, moment=moment)
    assert await tower.pool.fetchval("SELECT count(*) FROM webhook_batches") == 0
    assert await tower.pool.fetchval("SELECT count(*) FROM webhook_ranges") == 0
    await tower.push()
    assert len(app.heard) == 1


async def test_each_webhook_gets_its_own_events_alone(house):
    tower, app, other = house
    await tower.hook(app, subaccount_id=12)
    await tower.hook(other, account_id=2)
    await tower.happen(1, sub=12)
    await tower.happen(1, sub=0)
    await tower.happen(1, account_id=2)
    await tower.happen(1, kind=EventType.DELAY)
    await tower.push()
    assert len(app.events) == 1
    assert app.events[0]["subaccount_id"] == "12"
    assert [event["customer_id"] for event in other.events] == ["2"]


async def test_many_events_make_few_batches_and_all_of_them_arrive(house):
    tower, app, _ = house
    await tower.hook(app)
    await tower.happen(2_600)
    await tower.push()
    assert len(set(ids(app))) == len(ids(app)) == 2_600
    assert 3 <= len(app.heard) <= 6
    assert all(len(one.events) <= MOST_EVENTS + 500 for one in app.heard)


async def test_a_batch_that_failed_comes_again_with_the_same_id_and_content(house):
    tower, app, _ = house
    hook = await tower.hook(app)
    app.script = lambda heard: 500
    await tower.happen(2)
    await tower.push()
    (status,) = await tower.webhooks.tried(1, hook.webhook_id, limit=10)
    assert (status.attempts, status.response_code, status.failure_code, status.events) == (1, "500", "HTTP 500", 2)
    await tower.push()
    assert len(app.heard) == 1  # not before its time
    app.script = lambda heard: 200
    await tower.due_again()
    await tower.push()
    assert len(app.heard) == 2
    assert app.heard[0].raw == app.heard[1].raw
    assert app.heard[0].headers["x-messagesystems-batch-id"] == app.heard[1].headers["x-messagesystems-batch-id"]
    (status,) = await tower.webhooks.tried(1, hook.webhook_id, limit=10)
    assert (status.attempts, status.response_code) == (1, "200")
    assert status.ended_at is not None


async def test_a_dead_target_has_few_open_batches_and_delays_no_other(house):
    tower, app, other = house
    await tower.hook(app)
    await tower.hook(other)
    app.script = lambda heard: 503
    for _ in range(8):
        await tower.happen(5)
        await tower.push()
    assert len(other.events) == 40
    open_batches = await tower.pool.fetchval("SELECT count(*) FROM webhook_batches WHERE ended_at IS NULL")
    assert open_batches == OPEN_OF_EACH
    assert await tower.pool.fetchval("SELECT count(*) FROM webhook_ranges WHERE batch_id IS NULL") == 1  # they grow together
    app.script = lambda heard: 200
    app.heard.clear()
    await tower.due_again()
    await tower.push()
    assert len(set(ids(app))) == len(ids(app)) == 40


async def test_a_silent_target_holds_up_nobody(house, monkeypatch):
    monkeypatch.setattr("homing.webhooks.delivery.TIMEOUT_S", 0.4)
    tower, app, other = house
    await tower.hook(app)
    await tower.hook(other)
    app.script = lambda heard: None
    running = asyncio.create_task(tower.pusher.run())
    try:
        await tower.happen(5)
        async with asyncio.timeout(5):
            while len(other.events) < 5:
                await asyncio.sleep(0.02)
            while not await tower.pool.fetchval("SELECT count(*) FROM webhook_batches WHERE failure_code LIKE 'timeout%'"):
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@pytest.mark.parametrize(
    "answer",
    [
        302,
        404,
        b"",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 X\r\nContent-Length: 99999999\r\n\r\n" + b"\x00\xff" * 70_000,
    ],
)
async def test_whatever_a_target_does_the_events_are_kept(house, answer):
    tower, app, _ = house
    await tower.hook(app)
    app.script = lambda heard: answer
    await tower.happen(2)
    await tower.push()
    app.script = lambda heard: 204
    app.heard.clear()
    await tower.due_again()
    await tower.push()
    assert len(ids(app)) == 2


async def test_a_target_that_is_gone_pauses_the_webhook_and_a_change_resumes_it(house):
    tower, app, _ = house
    hook = await tower.hook(app)
    app.script = lambda heard: 410
    await tower.happen(2)
    await tower.push()
    paused = await tower.webhooks.one(1, hook.webhook_id)
    assert paused is not None
    assert (paused.active, paused.paused_why) == (False, "the target answered 410 Gone")
    await tower.due_again()
    await tower.push()
    assert len(app.heard) == 1
    app.script = lambda heard: 200
    await tower.webhooks.change(hook)
    await tower.push()
    assert len(app.heard) == 2
    resumed = await tower.webhooks.one(1, hook.webhook_id)
    assert resumed is not None
    assert (resumed.active, resumed.paused_why) == (True, "")


async def test_a_batch_is_given_up_after_twelve_tries(house):
    tower, app, _ = house
    hook = await tower.hook(app)
    app.script = lambda heard: 500
    await tower.happen(1)
    for _ in range(14):
        await tower.push()
        await tower.due_again()
    assert len(app.heard) == 12
    (status,) = await tower.webhooks.tried(1, hook.webhook_id, limit=10)
    assert status.attempts == 12
    assert status.ended_at is not None
    assert await tower.pool.fetchval("SELECT count(*) FROM webhook_ranges") == 0


async def test_a_batch_of_a_worker_that_died_is_taken_by_another_with_the_same_id(house):
    tower, app, _ = house
    await tower.hook(app)
    await tower.happen(2)
    (batch,) = await tower.pusher.turn()  # claimed, and never pushed
    assert await tower.pusher.turn() == []
    await tower.pool.execute("UPDATE webhook_batches SET claimed_until = now() - interval '1 second'")
    await tower.push()
    (heard,) = app.heard
    assert heard.headers["x-messagesystems-batch-id"] == batch.batch_id.hex
    assert len(heard.events) == 2


async def test_an_access_token_is_fetched_again_where_the_old_one_is_not_taken(house):
    tower, app, _ = house
    tokens = iter(["T1", "T2"])

    def script(heard):
        if heard.path == "/token":
            body = b'{"access_token":"%s"}' % next(tokens).encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        return 200 if heard.headers["authorization"] == "Bearer T2" else 401

    app.script = script
    auth = Auth(secret="s", token_url=app.url.replace("/hook", "/token"), token_body={})
    hook = await tower.hook(app, auth_type="oauth2", auth=auth)
    await tower.happen(1)
    await tower.push()
    await tower.due_again()
    await tower.push()
    kept = await tower.webhooks.to_push(hook.webhook_id)
    assert kept is not None
    assert kept.auth.access_token == "T2"
    assert await tower.pool.fetchval("SELECT count(*) FROM webhook_ranges") == 0


async def test_a_time_range_can_be_told_once_more(house):
    tower, app, _ = house
    hook = await tower.hook(app)
    await tower.happen(700)
    await tower.happen(3, account_id=2)
    await tower.push()
    first = sorted(ids(app))
    app.heard.clear()
    count = await tower.webhooks.owe_again(
        hook, since=datetime.now(UTC) - timedelta(hours=1), until=datetime.now(UTC) + timedelta(hours=1), types=hook.types
    )
    await tower.push()
    assert count == 700
    assert sorted(ids(app)) == first
    before = await tower.webhooks.owe_again(
        hook, since=datetime.now(UTC) - timedelta(hours=9), until=datetime.now(UTC) - timedelta(hours=8), types=hook.types
    )
    assert before == 0


async def test_what_waits_of_a_deleted_webhook_still_goes_out_and_then_it_is_forgotten(house):
    tower, app, _ = house
    hook = await tower.hook(app)
    await tower.happen(1)
    await tower.webhooks.remove(1, hook.webhook_id)
    await tower.happen(1)
    await tower.push()
    assert len(ids(app)) == 1
    tower.pusher._tidied = float("-inf")
    await tower.push()
    assert await tower.pool.fetchval("SELECT count(*) FROM webhooks") == 0


async def test_an_inactive_webhook_hears_nothing(house):
    tower, app, _ = house
    await tower.hook(app, active=False)
    await tower.happen(2)
    await tower.push()
    assert app.heard == []
