"""Records in PostgreSQL: events, what follows from them, documents, runs of checks. A step is one transaction (desk.py)."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from homing.ground import db
from homing.support.cases.types import Side
from homing.support.clocks.types import Kind
from homing.support.tam.happened import Event, Payload
from homing.support.tam.rules.fold import fold
from homing.support.tam.types import Record, RecordKind, Result, State

_sql = db.queries("homing.support.tam")
_encode = msgspec.json.Encoder().encode
_payload = msgspec.json.Decoder(Payload).decode
_result = msgspec.json.Decoder(Result).decode
SUBJECT = "tam"  # of clocks
CHECKED = frozenset({State.ISSUED, State.ACKNOWLEDGED, State.FOLLOWED})  # a check is run again in these


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a record."""

    record_id: int
    account_id: int
    kind: RecordKind
    state: State
    title: str
    awaits: Side | None
    opened_at: datetime
    updated_at: datetime
    ended_at: datetime | None


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a review was prepared with, as it was then. data and words are '' in a list."""

    number: int
    prepared_at: datetime
    prepared_by: str
    sha256: str
    data: str = ""
    words: str = ""


async def new_number(executor: db.Executor) -> int:
    """Return a fresh number."""
    number: int = await _sql.new_record(executor)
    return number


async def lock(executor: db.Executor, record_id: int) -> Row | None:
    """Take a record until the transaction ends; None: there is none."""
    row = await _sql.lock_record(executor, record_id=record_id)
    return None if row is None else _row(row)


async def row(executor: db.Executor, record_id: int) -> Row | None:
    """Return what is kept of a record."""
    with db.trouble_is_temporary():
        found = await _sql.record_row(executor, record_id=record_id)
    return None if found is None else _row(found)


async def find(
    executor: db.Executor,
    *,
    account_ids: Sequence[int] | None,
    kind: RecordKind | None = None,
    states: Sequence[State] | None = None,
    before: int | None = None,
    limit: int = 200,
) -> list[Row]:
    """Return records, the latest first. account_ids None: of every account."""
    with db.trouble_is_temporary():
        rows = _sql.list_records(
            executor,
            account_ids=None if account_ids is None else list(account_ids),
            kind=None if kind is None else kind.value,
            states=None if states is None else [one.value for one in states],
            before=before,
            limit=limit,
        )
        return [_row(one) async for one in rows]


async def record(executor: db.Executor, record_id: int) -> Record | None:
    """Return a record as its events make it."""
    kept = await row(executor, record_id)
    if kept is None:
        return None
    return fold(await events_of(executor, record_id), account_id=kept.account_id)


async def records(executor: db.Executor, rows: Sequence[Row]) -> list[Record]:
    """Return records in the order of their rows."""
    events: dict[int, list[Event]] = {one.record_id: [] for one in rows}
    with db.trouble_is_temporary():
        async for found in _sql.events_of_many(executor, record_ids=list(events)):
            events[found["record_id"]].append(_event(found))
    return [fold(events[one.record_id], account_id=one.account_id) for one in rows]


async def events_of(executor: db.Executor, record_id: int) -> list[Event]:
    """Return the events of a record, in order."""
    with db.trouble_is_temporary():
        return [_event(one) async for one in _sql.events_of(executor, record_id=record_id)]


async def append(executor: db.Executor, events: Sequence[Event]) -> None:
    """Add events."""
    for one in events:
        await _sql.add_event(
            executor,
            record_id=one.record_id,
            seq=one.seq,
            at=one.at,
            actor=one.actor,
            side=one.side.value,
            payload=_encode(one.payload).decode(),
        )


async def put(executor: db.Executor, made: Record) -> None:
    """Write what follows from the events."""
    await _sql.put_record(
        executor,
        record_id=made.record_id,
        account_id=made.account_id,
        kind=made.kind.value,
        state=made.state.value,
        title=made.title,
        awaits=None if made.awaits is None else made.awaits.value,
        checks=made.check is not None and made.state in CHECKED,
        opened_at=made.opened_at,
        updated_at=made.updated_at,
        ended_at=made.ended_at,
        seq=made.seq,
    )


async def ids_after(executor: db.Executor, record_id: int, limit: int) -> list[int]:
    """Return the next records, by number."""
    return [one["record_id"] async for one in _sql.records_after(executor, record_id=record_id, limit=limit)]


async def waiting_after(executor: db.Executor, record_id: int, limit: int) -> list[int]:
    """Return the next records that wait for the customer while a CONFIRM runs, by number."""
    with db.trouble_is_temporary():
        rows = _sql.waiting_after(executor, record_id=record_id, subject=SUBJECT, clock=Kind.CONFIRM.value, limit=limit)
        return [one["record_id"] async for one in rows]


async def claim_checks(executor: db.Executor, *, now: datetime, then: datetime, limit: int) -> list[int]:
    """Return records whose check is due; they are due again then."""
    with db.trouble_is_temporary():
        return [one["record_id"] async for one in _sql.claim_checks(executor, now=now, next=then, limit=limit)]


async def keep_result(executor: db.Executor, record_id: int, result: Result) -> None:
    """Keep what a check found."""
    with db.trouble_is_temporary():
        await _sql.add_check(executor, record_id=record_id, at=result.at, passed=result.passed, result=_encode(result).decode())


async def results_of(executor: db.Executor, record_id: int, *, limit: int = 30) -> list[Result]:
    """Return what the check of a record found, the latest first."""
    with db.trouble_is_temporary():
        return [_result(one["result"]) async for one in _sql.checks_of(executor, record_id=record_id, limit=limit)]


async def last_results(executor: db.Executor, record_ids: Sequence[int]) -> dict[int, Result]:
    """Return what the checks of some records said last, where they could say something."""
    with db.trouble_is_temporary():
        rows = _sql.checks_of_many(executor, record_ids=list(record_ids))
        return {one["record_id"]: _result(one["result"]) async for one in rows}


async def add_document(executor: db.Executor, record_id: int, made: Document) -> None:
    """Keep a document."""
    await _sql.add_document(
        executor,
        record_id=record_id,
        number=made.number,
        prepared_at=made.prepared_at,
        prepared_by=made.prepared_by,
        sha256=made.sha256,
        data=made.data,
        words=made.words,
    )


async def documents_of(executor: db.Executor, record_id: int) -> list[Document]:
    """Return the documents of a review, without what is in them."""
    with db.trouble_is_temporary():
        return [Document(**_of_a_document(one)) async for one in _sql.documents_of(executor, record_id=record_id)]


async def document(executor: db.Executor, record_id: int, number: int) -> Document | None:
    """Return one document."""
    with db.trouble_is_temporary():
        found = await _sql.document(executor, record_id=record_id, number=number)
    return None if found is None else Document(**_of_a_document(found), data=found["data"], words=found["words"])


async def cases_between(executor: db.Executor, account_id: int, begin: datetime, end: datetime) -> list[tuple[str, str, int]]:
    """Return state, severity and number of the Support Cases that an account opened in [begin, end)."""
    with db.trouble_is_temporary():
        rows = _sql.cases_between(executor, account_id=account_id, begin=begin, end=end)
        return [(one["state"], one["severity"], one["cases"]) async for one in rows]


async def happened_in(executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> dict[str, int]:
    """Return how often things happened in the programme of an account in [since, until), by name."""
    with db.trouble_is_temporary():
        return dict(await _sql.happened_in(executor, account_id=account_id, since=since, until=until))


def digest(text: str) -> str:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _of_a_document(found: Any) -> dict[str, Any]:
    return {name: found[name] for name in ("number", "prepared_at", "prepared_by", "sha256")}


def _row(found: Any) -> Row:
    return Row(
        record_id=found["record_id"],
        account_id=found["account_id"],
        kind=RecordKind(found["kind"]),
        state=State(found["state"]),
        title=found["title"],
        awaits=None if found["awaits"] is None else Side(found["awaits"]),
        opened_at=found["opened_at"],
        updated_at=found["updated_at"],
        ended_at=found["ended_at"],
    )


def _event(found: Any) -> Event:
    return Event(
        record_id=found["record_id"],
        seq=found["seq"],
        at=found["at"],
        actor=found["actor"],
        side=Side(found["side"]),
        payload=_payload(found["payload"]),
    )
