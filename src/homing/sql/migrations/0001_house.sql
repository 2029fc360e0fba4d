-- The first tables: who may send (accounts, domains), what waits (chunks, entries, lanes), what happened (events),
-- and who owns which shard. Every hot table begins its key with the shard.

-- accounts -----------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    account_id   integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name         text NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz
);

CREATE TABLE api_keys (
    key_id        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id    integer NOT NULL REFERENCES accounts,
    subaccount_id integer NOT NULL DEFAULT 0,          -- 0: the primary account
    label         text NOT NULL,
    key_hash      bytea NOT NULL UNIQUE,               -- SHA-256; the key itself is shown once and never kept
    short_key     text NOT NULL,                       -- its first four characters, to tell keys apart
    grants        text[] NOT NULL,
    valid_ips     text[] NOT NULL DEFAULT '{}',        -- CIDR masks; empty: from anywhere
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account_id);

-- domains ------------------------------------------------------------------------------------------------------------

CREATE TABLE sending_domains (
    domain             text PRIMARY KEY,               -- lower case, A-labels; belongs to one account only
    account_id         integer NOT NULL REFERENCES accounts,
    subaccount_id      integer NOT NULL DEFAULT 0,
    shared             boolean NOT NULL DEFAULT false, -- subaccounts may send from it
    is_default_bounce  boolean NOT NULL DEFAULT false,
    tracking_domain    text,
    status             jsonb NOT NULL DEFAULT '{}',    -- dkim_status, cname_status, mx_status, compliance_status ...
    trusted            boolean NOT NULL DEFAULT false, -- verified by an operator's word (homing domain add --trust)
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sending_domains_account ON sending_domains (account_id, subaccount_id);

CREATE TABLE dkim_keys (
    domain         text NOT NULL REFERENCES sending_domains ON DELETE CASCADE,
    key_id         text NOT NULL,                      -- 'default', or the caller's name
    algorithm      text NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    selector       text NOT NULL,
    signing_domain text NOT NULL,
    private_sealed bytea NOT NULL,                     -- PKCS#8 DER under the master key, purpose 'dkim'
    public_key     text NOT NULL,                      -- bare base64, as in the p= tag
    key_bits       integer NOT NULL,
    status         text NOT NULL DEFAULT 'unverified',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (domain, key_id, algorithm)
);

-- recipients ---------------------------------------------------------------------------------------------------------

CREATE TABLE suppressions (
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL DEFAULT 0,
    recipient     text NOT NULL,                       -- lower case
    type          text NOT NULL CHECK (type IN ('transactional', 'non_transactional')),
    list_id       text NOT NULL DEFAULT '',            -- '' : the whole account
    source        text NOT NULL,
    description   text NOT NULL DEFAULT '',
    provenance    text,                                -- the event or import that put it there
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, subaccount_id, recipient, type, list_id)
);
CREATE INDEX suppressions_updated ON suppressions (account_id, updated_at, recipient, type, subaccount_id, list_id);

CREATE TABLE bounce_strikes (                          -- refusals that suppress only when they repeat
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL DEFAULT 0,
    recipient     text NOT NULL,
    subclass      text NOT NULL,
    day           date NOT NULL,
    PRIMARY KEY (account_id, subaccount_id, recipient, subclass, day)
);

-- egress -------------------------------------------------------------------------------------------------------------

CREATE TABLE ip_pools (
    account_id     integer NOT NULL REFERENCES accounts,
    pool_id        text NOT NULL,
    name           text NOT NULL,
    signing_domain text,
    PRIMARY KEY (account_id, pool_id)
);

CREATE TABLE pool_ips (
    account_id integer NOT NULL,
    pool_id    text NOT NULL,
    address    inet NOT NULL,
    ehlo       text NOT NULL,
    PRIMARY KEY (account_id, pool_id, address),
    FOREIGN KEY (account_id, pool_id) REFERENCES ip_pools ON DELETE CASCADE
);

-- queue: shards and their owners -------------------------------------------------------------------------------------

CREATE TABLE workers (
    worker_id    text PRIMARY KEY,
    node         text NOT NULL,
    pid          integer NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shards (
    shard smallint PRIMARY KEY,
    owner text,                                        -- workers.worker_id; NULL: free
    epoch bigint NOT NULL DEFAULT 0                    -- grows with every change of owner
);
INSERT INTO shards (shard) SELECT generate_series(0, 63);

-- queue: what waits --------------------------------------------------------------------------------------------------

CREATE TABLE chunks (                                  -- content, once for up to 1,000 recipients
    shard           smallint NOT NULL,
    chunk_id        bytea NOT NULL,
    transmission_id bytea NOT NULL,
    account_id      integer NOT NULL,
    pending         integer NOT NULL,                  -- entries that still wait
    facts           bytea NOT NULL,                    -- msgpack of spool.ChunkFacts
    content         bytea NOT NULL,                    -- msgpack of spool.Content
    PRIMARY KEY (shard, chunk_id)
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- Uncompressed and, up to a page, in the row: compressing a 4 kB mail that leaves within a second is wasted work.
ALTER TABLE chunks ALTER content SET STORAGE EXTERNAL, ALTER facts SET STORAGE EXTERNAL;

CREATE TABLE queue_entries (                           -- one for each recipient who is owed an attempt
    shard        smallint NOT NULL,
    entry_id     bytea NOT NULL,                       -- the message id
    lane         bigint NOT NULL,
    due_at       timestamptz NOT NULL,                 -- always the true time of the next attempt
    expires_at   timestamptz NOT NULL,
    chunk_id     bytea NOT NULL,
    recipient    text NOT NULL,                        -- as submitted
    tries        smallint NOT NULL DEFAULT 0,
    last_attempt text,                                 -- the last reply, shortened
    detail       bytea,                                -- msgpack of spool.RecipientDetail; NULL: nothing differs
    PRIMARY KEY (shard, entry_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX queue_entries_due ON queue_entries (shard, lane, due_at, entry_id);

CREATE TABLE lanes (                                   -- what a lane number stands for
    shard         smallint NOT NULL,
    lane          bigint NOT NULL,
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL,
    campaign_id   text NOT NULL,                       -- '': none
    domain        text NOT NULL,                       -- routing domain, lower case, A-labels
    PRIMARY KEY (shard, lane)
);

CREATE TABLE inbox (                                   -- what others want of a shard; its owner obeys and deletes
    shard      smallint NOT NULL,
    item_id    bigint GENERATED ALWAYS AS IDENTITY,
    kind       text NOT NULL,
    account_id integer NOT NULL,
    payload    bytea NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, item_id)
);
ALTER TABLE inbox ALTER payload SET STORAGE EXTERNAL;

CREATE TABLE holds (                                   -- one row stops a site, domain, lane, campaign or customer
    hold_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    scope      text NOT NULL CHECK (scope IN ('site', 'domain', 'campaign', 'customer')),
    key        text NOT NULL,
    account_id integer,                                -- for campaign and customer
    until      timestamptz,                            -- NULL: until somebody resumes
    reason     text NOT NULL,
    last_reply text,
    source_ip  text NOT NULL DEFAULT '',               -- a site may refuse one address of ours only
    placed_by  text NOT NULL,                          -- 'delivery', or an operator
    placed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX holds_one ON holds (scope, key, coalesce(account_id, 0), source_ip);

-- events -------------------------------------------------------------------------------------------------------------

CREATE TABLE events (                                  -- append-only; a shard's events have one order: seq
    day              date NOT NULL,                    -- of appending
    shard            smallint NOT NULL,
    seq              bigint NOT NULL,                  -- epoch of the owner and a counter: grows, with gaps
    at               timestamptz NOT NULL,             -- when it happened
    type             smallint NOT NULL,                -- events.types.EventType
    account_id       integer NOT NULL,
    subaccount_id    integer NOT NULL,
    message_id       bytea,
    transmission_id  bytea,
    recipient        text NOT NULL,                    -- lower case
    recipient_domain text NOT NULL,
    campaign_id      text NOT NULL,                    -- '': none
    detail           json NOT NULL                     -- the other fields, named as on the wire
) PARTITION BY RANGE (day);
ALTER TABLE events ADD PRIMARY KEY (shard, seq, day);
CREATE INDEX events_account ON events (account_id, at);
CREATE INDEX events_message ON events (message_id);
