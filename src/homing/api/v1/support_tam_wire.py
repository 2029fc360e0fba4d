"""The shapes of the TAM's programme: what a caller gives, and what either side is shown."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from homing.contracts.types import Tam
from homing.ingress.rules.problem import Wrong, bad_params, bad_type, missing
from homing.support.cases.rules.reading import LONGEST_BODY, clean, clean_text
from homing.support.cases.types import Side
from homing.support.clocks.rules.words import in_service_zone
from homing.support.clocks.types import Nature, Reading
from homing.support.tam.happened import Event
from homing.support.tam.notes import Note, Told
from homing.support.tam.rules.checks import lapsed
from homing.support.tam.rules.scope import CLAUSE, EXCLUDED
from homing.support.tam.rules.trends import sentences
from homing.support.tam.store import Document, Row
from homing.support.tam.types import (
    About,
    Action,
    Check,
    Content,
    DomainCheck,
    Migration,
    Onboarding,
    RampCheck,
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
    Version,
)

LONGEST_TITLE = 200
LONGEST_LINE = 2_000
LONGEST_NAME = 200
MOST_DAYS = 92
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2199, 12, 31)
_MEMBERS = {Nature.OBJECTIVE: "objectives", Nature.COURTESY: "reminders"}


class TaskIn(msgspec.Struct):
    """A task of an onboarding plan."""

    title: str = ""
    kind: TaskKind = TaskKind.OTHER
    owner: Side = Side.CUSTOMER
    who: str = ""
    due_on: date | None = None
    number: int = 0


class StageIn(msgspec.Struct):
    """A stage of a migration plan."""

    starts_on: date
    per_day: int
    owner: Side = Side.CUSTOMER
    who: str = ""
    what: str = ""


class TopicIn(msgspec.Struct):
    """Something to talk about."""

    text: str = ""
    kind: TopicKind = TopicKind.OTHER


class ActionIn(msgspec.Struct):
    """Something to be done."""

    text: str = ""
    owner: Side = Side.PROVIDER
    who: str = ""
    due_on: date | None = None


class GivenIn(msgspec.Struct):
    """What a step may say; each reads the members that it needs."""

    account_id: int = 0
    title: str = ""
    text: str = ""
    contact: str = ""
    version: int = 0
    number: int = 0
    reason: str = ""
    evidence: str = ""
    day: date | None = None
    tasks: list[TaskIn] = []
    stages: list[StageIn] = []
    most_bounces: float = 0.05
    most_complaints: float = 0.001
    sending_domain: str = ""
    ip_pool: str = ""
    provider: str = ""
    meets_at: datetime | None = None
    held_at: datetime | None = None
    attendees: str = ""
    topics: list[TopicIn] = []
    kind: TopicKind = TopicKind.OTHER
    since: date | None = None
    until: date | None = None
    actions: list[ActionIn] = []
    check: Check | None = None
    supersedes: int = 0
    account_ids: list[int] = []
    names_checked: bool = False


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return a text of one line, fit to be kept."""
    return clean(text, longest)


def title_of(given: GivenIn) -> str:
    """Return a title. raises Wrong."""
    title = clean(given.title, LONGEST_TITLE)
    if not title:
        raise Wrong(missing("title is a required field"))
    return title


def text_of(text: str) -> str:
    """Return a text of several lines, which may be empty. raises Wrong."""
    words = clean_text(text).strip()
    if len(words) > LONGEST_BODY:
        raise Wrong(bad_type(f"text has at most {LONGEST_BODY} characters"))
    return words


def moment_of(moment: datetime | None, name: str) -> datetime:
    """Return a moment in UTC. raises Wrong."""
    if moment is None:
        raise Wrong(missing(f"{name} is a required field"))
    if moment.utcoffset() is None:
        raise Wrong(bad_type(f"{name} needs a time zone, for example 2026-05-20T12:00:00Z"))
    day_of(moment.date(), name)
    return moment.astimezone(UTC)


def day_of(day: date | None, name: str) -> date:
    """Return a day. raises Wrong."""
    if day is None:
        raise Wrong(missing(f"{name} is a required field"))
    if not FIRST_DAY <= day <= LAST_DAY:
        raise Wrong(bad_type(f"{name} lies from {FIRST_DAY} to {LAST_DAY}"))
    return day


def content_of(given: GivenIn, kind: RecordKind) -> Content:
    """Return a plan. raises Wrong."""
    if kind is RecordKind.ONBOARDING:
        return Onboarding(
            tasks=tuple(
                Task(
                    number=one.number or place,
                    title=line(one.title, LONGEST_NAME),
                    kind=one.kind,
                    owner=one.owner,
                    who=line(one.who, LONGEST_NAME),
                    due_on=None if one.due_on is None else day_of(one.due_on, "due_on"),
                )
                for place, one in enumerate(given.tasks, 1)
            )
        )
    return Migration(
        stages=tuple(
            Stage(
                number=place,
                starts_on=day_of(one.starts_on, "starts_on"),
                per_day=one.per_day,
                owner=one.owner,
                who=line(one.who, LONGEST_NAME),
                what=line(one.what, LONGEST_NAME),
            )
            for place, one in enumerate(given.stages, 1)
        ),
        most_bounces=given.most_bounces,
        most_complaints=given.most_complaints,
        about=_about(About(sending_domain=given.sending_domain, ip_pool=given.ip_pool, provider=given.provider)),
    )


def topics_of(given: Sequence[TopicIn], side: Side) -> tuple[Topic, ...]:
    """Return topics."""
    return tuple(Topic(kind=one.kind, text=line(one.text), side=side) for one in given)


def actions_of(given: Sequence[ActionIn]) -> tuple[Action, ...]:
    """Return actions, numbered in their order. raises Wrong."""
    return tuple(
        Action(
            number=place,
            text=line(one.text),
            owner=one.owner,
            who=line(one.who, LONGEST_NAME),
            due_on=None if one.due_on is None else day_of(one.due_on, "due_on"),
        )
        for place, one in enumerate(given, 1)
    )


def check_of(given: Check | None) -> Check | None:
    """Return a check, fit to be run. raises Wrong."""
    match given:
        case DomainCheck(domain=domain, needs=needs):
            name = line(domain, 253).lower()
            if not name or not needs:
                raise Wrong(missing("check: domain and needs are required"))
            return DomainCheck(domain=name, needs=tuple(dict.fromkeys(needs)))
        case RateCheck():
            if not 1 <= given.days <= MOST_DAYS or not 0 <= given.most <= 1 or not 1 <= given.least <= 1_000_000_000:
                text = f"check: days is 1 to {MOST_DAYS}, most a rate from 0.0 to 1.0, least 1 to 1000000000"
                raise Wrong(bad_type(text))
            return msgspec.structs.replace(given, about=_about(given.about))
        case RampCheck(plan=plan):
            if not 0 < plan < 2**63:
                raise Wrong(bad_params("check: plan is the number of a migration plan"))
            return given
        case _:
            return None


def _about(given: About) -> About:
    return About(
        sending_domain=line(given.sending_domain, 253).lower(),
        ip_pool=line(given.ip_pool, 100),
        provider=line(given.provider, 100),
    )


# Shown ------------------------------------------------------------------------------------------------------------------


def iso(moment: datetime | None) -> str | None:
    """Return a moment as everybody writes it."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def shown_row(row: Row, *, staff: bool) -> dict[str, Any]:
    """Return what a list shows of a record."""
    made = {
        "number": row.record_id,
        "title": row.title,
        "state": row.state.value,
        "awaits": None if row.awaits is None else row.awaits.value,
        "opened_at": iso(row.opened_at),
        "updated_at": iso(row.updated_at),
        "ended_at": iso(row.ended_at),
    }
    return made | {"account_id": row.account_id} if staff else made


def shown(
    record: Record,
    *,
    staff: bool,
    tam: Tam | None,
    clocks: Iterable[Reading],
    results: Sequence[Result],
    documents: Sequence[Document],
) -> dict[str, Any]:
    """Return a whole record."""
    made: dict[str, Any] = {
        "number": record.record_id,
        "kind": record.kind.value,
        "title": record.title,
        "state": record.state.value,
        "awaits": None if record.awaits is None else record.awaits.value,
        "opened_at": iso(record.opened_at),
        "updated_at": iso(record.updated_at),
        "ended_at": iso(record.ended_at),
        "sent_at": iso(record.sent_at),
        "tam": None if tam is None else tam.primary.name,
        "tam_acting": None if tam is None else tam.acting.name,
        "clocks": _clocks(clocks),
    }
    match record.kind:
        case RecordKind.ONBOARDING | RecordKind.MIGRATION:
            made |= _plan(record)
        case RecordKind.REVIEW:
            made |= _review(record, documents)
        case RecordKind.RECOMMENDATION:
            made |= _advice(record, results)
        case RecordKind.EDUCATION:
            made |= {"text": record.text, "delivered_how": record.delivered_how, **_noted(record)}
    if staff:
        asked = [msgspec.to_builtins(one) for one in record.voids if one.clock not in record.voided]
        made |= {"account_id": record.account_id, "voids_asked": asked}
    return made


def _plan(record: Record) -> dict[str, Any]:
    agreed, proposed = record.in_force, record.proposed
    made: dict[str, Any] = {
        "in_force": None if agreed is None else agreed.number,
        "proposed": None if proposed is None else proposed.number,
        "versions": [_version(one) for one in record.versions],
    }
    if record.kind is RecordKind.ONBOARDING:
        return made | {
            "done": sorted(record.done),
            "not_included": [
                {"kind": kind.value, "what": one.words, "clause": CLAUSE, "route": one.route} for kind, one in EXCLUDED.items()
            ],
            "scope_decisions": [
                {
                    "number": one.number,
                    "verdict": "out",
                    "task": one.task,
                    "kind": one.kind.value,
                    "clause": one.clause,
                    "route": one.route,
                    "decided_by": one.decided_by,
                    "decided_at": iso(one.decided_at),
                    "acknowledged_at": iso(one.acknowledged_at),
                }
                for one in record.scope
            ],
        }
    return made | {
        "stage": record.stage or None,
        "stage_since": None if record.stage_on is None else record.stage_on.isoformat(),
        "held_because": record.held_because,
        "aborted_because": record.ended_because,
        "days": [
            {
                "stage": one.stage,
                "day": one.day.isoformat(),
                "met": one.met,
                "said": one.said,
                "figures": msgspec.to_builtins(one.counts),
                "judged_at": iso(one.at),
            }
            for one in record.judged
        ],
    }


def _version(one: Version) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(one.content)
    content.pop("plan")
    return {
        "version": one.number,
        "sha256": one.sha256,
        "proposed_by": one.side.value,
        "proposed_at": iso(one.proposed_at),
        "agreed_at": iso(one.agreed_at),
        "agreed_by": one.person,
        "evidence": one.evidence,
        "stands": one.stands,
        "objection": one.objection,
        **content,
    }


def _review(record: Record, documents: Sequence[Document]) -> dict[str, Any]:
    return {
        "meets_at": iso(record.meets_at),
        "held_at": iso(record.held_at),
        "attendees": record.attendees,
        "topics": msgspec.to_builtins(record.topics),
        "documents": [shown_document(one) for one in documents],
        "minutes": record.minutes,
        "minutes_sent_at": iso(record.minutes_at),
        "actions": [{**msgspec.to_builtins(one), "done": one.number in record.done} for one in record.actions],
    }


def _advice(record: Record, results: Sequence[Result]) -> dict[str, Any]:
    evidence = record.evidence
    followed = record.state is State.FOLLOWED
    return {
        "text": record.text,
        "check": msgspec.to_builtins(record.check),
        "last_result": shown_result(results[0]) if results else None,
        "evidence": None
        if evidence is None
        else {
            "at": iso(evidence.at),
            "by": evidence.by,
            "attestation": evidence.attestation,
            "result": None if evidence.result is None else shown_result(evidence.result),
        },
        "lapsed": lapsed(followed, results),
        "declined_because": record.declined_because,
        "supersedes": record.supersedes,
        "superseded_by": record.superseded_by,
        **_noted(record),
    }


def _noted(record: Record) -> dict[str, Any]:
    return {"acknowledged_at": iso(record.acknowledged_at), "acknowledged_by": record.acknowledged_by}


def shown_result(one: Result) -> dict[str, Any]:
    """Return what a check found."""
    return {"at": iso(one.at), "passed": one.passed, "said": one.said, "measured": one.measured, "because": one.because}


def shown_document(one: Document) -> dict[str, Any]:
    """Return a document without what is in it."""
    return {
        "document": one.number,
        "prepared_at": iso(one.prepared_at),
        "prepared_by": one.prepared_by,
        "sha256": one.sha256,
    }


def shown_event(event: Event) -> dict[str, Any]:
    """Return a step."""
    return {
        "seq": event.seq,
        "at": iso(event.at),
        "actor": event.actor,
        "side": event.side.value,
        **msgspec.to_builtins(event.payload),
    }


def _clocks(clocks: Iterable[Reading]) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {member: [] for member in _MEMBERS.values()}
    for number, one in enumerate(clocks, 1):
        zone = None if one.pin is None else one.pin.zone
        local = None if one.due_at is None or zone is None else in_service_zone(one.due_at, zone)
        made[_MEMBERS[one.nature]].append(
            {
                "number": number,
                "kind": one.kind.value,
                "state": one.state.value,
                "started_at": iso(one.started_at),
                "due_at": iso(one.due_at),
                "due_local": local,
                "budget_s": one.budget_s,
                "elapsed_s": one.elapsed_s,
                "ended_at": iso(one.ended_at),
                "void": one.void is not None,
            }
        )
    return made


def shown_note(note: Note, readers: Sequence[tuple[int, datetime | None]] | None = None) -> dict[str, Any]:
    """Return a note as the staff sees it."""
    made = {**_of_a_note(note), "made_by": note.made_by, "made_at": iso(note.made_at), "sent_at": iso(note.sent_at)}
    if readers is None:
        return made
    return made | {"accounts": [{"account_id": number, "sent_at": iso(at)} for number, at in readers]}


def shown_told(told: Told) -> dict[str, Any]:
    """Return a note as an account sees it: what holds across all, and its own figures."""
    figures: Mapping[str, Any] = msgspec.to_builtins(told.figures)
    return {**_of_a_note(told.note), "your_figures": figures, "told_at": iso(told.added_at), "sent_at": iso(told.sent_at)}


def _of_a_note(note: Note) -> dict[str, Any]:
    return {
        "number": note.note_id,
        "title": note.title,
        "text": note.body,
        "provider": note.provider,
        "trends": msgspec.to_builtins(note.trends),
        "sentences": sentences(note.trends),
        "since": None if note.first is None else note.first.isoformat(),
        "until": None if note.last is None else note.last.isoformat(),
    }
