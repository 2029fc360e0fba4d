-- Batches of events that customers hand in from other platforms: kept until they are read, and some days to be looked at.

CREATE TABLE ingest_batches (
    batch_id       uuid PRIMARY KEY,
    account_id     integer NOT NULL REFERENCES accounts,
    subaccount_id  integer NOT NULL,
    any_subaccount boolean NOT NULL,                   -- its events may name a subaccount
    received_at    timestamptz NOT NULL,
    shares         integer NOT NULL DEFAULT 0,
    asked          integer NOT NULL DEFAULT 0,         -- the last share that a shard was asked to read
    ended_at       timestamptz                         -- every share is read
);
CREATE INDEX ingest_batches_open ON ingest_batches (account_id) WHERE ended_at IS NULL;

CREATE TABLE ingest_shares (                           -- some lines of a batch, in order
    batch_id   uuid NOT NULL REFERENCES ingest_batches ON DELETE CASCADE,
    share      integer NOT NULL,                       -- from 0
    begins     integer NOT NULL,                       -- number of its first line, from 1
    packed     bytea NOT NULL,                         -- one gzip member
    succeeded  integer,                                -- NULL: not read yet
    duplicates integer,
    failed     integer,
    failures   bytea,                                  -- the lines that failed, one gzip member; NULL: none
    reason     text,                                   -- why the first of them failed
    PRIMARY KEY (batch_id, share)
);
ALTER TABLE ingest_shares ALTER packed SET STORAGE EXTERNAL, ALTER failures SET STORAGE EXTERNAL;

CREATE TABLE ingested_ids (                            -- which line an event id came with first; older ones are refused for their age
    account_id integer NOT NULL,
    id_hash    bytea NOT NULL,                         -- 16 bytes of SHA-256 of the event id
    batch_id   uuid NOT NULL,
    line       integer NOT NULL,
    day        date NOT NULL,
    PRIMARY KEY (account_id, id_hash)
);
CREATE INDEX ingested_ids_day ON ingested_ids (day);
