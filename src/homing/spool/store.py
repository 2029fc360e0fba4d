"""Content as stored; written by the queue's hand-over, together with the entries that need it."""

from collections.abc import Sequence

from homing.ground import db
from homing.spool.types import ChunkFacts, Content, decode_content, decode_facts

_sql = db.queries("homing.spool")


async def load_chunk(conn: db.Executor, shard: int, chunk_id: bytes) -> tuple[ChunkFacts, Content] | None:
    """Return facts and content of a chunk, None if there is no such chunk (any more).

    raises   StoreUnavailable
    """
    with db.trouble_is_temporary():
        row = await _sql.load_chunk(conn, shard=shard, chunk_id=chunk_id)
    return None if row is None else (decode_facts(row["facts"]), decode_content(row["content"]))


async def load_chunks(
    conn: db.Executor, shard: int, chunk_ids: Sequence[bytes], *, most_bytes: int
) -> dict[bytes, tuple[ChunkFacts, Content | None]]:
    """Return facts and content of the chunks that there are; the content is None where it is larger than most_bytes.

    raises   StoreUnavailable
    """
    with db.trouble_is_temporary():
        rows = [row async for row in _sql.load_chunks(conn, shard=shard, chunk_ids=list(chunk_ids), most_bytes=most_bytes)]
    return {
        row["chunk_id"]: (decode_facts(row["facts"]), None if row["content"] is None else decode_content(row["content"]))
        for row in rows
    }
