"""The keeper of cases: lets happen what time brings. Agreed cadences begin, signatures are asked for again, owners who left are
followed by others, what ended long ago is put away.

Every worker keeps; each step takes its case, and looks again whether it is still due.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from homing.ground import db, log
from homing.ground.turns import edge, take_turns
from homing.support.cases import quarantine, steps, store
from homing.support.cases.desk import Desk
from homing.support.cases.endings import Endings
from homing.support.cases.types import REOPENED_WITHIN_DAYS, Purpose
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.terms import REMINDERS_S
from homing.support.clocks.store import Calendars, LegalClock

_log = log.get("cases")
LOOKS_S = 15.0
AT_ONCE = 100
# So long before something is due its owner is told.
CADENCE_AHEAD = timedelta(minutes=10)
OBJECTIVE_AHEAD = timedelta(minutes=30)
# A miss that nobody was told of for so long, since the house was away, is no news any more; it is shown all the same.
TOLD_WITHIN = timedelta(days=1)


class Keeper:
    """Keeps cases for one worker."""

    def __init__(self, pool: db.Pool, legal: LegalClock, desk: Desk) -> None:
        self._pool = pool
        self._legal = legal
        self._desk = desk
        self._endings = Endings(desk)

    async def run(self) -> None:
        """Keep until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=_log,
            waits="cases_wait",
            failed="cases_turn_failed",
            rests_first=True,
        )

    async def turn(self) -> None:
        """Do what is due."""
        now = await self._legal.now(self._pool)
        for case_id in await store.due_to_begin(self._pool, now, AT_ONCE):
            await self._one(case_id, self._desk.settle)
        for case_id, _ in await store.owned_by_who_left(self._pool, AT_ONCE):
            await self._one(case_id, self._desk.hand_on)
        for case_id in await store.due_to_be_archived(self._pool, now - timedelta(days=REOPENED_WITHIN_DAYS), AT_ONCE):
            await self._one(case_id, self._desk.archive)
        await self._remind()
        await self._warn(now)
        await quarantine.forget_old(self._pool, now)

    async def _remind(self) -> None:
        after = 0
        while waiting := await store.proposed(self._pool, after, AT_ONCE):
            for case_id, number in waiting:
                await self._one(case_id, partial(self._remind_one, number))
            after = waiting[-1][0]

    async def _warn(self, now: datetime) -> None:
        due = await store.due_soon(
            self._pool, now, wall_until=now + CADENCE_AHEAD, business_until=now + OBJECTIVE_AHEAD, limit=AT_ONCE
        )
        missed = await store.missed_lately(self._pool, since=now - TOLD_WITHIN, limit=AT_ONCE)
        for purpose, found in ((Purpose.DUE, due), (Purpose.MISSED, missed)):
            for case_id, clock in found:
                await self._one(case_id, partial(self._warn_one, clock, purpose))

    async def _remind_one(self, number: int, case_id: int) -> None:
        if await self._is_due(case_id, number):
            await self._endings.remind(case_id)

    async def _warn_one(self, clock: int, purpose: Purpose, case_id: int) -> None:
        await self._desk.warn(case_id, clock, purpose)

    async def _is_due(self, case_id: int, number: int) -> bool:
        """Return whether the next reminder of a case is due: after 2, 5 and 9 business days."""
        case = await self._desk.case(case_id)
        kept = {one.number: one for one in await clocks.of_subject(self._pool, steps.SUBJECT, case_id)}
        proposal = case.proposal if case is not None else None
        if proposal is None or number not in kept or proposal.reminders >= len(REMINDERS_S):
            return False
        reading = await Calendars(self._pool).read(kept[number].log, await self._legal.now(self._pool))
        return reading.elapsed_s >= REMINDERS_S[proposal.reminders]

    async def _one(self, case_id: int, step: Callable[[int], Awaitable[object]]) -> None:
        with edge(_log, waits="case_waits", failed="case_step_failed", case=case_id):
            await step(case_id)
