"""The relay engine with a real database and a real target."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from homing.accounts import store as accounts
from homing.events.types import EventType
from homing.ground.clock import SystemClock
from homing.ground.errors import Overloaded
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.inbound import store
from homing.inbound.relay import PER_TARGET, RelayEngine
from homing.inbound.relay_types import RelayMail, RelaySecrets, RelayWebhook
from homing.inbound.target import Poster
from tests.kit.relay_target import Target, target

RAW = b"Return-Path: <kim@there.test>\r\nFrom: kim@there.test\r\nSubject: order 7\r\n\r\nwhere is it?\r\n"
CLOCK = SystemClock()


class Relaying:
    """An engine that runs.

    events   what it wrote down, by domain
    """

    def __init__(self, pool, port: int) -> None:
        http = OutboundHttp(TargetPolicy(allow_private=True, ports=(port, 9)))
        self.pool = pool
        self.webhooks = store.RelayWebhooks(pool, MasterKey(b"k" * 32))
        self.events: list[tuple[str, EventType, dict]] = []
        self.trouble: Exception | None = None
        self.may_post = True
        self.engine = RelayEngine(
            pool,
            CLOCK,
            webhooks=self.webhooks,
            poster=Poster(http, CLOCK),
            record=self.record,
            may_post=lambda: self.may_post,
        )
        self.account_id = 0
        self.count = 0

    async def record(self, events) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.events += [(event.recipient_domain, event.type, msgspec.json.decode(event.detail)) for event in events]

    async def hook(self, domain: str, url: str, **more) -> None:
        await store.add_domain(self.pool, domain=domain, account_id=self.account_id, subaccount_id=0)
        await self.webhooks.add(
            RelayWebhook(webhook_id=0, account_id=self.account_id, subaccount_id=0, name="", target=url, domain=domain, **more)
        )

    async def come(self, domain: str, raw: bytes = RAW, count: int = 1) -> None:
        for _ in range(count):
            self.count += 1
            mail = RelayMail(
                mail_id=self.count.to_bytes(10, "big"), domain=domain, account_id=self.account_id, subaccount_id=0,
                mail_from="kim@there.test", rcpt_to=f"help@{domain}", recv_method="esmtp", size_bytes=len(raw),
                received_at=CLOCK.now(),
            )  # fmt: skip
            await store.put_mail(self.pool, mail, raw)
        self.engine.look()

    async def until_empty(self) -> None:
        """Wait until nothing waits: a row goes right behind the event that tells of it."""
        async with asyncio.timeout(5.0):
            while await self.waiting():
                await asyncio.sleep(0.01)

    async def until(self, true, seconds: float = 5.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)

    def kinds(self, domain: str) -> list[EventType]:
        return [kind for where, kind, _ in self.events if where == domain]

    async def hurry(self) -> None:
        """Let everything be due now."""
        await self.pool.execute("UPDATE relay_mail SET due_at = now() - interval '1 second'")
        self.engine.look()

    async def waiting(self) -> int:
        return await self.pool.fetchval("SELECT count(*) FROM relay_mail")


@asynccontextmanager
async def relaying(pool, there: Target) -> AsyncIterator[Relaying]:
    made = Relaying(pool, there.port)
    made.account_id = (await accounts.get_or_create_account(pool, "acme")).account_id
    stop = asyncio.Event()
    running = asyncio.ensure_future(made.engine.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await asyncio.wait({running}, timeout=5)
        running.cancel()


async def test_a_mail_is_posted_and_forgotten(pool):
    async with target() as there, relaying(pool, there) as relay:
        await relay.hook("in.acme.test", there.url(), secrets=RelaySecrets(auth_token="t", custom_headers={"X-One": "1"}))
        await relay.come("in.acme.test")
        await relay.until(lambda: relay.kinds("in.acme.test") == [EventType.RELAY_DELIVERY])
        ((path, fields, body),) = there.heard
        assert (path, fields["x-messagesystems-webhook-token"], fields["x-one"]) == ("/hook", "t", "1")
        told = msgspec.json.decode(body)[0]["msys"]["relay_message"]
        assert (told["content"]["subject"], told["rcpt_to"]) == ("order 7", "help@in.acme.test")
        await relay.until_empty()


async def test_a_target_that_is_down_gets_its_mail_later(pool):
    async with target() as there, relaying(pool, there) as relay:
        there.answers = [503, 500, 200]
        await relay.hook("in.acme.test", there.url())
        await relay.come("in.acme.test")
        for tries in (1, 2):
            await relay.until(lambda tries=tries: len(relay.kinds("in.acme.test")) == tries)
            await asyncio.sleep(0.05)
            row = await pool.fetchrow("SELECT tries, note, due_at FROM relay_mail")
            assert row["tries"] == tries
            assert row["note"].startswith("50")
            assert row["due_at"] > CLOCK.now() + timedelta(minutes=4)
            await relay.hurry()
        await relay.until(lambda: EventType.RELAY_DELIVERY in relay.kinds("in.acme.test"))
        kinds = relay.kinds("in.acme.test")
        assert kinds == [EventType.RELAY_TEMPFAIL, EventType.RELAY_TEMPFAIL, EventType.RELAY_DELIVERY]
        assert [detail["num_retries"] for _, _, detail in relay.events] == ["0", "1", "2"]


async def test_the_seventh_failure_is_the_last(pool):
    async with target() as there, relaying(pool, there) as relay:
        there.answers = [410]
        await relay.hook("in.acme.test", there.url())
        await relay.come("in.acme.test")
        for tries in range(1, 8):
            await relay.until(lambda tries=tries: len(relay.kinds("in.acme.test")) == tries)
            await asyncio.sleep(0.03)
            await relay.hurry()
        assert relay.kinds("in.acme.test") == [EventType.RELAY_TEMPFAIL] * 6 + [EventType.RELAY_PERMFAIL]
        await relay.until_empty()


async def test_a_dead_target_holds_up_nobody(pool):
    async with target() as dead, target() as there, relaying(pool, there) as relay:
        dead.silent = True
        relay.engine._poster._http._policy = TargetPolicy(allow_private=True, ports=(there.port, dead.port))
        await relay.hook("dead.test", dead.url())
        await relay.hook("fine.test", there.url())
        await relay.come("dead.test", count=100)
        await relay.until(lambda: len(dead.heard) == PER_TARGET)
        await relay.come("fine.test", count=20)
        await relay.until(lambda: len(relay.kinds("fine.test")) == 20)
        assert len(dead.heard) == PER_TARGET


async def test_oauth_fetches_a_token_once_and_anew_when_it_is_refused(pool):
    async with target() as there, relaying(pool, there) as relay:
        details = {"url": there.url("/token"), "body": {"client_id": "x", "grant_type": "client_credentials"}}
        await relay.hook("in.acme.test", there.url(), auth_type="oauth2", secrets=RelaySecrets(auth_request_details=details))
        await relay.come("in.acme.test", count=1)
        await relay.until(lambda: len(relay.kinds("in.acme.test")) == 1)
        await relay.come("in.acme.test", count=3)
        await relay.until(lambda: len(relay.kinds("in.acme.test")) == 4)
        assert len(there.posts("/token")) == 1
        assert {fields["authorization"] for path, fields, _ in there.heard if path == "/hook"} == {"Bearer t0k"}
        there.answers = [401, 200]
        await relay.come("in.acme.test")
        await relay.until(lambda: len(relay.kinds("in.acme.test")) == 5)
        assert len(there.posts("/token")) == 2
        assert set(relay.kinds("in.acme.test")) == {EventType.RELAY_DELIVERY}
        there.bodies["/token"] = b"no"
        there.answers = [401]
        await relay.come("in.acme.test")
        await relay.until(lambda: relay.kinds("in.acme.test")[-1] is EventType.RELAY_TEMPFAIL)
        assert relay.events[-1][2]["raw_reason"].startswith("POST to webhook tokens URL failed")


async def test_without_a_webhook_mail_waits_for_one(pool):
    async with target() as there, relaying(pool, there) as relay:
        await relay.come("in.acme.test")
        await relay.until(lambda: relay.kinds("in.acme.test") == [EventType.RELAY_TEMPFAIL])
        await asyncio.sleep(0.05)
        await relay.hook("in.acme.test", there.url())
        await relay.hurry()
        await relay.until(lambda: relay.kinds("in.acme.test")[-1] is EventType.RELAY_DELIVERY)


async def test_a_lease_that_ran_out_is_taken_by_another(pool):
    async with target() as there, relaying(pool, there) as relay:
        await relay.hook("in.acme.test", there.url())
        relay.may_post = False
        await relay.come("in.acme.test", count=3)
        await pool.execute("UPDATE relay_mail SET leased_until = now() + interval '1 minute'")  # of a worker that died
        relay.may_post = True
        relay.engine.look()
        await asyncio.sleep(0.1)
        assert there.heard == []
        await pool.execute("UPDATE relay_mail SET leased_until = now() - interval '1 second'")
        relay.engine.look()
        await relay.until(lambda: len(relay.kinds("in.acme.test")) == 3)
        await relay.until_empty()


async def test_what_was_posted_is_told_as_soon_as_that_can_be(pool):
    async with target() as there, relaying(pool, there) as relay:
        await relay.hook("in.acme.test", there.url())
        relay.may_post = False
        await relay.come("in.acme.test")
        await asyncio.sleep(0.1)
        assert there.heard == []
        relay.may_post, relay.trouble = True, Overloaded("full")
        relay.engine.look()
        await relay.until(lambda: len(there.heard) == 1)
        await asyncio.sleep(0.1)
        assert await relay.waiting() == 1
        relay.trouble = None
        await relay.until(lambda: relay.kinds("in.acme.test") == [EventType.RELAY_DELIVERY])
        assert len(there.heard) == 1


@pytest.mark.parametrize("size", [100_000, 3_000_000])
async def test_long_mail_is_posted_too(pool, size):
    async with target() as there, relaying(pool, there) as relay:
        await relay.hook("in.acme.test", there.url())
        await relay.come("in.acme.test", RAW + b"x" * 70 * (size // 70) + b"\r\n", count=5)
        await relay.until(lambda: len(relay.kinds("in.acme.test")) == 5, 20)
        assert all(len(body) > size for body in there.posts())
