"""The nightly audit of the Severity 1 Line: what was lived is in order; what a hand in the database changed is said."""

from datetime import timedelta

from homing.support.clocks.auditor import Auditor
from homing.support.line.audit import LineSource
from homing.support.line.types import Outcome
from tests.kit.line import LineHouse
from tests.kit.moved_clock import MovedLegalClock
from tests.wire.test_line_call_back import house, rang  # noqa: F401


def auditor(house: LineHouse) -> Auditor:  # noqa: F811
    legal = MovedLegalClock(house.clock)
    return Auditor(house.pool, legal, [LineSource(legal)])


async def findings(house: LineHouse) -> list[str]:  # noqa: F811
    audit = await auditor(house).audit(house.clock.now())
    assert audit.subjects == len(await house.intakes())
    return [one.what for one in audit.findings]


async def test_calls_that_were_returned_missed_and_owed_are_in_order(house: LineHouse):  # noqa: F811
    await rang(house)
    assert await findings(house) == [], "owed"
    await house.forward(minutes=4)
    assert (await house.call_back("ana")).status_code == 200
    owed = await house.owed()
    assert owed.outcome is Outcome.MET
    assert await findings(house) == [], "returned"
    await rang(house)
    await house.forward(minutes=20)
    assert [(await house.owed(one.intake_id)).outcome for one in await house.intakes()] == [Outcome.MET, Outcome.MISSED]
    assert await findings(house) == [], "missed"


async def test_a_hand_in_the_database_is_said_and_nothing_is_corrected(house: LineHouse):  # noqa: F811
    await rang(house)
    owed = await house.owed()
    await house.pool.execute("UPDATE line_obligations SET outcome = 'met', outcome_at = due_at, returned_at = due_at")
    (unproven,) = await findings(house)
    assert "when no attempt was placed" in unproven
    await house.pool.execute("UPDATE line_obligations SET returned_at = NULL")
    (said,) = await findings(house)
    assert said == "it is kept as met, and is open by what happened"
    house.clock.forward(minutes=20)
    assert await findings(house) == ["it is kept as met, and is missed by what happened"]
    await house.pool.execute("UPDATE line_calls SET first_ring_at = first_ring_at - interval '1 minute'")
    assert any("later than fifteen minutes" in one for one in await findings(house))
    assert (await house.owed()).due_at == owed.due_at


async def test_a_miss_that_nobody_wrote_down_is_found_only_once_it_is_late(house: LineHouse):  # noqa: F811
    await rang(house)
    house.clock.forward(minutes=24)
    assert await findings(house) == []
    house.clock.forward(minutes=2)
    assert await findings(house) == ["it is kept as open, and is missed by what happened"]
    await house.pool.execute("UPDATE line_obligations SET due_at = due_at - interval '1 hour'")
    audit = await auditor(house).nightly()
    assert audit is not None
    assert [(one.subject, one.clock) for one in audit.findings] == [("call-back", 0)]
    assert timedelta() <= audit.ended_at - audit.began_at  # type: ignore[operator]
