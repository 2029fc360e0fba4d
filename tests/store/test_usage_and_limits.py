"""Limits are kept from figures a second old, usage is what the table says, and numbers from before become subaccounts."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import psycopg
import pytest

from homing.accounts import store, subaccounts, usage
from homing.accounts.allowance import Allowance, Hold
from homing.accounts.book import AccountBook
from homing.accounts.rules.usage import Period, Used, hour_of
from homing.accounts.types import Limits
from homing.ground import db
from homing.ground import migrate as module
from homing.ground.errors import StoreUnavailable
from homing.ground.migrate import migrate
from tests.kit.http import subaccount
from tests.kit.moved_clock import MovedClock

ONE = 1
NOW = datetime(2026, 5, 4, 10, 59, 30, tzinfo=UTC)
TEN_A_DAY = Limits(daily=10)


@pytest.fixture
def clock():
    return MovedClock(NOW)


@pytest.fixture
def allowance(pool, clock):
    return Allowance(pool, clock)


async def counted(pool: db.Pool, messages: int, at: datetime = NOW, *, shard: int = 1) -> None:
    await usage.count(pool, {(ONE, hour_of(at)): messages}, shard=shard)


async def held(allowance: Allowance, messages: int, limits: Limits = TEN_A_DAY, *, now: datetime = NOW) -> Hold:
    found = await allowance.hold(ONE, limits, messages, now=now)
    assert isinstance(found, Hold)
    return found


# limits -----------------------------------------------------------------------------------------------------------------


async def test_without_a_limit_nothing_is_asked(allowance, database):
    async with db.pool(database, name="gone") as gone:
        pass
    unasked = Allowance(gone, MovedClock(NOW))
    (await held(unasked, 10**9, Limits())).end(taken=True)


async def test_what_is_held_and_what_was_taken_counts_and_what_was_not_does_not(allowance):
    first = await held(allowance, 6)
    assert await allowance.hold(ONE, TEN_A_DAY, 5, now=NOW) is Period.DAY
    first.end(taken=True)
    first.end(taken=False)  # only the first word counts
    assert await allowance.hold(ONE, TEN_A_DAY, 5, now=NOW) is Period.DAY
    (await held(allowance, 4)).end(taken=False)
    (await held(allowance, 4)).end(taken=True)
    assert await allowance.hold(ONE, TEN_A_DAY, 1, now=NOW) is Period.DAY


async def test_the_table_is_asked_again_after_a_second(allowance, pool, clock):
    (await held(allowance, 1)).end(taken=True)
    await counted(pool, 10)
    (await held(allowance, 9)).end(taken=True)
    clock.forward(seconds=1)
    assert await allowance.hold(ONE, TEN_A_DAY, 1, now=clock.now()) is Period.DAY


async def test_what_is_in_the_table_is_not_counted_twice(allowance, pool, clock):
    (await held(allowance, 5)).end(taken=True)
    await counted(pool, 5)  # as the commit that took them did
    clock.forward(seconds=1)
    (await held(allowance, 5, now=clock.now())).end(taken=True)


async def test_what_is_still_under_way_counts_whether_the_table_has_it_or_not(allowance, pool, clock):
    slow = await held(allowance, 5)
    clock.forward(seconds=1)
    (await held(allowance, 5, now=clock.now())).end(taken=False)
    assert await allowance.hold(ONE, TEN_A_DAY, 6, now=clock.now()) is Period.DAY
    slow.end(taken=False)
    (await held(allowance, 10, now=clock.now())).end(taken=False)


async def test_a_new_hour_day_and_month_begin_anew(allowance, pool, clock):
    end = datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)
    limits = Limits(hourly=1, daily=1, monthly=1)
    await counted(pool, 1, end)
    assert await allowance.hold(ONE, limits, 1, now=end) is Period.HOUR
    (await held(allowance, 1, limits, now=end + timedelta(seconds=1))).end(taken=False)


async def test_each_account_is_judged_by_its_own(allowance, pool):
    await counted(pool, 10)
    assert await allowance.hold(ONE, TEN_A_DAY, 1, now=NOW) is Period.DAY
    assert isinstance(await allowance.hold(2, TEN_A_DAY, 10, now=NOW), Hold)


async def test_while_the_database_is_away_the_last_figures_serve_for_a_minute(database, clock):
    async with db.pool(database, name="test-outage") as pool:
        allowance = Allowance(pool, clock)
        (await held(allowance, 9)).end(taken=True)
        await pool.close()
        clock.forward(seconds=20)
        assert await allowance.hold(ONE, TEN_A_DAY, 2, now=NOW) is Period.DAY
        clock.forward(seconds=60)
        with pytest.raises(StoreUnavailable):
            await allowance.hold(ONE, TEN_A_DAY, 2, now=NOW)


# usage ------------------------------------------------------------------------------------------------------------------


async def test_sums_begin_with_the_hour_the_day_and_the_month(pool):
    for at, messages in (
        ("2026-05-04T10:05", 1),
        ("2026-05-04T09:59", 10),
        ("2026-05-03T23:59", 100),
        ("2026-05-01T00:00", 1_000),
        ("2026-04-30T23:59", 10_000),
    ):
        await counted(pool, messages, datetime.fromisoformat(at).replace(tzinfo=UTC))
    expected = Used(hour=1, day=11, month=1_111)
    assert (await usage.of_account(pool, ONE, now=NOW)).used == expected
    await usage.tidy(pool, now=NOW)
    assert await pool.fetchval("SELECT count(*) FROM usage_days") == 3
    found = await usage.of_account(pool, ONE, now=NOW)
    assert (found.used, found.last_day.isoformat()) == (expected, "2026-05-04")
    assert (await usage.of_account(pool, 2, now=NOW)) == usage.Usage(Used(), None)


async def test_many_writers_of_one_row_lose_nothing(pool):
    await asyncio.gather(*(counted(pool, 1, shard=number % 2) for number in range(40)))
    assert (await usage.of_account(pool, ONE, now=NOW)).used.day == 40


async def test_a_reader_sees_each_message_once_while_hours_are_added_up(pool):
    old = NOW - timedelta(hours=9)
    for shard in range(8):
        await counted(pool, 5, old, shard=shard)
    async with pool.acquire() as adding:
        transaction = adding.transaction()
        await transaction.start()
        await usage.tidy(adding, now=NOW)
        assert (await usage.of_account(pool, ONE, now=NOW)).used.day == 40
        await transaction.commit()
    assert (await usage.of_account(pool, ONE, now=NOW)).used.day == 40


# how accounts stand -----------------------------------------------------------------------------------------------------


async def test_the_book_forgets_within_seconds_and_at_once_when_told(pool, clock):
    account = await store.get_or_create_account(pool, "acme")
    book = AccountBook(pool, clock)
    assert (await book.standing(account.account_id, 0)).options.rest_tracking_default
    await store.change_account(pool, account.account_id, options={"rest_tracking_default": False})
    assert (await book.standing(account.account_id, 0)).options.rest_tracking_default
    clock.forward(seconds=5)
    assert not (await book.standing(account.account_id, 0)).options.rest_tracking_default
    await store.change_account(pool, account.account_id, options={"rest_tracking_default": True})
    book.forget()
    assert (await book.standing(account.account_id, 0)).options.rest_tracking_default


async def test_only_what_exists_stands(pool, clock):
    account = await store.get_or_create_account(pool, "acme")
    book = AccountBook(pool, clock)
    assert await book.standing(account.account_id, 1) is None
    assert await book.standing(999, 0) is None
    await subaccount(pool, account.account_id, 1, ip_pool="bulk")
    clock.forward(seconds=1)
    found = await book.standing(account.account_id, 1)
    assert (found.suspended, found.ip_pool) == (False, "bulk")


async def test_subaccounts_that_are_made_at_once_get_different_numbers(pool):
    account = await store.get_or_create_account(pool, "acme")

    async def make(name: str) -> int:
        async with pool.acquire() as connection, connection.transaction():
            return (await subaccounts.create(connection, account.account_id, name=name)).subaccount_id

    assert sorted(await asyncio.gather(*(make(f"n{n}") for n in range(8)))) == list(range(1, 9))


# the migration ----------------------------------------------------------------------------------------------------------


def test_numbers_that_were_used_before_become_subaccounts(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    every = resources.files("homing.sql").joinpath("migrations")
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in every.iterdir():
        if file.name.endswith(".sql") and file.name < "0011":
            shutil.copy(str(file), folder / file.name)
    with monkeypatch.context() as patched:
        patched.setattr(module.resources, "files", lambda _: tmp_path)
        migrate(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO accounts (name) VALUES ('acme'), ('other')")
        connection.execute(
            "INSERT INTO api_keys (account_id, subaccount_id, label, key_hash, short_key, grants) "
            "VALUES (1, 0, 'k', '0', '0', '{}'), (1, 7, 'k', '1', '1', '{}'), (2, 7, 'k', '2', '2', '{}')"
        )
        connection.execute(
            "INSERT INTO sending_domains (domain, account_id, subaccount_id) VALUES ('a.test', 1, 7), ('b.test', 1, 3)"
        )
        connection.execute(
            "INSERT INTO suppressions (account_id, subaccount_id, recipient, type, source) "
            "VALUES (99, 5, 'kim@there.test', 'transactional', 'Manually Added')"
        )
    migrate(database)
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT account_id, subaccount_id, name, status FROM subaccounts ORDER BY 1, 2").fetchall()
    assert rows == [(1, 3, "Subaccount 3", "active"), (1, 7, "Subaccount 7", "active"), (2, 7, "Subaccount 7", "active")]
