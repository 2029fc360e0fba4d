"""Typed access to lists that are validated. Addresses and results lie in pieces of a thousand, so nobody holds a whole list."""

import json
import zlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from homing.ground import db

_sql = db.queries("homing.validation")
PIECE = 1_000  # addresses
KEPT = timedelta(days=30)
LISTED = 100
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[str]).decode


class ValidationList(msgspec.Struct, frozen=True, kw_only=True):
    """A list.

    state    uploaded, waiting, running, done, failed
    counts   result -> addresses, so far
    """

    list_id: UUID
    account_id: int
    subaccount_id: int
    any_subaccount: bool
    name: str
    addresses: int
    pieces: int
    pieces_done: int
    counts: dict[str, int]
    state: str
    uploaded_at: datetime
    triggered_at: datetime | None
    ended_at: datetime | None

    @property
    def scope(self) -> int | None:
        """Return the subaccount whose log and list are asked; None: all of the account."""
        return None if self.any_subaccount else self.subaccount_id


async def begin(
    connection: db.Executor, list_id: UUID, *, account_id: int, subaccount_id: int, any_subaccount: bool, name: str
) -> None:
    """Write a list down whose addresses follow in the caller's transaction."""
    await _sql.insert_list(
        connection,
        list_id=list_id,
        account_id=account_id,
        subaccount_id=subaccount_id,
        any_subaccount=any_subaccount,
        name=name,
    )


async def add_piece(connection: db.Executor, list_id: UUID, piece: int, addresses: Sequence[str]) -> None:
    """Write some addresses of a list down."""
    await _sql.insert_piece(connection, list_id=list_id, piece=piece, addresses=zlib.compress(_encode(list(addresses)), 1))


async def complete(connection: db.Executor, list_id: UUID, *, addresses: int, pieces: int) -> None:
    """Note how much a list holds."""
    await _sql.complete_list(connection, list_id=list_id, addresses=addresses, pieces=pieces)


async def count_open(executor: db.Executor, account_id: int) -> int:
    """Return how many lists of an account wait, run, or were uploaded within the hour."""
    with db.trouble_is_temporary():
        number: int = await _sql.count_open(executor, account_id=account_id)
    return number


async def trigger(executor: db.Executor, account_id: int, list_id: UUID, *, subaccount_id: int | None, now: datetime) -> bool:
    """Let a list be validated; False: it was before, or there is none."""
    with db.trouble_is_temporary():
        done = await _sql.trigger_list(executor, account_id=account_id, list_id=list_id, subaccount_id=subaccount_id, now=now)
    return done is not None


async def one(executor: db.Executor, account_id: int, list_id: UUID, *, subaccount_id: int | None) -> ValidationList | None:
    """Return one list."""
    with db.trouble_is_temporary():
        row = await _sql.one_list(executor, account_id=account_id, list_id=list_id, subaccount_id=subaccount_id)
    return None if row is None else _list(row)


async def latest(executor: db.Executor, account_id: int, *, subaccount_id: int | None) -> list[ValidationList]:
    """Return the latest lists, the newest first."""
    with db.trouble_is_temporary():
        rows = _sql.lists_of(executor, account_id=account_id, subaccount_id=subaccount_id, limit=LISTED)
        return [_list(row) async for row in rows]


async def claim(executor: db.Executor, *, claimed_by: str, claim_s: float) -> ValidationList | None:
    """Take the oldest list that may be gone on with."""
    row = await _sql.claim_list(executor, claimed_by=claimed_by, claim_s=claim_s)
    return None if row is None else _list(row)


async def renew(executor: db.Executor, list_id: UUID, *, claimed_by: str, claim_s: float) -> bool:
    """Go on with a list; False: it is somebody else's."""
    return await _sql.renew_claim(executor, list_id=list_id, claimed_by=claimed_by, claim_s=claim_s) is not None


async def next_piece(executor: db.Executor, list_id: UUID) -> tuple[int, list[str]] | None:
    """Return the first piece that has no results, and its addresses."""
    row = await _sql.next_piece(executor, list_id=list_id)
    return None if row is None else (row["piece"], _decode(zlib.decompress(row["addresses"])))


async def put_results(
    connection: db.Executor, list_id: UUID, piece: int, lines: str, counts: dict[str, int], *, claimed_by: str
) -> bool:
    """Keep the results of a piece and count them, in the caller's transaction; False: the list is somebody else's."""
    held = await _sql.hold_list(connection, list_id=list_id, claimed_by=claimed_by)
    if held is None:
        return False
    packed = zlib.compress(lines.encode(), 6)
    if await _sql.put_results(connection, list_id=list_id, piece=piece, results=packed) is not None:
        so_far: dict[str, int] = json.loads(held["counts"])
        for result, count in counts.items():
            so_far[result] = so_far.get(result, 0) + count
        await _sql.advance_list(connection, list_id=list_id, counts=json.dumps(so_far))
    return True


async def end(executor: db.Executor, list_id: UUID, *, claimed_by: str, failed: bool) -> bool:
    """Note that a list is done, or failed; False where it is somebody else's by now."""
    ended = await _sql.end_list(executor, list_id=list_id, claimed_by=claimed_by, state="failed" if failed else "done")
    return ended is not None


async def release(executor: db.Executor, claimed_by: str) -> None:
    """Let others go on at once with what a worker was at."""
    await _sql.release_lists(executor, claimed_by=claimed_by)


async def results(executor: db.Executor, found: ValidationList) -> AsyncIterator[str]:
    """Give the lines of CSV of a list that is done, in the order of the upload, piece by piece."""
    for piece in range(found.pieces):
        with db.trouble_is_temporary():
            row = await _sql.results_of(executor, list_id=found.list_id, piece=piece)
        if row is None or row["results"] is None:
            return
        yield zlib.decompress(row["results"]).decode()


async def tidy(executor: db.Executor, *, now: datetime) -> None:
    """Forget lists that were uploaded long ago."""
    await _sql.forget_lists(executor, before=now - KEPT)


def _list(row: db.Record) -> ValidationList:
    names = ("list_id", "account_id", "subaccount_id", "any_subaccount", "name", "addresses", "pieces", "pieces_done", "state",
             "uploaded_at", "triggered_at", "ended_at")  # fmt: skip
    return ValidationList(**{name: row[name] for name in names}, counts=json.loads(row["counts"]))
