"""Who is on duty, whom a ladder pages and when, what answers do (model, sections 3.5 to 3.7 and 4.2)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from homing.ground.errors import Misuse
from homing.hours.rules.text import read_week
from homing.support.oncall.rules import ladder
from homing.support.oncall.rules.duty import begins, on_duty, shifts, whose_turn
from homing.support.oncall.types import Ladder, Override, Rotation, Schedule, Severity, Step, Target, Whom
from tests.kit.oncall import BOSS, EXTRA, INCIDENT, NOBODY, PRIMARY, SECONDARY, START, TAM, climb, facts, run

ANN, BOB, EVE = 11, 12, 13
ET = "America/New_York"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def wall(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type, misc]


def minutes(heard: list) -> list[tuple[float, tuple[int, ...]]]:
    return [(seconds / 60, paging.people) for seconds, paging in heard]


WEEKLY = Rotation(zone=ET, people=(ANN, BOB), starts_on=date(2026, 10, 5))  # a Monday, 09:00


# -- who is on duty


@pytest.mark.parametrize(
    ("at", "who"),
    [
        (wall(ET, 2026, 10, 5, 8, 59), None),
        (wall(ET, 2026, 10, 5, 9, 0), ANN),
        (wall(ET, 2026, 10, 12, 8, 59), ANN),
        (wall(ET, 2026, 10, 12, 9, 0), BOB),
        (wall(ET, 2026, 10, 26, 9, 0), BOB),
        (utc(2026, 11, 2, 13, 59), BOB),  # the clocks went back on 1 November: 09:00 is 14:00Z from now on
        (utc(2026, 11, 2, 14, 0), ANN),
        (utc(2027, 3, 15, 12, 59), ANN),  # and forward on 14 March: 13:00Z
        (utc(2027, 3, 15, 13, 0), BOB),
    ],
)
def test_turns_change_by_the_clock_on_the_wall(at, who):
    assert whose_turn(WEEKLY, at) == who


def test_a_hand_over_that_the_clock_skips_comes_right_after_the_gap_and_one_that_comes_twice_at_its_first():
    daily = Rotation(zone=ET, people=(ANN, BOB), starts_on=date(2026, 3, 7), hands_over_min=150, every_days=1)
    assert begins(daily, 1) == utc(2026, 3, 8, 7, 0).timestamp()
    back = replace(daily, starts_on=date(2026, 10, 31), hands_over_min=90)
    assert begins(back, 1) == utc(2026, 11, 1, 5, 30).timestamp()


def test_an_override_replaces_everybody_and_the_latest_recorded_wins():
    begin, end = utc(2026, 10, 13), utc(2026, 10, 14)
    first = Override(override_id=1, person_id=EVE, begins_at=begin, ends_at=end)
    second = Override(override_id=2, person_id=None, begins_at=utc(2026, 10, 13, 12), ends_at=utc(2026, 10, 13, 13))
    schedule = Schedule(name="primary", rotations=(WEEKLY,), overrides=(first, second))
    assert on_duty(schedule, begin - timedelta(microseconds=1)) == (BOB,)
    assert on_duty(schedule, begin) == (EVE,)
    assert on_duty(schedule, utc(2026, 10, 13, 12)) == ()
    assert on_duty(schedule, utc(2026, 10, 13, 13)) == (EVE,)
    assert on_duty(schedule, end) == (BOB,)


def test_rotations_are_on_duty_together_and_only_within_their_windows():
    night = replace(WEEKLY, people=(EVE,), weekly=read_week("mon-sun 00:00-08:00,20:00-24:00"))
    schedule = Schedule(name="primary", rotations=(WEEKLY, night, WEEKLY))
    assert on_duty(schedule, wall(ET, 2026, 10, 6, 7, 59)) == (ANN, EVE)
    assert on_duty(schedule, wall(ET, 2026, 10, 6, 8, 0)) == (ANN,)
    assert on_duty(schedule, wall(ET, 2026, 10, 6, 20, 0)) == (ANN, EVE)


def test_a_schedule_without_people_has_nobody_on_duty():
    assert on_duty(Schedule(name="x"), START) == ()
    assert on_duty(Schedule(name="x", rotations=(replace(WEEKLY, people=()),)), START) == ()


ZONES = st.sampled_from([ET, "America/Los_Angeles", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata"])
ROTATIONS = st.builds(
    Rotation,
    zone=ZONES,
    people=st.lists(st.integers(1, 5), max_size=4).map(tuple),
    starts_on=st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    hands_over_min=st.integers(0, 1439),
    every_days=st.integers(1, 15),
    weekly=st.sampled_from([(), read_week("mon-fri 09:00-17:00"), read_week("sat-sun 00:00-24:00")]),
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(lambda naive: naive.replace(tzinfo=UTC))


@given(ROTATIONS, MOMENTS)
def test_somebody_has_every_turn_and_it_lasts_until_the_next(rotation, at):
    always = replace(rotation, weekly=(), people=rotation.people or (1,))
    first = begins(always, 0)
    assert (whose_turn(always, at) is None) == (at.timestamp() < first)


@given(st.lists(ROTATIONS, max_size=3), MOMENTS, st.integers(1, 20 * 1440))
def test_shifts_leave_no_gap_and_tell_what_every_instant_tells(rotations, start, length):
    schedule = Schedule(name="x", rotations=tuple(rotations))
    end = start + timedelta(minutes=length)
    found = shifts(schedule, start, end)
    assert (found[0].begins_at, found[-1].ends_at) == (start, end)
    for one, other in pairwise(found):
        assert one.ends_at == other.begins_at
        assert one.people != other.people
    for shift in found:
        for at in (
            shift.begins_at,
            shift.begins_at + (shift.ends_at - shift.begins_at) / 2,
            shift.ends_at - timedelta(seconds=1),
        ):
            if shift.begins_at <= at < shift.ends_at:
                assert on_duty(schedule, at) == shift.people


# -- the ladder


def test_the_ladder_pages_at_0_2_5_8_11_13_minutes_also_while_the_clock_goes_back():
    _, heard = climb(run(), facts(), START + timedelta(minutes=15))
    assert minutes(heard) == [
        (0, (PRIMARY,)),
        (2, (SECONDARY,)),
        (5, (TAM, INCIDENT)),
        (8, (PRIMARY, SECONDARY, INCIDENT, EXTRA)),
        (11, (BOSS,)),
        (13, (PRIMARY, SECONDARY, INCIDENT, EXTRA, BOSS)),
    ]
    local = [(START + timedelta(seconds=seconds)).astimezone(ZoneInfo(ET)).strftime("%H:%M %Z") for seconds, _ in heard]
    assert local == ["01:50 EDT", "01:52 EDT", "01:55 EDT", "01:58 EDT", "01:01 EST", "01:03 EST"]
    assert heard[-1][1].alarm


def test_an_empty_step_is_no_wait_and_what_follows_is_as_much_earlier():
    nobody_second = facts(on_duty={"primary": (PRIMARY,)}, tam=None)
    _, heard = climb(run(), nobody_second, START + timedelta(minutes=15))
    assert minutes(heard)[:3] == [
        (0, (PRIMARY,)),
        (2, facts().roster),
        (5, (BOSS,)),
    ]
    assert minutes(heard)[-1][0] == 13, "the alarm keeps its time"


def test_a_tam_outside_business_hours_is_not_paged():
    _, heard = climb(run(), facts(tam=None), START + timedelta(minutes=15))
    assert minutes(heard)[2] == (5, (INCIDENT,))


def test_who_cannot_be_reached_counts_as_nobody():
    _, heard = climb(run(), facts(reachable=frozenset({SECONDARY, BOSS})), START)
    assert minutes(heard) == [(0, (SECONDARY,))]


def test_if_all_steps_are_empty_everybody_of_oncall_and_admin_is_paged_at_once():
    steps = (Step(after_s=0, targets=(Target(Whom.SCHEDULE, "a"),)), Step(after_s=300, targets=(Target(Whom.SCHEDULE, "b"),)))
    one, heard = climb(run(steps=steps), facts(), START)
    assert minutes(heard) == [(0, (PRIMARY, SECONDARY, EXTRA, BOSS))]
    assert heard[0][1].broadcast
    assert one.found


def test_with_nobody_at_all_there_is_still_an_alarm():
    _, heard = climb(run(), NOBODY, START)
    assert [(paging.people, paging.broadcast, paging.alarm) for _, paging in heard] == [((), True, True)]


def test_steps_that_are_overdue_come_at_once_and_nobody_is_paged_twice_at_one_moment():
    one, pagings = ladder.advance(run(), facts(), START + timedelta(minutes=8))
    assert [paging.people for paging in pagings] == [(PRIMARY,), (SECONDARY,), (TAM, INCIDENT), (EXTRA,)]
    assert ladder.next_look(one) == START + timedelta(minutes=11)


def test_an_override_that_expires_during_the_ladder_counts_until_it_does():
    one, heard = climb(run(), facts(), START + timedelta(minutes=1))
    _, later = climb(one, facts(on_duty={"secondary": (EXTRA,)}), START + timedelta(minutes=2))
    assert minutes(heard) + minutes(later) == [(0, (PRIMARY,)), (2, (EXTRA,))]


def test_a_claim_holds_the_ladder_for_three_minutes_and_then_it_goes_on():
    one, _ = ladder.advance(run(), facts(), START)
    one = ladder.claimed(one, PRIMARY, START + timedelta(minutes=1))
    assert one is not None
    assert ladder.holder(one, START + timedelta(minutes=4) - timedelta(microseconds=1)) == PRIMARY
    assert ladder.holder(one, START + timedelta(minutes=4)) is None
    _, heard = climb(one, facts(), START + timedelta(minutes=8))
    assert minutes(heard)[:2] == [(4, (SECONDARY,)), (5, (TAM, INCIDENT))]


def test_there_is_one_claim_at_a_time():
    one = ladder.claimed(run(), PRIMARY, START)
    assert one is not None
    assert ladder.claimed(one, SECONDARY, START + timedelta(milliseconds=10)) is None
    again = ladder.claimed(one, PRIMARY, START + timedelta(minutes=2))
    assert again is not None
    assert again.claim == one.claim, "pressing 1 again gives no further three minutes"
    assert ladder.claimed(one, SECONDARY, START + timedelta(minutes=3)) is not None


def test_the_alarm_comes_over_a_claim_with_what_the_claim_has_held():
    one, _ = climb(run(), facts(), START + timedelta(minutes=10))
    one = ladder.claimed(one, PRIMARY, START + timedelta(minutes=10, seconds=30))
    assert one is not None
    _, heard = climb(one, facts(), START + timedelta(minutes=13))
    assert [(at, who) for at, who in minutes(heard)] == [(13, (BOSS,)), (13, (PRIMARY, SECONDARY, INCIDENT, EXTRA))]


def test_handing_on_makes_the_next_step_due_at_once_and_gives_up_the_claim():
    one, _ = ladder.advance(run(), facts(), START)
    now = START + timedelta(seconds=20)
    one = ladder.claimed(one, PRIMARY, now)
    assert one is not None
    assert ladder.handed_on(one, SECONDARY, now) is None, "another one's claim is not his to give up"
    handed = ladder.handed_on(one, PRIMARY, now)
    assert handed is not None
    after, pagings = ladder.advance(handed, facts(), now)
    assert [paging.people for paging in pagings] == [(SECONDARY,)]
    assert ladder.next_look(after) == now + timedelta(minutes=3), "as long after as it was written"


def test_an_acknowledgement_neither_holds_nor_ends_anything():
    one, _ = ladder.advance(run(), facts(), START)
    after = ladder.acknowledged(one, PRIMARY, START + timedelta(seconds=9))
    assert (after.engaged_by, after.ended_at, after.due_at) == (PRIMARY, None, one.due_at)
    assert ladder.next_look(after) == ladder.next_look(one)
    assert ladder.acknowledged(after, SECONDARY, START + timedelta(seconds=20)) == after, "the first one counts"


def test_a_run_that_has_ended_pages_nobody():
    one = ladder.ended(run(), "attempt placed", START)
    assert ladder.advance(one, facts(), START + timedelta(minutes=9)) == (one, [])
    assert (ladder.next_look(one), ladder.claimed(one, PRIMARY, START), ladder.handed_on(one, PRIMARY, START)) == (
        None,
        None,
        None,
    )
    assert ladder.ended(one, "again", START + timedelta(minutes=1)) == one


def test_after_its_last_step_everybody_is_paged_again_every_five_minutes_while_it_can_matter():
    one, heard = climb(run(), facts(), START + timedelta(hours=4))
    rounds = [at for at, _ in minutes(heard) if at > 13]
    assert rounds == [13 + 5 * number for number in range(1, ladder.MOST_ROUNDS + 1)]
    assert one.ended_because == "nobody answered"
    _, ordinary = climb(run(severity=Severity.ORDINARY), facts(), START + timedelta(hours=4))
    assert max(at for at, _ in minutes(ordinary)) == 13


@given(st.integers(0, 10**6))
def test_nothing_holds_back_a_page_of_severity_1(pages_within_the_hour):
    assert ladder.may_page(Severity.ONE, pages_within_the_hour)
    assert ladder.may_page(Severity.ORDINARY, pages_within_the_hour) == (pages_within_the_hour < ladder.PER_HOUR)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["claim", "hand on", "ack", "look"]), st.integers(1, 6), st.integers(0, 900)), max_size=12
)
FACTS = st.builds(
    lambda primary, secondary, tam, roster, reachable: facts(
        on_duty={"primary": primary, "secondary": secondary}, tam=tam, roster=roster, reachable=frozenset(reachable)
    ),
    st.lists(st.integers(1, 6), max_size=2).map(tuple),
    st.lists(st.integers(1, 6), max_size=2).map(tuple),
    st.one_of(st.none(), st.just(TAM)),
    st.lists(st.integers(1, 6), max_size=4).map(tuple),
    st.lists(st.integers(1, 6), max_size=6),
)


@given(ACTIONS, FACTS)
def test_whatever_people_do_the_promise_stays_and_no_step_comes_late(actions, found):
    one = run()
    for what, who, second in sorted(actions, key=lambda action: action[2]):
        now = START + timedelta(seconds=second)
        one, _ = climb(one, found, now)
        if what == "claim":
            one = ladder.claimed(one, who, now) or one
        elif what == "hand on":
            one = ladder.handed_on(one, who, now) or one
        elif what == "ack":
            one = ladder.acknowledged(one, who, now)
        assert (one.due_at, one.ended_at) == (START + timedelta(minutes=15), None)
        for number in range(one.next_step, len(one.steps)):
            assert ladder.due(one, number) <= one.at(one.steps[number].after_s)
        if ladder.holder(one, now) is None:
            assert one.next_step == len(one.steps) or ladder.due(one, one.next_step) > now or what in ("hand on", "look")
    one, _ = climb(one, found, START + timedelta(minutes=13))
    assert one.next_step == len(one.steps), "every step has had its turn when the alarm is told"
    assert one.found


@given(FACTS)
def test_somebody_is_paged_at_once_if_anybody_of_the_ladder_can_be(found):
    _, pagings = ladder.advance(run(), found, START)
    assert pagings
    anybody = any(ladder.whom(step.targets, found) for step in run().steps if not step.alarm)
    assert bool(pagings[0].people) >= anybody


def test_a_page_names_nothing_but_its_reference_and_the_time():
    assert ladder.words(run(), alarm=False) == "Severity 1: S1-1. A call-back is due at 06:05:00 UTC. Claim it, or hand it on."
    assert "about to be missed" in ladder.words(run(), alarm=True)


@pytest.mark.parametrize("times", [(), (60,), (0, 120, 60), (0, 90_000), tuple(range(21))])
def test_a_ladder_that_cannot_be_climbed_is_refused(times):
    steps = tuple(Step(after_s=second, targets=(Target(Whom.EVERYBODY),)) for second in times)
    with pytest.raises(Misuse):
        ladder.checked(Ladder(name="x", steps=steps))
    with pytest.raises(Misuse):
        ladder.checked(Ladder(name="x", steps=(Step(after_s=0, targets=()),)))
    assert ladder.checked(ladder.SEVERITY_1)


def test_an_attempt_holds_the_ladder_anew_and_only_for_whoever_has_it():
    later = START + timedelta(minutes=2)
    one = ladder.claimed(run(), PRIMARY, START)
    assert one is not None
    held = ladder.held(one, PRIMARY, later)
    assert held is not None
    assert (ladder.holder(held, START + timedelta(minutes=4)), held.engaged_at) == (PRIMARY, START)
    assert ladder.claimed(one, PRIMARY, later) == one  # a claim that is said again is not longer
    assert ladder.held(one, SECONDARY, later) is None
    assert ladder.held(ladder.ended(one, "over", later), PRIMARY, later) is None
    assert ladder.let_go(held).claim is None


def test_a_live_caller_is_connected_with_whom_the_ladder_wakes_before_it_wakes_everybody():
    steps = ladder.SEVERITY_1.steps
    assert ladder.rung_live(steps, facts()) == (PRIMARY, SECONDARY, TAM, INCIDENT)
    assert ladder.rung_live(steps, facts(tam=None, reachable=frozenset({SECONDARY}))) == (SECONDARY,)
    nobody = facts(on_duty={}, tam=None)
    assert ladder.rung_live(steps, nobody) == (PRIMARY, SECONDARY, EXTRA)  # no schedule names anybody: role oncall
    assert ladder.rung_live(steps, facts(on_duty={}, tam=None, is_scheduled=True)) == ()  # who is off duty sleeps
