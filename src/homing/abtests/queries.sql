-- name: insert_test$
-- A version of a test; NULL where it is there already.
-- writes: ab_tests
INSERT INTO ab_tests (account_id, subaccount_id, test_id, version, name, status, plan, start_at, end_at, created_at, updated_at)
VALUES (:account_id, :subaccount_id, :test_id, :version, :name, :status, :plan, :start_at, :end_at, :created_at, :updated_at)
ON CONFLICT DO NOTHING RETURNING version;

-- name: update_test!
-- Replace what a version says of itself.
-- writes: ab_tests
UPDATE ab_tests SET name = :name, status = :status, plan = :plan, start_at = :start_at, end_at = :end_at, ended_at = :ended_at,
       ended_why = :ended_why, leader = :leader, winner = :winner, over_at = :over_at, updated_at = :updated_at
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND test_id = :test_id AND version = :version;

-- name: one_test^
-- The latest version of a test, or one version: of a subaccount, or (any_of) of any, its own first.
-- reads: ab_tests
SELECT * FROM ab_tests
WHERE account_id = :account_id AND test_id = :test_id AND (subaccount_id = :subaccount_id OR :any_of::boolean)
  AND (:version::integer IS NULL OR version = :version)
ORDER BY subaccount_id <> :subaccount_id, subaccount_id, version DESC
LIMIT 1;

-- name: lock_test^
-- The latest version of a test that nobody else changes until the transaction ends.
-- reads: ab_tests
SELECT * FROM ab_tests
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND test_id = :test_id
ORDER BY version DESC LIMIT 1
FOR UPDATE;

-- name: tests_of
-- The latest version of every test of an account, or of one subaccount; newest first.
-- reads: ab_tests
SELECT * FROM (
    SELECT DISTINCT ON (subaccount_id, test_id) * FROM ab_tests
    WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
    ORDER BY subaccount_id, test_id, version DESC
) latest
ORDER BY created_at DESC, subaccount_id, test_id
LIMIT 10000;

-- name: delete_test!
-- Remove a test with all its versions.
-- writes: ab_tests
DELETE FROM ab_tests WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND test_id = :test_id;

-- name: counts_of
-- The counts of some versions.
-- reads: ab_test_counts
SELECT c.* FROM ab_test_counts c
JOIN unnest(:account_ids::integer[], :subaccount_ids::integer[], :test_ids::text[], :versions::integer[])
     AS t (account_id, subaccount_id, test_id, version) USING (account_id, subaccount_id, test_id, version);

-- name: any_live$
-- Whether there is a test whose messages are counted.
-- reads: ab_tests
SELECT EXISTS (SELECT FROM ab_tests WHERE status = 'scheduled');

-- name: live_among
-- Which of these versions are not over, and when their tests were made; they stay so until the transaction ends.
-- reads: ab_tests
SELECT a.account_id, a.subaccount_id, a.test_id, a.version, a.created_at
FROM ab_tests a
JOIN unnest(:account_ids::integer[], :subaccount_ids::integer[], :test_ids::text[], :versions::integer[])
     AS t (account_id, subaccount_id, test_id, version) USING (account_id, subaccount_id, test_id, version)
WHERE a.status = 'scheduled'
ORDER BY a.account_id, a.subaccount_id, a.test_id, a.version
FOR SHARE OF a;

-- name: meet_messages!
-- Begin to note what happens to messages; those that are known stay as they are.
-- writes: ab_test_messages
INSERT INTO ab_test_messages (message_id, account_id, subaccount_id, test_id, version, did)
SELECT *, 0 FROM unnest(:message_ids::bytea[], :account_ids::integer[], :subaccount_ids::integer[], :test_ids::text[], :versions::integer[])
ORDER BY 1
ON CONFLICT DO NOTHING;

-- name: lock_messages
-- What happened to messages so far; nobody else adds to it until the transaction ends.
-- reads: ab_test_messages
SELECT message_id, did FROM ab_test_messages WHERE message_id = ANY(:message_ids::bytea[]) ORDER BY message_id FOR UPDATE;

-- name: note_messages!
-- Note what more happened to messages.
-- writes: ab_test_messages
UPDATE ab_test_messages m SET did = m.did | d.did
FROM unnest(:message_ids::bytea[], :dids::smallint[]) AS d (message_id, did) WHERE m.message_id = d.message_id;

-- name: add_counts!
-- Add to the counts of templates.
-- writes: ab_test_counts
INSERT INTO ab_test_counts AS c (account_id, subaccount_id, test_id, version, template_id, injected, accepted, opened, clicked)
SELECT * FROM unnest(:account_ids::integer[], :subaccount_ids::integer[], :test_ids::text[], :versions::integer[], :template_ids::text[],
                     :injected::integer[], :accepted::integer[], :opened::integer[], :clicked::integer[])
ORDER BY 1, 2, 3, 4, 5
ON CONFLICT (account_id, subaccount_id, test_id, version, template_id) DO UPDATE
SET injected = c.injected + excluded.injected, accepted = c.accepted + excluded.accepted, opened = c.opened + excluded.opened,
    clicked = c.clicked + excluded.clicked;

-- name: next_to_look_at^
-- The running test that nobody has looked at for the longest time, if that is long enough; others leave it alone meanwhile.
-- reads: ab_tests
SELECT * FROM ab_tests
WHERE status = 'scheduled' AND start_at <= :now AND looked_at <= :before
ORDER BY looked_at LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: looked!
-- Note that somebody looked at a test.
-- writes: ab_tests
UPDATE ab_tests SET looked_at = :now
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND test_id = :test_id AND version = :version;

-- name: forget_messages$
-- Forget some messages of tests that are over or gone; their counts stay. Returns how many.
-- reads: ab_tests; writes: ab_test_messages
WITH gone AS (
    DELETE FROM ab_test_messages WHERE message_id IN (
        SELECT m.message_id FROM ab_test_messages m
        WHERE NOT EXISTS (
            SELECT FROM ab_tests a
            WHERE a.account_id = m.account_id AND a.subaccount_id = m.subaccount_id AND a.test_id = m.test_id
              AND a.version = m.version AND a.status = 'scheduled'
        )
        LIMIT :limit
    ) RETURNING 1
)
SELECT count(*) FROM gone;
