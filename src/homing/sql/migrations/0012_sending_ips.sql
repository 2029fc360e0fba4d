-- Sending IPs: addresses that belong to one customer, in his pools; automatic warm-up and what it counts.

-- pools ----------------------------------------------------------------------------------------------------------------

ALTER TABLE ip_pools
    ADD COLUMN fbl_signing_domain text,
    ADD COLUMN overflow_pool      text,                          -- pool_id, or 'shared pool'; NULL: none
    ADD COLUMN when_full          text NOT NULL DEFAULT 'wait'   -- without overflow: mail waits, or goes beyond the volume
        CHECK (when_full IN ('wait', 'send')),
    ADD COLUMN created_at         timestamptz NOT NULL DEFAULT now();

-- A domain that is removed signs for no pool any more, whoever takes its name next.
UPDATE ip_pools p SET signing_domain = NULL
WHERE signing_domain IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM sending_domains d WHERE d.domain = p.signing_domain AND d.account_id = p.account_id);
ALTER TABLE ip_pools
    ADD FOREIGN KEY (signing_domain) REFERENCES sending_domains ON DELETE SET NULL,
    ADD FOREIGN KEY (fbl_signing_domain) REFERENCES sending_domains ON DELETE SET NULL;

-- addresses ------------------------------------------------------------------------------------------------------------

-- An address is in one pool of one customer. Rows that were put in by hand before may say otherwise: the first one stays.
DELETE FROM pool_ips a USING pool_ips b
WHERE a.address = b.address AND (a.account_id, a.pool_id) > (b.account_id, b.pool_id);
CREATE UNIQUE INDEX pool_ips_address ON pool_ips (address);

ALTER TABLE pool_ips
    ADD COLUMN customer_provided boolean NOT NULL DEFAULT false,
    ADD COLUMN warmup_stage      smallint CHECK (warmup_stage BETWEEN 1 AND 29),  -- NULL: no automatic warm-up
    ADD COLUMN stalled_days      smallint NOT NULL DEFAULT 0,    -- days with mail since the last advance
    ADD COLUMN idle_days         smallint NOT NULL DEFAULT 0,    -- days without mail, up to the last one judged
    ADD COLUMN judge_from        date NOT NULL DEFAULT current_date;  -- the first day that was not judged yet

-- What was counted of a warming address on one day (UTC).
CREATE TABLE warmup_days (
    address      inet NOT NULL,
    day          date NOT NULL,
    sent         integer NOT NULL DEFAULT 0,   -- messages that workers were let send, less what they gave back
    put_off      integer NOT NULL DEFAULT 0,   -- attempts that were deferred: what they were let send, they gave back
    beyond       integer NOT NULL DEFAULT 0,   -- messages of `sent` that went although the volume was used up
    hour         smallint NOT NULL DEFAULT 0,  -- what in_hour counts
    in_hour      integer NOT NULL DEFAULT 0,
    delivered    integer NOT NULL DEFAULT 0,   -- from here on counted from the log, each event once
    hard_bounced integer NOT NULL DEFAULT 0,   -- classes 10, 30, 90
    blocked      integer NOT NULL DEFAULT 0,   -- classes 50 to 54
    deferred     integer NOT NULL DEFAULT 0,   -- first attempts that were deferred
    complained   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (address, day)
);

-- Grows with every change of pools and addresses: workers ask each second whether they know the newest.
CREATE TABLE egress_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  bigint NOT NULL DEFAULT 1
);
INSERT INTO egress_version DEFAULT VALUES;

-- queue ----------------------------------------------------------------------------------------------------------------

-- What waits for room in one pool must not hold up another one: the pool is part of what a lane stands for.
ALTER TABLE lanes ADD COLUMN ip_pool text NOT NULL DEFAULT 'default';
