"""Hours cut after the fact: what has run is kept, what lies ahead moves, the customer is told why, and no miss is undone."""

from homing.ground import db
from homing.hours import store as hours
from homing.hours.rules.contract import TERMS
from homing.hours.rules.text import read_windows
from homing.hours.types import OpeningHours, ServiceZone
from homing.support.cases.audit import CaseSource
from homing.support.cases.view import look
from homing.support.clocks.auditor import Auditor
from homing.support.clocks.keeper import Keeper
from homing.support.clocks.types import Kind, State
from tests.kit.cases import bench
from tests.kit.hours import at, shown

RECORDED = "Thu 2026-12-24 11:30 EST"


async def recorded(pool: db.Pool, moment: str, windows: str, reason: str, number: int) -> None:
    """Record hours of Eastern on 24 December, as if the server's clock had stood there."""
    day = at("2026-12-24T12:00Z").date()
    cut = OpeningHours(weekly=TERMS[ServiceZone.ET].hours.weekly, exceptions={day: read_windows(windows)})
    await hours.record_version(
        pool,
        ServiceZone.ET,
        cut,
        author="kim",
        reason=reason,
        effective_from=at("2026-12-24T05:00Z"),
        follows=number - 1,
    )
    async with pool.acquire() as connection:
        await connection.execute("ALTER TABLE hours_versions DISABLE TRIGGER USER")
        await connection.execute("UPDATE hours_versions SET recorded_at = $1 WHERE version = $2", at(moment), number)
        await connection.execute("ALTER TABLE hours_versions ENABLE TRIGGER USER")


async def test_hours_cut_after_the_fact(pool: db.Pool):
    town = await bench(pool, "Wed 2026-12-23 16:00 EST", zone=ServiceZone.ET)
    number = (await town.open("Mail is slow.")).case_id
    missed = (await town.open("Nobody takes this one.")).case_id
    keeper = Keeper(pool, town.legal, town.clock, [CaseSource()])
    first = await town.shows(number, Kind.FIRST_RESPONSE)
    assert first.due_at is not None
    assert shown(first.due_at, "ET") == "Thu 2026-12-24 12:00 EST"

    town.clock.forward(seconds=(at(RECORDED) - town.clock.now()).total_seconds())
    await keeper.turn()
    assert (await town.shows(missed, Kind.OWN)).state is State.MISSED
    await recorded(pool, RECORDED, "09:00-11:00", "the office closes early", 1)
    await keeper.turn()

    moved = await town.shows(number, Kind.FIRST_RESPONSE)
    assert moved.due_at is not None
    assert shown(moved.due_at, "ET") == "Mon 2026-12-28 09:30 EST", "the half hour from 11:00 to 11:30 has run, and is kept"
    town.clock.forward(minutes=1)
    assert (await town.shows(missed, Kind.OWN)).state is State.MISSED, "no other hours undo a miss"
    seen = await look(pool, town.legal, await town.case(number))
    (told,) = [one for one in seen.clocks if one.reading.kind is Kind.FIRST_RESPONSE]
    assert [(move.record.reason, move.before, move.after) for move in told.moved] == [
        ("the office closes early", at("Thu 2026-12-24 12:00 EST"), at("Mon 2026-12-28 09:30 EST"))
    ]
    town.clock.forward(seconds=(at("Mon 2026-12-28 09:30 EST") - town.clock.now()).total_seconds())
    await town.answer(number)
    assert (await town.shows(number, Kind.FIRST_RESPONSE)).state is State.MET
    audit = await Auditor(pool, town.legal, [CaseSource()]).audit(town.clock.now())
    assert audit.findings == ()
