"""Calls to TAMs' numbers in PostgreSQL, and where their recordings are kept."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.contracts.types import Contact
from homing.ground import db
from homing.support.cases.types import Channel, Incoming, Purpose, Side, Verified
from homing.support.line.rules.document import Document
from homing.support.threads.types import OwnCall, OwnState

sql = db.queries("homing.support.threads", "own_number.sql")
_encode = msgspec.json.Encoder().encode
UNPROVED = "known by the number that called, which is a hint and no proof"


class TamShelf:
    """Voicemail, kept as recordings of the Severity 1 Line are (support.line.recordings)."""

    sql = sql
    purpose = "thread recording"

    async def note(self, executor: db.Executor, row: Any, at: datetime, actor: str, kind: str, **detail: Any) -> None:
        """Add to what happened to the call of a recording."""
        await note(executor, row["call_ref"], at, actor, kind, **detail)


async def add_call(
    executor: db.Executor,
    *,
    carrier: str,
    call_id: str,
    caller: str,
    called: str,
    person_id: int | None,
    account_id: int | None,
    contact_id: int | None,
    first_ring_at: datetime,
    state: OwnState,
    ended_at: datetime | None = None,
    look_at: datetime | None,
) -> OwnCall | None:
    """Take a call in; None where it is known already."""
    row = await sql.add_call(
        executor,
        carrier=carrier,
        call_id=call_id,
        caller=caller,
        called=called,
        person_id=person_id,
        account_id=account_id,
        contact_id=contact_id,
        first_ring_at=first_ring_at,
        state=_encode(state).decode(),
        ended_at=ended_at,
        look_at=look_at,
    )
    return None if row is None else _call(row)


async def call_locked(executor: db.Executor, carrier: str, call_id: str) -> OwnCall | None:
    """Return a call by the carrier's id, held until the transaction ends."""
    row = await sql.call_locked(executor, carrier=carrier, call_id=call_id)
    return None if row is None else _call(row)


async def call(executor: db.Executor, call_ref: int) -> OwnCall | None:
    """Return one call."""
    row = await sql.call(executor, call_ref=call_ref)
    return None if row is None else _call(row)


async def put_call(executor: db.Executor, one: OwnCall) -> None:
    """Keep where a call stands."""
    await sql.put_call(
        executor,
        call_ref=one.call_ref,
        state=_encode(one.state).decode(),
        told_at=one.told_at,
        ended_at=one.ended_at,
        sequence=one.sequence,
        handed_to=one.handed_to,
        look_at=one.look_at,
        looks=one.looks,
    )


async def put_owner(executor: db.Executor, call_ref: int, *, account_id: int, contact_id: int) -> None:
    """Note whose call it was, as a person says."""
    await sql.put_owner(executor, call_ref=call_ref, account_id=account_id, contact_id=contact_id)


async def to_look_at(executor: db.Executor, *, now: datetime) -> AsyncIterator[OwnCall]:
    """Return calls about which the carrier must be asked; they are the caller's until his transaction ends."""
    async for row in sql.to_look_at(executor, now=now):
        yield _call(row)


async def turn_of(executor: db.Executor, call_ref: int, step: str, turn: int, digest: bytes) -> Document | None:
    """Return what was answered to this very request before."""
    found = await sql.turn_of(executor, call_ref=call_ref, step=step, turn=turn, digest=digest)
    return None if found is None else msgspec.json.decode(found, type=Document)


async def add_turn(executor: db.Executor, call_ref: int, step: str, turn: int, digest: bytes, document: Document) -> None:
    """Keep what was answered."""
    await sql.add_turn(executor, call_ref=call_ref, step=step, turn=turn, digest=digest, document=_encode(document).decode())


async def note(executor: db.Executor, call_ref: int, at: datetime, actor: str, kind: str, **detail: Any) -> None:
    """Add to what happened."""
    await sql.note(executor, call_ref=call_ref, at=at, actor=actor, kind=kind, detail=_encode(detail).decode())


async def recordings_of(executor: db.Executor, call_refs: Sequence[int]) -> list[Any]:
    """Return the recordings of some calls, without their sound."""
    with db.trouble_is_temporary():
        return [row async for row in sql.recordings_of(executor, call_refs=list(call_refs))]


def voicemail(one: OwnCall, contact: Contact | None, *, verified: Verified = Verified.NONE) -> Incoming:
    """Return what a caller left, as a message."""
    words = {
        "recording": "A voicemail: listen to its recording.",
        "words": one.state.words,
        "call back": "He wants no recording, and to be called back.",
    }
    return called(one, contact, words.get(one.state.left, ""), verified=verified)


def called(one: OwnCall, contact: Contact | None, body: str, *, verified: Verified = Verified.NONE) -> Incoming:
    """Return a call as a message."""
    return Incoming(
        side=Side.CUSTOMER,
        actor="caller" if contact is None else f"contact {contact.contact_id}",
        author="" if contact is None else contact.name,
        channel=Channel.PHONE,
        purpose=Purpose.WORD,
        verified=verified,
        sender=one.caller,
        body=body,
        remark=UNPROVED if contact is not None and verified is Verified.NONE else "",
    )


def _call(row: Any) -> OwnCall:
    return OwnCall(
        call_ref=row["call_ref"],
        carrier=row["carrier"],
        call_id=row["call_id"],
        caller=row["caller"],
        called=row["called"],
        person_id=row["person_id"],
        account_id=row["account_id"],
        contact_id=row["contact_id"],
        first_ring_at=row["first_ring_at"],
        state=msgspec.json.decode(row["state"], type=OwnState),
        sequence=row["sequence"],
        accepted_by=row["accepted_by"],
        ended_at=row["ended_at"],
        told_at=row["told_at"],
        handed_to=row["handed_to"],
        look_at=row["look_at"],
        looks=row["looks"],
    )
