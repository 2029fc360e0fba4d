-- Who decided, and when something was known: what a customer was promised is not changed after the fact without his seeing it.

-- availability: exclusions are decided by members of the staff. NULL: under a name that was typed, before this; it keeps what it says.
ALTER TABLE availability_exclusions
    ADD COLUMN proposed_by_id  integer REFERENCES staff,
    ADD COLUMN approved_by_id  integer REFERENCES staff,
    ADD COLUMN withdrawn_by_id integer REFERENCES staff,
    ADD CONSTRAINT two_people CHECK (approved_by_id <> proposed_by_id);
