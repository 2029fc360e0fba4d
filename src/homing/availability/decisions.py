"""What people decide: exclusions, by two of them; and what they were told to look at."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from homing.availability.rules.exclusions import NotPossible, check_approval, check_proposal, check_withdrawal
from homing.availability.types import Exclusion, ExclusionKind, Finding, Rule
from homing.ground import db

_sql = db.queries("homing.availability")


async def propose(
    executor: db.Executor,
    *,
    account_id: int | None,
    since: datetime,
    until: datetime,
    kind: ExclusionKind,
    reason: str,
    evidence: str,
    by: str,
) -> int:
    """Propose an exclusion and return its number. It counts for nothing until somebody else approves it.

    account_id   None: it is about every account
    raises       NotPossible
    """
    check_proposal(since=since, until=until, reason=reason, evidence=evidence, by=by)
    with db.trouble_is_temporary():
        number: int = await _sql.propose_exclusion(
            executor,
            account_id=account_id,
            since=since,
            until=until,
            kind=kind.value,
            reason=reason.strip(),
            evidence=evidence.strip(),
            proposed_by=by.strip(),
        )
    return number


async def approve(pool: db.Pool, exclusion_id: int, *, by: str) -> None:
    """Let an exclusion count.

    raises   NotPossible
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            check_approval(await _locked(connection, exclusion_id), by=by)
            await _sql.approve_exclusion(connection, exclusion_id=exclusion_id, by=by.strip())


async def withdraw(pool: db.Pool, exclusion_id: int, *, by: str) -> None:
    """Let an exclusion count no more: what was measured is restored.

    raises   NotPossible
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            check_withdrawal(await _locked(connection, exclusion_id), by=by)
            await _sql.withdraw_exclusion(connection, exclusion_id=exclusion_id, by=by.strip())


async def _locked(connection: db.Executor, exclusion_id: int) -> Exclusion:
    row = await _sql.lock_exclusion(connection, exclusion_id=exclusion_id)
    if row is None:
        raise NotPossible(f"there is no exclusion {exclusion_id}")
    return _exclusion(row)


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
