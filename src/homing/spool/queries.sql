-- name: load_chunk^
-- Facts and content of one chunk.
-- reads: chunks
SELECT facts, content
FROM chunks
WHERE shard = :shard AND chunk_id = :chunk_id;

-- name: load_chunks
-- Facts of some chunks of a shard, with the contents that are not too large to be fetched together.
-- reads: chunks
SELECT chunk_id, facts, CASE WHEN octet_length(content) <= :most_bytes THEN content END AS content
FROM chunks
WHERE shard = :shard AND chunk_id = ANY(:chunk_ids::bytea[]);
