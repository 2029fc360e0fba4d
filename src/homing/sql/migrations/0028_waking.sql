-- What the Severity 1 Line, on-call, cases and the ledger tell one another.

ALTER TABLE oncall_runs ADD COLUMN made_at timestamptz NOT NULL DEFAULT clock_timestamp();  -- started_at is earlier where a call became known late
ALTER TABLE oncall_runs ADD COLUMN unheard_at timestamptz;  -- everybody was written to, since this ladder wakes nobody
CREATE INDEX oncall_runs_going ON oncall_runs (obligation) WHERE ended_at IS NULL;

ALTER TABLE line_calls ADD COLUMN before_cases boolean NOT NULL DEFAULT false;  -- it came when calls opened no cases
UPDATE line_calls SET before_cases = true WHERE case_ref IS NULL;
ALTER TABLE line_calls ADD COLUMN told text[] NOT NULL DEFAULT '{}';  -- what its case knows of the call
ALTER TABLE line_obligations ADD COLUMN answered_by integer REFERENCES staff;  -- the first who was woken and said something
ALTER TABLE line_obligations ADD COLUMN answered_at timestamptz;
CREATE INDEX line_calls_rang ON line_calls (first_ring_at);
CREATE INDEX line_calls_case ON line_calls (case_ref) WHERE case_ref IS NOT NULL;
CREATE INDEX line_pages_obligation ON line_pages (obligation_id, reason);
ALTER TABLE line_tests ADD COLUMN wakes integer REFERENCES staff;  -- whom a test call wakes when it is heard

CREATE TABLE line_page_calls (                           -- calls that wake somebody of ours
    carrier    text NOT NULL,
    call_id    text NOT NULL,                            -- opaque
    page_id    bigint NOT NULL REFERENCES oncall_pages ON DELETE CASCADE,
    placed_at  timestamptz NOT NULL,
    keys       text NOT NULL DEFAULT '',                 -- pressed so far, one for each turn
    sequence   integer NOT NULL DEFAULT -1,              -- of the last status callback that counted
    status     text NOT NULL DEFAULT '',                 -- support.line.types.CallStatus, at its end
    ended_at   timestamptz,
    PRIMARY KEY (carrier, call_id)
);
CREATE INDEX line_page_calls_open ON line_page_calls (placed_at) WHERE ended_at IS NULL;

CREATE TABLE case_extracts (                             -- of the ledger, for a case that became critical (model, E17)
    case_id  bigint NOT NULL REFERENCES cases,
    seq      integer NOT NULL,                           -- the event by which it did
    after_s  integer NOT NULL,
    due_at   timestamptz NOT NULL,
    done_at  timestamptz,
    PRIMARY KEY (case_id, seq, after_s)
);
CREATE INDEX case_extracts_due ON case_extracts (due_at) WHERE done_at IS NULL;

ALTER TABLE availability_findings ADD COLUMN told_at timestamptz;  -- somebody was woken for it, or written to
UPDATE availability_findings SET told_at = found_at;
CREATE INDEX availability_findings_untold ON availability_findings (finding_id) WHERE told_at IS NULL;
