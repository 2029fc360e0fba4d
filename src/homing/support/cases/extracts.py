"""Extracts of the availability ledger, as notes in a critical case: when it became so, five and fifteen minutes later (E17).

The customer's word stands whatever the ledger shows: the note is for whoever works on the case. What is owed is in rows, so a
worker that dies is followed by another; a note and its row are one transaction.
"""

from datetime import datetime, timedelta
from typing import Protocol

from homing.ground import db, log
from homing.ground.turns import PASSING, take_turns
from homing.support.cases import store
from homing.support.cases.desk import Desk
from homing.support.cases.types import SYSTEM, Channel, Incoming, Purpose, Side, Verified
from homing.support.clocks.store import LegalClock

_log = log.get("cases")
LOOKS_S = 2.0
BEFORE = timedelta(minutes=15)  # before the case became critical, the extract begins
AGAIN = timedelta(seconds=30)


class Ledger(Protocol):
    """Says what the availability ledger shows."""

    async def __call__(self, executor: db.Executor, account_id: int, *, since: datetime, until: datetime) -> str:
        """Return it in words, a line for each thing."""
        ...


class Extracts:
    """Writes extracts into cases, for one worker."""

    def __init__(self, pool: db.Pool, legal: LegalClock, desk: Desk, ledger: Ledger) -> None:
        self._pool = pool
        self._legal = legal
        self._desk = desk
        self._ledger = ledger

    async def run(self) -> None:
        """Write until cancelled."""
        await take_turns(
            self.turn,
            every_s=LOOKS_S,
            log=_log,
            waits="extracts_wait",
            failed="extracts_turn_failed",
        )

    async def turn(self) -> bool:
        """Write one note that is due; return whether there was one."""
        with db.trouble_is_temporary():
            now = await self._legal.now(self._pool)
            async with db.holding(self._pool, store.take_extract, now=now) as (connection, rows):
                for row in rows:
                    try:
                        async with connection.transaction():
                            await self._write(connection, row, now)
                            await store.put_extract(connection, row, done_at=now)
                    except PASSING:
                        raise
                    except Exception:  # the edge of one extract: the others must not wait for it
                        _log.exception("extract_failed", case=row.case_id)
                        await store.put_extract(connection, row, due_at=now + AGAIN)
        return bool(rows)

    async def _write(self, connection: db.Executor, row: store.Extract, now: datetime) -> None:
        shown = await self._ledger(connection, row.account_id, since=row.began_at - BEFORE, until=now)
        minutes = row.after_s // 60
        when = "when the case became critical" if minutes == 0 else f"{minutes} minutes after the case became critical"
        body = (
            f"What the availability ledger shows {when}:\n{shown}\n"
            "The case is critical on the customer's word until both sides agree otherwise."
        )
        note = Incoming(
            side=Side.SYSTEM,
            actor=SYSTEM.name,
            author="the ledger",
            channel=Channel.STAFF,
            purpose=Purpose.NOTE,
            verified=Verified.STAFF,
            body=body,
        )
        await self._desk.note_in(connection, row.case_id, note, SYSTEM)
