"""Content as stored; written by the queue's hand-over, together with the entries that need it."""

from collections.abc import Sequence

import msgspec

from homing.ground import db
from homing.ground.log import get
from homing.spool.types import ChunkFacts, Content, decode_content, decode_facts

log = get("spool")
_sql = db.queries("homing.spool")


async def load_chunk(conn: db.Executor, shard: int, chunk_id: bytes) -> tuple[ChunkFacts, Content] | None:
    """Return facts and content of a chunk, None if there is no such chunk (any more), or nobody can read it.

    raises   StoreUnavailable
    """
    with db.trouble_is_temporary():
        row = await _sql.load_chunk(conn, shard=shard, chunk_id=chunk_id)
    if row is None:
        return None
    facts, content = _read(chunk_id, row) or (None, None)
    return None if facts is None or content is None else (facts, content)


async def load_chunks(
    conn: db.Executor, shard: int, chunk_ids: Sequence[bytes], *, most_bytes: int
) -> dict[bytes, tuple[ChunkFacts, Content | None]]:
    """Return facts and content of the chunks that there are; the content is None where it is larger than most_bytes.

    raises   StoreUnavailable
    """
    with db.trouble_is_temporary():
        rows = [row async for row in _sql.load_chunks(conn, shard=shard, chunk_ids=list(chunk_ids), most_bytes=most_bytes)]
    found = ((row["chunk_id"], _read(row["chunk_id"], row)) for row in rows)
    return {chunk_id: its for chunk_id, its in found if its is not None}


def _read(chunk_id: bytes, row: db.Record) -> tuple[ChunkFacts, Content | None] | None:
    """Return what a row says; None for one that cannot be read: it must not stop those that are read with it."""
    try:
        return decode_facts(row["facts"]), None if row["content"] is None else decode_content(row["content"])
    except msgspec.MsgspecError as trouble:
        log.error("chunk_unreadable", chunk_id=chunk_id.hex(), cause=str(trouble)[:200])
        return None
