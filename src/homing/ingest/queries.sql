-- name: count_open$
-- How many batches of an account are not read yet.
-- reads: ingest_batches
SELECT count(*) FROM ingest_batches WHERE account_id = :account_id AND ended_at IS NULL;

-- name: insert_batch!
-- A new batch, before its shares.
-- writes: ingest_batches
INSERT INTO ingest_batches (batch_id, account_id, subaccount_id, any_subaccount, received_at)
VALUES (:batch_id, :account_id, :subaccount_id, :any_subaccount, :received_at);

-- name: insert_share!
-- One share of a batch.
-- writes: ingest_shares
INSERT INTO ingest_shares (batch_id, share, begins, packed) VALUES (:batch_id, :share, :begins, :packed);

-- name: complete_batch!
-- Note how many shares a batch has.
-- writes: ingest_batches
UPDATE ingest_batches SET shares = :shares WHERE batch_id = :batch_id;

-- name: one_share^
-- A share with what is known of its batch; nothing where the batch is gone.
-- reads: ingest_batches, ingest_shares
SELECT b.batch_id, b.account_id, b.subaccount_id, b.any_subaccount, b.received_at, b.shares, s.share, s.begins, s.packed
FROM ingest_shares s JOIN ingest_batches b USING (batch_id)
WHERE s.batch_id = :batch_id AND s.share = :share;

-- name: claim_ids!
-- Note which line each event id came with, unless it came before.
-- writes: ingested_ids
INSERT INTO ingested_ids (account_id, id_hash, batch_id, line, day)
SELECT :account_id, i.id_hash, :batch_id, i.line, :day
FROM unnest(:id_hashes::bytea[], :lines::integer[]) WITH ORDINALITY AS i (id_hash, line, place)
ORDER BY i.id_hash, i.place
ON CONFLICT DO NOTHING;

-- name: lines_that_claimed
-- Which lines of a batch came first with their event ids.
-- reads: ingested_ids
SELECT line FROM ingested_ids
WHERE account_id = :account_id AND id_hash = ANY(:id_hashes::bytea[]) AND batch_id = :batch_id AND line = ANY(:lines::integer[]);

-- name: note_share!
-- Note what became of a share.
-- writes: ingest_shares
UPDATE ingest_shares SET succeeded = :succeeded, duplicates = :duplicates, failed = :failed, failures = :failures, reason = :reason
WHERE batch_id = :batch_id AND share = :share;

-- name: ask_next$
-- Claim to ask for the reading of a share; NULL where somebody has asked before.
-- writes: ingest_batches
UPDATE ingest_batches SET asked = :share WHERE batch_id = :batch_id AND asked < :share RETURNING asked;

-- name: end_batch^
-- Note that a batch is read; what became of it in all.
-- reads: ingest_shares; writes: ingest_batches
WITH ended AS (
    UPDATE ingest_batches SET ended_at = coalesce(ended_at, now()) WHERE batch_id = :batch_id RETURNING batch_id
)
SELECT sum(s.succeeded)::integer AS succeeded, sum(s.duplicates)::integer AS duplicates, sum(s.failed)::integer AS failed,
       coalesce((array_agg(s.reason ORDER BY s.share) FILTER (WHERE s.failed > 0))[1], '') AS reason
FROM ingest_shares s JOIN ended USING (batch_id);

-- name: batch_of^
-- Whether an account, or one of its subaccounts, handed in a batch, and how many shares it has.
-- reads: ingest_batches
SELECT shares FROM ingest_batches
WHERE batch_id = :batch_id AND account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: packed_lines$
-- The lines of a share.
-- reads: ingest_shares
SELECT packed FROM ingest_shares WHERE batch_id = :batch_id AND share = :share;

-- name: packed_failures$
-- The lines of a share that failed; NULL where there are none.
-- reads: ingest_shares
SELECT failures FROM ingest_shares WHERE batch_id = :batch_id AND share = :share;

-- name: forget_batches!
-- Forget batches that were read long ago.
-- writes: ingest_batches
DELETE FROM ingest_batches WHERE ended_at IS NOT NULL AND received_at < :before;

-- name: forget_ids$
-- Forget some event ids that are older than what is taken; returns how many.
-- writes: ingested_ids
WITH gone AS (
    DELETE FROM ingested_ids WHERE (account_id, id_hash) IN (
        SELECT account_id, id_hash FROM ingested_ids WHERE day < :before LIMIT :limit
    ) RETURNING 1
)
SELECT count(*) FROM gone;
