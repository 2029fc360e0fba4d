-- name: lock_node!
-- Let one process at a time fold the journals of a node.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtextextended('homing evidence ' || :node, 0));

-- name: positions
-- How far the journals of a node are folded.
-- reads: ledger_files
SELECT day, process, folded, size FROM ledger_files WHERE node = :node AND day >= :since;

-- name: keys_by_badge
-- Whose keys begin with these bytes of hash, revoked ones too.
-- reads: api_keys
SELECT encode(substr(k.key_hash, 1, 8), 'hex') AS badge, k.account_id, k.revoked_at
FROM unnest(:lows::bytea[], :highs::bytea[]) AS m(low, high)
JOIN api_keys k ON k.key_hash >= m.low AND k.key_hash <= m.high;

-- name: accounts_by_badge
-- Whose names have these badges.
-- reads: accounts
SELECT '@' || substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 1, 15) AS badge, account_id
FROM accounts
WHERE '@' || substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 1, 15) = ANY(:badges::text[]);

-- name: all_badges
-- The badges of every key that was not revoked, and of every name.
-- reads: api_keys, accounts
SELECT encode(substr(key_hash, 1, 8), 'hex') AS badge, account_id FROM api_keys WHERE revoked_at IS NULL
UNION ALL
SELECT '@' || substr(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 1, 15), account_id FROM accounts;

-- name: known_accounts
-- Which of these accounts there are.
-- reads: accounts
SELECT account_id FROM accounts WHERE account_id = ANY(:account_ids::integer[]);

-- name: segments_to_unite
-- What the ledger has of some hours of a node.
-- reads: ledger_segments
SELECT s.account_id, s.hour, s.api_attempted, s.api_answered, s.smtp_attempted, s.smtp_answered
FROM unnest(:account_ids::integer[], :hours::integer[]) AS w(account_id, hour)
JOIN ledger_segments s ON (s.account_id, s.hour) = (w.account_id, w.hour)
WHERE s.node = :node;

-- name: segments_of_node
-- What the ledger has of a node in some hours.
-- reads: ledger_segments
SELECT account_id, hour, api_attempted, api_answered, smtp_attempted, smtp_answered FROM ledger_segments
WHERE node = :node AND hour >= :since AND hour < :until;

-- name: put_segments!
-- Write hours of a node down, as they are now.
-- writes: ledger_segments
INSERT INTO ledger_segments (account_id, hour, node, api_attempted, api_answered, smtp_attempted, smtp_answered)
SELECT n.account_id, n.hour, :node, n.api_attempted, n.api_answered, n.smtp_attempted, n.smtp_answered
FROM unnest(:account_ids::integer[], :hours::integer[], :api_attempted::bytea[], :api_answered::bytea[],
            :smtp_attempted::bytea[], :smtp_answered::bytea[])
     AS n(account_id, hour, api_attempted, api_answered, smtp_attempted, smtp_answered)
ON CONFLICT (account_id, hour, node)
DO UPDATE SET api_attempted = EXCLUDED.api_attempted, api_answered = EXCLUDED.api_answered,
              smtp_attempted = EXCLUDED.smtp_attempted, smtp_answered = EXCLUDED.smtp_answered;

-- name: watch_to_unite
-- What the ledger has of the watch of a node in some hours.
-- reads: ledger_watch
SELECT hour, watched, skew_ms FROM ledger_watch WHERE node = :node AND hour = ANY(:hours::integer[]);

-- name: put_watch!
-- Write down which seconds a node watched, as it is now.
-- writes: ledger_watch
INSERT INTO ledger_watch (node, hour, watched, skew_ms)
SELECT :node, hour, watched, skew_ms
FROM unnest(:hours::integer[], :watched::bytea[], :skews::integer[]) AS n(hour, watched, skew_ms)
ON CONFLICT (node, hour)
DO UPDATE SET watched = EXCLUDED.watched, skew_ms = EXCLUDED.skew_ms;

-- name: put_positions!
-- Write down how far journals are folded.
-- writes: ledger_files
INSERT INTO ledger_files (node, day, process, folded)
SELECT :node, day, process, folded
FROM unnest(:days::date[], :processes::text[], :folded::bigint[]) AS n(day, process, folded)
ON CONFLICT (node, day, process)
DO UPDATE SET folded = EXCLUDED.folded;

-- name: meet_node!
-- Know a node from its first second on; and how far it is folded, which never goes back.
-- writes: ledger_nodes
INSERT INTO ledger_nodes (node, since, folded_until)
VALUES (:node, :since, :folded_until)
ON CONFLICT (node)
DO UPDATE SET since = LEAST(ledger_nodes.since, EXCLUDED.since),
              folded_until = GREATEST(ledger_nodes.folded_until, EXCLUDED.folded_until);

-- name: advance_node!
-- Say how far a known node is folded.
-- writes: ledger_nodes
UPDATE ledger_nodes SET folded_until = GREATEST(folded_until, :folded_until) WHERE node = :node;

-- name: retire_node$
-- Expect nothing more of a node from a moment on (NULL: expect it again); answers its name, or nothing where there is none.
-- writes: ledger_nodes
UPDATE ledger_nodes SET until = :until WHERE node = :node RETURNING node;

-- name: nodes
-- Every node.
-- reads: ledger_nodes
SELECT node, since, until, folded_until FROM ledger_nodes ORDER BY node;

-- name: finish_file!
-- Keep the sum of a journal whose day is over, and what a person should look at.
-- writes: ledger_files
UPDATE ledger_files SET sha256 = :sha256, size = :size, disputed = :disputed::text::jsonb
WHERE node = :node AND day = :day AND process = :process;

-- name: files_of_day
-- The journals of a day, of every node.
-- reads: ledger_files
SELECT node, process, folded, sha256, size, disputed::text AS disputed FROM ledger_files WHERE day = :day ORDER BY node, process;

-- name: segments
-- What the ledger has of some accounts in some hours, of every node.
-- reads: ledger_segments
SELECT account_id, hour, node, api_attempted, api_answered, smtp_attempted, smtp_answered
FROM ledger_segments
WHERE account_id = ANY(:account_ids::integer[]) AND hour >= :since AND hour < :until
ORDER BY account_id, hour;

-- name: watch
-- Which seconds each node watched in some hours.
-- reads: ledger_watch
SELECT node, hour, watched, skew_ms FROM ledger_watch WHERE hour >= :since AND hour < :until ORDER BY hour;

-- name: note_late!
-- Have days looked at again: of some accounts, -1 for every account.
-- writes: ledger_late
INSERT INTO ledger_late (day, account_id, why)
SELECT day, account_id, :why FROM unnest(:days::date[], :account_ids::integer[]) AS n(day, account_id)
ON CONFLICT DO NOTHING;

-- name: take_late
-- What to look at again of a day; it is taken off the list.
-- writes: ledger_late
DELETE FROM ledger_late WHERE day = :day RETURNING account_id, why;

-- name: late_days
-- Days of which something new came.
-- reads: ledger_late
SELECT DISTINCT day FROM ledger_late ORDER BY day;

-- name: answered_elsewhere
-- Seconds in which other nodes answered some accounts well.
-- reads: ledger_segments
SELECT account_id, hour, api_answered, smtp_answered FROM ledger_segments
WHERE account_id = ANY(:account_ids::integer[]) AND hour >= :since AND hour < :until AND node <> :node;

-- name: forget_segments!
-- Forget hours whose days are sealed, and which nobody adds to any more.
-- writes: ledger_segments
DELETE FROM ledger_segments WHERE hour < :before;

-- name: forget_watch!
-- Forget the watch of such hours.
-- writes: ledger_watch
DELETE FROM ledger_watch WHERE hour < :before;

-- name: forget_late!
-- Forget days that are too old to be looked at again.
-- writes: ledger_late
DELETE FROM ledger_late WHERE day < :before;
