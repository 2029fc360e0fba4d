-- The Severity 1 Line (clauses F2 to F4): calls taken in, call-backs owed, attempts, recordings.

CREATE TABLE line_calls (                                -- CallIntake of the model; written before the first word is spoken
    intake_id      bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    carrier        text NOT NULL,                        -- name in the carriers' file; 'form' and 'api' are ours
    call_id        text NOT NULL,                        -- opaque
    source         text NOT NULL,                        -- support.line.types.Source
    reference      text NOT NULL UNIQUE,                 -- what we tell the caller
    caller         text NOT NULL DEFAULT '',             -- E.164; '': withheld. A hint, never a proof
    called         text NOT NULL DEFAULT '',
    attestation    text NOT NULL DEFAULT '',             -- what the carrier says of the caller's number
    first_ring_at  timestamptz NOT NULL,
    taken_at       timestamptz NOT NULL,                 -- when this row was made
    state          jsonb NOT NULL,                       -- support.line.types.CallState
    account_id     integer REFERENCES accounts,          -- NULL: it is not known whose call this is
    contact_id     integer,
    proof          text NOT NULL DEFAULT 'none',
    entitlement    text NOT NULL DEFAULT 'unknown',
    decide_by      timestamptz NOT NULL,                 -- on the entitlement (E16)
    decision       jsonb,                                -- who decided, when, by which clause, which way is offered instead
    sequence       integer NOT NULL DEFAULT -1,          -- of the last status callback that counted
    accepted_by    integer REFERENCES staff,             -- pressed 1 in the live hunt
    ended_at       timestamptz,
    partial        boolean NOT NULL DEFAULT false,       -- he hung up before the end
    linked_to      bigint REFERENCES line_calls,         -- the same customer was waiting already (E12)
    paged_at       timestamptz,                          -- NULL: the ladder must still be started
    case_ref       text,                                 -- NULL: a case must still be opened
    written_at     timestamptz,                          -- a mail went out because there is no number (E13), or he was not reached (E14)
    UNIQUE (carrier, call_id)
);
CREATE INDEX line_calls_account ON line_calls (account_id, first_ring_at);
CREATE INDEX line_calls_caller ON line_calls (caller, first_ring_at) WHERE caller <> '';
CREATE INDEX line_calls_unpaged ON line_calls (intake_id) WHERE paged_at IS NULL;
CREATE INDEX line_calls_caseless ON line_calls (intake_id) WHERE case_ref IS NULL;

CREATE TABLE line_turns (                                -- what was answered: a repeated request gets the same answer
    intake_id  bigint NOT NULL REFERENCES line_calls,
    step       text NOT NULL,
    turn       integer NOT NULL,
    digits     bytea NOT NULL,                           -- keyed digest; a PIN is kept nowhere
    document   jsonb NOT NULL,
    at         timestamptz NOT NULL,
    PRIMARY KEY (intake_id, step, turn, digits)
);

CREATE TABLE line_events (                               -- what happened; rows are only ever added
    event_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    intake_id  bigint NOT NULL REFERENCES line_calls,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,                            -- 'carrier', 'staff 3', 'homing'
    kind       text NOT NULL,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX line_events_intake ON line_events (intake_id, event_id);
CREATE INDEX line_events_wrong_pins ON line_events (at) WHERE kind = 'wrong pin';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON line_events FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE line_obligations (                          -- clause F4: exactly one for each intake
    obligation_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    intake_id     bigint NOT NULL UNIQUE REFERENCES line_calls,
    due_at        timestamptz NOT NULL,                  -- can only become earlier
    claimed_by    integer REFERENCES staff,
    claim_until   timestamptz,                           -- NULL while an attempt is under way
    returned_at   timestamptz,                           -- the first attempt that counts was placed then
    connected_at  timestamptz,                           -- and somebody was reached
    engaged_at    timestamptz,                           -- the call was taken, and the caller wants no other
    outcome       text CHECK (outcome IN ('met', 'missed', 'void')),
    outcome_at    timestamptz,
    next_try_at   timestamptz,                           -- to reach somebody who was called and not reached (E14)
    voids         jsonb NOT NULL DEFAULT '[]',           -- who wants it void, and why; two people make it so
    voided_at     timestamptz                            -- counted apart; what was missed stays missed
);
CREATE INDEX line_obligations_open ON line_obligations (due_at) WHERE outcome IS NULL;
CREATE INDEX line_obligations_retry ON line_obligations (next_try_at) WHERE next_try_at IS NOT NULL;

CREATE FUNCTION line_obligations_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.due_at > OLD.due_at THEN
        RAISE EXCEPTION 'a call-back is never put off (obligation %)', OLD.obligation_id;
    END IF;
    IF OLD.outcome IS NOT NULL AND (NEW.outcome, NEW.outcome_at) IS DISTINCT FROM (OLD.outcome, OLD.outcome_at) THEN
        RAISE EXCEPTION 'obligation % is decided: %', OLD.obligation_id, OLD.outcome;
    END IF;
    IF (NEW.outcome = 'void' OR NEW.voided_at IS NOT NULL) AND jsonb_array_length(NEW.voids) < 2 THEN
        RAISE EXCEPTION 'two people make a call-back void (obligation %)', OLD.obligation_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE ON line_obligations FOR EACH ROW EXECUTE FUNCTION line_obligations_once();
CREATE TRIGGER never_dropped BEFORE DELETE OR TRUNCATE ON line_obligations FOR EACH STATEMENT
    EXECUTE FUNCTION audit_append_only();

CREATE TABLE line_attempts (
    attempt_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    obligation_id bigint NOT NULL REFERENCES line_obligations,
    person_id     integer NOT NULL REFERENCES staff,
    carrier       text NOT NULL,
    number        text NOT NULL,                         -- the customer's
    status        text NOT NULL,                         -- support.line.types.AttemptStatus
    created_at    timestamptz NOT NULL,
    rep_call_id   text NOT NULL DEFAULT '',
    call_id       text NOT NULL DEFAULT '',              -- of the customer's leg
    accepted_at   timestamptz,                           -- the carrier took that leg
    evidence_at   timestamptz,                           -- the first event that shows ringing
    placed_at     timestamptz,                           -- both: now it counts
    connected_at  timestamptz,
    ended_at      timestamptz,
    result        text NOT NULL DEFAULT '',              -- chosen by the representative
    sequence      integer NOT NULL DEFAULT -1
);
CREATE INDEX line_attempts_obligation ON line_attempts (obligation_id);
CREATE INDEX line_attempts_moving ON line_attempts (attempt_id) WHERE ended_at IS NULL;

CREATE TABLE line_recordings (
    recording_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    intake_id    bigint NOT NULL REFERENCES line_calls,
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
    key_sealed   bytea,                                  -- its own key, under the master key, purpose 'line recording'
    content      bytea,                                  -- under that key
    kept_at      timestamptz,
    erase_at     timestamptz,
    at_carrier   boolean NOT NULL DEFAULT true,          -- the carrier still has it
    UNIQUE (intake_id, step, turn)
);
CREATE INDEX line_recordings_due ON line_recordings (due_at) WHERE state = 'waiting' OR (state = 'kept' AND at_carrier);
CREATE INDEX line_recordings_erase ON line_recordings (erase_at) WHERE state = 'kept';

CREATE TABLE line_tests (                                -- calls of our own, to hear whether the line is open
    test_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    carrier    text NOT NULL,
    number     text NOT NULL,
    made_at    timestamptz NOT NULL,
    seen_at    timestamptz,                              -- its webhook came
    call_id    text NOT NULL DEFAULT '',
    outcome    text CHECK (outcome IN ('heard', 'silent'))
);
CREATE INDEX line_tests_open ON line_tests (carrier, number, made_at);

CREATE TABLE line_chores (                               -- what is done every so often by whichever worker comes to it
    name    text PRIMARY KEY,
    done_at timestamptz NOT NULL
);

CREATE TABLE line_pages (                                -- pages to everybody by mail, where no on-call room is wired
    page_id       bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    reason        text NOT NULL,
    reference     text NOT NULL,
    obligation_id bigint REFERENCES line_obligations,
    first_ring_at timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,
    noted_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_to       integer                                -- people; NULL: not sent yet
);
CREATE INDEX line_pages_unsent ON line_pages (page_id) WHERE sent_to IS NULL;
