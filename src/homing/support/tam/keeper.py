"""The keeper of the programme: asks customers again who were asked, and runs checks of recommendations again every day."""

from datetime import timedelta

from homing.ground import db, log
from homing.ground.turns import edge, take_turns
from homing.support.clocks import store as clocks
from homing.support.clocks.rules.terms import REMINDERS_S
from homing.support.clocks.store import Calendars, LegalClock
from homing.support.clocks.types import Kind
from homing.support.tam import measuring, store
from homing.support.tam.desk import Desk
from homing.support.tam.ports import Figures

_log = log.get("tam")
LOOKS_S = 60.0
AT_ONCE = 100
CHECKS_EVERY = timedelta(days=1)


class Keeper:
    """Keeps records for one worker. Every worker keeps; a step takes its record and looks again, a check is claimed."""

    def __init__(self, pool: db.Pool, legal: LegalClock, desk: Desk, figures: Figures) -> None:
        self._pool = pool
        self._legal = legal
        self._desk = desk
        self._figures = figures

    async def run(self) -> None:
        """Keep until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=_log,
            waits="tam_waits",
            failed="tam_turn_failed",
            rests_first=True,
        )

    async def turn(self) -> None:
        """Do what is due."""
        await self._remind()
        now = await self._legal.now(self._pool)
        while claimed := await store.claim_checks(self._pool, now=now, then=now + CHECKS_EVERY, limit=AT_ONCE):
            for record_id in claimed:
                await self._check(record_id)

    async def _remind(self) -> None:
        after = 0
        while waiting := await store.waiting_after(self._pool, after, AT_ONCE):
            for record_id in waiting:
                with edge(_log, waits="reminder_waits", failed="reminder_failed", record=record_id):
                    await self._remind_one(record_id)
            after = waiting[-1]

    async def _remind_one(self, record_id: int) -> None:
        record = await store.record(self._pool, record_id)
        number = 0 if record is None else record.reminders + 1
        if number and await self._is_due(record_id, number):
            await self._desk.remind(record_id, number)

    async def _is_due(self, record_id: int, number: int) -> bool:
        """Return whether a reminder is due: after 2, 5 and 9 business days."""
        kept = await clocks.of_subject(self._pool, store.SUBJECT, record_id)
        running = [one for one in kept if one.reading.kind is Kind.CONFIRM and one.reading.ended_at is None]
        if not running or number > len(REMINDERS_S):
            return False
        reading = await Calendars(self._pool).read(running[-1].log, await self._legal.now(self._pool))
        return reading.elapsed_s >= REMINDERS_S[number - 1]

    async def _check(self, record_id: int) -> None:
        record = await store.record(self._pool, record_id)
        if record is None:
            return
        with edge(_log, waits="check_waits", failed="check_failed", record=record_id):
            now = await self._legal.now(self._pool)
            result = await measuring.run(self._pool, self._figures, record, now=now, because="daily")
            if result is not None:
                _log.info("recommendation_checked", record=record_id, passed=str(result.passed))
