-- name: count_usage!
-- Count messages that are taken, in the caller's transaction.
-- writes: usage_hours
INSERT INTO usage_hours (account_id, hour, shard, messages)
SELECT u.account_id, u.hour, :shard, u.messages
FROM unnest(:account_ids::integer[], :hours::timestamptz[], :messages::bigint[]) AS u (account_id, hour, messages)
ON CONFLICT (account_id, hour, shard) DO UPDATE SET messages = usage_hours.messages + excluded.messages;

-- name: usage_of^
-- What an account has sent in the hour, day and month that begin at these moments, and on which day it last did. One
-- statement, so that what is being added up meanwhile is seen once.
-- reads: usage_hours, usage_days
SELECT coalesce((SELECT sum(messages) FROM usage_hours WHERE account_id = :account_id AND hour >= :hour), 0)::bigint AS hour,
       (coalesce((SELECT sum(messages) FROM usage_hours WHERE account_id = :account_id AND hour >= :day), 0)
        + coalesce((SELECT sum(messages) FROM usage_days WHERE account_id = :account_id AND day >= (:day::timestamptz)::date), 0))::bigint AS day,
       (coalesce((SELECT sum(messages) FROM usage_hours WHERE account_id = :account_id AND hour >= :month), 0)
        + coalesce((SELECT sum(messages) FROM usage_days WHERE account_id = :account_id AND day >= (:month::timestamptz)::date), 0))::bigint AS month,
       greatest((SELECT max(hour)::date FROM usage_hours WHERE account_id = :account_id),
                (SELECT max(day) FROM usage_days WHERE account_id = :account_id)) AS last_day;

-- name: usage_by_day
-- What an account has sent on each day between two; days without anything are absent.
-- reads: usage_hours, usage_days
SELECT day, sum(messages)::bigint AS messages
FROM (SELECT day, messages FROM usage_days WHERE account_id = :account_id
      UNION ALL SELECT hour::date, messages FROM usage_hours WHERE account_id = :account_id) AS u
WHERE day >= :first AND day <= :last
GROUP BY day ORDER BY day;

-- name: add_up_hours!
-- Add hours that are long over to their days; whoever reads meanwhile sees them here or there.
-- writes: usage_hours, usage_days
WITH over AS (
    DELETE FROM usage_hours WHERE hour < :before RETURNING account_id, hour::date AS day, messages
)
INSERT INTO usage_days (account_id, day, messages)
SELECT account_id, day, sum(messages) FROM over GROUP BY account_id, day ORDER BY account_id, day
ON CONFLICT (account_id, day) DO UPDATE SET messages = usage_days.messages + excluded.messages;

-- name: forget_days!
-- Forget days that nobody asks for any more.
-- writes: usage_days
DELETE FROM usage_days WHERE day < :before;

-- name: count_sandbox$
-- Count messages of the sandbox in the caller's transaction; NULL where they would pass its limit. Others wait for the row.
-- writes: sandbox_usage
INSERT INTO sandbox_usage AS s (account_id, messages)
SELECT :account_id::integer, :messages::integer WHERE :messages::integer <= :most::integer
ON CONFLICT (account_id) DO UPDATE SET messages = s.messages + excluded.messages
WHERE s.messages + excluded.messages <= :most::integer
RETURNING messages;

-- name: sandbox_of$
-- How many messages an account has sent from the sandbox, ever.
-- reads: sandbox_usage
SELECT messages FROM sandbox_usage WHERE account_id = :account_id;
