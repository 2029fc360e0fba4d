-- name: claim_domains
-- Take sending domains that are due for a look, so that nobody else looks until then.
-- writes: sending_domains
UPDATE sending_domains SET next_check_at = :until
WHERE domain IN (
    SELECT domain FROM sending_domains WHERE next_check_at <= :now
    ORDER BY next_check_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
          default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at;

-- name: hold_unproved
-- Domains that nobody has proved in time, and that nothing names; held until the transaction ends.
-- reads: sending_domains, ip_pools
SELECT domain, account_id, subaccount_id, shared, is_default_bounce, tracking_domain, status::text AS status, trusted,
       default_key, verify_by, checked_at, cname_failures, mx_failures, created_at, updated_at
FROM sending_domains d
WHERE verify_by <= :now
  AND NOT EXISTS (SELECT FROM ip_pools p WHERE d.domain IN (p.signing_domain, p.fbl_signing_domain))
ORDER BY verify_by LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: keep_look!
-- Keep what a look found, and when the next one is due.
-- writes: sending_domains
UPDATE sending_domains
SET status = :status, cname_failures = :cname_failures, mx_failures = :mx_failures, checked_at = :checked_at,
    next_check_at = :next_check_at
WHERE domain = :domain;

-- name: postpone_look!
-- Nothing of a domain is to be looked at.
-- writes: sending_domains
UPDATE sending_domains SET next_check_at = :next_check_at WHERE domain = :domain;

-- name: keep_key_look!
-- Keep what a look at the record of one part of a key found, unless it is another key by now.
-- writes: dkim_keys
UPDATE dkim_keys SET status = :status, failures = :failures
WHERE domain = :domain AND key_id = :key_id AND algorithm = :algorithm
  AND public_key = :public_key AND selector = :selector AND signing_domain = :signing_domain;

-- name: claim_trackings
-- Take verified tracking domains that are due for a look, so that nobody else looks until then.
-- writes: tracking_domains
UPDATE tracking_domains SET next_check_at = :until
WHERE (account_id, domain) IN (
    SELECT account_id, domain FROM tracking_domains WHERE cname_status = 'valid' AND next_check_at <= :now
    ORDER BY next_check_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
          created_at, updated_at;

-- name: hold_tracking^
-- The status of a tracking domain, held until the transaction ends.
-- reads: tracking_domains
SELECT cname_status, failures FROM tracking_domains WHERE account_id = :account_id AND domain = :domain FOR UPDATE;

-- name: keep_tracking_look!
-- Keep what a look found, and when the next one is due.
-- writes: tracking_domains
UPDATE tracking_domains
SET cname_status = :cname_status, failures = :failures, checked_at = :checked_at, next_check_at = :next_check_at
WHERE account_id = :account_id AND domain = :domain;
