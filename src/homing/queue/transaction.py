"""One transaction of the hot tables: behind the fence, rows by COPY, events with their numbers.

The transaction begins with a lock on the shard's row that a take-over must wait for. `seq` is given inside it, so commit
order is log order.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from homing.accounts import usage
from homing.accounts.rules.usage import hour_of
from homing.events.types import Event, EventType
from homing.ground import db
from homing.queue.batch import Batch
from homing.queue.types import Happened, LaneKey, NewChunk
from homing.recipients import store as recipients
from homing.recipients.rules.repeats import repeat_of
from homing.recipients.types import Strike, SuppressionRow

FEW = 200  # rows that are written by one INSERT rather than by a COPY for each table
FEW_BYTES = 1_048_576  # content of them

_CHUNK_COLUMNS = ("shard", "chunk_id", "transmission_id", "account_id", "pending", "facts", "content")
_ENTRY_COLUMNS = ("shard", "entry_id", "lane", "due_at", "expires_at", "chunk_id", "recipient", "detail")
_EVENT_COLUMNS = (
    "day",
    "shard",
    "seq",
    "at",
    "type",
    "account_id",
    "subaccount_id",
    "message_id",
    "transmission_id",
    "recipient",
    "recipient_domain",
    "campaign_id",
    "detail",
)


# The arrays of the statement store_few, which takes rows as columns: those of the tables without shard and day.
_CHUNK_ARRAYS = ("chunk_ids", "chunk_transmissions", "chunk_accounts", "pending", "facts", "contents")
_ENTRY_ARRAYS = ("entry_ids", "lanes", "due_ats", "expires_ats", "entry_chunks", "entry_recipients", "entry_details")
_EVENT_ARRAYS = (
    "seqs",
    "ats",
    "types",
    "account_ids",
    "subaccount_ids",
    "message_ids",
    "transmission_ids",
    "recipients",
    "recipient_domains",
    "campaign_ids",
    "details",
)
_USAGE_ARRAYS = ("usage_accounts", "usage_ats", "usage_messages")

_Rows = list[tuple[Any, ...]]


class FenceClosed(Exception):
    """The shard has another owner: the transaction found another epoch.

    committed   an earlier try of the same batch had been committed before
    """

    def __init__(self, *, committed: bool) -> None:
        super().__init__(committed)
        self.committed = committed


class Transactions:
    """Writes batches, and knows of each shard what the next one needs: epoch, last event number, lanes that are named."""

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        self._sql = db.queries("homing.queue")
        self._epochs: dict[int, int] = {}
        self._sequences: dict[int, int] = {}  # shard -> last seq given
        self._named: dict[int, set[int]] = {}  # shard -> lanes whose names are in the table

    def took(self, shard: int, epoch: int) -> None:
        """Begin to number a shard's events: a new epoch begins above everything an older one gave."""
        self._epochs[shard] = epoch
        self._sequences[shard] = epoch << 40
        self._named[shard] = set()

    def lost(self, shard: int) -> None:
        """Forget a shard that has another owner now."""
        self._epochs.pop(shard, None)
        self._sequences.pop(shard, None)
        self._named.pop(shard, None)

    def epoch(self, shard: int) -> int | None:
        """Return the epoch under which a shard is ours; None: it is not."""
        return self._epochs.get(shard)

    async def write(self, connection: db.Connection, batch: Batch) -> set[bytes] | None:
        """Write one batch in one transaction; returns the ids of entries that its settlements really found.

        None means that an earlier try was committed after all, so all of them were found.
        raises   FenceClosed, and whatever the database says; then batch.unknown tells whether it may be committed
        """
        shard, epoch = batch.shard, batch.epoch
        # After a try of unknown outcome the lock excludes that of the old connection's transaction too, which the server
        # may still carry out: whoever gets it knows that the old one has ended, one way or the other.
        lock = "FOR UPDATE" if batch.unknown else "FOR SHARE"
        fence = await connection.execute(
            f"BEGIN; SELECT 1 FROM shards WHERE shard = {shard:d} AND owner = '{self._worker_id}'"  # noqa: S608 - our own values
            f" AND epoch = {epoch:d} {lock}"
        )
        committed = batch.unknown and await self._sql.batch_exists(connection, shard=shard, seq=batch.first_seq, day=batch.day)
        if fence != "SELECT 1" or self._epochs.get(shard) != epoch:
            await connection.execute("ROLLBACK")
            raise FenceClosed(committed=committed)
        if committed:
            await connection.execute("ROLLBACK")
            batch.unknown = False
            return None
        batch.unknown = False
        gone, named = await self._write_rows(connection, batch)
        batch.unknown = batch.first_seq is not None
        await connection.execute("COMMIT")
        batch.unknown = False
        if named and shard in self._named:
            self._named[shard].update(named)
        return gone

    async def _write_rows(self, connection: db.Connection, batch: Batch) -> tuple[set[bytes], dict[int, LaneKey]]:
        gone: set[bytes] = set()
        named: dict[int, LaneKey] = {}
        batch.first_seq = None
        chunks: _Rows = []
        entries: _Rows = []
        if batch.settlements:
            gone = await self._write_settlements(connection, batch)
        if batch.hand_ins:
            named = await self._see_to_hand_ins(connection, batch, chunks, entries)
        events = self._records(batch, gone)
        taken = _taken(batch)
        few = len(chunks) + len(entries) + len(events) <= FEW and sum(len(row[-1]) for row in chunks) <= FEW_BYTES
        if few:
            await self._store_few(connection, batch, chunks, entries, events, taken)
        else:
            await usage.count(connection, taken, shard=batch.shard)
            if chunks:
                await connection.copy_records_to_table("chunks", columns=_CHUNK_COLUMNS, records=chunks)
                await connection.copy_records_to_table("queue_entries", columns=_ENTRY_COLUMNS, records=entries)
            await connection.copy_records_to_table("events", columns=_EVENT_COLUMNS, records=events)
        return gone, named

    async def _store_few(
        self,
        connection: db.Connection,
        batch: Batch,
        chunks: _Rows,
        entries: _Rows,
        events: _Rows,
        taken: dict[tuple[int, datetime], int],
    ) -> None:
        """Write few rows in one round trip."""
        if events:
            columns = (
                *_columns(_CHUNK_ARRAYS, chunks),
                *_columns(_ENTRY_ARRAYS, entries),
                *_columns(_EVENT_ARRAYS, events),
                *_columns(_USAGE_ARRAYS, [(*key, messages) for key, messages in sorted(taken.items())]),
            )
            await self._sql.store_few(connection, shard=batch.shard, day=batch.day, **dict(columns))

    async def _see_to_hand_ins(
        self, connection: db.Connection, batch: Batch, chunks: _Rows, entries: _Rows
    ) -> dict[int, LaneKey]:
        """Take wishes off, name new lanes; add the rows of chunks and entries to what is to be written."""
        shard = batch.shard
        known = self._named.get(shard, set())
        new: dict[int, LaneKey] = {}
        suppressions: list[SuppressionRow] = []
        for hand_in in list(batch.hand_ins):
            chunk = hand_in.chunk
            if hand_in.wish is not None:
                wish = hand_in.wish
                if await self._sql.inbox_done(connection, shard=wish.shard, item_id=wish.item_id) is None:
                    batch.hand_ins.remove(hand_in)  # obeyed before
                    batch.obeyed.append(hand_in)
                    continue
            if isinstance(chunk, Happened):
                suppressions.extend(chunk.suppressions)
                continue
            new.update(named for named in hand_in.lanes.values() if named[0] not in known)
            if chunk.entries:
                facts = chunk.facts
                chunks.append(
                    (
                        shard,
                        chunk.chunk_id,
                        facts.transmission_id,
                        facts.account_id,
                        len(chunk.entries),
                        hand_in.facts,
                        hand_in.content,
                    )
                )
                lanes = hand_in.lanes
                entries.extend(
                    (shard, e.entry_id, lanes[e.domain][0], e.due_at, e.expires_at, chunk.chunk_id, e.recipient, e.detail)
                    for e in chunk.entries
                )
        if suppressions:
            await recipients.suppress(connection, suppressions)
        if new:
            await self._sql.open_lanes(
                connection,
                shard=shard,
                lanes=list(new),
                account_ids=[key.account_id for key in new.values()],
                subaccount_ids=[key.subaccount_id for key in new.values()],
                campaign_ids=[key.campaign_id for key in new.values()],
                domains=[key.domain for key in new.values()],
                ip_pools=[key.ip_pool for key in new.values()],
            )
        return new

    async def _write_settlements(self, connection: db.Connection, batch: Batch) -> set[bytes]:
        shard = batch.shard
        finish = [s.entry.entry_id for s in batch.settlements if s.finish]
        redate = [s for s in batch.settlements if not s.finish]
        gone: set[bytes] = set()
        if finish:
            found = self._sql.finish_entries(connection, shard=shard, entry_ids=finish)
            gone.update([row[0] async for row in found])
        if redate:
            found = self._sql.redate_entries(
                connection,
                shard=shard,
                entry_ids=[s.entry.entry_id for s in redate],
                due_ats=[s.due_at for s in redate],
                tries=[s.entry.tries for s in redate],
                last_attempts=[s.note[:500] for s in redate],
            )
            gone.update([row[0] async for row in found])
        suppressions = [s.suppression for s in batch.settlements if s.suppression is not None and s.entry.entry_id in gone]
        struck = [s.strike for s in batch.settlements if s.strike is not None and s.entry.entry_id in gone]
        days = await recipients.strike_all(
            connection,
            [
                Strike(
                    account_id=row.account_id,
                    subaccount_id=row.subaccount_id,
                    recipient=row.recipient,
                    subclass=subclass,
                    day=batch.day,
                )
                for row, subclass in struck
            ],
        )
        suppressions.extend(
            row for (row, subclass), count in zip(struck, days, strict=True) if count >= repeat_of(subclass).times
        )
        if suppressions:
            await recipients.suppress(connection, suppressions)
        return gone

    def _records(self, batch: Batch, gone: set[bytes]) -> _Rows:
        """Return the rows of the events, each with its number: those of settlements only where an entry was really there."""
        records: _Rows = []
        for settlement in batch.settlements:
            if settlement.entry.entry_id in gone:
                records.extend(self._record(batch, event) for event in settlement.events)
        for hand_in in batch.hand_ins:
            records.extend(self._record(batch, event) for event in hand_in.chunk.events)
        if records:
            batch.first_seq = records[0][2]
        return records

    def _record(self, batch: Batch, event: Event) -> tuple[Any, ...]:
        seq = batch.numbered.get(id(event))
        if seq is None:
            seq = self._sequences.get(batch.shard, 0) + 1
            self._sequences[batch.shard] = seq
            batch.numbered[id(event)] = seq
        return (
            batch.day,
            batch.shard,
            seq,
            event.at,
            event.type,
            event.account_id,
            event.subaccount_id,
            event.message_id,
            event.transmission_id,
            event.recipient,
            event.recipient_domain,
            event.campaign_id,
            event.detail.decode(),
        )


def _taken(batch: Batch) -> dict[tuple[int, datetime], int]:
    """Return how many messages a batch takes, by account and hour. What fulfils a wish was counted with the wish."""
    taken: dict[tuple[int, datetime], int] = {}
    for hand_in in batch.hand_ins:
        chunk = hand_in.chunk
        if hand_in.wish is None and isinstance(chunk, NewChunk):
            key = (chunk.facts.account_id, hour_of(chunk.facts.accepted_at))
            taken[key] = taken.get(key, 0) + sum(1 for event in chunk.events if event.type is EventType.INJECTION)
    return taken


def _columns(names: tuple[str, ...], rows: _Rows) -> Iterable[tuple[str, list[Any]]]:
    """Return the last columns of rows under these names; the ones before them are alike in all rows."""
    if not rows:
        return ((name, []) for name in names)
    columns = list(zip(*rows, strict=True))[-len(names) :]
    return ((name, list(column)) for name, column in zip(names, columns, strict=True))
