"""What can be done with records of the TAM's programme: one row for each route, who may take it, and what it carries out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from litestar import post, put

from homing.api.openapi import Operation
from homing.api.v1 import support_tam_pages as pages
from homing.api.v1.support_tam_office import Caller, StepOf, TamOffice
from homing.api.v1.support_tam_wire import (
    GivenIn,
    TopicIn,
    actions_of,
    content_of,
    day_of,
    line,
    moment_of,
    text_of,
    topics_of,
)
from homing.ingress.rules.problem import Wrong, bad_type
from homing.support.cases.types import Side
from homing.support.clocks.types import Kind
from homing.support.tam import measuring, reviews
from homing.support.tam.desk import Answer, Taken
from homing.support.tam.reviews import LONGEST_DAYS
from homing.support.tam.rules import states
from homing.support.tam.rules.clockwork import clocks_of
from homing.support.tam.rules.states import Decision, Promises
from homing.support.tam.types import About, Migration, Record, RecordKind

Decider = Callable[[Record], Decision]


class StepRoute(NamedTuple):
    """One route. customer, staff: who may take it."""

    kind: RecordKind
    path: str
    name: str
    customer: bool
    staff: bool
    operation: Operation
    take: StepOf
    verb: Any = post


async def _act(office: TamOffice, caller: Caller, record: Record, decide: Decider) -> Answer:
    """Take a step that needs nothing but the record."""

    async def decided(taken: Taken) -> Decision:
        return decide(taken.record)

    return await office.desk.act(record.record_id, caller.actor, decided)


async def _promises(taken: Taken, caller: Caller) -> Promises:
    return await taken.promises(Kind.TAM_REPLY) if caller.actor.side is Side.CUSTOMER else {}


# Plans ------------------------------------------------------------------------------------------------------------------


async def revise(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Propose a plan, or a change."""
    content = content_of(given, record.kind)

    async def decide(taken: Taken) -> Decision:
        return states.revise(taken.record, content, by=caller.actor, promises=await _promises(taken, caller))

    return await office.desk.act(record.record_id, caller.actor, decide)


async def agree(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Accept what the other side proposes, or write down the customer's word."""
    person = await office.person(caller, record, given.contact, authorised=True)
    if caller.staff is not None and not given.contact:
        person = caller.actor.name
    evidence = line(given.evidence) if person.startswith("contact") else ""

    def decide(taken: Record) -> Decision:
        return states.agree(taken, given.version, by=caller.actor, person=person, evidence=evidence)

    return await _act(office, caller, record, decide)


async def objection(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say what is wrong with it."""
    words = line(given.reason)

    async def decide(taken: Taken) -> Decision:
        promises = await _promises(taken, caller)
        return states.objected(taken.record, given.version, words, by=caller.actor, promises=promises)

    return await office.desk.act(record.record_id, caller.actor, decide)


async def start(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Carry an agreed plan out."""

    async def decide(taken: Taken) -> Decision:
        return states.start(taken.record, today=taken.at.date())

    return await office.desk.act(record.record_id, caller.actor, decide)


async def do_task(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say that a task is done."""
    return await _act(office, caller, record, lambda taken: states.do_task(taken, given.number, by=caller.actor))


async def acknowledge_scope(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Take note that something is not included."""
    person = await office.person(caller, record, given.contact) or caller.actor.name
    return await _act(office, caller, record, lambda taken: states.acknowledge_scope(taken, given.number, person=person))


async def advance(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Hold a day against the stage that runs; the next one begins if it met volume and limits."""
    now = await office.legal.now(office.pool)
    day = now.date() - timedelta(days=1) if given.day is None else day_of(given.day, "day")
    if no := states.barred(record, states.Step.ADVANCE) or states.cannot_be_judged(record, day, now=now):
        return no
    plan = record.in_force
    about = plan.content.about if plan is not None and isinstance(plan.content, Migration) else About()
    counts = await office.figures.total(record.account_id, about, first=day, last=day)

    async def decide(taken: Taken) -> Decision:
        return states.advance(taken.record, day, counts, now=taken.at)

    return await office.desk.act(record.record_id, caller.actor, decide)


async def hold(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Let the ramp wait."""
    return await _act(office, caller, record, lambda taken: states.hold(taken, line(given.reason)))


async def resume(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Let the ramp go on."""
    return await _act(office, caller, record, states.resume)


async def abort(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """End the migration."""
    return await _act(office, caller, record, lambda taken: states.abort(taken, line(given.reason)))


async def void(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say that an answer was never owed; two people have to."""
    reason = line(given.reason)

    async def decide(taken: Taken) -> Decision:
        logs = clocks_of(taken.events)
        kind = logs[given.number - 1].kind if 0 < given.number <= len(logs) else None
        return states.void_reply(taken.record, given.number, kind, by=caller.actor, reason=reason)

    return await office.desk.act(record.record_id, caller.actor, decide)


# Reviews ----------------------------------------------------------------------------------------------------------------


async def schedule(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Set a review for another moment, or with another agenda."""
    meets_at, topics = moment_of(given.meets_at, "meets_at"), topics_of(given.topics, Side.PROVIDER)
    return await _act(office, caller, record, lambda taken: states.schedule(taken, meets_at, topics))


async def add_topic(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Have something more to talk about."""
    (topic,) = topics_of([TopicIn(text=given.text, kind=given.kind)], caller.actor.side)
    return await _act(office, caller, record, lambda taken: states.add_topic(taken, topic))


async def prepare(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Draw figures, and keep them as they are now."""
    today = (await office.legal.now(office.pool)).date()
    last = today if given.until is None else day_of(given.until, "until")
    first = last - timedelta(days=29) if given.since is None else day_of(given.since, "since")
    return await reviews.prepare(office.desk, office.figures, record, caller.actor, first=first, last=last)


async def meet(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say that a review took place."""
    asked = None if given.held_at is None else moment_of(given.held_at, "held_at")
    attendees = line(given.attendees)

    async def decide(taken: Taken) -> Decision:
        return states.meet(taken.record, held_at=asked or taken.at, attendees=attendees, now=taken.at)

    return await office.desk.act(record.record_id, caller.actor, decide)


async def write_minutes(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Write down what was said, and mail it."""
    text, actions = text_of(given.text), actions_of(given.actions)
    return await _act(office, caller, record, lambda taken: states.write_minutes(taken, text, actions))


async def open_actions(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Begin with what the minutes ask for."""
    return await _act(office, caller, record, states.open_actions)


async def do_action(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say that an action is done."""
    return await _act(office, caller, record, lambda taken: states.do_action(taken, given.number, by=caller.actor))


async def finish(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """End a review that asks for nothing."""
    return await _act(office, caller, record, states.finish)


# Recommendations and education ------------------------------------------------------------------------------------------


async def acknowledge(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Take note."""
    person, evidence = await office.person(caller, record, given.contact), line(given.evidence)
    by = caller.actor
    return await _act(office, caller, record, lambda taken: states.acknowledge(taken, by=by, person=person, evidence=evidence))


async def decline(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Do not want to follow it."""
    person, evidence, reason = await office.person(caller, record, given.contact), line(given.evidence), line(given.reason)
    by = caller.actor

    def decide(taken: Record) -> Decision:
        return states.decline(taken, reason, by=by, person=person, evidence=evidence)

    return await _act(office, caller, record, decide)


async def follow(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say that it was followed: its check is run now; without one the TAM attests it."""
    if no := states.barred(record, states.Step.FOLLOW):
        return no
    now = await office.legal.now(office.pool)
    result = await measuring.run(office.pool, office.figures, record, now=now, because=caller.actor.name)
    attestation = line(given.evidence)

    async def decide(taken: Taken) -> Decision:
        by_tam = await taken.is_tam(caller.actor)
        return states.follow(taken.record, result=result, attestation=attestation, by_tam=by_tam)

    return await office.desk.act(record.record_id, caller.actor, decide)


async def send(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Mail an education item to the authorised contacts."""
    return await _act(office, caller, record, states.send)


async def deliver(office: TamOffice, caller: Caller, record: Record, given: GivenIn) -> Answer:
    """Say how it was given, if not by mail."""
    how = line(given.text)
    if len(how) > 500:
        raise Wrong(bad_type("text has at most 500 characters"))
    return await _act(office, caller, record, lambda taken: states.deliver(taken, how))


_VERSION = pages.body(("version",), version=pages.COUNT, contact=pages.CONTACT, evidence=pages.EVIDENCE)
_OBJECTION = pages.body(("version", "reason"), version=pages.COUNT, reason=pages.LINE)
_REASON = pages.body(("reason",), reason=pages.LINE)
_NUMBER = pages.body(("number",), number=pages.COUNT, contact=pages.CONTACT)
_VOID = pages.body(("number", "reason"), number=pages.COUNT, reason=pages.REASON)
_NOTHING = pages.body()
_NOTED = pages.body(contact=pages.CONTACT, evidence=pages.EVIDENCE)
_AGREED = (
    "Exactly this version, by its number. The customer's side is an authorised contact, named in `contact`. Staff may write down "
    "his consent with `evidence`, never his own for both sides."
)
_REVISED = "It is a new version, and in force once the other side accepts it; until then what was agreed before stays in force."

_VOIDED = (
    "A duplicate, a test: `number` is that of a TAM_REPLY among the clocks. Two people make it void; the first only asks. What "
    "was missed stays missed, and is counted apart."
)


def _plans(kind: RecordKind, word: str, schema: Any, example: Any) -> tuple[StepRoute, ...]:
    what = word.replace("_", " ")
    return (
        StepRoute(
            kind,
            "",
            f"revise_{word}",
            True,
            True,
            pages.stepping(f"Propose another {what}", schema, example, _REVISED),
            revise,
            put,
        ),
        StepRoute(
            kind,
            "/agreement",
            f"agree_to_{word}",
            True,
            True,
            pages.stepping(f"Agree to a version of the {what}", _VERSION, {"version": 1, "contact": "kim@example.com"}, _AGREED),
            agree,
        ),
        StepRoute(
            kind,
            "/objection",
            f"object_to_{word}",
            True,
            True,
            pages.stepping(f"Object to a version of the {what}", _OBJECTION, {"version": 1, "reason": "June is too early"}),
            objection,
        ),
        StepRoute(
            kind, "/start", f"start_{word}", False, True, pages.stepping(f"Begin with an agreed {what}", _NOTHING, {}), start
        ),
        StepRoute(
            kind,
            "/void",
            f"void_reply_of_{word}",
            False,
            True,
            pages.stepping(f"Say that no answer was ever owed in the {what}", _VOID, {"number": 2, "reason": "a test"}, _VOIDED),
            void,
        ),
    )


ONBOARDING, MIGRATION, REVIEW = RecordKind.ONBOARDING, RecordKind.MIGRATION, RecordKind.REVIEW
ADVICE, LESSON = RecordKind.RECOMMENDATION, RecordKind.EDUCATION
STEPS: tuple[StepRoute, ...] = (
    *_plans(ONBOARDING, "onboarding_plan", pages.body(("tasks",), **pages.PLAN), pages.A_PLAN),
    StepRoute(
        ONBOARDING,
        "/done",
        "finish_onboarding_task",
        True,
        True,
        pages.stepping("Say that a task is done", _NUMBER, {"number": 1}, "The last one completes the plan."),
        do_task,
    ),
    StepRoute(
        ONBOARDING,
        "/scope/acknowledgement",
        "acknowledge_onboarding_scope",
        True,
        False,
        pages.stepping("Take note that something is not included", _NUMBER, {"number": 1}, "Clause B4."),
        acknowledge_scope,
    ),
    *_plans(MIGRATION, "migration_plan", pages.body(("stages",), **pages.RAMP), pages.A_RAMP),
    StepRoute(
        MIGRATION,
        "/advance",
        "advance_migration",
        False,
        True,
        pages.stepping(
            "Hold a day against the stage that runs",
            pages.body(day=pages.DAY),
            {"day": "2026-06-02"},
            "A day of UTC that is over; without one, yesterday. If the account's figures met volume and limits the next stage "
            "begins; if not, the answer is 409 and the day is kept.",
        ),
        advance,
    ),
    StepRoute(
        MIGRATION,
        "/hold",
        "hold_migration",
        False,
        True,
        pages.stepping("Let the ramp wait", _REASON, {"reason": "a blocklist"}),
        hold,
    ),
    StepRoute(MIGRATION, "/resume", "resume_migration", False, True, pages.stepping("Let the ramp go on", _NOTHING, {}), resume),
    StepRoute(
        MIGRATION,
        "/abort",
        "abort_migration",
        False,
        True,
        pages.stepping("End a migration before its time", _REASON, {"reason": "the old platform stays"}),
        abort,
    ),
    StepRoute(
        REVIEW,
        "",
        "reschedule_planning_review",
        False,
        True,
        pages.stepping(
            "Set a review for another moment, or with another agenda",
            pages.body(("meets_at",), meets_at=pages.TIME, topics=pages.TOPICS),
            {"meets_at": "2026-06-16T14:00:00Z"},
        ),
        schedule,
        put,
    ),
    StepRoute(
        REVIEW,
        "/topics",
        "add_review_topic",
        True,
        True,
        pages.stepping(
            "Have something more to talk about",
            pages.body(("text",), text=pages.LINE, kind=pages.TOPICS["items"]["properties"]["kind"]),
            {"kind": "new_needs", "text": "mail in Welsh"},
        ),
        add_topic,
    ),
    StepRoute(
        REVIEW,
        "/documents",
        "prepare_planning_review",
        False,
        True,
        pages.stepping(
            "Prepare a review from real figures",
            pages.body(since=pages.DAY, until=pages.DAY),
            {"since": "2026-05-01", "until": "2026-05-31"},
            f"Days of UTC, {LONGEST_DAYS} at most; without them, the last 30. They are compared with as many days before.",
        ),
        prepare,
    ),
    StepRoute(
        REVIEW,
        "/held",
        "hold_planning_review",
        False,
        True,
        pages.stepping(
            "Say that a review took place",
            pages.body(held_at=pages.TIME, attendees=pages.LINE),
            {"held_at": "2026-06-15T14:00:00Z", "attendees": "Kim, Ann"},
            "It must have been prepared.",
        ),
        meet,
    ),
    StepRoute(
        REVIEW,
        "/minutes",
        "write_review_minutes",
        False,
        True,
        pages.stepping(
            "Write the minutes",
            pages.body(("text",), text=pages.TEXT, actions=pages.ACTIONS),
            {"text": "We agreed on two pools.", "actions": [{"text": "Make the pool", "owner": "provider"}]},
            "They are mailed to the authorised contacts; once the first mail is accepted the review is `minutes_sent`.",
        ),
        write_minutes,
    ),
    StepRoute(
        REVIEW,
        "/actions",
        "open_review_actions",
        False,
        True,
        pages.stepping("Begin with what the minutes ask for", _NOTHING, {}),
        open_actions,
    ),
    StepRoute(
        REVIEW,
        "/done",
        "finish_review_action",
        True,
        True,
        pages.stepping("Say that an action is done", _NUMBER, {"number": 1}, "With the last one the review is `done`."),
        do_action,
    ),
    StepRoute(
        REVIEW,
        "/finish",
        "finish_planning_review",
        False,
        True,
        pages.stepping("End a review that asks for nothing", _NOTHING, {}),
        finish,
    ),
    StepRoute(
        ADVICE,
        "/acknowledge",
        "acknowledge_recommendation",
        True,
        True,
        pages.stepping("Take note of a recommendation", _NOTED, {}, "Staff writes it down with `evidence` and `contact`."),
        acknowledge,
    ),
    StepRoute(
        ADVICE,
        "/decline",
        "decline_recommendation",
        True,
        True,
        pages.stepping(
            "Do not follow a recommendation",
            pages.body(("reason",), reason=pages.LINE, contact=pages.CONTACT, evidence=pages.EVIDENCE),
            {"reason": "the domain goes away in June"},
        ),
        decline,
    ),
    StepRoute(
        ADVICE,
        "/follow",
        "follow_recommendation",
        False,
        True,
        pages.stepping(
            "Say that a recommendation was followed",
            pages.body(evidence=pages.LINE),
            {"evidence": "seen in a call on 2 June"},
            "Its check is run now and has to pass; without a check the account's TAM attests it in `evidence`.",
        ),
        follow,
    ),
    StepRoute(
        LESSON,
        "/send",
        "send_education_item",
        False,
        True,
        pages.stepping("Mail an education item", _NOTHING, {}, "Once the first mail is accepted it is `delivered`."),
        send,
    ),
    StepRoute(
        LESSON,
        "/deliver",
        "deliver_education_item",
        False,
        True,
        pages.stepping(
            "Say how an item was given, if not by mail", pages.body(("text",), text=pages.LINE), {"text": "in a call"}
        ),
        deliver,
    ),
    StepRoute(
        LESSON,
        "/acknowledge",
        "acknowledge_education_item",
        True,
        True,
        pages.stepping("Take note of an education item", _NOTED, {}, "Staff writes it down with `evidence` and `contact`."),
        acknowledge,
    ),
)
