-- Who decided, and when something was known: what a customer was promised is not changed after the fact without his seeing it.

-- availability: exclusions are decided by members of the staff. NULL: under a name that was typed, before this; it keeps what it says.
ALTER TABLE availability_exclusions
    ADD COLUMN proposed_by_id  integer REFERENCES staff,
    ADD COLUMN approved_by_id  integer REFERENCES staff,
    ADD COLUMN withdrawn_by_id integer REFERENCES staff,
    ADD CONSTRAINT two_people CHECK (approved_by_id <> proposed_by_id);

-- contracts: when it was recorded that something ends. NULL: with itself, or it does not end. What a month was judged by is what
-- was recorded when it ended; a later record ends another one earlier, and must not hide for how long that one was known.
ALTER TABLE order_forms ADD COLUMN end_recorded_at timestamptz;
ALTER TABLE tam_assignments ADD COLUMN end_recorded_at timestamptz;
UPDATE order_forms a SET end_recorded_at = b.recorded_at FROM order_forms b
WHERE b.account_id = a.account_id AND b.service = a.service AND lower(b.period) = upper(a.period) AND b.recorded_at > a.recorded_at;
UPDATE tam_assignments a SET end_recorded_at = b.recorded_at FROM tam_assignments b
WHERE b.account_id = a.account_id AND lower(b.period) = upper(a.period) AND b.recorded_at > a.recorded_at;

ALTER TABLE covers ADD COLUMN recorded_at timestamptz;                        -- NULL: before this was kept
ALTER TABLE covers ALTER COLUMN recorded_at SET DEFAULT clock_timestamp();
