"""Clause D, exactly: which seconds are Unavailable, what they come to in a month, when they are persistent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.availability.rules.episodes import costly, episodes, reached
from homing.availability.rules.exclusions import (
    NotPossible,
    check_approval,
    check_proposal,
    check_withdrawal,
    excluded,
    overlay,
)
from homing.availability.rules.judging import Expected, blind, judge, known_until, provisional, united, with_unknown
from homing.availability.rules.share import Outcome, budget, outcome, uptime
from homing.availability.types import Doors, Exclusion, ExclusionKind, Judged, Month, Seen
from homing.contracts.types import Role, StaffMember
from homing.evidence.journal import Journal
from homing.evidence.reading import gathered
from homing.evidence.rules.seconds import of, span
from homing.evidence.types import Door, FaultTag

NOW = datetime(2026, 4, 3, 12, tzinfo=UTC)
API, SMTP = Door.API, Door.SMTP
OK, FAIL, VOID = (FaultTag.NONE, "200"), (FaultTag.SERVER, "500"), (FaultTag.VOID, "499")


def ranges(*found: int | tuple[int, int]) -> int:
    """Return a set: single seconds, and ranges with both ends."""
    bits = 0
    for one in found:
        bits |= span(one[0], one[1] + 1) if isinstance(one, tuple) else 1 << one
    return bits


# the worked example of the model, section 5.6: through a real journal -------------------------------------------------

BASE = int(datetime(2026, 3, 10, 14, tzinfo=UTC).timestamp())


@pytest.fixture
async def worked(tmp_path) -> Seen:
    journal = Journal(tmp_path, "p")

    def note(door: Door, first: int, last: int, *ends: tuple[FaultTag, str]) -> None:
        for second in range(first, last + 1):
            for end in ends:
                journal.begin(door, BASE + second, 1).ended(*end)

    note(API, 0, 9, OK, FAIL)
    note(API, 10, 69, FAIL, FAIL)
    note(API, 75, 104, FAIL)
    note(API, 105, 105, OK)
    note(API, 300, 300, (FaultTag.CLIENT, "429"))
    note(API, 301, 301, (FaultTag.CLIENT, "401"))
    note(API, 302, 302, VOID, FAIL)
    note(SMTP, 20, 29, OK)
    note(SMTP, 100, 109, FAIL)
    note(SMTP, 200, 200, VOID)
    await journal.close()
    found = gathered(sorted(tmp_path.glob("*/*.log")))
    hour = BASE
    sets = [found.attempted, found.answered]
    return Seen(*(Doors(one[1, API, hour], one.get((1, SMTP, hour), 0)) for one in sets))


def test_the_base_is_the_begin_of_an_hour():
    assert BASE % 3_600 == 0


async def test_the_worked_example_gives_these_sets(worked: Seen):
    by_api = worked.attempted.api & ~worked.answered.api
    by_smtp = worked.attempted.smtp & ~worked.answered.smtp
    judged = judge(worked)
    assert by_api == ranges((10, 69), (75, 104), 302)
    assert by_api.bit_count() == 91
    assert by_smtp == ranges((100, 109))
    assert judged.unavailable == ranges((10, 69), (75, 109), 302)
    assert judged.unavailable.bit_count() == 96
    assert judged.strict == ranges((10, 19), (30, 69), (75, 104), (106, 109), 302)
    assert judged.strict.bit_count() == 85


async def test_a_door_that_failed_makes_the_second_unavailable_though_the_other_worked(worked: Seen):
    judged = judge(worked)
    assert judged.unavailable >> 105 & 1
    assert not judged.strict >> 105 & 1


async def test_seconds_without_an_attempt_are_not_unavailable(worked: Seen):
    judged = judge(worked)
    assert not judged.attempted & ranges((70, 74), 200)
    assert not judged.unavailable & ranges((70, 74), 200)


async def test_the_first_episode_is_persistent_at_its_sixtieth_second(worked: Seen):
    judged = judge(worked)
    first = episodes(judged, gap_s=0)[0]
    assert (first.start, first.end, first.seconds) == (10, 70, 60)
    assert reached(judged.unavailable, first) == 69
    assert [tuple(one) for one in episodes(judged, gap_s=0)] == [(10, 70, 60), (75, 110, 35), (302, 303, 1)]


async def test_within_a_minute_failures_are_one_episode(worked: Seen):
    judged = judge(worked)
    assert [tuple(one) for one in episodes(judged, gap_s=60)] == [(10, 110, 95), (302, 303, 1)]
    assert reached(judged.unavailable, episodes(judged)[0]) == 69
    assert reached(judged.unavailable, episodes(judged)[1]) is None


def test_the_worked_example_alone_leaves_this_share_of_its_month():
    march = Month(2026, 3)
    assert uptime(96, march.seconds) == Decimal("99.996416")


@pytest.mark.parametrize(
    ("month", "seconds", "passes", "percent", "fails", "percent_failed"),
    [
        (Month(2026, 3), 2_678_400, 267, "99.990031", 268, "99.989994"),
        (Month(2026, 10), 2_678_400, 267, "99.990031", 268, "99.989994"),
        (Month(2026, 11), 2_592_000, 259, "99.990008", 260, "99.989969"),
        (Month(2027, 2), 2_419_200, 241, "99.990038", 242, "99.989997"),
        (Month(2028, 2), 2_505_600, 250, "99.990022", 251, "99.989982"),
    ],
)
def test_a_month_has_these_seconds_and_this_budget(month, seconds, passes, percent, fails, percent_failed):
    assert month.seconds == seconds == len(month.days) * 86_400
    assert budget(seconds) == passes
    assert (str(uptime(passes, seconds)), str(uptime(fails, seconds))) == (percent, percent_failed)
    assert outcome(passes, 0, seconds=seconds, over=True) is Outcome.MET
    assert outcome(fails, 0, seconds=seconds, over=True) is Outcome.MISSED


def test_a_month_follows_the_utc_calendar():
    assert (str(Month(2026, 3)), Month(2026, 12).after.isoformat()) == ("2026-03", "2027-01-01")
    assert Month(2026, 3).start == int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())


# invariants ---------------------------------------------------------------------------------------------------------------

SETS = st.integers(0, 2**200 - 1)
SEEN = st.builds(
    lambda a, b, c, d: Seen(Doors(a | b, c | d), Doors(b, d)), SETS, SETS, SETS, SETS
)  # answered is always attempted


@given(SEEN)
def test_unavailable_seconds_are_attempted_and_strict_ones_are_among_them(seen: Seen):
    judged = judge(seen)
    assert judged.unavailable & ~judged.attempted == 0
    assert judged.strict & ~judged.unavailable == 0
    assert judged.available & judged.unavailable == 0
    assert judged.available | judged.unavailable == judged.attempted


@given(SEEN, SETS)
def test_every_second_is_exactly_one_thing(seen: Seen, unseen: int):
    judged = judge(with_unknown(seen, Doors(unseen, unseen)))
    assert judged.unknown & judged.attempted == 0
    assert judged.unknown == unseen & ~judged.attempted


@given(SEEN, SEEN, SEEN)
def test_the_union_of_nodes_asks_for_no_order_and_no_number_of_times(one: Seen, two: Seen, three: Seen):
    assert united(one, two, three) == united(three, one, united(two, one))


@given(SEEN, SEEN)
def test_another_node_rescues_a_second_only_by_an_answer_at_the_same_door(one: Seen, two: Seen):
    both, alone = judge(united(one, two)), judge(one)
    rescued = alone.unavailable & ~both.unavailable
    assert rescued & ~(two.answered.api | two.answered.smtp) == 0


@given(SEEN, st.integers(0, 100))
def test_episodes_hold_every_unavailable_second_once_in_order(seen: Seen, gap: int):
    judged = judge(seen)
    found = episodes(judged, gap_s=gap)
    assert sum(one.seconds for one in found) == judged.unavailable.bit_count()
    for one, following in pairwise(found):
        between = span(one.end, following.start)
        assert following.start - one.end > gap or judged.available & between
    for one in found:
        inside = judged.unavailable & span(one.start, one.end)
        assert inside.bit_count() == one.seconds
        assert inside >> one.start & 1
        assert inside >> (one.end - 1) & 1


@given(st.integers(0, 2_678_400))
def test_a_share_agrees_with_its_budget(unavailable: int):
    seconds = 2_678_400
    assert (uptime(unavailable, seconds) >= Decimal("99.99")) == (unavailable <= budget(seconds))


# what was not seen --------------------------------------------------------------------------------------------------------


def test_a_second_that_a_node_did_not_watch_is_unknown_not_available():
    nodes = [Expected("a", 0, None, 10)]
    unseen = blind(nodes, {"a": ranges((0, 3), (6, 9))}, seconds=100)
    assert unseen == ranges(4, 5)
    seen = Seen(Doors(ranges(0, 4), 0), Doors(ranges(0), 0))
    judged = judge(with_unknown(seen, Doors(unseen, unseen)))
    assert judged.unknown == ranges(5)
    assert judged.unavailable == ranges(4), "what was seen to fail is no less so because something else was not seen"


def test_without_one_nodes_file_its_seconds_are_unknown():
    nodes = [Expected("a", 0, None, 10), Expected("b", 0, None, 10)]
    whole = {"a": span(0, 10), "b": span(0, 10)}
    assert blind(nodes, whole, seconds=10) == 0
    assert blind(nodes, {"a": span(0, 10)}, seconds=10) == span(0, 10)


def test_a_node_is_expected_from_its_first_second_until_it_retires():
    nodes = [Expected("a", 0, None, 10), Expected("b", 5, 8, 10)]
    assert blind(nodes, {"a": span(0, 10)}, seconds=10) == ranges(5, 6, 7)
    assert blind([], {}, seconds=10) == 0


def test_nobody_is_missed_in_seconds_that_are_too_young():
    assert known_until(50, now=60) == 50
    assert known_until(50, now=1_000) == 690
    assert known_until(None, now=1_000) == 690
    assert blind([Expected("a", 0, None, 50)], {"a": span(0, 50)}, seconds=1_000) == 0


def test_an_attempt_under_way_may_rescue_its_second_until_the_deadline():
    assert provisional(ranges(10, 11), ranges(11), now=12) == ranges(10)
    assert provisional(ranges(10, 11), ranges(11), now=312) == ranges(10, 11)


# persistence --------------------------------------------------------------------------------------------------------------


def judged_of(unavailable: int, available: int = 0) -> Judged:
    return Judged(unavailable, unavailable, unavailable | available, 0)


@pytest.mark.parametrize(("distance", "count"), [(60, 1), (61, 2)])
def test_neighbours_have_at_most_sixty_seconds_between_them(distance: int, count: int):
    assert len(episodes(judged_of(ranges(0, distance + 1)))) == count


def test_a_second_that_was_served_ends_the_episode():
    assert len(episodes(judged_of(ranges(0, 2)))) == 1
    assert len(episodes(judged_of(ranges(0, 2), ranges(1)))) == 2


def test_sixty_seconds_are_persistent_and_fifty_nine_are_not():
    for seconds, expected in ((59, None), (60, 59), (61, 59)):
        bits = span(0, seconds)
        assert reached(bits, episodes(judged_of(bits))[0]) == expected


def test_low_traffic_reaches_it_too():
    bits = of(range(0, 60 * 61, 61))  # a failure every 61 seconds: 60 seconds pass in between
    (episode,) = episodes(judged_of(bits))
    assert reached(bits, episode) == 59 * 61


def test_half_of_a_months_budget_within_an_hour_is_costly():
    month = budget(2_678_400)
    assert month // 2 == 133
    apart = of(range(0, 133 * 27, 27))
    assert costly(apart, budget_s=month) == (0, 132 * 27, 133)
    assert costly(of(range(0, 132 * 27, 27)), budget_s=month) is None
    assert costly(of(range(0, 133 * 28, 28)), budget_s=month) is None, "it took longer than an hour"
    assert costly(ranges(5), budget_s=1) is None


# exclusions ---------------------------------------------------------------------------------------------------------------


def member(number: int, **more) -> StaffMember:
    base = {"person_id": number, "name": "Ana", "email": f"{number}@provider.test", "phone": "", "roles": frozenset({Role.CST})}
    return StaffMember(**(base | more))


def exclusion(**more) -> Exclusion:
    base = {
        "exclusion_id": 1,
        "account_id": None,
        "since": datetime(2026, 3, 10, 14, tzinfo=UTC),
        "until": datetime(2026, 3, 10, 14, 1, tzinfo=UTC),
        "kind": ExclusionKind.MAINTENANCE,
        "reason": "announced on the first of March",
        "evidence": "mail of 1 March",
        "proposed_by": "Ana",
        "proposed_at": NOW,
        "approved_by": "Bo",
        "approved_at": NOW,
        "proposed_by_id": 1,
        "approved_by_id": 2,
    }
    return Exclusion(**(base | more))


def taken(one: Exclusion, bits: int = span(0, 3_600), account: int = 7) -> list[int]:
    return [found.seconds for found in excluded(bits, [one], account_id=account, start=BASE, seconds=3_600)]


def test_an_exclusion_counts_while_two_people_stand_behind_it():
    assert taken(exclusion()) == [60]
    assert taken(exclusion(approved_at=None)) == []
    assert taken(exclusion(withdrawn_at=NOW)) == [], "taking it back restores the gross figure"


def test_an_exclusion_takes_out_unavailable_seconds_alone_and_those_of_its_account():
    assert taken(exclusion(), ranges((50, 70))) == [10]
    assert taken(exclusion(account_id=8)) == []
    assert taken(exclusion(account_id=7)) == [60]


def test_exclusions_that_overlap_are_counted_once_together():
    two = [
        exclusion(),
        exclusion(since=datetime(2026, 3, 10, 14, 0, 30, tzinfo=UTC), until=datetime(2026, 3, 10, 14, 2, tzinfo=UTC)),
    ]
    assert overlay(two, account_id=7, start=BASE, seconds=3_600) == span(0, 120)


def test_a_second_that_an_exclusion_touches_is_inside():
    one = exclusion(since=exclusion().since + timedelta(seconds=0.5), until=exclusion().since + timedelta(seconds=2.5))
    assert overlay([one], account_id=7, start=BASE, seconds=3_600) == span(0, 3)


def test_nobody_approves_what_he_proposed():
    open_one = exclusion(approved_by="", approved_at=None, approved_by_id=None)
    check_approval(open_one, by=member(2))
    with pytest.raises(NotPossible, match="somebody else"):
        check_approval(open_one, by=member(1, name="Bo"))
    for nobody in (member(2, roles=frozenset({Role.ONCALL})), member(2, left_at=NOW)):
        with pytest.raises(NotPossible, match="roles"):
            check_approval(open_one, by=nobody)
    with pytest.raises(NotPossible, match="anew"):
        check_approval(exclusion(approved_by="", approved_at=None, proposed_by_id=None), by=member(2))
    with pytest.raises(NotPossible, match="approved by Bo already"):
        check_approval(exclusion(), by=member(3))
    with pytest.raises(NotPossible, match="withdrawn"):
        check_approval(exclusion(withdrawn_at=NOW), by=member(3))


def test_one_person_is_enough_to_take_an_exclusion_back_once():
    check_withdrawal(exclusion(), by=member(1))
    check_withdrawal(exclusion(proposed_by_id=None, approved_by_id=None), by=member(1))
    with pytest.raises(NotPossible):
        check_withdrawal(exclusion(withdrawn_at=NOW, withdrawn_by="Ana"), by=member(2))


@pytest.mark.parametrize(
    "wrong",
    [{"until": NOW}, {"reason": "  "}, {"reason": "x" * 1_001}, {"evidence": "\0"}, {"by": member(1, roles=frozenset())}],
)
def test_a_proposal_needs_a_range_a_reason_and_a_person(wrong):
    good = {"since": NOW, "until": NOW + timedelta(hours=1), "reason": "announced", "evidence": "", "by": member(1)}
    check_proposal(**good)
    with pytest.raises(NotPossible):
        check_proposal(**(good | wrong))


# verdicts -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unavailable", "unknown", "over", "expected"),
    [
        (0, 0, True, Outcome.MET),
        (267, 0, True, Outcome.MET),
        (268, 0, True, Outcome.MISSED),
        (260, 7, True, Outcome.MET),
        (260, 8, True, Outcome.UNDECIDED),
        (0, 0, False, Outcome.OPEN),
        (268, 0, False, Outcome.MISSED),
    ],
)
def test_unknown_seconds_are_never_silently_good(unavailable, unknown, over, expected):
    assert outcome(unavailable, unknown, seconds=2_678_400, over=over) is expected


def test_another_target_has_another_budget():
    assert budget(2_678_400, Decimal("99.9")) == 2_678
    assert budget(2_678_400, Decimal(100)) == 0
