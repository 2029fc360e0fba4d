-- Recipient lists, and the transmissions that are written down whole before they become messages: scheduled ones, and those
-- to a stored list. A single immediate message writes nothing here.

CREATE TABLE recipient_lists (
    account_id          integer NOT NULL,
    list_id             text NOT NULL,                 -- as the customer spells it, up to 64 bytes
    snapshot            bigint NOT NULL,               -- which recipient_pieces are its recipients now
    name                text NOT NULL,
    description         text NOT NULL DEFAULT '',
    attributes          bytea NOT NULL,                -- JSON object, the customer's own
    recipients          integer NOT NULL,
    return_path_domains text[] NOT NULL DEFAULT '{}',  -- of recipients that name an envelope sender of their own
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, list_id)
);
CREATE SEQUENCE recipient_snapshots;

CREATE TABLE recipient_pieces (                        -- never changed: a list that gets other recipients gets another snapshot
    snapshot   bigint NOT NULL,
    piece      integer NOT NULL,                       -- from 0, in the order given
    recipients integer NOT NULL,                       -- up to 1,000
    size_bytes integer NOT NULL,                       -- unpacked
    packed     bytea NOT NULL,                         -- zlib of msgpack of [email, domain, detail]
    PRIMARY KEY (snapshot, piece)
);
ALTER TABLE recipient_pieces ALTER packed SET STORAGE EXTERNAL;

CREATE TABLE transmissions (
    transmission_id bytea PRIMARY KEY,
    account_id      integer NOT NULL,
    subaccount_id   integer NOT NULL,
    campaign_id     text NOT NULL,                     -- '': none
    description     text NOT NULL,
    template_id     text NOT NULL,                     -- '': inline
    list_id         text NOT NULL,                     -- of recipient_lists; '': the recipients came inline
    snapshot        bigint,
    scheduled       boolean NOT NULL,
    start_at        timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    recipients      integer NOT NULL,
    facts           bytea NOT NULL,                    -- msgpack of spool.ChunkFacts
    content         bytea NOT NULL,                    -- msgpack of spool.Content; emptied once every message is made
    expanded_at     timestamptz,                       -- every message is in the queue; NULL: inbox rows are left
    canceled_at     timestamptz
);
ALTER TABLE transmissions ALTER content SET STORAGE EXTERNAL;
CREATE INDEX transmissions_account ON transmissions (account_id, start_at);
CREATE INDEX transmissions_open ON transmissions (transmission_id) WHERE expanded_at IS NULL;

ALTER TABLE inbox ADD COLUMN transmission_id bytea;    -- whose share it is; NULL: of none that is written down
CREATE INDEX inbox_transmission ON inbox (transmission_id) WHERE transmission_id IS NOT NULL;
