"""What was counted before families and partitions came is in them afterwards, as if it had been counted so."""

import uuid
from importlib import resources
from typing import Any

import psycopg

from homing.metrics import store
from homing.metrics.rules.counting import tally
from homing.metrics.types import COUNTERS, Grain, Kind, Scope, Tally
from tests.store.test_metrics_windows import EVENTS, NOW

CHANGE = "0037_long_windows.sql"
BEFORE = dict.fromkeys((Scope.WHOLE, Scope.NO_DOMAIN, Scope.DOMAIN_ONLY), (Grain.MINUTE, Grain.QUARTER, Grain.DAY, Grain.WEEK))
TABLES = ("metric_sets", "metric_counts", "metric_texts")


async def test_what_was_counted_before_is_counted_in_every_family_by_every_grain(pool, database):
    counted = tally(EVENTS, seen={}, category=lambda number: "Hard")
    async with pool.acquire() as connection, connection.transaction():
        await store.write(connection, counted, NOW.date())
    with psycopg.connect(database, autocommit=True) as connection:
        expected = _shown(connection)
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        migrations = sorted(resources.files("homing.sql").joinpath("migrations").iterdir(), key=lambda file: file.name)
        for file in (file for file in migrations if file.name.endswith(".sql") and file.name < CHANGE):
            connection.execute(file.read_text(encoding="utf-8").encode())
        _count_as_before(connection, counted)
        with connection.transaction():
            connection.execute(resources.files("homing.sql").joinpath("migrations", CHANGE).read_text(encoding="utf-8").encode())
        found = _shown(connection)
    assert len(expected["metric_counts"]) > len(EVENTS)
    for table in TABLES:
        assert found[table] == expected[table], table


def _shown(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    return {table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall() for table in TABLES}


def _count_as_before(connection: psycopg.Connection[Any], counted: Tally) -> None:
    """Write figures as they were kept: three families by four grains, texts by whole sets, sets with other numbers."""
    numbers = {set_id: uuid.uuid4() for set_id in counted.sets}
    families: dict[tuple[str, Scope], uuid.UUID] = {}
    for set_id, one in counted.sets.items():
        if one.scope in BEFORE:
            members = (one.account_id, int(one.scope), one.subaccount_id, one.domain, one.sending_ip, one.ip_pool,
                       one.sending_domain, one.campaign_id, one.template_id)  # fmt: skip
            connection.execute(
                "INSERT INTO metric_sets (set_id, account_id, scope, subaccount_id, domain, sending_ip, ip_pool, sending_domain,"
                " campaign_id, template_id, month) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (numbers[set_id], *members, NOW.date().replace(day=1)),
            )
        whole = counted.sets[set_id]
        if whole.scope is Scope.WHOLE:
            for other_id, other in counted.sets.items():
                same = all(getattr(other, member) == getattr(whole, member) for member in other.scope.members)
                if same and (other.account_id, other.subaccount_id) == (whole.account_id, whole.subaccount_id):
                    families[set_id, other.scope] = numbers[other_id]
    sums: dict[tuple[Any, ...], dict[int, int]] = {}
    for row in counted.counts:
        if row.scope is Scope.WHOLE and row.grain is Grain.MINUTE:
            for scope, grains in BEFORE.items():
                for grain in grains:
                    key = (row.account_id, grain, scope, grain.start(row.ts), families[row.set_id, scope])
                    for place, number in row.numbers.items():
                        sums.setdefault(key, {})[place] = sums.setdefault(key, {}).get(place, 0) + number
    for key, numbers_ in sums.items():
        names = [COUNTERS[place] for place in numbers_]
        connection.execute(
            f"INSERT INTO metric_counts (account_id, grain, scope, ts, set_id, {', '.join(names)})"
            f" VALUES ({', '.join(['%s'] * (5 + len(names)))})".encode(),
            [*key, *numbers_.values()],
        )
    for text in counted.texts:
        if text.scope is Scope.WHOLE:
            connection.execute(
                "INSERT INTO metric_texts (account_id, grain, kind, ts, set_id, classification, text, n1, n2, n3)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (text.account_id, int(text.grain), int(Kind(text.kind)), text.ts, numbers[text.set_id], text.classification,
                 text.text, text.n1, text.n2, text.n3),
            )  # fmt: skip
