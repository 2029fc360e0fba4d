"""What the nightly audit asks of cases: replay the events, and say what is wrong with them (invariants 1, 11, 15, 18)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from homing.ground import db
from homing.support.cases import store
from homing.support.cases.happened import Resolved
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.fold import fold
from homing.support.cases.rules.resolution import is_agreed
from homing.support.cases.steps import SUBJECT
from homing.support.cases.types import LIVE, Case, Side, State
from homing.support.clocks import store as clocks
from homing.support.clocks.auditor import Replay

_NEVER = datetime.max.replace(tzinfo=UTC)


class CaseSource:
    """Cases, as the auditor knows them."""

    @property
    def subject(self) -> str:
        """Return the name of cases in the table of clocks."""
        return SUBJECT

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        """Return the next cases."""
        return await store.ids_after(executor, subject_id, limit)

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        """Return what the events of a case say, and what is wrong with it."""
        complaints = await store.chain_complaints(executor, subject_id)
        if complaints:
            return Replay(logs=clocks_of(await store.events_of(executor, subject_id)), complaints=complaints)
        row = await store.row(executor, subject_id)
        events = await store.events_of(executor, subject_id)
        if row is None or not events:
            return Replay(logs=(), complaints=["the case has no events"])
        case = fold(events, number=subject_id, account_id=row.account_id)
        complaints += _of_the_row(case, row)
        complaints += _of_the_end(case, resolved=any(isinstance(one.payload, Resolved) for one in events[-1:]))
        for start, end in await _waits(executor, subject_id):
            heard = await store.heard_while_waiting(executor, subject_id, start, end)
            if heard:
                complaints.append(f"the customer was heard {heard} times while a clock waited for him, {start} to {end}")
        return Replay(logs=clocks_of(events), complaints=complaints)


def _of_the_row(case: Case, row: store.Row) -> list[str]:
    kept = (row.state, row.severity, row.kind, row.owner_id, row.opened_at, row.ended_at)
    follows = (case.state, case.severity, case.kind, case.owner_id, case.opened_at, case.ended_at)
    found = [] if kept == follows else [f"the row says {[str(one) for one in kept]}, the events {[str(one) for one in follows]}"]
    if case.state in LIVE - {State.NEW} and case.owner_id is None:
        found.append("an open case has no owner")
    return found


def _of_the_end(case: Case, *, resolved: bool) -> list[str]:
    if not resolved or case.proposal is None:
        return []
    by_staff = [one for one in case.signatures if one.side is Side.PROVIDER and not one.void]
    return [] if by_staff and is_agreed(case.proposal, case.signatures) else ["it is resolved without two valid signatures"]


async def _waits(executor: db.Executor, case_id: int) -> list[tuple[datetime, datetime]]:
    return [
        (span.start, span.end or _NEVER)
        for one in await clocks.of_subject(executor, SUBJECT, case_id)
        for span in one.reading.spans
        if not span.runs
    ]
