"""Whatever goes wrong on the way, a message is in memory with a place of its own, or waits to be read again."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from homing.delivery.types import Stage
from homing.events.types import EventType
from homing.ground.config import SourceIP
from homing.ground.errors import StoreUnavailable
from homing.queue.holds import name_of
from tests.kit.dns import SERVFAIL, SILENCE
from tests.kit.engine import free_port, post_office
from tests.kit.scripted_mx import ACCEPT, EHLO, Expect, Loop, Say, Stall, scripted_mx

FINE = (*EHLO, Loop(ACCEPT))


async def test_what_was_handed_over_is_delivered_and_leaves_nothing_behind(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:
        await post.hand_over([f"u{n}@a.test" for n in range(20)])
        await post.until_empty()
        assert len(mx.messages) == 20
        await post.until(lambda: post.engine.in_memory == 0 and not post.queue("mx.a.test").connections)
        assert post.pace.book.held("", "mx.a.test") == {}


async def test_a_domain_without_hosts_waits_and_is_tried_again_although_the_store_was_away(database):
    async with post_office(database, {"gone.test": SERVFAIL}, port=free_port(), retry_first_s=8.0) as post:
        real, fails = post.engine.letters.chunk, [2]

        async def chunk(entry):
            if fails[0]:
                fails[0] -= 1
                raise StoreUnavailable("away")
            return await real(entry)

        post.engine.letters.chunk = chunk
        await post.hand_over(["a@gone.test"])
        async with asyncio.timeout(10):
            while not await post.events(EventType.DELAY):
                await asyncio.sleep(0.05)
        assert post.everything_is_somewhere()


async def test_a_lane_goes_on_after_a_hold_that_ended_while_nobody_looked(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:
        await post.hold("domain", "a.test")
        await post.until(lambda: post.engine.holds.get(name_of("domain", "a.test", None, "")) is not None)
        await post.hand_over(["x@a.test"])
        await post.until(lambda: post.owner.book.parked() != {})
        # the row ends by its time while the database cannot be read
        ended = datetime.now(UTC) - timedelta(seconds=60)
        book = post.engine.holds
        book._holds = {name: replace(hold, until=ended, placed_by="delivery") for name, hold in book._holds.items()}
        await post.pool.execute("DELETE FROM holds")
        await post.until_empty(within_s=5)


async def test_an_operators_hold_on_a_site_stops_every_address_of_ours_and_ends_for_all(database):
    ours = (SourceIP("127.0.0.41", "one.test"), SourceIP("127.0.0.42", "two.test"))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=ours) as post,
    ):
        await post.hold("site", "mx.a.test")
        await post.until(lambda: post.engine.holds.site("", "mx.a.test") is not None)
        await post.hand_over([f"u{n}@a.test" for n in range(4)])  # the way is not known yet: it goes to memory first
        await post.until(lambda: post.engine.in_memory == 0)
        assert not mx.messages
        await post.resume("site", "mx.a.test")
        await post.until_empty(within_s=5)
        assert len(mx.messages) == 4


async def test_a_hold_of_another_worker_or_an_operator_empties_the_memory_of_its_site(database):
    slow = (*EHLO, Loop((Stall(0.3), *ACCEPT)))
    async with scripted_mx(slow, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:
        await post.hand_over([f"u{n}@a.test" for n in range(300)])
        await post.until(lambda: bool(mx.messages))
        await post.hold("site", "mx.a.test")
        await post.until(lambda: post.engine.in_memory == 0, within_s=5)
        taken = len(mx.messages)
        await asyncio.sleep(0.5)
        assert len(mx.messages) == taken < 300


async def test_a_pool_whose_address_is_refused_stops_nobody_elses_mail(database):
    ours = (SourceIP("127.0.0.41", "one.test"),)
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=ours) as post,
    ):
        account = await post.account()
        await post.give(account, "127.0.0.43", pool="mine")
        await post.pools.ready(account, "mine")
        await post.hand_over(["warm@a.test"], pool="mine", account_id=account)
        await post.until(lambda: len(mx.messages) == 1)
        assert mx.peers[-1] == "127.0.0.43"
        await post.hold("site", "mx.a.test", source_ip="127.0.0.43")
        await post.until(lambda: post.engine.sites.is_held(post.queue("mx.a.test", "127.0.0.43")))
        await post.hand_over(["theirs@a.test"], pool="mine", account_id=account)
        await post.hand_over(["ours@a.test"], account_id=account, campaign_id="another")
        await post.until(lambda: len(mx.messages) == 2, within_s=3)
        assert mx.peers[-1] == "127.0.0.41"
        await asyncio.sleep(0.2)
        assert await post.waiting() == 1
        await post.resume("site", "mx.a.test", source_ip="127.0.0.43")
        await post.until_empty(within_s=5)


async def test_a_message_past_its_time_in_memory_is_returned_and_not_tried(database):
    ends_late = (*EHLO, *ACCEPT[:-1], Stall(0.6), Say("250 2.0.0 taken"), Loop(ACCEPT))
    async with (
        scripted_mx(ends_late, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
    ):
        await post.hand_over(["first@a.test"])
        await post.until(lambda: bool(mx.messages))
        await post.hand_over(["late@a.test"], lifetime=timedelta(seconds=0.2))
        await post.until_empty()
        assert await post.events(EventType.DELIVERY) == ["first@a.test"]
        assert await post.events(EventType.BOUNCE) == ["late@a.test"]


async def test_content_that_cannot_be_read_stops_one_message_alone(database):
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, ready_entries=1) as post,
    ):
        await post.hold("domain", "a.test")
        await post.until(lambda: bool(post.engine.holds._holds))
        for name in ("bad", "good"):
            await post.hand_over([f"{name}@a.test"])
        await post.pool.execute(
            "UPDATE chunks c SET content = '\\x00', facts = '\\x00' FROM queue_entries q"
            " WHERE q.chunk_id = c.chunk_id AND q.recipient = 'bad@a.test'"
        )
        await post.resume("domain", "a.test")
        await post.until(lambda: len(mx.messages) == 1, within_s=5)
        await asyncio.sleep(0.3)
        assert await post.events(EventType.DELIVERY) == ["good@a.test"]
        assert await post.waiting() == 1


async def test_an_error_of_ours_while_fetching_content_leaves_the_message_in_the_queue(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:

        def at_hand(entry):
            raise RuntimeError("a bug of ours")

        real, post.engine.letters.at_hand = post.engine.letters.at_hand, at_hand
        await post.hand_over(["x@a.test"])
        await asyncio.sleep(0.5)
        assert post.engine.in_memory == 0
        assert post.owner.book.parked() == {"trouble": 1}
        post.engine.letters.at_hand = real
        post.owner.unpark("trouble")
        await post.until_empty()


async def test_room_that_a_refusing_site_gives_back_is_used_by_the_others(database):
    refusing = (Say("554 5.7.1 go away"),)
    port = free_port()
    async with (
        scripted_mx(refusing, address="127.0.0.31", port=port, strict=False) as bad,
        scripted_mx(FINE, address="127.0.0.32", port=port, strict=False) as good,
        post_office(
            database, {"bad.test": "127.0.0.31", "good.test": "127.0.0.32"}, port=port, ready_entries=40, retry_first_s=1200.0
        ) as post,
    ):
        await post.hold("domain", "bad.test")
        await post.hold("domain", "good.test")
        await post.until(lambda: len(post.engine.holds._holds) == 2)
        await post.hand_over([f"u{n}@bad.test" for n in range(60)])
        await post.hand_over([f"u{n}@good.test" for n in range(60)])
        await post.resume("domain", "bad.test")
        await post.resume("domain", "good.test")
        await post.until(lambda: len(good.messages) == 60, within_s=8)
        assert bad.connections >= 1
        assert post.everything_is_somewhere()


async def test_a_customer_whose_turn_has_come_is_not_kept_out_by_one_who_hands_in_without_pause(database, monkeypatch):
    monkeypatch.setattr("homing.delivery.memory.SITE_ENTRIES", 40)
    monkeypatch.setattr("homing.delivery.memory.CUSTOMER_ENTRIES", 20)
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.005), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=1) as post,
    ):
        await post.hand_over(["warm@a.test"])
        await post.until_empty()
        handing_in = True

        async def without_pause(account: int) -> None:
            while handing_in:
                await post.hand_over([f"u{n}@a.test" for n in range(5)], account_id=account)

        crowd = [asyncio.ensure_future(without_pause(account)) for account in (1, 2)]
        try:
            await post.until(lambda: "room:mx.a.test" in post.owner.book.parked())
            await post.hand_over([f"late{n}@a.test" for n in range(25)], account_id=3)
            async with asyncio.timeout(10):
                while (
                    sum(b"late" in message for message in mx.messages) < 25
                    and sum(1 for who in await post.events(EventType.DELIVERY) if who.startswith("late")) < 25
                ):
                    await asyncio.sleep(0.1)
        finally:
            handing_in = False
            await asyncio.gather(*crowd)


async def test_slots_that_are_not_used_go_back_when_another_worker_needs_them(database):
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(1.0), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=4) as post,
    ):
        await post.hand_over(["x@a.test"])
        await post.until(lambda: bool(mx.messages))
        queue = post.queue("mx.a.test")
        queue.granted = await post.pace.slots("", "mx.a.test", wanted=4, limit=4)
        assert (queue.connections, queue.granted) == (1, 4)
        assert post.pace.other_wants("", "mx.a.test", wanted=4, limit=4) == 0
        await asyncio.sleep(0.05)
        assert queue.busy == 1
        assert post.pace.other_wants("", "mx.a.test", wanted=4, limit=4) == 2


async def test_slots_granted_to_a_queue_that_ran_empty_meanwhile_are_given_back(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:
        await post.hand_over(["x@a.test"])
        await post.until_empty()
        queue = post.queue("mx.a.test")
        await post.until(lambda: queue.connections == 0)
        real = post.pace.slots

        async def slots(ip, site, *, wanted, limit):
            granted = await real(ip, site, wanted=wanted, limit=limit)
            for ready in queue.drain():  # another worker's hold, say
                post.engine.memory.forget(ready.entry)
            drained.set()
            return granted

        drained = asyncio.Event()
        post.pace.slots = slots
        await post.hand_over(["y@a.test"])
        await asyncio.wait_for(drained.wait(), 5)
        await asyncio.sleep(0.05)
        assert post.pace.book.held("", "mx.a.test") == {}
        assert queue.granted == 0


async def test_a_queue_that_is_denied_connections_asks_again_once_a_second_at_most(database):
    slow = (*EHLO, Loop((*ACCEPT[:-1], Stall(0.05), Say("250 2.0.0 taken"))))
    async with (
        scripted_mx(slow, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, site_connections=4) as post,
    ):
        await post.hand_over(["x@a.test"])
        await post.until_empty()
        post.pace.other_wants("", "mx.a.test", wanted=3, limit=4)
        post.pace.book._places["", "mx.a.test"].demands["other"].asked_at += 1000.0  # it goes on wanting them
        before = post.pace.asked
        for n in range(40):
            await post.hand_over([f"u{n}-{m}@a.test" for m in range(10)])
        await asyncio.sleep(1.5)
        assert post.pace.asked - before <= 8


async def test_an_error_after_the_outcome_is_known_does_not_settle_it_twice(database):
    async with scripted_mx(FINE, strict=False) as mx, post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post:

        async def took_one(queue):
            raise RuntimeError("a bug of ours")

        post.engine.sites.took_one = took_one
        await post.hand_over(["x@a.test", "y@a.test"])
        await post.until(lambda: len(mx.messages) == 2)
        await post.until_empty()
        assert len(await post.events(EventType.DELIVERY)) == 2
        assert await post.events(EventType.DELAY) == []


async def test_a_drain_waits_for_no_look_up(database):
    sites = {f"d{n}.test": SILENCE for n in range(150)}
    async with post_office(database, sites, port=free_port(), drain_s=0.5) as post:
        await post.hand_over([f"x@d{n}.test" for n in range(150)])
        await post.until(lambda: post.engine.in_memory == 150)
        began = asyncio.get_running_loop().time()
        post.stop.set()
        await asyncio.wait_for(post.owner.drained.wait(), 3)
        assert asyncio.get_running_loop().time() - began < 1.5
        assert await post.waiting() == 150


async def test_an_attempt_that_outlasts_the_drain_leaves_its_message_in_the_queue(database):
    stuck = (*EHLO, Expect("MAIL FROM"), Stall(30))
    async with (
        scripted_mx(stuck, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, drain_s=0.3) as post,
    ):
        await post.hand_over(["x@a.test", "y@a.test"])
        await post.until(lambda: bool(mx.heard[1:]))
        post.stop.set()
        await asyncio.wait_for(post.owner.drained.wait(), 3)
        assert await post.waiting() == 2
        assert post.engine.in_memory == 0
        assert await post.pool.fetchval("SELECT max(tries) FROM queue_entries") == 0


async def test_queues_of_sites_that_nothing_goes_to_are_forgotten(database, monkeypatch):
    monkeypatch.setattr("homing.delivery.sites.MOST_QUEUES", 3)
    async with scripted_mx(FINE, strict=False) as mx:
        sites = {f"d{n}.test": "127.0.0.1" for n in range(8)}
        async with post_office(database, sites, port=mx.port, idle_s=0.01) as post:
            for n in range(8):
                await post.hand_over([f"x@d{n}.test"])
                await post.until(lambda n=n: len(mx.messages) == n + 1)
                await post.until(lambda: all(queue.connections == 0 for queue in post.engine.sites))
            assert len(list(post.engine.sites)) <= 4


@pytest.mark.parametrize("stage", [Stage.GREETING])
async def test_further_connections_that_are_refused_lower_the_limit_and_hold_nothing(database, stage):
    crowded = (Say("421 4.7.0 too many connections"),)
    async with (
        scripted_mx((*EHLO, Loop((*ACCEPT[:-1], Stall(0.02), Say("250 2.0.0 taken")))), crowded, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, idle_s=2.0) as post,
    ):
        await post.hand_over(["first@a.test"])
        await post.until(lambda: len(mx.messages) == 1)
        await post.hand_over([f"u{n}@a.test" for n in range(60)])
        await post.until_empty()
        queue = post.queue("mx.a.test")
        assert queue.limit < 50
        assert queue.held_until is None
        assert await post.events(EventType.DELAY) == []
        assert len(mx.messages) == 61
