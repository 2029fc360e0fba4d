-- Subaccounts, what an account says of itself and has as its defaults, how much it may send, and how much it has sent.

CREATE TABLE subaccounts (
    account_id        integer NOT NULL REFERENCES accounts,
    subaccount_id     integer NOT NULL CHECK (subaccount_id > 0),   -- counted within its account
    name              text NOT NULL,
    status            text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'terminated')),
    compliance_status text NOT NULL DEFAULT 'active' CHECK (compliance_status IN ('active', 'suspended', 'terminated')),
    ip_pool           text NOT NULL DEFAULT '',                     -- its mail leaves from this pool; '': as the account's does
    options           jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, subaccount_id)
);

-- Until now a subaccount was any number that somebody wrote.
INSERT INTO subaccounts (account_id, subaccount_id, name)
SELECT DISTINCT account_id, subaccount_id, 'Subaccount ' || subaccount_id
FROM (SELECT account_id, subaccount_id FROM api_keys
      UNION SELECT account_id, subaccount_id FROM sending_domains
      UNION SELECT account_id, subaccount_id FROM suppressions
      UNION SELECT account_id, subaccount_id FROM templates
      UNION SELECT account_id, subaccount_id FROM snippets
      UNION SELECT account_id, subaccount_id FROM webhooks
      UNION SELECT account_id, subaccount_id FROM inbound_domains
      UNION SELECT account_id, subaccount_id FROM relay_webhooks
      UNION SELECT account_id, subaccount_id FROM transmissions
      UNION SELECT account_id, subaccount_id FROM lanes) AS used
WHERE subaccount_id > 0 AND account_id IN (SELECT account_id FROM accounts)
ON CONFLICT DO NOTHING;

ALTER TABLE accounts
    ADD COLUMN company_name  text NOT NULL DEFAULT '',              -- '': its name
    ADD COLUMN options       jsonb NOT NULL DEFAULT '{}',           -- accounts.types.AccountOptions; what is absent has its default
    ADD COLUMN hourly_limit  bigint CHECK (hourly_limit >= 0),      -- messages; NULL: as many as it likes
    ADD COLUMN daily_limit   bigint CHECK (daily_limit >= 0),
    ADD COLUMN monthly_limit bigint CHECK (monthly_limit >= 0),
    ADD COLUMN updated_at    timestamptz NOT NULL DEFAULT now();

-- Messages that were taken, written in the transaction that takes them. Each shard counts in a row of its own, so that no
-- commit waits for another worker's; shard -1 is that of transmissions which are written down before they have one.
CREATE TABLE usage_hours (
    account_id integer NOT NULL,
    hour       timestamptz NOT NULL,
    shard      smallint NOT NULL,
    messages   bigint NOT NULL,
    PRIMARY KEY (account_id, hour, shard)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE usage_days (                                           -- what was counted in hours that are long over
    account_id integer NOT NULL,
    day        date NOT NULL,                                       -- UTC
    messages   bigint NOT NULL,
    PRIMARY KEY (account_id, day)
);
