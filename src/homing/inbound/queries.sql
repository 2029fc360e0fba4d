-- name: lock_message!
-- Let one at a time decide what follows from mail about a message; held to the end of the transaction.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtext('homing inbound ' || encode(:message_id::bytea, 'hex')));

-- name: keep_for_postmaster!
-- Keep a mail for the people who run this installation.
-- writes: postmaster_mail
INSERT INTO postmaster_mail (mail_from, rcpt_to, raw) VALUES (:mail_from, :rcpt_to, :raw);

-- name: postmaster_mail
-- The latest mail to postmaster@ and abuse@, newest first, each with its beginning.
-- reads: postmaster_mail
SELECT mail_id, received_at, mail_from, rcpt_to, octet_length(raw) AS size_bytes, substr(raw, 1, 16384) AS beginning
FROM postmaster_mail ORDER BY mail_id DESC LIMIT :limit;

-- name: one_postmaster_mail$
-- One such mail as it came.
-- reads: postmaster_mail
SELECT raw FROM postmaster_mail WHERE mail_id = :mail_id;

-- name: forget_postmaster_mail!
-- Drop what is old, and all but the newest so many.
-- writes: postmaster_mail
DELETE FROM postmaster_mail
WHERE received_at < :before
   OR mail_id <= (SELECT mail_id FROM postmaster_mail ORDER BY mail_id DESC OFFSET :most LIMIT 1);
