-- The TAM's programme: plans, reviews, recommendations, education; notes about trends. Events are the truth and are only ever added.

CREATE TABLE tam_records (                             -- a cache of what follows from tam_events
    record_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 1001),
    account_id integer NOT NULL REFERENCES accounts,
    kind       text NOT NULL,                          -- support.tam.types.RecordKind
    state      text NOT NULL,
    title      text NOT NULL,
    awaits     text,                                   -- whose move it is
    checks_at  timestamptz,                            -- when its check is run next; NULL: it has none, or not any more
    opened_at  timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at   timestamptz,
    seq        integer NOT NULL                        -- of the last event
);
CREATE INDEX tam_records_account ON tam_records (account_id, record_id);
CREATE INDEX tam_records_waiting ON tam_records (record_id) WHERE awaits = 'customer' AND ended_at IS NULL;
CREATE INDEX tam_records_checks ON tam_records (checks_at) WHERE checks_at IS NOT NULL;

CREATE TABLE tam_events (
    record_id bigint NOT NULL REFERENCES tam_records,
    seq       integer NOT NULL,                        -- 1, 2, 3 ... without a gap
    at        timestamptz NOT NULL,                    -- by the clock of this server
    actor     text NOT NULL,
    side      text NOT NULL,
    payload   text NOT NULL,                           -- JSON of support.tam.happened.Payload
    PRIMARY KEY (record_id, seq)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tam_events FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE tam_documents (                           -- what a review was prepared with, as it was at that moment
    record_id   bigint NOT NULL REFERENCES tam_records,
    number      integer NOT NULL,
    prepared_at timestamptz NOT NULL,
    prepared_by text NOT NULL,
    sha256      text NOT NULL,                         -- of data
    data        text NOT NULL,                         -- JSON of support.tam.document.Document, byte by byte
    words       text NOT NULL,                         -- the same to be read
    PRIMARY KEY (record_id, number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tam_documents
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE tam_checks (                              -- runs of checks of recommendations
    check_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    record_id bigint NOT NULL REFERENCES tam_records,
    at        timestamptz NOT NULL,
    passed    boolean,                                 -- NULL: nothing could be said
    result    text NOT NULL                            -- JSON of support.tam.types.Result
);
CREATE INDEX tam_checks_record ON tam_checks (record_id, check_id);

CREATE TABLE trend_notes (
    note_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 1001),
    title    text NOT NULL,
    body     text NOT NULL,
    provider text NOT NULL DEFAULT '',                 -- mailbox provider that it is about; '': none, or several
    trends   text NOT NULL DEFAULT '[]',               -- JSON of support.tam.rules.trends.Trend: across accounts, nobody's own
    first_on date,                                     -- days of UTC that the figures are of
    last_on  date,
    made_at  timestamptz NOT NULL,
    made_by  text NOT NULL,
    sent_at  timestamptz
);

CREATE TABLE trend_note_accounts (                     -- to whom a note was sent, with the account's own figures
    note_id    bigint NOT NULL REFERENCES trend_notes,
    account_id integer NOT NULL REFERENCES accounts,
    figures    text NOT NULL,                          -- JSON: provider -> support.tam.types.Counts
    added_at   timestamptz NOT NULL,
    sent_at    timestamptz,                            -- the first mail of it was accepted for delivery
    PRIMARY KEY (note_id, account_id)
);
CREATE INDEX trend_note_accounts_account ON trend_note_accounts (account_id, note_id);

CREATE TABLE tam_letters (                             -- mail that we owe to one person
    letter_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id    integer NOT NULL REFERENCES accounts,
    record_id     bigint REFERENCES tam_records,
    note_id       bigint REFERENCES trend_notes,
    purpose       text NOT NULL,
    version       integer NOT NULL DEFAULT 0,
    side          text NOT NULL,                       -- whose the reader is
    person_id     integer NOT NULL,
    email         text NOT NULL,
    subject       text NOT NULL,
    body          text NOT NULL,
    made_at       timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    trouble       text NOT NULL DEFAULT '',
    sent_at       timestamptz,
    message_id    text NOT NULL DEFAULT '',            -- without angles
    CONSTRAINT about_one_thing CHECK ((record_id IS NULL) <> (note_id IS NULL))
);
CREATE INDEX tam_letters_due ON tam_letters (due_at) WHERE sent_at IS NULL;
CREATE INDEX tam_letters_record ON tam_letters (record_id, letter_id);
