-- Until when somebody must have proved that a sending domain is his; then the name is free again.

ALTER TABLE sending_domains ADD COLUMN verify_by timestamptz DEFAULT now() + interval '14 days';  -- NULL: it was proved once
UPDATE sending_domains SET verify_by = NULL              -- what was proved, or may have been: a lost record reads `invalid`
WHERE trusted OR is_default_bounce
   OR EXISTS (SELECT FROM jsonb_each_text(status - 'compliance_status') s WHERE s.value IN ('valid', 'invalid'));
CREATE INDEX sending_domains_verify_by ON sending_domains (verify_by) WHERE verify_by IS NOT NULL;
