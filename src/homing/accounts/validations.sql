-- name: validation_limits^
-- How many addresses an account may have validated.
-- reads: accounts
SELECT validation_daily_limit, validation_monthly_limit FROM accounts WHERE account_id = :account_id;

-- name: hold_validation_limits^
-- The same; until the caller's transaction ends nobody else counts addresses of this account.
-- reads: accounts
SELECT validation_daily_limit, validation_monthly_limit FROM accounts WHERE account_id = :account_id FOR NO KEY UPDATE;

-- name: set_validation_limits$
-- Say how many addresses an account may have validated; NULL: as many as it likes.
-- writes: accounts
UPDATE accounts
SET validation_daily_limit = :daily, validation_monthly_limit = :monthly, updated_at = now()
WHERE account_id = :account_id
RETURNING account_id;

-- name: validated^
-- How many addresses an account had validated on a day and in the month that begins on another, and on which day it last did.
-- reads: validation_days
SELECT coalesce(sum(addresses) FILTER (WHERE day = :day), 0)::bigint AS day,
       coalesce(sum(addresses) FILTER (WHERE day >= :month), 0)::bigint AS month,
       max(day) FILTER (WHERE addresses > 0) AS last_day
FROM validation_days WHERE account_id = :account_id;

-- name: validated_by_day
-- How many addresses an account had validated on each day between two; days without any are absent.
-- reads: validation_days
SELECT day, addresses FROM validation_days WHERE account_id = :account_id AND day >= :first AND day <= :last ORDER BY day;

-- name: count_validated!
-- Count addresses.
-- writes: validation_days
INSERT INTO validation_days (account_id, day, addresses) VALUES (:account_id, :day, :addresses)
ON CONFLICT (account_id, day) DO UPDATE SET addresses = validation_days.addresses + excluded.addresses;

-- name: give_validated_back!
-- Addresses that were counted, and were not validated after all.
-- writes: validation_days
UPDATE validation_days SET addresses = greatest(0, addresses - :addresses) WHERE account_id = :account_id AND day = :day;

-- name: forget_validated!
-- Forget days that nobody asks for any more.
-- writes: validation_days
DELETE FROM validation_days WHERE day < :before;
