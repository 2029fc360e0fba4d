-- name: insert_account<!
-- Make an account; nothing comes back where the name is taken.
-- writes: accounts
INSERT INTO accounts (name) VALUES (:name)
ON CONFLICT (name) DO NOTHING
RETURNING account_id, name, created_at, suspended_at, company_name, options::text AS options, hourly_limit, daily_limit,
          monthly_limit, updated_at;

-- name: account_by_name^
-- One account.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at, company_name, options::text AS options, hourly_limit, daily_limit, monthly_limit,
       updated_at
FROM accounts WHERE name = :name;

-- name: account_by_id^
-- One account.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at, company_name, options::text AS options, hourly_limit, daily_limit, monthly_limit,
       updated_at
FROM accounts WHERE account_id = :account_id;

-- name: all_accounts
-- Every account, oldest first.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at, company_name, options::text AS options, hourly_limit, daily_limit, monthly_limit,
       updated_at
FROM accounts ORDER BY account_id;

-- name: set_suspended$
-- Suspend an account (or end it with NULL); answers its number, or nothing where there is none.
-- writes: accounts
UPDATE accounts SET suspended_at = :suspended_at, updated_at = now() WHERE account_id = :account_id RETURNING account_id;

-- name: change_account^
-- Change what an account says of itself, and its defaults: options that are not named stay.
-- writes: accounts
UPDATE accounts
SET company_name = coalesce(:company_name::text, company_name), options = options || :options::jsonb, updated_at = now()
WHERE account_id = :account_id
RETURNING account_id;

-- name: set_limits^
-- Say how much an account may send; NULL: as much as it likes.
-- writes: accounts
UPDATE accounts
SET hourly_limit = :hourly, daily_limit = :daily, monthly_limit = :monthly, updated_at = now()
WHERE account_id = :account_id
RETURNING account_id;

-- name: lock_account!
-- Let one at a time number subaccounts; held to the end of the transaction.
-- reads: accounts
SELECT account_id FROM accounts WHERE account_id = :account_id FOR NO KEY UPDATE;

-- name: standing^
-- What sending must know of an account and subaccount; nothing where either does not exist.
-- reads: accounts, subaccounts
SELECT a.options::text AS options, a.hourly_limit, a.daily_limit, a.monthly_limit, coalesce(s.ip_pool, '') AS ip_pool,
       a.suspended_at IS NOT NULL OR s.status <> 'active' OR s.compliance_status <> 'active' AS suspended
FROM accounts a LEFT JOIN subaccounts s ON s.account_id = a.account_id AND s.subaccount_id = :subaccount_id
WHERE a.account_id = :account_id AND (:subaccount_id = 0 OR s.subaccount_id IS NOT NULL);

-- name: insert_key$
-- Keep a new key, by its hash.
-- writes: api_keys
INSERT INTO api_keys (account_id, subaccount_id, label, key_hash, short_key, grants, valid_ips)
VALUES (:account_id, :subaccount_id, :label, :key_hash, :short_key, :grants, :valid_ips)
RETURNING key_id;

-- name: key_by_hash^
-- What authentication must know of a key that was not revoked.
-- reads: api_keys, accounts, subaccounts
SELECT k.key_id, k.account_id, k.subaccount_id, k.label, k.short_key, k.grants, k.valid_ips, k.created_at, k.revoked_at,
       k.key_hash,
       a.suspended_at IS NOT NULL
           OR (k.subaccount_id > 0 AND NOT coalesce(s.status = 'active' AND s.compliance_status = 'active', false)) AS suspended
FROM api_keys k JOIN accounts a USING (account_id) LEFT JOIN subaccounts s USING (account_id, subaccount_id)
WHERE k.key_hash = :key_hash AND k.revoked_at IS NULL;

-- name: keys_of_account
-- The keys of an account that were not revoked, oldest first; of all subaccounts where none is named.
-- reads: api_keys
SELECT key_id, account_id, subaccount_id, label, short_key, grants, valid_ips, created_at, revoked_at
FROM api_keys
WHERE account_id = :account_id AND revoked_at IS NULL
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
ORDER BY key_id;

-- name: one_key^
-- One key of an account.
-- reads: api_keys
SELECT key_id, account_id, subaccount_id, label, short_key, grants, valid_ips, created_at, revoked_at
FROM api_keys
WHERE account_id = :account_id AND key_id = :key_id AND revoked_at IS NULL
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: update_key$
-- Change what a key is called, may do, and from where.
-- writes: api_keys
UPDATE api_keys SET label = :label, grants = :grants, valid_ips = :valid_ips
WHERE account_id = :account_id AND key_id = :key_id AND revoked_at IS NULL
RETURNING key_id;

-- name: revoke_key$
-- End a key for good; its row stays, because events and the ledger name it.
-- writes: api_keys
UPDATE api_keys SET revoked_at = :revoked_at
WHERE account_id = :account_id AND key_id = :key_id AND revoked_at IS NULL
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
RETURNING key_id;
