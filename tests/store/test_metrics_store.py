"""Figures in PostgreSQL: each event counts once, whoever folds it and whatever fails in between."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from homing.events import store as events
from homing.events.feed import Feed
from homing.events.rules.classify import Classifier
from homing.events.types import EventType
from homing.ground import db
from homing.ground.clock import SystemClock
from homing.metrics import store
from homing.metrics.fold import MetricsFollower
from homing.metrics.rules.asked import ALL, read
from homing.metrics.rules.names import figures
from homing.metrics.types import Grain
from tests.store.test_events import NOW, TODAY, append

CLASSIFIER = Classifier.from_package()
DELIVERED = {"msg_size": "100", "num_retries": "0", "queue_time": "5", "mailbox_provider": "Gmail", "sending_ip": "192.0.2.1"}


@pytest.fixture
async def log(pool: db.Pool) -> db.Pool:
    await events.ensure_partitions(pool, TODAY)
    return pool


def follower() -> MetricsFollower:
    return MetricsFollower(CLASSIFIER, SystemClock())


async def follow(pool: db.Pool, *shards: int) -> None:
    one = follower()
    feed = Feed(pool, [one], shards=lambda: list(shards or (3,)))
    while await feed.step(one):
        pass


async def summed(pool: db.Pool, **query: Any) -> dict[str, int]:
    since = f"{NOW - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"
    asked = read(
        {"from": since, "precision": "15min", **query},
        account_id=1,
        subaccount_id=None,
        now=NOW + timedelta(minutes=1),
        metrics=ALL,
    )
    (row,) = await store.totals(pool, asked)
    return {name: number for name, number in figures(asked.metrics, row).items() if number}


async def test_nothing_counts_twice_when_a_fold_fails_at_its_end(log):
    for _ in range(3):
        await append(log, detail=DELIVERED)
    await append(log, type=EventType.OPEN)

    class Falls(MetricsFollower):
        async def fold(self, connection: db.Executor, events: Any) -> None:
            await super().fold(connection, events)
            raise RuntimeError("after the figures were written")

    falls = Falls(CLASSIFIER, SystemClock())
    with pytest.raises(RuntimeError):
        await Feed(log, [falls], shards=lambda: [3]).step(falls)
    assert await summed(log) == {}
    await follow(log)
    await follow(log)
    found = await summed(log)
    assert (found["count_delivered"], found["total_msg_volume"], found["count_unique_rendered"]) == (3, 300, 1)


async def test_workers_that_fold_the_same_sets_at_once_add_up(log):
    shards = list(range(8))
    for number in range(160):
        await append(
            log,
            shard=number % 8,
            detail=DELIVERED,
            campaign_id=random.choice(["a", "b", "c"]),
            recipient_domain=random.choice(["x.test", "y.test"]),
            at=NOW - timedelta(minutes=random.randrange(60)),
        )
    await asyncio.gather(*(follow(log, shard) for shard in shards))
    assert (await summed(log))["count_delivered"] == 160
    assert (await summed(log, domains="x.test,y.test"))["count_delivered"] == 160
    assert (await summed(log, domains="x.test,y.test", campaigns="a,b,c"))["count_delivered"] == 160


async def test_one_reader_in_two_shards_is_one_reader(log):
    for shard in (3, 4, 3, 4):
        await append(log, shard=shard, type=EventType.OPEN, message_id=b"r" * 10)
    await asyncio.gather(follow(log, 3), follow(log, 4))
    found = await summed(log)
    assert (found["count_rendered"], found["count_unique_rendered"], found["count_unique_confirmed_opened"]) == (4, 1, 1)


async def test_a_provider_is_known_for_the_injections_before_it_too(log):
    await append(log, type=EventType.INJECTION, recipient_domain="gmail.test")
    await append(log, detail=DELIVERED, recipient_domain="gmail.test")
    await append(log, type=EventType.INJECTION, recipient_domain="never.test")
    await follow(log)
    assert await summed(log, mailbox_providers="Gmail", metrics="count_injected,count_delivered") == {
        "count_injected": 1,
        "count_delivered": 1,
    }


async def test_old_figures_are_forgotten_by_their_grain(log):
    await append(log, detail=DELIVERED, at=NOW)
    await append(log, type=EventType.DELAY, at=NOW, detail={"reason": "451 later", "num_retries": "0"})
    await append(log, type=EventType.CLICK, at=NOW)
    await follow(log)

    async def kept() -> list[tuple[int, int]]:
        rows = await log.fetch("SELECT grain, count(*) FROM metric_counts GROUP BY 1 UNION ALL SELECT 10 + grain, count(*)"
                               " FROM metric_texts GROUP BY 1 ORDER BY 1")  # fmt: skip
        return [row[0] for row in rows]

    assert await kept() == [1, 2, 3, 4, 5, 12, 13, 14, 15]
    await store.forget(log, NOW + Grain.MINUTE.kept + timedelta(minutes=2))
    assert await kept() == [2, 3, 4, 5, 12, 13, 14, 15]
    await store.forget(log, NOW + Grain.QUARTER.kept + timedelta(minutes=20))
    assert await kept() == [3, 4, 5, 13, 14, 15]
    assert await log.fetchval("SELECT count(*) FROM metric_seen") == 1
    await store.forget(log, SystemClock().now() + Grain.DAY.kept + timedelta(days=120))
    assert await kept() == []
    for table in ("metric_seen", "metric_sets"):
        assert await log.fetchval(f"SELECT count(*) FROM {table}") == 0
