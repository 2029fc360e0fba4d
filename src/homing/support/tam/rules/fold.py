"""From events to the record that they make."""

from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from homing.support.cases.types import Side
from homing.support.tam.happened import (
    Aborted,
    Acknowledged,
    ActionDone,
    ActionsOpened,
    Advanced,
    Agreed,
    Began,
    ClockVoided,
    Completed,
    DayJudged,
    Declined,
    Delivered,
    Dispatched,
    DocumentPrepared,
    Event,
    Finished,
    Followed,
    HeldBack,
    Met,
    MinutesWritten,
    Objected,
    Reminded,
    Resumed,
    Scheduled,
    ScopeAcknowledged,
    ScopeRefused,
    Sent,
    Started,
    SupersededBy,
    TaskDone,
    TopicAdded,
    Versioned,
    VoidAsked,
)
from homing.support.tam.types import (
    Content,
    Evidence,
    Judged,
    Migration,
    Onboarding,
    Purpose,
    Record,
    RecordKind,
    ScopeDecision,
    State,
    Version,
    Void,
)

_BEGINS = {
    RecordKind.ONBOARDING: State.DRAFT,
    RecordKind.MIGRATION: State.DRAFT,
    RecordKind.REVIEW: State.SCHEDULED,
    RecordKind.RECOMMENDATION: State.ISSUED,
    RecordKind.EDUCATION: State.PREPARED,
}
_ENDS = frozenset({State.COMPLETED, State.ABORTED, State.DONE, State.SUPERSEDED})
_ASKS = frozenset({Purpose.PROPOSAL, Purpose.RECOMMENDATION, Purpose.EDUCATION})  # letters that want an answer


def fold(events: Iterable[Event], *, account_id: int) -> Record:
    """Return the record of these events, the first of which is Began."""
    record: Record | None = None
    for event in events:
        record = begin(event, account_id=account_id) if record is None else apply(record, event)
    if record is None:
        raise ValueError("a record begins with Began")
    return record


def begin(event: Event, *, account_id: int) -> Record:
    """Return the record that an event begins."""
    if not isinstance(event.payload, Began):
        raise ValueError("a record begins with Began")
    began = event.payload
    return Record(
        record_id=event.record_id,
        account_id=account_id,
        kind=began.kind,
        state=_BEGINS[began.kind],
        title=began.title,
        text=began.text,
        check=began.check,
        supersedes=began.supersedes,
        opened_at=event.at,
        updated_at=event.at,
        seq=event.seq,
    )


def apply(record: Record, event: Event) -> Record:
    """Return a record after one more event."""
    changed = _changes(record, event)
    ended = record.ended_at
    if changed.get("state", record.state) in _ENDS and ended is None:
        ended = event.at
        changed.setdefault("awaits", None)
    return msgspec.structs.replace(record, seq=event.seq, updated_at=event.at, ended_at=ended, **changed)


def _changes(record: Record, event: Event) -> dict[str, Any]:
    at = event.at
    match event.payload:
        case Began():
            raise ValueError("a record begins once")
        case Sent() as sent:
            return _sent(record, sent, event)
        case Reminded(number=number):
            return {"reminders": number}
        case Versioned() as made:
            return _versioned(record, made, event)
        case Agreed() as agreed:
            return _agreed(record, agreed, event)
        case Objected(version=version, words=words):
            mine = event.side is Side.CUSTOMER and record.versions[version - 1].side is Side.PROVIDER
            awaits = Side.PROVIDER if mine else None
            return {"versions": _with(record, version, stands=False, objection=words), "awaits": awaits}
        case ScopeRefused(task=task, kind=kind, clause=clause, route=route):
            made_ = ScopeDecision(
                number=len(record.scope) + 1,
                task=task,
                kind=kind,
                clause=clause,
                route=route,
                decided_by=event.actor,
                decided_at=at,
            )
            return {"scope": (*record.scope, made_)}
        case ScopeAcknowledged(number=number):
            noted = msgspec.structs.replace(record.scope[number - 1], acknowledged_at=at)
            return {"scope": (*record.scope[: number - 1], noted, *record.scope[number:])}
        case Started(on=on):
            running = record.kind is RecordKind.MIGRATION
            state = State.RUNNING if running else State.IN_PROGRESS
            return {"state": state, "stage": int(running), "stage_on": on}
        case TaskDone(number=number) | ActionDone(number=number):
            return {"done": record.done | {number}}
        case DayJudged(stage=stage, day=day, met=met, said=said, counts=counts):
            return {"judged": (*record.judged, Judged(stage=stage, day=day, met=met, said=said, counts=counts, at=at))}
        case Advanced(stage=stage, on=on):
            return {"stage": stage, "stage_on": on}
        case HeldBack(reason=reason):
            return {"state": State.HELD, "held_because": reason}
        case Resumed():
            return {"state": State.RUNNING, "held_because": ""}
        case Completed():
            return {"state": State.COMPLETED}
        case Aborted(reason=reason):
            return {"state": State.ABORTED, "ended_because": reason}
        case Scheduled(meets_at=meets_at, topics=topics):
            return {"meets_at": meets_at, "topics": topics}
        case TopicAdded(topic=topic):
            return {"topics": (*record.topics, topic)}
        case DocumentPrepared(number=number):
            return {"documents": number}
        case Met(held_at=held_at, attendees=attendees):
            return {"state": State.HELD, "held_at": held_at, "attendees": attendees}
        case MinutesWritten(text=text, actions=actions):
            return {"minutes": text, "actions": actions}
        case ActionsOpened():
            return {"state": State.ACTIONS_OPEN}
        case Finished():
            return {"state": State.DONE}
        case Acknowledged(person=person):
            return {"state": State.ACKNOWLEDGED, "acknowledged_at": at, "acknowledged_by": person, "awaits": None}
        case Followed(result=result, attestation=attestation):
            evidence = Evidence(at=at, by=event.actor, result=result, attestation=attestation)
            return {"state": State.FOLLOWED, "evidence": evidence}
        case Declined(reason=reason):
            return {"state": State.DECLINED, "declined_because": reason, "awaits": None}
        case SupersededBy(record=newer):
            return {"state": State.SUPERSEDED, "superseded_by": newer}
        case Dispatched():
            return {}
        case Delivered(how=how):
            return {"state": State.DELIVERED, "delivered_how": how}
        case VoidAsked(clock=clock, person_id=person_id, reason=reason):
            return {"voids": (*record.voids, Void(clock=clock, person_id=person_id, reason=reason))}
        case ClockVoided(clock=clock):
            return {"voided": record.voided | {clock}}
        case _:
            assert_never(event.payload)


def _sent(record: Record, sent: Sent, event: Event) -> dict[str, Any]:
    made: dict[str, Any] = {"sent_at": event.at}
    waiting = record.proposed
    current = sent.purpose is not Purpose.PROPOSAL or (waiting is not None and waiting.number == sent.version)
    if sent.purpose in _ASKS and current and record.ended_at is None and record.state is not State.ACKNOWLEDGED:
        made |= {"awaits": Side.CUSTOMER, "reminders": 0}
    if sent.purpose is Purpose.MINUTES and record.state is State.HELD:
        made |= {"state": State.MINUTES_SENT, "minutes_at": event.at}
    if sent.purpose is Purpose.EDUCATION and record.state is State.PREPARED:
        made |= {"state": State.DELIVERED, "delivered_how": "e-mail"}
    if sent.purpose is Purpose.RECOMMENDATION and record.state is not State.ISSUED:
        made.pop("awaits", None)
    return made


def _versioned(record: Record, made: Versioned, event: Event) -> dict[str, Any]:
    # What was agreed stays in force; what waited for an answer does not.
    before = tuple(one if one.agreed_at is not None else msgspec.structs.replace(one, stands=False) for one in record.versions)
    version = Version(
        number=made.version,
        side=event.side,
        by=event.actor,
        content=made.content,
        sha256=made.sha256,
        proposed_at=event.at,
    )
    return {"versions": (*before, version), "awaits": Side.PROVIDER if event.side is Side.CUSTOMER else None}


def _agreed(record: Record, agreed: Agreed, event: Event) -> dict[str, Any]:
    versions = _with(record, agreed.version, agreed_at=event.at, person=agreed.person, evidence=agreed.evidence)
    made: dict[str, Any] = {"versions": versions, "awaits": None}
    if record.state is State.DRAFT:
        made["state"] = State.AGREED
    content = versions[agreed.version - 1].content
    made["done"] = still_done(record, content)
    if isinstance(content, Migration) and record.stage > len(content.stages):
        made["stage"] = len(content.stages)  # a shorter ramp: its last stage runs
    return made


def still_done(record: Record, content: Content) -> frozenset[int]:
    """Return the numbers of done tasks that stand in a changed plan as they were; another task of that number is not done."""
    before = record.in_force
    if before is None or not isinstance(before.content, Onboarding) or not isinstance(content, Onboarding):
        return record.done
    known = {task.number: (task.title, task.kind) for task in before.content.tasks if task.number in record.done}
    return frozenset(task.number for task in content.tasks if known.get(task.number) == (task.title, task.kind))


def _with(record: Record, version: int, **changes: Any) -> tuple[Version, ...]:
    changed = msgspec.structs.replace(record.versions[version - 1], **changes)
    return (*record.versions[: version - 1], changed, *record.versions[version:])
