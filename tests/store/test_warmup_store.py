"""Warm-up in PostgreSQL: one tally for all workers, judged once a day, kept over restarts."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from homing.accounts import store as accounts
from homing.egress import store, warmup_store
from homing.egress.fold import WarmupFollower
from homing.egress.rules.choice import Standing
from homing.egress.rules.warmup import Returned, Tally, Verdict, per_hour
from homing.egress.types import SendingIp
from homing.egress.warmup import Fate, Warmup
from homing.events import store as events
from homing.events.feed import Feed
from homing.events.types import EventType
from homing.ground import db
from homing.ground.errors import StoreUnavailable
from tests.kit.moved_clock import MovedClock
from tests.store.test_events import TODAY, append

IP, OTHER = "192.0.2.10", "192.0.2.11"
NOW = datetime(2026, 5, 4, 10, 20, tzinfo=UTC)
DAY = NOW.date()


@pytest.fixture
async def warm(pool: db.Pool) -> db.Pool:
    """A database with two addresses, one of them warming at stage 1 since DAY."""
    account = await accounts.get_or_create_account(pool, "acme")
    for address, stage in ((IP, 1), (OTHER, None)):
        ip = SendingIp(address=address, hostname="mta.test", account_id=account.account_id, pool_id="default", stage=stage)
        await store.assign(pool, ip, today=DAY)
    return pool


async def tally(pool: db.Pool, day: date = DAY, address: str = IP) -> Tally:
    (found,) = (await warmup_store.tallies(pool, [address], since=day))[address]
    return found


def worker(pool: db.Pool, clock: MovedClock, stages: dict[str, int | None] | None = None) -> Warmup:
    """Return the warm-up of one worker; `filled` collects what was found full."""
    known = {IP: 1} if stages is None else stages
    made = Warmup(pool, clock, stage=known.get, filled=lambda address: filled.append(address), opened=lambda: opened.append(1))
    filled: list[str] = []
    opened: list[int] = []
    made.found_full, made.opened = filled, opened  # type: ignore[attr-defined]
    return made


# leases -----------------------------------------------------------------------------------------------------------------


async def test_workers_together_send_what_an_hour_takes_and_no_more(warm):
    workers = [worker(warm, MovedClock(NOW)) for _ in range(4)]

    async def send(one: Warmup) -> int:
        sent = 0
        while await one.take(IP):
            sent += 1
        return sent

    sent = await asyncio.gather(*(send(one) for one in workers))
    assert sum(sent) == per_hour(1) == 34
    assert all(one.standing(IP) is Standing.FULL for one in workers)
    assert all(one.found_full == [IP] for one in workers)
    assert (await tally(warm)).sent == 34


async def test_the_next_hour_and_the_next_day_open_again(warm):
    clock = MovedClock(NOW)
    one = worker(warm, clock)
    for hour in range(7):
        sent = 0
        while await one.take(IP):
            sent += 1
        assert sent == (34 if hour < 5 else 30 if hour == 5 else 0)
        clock.forward(hours=1)
    assert one.standing(IP) is Standing.FULL
    clock.forward(hours=10)
    assert one.standing(IP) is Standing.ROOM
    assert await one.take(IP)


async def test_a_restart_keeps_what_was_counted(warm):
    clock = MovedClock(NOW)
    first = worker(warm, clock)
    for _ in range(10):
        assert await first.take(IP)
    await first.tell(everything=True)
    assert (await tally(warm)).sent == 10
    second, sent = worker(warm, clock), 0
    while await second.take(IP):
        sent += 1
    assert sent == 24


async def test_a_killed_worker_costs_its_unused_lease_and_never_gives_more(warm):
    await warm.execute("UPDATE pool_ips SET warmup_stage = 6 WHERE address = $1", IP)
    clock = MovedClock(NOW)
    killed = worker(warm, clock, {IP: 6})
    assert await killed.take(IP)
    leased = (await tally(warm)).sent
    assert leased == per_hour(6) // 20
    second, sent = worker(warm, clock, {IP: 6}), 0
    while await second.take(IP):
        sent += 1
    assert sent == per_hour(6) - leased


async def test_what_is_not_used_comes_back_and_what_was_put_off_counts_as_an_attempt(warm):
    one = worker(warm, MovedClock(NOW))
    for fate in (Fate.SENT, Fate.UNUSED, Fate.PUT_OFF, Fate.PUT_OFF):
        assert await one.take(IP)
        one.settle(IP, fate)
    await one.tell(everything=True)
    found = await tally(warm)
    assert (found.sent, found.put_off, found.in_hour) == (1, 2, 1)


async def test_what_must_go_goes_and_is_counted(warm):
    one = worker(warm, MovedClock(NOW))
    while await one.take(IP):
        pass
    assert await one.take(IP, beyond=True)
    assert await one.take(IP, beyond=True)
    await one.tell()
    assert ((await tally(warm)).sent, (await tally(warm)).beyond) == (36, 2)


async def test_an_address_that_has_just_ended_its_warm_up_is_not_limited(warm):
    await warm.execute("UPDATE pool_ips SET warmup_stage = NULL")
    one = worker(warm, MovedClock(NOW))
    assert all([await one.take(IP) for _ in range(100)])
    assert one.standing(OTHER) is Standing.FREE


async def test_a_change_lets_a_full_address_be_asked_again(warm):
    stages: dict[str, int | None] = {IP: 1}
    one = worker(warm, MovedClock(NOW), stages)
    while await one.take(IP):
        pass
    await warm.execute("UPDATE pool_ips SET warmup_stage = 2 WHERE address = $1", IP)
    stages[IP] = 2
    one.changed()
    assert one.opened == [1]
    sent = 0
    while await one.take(IP):
        sent += 1
    assert sent == per_hour(2) - per_hour(1)


async def test_without_the_store_nothing_is_let_send(warm):
    one = worker(warm, MovedClock(NOW))
    await warm.execute("ALTER TABLE warmup_days RENAME TO away")
    with pytest.raises(Exception, match="warmup_days"):
        await one.take(IP)
    await warm.execute("ALTER TABLE away RENAME TO warmup_days")
    assert await one.take(IP)
    await warm.close()
    with pytest.raises(StoreUnavailable):
        await one.take(IP)


async def test_nothing_is_leased_for_an_address_that_is_not_warming(warm):
    assert await warmup_store.exchange(warm, OTHER, now=NOW) is None
    returned = [Returned(day=DAY, hour=10, unused=3)]
    assert await warmup_store.exchange(warm, OTHER, now=NOW, returned=returned, wanted=False) is None


# the log ----------------------------------------------------------------------------------------------------------------


async def test_what_the_log_tells_of_warming_addresses_is_counted_once(warm):
    await events.ensure_partitions(warm, TODAY)
    follower = WarmupFollower()
    feed = Feed(warm, [follower], shards=lambda: [3])
    await feed.step(follower)  # it has a place from here on
    sent = {"sending_ip": IP, "ip_address": "198.51.100.5"}
    told = [
        (EventType.DELIVERY, sent), (EventType.DELIVERY, sent), (EventType.DELIVERY, {"sending_ip": IP}),
        (EventType.DELIVERY, {**sent, "sending_ip": OTHER}), (EventType.DELIVERY, {"ip_address": "198.51.100.5"}),
        (EventType.DELIVERY, {**sent, "sending_ip": "nonsense"}), (EventType.DELAY, {**sent, "num_retries": "0"}),
        (EventType.DELAY, {**sent, "num_retries": "2"}), (EventType.BOUNCE, {**sent, "bounce_class": "10"}),
        (EventType.BOUNCE, {**sent, "bounce_class": "51"}), (EventType.BOUNCE, {**sent, "bounce_class": "22"}),
        (EventType.OUT_OF_BAND, {**sent, "bounce_class": "30"}), (EventType.SPAM_COMPLAINT, sent), (EventType.CLICK, sent),
    ]  # fmt: skip
    at = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=5)
    for kind, detail in told:
        await append(warm, type=kind, detail=detail, at=at)
    while await feed.step(follower):
        pass
    await feed.step(follower)
    found = await tally(warm, TODAY)
    assert (found.delivered, found.deferred, found.hard_bounced, found.blocked, found.complained) == (2, 1, 2, 1, 1)
    assert (await warmup_store.tallies(warm, [OTHER], since=TODAY))[OTHER] == []


# judging ----------------------------------------------------------------------------------------------------------------


async def stage_of(pool: db.Pool) -> int | None:
    stage: int | None = await pool.fetchval("SELECT warmup_stage FROM pool_ips WHERE address = $1", IP)
    return stage


async def note(pool: db.Pool, day: date, **counts: int) -> None:
    columns = {"address": IP, "day": day, **counts}
    marks = ", ".join(f"${n + 1}" for n in range(len(columns)))
    await pool.execute(f"INSERT INTO warmup_days ({', '.join(columns)}) VALUES ({marks})", *columns.values())


async def test_a_day_that_delivered_its_volume_advances_the_stage_once(warm):
    await note(warm, DAY, sent=200, delivered=190)
    assert await warmup_store.judge(warm, now=NOW + timedelta(hours=6)) == []
    before = await store.version(warm)
    next_day = datetime(2026, 5, 5, 0, 10, tzinfo=UTC)
    together = await asyncio.gather(*(warmup_store.judge(warm, now=next_day) for _ in range(3)))
    assert [(one.address, one.verdict, one.stage) for done in together for one in done] == [(IP, Verdict.ADVANCED, 2)]
    assert await stage_of(warm) == 2
    assert await store.version(warm) > before


async def test_days_of_an_outage_are_judged_one_after_the_other(warm):
    await note(warm, DAY, sent=200, delivered=190)
    await note(warm, DAY + timedelta(days=1), sent=500, delivered=470)
    done = await warmup_store.judge(warm, now=NOW + timedelta(days=10))
    assert [one.verdict for one in done[:3]] == [Verdict.ADVANCED, Verdict.ADVANCED, Verdict.IDLE]
    assert len(done) == 10
    assert await stage_of(warm) == 2  # advanced to 3, and one back after seven days of silence


async def test_ten_days_without_an_advance_switch_warm_up_off(warm):
    await warm.execute("UPDATE pool_ips SET warmup_stage = 3 WHERE address = $1", IP)
    for n in range(10):
        await note(warm, DAY + timedelta(days=n), sent=100, delivered=100)
    done = await warmup_store.judge(warm, now=NOW + timedelta(days=10))
    assert [one.verdict for one in done] == [Verdict.STAYED] * 9 + [Verdict.STALLED]
    assert await stage_of(warm) is None


async def test_what_was_counted_long_ago_is_forgotten(warm):
    await note(warm, DAY - timedelta(days=61), sent=1)
    await note(warm, DAY - timedelta(days=59), sent=1)
    await warmup_store.judge(warm, now=NOW)
    assert await warm.fetchval("SELECT count(*) FROM warmup_days") == 1
