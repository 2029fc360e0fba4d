-- name: insert_tracking<!
-- Add a tracking domain; nothing comes back where the account has it already.
-- writes: tracking_domains
INSERT INTO tracking_domains (account_id, domain, subaccount_id, secure)
VALUES (:account_id, :domain, :subaccount_id, :secure)
ON CONFLICT (account_id, domain) DO NOTHING
RETURNING domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
          created_at, updated_at;

-- name: tracking_of^
-- One tracking domain of an account (and of one subaccount, where one is named).
-- reads: tracking_domains
SELECT domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
       created_at, updated_at
FROM tracking_domains
WHERE account_id = :account_id AND domain = :domain AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: trackings_of
-- The tracking domains of an account, by name: all, or of some of its subaccounts; all, or those that are the default or not.
-- reads: tracking_domains
SELECT domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
       created_at, updated_at
FROM tracking_domains
WHERE account_id = :account_id
  AND (:subaccount_ids::integer[] IS NULL OR subaccount_id = ANY(:subaccount_ids))
  AND (:is_default::boolean IS NULL OR is_default = :is_default)
ORDER BY domain;

-- name: verified_elsewhere$
-- Whether another account has this name verified.
-- reads: tracking_domains
SELECT EXISTS (
    SELECT FROM tracking_domains WHERE domain = :domain AND cname_status = 'valid' AND account_id <> :account_id
);

-- name: clear_default_tracking!
-- Nothing of this subaccount is the default any more; another one becomes it.
-- writes: tracking_domains
UPDATE tracking_domains SET is_default = false, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND is_default AND domain <> :domain;

-- name: update_tracking<!
-- Change a tracking domain; what is NULL stays. One that is not verified does not become the default.
-- writes: tracking_domains
UPDATE tracking_domains
SET secure = coalesce(:secure::boolean, secure), is_default = coalesce(:is_default::boolean, is_default), updated_at = now()
WHERE account_id = :account_id AND domain = :domain AND subaccount_id = :subaccount_id
  AND (NOT coalesce(:is_default::boolean, false) OR is_default OR (cname_status = 'valid' AND compliance_status = 'valid'))
RETURNING domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
          created_at, updated_at;

-- name: set_tracking_status<!
-- Keep what a check found. The count of failed looks begins anew.
-- writes: tracking_domains
UPDATE tracking_domains SET cname_status = :cname_status, failures = 0, updated_at = now()
WHERE account_id = :account_id AND domain = :domain
RETURNING domain, account_id, subaccount_id, secure, is_default, cname_status, compliance_status, checked_at, failures,
          created_at, updated_at;

-- name: delete_tracking$
-- Remove a tracking domain; NULL where there is none.
-- writes: tracking_domains
DELETE FROM tracking_domains
WHERE account_id = :account_id AND domain = :domain AND subaccount_id = :subaccount_id
RETURNING domain;

-- name: unlink_tracking!
-- The sending domains of an account lose their link to a tracking domain.
-- writes: sending_domains
UPDATE sending_domains SET tracking_domain = NULL, updated_at = now()
WHERE account_id = :account_id AND tracking_domain = :domain;

-- name: tracking_candidates
-- What a message's addresses may lead to: the domain that it names, the one its sending domain is linked to, and the defaults
-- of its subaccount and of the account.
-- reads: tracking_domains, sending_domains
SELECT t.domain, t.account_id, t.subaccount_id, t.secure, t.is_default, t.cname_status, t.compliance_status, t.checked_at,
       t.failures, t.created_at, t.updated_at, coalesce(d.tracking_domain = t.domain, false) AS is_linked
FROM tracking_domains t
LEFT JOIN sending_domains d ON d.domain = :sending_domain AND d.account_id = t.account_id
WHERE t.account_id = :account_id
  AND (t.domain = :named OR t.domain = d.tracking_domain OR (t.is_default AND t.subaccount_id IN (0, :subaccount_id)));

-- name: tracking_host^
-- The account whose links a host serves; whoever has it verified.
-- reads: tracking_domains
SELECT account_id FROM tracking_domains
WHERE domain = :domain AND cname_status = 'valid' AND compliance_status = 'valid';
