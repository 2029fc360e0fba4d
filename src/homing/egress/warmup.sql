-- name: stage_of$
-- The stage of an address; NULL: it is not warming.
-- reads: pool_ips
SELECT warmup_stage FROM pool_ips WHERE address = :address;

-- name: anybody_warms$
-- Whether an address is warming at all.
-- reads: pool_ips
SELECT EXISTS (SELECT 1 FROM pool_ips WHERE warmup_stage IS NOT NULL);

-- name: open_day!
-- See to it that a day has its row.
-- writes: warmup_days
INSERT INTO warmup_days (address, day) VALUES (:address, :day) ON CONFLICT DO NOTHING;

-- name: lock_day^
-- What was counted on a day, held against others who count.
-- reads: warmup_days
SELECT day, sent, put_off, beyond, hour, in_hour, delivered, hard_bounced, blocked, deferred, complained
FROM warmup_days WHERE address = :address AND day = :day
FOR UPDATE;

-- name: count_sent!
-- Keep what workers were let send.
-- writes: warmup_days
UPDATE warmup_days SET sent = :sent, put_off = :put_off, beyond = :beyond, hour = :hour, in_hour = :in_hour
WHERE address = :address AND day = :day;

-- name: count_outcomes!
-- Add what the log tells of warming addresses, in one order for everybody so that nobody waits in a circle.
-- reads: pool_ips; writes: warmup_days
INSERT INTO warmup_days (address, day, delivered, hard_bounced, blocked, deferred, complained)
SELECT n.address, n.day, n.delivered, n.hard_bounced, n.blocked, n.deferred, n.complained
FROM unnest(:addresses::inet[], :days::date[], :delivered::integer[], :hard_bounced::integer[], :blocked::integer[],
            :deferred::integer[], :complained::integer[])
     AS n (address, day, delivered, hard_bounced, blocked, deferred, complained)
JOIN pool_ips i ON i.address = n.address AND i.warmup_stage IS NOT NULL
ORDER BY n.address, n.day
ON CONFLICT (address, day) DO UPDATE
SET delivered = warmup_days.delivered + excluded.delivered, hard_bounced = warmup_days.hard_bounced + excluded.hard_bounced,
    blocked = warmup_days.blocked + excluded.blocked, deferred = warmup_days.deferred + excluded.deferred,
    complained = warmup_days.complained + excluded.complained;

-- name: to_judge
-- The warming addresses that have days before this one which nobody has judged.
-- reads: pool_ips
SELECT host(address) AS address FROM pool_ips WHERE warmup_stage IS NOT NULL AND judge_from < :today ORDER BY pool_ips.address;

-- name: lock_progress^
-- How far a warming address has come, held against others who judge.
-- reads: pool_ips
SELECT warmup_stage AS stage, stalled_days AS stalled, idle_days AS idle, judge_from
FROM pool_ips WHERE address = :address AND warmup_stage IS NOT NULL
FOR UPDATE;

-- name: keep_progress!
-- Keep what a judged day came to.
-- writes: pool_ips
UPDATE pool_ips SET warmup_stage = :stage, stalled_days = :stalled, idle_days = :idle, judge_from = :judge_from
WHERE address = :address;

-- name: days_of
-- What was counted of some addresses since a day.
-- reads: warmup_days
SELECT host(address) AS address, day, sent, put_off, beyond, hour, in_hour, delivered, hard_bounced, blocked, deferred, complained
FROM warmup_days WHERE address = ANY(:addresses::inet[]) AND day >= :since
ORDER BY address, day;

-- name: forget_days!
-- Drop what was counted long ago.
-- writes: warmup_days
DELETE FROM warmup_days WHERE day < :before;
