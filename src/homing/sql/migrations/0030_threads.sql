-- A TAM's own number and address, and the thread of each account: what is said between it and its TAM outside of cases.

CREATE TABLE thread_ways (                                  -- numbers and addresses of ours that lead to a TAM
    way_id      integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind        text NOT NULL CHECK (kind IN ('phone', 'e-mail')),
    address     text NOT NULL UNIQUE,                    -- E.164, or lower case
    carrier     text NOT NULL DEFAULT '',                -- of a number: its name in the carriers' file
    person_id   integer REFERENCES staff,                -- of this TAM, for all of his accounts
    account_id  integer REFERENCES accounts,             -- of this account, whoever its TAM is
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by text NOT NULL,
    CONSTRAINT of_a_tam_or_an_account CHECK (num_nonnulls(person_id, account_id) = 1)
);

CREATE TABLE threads (
    account_id integer PRIMARY KEY REFERENCES accounts,
    last       integer NOT NULL DEFAULT 0                -- number of its last message
);

CREATE TABLE thread_calls (                                 -- written before the first word is spoken
    call_ref       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    carrier        text NOT NULL,
    call_id        text NOT NULL,                        -- opaque
    caller         text NOT NULL DEFAULT '',             -- E.164; '': withheld. A hint, never a proof
    called         text NOT NULL DEFAULT '',
    person_id      integer REFERENCES staff,             -- the TAM whom it is for; NULL: nobody is
    account_id     integer REFERENCES accounts,          -- NULL: it is not known whose call this is
    contact_id     integer,
    first_ring_at  timestamptz NOT NULL,
    state          jsonb NOT NULL,                       -- support.threads.types.OwnState
    sequence       integer NOT NULL DEFAULT -1,          -- of the last status callback that counted
    accepted_by    integer REFERENCES staff,             -- pressed 1 when he was rung
    ended_at       timestamptz,
    told_at        timestamptz,                          -- it is in the thread, or in quarantine
    handed_to      bigint REFERENCES line_calls,         -- the Severity 1 Line took it over
    look_at        timestamptz,                          -- when to ask the carrier what became of it; NULL: it is known
    looks          smallint NOT NULL DEFAULT 0,
    UNIQUE (carrier, call_id)
);
CREATE INDEX thread_calls_look ON thread_calls (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE thread_call_turns (                            -- what was answered: a repeated request gets the same answer
    call_ref bigint NOT NULL REFERENCES thread_calls,
    step     text NOT NULL,
    turn     integer NOT NULL,
    digest   bytea NOT NULL,
    document jsonb NOT NULL,
    PRIMARY KEY (call_ref, step, turn, digest)
);

CREATE TABLE thread_call_events (                           -- what happened; rows are only ever added
    event_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    call_ref bigint NOT NULL REFERENCES thread_calls,
    at       timestamptz NOT NULL,
    actor    text NOT NULL,
    kind     text NOT NULL,
    detail   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX thread_call_events_call ON thread_call_events (call_ref, event_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON thread_call_events FOR EACH STATEMENT
    EXECUTE FUNCTION audit_append_only();

CREATE TABLE thread_recordings (                            -- voicemail, as recordings of the Severity 1 Line are kept
    recording_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    call_ref     bigint NOT NULL REFERENCES thread_calls,
    step         text NOT NULL,
    turn         integer NOT NULL,
    sid          text NOT NULL DEFAULT '',
    url          text NOT NULL DEFAULT '',
    seconds      integer,
    state        text NOT NULL DEFAULT 'waiting',        -- waiting, kept, absent, refused, lost, erased
    why          text NOT NULL DEFAULT '',
    tries        integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,
    size_bytes   integer,
    sha256       bytea,                                  -- stays when the recording is erased
    key_sealed   bytea,                                  -- its own key, under the master key, purpose 'thread recording'
    content      bytea,                                  -- under that key
    kept_at      timestamptz,
    erase_at     timestamptz,
    at_carrier   boolean NOT NULL DEFAULT true,
    UNIQUE (call_ref, step, turn)
);
CREATE INDEX thread_recordings_due ON thread_recordings (due_at) WHERE state = 'waiting' OR (state = 'kept' AND at_carrier);
CREATE INDEX thread_recordings_erase ON thread_recordings (erase_at) WHERE state = 'kept';

CREATE TABLE thread_messages (                              -- of threads
    message_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,   -- the subject of its clock
    account_id  integer NOT NULL REFERENCES threads,
    number      integer NOT NULL,                        -- 1, 2, ... in the thread
    sort        text NOT NULL,                           -- support.threads.types.Sort
    side        text NOT NULL,
    actor       text NOT NULL,
    author      text NOT NULL,                           -- as shown
    contact_id  integer,                                 -- of the customer: who wrote, or whom we answered
    channel     text NOT NULL,
    verified    text NOT NULL,
    automatic   boolean NOT NULL,                        -- a machine wrote it: no clock begins or ends
    sender      text NOT NULL,                           -- address or number
    subject     text NOT NULL,
    body        text NOT NULL,
    remark      text NOT NULL DEFAULT '',
    mail_id     text NOT NULL DEFAULT '',                -- Message-ID without angles
    in_reply_to text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL,                    -- of what we wrote: when it was written
    sent_at     timestamptz,
    dedupe      bytea UNIQUE,
    call_ref    bigint REFERENCES thread_calls,
    promise     jsonb,                                   -- TAM_REPLY as it was started; NULL: none is owed
    answered_at timestamptz,
    answered_by integer,                                 -- number of the answer
    UNIQUE (account_id, number)
);
CREATE INDEX thread_messages_received ON thread_messages (account_id, received_at);
CREATE INDEX thread_messages_owed ON thread_messages (account_id, number) WHERE promise IS NOT NULL AND answered_at IS NULL;
CREATE INDEX thread_messages_mail ON thread_messages (mail_id) WHERE mail_id <> '';
CREATE INDEX thread_messages_sender ON thread_messages (sender, received_at) WHERE channel = 'e-mail' AND side = 'customer';
CREATE TRIGGER never_dropped BEFORE DELETE OR TRUNCATE ON thread_messages FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE thread_files (
    message_id bigint NOT NULL REFERENCES thread_messages,
    number     integer NOT NULL,
    name       text NOT NULL,
    kind       text NOT NULL,                            -- as the sender says
    size_bytes integer NOT NULL,
    sha256     text NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (message_id, number)
);

CREATE TABLE thread_letters (                               -- mail that a message owes to one person
    letter_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    message_id    bigint NOT NULL REFERENCES thread_messages,
    side          text NOT NULL,                         -- whose the reader is
    person_id     integer NOT NULL,                      -- contact or member of the staff
    email         text NOT NULL,
    made_at       timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    trouble       text NOT NULL DEFAULT '',
    sent_at       timestamptz,
    mail_id       text NOT NULL DEFAULT ''
);
CREATE INDEX thread_letters_due ON thread_letters (due_at) WHERE sent_at IS NULL;
CREATE INDEX thread_letters_message ON thread_letters (message_id);
CREATE INDEX thread_letters_mail ON thread_letters (mail_id) WHERE mail_id <> '';

CREATE TABLE thread_quarantine (                            -- mail and voicemail that nobody has vouched for
    quarantine_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    received_at   timestamptz NOT NULL,
    way_id        integer REFERENCES thread_ways ON DELETE SET NULL,
    person_id     integer REFERENCES staff,              -- the TAM whom it is for
    account_id    integer REFERENCES accounts,           -- whose thread it claims to belong to
    sender        text NOT NULL,                         -- address or number
    subject       text NOT NULL,
    reason        text NOT NULL,
    automatic     boolean NOT NULL,
    raw           bytea NOT NULL DEFAULT '',             -- of a mail
    dedupe        bytea UNIQUE,
    call_ref      bigint UNIQUE REFERENCES thread_calls,    -- of a voicemail
    decided_at    timestamptz,
    decided_by    text NOT NULL DEFAULT '',
    released_to   integer REFERENCES accounts            -- NULL: discarded
);
CREATE INDEX thread_quarantine_open ON thread_quarantine (quarantine_id) WHERE decided_at IS NULL;
CREATE INDEX thread_quarantine_sender ON thread_quarantine (sender, received_at);

-- What the stream of oversight reads, newest first.
CREATE INDEX cases_updated ON cases (account_id, updated_at);
CREATE INDEX case_messages_received ON case_messages (received_at);
CREATE INDEX clocks_owed ON clocks (account_id, due_at) WHERE ended_at IS NULL;
CREATE INDEX clocks_news ON clocks (account_id, (coalesce(ended_at, outcome_at, started_at)));
CREATE INDEX oncall_runs_account ON oncall_runs (account_id);
CREATE INDEX oncall_pages_made ON oncall_pages (made_at);
