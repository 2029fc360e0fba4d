-- Before an attempt to call back is judged as not set up, its carrier is asked: the events may have been lost.

ALTER TABLE line_attempts
    ADD COLUMN looks   smallint NOT NULL DEFAULT 0,           -- how often the carrier was asked; 3: it is not asked again
    ADD COLUMN look_at timestamptz;                           -- not before then again
