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

-- name: insert_domain<!
-- Add an inbound domain; nothing comes back where the name is taken.
-- writes: inbound_domains
INSERT INTO inbound_domains (domain, account_id, subaccount_id) VALUES (:domain, :account_id, :subaccount_id)
ON CONFLICT (domain) DO NOTHING
RETURNING domain, account_id, subaccount_id;

-- name: one_inbound^
-- An inbound domain, whoever has it, and whether a relay webhook takes its mail.
-- reads: inbound_domains, relay_webhooks
SELECT d.domain, d.account_id, d.subaccount_id, w.webhook_id
FROM inbound_domains d LEFT JOIN relay_webhooks w ON w.domain = d.domain
WHERE d.domain = :domain;

-- name: inbound_of
-- The inbound domains of an account (and of one subaccount, where one is named), by name.
-- reads: inbound_domains
SELECT domain, account_id, subaccount_id FROM inbound_domains
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:domain::text IS NULL OR domain = :domain)
ORDER BY domain;

-- name: delete_domain<!
-- Remove an inbound domain that no relay webhook uses.
-- writes: inbound_domains; reads: relay_webhooks
DELETE FROM inbound_domains d
WHERE d.domain = :domain AND d.account_id = :account_id AND d.subaccount_id = :subaccount_id
  AND NOT EXISTS (SELECT 1 FROM relay_webhooks w WHERE w.domain = d.domain)
RETURNING domain;

-- name: insert_webhook<!
-- Add a relay webhook; nothing comes back where its domain has one.
-- writes: relay_webhooks
INSERT INTO relay_webhooks (webhook_id, account_id, subaccount_id, name, target, domain, auth_type, secrets_sealed)
VALUES (:webhook_id, :account_id, :subaccount_id, :name, :target, :domain, :auth_type, :secrets_sealed)
ON CONFLICT (domain) DO NOTHING
RETURNING webhook_id;

-- name: update_webhook<!
-- Change a relay webhook.
-- writes: relay_webhooks
UPDATE relay_webhooks
SET name = :name, target = :target, domain = :domain, auth_type = :auth_type, secrets_sealed = :secrets_sealed, updated_at = now()
WHERE webhook_id = :webhook_id AND account_id = :account_id
RETURNING webhook_id;

-- name: webhooks_of
-- The relay webhooks of an account (and of one subaccount, or with one id, where named).
-- reads: relay_webhooks
SELECT webhook_id, account_id, subaccount_id, name, target, domain, auth_type, secrets_sealed FROM relay_webhooks
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:webhook_id::bigint IS NULL OR webhook_id = :webhook_id)
ORDER BY webhook_id;

-- name: webhook_of_domain^
-- The relay webhook that takes the mail of a domain, for our own decisions.
-- reads: relay_webhooks
SELECT webhook_id, account_id, subaccount_id, name, target, domain, auth_type, secrets_sealed FROM relay_webhooks
WHERE domain = :domain;

-- name: delete_webhook<!
-- Remove a relay webhook.
-- writes: relay_webhooks
DELETE FROM relay_webhooks WHERE webhook_id = :webhook_id AND account_id = :account_id AND subaccount_id = :subaccount_id
RETURNING webhook_id;

-- name: put_mail!
-- Keep a mail until its target has it.
-- writes: relay_mail
INSERT INTO relay_mail (mail_id, domain, account_id, subaccount_id, mail_from, rcpt_to, recv_method, size_bytes, received_at,
                        due_at, raw)
VALUES (:mail_id, :domain, :account_id, :subaccount_id, :mail_from, :rcpt_to, :recv_method, :size_bytes, :received_at,
        :received_at, :raw);

-- name: claim_mail
-- Take some mail that is due and that nobody posts now, but none of domains that have enough under way.
-- writes: relay_mail
UPDATE relay_mail SET leased_until = :until
WHERE mail_id IN (
    SELECT mail_id FROM relay_mail
    WHERE due_at <= :now AND (leased_until IS NULL OR leased_until <= :now) AND NOT (domain = ANY(:busy::text[]))
    ORDER BY due_at, mail_id LIMIT :limit FOR UPDATE SKIP LOCKED
)
RETURNING mail_id, domain, account_id, subaccount_id, mail_from, rcpt_to, recv_method, size_bytes, received_at, tries;

-- name: raw_of$
-- The octets of a mail that waits.
-- reads: relay_mail
SELECT raw FROM relay_mail WHERE mail_id = :mail_id;

-- name: postpone_mail!
-- A post failed: the mail is due again later.
-- writes: relay_mail
UPDATE relay_mail SET due_at = :due_at, leased_until = NULL, tries = tries + 1, note = :note WHERE mail_id = :mail_id;

-- name: give_back_mail!
-- A post did not happen: the mail is due in a moment.
-- writes: relay_mail
UPDATE relay_mail SET leased_until = NULL, due_at = :due_at WHERE mail_id = :mail_id;

-- name: delete_mail!
-- A mail has reached its target, or will not.
-- writes: relay_mail
DELETE FROM relay_mail WHERE mail_id = :mail_id;
