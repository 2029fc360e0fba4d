-- How many addresses an account may have validated, and how many it has; what warming addresses may send to big providers.

ALTER TABLE accounts
    ADD COLUMN validation_daily_limit   bigint CHECK (validation_daily_limit >= 0),   -- addresses; NULL: as many as it likes
    ADD COLUMN validation_monthly_limit bigint CHECK (validation_monthly_limit >= 0);

CREATE TABLE validation_days (
    account_id integer NOT NULL REFERENCES accounts,
    day        date NOT NULL,                                       -- UTC
    addresses  bigint NOT NULL CHECK (addresses >= 0),
    PRIMARY KEY (account_id, day)
);

CREATE TABLE warmup_pairs (                            -- a warming address and a mailbox provider
    address          inet NOT NULL,
    provider         text NOT NULL,                    -- as events name it
    cap              integer NOT NULL CHECK (cap > 0), -- messages a day
    days             integer NOT NULL DEFAULT 0,       -- on which it grew
    idle_days        integer NOT NULL DEFAULT 0,
    no_advance_until date,                             -- NULL: it may grow
    PRIMARY KEY (address, provider)
);

CREATE TABLE warmup_pair_days (                        -- as warmup_days, for a pair
    address      inet NOT NULL,
    provider     text NOT NULL,
    day          date NOT NULL,
    sent         integer NOT NULL DEFAULT 0,
    put_off      integer NOT NULL DEFAULT 0,
    beyond       integer NOT NULL DEFAULT 0,
    hour         smallint NOT NULL DEFAULT 0,
    in_hour      integer NOT NULL DEFAULT 0,
    delivered    integer NOT NULL DEFAULT 0,
    hard_bounced integer NOT NULL DEFAULT 0,
    blocked      integer NOT NULL DEFAULT 0,
    deferred     integer NOT NULL DEFAULT 0,
    complained   integer NOT NULL DEFAULT 0,
    PRIMARY KEY (address, provider, day)
);
