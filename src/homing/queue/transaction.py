"""One transaction of the hot tables: behind the fence, rows by COPY, events with their numbers.

Each begins with a lock on the shard's row that a take-over must wait for. `seq` is given inside the writer's turn, so commit
order is log order. Most transactions are one statement, which is its own transaction: one round trip. Those that bring more
(many rows, new lanes, wishes, suppressions, further attempts) take several.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from homing.accounts import usage
from homing.accounts.rules.usage import hour_of
from homing.events.types import Event, EventType
from homing.ground import db
from homing.queue.batch import Batch
from homing.queue.types import Happened, LaneKey, NewChunk
from homing.recipients import store as recipients
from homing.recipients.rules.repeats import repeat_of
from homing.recipients.types import Strike, SuppressionRow

FEW = 200  # rows that are written by one statement rather than by a COPY for each table
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


# The arrays of the statement write_few, which takes rows as columns: those of the tables without shard and day.
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


class _Brought(NamedTuple):
    """The rows that a batch brings.

    only_with   for each event, the entry that must really be there for it to be written; None: it is written in any case
    taken       messages by account and hour
    """

    chunks: _Rows
    entries: _Rows
    events: _Rows
    only_with: list[bytes | None]
    taken: dict[tuple[int, datetime], int]

    def few(self) -> bool:
        rows = len(self.chunks) + len(self.entries) + len(self.events)
        return rows <= FEW and sum(len(row[-1]) for row in self.chunks) <= FEW_BYTES


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
        if not batch.unknown and self._is_simple(batch):
            brought = self._brought(batch, {settlement.entry.entry_id for settlement in batch.settlements})
            if brought.events and brought.few():
                return await self._write_at_once(connection, batch, brought)
        return await self._write_in_steps(connection, batch)

    def _is_simple(self, batch: Batch) -> bool:
        """Return whether a batch only finishes entries and stores messages for lanes that are named."""
        known = self._named.get(batch.shard, ())
        return all(s.finish and s.suppression is None and s.strike is None for s in batch.settlements) and all(
            hand_in.wish is None
            and all(number in known for number, _ in hand_in.lanes.values())
            and not (isinstance(hand_in.chunk, Happened) and hand_in.chunk.suppressions)
            for hand_in in batch.hand_ins
        )

    async def _write_at_once(self, connection: db.Connection, batch: Batch, brought: _Brought) -> set[bytes]:
        """Write a simple batch by one statement, which is its own transaction.

        Should a connection break before the server has even begun with it, the numbers of its events keep it from being
        carried out later, when the batch has been written again.
        """
        if self._epochs.get(batch.shard) != batch.epoch:
            raise FenceClosed(committed=False)
        finished = [settlement.entry.entry_id for settlement in batch.settlements]
        batch.unknown = True
        try:
            ours, gone = await self._write_few(connection, batch, brought, finished)
        except Exception as trouble:
            batch.unknown = not db.rolled_back(trouble)
            raise
        batch.unknown = False
        if not ours:
            raise FenceClosed(committed=False)
        return gone

    async def _write_in_steps(self, connection: db.Connection, batch: Batch) -> set[bytes] | None:
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
        if batch.settlements:
            gone = await self._write_settlements(connection, batch)
        if batch.hand_ins:
            named = await self._see_to_hand_ins(connection, batch)
        brought = self._brought(batch, gone)
        if not brought.events:
            return gone, named
        if brought.few():
            # Its settlements are written already, and their events are those of entries that were there.
            await self._write_few(connection, batch, brought._replace(only_with=[None] * len(brought.events)), [])
        else:
            await usage.count(connection, brought.taken, shard=batch.shard)
            if brought.chunks:
                await connection.copy_records_to_table("chunks", columns=_CHUNK_COLUMNS, records=brought.chunks)
                await connection.copy_records_to_table("queue_entries", columns=_ENTRY_COLUMNS, records=brought.entries)
            await connection.copy_records_to_table("events", columns=_EVENT_COLUMNS, records=brought.events)
        return gone, named

    async def _write_few(
        self, connection: db.Connection, batch: Batch, brought: _Brought, finished: list[bytes]
    ) -> tuple[bool, set[bytes]]:
        """Write few rows in one round trip; returns whether the shard is ours, and which of the finished were there."""
        columns = (
            *_columns(_CHUNK_ARRAYS, brought.chunks),
            *_columns(_ENTRY_ARRAYS, brought.entries),
            *_columns(_EVENT_ARRAYS, brought.events),
            *_columns(_USAGE_ARRAYS, [(*key, messages) for key, messages in sorted(brought.taken.items())]),
        )
        row = await self._sql.write_few(
            connection,
            shard=batch.shard,
            owner=self._worker_id,
            epoch=batch.epoch,
            day=batch.day,
            finished=finished,
            only_with=brought.only_with,
            **dict(columns),
        )
        return row["ours"], set(row["gone"])

    async def _see_to_hand_ins(self, connection: db.Connection, batch: Batch) -> dict[int, LaneKey]:
        """Take wishes off, suppress, name new lanes."""
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

    def _brought(self, batch: Batch, gone: set[bytes]) -> _Brought:
        """Return the rows of a batch, each event with its number: those of settlements only for the entries in `gone`."""
        shard = batch.shard
        chunks: _Rows = []
        entries: _Rows = []
        events: _Rows = []
        only_with: list[bytes | None] = []
        # Those that are written in any case come first: by the first event a batch of unknown outcome is looked up.
        for hand_in in batch.hand_ins:
            chunk = hand_in.chunk
            events.extend(self._record(batch, event) for event in chunk.events)
            if isinstance(chunk, NewChunk) and chunk.entries:
                chunk_id, facts, lanes = chunk.chunk_id, chunk.facts, hand_in.lanes
                pending = len(chunk.entries)
                chunks.append((shard, chunk_id, facts.transmission_id, facts.account_id, pending, hand_in.facts, hand_in.content))
                entries.extend(
                    (shard, e.entry_id, lanes[e.domain][0], e.due_at, e.expires_at, chunk_id, e.recipient, e.detail)
                    for e in chunk.entries
                )
        only_with.extend([None] * len(events))
        for settlement in batch.settlements:
            entry_id = settlement.entry.entry_id
            if entry_id in gone:
                events.extend(self._record(batch, event) for event in settlement.events)
                only_with.extend([entry_id] * len(settlement.events))
        batch.first_seq = events[0][2] if events else None
        return _Brought(chunks, entries, events, only_with, _taken(batch))

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
