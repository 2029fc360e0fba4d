-- Whoever decides on mail and voicemail in quarantine is told of it by mail, and again while it waits; nothing undecided vanishes.

ALTER TABLE case_quarantine ADD COLUMN told_at timestamptz;      -- when somebody was last told that it waits; NULL: nobody was
ALTER TABLE thread_quarantine ADD COLUMN told_at timestamptz;
CREATE INDEX case_quarantine_told ON case_quarantine (told_at) WHERE told_at IS NOT NULL;
CREATE INDEX thread_quarantine_told ON thread_quarantine (told_at) WHERE told_at IS NOT NULL;
