-- name: one_at_a_time$
-- Let one recorder in at a time, until its transaction ends: the order of recording is the order of recorded_at.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtext('homing hours'));

-- name: clock_is_behind$
-- Whether the server's clock stands before something that was recorded already.
-- reads: hours_versions, holiday_changes
SELECT EXISTS (SELECT FROM hours_versions WHERE recorded_at > clock_timestamp())
    OR EXISTS (SELECT FROM holiday_changes WHERE recorded_at > clock_timestamp());

-- name: versions_of
-- Every version of a zone's hours, in the order of recording.
-- reads: hours_versions
SELECT version, zone, hours, effective_from, effective_to, recorded_at, author, reason, notice_sent_at
FROM hours_versions WHERE zone = :zone ORDER BY version;

-- name: holiday_changes_of
-- Every change of a holiday set, in the order of recording.
-- reads: holiday_changes
SELECT change, holiday_set, day, name, active, substitute_for, source, source_version, recorded_at, author, reason
FROM holiday_changes WHERE holiday_set = :holiday_set ORDER BY change;

-- name: insert_version^
-- Record hours, unless the recorder has not seen the last ones; a trigger stamps the row with the server's time, and what is
-- meant for no other time begins with it.
-- writes: hours_versions
INSERT INTO hours_versions (zone, version, hours, effective_from, effective_to, author, reason, notice_sent_at)
SELECT :zone, coalesce(max(version), 0) + 1, :hours::text::jsonb, :effective_from::timestamptz, :effective_to::timestamptz,
       :author, :reason, :notice_sent_at::timestamptz
FROM hours_versions WHERE zone = :zone
HAVING coalesce(max(version), 0) = :follows::integer
RETURNING version, zone, hours, effective_from, effective_to, recorded_at, author, reason, notice_sent_at;

-- name: insert_holiday_change^
-- Record a change of a holiday set; a trigger stamps the row with the server's time.
-- writes: holiday_changes
INSERT INTO holiday_changes (holiday_set, change, day, name, active, substitute_for, source, source_version, author, reason)
SELECT :holiday_set, coalesce(max(change), 0) + 1, :day::date, :name, :active::boolean, :substitute_for::date,
       :source, :source_version, :author, :reason
FROM holiday_changes WHERE holiday_set = :holiday_set
RETURNING change, holiday_set, day, name, active, substitute_for, source, source_version, recorded_at, author, reason;
