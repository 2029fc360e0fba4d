-- Customers' inbound domains, where their mail is posted to, the mail itself until it is there, and mail for the operator.

CREATE TABLE inbound_domains (
    domain text PRIMARY KEY,                   -- lower case, A-labels
    account_id integer NOT NULL REFERENCES accounts,
    subaccount_id integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbound_domains_of ON inbound_domains (account_id, domain);

CREATE TABLE relay_webhooks (
    webhook_id bigint PRIMARY KEY,             -- shown as digits
    account_id integer NOT NULL REFERENCES accounts,
    subaccount_id integer NOT NULL DEFAULT 0,
    name text NOT NULL DEFAULT '',
    target text NOT NULL,
    domain text NOT NULL UNIQUE REFERENCES inbound_domains,
    auth_type text NOT NULL DEFAULT 'none',
    secrets_sealed bytea NOT NULL,             -- JSON under the master key: auth_token, auth_request_details, custom_headers
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX relay_webhooks_of ON relay_webhooks (account_id, webhook_id);

-- One row for each recipient of a mail, from its 250 to its delivery or the last failure.
CREATE TABLE relay_mail (
    mail_id bytea PRIMARY KEY,                 -- relay_id and message_id of its events
    domain text NOT NULL,
    account_id integer NOT NULL,
    subaccount_id integer NOT NULL DEFAULT 0,
    mail_from text NOT NULL,                   -- '' for the null path
    rcpt_to text NOT NULL,                     -- as submitted
    recv_method text NOT NULL,
    size_bytes integer NOT NULL,
    received_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    leased_until timestamptz,                  -- a worker posts it now; past: it died
    tries integer NOT NULL DEFAULT 0,
    note text NOT NULL DEFAULT '',             -- what the last failure was
    raw bytea NOT NULL
);
CREATE INDEX relay_mail_due ON relay_mail (due_at, mail_id);
CREATE INDEX relay_mail_domain ON relay_mail (domain, due_at);

-- What people wrote to postmaster@ and abuse@ of this installation; old mail goes.
CREATE TABLE postmaster_mail (
    mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    mail_from text NOT NULL,
    rcpt_to text NOT NULL,
    raw bytea NOT NULL
);
