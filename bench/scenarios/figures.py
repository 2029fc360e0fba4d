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
from urllib.parse import parse_qsl, urlencode

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
    "by domain": "deliverability/domain",
    "by mailbox provider": "deliverability/mailbox-provider",
    "by campaign": "deliverability/campaign",
    "by template": "deliverability/template",
    "by sending IP": "deliverability/sending-ip",
    "by day": "deliverability/time-series?precision=day",
    "one domain by day": "deliverability/time-series?precision=day&domains=d5.test",
    "one campaign of a day by domain": "deliverability/domain?campaigns=spring-77",
    "one campaign of 90 days by domain": "deliverability/domain?campaigns=receipts",
    "one domain by campaign": "deliverability/campaign?domains=d0.test",
    "one provider by campaign": "deliverability/campaign?mailbox_providers=Provider+3",
    "bounce reasons": "deliverability/bounce-reason",
    "bounce reasons by domain": "deliverability/bounce-reason/domain",
    "bounce classifications": "deliverability/bounce-classification",
    "bounce reasons of one provider": "deliverability/bounce-reason?mailbox_providers=Provider+3",
    "delay reasons": "deliverability/delay-reason",
    "links": "deliverability/link-name",
    "names of campaigns": "campaigns",
    "names of domains": "domains",
    "last 30 days by the hour": "deliverability/time-series?precision=hour&days=30",
    "last 30 days by domain": "deliverability/domain?days=30",
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
        f"{events:,} events of one account over {DAYS} days: {DOMAINS:,} domains (Zipf), 180 campaigns of a day each, one of "
        f"all days, 5 templates, 4 sending IPs. Added up {AT_ONCE:,} at a time in two processes by the code of the follower: "
        f"{fold_s * 1e6 / events:.0f} us an event with PostgreSQL's part, {rows:,} rows, {size} with indexes. {QUERIES} "
        "questions of each kind through the API, over all days or the last 30, that begin and end on every day of the week.",
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
        campaign_id="receipts" if place % 3 == 0 else f"spring-{number * 2 + place % 2}",
        detail=json.dumps(detail).encode(),
        day=date.min,
    )


def _ask(house: Homing, key: str, path: str) -> tuple[list[float], int]:
    """Ask for windows that begin on every day of a week, half of which end now, the others on earlier days.

    Windows are read in whole weeks and four weeks where they can be, so some fit better than others.
    """
    path, _, query = path.partition("?")
    asked = dict(parse_qsl(query))
    days = int(asked.pop("days", DAYS))
    times, found = [], 0
    for number in range(QUERIES):
        now = datetime.now(UTC)
        asked["from"] = f"{now - timedelta(days=days - number % 7):%Y-%m-%d}"
        asked["to"] = f"{now - timedelta(days=number // 2 % 7 if number % 2 else 0):%Y-%m-%dT%H:%M}"
        took, found = _answer(house, key, f"{path}?{urlencode(asked)}")
        times.append(took)
    if not found:
        raise RuntimeError(f"nothing found for {path}")
    return times, found


def _answer(house: Homing, key: str, path: str) -> tuple[float, int]:
    """Return how long an answer took, in milliseconds, and how many rows it has."""
    request = urllib.request.Request(f"http://127.0.0.1:{house.http_port}/api/v1/metrics/{path}", headers={"Authorization": key})
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = json.loads(answer.read())["results"]
    took = (time.perf_counter() - began) * 1000
    return took, len(body) if isinstance(body, list) else len(next(iter(body.values())))
