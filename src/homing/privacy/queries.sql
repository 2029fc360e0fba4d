-- name: insert_request$
-- A new request; its addresses follow in the same transaction.
-- writes: privacy_requests
INSERT INTO privacy_requests (account_id, subaccount_id, ask, recipients, requested_at, due_at)
VALUES (:account_id, :subaccount_id, :ask, :recipients, :now, :now) RETURNING request_id;

-- name: insert_recipients!
-- The addresses of a request.
-- writes: privacy_recipients
INSERT INTO privacy_recipients (request_id, recipient) SELECT :request_id, unnest(:recipients::text[]);

-- name: count_open$
-- How many requests of an account are not done.
-- reads: privacy_requests
SELECT count(*) FROM privacy_requests WHERE account_id = :account_id AND done_at IS NULL;

-- name: next_due^
-- The request that is due for the longest time; others leave it alone until the transaction ends.
-- reads: privacy_requests
SELECT * FROM privacy_requests WHERE done_at IS NULL AND due_at <= :now ORDER BY due_at, request_id LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: recipients_left
-- Some addresses of a request that this look has not come to.
-- reads: privacy_recipients
SELECT recipient FROM privacy_recipients WHERE request_id = :request_id AND looks <= :looks ORDER BY recipient LIMIT :limit;

-- name: looked_at!
-- Note that this look is through with some addresses.
-- writes: privacy_recipients
UPDATE privacy_recipients SET looks = :looks + 1 WHERE request_id = :request_id AND recipient = ANY(:recipients::text[]);

-- name: add_events!
-- Add to the number of events that were erased.
-- writes: privacy_requests
UPDATE privacy_requests SET events = events + :events WHERE request_id = :request_id;

-- name: look_again!
-- Note that a look is through, and when the next one is due.
-- writes: privacy_requests
UPDATE privacy_requests SET looks = looks + 1, due_at = :due_at WHERE request_id = :request_id;

-- name: end_request!
-- Note that a request is done, and forget whom it was about.
-- writes: privacy_requests, privacy_recipients
WITH gone AS (
    DELETE FROM privacy_recipients WHERE request_id = :request_id
)
UPDATE privacy_requests SET looks = looks + 1, done_at = :now WHERE request_id = :request_id;

-- name: subaccounts_of
-- The subaccounts of an account; 0 is the primary account.
-- reads: subaccounts
SELECT 0 AS subaccount_id UNION SELECT subaccount_id FROM subaccounts WHERE account_id = :account_id;

-- name: latest_requests
-- The requests of all accounts, or of one, the newest first.
-- reads: privacy_requests
SELECT * FROM privacy_requests
WHERE (:account_id::integer IS NULL OR account_id = :account_id) AND (NOT :open_only::boolean OR done_at IS NULL)
ORDER BY request_id DESC LIMIT :limit;
