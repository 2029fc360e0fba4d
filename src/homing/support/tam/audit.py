"""What the nightly audit asks of the programme: replay the events, and say what is wrong with them."""

from collections.abc import Sequence

from homing.ground import db
from homing.support.clocks.auditor import Replay
from homing.support.tam import store
from homing.support.tam.rules.clockwork import clocks_of
from homing.support.tam.rules.fold import fold


class TamSource:
    """Records of the programme, as the auditor knows them."""

    @property
    def subject(self) -> str:
        """Return the name of records in the table of clocks."""
        return store.SUBJECT

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        """Return the next records."""
        return await store.ids_after(executor, subject_id, limit)

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        """Return what the events of a record say, and what is wrong with it."""
        row = await store.row(executor, subject_id)
        events = await store.events_of(executor, subject_id)
        if row is None or [one.seq for one in events] != list(range(1, len(events) + 1)) or not events:
            return Replay(logs=(), complaints=["the events of the record have a gap"])
        record = fold(events, account_id=row.account_id)
        kept = (row.state, row.awaits, row.ended_at)
        follows = (record.state, record.awaits, record.ended_at)
        words = (
            [] if kept == follows else [f"the row says {[str(one) for one in kept]}, the events {[str(one) for one in follows]}"]
        )
        return Replay(logs=clocks_of(events), complaints=words)
