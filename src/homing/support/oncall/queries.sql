-- name: add_schedule$
-- A new schedule; NULL where there is one of that name.
-- writes: oncall_schedules
INSERT INTO oncall_schedules (name, recorded_by) VALUES (:name, :actor) ON CONFLICT (name) DO NOTHING RETURNING schedule_id;

-- name: remove_schedule$
-- Forget a schedule with its rotations and overrides. NULL: there is none.
-- writes: oncall_schedules
DELETE FROM oncall_schedules WHERE name = :name RETURNING schedule_id;

-- name: schedules
-- Every schedule.
-- reads: oncall_schedules
SELECT * FROM oncall_schedules ORDER BY schedule_id;

-- name: schedule_id$
-- The number of a schedule.
-- reads: oncall_schedules
SELECT schedule_id FROM oncall_schedules WHERE name = :name;

-- name: rotations
-- Every rotation.
-- reads: oncall_rotations
SELECT * FROM oncall_rotations ORDER BY rotation_id;

-- name: overrides
-- The overrides that have not ended.
-- reads: oncall_overrides
SELECT *, lower(period) AS begins_at, upper(period) AS ends_at FROM oncall_overrides
WHERE upper(period) > :now ORDER BY override_id;

-- name: add_rotation$
-- A new rotation of a schedule; returns its number.
-- writes: oncall_rotations
INSERT INTO oncall_rotations (schedule_id, zone, people, starts_on, hands_over_min, every_days, weekly, recorded_by)
VALUES (:schedule_id, :zone, :people, :starts_on, :hands_over_min, :every_days, :weekly, :actor)
RETURNING rotation_id;

-- name: remove_rotation$
-- Forget a rotation. NULL: there is none.
-- writes: oncall_rotations
DELETE FROM oncall_rotations WHERE rotation_id = :rotation_id RETURNING schedule_id;

-- name: add_override$
-- A new override of a schedule; returns its number.
-- writes: oncall_overrides
INSERT INTO oncall_overrides (schedule_id, person_id, period, reason, recorded_by)
VALUES (:schedule_id, :person_id, tstzrange(:begins_at, :ends_at), :reason, :actor)
RETURNING override_id;

-- name: remove_override$
-- Forget an override. NULL: there is none.
-- writes: oncall_overrides
DELETE FROM oncall_overrides WHERE override_id = :override_id RETURNING schedule_id;

-- name: put_ladder!
-- Keep a ladder in the place of the one of its name.
-- writes: oncall_ladders
INSERT INTO oncall_ladders (name, steps, recorded_by) VALUES (:name, :steps, :actor)
ON CONFLICT (name) DO UPDATE SET steps = excluded.steps, recorded_by = excluded.recorded_by;

-- name: remove_ladder$
-- Forget a ladder. NULL: there is none.
-- writes: oncall_ladders
DELETE FROM oncall_ladders WHERE name = :name RETURNING name;

-- name: ladder^
-- One ladder by its name.
-- reads: oncall_ladders
SELECT * FROM oncall_ladders WHERE name = :name;

-- name: ladders
-- Every ladder that was recorded.
-- reads: oncall_ladders
SELECT * FROM oncall_ladders ORDER BY name;

-- name: add_channel$
-- A new channel of somebody; returns its number.
-- writes: oncall_channels
INSERT INTO oncall_channels (person_id, kind, address_sealed, label, recorded_by)
VALUES (:person_id, :kind, :address_sealed, :label, :actor)
RETURNING channel_id;

-- name: remove_channel$
-- Forget a channel; returns whose it was. NULL: there is none.
-- writes: oncall_channels
DELETE FROM oncall_channels WHERE channel_id = :channel_id RETURNING person_id;

-- name: channels
-- Every channel besides people's own addresses and numbers.
-- reads: oncall_channels
SELECT * FROM oncall_channels ORDER BY channel_id;

-- name: start_run!
-- Let a ladder run for an obligation; nothing happens where one does already.
-- writes: oncall_runs
INSERT INTO oncall_runs (obligation, account_id, severity, reference, steps, made_at, started_at, due_at, look_at)
VALUES (:obligation, :account_id, :severity, :reference, :steps, :made_at, :started_at, :due_at, :started_at)
ON CONFLICT (obligation) DO NOTHING;

-- name: run_of^
-- The run of an obligation.
-- reads: oncall_runs
SELECT * FROM oncall_runs WHERE obligation = :obligation;

-- name: going
-- The runs that go on for an obligation, and for what belongs to it (its name, a space, more); held to the end of the transaction.
-- reads: oncall_runs
SELECT * FROM oncall_runs WHERE ended_at IS NULL AND (obligation = :obligation OR starts_with(obligation, :obligation || ' '))
ORDER BY run_id FOR UPDATE;

-- name: belong!
-- Note whose the obligation of a run is, and since when its steps are counted.
-- writes: oncall_runs
UPDATE oncall_runs SET account_id = :account_id, started_at = :started_at, due_at = :due_at WHERE run_id = :run_id;

-- name: unheard
-- Runs of Severity 1 that wake nobody, of which nobody was told: no page of theirs went out or still will, or no engine has looked at
-- them in time. Held until the transaction ends.
-- reads: oncall_runs, oncall_pages
SELECT r.* FROM oncall_runs r
WHERE r.severity = 'severity 1' AND r.ended_at IS NULL AND r.unheard_at IS NULL AND r.engaged_at IS NULL
  AND (r.made_at < :before OR r.next_step > 0)
  AND NOT EXISTS (SELECT FROM oncall_pages p WHERE p.run_id = r.run_id AND (p.sent_at IS NOT NULL OR p.due_at IS NOT NULL))
ORDER BY r.run_id LIMIT 20 FOR UPDATE OF r SKIP LOCKED;

-- name: told!
-- Note that everybody was written to, since a run wakes nobody.
-- writes: oncall_runs
UPDATE oncall_runs SET unheard_at = :now WHERE obligation = :obligation AND unheard_at IS NULL;

-- name: run^
-- One run.
-- reads: oncall_runs
SELECT * FROM oncall_runs WHERE run_id = :run_id;

-- name: run_held^
-- One run, held to the end of the transaction.
-- reads: oncall_runs
SELECT * FROM oncall_runs WHERE run_id = :run_id FOR UPDATE;

-- name: runs
-- The runs, those that go on first, then the latest.
-- reads: oncall_runs
SELECT * FROM oncall_runs ORDER BY ended_at IS NOT NULL, run_id DESC LIMIT :most;

-- name: take_run
-- A run whose time has come, held to the end of the transaction; one that somebody else works on is passed over.
-- reads: oncall_runs
SELECT * FROM oncall_runs WHERE look_at <= :now AND run_id <> ALL(:without::bigint[]) ORDER BY severity DESC, look_at LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: save_run!
-- Keep how far a run has come.
-- writes: oncall_runs
UPDATE oncall_runs SET next_step = :next_step, forward_s = :forward_s, found = :found, rounds = :rounds, paged_at = :paged_at,
       claimed_by = :claimed_by, claimed_at = :claimed_at, claimed_until = :claimed_until, engaged_by = :engaged_by, engaged_at = :engaged_at,
       ended_at = :ended_at, ended_because = :ended_because, look_at = :look_at
WHERE run_id = :run_id;

-- name: add_page!
-- Owe somebody a page.
-- writes: oncall_pages
INSERT INTO oncall_pages (run_id, step, person_id, kind, address_sealed, alarm, made_at, due_at)
VALUES (:run_id, :step, :person_id, :kind, :address_sealed, :alarm, :now, :now);

-- name: add_away_page!
-- Keep a page that was sent while the store was away. due_at: when it is sent anew; NULL: it is settled.
-- writes: oncall_pages
INSERT INTO oncall_pages (run_id, step, person_id, kind, address_sealed, alarm, made_at, due_at, attempts, sent_at, outcome, acknowledged_at)
VALUES (:run_id, :step, :person_id, :kind, :address_sealed, :alarm, :made_at, :due_at, :attempts, :sent_at, :outcome, :acknowledged_at);

-- name: take_pages
-- Take pages that are to go out now; until :until nobody else tries them.
-- writes: oncall_pages; reads: oncall_runs
UPDATE oncall_pages SET due_at = :until, attempts = attempts + 1
WHERE page_id IN (SELECT p.page_id FROM oncall_pages p JOIN oncall_runs r USING (run_id)
                  WHERE p.due_at <= :now AND r.severity = :severity
                  ORDER BY p.due_at, p.page_id LIMIT :most FOR UPDATE OF p SKIP LOCKED)
RETURNING *;

-- name: settle_page!
-- Note what became of a page. due_at: when it is tried again; NULL: it is settled.
-- writes: oncall_pages
UPDATE oncall_pages SET outcome = :outcome, sent_at = :sent_at, due_at = :due_at WHERE page_id = :page_id AND sent_at IS NULL;

-- name: page^
-- One page.
-- reads: oncall_pages
SELECT * FROM oncall_pages WHERE page_id = :page_id;

-- name: remark!
-- Note what became of a page after it went out.
-- writes: oncall_pages
UPDATE oncall_pages SET outcome = :outcome WHERE page_id = :page_id;

-- name: went_out!
-- Note that a page went out. What is told of it already stands.
-- writes: oncall_pages
UPDATE oncall_pages SET sent_at = :now, due_at = NULL, outcome = CASE WHEN :told::boolean THEN outcome ELSE 'sent' END
WHERE page_id = :page_id AND sent_at IS NULL;

-- name: unsend!
-- Note that a page that was sent reached nobody.
-- writes: oncall_pages
UPDATE oncall_pages SET outcome = :outcome, sent_at = NULL, due_at = NULL WHERE page_id = :page_id AND acknowledged_at IS NULL;

-- name: fell_flat$
-- Whether nobody got a page of a step, and nobody will.
-- reads: oncall_pages
SELECT NOT EXISTS (SELECT FROM oncall_pages WHERE run_id = :run_id AND step = :step AND (sent_at IS NOT NULL OR due_at IS NOT NULL));

-- name: acknowledge!
-- Note that somebody has answered his pages of a run.
-- writes: oncall_pages
UPDATE oncall_pages SET acknowledged_at = :now WHERE run_id = :run_id AND person_id = :person_id AND acknowledged_at IS NULL;

-- name: pages_of
-- The pages of a run, in the order in which they were made.
-- reads: oncall_pages
SELECT * FROM oncall_pages WHERE run_id = :run_id ORDER BY page_id;

-- name: sent_since$
-- How many pages somebody got by a channel since an instant.
-- reads: oncall_pages
SELECT count(*) FROM oncall_pages WHERE person_id = :person_id AND kind = :kind AND sent_at > :since;

-- name: beat$
-- Take the turn to tell the outside that we live; NULL: it was told within the minute. A turn in the future was taken by a clock
-- that was wrong.
-- writes: oncall_beats
INSERT INTO oncall_beats (beat_at) VALUES (:now)
ON CONFLICT (one) DO UPDATE SET beat_at = excluded.beat_at
WHERE oncall_beats.beat_at <= :before OR oncall_beats.beat_at > :now::timestamptz + (:now::timestamptz - :before::timestamptz)
RETURNING beat_at;
