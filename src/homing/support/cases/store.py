"""Cases in PostgreSQL: events, what follows from them, what was written, and files. A step is one transaction (steps.py)."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.ground import db
from homing.support.cases.happened import Event
from homing.support.cases.rules import chain
from homing.support.cases.rules.critical import stretches
from homing.support.cases.rules.evidence import Named, OurCall
from homing.support.cases.types import (
    Attachment,
    Case,
    CaseKind,
    Channel,
    Incoming,
    Message,
    Purpose,
    Severity,
    Side,
    Source,
    State,
    Verified,
)

_sql = db.queries("homing.support.cases")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a case."""

    case_id: int
    account_id: int
    state: State
    severity: Severity
    kind: CaseKind
    source: Source
    service: str
    subject: str
    owner_id: int | None
    contact_id: int | None
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where the chain of a case ends. seq 0: it has no event yet."""

    case_id: int
    account_id: int
    seq: int = 0
    hash: bytes = chain.GENESIS


class CallOfCase(msgspec.Struct, frozen=True, kw_only=True):
    """A call on the Severity 1 Line. account_id None: nobody has said whose it is; case_id None: it has no case yet."""

    account_id: int | None
    case_id: int | None
    reference: str
    first_ring_at: datetime


class Extract(msgspec.Struct, frozen=True, kw_only=True):
    """An extract of the ledger that is owed to a case. began_at: when the case became critical."""

    case_id: int
    seq: int
    after_s: int
    account_id: int
    began_at: datetime


async def add_extracts(executor: db.Executor, case_id: int, seq: int, at: datetime, after_s: Sequence[int]) -> None:
    """Owe extracts of the ledger from a step on, unless some are owed already."""
    await _sql.add_extracts(executor, case_id=case_id, seq=seq, at=at, after_s=list(after_s))


async def take_extract(executor: db.Executor, *, now: datetime) -> AsyncIterator[Extract]:
    """Return an extract that is due, held until the transaction ends; none where none is."""
    async for row in _sql.take_extract(executor, now=now):
        yield Extract(**dict(row))


async def put_extract(
    executor: db.Executor, one: Extract, *, done_at: datetime | None = None, due_at: datetime | None = None
) -> None:
    """Note that an extract was written, or when to try it again."""
    await _sql.put_extract(executor, case_id=one.case_id, seq=one.seq, after_s=one.after_s, done_at=done_at, due_at=due_at)


async def new_number(executor: db.Executor) -> int:
    """Return a fresh number."""
    number: int = await _sql.new_number(executor)
    return number


async def lock(executor: db.Executor, case_id: int) -> Head | None:
    """Take a case until the transaction ends; None: there is none."""
    row = await _sql.lock_case(executor, case_id=case_id)
    if row is None:
        return None
    return Head(case_id=row["case_id"], account_id=row["account_id"], seq=row["seq"], hash=row["head"])


async def events_of(executor: db.Executor, case_id: int) -> list[Event]:
    """Return the events of a case, in order."""
    with db.trouble_is_temporary():
        return [_event(row) async for row in _sql.events_of(executor, case_id=case_id)]


async def chain_complaints(executor: db.Executor, case_id: int) -> list[str]:
    """Return what is wrong with the chain of a case."""
    rows = [
        (
            row["case_id"],
            row["seq"],
            row["at"],
            row["actor"],
            row["side"],
            row["payload"].encode(),
            bytes(row["prev_hash"]),
            bytes(row["hash"]),
        )
        async for row in _sql.events_of(executor, case_id=case_id)
    ]
    head = await _sql.case_row(executor, case_id=case_id)
    found = chain.complaints(rows)
    if head is not None and (head["seq"], bytes(head["head"])) != (len(rows), rows[-1][7] if rows else b""):
        found.append("the row of the case does not name its last event")
    return found


async def happened_in(executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> dict[str, int]:
    """Return how often things happened to the cases of an account in a stretch of time, by name."""
    row = await _sql.happened_in(executor, account_id=account_id, since=since, until=until)
    return dict(row)


async def critical_in(
    executor: db.Executor, account_id: int, *, since: datetime, until: datetime, limit: int = 1_000
) -> list[tuple[int, datetime, datetime | None]]:
    """Return when cases were critical in a stretch of time, whatever they are now: number, begin, end. limit: of cases."""
    rows = _sql.critical_in(executor, account_id=account_id, since=since, until=until, limit=limit)
    numbers: list[int] = [row["case_id"] async for row in rows]
    return [
        (number, one.began_at, one.ended_at)
        for number in numbers
        for one in stretches(await events_of(executor, number))
        if one.began_at < until and (one.ended_at is None or one.ended_at >= since)
    ]


async def append(executor: db.Executor, events: Sequence[Event]) -> None:
    """Add events."""
    for one in events:
        await _sql.add_event(
            executor,
            case_id=one.case_id,
            seq=one.seq,
            at=one.at,
            actor=one.actor,
            side=one.side.value,
            payload=chain.write_payload(one.payload).decode(),
            prev_hash=one.prev_hash,
            hash=one.hash,
        )


async def put(executor: db.Executor, case: Case, head: bytes) -> None:
    """Write what follows from the events."""
    pending = [one.effective_at for one in case.agreements if one.effective_at is not None and not one.began]
    await _sql.put_case(
        executor,
        case_id=case.case_id,
        account_id=case.account_id,
        state=case.state.value,
        severity=case.severity.value,
        kind=case.kind.value,
        source=case.source.value,
        service=case.service,
        subject=case.subject,
        owner_id=case.owner_id,
        contact_id=case.people[0] if case.people else None,
        reopened_from=case.reopened_from,
        merged_into=case.merged_into,
        opened_at=case.opened_at,
        updated_at=case.updated_at,
        ended_at=case.ended_at,
        begins_at=min(pending, default=None) if case.live else None,
        seq=case.seq,
        head=head,
    )


async def row(executor: db.Executor, case_id: int) -> Row | None:
    """Return what a list shows of one case."""
    with db.trouble_is_temporary():
        found = await _sql.case_row(executor, case_id=case_id)
    return None if found is None else _row(found)


async def find(
    executor: db.Executor,
    *,
    account_id: int | None,
    states: Iterable[State] | None = None,
    severity: Severity | None = None,
    owner_id: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[Row]:
    """Return cases, the latest first; account_id None: of every account (the staff's view)."""
    with db.trouble_is_temporary():
        rows = _sql.list_cases(
            executor,
            account_id=account_id,
            states=None if states is None else [state.value for state in states],
            severity=None if severity is None else severity.value,
            owner_id=owner_id,
            before=before,
            limit=limit,
        )
        return [_row(one) async for one in rows]


async def ids_after(executor: db.Executor, case_id: int, limit: int) -> list[int]:
    """Return the numbers of the next cases."""
    return [one["case_id"] async for one in _sql.ids_after(executor, case_id=case_id, limit=limit)]


# messages ---------------------------------------------------------------------------------------------------------------


async def add_message(executor: db.Executor, case_id: int, number: int, incoming: Incoming, *, at: datetime) -> None:
    """Keep what somebody wrote."""
    await _sql.add_message(
        executor,
        case_id=case_id,
        number=number,
        side=incoming.side.value,
        actor=incoming.actor,
        author=incoming.author,
        channel=incoming.channel.value,
        purpose=incoming.purpose.value,
        verified=incoming.verified.value,
        automatic=incoming.automatic,
        sender=incoming.sender,
        subject=incoming.subject,
        body=incoming.body,
        remark=incoming.remark,
        message_id=incoming.message_id,
        in_reply_to=incoming.in_reply_to,
        received_at=at,
        dedupe=incoming.dedupe,
    )
    for one in incoming.attachments:
        await _sql.add_attachment(
            executor,
            case_id=case_id,
            message=number,
            number=one.number,
            name=one.name,
            kind=one.kind,
            size_bytes=one.size_bytes,
            sha256=one.sha256,
            data=one.data,
        )


def attached(number: int, name: str, kind: str, data: bytes) -> Attachment:
    """Return a file as it is kept."""
    digest = hashlib.sha256(data).hexdigest()
    return Attachment(number=number, name=name, kind=kind, size_bytes=len(data), sha256=digest, data=data)


async def last_message(executor: db.Executor, case_id: int) -> int:
    """Return the number of the last message; 0: there is none."""
    number: int = await _sql.last_message(executor, case_id=case_id)
    return number


async def messages_of(executor: db.Executor, case_id: int) -> list[Message]:
    """Return what was written, in order; files without their content."""
    with db.trouble_is_temporary():
        files: dict[int, list[Attachment]] = {}
        async for one in _sql.attachments_of(executor, case_id=case_id):
            files.setdefault(one["message"], []).append(_attachment(one))
        return [_message(one, files.get(one["number"], ())) async for one in _sql.messages_of(executor, case_id=case_id)]


async def our_calls(executor: db.Executor, wanted: Named) -> list[OurCall]:
    """Return the calls and recordings in our logs that a name may mean."""
    rows = _sql.our_calls(executor, what=wanted.what, name=wanted.name, number=wanted.number)
    return [OurCall(account_id=row["account_id"], name=row["name"]) async for row in rows]


async def case_of_call(executor: db.Executor, wanted: Named) -> CallOfCase | None:
    """Return the call on the Severity 1 Line that a name means."""
    row = await _sql.case_of_call(executor, name=wanted.name, number=wanted.number)
    if row is None:
        return None
    case_ref = row["case_ref"]
    return CallOfCase(
        account_id=row["account_id"],
        case_id=None if case_ref is None else int(case_ref),
        reference=row["reference"],
        first_ring_at=row["first_ring_at"],
    )


async def message(executor: db.Executor, case_id: int, number: int) -> Message | None:
    """Return one message, files with their content."""
    with db.trouble_is_temporary():
        found = await _sql.message(executor, case_id=case_id, number=number)
        if found is None:
            return None
        files = [_attachment(one) async for one in _sql.attachments_with_data(executor, case_id=case_id, message=number)]
    return _message(found, files)


async def attachment(executor: db.Executor, case_id: int, message: int, number: int) -> Attachment | None:
    """Return one file with its content."""
    with db.trouble_is_temporary():
        found = await _sql.attachment(executor, case_id=case_id, message=message, number=number)
    return None if found is None else _attachment(found)


async def attached_bytes(executor: db.Executor, case_id: int) -> int:
    """Return how much the files of a case are together."""
    size: int = await _sql.attached_bytes(executor, case_id=case_id)
    return size


async def message_sent(executor: db.Executor, case_id: int, number: int, at: datetime) -> None:
    """Note that a message was accepted for delivery."""
    await _sql.message_sent(executor, case_id=case_id, number=number, at=at)


async def heard_while_waiting(executor: db.Executor, case_id: int, start: datetime, end: datetime) -> int:
    """Return how many words of the customer lie between two instants."""
    count: int = await _sql.heard_while_waiting(executor, case_id=case_id, start=start, end=end)
    return count


# what is due ------------------------------------------------------------------------------------------------------------


async def due_to_be_archived(executor: db.Executor, before: datetime, limit: int) -> list[int]:
    """Return cases that ended before a moment."""
    return [one["case_id"] async for one in _sql.due_to_be_archived(executor, before=before, limit=limit)]


async def due_to_begin(executor: db.Executor, now: datetime, limit: int) -> list[int]:
    """Return cases in which an accepted cadence takes effect."""
    return [one["case_id"] async for one in _sql.due_to_begin(executor, now=now, limit=limit)]


async def proposed(executor: db.Executor, after: int, limit: int) -> list[tuple[int, int]]:
    """Return cases that wait for a signature, with the number of their CONFIRM clock."""
    return [(one["case_id"], one["number"]) async for one in _sql.proposed_cases(executor, after=after, limit=limit)]


async def due_soon(
    executor: db.Executor, now: datetime, *, wall_until: datetime, business_until: datetime, limit: int
) -> list[tuple[int, int]]:
    """Return cases and numbers of clocks that are due before a moment, and whose owner has not been told.

    wall_until       for cadences
    business_until   for objectives
    """
    rows = _sql.due_soon(executor, now=now, wall_until=wall_until, business_until=business_until, limit=limit)
    return [(one["case_id"], one["number"]) async for one in rows]


async def missed_lately(executor: db.Executor, *, since: datetime, limit: int) -> list[tuple[int, int]]:
    """Return live cases and numbers of clocks that were missed since a moment, are still owed, and that nobody was told of."""
    return [(one["case_id"], one["number"]) async for one in _sql.missed_lately(executor, since=since, limit=limit)]


async def owned_by_who_left(executor: db.Executor, limit: int) -> list[tuple[int, int]]:
    """Return live cases whose owner has left, with their accounts."""
    return [(one["case_id"], one["account_id"]) async for one in _sql.owned_by_who_left(executor, limit=limit)]


def _event(found: Any) -> Event:
    return Event(
        case_id=found["case_id"],
        seq=found["seq"],
        at=found["at"],
        actor=found["actor"],
        side=Side(found["side"]),
        payload=chain.read_payload(found["payload"]),
        prev_hash=bytes(found["prev_hash"]),
        hash=bytes(found["hash"]),
    )


def _row(found: Any) -> Row:
    return Row(
        case_id=found["case_id"],
        account_id=found["account_id"],
        state=State(found["state"]),
        severity=Severity(found["severity"]),
        kind=CaseKind(found["kind"]),
        source=Source(found["source"]),
        service=found["service"],
        subject=found["subject"],
        owner_id=found["owner_id"],
        contact_id=found["contact_id"],
        opened_at=found["opened_at"],
        updated_at=found["updated_at"],
        ended_at=found["ended_at"],
    )


def _message(found: Any, files: Iterable[Attachment]) -> Message:
    return Message(
        case_id=found["case_id"],
        number=found["number"],
        side=Side(found["side"]),
        actor=found["actor"],
        author=found["author"],
        channel=Channel(found["channel"]),
        purpose=Purpose(found["purpose"]),
        verified=Verified(found["verified"]),
        automatic=found["automatic"],
        sender=found["sender"],
        subject=found["subject"],
        body=found["body"],
        remark=found["remark"],
        message_id=found["message_id"],
        in_reply_to=found["in_reply_to"],
        received_at=found["received_at"],
        sent_at=found["sent_at"],
        attachments=tuple(files),
    )


def _attachment(found: Any) -> Attachment:
    return Attachment(
        number=found["number"],
        name=found["name"],
        kind=found["kind"],
        size_bytes=found["size_bytes"],
        sha256=found["sha256"],
        data=found.get("data", b""),
    )
