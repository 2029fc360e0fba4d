"""What may happen to a record now, and what follows (model, section 3.2b). Answers are events, or say why not."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType

import msgspec

from homing.support.cases.rules.decision import Bar, No, has_words
from homing.support.cases.types import Actor, Side
from homing.support.clocks.types import Kind, Promise
from homing.support.tam.happened import (
    Aborted,
    Acknowledged,
    ActionDone,
    ActionsOpened,
    Advanced,
    Agreed,
    ClockVoided,
    Completed,
    DayJudged,
    Declined,
    Delivered,
    Dispatched,
    Finished,
    Followed,
    HeldBack,
    Met,
    MinutesWritten,
    Objected,
    Payload,
    Resumed,
    Scheduled,
    ScopeAcknowledged,
    ScopeRefused,
    Started,
    SupersededBy,
    TaskDone,
    TopicAdded,
    Versioned,
    VoidAsked,
)
from homing.support.tam.rules import scope
from homing.support.tam.rules.checks import day_said
from homing.support.tam.rules.fold import still_done
from homing.support.tam.types import (
    REQUIRED_TOPICS,
    Action,
    Content,
    Counts,
    Migration,
    Onboarding,
    Record,
    RecordKind,
    Result,
    State,
    Topic,
)

MOST_TASKS = 200
MOST_NUMBER = 1_000_000
MOST_STAGES = 60
MOST_VERSIONS = 200
MOST_TOPICS = 50
MOST_ACTIONS = 100
MOST_PER_DAY = 1_000_000_000
LONGEST_REASON = 500  # characters of why a clock is void
Promises = Mapping[Kind, Promise]


class Refusal(msgspec.Struct, frozen=True):
    """No; and that it was asked for is kept."""

    payloads: list[Payload]
    no: No


Decision = list[Payload] | No | Refusal


class Step(StrEnum):
    """What somebody may do with a record."""

    REVISE = "revise"
    AGREE = "agree"
    OBJECT = "object"
    START = "start"
    DO_TASK = "do_task"
    ADVANCE = "advance"
    HOLD = "hold"
    RESUME = "resume"
    ABORT = "abort"
    SCHEDULE = "schedule"
    ADD_TOPIC = "add_topic"
    PREPARE = "prepare"
    MEET = "meet"
    WRITE_MINUTES = "write_minutes"
    OPEN_ACTIONS = "open_actions"
    DO_ACTION = "do_action"
    FINISH = "finish"
    ACKNOWLEDGE = "acknowledge"
    FOLLOW = "follow"
    DECLINE = "decline"
    SUPERSEDE = "supersede"
    SEND = "send"
    DELIVER = "deliver"


_LIVE_ONBOARDING = frozenset({State.DRAFT, State.AGREED, State.IN_PROGRESS})
_LIVE_MIGRATION = frozenset({State.DRAFT, State.AGREED, State.RUNNING, State.HELD})
ONBOARDING, MIGRATION, REVIEW = RecordKind.ONBOARDING, RecordKind.MIGRATION, RecordKind.REVIEW
ADVICE, LESSON = RecordKind.RECOMMENDATION, RecordKind.EDUCATION

# Where each step may be taken; a step that a kind does not have is absent.
FROM: Mapping[tuple[RecordKind, Step], frozenset[State]] = MappingProxyType(
    {
        (ONBOARDING, Step.REVISE): _LIVE_ONBOARDING,
        (ONBOARDING, Step.AGREE): _LIVE_ONBOARDING,
        (ONBOARDING, Step.OBJECT): _LIVE_ONBOARDING,
        (ONBOARDING, Step.START): frozenset({State.AGREED}),
        (ONBOARDING, Step.DO_TASK): frozenset({State.IN_PROGRESS}),
        (MIGRATION, Step.REVISE): _LIVE_MIGRATION,
        (MIGRATION, Step.AGREE): _LIVE_MIGRATION,
        (MIGRATION, Step.OBJECT): _LIVE_MIGRATION,
        (MIGRATION, Step.START): frozenset({State.AGREED}),
        (MIGRATION, Step.ADVANCE): frozenset({State.RUNNING}),
        (MIGRATION, Step.HOLD): frozenset({State.RUNNING}),
        (MIGRATION, Step.RESUME): frozenset({State.HELD}),
        (MIGRATION, Step.ABORT): _LIVE_MIGRATION,
        (REVIEW, Step.SCHEDULE): frozenset({State.SCHEDULED}),
        (REVIEW, Step.ADD_TOPIC): frozenset({State.SCHEDULED}),
        (REVIEW, Step.PREPARE): frozenset({State.SCHEDULED, State.HELD}),
        (REVIEW, Step.MEET): frozenset({State.SCHEDULED}),
        (REVIEW, Step.WRITE_MINUTES): frozenset({State.HELD}),
        (REVIEW, Step.OPEN_ACTIONS): frozenset({State.MINUTES_SENT}),
        (REVIEW, Step.DO_ACTION): frozenset({State.ACTIONS_OPEN}),
        (REVIEW, Step.FINISH): frozenset({State.MINUTES_SENT}),
        (ADVICE, Step.ACKNOWLEDGE): frozenset({State.ISSUED}),
        (ADVICE, Step.FOLLOW): frozenset({State.ACKNOWLEDGED}),
        (ADVICE, Step.DECLINE): frozenset({State.ISSUED, State.ACKNOWLEDGED}),
        (ADVICE, Step.SUPERSEDE): frozenset({State.ISSUED, State.ACKNOWLEDGED, State.FOLLOWED, State.DECLINED}),
        (LESSON, Step.SEND): frozenset({State.PREPARED}),
        (LESSON, Step.DELIVER): frozenset({State.PREPARED}),
        (LESSON, Step.ACKNOWLEDGE): frozenset({State.DELIVERED}),
    }
)
_KINDS = {kind: kind.value.replace("_", " ") for kind in RecordKind}


def barred(record: Record, step: Step) -> No | None:
    """Return why a step cannot be taken as the record stands; None: it can."""
    wanted = FROM.get((record.kind, step))
    words = step.value.replace("_", " ")
    if wanted is None:
        return No(Bar.WHAT, f"'{words}' is no step of this: it is a record of kind {_KINDS[record.kind]}")
    if record.state not in wanted:
        names = ", ".join(sorted(state.value for state in wanted))
        return No(Bar.STATE, f"the {_KINDS[record.kind]} is {record.state.value}; '{words}' is possible while it is {names}")
    return None


# Plans ------------------------------------------------------------------------------------------------------------------


def digest(content: Content) -> str:
    """Return what both sides agree to: the SHA-256 of the plan's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def faults(kind: RecordKind, content: Content) -> str:
    """Return what is wrong with a plan; '': nothing."""
    match content:
        case Onboarding(tasks=tasks) if kind is ONBOARDING:
            if not 1 <= len(tasks) <= MOST_TASKS:
                return f"a plan has 1 to {MOST_TASKS} tasks"
            if len({task.number for task in tasks}) < len(tasks) or any(not 1 <= task.number <= MOST_NUMBER for task in tasks):
                return "each task has a number of its own, from 1"
            if any(not task.title for task in tasks):
                return "each task has a title"
            if any(task.owner is Side.SYSTEM for task in tasks):
                return "a task is owned by the customer or the provider"
        case Migration(stages=stages) if kind is MIGRATION:
            if not 1 <= len(stages) <= MOST_STAGES:
                return f"a plan has 1 to {MOST_STAGES} stages"
            if [stage.number for stage in stages] != list(range(1, len(stages) + 1)):
                return "stages are numbered 1, 2, 3 ... in their order"
            if any(after.starts_on <= before.starts_on for before, after in pairwise(stages)):
                return "each stage starts on a later day than the one before"
            if any(not 1 <= stage.per_day <= MOST_PER_DAY for stage in stages):
                return f"per_day is 1 to {MOST_PER_DAY} messages"
            if not (0 <= content.most_bounces <= 1 and 0 <= content.most_complaints <= 1):
                return "most_bounces and most_complaints are rates from 0.0 to 1.0"
        case _:
            return "an onboarding plan has tasks, a migration plan has stages"
    return ""


def revise(record: Record, content: Content, *, by: Actor, promises: Promises) -> Decision:
    """One side proposes a plan, or a change; nothing is in force until the other accepts it.

    promises   of a TAM_REPLY: what the customer proposes, the TAM answers
    """
    if no := barred(record, Step.REVISE):
        return no
    if len(record.versions) >= MOST_VERSIONS:
        return No(Bar.STATE, f"there are {MOST_VERSIONS} versions already")
    if wrong := faults(record.kind, content):
        return No(Bar.WHAT, wrong)
    if isinstance(content, Onboarding):
        outside = [(task, why) for task in content.tasks if (why := scope.refused(task)) is not None]
        if outside:
            task, why = outside[0]
            text = f"'{task.title}' can only be the customer's: {why.words} is not included (clause {scope.CLAUSE}); {why.route}"
            kept: list[Payload] = [
                ScopeRefused(task=one.title, kind=one.kind, clause=scope.CLAUSE, route=because.route) for one, because in outside
            ]
            return Refusal(kept, No(Bar.WHAT, text))
    mine = promises if by.side is Side.CUSTOMER else {}
    return [
        Versioned(version=len(record.versions) + 1, content=content, sha256=digest(content), promises=dict(mine)),
    ]


def agree(record: Record, version: int, *, by: Actor, person: str, evidence: str = "") -> Decision:
    """The other side accepts a version.

    person     the contact or member of the staff whose word it is; '': none is known
    evidence   of the customer's consent, where staff writes it down (S3)
    """
    if no := barred(record, Step.AGREE):
        return no
    if no := _not_this(record, version):
        return no
    found = record.versions[version - 1]
    entered = by.side is Side.PROVIDER and found.side is Side.PROVIDER
    if by.side is found.side and not (entered and evidence):
        text = "the other side accepts it; staff may write down the customer's consent with evidence and contact"
        return No(Bar.WHO, text)
    if not person:
        return No(Bar.WHO, "an authorised contact accepts a plan; name him as contact")
    if by.side is Side.PROVIDER and not entered:
        person = by.name
    agreed = Agreed(version=version, sha256=found.sha256, person=person, evidence=evidence if entered else "")
    if record.state is State.IN_PROGRESS and isinstance(found.content, Onboarding):
        done = still_done(record, found.content)
        if all(task.number in done for task in found.content.tasks):
            return [agreed, Completed()]
    return [agreed]


def objected(record: Record, version: int, words: str, *, by: Actor, promises: Promises) -> Decision:
    """The other side does not accept a version; or whoever proposed it takes it back."""
    if no := barred(record, Step.OBJECT):
        return no
    if no := _not_this(record, version):
        return no
    if not words:
        return No(Bar.WHAT, "say in reason what is wrong with it")
    mine = promises if by.side is Side.CUSTOMER else {}
    return [Objected(version=version, words=words, promises=dict(mine))]


def _not_this(record: Record, version: int) -> No | None:
    waiting = record.proposed
    if waiting is None:
        return No(Bar.STATE, "no version waits for an answer")
    if version != waiting.number:
        return No(Bar.STATE, f"version {waiting.number} is the one that waits for an answer")
    return None


def start(record: Record, *, today: date) -> Decision:
    """An agreed plan is carried out from now on."""
    if no := barred(record, Step.START):
        return no
    plan = record.in_force
    if plan is not None and isinstance(plan.content, Migration):
        return [Started(on=max(today, plan.content.stages[0].starts_on))]
    return [Started()]


def do_task(record: Record, number: int, *, by: Actor) -> Decision:
    """A task is done; the last one completes the plan. What is ours, staff alone can call done."""
    if no := barred(record, Step.DO_TASK):
        return no
    plan = record.in_force
    tasks = plan.content.tasks if plan is not None and isinstance(plan.content, Onboarding) else ()
    task = next((one for one in tasks if one.number == number), None)
    if task is None:
        return No(Bar.WHAT, f"the plan has no task {number}")
    if number in record.done:
        return No(Bar.STATE, f"task {number} is done")
    if task.owner is Side.PROVIDER and by.side is Side.CUSTOMER:
        return No(Bar.WHO, f"task {number} is the provider's")
    over = all(one.number in record.done or one.number == number for one in tasks)
    return [TaskDone(number=number), *([Completed()] if over else [])]


def acknowledge_scope(record: Record, number: int, *, person: str) -> Decision:
    """The customer has taken note that something is not included."""
    if not 1 <= number <= len(record.scope):
        return No(Bar.WHAT, f"there is no decision {number}")
    if record.scope[number - 1].acknowledged_at is not None:
        return No(Bar.STATE, "that is acknowledged")
    return [ScopeAcknowledged(number=number, person=person)]


def advance(record: Record, day: date, counts: Counts, *, now: datetime) -> Decision:
    """Hold a day against the stage that runs; if volume and limits were met the next one begins, after the last all is done."""
    if no := barred(record, Step.ADVANCE):
        return no
    if no := cannot_be_judged(record, day, now=now):
        return no
    plan = record.in_force
    if plan is None or not isinstance(plan.content, Migration):
        return No(Bar.STATE, "no ramp is agreed")
    stages = plan.content.stages
    stage = stages[record.stage - 1]
    met, said = day_said(stage, plan.content, day, counts)
    judged = DayJudged(stage=record.stage, day=day, met=met, said=said, counts=counts)
    if not met:
        return Refusal([judged], No(Bar.STATE, f"stage {record.stage} does not advance: {said}"))
    if record.stage == len(stages):
        return [judged, Completed()]
    following = stages[record.stage]
    return [judged, Advanced(stage=following.number, on=max(day + timedelta(days=1), following.starts_on))]


def cannot_be_judged(record: Record, day: date, *, now: datetime) -> No | None:
    """Return why a day says nothing about the stage that runs; None: it does."""
    if day >= now.astimezone(UTC).date():
        return No(Bar.WHAT, f"{day} is not over; days are those of UTC")
    if record.stage_on is not None and day < record.stage_on:
        return No(Bar.WHAT, f"stage {record.stage} runs since {record.stage_on}; an earlier day says nothing about it")
    return None


def hold(record: Record, reason: str) -> Decision:
    """The ramp waits."""
    if no := barred(record, Step.HOLD):
        return no
    return [HeldBack(reason=reason)] if reason else No(Bar.WHAT, "say in reason why it waits")


def resume(record: Record) -> Decision:
    """The ramp goes on where it was."""
    return barred(record, Step.RESUME) or [Resumed()]


def abort(record: Record, reason: str) -> Decision:
    """The migration ends before its time."""
    if no := barred(record, Step.ABORT):
        return no
    return [Aborted(reason=reason)] if reason else No(Bar.WHAT, "say in reason why it ends")


def void_reply(record: Record, clock: int, kind: Kind | None, *, by: Actor, reason: str) -> Decision:
    """Say that an answer was never owed; the second person who says so makes its clock void, wherever the record stands.

    clock   number among those of the record; kind: of it, None: there is none
    """
    if by.side is not Side.PROVIDER or not by.person_id:
        return No(Bar.WHO, "two people of the staff make a clock void")
    if kind is not Kind.TAM_REPLY:
        return No(
            Bar.WHAT, f"clock {clock} is no TAM_REPLY of this record; its other clocks end when the customer is asked no more"
        )
    if clock in record.voided:
        return No(Bar.STATE, "that clock is void")
    if not has_words(reason):
        return No(Bar.WHAT, "say in reason why: a duplicate, a test")
    asked = next((one for one in record.voids if one.clock == clock), None)
    if asked is None:
        return [VoidAsked(clock=clock, person_id=by.person_id, reason=reason[:LONGEST_REASON])]
    if asked.person_id == by.person_id:
        return No(Bar.STATE, "another person has to say so too")
    return [ClockVoided(clock=clock, people=(f"staff {asked.person_id}", by.name), reason=asked.reason)]


# Reviews ----------------------------------------------------------------------------------------------------------------


def lacking(topics: Sequence[Topic]) -> str:
    """Return what an agenda lacks, or has too much of; '': nothing."""
    missing = [kind.value for kind in REQUIRED_TOPICS if all(topic.kind is not kind for topic in topics)]
    if missing:
        return f"a planning review has at least the topics new_needs, capacity, features; it lacks {', '.join(missing)}"
    if len(topics) > MOST_TOPICS:
        return f"at most {MOST_TOPICS} topics"
    return "" if all(topic.text for topic in topics) else "each topic has a text"


def schedule(record: Record, meets_at: datetime, topics: Sequence[Topic]) -> Decision:
    """Set the review for another moment, or with another agenda. topics empty: as they are."""
    if no := barred(record, Step.SCHEDULE):
        return no
    agenda = tuple(topics) or record.topics
    wrong = lacking(agenda)
    return No(Bar.WHAT, wrong) if wrong else [Scheduled(meets_at=meets_at, topics=agenda)]


def add_topic(record: Record, topic: Topic) -> Decision:
    """Either side has something more to talk about."""
    if no := barred(record, Step.ADD_TOPIC):
        return no
    if not topic.text:
        return No(Bar.WHAT, "say in text what it is about")
    return [TopicAdded(topic=topic)] if len(record.topics) < MOST_TOPICS else No(Bar.STATE, f"at most {MOST_TOPICS} topics")


def meet(record: Record, *, held_at: datetime, attendees: str, now: datetime) -> Decision:
    """The review took place."""
    if no := barred(record, Step.MEET):
        return no
    if held_at > now:
        return No(Bar.WHAT, "held_at lies ahead")
    if not record.documents:
        return No(Bar.STATE, "prepare it first: a review talks about figures as they were")
    return [Met(held_at=held_at, attendees=attendees)]


def write_minutes(record: Record, text: str, actions: Sequence[Action]) -> Decision:
    """Write down what was said; the state follows once a mail with it is on its way."""
    if no := barred(record, Step.WRITE_MINUTES):
        return no
    if not text:
        return No(Bar.WHAT, "say in text what was said")
    numbers = [one.number for one in actions]
    if len(set(numbers)) < len(numbers) or any(number < 1 for number in numbers) or len(numbers) > MOST_ACTIONS:
        return No(Bar.WHAT, f"each action has a number of its own, from 1; at most {MOST_ACTIONS}")
    if any(not one.text for one in actions):
        return No(Bar.WHAT, "each action has a text")
    return [MinutesWritten(version=record.seq + 1, text=text, actions=tuple(actions))]


def open_actions(record: Record) -> Decision:
    """What the minutes ask for is being done."""
    if no := barred(record, Step.OPEN_ACTIONS):
        return no
    return [ActionsOpened()] if record.actions else No(Bar.STATE, "the minutes name no actions; finish the review")


def do_action(record: Record, number: int, *, by: Actor) -> Decision:
    """An action is done; with the last one the review is."""
    if no := barred(record, Step.DO_ACTION):
        return no
    action = next((one for one in record.actions if one.number == number), None)
    if action is None:
        return No(Bar.WHAT, f"there is no action {number}")
    if number in record.done:
        return No(Bar.STATE, f"action {number} is done")
    if action.owner is Side.PROVIDER and by.side is Side.CUSTOMER:
        return No(Bar.WHO, f"action {number} is the provider's")
    over = all(one.number in record.done or one.number == number for one in record.actions)
    return [ActionDone(number=number), *([Finished()] if over else [])]


def finish(record: Record) -> Decision:
    """A review without actions is done."""
    if no := barred(record, Step.FINISH):
        return no
    return No(Bar.STATE, "the minutes name actions; open them") if record.actions else [Finished()]


# Recommendations and education ------------------------------------------------------------------------------------------


def acknowledge(record: Record, *, by: Actor, person: str, evidence: str = "") -> Decision:
    """The customer has taken note; staff writes it down for him with evidence."""
    if no := barred(record, Step.ACKNOWLEDGE):
        return no
    if by.side is Side.PROVIDER and not (evidence and person):
        return No(Bar.WHO, "the customer acknowledges; staff may write it down with evidence and contact")
    return [Acknowledged(person=person or by.name, evidence=evidence if by.side is Side.PROVIDER else "")]


def decline(record: Record, reason: str, *, by: Actor, person: str, evidence: str = "") -> Decision:
    """The customer does not want to follow it; staff writes it down for him with evidence."""
    if no := barred(record, Step.DECLINE):
        return no
    if by.side is Side.PROVIDER and not (evidence and person):
        return No(Bar.WHO, "the customer declines; staff may write it down with evidence and contact")
    if not reason:
        return No(Bar.WHAT, "say in reason why")
    kept = evidence if by.side is Side.PROVIDER else ""
    return [Declined(person=person or by.name, reason=reason, evidence=kept)]


def follow(record: Record, *, result: Result | None, attestation: str, by_tam: bool) -> Decision:
    """It was followed: the check says so now, or, where there is none, the TAM does.

    result   of the record's check, just run; None: it has none
    by_tam   the one who says it is the account's TAM, or stands in
    """
    if no := barred(record, Step.FOLLOW):
        return no
    if record.check is not None:
        if result is None or not result.passed:
            return No(Bar.STATE, f"its check does not say so: {'it was not run' if result is None else result.said}")
        return [Followed(result=result)]
    if not by_tam:
        return No(Bar.WHO, "it has no check, so the account's TAM, or who stands in, attests it")
    return [Followed(attestation=attestation)] if attestation else No(Bar.WHAT, "say in evidence how it is known")


def supersede(record: Record, newer: int) -> Decision:
    """A newer recommendation stands in its place."""
    return barred(record, Step.SUPERSEDE) or [SupersededBy(record=newer)]


def send(record: Record) -> Decision:
    """It goes out by mail; it is delivered once the first mail is accepted."""
    return barred(record, Step.SEND) or [Dispatched()]


def deliver(record: Record, how: str) -> Decision:
    """It was given in another way than by mail."""
    if no := barred(record, Step.DELIVER):
        return no
    return [Delivered(how=how)] if how else No(Bar.WHAT, "say in text how it was given")
