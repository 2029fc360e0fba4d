"""What people decide: exclusions, by two of them; and what they were told to look at."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from homing.availability.rules.exclusions import check_approval, check_proposal, check_withdrawal
from homing.availability.types import Exclusion, ExclusionKind, Finding, Rule
from homing.contracts import store as contracts
from homing.contracts.types import StaffMember
from homing.ground import db

_sql = db.queries("homing.availability")


async def propose(
    pool: db.Pool,
    *,
    account_id: int | None,
    since: datetime,
    until: datetime,
    kind: ExclusionKind,
    reason: str,
    evidence: str,
    by: StaffMember,
) -> Exclusion:
    """Propose an exclusion. It counts for nothing until another member of the staff approves it.

    account_id   None: it is about every account
    raises       NotPossible
    """
    check_proposal(since=since, until=until, reason=reason, evidence=evidence, by=by)
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.propose_exclusion(
                connection,
                account_id=account_id,
                since=since,
                until=until,
                kind=kind.value,
                reason=reason.strip(),
                evidence=evidence.strip(),
                proposed_by=by.name,
                proposed_by_id=by.person_id,
            )
            return await _noted(connection, row, "exclusion proposed", by)


async def approve(pool: db.Pool, exclusion_id: int, *, by: StaffMember) -> Exclusion | None:
    """Let an exclusion count; None: there is none.

    raises   NotPossible
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            known = await _locked(connection, exclusion_id)
            if known is None:
                return None
            check_approval(known, by=by)
            row = await _sql.approve_exclusion(connection, exclusion_id=exclusion_id, by=by.name, by_id=by.person_id)
            return await _noted(connection, row, "exclusion approved", by)


async def withdraw(pool: db.Pool, exclusion_id: int, *, by: StaffMember) -> Exclusion | None:
    """Let an exclusion count no more: what was measured is restored. None: there is none.

    raises   NotPossible
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            known = await _locked(connection, exclusion_id)
            if known is None:
                return None
            check_withdrawal(known, by=by)
            row = await _sql.withdraw_exclusion(connection, exclusion_id=exclusion_id, by=by.name, by_id=by.person_id)
            return await _noted(connection, row, "exclusion withdrawn", by)


async def _locked(connection: db.Executor, exclusion_id: int) -> Exclusion | None:
    row = await _sql.lock_exclusion(connection, exclusion_id=exclusion_id)
    return None if row is None else _exclusion(row)


async def _noted(connection: db.Executor, row: db.Record, action: str, by: StaffMember) -> Exclusion:
    one = _exclusion(row)
    await contracts.note(
        connection,
        actor=f"staff {by.person_id}",
        action=action,
        account_id=one.account_id,
        subject=f"exclusion {one.exclusion_id}",
        detail={"since": one.since.isoformat(), "until": one.until.isoformat(), "kind": one.kind.value},
    )
    return one


async def exclusions(executor: db.Executor, account_id: int | None, *, since: datetime, until: datetime) -> list[Exclusion]:
    """Return the exclusions that touch a stretch of time: those of an account and of all; None: of every account."""
    with db.trouble_is_temporary():
        return [_exclusion(row) async for row in _sql.exclusions(executor, account_id=account_id, since=since, until=until)]


async def note(executor: db.Executor, finding: Finding) -> bool:
    """Keep a finding; False where it was kept before."""
    row = msgspec.structs.asdict(finding)
    row["rule"] = finding.rule.value
    with db.trouble_is_temporary():
        return await _sql.insert_finding(executor, **row) is not None


async def findings(executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> Sequence[Finding]:
    """Return what was found for an account within a stretch of time."""
    with db.trouble_is_temporary():
        rows = _sql.findings(executor, account_id=account_id, since=since, until=until)
        return [Finding(**{**dict(row), "rule": Rule(row["rule"])}) async for row in rows]


async def untold(connection: db.Executor, *, rules: Sequence[Rule]) -> AsyncIterator[tuple[int, Finding]]:
    """Return findings for which nobody was woken or written to yet, by number; held until the transaction ends."""
    async for found in _sql.take_untold(connection, rules=[rule.value for rule in rules]):
        row = dict(found)
        yield row.pop("finding_id"), Finding(**{**row, "rule": Rule(row["rule"])})


async def told(connection: db.Executor, finding_id: int) -> None:
    """Note that somebody was woken for a finding, or written to."""
    await _sql.told(connection, finding_id=finding_id)


def _exclusion(row: db.Record) -> Exclusion:
    return Exclusion(**{**dict(row), "kind": ExclusionKind(row["kind"])})
