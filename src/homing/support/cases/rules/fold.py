"""The case that follows from its events. The row that is kept of a case is a cache of this."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from homing.support.cases.happened import (
    Absorbed,
    Archived,
    CadenceAccepted,
    CadenceBegan,
    CadenceProposed,
    Called,
    CalledBack,
    Came,
    Closed,
    Counted,
    Disputed,
    Doubted,
    Downgraded,
    DowngradeProposed,
    Drafted,
    Engaged,
    Escalated,
    Event,
    Joined,
    Merged,
    Opened,
    Owned,
    Proposed,
    Reclassified,
    Refused,
    Reminded,
    Reopened,
    Resolved,
    Restored,
    ScopeAcknowledged,
    ScopeDecided,
    Sent,
    Signed,
    Undelivered,
    VoidAsked,
    Withdrawn,
    Wrote,
)
from homing.support.cases.rules import resolution
from homing.support.cases.types import Agreement, Case, Proposal, Purpose, Scope, Severity, Side, Signature, State, Verdict


def fold(events: Iterable[Event], *, number: int, account_id: int) -> Case:
    """Return the case that some events make.

    events   all of it, in order
    raises   ValueError where the first is not Opened
    """
    case: Case | None = None
    for event in events:
        case = _begin(event, number, account_id) if case is None else apply(case, event)
    if case is None:
        raise ValueError("a case begins with Opened")
    return case


def _begin(event: Event, number: int, account_id: int) -> Case:
    opened = event.payload
    if not isinstance(opened, Opened):
        raise ValueError("a case begins with Opened")
    critical = opened.severity is Severity.CRITICAL
    return Case(
        case_id=event.case_id,
        number=number,
        account_id=account_id,
        kind=opened.kind,
        severity=opened.severity,
        # A call is never kept waiting for somebody to take the case; without any staff there is nobody to own it.
        state=State.OPEN if critical and opened.owner_id is not None else State.NEW,
        subject=opened.subject,
        source=opened.source,
        service=opened.service,
        opened_at=opened.received_at or event.at,
        owner_id=opened.owner_id,
        order_form_id=opened.order_form_id,
        reopened_from=opened.reopened_from,
        called=opened.called,
        no_call=critical and not opened.called,
        people=() if opened.contact_id is None else (opened.contact_id,),
        updated_at=event.at,
        seq=event.seq,
    )


def apply(case: Case, event: Event) -> Case:
    """Return the case after one more event."""
    changes = _changes(case, event, event.at)
    return msgspec.structs.replace(case, **{**changes, "updated_at": event.at, "seq": event.seq})


def _changes(case: Case, event: Event, at: datetime) -> dict[str, Any]:
    match event.payload:
        case Owned(person_id=person, accepted=accepted):
            opens = accepted and case.state is State.NEW
            made: dict[str, Any] = {"owner_id": person, "accepted": accepted, "engaged": case.engaged or accepted}
            return made | ({"state": State.OPEN} if opens else {})
        case Came() as came:
            return _came(case, came)
        case Joined(contact_id=contact):
            return {"people": tuple(dict.fromkeys((*case.people, contact)))}
        case Counted(message=message):
            return {"automatic": case.automatic - {message}, **_moved(case)}
        case Sent() as sent:
            return _sent(case, sent, at)
        case Undelivered(opens=True) if case.state is State.WAITING:
            return {"state": State.OPEN}
        case Wrote(eta=eta) if eta is not None:
            return {"eta": eta}
        case Escalated(by_call=by_call):
            return {
                "severity": Severity.CRITICAL,
                "called": case.called or by_call,
                "no_call": not (case.called or by_call),
                "called_back": case.called_back and not by_call,
                "engaged": case.engaged and case.severity is Severity.CRITICAL,
                "restored_at": None,
                "downgrade": None,
            }
        case CalledBack():
            return {"called_back": True}
        case Engaged():
            return {"engaged": True}
        case Called():
            return {"called": True, "called_back": False, "no_call": False}
        case DowngradeProposed(version=version, text=text):
            return {"downgrade": (version, event.side, text), "downgrades": version}
        case Downgraded():
            return {"severity": Severity.NON_CRITICAL, "downgrade": None, "restored_at": None, "eta": None, "no_call": False}
        case Restored():
            return {"restored_at": at}
        case CadenceProposed(version=version, cadence=cadence):
            return {"agreements": (*case.agreements, Agreement(version=version, cadence=cadence, side=event.side))}
        case CadenceAccepted(version=version, effective_at=effective_at) as accepted:
            spoken = {name: getattr(accepted, name) for name in ("evidence", "call", "entered_by")} if accepted.entered_by else {}
            return {"agreements": _agreements(case, version, effective_at=effective_at, **spoken)}
        case CadenceBegan(version=version):
            return {"agreements": _agreements(case, version, began=True)}
        case Reclassified(kind=kind):
            return {"kind": kind}
        case VoidAsked(clock=clock, person_id=person, reason=reason):
            return {"voids": (*case.voids, (clock, person, reason))}
        case Absorbed(opened_at=opened_at, people=people):
            everybody = dict.fromkeys((*case.people, *people))
            return {"opened_at": min(case.opened_at, opened_at), "people": tuple(everybody)}
        case ScopeDecided() | ScopeAcknowledged():
            return _scope(case, event)
        case _:
            return _resolution(case, event) | _ending(case, event)


def _came(case: Case, came: Came) -> dict[str, Any]:
    known = came.contact_id is None or came.contact_id in case.people
    changes: dict[str, Any] = {} if known else {"people": (*case.people, came.contact_id)}
    if came.automatic:
        return changes | {"automatic": case.automatic | {came.message}}
    return changes | _moved(case)


def _moved(case: Case) -> dict[str, Any]:
    """The customer has spoken: whatever waited for him does not any more."""
    return {"state": State.OPEN} if case.state in (State.WAITING, State.PROPOSED) else {}


def _sent(case: Case, sent: Sent, at: datetime) -> dict[str, Any]:
    if sent.purpose is Purpose.UPDATE:
        changes: dict[str, Any] = {"last_update_at": at}
    elif sent.purpose is Purpose.PROPOSAL:
        changes = {"proposals": _proposals(case, sent.version, sent_at=at)}
    else:
        changes = {}
    # A question that was overtaken by the customer's own word, or by a proposal, changes nothing.
    # Under a proposal nothing else is waited for.
    return changes | ({"state": State.WAITING} if sent.question and case.state is State.OPEN else {})


def _resolution(case: Case, event: Event) -> dict[str, Any]:
    match event.payload:
        case Proposed(version=version, text=text, sha256=sha256):
            new = Proposal(version=version, text=text, sha256=sha256, side=event.side, proposed_at=event.at)
            return {
                "state": State.PROPOSED,
                "draft": None,
                "proposals": (*(_no_more(one) for one in case.proposals), new),
                "signatures": tuple(_void(one) for one in case.signatures),
            }
        case Signed() as signed:
            return {
                "signatures": (*case.signatures, resolution.signature(signed, event.at)),
                "draft": _without(case.draft, signed),
            }
        case Drafted(contact_id=contact_id):
            return {"draft": contact_id}
        case Doubted(version=version):
            return {"proposals": _proposals(case, version, doubted=True), **_moved(case)}
        case Refused() | Disputed():
            return {
                "draft": None,
                "proposals": tuple(_no_more(one) for one in case.proposals),
                "signatures": tuple(_void(one) for one in case.signatures),
                **_moved(case),
            }
        case Reminded(version=version, number=number):
            return {"proposals": _proposals(case, version, reminders=number)}
        case _:
            return {}


def _ending(case: Case, event: Event) -> dict[str, Any]:
    match event.payload:
        case Resolved():
            return {"state": State.RESOLVED, "ended_at": event.at}
        case Closed():
            return {"state": State.UNCONFIRMED, "ended_at": event.at}
        case Withdrawn():
            return {"state": State.WITHDRAWN, "ended_at": event.at}
        case Merged(into=into, into_number=number):
            return {"state": State.MERGED, "ended_at": event.at, "merged_into": into, "merged_into_number": number}
        case Archived():
            return {"state": State.ARCHIVED}
        case Reopened():
            state = State.OPEN if case.owner_id is not None else State.NEW
            return {"state": state, "ended_at": None, "draft": None, "restored_at": None}
        case _:
            return {}


def _scope(case: Case, event: Event) -> dict[str, Any]:
    match event.payload:
        case ScopeDecided(verdict=verdict, clause=clause, route=route, text=text):
            scope = Scope(verdict=verdict, clause=clause, route=route, text=text, decided_by=event.actor, decided_at=event.at)
            out = verdict is Verdict.OUT
            return {"scope": scope} | ({"state": State.OUT_OF_SCOPE, "ended_at": event.at} if out else {})
        case ScopeAcknowledged() if case.scope is not None:
            return {"scope": msgspec.structs.replace(case.scope, acknowledged_at=event.at)}
        case _:
            return {}


def _proposals(case: Case, version: int, **changes: Any) -> tuple[Proposal, ...]:
    return tuple(msgspec.structs.replace(one, **changes) if one.version == version else one for one in case.proposals)


def _agreements(case: Case, version: int, **changes: Any) -> tuple[Agreement, ...]:
    return tuple(msgspec.structs.replace(one, **changes) if one.version == version else one for one in case.agreements)


def _no_more(one: Proposal) -> Proposal:
    return msgspec.structs.replace(one, stands=False)


def _void(one: Signature) -> Signature:
    return msgspec.structs.replace(one, void=True)


def _without(draft: int | None, signed: Signed) -> int | None:
    return None if signed.by is Side.CUSTOMER else draft
