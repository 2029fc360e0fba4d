"""Stored recipient lists: up to 500,000 recipients in pieces of up to 1,000, so that nobody ever holds a whole list in memory.

A snapshot's pieces never change. A list that gets other recipients gets another snapshot, in one transaction; so whoever
was told a snapshot and a range of pieces reads what was there then, for as long as the list is kept in use.
"""

import zlib
from collections.abc import AsyncIterable, Sequence
from typing import NamedTuple

from homing.ground.db import Executor, LockedElsewhere, Pool, Record, queries, trouble_is_temporary
from homing.recipients.types import StoredList

_sql = queries("homing.recipients", "lists.sql")
MOST_RECIPIENTS = 500_000
PIECE_RECIPIENTS = 1_000
PIECE_BYTES = 1_048_576  # a piece ends here even if it holds fewer recipients; one huge recipient is a piece of its own
_LEVEL = 1  # of compression: lists are written once and read once


class Piece(NamedTuple):
    """Some recipients of a list, as msgpack that only their reader knows."""

    recipients: int
    data: bytes


class PieceSize(NamedTuple):
    """What a stored piece holds, without it."""

    piece: int
    recipients: int
    size_bytes: int


class Busy(Exception):
    """Another request is changing this list."""


async def write_pieces(connection: Executor, pieces: AsyncIterable[Piece]) -> int:
    """Write recipients down in the caller's transaction, piece by piece; return their snapshot."""
    snapshot: int = await _sql.next_snapshot(connection)
    number = 0
    async for piece in pieces:
        await _sql.insert_piece(
            connection,
            snapshot=snapshot,
            piece=number,
            recipients=piece.recipients,
            size_bytes=len(piece.data),
            packed=zlib.compress(piece.data, _LEVEL),
        )
        number += 1
    return snapshot


async def insert(connection: Executor, account_id: int, made: StoredList) -> bool:
    """Write a list down; False: its id is taken."""
    return await _sql.insert_list(connection, account_id=account_id, **_row(made)) is not None


async def lock(connection: Executor, account_id: int, list_id: str) -> StoredList | None:
    """Return a list that nobody else can change or begin to use until the caller's transaction ends; None: there is none.

    raises   Busy while another request changes it or begins to use it
    """
    try:
        return _stored(await _sql.lock_list(connection, account_id=account_id, list_id=list_id))
    except LockedElsewhere as trouble:
        raise Busy(list_id) from trouble


async def hold(connection: Executor, account_id: int, list_id: str) -> StoredList | None:
    """Return a list that cannot change until the caller's transaction ends; None: there is none."""
    return _stored(await _sql.share_list(connection, account_id=account_id, list_id=list_id))


async def change(connection: Executor, account_id: int, made: StoredList) -> None:
    """Replace what a list says of itself."""
    await _sql.change_list(connection, account_id=account_id, **_row(made))


async def forget_pieces(connection: Executor, snapshot: int) -> None:
    """Remove the recipients of a snapshot that no list has any more."""
    await _sql.delete_pieces(connection, snapshot=snapshot)


async def delete(connection: Executor, account_id: int, known: StoredList) -> None:
    """Remove a list that the caller has locked."""
    await _sql.delete_list(connection, account_id=account_id, list_id=known.list_id)
    await forget_pieces(connection, known.snapshot)


async def find(executor: Executor, account_id: int, list_id: str) -> StoredList | None:
    """Return a list; None: there is none."""
    with trouble_is_temporary():
        return _stored(await _sql.one_list(executor, account_id=account_id, list_id=list_id))


async def of_account(pool: Pool, account_id: int) -> list[StoredList]:
    """Return every list of an account, by id."""
    with trouble_is_temporary():
        found = [_stored(row) async for row in _sql.lists_of_account(pool, account_id=account_id)]
    return [one for one in found if one is not None]


async def sizes(executor: Executor, snapshot: int) -> list[PieceSize]:
    """Return what each piece of a snapshot holds, in order."""
    return [PieceSize(*row) async for row in _sql.piece_sizes(executor, snapshot=snapshot)]


async def read(executor: Executor, snapshot: int, first: int, last: int) -> list[bytes]:
    """Return the pieces from first to last as they were written."""
    with trouble_is_temporary():
        rows = [row[0] async for row in _sql.pieces(executor, snapshot=snapshot, first=first, last=last)]
    return [zlib.decompress(packed) for packed in rows]


def ranges(pieces: Sequence[PieceSize], *, most_recipients: int, most_bytes: int) -> list[tuple[int, int, int]]:
    """Return (first piece, last piece, recipients) of shares that hold at most so much each, and one piece at least."""
    found: list[tuple[int, int, int]] = []
    first = count = size = 0
    for piece in pieces:
        if count and (count + piece.recipients > most_recipients or size + piece.size_bytes > most_bytes):
            found.append((first, piece.piece - 1, count))
            first, count, size = piece.piece, 0, 0
        count += piece.recipients
        size += piece.size_bytes
    if count:
        found.append((first, pieces[-1].piece, count))
    return found


def _row(made: StoredList) -> dict[str, object]:
    return {
        "list_id": made.list_id,
        "snapshot": made.snapshot,
        "name": made.name,
        "description": made.description,
        "attributes": made.attributes,
        "recipients": made.recipients,
        "return_path_domains": list(made.return_path_domains),
    }


def _stored(row: Record | None) -> StoredList | None:
    if row is None:
        return None
    return StoredList(**{**dict(row), "return_path_domains": tuple(row["return_path_domains"])})
