"""The keeper of the programme: asks customers again who were asked, and runs checks of recommendations again every day."""

import asyncio
from datetime import timedelta

from homing.ground import db, log
from homing.ground.errors import Temporary
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
        while True:
            await asyncio.sleep(LOOKS_S)
            try:
                await self.turn()
            except (Temporary, *db.TEMPORARY) as trouble:
                _log.warning("tam_waits", cause=type(trouble).__name__)
            except Exception:  # the edge of one turn: the next one finds the same records
                _log.exception("tam_turn_failed")

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
                try:
                    await self._remind_one(record_id)
                except (Temporary, *db.TEMPORARY) as trouble:
                    _log.warning("reminder_waits", record=record_id, cause=type(trouble).__name__)
                except Exception:  # the edge of one record: the others are asked about, and checks are run
                    _log.exception("reminder_failed", record=record_id)
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
        try:
            now = await self._legal.now(self._pool)
            result = await measuring.run(self._pool, self._figures, record, now=now, because="daily")
        except (Temporary, *db.TEMPORARY) as trouble:
            _log.warning("check_waits", record=record_id, cause=type(trouble).__name__)
        except Exception:  # the edge of one check: the others are run
            _log.exception("check_failed", record=record_id)
        else:
            if result is not None:
                _log.info("recommendation_checked", record=record_id, passed=str(result.passed))
