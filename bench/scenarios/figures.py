"""Metrics: 10 million events of 90 days added up, and how long questions about them take."""

import asyncio
import json
import random
import statistics
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from bench.homing import Homing
from bench.result import Expectation, Plan, Result, Table
from homing.events.rules.classify import Classifier
from homing.events.types import EventType, Logged
from homing.ground import db
from homing.metrics import store
from homing.metrics.rules.counting import engaged, tally

NAME = "figures"
TITLE = "Figures: metrics over 90 days"
DAYS = 90
DOMAINS = 3_000
BOUND_MS = 300.0
QUERIES = 30
AT_ONCE = 10_000
QUESTIONS = {
    "summary": "deliverability",
    "by campaign": "deliverability/campaign",
    "by sending IP": "deliverability/sending-ip",
    "by domain": "deliverability/domain",
    "by mailbox provider": "deliverability/mailbox-provider",
    "by day": "deliverability/time-series?precision=day",
    "bounce reasons": "deliverability/bounce-reason",
    "one campaign by domain": "deliverability/domain?campaigns=spring-7",
    "names of campaigns": "campaigns",
}


def run(plan: Plan) -> Result:
    """Add up, then ask."""
    events = plan.size(10_000_000, 200_000)
    with Homing() as house:
        key = house.run("key", "create", "--name", "figures", "--account", "main").strip()
        (account,) = house.sql("SELECT account_id FROM accounts WHERE name = 'main'")[0]
        dsn = (house.folder / "var" / "database.dsn").read_text().strip()
        began = time.monotonic()
        _fill(plan, dsn, account, events)
        fold_s = time.monotonic() - began
        house.sql("VACUUM ANALYZE")
        rows = house.sql("SELECT count(*) FROM metric_counts")[0][0]
        size = house.sql(
            "SELECT pg_size_pretty(sum(pg_total_relation_size(oid))) FROM pg_class"
            " WHERE relkind = 'r' AND relname LIKE 'metric%%'"
        )[0][0]
        table = Table("", ["question", "rows", "median ms", "95th percentile ms"])
        worst = 0.0
        for name, path in QUESTIONS.items():
            times, found = _ask(house, key, path)
            late = sorted(times)[int(len(times) * 0.95)]
            worst = max(worst, late)
            table.rows.append([name, f"{found:,}", f"{statistics.median(times):.1f}", f"{late:.1f}"])
            plan.say(f"{name}: {statistics.median(times):.1f} / {late:.1f} ms")
    result = Result(
        NAME,
        TITLE,
        f"{events:,} events of one account over {DAYS} days: {DOMAINS:,} domains (Zipf), 180 campaigns, 4 sending IPs. Added up "
        f"{AT_ONCE:,} at a time in two processes by the code of the follower: {fold_s * 1e6 / events:.0f} us an event with "
        f"PostgreSQL's part, "
        f"{rows:,} rows, {size} with indexes. {QUERIES} questions of each kind over all days through the API.",
    )
    result.tables.append(table)
    result.expectations.append(
        Expectation(
            "metrics over 90 days, the worst of the 95th percentiles",
            f"under {BOUND_MS:.0f} ms",
            f"{worst:.0f} ms",
            worst < BOUND_MS,
        )
    )
    return result


def _fill(plan: Plan, dsn: str, account: int, events: int) -> None:
    """Add up all days, two at a time, as two workers would."""
    with ProcessPoolExecutor(2) as processes:
        filling = [processes.submit(_fill_day, dsn, account, events, number) for number in range(DAYS)]
        for done, _ in enumerate(as_completed(filling), start=1):
            if done % 10 == 0:
                asyncio.run(_forget(dsn))
                plan.say(f"{done} of {DAYS} days added up")
        for one in filling:
            one.result()


def _fill_day(dsn: str, account: int, events: int, number: int) -> None:
    asyncio.run(_add_up(dsn, account, events, number))


async def _add_up(dsn: str, account: int, events: int, number: int) -> None:
    chance = random.Random(number)
    classes = Classifier.from_package().classes
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - number)
    weights = [1 / (n + 1) for n in range(DOMAINS)]
    a_day = events // DAYS
    async with db.pool(dsn) as pool:
        for part in range(0, a_day, AT_ONCE):
            count = min(AT_ONCE, a_day - part)
            batch = [
                _event(chance, account, number, day + timedelta(days=1) * ((part + n) / a_day), number * a_day + part + n, domain)
                for n, domain in enumerate(chance.choices(range(DOMAINS), weights, k=count))
            ]
            async with pool.acquire() as connection, connection.transaction():
                seen = await store.seen(connection, engaged(batch), day.date())
                sums = tally(batch, seen=seen, category=lambda one: classes[one].category)
                await store.write(connection, sums, day.date())


async def _forget(dsn: str) -> None:
    async with db.pool(dsn) as pool:
        await store.forget(pool, datetime.now(UTC))


def _event(chance: random.Random, account: int, number: int, at: datetime, place: int, domain: int) -> Logged:
    kind = chance.choices(
        (EventType.INJECTION, EventType.DELIVERY, EventType.BOUNCE, EventType.DELAY, EventType.OPEN, EventType.CLICK),
        (40, 38, 2, 3, 14, 3),
    )[0]
    detail: dict[str, Any] = {"ip_pool": "default", "sending_domain": "acme.test", "template_id": f"t{place % 5}"}
    if kind is not EventType.INJECTION:
        detail |= {
            "sending_ip": f"192.0.2.{place % 4}", "mailbox_provider": f"Provider {domain % 20}", "num_retries": "0",
            "mailbox_provider_region": "Global", "msg_size": "24576", "queue_time": "800", "bounce_class": "10",
            "reason": f"550 5.1.1 no such user, reason {place % 40}",
        }  # fmt: skip
    return Logged(
        shard=0,
        seq=place,
        type=kind,
        at=at,
        account_id=account,
        subaccount_id=0,
        message_id=(place // 3).to_bytes(10, "big"),
        transmission_id=None,
        recipient="",
        recipient_domain=f"d{domain}.test",
        campaign_id=f"spring-{number * 2 + place % 2}",
        detail=json.dumps(detail).encode(),
        day=date.min,
    )


def _ask(house: Homing, key: str, path: str) -> tuple[list[float], int]:
    since = datetime.now(UTC) - timedelta(days=DAYS + 1)
    query = urlencode({"from": f"{since:%Y-%m-%d}"})
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.http_port}/api/v1/metrics/{path}{'&' if '?' in path else '?'}{query}",
        headers={"Authorization": key},
    )
    times, found = [], 0
    for _ in range(QUERIES):
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = json.loads(answer.read())["results"]
        times.append((time.perf_counter() - began) * 1000)
        found = len(body) if isinstance(body, list) else len(body["campaigns"])
    if not found:
        raise RuntimeError(f"nothing found for {path}")
    return times, found
