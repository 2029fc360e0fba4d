-- Mail about cases that was accepted for delivery, and did not arrive.

ALTER TABLE case_letters ADD COLUMN returned text NOT NULL DEFAULT '';  -- why it did not arrive
