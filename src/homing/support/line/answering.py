"""What somebody says who was woken, by a key or over the API: it counts for the ladder and for the call-back alike."""

from datetime import datetime

from homing.ground import db
from homing.support.cases.calls import Calls
from homing.support.cases.rules.waking import case_of
from homing.support.line import store
from homing.support.line.ladders import obligation_of
from homing.support.line.rules import callback
from homing.support.oncall import runs
from homing.support.oncall.runs import Answer
from homing.support.oncall.types import Run


class Answering:
    """Takes answers, for one worker."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def answer(self, connection: db.Executor, run_id: int, person_id: int, what: Answer, now: datetime) -> Run | None:
        """Carry out what somebody says, in the caller's transaction (as oncall.runs.answer).

        A call-back that he claims is his for three minutes without an attempt. Where no call-back is owed, nothing was wanted but
        that somebody takes it on, and the ladder ends by it.

        returns   None where somebody else has it, it has ended, or there is none
        """
        run = await runs.one(connection, run_id)
        if run is None:
            return None
        number = obligation_of(run.obligation)
        if number is None:
            return await self._of_another(connection, run, person_id, what, now)
        owed = await store.obligation_by_id(connection, number)  # before the ladder, as whoever calls back holds them
        may = callback.may_claim(claimed_by=owed.claimed_by, claim_until=owed.claim_until, person_id=person_id, now=now)
        calling = owed.claimed_by == person_id and owed.claim_until is None
        if (what is not Answer.ACKNOWLEDGE and not may) or (what is Answer.HAND_ON and calling):
            return None
        after = await runs.answer(connection, run_id, person_id, what, now)
        if after is None:
            return None
        await store.sql.answered(connection, obligation_id=number, person_id=person_id, now=now)
        if what is Answer.CLAIM and not calling and not callback.talks(owed, person_id, now):
            until = after.claim.at + callback.CLAIM if after.claim is not None else now + callback.CLAIM
            await store.sql.put_claim(connection, obligation_id=number, person_id=person_id, until=until)
        if what is Answer.HAND_ON and owed.claimed_by == person_id:
            await store.sql.put_claim(connection, obligation_id=number, person_id=None, until=None)
        await store.note(connection, owed.intake_id, now, f"staff {person_id}", _NOTED[what], ladder=run_id)
        return after

    async def _of_another(self, connection: db.Executor, run: Run, person_id: int, what: Answer, now: datetime) -> Run | None:
        """Carry out an answer where no call-back is owed: to a case, a silent line, an outage."""
        number = case_of(run.obligation)
        if number is not None:
            await self._calls.hold(connection, number)  # before its ladder, as its steps hold them
        after = await runs.answer(connection, run.run_id, person_id, what, now)
        if after is None:
            return None
        if number is not None:
            await self._calls.engaged(connection, number, person_id, now)
        if what is not Answer.CLAIM or not run.obligation.startswith(_CLAIM_IS_ALL):
            return after
        await runs.end_ladder(connection, run.obligation, because=f"staff {person_id} has it in hand", now=now)
        return await runs.one(connection, run.run_id)


_CLAIM_IS_ALL = ("case ", "line ", "unavailability ")  # nothing is owed but that somebody takes it on
_NOTED = {Answer.ACKNOWLEDGE: "awake", Answer.CLAIM: "claimed", Answer.HAND_ON: "handed on"}
