"""Chores of which one worker does each, every so often."""

from datetime import datetime, timedelta

from homing.ground import db
from homing.support.line import store

RECONCILES = timedelta(minutes=1)
TIDIES = timedelta(hours=1)


class Chores:
    """Claims chores for one worker. It asks again only when a chore may be due: who looks each second asks once a period."""

    def __init__(self, pool: db.Pool) -> None:
        self._pool = pool
        self._rests: dict[str, tuple[datetime, datetime]] = {}  # since when, and until when, a chore is known not to be due

    async def is_due(self, chore: str, *, now: datetime, every: timedelta) -> bool:
        """Claim a chore; False where it was done within the period, by whomever."""
        since, until = self._rests.get(chore, (now, now))
        if since <= now < until:  # a clock that was set back says nothing about when it is due
            return False
        ours = await store.is_due(self._pool, chore, now=now, before=now - every)
        done_at = now if ours else await store.sql.chore_done_at(self._pool, name=chore)
        self._rests[chore] = now, min(done_at, now) + every
        return ours
