"""A/B tests: which template, how sure, when it ends, what is counted."""

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from homing.abtests.rules.bayes import chances
from homing.abtests.rules.choice import Choice, choose, place_of
from homing.abtests.rules.counting import Did, Key, added, happened
from homing.abtests.rules.phase import LEAST_ACCEPTED, Complete, End, end_of, next_step, phase, sample_size, told
from homing.abtests.types import AbTest, Arm, Audience, Counts, CountsOf, Ended, Metric, Mode, Phase, Plan, Status
from homing.events.types import EventType, Logged
from homing.ground import ids

START = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = Plan(
    default=Arm(template_id="a", percent=60.0),
    variants=(Arm(template_id="b", percent=30.0), Arm(template_id="c", percent=10.0)),
    metric=Metric.CONFIRMED_OPENED,
    audience=Audience.PERCENT,
    mode=Mode.BAYESIAN,
)
TEST = AbTest(
    account_id=1,
    subaccount_id=0,
    test_id="pay",
    name="Pay",
    status=Status.SCHEDULED,
    plan=PLAN,
    start_at=START,
    end_at=START + timedelta(days=7),
    created_at=START - HOUR,
    updated_at=START - HOUR,
)


def test_of(**changes: Any) -> AbTest:
    plan = {name: changes.pop(name) for name in list(changes) if name in Plan.__struct_fields__}
    return structs.replace(TEST, plan=structs.replace(PLAN, **plan), **changes)


test_of.__test__ = False  # type: ignore[attr-defined]


def counted(**accepted_and_opened: tuple[int, int]) -> CountsOf:
    return {name: Counts(accepted, accepted, opened, 0) for name, (accepted, opened) in accepted_and_opened.items()}


# how sure --------------------------------------------------------------------------------------------------------------


def exactly(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the chance that b beats a by the closed form for whole numbers (Beta-binomial sum)."""
    (s1, n1), (s2, n2) = a, b
    a1, b1, a2, b2 = 1 + s1, 1 + n1 - s1, 1 + s2, 1 + n2 - s2

    def log_beta(x: float, y: float) -> float:
        return math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)

    return sum(math.exp(log_beta(a1 + i, b1 + b2) - math.log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, b1)) for i in range(a2))


ARM = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(max_examples=80, deadline=None)
@given(ARM, ARM)
def test_the_chance_of_two_is_that_of_the_closed_form(a, b):
    assert chances([a, b])[1] == pytest.approx(exactly(a, b), abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(st.lists(ARM, min_size=2, max_size=8))
@example([(0, 0), (98, 160)])  # a step of the grid is rounded beyond 1
def test_chances_are_chances_and_do_not_depend_on_the_order(arms):
    found = chances(arms)
    assert sum(found) == pytest.approx(1.0)
    assert all(0.0 <= one <= 1.0 for one in found)
    assert chances(arms[::-1])[::-1] == pytest.approx(found, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.just(50)), min_size=2, max_size=5), st.integers(0, 4))
def test_one_more_that_opens_never_makes_it_less_sure(arms, place):
    place %= len(arms)
    engaged, accepted = arms[place]
    if engaged < accepted:
        better = [*arms[:place], (engaged + 1, accepted), *arms[place + 1 :]]
        assert chances(better)[place] >= chances(arms)[place] - 1e-3


def test_three_are_compared_as_chance_would():
    arms = [(50, 500), (60, 500), (65, 400)]
    draw = random.Random(7)
    wins: Counter[int] = Counter()
    for _ in range(20_000):
        rates = [draw.betavariate(1 + s, 1 + n - s) for s, n in arms]
        wins[rates.index(max(rates))] += 1
    assert chances(arms) == pytest.approx([wins[place] / 20_000 for place in range(3)], abs=0.015)


@pytest.mark.parametrize(
    ("arms", "expected"),
    [
        ([(3, 10)], [1.0]),
        ([(0, 0), (0, 0)], [0.5, 0.5]),
        ([(10, 100)] * 4, [0.25] * 4),
        ([(0, 100), (100, 100)], [0.0, 1.0]),
        ([(200_000, 1_000_000), (5, 10)], [0.0117, 0.9883]),  # a narrow one beside a wide one
        ([(100_000, 1_000_000), (101_500, 1_000_000)], [0.0, 1.0]),
        ([(12, 10), (0, 10)], [1.0, 0.0]),  # more clicks than what counts as accepted
        ([(1, 20)] * 21, [1 / 21] * 21),
    ],
)
def test_what_everybody_would_say_is_said(arms, expected):
    assert chances(arms) == pytest.approx(expected, abs=1e-3)


# which template --------------------------------------------------------------------------------------------------------


def chosen(test: AbTest, recipient: str = "kim@there.test", *, at: datetime = START + HOUR, counts: CountsOf | None = None):
    return choose(test, counts or {}, recipient=recipient, now=at)


def test_percents_are_kept_over_many_recipients():
    found = Counter(chosen(TEST, f"u{number}@there.test").template_id for number in range(20_000))
    assert [found[name] / 20_000 for name in "abc"] == pytest.approx([0.6, 0.3, 0.1], abs=0.015)


@given(st.emails())
def test_a_recipient_gets_the_same_template_each_time_however_he_is_spelled(address):
    assert chosen(TEST, address) == chosen(TEST, address.upper()) == chosen(TEST, address)
    assert 0.0 <= place_of(TEST, address) < 1.0


def test_another_version_divides_anew():
    addresses = [f"u{number}@there.test" for number in range(300)]
    assert [chosen(TEST, one) for one in addresses] != [chosen(test_of(version=2), one) for one in addresses]


SAMPLES = {
    "default": Arm(template_id="a", sample_size=200),
    "variants": (Arm(template_id="b", sample_size=100),),
    "audience": Audience.SAMPLE_SIZE,
}


def test_samples_divide_in_proportion_and_a_full_one_is_left_out():
    test = test_of(**SAMPLES)
    found = Counter(chosen(test, f"u{number}@there.test").template_id for number in range(10_000))
    assert found["a"] / 10_000 == pytest.approx(2 / 3, abs=0.02)
    full = {"a": Counts(injected=200)}
    assert {chosen(test, f"u{number}@there.test", counts=full) for number in range(50)} == {Choice("b", True)}
    both = {"a": Counts(injected=200), "b": Counts(injected=101)}
    assert chosen(test, counts=both) == Choice("a", False)


@pytest.mark.parametrize(
    ("test", "at", "expected"),
    [
        (TEST, START - HOUR, Choice("a", False)),
        (TEST, START + timedelta(days=7), Choice("a", False)),  # it waits for the last opens
        (test_of(ended_at=START + HOUR), START + HOUR, Choice("a", False)),
        (test_of(status=Status.COMPLETED, winner="b"), START, Choice("b", False)),
        (test_of(status=Status.COMPLETED), START, Choice("a", False)),
        (test_of(status=Status.CANCELLED), START + HOUR, Choice("a", False)),
        (test_of(status=Status.DRAFT), START + HOUR, None),
    ],
)
def test_outside_a_run_there_is_one_template_and_nothing_counts(test, at, expected):
    assert chosen(test, at=at) == expected


# when it ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "at", "where", "words"),
    [
        (test_of(status=Status.DRAFT), START, Phase.DRAFT, "draft"),
        (TEST, START - HOUR, Phase.SCHEDULED, "scheduled"),
        (TEST, START, Phase.SENDING, "running"),
        (TEST, START + timedelta(days=7), Phase.WAITING, "running"),
        (test_of(ended_at=START + HOUR), START + 2 * HOUR, Phase.WAITING, "running"),
        (test_of(status=Status.COMPLETED), START, Phase.COMPLETED, "completed"),
        (test_of(status=Status.CANCELLED), START, Phase.CANCELLED, "cancelled"),
    ],
)
def test_a_test_is_in_one_phase(test, at, where, words):
    assert phase(test, at) is where
    assert told(where) == words


def test_the_end_time_ends_it_and_the_timeout_completes_it():
    at = START + timedelta(days=7)
    assert next_step(TEST, {}, at - HOUR) is None
    assert next_step(TEST, {}, at + 3 * HOUR) == End(at, Ended.END_TIME)
    ended = test_of(ended_at=at, ended_why=Ended.END_TIME)
    assert next_step(ended, {}, at + 23 * HOUR) is None
    assert next_step(ended, {}, at + 24 * HOUR) == Complete("a")


def test_enough_accepted_messages_end_it():
    test = test_of(total_sample_size=1000)
    assert next_step(test, counted(a=(600, 1), b=(399, 1)), START + HOUR) is None
    assert next_step(test, counted(a=(600, 1), b=(300, 1), c=(100, 1)), START + HOUR) == End(START + HOUR, Ended.SAMPLE_SIZE)
    assert sample_size(PLAN) is None
    assert sample_size(structs.replace(PLAN, **SAMPLES)) == 300


def test_confidence_ends_it_with_a_leader_who_wins():
    counts = counted(a=(1000, 100), b=(1000, 200), c=(1000, 90))
    assert next_step(TEST, counts, START + HOUR) == End(START + HOUR, Ended.CONFIDENCE, "b")
    ended = test_of(ended_at=START + HOUR, ended_why=Ended.CONFIDENCE, leader="b")
    changed_their_minds = counted(a=(1000, 900), b=(1000, 200), c=(1000, 90))
    assert next_step(ended, changed_their_minds, START + 25 * HOUR) == Complete("b")


def test_confidence_is_not_looked_at_before_each_template_has_enough():
    few = counted(a=(1000, 100), b=(1000, 200), c=(LEAST_ACCEPTED - 1, 9))
    assert next_step(TEST, few, START + HOUR) is None


def test_without_confidence_the_default_wins_and_with_it_the_best_even_after_the_end():
    ended = test_of(ended_at=START + HOUR, ended_why=Ended.SAMPLE_SIZE)
    assert next_step(ended, counted(a=(100, 10), b=(100, 11), c=(100, 9)), START + 25 * HOUR) == Complete("a")
    assert next_step(ended, counted(a=(100, 10), b=(100, 40), c=(100, 9)), START + 25 * HOUR) == Complete("b")


def test_a_test_to_learn_from_ends_by_no_confidence_and_has_no_winner():
    test = test_of(mode=Mode.LEARNING)
    assert next_step(test, counted(a=(1000, 100), b=(1000, 900), c=(1000, 90)), START + HOUR) is None
    ended = test_of(mode=Mode.LEARNING, ended_at=START + HOUR)
    assert next_step(ended, counted(a=(10, 1), b=(10, 9)), START + 25 * HOUR) == Complete("")


def test_clicks_decide_where_clicks_are_compared():
    counts = {name: Counts(1000, 1000, 100, clicked) for name, clicked in (("a", 10), ("b", 50), ("c", 10))}
    assert next_step(TEST, counts, START + HOUR) is None
    assert next_step(test_of(metric=Metric.CLICKED), counts, START + HOUR) == End(START + HOUR, Ended.CONFIDENCE, "b")


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-100, 1000),
    st.sampled_from(list(Status)),
    st.none() | st.integers(0, 100),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=3, max_size=3),
)
def test_steps_lead_to_the_end_in_a_bounded_number_whatever_was_counted(hours, status, ended, numbers):
    now = START + hours * HOUR
    test = test_of(status=status, ended_at=None if ended is None else START + ended * HOUR, total_sample_size=500)
    counts = counted(**dict(zip("abc", numbers, strict=True)))
    for _ in range(3):
        step = next_step(test, counts, now)
        choice = choose(test, counts, recipient="kim@there.test", now=now)
        assert (choice is None) == (phase(test, now) is Phase.DRAFT)
        if choice is not None and choice.counted:
            assert phase(test, now) is Phase.SENDING
        if step is None:
            return
        if isinstance(step, End):
            assert step.at <= now
            test = structs.replace(test, ended_at=step.at, ended_why=step.why, leader=step.leader)
            assert phase(test, now) is Phase.WAITING
        else:
            assert step.winner in {"a", "b", "c"}
            ended_at = end_of(test)
            assert ended_at is not None
            assert ended_at + 24 * HOUR <= now
            test = structs.replace(test, status=Status.COMPLETED, winner=step.winner)
    raise AssertionError("more steps than a test has")


# what is counted -------------------------------------------------------------------------------------------------------

KEY = Key(1, 0, "pay", 1)


def event(kind: EventType, message: int = 1, **changes: Any) -> Logged:
    detail = {"ab_test_id": "pay", "ab_test_version": "1", "template_id": "a"} | changes.pop("detail", {})
    values = {
        "shard": 1,
        "seq": 1,
        "type": kind,
        "at": START,
        "account_id": 1,
        "subaccount_id": 0,
        "message_id": ids.compose(1, 1, message),
        "transmission_id": None,
        "recipient": "kim@there.test",
        "recipient_domain": "there.test",
        "campaign_id": "",
        "detail": msgspec.json.encode({name: value for name, value in detail.items() if value is not None}),
    }
    return Logged(**{**values, **changes})


def fold(*batches: list[Logged]) -> Counts:
    """Return the counts after several batches of events."""
    before: dict[bytes, int] = {}
    total = Counts()
    for batch in batches:
        messages = happened(batch)
        for more in added(messages, before).values():
            total = Counts(*(left + right for left, right in zip(total, more, strict=True)))
        for message_id, message in messages.items():
            before[message_id] = before.get(message_id, 0) | message.did
    return total


def test_a_message_counts_once_for_each_thing():
    once = [event(EventType.INJECTION), event(EventType.DELIVERY), event(EventType.OPEN), event(EventType.INITIAL_OPEN)]
    assert fold(once, once, [event(EventType.CLICK), event(EventType.CLICK)]) == Counts(1, 1, 1, 1)


def test_a_click_is_a_confirmed_open():
    assert fold([event(EventType.CLICK)]) == Counts(0, 0, 1, 1)


def test_a_message_that_came_back_is_not_accepted_whichever_is_told_first():
    assert fold([event(EventType.DELIVERY)], [event(EventType.OUT_OF_BAND)]) == Counts()
    assert fold([event(EventType.OUT_OF_BAND)], [event(EventType.DELIVERY)]) == Counts()


@pytest.mark.parametrize(
    "other",
    [
        event(EventType.DELAY),
        event(EventType.DELIVERY, message_id=None),
        event(EventType.DELIVERY, message_id=ids.foreign("x", of=1)),
        event(EventType.DELIVERY, detail={"ab_test_id": None}),
        event(EventType.DELIVERY, detail={"template_id": None}),
        event(EventType.DELIVERY, detail={"ab_test_version": "one"}),
    ],
)
def test_other_events_do_not_count(other):
    assert happened([other]) == {}


def test_versions_templates_and_accounts_are_told_apart():
    found = added(
        happened(
            [
                event(EventType.DELIVERY, 1),
                event(EventType.DELIVERY, 2, detail={"template_id": "b"}),
                event(EventType.DELIVERY, 3, detail={"ab_test_version": "2"}),
                event(EventType.DELIVERY, 4, account_id=9),
            ]
        ),
        {},
    )
    assert set(found) == {(KEY, "a"), (KEY, "b"), (KEY._replace(version=2), "a"), (KEY._replace(account_id=9), "a")}


KINDS = [EventType.INJECTION, EventType.DELIVERY, EventType.OUT_OF_BAND, EventType.OPEN, EventType.AMP_CLICK, EventType.CLICK]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 4)), max_size=30), st.integers(1, 5), st.randoms())
def test_the_order_and_the_cut_of_the_log_change_nothing(told, size, chance):
    events = [event(kind, message) for kind, message in told]
    whole = fold(events)
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert fold(*(shuffled[start : start + size] for start in range(0, len(shuffled), size))) == whole
    assert all(number >= 0 for number in whole)
    assert Did(31) == Did.INJECTED | Did.ACCEPTED | Did.RETURNED | Did.OPENED | Did.CLICKED
