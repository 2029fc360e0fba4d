"""Typed reads of what waits; writes of hot tables are the writer's alone."""

from datetime import UTC, datetime
from typing import NamedTuple

from homing.accounts import usage
from homing.accounts.rules.usage import hour_of
from homing.ground import db
from homing.queue.rules.lanes import Lane, Place
from homing.queue.types import Entry, LaneKey, Wish

_sql = db.queries("homing.queue")
_BEGINNING: Place = (datetime(1, 1, 1, tzinfo=UTC), b"")


class LaneRead(NamedTuple):
    """What a read of a lane showed.

    due        entries to try now, in order
    next_due   due time of the first entry beyond them; None: there is none
    """

    due: list[Entry]
    next_due: datetime | None


async def lanes_of_shard(executor: db.Executor, shard: int) -> list[tuple[int, LaneKey, int, datetime]]:
    """Return (lane number, key, depth, earliest due time) of each lane of a shard that has entries."""
    return [
        (
            row["lane"],
            LaneKey(row["account_id"], row["subaccount_id"], row["campaign_id"], row["domain"], row["ip_pool"]),
            row["depth"],
            row["next_due"],
        )
        async for row in _sql.lanes_of_shard(executor, shard=shard)
    ]


async def prune_lanes(executor: db.Executor, shard: int, known: list[int], *, owner: str, epoch: int) -> None:
    """Forget the names of lanes that nothing waits in; called by a new owner, before anything is accepted into the shard."""
    await _sql.prune_lanes(executor, shard=shard, known=known, owner=owner, epoch=epoch)


async def read_lane(executor: db.Executor, lane: Lane, *, now: datetime, limit: int) -> LaneRead:
    """Read the next entries of a lane from its floor on; at most `limit` rows."""
    floor_due_at, floor_id = lane.floor or _BEGINNING
    found = _sql.entries_in_lane(
        executor, shard=lane.shard, lane=lane.number, floor_due_at=floor_due_at, floor_id=floor_id, limit=limit
    )
    rows = [row async for row in found]
    due = [_entry(row, shard=lane.shard, lane=lane.number) for row in rows if row["due_at"] <= now]
    if len(due) < len(rows):
        return LaneRead(due, rows[len(due)]["due_at"])
    return LaneRead(due, now if len(rows) == limit else None)


async def expired(
    executor: db.Executor, *, shard: int, cutoff: bytes, now: datetime, limit: int
) -> list[tuple[Entry, str | None]]:
    """Return entries past their lifetime with their last reply; ids at or after `cutoff` are too young to be looked at."""
    rows = _sql.expired_entries(executor, shard=shard, cutoff=cutoff, now=now, limit=limit)
    return [(_entry(row, shard=shard, lane=row["lane"]), row["last_attempt"]) async for row in rows]


async def append_inbox(executor: db.Executor, *, kind: str, account_id: int, items: list[tuple[int, bytes]]) -> None:
    """Ask shards to do something, all in one transaction: (shard, payload) of each wish."""
    with db.trouble_is_temporary():
        await _sql.append_inbox(
            executor,
            kind=kind,
            account_id=account_id,
            shards=[shard for shard, _ in items],
            payloads=[payload for _, payload in items],
        )


async def append_expansion(
    pool: db.Pool, account_id: int, items: list[tuple[int, bytes]], *, messages: int, now: datetime
) -> None:
    """Ask shards to expand a transmission, (shard, payload) of each share, and count its messages, in one transaction."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await append_inbox(connection, kind="expand", account_id=account_id, items=items)
            await usage.count(connection, {(account_id, hour_of(now)): messages})  # last: it locks a row that others want


async def inbox_heads(executor: db.Executor, *, shards: list[int], limit: int) -> list[Wish]:
    """Return the oldest wishes of these shards."""
    return [Wish(*row) async for row in _sql.inbox_heads(executor, shards=shards, limit=limit)]


async def inbox_payload(executor: db.Executor, wish: Wish) -> bytes | None:
    """Return the payload of a wish; None where it was obeyed already."""
    payload: bytes | None = await _sql.inbox_payload(executor, shard=wish.shard, item_id=wish.item_id)
    return payload


async def release_worker(executor: db.Executor, worker_id: str) -> None:
    """Free the shards of a worker that is surely dead, and strike it off the list."""
    await _sql.release_worker(executor, worker_id=worker_id)
    await _sql.strike_worker(executor, worker_id=worker_id)


def _entry(row: db.Record, *, shard: int, lane: int) -> Entry:
    return Entry(
        shard=shard,
        entry_id=row["entry_id"],
        lane=lane,
        due_at=row["due_at"],
        expires_at=row["expires_at"],
        chunk_id=row["chunk_id"],
        recipient=row["recipient"],
        tries=row["tries"],
        detail=row["detail"],
    )
