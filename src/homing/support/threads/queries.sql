-- name: add_way$
-- Let a number or address lead to a TAM, or to whoever is an account's; nothing comes back where it leads somewhere already.
-- writes: thread_ways
INSERT INTO thread_ways (kind, address, carrier, person_id, account_id, recorded_by)
VALUES (:kind, :address, :carrier, :person_id, :account_id, :recorded_by) ON CONFLICT (address) DO NOTHING RETURNING way_id;

-- name: remove_way^
-- Let a number or address lead nowhere.
-- writes: thread_ways
DELETE FROM thread_ways WHERE address = :address RETURNING *;

-- name: ways
-- Every number and address.
-- reads: thread_ways
SELECT * FROM thread_ways ORDER BY kind, address;

-- name: way^
-- Where a number or address leads.
-- reads: thread_ways
SELECT * FROM thread_ways WHERE address = :address;

-- name: ways_of
-- The numbers and addresses that lead to an account's TAM; its own come first.
-- reads: thread_ways
SELECT * FROM thread_ways WHERE account_id = :account_id OR person_id = ANY(:people::integer[])
ORDER BY account_id IS NULL, array_position(:people::integer[], person_id), way_id;

-- name: take_thread$
-- Take the thread of an account until the transaction ends; the number of its next message comes back.
-- writes: threads
INSERT INTO threads (account_id, last) VALUES (:account_id, 1)
ON CONFLICT (account_id) DO UPDATE SET last = threads.last + 1 RETURNING last;

-- name: hold_thread$
-- Take the thread of an account until the transaction ends, and add nothing; nothing comes back where it has none.
-- reads: threads
SELECT last FROM threads WHERE account_id = :account_id FOR UPDATE;

-- name: add_message$
-- Keep a message.
-- writes: thread_messages
INSERT INTO thread_messages (account_id, number, sort, side, actor, author, contact_id, channel, verified, automatic, sender, subject,
                          body, remark, mail_id, in_reply_to, received_at, sent_at, dedupe, call_ref, promise)
VALUES (:account_id, :number, :sort, :side, :actor, :author, :contact_id, :channel, :verified, :automatic, :sender, :subject,
        :body, :remark, :mail_id, :in_reply_to, :received_at, :sent_at, :dedupe, :call_ref, :promise::text::jsonb)
RETURNING message_id;

-- name: add_file!
-- Keep a file of a message.
-- writes: thread_files
INSERT INTO thread_files (message_id, number, name, kind, size_bytes, sha256, data)
VALUES (:message_id, :number, :name, :kind, :size_bytes, :sha256, :data);

-- name: messages_of
-- Messages of a thread, the latest first.
-- reads: thread_messages
SELECT * FROM thread_messages WHERE account_id = :account_id AND (:before::integer IS NULL OR number < :before)
ORDER BY number DESC LIMIT :limit;

-- name: message^
-- One message of a thread.
-- reads: thread_messages
SELECT * FROM thread_messages WHERE account_id = :account_id AND number = :number;

-- name: message_by_id^
-- One message by its own id.
-- reads: thread_messages
SELECT * FROM thread_messages WHERE message_id = :message_id;

-- name: files_of
-- The files of some messages, without their content.
-- reads: thread_files
SELECT message_id, number, name, kind, size_bytes, sha256 FROM thread_files
WHERE message_id = ANY(:message_ids::bigint[]) ORDER BY message_id, number;

-- name: files_with_data
-- The files of one message.
-- reads: thread_files
SELECT * FROM thread_files WHERE message_id = :message_id ORDER BY number;

-- name: attached_bytes$
-- How much the files of a thread are together.
-- reads: thread_files, thread_messages
SELECT coalesce(sum(f.size_bytes), 0) FROM thread_files f JOIN thread_messages m USING (message_id) WHERE m.account_id = :account_id;

-- name: last_writer$
-- The contact whose message came last.
-- reads: thread_messages
SELECT contact_id FROM thread_messages
WHERE account_id = :account_id AND side = 'customer' AND contact_id IS NOT NULL AND NOT automatic ORDER BY number DESC LIMIT 1;

-- name: owed_before
-- Messages that an answer answers: those before it that were promised one; locked until the transaction ends.
-- reads: thread_messages
SELECT * FROM thread_messages
WHERE account_id = :account_id AND number < :number AND promise IS NOT NULL AND answered_at IS NULL AND jsonb_array_length(voids) < 2
ORDER BY number FOR UPDATE;

-- name: answered!
-- Note that a person has answered.
-- writes: thread_messages
UPDATE thread_messages SET answered_at = :at, answered_by = :answered_by WHERE message_id = :message_id AND answered_at IS NULL;

-- name: put_voids!
-- Note who says that no answer was ever owed.
-- writes: thread_messages
UPDATE thread_messages SET voids = :voids::text::jsonb WHERE message_id = :message_id;

-- name: counted!
-- A person says that a message of a machine is somebody's word: an answer is owed.
-- writes: thread_messages
UPDATE thread_messages SET automatic = false, promise = :promise::text::jsonb WHERE message_id = :message_id AND promise IS NULL;

-- name: message_sent$
-- Note that what we wrote was accepted for delivery; nothing comes back where that is known.
-- writes: thread_messages
UPDATE thread_messages SET sent_at = :at WHERE message_id = :message_id AND sent_at IS NULL RETURNING message_id;

-- name: promised_after
-- The next messages that were promised an answer.
-- reads: thread_messages
SELECT message_id FROM thread_messages WHERE message_id > :after AND promise IS NOT NULL ORDER BY message_id LIMIT :limit;

-- name: lock_mail$
-- Let the copies of one mail in one after the other.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtextextended(encode(:dedupe::bytea, 'hex'), 1));

-- name: seen_before$
-- Whether a mail was taken before.
-- reads: thread_messages, thread_quarantine
SELECT EXISTS (SELECT FROM thread_messages WHERE dedupe = :dedupe) OR EXISTS (SELECT FROM thread_quarantine WHERE dedupe = :dedupe);

-- name: mails_from$
-- How many mails of a sender were taken since a moment.
-- reads: thread_messages, thread_quarantine
SELECT (SELECT count(*) FROM thread_messages
        WHERE sender = :sender AND received_at > :since AND channel = 'e-mail' AND side = 'customer')
     + (SELECT count(*) FROM thread_quarantine WHERE sender = :sender AND received_at > :since);

-- name: written_since$
-- How often the customer wrote over the API since a moment.
-- reads: thread_messages
SELECT count(*) FROM thread_messages
WHERE account_id = :account_id AND received_at > :since AND channel = 'api' AND side = 'customer';

-- name: account_of_mail_ids$
-- The account that one of these mails is about, the latest first: of a thread, of the programme, of a case.
-- reads: thread_messages, thread_letters, tam_letters, case_letters, cases
SELECT found.account_id FROM (
    SELECT m.account_id, m.received_at AS at FROM thread_messages m WHERE m.mail_id = ANY(:ids::text[]) AND m.mail_id <> ''
    UNION ALL
    SELECT m.account_id, l.made_at AS at FROM thread_letters l JOIN thread_messages m USING (message_id)
    WHERE l.mail_id = ANY(:ids::text[]) AND l.mail_id <> ''
    UNION ALL
    SELECT l.account_id, l.made_at AS at FROM tam_letters l WHERE l.message_id = ANY(:ids::text[]) AND l.message_id <> ''
    UNION ALL
    SELECT c.account_id, l.made_at AS at FROM case_letters l JOIN cases c USING (case_id)
    WHERE l.message_id = ANY(:ids::text[]) AND l.message_id <> ''
) found ORDER BY found.at DESC LIMIT 1;

-- name: add_letter$
-- A mail that is owed to one person; returns its number.
-- writes: thread_letters
INSERT INTO thread_letters (message_id, side, person_id, email, made_at, due_at)
VALUES (:message_id, :side, :person_id, :email, :now, :now) RETURNING letter_id;

-- name: claim_letters
-- Letters that are due; whoever claims them sends them, or another after a while.
-- writes: thread_letters
UPDATE thread_letters SET claimed_until = :until, attempts = attempts + 1
WHERE letter_id IN (
    SELECT letter_id FROM thread_letters
    WHERE sent_at IS NULL AND due_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now)
    ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: name_letter!
-- Give a letter its Message-ID, before it leaves: an answer may come before we know that it was sent.
-- writes: thread_letters
UPDATE thread_letters SET mail_id = :mail_id WHERE letter_id = :letter_id;

-- name: letter_sent$
-- Note that a letter was accepted for delivery; nothing comes back where that is known.
-- writes: thread_letters
UPDATE thread_letters SET sent_at = :at, trouble = '', claimed_until = NULL
WHERE letter_id = :letter_id AND sent_at IS NULL RETURNING letter_id;

-- name: letter_failed!
-- Try a letter again later.
-- writes: thread_letters
UPDATE thread_letters SET due_at = :due_at, trouble = :trouble, claimed_until = NULL WHERE letter_id = :letter_id AND sent_at IS NULL;

-- name: letter^
-- One letter.
-- reads: thread_letters
SELECT * FROM thread_letters WHERE letter_id = :letter_id;

-- name: letters_of
-- The letters of some messages, in order.
-- reads: thread_letters
SELECT * FROM thread_letters WHERE message_id = ANY(:message_ids::bigint[]) ORDER BY letter_id;

-- name: last_mail_ids
-- Message-IDs of a thread before a message, the latest first, for References.
-- reads: thread_messages, thread_letters
SELECT found.mail_id FROM (
    SELECT m.mail_id, m.number FROM thread_messages m
    WHERE m.account_id = :account_id AND m.number < :number AND m.mail_id <> '' AND m.contact_id = :contact_id
    UNION ALL
    SELECT l.mail_id, m.number FROM thread_letters l JOIN thread_messages m USING (message_id)
    WHERE m.account_id = :account_id AND m.number < :number AND l.mail_id <> '' AND l.side = 'customer' AND l.person_id = :contact_id
) found ORDER BY found.number DESC LIMIT :limit;

-- name: quarantine$
-- Keep a mail or voicemail that nobody has vouched for; returns its number.
-- writes: thread_quarantine
INSERT INTO thread_quarantine (received_at, way_id, person_id, account_id, sender, subject, reason, automatic, raw, dedupe, call_ref)
VALUES (:received_at, :way_id, :person_id, :account_id, :sender, :subject, :reason, :automatic, :raw, :dedupe, :call_ref)
RETURNING quarantine_id;

-- name: quarantined
-- What waits for a decision, the latest first. people NULL: whomever it is for.
-- reads: thread_quarantine
SELECT quarantine_id, received_at, person_id, account_id, sender, subject, reason, automatic, call_ref, octet_length(raw) AS size_bytes
FROM thread_quarantine
WHERE decided_at IS NULL
  AND (:everything::boolean OR account_id = ANY(:account_ids::integer[]) OR person_id = ANY(:people::integer[]))
ORDER BY quarantine_id DESC LIMIT :limit;

-- name: quarantine_size^
-- How many mails wait for a decision, and how large they are together.
-- reads: thread_quarantine
SELECT count(*) AS mails, coalesce(sum(octet_length(raw)), 0) AS octets FROM thread_quarantine
WHERE decided_at IS NULL AND call_ref IS NULL;

-- name: held^
-- What waits for a decision, by its number.
-- reads: thread_quarantine
SELECT quarantine_id, received_at, person_id, account_id, sender, subject, reason, automatic, call_ref, octet_length(raw) AS size_bytes
FROM thread_quarantine WHERE quarantine_id = :quarantine_id AND decided_at IS NULL;

-- name: take_quarantined^
-- What waits for a decision; locked until the transaction ends.
-- reads: thread_quarantine
SELECT * FROM thread_quarantine WHERE quarantine_id = :quarantine_id AND decided_at IS NULL FOR UPDATE;

-- name: decide_quarantined!
-- Write down what became of it. What was discarded is not kept.
-- writes: thread_quarantine
UPDATE thread_quarantine SET decided_at = :at, decided_by = :by, released_to = :account_id, raw = '' WHERE quarantine_id = :quarantine_id;

-- name: held_untold
-- What waits for a decision and nobody was told of, or long ago; none while somebody was told of others just now.
-- reads: thread_quarantine
SELECT quarantine_id AS number, received_at, sender, subject, reason, account_id, person_id
FROM thread_quarantine q
WHERE decided_at IS NULL AND (told_at IS NULL OR told_at < :again)
  AND NOT EXISTS (SELECT FROM thread_quarantine t WHERE t.told_at > :lately)
ORDER BY quarantine_id LIMIT :limit FOR UPDATE OF q SKIP LOCKED;

-- name: told_of_held!
-- Note that somebody was told of what waits.
-- writes: thread_quarantine
UPDATE thread_quarantine SET told_at = :at WHERE quarantine_id = ANY(:numbers::bigint[]);

-- name: forget_quarantined!
-- Drop mail that was decided on long ago, and mail of machines that somebody was told of and nobody wanted.
-- writes: thread_quarantine
DELETE FROM thread_quarantine
WHERE call_ref IS NULL
  AND (decided_at < :before OR (automatic AND decided_at IS NULL AND told_at IS NOT NULL AND received_at < :before));
