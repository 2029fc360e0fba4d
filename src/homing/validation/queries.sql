-- name: insert_list!
-- A list that was uploaded.
-- writes: validation_lists
INSERT INTO validation_lists (list_id, account_id, subaccount_id, any_subaccount, name, addresses, pieces)
VALUES (:list_id, :account_id, :subaccount_id, :any_subaccount, :name, 0, 0);

-- name: insert_piece!
-- Some of its addresses.
-- writes: validation_pieces
INSERT INTO validation_pieces (list_id, piece, addresses) VALUES (:list_id, :piece, :addresses);

-- name: complete_list!
-- How much a list holds, once all of it is there.
-- writes: validation_lists
UPDATE validation_lists SET addresses = :addresses, pieces = :pieces WHERE list_id = :list_id;

-- name: count_open$
-- How many lists of an account wait, run, or were uploaded a moment ago.
-- reads: validation_lists
SELECT count(*) FROM validation_lists WHERE account_id = :account_id
  AND (state IN ('waiting', 'running') OR (state = 'uploaded' AND uploaded_at > now() - interval '1 hour'));

-- name: trigger_list$
-- Let a list be validated; nothing where it was before.
-- writes: validation_lists
UPDATE validation_lists SET state = 'waiting', triggered_at = :now
WHERE list_id = :list_id AND account_id = :account_id AND state = 'uploaded'
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
RETURNING true;

-- name: one_list^
-- One list.
-- reads: validation_lists
SELECT * FROM validation_lists
WHERE list_id = :list_id AND account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: lists_of
-- The latest lists of an account.
-- reads: validation_lists
SELECT * FROM validation_lists
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
ORDER BY uploaded_at DESC, list_id
LIMIT :limit;

-- name: claim_list^
-- Take the oldest list that nobody is at; one of an account at a time.
-- writes: validation_lists
UPDATE validation_lists
SET state = 'running', claimed_by = :claimed_by, claimed_until = now() + make_interval(secs => :claim_s)
WHERE list_id = (
    SELECT list_id FROM validation_lists l
    WHERE (state = 'waiting' OR (state = 'running' AND claimed_until < now()))
      AND NOT EXISTS (SELECT FROM validation_lists o
                      WHERE o.account_id = l.account_id AND o.state = 'running' AND o.claimed_until >= now())
    ORDER BY triggered_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: renew_claim$
-- Go on with a list; nothing where it is somebody else's by now.
-- writes: validation_lists
UPDATE validation_lists SET claimed_until = now() + make_interval(secs => :claim_s)
WHERE list_id = :list_id AND claimed_by = :claimed_by AND state = 'running'
RETURNING true;

-- name: next_piece^
-- The first piece of a list that has no results.
-- reads: validation_pieces
SELECT piece, addresses FROM validation_pieces WHERE list_id = :list_id AND results IS NULL ORDER BY piece LIMIT 1;

-- name: hold_list^
-- A list that is still ours; nobody else gets on with it until our transaction ends.
-- reads: validation_lists
SELECT counts FROM validation_lists WHERE list_id = :list_id AND claimed_by = :claimed_by AND state = 'running' FOR UPDATE;

-- name: put_results$
-- The results of a piece, unless it has some.
-- writes: validation_pieces
UPDATE validation_pieces SET results = :results WHERE list_id = :list_id AND piece = :piece AND results IS NULL RETURNING true;

-- name: advance_list!
-- Count a piece.
-- writes: validation_lists
UPDATE validation_lists SET pieces_done = pieces_done + 1, counts = :counts::jsonb WHERE list_id = :list_id;

-- name: end_list$
-- A list is done, or has failed; nothing where it is somebody else's by now.
-- writes: validation_lists
UPDATE validation_lists SET state = :state, ended_at = now(), claimed_by = '', claimed_until = NULL
WHERE list_id = :list_id AND claimed_by = :claimed_by AND state = 'running'
RETURNING true;

-- name: release_lists!
-- Whoever was at these lists is dead, or stops: another may go on at once.
-- writes: validation_lists
UPDATE validation_lists SET claimed_by = '', claimed_until = now() - interval '1 second'
WHERE claimed_by = :claimed_by AND state = 'running';

-- name: results_of^
-- The results of one piece.
-- reads: validation_pieces
SELECT results FROM validation_pieces WHERE list_id = :list_id AND piece = :piece;

-- name: forget_lists!
-- Remove lists that were uploaded long ago, with their addresses.
-- writes: validation_lists
DELETE FROM validation_lists WHERE uploaded_at < :before AND state <> 'running';
