"""What is recorded about Business Hours is only ever added, in the order of the server's clock."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from homing.ground import db
from homing.hours import store
from homing.hours.rules.contract import TERMS
from homing.hours.rules.measure import due, elapsed
from homing.hours.types import HolidaySet, Misuse, OpeningHours, ServiceZone
from tests.kit.hours import at, hours

HOUR = 3600
EASTERN = TERMS[ServiceZone.ET].hours


async def record(pool: db.Pool, made: OpeningHours, *, zone: ServiceZone = ServiceZone.ET, follows: int = 0, **more):
    return await store.record_version(pool, zone, made, follows=follows, author="kim", reason="a test", **more)


async def declare(pool: db.Pool, day: str, *, holiday_set: HolidaySet = HolidaySet.GB_EAW, active: bool = True):
    return await store.record_holiday(
        pool,
        holiday_set,
        date.fromisoformat(day),
        name="Jubilee",
        active=active,
        source="a proclamation",
        source_version="1",
        author="kim",
        reason="it was proclaimed",
        substitute_for=None,
    )


async def test_without_records_the_contract_holds(pool: db.Pool):
    for zone in ServiceZone:
        found = await store.calendar(pool, zone)
        assert (found.zone, found.holiday_set, found.versions, found.holiday_changes) == (
            zone,
            TERMS[zone].holiday_sets[0],
            (),
            (),
        )
    assert due(await store.calendar(pool, ServiceZone.UK), at("2026-12-24T16:29Z"), HOUR) == at("2026-12-29T09:29Z")


async def test_a_version_comes_back_as_it_was_recorded(pool: db.Pool):
    before = datetime.now(UTC) - timedelta(seconds=5)
    made = hours("ET", week="mon-fri 08:00-18:00; sat 10:00-12:00", on={"2086-12-24": "09:00-11:00", "2086-12-26": "closed"})
    kept = await record(
        pool,
        made,
        effective_from=at("2086-01-01T05:00Z"),
        effective_to=at("2087-01-01T05:00Z"),
        notice_sent_at=at("2029-12-01T05:00Z"),
    )
    (read,) = (await store.calendar(pool, ServiceZone.ET)).versions
    assert read == kept
    assert (read.number, read.hours, read.author, read.reason) == (1, made, "kim", "a test")
    assert (read.effective_from, read.effective_to) == (at("2086-01-01T05:00Z"), at("2087-01-01T05:00Z"))
    assert read.notice_sent_at == at("2029-12-01T05:00Z")
    assert before < read.recorded_at < datetime.now(UTC) + timedelta(seconds=5)
    assert (await store.calendar(pool, ServiceZone.PT)).versions == ()


async def test_hours_that_are_meant_for_no_other_time_begin_when_they_are_recorded(pool: db.Pool):
    kept = await record(pool, EASTERN)
    assert kept.effective_from == kept.recorded_at.replace(microsecond=0)
    assert kept.effective_to is None


async def test_a_recorded_version_moves_what_lies_ahead_and_nothing_else(pool: db.Pool):
    ahead = at("2086-12-23T21:00Z")  # a Monday; Christmas is on Wednesday
    assert due(await store.calendar(pool, ServiceZone.ET), ahead, 4 * HOUR) == at("2086-12-24T17:00Z")
    await record(pool, hours("ET", on={"2086-12-24": "09:00-11:00"}))
    found = await store.calendar(pool, ServiceZone.ET)
    assert due(found, ahead, 4 * HOUR) == at("2086-12-26T15:00Z")
    past = datetime.now(UTC) - timedelta(days=40)
    assert elapsed(found, past, past + timedelta(days=30)) == elapsed(found.as_known_at(past), past, past + timedelta(days=30))


async def test_a_holiday_that_is_declared_and_taken_back_leaves_two_records(pool: db.Pool):
    one, other = await declare(pool, "2086-06-17"), await declare(pool, "2086-06-17", active=False)
    found = await store.calendar(pool, ServiceZone.UK)
    assert found.holiday_changes == (one, other)
    assert (one.number, other.number) == (1, 2)
    assert one.recorded_at < other.recorded_at
    assert (one.source, one.source_version, one.name) == ("a proclamation", "1", "Jubilee")
    begin, end = at("2086-06-16T23:00Z"), at("2086-06-17T23:00Z")
    assert elapsed(found.as_known_at(one.recorded_at), begin, end) == 0
    assert elapsed(found, begin, end) == 8 * HOUR
    assert (await store.calendar(pool, ServiceZone.UK, HolidaySet.GB_SCT)).holiday_changes == ()


async def test_versions_are_numbered_in_each_zone_in_the_order_of_recording(pool: db.Pool):
    for follows in range(3):
        await record(pool, EASTERN, follows=follows)
    await record(pool, EASTERN, zone=ServiceZone.PT)
    eastern = (await store.calendar(pool, ServiceZone.ET)).versions
    assert [one.number for one in eastern] == [1, 2, 3]
    assert [one.recorded_at for one in eastern] == sorted({one.recorded_at for one in eastern})
    assert [one.number for one in (await store.calendar(pool, ServiceZone.PT)).versions] == [1]


async def test_who_has_not_seen_the_last_version_records_nothing(pool: db.Pool):
    await record(pool, EASTERN)
    with pytest.raises(store.Overtaken, match="somebody else has recorded hours of ET"):
        await record(pool, hours("ET", week="mon 09:00-10:00"))
    assert len((await store.calendar(pool, ServiceZone.ET)).versions) == 1


async def test_of_many_recorders_at_once_one_gets_each_number(pool: db.Pool):
    results = await asyncio.gather(*(record(pool, EASTERN) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, store.Overtaken) for one in results) == 3
    made = await asyncio.gather(*(declare(pool, "2086-06-17") for _ in range(4)))
    assert sorted(one.number for one in made) == [1, 2, 3, 4]
    assert [one.recorded_at for one in sorted(made, key=lambda one: one.number)] == sorted(one.recorded_at for one in made)


@pytest.mark.parametrize("table", ["hours_versions", "holiday_changes"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET reason = 'another'", "DELETE FROM {}", "TRUNCATE {}"])
async def test_the_database_itself_refuses_to_change_a_record(pool: db.Pool, table: str, statement: str):
    await record(pool, EASTERN)
    await declare(pool, "2086-06-17")
    with pytest.raises(asyncpg.RaiseError, match="only ever added"):
        await pool.execute(statement.format(table))
    assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 1


async def test_nobody_chooses_the_time_of_recording(pool: db.Pool):
    kept = await pool.fetchrow(
        "INSERT INTO hours_versions (zone, version, hours, recorded_at, author, reason)"
        " VALUES ('ET', 1, '{\"weekly\": \"\"}', '2024-01-01Z', 'kim', 'a forgery') RETURNING recorded_at, effective_from"
    )
    assert all(abs(moment - datetime.now(UTC)) < timedelta(minutes=1) for moment in kept)


async def test_a_clock_that_went_back_records_nothing(pool: db.Pool):
    await record(pool, EASTERN)
    await pool.execute("ALTER TABLE hours_versions DISABLE TRIGGER ALL")
    await pool.execute("UPDATE hours_versions SET recorded_at = now() + interval '1 hour'")
    await pool.execute("ALTER TABLE hours_versions ENABLE TRIGGER ALL")
    with pytest.raises(store.ClockIsBehind, match="clock of the database server"):
        await record(pool, EASTERN, follows=1)
    with pytest.raises(store.ClockIsBehind):
        await declare(pool, "2086-06-17")


async def test_a_set_of_another_country_is_no_calendar(pool: db.Pool):
    with pytest.raises(Misuse, match="does not fit zone UK"):
        await store.calendar(pool, ServiceZone.UK, HolidaySet.US_FRB)
