-- Imports of suppressions: what was brought, how far it is, and what was refused (the rows themselves name their import as
-- their provenance). And lists of addresses to be validated.

CREATE TABLE suppression_imports (
    import_id      uuid PRIMARY KEY,
    account_id     integer NOT NULL REFERENCES accounts,
    subaccount_id  integer NOT NULL DEFAULT 0,
    any_subaccount boolean NOT NULL DEFAULT false,     -- rows may name a subaccount
    by_command     boolean NOT NULL DEFAULT false,     -- a `homing` command does it itself; no worker takes it
    key_id         bigint NOT NULL DEFAULT 0,          -- of the API call
    name           text NOT NULL DEFAULT '',           -- of the file
    form           text NOT NULL,
    kind           text NOT NULL DEFAULT '',
    type           text NOT NULL DEFAULT '',
    state          text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    why            text NOT NULL DEFAULT '',           -- it failed
    size_bytes     bigint NOT NULL DEFAULT 0,
    bytes_done     bigint NOT NULL DEFAULT 0,
    records        bigint NOT NULL DEFAULT 0,          -- read so far; whoever goes on passes over as many
    added          bigint NOT NULL DEFAULT 0,
    updated        bigint NOT NULL DEFAULT 0,
    unchanged      bigint NOT NULL DEFAULT 0,
    refused        bigint NOT NULL DEFAULT 0,
    made_at        timestamptz NOT NULL DEFAULT now(),
    began_at       timestamptz,
    ended_at       timestamptz,
    claimed_by     text NOT NULL DEFAULT '',
    claimed_until  timestamptz                         -- a worker is at it; if it dies, another goes on then
);
CREATE INDEX suppression_imports_account ON suppression_imports (account_id, made_at);
CREATE INDEX suppression_imports_open ON suppression_imports (made_at) WHERE state IN ('waiting', 'running');

CREATE TABLE suppression_import_refusals (             -- the first ones of each import
    import_id uuid NOT NULL REFERENCES suppression_imports ON DELETE CASCADE,
    line      bigint NOT NULL,
    text      text NOT NULL,
    reason    text NOT NULL,
    PRIMARY KEY (import_id, line)
);

CREATE TABLE validation_lists (
    list_id       uuid PRIMARY KEY,
    account_id    integer NOT NULL REFERENCES accounts,
    subaccount_id integer NOT NULL DEFAULT 0,
    any_subaccount boolean NOT NULL DEFAULT false,     -- the log of all subaccounts is asked
    name          text NOT NULL DEFAULT '',            -- of the file
    addresses     integer NOT NULL,
    pieces        integer NOT NULL,
    pieces_done   integer NOT NULL DEFAULT 0,
    counts        jsonb NOT NULL DEFAULT '{}',         -- result -> addresses, so far
    state         text NOT NULL DEFAULT 'uploaded' CHECK (state IN ('uploaded', 'waiting', 'running', 'done', 'failed')),
    uploaded_at   timestamptz NOT NULL DEFAULT now(),
    triggered_at  timestamptz,
    ended_at      timestamptz,
    claimed_by    text NOT NULL DEFAULT '',
    claimed_until timestamptz                          -- a worker is at it; if it dies, another goes on then
);
CREATE INDEX validation_lists_account ON validation_lists (account_id, uploaded_at);
CREATE INDEX validation_lists_open ON validation_lists (triggered_at) WHERE state IN ('waiting', 'running');

CREATE TABLE validation_pieces (                       -- up to 1,000 addresses each
    list_id   uuid NOT NULL REFERENCES validation_lists ON DELETE CASCADE,
    piece     integer NOT NULL,
    addresses bytea NOT NULL,                          -- msgpack of texts, deflated
    results   bytea,                                   -- lines of CSV, deflated; NULL: not yet
    PRIMARY KEY (list_id, piece)
);
