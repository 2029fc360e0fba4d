"""What was recorded before ends were stamped: each end was recorded with whatever ended it."""

from importlib import resources

import asyncpg

MIGRATION = "0045_who_and_when.sql"
BEFORE = """
ALTER TABLE availability_exclusions DROP CONSTRAINT two_people,
    DROP COLUMN proposed_by_id, DROP COLUMN approved_by_id, DROP COLUMN withdrawn_by_id;
ALTER TABLE order_forms DROP COLUMN end_recorded_at;
ALTER TABLE tam_assignments DROP COLUMN end_recorded_at;
ALTER TABLE covers DROP COLUMN recorded_at;
INSERT INTO accounts (name) VALUES ('acme');
INSERT INTO staff (name, email, roles) VALUES ('Ann', 'ann@provider.test', '{tam}'), ('Bob', 'bob@provider.test', '{tam}');
INSERT INTO order_forms (account_id, service, plan, zone, holiday_set, sev1_entitled, period, recorded_at, recorded_by) VALUES
    (1, 'email', 'a', 'UK', 'GB-EAW', true, '[2026-01-01Z,2026-03-01Z)', '2026-01-01Z', 'x'),
    (1, 'email', 'b', 'UK', 'GB-EAW', true, '[2026-03-01Z,)', '2026-04-05Z', 'x'),
    (1, 'other', 'c', 'UK', 'GB-EAW', true, '[2026-01-01Z,2026-02-01Z)', '2026-01-01Z', 'x');
INSERT INTO tam_assignments (account_id, person_id, period, recorded_at, recorded_by) VALUES
    (1, 1, '[2026-01-01Z,2026-03-01Z)', '2026-01-01Z', 'x'), (1, 2, '[2026-03-01Z,)', '2026-04-05Z', 'x');
INSERT INTO covers (person_id, delegate_id, period, reason, recorded_by) VALUES (1, 2, '[2026-01-02Z,2026-01-03Z)', 'leave', 'x');
INSERT INTO availability_exclusions (since, until, kind, reason, evidence, proposed_by, approved_by, approved_at)
    VALUES ('2026-03-10Z', '2026-03-11Z', 'other', 'x', '', 'Ana', 'Bo', now());
"""


async def test_ends_that_were_recorded_before_are_stamped_with_the_record_that_made_them(database: str):
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(BEFORE)
        text = resources.files("homing.sql").joinpath("migrations", MIGRATION).read_text(encoding="utf-8")
        async with connection.transaction():
            await connection.execute(text)
        stamped = "SELECT end_recorded_at::date::text FROM {} ORDER BY recorded_at, 1"
        assert [row[0] for row in await connection.fetch(stamped.format("order_forms"))] == ["2026-04-05", None, None]
        assert [row[0] for row in await connection.fetch(stamped.format("tam_assignments"))] == ["2026-04-05", None]
        assert await connection.fetchval("SELECT recorded_at FROM covers") is None, "nobody knows when that was"
        kept = await connection.fetchrow("SELECT proposed_by, approved_by, approved_by_id FROM availability_exclusions")
        assert tuple(kept) == ("Ana", "Bo", None)
    finally:
        await connection.close()
