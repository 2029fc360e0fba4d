-- name: add_call^
-- Take a call in; nothing comes back where it is known already.
-- writes: thread_calls
INSERT INTO thread_calls (carrier, call_id, caller, called, person_id, account_id, contact_id, first_ring_at, state, ended_at, look_at)
VALUES (:carrier, :call_id, :caller, :called, :person_id, :account_id, :contact_id, :first_ring_at, :state, :ended_at, :look_at)
ON CONFLICT (carrier, call_id) DO NOTHING RETURNING *;

-- name: call_locked^
-- One call by the carrier's id, held until the transaction ends.
-- reads: thread_calls
SELECT * FROM thread_calls WHERE carrier = :carrier AND call_id = :call_id FOR UPDATE;

-- name: call^
-- One call.
-- reads: thread_calls
SELECT * FROM thread_calls WHERE call_ref = :call_ref;

-- name: put_call!
-- Where a call stands now, and when to ask the carrier about it.
-- writes: thread_calls
UPDATE thread_calls SET state = :state, told_at = :told_at, ended_at = :ended_at, sequence = :sequence, handed_to = :handed_to,
    look_at = :look_at, looks = :looks
WHERE call_ref = :call_ref;

-- name: put_owner!
-- Note whose call it was, as a person says.
-- writes: thread_calls
UPDATE thread_calls SET account_id = :account_id, contact_id = :contact_id WHERE call_ref = :call_ref;

-- name: accept_call!
-- Note who took a call; the first one stays.
-- writes: thread_calls
UPDATE thread_calls SET accepted_by = :person_id WHERE call_ref = :call_ref AND accepted_by IS NULL;

-- name: to_look_at
-- Calls about which the carrier must be asked, held until the transaction ends.
-- reads: thread_calls
SELECT * FROM thread_calls WHERE look_at <= :now ORDER BY look_at LIMIT 20 FOR UPDATE SKIP LOCKED;

-- name: put_look!
-- When to ask again.
-- writes: thread_calls
UPDATE thread_calls SET look_at = :look_at, looks = looks + 1 WHERE call_ref = :call_ref;

-- name: known_calls
-- Which calls of a carrier are known.
-- reads: thread_calls
SELECT call_id FROM thread_calls WHERE carrier = :carrier AND call_id = ANY(:call_ids::text[]);

-- name: turn_of$
-- What was answered to a request before.
-- reads: thread_call_turns
SELECT document FROM thread_call_turns WHERE call_ref = :call_ref AND step = :step AND turn = :turn AND digest = :digest;

-- name: add_turn!
-- Keep what was answered.
-- writes: thread_call_turns
INSERT INTO thread_call_turns (call_ref, step, turn, digest, document) VALUES (:call_ref, :step, :turn, :digest, :document)
ON CONFLICT DO NOTHING;

-- name: note!
-- Add to what happened.
-- writes: thread_call_events
INSERT INTO thread_call_events (call_ref, at, actor, kind, detail) VALUES (:call_ref, :at, :actor, :kind, :detail);

-- name: events_of
-- What happened to a call, in order.
-- reads: thread_call_events
SELECT at, actor, kind, detail FROM thread_call_events WHERE call_ref = :call_ref ORDER BY event_id;

-- name: add_recording!
-- Expect a recording, or learn more about one; one that is known under another step is the same one.
-- writes: thread_recordings
INSERT INTO thread_recordings (call_ref, step, turn, sid, url, seconds, due_at)
SELECT :call_ref, :step, :turn, :sid, :url, :seconds::integer, :due_at::timestamptz
WHERE NOT EXISTS (SELECT FROM thread_recordings known
                  WHERE known.call_ref = :call_ref AND known.sid = :sid AND known.sid <> '' AND (known.step, known.turn) <> (:step, :turn))
ON CONFLICT (call_ref, step, turn) DO UPDATE
SET sid = CASE WHEN excluded.sid <> '' THEN excluded.sid ELSE thread_recordings.sid END,
    url = CASE WHEN thread_recordings.url = '' THEN excluded.url ELSE thread_recordings.url END,
    seconds = coalesce(excluded.seconds, thread_recordings.seconds),
    due_at = least(excluded.due_at, thread_recordings.due_at)
WHERE thread_recordings.state = 'waiting';

-- name: due_recordings
-- Recordings to fetch, or to have deleted at the carrier; claimed for two minutes.
-- writes: thread_recordings
UPDATE thread_recordings r SET due_at = :until, tries = r.tries + 1
FROM (SELECT recording_id FROM thread_recordings
      WHERE due_at <= :now AND (state = 'waiting' OR (state = 'kept' AND at_carrier))
      ORDER BY due_at LIMIT 5 FOR UPDATE SKIP LOCKED) due, thread_calls c
WHERE r.recording_id = due.recording_id AND c.call_ref = r.call_ref
RETURNING r.recording_id, r.call_ref, r.step, r.sid, r.url, r.state, r.tries, c.carrier;

-- name: keep_recording!
-- Keep a recording, sealed.
-- writes: thread_recordings
UPDATE thread_recordings SET state = 'kept', size_bytes = :size_bytes, sha256 = :sha256, key_sealed = :key_sealed, content = :content,
    kept_at = :now, erase_at = :erase_at, due_at = :now, tries = 0
WHERE recording_id = :recording_id AND state = 'waiting';

-- name: gone_at_carrier!
-- Note that the carrier has a recording no more.
-- writes: thread_recordings
UPDATE thread_recordings SET at_carrier = false WHERE recording_id = :recording_id;

-- name: end_recording!
-- Note that a recording will not be had, and why.
-- writes: thread_recordings
UPDATE thread_recordings SET state = :state, why = :why WHERE recording_id = :recording_id AND state = 'waiting';

-- name: later_recording!
-- Try a recording again later.
-- writes: thread_recordings
UPDATE thread_recordings SET due_at = :due_at, why = :why WHERE recording_id = :recording_id;

-- name: recordings_of
-- The recordings of some calls, without their sound.
-- reads: thread_recordings
SELECT recording_id, call_ref, step, seconds, state, why, size_bytes, sha256, kept_at, erase_at FROM thread_recordings
WHERE call_ref = ANY(:call_refs::bigint[]) ORDER BY recording_id;

-- name: recording^
-- One recording.
-- reads: thread_recordings, thread_calls
SELECT r.*, c.account_id, c.person_id FROM thread_recordings r JOIN thread_calls c USING (call_ref) WHERE r.recording_id = :recording_id;

-- name: erase_recording^
-- Erase the sound of a recording; its digest stays.
-- writes: thread_recordings
UPDATE thread_recordings SET state = 'erased', content = NULL, key_sealed = NULL, url = '', why = :why
WHERE recording_id = :recording_id AND state = 'kept' RETURNING recording_id, call_ref, sha256;

-- name: erase_old
-- Erase the sound of recordings whose time is over.
-- writes: thread_recordings
UPDATE thread_recordings SET state = 'erased', content = NULL, key_sealed = NULL, url = '', why = 'its time was over'
WHERE state = 'kept' AND erase_at <= :now RETURNING recording_id, call_ref, sha256;
