"""The engine against peers that are slow, crowded, refusing or fine: everybody gets what is due, and nobody pays for others."""

import asyncio
from datetime import UTC, datetime, timedelta

from homing.events.types import EventType
from homing.ground import ids
from homing.ground.config import SourceIP
from tests.kit.engine import free_port, post_office
from tests.kit.mail import new_chunk
from tests.kit.scripted_mx import ACCEPT, EHLO, Drop, Expect, Loop, Say, Stall, scripted_mx

FINE = (*EHLO, Loop(ACCEPT))
STUCK = (*EHLO, Expect("MAIL FROM"), Stall(30))
LATER = (Expect("MAIL FROM"), Expect("RCPT TO"), Expect("DATA"), Say("250 ok", "451 4.3.0 later", "503 no recipients"))


async def test_customers_take_turns_at_one_site_whatever_their_backlogs(database):
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.005), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
    ):
        await post.hand_over([f"big{n}@a.test" for n in range(400)], account_id=1)
        await post.until(lambda: len(mx.messages) > 5)
        await post.hand_over([f"small{n}@a.test" for n in range(20)], account_id=2)
        await post.until(lambda: post.delivered >= 60)
        async with asyncio.timeout(5):
            while len(await post.events(EventType.DELIVERY)) < 60:
                await asyncio.sleep(0.02)
        first = (await post.events(EventType.DELIVERY))[:80]
        assert sum(who.startswith("small") for who in first) >= 18


async def test_sites_that_never_answer_delay_no_other_and_leave_it_room(database):
    port = free_port()
    names = [f"stuck{n}.test" for n in range(4)]
    sites = dict.fromkeys(names, "127.0.0.31") | {"good.test": "127.0.0.32"}
    async with (
        scripted_mx(STUCK, address="127.0.0.31", port=port, strict=False),
        scripted_mx(FINE, address="127.0.0.32", port=port, strict=False) as good,
        post_office(database, sites, port=port, ready_entries=80, site_connections=2, drain_s=0.2) as post,
    ):
        for n, name in enumerate(names):
            await post.hold("domain", name)
            await post.until(lambda n=n: len(post.engine.holds._holds) == n + 1)
            for batch in range(4):
                await post.hand_over([f"u{batch}-{m}@{name}" for m in range(20)])
        for name in names:
            await post.resume("domain", name)
        await post.until(lambda: sum(queue.busy for queue in post.engine.sites) >= 4)
        await asyncio.sleep(0.3)
        await post.hand_over([f"u{n}@good.test" for n in range(100)])
        await post.until(lambda: len(good.messages) == 100, within_s=5)


async def test_hosts_that_cannot_be_reached_take_no_place_of_an_attempt(database):
    port = free_port()
    sites = {f"dead{n}.test": "127.0.0.31" for n in range(6)} | {"good.test": "127.0.0.32"}
    async with (
        scripted_mx((Stall(30),), address="127.0.0.31", port=port, strict=False) as dead,
        scripted_mx(FINE, address="127.0.0.32", port=port, strict=False) as good,
        post_office(database, sites, port=port, max_in_flight=4, idle_s=5.0, drain_s=0.2) as post,
    ):
        await post.hand_over(["first@good.test"])
        await post.until(lambda: len(good.messages) == 1)
        for n in range(6):
            await post.hand_over([f"x@dead{n}.test"])
        await post.until(lambda: dead.connections >= 4)
        await post.hand_over([f"u{n}@good.test" for n in range(20)])
        await post.until(lambda: len(good.messages) == 21, within_s=2)


async def test_a_site_that_refuses_everything_is_held_and_one_connection_tries_first_afterwards(database):
    refusing = (Say("554 5.3.2 not today"),)
    one_by_one = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.05), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(refusing, one_by_one, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, retry_first_s=8.0, site_connections=1) as post,
    ):
        await post.hand_over([f"u{n}@a.test" for n in range(10)])
        await post.until(lambda: mx.connections == 1)
        await post.until(lambda: post.queue("mx.a.test").held_until is not None)
        assert await post.pool.fetchval("SELECT count(*) FROM holds WHERE scope = 'site'") <= 1
        await post.until(lambda: len(mx.messages) >= 1)
        assert mx.connections == 2
        await post.until(lambda: len(mx.messages) >= 9)
        assert len(await post.events(EventType.DELAY)) == 1
        assert await post.pool.fetchval("SELECT count(*) FROM holds WHERE until > now()") == 0


async def test_what_a_refused_address_gives_back_leaves_by_the_other(database):
    ours = (SourceIP("127.0.0.41", "one.test"), SourceIP("127.0.0.42", "two.test"))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=ours, retry_first_s=1200.0) as post,
    ):
        await post.hand_over(["warm@a.test"])
        await post.until_empty()
        await post.hold("site", "mx.a.test", source_ip="127.0.0.41")
        await post.until(lambda: post.engine.holds.site("127.0.0.41", "mx.a.test") is not None)
        heard = len(mx.peers)
        await post.hand_over([f"u{n}@a.test" for n in range(20)])
        await post.until_empty()
        assert set(mx.peers[heard:]) <= {"127.0.0.42"}


async def test_entries_of_a_held_address_move_to_the_other_and_come_back_when_both_are_held(database):
    ours = (SourceIP("127.0.0.41", "one.test"), SourceIP("127.0.0.42", "two.test"))
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.05), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=ours, site_connections=1) as post,
    ):
        await post.hand_over([f"u{n}@a.test" for n in range(80)])
        await post.until(lambda: len(mx.messages) >= 4)
        await post.hold("site", "mx.a.test", source_ip="127.0.0.41")
        await post.until(lambda: post.queue("mx.a.test", "127.0.0.41").depth == 0)
        await post.hold("site", "mx.a.test", source_ip="127.0.0.42")
        await post.until(lambda: post.engine.in_memory == 0)
        assert await post.waiting() > 0
        await post.resume("site", "mx.a.test", source_ip="127.0.0.42")
        await post.until_empty(within_s=15)
        assert len(mx.messages) == 80


async def test_a_paused_campaign_waits_although_it_is_in_memory_and_the_others_go_on(database):
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.02), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
    ):
        await post.hand_over([f"paused{n}@a.test" for n in range(200)], campaign_id="spring")
        await post.until(lambda: len(mx.messages) >= 3)
        await post.hold("campaign", "spring", account_id=1)
        await post.until(lambda: post.engine.in_memory == 0, within_s=4)
        taken = len(mx.messages)
        await post.hand_over(["other@a.test"])
        await post.until(lambda: len(mx.messages) == taken + 1)
        await asyncio.sleep(0.2)
        assert await post.waiting() == 200 - taken
        await post.resume("campaign", "spring", account_id=1)
        await post.until(lambda: len(mx.messages) > taken + 10, within_s=4)


async def test_a_recipient_suppressed_while_his_message_waited_gets_nothing(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:
        await post.hold("domain", "a.test")
        await post.until(lambda: bool(post.engine.holds._holds))
        account = await post.pool.fetchval("INSERT INTO accounts (name) VALUES ('acme') RETURNING account_id")
        await post.hand_over(["kim@a.test", "lee@a.test"], account_id=account)
        await post.pool.execute(
            "INSERT INTO suppressions (account_id, subaccount_id, recipient, type, source)"
            " VALUES ($1, 0, 'kim@a.test', 'non_transactional', 'Manually Added')",
            account,
        )
        await post.resume("domain", "a.test")
        await post.until_empty()
        assert await post.events(EventType.DELIVERY) == ["lee@a.test"]
        assert await post.events(EventType.BOUNCE) == ["kim@a.test"]
        assert post.engine.outcomes.counters.suppressed_late == 1


async def test_what_expires_under_a_hold_is_returned(database):
    async with post_office(database, {"a.test": "127.0.0.1"}, port=free_port()) as post:
        await post.hold("domain", "a.test")
        await post.until(lambda: bool(post.engine.holds._holds))
        long_ago = datetime.now(UTC) - timedelta(hours=73)
        place = post.owner.place(1)
        old = ids.Mint(place.shard).make(int(long_ago.timestamp() * 1000))
        await post.owner.hand_over(
            new_chunk(place._replace(message_ids=[old]), ["x@a.test"], accepted_at=long_ago, due_at=long_ago)
        )
        await post.owner.sweep_once()
        await post.until_empty()
        assert await post.events(EventType.BOUNCE) == ["x@a.test"]
        assert post.engine.in_memory == 0
        assert len(post.owner.book) == 0


async def test_a_message_whose_session_broke_is_tried_again_soon(database):
    breaking = (*EHLO, Expect("MAIL FROM"), Drop())
    async with (
        scripted_mx(breaking, FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, retry_first_s=20.0) as post,
    ):
        await post.hand_over(["x@a.test"])
        await post.until(lambda: len(mx.messages) == 1, within_s=5)  # a twentieth of the first wait, not the whole
        await post.until_empty()
        assert len(await post.events(EventType.DELAY)) == 1
        assert post.queue("mx.a.test").held_until is None


async def test_a_deferred_recipient_holds_up_nobody_else_at_the_site(database):
    async with (
        scripted_mx((*EHLO, *LATER, Loop(ACCEPT)), FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
    ):
        await post.hand_over([f"u{n}@a.test" for n in range(5)])
        async with asyncio.timeout(5):
            while await post.waiting() > 1:
                await asyncio.sleep(0.02)
        assert post.delivered == 4
        assert post.engine.outcomes.counters.deferred == 1


async def test_a_stop_lets_attempts_end_and_leaves_the_rest_for_the_next_worker(database):
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.1), Say("250 2.0.0 taken"))))
    async with scripted_mx(slow, strict=False) as mx:
        async with post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=3) as post:
            await post.hand_over([f"u{n}@a.test" for n in range(60)])
            await post.until(lambda: len(mx.messages) >= 3)
            post.stop.set()
            await asyncio.wait_for(post.owner.drained.wait(), 3)
        taken = len(mx.messages)
        assert taken < 60
        async with post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, owner_name="two") as post:
            await post.until_empty()
            assert len(mx.messages) == 60
            assert sorted(await post.events(EventType.DELIVERY)) == sorted(f"u{n}@a.test" for n in range(60))


async def test_a_pools_mail_leaves_from_its_addresses_however_it_came_into_memory(database):
    ours = (SourceIP("127.0.0.41", "one.test"),)
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=ours) as post,
    ):
        account = await post.account()
        await post.give(account, "127.0.0.43", pool="mine")
        # nobody in this worker has looked at the pool yet, as when another one took the call
        await post.hand_over(["small@a.test"], pool="mine", account_id=account)
        await post.until_empty()
        await post.hold("domain", "a.test")
        await post.until(lambda: bool(post.engine.holds._holds))
        large = b"From: news@acme.test\r\nSubject: Hello\r\n\r\n" + b"x" * 70 + b"\r\n"
        await post.hand_over(["large@a.test"], pool="mine", account_id=account, body=large + b"More of it.\r\n" * 8_000)
        await post.resume("domain", "a.test")
        await post.until_empty()
        assert set(mx.peers) == {"127.0.0.43"}


async def test_a_hold_of_ours_that_somebody_lifts_ends_here_too(database):
    refusing = (Say("554 5.3.2 not today"),)
    async with (
        scripted_mx(refusing, FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, retry_first_s=1200.0, site_connections=1) as post,
    ):
        await post.hand_over([f"u{n}@a.test" for n in range(5)])
        await post.until(lambda: bool(post.owner.book.parked()))
        async with asyncio.timeout(5):
            while not await post.pool.fetchval("SELECT count(*) FROM holds"):
                await asyncio.sleep(0.02)
        await asyncio.sleep(1.1)  # the row has been read
        await post.resume("site", "mx.a.test")  # a person, or another worker whose message the site took
        await post.until(lambda: len(mx.messages) == 4, within_s=3)
