"""A case at 16:29 on the last London day before Christmas: one minute counts today, the rest after Boxing Day's substitute."""

from datetime import timedelta

from homing.ground import db
from homing.support.cases.audit import CaseSource
from homing.support.cases.keeper import Keeper
from homing.support.clocks.keeper import Keeper as ClockKeeper
from homing.support.clocks.store import GRACE
from homing.support.clocks.types import Kind, State
from tests.kit.cases import bench
from tests.kit.hours import at, shown


async def test_a_case_at_16_29_on_the_last_london_day_before_christmas(pool: db.Pool):
    town = await bench(pool, "Thu 2026-12-24 16:29 GMT")
    case = await town.open("Mail is slow.")
    number = case.case_id
    own, first = await town.shows(number, Kind.OWN), await town.shows(number, Kind.FIRST_RESPONSE)
    assert own.due_at is not None
    assert first.due_at is not None
    assert shown(own.due_at, "UK") == "Tue 2026-12-29 09:29 GMT"
    assert shown(first.due_at, "UK") == "Tue 2026-12-29 12:29 GMT"

    keepers = ClockKeeper(pool, town.legal, town.clock, [CaseSource()]), Keeper(pool, town.legal, town.desk)
    while town.clock.now() < at("Tue 2026-12-29 08:30 GMT"):
        town.clock.forward(hours=6)
        for keeper in keepers:
            await keeper.turn()
    assert town.clock.now() == at("Tue 2026-12-29 10:29 GMT")
    assert (await town.shows(number, Kind.OWN)).state is State.MISSED, "nobody took it in time"
    assert (await town.shows(number, Kind.FIRST_RESPONSE)).state is State.RUNNING

    town.clock.forward(hours=2)
    await town.answer(number, "We look at it.")
    answered = await town.shows(number, Kind.FIRST_RESPONSE)
    assert (answered.state, answered.elapsed_s) == (State.MET, 4 * 3600), "at the very instant that was due"

    late = await bench(pool, "Thu 2026-12-24 16:30 GMT", account="late")
    other = await late.open("Exactly at closing time.")
    due = (await late.shows(other.case_id, Kind.OWN)).due_at
    assert due is not None
    assert shown(due, "UK") == "Tue 2026-12-29 09:30 GMT"
    late.clock.forward(seconds=(due - late.clock.now() + GRACE + timedelta(seconds=1)).total_seconds())
    await ClockKeeper(pool, late.legal, late.clock, [CaseSource()]).turn()
    assert (await late.shows(other.case_id, Kind.OWN)).outcome_at == due
