"""The log on a real PostgreSQL: its days, and how it is searched."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from homing.events import store
from homing.events.rules.search import After, Asked, read_query
from homing.events.types import EventType
from homing.ground import db, ids

TODAY = date(2026, 5, 5)
NOW = datetime(2026, 5, 5, 17, tzinfo=UTC)
_SEQ = iter(range(1, 1_000_000))


async def append(pool: db.Pool, **changes: Any) -> int:
    """Write one event as the queue does; return its seq."""
    seq = next(_SEQ)
    row: dict[str, Any] = {
        "day": TODAY,
        "shard": 3,
        "seq": seq,
        "at": NOW - timedelta(hours=1),
        "type": EventType.DELIVERY,
        "account_id": 1,
        "subaccount_id": 0,
        "message_id": seq.to_bytes(10, "big"),
        "transmission_id": (seq + 5_000).to_bytes(10, "big"),
        "recipient": "kim@there.test",
        "recipient_domain": "there.test",
        "campaign_id": "",
        "detail": "{}",
    } | changes
    if isinstance(row["detail"], dict):
        row["detail"] = json.dumps(row["detail"])
    async with pool.acquire() as connection:
        await connection.copy_records_to_table(
            "events", columns=store.COLUMNS, records=[tuple(row[name] for name in store.COLUMNS)]
        )
    return seq


async def found(pool: db.Pool, account_id: int = 1, subaccount_id: int | None = None, **query: str) -> list[int]:
    asked = read_query(
        {name.rstrip("_"): [value] for name, value in query.items()}, account_id=account_id, subaccount_id=subaccount_id, now=NOW
    )
    assert isinstance(asked, Asked), asked
    return [event.seq for event in (await store.search(pool, asked.search, after=asked.after, limit=asked.per_page)).events]


@pytest.fixture
async def days(pool: db.Pool) -> db.Pool:
    await store.ensure_partitions(pool, TODAY)
    return pool


async def test_a_week_of_days_is_made_ahead_and_only_once(pool):
    made = await store.ensure_partitions(pool, TODAY)
    assert made == [TODAY + timedelta(days=offset) for offset in range(-1, 8)]
    assert await store.ensure_partitions(pool, TODAY) == []
    assert await store.ensure_partitions(pool, TODAY + timedelta(days=1)) == [TODAY + timedelta(days=8)]
    assert await store.days_ready(pool, TODAY) == 9
    assert await store.days_ready(pool, TODAY + timedelta(days=7)) == 2
    assert await store.days_ready(pool, TODAY + timedelta(days=9)) == 0


async def test_partitions_have_the_keys_and_indexes_of_the_log(days):
    rows = await days.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'events_20260505'")
    assert sorted(row["indexdef"].partition("USING ")[2] for row in rows) == [
        "btree (account_id, at)",
        "btree (account_id, campaign_id, at) INCLUDE (day) WHERE (campaign_id <> ''::text)",
        "btree (account_id, recipient, at)",
        "btree (message_id)",
        "btree (shard, seq, day)",
        "btree (transmission_id)",
        "btree (transmission_id) WHERE (type = 20)",
    ]


async def test_traffic_of_performance_tests_stays_out_of_the_search(days):
    of = {"transmission_id": ids.from_digits("4711"), "recipient": "load@there.test"}
    await append(days, campaign_id="sparkpost-performance-test-7", **of)
    kept = [
        await append(days, campaign_id=name, **of) for name in ("sparkpost-performance-tests", "a sparkpost-performance-test-7")
    ]
    everything = {"from_": "2026-05-05T00:00:00Z"}
    assert sorted(await found(days, **everything)) == kept
    assert sorted(await found(days, **everything, recipients="load@there.test")) == kept
    assert sorted(await found(days, **everything, transmissions="4711")) == kept
    assert await found(days, **everything, campaigns="sparkpost-performance-test-7") == kept[1:]


async def test_old_days_go_and_young_ones_stay(days):
    await append(days, day=TODAY - timedelta(days=1), at=NOW - timedelta(hours=20))
    kept = await append(days)
    assert await store.drop_partitions(days, before=TODAY) == [TODAY - timedelta(days=1)]
    assert await found(days) == [kept]
    assert await store.drop_partitions(days, before=TODAY) == []


async def test_a_removal_that_was_interrupted_is_finished(days):
    await days.execute("ALTER TABLE events DETACH PARTITION events_20260504 CONCURRENTLY")
    assert await store.drop_partitions(days, before=TODAY) == [date(2026, 5, 4)]


async def test_a_day_that_was_created_but_not_attached_is_attached(pool):
    await pool.execute("CREATE TABLE events_20260506 (LIKE events INCLUDING ALL)")
    await store.ensure_partitions(pool, TODAY)
    assert await store.days_ready(pool, TODAY) == 8


async def test_the_life_of_a_message_is_told_in_order(days):
    message_id = b"m" * 10
    last = await append(days, message_id=message_id, at=NOW)
    first = await append(days, message_id=message_id, type=EventType.INJECTION, at=NOW - timedelta(hours=2), shard=9)
    await append(days)
    assert [event.seq for event in await store.of_message(days, message_id)] == [first, last]


async def test_an_account_sees_nothing_of_another(days):
    await append(days, account_id=2)
    mine = await append(days)
    assert await found(days) == [mine]
    assert await found(days, messages="6d" * 10, subaccounts="0") == []


async def test_a_subaccount_sees_its_own_alone(days):
    primary, own = await append(days), await append(days, subaccount_id=7)
    assert await found(days) == [own, primary]
    assert await found(days, subaccounts="7") == [own]
    assert await found(days, subaccounts="0") == [primary]
    assert await found(days, subaccount_id=7) == [own]
    assert await found(days, subaccount_id=7, subaccounts="0") == []


async def test_from_is_inclusive_and_to_exclusive(days):
    early, late = await append(days, at=NOW - timedelta(hours=3)), await append(days, at=NOW - timedelta(hours=2))
    assert await found(days, from_="2026-05-05T14:00:00Z", to="2026-05-05T15:00:00Z") == [early]
    assert await found(days, from_="2026-05-05T15:00:00Z") == [late]


async def test_by_default_a_day_up_to_a_minute_ago_is_searched(days):
    await append(days, at=NOW - timedelta(hours=25))
    mine = await append(days, at=NOW - timedelta(hours=23))
    await append(days, at=NOW - timedelta(seconds=30))
    assert await found(days) == [mine]


EXACT = {
    "events": ("bounce", {"type": EventType.BOUNCE}),
    "recipients": ("KIM@other.test", {"recipient": "kim@other.test"}),
    "from_addresses": ("News@acme.test", {"detail": {"friendly_from": "news@Acme.test"}}),
    "bounce_classes": ("10,20", {"detail": {"bounce_class": "20"}}),
    "sending_ips": ("192.0.2.1", {"detail": {"sending_ip": "192.0.2.1"}}),
    "messages": ("61" * 10, {"message_id": b"a" * 10}),
    "transmissions": ("66", {"transmission_id": b"\0" * 9 + b"B"}),
    "templates": ("template_66", {"transmission_id": b"\0" * 9 + b"B"}),
}
KEYWORDS = {
    "recipient_domains": ("example.com", {"recipient_domain": "mail.example.com"}),
    "sending_domains": ("example.com", {"detail": {"sending_domain": "Example.com.uk"}}),
    "campaigns": ("blackfriday", {"campaign_id": "blackfriday-members"}),
    "ip_pools": ("bulk", {"detail": {"ip_pool": "bulk_eu"}}),
    "reasons": ("Campaign cancelled,5.4.7", {"detail": {"raw_reason": "554 5.7.1 [internal] campaign cancelled"}}),
    "subjects": ("100%", {"detail": {"subject": "Now 100% off"}}),
    "templates": ("welcome", {"detail": {"template_id": "Welcome mail"}}),
    "ab_tests": ("pay", {"detail": {"ab_test_id": "pay-conf"}}),
    "mailbox_providers": ("gmail", {"detail": {"mailbox_provider": "Gmail"}}),
    "mailbox_provider_regions": ("europe", {"detail": {"mailbox_provider_region": "Europe"}}),
}


@pytest.mark.parametrize(("name", "case"), [*EXACT.items(), *KEYWORDS.items()])
async def test_each_filter_finds_what_it_names_and_nothing_else(days, name, case):
    value, changes = case
    await append(days)
    wanted = await append(days, **changes)
    assert await found(days, **{name: value}) == [wanted]
    assert await found(days, **{name: "9999999999" if name != "events" else "delay"}) == []


async def test_an_event_is_found_by_its_id(days):
    seq = await append(days, shard=60)
    await append(days)
    assert await found(days, event_ids=f"{seq << 8 | 60},5,nonsense") == [seq]


@pytest.mark.parametrize("text", ["friday", "black", "members-black", "blackfriday%", "bl_ckfriday"])
async def test_keywords_match_whole_segments_only(days, text):
    await append(days, campaign_id="blackfriday-members")
    assert await found(days, campaigns=text) == []


async def test_another_delimiter_lets_values_hold_commas(days):
    wanted = await append(days, detail={"subject": "Hello, world"})
    await append(days, detail={"subject": "Hello"})
    assert await found(days, subjects="Hello, world|nothing", delimiter="|") == [wanted]


async def test_pages_join_without_gap_or_overlap(days):
    seqs = [await append(days, shard=n % 3, at=NOW - timedelta(hours=1, seconds=n // 4)) for n in range(23)]
    asked = read_query({}, account_id=1, subaccount_id=None, now=NOW)
    assert isinstance(asked, Asked)
    first = await store.search(days, asked.search, after=None, limit=10)
    assert first.total == 23
    seen, page = [event.seq for event in first.events], first
    while len(page.events) == 10:
        last = page.events[-1]
        page = await store.search(days, asked.search, after=After(last.at, last.shard, last.seq), limit=10)
        assert page.total is None
        seen += [event.seq for event in page.events]
    assert sorted(seen) == sorted(seqs)
    assert len(set(seen)) == len(seen)


async def test_a_search_that_takes_too_long_says_so(days, monkeypatch):
    for _ in range(3):
        await append(days, detail={"subject": "x" * 100_000})
    asked = read_query({"subjects": [",".join(f"y{n}" for n in range(2_000))]}, account_id=1, subaccount_id=None, now=NOW)
    assert isinstance(asked, Asked)
    await store.search(
        days, asked.search, after=None, limit=10
    )  # asyncpg knows the types from now on, and asks nothing of its own
    monkeypatch.setattr(store, "SEARCH_TIMEOUT_S", 0.001)
    with pytest.raises(store.TooSlow):
        await store.search(days, asked.search, after=None, limit=10)
    assert await days.fetchval("SHOW statement_timeout") == "0"  # the pool's next user is not bound by it
