"""Mail that was accepted is judged again before it leaves: its sending domain, its subaccount and its account."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.store import get_or_create_account
from homing.domains.registry import register
from homing.events.types import EventType
from homing.ground import ids
from homing.queue.holds import of_suspension
from tests.kit.engine import KEY, PostOffice, post_office
from tests.kit.http import subaccount
from tests.kit.mail import new_chunk
from tests.kit.resources import ResourceDoor, resource_door
from tests.kit.scripted_mx import ACCEPT, EHLO, Expect, Loop, Say, ScriptedMX, Stall, scripted_mx

FINE = (*EHLO, Loop(ACCEPT))
SLOW = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.02), Say("250 2.0.0 taken"))))
LATER = (Expect("MAIL FROM"), Say("250 2.1.0 ok"), Expect("RCPT TO"), Say("451 4.7.1 later"))
SOON = timedelta(milliseconds=100)
NOW = datetime(2026, 5, 4, tzinfo=UTC)
REASON = "550 5.7.1 Unconfigured Sending Domain <acme.test>"
SUSPENDED = "554 5.4.7 [internal] message timeout (last transfail: 451 4.7.1 [internal] the account is suspended)"


class Town:
    """A door, a queue and an engine over one database, and the one host that takes their mail."""

    def __init__(self, post: PostOffice, door: ResourceDoor, mx: ScriptedMX) -> None:
        self.post, self.door, self.mx, self.pool = post, door, mx, post.pool

    async def send(self, count: int = 2, *, sub: int = 0, within: timedelta | None = None, **changes: Any) -> None:
        """Send to u0, u1 ... by the API, at once or so long from now."""
        if within is not None:
            changes["options"] = {"start_time": (datetime.now(UTC) + within).isoformat(timespec="milliseconds")}
        people = [{"address": f"u{n}@there.test"} for n in range(count)]
        body = {"recipients": people} | changes
        answer = await self.door.door.send(headers={"X-MSYS-SUBACCOUNT": str(sub)} if sub else None, **body)
        assert answer.status_code == 200, answer.text

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Let all mail wait as for an operator, whatever is due, until the end of the block."""
        await self.post.hold("domain", "there.test")
        await self.post.engine.holds._look()
        yield
        await self.post.resume("domain", "there.test")
        await self.post.engine.holds._look()

    async def delete(self) -> None:
        """Remove the domain, as this worker's own door does."""
        assert (await self.door.call("DELETE", "sending-domains/acme.test")).status_code == 204
        self.post.domains.forget()

    async def suspend(self, *, at: datetime | None) -> None:
        assert await accounts.suspend(self.pool, self.door.account_id, at=at)
        await self.known(bool(at))

    async def known(self, suspended: bool) -> None:
        """Let the worker look now, not within a second, who is suspended."""
        await self.post.engine.holds._look()
        assert bool(self.post.engine.holds._suspended) is suspended

    async def count(self, kind: EventType, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many events of a type; return their details."""
        async with asyncio.timeout(15):
            while await self.pool.fetchval("SELECT count(*) FROM events WHERE type = $1", int(kind)) < count:
                await asyncio.sleep(0.02)
        rows = await self.pool.fetch("SELECT detail::text AS detail FROM events WHERE type = $1", int(kind))
        assert len(rows) == count
        return [json.loads(row["detail"]) for row in rows]


@pytest.fixture
async def town(database, pool):
    async with (
        scripted_mx(SLOW, strict=False) as mx,
        post_office(database, {"there.test": "127.0.0.1"}, port=mx.port, site_connections=1, judged=True) as post,
        resource_door(pool, handover=post.owner) as door,
    ):
        await door.door.domain()
        yield Town(post, door, mx)


# domains ----------------------------------------------------------------------------------------------------------------


async def test_scheduled_mail_of_a_domain_that_was_deleted_is_rejected_also_if_somebody_else_has_it_by_then(town):
    async with town.waiting():
        await town.send(within=SOON)
        await town.count(EventType.INJECTION, 2)
        await town.delete()
        other = (await get_or_create_account(town.pool, "other")).account_id
        await register(town.pool, KEY, domain="acme.test", account_id=other, now=NOW, trusted=True, dkim_bits=1024)
    rejections = await town.count(EventType.POLICY_REJECTION, 2)
    await town.post.until_empty()
    assert town.mx.messages == []
    for one in rejections:
        assert (one["raw_reason"], one["error_code"], one["bounce_class"]) == (REASON, "550", "25")
        assert one["sending_domain"] == "acme.test"
    assert town.post.engine.outcomes.counters.rejected_late == 2
    await town.count(EventType.BOUNCE, 0)


async def test_mail_of_the_sandbox_leaves_with_the_keys_of_the_house_and_other_mail_with_its_domain_does_not(database, pool):
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"there.test": "127.0.0.1"}, port=mx.port, judged=True, sandbox_domain="ours.test") as post,
        resource_door(pool, handover=post.owner, sandbox_domain="ours.test") as door,
    ):
        house = (await get_or_create_account(pool, "house")).account_id
        await register(pool, KEY, domain="ours.test", account_id=house, now=NOW, trusted=True, dkim_bits=1024)
        town = Town(post, door, mx)
        await town.send(1, content={"template_id": "my-first-email"}, options={"sandbox": True})
        await town.count(EventType.DELIVERY, 1)
        await post.until_empty()
        assert b"d=ours.test" in mx.messages[0]
        assert (await door.door.send(content={"from": "ceo@ours.test", "subject": "x", "text": "x"})).status_code == 400


async def test_mail_that_lies_in_memory_is_rejected_with_its_next_attempt(town):
    await town.send(80)
    await town.post.until(lambda: len(town.mx.messages) >= 3)
    await town.delete()
    await town.post.until_empty()
    sent = len(town.mx.messages)
    assert 3 <= sent < 80
    await town.count(EventType.DELIVERY, sent)
    await town.count(EventType.POLICY_REJECTION, 80 - sent)


async def test_mail_that_was_put_off_is_rejected_where_its_domain_is_blocked_meanwhile(database, pool):
    async with (
        scripted_mx((*EHLO, *LATER), FINE, strict=False) as mx,
        post_office(database, {"there.test": "127.0.0.1"}, port=mx.port, retry_first_s=0.3, judged=True) as post,
        resource_door(pool, handover=post.owner) as door,
    ):
        await door.door.domain()
        town = Town(post, door, mx)
        await town.send(1)
        await town.count(EventType.DELAY, 1)
        await pool.execute("""UPDATE sending_domains SET status = status || '{"compliance_status": "blocked"}'""")
        post.domains.forget()
        await town.count(EventType.POLICY_REJECTION, 1)
        await post.until_empty()
        assert mx.messages == []


async def test_mail_of_a_subaccount_is_rejected_where_the_domain_is_not_shared_with_it_any_more(town):
    await subaccount(town.pool, town.door.account_id, 7)
    await town.pool.execute("UPDATE sending_domains SET shared = true")
    async with town.waiting():
        await town.send(1, sub=7, within=SOON)
        await town.send(1, within=SOON)
        await town.count(EventType.INJECTION, 2)
        await town.pool.execute("UPDATE sending_domains SET shared = false")
        town.post.domains.forget()
    await town.count(EventType.POLICY_REJECTION, 1)
    await town.post.until_empty()
    assert await town.pool.fetch("SELECT subaccount_id FROM events WHERE type = 5") == [(7,)]
    assert len(town.mx.messages) == 1


async def test_a_bounce_domain_that_is_not_the_senders_any_more_gives_way_to_the_platforms(town):
    status = """'{"cname_status": "valid"}'"""
    await town.door.door.domain("back.test")
    await town.pool.execute(f"UPDATE sending_domains SET status = status || {status} WHERE domain = 'back.test'")
    await town.send(1, return_path="bounces@back.test")
    await town.count(EventType.DELIVERY, 1)
    async with town.waiting():
        await town.send(1, return_path="bounces@back.test", within=SOON)
        other = (await get_or_create_account(town.pool, "other")).account_id
        await town.pool.execute("UPDATE sending_domains SET account_id = $1 WHERE domain = 'back.test'", other)
        town.post.domains.forget()
    await town.count(EventType.DELIVERY, 2)
    froms = [line.partition("@")[2].partition(">")[0] for line in town.mx.heard if line.upper().startswith("MAIL FROM")]
    assert froms == ["back.test", "bounce.test"]


async def test_what_was_not_made_before_its_domain_was_deleted_is_a_generation_rejection(town):
    kinds = town.post.owner._inbox._kinds
    kinds["generate"], kept = None, kinds["generate"]  # its expansion fails for now
    await town.send(1_500, within=timedelta(hours=1), substitution_data={"shop": "Acme"})
    await town.delete()
    kinds["generate"] = kept
    town.post.owner._inbox._obeying.clear()
    rejections = await town.count(EventType.GENERATION_REJECTION, 1_500)
    assert rejections[0]["raw_reason"] == REASON
    assert (rejections[0]["bounce_class"], rejections[0]["rcpt_subs"]) == ("25", {"shop": "Acme"})
    await town.count(EventType.INJECTION, 0)
    assert await town.post.waiting() == 0
    later = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
    found = await town.door.call("GET", f"events/message?events=generation_rejection&per_page=1&to={later}")
    event = found.json()["results"][0]
    assert (event["type"], event["reason"], event["subject"]) == ("generation_rejection", REASON, "Hi")
    assert "message_id" not in event


# suspension -------------------------------------------------------------------------------------------------------------


async def test_queued_mail_of_a_suspended_account_waits_and_goes_on_when_it_is_active_again(town):
    await town.send(60)
    await town.send(2, within=SOON)
    await town.post.until(lambda: len(town.mx.messages) >= 3)
    await town.suspend(at=datetime.now(UTC))
    await town.post.until(lambda: town.post.engine.in_memory == 0)
    sent = len(town.mx.messages)
    due = "SELECT count(*) FROM queue_entries WHERE due_at <= now()"
    async with asyncio.timeout(5):
        while await town.pool.fetchval(due) < 62 - sent:  # what was scheduled is due as well
            await asyncio.sleep(0.05)
    assert len(town.mx.messages) == sent < 62
    assert town.post.everything_is_somewhere()
    await town.suspend(at=None)
    await town.post.until_empty()
    assert len(town.mx.messages) == 62
    await town.count(EventType.DELIVERY, 62)


async def test_a_suspended_subaccount_holds_up_nobody_else(town):
    for number in (7, 8):
        await subaccount(town.pool, town.door.account_id, number)
    await town.pool.execute("UPDATE sending_domains SET shared = true")
    async with town.waiting():
        for number in (0, 7, 8):
            await town.send(2, sub=number, within=SOON)
        await town.count(EventType.INJECTION, 6)
        assert (await town.door.call("PUT", "subaccounts/7", json={"status": "suspended"})).status_code == 200
        await town.known(True)
    await town.count(EventType.DELIVERY, 4)
    assert await town.post.waiting() == 2
    assert (await town.door.call("PUT", "subaccounts/7", json={"status": "active"})).status_code == 200
    await town.known(False)
    await town.post.until_empty()
    await town.count(EventType.DELIVERY, 6)


async def test_what_expires_while_its_account_is_suspended_is_returned_with_that_reason(town):
    await town.suspend(at=datetime.now(UTC))
    long_ago = datetime.now(UTC) - timedelta(hours=73)
    place = town.post.owner.place(1)
    old = ids.Mint(place.shard).make(int(long_ago.timestamp() * 1000))
    made = {"account_id": town.door.account_id, "accepted_at": long_ago, "due_at": long_ago}
    await town.post.owner.hand_over(new_chunk(place._replace(message_ids=[old]), ["x@there.test"], **made))
    await town.post.owner.sweep_once()
    await town.post.until_empty()
    (bounce,) = await town.count(EventType.BOUNCE, 1)
    assert (bounce["raw_reason"], bounce["bounce_class"]) == (SUSPENDED, "25")  # our policy, not a mailbox that is suspended
    assert await town.pool.fetchval("SELECT count(*) FROM suppressions") == 0


async def test_a_worker_that_starts_knows_who_is_suspended_before_it_sends_anything(database, pool):
    async with scripted_mx(FINE, strict=False) as mx:
        where = {"there.test": "127.0.0.1"}
        async with (
            post_office(database, where, port=mx.port, judged=True) as post,
            resource_door(pool, handover=post.owner) as door,
        ):
            await door.door.domain()
            town = Town(post, door, mx)
            await town.suspend(at=datetime.now(UTC))
            await post.owner.hand_over(new_chunk(post.owner.place(1), ["x@there.test"], account_id=door.account_id))
        async with post_office(database, where, port=mx.port, judged=True) as post:
            await post.until(lambda: of_suspension(door.account_id, 0) in post.owner.book._parked)
            assert (post.engine.in_memory, mx.messages) == (0, [])
