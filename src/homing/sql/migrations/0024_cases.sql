-- Support Cases. Events are the truth and are only ever added; the row of a case is a cache of what follows from them.

CREATE TABLE cases (
    case_id       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 1001),   -- its number, as people say it
    account_id    integer NOT NULL REFERENCES accounts,
    state         text NOT NULL,                       -- support.cases.types.State
    severity      text NOT NULL,
    kind          text NOT NULL,
    source        text NOT NULL,
    service       text NOT NULL DEFAULT '',
    subject       text NOT NULL,
    owner_id      integer REFERENCES staff,
    contact_id    integer REFERENCES contacts,         -- who opened it
    reopened_from bigint REFERENCES cases,
    merged_into   bigint REFERENCES cases,
    opened_at     timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    begins_at     timestamptz,                         -- when an accepted cadence takes effect
    seq           integer NOT NULL,                    -- of the last event
    head          bytea NOT NULL,                      -- its hash
    CONSTRAINT an_open_case_has_an_owner CHECK (owner_id IS NOT NULL OR state NOT IN ('open', 'waiting_customer', 'resolution_proposed'))
);
CREATE INDEX cases_account ON cases (account_id, case_id);
CREATE INDEX cases_owner ON cases (owner_id) WHERE ended_at IS NULL;
CREATE INDEX cases_ended ON cases (ended_at) WHERE ended_at IS NOT NULL AND state NOT IN ('merged', 'archived');
CREATE INDEX cases_begins ON cases (begins_at) WHERE begins_at IS NOT NULL;
CREATE INDEX cases_proposed ON cases (case_id) WHERE state = 'resolution_proposed';

CREATE TABLE case_events (
    case_id   bigint NOT NULL REFERENCES cases,
    seq       integer NOT NULL,                        -- 1, 2, 3 ... without a gap
    at        timestamptz NOT NULL,                    -- by the clock of this server
    actor     text NOT NULL,
    side      text NOT NULL,
    payload   text NOT NULL,                           -- canonical JSON, support.cases.types.Payload
    prev_hash bytea NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (case_id, seq)
);
CREATE FUNCTION case_events_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE last record;
BEGIN
    SELECT seq, hash, at INTO last FROM case_events WHERE case_id = NEW.case_id ORDER BY seq DESC LIMIT 1;
    IF NEW.seq <> coalesce(last.seq, 0) + 1 OR NEW.prev_hash <> coalesce(last.hash, decode(repeat('00', 32), 'hex'))
       OR NEW.at < coalesce(last.at, NEW.at) THEN
        RAISE EXCEPTION 'event % of case % does not follow on the last one', NEW.seq, NEW.case_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER follows BEFORE INSERT ON case_events FOR EACH ROW EXECUTE FUNCTION case_events_follow();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_events FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE case_messages (
    case_id     bigint NOT NULL REFERENCES cases,
    number      integer NOT NULL,
    side        text NOT NULL,
    actor       text NOT NULL,
    author      text NOT NULL,                         -- as shown
    channel     text NOT NULL,
    purpose     text NOT NULL,
    verified    text NOT NULL,
    automatic   boolean NOT NULL,
    sender      text NOT NULL,                         -- address, lower case
    subject     text NOT NULL,
    body        text NOT NULL,
    remark      text NOT NULL DEFAULT '',
    message_id  text NOT NULL DEFAULT '',              -- without angles
    in_reply_to text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,
    sent_at     timestamptz,
    dedupe      bytea UNIQUE,                          -- of a mail: the same one again is the same message
    PRIMARY KEY (case_id, number)
);
CREATE INDEX case_messages_message_id ON case_messages (message_id) WHERE message_id <> '';
CREATE INDEX case_messages_sender ON case_messages (sender, received_at) WHERE channel = 'e-mail' AND side = 'customer';

CREATE TABLE case_attachments (
    case_id    bigint NOT NULL,
    message    integer NOT NULL,
    number     integer NOT NULL,
    name       text NOT NULL,
    kind       text NOT NULL,                          -- as the sender says
    size_bytes integer NOT NULL,
    sha256     text NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (case_id, message, number),
    FOREIGN KEY (case_id, message) REFERENCES case_messages
);

CREATE TABLE case_letters (                            -- mail that we owe to one person
    letter_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    case_id       bigint NOT NULL REFERENCES cases,
    message       integer NOT NULL,                    -- 0: the platform's own words
    purpose       text NOT NULL,
    version       integer NOT NULL DEFAULT 0,          -- of the proposal that it is about
    side          text NOT NULL,                       -- whose the reader is
    person_id     integer NOT NULL,                    -- contact or member of the staff
    email         text NOT NULL,
    made_at       timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    trouble       text NOT NULL DEFAULT '',
    sent_at       timestamptz,
    message_id    text NOT NULL DEFAULT '',            -- without angles
    used_at       timestamptz                          -- its link or address was used; it serves once
);
CREATE INDEX case_letters_due ON case_letters (due_at) WHERE sent_at IS NULL;
CREATE INDEX case_letters_case ON case_letters (case_id, letter_id);
CREATE INDEX case_letters_message_id ON case_letters (message_id) WHERE message_id <> '';

CREATE TABLE case_quarantine (                         -- mail that nobody has vouched for
    quarantine_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    received_at   timestamptz NOT NULL,
    sender        text NOT NULL,
    subject       text NOT NULL,
    reason        text NOT NULL,
    case_id       bigint REFERENCES cases,             -- that it claims to belong to
    account_id    integer REFERENCES accounts,         -- whose the sender may be
    automatic     boolean NOT NULL,
    raw           bytea NOT NULL,
    dedupe        bytea NOT NULL UNIQUE,
    decided_at    timestamptz,
    decided_by    text NOT NULL DEFAULT '',
    released_to   bigint REFERENCES cases              -- NULL: discarded
);
CREATE INDEX case_quarantine_open ON case_quarantine (quarantine_id) WHERE decided_at IS NULL;
CREATE INDEX case_quarantine_sender ON case_quarantine (sender, received_at);
