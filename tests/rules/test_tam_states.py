"""The states of the TAM's programme, step by step (model, sections 3.2b, 3.3 and 3.4)."""

from collections.abc import Callable
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.support.cases.rules.decision import Bar
from homing.support.cases.types import Side
from homing.support.clocks.types import Kind, Nature
from homing.support.clocks.types import State as ClockState
from homing.support.tam.happened import Completed, Reminded
from homing.support.tam.rules import states
from homing.support.tam.rules.fold import fold
from homing.support.tam.rules.states import Decision, Refusal, Step
from homing.support.tam.types import (
    Action,
    Counts,
    Migration,
    Onboarding,
    Purpose,
    Rate,
    RateCheck,
    Record,
    RecordKind,
    Result,
    Stage,
    State,
    Task,
    TaskKind,
    Topic,
    TopicKind,
)
from tests.kit.cases import ANN, KIM, TAM
from tests.kit.each import each
from tests.kit.hours import at
from tests.kit.tam import ACTIONS, AGENDA, GOOD_DAY, OWED, RAMP, TASKS, Life, in_state, is_no, refused

PLANS = (RecordKind.ONBOARDING, RecordKind.MIGRATION)
STATES = {
    RecordKind.ONBOARDING: "draft agreed in_progress completed",
    RecordKind.MIGRATION: "draft agreed running held completed aborted",
    RecordKind.REVIEW: "scheduled held minutes_sent actions_open done",
    RecordKind.RECOMMENDATION: "issued acknowledged followed declined superseded",
    RecordKind.EDUCATION: "prepared delivered acknowledged",
}
# The table of the model, in words of its own: kind, step -> where it may be taken.
TABLE = {
    "onboarding_plan": {
        "revise": "draft agreed in_progress",
        "start": "agreed",
        "do_task": "in_progress",
    },
    "migration_plan": {
        "revise": "draft agreed running held",
        "start": "agreed",
        "advance": "running",
        "hold": "running",
        "resume": "held",
        "abort": "draft agreed running held",
    },
    "planning_review": {
        "schedule": "scheduled",
        "add_topic": "scheduled",
        "meet": "scheduled",
        "write_minutes": "held",
        "open_actions": "minutes_sent",
        "do_action": "actions_open",
    },
    "recommendation": {
        "acknowledge": "issued",
        "follow": "acknowledged",
        "decline": "issued acknowledged",
        "supersede": "issued acknowledged followed declined",
    },
    "education_item": {"send": "prepared", "deliver": "prepared", "acknowledge": "delivered"},
}
TOPIC = Topic(kind=TopicKind.OTHER, text="x", side=Side.CUSTOMER)
TRY: dict[str, Callable[[Record], Decision]] = {
    "revise": lambda one: states.revise(one, TASKS if one.kind is RecordKind.ONBOARDING else RAMP, by=TAM, promises={}),
    "start": lambda one: states.start(one, today=date(2026, 5, 20)),
    "do_task": lambda one: states.do_task(one, 1, by=KIM),
    "advance": lambda one: states.advance(one, date(2026, 5, 25), GOOD_DAY, now=at("2026-06-01T09:00Z")),
    "hold": lambda one: states.hold(one, "x"),
    "resume": states.resume,
    "abort": lambda one: states.abort(one, "x"),
    "schedule": lambda one: states.schedule(one, at("2026-07-01T09:00Z"), ()),
    "add_topic": lambda one: states.add_topic(one, TOPIC),
    "meet": lambda one: states.meet(
        msgspec.structs.replace(one, documents=1), held_at=one.updated_at, attendees="", now=one.updated_at
    ),
    "write_minutes": lambda one: states.write_minutes(one, "x", ()),
    "open_actions": states.open_actions,
    "do_action": lambda one: states.do_action(one, 1, by=TAM),
    "acknowledge": lambda one: states.acknowledge(one, by=KIM, person=""),
    "follow": lambda one: states.follow(one, result=None, attestation="x", by_tam=True),
    "decline": lambda one: states.decline(one, "x", by=KIM, person=""),
    "supersede": lambda one: states.supersede(one, 1002),
    "send": states.send,
    "deliver": lambda one: states.deliver(one, "x"),
}


@pytest.mark.parametrize(
    ("kind", "state"), [(kind, State(state)) for kind, names in STATES.items() for state in names.split()], ids=str
)
@each(lambda: TRY)
def test_a_step_is_possible_where_the_model_says_so_and_nowhere_else(step: str, kind: RecordKind, state: State):
    record = in_state(kind, state).record
    possible = state.value in TABLE[kind.value].get(step, "").split()
    decision = TRY[step](record)
    assert is_no(decision) is not possible, decision
    if not possible:
        assert states.barred(record, Step(step)) is not None


# Plans ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PLANS)
def test_a_plan_is_agreed_once_the_other_side_accepts_exactly_that_version(kind: RecordKind):
    life = Life(kind)
    assert "the other side accepts it" in refused(states.agree(life.record, 1, by=TAM, person="staff 4"))
    assert "name him as contact" in refused(states.agree(life.record, 1, by=KIM, person=""))
    assert "version 1 is the one" in refused(states.agree(life.record, 2, by=KIM, person="contact 7"))
    life.do(states.agree(life.record, 1, by=KIM, person="contact 7"), KIM)
    agreed = life.record.in_force
    assert agreed is not None
    assert (life.record.state, agreed.person, agreed.sha256) == (State.AGREED, "contact 7", states.digest(agreed.content))
    assert "no version waits" in refused(states.agree(life.record, 1, by=KIM, person="contact 7"))


@pytest.mark.parametrize("kind", PLANS)
def test_a_newer_version_voids_the_one_that_waits_and_what_was_agreed_stays_in_force(kind: RecordKind):
    life = in_state(kind, State.AGREED)
    content = TASKS if kind is RecordKind.ONBOARDING else RAMP
    life.do(states.revise(life.record, content, by=KIM, promises=OWED), KIM)
    life.do(states.revise(life.record, content, by=TAM, promises={}), TAM)
    record = life.record
    assert record.in_force is not None
    assert record.proposed is not None
    assert (record.in_force.number, record.proposed.number, record.state) == (1, 3, State.AGREED)
    assert "version 3" in refused(states.agree(record, 2, by=TAM, person="staff 4"))
    life.do(states.objected(record, 3, "too early", by=KIM, promises=OWED), KIM)
    assert life.record.proposed is None
    assert life.record.awaits is Side.PROVIDER
    assert life.record.in_force == record.in_force


def test_staff_writes_down_the_customers_consent_with_evidence_alone():
    life = Life(RecordKind.ONBOARDING)
    assert "the other side" in refused(states.agree(life.record, 1, by=ANN, person="contact 7"))
    life.do(states.agree(life.record, 1, by=ANN, person="contact 7", evidence="his mail of 19 May"), ANN)
    assert life.record.versions[0].evidence == "his mail of 19 May"


@pytest.mark.parametrize("kind", [TaskKind.TEMPLATE_CREATION, TaskKind.TEMPLATE_TRANSLATION, TaskKind.CUSTOMER_PROJECT])
def test_what_the_contract_excludes_can_only_be_the_customers_and_trying_is_kept_with_clause_and_route(kind: TaskKind):
    life = Life(RecordKind.ONBOARDING)
    ours = Onboarding(tasks=(Task(number=1, title="Welcome mail", kind=kind, owner=Side.PROVIDER),))
    for by in (TAM, KIM):
        decision = states.revise(life.record, ours, by=by, promises=OWED)
        assert isinstance(decision, Refusal)
        assert "(clause B4)" in decision.no.why
        life.add(*decision.payloads, by=by)
    assert [one.number for one in life.record.versions] == [1], "nothing changed"
    made = life.record.scope[0]
    assert (made.clause, made.decided_by, made.task, bool(made.route)) == ("B4", TAM.name, "Welcome mail", True)
    life.do(states.acknowledge_scope(life.record, 1, person="contact 7"), KIM)
    assert life.record.scope[0].acknowledged_at == life.at
    assert "acknowledged" in refused(states.acknowledge_scope(life.record, 1, person="contact 7"))
    assert "no decision 3" in refused(states.acknowledge_scope(life.record, 3, person="contact 7"))
    theirs = Onboarding(tasks=(Task(number=1, title="Welcome mail", kind=kind, owner=Side.CUSTOMER),))
    assert isinstance(states.revise(life.record, theirs, by=TAM, promises={}), list)


@given(
    tasks=st.lists(
        st.builds(
            Task,
            number=st.integers(1, 50),
            title=st.just("t"),
            kind=st.sampled_from(TaskKind),
            owner=st.sampled_from([Side.CUSTOMER, Side.PROVIDER]),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda task: task.number,
    )
)
@settings(max_examples=40)
def test_no_plan_ever_holds_an_excluded_task_of_ours(tasks: list[Task]):
    life = Life(RecordKind.ONBOARDING)
    decision = states.revise(life.record, Onboarding(tasks=tuple(tasks)), by=TAM, promises={})
    life.add(*(decision.payloads if isinstance(decision, Refusal) else decision), by=TAM)  # type: ignore[union-attr]
    excluded = {TaskKind.TEMPLATE_CREATION, TaskKind.TEMPLATE_TRANSLATION, TaskKind.CUSTOMER_PROJECT}
    held = [task for one in life.record.versions for task in one.content.tasks]  # type: ignore[union-attr]
    assert not [task for task in held if task.kind in excluded and task.owner is Side.PROVIDER]
    wrong = [task for task in tasks if task.kind in excluded and task.owner is Side.PROVIDER]
    assert len(life.record.scope) == len(wrong)
    assert len(life.record.versions) == (1 if wrong else 2)


def test_the_last_task_completes_the_plan_and_ours_the_customer_cannot_call_done():
    life = in_state(RecordKind.ONBOARDING, State.IN_PROGRESS)
    assert "provider's" in refused(states.do_task(life.record, 2, by=KIM))
    assert "no task 9" in refused(states.do_task(life.record, 9, by=KIM))
    life.do(states.do_task(life.record, 2, by=TAM), TAM)
    assert "is done" in refused(states.do_task(life.record, 2, by=TAM))
    assert life.record.state is State.IN_PROGRESS
    decision = states.do_task(life.record, 1, by=KIM)
    assert isinstance(decision, list)
    assert isinstance(decision[-1], Completed)
    assert life.do(decision, KIM).record.ended_at == life.at


def test_a_changed_plan_keeps_what_is_done_and_is_completed_where_nothing_is_left():
    life = in_state(RecordKind.ONBOARDING, State.IN_PROGRESS)
    life.do(states.do_task(life.record, 1, by=KIM), KIM)
    other = msgspec.structs.replace(TASKS.tasks[0], title="Verify shop.acme.test")
    life.do(states.revise(life.record, Onboarding(tasks=(other, TASKS.tasks[1])), by=TAM, promises={}), TAM)
    assert life.record.done == {1}, "the change is not in force yet"
    life.do(states.agree(life.record, 2, by=KIM, person="contact 7"), KIM)
    assert life.record.done == frozenset(), "another task has that number now"
    life.do(states.do_task(life.record, 2, by=TAM), TAM)
    life.do(states.revise(life.record, Onboarding(tasks=TASKS.tasks[1:]), by=KIM, promises=OWED), KIM)
    life.do(states.agree(life.record, 3, by=TAM, person="contact 7"), TAM)
    assert (life.record.state, life.record.versions[2].person) == (State.COMPLETED, TAM.name)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (Counts(count_injected=999, count_sent=999, count_delivered=999), "999 of 1000 messages"),
        (Counts(count_injected=1_000, count_sent=1_000, count_delivered=949, count_bounce=51), "bounce rate was 5.100 %"),
        (
            Counts(count_injected=1_000, count_sent=1_000, count_delivered=1_000, count_spam_complaint=2),
            "spam complaint rate was 0.200 %",
        ),
        (Counts(), "0 of 1000"),
    ],
    ids=["volume", "bounces", "complaints", "nothing"],
)
def test_a_stage_advances_only_if_the_day_met_volume_and_limits(counts: Counts, said: str):
    life = in_state(RecordKind.MIGRATION, State.RUNNING)
    decision = states.advance(life.record, date(2026, 5, 21), counts, now=life.at)
    assert isinstance(decision, Refusal)
    assert said in decision.no.why
    life.add(*decision.payloads, by=TAM)
    assert (life.record.stage, life.record.judged[-1].met) == (1, False)


def test_a_stage_on_its_limits_advances_and_the_next_begins_on_its_day_or_the_day_after():
    life = in_state(RecordKind.MIGRATION, State.RUNNING)
    edge = Counts(count_injected=1_000, count_sent=1_000, count_delivered=1_000, count_bounce=50, count_spam_complaint=1)
    assert "not over" in refused(states.advance(life.record, life.at.date(), edge, now=life.at))
    assert "earlier day" in refused(states.advance(life.record, date(2026, 5, 20), edge, now=life.at))
    life.do(states.advance(life.record, date(2026, 5, 21), edge, now=life.at), TAM)
    assert (life.record.stage, life.record.stage_on) == (2, date(2026, 5, 24))
    life.do(states.hold(life.record, "a blocklist"), TAM)
    assert life.record.held_because == "a blocklist"
    life.do(states.resume(life.record), TAM)
    assert (life.record.state, life.record.stage, life.record.stage_on) == (State.RUNNING, 2, date(2026, 5, 24))
    life.do(states.advance(life.record, date(2026, 5, 27), GOOD_DAY, now=life.at), TAM)
    assert life.record.state is State.COMPLETED


def test_a_changed_ramp_runs_once_both_have_accepted_it():
    life = in_state(RecordKind.MIGRATION, State.RUNNING)
    life.do(states.advance(life.record, date(2026, 5, 21), GOOD_DAY, now=life.at), TAM)
    shorter = Migration(stages=RAMP.stages[:1])
    life.do(states.revise(life.record, shorter, by=TAM, promises={}), TAM)
    assert life.record.stage == 2
    life.do(states.agree(life.record, 2, by=KIM, person="contact 7"), KIM)
    assert (life.record.stage, life.record.state) == (1, State.RUNNING)
    life.do(states.advance(life.record, date(2026, 5, 25), GOOD_DAY, now=life.at), TAM)
    assert life.record.state is State.COMPLETED


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Onboarding(tasks=()), "1 to 200 tasks"),
        (Onboarding(tasks=(TASKS.tasks[0], TASKS.tasks[0])), "number of its own"),
        (Onboarding(tasks=(msgspec.structs.replace(TASKS.tasks[0], title=""),)), "title"),
        (Onboarding(tasks=(msgspec.structs.replace(TASKS.tasks[0], owner=Side.SYSTEM),)), "owned by"),
        (RAMP, "an onboarding plan has tasks"),
    ],
    ids=["empty", "twice", "untitled", "nobody's", "another kind"],
)
def test_a_plan_that_makes_no_sense_is_refused(content: Onboarding | Migration, said: str):
    assert said in refused(states.revise(Life(RecordKind.ONBOARDING).record, content, by=TAM, promises={}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Migration(stages=()), "1 to 60 stages"),
        (Migration(stages=(RAMP.stages[1], RAMP.stages[0])), "numbered"),
        (Migration(stages=(RAMP.stages[0], Stage(number=2, starts_on=date(2026, 5, 21), per_day=2))), "later day"),
        (Migration(stages=(Stage(number=1, starts_on=date(2026, 5, 21), per_day=0),)), "per_day"),
        (Migration(stages=RAMP.stages, most_bounces=1.5), "rates"),
    ],
    ids=["empty", "order", "same day", "nothing", "rate"],
)
def test_a_ramp_that_makes_no_sense_is_refused(content: Migration, said: str):
    assert said in refused(states.revise(Life(RecordKind.MIGRATION).record, content, by=TAM, promises={}))


# Reviews ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["new_needs", "capacity", "features"])
def test_a_review_talks_about_needs_capacity_and_features(lacks: str):
    topics = [topic for topic in AGENDA if topic.kind != lacks]
    life = Life(RecordKind.REVIEW)
    assert f"lacks {lacks}" in refused(states.schedule(life.record, at("2026-07-01T09:00Z"), topics))


def test_a_review_is_held_with_figures_and_not_before_its_time():
    life = Life(RecordKind.REVIEW)
    assert "prepare it first" in refused(states.meet(life.record, held_at=life.at, attendees="", now=life.at))
    later = life.at + timedelta(seconds=1)
    assert "lies ahead" in refused(states.meet(life.record, held_at=later, attendees="", now=life.at))


def test_minutes_count_once_they_are_sent_and_the_last_action_ends_the_review():
    life = in_state(RecordKind.REVIEW, State.HELD)
    life.do(states.write_minutes(life.record, "a draft", ACTIONS), TAM)
    assert life.record.state is State.HELD
    twice = (ACTIONS[0], ACTIONS[0])
    assert "number of its own" in refused(states.write_minutes(life.record, "x", twice))
    assert "each action has a text" in refused(
        states.write_minutes(life.record, "x", [Action(number=1, text="", owner=Side.CUSTOMER)])
    )
    life.sent(Purpose.MINUTES, given={})
    assert life.record.state is State.MINUTES_SENT
    assert "open them" in refused(states.finish(life.record))
    life.do(states.open_actions(life.record), TAM)
    assert "provider's" in refused(states.do_action(life.record, 1, by=KIM))
    life.do(states.do_action(life.record, 2, by=KIM), KIM)
    life.do(states.do_action(life.record, 1, by=TAM), TAM)
    assert (life.record.state, life.record.ended_at) == (State.DONE, life.at)
    assert "finish the review" in refused(states.open_actions(_minutes_without_actions()))


def _minutes_without_actions() -> Record:
    life = in_state(RecordKind.REVIEW, State.HELD)
    return life.do(states.write_minutes(life.record, "x", ()), TAM).sent(Purpose.MINUTES, given={}).record


# Recommendations and education ------------------------------------------------------------------------------------------


CHECK = RateCheck(rate=Rate.COMPLAINT, most=0.001)


def result(passed: bool | None) -> Result:
    return Result(at=at("2026-05-20T09:00Z"), passed=passed, said="as it is", measured={}, because="daily")


@pytest.mark.parametrize("passed", [False, None])
def test_what_has_a_check_was_followed_if_the_check_says_so(passed: bool | None):
    life = in_state(RecordKind.RECOMMENDATION, State.ACKNOWLEDGED, check=CHECK)
    for found in (result(passed), None):
        assert "its check does not say so" in refused(
            states.follow(life.record, result=found, attestation="I saw it", by_tam=True)
        )
    life.do(states.follow(life.record, result=result(True), attestation="", by_tam=False), ANN)
    evidence = life.record.evidence
    assert evidence is not None
    assert (life.record.state, evidence.result, evidence.attestation) == (State.FOLLOWED, result(True), "")


def test_without_a_check_only_the_tam_attests_it():
    life = in_state(RecordKind.RECOMMENDATION, State.ACKNOWLEDGED)
    assert "TAM" in refused(states.follow(life.record, result=None, attestation="I saw it", by_tam=False))
    assert "evidence" in refused(states.follow(life.record, result=None, attestation="", by_tam=True))
    life.do(states.follow(life.record, result=None, attestation="I saw it", by_tam=True), TAM)
    assert life.record.evidence is not None
    assert life.record.evidence.by == TAM.name


@pytest.mark.parametrize("step", ["acknowledge", "decline"])
def test_the_customers_word_is_his_own_or_written_down_with_evidence(step: str):
    life = Life(RecordKind.RECOMMENDATION)

    def take(**more: str) -> Decision:
        if step == "acknowledge":
            return states.acknowledge(life.record, by=ANN, **more)
        return states.decline(life.record, "no", by=ANN, **more)

    for more in ({"person": "contact 7"}, {"person": "", "evidence": "his mail"}):
        decision = take(**more)
        assert "evidence and contact" in refused(decision)
        assert decision.bar is Bar.WHO  # type: ignore[union-attr]
    life.do(take(person="contact 7", evidence="his mail"), ANN)


def test_an_education_item_is_delivered_by_the_first_mail_or_in_another_way():
    life = Life(RecordKind.EDUCATION)
    life.do(states.send(life.record), TAM)
    assert life.record.state is State.PREPARED
    life.sent(Purpose.EDUCATION, given={})
    assert (life.record.state, life.record.delivered_how, life.record.awaits) == (State.DELIVERED, "e-mail", Side.CUSTOMER)
    assert "how it was given" in refused(states.deliver(Life(RecordKind.EDUCATION).record, ""))


# Clocks -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["agree", "object"])
def test_confirm_runs_from_the_mail_until_the_customer_answers(answer: str):
    life = Life(RecordKind.ONBOARDING).later(minutes=1)
    assert life.clocks() == []
    life.sent(Purpose.PROPOSAL, 1).later(hours=5)
    (clock,) = life.clocks()
    assert (clock.kind, clock.nature, clock.state) == (Kind.CONFIRM, Nature.COURTESY, ClockState.RUNNING)
    assert clock.elapsed_s == 5 * 3_600
    assert life.record.awaits is Side.CUSTOMER
    if answer == "agree":
        life.do(states.agree(life.record, 1, by=KIM, person="contact 7"), KIM)
    else:
        life.do(states.objected(life.record, 1, "no", by=KIM, promises=OWED), KIM)
    assert life.clocks()[0].state is ClockState.MET


def test_what_the_customer_proposes_the_tam_answers_within_four_business_hours():
    life = Life(RecordKind.MIGRATION)
    life.do(states.revise(life.record, RAMP, by=KIM, promises=OWED), KIM)
    clock = life.clocks()[-1]
    assert (clock.kind, clock.nature, clock.due_at) == (Kind.TAM_REPLY, Nature.OBJECTIVE, at("2026-05-20T13:00Z"))
    life.later(hours=3)
    life.do(states.agree(life.record, 2, by=TAM, person="staff 4"), TAM)
    assert life.clocks()[-1].state is ClockState.MET
    assert life.record.state is State.AGREED


def test_a_late_answer_of_the_tam_stays_missed():
    life = Life(RecordKind.MIGRATION)
    life.do(states.revise(life.record, RAMP, by=KIM, promises=OWED), KIM).later(days=1)
    life.do(states.objected(life.record, 2, "too steep", by=TAM, promises={}), TAM)
    clock = life.clocks()[-1]
    assert (clock.state, clock.outcome_at) == (ClockState.MISSED, at("2026-05-20T13:00Z"))


@pytest.mark.parametrize("end", ["revise", "abort"])
def test_a_newer_version_or_the_end_supersedes_confirm(end: str):
    life = Life(RecordKind.MIGRATION).sent(Purpose.PROPOSAL, 1).later(hours=1)
    life.do(TRY[end](life.record), TAM)
    assert life.clocks()[0].state is ClockState.SUPERSEDED
    assert life.record.awaits is None


def test_a_recommendation_waits_for_the_customer_until_he_acknowledges():
    life = Life(RecordKind.RECOMMENDATION).sent(Purpose.RECOMMENDATION)
    life.add(Reminded(number=1), by=TAM)
    assert (life.record.awaits, life.record.reminders) == (Side.CUSTOMER, 1)
    life.do(states.acknowledge(life.record, by=KIM, person="contact 7"), KIM)
    assert life.record.awaits is None
    assert life.clocks()[0].state is ClockState.MET


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_happens_events_make_one_record_in_a_state_of_its_kind_and_clocks_without_overlap(data: st.DataObject):
    kind = data.draw(st.sampled_from(RecordKind))
    life = Life(kind)
    for _ in range(data.draw(st.integers(0, 8))):
        life.later(hours=data.draw(st.integers(0, 30)))
        name = data.draw(st.sampled_from([*sorted(TABLE[kind.value]), "agree", "object"]))
        by = data.draw(st.sampled_from([KIM, TAM]))
        version = len(life.record.versions)
        match name:
            case "agree":
                decision = states.agree(life.record, version, by=by, person=by.name)
            case "object":
                decision = states.objected(life.record, version, "x", by=by, promises=OWED)
            case "revise":
                content = TASKS if kind is RecordKind.ONBOARDING else RAMP
                decision = states.revise(life.record, content, by=by, promises=OWED)
            case _:
                decision = TRY[name](life.record)
        life.add(*(decision if isinstance(decision, list) else []), by=by)
        record = life.record
        assert record.state.value in STATES[kind].split()
        assert record == fold(life.events, account_id=1)
        assert len([one for one in record.versions if one.stands and one.agreed_at is None]) <= 1
        assert all(one.person for one in record.versions if one.agreed_at is not None)
        for clock in life.clocks():
            ends = [span.end or life.at for span in clock.spans]
            assert sum((end - span.start for span, end in zip(clock.spans, ends, strict=True)), timedelta()) == (
                (clock.ended_at or life.at) - clock.started_at
            )
