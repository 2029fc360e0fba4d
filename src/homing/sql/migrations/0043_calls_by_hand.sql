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
