-- name: version$
-- The number that grows with every change of pools and addresses.
-- reads: egress_version
SELECT version FROM egress_version;

-- name: next_version!
-- Tell every worker that pools or addresses have changed. It is the first statement of a change, so changes come one by one.
-- writes: egress_version
UPDATE egress_version SET version = version + 1;

-- name: pools_of_account
-- The pools of an account. A signing domain counts while it is the primary account's own.
-- reads: ip_pools, sending_domains
SELECT p.account_id, p.pool_id, p.name, s.domain AS signing_domain, f.domain AS fbl_signing_domain, p.overflow_pool, p.when_full
FROM ip_pools p
LEFT JOIN sending_domains s ON s.domain = p.signing_domain AND s.account_id = p.account_id AND s.subaccount_id = 0
LEFT JOIN sending_domains f ON f.domain = p.fbl_signing_domain AND f.account_id = p.account_id AND f.subaccount_id = 0
WHERE p.account_id = :account_id
ORDER BY p.pool_id <> 'default', p.created_at, p.pool_id;

-- name: insert_pool$
-- Add a pool; nothing comes back where its id is taken.
-- writes: ip_pools
INSERT INTO ip_pools (account_id, pool_id, name, signing_domain, fbl_signing_domain, overflow_pool, when_full)
VALUES (:account_id, :pool_id, :name, :signing_domain, :fbl_signing_domain, :overflow_pool, :when_full)
ON CONFLICT DO NOTHING
RETURNING pool_id;

-- name: put_pool!
-- Change a pool; `default` may not have a row yet.
-- writes: ip_pools
INSERT INTO ip_pools (account_id, pool_id, name, signing_domain, fbl_signing_domain, overflow_pool, when_full)
VALUES (:account_id, :pool_id, :name, :signing_domain, :fbl_signing_domain, :overflow_pool, :when_full)
ON CONFLICT (account_id, pool_id) DO UPDATE
SET name = excluded.name, signing_domain = excluded.signing_domain, fbl_signing_domain = excluded.fbl_signing_domain,
    overflow_pool = excluded.overflow_pool, when_full = excluded.when_full;

-- name: open_default!
-- Give an account the row of its default pool.
-- writes: ip_pools
INSERT INTO ip_pools (account_id, pool_id, name) VALUES (:account_id, 'default', 'Default') ON CONFLICT DO NOTHING;

-- name: move_all!
-- Move the addresses of a pool to another one.
-- writes: pool_ips
UPDATE pool_ips SET pool_id = :target WHERE account_id = :account_id AND pool_id = :pool_id;

-- name: delete_pool!
-- Remove a pool that has no address any more.
-- writes: ip_pools
DELETE FROM ip_pools WHERE account_id = :account_id AND pool_id = :pool_id;

-- name: sending_ips
-- The addresses that belong to customers: all, those of an account, or the one that is named.
-- reads: pool_ips
SELECT host(address) AS address, ehlo AS hostname, account_id, pool_id, customer_provided, warmup_stage AS stage
FROM pool_ips
WHERE (:account_id::integer IS NULL OR account_id = :account_id) AND (:address::inet IS NULL OR address = :address)
ORDER BY pool_ips.address;

-- name: assign$
-- Give a customer an address that belongs to nobody; nothing comes back where it belongs to somebody.
-- writes: pool_ips
INSERT INTO pool_ips (account_id, pool_id, address, ehlo, customer_provided, warmup_stage, judge_from)
VALUES (:account_id, :pool_id, :address, :hostname, :customer_provided, :stage, :today)
ON CONFLICT DO NOTHING
RETURNING account_id;

-- name: release$
-- Take an address back; it belongs to nobody then.
-- writes: pool_ips
DELETE FROM pool_ips WHERE address = :address RETURNING account_id;

-- name: lock_ip^
-- One address of an account, held against other changes.
-- reads: pool_ips
SELECT host(address) AS address, ehlo AS hostname, account_id, pool_id, customer_provided, warmup_stage AS stage
FROM pool_ips WHERE account_id = :account_id AND address = :address
FOR UPDATE;

-- name: move_ip!
-- Put an address into another pool of its account.
-- writes: pool_ips
UPDATE pool_ips SET pool_id = :pool_id WHERE account_id = :account_id AND address = :address;

-- name: set_stage!
-- Begin, change or end (NULL) the automatic warm-up of an address. Days before today are not judged any more.
-- writes: pool_ips
UPDATE pool_ips SET warmup_stage = :stage, stalled_days = 0, idle_days = 0, judge_from = :today
WHERE account_id = :account_id AND address = :address;
