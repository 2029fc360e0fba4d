"""Witnesses and their reports in PostgreSQL; and the intake, which takes what is signed by somebody we know."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from homing.availability.rules import outside
from homing.availability.rules.outside import Attested, Report, Unusable
from homing.availability.types import moment
from homing.contracts import store as contracts
from homing.contracts.types import StaffMember
from homing.evidence import store as evidence
from homing.ground import db

_sql = db.queries("homing.availability", "witnesses.sql")
LATE = "reports from outside"


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who asks our doors from elsewhere.

    account_id   whose attempts it makes; None: it is ours, and makes none
    public_key   Ed25519, in hex
    """

    witness_id: int
    account_id: int | None
    name: str
    public_key: str
    added_at: datetime
    ended_at: datetime | None


class Decision(StrEnum):
    """Whether a customer's report counts in seconds in which we watched. Where we were blind it counts anyway."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A report in a list; since and until are Unix seconds."""

    report_id: int
    name: str
    number: int
    since: int
    until: int
    decision: Decision
    decided_by: str
    received_at: datetime


class Taken(NamedTuple):
    """What became of a report. is_new: it was not here before."""

    report: Report
    witness: Witness
    is_new: bool


class Conflict(Unusable):
    """The witness said something else under this number before."""


async def add(executor: db.Executor, *, account_id: int | None, name: str, public_key: bytes) -> Witness | None:
    """Know a witness; None where its key is known already."""
    with db.trouble_is_temporary():
        row = await _sql.insert_witness(executor, account_id=account_id, name=name, public_key=public_key)
    return None if row is None else _witness(row)


async def of_account(executor: db.Executor, account_id: int | None) -> list[Witness]:
    """Return the witnesses of an account; None: ours."""
    with db.trouble_is_temporary():
        return [_witness(row) async for row in _sql.witnesses(executor, account_id=account_id)]


async def everybody(executor: db.Executor) -> list[Witness]:
    """Return every witness."""
    with db.trouble_is_temporary():
        return [_witness(row) async for row in _sql.all_witnesses(executor)]


async def end(executor: db.Executor, account_id: int | None, witness_id: int) -> bool:
    """Take no further reports of a witness; False where there is no such one."""
    with db.trouble_is_temporary():
        return await _sql.end_witness(executor, account_id=account_id, witness_id=witness_id) is not None


async def take(
    pool: db.Pool, body: bytes, signature: str, *, now: datetime, whose: Collection[int | None] | None = None
) -> Taken:
    """Keep a report. The same one may come as often as it likes.

    whose    accounts whose witnesses may be heard; None: everybody's
    raises   Unusable; StoreUnavailable
    """
    report, _ = outside.read(body, signature)
    outside.check_age(report, now=now)
    with db.trouble_is_temporary():
        row = await _sql.witness_by_key(pool, public_key=bytes.fromhex(report.witness))
        if row is None or row["ended_at"] is not None or (whose is not None and row["account_id"] not in whose):
            raise Unusable("this witness is not known (any more)")
        witness = _witness(row)
        async with pool.acquire() as connection, connection.transaction():
            report_id = await _sql.insert_report(
                connection,
                witness_id=witness.witness_id,
                number=report.number,
                since=report.since,
                until=report.until,
                body=body,
                signature=signature,
            )
            if report_id is not None:
                await _note_late(connection, witness.account_id, report.since, report.until, now)
        if report_id is None:
            known = await _sql.report_body(pool, witness_id=witness.witness_id, number=report.number)
            if known != body:
                raise Conflict(f"the witness has sent another report with the number {report.number}")
    return Taken(report, witness, report_id is not None)


async def _note_late(connection: db.Executor, account_id: int | None, since: int, until: int, now: datetime) -> None:
    """Have the days of a report looked at again that are over."""
    days = {moment(second).date() for second in (since, until - 1)}
    whose = evidence.EVERYBODY if account_id is None else account_id
    await evidence.note_late(connection, {(day, whose) for day in days if day < now.date()}, why=LATE)


async def attested(
    executor: db.Executor, account_ids: Collection[int], *, since: int, until: int
) -> list[tuple[int | None, Attested]]:
    """Return what was seen from outside in a stretch of seconds, counted from `since`: whose it is, None: ours."""
    with db.trouble_is_temporary():
        rows = _sql.reports(executor, account_ids=list(account_ids), since=since, until=until)
        found: list[tuple[int | None, Attested]] = []
        async for row in rows:
            if row["decision"] == Decision.REJECTED:
                continue
            report, saw = outside.kept(row["body"])
            saw = outside.moved(saw, report.since - since, seconds=until - since)
            own = row["account_id"] is None
            found.append((row["account_id"], Attested(saw, own, row["decision"] == Decision.ACCEPTED, row["name"])))
    return found


async def listed(executor: db.Executor, account_id: int | None, *, limit: int) -> Sequence[Listed]:
    """Return the latest reports of an account's witnesses; None: of ours."""
    with db.trouble_is_temporary():
        rows = _sql.listed_reports(executor, account_id=account_id, limit=limit)
        return [Listed(**{**dict(row), "decision": Decision(row["decision"])}) async for row in rows]


async def decide(pool: db.Pool, report_id: int, decision: Decision, *, by: StaffMember, now: datetime) -> int | None:
    """Decide about a customer's report; return its account, or None where there is no such report."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.decide_report(connection, report_id=report_id, decision=decision.value, decided_by=by.name)
            if row is None:
                return None
            await _note_late(connection, row["account_id"], row["since"], row["until"], now)
            await contracts.note(
                connection,
                actor=f"staff {by.person_id}",
                action=f"report {decision.value}",
                account_id=row["account_id"],
                subject=f"report {report_id}",
            )
    return int(row["account_id"])


def _witness(row: db.Record) -> Witness:
    return Witness(**{**dict(row), "public_key": row["public_key"].hex()})
