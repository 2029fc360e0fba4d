"""Delivery from addresses that are warming up: what is beyond their volume overflows or waits, and nothing is lost."""

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from homing.egress import store
from homing.egress.types import SHARED_POOL, WhenFull
from homing.events.types import EventType
from homing.ground.config import SourceIP
from tests.kit.engine import PostOffice, post_office
from tests.kit.moved_clock import MovedClock
from tests.kit.scripted_mx import ACCEPT, EHLO, Expect, Loop, Say, scripted_mx

FINE = (*EHLO, Loop(ACCEPT))
LATER = (Expect("MAIL FROM"), Expect("RCPT TO"), Expect("DATA"), Say("250 ok", "451 4.7.1 greylisted", "503 no recipients"))
SHARED = (SourceIP("127.0.0.41", "shared.test"),)
COLD, WARM, SPARE = "127.0.0.42", "127.0.0.43", "127.0.0.44"
HOUR = 34  # what stage 1 lets through in an hour


async def sources(post: PostOffice) -> Counter[str]:
    """Return how many messages left from each address, as their events tell."""
    rows = await post.pool.fetch("SELECT detail FROM events WHERE type = $1", int(EventType.DELIVERY))
    return Counter(json.loads(row["detail"])["sending_ip"] for row in rows)


async def delivered(post: PostOffice, count: int, *, within_s: float = 10.0) -> Counter[str]:
    """Wait for so many deliveries in the log."""
    async with asyncio.timeout(within_s):
        while (found := await sources(post)).total() < count:
            await asyncio.sleep(0.02)
    return found


def people(count: int, who: str = "u") -> list[str]:
    return [f"{who}{n}@a.test" for n in range(count)]


async def test_what_a_warming_address_may_not_send_leaves_by_the_pools_other_one(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.give(account, WARM, pool="bulk")
        await post.hand_over(people(60), pool="bulk", account_id=account)
        assert await delivered(post, 60) == {COLD: HOUR, WARM: 60 - HOUR}
        clock.forward(hours=1)
        await post.hand_over(people(40, "v"), pool="bulk", account_id=account)
        assert await delivered(post, 100) == {COLD: 2 * HOUR, WARM: 100 - 2 * HOUR}
        assert set(mx.peers) == {COLD, WARM}


async def test_what_its_pool_may_not_send_leaves_by_the_overflow_pool(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, SPARE, pool="spare")
        await post.give(account, COLD, pool="bulk", stage=1, overflow_pool="spare")
        await post.hand_over(people(50), pool="bulk", account_id=account)
        assert await delivered(post, 50) == {COLD: HOUR, SPARE: 50 - HOUR}


async def test_the_default_pool_overflows_to_the_shared_addresses(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, stage=1, overflow_pool=SHARED_POOL)
        await post.hand_over(people(50), account_id=account)
        assert await delivered(post, 50) == {COLD: HOUR, SHARED[0].address: 50 - HOUR}
        await post.hand_over(["other@a.test"], account_id=account + 1)
        assert (await delivered(post, 51))[SHARED[0].address] == 51 - HOUR


async def test_without_overflow_mail_waits_and_a_higher_stage_lets_more_through_at_once(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hand_over(people(120), pool="bulk", account_id=account)
        assert await delivered(post, HOUR) == {COLD: HOUR}
        await post.until(lambda: post.engine.in_memory == 0)
        assert await post.waiting() == 120 - HOUR
        # Another pool of the same customer goes on, to the same domain.
        await post.give(account, SPARE, pool="receipts")
        await post.hand_over(["receipt@a.test"], pool="receipts", account_id=account)
        await post.hand_over(["theirs@a.test"], account_id=account + 1)
        assert await delivered(post, HOUR + 2) == {COLD: HOUR, SPARE: 1, SHARED[0].address: 1}
        # What comes now waits as well, without coming into memory.
        await post.hand_over(people(30, "late"), pool="bulk", account_id=account)
        await asyncio.sleep(0.3)
        assert (post.engine.in_memory, await post.waiting()) == (0, 150 - HOUR)
        async with store.changing_ip(post.pool, account, COLD) as held:
            assert held is not None
            await held.set_stage(2, today=clock.now().date())
        assert (await delivered(post, 84 + 2))[COLD] == 84
        await post.until(lambda: post.engine.in_memory == 0)
        assert await post.waiting() == 150 - 84
        clock.forward(hours=1)
        assert (await delivered(post, 152))[COLD] == 150
        assert not await post.events(EventType.BOUNCE)
        assert not await post.events(EventType.DELAY)


async def test_mail_that_waits_goes_when_warm_up_is_ended_or_its_pool_gets_another_address(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hand_over(people(HOUR + 6), pool="bulk", account_id=account)
        await delivered(post, HOUR)
        await post.give(account, WARM, pool="bulk")
        assert await delivered(post, HOUR + 6) == {COLD: HOUR, WARM: 6}
        await store.release(post.pool, WARM)
        await post.pools.refresh()
        await post.hand_over(people(5, "v"), pool="bulk", account_id=account)
        await asyncio.sleep(0.2)
        assert await post.waiting() == 5
        async with store.changing_ip(post.pool, account, COLD) as held:
            assert held is not None
            await held.set_stage(None, today=clock.now().date())
        assert await delivered(post, HOUR + 11) == {COLD: HOUR + 5, WARM: 6}


async def test_mail_that_has_waited_long_enough_goes_beyond_the_volume(database):
    clock = MovedClock(datetime.now(UTC).replace(hour=1, minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.pool.execute("INSERT INTO warmup_days (address, day, sent) VALUES ($1, $2, 200)", COLD, clock.now().date())
        yesterday = clock.now() - timedelta(hours=23, minutes=59)
        await post.hand_over(people(5, "old"), pool="bulk", account_id=account, accepted_at=yesterday)
        await post.hand_over(people(5, "new"), pool="bulk", account_id=account)
        await asyncio.sleep(0.3)
        assert await post.waiting() == 10
        clock.forward(minutes=2)
        await delivered(post, 5)
        assert sorted(await post.events(EventType.DELIVERY)) == people(5, "old")
        await post.engine.warmup.tell()
        row = await post.pool.fetchrow("SELECT sent, beyond FROM warmup_days WHERE address = $1", COLD)
        assert (row["sent"], row["beyond"]) == (205, 5)


async def test_a_pool_may_choose_to_send_all_the_same(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1, when_full=WhenFull.SEND)
        await post.hand_over(people(50), pool="bulk", account_id=account)
        assert await delivered(post, 50) == {COLD: 50}


async def test_what_a_receiver_puts_off_does_not_use_up_the_volume(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(*([(*EHLO, *LATER)] * 10), FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock, site_connections=1) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hand_over(people(30), pool="bulk", account_id=account)
        await delivered(post, 20)
        await post.engine.warmup.tell(everything=True)
        row = await post.pool.fetchrow("SELECT sent, put_off FROM warmup_days WHERE address = $1", COLD)
        assert (row["sent"], row["put_off"]) == (20, 10)


async def test_the_sink_takes_no_volume(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with post_office(database, {}, port=1, source_ips=SHARED, clock=clock) as post:
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hand_over([f"u{n}@a.test.sink.sparkpostmail.com" for n in range(60)], pool="bulk", account_id=account)
        await delivered(post, 60)
        assert await post.pool.fetchval("SELECT count(*) FROM warmup_days") == 0


async def test_a_refused_warming_address_keeps_its_mail_from_nobody_else(database):
    """The site refuses the warm address; the warming one has used up its volume: overflow takes what is left."""
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock) as post,
    ):
        account = await post.account()
        await post.give(account, SPARE, pool="spare")
        await post.give(account, WARM, pool="bulk", overflow_pool="spare")
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hold("site", "mx.a.test", source_ip=WARM)
        await post.until(lambda: post.engine.holds.site(WARM, "mx.a.test") is not None)
        await post.hand_over(people(50), pool="bulk", account_id=account)
        assert await delivered(post, 50) == {COLD: HOUR, SPARE: 50 - HOUR}


async def test_a_restart_goes_on_within_the_same_volume(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with scripted_mx(FINE, strict=False) as mx:
        async with post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, clock=clock) as post:
            account = await post.account()
            await post.give(account, COLD, pool="bulk", stage=1)
            await post.hand_over(people(20), pool="bulk", account_id=account)
            await delivered(post, 20)
        async with post_office(database, {"a.test": "127.0.0.1"}, port=mx.port, clock=clock, owner_name="two") as post:
            await post.hand_over(people(40, "v"), pool="bulk", account_id=account)
            assert await delivered(post, HOUR) == {COLD: HOUR}
            await post.until(lambda: post.engine.in_memory == 0)
            assert await post.waiting() == 60 - HOUR
            assert post.everything_is_somewhere()


async def test_a_warming_address_sends_each_provider_what_it_takes_and_the_rest_leaves_by_another(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    apple = 17  # an hour of what Apple takes from a new address
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(
            database, {"a.test": "127.0.0.1", "icloud.com": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock
        ) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.give(account, WARM, pool="bulk")
        await post.hand_over([f"u{n}@icloud.com" for n in range(40)], pool="bulk", account_id=account)
        assert await delivered(post, 40) == {COLD: apple, WARM: 40 - apple}
        await post.hand_over(people(30), pool="bulk", account_id=account)
        assert await delivered(post, 70) == {COLD: HOUR, WARM: 70 - HOUR}


async def test_mail_to_a_provider_that_takes_no_more_waits_and_other_mail_of_the_pool_goes_on(database):
    clock = MovedClock(datetime.now(UTC).replace(minute=10))
    async with (
        scripted_mx(FINE, strict=False) as mx,
        post_office(
            database, {"a.test": "127.0.0.1", "icloud.com": "127.0.0.1"}, port=mx.port, source_ips=SHARED, clock=clock
        ) as post,
    ):
        account = await post.account()
        await post.give(account, COLD, pool="bulk", stage=1)
        await post.hand_over([f"u{n}@icloud.com" for n in range(30)], pool="bulk", account_id=account)
        await delivered(post, 17)
        await post.hand_over(people(10), pool="bulk", account_id=account)
        assert await delivered(post, 27) == {COLD: 27}
        await post.until(lambda: post.engine.in_memory == 0)
        assert await post.waiting() == 13
        clock.forward(hours=1)
        assert await delivered(post, 40) == {COLD: 40}
