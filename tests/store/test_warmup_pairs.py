"""Warm-up by provider in PostgreSQL: one tally for all workers, counted from the log, judged with the address's day."""

import asyncio
from datetime import UTC, datetime, timedelta

from homing.accounts import store as accounts
from homing.egress import pair_store, store, warmup_store
from homing.egress.fold import WarmupFollower
from homing.egress.levels import Levels
from homing.egress.pair_store import Key
from homing.egress.rules.choice import Standing
from homing.egress.rules.pairs import Pair
from homing.egress.warmup import Fate
from homing.events import store as events
from homing.events.feed import Feed
from homing.events.types import EventType
from homing.ground import db
from tests.kit.moved_clock import MovedClock
from tests.store.test_events import TODAY, append
from tests.store.test_warmup_store import DAY, IP, NOW, OTHER, note, stage_of, warm

__all__ = ["warm"]
GMAIL, APPLE = Key(IP, "Gmail"), Key(IP, "Apple")
HOUR_OF_APPLE = 17


def worker(pool: db.Pool, clock: MovedClock, *, stage: int = 1, by_provider: bool = True) -> Levels:
    filled: list[tuple[str, str]] = []
    made = Levels(
        pool, clock, stage={IP: stage}.get, filled=lambda *what: filled.append(what), opened=lambda: None, by_provider=by_provider
    )
    made.found_full = filled  # type: ignore[attr-defined]
    return made


async def sent(one: Levels, provider: str) -> int:
    count = 0
    while await one.take(IP, provider):
        one.settle(IP, provider, Fate.SENT)
        count += 1
    return count


async def row(pool: db.Pool, key: Key):
    return await pool.fetchrow("SELECT * FROM warmup_pair_days WHERE address = $1 AND provider = $2", *key)


async def test_workers_together_send_a_provider_what_it_takes_and_others_the_rest(warm):
    workers = [worker(warm, MovedClock(NOW)) for _ in range(3)]
    assert sum(await asyncio.gather(*(sent(one, "Apple") for one in workers))) == HOUR_OF_APPLE
    first = workers[0]
    assert first.standing(IP, "Apple") is Standing.FULL
    assert first.standing(IP, "Gmail") is first.standing(IP) is first.standing(IP, "unknown") is Standing.ROOM
    assert (IP, "Apple") in first.found_full  # type: ignore[attr-defined]
    for one in workers:
        await one.tell(everything=True)
    assert await sent(first, "unknown") == 34 - HOUR_OF_APPLE
    assert first.standing(IP, "Gmail") is Standing.FULL  # the address has nothing left for anybody
    assert (await row(warm, APPLE))["sent"] == HOUR_OF_APPLE


async def test_what_the_address_may_not_send_is_given_back_to_the_provider(warm):
    one = worker(warm, MovedClock(NOW))
    assert await sent(one, "unknown") == 34
    assert not await one.take(IP, "Gmail")
    await one.tell(everything=True)
    assert (await row(warm, GMAIL))["sent"] == 0


async def test_mail_that_must_go_goes_and_is_counted_at_both_levels(warm):
    one = worker(warm, MovedClock(NOW))
    await sent(one, "Apple")
    assert await one.take(IP, "Apple", beyond=True)
    one.settle(IP, "Apple", Fate.SENT)
    await one.tell(everything=True)
    found = await row(warm, APPLE)
    assert (found["sent"], found["beyond"]) == (HOUR_OF_APPLE + 1, 1)


async def test_where_it_is_switched_off_the_stage_alone_counts(warm):
    one = worker(warm, MovedClock(NOW), by_provider=False)
    assert await sent(one, "Apple") == 34
    assert await warm.fetchval("SELECT count(*) FROM warmup_pairs") == 0


async def test_an_address_that_is_warm_has_no_caps(warm):
    one = worker(warm, MovedClock(NOW))
    assert one.standing(OTHER, "Gmail") is Standing.FREE


async def test_the_log_is_counted_by_provider_and_the_day_is_judged_with_that_of_the_address(warm):
    await events.ensure_partitions(warm, TODAY)
    follower = WarmupFollower()
    feed = Feed(warm, [follower], shards=lambda: [3])
    await feed.step(follower)
    at = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=5)
    base = {"sending_ip": IP, "ip_address": "198.51.100.5"}
    for provider, kind, more in (
        ("Gmail", EventType.DELIVERY, {}),
        ("Gmail", EventType.DELIVERY, {}),
        ("Gmail", EventType.BOUNCE, {"bounce_class": "10"}),
        ("Apple", EventType.DELIVERY, {}),
        ("Seznam", EventType.DELIVERY, {}),
        ("Gmail", EventType.DELIVERY, {"sending_ip": OTHER}),
        ("Gmail", EventType.DELIVERY, {"sending_ip": "nonsense"}),
    ):
        await append(warm, type=kind, detail={**base, "mailbox_provider": provider, **more}, at=at)
    while await feed.step(follower):
        pass
    found = await row(warm, GMAIL)
    assert (found["delivered"], found["hard_bounced"], (await row(warm, APPLE))["delivered"]) == (2, 1, 1)
    assert await warm.fetchval("SELECT count(*) FROM warmup_pair_days") == 2


async def put(pool: db.Pool, key: Key, day, **counts: int) -> None:
    columns = {"address": key.address, "provider": key.provider, "day": day, **counts}
    marks = ", ".join(f"${n + 1}" for n in range(len(columns)))
    await pool.execute(f"INSERT INTO warmup_pair_days ({', '.join(columns)}) VALUES ({marks})", *columns.values())


async def test_caps_grow_while_the_stage_stands_and_an_address_that_grows_is_not_given_up(warm):
    await warm.execute("UPDATE pool_ips SET warmup_stage = 5 WHERE address = $1", IP)
    await warm.execute("INSERT INTO warmup_pairs (address, provider, cap) VALUES ($1, 'Apple', 100)", IP)
    cap = 100
    for n in range(12):
        day = DAY + timedelta(days=n)
        await note(warm, day, sent=cap, delivered=cap)
        await put(warm, APPLE, day, sent=cap, delivered=cap)
        cap = round(cap * 1.3)
    await asyncio.gather(*(warmup_store.judge(warm, now=NOW + timedelta(days=12)) for _ in range(3)))
    assert await stage_of(warm) == 5  # ten days without an advance would have ended it
    assert (await pair_store.of_addresses(warm, [IP]))[APPLE] == Pair(cap=cap, days=12)
    one = worker(warm, MovedClock(NOW + timedelta(days=12)), stage=5)
    assert await sent(one, "Apple") == -(-cap // 6)


async def test_the_end_of_warm_up_forgets_the_caps_and_so_does_whoever_sets_a_stage(warm):
    account = await accounts.get_or_create_account(warm, "acme")
    for change in (None, 3, "release"):
        await warm.execute("INSERT INTO warmup_pairs (address, provider, cap) VALUES ($1, 'Apple', 100)", IP)
        if change == "release":
            await store.release(warm, IP)
        else:
            async with store.changing_ip(warm, account.account_id, IP) as held:
                assert held is not None
                await held.set_stage(change, today=DAY)
        assert await pair_store.of_addresses(warm, [IP]) == {}
