-- name: insert_subaccount<!
-- Make the next subaccount of an account; the caller has locked the account.
-- writes: subaccounts
INSERT INTO subaccounts (account_id, subaccount_id, name, ip_pool, options)
SELECT :account_id, coalesce(max(subaccount_id), 0) + 1, :name, :ip_pool, :options::jsonb
FROM subaccounts WHERE account_id = :account_id
RETURNING account_id, subaccount_id, name, status, compliance_status, ip_pool, options::text AS options, created_at, updated_at;

-- name: one_subaccount^
-- One subaccount of an account.
-- reads: subaccounts
SELECT account_id, subaccount_id, name, status, compliance_status, ip_pool, options::text AS options, created_at, updated_at
FROM subaccounts WHERE account_id = :account_id AND subaccount_id = :subaccount_id;

-- name: all_subaccounts
-- Every subaccount of an account.
-- reads: subaccounts
SELECT account_id, subaccount_id, name, status, compliance_status, ip_pool, options::text AS options, created_at, updated_at
FROM subaccounts WHERE account_id = :account_id ORDER BY subaccount_id;

-- name: subaccount_numbers
-- Which subaccounts an account has.
-- reads: subaccounts
SELECT subaccount_id FROM subaccounts WHERE account_id = :account_id;

-- name: subaccounts_upwards
-- A page of the subaccounts that match, behind a place; the place is the text that is sorted by, and the number.
-- reads: subaccounts
SELECT * FROM (
    SELECT account_id, subaccount_id, name, status, compliance_status, ip_pool, options::text AS options, created_at, updated_at,
           CASE :sort_by
               WHEN 'name' THEN lower(name)
               WHEN 'id' THEN lpad(subaccount_id::text, 10, '0')
               WHEN 'updated_at' THEN to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
               ELSE to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
           END COLLATE "C" AS place
    FROM subaccounts
    WHERE account_id = :account_id
      AND (:ip_pool::text IS NULL OR ip_pool = :ip_pool)
      AND (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
      AND (:name::text IS NULL OR position(lower(:name) IN lower(name)) > 0)
      AND (:ids::integer[] IS NULL OR subaccount_id = ANY(:ids::integer[]))
      AND (:option::text IS NULL OR options @> jsonb_build_object(:option::text, true))
) s
WHERE :after::text IS NULL OR (place, subaccount_id) > (:after::text COLLATE "C", :after_id::integer)
ORDER BY place, subaccount_id
LIMIT :limit;

-- name: subaccounts_downwards
-- The same from the other end.
-- reads: subaccounts
SELECT * FROM (
    SELECT account_id, subaccount_id, name, status, compliance_status, ip_pool, options::text AS options, created_at, updated_at,
           CASE :sort_by
               WHEN 'name' THEN lower(name)
               WHEN 'id' THEN lpad(subaccount_id::text, 10, '0')
               WHEN 'updated_at' THEN to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
               ELSE to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
           END COLLATE "C" AS place
    FROM subaccounts
    WHERE account_id = :account_id
      AND (:ip_pool::text IS NULL OR ip_pool = :ip_pool)
      AND (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
      AND (:name::text IS NULL OR position(lower(:name) IN lower(name)) > 0)
      AND (:ids::integer[] IS NULL OR subaccount_id = ANY(:ids::integer[]))
      AND (:option::text IS NULL OR options @> jsonb_build_object(:option::text, true))
) s
WHERE :after::text IS NULL OR (place, subaccount_id) < (:after::text COLLATE "C", :after_id::integer)
ORDER BY place DESC, subaccount_id DESC
LIMIT :limit;

-- name: count_matching$
-- How many subaccounts match; all of them where nothing is asked for.
-- reads: subaccounts
SELECT count(*) FROM subaccounts
WHERE account_id = :account_id
  AND (:ip_pool::text IS NULL OR ip_pool = :ip_pool)
  AND (:statuses::text[] IS NULL OR status = ANY(:statuses::text[]))
  AND (:name::text IS NULL OR position(lower(:name) IN lower(name)) > 0)
  AND (:ids::integer[] IS NULL OR subaccount_id = ANY(:ids::integer[]))
  AND (:option::text IS NULL OR options @> jsonb_build_object(:option::text, true));

-- name: change_subaccount<!
-- Change a subaccount as its customer may; what is NULL stays.
-- writes: subaccounts
UPDATE subaccounts
SET name = coalesce(:name::text, name), status = coalesce(:status::text, status), ip_pool = coalesce(:ip_pool::text, ip_pool),
    options = options || :options::jsonb, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id
RETURNING subaccount_id;

-- name: set_compliance<!
-- Change a subaccount as the operator may.
-- writes: subaccounts
UPDATE subaccounts SET compliance_status = :status, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id
RETURNING subaccount_id;
