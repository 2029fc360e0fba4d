"""Rows that are held to the end of a transaction, opened only where there are any; chores that are asked for when due."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from homing.ground import db
from homing.support.line.chores import Chores

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def numbers(connection, *, above=0):
    for row in await connection.fetch("SELECT number FROM held WHERE number > $1 ORDER BY 1 FOR UPDATE SKIP LOCKED", above):
        yield row["number"]


@pytest.fixture
async def held(pool):
    await pool.execute("CREATE TABLE IF NOT EXISTS held (number integer)")
    await pool.execute("TRUNCATE held")
    return pool


async def test_where_there_are_no_rows_no_transaction_is_opened(held):
    async with db.holding(held, numbers) as (connection, rows):
        assert (list(rows), connection.is_in_transaction()) == ([], False)


async def test_rows_are_one_holders_until_his_transaction_ends(held):
    await held.execute("INSERT INTO held VALUES (1), (2)")
    async with db.holding(held, numbers, above=1) as (connection, mine):
        assert (list(mine), connection.is_in_transaction()) == ([2], True)
        async with db.holding(held, numbers) as (_, others):
            assert list(others) == [1]
    async with db.holding(held, numbers) as (_, after):
        assert list(after) == [1, 2]


async def test_what_was_written_is_undone_where_the_block_fails(held):
    await held.execute("INSERT INTO held VALUES (1)")

    async def fail():
        async with db.holding(held, numbers) as (connection, _):
            await connection.execute("DELETE FROM held")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await held.fetchval("SELECT count(*) FROM held") == 1


async def test_one_of_all_workers_does_a_chore_each_period(pool):
    workers = [Chores(pool) for _ in range(3)]
    for minute in range(3):
        for second in (0, 1, 59):
            now = NOW + minute * MINUTE + timedelta(seconds=second)
            done = await asyncio.gather(*(worker.is_due("sweep", now=now, every=MINUTE) for worker in workers))
            assert sum(done) == (second == 0)


async def test_a_chore_of_a_worker_that_is_gone_is_done_by_another_when_it_is_due(pool):
    gone, left = Chores(pool), Chores(pool)
    assert await gone.is_due("dust", now=NOW, every=MINUTE)
    assert not await left.is_due("dust", now=NOW + MINUTE / 2, every=MINUTE)
    assert await left.is_due("dust", now=NOW + MINUTE, every=MINUTE)


async def test_a_chore_goes_on_after_the_clock_went_back(pool):
    chores = Chores(pool)
    assert await chores.is_due("wash", now=NOW + timedelta(days=400), every=MINUTE)
    assert await chores.is_due("wash", now=NOW, every=MINUTE)
    assert not await chores.is_due("wash", now=NOW + timedelta(seconds=1), every=MINUTE)
