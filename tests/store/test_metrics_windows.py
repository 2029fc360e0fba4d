"""A window holds what happened in it, whatever is asked of it: every family of sets and every grain give the same figures."""

import itertools
import json
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from homing.events.types import EventType, Logged
from homing.ground import db
from homing.metrics import store
from homing.metrics.rules.asked import Question, read
from homing.metrics.rules.counting import tally
from homing.metrics.rules.windows import coarse
from homing.metrics.types import Grain, Kind

NOW = datetime(2026, 5, 5, 17, 31, 7, tzinfo=UTC)
WINDOWS = [  # since, until: before NOW
    (timedelta(days=120), timedelta(0)),
    (timedelta(days=90), timedelta(days=1)),
    (timedelta(days=61), timedelta(days=31)),
    (timedelta(days=30), timedelta(0)),
    (timedelta(hours=47), timedelta(hours=3)),
    (timedelta(hours=23, minutes=17), timedelta(minutes=41)),
    (timedelta(days=500), timedelta(days=400)),  # nothing is known of it
]
ONLY = {
    "domains": "d1.test,d0.test",
    "campaigns": "c1",
    "sending_ips": "192.0.2.3",
    "templates": "t1",
    "subaccounts": "7",
    "mailbox_providers": "Gmail",
}
PROVIDERS = ("Gmail", "Yahoo", "")  # of d0, d1 and d2, which nothing was delivered to


def happened(number: int) -> Logged:
    """Return one of many delays: over a hundred days, and at any second; each fourth is a stranger's."""
    domain = number % 3
    detail = {
        "sending_ip": f"192.0.2.{number % 5}",
        "template_id": f"t{number % 4}",
        "reason": "451 später",
        "num_retries": "0",
        "mailbox_provider": PROVIDERS[domain],
    }
    return Logged(
        shard=3,
        seq=number,
        type=EventType.DELAY,
        at=NOW - timedelta(seconds=number**3 % 8_640_017),
        account_id=2 if number % 4 == 0 else 1,
        subaccount_id=7 if number % 7 < 4 else 0,
        message_id=number.to_bytes(10, "big"),
        transmission_id=None,
        recipient="kim@there.test",
        recipient_domain=f"d{domain}.test",
        campaign_id=f"c{number % 2}",
        detail=json.dumps(detail).encode(),
        day=NOW.date(),
    )


EVENTS = [happened(number) for number in range(900)]


@pytest.fixture
async def counted(pool: db.Pool) -> db.Pool:
    for part in (EVENTS[0::3], EVENTS[1::3], EVENTS[2::3]):
        async with pool.acquire() as connection, connection.transaction():
            await store.write(connection, tally(part, seen={}, category=lambda number: ""), NOW.date())
    return pool


def asked(back: timedelta, until: timedelta, filters: Collection[str], **more: str) -> Question:
    window = {"from": f"{NOW - back:%Y-%m-%dT%H:%M:%SZ}", "to": f"{NOW - until:%Y-%m-%dT%H:%M:%SZ}"}
    query = window | {name: ONLY[name] for name in filters} | more
    return read(query, account_id=1, subaccount_id=None, now=NOW, metrics=("count_delayed",))


def matching(since: datetime, until: datetime, filters: Collection[str]) -> Counter[str]:
    """Return how many events of the account there were, by domain."""
    found: Counter[str] = Counter()
    for event in EVENTS:
        detail = json.loads(event.detail)
        has = {
            "domains": event.recipient_domain,
            "campaigns": event.campaign_id,
            "sending_ips": detail["sending_ip"],
            "templates": detail["template_id"],
            "subaccounts": str(event.subaccount_id),
            "mailbox_providers": detail["mailbox_provider"],
        }
        if event.account_id == 1 and since <= event.at < until and all(has[name] in ONLY[name].split(",") for name in filters):
            found[event.recipient_domain] += 1
    return found


@pytest.mark.parametrize(("back", "until"), WINDOWS)
async def test_what_happened_in_a_window_is_found_by_every_filter(counted, back, until):
    for filters in _some_of(tuple(ONLY)):
        question = asked(back, until, filters)
        expected = matching(question.window.since, question.window.until, filters)
        (row,) = await store.totals(counted, question)
        assert row["delayed"] == expected.total(), filters
        rows = await store.totals(counted, question, ("domain",))
        assert {row["domain"]: row["delayed"] for row in rows} == expected, filters


@pytest.mark.parametrize(("back", "until"), WINDOWS)
async def test_what_was_said_in_a_window_is_found_by_every_filter(counted, back, until):
    for filters in _some_of(("domains", "campaigns", "subaccounts")):
        question = asked(back, until, filters)
        window = coarse(question.window)
        expected = matching(window.since, window.until, filters)
        rows = await store.texts(counted, question, Kind.DELAY, window=window)
        assert sum(row["count_delayed"] for row in rows) == expected.total(), filters
        rows = await store.texts(counted, question, Kind.DELAY, window=window, by_domain=True)
        assert {row["domain"]: row["count_delayed"] for row in rows} == expected, filters


@pytest.mark.parametrize(
    ("condition", "domains"),
    [
        ({"eq": ["Gmail"]}, {"d0.test"}),
        ({"notEq": ["Gmail"]}, {"d1.test", "d2.test"}),
        ({"like": ["mai"]}, {"d0.test"}),
        ({"notLike": ["mai"]}, {"d1.test", "d2.test"}),
        ({"eq": ["", "Yahoo"]}, {"d1.test", "d2.test"}),
    ],
)
async def test_a_domain_whose_provider_is_not_known_has_none(counted, condition, domains):
    query = {"query_filters": json.dumps({"groupings": [{"AND": {"mailbox_providers": condition}}]})}
    question = asked(timedelta(days=120), timedelta(0), (), **query)
    rows = await store.totals(counted, question, ("domain",))
    expected = matching(question.window.since, question.window.until, ())
    assert {row["domain"]: row["delayed"] for row in rows} == {name: expected[name] for name in domains}


async def test_what_is_kept_is_found_on_every_day_however_much_was_forgotten(pool):
    days = [msgspec.structs.replace(EVENTS[1], at=NOW - timedelta(days=230 - number)) for number in range(260)]
    for later in range(29):  # a block of four weeks begins on one of them
        now = NOW + timedelta(days=later)
        happened_by_now = days[: 231 + later]
        async with pool.acquire() as connection, connection.transaction():
            new = happened_by_now[-1:] if later else happened_by_now
            await store.write(connection, tally(new, seen={}, category=lambda number: ""), now.date())
        await store.forget(pool, now)
        asked_for = {"from": f"{now - timedelta(days=200):%Y-%m-%dT%H:%M:%SZ}"}
        question = read(asked_for, account_id=1, subaccount_id=None, now=now, metrics=("count_delayed",))
        (row,) = await store.totals(pool, question)
        assert row["delayed"] == sum(event.at >= Grain.DAY.end(now - Grain.DAY.kept) for event in happened_by_now), now


def _some_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for size in (0, 1, 2, len(names)) for chosen in itertools.combinations(names, size)]
