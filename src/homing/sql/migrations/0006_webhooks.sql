-- Who follows the log, and the webhooks that are told what happened.

CREATE TABLE followers (
    name  text NOT NULL,
    shard smallint NOT NULL,
    day   date NOT NULL,                               -- of the last event that was taken
    seq   bigint NOT NULL,
    PRIMARY KEY (name, shard)
);

CREATE TABLE webhooks (
    webhook_id            uuid PRIMARY KEY,
    account_id            integer NOT NULL,
    subaccount_id         integer,                     -- NULL: the primary account and all subaccounts; 0: the primary alone
    name                  text NOT NULL,
    target                text NOT NULL,
    types                 smallint[] NOT NULL,         -- events.types.EventType
    active                boolean NOT NULL DEFAULT true,
    paused_why            text NOT NULL DEFAULT '',    -- by us; '': not paused by us
    custom_headers        jsonb NOT NULL DEFAULT '{}',
    exception_subaccounts integer[] NOT NULL DEFAULT '{}',
    auth_type             text NOT NULL CHECK (auth_type IN ('none', 'basic', 'oauth2')),
    auth_sealed           bytea NOT NULL,              -- webhooks.types.Auth as msgpack, under the master key, purpose 'webhook'
    last_successful       timestamptz,
    last_failure          timestamptz,
    created_at            timestamptz NOT NULL DEFAULT now(),
    deleted_at            timestamptz                  -- what waits still goes out; then the row goes
);
CREATE INDEX webhooks_account ON webhooks (account_id);

CREATE TABLE webhook_ranges (                          -- events that a webhook is owed: a stretch of the log, not a copy of it
    range_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    webhook_id uuid NOT NULL,
    account_id integer NOT NULL,
    shard      smallint NOT NULL,
    first_day  date NOT NULL,
    last_day   date NOT NULL,
    first_seq  bigint NOT NULL,
    last_seq   bigint NOT NULL,
    events     integer NOT NULL,                       -- of the webhook's, within
    since      timestamptz,                            -- of a replay: only events that happened from then ..
    until      timestamptz,                            -- .. until then
    batch_id   uuid,                                   -- NULL: in no batch yet
    made_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_ranges_loose ON webhook_ranges (webhook_id, range_id) WHERE batch_id IS NULL;
CREATE INDEX webhook_ranges_batch ON webhook_ranges (batch_id) WHERE batch_id IS NOT NULL;

CREATE TABLE webhook_batches (
    batch_id      uuid PRIMARY KEY,
    webhook_id    uuid NOT NULL,
    account_id    integer NOT NULL,
    events        integer NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT now(),
    due_at        timestamptz NOT NULL DEFAULT now(),
    claimed_until timestamptz,                         -- a worker is at it; if it dies, another takes it then
    attempts      integer NOT NULL DEFAULT 0,          -- that failed
    response_code text NOT NULL DEFAULT '',
    failure_code  text NOT NULL DEFAULT '',
    latency_ms    integer NOT NULL DEFAULT 0,
    tried_at      timestamptz,
    ended_at      timestamptz                          -- delivered after failures, or dropped; kept for a day, to be looked at
);
CREATE INDEX webhook_batches_due ON webhook_batches (webhook_id, due_at) WHERE ended_at IS NULL;
