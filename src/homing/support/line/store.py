"""Calls, call-backs and attempts in PostgreSQL. Whoever changes something adds to the call's events in the same transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from homing.ground import db
from homing.support.line.rules.callback import Counted
from homing.support.line.rules.document import Document
from homing.support.line.types import (
    Attempt,
    AttemptStatus,
    Call,
    CallState,
    Decision,
    Entitlement,
    HandCall,
    Obligation,
    Outcome,
    Proof,
    Source,
    Void,
)

sql = db.queries("homing.support.line")
_encode = msgspec.json.Encoder().encode


class LegalClock(Protocol):
    """Says when something happened, where that is evidence. Only the database server's clock may (E29)."""

    async def now(self, executor: db.Executor) -> datetime:
        """Return this moment, aware, in UTC."""
        ...


class ServerClock:
    """The clock of the database server."""

    async def now(self, executor: db.Executor) -> datetime:
        """Return this moment."""
        moment: datetime = await sql.server_time(executor)
        return moment


class NewCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it becomes known."""

    carrier: str
    call_id: str
    source: Source
    reference: str
    caller: str
    called: str
    first_ring_at: datetime
    state: CallState
    attestation: str = ""
    account_id: int | None = None
    contact_id: int | None = None
    proof: Proof = Proof.NONE
    entitlement: Entitlement = Entitlement.UNKNOWN
    linked_to: int | None = None
    ended_at: datetime | None = None
    partial: bool = False


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a call."""

    at: datetime
    actor: str
    kind: str
    detail: dict[str, Any]


async def add_call(executor: db.Executor, call: NewCall, *, due_at: datetime, decide_by: datetime, now: datetime) -> int | None:
    """Take a call in and owe its call-back; None where it is known already."""
    row = await sql.add_call(
        executor,
        carrier=call.carrier,
        call_id=call.call_id,
        source=call.source.value,
        reference=call.reference,
        caller=call.caller,
        called=call.called,
        attestation=call.attestation,
        first_ring_at=call.first_ring_at,
        taken_at=now,
        state=_encode(call.state).decode(),
        account_id=call.account_id,
        contact_id=call.contact_id,
        proof=call.proof.value,
        entitlement=call.entitlement.value,
        decide_by=decide_by,
        linked_to=call.linked_to,
        ended_at=call.ended_at,
        partial=call.partial,
    )
    if row is None:
        return None
    intake_id: int = row["intake_id"]
    await sql.add_obligation(executor, intake_id=intake_id, due_at=due_at)
    return intake_id


async def call_locked(executor: db.Executor, carrier: str, call_id: str) -> Call | None:
    """Return a call by the carrier's id, held until the transaction ends."""
    row = await sql.call_locked(executor, carrier=carrier, call_id=call_id)
    return None if row is None else call_of(row)


async def call(executor: db.Executor, intake_id: int) -> Call | None:
    """Return one call."""
    row = await sql.call(executor, intake_id=intake_id)
    return None if row is None else call_of(row)


async def calls(executor: db.Executor, *, account_id: int | None, is_open: bool, limit: int) -> list[Call]:
    """Return calls, the latest first. account_id None: of all accounts."""
    return [call_of(row) async for row in sql.calls(executor, account_id=account_id, open=is_open, limit=limit)]


async def call_of_account(executor: db.Executor, account_id: int, reference: str) -> Call | None:
    """Return a call of an account by its reference."""
    row = await sql.call_of_account(executor, account_id=account_id, reference=reference)
    return None if row is None else call_of(row)


async def waiting_before(executor: db.Executor, one: Call, now: datetime) -> list[tuple[int, datetime]]:
    """Return the calls of the same customer whose call-back is still owed and in time: (the first of the chain, due)."""
    rows = sql.waiting_before(
        executor,
        now=now,
        intake_id=one.intake_id,
        first_ring_at=one.first_ring_at,
        account_id=one.account_id,
        caller=one.caller,
    )
    return [(row["linked_to"] or row["intake_id"], row["due_at"]) async for row in rows]


async def put_state(executor: db.Executor, one: Call) -> None:
    """Keep where a call stands and whose it is."""
    await sql.put_state(
        executor,
        intake_id=one.intake_id,
        state=_encode(one.state).decode(),
        account_id=one.account_id,
        contact_id=one.contact_id,
        proof=one.proof.value,
        entitlement=one.entitlement.value,
    )


async def turn_of(executor: db.Executor, intake_id: int, step: str, turn: int, digits: bytes) -> Document | None:
    """Return what was answered to this very request before."""
    found = await sql.turn_of(executor, intake_id=intake_id, step=step, turn=turn, digits=digits)
    return None if found is None else msgspec.json.decode(found, type=Document)


async def add_turn(
    executor: db.Executor, intake_id: int, step: str, turn: int, digits: bytes, document: Document, now: datetime
) -> None:
    """Keep what was answered."""
    shown = _encode(document).decode()
    await sql.add_turn(executor, intake_id=intake_id, step=step, turn=turn, digits=digits, document=shown, now=now)


async def note(executor: db.Executor, intake_id: int, at: datetime, actor: str, kind: str, **detail: Any) -> None:
    """Add to what happened."""
    await sql.note(executor, intake_id=intake_id, at=at, actor=actor, kind=kind, detail=_encode(detail).decode())


async def events_of(executor: db.Executor, intake_id: int) -> list[Event]:
    """Return what happened to a call, in order."""
    rows = sql.events_of(executor, intake_id=intake_id)
    return [
        Event(at=row["at"], actor=row["actor"], kind=row["kind"], detail=msgspec.json.decode(row["detail"])) async for row in rows
    ]


async def obligation_locked(executor: db.Executor, intake_id: int) -> Obligation | None:
    """Return what is owed for a call, held until the transaction ends."""
    row = await sql.obligation_locked(executor, intake_id=intake_id)
    return None if row is None else obligation_of(row)


async def obligation_by_id(executor: db.Executor, obligation_id: int) -> Obligation:
    """Return what is owed, held until the transaction ends."""
    return obligation_of(await sql.obligation_by_id(executor, obligation_id=obligation_id))


async def obligation(executor: db.Executor, intake_id: int) -> Obligation | None:
    """Return what is owed for a call."""
    row = await sql.obligation(executor, intake_id=intake_id)
    return None if row is None else obligation_of(row)


async def put_result(
    executor: db.Executor,
    owed: Obligation,
    *,
    returned_at: datetime | None = None,
    connected_at: datetime | None = None,
    engaged_at: datetime | None = None,
    outcome: Outcome | None = None,
    outcome_at: datetime | None = None,
) -> None:
    """Keep what became of a call-back. Of each instant the first one stays, and of outcomes the first one."""
    await sql.put_result(
        executor,
        obligation_id=owed.obligation_id,
        returned_at=returned_at,
        connected_at=connected_at,
        engaged_at=engaged_at,
        outcome=outcome,
        outcome_at=outcome_at,
    )


async def attempts_of(executor: db.Executor, obligation_id: int) -> list[Attempt]:
    """Return the attempts of a call-back, oldest first."""
    return [attempt_of(row) async for row in sql.attempts_of(executor, obligation_id=obligation_id)]


async def hand_calls_of(executor: db.Executor, obligation_id: int) -> list[HandCall]:
    """Return what people say that they dialled by hand, by its times."""
    return [msgspec.convert(dict(row), HandCall) async for row in sql.hand_calls_of(executor, obligation_id=obligation_id)]


async def attempt_locked(executor: db.Executor, attempt_id: int) -> Attempt | None:
    """Return one attempt, held until the transaction ends."""
    row = await sql.attempt_locked(executor, attempt_id=attempt_id)
    return None if row is None else attempt_of(row)


async def put_attempt(executor: db.Executor, one: Attempt) -> None:
    """Keep what is known of an attempt."""
    await sql.put_attempt(
        executor,
        attempt_id=one.attempt_id,
        status=one.status.value,
        rep_call_id=one.rep_call_id,
        call_id=one.call_id,
        accepted_at=one.accepted_at,
        evidence_at=one.evidence_at,
        placed_at=one.placed_at,
        connected_at=one.connected_at,
        ended_at=one.ended_at,
        result=one.result,
        sequence=one.sequence,
    )


async def is_due(executor: db.Executor, chore: str, *, now: datetime, before: datetime) -> bool:
    """Claim a chore; False where somebody did it after `before`."""
    return await sql.chore(executor, name=chore, now=now, before=before) is not None


async def counted(executor: db.Executor, *, since: datetime, until: datetime, account_id: int | None) -> list[Counted]:
    """Return the call-backs that fell due in a stretch of time."""
    rows = sql.counted(executor, since=since, until=until, account_id=account_id)
    return [
        Counted(
            outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
            entitlement=Entitlement(row["entitlement"]),
            voided=row["voided_at"] is not None,
        )
        async for row in rows
    ]


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back as statements tell it."""

    reference: str
    source: Source
    first_ring_at: datetime
    due_at: datetime
    returned_at: datetime | None
    connected_at: datetime | None
    outcome: Outcome | None
    entitlement: Entitlement
    voided: bool
    by_hand_at: datetime | None = None


async def returned(executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> list[Returned]:
    """Return the call-backs of an account that fell due in a stretch of time, in that order."""
    rows = sql.returned(executor, account_id=account_id, since=since, until=until)
    return [msgspec.convert(dict(row), Returned) async for row in rows]


def voids_text(voids: Sequence[Void]) -> str:
    """Return who wants a call-back void, as it is kept."""
    return _encode(voids).decode()


def call_of(row: Any) -> Call:
    """Return a row as a call."""
    return Call(
        intake_id=row["intake_id"],
        carrier=row["carrier"],
        call_id=row["call_id"],
        source=Source(row["source"]),
        reference=row["reference"],
        caller=row["caller"],
        called=row["called"],
        first_ring_at=row["first_ring_at"],
        state=msgspec.json.decode(row["state"], type=CallState),
        account_id=row["account_id"],
        contact_id=row["contact_id"],
        proof=Proof(row["proof"]),
        entitlement=Entitlement(row["entitlement"]),
        sequence=row["sequence"],
        accepted_by=row["accepted_by"],
        accepted_at=row["accepted_at"],
        ended_at=row["ended_at"],
        partial=row["partial"],
        case_ref=row["case_ref"],
        linked_to=row["linked_to"],
        due_at=row["due_at"],
        decide_by=row["decide_by"],
        before_cases=row["before_cases"],
        told=tuple(row["told"]),
        decision=None if row["decision"] is None else msgspec.json.decode(row["decision"], type=Decision),
    )


def obligation_of(row: Any) -> Obligation:
    """Return a row as what is owed."""
    return Obligation(
        obligation_id=row["obligation_id"],
        intake_id=row["intake_id"],
        account_id=row["account_id"],
        due_at=row["due_at"],
        claimed_by=row["claimed_by"],
        claim_until=row["claim_until"],
        returned_at=row["returned_at"],
        connected_at=row["connected_at"],
        engaged_at=row["engaged_at"],
        outcome=None if row["outcome"] is None else Outcome(row["outcome"]),
        outcome_at=row["outcome_at"],
        next_try_at=row["next_try_at"],
        answered_by=row["answered_by"],
        answered_at=row["answered_at"],
        voids=msgspec.json.decode(row["voids"], type=tuple[Void, ...]),
        voided_at=row["voided_at"],
    )


def attempt_of(row: Any) -> Attempt:
    """Return a row as an attempt."""
    return Attempt(
        attempt_id=row["attempt_id"],
        obligation_id=row["obligation_id"],
        person_id=row["person_id"],
        carrier=row["carrier"],
        number=row["number"],
        status=AttemptStatus(row["status"]),
        created_at=row["created_at"],
        rep_call_id=row["rep_call_id"],
        call_id=row["call_id"],
        accepted_at=row["accepted_at"],
        evidence_at=row["evidence_at"],
        placed_at=row["placed_at"],
        connected_at=row["connected_at"],
        ended_at=row["ended_at"],
        result=row["result"],
        sequence=row["sequence"],
    )
