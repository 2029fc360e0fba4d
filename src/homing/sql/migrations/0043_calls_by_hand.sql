-- Call-backs that somebody of the staff dialled by hand, since no carrier of ours would: told by him, proven by no carrier.

CREATE TABLE line_hand_calls (                           -- rows are only ever added; none of them counts as an attempt
    hand_call_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    obligation_id bigint NOT NULL REFERENCES line_obligations,
    person_id     integer NOT NULL REFERENCES staff,     -- who dialled, and says so
    number        text NOT NULL,                         -- the customer's
    called_at     timestamptz NOT NULL,                  -- as he says
    reached       boolean NOT NULL,                      -- somebody, as he says
    evidence      text NOT NULL,                         -- how it is known
    recorded_at   timestamptz NOT NULL,
    UNIQUE (obligation_id, person_id, number, called_at)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON line_hand_calls FOR EACH STATEMENT
    EXECUTE FUNCTION audit_append_only();

-- Whoever is refused is told (invariant 14). Refusals of before were told by people, or not; nobody is written to about them now.

ALTER TABLE line_calls ADD COLUMN refusal_told_at timestamptz;
UPDATE line_calls SET refusal_told_at = clock_timestamp() WHERE entitlement = 'no';
CREATE INDEX line_calls_refused ON line_calls (intake_id) WHERE entitlement = 'no' AND refusal_told_at IS NULL;
