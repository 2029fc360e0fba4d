-- Customers' own hosts for tracked links, pixels and unsubscribe pages.
-- Several accounts may claim a name; only one of them can have it verified.

CREATE TABLE tracking_domains (
    account_id        integer NOT NULL REFERENCES accounts,
    domain            text NOT NULL,                   -- lower case, A-labels
    subaccount_id     integer NOT NULL DEFAULT 0,
    secure            boolean NOT NULL DEFAULT false,  -- its addresses begin with https
    is_default        boolean NOT NULL DEFAULT false,  -- of its subaccount
    cname_status      text NOT NULL DEFAULT 'unverified' CHECK (cname_status IN ('unverified', 'pending', 'invalid', 'valid')),
    compliance_status text NOT NULL DEFAULT 'valid' CHECK (compliance_status IN ('pending', 'valid', 'blocked')),
    next_check_at     timestamptz NOT NULL DEFAULT now() + interval '1 day' * (0.5 + random()),
    checked_at        timestamptz,                     -- when DNS was last asked of our own accord
    failures          smallint NOT NULL DEFAULT 0,     -- such looks in a row that found the record gone
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, domain)
);
CREATE UNIQUE INDEX tracking_domains_host ON tracking_domains (domain) WHERE cname_status = 'valid';
CREATE UNIQUE INDEX tracking_domains_default ON tracking_domains (account_id, subaccount_id) WHERE is_default;
CREATE INDEX tracking_domains_due ON tracking_domains (next_check_at) WHERE cname_status = 'valid';
