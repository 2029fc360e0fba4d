-- name: lock_sealing!
-- Let one process at a time seal and amend.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtextextended('homing ledger', 0));

-- name: signer^
-- The key that signs now.
-- reads: ledger_signers
SELECT public_key, private_sealed FROM ledger_signers ORDER BY made_at DESC, public_key LIMIT 1;

-- name: insert_signer!
-- Keep a new key that signs.
-- writes: ledger_signers
INSERT INTO ledger_signers (public_key, private_sealed) VALUES (:public_key, :private_sealed);

-- name: last_root^
-- The root of the last day that is sealed.
-- reads: ledger_roots
SELECT day, root, previous, link, signature, public_key, leaves, missing, skewed, sealed_at FROM ledger_roots ORDER BY day DESC LIMIT 1;

-- name: roots
-- Roots of days, in order.
-- reads: ledger_roots
SELECT day, root, previous, link, signature, public_key, leaves, missing, skewed, sealed_at FROM ledger_roots
WHERE day >= :since AND day <= :until ORDER BY day LIMIT :limit;

-- name: insert_root!
-- Seal a day.
-- writes: ledger_roots
INSERT INTO ledger_roots (day, root, previous, link, signature, public_key, leaves, missing, skewed)
VALUES (:day, :root, :previous, :link, :signature, :public_key, :leaves, :missing, :skewed);

-- name: is_sealed$
-- Whether a day is sealed.
-- reads: ledger_roots
SELECT EXISTS (SELECT FROM ledger_roots WHERE day = :day);

-- name: insert_leaves!
-- Write leaves down; they wait for their tree.
-- writes: ledger_leaves
INSERT INTO ledger_leaves (day, account_id, version, entry, leaf_hash, attempted, unavailable, strict, unknown, classifier)
SELECT :day, account_id, version, entry, leaf_hash, ARRAY[any_door, api, smtp], unavailable, strict, unknown, :classifier
FROM unnest(:account_ids::integer[], :versions::integer[], :entries::bytea[], :hashes::bytea[], :any_door::integer[],
            :api::integer[], :smtp::integer[], :unavailable::bytea[], :strict::bytea[], :unknown::bytea[])
     AS n(account_id, version, entry, leaf_hash, any_door, api, smtp, unavailable, strict, unknown);

-- name: waiting_leaves
-- Leaves that are in no tree yet, in the order of their places.
-- reads: ledger_leaves
SELECT account_id, day, version, leaf_hash FROM ledger_leaves WHERE root_day IS NULL ORDER BY day DESC, account_id, version;

-- name: plant!
-- Give leaves that waited their tree and place.
-- writes: ledger_leaves
UPDATE ledger_leaves l SET root_day = :root_day, place = n.place
FROM unnest(:account_ids::integer[], :days::date[], :versions::integer[], :places::integer[]) AS n(account_id, day, version, place)
WHERE (l.account_id, l.day, l.version) = (n.account_id, n.day, n.version);

-- name: last_leaves
-- The leaf that counts for a day, of some accounts.
-- reads: ledger_leaves
SELECT DISTINCT ON (account_id) account_id, version, entry, leaf_hash
FROM ledger_leaves WHERE day = :day AND account_id = ANY(:account_ids::integer[])
ORDER BY account_id, version DESC;

-- name: tree
-- The hashes of a day's tree, in order.
-- reads: ledger_leaves
SELECT leaf_hash FROM ledger_leaves WHERE root_day = :root_day ORDER BY place;

-- name: tree_in_full
-- Some leaves of a day's tree with what they say, in order.
-- reads: ledger_leaves
SELECT place, day, account_id, version, entry, leaf_hash, attempted, unavailable, strict, unknown, classifier
FROM ledger_leaves WHERE root_day = :root_day AND place >= :place ORDER BY place LIMIT :limit;

-- name: versions
-- All leaves of an account's day.
-- reads: ledger_leaves
SELECT version, entry, leaf_hash, root_day, place, made_at FROM ledger_leaves
WHERE account_id = :account_id AND day = :day ORDER BY version;

-- name: figures
-- What an account's days came to: of each day the leaf that counts, and whether it was amended.
-- reads: ledger_leaves
SELECT DISTINCT ON (day) day, version, leaf_hash, root_day, place, attempted, unavailable, strict, unknown, classifier
FROM ledger_leaves WHERE account_id = :account_id AND day >= :since AND day <= :until
ORDER BY day, version DESC;

-- name: entries
-- The leaves that count for some days of an account.
-- reads: ledger_leaves
SELECT DISTINCT ON (day) day, entry
FROM ledger_leaves WHERE account_id = :account_id AND day = ANY(:days::date[])
ORDER BY day, version DESC;

-- name: amendments
-- Corrections of an account's days.
-- reads: ledger_leaves
SELECT day, version, entry, leaf_hash, made_at FROM ledger_leaves
WHERE account_id = :account_id AND day >= :since AND day <= :until AND version > 0 ORDER BY day, version;

-- name: figures_of_all
-- What the days of every account came to, account by account.
-- reads: ledger_leaves
SELECT DISTINCT ON (account_id, day) account_id, day, attempted, unavailable, strict, unknown
FROM ledger_leaves WHERE day >= :since AND day <= :until
ORDER BY account_id, day, version DESC;

-- name: propose_exclusion^
-- Propose an exclusion; it counts for nothing yet.
-- writes: availability_exclusions
INSERT INTO availability_exclusions (account_id, since, until, kind, reason, evidence, proposed_by, proposed_by_id)
VALUES (:account_id, :since, :until, :kind, :reason, :evidence, :proposed_by, :proposed_by_id)
RETURNING *;

-- name: lock_exclusion^
-- One exclusion, locked to the end of the transaction.
-- reads: availability_exclusions
SELECT * FROM availability_exclusions WHERE exclusion_id = :exclusion_id FOR UPDATE;

-- name: approve_exclusion^
-- Let an exclusion count.
-- writes: availability_exclusions
UPDATE availability_exclusions SET approved_by = :by, approved_by_id = :by_id, approved_at = now()
WHERE exclusion_id = :exclusion_id AND approved_at IS NULL AND withdrawn_at IS NULL RETURNING *;

-- name: withdraw_exclusion^
-- Let an exclusion count no more.
-- writes: availability_exclusions
UPDATE availability_exclusions SET withdrawn_by = :by, withdrawn_by_id = :by_id, withdrawn_at = now()
WHERE exclusion_id = :exclusion_id AND withdrawn_at IS NULL RETURNING *;

-- name: exclusions
-- Exclusions that touch a stretch of time, of one account and of all (NULL: of every account), oldest first.
-- reads: availability_exclusions
SELECT * FROM availability_exclusions
WHERE until > :since AND since < :until AND (:account_id::integer IS NULL OR account_id IS NULL OR account_id = :account_id)
ORDER BY since, exclusion_id;

-- name: insert_finding$
-- Note that somebody should look; nothing comes back where that was noted before.
-- writes: availability_findings
INSERT INTO availability_findings (account_id, rule, start, reached_at, seconds, note, by)
VALUES (:account_id, :rule, :start, :reached_at, :seconds, :note, :by)
ON CONFLICT (account_id, rule, start) DO NOTHING
RETURNING finding_id;

-- name: findings
-- What was found for an account within a stretch of time.
-- reads: availability_findings
SELECT account_id, rule, start, reached_at, seconds, note, by FROM availability_findings
WHERE account_id = :account_id AND start >= :since AND start < :until ORDER BY start, rule;

-- name: take_untold
-- Findings for which nobody was woken or written to yet, oldest first; held to the end of the transaction.
-- reads: availability_findings
SELECT finding_id, account_id, rule, start, reached_at, seconds, note, by FROM availability_findings
WHERE told_at IS NULL AND rule = ANY (:rules::text[]) ORDER BY finding_id LIMIT 20 FOR UPDATE SKIP LOCKED;

-- name: told!
-- Note that somebody was woken for a finding, or written to.
-- writes: availability_findings
UPDATE availability_findings SET told_at = now() WHERE finding_id = :finding_id;
