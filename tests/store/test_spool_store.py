from datetime import UTC, datetime

import pytest

from homing.ground import db
from homing.ground.errors import StoreUnavailable
from homing.spool import store
from homing.spool.types import ChunkFacts, InlineContent, Part, RawContent, encode_content, encode_facts

NOW = datetime(2026, 2, 1, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=1,
    transmission_id=b"t" * 10,
    accepted_at=NOW,
    recv_method="rest",
    sending_domain="acme.test",
    friendly_from="news@acme.test",
    substitution_data={"a": [1, 2.5, None, {"b": "ü"}]},
)
RAW = RawContent(rfc822=b"From: news@acme.test\r\n\r\n" + b"x" * 10_000)
INLINE = InlineContent(from_email="news@acme.test", text="ü", attachments=(Part("a", "a/b", b"\0\xff"),))


async def put(pool, chunk_id, content, shard=3):
    await pool.execute(
        "INSERT INTO chunks (shard, chunk_id, transmission_id, account_id, pending, facts, content)"
        " VALUES ($1, $2, $3, 1, 1, $4, $5)",
        shard, chunk_id, FACTS.transmission_id, encode_facts(FACTS), encode_content(content),
    )  # fmt: skip


@pytest.mark.parametrize("content", [RAW, INLINE], ids=["raw", "inline"])
async def test_a_chunk_comes_back_as_it_was_stored(pool, content):
    await put(pool, b"c" * 10, content)
    assert await store.load_chunk(pool, 3, b"c" * 10) == (FACTS, content)
    assert await store.load_chunk(pool, 4, b"c" * 10) is None
    assert await store.load_chunk(pool, 3, b"d" * 10) is None


async def test_many_chunks_come_together_without_the_large_contents(pool):
    await put(pool, b"r" * 10, RAW)
    await put(pool, b"i" * 10, INLINE)
    await put(pool, b"o" * 10, INLINE, shard=4)
    found = await store.load_chunks(pool, 3, [b"r" * 10, b"i" * 10, b"o" * 10, b"x" * 10], most_bytes=5_000)
    assert found == {b"r" * 10: (FACTS, None), b"i" * 10: (FACTS, INLINE)}


async def test_without_the_database_it_is_a_passing_trouble(database, postgres_server):
    async with db.pool(database, name="gone") as pool:
        await pool.close()
        with pytest.raises(StoreUnavailable):
            await store.load_chunk(pool, 3, b"c" * 10)
