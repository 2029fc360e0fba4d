-- name: open_pair!
-- See to it that a pair has its row.
-- writes: warmup_pairs
INSERT INTO warmup_pairs (address, provider, cap, days) VALUES (:address, :provider, :cap, :days) ON CONFLICT DO NOTHING;

-- name: cap_of$
-- What a pair may send in a day.
-- reads: warmup_pairs
SELECT cap FROM warmup_pairs WHERE address = :address AND provider = :provider;

-- name: open_pair_day!
-- See to it that a day of a pair has its row.
-- writes: warmup_pair_days
INSERT INTO warmup_pair_days (address, provider, day) VALUES (:address, :provider, :day) ON CONFLICT DO NOTHING;

-- name: lock_pair_day^
-- What was counted of a pair on a day, held against others who count.
-- reads: warmup_pair_days
SELECT day, sent, put_off, beyond, hour, in_hour, delivered, hard_bounced, blocked, deferred, complained
FROM warmup_pair_days WHERE address = :address AND provider = :provider AND day = :day
FOR UPDATE;

-- name: count_pair_sent!
-- Keep what workers were let send to a provider.
-- writes: warmup_pair_days
UPDATE warmup_pair_days SET sent = :sent, put_off = :put_off, beyond = :beyond, hour = :hour, in_hour = :in_hour
WHERE address = :address AND provider = :provider AND day = :day;

-- name: count_pair_outcomes!
-- Add what the log tells of warming addresses at providers, in one order for everybody so that nobody waits in a circle.
-- reads: pool_ips; writes: warmup_pair_days
INSERT INTO warmup_pair_days (address, provider, day, delivered, hard_bounced, blocked, deferred, complained)
SELECT n.address, n.provider, n.day, n.delivered, n.hard_bounced, n.blocked, n.deferred, n.complained
FROM unnest(:addresses::inet[], :providers::text[], :days::date[], :delivered::integer[], :hard_bounced::integer[],
            :blocked::integer[], :deferred::integer[], :complained::integer[])
     AS n (address, provider, day, delivered, hard_bounced, blocked, deferred, complained)
JOIN pool_ips i ON i.address = n.address AND i.warmup_stage IS NOT NULL
ORDER BY n.address, n.provider, n.day
ON CONFLICT (address, provider, day) DO UPDATE
SET delivered = warmup_pair_days.delivered + excluded.delivered,
    hard_bounced = warmup_pair_days.hard_bounced + excluded.hard_bounced,
    blocked = warmup_pair_days.blocked + excluded.blocked, deferred = warmup_pair_days.deferred + excluded.deferred,
    complained = warmup_pair_days.complained + excluded.complained;

-- name: pairs_of
-- How far addresses have come at providers.
-- reads: warmup_pairs
SELECT host(address) AS address, provider, cap, days, idle_days AS idle, no_advance_until
FROM warmup_pairs WHERE address = ANY(:addresses::inet[]) ORDER BY warmup_pairs.address, provider;

-- name: pair_days_of
-- What was counted of the pairs of an address since a day.
-- reads: warmup_pair_days
SELECT provider, day, sent, put_off, beyond, hour, in_hour, delivered, hard_bounced, blocked, deferred, complained
FROM warmup_pair_days WHERE address = :address AND day >= :since;

-- name: keep_pair!
-- Keep what a judged day came to.
-- writes: warmup_pairs
UPDATE warmup_pairs SET cap = :cap, days = :days, idle_days = :idle, no_advance_until = :no_advance_until
WHERE address = :address AND provider = :provider;

-- name: forget_pairs!
-- An address is warm: nothing of its pairs is needed any more.
-- writes: warmup_pairs
DELETE FROM warmup_pairs WHERE address = :address;

-- name: forget_pair_days!
-- Drop what was counted long ago.
-- writes: warmup_pair_days
DELETE FROM warmup_pair_days WHERE day < :before;
