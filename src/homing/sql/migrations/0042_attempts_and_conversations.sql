-- Before an attempt to call back is judged as not set up, its carrier is asked: the events may have been lost. Whoever takes a call
-- live holds it for as long as they talk.

ALTER TABLE line_attempts
    ADD COLUMN looks   smallint NOT NULL DEFAULT 0,           -- how often the carrier was asked; 3: it is not asked again
    ADD COLUMN look_at timestamptz;                           -- not before then again

ALTER TABLE line_calls ADD COLUMN accepted_at timestamptz;    -- when `accepted_by` pressed 1; NULL: before this was kept

ALTER TABLE oncall_runs ADD COLUMN claimed_until timestamptz; -- the claim is a conversation, until then at most; NULL: it is none
