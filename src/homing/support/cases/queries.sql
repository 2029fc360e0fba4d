-- name: new_number$
-- A fresh number of a case.
-- reads: nothing of ours
SELECT nextval(pg_get_serial_sequence('cases', 'case_id'));

-- name: put_case!
-- Write what follows from a case's events.
-- writes: cases
INSERT INTO cases (case_id, account_id, state, severity, kind, source, service, subject, owner_id, contact_id, reopened_from,
                   merged_into, opened_at, updated_at, ended_at, begins_at, seq, head)
OVERRIDING SYSTEM VALUE
VALUES (:case_id, :account_id, :state, :severity, :kind, :source, :service, :subject, :owner_id, :contact_id, :reopened_from,
        :merged_into, :opened_at, :updated_at, :ended_at, :begins_at, :seq, :head)
ON CONFLICT (case_id) DO UPDATE SET
    state = excluded.state, severity = excluded.severity, kind = excluded.kind, owner_id = excluded.owner_id,
    merged_into = excluded.merged_into, opened_at = excluded.opened_at, updated_at = excluded.updated_at,
    ended_at = excluded.ended_at, begins_at = excluded.begins_at, seq = excluded.seq, head = excluded.head;

-- name: lock_case^
-- Take a case; whoever else wants it waits until the transaction ends.
-- reads: cases
SELECT case_id, account_id, seq, head FROM cases WHERE case_id = :case_id FOR UPDATE;

-- name: case_row^
-- What is kept of a case.
-- reads: cases
SELECT * FROM cases WHERE case_id = :case_id;

-- name: list_cases
-- Cases of one account, or of all, the latest first.
-- reads: cases
SELECT * FROM cases
WHERE (:account_id::integer IS NULL OR account_id = :account_id)
  AND (:states::text[] IS NULL OR state = ANY(:states::text[]))
  AND (:severity::text IS NULL OR severity = :severity)
  AND (:owner_id::integer IS NULL OR owner_id = :owner_id)
  AND (:before::bigint IS NULL OR case_id < :before)
ORDER BY case_id DESC LIMIT :limit;

-- name: ids_after
-- The next cases, by number.
-- reads: cases
SELECT case_id FROM cases WHERE case_id > :case_id ORDER BY case_id LIMIT :limit;

-- name: add_event!
-- One more event of a case. A trigger sees to it that it follows on the last one.
-- writes: case_events
INSERT INTO case_events (case_id, seq, at, actor, side, payload, prev_hash, hash)
VALUES (:case_id, :seq, :at, :actor, :side, :payload, :prev_hash, :hash);

-- name: events_of
-- The events of a case, in order.
-- reads: case_events
SELECT case_id, seq, at, actor, side, payload, prev_hash, hash FROM case_events WHERE case_id = :case_id ORDER BY seq;

-- name: last_message$
-- The number of the last message of a case.
-- reads: case_messages
SELECT coalesce(max(number), 0) FROM case_messages WHERE case_id = :case_id;

-- name: add_message!
-- Keep what somebody wrote.
-- writes: case_messages; reads: cases
INSERT INTO case_messages (account_id, case_id, number, side, actor, author, channel, purpose, verified, automatic, sender, subject, body,
                           remark, message_id, in_reply_to, received_at, dedupe)
SELECT account_id, case_id, :number, :side, :actor, :author, :channel, :purpose, :verified, :automatic, :sender, :subject, :body,
       :remark, :message_id, :in_reply_to, :received_at::timestamptz, :dedupe::bytea
FROM cases WHERE case_id = :case_id;

-- name: add_attachment!
-- Keep a file of a message.
-- writes: case_attachments
INSERT INTO case_attachments (case_id, message, number, name, kind, size_bytes, sha256, data)
VALUES (:case_id, :message, :number, :name, :kind, :size_bytes, :sha256, :data);

-- name: messages_of
-- What was written in a case, in order.
-- reads: case_messages
SELECT * FROM case_messages WHERE case_id = :case_id ORDER BY number;

-- name: message^
-- One message of a case.
-- reads: case_messages
SELECT * FROM case_messages WHERE case_id = :case_id AND number = :number;

-- name: attachments_of
-- The files of a case, without their content.
-- reads: case_attachments
SELECT message, number, name, kind, size_bytes, sha256 FROM case_attachments WHERE case_id = :case_id ORDER BY message, number;

-- name: attachments_with_data
-- The files of one message, with their content.
-- reads: case_attachments
SELECT message, number, name, kind, size_bytes, sha256, data FROM case_attachments
WHERE case_id = :case_id AND message = :message ORDER BY number;

-- name: attachment^
-- One file of a case.
-- reads: case_attachments
SELECT message, number, name, kind, size_bytes, sha256, data FROM case_attachments
WHERE case_id = :case_id AND message = :message AND number = :number;

-- name: attached_bytes$
-- How much the files of a case are together.
-- reads: case_attachments
SELECT coalesce(sum(size_bytes), 0) FROM case_attachments WHERE case_id = :case_id;

-- name: message_sent!
-- Note that a message was accepted for delivery.
-- writes: case_messages
UPDATE case_messages SET sent_at = :at WHERE case_id = :case_id AND number = :number AND sent_at IS NULL;

-- name: seen_before$
-- Whether a mail was taken already.
-- reads: case_messages, case_quarantine
SELECT EXISTS (SELECT FROM case_messages WHERE dedupe = :dedupe) OR EXISTS (SELECT FROM case_quarantine WHERE dedupe = :dedupe);

-- name: lock_mail$
-- Let the copies of one mail in one after the other.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtextextended(encode(:dedupe::bytea, 'hex'), 0));

-- name: mails_from$
-- How many mails of a sender were taken since a moment.
-- reads: case_messages, case_quarantine
SELECT (SELECT count(*) FROM case_messages
        WHERE sender = :sender AND received_at > :since AND channel = 'e-mail' AND side = 'customer')
     + (SELECT count(*) FROM case_quarantine WHERE sender = :sender AND received_at > :since);

-- name: cases_by_mail$
-- How many cases somebody has opened by mail since a moment.
-- reads: cases
SELECT count(*) FROM cases WHERE contact_id = :contact_id AND source = 'e-mail' AND opened_at > :since;

-- name: case_of_message_ids$
-- The case that a mail with one of these ids belongs to, the latest first.
-- reads: case_messages, case_letters
SELECT found.case_id FROM (
    SELECT case_id, received_at AS at FROM case_messages WHERE message_id = ANY(:ids::text[])
    UNION ALL
    SELECT case_id, made_at FROM case_letters WHERE message_id = ANY(:ids::text[])
) found ORDER BY found.at DESC LIMIT 1;

-- name: add_letter$
-- A mail that we owe to one person; returns its number.
-- writes: case_letters
INSERT INTO case_letters (case_id, message, purpose, version, side, person_id, email, made_at, due_at)
VALUES (:case_id, :message, :purpose, :version, :side, :person_id, :email, :now, :now) RETURNING letter_id;

-- name: claim_letters
-- Letters that are due; whoever claims them sends them, or another after a while.
-- writes: case_letters
UPDATE case_letters SET claimed_until = :until, attempts = attempts + 1
WHERE letter_id IN (
    SELECT letter_id FROM case_letters
    WHERE sent_at IS NULL AND due_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now)
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: letter_sent$
-- Note that a letter was accepted for delivery; nothing comes back where that is known, else why it did not arrive, if so.
-- writes: case_letters
UPDATE case_letters SET sent_at = :at, message_id = :message_id, trouble = '', claimed_until = NULL
WHERE letter_id = :letter_id AND sent_at IS NULL RETURNING returned;

-- name: name_letter!
-- Give a letter its Message-ID, before it leaves: an answer may come before we know that it was sent.
-- writes: case_letters
UPDATE case_letters SET message_id = :message_id WHERE letter_id = :letter_id;

-- name: letter_failed!
-- Try a letter again later.
-- writes: case_letters
UPDATE case_letters SET due_at = :due_at, trouble = :trouble, claimed_until = NULL WHERE letter_id = :letter_id AND sent_at IS NULL;

-- name: any_letter_sent$
-- Whether any letter has left.
-- reads: case_letters
SELECT EXISTS (SELECT FROM case_letters WHERE sent_at IS NOT NULL);

-- name: letter_returned^
-- Note, once, that a letter did not arrive, if it was mail of the account that the support domain belongs to.
-- writes: case_letters; reads: sending_domains
UPDATE case_letters SET returned = :reason
WHERE letter_id = :letter_id AND lower(email) = :recipient AND returned = ''
  AND EXISTS (SELECT FROM sending_domains WHERE domain = :domain AND account_id = :account_id)
RETURNING *;

-- name: letter^
-- One letter.
-- reads: case_letters
SELECT * FROM case_letters WHERE letter_id = :letter_id;

-- name: letters_of
-- The letters of a case, in order.
-- reads: case_letters
SELECT * FROM case_letters WHERE case_id = :case_id ORDER BY letter_id;

-- name: use_letter$
-- Use up what a letter's link or address allows; nothing comes back where it was used before.
-- writes: case_letters
UPDATE case_letters SET used_at = :at WHERE letter_id = :letter_id AND used_at IS NULL RETURNING letter_id;

-- name: last_message_ids
-- Message-IDs of a case, the latest first, for References.
-- reads: case_messages, case_letters
SELECT found.message_id FROM (
    SELECT message_id, received_at AS at FROM case_messages WHERE case_id = :case_id AND message_id <> ''
    UNION ALL
    SELECT message_id, made_at FROM case_letters
    WHERE case_id = :case_id AND person_id = :person_id AND side = :side AND message_id <> '' AND letter_id <> :letter_id
) found ORDER BY found.at DESC LIMIT :limit;

-- name: quarantine$
-- Keep a mail that nobody has vouched for; returns its number.
-- writes: case_quarantine
INSERT INTO case_quarantine (received_at, sender, subject, reason, case_id, account_id, automatic, raw, dedupe)
VALUES (:received_at, :sender, :subject, :reason, :case_id, :account_id, :automatic, :raw, :dedupe) RETURNING quarantine_id;

-- name: quarantined
-- Mails that wait for a decision, the latest first.
-- reads: case_quarantine
SELECT quarantine_id, received_at, sender, subject, reason, case_id, account_id, automatic, octet_length(raw) AS size_bytes,
       decided_at, decided_by, released_to
FROM case_quarantine WHERE decided_at IS NULL ORDER BY quarantine_id DESC LIMIT :limit;

-- name: quarantine_size^
-- How many mails wait for a decision, and how large they are together.
-- reads: case_quarantine
SELECT count(*) AS mails, coalesce(sum(octet_length(raw)), 0) AS octets FROM case_quarantine WHERE decided_at IS NULL;

-- name: take_quarantined^
-- One mail that waits for a decision; locked until the transaction ends.
-- reads: case_quarantine
SELECT * FROM case_quarantine WHERE quarantine_id = :quarantine_id AND decided_at IS NULL FOR UPDATE;

-- name: decide_quarantined!
-- Write down what became of a mail. What was discarded is not kept.
-- writes: case_quarantine
UPDATE case_quarantine SET decided_at = :at, decided_by = :by, released_to = :case_id, raw = ''
WHERE quarantine_id = :quarantine_id;

-- name: held_untold
-- Mails that wait for a decision and that nobody was told of, or long ago; none while somebody was told of others just now.
-- reads: case_quarantine, cases
SELECT q.quarantine_id AS number, q.received_at, q.sender, q.subject, q.reason, coalesce(q.account_id, c.account_id) AS account_id,
       NULL::integer AS person_id
FROM case_quarantine q LEFT JOIN cases c ON c.case_id = q.case_id
WHERE q.decided_at IS NULL AND (q.told_at IS NULL OR q.told_at < :again)
  AND NOT EXISTS (SELECT FROM case_quarantine WHERE told_at > :lately)
ORDER BY q.quarantine_id LIMIT :limit FOR UPDATE OF q SKIP LOCKED;

-- name: told_of_held!
-- Note that somebody was told of mails that wait.
-- writes: case_quarantine
UPDATE case_quarantine SET told_at = :at WHERE quarantine_id = ANY(:numbers::bigint[]);

-- name: forget_quarantined
-- Drop what was decided long ago, and mail of machines that somebody was told of and nobody wanted. What a person wrote stays until
-- it is decided on.
-- writes: case_quarantine
DELETE FROM case_quarantine
WHERE decided_at < :before OR (automatic AND decided_at IS NULL AND told_at IS NOT NULL AND received_at < :before)
RETURNING decided_at;

-- name: due_to_be_archived
-- Cases that ended before a moment.
-- reads: cases
SELECT case_id FROM cases
WHERE ended_at < :before AND state NOT IN ('merged', 'archived') ORDER BY ended_at LIMIT :limit;

-- name: due_to_begin
-- Cases in which an accepted cadence takes effect.
-- reads: cases
SELECT case_id FROM cases WHERE begins_at <= :now ORDER BY begins_at LIMIT :limit;

-- name: proposed_cases
-- Cases that wait for a signature, and how much of their CONFIRM has run.
-- reads: cases, clocks
SELECT c.case_id, k.number FROM cases c
JOIN clocks k ON k.subject = 'case' AND k.subject_id = c.case_id AND k.kind = 'CONFIRM' AND k.ended_at IS NULL
WHERE c.state = 'resolution_proposed' AND c.case_id > :after ORDER BY c.case_id LIMIT :limit;

-- name: owned_by_who_left
-- Live cases whose owner has left.
-- reads: cases, staff
SELECT c.case_id, c.account_id, c.owner_id FROM cases c JOIN staff s ON s.person_id = c.owner_id
WHERE c.ended_at IS NULL AND s.left_at IS NOT NULL ORDER BY c.case_id LIMIT :limit;

-- name: heard_while_waiting$
-- How many words of the customer, by people, lie in a stretch of time. Clocks count whole seconds; what was received in the second
-- in which the stretch begins may have come before.
-- reads: case_messages
SELECT count(*) FROM case_messages
WHERE case_id = :case_id AND side = 'customer' AND NOT automatic
  AND date_trunc('second', received_at) > :start AND received_at < :end;

-- name: due_soon
-- Clocks of live cases that are due within a while, and whose owner has not been told.
-- reads: clocks, cases, case_letters
SELECT k.subject_id AS case_id, k.number FROM clocks k JOIN cases c ON c.case_id = k.subject_id
WHERE k.subject = 'case' AND k.state = 'running' AND k.due_at > :now
  AND k.due_at <= CASE k.kind WHEN 'CADENCE' THEN :wall_until::timestamptz ELSE :business_until::timestamptz END
  AND k.kind IN ('CADENCE', 'OWN', 'FIRST_RESPONSE', 'UPDATE', 'TAM_REPLY')
  AND NOT EXISTS (SELECT FROM case_letters l WHERE l.case_id = c.case_id AND l.purpose = 'due' AND l.version = k.number)
ORDER BY k.due_at LIMIT :limit;

-- name: missed_lately
-- Clocks of live cases that were missed and are still owed, and that nobody was told of.
-- reads: clocks, cases, case_letters
SELECT k.subject_id AS case_id, k.number FROM clocks k JOIN cases c ON c.case_id = k.subject_id
WHERE k.subject = 'case' AND k.outcome = 'missed' AND k.ended_at IS NULL AND k.outcome_at > :since AND c.ended_at IS NULL
  AND k.kind IN ('CADENCE', 'OWN', 'FIRST_RESPONSE', 'UPDATE', 'TAM_REPLY', 'ENTITLEMENT')
  AND NOT EXISTS (SELECT FROM case_letters l WHERE l.case_id = c.case_id AND l.purpose = 'missed' AND l.version = k.number)
ORDER BY k.outcome_at LIMIT :limit;

-- name: happened_in^
-- How often things happened to the cases of an account in a stretch of time. What happened is never changed, so neither is this.
-- reads: cases, case_events
SELECT count(*) FILTER (WHERE e.event = 'opened') AS opened,
       count(*) FILTER (WHERE e.event = 'escalated' OR e.event = 'opened' AND e.whole ->> 'severity' = 'critical') AS critical,
       count(*) FILTER (WHERE e.event = 'cadenceaccepted') AS cadences_agreed,
       count(*) FILTER (WHERE e.event = 'resolved') AS agreed,
       count(*) FILTER (WHERE e.event = 'closed') AS unconfirmed,
       count(*) FILTER (WHERE e.event = 'withdrawn') AS withdrawn,
       count(*) FILTER (WHERE e.event = 'merged') AS merged,
       count(*) FILTER (WHERE e.event = 'reopened') AS reopened,
       count(*) FILTER (WHERE e.event = 'tamcalled') AS tam_called,
       count(*) FILTER (WHERE e.event = 'wrote' AND e.whole -> 'by_tam' = 'true') AS by_tam
FROM (SELECT payload::jsonb AS whole, payload::jsonb ->> 'event' AS event
      FROM case_events JOIN cases USING (case_id)
      WHERE account_id = :account_id AND at >= :since AND at < :until) AS e;

-- name: critical_in
-- The cases of an account that were open in a stretch of time, and are critical or were so before; by their begin.
-- reads: cases, case_events
SELECT case_id FROM cases c
WHERE account_id = :account_id AND opened_at < :until AND (ended_at IS NULL OR ended_at >= :since)
  AND (severity = 'critical' OR EXISTS (
      SELECT FROM case_events e WHERE e.case_id = c.case_id AND payload::jsonb ->> 'event' = 'downgraded'))
ORDER BY opened_at, case_id LIMIT :limit;

-- name: add_extracts!
-- Owe extracts of the ledger; nothing happens while some are owed.
-- writes: case_extracts
INSERT INTO case_extracts (case_id, seq, after_s, due_at)
SELECT :case_id, :seq, after_s, :at::timestamptz + make_interval(secs => after_s) FROM unnest(:after_s::integer[]) AS after_s
WHERE NOT EXISTS (SELECT FROM case_extracts WHERE case_id = :case_id AND done_at IS NULL);

-- name: take_extract
-- An extract that is due, held to the end of the transaction.
-- reads: case_extracts, cases, case_events
SELECT x.case_id, x.seq, x.after_s, c.account_id, e.at AS began_at
FROM case_extracts x JOIN cases c USING (case_id) JOIN case_events e ON e.case_id = x.case_id AND e.seq = x.seq
WHERE x.done_at IS NULL AND x.due_at <= :now ORDER BY x.due_at LIMIT 1 FOR UPDATE OF x SKIP LOCKED;

-- name: put_extract!
-- Note that an extract was written, or when to try it again.
-- writes: case_extracts
UPDATE case_extracts SET done_at = :done_at, due_at = coalesce(:due_at, due_at)
WHERE case_id = :case_id AND seq = :seq AND after_s = :after_s;

-- name: our_calls
-- Calls and recordings in our logs that a name may mean: a reference or number of ours, or the carrier's id.
-- reads: line_calls, line_obligations, line_attempts, line_recordings, thread_calls
SELECT c.account_id, 'call ' || c.reference AS name FROM line_calls c
WHERE c.source = 'call' AND :what::text <> 'recording'
  AND (c.call_id = :name::text OR c.reference = upper(:name::text) OR (:what::text = 'call' AND c.intake_id = :number::bigint))
UNION ALL
SELECT c.account_id, 'call-back of ' || c.reference AS name
FROM line_attempts a JOIN line_obligations o USING (obligation_id) JOIN line_calls c USING (intake_id)
WHERE :what::text <> 'recording' AND :name::text IN (a.call_id, a.rep_call_id)
UNION ALL
SELECT t.account_id, 'call ' || t.call_ref || ' to the TAM' AS name FROM thread_calls t
WHERE :what::text <> 'recording' AND t.call_id = :name::text
UNION ALL
SELECT c.account_id, 'recording ' || r.recording_id || ' of ' || c.reference AS name
FROM line_recordings r JOIN line_calls c USING (intake_id)
WHERE r.sid = :name::text OR (:what::text = 'recording' AND r.recording_id = :number::bigint);

-- name: case_of_call^
-- A call on the Severity 1 Line, by its reference, its number, or the carrier's id.
-- reads: line_calls
SELECT account_id, case_ref, reference, first_ring_at FROM line_calls
WHERE source = 'call' AND (reference = upper(:name::text) OR call_id = :name::text OR intake_id = :number::bigint)
ORDER BY reference = upper(:name::text) DESC LIMIT 1;
