"""The database that tests get."""

from homing.ground import db


async def test_a_test_gets_a_migrated_database(pool: db.Pool):
    assert await pool.fetchval("SELECT count(*) FROM shards") == 64


async def test_what_one_test_writes_another_does_not_see_1(pool: db.Pool):
    await pool.execute("INSERT INTO accounts (name) VALUES ('acme')")
    assert await pool.fetchval("SELECT count(*) FROM accounts") == 1


async def test_what_one_test_writes_another_does_not_see_2(pool: db.Pool):
    await pool.execute("INSERT INTO accounts (name) VALUES ('acme')")
    assert await pool.fetchval("SELECT count(*) FROM accounts") == 1
