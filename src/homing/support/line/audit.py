"""What the nightly audit asks of the Severity 1 Line: every call has its call-back, judged as its attempts say."""

from collections.abc import Sequence

from homing.ground import db
from homing.support.clocks.auditor import Replay
from homing.support.clocks.store import LegalClock
from homing.support.line import store
from homing.support.line.rules.auditing import complaints

SUBJECT = "call-back"


class LineSource:
    """Calls of the line, as the auditor knows them. Their clock is the obligation itself, so no row of clocks is theirs."""

    def __init__(self, legal: LegalClock) -> None:
        self._legal = legal

    @property
    def subject(self) -> str:
        """Return the name of call-backs in findings."""
        return SUBJECT

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        """Return the next calls."""
        return [row["intake_id"] async for row in store.sql.intakes_after(executor, after=subject_id, limit=limit)]

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        """Return what is wrong with the call-back of a call."""
        call, owed = await store.call(executor, subject_id), await store.obligation(executor, subject_id)
        if call is None or owed is None:
            return Replay(logs=(), complaints=["the call has no call-back"])
        attempts = await store.attempts_of(executor, owed.obligation_id)
        proven = owed.returned_at is None or await store.sql.was_placed(
            executor, at=owed.returned_at, account_id=owed.account_id, obligation_id=owed.obligation_id
        )
        now = await self._legal.now(executor)
        return Replay(logs=(), complaints=complaints(call, owed, attempts, proven=proven, now=now))
