-- name: server_time$
-- What time it is by the database server: the one clock whose word counts (E29).
-- reads: nothing
SELECT clock_timestamp();

-- name: put_clock!
-- Write what a clock shows. What was decided cannot be written again; a trigger sees to it.
-- writes: clocks
INSERT INTO clocks (subject, subject_id, number, account_id, kind, nature, zone, holiday_set, order_form_id, budget_s, started_at,
                    state, due_at, elapsed_s, remaining_s, spans, outcome, outcome_at, ended_at, reached_at, remark, void, marks,
                    hours_version, holiday_change, read_at)
VALUES (:subject, :subject_id, :number, :account_id, :kind, :nature, :zone, :holiday_set, :order_form_id, :budget_s, :started_at,
        :state, :due_at, :elapsed_s, :remaining_s, :spans::text::jsonb, :outcome, :outcome_at, :ended_at, :reached_at, :remark,
        :void::text::jsonb, :marks::text::jsonb, :hours_version, :holiday_change, :read_at)
ON CONFLICT (subject, subject_id, number) DO UPDATE SET
    account_id = excluded.account_id, nature = excluded.nature, state = excluded.state, due_at = excluded.due_at,
    elapsed_s = excluded.elapsed_s, remaining_s = excluded.remaining_s, spans = excluded.spans, outcome = excluded.outcome,
    outcome_at = excluded.outcome_at, ended_at = excluded.ended_at, reached_at = excluded.reached_at, remark = excluded.remark,
    void = excluded.void, marks = excluded.marks, hours_version = excluded.hours_version,
    holiday_change = excluded.holiday_change, read_at = excluded.read_at;

-- name: clocks_of
-- The clocks of one subject, in the order in which they started.
-- reads: clocks
SELECT * FROM clocks WHERE subject = :subject AND subject_id = :subject_id ORDER BY number;

-- name: clocks_of_many
-- The clocks of several subjects of one sort.
-- reads: clocks
SELECT * FROM clocks WHERE subject = :subject AND subject_id = ANY(:subject_ids::bigint[]) ORDER BY subject_id, number;

-- name: clocks_of_account
-- The clocks of an account that started in a stretch of time.
-- reads: clocks
SELECT * FROM clocks WHERE account_id = :account_id AND started_at >= :begin AND started_at < :end
ORDER BY started_at, subject, subject_id, number;

-- name: clocks_alive_in
-- The clocks of an account that ran, or waited, in a stretch of time: those that started in it, and those from before that were not
-- decided when it began.
-- reads: clocks
SELECT * FROM clocks
WHERE account_id = :account_id AND started_at < :end AND (started_at >= :begin OR outcome_at IS NULL OR outcome_at >= :begin)
ORDER BY started_at, subject, subject_id, number;

-- name: take_overdue
-- Clocks that were due before a moment and are not written down as missed; locked until the transaction ends. untold: cases whose
-- calls were answered or returned, perhaps in time, and which do not know it yet.
-- reads: clocks
SELECT * FROM clocks WHERE state = 'running' AND due_at < :before
  AND NOT (kind IN ('CALLBACK', 'ENGAGE') AND subject = 'case' AND subject_id = ANY(:untold::bigint[]))
ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: take_outdated
-- Open clocks whose calendar has another edition by now; locked until the transaction ends.
-- reads: clocks, hours_versions, holiday_changes
SELECT c.* FROM clocks c
WHERE c.state IN ('running', 'paused') AND c.zone IS NOT NULL
  AND (c.hours_version <> (SELECT coalesce(max(v.version), 0) FROM hours_versions v WHERE v.zone = c.zone)
       OR c.holiday_change <> (SELECT coalesce(max(h.change), 0) FROM holiday_changes h WHERE h.holiday_set = c.holiday_set))
ORDER BY c.subject, c.subject_id, c.number LIMIT :limit FOR UPDATE SKIP LOCKED;

-- name: begin_audit$
-- Take the audit of a day: nobody has, or whoever had began long ago and did not end.
-- writes: clock_audits
INSERT INTO clock_audits (day, began_at) VALUES (:day, :now)
ON CONFLICT (day) DO UPDATE SET began_at = excluded.began_at
WHERE clock_audits.ended_at IS NULL AND clock_audits.began_at < :stale
RETURNING day;

-- name: end_audit!
-- Write down what an audit found.
-- writes: clock_audits
UPDATE clock_audits SET ended_at = :now, subjects = :subjects, clocks = :clocks, findings = :findings::text::jsonb WHERE day = :day;

-- name: audits
-- The latest audits, newest first.
-- reads: clock_audits
SELECT * FROM clock_audits ORDER BY day DESC LIMIT :limit;
