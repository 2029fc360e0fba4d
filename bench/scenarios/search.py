"""Search of the log: 10 million events over ten days, looked up through the API by recipient, message and campaign."""

import random
import statistics
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from bench.homing import Homing
from bench.result import Expectation, Plan, Result, Table

NAME = "search"
TITLE = "Search: ten days of events"
DAYS = 10
CAMPAIGNS_A_DAY = 20
QUERIES = 200
BOUND_MS = 150.0

# Two events a message; details as long as real ones. A tenth of the recipients gets mail every day.
_FILL = """
INSERT INTO events (day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient,
                    recipient_domain, campaign_id, detail)
SELECT %(day)s::date, n %% 64, %(base)s::bigint + n, %(day)s::date + n * (interval '1 day' / %(count)s),
       CASE n %% 2 WHEN 0 THEN 1 ELSE 2 END,
       %(account)s, 0, decode(lpad(to_hex(%(base)s::bigint + n / 2), 20, '0'), 'hex'),
       decode(lpad(to_hex(%(base)s::bigint / 1000 + n / 1000), 20, '0'), 'hex'),
       'kim' || ((n::bigint * 7919) %% %(people)s) || '@d' || (n %% 997) || '.test',
       'd' || (n %% 997) || '.test',
       'spring-' || %(number)s || '-' || (n * %(campaigns)s / %(count)s),
       json_build_object('friendly_from', 'news@acme.test', 'msg_from', 'msprvs1=' || n || '@bounce.acme.test',
         'ip_pool', 'default', 'sending_domain', 'acme.test', 'sending_ip', '192.0.2.10', 'subject', 'What is new ' || n %% 50,
         'msg_size', '24576', 'mailbox_provider', 'Gmail', 'mailbox_provider_region', 'Global', 'recv_method', 'rest',
         'delv_method', 'esmtp', 'routing_domain', 'd' || (n %% 997) || '.test', 'num_retries', '0', 'queue_time', '812',
         'ip_address', '198.51.100.5', 'injection_time', '2026-05-05T16:53:18.000+00:00',
         'rcpt_meta', json_build_object('uid', n::text), 'transactional', '0', 'open_tracking', true, 'click_tracking', true,
         'initial_pixel', true, 'outbound_tls', 1)
FROM generate_series(0, %(count)s - 1) n
"""


def run(plan: Plan) -> Result:
    """Fill the log, then ask."""
    events = plan.size(10_000_000, 200_000)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with Homing(settings={"HOMING_EVENT_RETENTION_DAYS": "30"}) as house:
        key = house.run("key", "create", "--name", "search", "--account", "main").strip()
        (account,) = house.sql("SELECT account_id FROM accounts WHERE name = 'main'")[0]
        house.sql("UPDATE followers SET day = '9999-12-31'")  # nobody folds what was put there by hand
        house.sql("INSERT INTO followers SELECT n, s, '9999-12-31', 0 FROM unnest(ARRAY['metrics', 'webhooks']) n, "
                  "generate_series(0, 63) s ON CONFLICT (name, shard) DO UPDATE SET day = '9999-12-31'")  # fmt: skip
        began = time.monotonic()
        for number in range(DAYS):
            day = today - timedelta(days=DAYS - number)
            name = f"events_{day:%Y%m%d}"
            if not house.sql("SELECT 1 FROM pg_class WHERE relname = %s", name):
                house.sql(f"CREATE TABLE {name} (LIKE events INCLUDING ALL)")
                house.sql(f"ALTER TABLE events ATTACH PARTITION {name} FOR VALUES "
                          f"FROM ('{day:%Y-%m-%d}') TO ('{day + timedelta(days=1):%Y-%m-%d}')")  # fmt: skip
            house.sql_named(
                _FILL,
                {"day": f"{day:%Y-%m-%d}", "number": number, "base": (number + 1) << 34, "count": events // DAYS,
                 "account": account, "people": max(1, events // 20), "campaigns": CAMPAIGNS_A_DAY},
            )  # fmt: skip
            plan.say(f"day {number + 1} of {DAYS} filled, {time.monotonic() - began:.0f} s")
        house.sql("VACUUM ANALYZE events")
        size = house.sql("SELECT pg_size_pretty(sum(pg_total_relation_size(inhrelid))) FROM pg_inherits")[0][0]
        result = Result(
            NAME,
            TITLE,
            f"{events:,} events of one account over {DAYS} days ({size} with indexes), {DAYS * CAMPAIGNS_A_DAY} campaigns. "
            f"{QUERIES} searches of each kind through `GET /api/v1/events/message`, one after the other, over HTTP, with "
            "total_count, pages of 100; recipients, messages, campaigns and days at random.",
        )
        table = Table("", ["searched by", "over", "median ms", "95th percentile ms", "found (median)"])
        worst = 0.0
        for kind in ("recipient", "message", "campaign"):
            for days in (1, DAYS):
                times, found = _ask(house, key, kind, days, events, today)
                times.sort()
                late = times[int(len(times) * 0.95)]
                worst = max(worst, late)
                table.rows.append(
                    [kind, f"{days} day{'s' * (days > 1)}", f"{statistics.median(times):.1f}", f"{late:.1f}",
                     f"{statistics.median(found):,.0f}"]
                )  # fmt: skip
                plan.say(f"{kind}, {days} days: {statistics.median(times):.1f} / {late:.1f} ms")
        result.tables.append(table)
    result.expectations.append(
        Expectation("search, the worst of the 95th percentiles", f"under {BOUND_MS:.0f} ms", f"{worst:.0f} ms", worst < BOUND_MS)
    )
    return result


def _ask(house: Homing, key: str, kind: str, days: int, events: int, today: datetime) -> tuple[list[float], list[int]]:
    chance = random.Random(f"{kind}{days}")
    times, found = [], []
    for _ in range(QUERIES):
        number = chance.randrange(DAYS)
        count = events // DAYS
        n = chance.randrange(count)
        since = today - timedelta(days=DAYS - (number if days == 1 else 0))
        query = {
            "from": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "to": f"{since + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}",
            "per_page": "100",
        }
        if kind == "recipient":
            query["recipients"] = f"kim{n * 7919 % max(1, events // 20)}@d{n % 997}.test"
        elif kind == "message":
            query["messages"] = f"{((number + 1) << 34) + n // 2:020x}"
        else:
            query["campaigns"] = f"spring-{number}-{n * CAMPAIGNS_A_DAY // count}"
        request = urllib.request.Request(
            f"http://127.0.0.1:{house.http_port}/api/v1/events/message?{urlencode(query)}", headers={"Authorization": key}
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
        times.append((time.perf_counter() - began) * 1000)
        total = int(body.rsplit(b'"total_count":', 1)[1].split(b",", 1)[0])
        if not total:
            raise RuntimeError(f"nothing found for {query}")
        found.append(total)
    return times, found
