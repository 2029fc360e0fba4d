-- name: pools_of_account
-- The pools of one account with their addresses; a pool without addresses has one row with NULL.
-- reads: ip_pools, pool_ips
SELECT p.pool_id, host(i.address) AS address, i.ehlo
FROM ip_pools p LEFT JOIN pool_ips i USING (account_id, pool_id)
WHERE p.account_id = :account_id
ORDER BY p.pool_id, i.address;
