-- name: new_record$
-- A fresh number of a record.
-- reads: nothing of ours
SELECT nextval(pg_get_serial_sequence('tam_records', 'record_id'));

-- name: put_record!
-- Write what follows from a record's events. A check is run from its begin on, as long as it matters.
-- writes: tam_records
INSERT INTO tam_records (record_id, account_id, kind, state, title, awaits, checks_at, opened_at, updated_at, ended_at, seq)
OVERRIDING SYSTEM VALUE
VALUES (:record_id, :account_id, :kind, :state, :title, :awaits,
        CASE WHEN :checks::boolean THEN :updated_at::timestamptz END, :opened_at, :updated_at, :ended_at, :seq)
ON CONFLICT (record_id) DO UPDATE SET
    state = excluded.state, awaits = excluded.awaits, updated_at = excluded.updated_at, ended_at = excluded.ended_at,
    checks_at = CASE WHEN :checks::boolean THEN coalesce(tam_records.checks_at, excluded.checks_at) END, seq = excluded.seq;

-- name: lock_record^
-- Take a record; whoever else wants it waits until the transaction ends.
-- reads: tam_records
SELECT * FROM tam_records WHERE record_id = :record_id FOR UPDATE;

-- name: record_row^
-- What is kept of a record.
-- reads: tam_records
SELECT * FROM tam_records WHERE record_id = :record_id;

-- name: list_records
-- Records of some accounts (NULL: of all), the latest first.
-- reads: tam_records
SELECT * FROM tam_records
WHERE (:account_ids::integer[] IS NULL OR account_id = ANY(:account_ids::integer[]))
  AND (:kind::text IS NULL OR kind = :kind)
  AND (:states::text[] IS NULL OR state = ANY(:states::text[]))
  AND (:before::bigint IS NULL OR record_id < :before)
ORDER BY record_id DESC LIMIT :limit;

-- name: records_after
-- The next records, by number.
-- reads: tam_records
SELECT record_id FROM tam_records WHERE record_id > :record_id ORDER BY record_id LIMIT :limit;

-- name: waiting_after
-- The next records that wait for the customer and have a clock that says since when, by number.
-- reads: tam_records, clocks
SELECT r.record_id FROM tam_records r
WHERE r.awaits = 'customer' AND r.ended_at IS NULL AND r.record_id > :record_id
  AND EXISTS (SELECT FROM clocks c WHERE c.subject = :subject AND c.subject_id = r.record_id AND c.kind = :clock AND c.ended_at IS NULL)
ORDER BY r.record_id LIMIT :limit;

-- name: claim_checks
-- Records whose check is due; the next run is a day later, whatever becomes of this one.
-- writes: tam_records
UPDATE tam_records SET checks_at = :next
WHERE record_id IN (
    SELECT record_id FROM tam_records WHERE checks_at <= :now ORDER BY checks_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING record_id, account_id;

-- name: add_event!
-- One more event of a record.
-- writes: tam_events
INSERT INTO tam_events (record_id, seq, at, actor, side, payload) VALUES (:record_id, :seq, :at, :actor, :side, :payload);

-- name: events_of
-- The events of a record, in order.
-- reads: tam_events
SELECT * FROM tam_events WHERE record_id = :record_id ORDER BY seq;

-- name: events_of_many
-- The events of several records, in order.
-- reads: tam_events
SELECT * FROM tam_events WHERE record_id = ANY(:record_ids::bigint[]) ORDER BY record_id, seq;

-- name: add_document!
-- Keep what a review was prepared with.
-- writes: tam_documents
INSERT INTO tam_documents (record_id, number, prepared_at, prepared_by, sha256, data, words)
VALUES (:record_id, :number, :prepared_at, :prepared_by, :sha256, :data, :words);

-- name: documents_of
-- The documents of a review, without what is in them.
-- reads: tam_documents
SELECT record_id, number, prepared_at, prepared_by, sha256 FROM tam_documents WHERE record_id = :record_id ORDER BY number;

-- name: document^
-- One document of a review.
-- reads: tam_documents
SELECT * FROM tam_documents WHERE record_id = :record_id AND number = :number;

-- name: add_check!
-- Keep what a check found.
-- writes: tam_checks
INSERT INTO tam_checks (record_id, at, passed, result) VALUES (:record_id, :at, :passed, :result);

-- name: checks_of
-- What the check of a record found, the latest first.
-- reads: tam_checks
SELECT result FROM tam_checks WHERE record_id = :record_id ORDER BY check_id DESC LIMIT :limit;

-- name: checks_of_many
-- What the checks of some records said last, where they could say something.
-- reads: tam_checks
SELECT DISTINCT ON (record_id) record_id, result FROM tam_checks
WHERE record_id = ANY(:record_ids::bigint[]) AND passed IS NOT NULL ORDER BY record_id, check_id DESC;

-- name: cases_between
-- How many Support Cases an account opened in a stretch of time, and what became of them.
-- reads: cases
SELECT state, severity, count(*) AS cases FROM cases
WHERE account_id = :account_id AND opened_at >= :begin AND opened_at < :end GROUP BY state, severity ORDER BY state, severity;

-- name: happened_in^
-- What happened in the programme of an account in a stretch of time. Events are never changed, so neither is this: each step of a
-- record counts when it was first made. A change of a plan that is agreed is the same step again.
-- reads: tam_records, tam_events, trend_note_accounts
SELECT count(*) FILTER (WHERE step = 'agreed' AND turn = 1) AS plans_agreed,
       count(*) FILTER (WHERE step = 'agreed' AND turn > 1) AS plan_changes_agreed,
       count(*) FILTER (WHERE step = 'completed' AND turn = 1) AS plans_completed,
       count(*) FILTER (WHERE step = 'aborted' AND turn = 1) AS plans_aborted,
       count(*) FILTER (WHERE step = 'met' AND turn = 1) AS reviews_held,
       count(*) FILTER (WHERE step = 'began' AND kind = 'recommendation') AS recommendations_issued,
       count(*) FILTER (WHERE step = 'followed' AND turn = 1) AS recommendations_followed,
       count(*) FILTER (WHERE step = 'declined' AND turn = 1) AS recommendations_declined,
       count(*) FILTER (WHERE step = 'supersededby' AND turn = 1) AS recommendations_superseded,
       count(*) FILTER (WHERE step = 'delivered' AND turn = 1) AS education_delivered,
       count(*) FILTER (WHERE step = 'acknowledged' AND turn = 1 AND kind = 'education_item') AS education_acknowledged,
       (SELECT count(*) FROM trend_note_accounts
        WHERE account_id = :account_id AND sent_at >= :since AND sent_at < :until) AS trend_notes
FROM (SELECT at, kind, step, row_number() OVER (PARTITION BY record_id, step ORDER BY seq) AS turn
      FROM (SELECT e.record_id, e.seq, e.at, r.kind,
                   CASE WHEN payload::jsonb ->> 'event' = 'sent' AND payload::jsonb ->> 'purpose' = 'education' THEN 'delivered'
                        ELSE payload::jsonb ->> 'event' END AS step
            FROM tam_events e JOIN tam_records r USING (record_id)
            WHERE r.account_id = :account_id AND e.at < :until) AS named) AS steps
WHERE at >= :since;

-- name: add_letter$
-- Owe somebody a mail.
-- writes: tam_letters
INSERT INTO tam_letters (account_id, record_id, note_id, purpose, version, side, person_id, email, subject, body, made_at, due_at)
VALUES (:account_id, :record_id, :note_id, :purpose, :version, :side, :person_id, :email, :subject, :body, :now, :now)
RETURNING letter_id;

-- name: claim_letters
-- Letters that are due; whoever claims them sends them, or another after a while.
-- writes: tam_letters
UPDATE tam_letters SET claimed_until = :until, attempts = attempts + 1
WHERE letter_id IN (
    SELECT letter_id FROM tam_letters
    WHERE sent_at IS NULL AND due_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now)
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: letter_sent$
-- Note that a letter was accepted for delivery; nothing comes back where that is known.
-- writes: tam_letters
UPDATE tam_letters SET sent_at = :at, message_id = :message_id, trouble = '', claimed_until = NULL
WHERE letter_id = :letter_id AND sent_at IS NULL RETURNING letter_id;

-- name: letter_failed!
-- Try a letter again later.
-- writes: tam_letters
UPDATE tam_letters SET due_at = :due_at, trouble = :trouble, claimed_until = NULL WHERE letter_id = :letter_id AND sent_at IS NULL;

-- name: one_letter^
-- One letter.
-- reads: tam_letters
SELECT * FROM tam_letters WHERE letter_id = :letter_id;

-- name: letters_of
-- The letters of a record, in order.
-- reads: tam_letters
SELECT * FROM tam_letters WHERE record_id = :record_id ORDER BY letter_id;

-- name: sent_before
-- Message-IDs of what was sent before about the same thing to the same reader, the latest first.
-- reads: tam_letters
SELECT message_id FROM tam_letters
WHERE record_id = :record_id AND side = :side AND person_id = :person_id AND letter_id < :letter_id AND message_id <> ''
ORDER BY letter_id DESC LIMIT 10;

-- name: add_note$
-- Keep a note about a trend; returns its number.
-- writes: trend_notes
INSERT INTO trend_notes (title, body, provider, trends, first_on, last_on, made_at, made_by)
VALUES (:title, :body, :provider, :trends, :first_on, :last_on, :now, :made_by) RETURNING note_id;

-- name: lock_note^
-- Take a note until the transaction ends.
-- reads: trend_notes
SELECT * FROM trend_notes WHERE note_id = :note_id FOR UPDATE;

-- name: note_sent!
-- Note that a note went out.
-- writes: trend_notes
UPDATE trend_notes SET sent_at = coalesce(sent_at, :now) WHERE note_id = :note_id;

-- name: notes
-- Notes, the latest first.
-- reads: trend_notes
SELECT * FROM trend_notes WHERE :before::bigint IS NULL OR note_id < :before ORDER BY note_id DESC LIMIT :limit;

-- name: note^
-- One note.
-- reads: trend_notes
SELECT * FROM trend_notes WHERE note_id = :note_id;

-- name: add_note_account$
-- Let a note concern an account; nothing comes back where it was told already.
-- writes: trend_note_accounts
INSERT INTO trend_note_accounts (note_id, account_id, figures, added_at) VALUES (:note_id, :account_id, :figures, :now)
ON CONFLICT DO NOTHING RETURNING account_id;

-- name: note_account_sent!
-- Note that the first mail of a note to an account was accepted.
-- writes: trend_note_accounts
UPDATE trend_note_accounts SET sent_at = coalesce(sent_at, :at) WHERE note_id = :note_id AND account_id = :account_id;

-- name: note_accounts
-- Whom a note was sent to.
-- reads: trend_note_accounts
SELECT * FROM trend_note_accounts WHERE note_id = :note_id ORDER BY account_id;

-- name: notes_of_account
-- Notes that were sent to an account, with its own figures, the latest first.
-- reads: trend_notes, trend_note_accounts
SELECT n.*, a.figures, a.added_at, a.sent_at AS told_at FROM trend_note_accounts a JOIN trend_notes n USING (note_id)
WHERE a.account_id = :account_id AND (:before::bigint IS NULL OR a.note_id < :before) ORDER BY a.note_id DESC LIMIT :limit;

-- name: note_of_account^
-- One note that was sent to an account, with its own figures.
-- reads: trend_notes, trend_note_accounts
SELECT n.*, a.figures, a.added_at, a.sent_at AS told_at FROM trend_note_accounts a JOIN trend_notes n USING (note_id)
WHERE a.account_id = :account_id AND a.note_id = :note_id;
