-- name: insert_account<!
-- Make an account; nothing comes back where the name is taken.
-- writes: accounts
INSERT INTO accounts (name) VALUES (:name)
ON CONFLICT (name) DO NOTHING
RETURNING account_id, name, created_at, suspended_at;

-- name: account_by_name^
-- One account.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at FROM accounts WHERE name = :name;

-- name: account_by_id^
-- One account.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at FROM accounts WHERE account_id = :account_id;

-- name: all_accounts
-- Every account, oldest first.
-- reads: accounts
SELECT account_id, name, created_at, suspended_at FROM accounts ORDER BY account_id;

-- name: set_suspended$
-- Suspend an account (or end it with NULL); answers its number, or nothing where there is none.
-- writes: accounts
UPDATE accounts SET suspended_at = :suspended_at WHERE account_id = :account_id RETURNING account_id;

-- name: insert_key$
-- Keep a new key, by its hash.
-- writes: api_keys
INSERT INTO api_keys (account_id, subaccount_id, label, key_hash, short_key, grants, valid_ips)
VALUES (:account_id, :subaccount_id, :label, :key_hash, :short_key, :grants, :valid_ips)
RETURNING key_id;

-- name: key_by_hash^
-- What authentication must know of a key that was not revoked.
-- reads: api_keys, accounts
SELECT k.key_id, k.account_id, k.subaccount_id, k.label, k.short_key, k.grants, k.valid_ips, k.created_at, k.revoked_at,
       k.key_hash, a.suspended_at IS NOT NULL AS suspended
FROM api_keys k JOIN accounts a USING (account_id)
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
