-- name: lock_names!
-- Let one at a time decide whose a name is; held to the end of the transaction.
-- writes: nothing
SELECT pg_advisory_xact_lock(hashtext('homing sending domains'));

-- name: insert_domain<!
-- Add a domain, which must be proved in time unless an operator vouches for it; nothing comes back where the name is taken.
-- writes: sending_domains
INSERT INTO sending_domains (domain, account_id, subaccount_id, shared, tracking_domain, status, trusted, verify_by)
VALUES (:domain, :account_id, :subaccount_id, :shared, :tracking_domain, :status, :trusted,
        CASE WHEN NOT :trusted::boolean THEN now() + :patience::interval END)
ON CONFLICT (domain) DO NOTHING
RETURNING domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
          default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at;

-- name: one_domain^
-- One domain, whoever has it.
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains WHERE domain = :domain;

-- name: domain_of^
-- One domain of an account (and of one subaccount, where one is named).
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains
WHERE domain = :domain AND account_id = :account_id
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: domains_of
-- The domains of an account, by name.
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
ORDER BY domain;

-- name: relatives_elsewhere
-- Parents and subdomains of a name that belong to other accounts.
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains
WHERE account_id <> :account_id
  AND (domain = ANY(:parents::text[]) OR right(domain, length(:domain::text) + 1) = '.' || :domain);

-- name: default_bounce_of^
-- The default bounce domain of an account's subaccount.
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND is_default_bounce;

-- name: clear_default_bounce!
-- Nothing of this subaccount is the default any more; another one becomes it.
-- writes: sending_domains
UPDATE sending_domains SET is_default_bounce = false, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND is_default_bounce AND domain <> :domain;

-- name: update_domain<!
-- Change a domain's settings.
-- writes: sending_domains
UPDATE sending_domains
SET shared = :shared, is_default_bounce = :is_default_bounce, tracking_domain = :tracking_domain, updated_at = now()
WHERE domain = :domain AND account_id = :account_id AND subaccount_id = :subaccount_id
RETURNING domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
          default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at;

-- name: set_status<!
-- Keep what a check found, or an operator's word. The count of failed looks begins anew; what was proved once stays.
-- writes: sending_domains
UPDATE sending_domains
SET status = :status, trusted = :trusted, cname_failures = 0, mx_failures = 0, updated_at = now(),
    verify_by = CASE WHEN NOT :owned::boolean THEN verify_by END
WHERE domain = :domain AND account_id = :account_id AND subaccount_id = :subaccount_id
RETURNING domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
          default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at;

-- name: delete_domain$
-- Remove a domain with its keys.
-- writes: sending_domains, dkim_keys
DELETE FROM sending_domains
WHERE domain = :domain AND account_id = :account_id
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
RETURNING domain;

-- name: put_key!
-- Keep a key, in the place of the one that had its name and algorithm.
-- writes: dkim_keys
INSERT INTO dkim_keys (domain, key_id, algorithm, selector, signing_domain, private_sealed, public_key, key_bits, status)
VALUES (:domain, :key_id, :algorithm, :selector, :signing_domain, :private_sealed, :public_key, :key_bits, :status)
ON CONFLICT (domain, key_id, algorithm) DO UPDATE
SET selector = excluded.selector, signing_domain = excluded.signing_domain, private_sealed = excluded.private_sealed,
    public_key = excluded.public_key, key_bits = excluded.key_bits, status = excluded.status, failures = 0, updated_at = now();

-- name: set_signing_domain!
-- Say under which domain a key signs, and what is known of its record there.
-- writes: dkim_keys
UPDATE dkim_keys SET signing_domain = :signing_domain, status = :status, updated_at = now()
WHERE domain = :domain AND key_id = :key_id AND algorithm = :algorithm AND signing_domain <> :signing_domain;

-- name: keys_of
-- The public side of a domain's keys, RSA before Ed25519, the default key first.
-- reads: dkim_keys, sending_domains
SELECT k.domain, k.key_id, k.algorithm, k.selector, k.signing_domain, k.public_key, k.key_bits, k.status, k.failures,
       k.created_at, k.updated_at
FROM dkim_keys k JOIN sending_domains d USING (domain)
WHERE k.domain = ANY(:domains::text[])
ORDER BY k.domain, k.key_id <> d.default_key, k.key_id, k.algorithm DESC;

-- name: set_key_status!
-- Keep what a check found of one key, unless it is another key by now. The count of failed looks begins anew.
-- writes: dkim_keys
UPDATE dkim_keys SET status = :status, failures = 0, updated_at = now()
WHERE domain = :domain AND key_id = :key_id AND algorithm = :algorithm
  AND public_key = :public_key AND selector = :selector AND signing_domain = :signing_domain;

-- name: signing_keys
-- The keys of an account that sign: published as DNS was seen, or of a domain that an operator vouched for. RSA comes first.
-- reads: dkim_keys, sending_domains
SELECT k.selector, k.signing_domain, k.private_sealed, d.subaccount_id, d.shared
FROM dkim_keys k JOIN sending_domains d USING (domain)
WHERE k.domain = :domain AND d.account_id = :account_id
  AND k.key_id = coalesce(nullif(:key_id, 'default'), d.default_key) AND (k.status = 'valid' OR d.trusted)
ORDER BY k.algorithm DESC;

-- name: key_standing^
-- The status of an account's key, and whether an operator vouched for its domain.
-- reads: dkim_keys, sending_domains
SELECT k.status, d.trusted
FROM dkim_keys k JOIN sending_domains d USING (domain)
WHERE k.domain = :domain AND d.account_id = :account_id AND k.key_id = coalesce(nullif(:key_id, 'default'), d.default_key)
ORDER BY k.algorithm DESC
LIMIT 1;

-- name: hold_domain^
-- One domain of an account, held until the transaction ends.
-- reads: sending_domains
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains WHERE domain = :domain AND account_id = :account_id FOR UPDATE;

-- name: reset_key!
-- Say under which domain all parts of a key sign from now on; nothing is known of their records there.
-- writes: dkim_keys
UPDATE dkim_keys SET signing_domain = :signing_domain, status = 'unverified', failures = 0, updated_at = now()
WHERE domain = :domain AND key_id = :key_id AND signing_domain <> :signing_domain;

-- name: rename_key!
-- Give a key another id.
-- writes: dkim_keys
UPDATE dkim_keys SET key_id = :new_id, updated_at = now() WHERE domain = :domain AND key_id = :key_id;

-- name: set_default_key!
-- Say which key of a domain signs where a message names none.
-- writes: sending_domains
UPDATE sending_domains SET default_key = :key_id, updated_at = now() WHERE domain = :domain;

-- name: delete_key$
-- Remove a key of a domain, never its default key; NULL where nothing was removed.
-- reads: sending_domains; writes: dkim_keys
WITH gone AS (
    DELETE FROM dkim_keys k USING sending_domains d
    WHERE k.domain = :domain AND k.key_id = :key_id AND d.domain = k.domain AND d.default_key <> k.key_id
    RETURNING k.key_id
)
SELECT key_id FROM gone LIMIT 1;

-- name: any_sealed_key$
-- One sealed signing key, whichever; a start tries whether the master key opens it.
-- reads: dkim_keys
SELECT private_sealed FROM dkim_keys LIMIT 1;

-- name: keys_at
-- The keys whose records stand under a domain name, whoever has them.
-- reads: dkim_keys
SELECT domain, key_id, algorithm, selector, public_key FROM dkim_keys WHERE signing_domain = :signing_domain;
