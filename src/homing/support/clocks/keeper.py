"""The keeper: writes down what was missed, and moves due times where Business Hours were changed.

Every worker keeps; a clock is one worker's while it is written. Nothing depends on the keeper being in time: a miss follows
from the marks and the calendar, whenever somebody looks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from homing.ground import db, log
from homing.ground.clock import Clock
from homing.ground.turns import take_turns
from homing.support.clocks.auditor import Auditor, Source
from homing.support.clocks.store import GRACE, Calendars, LegalClock, Stored, refresh, take_outdated, take_overdue

_log = log.get("clocks")
LOOKS_S = 10.0
AT_ONCE = 100
MOST_SKEW = timedelta(seconds=1)


class Untold(Protocol):
    """Whoever tells cases what became of their calls. After the store was away that may take longer than `GRACE`."""

    async def subjects(self, connection: db.Executor, now: datetime) -> Sequence[int]:
        """Return the cases that are to be told something, or may be: a CALLBACK or ENGAGE of theirs is not judged yet."""
        ...


class Keeper:
    """Keeps clocks for one worker.

    legal    whose time counts
    clock    of this machine; it is compared with the legal one, and nothing else
    untold   says which subjects have not been told all that has happened to them
    """

    def __init__(
        self, pool: db.Pool, legal: LegalClock, clock: Clock, sources: Sequence[Source], untold: Untold | None = None
    ) -> None:
        self._pool = pool
        self._legal = legal
        self._clock = clock
        self._untold = untold
        self._auditor = Auditor(pool, legal, sources)

    async def run(self) -> None:
        """Keep until cancelled."""
        await take_turns(
            self._turn,
            every_s=LOOKS_S,
            log=_log,
            waits="clocks_wait",
            failed="clocks_turn_failed",
            rests_first=True,
        )

    async def turn(self) -> None:
        """Write what is due to be written."""
        await self._compare_clocks()
        while await self._some(overdue=True) == AT_ONCE:
            pass
        while await self._some(overdue=False) == AT_ONCE:
            pass

    async def _turn(self) -> None:
        await self.turn()
        await self._auditor.nightly()

    async def _some(self, *, overdue: bool) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._legal.now(connection)
            if overdue:
                waiting = [] if self._untold is None else await self._untold.subjects(connection, now)
                taken = await take_overdue(connection, before=now - GRACE, limit=AT_ONCE, untold=waiting)
            else:
                taken = await take_outdated(connection, limit=AT_ONCE)
            calendars = Calendars(connection)
            for stored in taken:
                reading = await refresh(connection, stored, calendars, now)
                _tell(stored, reading.due_at is not None and reading.due_at != stored.reading.due_at, overdue=overdue)
        return len(taken)

    async def _compare_clocks(self) -> None:
        """Alarm where this machine's clock and the legal one differ (E29)."""
        before = self._clock.now()
        legal = await self._legal.now(self._pool)
        after = self._clock.now()
        skew = max(before - legal, legal - after)
        if skew > MOST_SKEW:
            _log.error("clock_skew", seconds=round(skew.total_seconds(), 3))


def _tell(stored: Stored, moved: bool, *, overdue: bool) -> None:
    where = {
        "subject": stored.subject,
        "subject_id": stored.subject_id,
        "clock": stored.number,
        "kind": stored.reading.kind.value,
    }
    if overdue and not moved:
        _log.warning("clock_missed", **where, nature=stored.reading.nature.value, due_at=str(stored.reading.due_at))
    elif moved:
        _log.info("clock_moved", **where)
