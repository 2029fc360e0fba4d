-- name: fresh_floor$
-- A moment before which no row can appear any more: where the oldest transaction began that may still write one. Rows are
-- dated by the beginning of their transaction. No transaction of ours that writes lasts longer than a minute.
-- reads: pg_stat_activity
SELECT greatest(coalesce(min(xact_start), clock_timestamp()), clock_timestamp() - interval '60 seconds')
FROM pg_stat_activity
WHERE xact_start IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid();

-- name: fresh_rows
-- Who has come onto a list, or was renewed there, since a moment.
-- reads: suppressions
SELECT account_id, recipient FROM suppressions WHERE updated_at >= :since ORDER BY updated_at LIMIT :limit;

-- name: fresh_accounts
-- Whose lists have changed since a moment.
-- reads: suppressions
SELECT DISTINCT account_id FROM suppressions WHERE updated_at >= :since;
