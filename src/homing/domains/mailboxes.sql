-- name: lock_proofs!
-- Let one at a time decide whether a further mail may be sent; held to the end of the transaction.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtext('homing mailbox proofs'));

-- name: sent_lately^
-- How many mails asked for a proof lately: of this way for a domain, for the domain, and by the account.
-- reads: mailbox_proofs
SELECT max(sent_at) FILTER (WHERE domain = :domain AND way = :way) AS last_at,
       count(*) FILTER (WHERE domain = :domain) AS of_domain,
       count(*) FILTER (WHERE account_id = :account_id) AS of_account
FROM mailbox_proofs
WHERE sent_at > :since AND (domain = :domain OR account_id = :account_id);

-- name: insert_proof$
-- Note that a mailbox is asked.
-- writes: mailbox_proofs
INSERT INTO mailbox_proofs (domain, account_id, way, mailbox, token_hash, sent_at)
VALUES (:domain, :account_id, :way, :mailbox, :token_hash, :sent_at)
RETURNING proof_id;

-- name: delete_proof!
-- The mail could not be sent after all.
-- writes: mailbox_proofs
DELETE FROM mailbox_proofs WHERE proof_id = :proof_id;

-- name: latest_proof^
-- The latest mail of one way for a domain; older ones are void.
-- reads: mailbox_proofs
SELECT mailbox, token_hash, sent_at FROM mailbox_proofs
WHERE domain = :domain AND way = :way AND account_id = :account_id
ORDER BY proof_id DESC LIMIT 1;

-- name: forget_proofs!
-- Forget old mails.
-- writes: mailbox_proofs
DELETE FROM mailbox_proofs WHERE sent_at < :before;
