-- name: server_time$
-- The time that counts: the database server's (E29).
-- reads: nothing
SELECT clock_timestamp();

-- name: add_call^
-- Take a call in; nothing comes back where it is known already.
-- writes: line_calls
INSERT INTO line_calls (carrier, call_id, source, reference, caller, called, attestation, first_ring_at, taken_at, state, account_id,
                        contact_id, proof, entitlement, decide_by, linked_to, ended_at, partial)
VALUES (:carrier, :call_id, :source, :reference, :caller, :called, :attestation, :first_ring_at, :taken_at, :state, :account_id,
        :contact_id, :proof, :entitlement, :decide_by, :linked_to, :ended_at, :partial)
ON CONFLICT (carrier, call_id) DO NOTHING
RETURNING intake_id;

-- name: add_obligation$
-- Owe a call-back.
-- writes: line_obligations
INSERT INTO line_obligations (intake_id, due_at) VALUES (:intake_id, :due_at) RETURNING obligation_id;

-- name: call_locked^
-- One call by the carrier's id, held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.carrier = :carrier AND c.call_id = :call_id FOR UPDATE OF c;

-- name: call^
-- One call.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id) WHERE c.intake_id = :intake_id;

-- name: calls
-- Calls, the latest first. open: those alone whose call-back is owed, or of which nobody has said whose they are; account_id NULL:
-- of all accounts.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE (:account_id::integer IS NULL OR c.account_id = :account_id) AND (NOT :open::boolean OR o.outcome IS NULL OR o.next_try_at IS NOT NULL
       OR (o.outcome = 'missed' AND o.returned_at IS NULL AND o.voided_at IS NULL)
       OR (c.account_id IS NULL AND c.entitlement <> 'no' AND o.voided_at IS NULL AND NOT c.before_cases))
ORDER BY c.intake_id DESC LIMIT :limit;

-- name: call_of_account^
-- One call of an account by its reference.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.account_id = :account_id AND c.reference = :reference;

-- name: waiting_before
-- Calls of the same customer whose call-back is still owed, oldest first (E12).
-- reads: line_calls, line_obligations
SELECT c.intake_id, c.linked_to, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE o.outcome IS NULL AND o.due_at > :now AND c.intake_id <> :intake_id AND c.first_ring_at <= :first_ring_at
  AND ((c.account_id IS NOT NULL AND c.account_id = :account_id) OR (c.caller <> '' AND c.caller = :caller))
ORDER BY o.due_at, c.intake_id;

-- name: put_state!
-- Where a call stands now.
-- writes: line_calls
UPDATE line_calls SET state = :state, account_id = :account_id, contact_id = :contact_id, proof = :proof, entitlement = :entitlement
WHERE intake_id = :intake_id;

-- name: link!
-- Note that the same customer was waiting already.
-- writes: line_calls
UPDATE line_calls SET linked_to = :linked_to WHERE intake_id = :intake_id;

-- name: bring_forward!
-- Let a call-back be due earlier; it is never put off.
-- writes: line_obligations
UPDATE line_obligations SET due_at = :due_at WHERE intake_id = :intake_id AND due_at > :due_at AND outcome IS NULL;

-- name: accept_call!
-- Note who took a call in the live hunt; the first one stays.
-- writes: line_calls
UPDATE line_calls SET accepted_by = :person_id, accepted_at = :at WHERE intake_id = :intake_id AND accepted_by IS NULL;

-- name: unaccept_call!
-- Note that whoever pressed 1 was not connected after all.
-- writes: line_calls
UPDATE line_calls SET accepted_by = NULL, accepted_at = NULL WHERE intake_id = :intake_id;

-- name: conversations
-- Calls that were taken live long ago and go on, as far as anybody told.
-- reads: line_calls, line_obligations
SELECT c.carrier, c.call_id FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE o.claimed_by = c.accepted_by AND o.claim_until > :until AND c.accepted_at < :before AND c.ended_at IS NULL
ORDER BY c.intake_id LIMIT 50;

-- name: end_call!
-- Note that a call is over.
-- writes: line_calls
UPDATE line_calls SET ended_at = :now, partial = :partial, sequence = greatest(sequence, :sequence)
WHERE intake_id = :intake_id AND ended_at IS NULL;

-- name: put_sequence!
-- Note the number of the last status callback that counted.
-- writes: line_calls
UPDATE line_calls SET sequence = :sequence WHERE intake_id = :intake_id AND sequence < :sequence;

-- name: turn_of$
-- What was answered to a request before.
-- reads: line_turns
SELECT document FROM line_turns WHERE intake_id = :intake_id AND step = :step AND turn = :turn AND digits = :digits;

-- name: add_turn!
-- Keep what was answered.
-- writes: line_turns
INSERT INTO line_turns (intake_id, step, turn, digits, document, at) VALUES (:intake_id, :step, :turn, :digits, :document, :now)
ON CONFLICT DO NOTHING;

-- name: note!
-- Add to what happened.
-- writes: line_events
INSERT INTO line_events (intake_id, at, actor, kind, detail) VALUES (:intake_id, :at, :actor, :kind, :detail);

-- name: events_of
-- What happened to a call, in order.
-- reads: line_events
SELECT at, actor, kind, detail FROM line_events WHERE intake_id = :intake_id ORDER BY event_id;

-- name: wrong_pins^
-- Wrong PINs since a moment: of a caller, and of all.
-- reads: line_events
SELECT count(*) AS of_all, count(*) FILTER (WHERE detail ->> 'caller' = :caller) AS of_caller
FROM line_events WHERE kind = 'wrong pin' AND at > :since;

-- name: forms_from$
-- How many forms an address sent since a moment.
-- reads: line_events
SELECT count(*) FROM line_events WHERE kind = 'form' AND at > :since AND detail ->> 'ip' = :ip;

-- name: unpaged
-- Calls whose ladder was not started, held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at, o.obligation_id FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.paged_at IS NULL AND o.voided_at IS NULL
ORDER BY c.intake_id LIMIT 20 FOR UPDATE OF c SKIP LOCKED;

-- name: set_paged!
-- Note that people are being paged.
-- writes: line_calls
UPDATE line_calls SET paged_at = :now WHERE intake_id = :intake_id;

-- name: caseless
-- Calls without a case whose account is proven, or known and they have ended, or rang a minute ago; held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.case_ref IS NULL AND NOT c.before_cases AND c.account_id IS NOT NULL
  AND (c.proof IN ('pin', 'key') OR c.ended_at IS NOT NULL OR c.taken_at < :before)
ORDER BY c.intake_id LIMIT 20 FOR UPDATE OF c SKIP LOCKED;

-- name: set_case!
-- Note the case that a call became.
-- writes: line_calls
UPDATE line_calls SET case_ref = :case_ref, told = :told WHERE intake_id = :intake_id;

-- name: untold
-- Calls of which there is something new that their case does not know; held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.case_ref IS NOT NULL AND c.first_ring_at > :since
  AND ((c.ended_at IS NOT NULL AND NOT 'words' = ANY (c.told)) OR (o.answered_at IS NOT NULL AND NOT 'answered' = ANY (c.told))
       OR ((o.returned_at IS NOT NULL OR o.engaged_at IS NOT NULL) AND NOT 'returned' = ANY (c.told))
       OR (o.connected_at IS NOT NULL AND NOT 'reached' = ANY (c.told)) OR (o.voided_at IS NOT NULL AND NOT 'void' = ANY (c.told))
       OR (c.entitlement <> 'unknown' AND NOT 'entitlement' = ANY (c.told)))
ORDER BY c.intake_id LIMIT 20 FOR UPDATE OF c SKIP LOCKED;

-- name: cases_untold
-- Cases that do not know yet what became of a call of theirs, or of which that is not judged.
-- reads: line_calls, line_obligations
SELECT DISTINCT c.case_ref::bigint AS case_id FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.case_ref IS NOT NULL AND c.first_ring_at > :since
  AND ((o.outcome IS NULL AND o.due_at < :now) OR (o.answered_at IS NOT NULL AND NOT 'answered' = ANY (c.told))
       OR ((o.returned_at IS NOT NULL OR o.engaged_at IS NOT NULL) AND NOT 'returned' = ANY (c.told))
       OR (o.voided_at IS NOT NULL AND NOT 'void' = ANY (c.told)));

-- name: add_told!
-- Note what the case of a call knows.
-- writes: line_calls
UPDATE line_calls SET told = array_append(told, :what) WHERE intake_id = :intake_id;

-- name: who_returned$
-- The number of the member of the staff who returned a call, or took it live.
-- reads: line_events
SELECT substring(actor FROM 'staff ([0-9]+)') FROM line_events
WHERE intake_id = :intake_id AND kind IN ('returned', 'engaged live') ORDER BY event_id LIMIT 1;

-- name: decided_at$
-- When a person decided about the entitlement of a caller; NULL: nobody had to.
-- reads: line_calls
SELECT (decision ->> 'at')::timestamptz FROM line_calls WHERE intake_id = :intake_id;

-- name: calls_of_case
-- The calls that belong to a case, oldest first.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id) WHERE c.case_ref = :case_ref ORDER BY c.intake_id;

-- name: answered!
-- Note who of those that were woken said something first.
-- writes: line_obligations
UPDATE line_obligations SET answered_by = :person_id, answered_at = :now WHERE obligation_id = :obligation_id AND answered_at IS NULL;

-- name: decide!
-- Note what a person decided about the entitlement of a caller; a refusal is told anew.
-- writes: line_calls
UPDATE line_calls SET entitlement = :entitlement, decision = :decision, account_id = :account_id, refusal_told_at = NULL
WHERE intake_id = :intake_id;

-- name: refused
-- Calls whose caller was refused and is not told yet; held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.entitlement = 'no' AND c.refusal_told_at IS NULL AND c.decision IS NOT NULL AND o.voided_at IS NULL
ORDER BY c.intake_id LIMIT 20 FOR UPDATE OF c SKIP LOCKED;

-- name: set_refusal_told!
-- Note that a caller was told that he was refused.
-- writes: line_calls
UPDATE line_calls SET refusal_told_at = :now WHERE intake_id = :intake_id;

-- name: unwritten
-- Calls that have ended and left no number to call (E13), or whose caller was called and not reached (E14), and whose contacts
-- were not written to; held until the transaction ends.
-- reads: line_calls, line_obligations
SELECT c.*, o.due_at, o.returned_at FROM line_calls c JOIN line_obligations o USING (intake_id)
WHERE c.written_at IS NULL AND o.voided_at IS NULL
  AND ((c.ended_at IS NOT NULL AND o.outcome IS NULL AND c.caller = '' AND coalesce(c.state -> 'answers' ->> 'phone', '') = '')
       OR (o.next_try_at IS NOT NULL AND o.connected_at IS NULL))
ORDER BY c.intake_id LIMIT 20 FOR UPDATE OF c SKIP LOCKED;

-- name: set_written!
-- Note that the contacts were written to.
-- writes: line_calls
UPDATE line_calls SET written_at = :now WHERE intake_id = :intake_id;

-- name: obligation_locked^
-- What is owed for a call, held until the transaction ends.
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.intake_id = :intake_id FOR UPDATE OF o;

-- name: obligation_by_id^
-- What is owed, held until the transaction ends.
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.obligation_id = :obligation_id FOR UPDATE OF o;

-- name: obligation^
-- What is owed for a call.
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id) WHERE o.intake_id = :intake_id;

-- name: overdue
-- Open call-backs that are past due, held until the transaction ends.
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.outcome IS NULL AND o.due_at < :now ORDER BY o.due_at LIMIT 50 FOR UPDATE OF o SKIP LOCKED;

-- name: lapsed
-- Claims that are over without an attempt, held until the transaction ends.
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.claimed_by IS NOT NULL AND o.claim_until <= :now AND o.returned_at IS NULL AND o.engaged_at IS NULL
  AND o.voided_at IS NULL
LIMIT 50 FOR UPDATE OF o SKIP LOCKED;

-- name: to_retry
-- Customers who were not reached and are to be tried again now, held until the transaction ends (E14).
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.next_try_at <= :now LIMIT 50 FOR UPDATE OF o SKIP LOCKED;

-- name: put_claim!
-- Who has a call-back in hand, and until when.
-- writes: line_obligations
UPDATE line_obligations SET claimed_by = :person_id, claim_until = :until WHERE obligation_id = :obligation_id;

-- name: put_result!
-- What is known of a call-back now. Of the instants the first one stays.
-- writes: line_obligations
UPDATE line_obligations SET returned_at = coalesce(returned_at, :returned_at), connected_at = coalesce(connected_at, :connected_at),
    engaged_at = coalesce(engaged_at, :engaged_at), outcome = coalesce(outcome, :outcome),
    outcome_at = CASE WHEN outcome IS NULL THEN :outcome_at ELSE outcome_at END
WHERE obligation_id = :obligation_id;

-- name: put_next_try!
-- When to try again to reach somebody; NULL: no more.
-- writes: line_obligations
UPDATE line_obligations SET next_try_at = :next_try_at WHERE obligation_id = :obligation_id;

-- name: put_voids!
-- Who wants a call-back void.
-- writes: line_obligations
UPDATE line_obligations SET voids = :voids WHERE obligation_id = :obligation_id;

-- name: make_void!
-- Make a call-back void, as two people said.
-- writes: line_obligations
UPDATE line_obligations SET voids = :voids, voided_at = :now, outcome = coalesce(outcome, 'void'),
    outcome_at = CASE WHEN outcome IS NULL THEN :now ELSE outcome_at END, next_try_at = NULL, claimed_by = NULL, claim_until = NULL
WHERE obligation_id = :obligation_id;

-- name: siblings
-- Open call-backs of the same customer and number, held until the transaction ends: one call returns them all (E12).
-- reads: line_obligations, line_calls
SELECT o.*, c.account_id FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.returned_at IS NULL AND o.engaged_at IS NULL AND o.voided_at IS NULL AND o.obligation_id <> :obligation_id
  AND c.first_ring_at <= :placed_at AND c.account_id IS NOT DISTINCT FROM :account_id
  AND coalesce(nullif(c.state -> 'answers' ->> 'phone', ''), c.caller) = :number
  AND c.contact_id IS NOT DISTINCT FROM :contact_id
FOR UPDATE OF o;

-- name: add_attempt$
-- Begin to call back.
-- writes: line_attempts
INSERT INTO line_attempts (obligation_id, person_id, carrier, number, status, created_at)
VALUES (:obligation_id, :person_id, :carrier, :number, 'calling_rep', :now) RETURNING attempt_id;

-- name: attempt_of_leg$
-- The attempt whose representative is in a call; NULL: there is none.
-- reads: line_attempts
SELECT attempt_id FROM line_attempts WHERE carrier = :carrier AND rep_call_id = :call_id ORDER BY attempt_id DESC LIMIT 1;

-- name: attempt_locked^
-- One attempt, held until the transaction ends.
-- reads: line_attempts
SELECT * FROM line_attempts WHERE attempt_id = :attempt_id FOR UPDATE;

-- name: attempts_of
-- The attempts of a call-back, oldest first.
-- reads: line_attempts
SELECT * FROM line_attempts WHERE obligation_id = :obligation_id ORDER BY attempt_id;

-- name: put_attempt!
-- What is known of an attempt now.
-- writes: line_attempts
UPDATE line_attempts SET status = :status, rep_call_id = :rep_call_id, call_id = :call_id, accepted_at = :accepted_at,
    evidence_at = :evidence_at, placed_at = :placed_at, connected_at = :connected_at, ended_at = :ended_at, result = :result,
    sequence = :sequence
WHERE attempt_id = :attempt_id;

-- name: to_place
-- Attempts whose representative waits for the customer's leg, and what the customer had called; held until the transaction ends.
-- reads: line_attempts, line_obligations, line_calls
SELECT a.*, c.called FROM line_attempts a JOIN line_obligations o USING (obligation_id) JOIN line_calls c USING (intake_id)
WHERE a.status = 'rep_answered' ORDER BY a.attempt_id LIMIT 20 FOR UPDATE OF a SKIP LOCKED;

-- name: unproven
-- Attempts that the carrier took and that did not ring in time, as it says if it can be asked; held until the transaction ends.
-- reads: line_attempts
SELECT * FROM line_attempts
WHERE ended_at IS NULL AND evidence_at IS NULL
  AND ((accepted_at IS NOT NULL AND accepted_at < :accepted_before AND (call_id = '' OR (looks >= :most AND look_at <= :now)))
       OR (accepted_at IS NULL AND created_at < :created_before))
LIMIT 50 FOR UPDATE SKIP LOCKED;

-- name: to_ask
-- Attempts that the carrier took and of which nobody has told that they ring; claimed for a while.
-- writes: line_attempts
UPDATE line_attempts SET looks = looks + 1, look_at = :until
WHERE attempt_id IN (SELECT attempt_id FROM line_attempts
                     WHERE ended_at IS NULL AND evidence_at IS NULL AND call_id <> '' AND accepted_at < :accepted_before
                       AND looks < :most AND (look_at IS NULL OR look_at <= :now)
                     ORDER BY attempt_id LIMIT 20 FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: asked!
-- Note that a carrier has said how the leg of an attempt stands.
-- writes: line_attempts
UPDATE line_attempts SET looks = :most, look_at = :now WHERE attempt_id = :attempt_id;

-- name: add_hand_call$
-- Keep a call that somebody dialled by hand; NULL: it is known.
-- writes: line_hand_calls
INSERT INTO line_hand_calls (obligation_id, person_id, number, called_at, reached, evidence, recorded_at)
VALUES (:obligation_id, :person_id, :number, :called_at, :reached, :evidence, :now)
ON CONFLICT DO NOTHING RETURNING hand_call_id;

-- name: hand_calls_of
-- The calls of a call-back that people say they dialled by hand, by their times.
-- reads: line_hand_calls
SELECT person_id, number, called_at, reached, evidence, recorded_at FROM line_hand_calls
WHERE obligation_id = :obligation_id ORDER BY called_at, hand_call_id;

-- name: add_recording!
-- Expect a recording, or learn more about one.
-- writes: line_recordings
INSERT INTO line_recordings (intake_id, step, turn, sid, url, seconds, due_at)
VALUES (:intake_id, :step, :turn, :sid, :url, :seconds, :due_at)
ON CONFLICT (intake_id, step, turn) DO UPDATE
SET sid = CASE WHEN excluded.sid <> '' THEN excluded.sid ELSE line_recordings.sid END,
    url = CASE WHEN line_recordings.url = '' THEN excluded.url ELSE line_recordings.url END,
    seconds = coalesce(excluded.seconds, line_recordings.seconds),
    due_at = least(excluded.due_at, line_recordings.due_at)
WHERE line_recordings.state = 'waiting';

-- name: absent_recording!
-- Note that nothing was recorded.
-- writes: line_recordings
INSERT INTO line_recordings (intake_id, step, turn, sid, state, due_at) VALUES (:intake_id, :step, :turn, :sid, 'absent', :now)
ON CONFLICT (intake_id, step, turn) DO UPDATE SET state = 'absent' WHERE line_recordings.state = 'waiting';

-- name: due_recordings
-- Recordings to fetch, or to have deleted at the carrier; claimed for two minutes.
-- writes: line_recordings
UPDATE line_recordings r SET due_at = :until, tries = r.tries + 1
FROM (SELECT recording_id FROM line_recordings
      WHERE due_at <= :now AND (state = 'waiting' OR (state = 'kept' AND at_carrier))
      ORDER BY due_at LIMIT 5 FOR UPDATE SKIP LOCKED) due, line_calls c
WHERE r.recording_id = due.recording_id AND c.intake_id = r.intake_id
RETURNING r.recording_id, r.intake_id, r.step, r.sid, r.url, r.state, r.tries, c.carrier;

-- name: keep_recording!
-- Keep a recording, sealed.
-- writes: line_recordings
UPDATE line_recordings SET state = 'kept', size_bytes = :size_bytes, sha256 = :sha256, key_sealed = :key_sealed, content = :content,
    kept_at = :now, erase_at = :erase_at, due_at = :now, tries = 0
WHERE recording_id = :recording_id AND state = 'waiting';

-- name: gone_at_carrier!
-- Note that the carrier has a recording no more.
-- writes: line_recordings
UPDATE line_recordings SET at_carrier = false WHERE recording_id = :recording_id;

-- name: end_recording!
-- Note that a recording will not be had, and why.
-- writes: line_recordings
UPDATE line_recordings SET state = :state, why = :why WHERE recording_id = :recording_id AND state = 'waiting';

-- name: later_recording!
-- Try a recording again later.
-- writes: line_recordings
UPDATE line_recordings SET due_at = :due_at, why = :why WHERE recording_id = :recording_id;

-- name: recordings_of
-- The recordings of a call, without their sound.
-- reads: line_recordings
SELECT recording_id, step, turn, seconds, state, why, size_bytes, sha256, kept_at, erase_at FROM line_recordings
WHERE intake_id = :intake_id ORDER BY recording_id;

-- name: recording^
-- One recording.
-- reads: line_recordings, line_calls
SELECT r.*, c.account_id FROM line_recordings r JOIN line_calls c USING (intake_id) WHERE r.recording_id = :recording_id;

-- name: erase_recording^
-- Erase the sound of a recording; its digest stays.
-- writes: line_recordings
UPDATE line_recordings SET state = 'erased', content = NULL, key_sealed = NULL, url = '', why = :why
WHERE recording_id = :recording_id AND state = 'kept' RETURNING recording_id, intake_id, sha256;

-- name: erase_old
-- Erase the sound of recordings whose time is over.
-- writes: line_recordings
UPDATE line_recordings SET state = 'erased', content = NULL, key_sealed = NULL, url = '', why = 'its time was over'
WHERE state = 'kept' AND erase_at <= :now RETURNING recording_id, intake_id, sha256;

-- name: chore$
-- Claim a chore that was last done before a moment; nothing comes back where it was done since. One that was done in the future
-- was done by a clock that was wrong, and is not waited for.
-- writes: line_chores
INSERT INTO line_chores (name, done_at) VALUES (:name, :now)
ON CONFLICT (name) DO UPDATE SET done_at = excluded.done_at
WHERE line_chores.done_at <= :before OR line_chores.done_at > :now::timestamptz + (:now::timestamptz - :before::timestamptz)
RETURNING name;

-- name: chore_done_at$
-- When a chore was last done.
-- reads: line_chores
SELECT done_at FROM line_chores WHERE name = :name;

-- name: chore_done!
-- Note that a chore was done.
-- writes: line_chores
INSERT INTO line_chores (name, done_at) VALUES (:name, :now) ON CONFLICT (name) DO UPDATE SET done_at = excluded.done_at;

-- name: add_test$
-- Begin a test call.
-- writes: line_tests
INSERT INTO line_tests (carrier, number, made_at, wakes) VALUES (:carrier, :number, :now, :wakes) RETURNING test_id;

-- name: test^
-- What became of a test call.
-- reads: line_tests
SELECT made_at, seen_at, outcome, wakes FROM line_tests WHERE test_id = :test_id;

-- name: hear_test^
-- Note that a test call was heard: the last one before it rang, as one that was made earlier has been lost. Nothing comes back where
-- none is expected. One that was taken for silent may be heard late; it is a test call all the same, and nobody's who must be called
-- back.
-- writes: line_tests
UPDATE line_tests SET seen_at = :now, call_id = :call_id, outcome = 'heard'
WHERE test_id = (SELECT test_id FROM line_tests
                 WHERE carrier = :carrier AND number = :number AND made_at > :since AND seen_at IS NULL
                 ORDER BY made_at > :rang, test_id DESC LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING test_id, wakes;

-- name: is_test$
-- Whether a call was a test call of ours.
-- reads: line_tests
SELECT true FROM line_tests WHERE carrier = :carrier AND call_id = :call_id AND call_id <> '' AND seen_at > :since;

-- name: silent_tests
-- Test calls that were not heard in time, held until the transaction ends.
-- reads: line_tests
SELECT test_id, carrier, number FROM line_tests WHERE outcome IS NULL AND made_at < :before ORDER BY test_id FOR UPDATE SKIP LOCKED;

-- name: set_silent!
-- Note that test calls were not heard.
-- writes: line_tests
UPDATE line_tests SET outcome = 'silent' WHERE test_id = ANY(:test_ids);

-- name: last_tests
-- What the latest test calls of a number heard, the last one first.
-- reads: line_tests
SELECT outcome FROM line_tests WHERE carrier = :carrier AND number = :number AND outcome IS NOT NULL
ORDER BY test_id DESC LIMIT :limit;

-- name: known_calls
-- Which calls of a carrier are known.
-- reads: line_calls
SELECT call_id FROM line_calls WHERE carrier = :carrier AND call_id = ANY(:call_ids);

-- name: counted
-- Call-backs that fell due in a stretch of time, as they are counted.
-- reads: line_obligations, line_calls
SELECT o.outcome, o.voided_at, c.entitlement FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE o.due_at >= :since AND o.due_at < :until AND (:account_id::integer IS NULL OR c.account_id = :account_id);

-- name: intakes_after
-- The next calls, in the order of their numbers.
-- reads: line_calls
SELECT intake_id FROM line_calls WHERE intake_id > :after ORDER BY intake_id LIMIT :limit;

-- name: was_placed$
-- Whether an attempt was placed at an instant: for this call-back, or for another one of the same account.
-- reads: line_attempts, line_obligations, line_calls
SELECT EXISTS (
    SELECT FROM line_attempts a JOIN line_obligations o USING (obligation_id) JOIN line_calls c USING (intake_id)
    WHERE a.placed_at = :at AND (o.obligation_id = :obligation_id OR c.account_id IS NOT DISTINCT FROM :account_id));

-- name: returned
-- The call-backs of an account that fell due in a stretch of time, in that order.
-- reads: line_obligations, line_calls, line_hand_calls
SELECT c.reference, c.source, c.first_ring_at, o.due_at, o.returned_at, o.connected_at, o.outcome, c.entitlement,
       o.voided_at IS NOT NULL AS voided,
       (SELECT min(called_at) FROM line_hand_calls h WHERE h.obligation_id = o.obligation_id) AS by_hand_at
FROM line_obligations o JOIN line_calls c USING (intake_id)
WHERE c.account_id = :account_id AND o.due_at >= :since AND o.due_at < :until ORDER BY o.due_at, c.intake_id;

-- name: add_page!
-- Note that everybody must be written to. once: not again for the same reason.
-- writes: line_pages
INSERT INTO line_pages (reason, reference, obligation_id, first_ring_at, due_at)
SELECT :reason, :reference, :obligation_id, :first_ring_at, :due_at
WHERE NOT :once::boolean OR NOT EXISTS (SELECT FROM line_pages WHERE obligation_id = :obligation_id AND reason = :reason);

-- name: add_page_call!
-- Note a call that wakes somebody. It may be told by the carrier's first request, before its answer to us.
-- writes: line_page_calls
INSERT INTO line_page_calls (carrier, call_id, page_id, placed_at) VALUES (:carrier, :call_id, :page_id, :now)
ON CONFLICT (carrier, call_id) DO NOTHING;

-- name: page_call^
-- A call that wakes somebody, held until the transaction ends.
-- reads: line_page_calls
SELECT * FROM line_page_calls WHERE carrier = :carrier AND call_id = :call_id FOR UPDATE;

-- name: put_page_call!
-- What is known of such a call now.
-- writes: line_page_calls
UPDATE line_page_calls SET keys = :keys, sequence = :sequence, status = :status, ended_at = :ended_at
WHERE carrier = :carrier AND call_id = :call_id;

-- name: page_calls_open
-- Such calls whose end nobody has told for long.
-- reads: line_page_calls
SELECT carrier, call_id, page_id FROM line_page_calls WHERE ended_at IS NULL AND placed_at < :before ORDER BY placed_at LIMIT 50;

-- name: unsent_pages
-- Pages to send, held until the transaction ends.
-- reads: line_pages
SELECT page_id, reason, reference, obligation_id, due_at FROM line_pages
WHERE sent_to IS NULL ORDER BY page_id LIMIT 20 FOR UPDATE SKIP LOCKED;

-- name: sent_page!
-- Note that a page went out.
-- writes: line_pages
UPDATE line_pages SET sent_to = :sent_to WHERE page_id = :page_id;
