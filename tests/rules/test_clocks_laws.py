"""What holds of every clock, whatever its marks are (model, section 3.5)."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.hours.rules.measure import elapsed
from homing.support.clocks.rules import cadence
from homing.support.clocks.rules.cadence import Every, Times
from homing.support.clocks.rules.run import read
from homing.support.clocks.rules.tally import tallies
from homing.support.clocks.rules.terms import TERMS
from homing.support.clocks.types import (
    Basis,
    ClockLog,
    Kind,
    Mark,
    Nature,
    Paused,
    Reached,
    Resumed,
    Started,
    State,
    Stopped,
    Superseded,
    Voided,
)
from tests.kit.clocks import pin_of
from tests.kit.hours import at, calendar

BASE = at("2026-10-29T00:00Z")
EASTERN = calendar("ET")
PEOPLE = ("staff 1", "staff 2")
seconds = st.integers(0, 6 * 86_400)
kinds = st.sampled_from(Kind)


def log(kind: Kind, start: int, budget: int, marks: list[tuple[str, int]]) -> ClockLog:
    made: list[Mark] = [
        Started(
            at=BASE + timedelta(seconds=start),
            budget_s=budget,
            pin=pin_of(EASTERN) if TERMS[kind].basis is Basis.BUSINESS else None,
        )
    ]
    for what, offset in marks:
        when = BASE + timedelta(seconds=start + offset)
        made.append(
            {
                "pause": lambda when=when: Paused(at=when),
                "resume": lambda when=when: Resumed(at=when),
                "stop": lambda when=when: Stopped(at=when),
                "reach": lambda when=when: Reached(at=when),
                "supersede": lambda when=when: Superseded(at=when, by="other"),
                "void": lambda when=when: Voided(at=when, people=PEOPLE, reason="a test"),
            }[what]()
        )
    return ClockLog(kind=kind, marks=tuple(made))


what = st.sampled_from(["pause", "resume", "pause", "resume", "stop", "reach", "supersede", "void"])
logs = st.builds(log, kinds, seconds, st.integers(0, 40 * 3600), st.lists(st.tuples(what, seconds), max_size=8))


@given(logs, seconds)
@settings(deadline=None, max_examples=100)
def test_spans_join_and_add_up_to_the_time_on_the_wall(one: ClockLog, later: int):
    now = max(mark.at for mark in one.marks) + timedelta(seconds=later)
    found = read(one, EASTERN, now=now)
    end = found.ended_at or now
    edges = [(span.start, span.end or now) for span in found.spans]
    assert all(before[1] == after[0] for before, after in pairwise(edges))
    assert sum((stop - start for start, stop in edges), timedelta()) == end - found.started_at
    if edges:
        assert (edges[0][0], edges[-1][1]) == (found.started_at, end)


@given(logs, seconds)
@settings(deadline=None, max_examples=100)
def test_elapsed_is_what_ran_and_never_more_than_the_wall(one: ClockLog, later: int):
    now = max(mark.at for mark in one.marks) + timedelta(seconds=later)
    found = read(one, EASTERN, now=now)
    running = [(span.start, span.end or now) for span in found.spans if span.runs]
    measured = sum(
        elapsed(EASTERN, start, stop) if found.basis is Basis.BUSINESS else int((stop - start).total_seconds())
        for start, stop in running
    )
    assert found.elapsed_s == measured
    assert found.remaining_s == max(0, found.budget_s - measured)


@given(logs, st.lists(st.tuples(what, seconds), max_size=4), seconds)
@settings(deadline=None, max_examples=150)
def test_an_outcome_is_written_once_whatever_follows(one: ClockLog, more: list[tuple[str, int]], later: int):
    now = max(mark.at for mark in one.marks)
    before = read(one, EASTERN, now=now)
    if before.outcome is None:
        return
    start = int((now - BASE).total_seconds())
    longer = ClockLog(kind=one.kind, marks=(*one.marks, *log(one.kind, start, 0, more).marks[1:]))
    after = read(longer, EASTERN, now=now + timedelta(seconds=later))
    assert (after.outcome, after.outcome_at, after.state) == (before.outcome, before.outcome_at, before.state)


@given(logs, seconds, seconds)
@settings(deadline=None, max_examples=100)
def test_time_alone_only_ever_misses(one: ClockLog, first: int, second: int):
    now = max(mark.at for mark in one.marks) + timedelta(seconds=first)
    before, after = (read(one, EASTERN, now=moment) for moment in (now, now + timedelta(seconds=second)))
    assert after.elapsed_s >= before.elapsed_s
    if before.state is not after.state:
        assert (before.state, after.state) == (State.RUNNING, State.MISSED)
        assert before.due_at == after.outcome_at
        assert before.due_at is not None
        assert now <= before.due_at < now + timedelta(seconds=second)


@given(st.integers(0, 900), st.lists(st.tuples(st.sampled_from(["pause", "resume", "supersede", "reach"]), seconds), max_size=6))
@settings(deadline=None)
def test_a_call_back_is_only_met_missed_or_void(attempt: int, marks: list[tuple[str, int]]):
    owed = log(Kind.CALLBACK, 0, 900, marks)
    found = read(owed, None, now=BASE)
    assert found.state in (State.RUNNING, State.MISSED)
    assert found.due_at == BASE + timedelta(seconds=900)
    placed = ClockLog(kind=Kind.CALLBACK, marks=(owed.marks[0], Stopped(at=BASE + timedelta(seconds=attempt)), *owed.marks[1:]))
    assert read(placed, None, now=BASE).state is State.MET


@given(logs)
@settings(deadline=None, max_examples=100)
def test_reading_twice_gives_the_same(one: ClockLog):
    now = max(mark.at for mark in one.marks)
    assert read(one, EASTERN, now=now) == read(one, EASTERN, now=now)


def test_a_clock_is_made_void_by_two_people_and_with_a_reason():
    for people, reason in ((("staff 1", "staff 1"), "spam"), (("staff 1", ""), "spam"), (PEOPLE, " ")):
        with pytest.raises(ValueError, match="two people"):
            Voided(at=BASE, people=people, reason=reason)
    found = read(log(Kind.CALLBACK, 0, 900, [("void", 60)]), None, now=BASE)
    assert (found.state, found.remark) == (State.VOID, "a test")
    late = read(log(Kind.CALLBACK, 0, 900, [("void", 901)]), None, now=BASE)
    assert late.state is State.MISSED, "once missed, always missed"
    assert late.void is not None
    assert [(tally.void, tally.missed) for tally in tallies([late])] == [(1, 0)], "it is told apart, and counts for neither"


def test_natures_are_counted_apart():
    met = [("stop", 1)]
    made = [read(log(kind, 0, 4 * 3600, met), EASTERN, now=BASE) for kind in Kind]
    made.append(read(log(Kind.CALLBACK, 0, 900, [("stop", 901)]), None, now=BASE))
    found = tallies(made)
    assert [(one.kind, one.met, one.missed, one.attainment) for one in found if one.nature is Nature.CONTRACTUAL] == [
        (Kind.CALLBACK, 1, 1, 0.5)
    ], "a cadence that nobody agreed is not among them"
    assert {one.kind for one in found if one.nature is Nature.OBJECTIVE} == {
        Kind.OWN,
        Kind.FIRST_RESPONSE,
        Kind.UPDATE,
        Kind.TAM_REPLY,
    }
    assert sum(one.met + one.missed for one in found) == len(made)


cadences = st.one_of(
    st.builds(Every, interval_s=st.integers(300, 7 * 86_400)),
    st.builds(
        Times,
        zone=st.sampled_from(["America/New_York", "America/Los_Angeles", "Europe/London", "Australia/Lord_Howe", "UTC"]),
        minutes=st.sets(st.integers(0, 1439), min_size=1, max_size=4).map(lambda found: tuple(sorted(found))),
    ),
)


@given(cadences, seconds)
@settings(deadline=None, max_examples=150)
def test_the_next_update_is_due_later_and_within_what_was_agreed(form, offset: int):
    last = BASE + timedelta(seconds=offset)
    due = cadence.following(form, last)
    assert last < due <= last + timedelta(seconds=form.interval_s if isinstance(form, Every) else 26 * 3600)
    assert cadence.following(form, due - timedelta(seconds=1)) <= due or isinstance(form, Every)


@given(cadences, cadences, st.integers(0, 40 * 3600))
@settings(deadline=None, max_examples=150)
def test_a_new_cadence_is_due_after_its_acceptance_and_no_agreement_undoes_a_miss(old, new, later: int):
    last = BASE
    old_due, accepted = cadence.following(old, last), BASE + timedelta(seconds=later)
    due = cadence.renegotiated(new, last_update=last, old_due=old_due, accepted=accepted)
    assert due >= accepted
    if accepted > old_due:
        assert due == cadence.following(new, accepted)
    else:
        assert due in (cadence.following(new, last), old_due, cadence.following(new, accepted))
