-- name: insert_witness^
-- Know a witness; nothing comes back where its key is known already.
-- writes: availability_witnesses
INSERT INTO availability_witnesses (account_id, name, public_key) VALUES (:account_id, :name, :public_key)
ON CONFLICT (public_key) DO NOTHING
RETURNING witness_id, account_id, name, public_key, added_at, ended_at;

-- name: witnesses
-- The witnesses of an account, or our own (NULL), oldest first.
-- reads: availability_witnesses
SELECT witness_id, account_id, name, public_key, added_at, ended_at FROM availability_witnesses
WHERE account_id IS NOT DISTINCT FROM :account_id ORDER BY witness_id;

-- name: all_witnesses
-- Every witness, oldest first.
-- reads: availability_witnesses
SELECT witness_id, account_id, name, public_key, added_at, ended_at FROM availability_witnesses ORDER BY witness_id;

-- name: witness_by_key^
-- One witness.
-- reads: availability_witnesses
SELECT witness_id, account_id, name, public_key, added_at, ended_at FROM availability_witnesses WHERE public_key = :public_key;

-- name: end_witness$
-- Take no further reports of a witness of an account, or of ours (NULL); answers its number, or nothing where there is none.
-- writes: availability_witnesses
UPDATE availability_witnesses SET ended_at = coalesce(ended_at, now())
WHERE witness_id = :witness_id AND account_id IS NOT DISTINCT FROM :account_id
RETURNING witness_id;

-- name: insert_report$
-- Keep a report; nothing comes back where the witness has sent one with this number.
-- writes: availability_reports
INSERT INTO availability_reports (witness_id, number, since, until, body, signature)
VALUES (:witness_id, :number, :since, :until, :body, :signature)
ON CONFLICT (witness_id, number) DO NOTHING
RETURNING report_id;

-- name: report_body$
-- What a witness said under a number.
-- reads: availability_reports
SELECT body FROM availability_reports WHERE witness_id = :witness_id AND number = :number;

-- name: reports
-- What was seen from outside in a stretch of seconds: by witnesses of ours and of these accounts.
-- reads: availability_reports, availability_witnesses
SELECT w.account_id, w.name, r.body, r.decision
FROM availability_reports r JOIN availability_witnesses w USING (witness_id)
WHERE r.until > :since AND r.since < :until AND (w.account_id IS NULL OR w.account_id = ANY(:account_ids::integer[]))
ORDER BY r.report_id;

-- name: listed_reports
-- The latest reports of an account's witnesses, or of ours (NULL).
-- reads: availability_reports, availability_witnesses
SELECT r.report_id, w.name, r.number, r.since, r.until, r.decision, r.decided_by, r.received_at
FROM availability_reports r JOIN availability_witnesses w USING (witness_id)
WHERE w.account_id IS NOT DISTINCT FROM :account_id
ORDER BY r.report_id DESC LIMIT :limit;

-- name: decide_report^
-- Decide whether a customer's report counts where we watched.
-- writes: availability_reports; reads: availability_witnesses
UPDATE availability_reports r SET decision = :decision, decided_by = :decided_by
FROM availability_witnesses w
WHERE r.report_id = :report_id AND w.witness_id = r.witness_id AND w.account_id IS NOT NULL
RETURNING r.report_id, r.since, r.until, w.account_id;
