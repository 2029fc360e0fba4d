"""What mails of the programme say, and which step owes whom one."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from homing.hours.types import ServiceZone
from homing.support.cases.rules.reading import clean
from homing.support.cases.types import Side
from homing.support.clocks.rules.words import in_service_zone
from homing.support.tam.happened import (
    Acknowledged,
    Agreed,
    Began,
    Declined,
    Dispatched,
    Event,
    MinutesWritten,
    Objected,
    Payload,
    Reminded,
    Scheduled,
    TopicAdded,
    Versioned,
)
from homing.support.tam.rules.scope import CLAUSE, EXCLUDED
from homing.support.tam.types import Action, Content, Migration, Onboarding, Purpose, Record, RecordKind, Task

LONGEST_SUBJECT = 200
_WORDS = {kind: kind.value.replace("_", " ") for kind in RecordKind}
_REST = {
    RecordKind.ONBOARDING: "onboarding-plans",
    RecordKind.MIGRATION: "migration-plans",
    RecordKind.REVIEW: "planning-reviews",
    RecordKind.RECOMMENDATION: "recommendations",
    RecordKind.EDUCATION: "education-items",
}


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """A letter to one side: the authorised contacts, or whoever acts as TAM."""

    purpose: Purpose
    side: Side
    version: int = 0


class Facts(NamedTuple):
    """What a letter has to know besides the record. zone: of the account's Order Form; None: it has none."""

    reader: str
    account: str
    tam: str
    zone: ServiceZone | None


class Text(NamedTuple):
    """A mail."""

    subject: str
    body: str


def path_of(kind: RecordKind) -> str:
    """Return the last part of the address of a kind in the API."""
    return _REST[kind]


def owed_for(record: Record, event: Event) -> list[Owed]:
    """Return the letters that a step owes. record: after it."""
    customer, provider = Side.CUSTOMER, Side.PROVIDER
    match event.payload:
        case Began(kind=RecordKind.RECOMMENDATION):
            return [Owed(purpose=Purpose.RECOMMENDATION, side=customer)]
        case Dispatched():
            return [Owed(purpose=Purpose.EDUCATION, side=customer)]
        case Scheduled():
            return [Owed(purpose=Purpose.REVIEW, side=customer)]
        case Versioned(version=version) if event.side is provider:
            return [Owed(purpose=Purpose.PROPOSAL, side=customer, version=version)]
        case MinutesWritten(version=version):
            return [Owed(purpose=Purpose.MINUTES, side=customer, version=version)]
        case Agreed(version=version, evidence=evidence) if evidence:
            return [Owed(purpose=Purpose.CONSENT, side=customer, version=version)]
        case Acknowledged(evidence=evidence) | Declined(evidence=evidence) if evidence:
            return [Owed(purpose=Purpose.CONSENT, side=customer)]
        case Reminded():
            return [Owed(purpose=Purpose.REMINDER, side=customer)]
        case Versioned() | Objected() | Agreed() | Acknowledged() | Declined() | TopicAdded() if event.side is customer:
            return [Owed(purpose=Purpose.TAM, side=provider)]
        case _:
            return []


def compose(owed: Owed, record: Record, last: Payload, facts: Facts) -> Text:
    """Return a mail. last: the step that owes it."""
    match owed.purpose:
        case Purpose.PROPOSAL:
            return _mail(record, facts, "please agree", [*_plan(record, owed.version), *_how_to_agree(record, owed.version)])
        case Purpose.RECOMMENDATION:
            check = ["", "Whether it was followed is checked by figures of your own mail."] if record.check is not None else []
            lines = [record.text, *check, "", f"Please acknowledge or decline it: {_address(record)}/acknowledge or /decline."]
            return _mail(record, facts, "recommendation", lines)
        case Purpose.EDUCATION:
            lines = [record.text, "", f"Please acknowledge it: {_address(record)}/acknowledge."]
            return _mail(record, facts, "for your information", lines)
        case Purpose.REVIEW:
            return _mail(record, facts, "planning review", _agenda(record, facts))
        case Purpose.MINUTES:
            return _mail(record, facts, "minutes", [record.minutes, *_actions(record.actions)])
        case Purpose.CONSENT:
            return _mail(record, facts, "written down in your name", _in_your_name(record, last))
        case Purpose.REMINDER:
            waiting = record.proposed
            how = _how_to_agree(record, waiting.number) if waiting is not None else [f"Please answer it: {_address(record)}."]
            return _mail(record, facts, "a reminder", [f"We asked you about the {_WORDS[record.kind]}.", "", *how])
        case _:
            return Text(
                clean(f"{facts.account}: {record.title}", LONGEST_SUBJECT),
                f"{facts.account} has moved: {_moved(last)}.\n\n{_WORDS[record.kind]} {record.record_id}: {record.title}\n"
                f"It is {record.state.value} now. {_address(record)}\n",
            )


def _mail(record: Record, facts: Facts, what: str, lines: Iterable[str]) -> Text:
    hello = f"Hello {facts.reader}," if facts.reader else "Hello,"
    tam = f"{facts.tam}\nTechnical Account Manager" if facts.tam else "Your Customer Success Team"
    body = "\n".join([hello, "", *lines, "", "Answers to this mail are read by a person.", "", tam, ""])
    return Text(clean(f"{record.title}: {what}", LONGEST_SUBJECT), body)


def _address(record: Record) -> str:
    return f"/api/v1/support/{_REST[record.kind]}/{record.record_id}"


def _how_to_agree(record: Record, version: int) -> list[str]:
    return [
        f"Please agree to version {version}, or say what is wrong with it:",
        f"POST {_address(record)}/agreement or /objection. Nothing changes until you agree.",
    ]


def plan_lines(content: Content) -> list[str]:
    """Return a plan in words, with what it does not include."""
    match content:
        case Onboarding(tasks=tasks):
            excluded = "; ".join(one.words for one in EXCLUDED.values())
            return [*(_task(task) for task in tasks), "", f"Not included (clause {CLAUSE}): {excluded}."]
        case Migration(stages=stages):
            return [
                *(
                    f"{one.number}. from {one.starts_on}: {one.per_day} messages a day"
                    + (f", {one.what}" if one.what else "")
                    + f" ({one.owner.value}{', ' + one.who if one.who else ''})"
                    for one in stages
                ),
                "",
                f"A stage advances when a day met its volume with at most {100 * content.most_bounces:.3g} % bounces "
                f"and {100 * content.most_complaints:.3g} % spam complaints.",
            ]


def _plan(record: Record, version: int) -> list[str]:
    return [f"This is version {version} of the {_WORDS[record.kind]}.", "", *plan_lines(record.versions[version - 1].content), ""]


def _task(task: Task) -> str:
    return f"{task.number}. {task.title} ({_whose(task)})"


def _whose(one: Task | Action) -> str:
    return ", ".join(part for part in (one.owner.value, one.who, f"by {one.due_on}" if one.due_on is not None else "") if part)


def _actions(actions: Iterable[Action]) -> list[str]:
    shown = [f"{one.number}. {one.text} ({_whose(one)})" for one in actions]
    return ["", "Actions:", *shown] if shown else []


def _agenda(record: Record, facts: Facts) -> list[str]:
    at = record.meets_at
    when = "" if at is None else in_service_zone(at, facts.zone) if facts.zone is not None else f"{at:%a %Y-%m-%d %H:%M} UTC"
    topics = [f"- {one.kind.value.replace('_', ' ')}: {one.text}" for one in record.topics]
    return [
        f"We meet {when}.",
        "",
        "We would like to talk about:",
        *topics,
        "",
        f"Add what you need: POST {_address(record)}/topics.",
    ]


def _in_your_name(record: Record, last: Payload) -> list[str]:
    what = {Agreed: "agree to it", Declined: "decline it"}.get(type(last), "acknowledge it")
    evidence = last.evidence if isinstance(last, Agreed | Acknowledged | Declined) else ""
    return [
        f"We have written down that you {what}: {_WORDS[record.kind]} {record.record_id}, {record.title}.",
        f"This is how we know: {evidence}",
        "",
        "If that is not so, say it in an answer to this mail.",
    ]


def _moved(last: Payload) -> str:
    match last:
        case Versioned(version=version):
            return f"proposes version {version}"
        case Objected(words=words):
            return f"objects: {words}"
        case Agreed(version=version, person=person):
            return f"agrees to version {version} ({person})"
        case Acknowledged(person=person):
            return f"acknowledges ({person})"
        case Declined(reason=reason):
            return f"declines: {reason}"
        case TopicAdded(topic=topic):
            return f"adds a topic: {topic.text}"
        case _:
            return "something happened"
