-- Promises with a time. A row is a cache of what the events of its subject say; the nightly audit compares the two.

CREATE TABLE clocks (
    subject        text NOT NULL,                       -- 'case', or what another room of support keeps clocks for
    subject_id     bigint NOT NULL,
    number         smallint NOT NULL,                   -- 1, 2, ... in the order in which they started
    account_id     integer REFERENCES accounts,         -- NULL: whose it is is not known
    kind           text NOT NULL,                       -- support.clocks.types.Kind
    nature         text NOT NULL,
    zone           text,                                -- pinned at the start; NULL: it runs on the wall
    holiday_set    text,
    order_form_id  integer,
    budget_s       integer NOT NULL CHECK (budget_s >= 0),
    started_at     timestamptz NOT NULL,
    state          text NOT NULL,
    due_at         timestamptz,
    elapsed_s      integer NOT NULL,                    -- as of read_at
    remaining_s    integer NOT NULL,
    spans          jsonb NOT NULL,
    outcome        text,
    outcome_at     timestamptz,
    ended_at       timestamptz,
    reached_at     timestamptz,
    remark         text NOT NULL DEFAULT '',
    void           jsonb,
    marks          jsonb NOT NULL,                      -- all that this row was computed from
    hours_version  integer NOT NULL DEFAULT 0,          -- which edition of the calendar it was computed with
    holiday_change integer NOT NULL DEFAULT 0,
    read_at        timestamptz NOT NULL,
    PRIMARY KEY (subject, subject_id, number),
    CONSTRAINT contractual_is_in_the_contract CHECK ((nature = 'contractual') <= (kind IN ('CALLBACK', 'CADENCE'))),
    CONSTRAINT a_call_back_never_waits CHECK (kind <> 'CALLBACK' OR state NOT IN ('paused', 'superseded'))
);
CREATE INDEX clocks_due ON clocks (due_at) WHERE state = 'running';
CREATE INDEX clocks_open ON clocks (zone, holiday_set) WHERE state IN ('running', 'paused');
CREATE INDEX clocks_account ON clocks (account_id, started_at);

CREATE FUNCTION clocks_outcome_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'clock % of % % is decided: %', OLD.number, OLD.subject, OLD.subject_id, OLD.outcome;
END $$;
CREATE TRIGGER outcome_once BEFORE UPDATE ON clocks FOR EACH ROW
    WHEN (OLD.outcome IS NOT NULL AND (NEW.outcome, NEW.outcome_at) IS DISTINCT FROM (OLD.outcome, OLD.outcome_at))
    EXECUTE FUNCTION clocks_outcome_once();
CREATE TRIGGER never_dropped BEFORE DELETE OR TRUNCATE ON clocks FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE TABLE clock_audits (                             -- one a day
    day       date PRIMARY KEY,
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz,                              -- NULL: under way, or its worker died
    subjects  integer NOT NULL DEFAULT 0,
    clocks    integer NOT NULL DEFAULT 0,
    findings  jsonb NOT NULL DEFAULT '[]'
);
