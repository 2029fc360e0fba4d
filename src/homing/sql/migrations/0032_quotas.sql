-- How many addresses an account may have validated, and how many it has.

ALTER TABLE accounts
    ADD COLUMN validation_daily_limit   bigint CHECK (validation_daily_limit >= 0),   -- addresses; NULL: as many as it likes
    ADD COLUMN validation_monthly_limit bigint CHECK (validation_monthly_limit >= 0);

CREATE TABLE validation_days (
    account_id integer NOT NULL REFERENCES accounts,
    day        date NOT NULL,                                       -- UTC
    addresses  bigint NOT NULL CHECK (addresses >= 0),
    PRIMARY KEY (account_id, day)
);
