-- name: create_batch#
-- A table for the rows of one batch, which ends with its transaction.
-- writes: nothing of ours
CREATE TEMPORARY TABLE suppression_batch (
    subaccount_id integer NOT NULL,
    recipient     text NOT NULL,
    type          text NOT NULL,
    list_id       text NOT NULL,
    source        text NOT NULL,
    description   text NOT NULL,
    created_at    timestamptz
) ON COMMIT DROP;

-- name: put_batch^
-- Put the rows of a batch on the list: new ones, and those that tell something else. What is there already with the same
-- source and description stays untouched, and so does what compliance put there. Locked in the order of the keys.
-- writes: suppressions
WITH written AS (
    INSERT INTO suppressions (account_id, subaccount_id, recipient, type, list_id, source, description, provenance, created_at)
    SELECT :account_id::integer, subaccount_id, recipient, type, list_id, source, description, :provenance::text,
           coalesce(created_at, now())
    FROM suppression_batch
    ORDER BY subaccount_id, recipient COLLATE "C", type COLLATE "C", list_id COLLATE "C"
    ON CONFLICT (account_id, subaccount_id, recipient, type, list_id) DO UPDATE
    SET source = excluded.source, description = excluded.description, provenance = excluded.provenance, updated_at = now()
    WHERE suppressions.source <> 'Compliance'
      AND (suppressions.source, suppressions.description) IS DISTINCT FROM (excluded.source, excluded.description)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS added, count(*) FILTER (WHERE NOT is_new) AS updated FROM written;

-- name: create_rehearsal#
-- A table that stands for the list while an import is rehearsed, for as long as the connection lives.
-- writes: nothing of ours
CREATE TEMPORARY TABLE suppression_rehearsal (
    subaccount_id integer NOT NULL,
    recipient     text NOT NULL,
    type          text NOT NULL,
    list_id       text NOT NULL,
    source        text NOT NULL,
    description   text NOT NULL,
    PRIMARY KEY (subaccount_id, recipient, type, list_id)
);

-- name: drop_rehearsal#
-- The end of a rehearsal.
-- writes: nothing of ours
DROP TABLE IF EXISTS suppression_rehearsal;

-- name: begin_rehearsal!
-- Take into a rehearsal what stands on the list under the keys of a batch.
-- reads: suppressions
INSERT INTO suppression_rehearsal
SELECT subaccount_id, recipient, type, list_id, s.source, s.description
FROM suppressions s JOIN suppression_batch USING (subaccount_id, recipient, type, list_id)
WHERE s.account_id = :account_id
ON CONFLICT DO NOTHING;

-- name: rehearse_batch^
-- What put_batch would do, done to the rehearsal.
-- writes: nothing of ours
WITH written AS (
    INSERT INTO suppression_rehearsal AS standing
    SELECT subaccount_id, recipient, type, list_id, source, description FROM suppression_batch
    ON CONFLICT (subaccount_id, recipient, type, list_id) DO UPDATE
    SET source = excluded.source, description = excluded.description
    WHERE standing.source <> 'Compliance'
      AND (standing.source, standing.description) IS DISTINCT FROM (excluded.source, excluded.description)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS added, count(*) FILTER (WHERE NOT is_new) AS updated FROM written;

-- name: insert_import!
-- Write an import down.
-- writes: suppression_imports
INSERT INTO suppression_imports (import_id, account_id, subaccount_id, any_subaccount, by_command, key_id, name, form, kind,
                                 type, state, size_bytes, began_at, claimed_by, claimed_until)
VALUES (:import_id, :account_id, :subaccount_id, :any_subaccount, :by_command, :key_id, :name, :form, :kind, :type,
        CASE WHEN :by_command::boolean THEN 'running' ELSE 'waiting' END, :size_bytes, CASE WHEN :by_command::boolean THEN now() END, :claimed_by,
        CASE WHEN :by_command::boolean THEN now() + interval '60 seconds' END);

-- name: count_open_imports$
-- How many imports of an account have not ended.
-- reads: suppression_imports
SELECT count(*) FROM suppression_imports
WHERE account_id = :account_id AND state IN ('waiting', 'running') AND NOT by_command;

-- name: claim_import^
-- Take the oldest import whose file is here and that nobody is at; one of an account at a time.
-- writes: suppression_imports
UPDATE suppression_imports
SET state = 'running', began_at = coalesce(began_at, now()), claimed_by = :claimed_by,
    claimed_until = now() + make_interval(secs => :claim_s)
WHERE import_id = (
    SELECT import_id FROM suppression_imports i
    WHERE NOT by_command AND import_id = ANY(:here::uuid[])
      AND (state = 'waiting' OR (state = 'running' AND claimed_until < now()))
      AND NOT EXISTS (
          SELECT FROM suppression_imports o
          WHERE o.account_id = i.account_id AND o.state = 'running' AND o.claimed_until >= now() AND NOT o.by_command)
    ORDER BY made_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: hold_import$
-- Whether an import is still ours and stands where we left it; nobody else gets on with it until our transaction ends.
-- writes: suppression_imports
UPDATE suppression_imports SET claimed_until = now() + make_interval(secs => :claim_s)
WHERE import_id = :import_id AND claimed_by = :claimed_by AND state = 'running' AND records = :records
RETURNING true;

-- name: advance_import!
-- Count what a batch did.
-- writes: suppression_imports
UPDATE suppression_imports
SET records = records + :records, added = added + :added, updated = updated + :updated, unchanged = unchanged + :unchanged,
    refused = refused + :refused, bytes_done = :bytes_done
WHERE import_id = :import_id;

-- name: note_refusals!
-- Keep what was refused, as long as it is not too much.
-- writes: suppression_import_refusals
INSERT INTO suppression_import_refusals (import_id, line, text, reason)
SELECT :import_id::uuid, line, text, reason
FROM unnest(:lines::bigint[], :texts::text[], :reasons::text[]) AS r (line, text, reason)
ORDER BY line
LIMIT greatest(0, :most - (SELECT count(*) FROM suppression_import_refusals WHERE import_id = :import_id))
ON CONFLICT DO NOTHING;

-- name: end_import!
-- An import is done, or has failed.
-- writes: suppression_imports
UPDATE suppression_imports
SET state = :state::text, why = :why, ended_at = now(), claimed_by = '', claimed_until = NULL,
    bytes_done = CASE WHEN :state::text = 'done' THEN size_bytes ELSE bytes_done END
WHERE import_id = :import_id AND claimed_by = :claimed_by AND state = 'running';

-- name: let_import_go!
-- Whoever was at an import stops in good order; another may go on at once.
-- writes: suppression_imports
UPDATE suppression_imports SET claimed_by = '', claimed_until = now() - interval '1 second'
WHERE import_id = :import_id AND claimed_by = :claimed_by AND state = 'running';

-- name: release_imports!
-- A worker is dead: another may go on with what it was at, at once.
-- writes: suppression_imports
UPDATE suppression_imports SET claimed_by = '', claimed_until = now() - interval '1 second'
WHERE claimed_by = :claimed_by AND state = 'running' AND NOT by_command;

-- name: one_import^
-- One import.
-- reads: suppression_imports
SELECT * FROM suppression_imports
WHERE account_id = :account_id AND import_id = :import_id
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: imports_of
-- The latest imports of an account.
-- reads: suppression_imports
SELECT * FROM suppression_imports
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
ORDER BY made_at DESC, import_id
LIMIT :limit;

-- name: refusals_of
-- What an import refused, in the order of the file.
-- reads: suppression_import_refusals
SELECT line, text, reason FROM suppression_import_refusals WHERE import_id = :import_id ORDER BY line;

-- name: open_imports
-- Which imports have not ended.
-- reads: suppression_imports
SELECT import_id FROM suppression_imports WHERE state IN ('waiting', 'running') AND NOT by_command;

-- name: fail_lost_imports!
-- Imports that nobody got on with for a day, though workers ran: their file is lost, or their command has ended.
-- writes: suppression_imports
UPDATE suppression_imports
SET state = 'failed', ended_at = now(), claimed_by = '', claimed_until = NULL,
    why = CASE WHEN by_command THEN 'the command ended before its time; import the file again'
               ELSE 'the uploaded file is gone; upload it again' END
WHERE (by_command AND state = 'running' AND claimed_until < now() - interval '10 minutes')
   OR (NOT by_command AND NOT import_id = ANY(:here::uuid[]) AND coalesce(claimed_until, made_at) < :before
       AND state IN ('waiting', 'running'));

-- name: forget_imports!
-- Remove what is told of imports that ended long ago.
-- writes: suppression_imports
DELETE FROM suppression_imports WHERE ended_at < :before;
