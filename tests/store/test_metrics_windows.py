"""A window holds what happened in it, whatever is asked of it: every family of sets and every grain give the same figures."""

import itertools
import json
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from homing.events.types import EventType, Logged
from homing.ground import db
from homing.metrics import store
from homing.metrics.rules.asked import Question, read
from homing.metrics.rules.counting import tally
from homing.metrics.rules.windows import coarse
from homing.metrics.types import Kind

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
ONLY = {"domains": "d1.test", "campaigns": "c1", "sending_ips": "192.0.2.3", "templates": "t2"}


def happened(number: int) -> Logged:
    """Return one of many delays: over a hundred days, and at any second."""
    detail = {"sending_ip": f"192.0.2.{number % 5}", "template_id": f"t{number % 4}", "reason": "451 later", "num_retries": "0"}
    return Logged(
        shard=3,
        seq=number,
        type=EventType.DELAY,
        at=NOW - timedelta(seconds=number**3 % 8_640_017),
        account_id=1,
        subaccount_id=0,
        message_id=number.to_bytes(10, "big"),
        transmission_id=None,
        recipient="kim@there.test",
        recipient_domain=f"d{number % 3}.test",
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


def asked(back: timedelta, until: timedelta, filters: Collection[str]) -> Question:
    window = {"from": f"{NOW - back:%Y-%m-%dT%H:%M:%SZ}", "to": f"{NOW - until:%Y-%m-%dT%H:%M:%SZ}"}
    query = window | {name: ONLY[name] for name in filters}
    return read(query, account_id=1, subaccount_id=None, now=NOW, metrics=("count_delayed",))


def matching(since: datetime, until: datetime, filters: Collection[str]) -> Counter[str]:
    """Return how many events there were, by domain."""
    found: Counter[str] = Counter()
    for event in EVENTS:
        detail = json.loads(event.detail)
        has = {"domains": event.recipient_domain, "campaigns": event.campaign_id, "sending_ips": detail["sending_ip"]}
        has["templates"] = detail["template_id"]
        if since <= event.at < until and all(has[name] == ONLY[name] for name in filters):
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
    for filters in _some_of(("domains", "campaigns")):
        question = asked(back, until, filters)
        window = coarse(question.window)
        expected = matching(window.since, window.until, filters)
        rows = await store.texts(counted, question, Kind.DELAY, window=window)
        assert sum(row["count_delayed"] for row in rows) == expected.total(), filters
        rows = await store.texts(counted, question, Kind.DELAY, window=window, by_domain=True)
        assert {row["domain"]: row["count_delayed"] for row in rows} == expected, filters


def _some_of(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [chosen for size in range(len(names) + 1) for chosen in itertools.combinations(names, size)]
