-- name: add_alert$
-- A new alert; returns its number.
-- writes: alerts
INSERT INTO alerts (account_id, name, metric, muted, subaccounts, any_subaccount, filters, operator, source, value, channels_sealed)
VALUES (:account_id, :name, :metric, :muted, :subaccounts, :any_subaccount, :filters, :operator, :source, :value, :channels_sealed)
RETURNING alert_id;

-- name: change_alert^
-- Change an alert. It is judged anew at once.
-- writes: alerts
UPDATE alerts SET name = :name, metric = :metric, muted = :muted, subaccounts = :subaccounts, any_subaccount = :any_subaccount,
       filters = :filters, operator = :operator, source = :source, value = :value, channels_sealed = :channels_sealed,
       due_at = now()
WHERE alert_id = :alert_id AND account_id = :account_id
RETURNING *;

-- name: delete_alert$
-- Forget an alert with its incidents. NULL: there is none.
-- writes: alerts
DELETE FROM alerts WHERE alert_id = :alert_id AND account_id = :account_id RETURNING alert_id;

-- name: one_alert^
-- One alert of an account.
-- reads: alerts
SELECT * FROM alerts WHERE alert_id = :alert_id AND account_id = :account_id;

-- name: alerts_of
-- The alerts of an account.
-- reads: alerts
SELECT * FROM alerts WHERE account_id = :account_id ORDER BY alert_id;

-- name: count_alerts$
-- How many alerts an account has.
-- reads: alerts
SELECT count(*) FROM alerts WHERE account_id = :account_id;

-- name: incidents_of
-- The incidents of an alert, the latest first.
-- reads: alert_incidents
SELECT * FROM alert_incidents WHERE alert_id = :alert_id AND account_id = :account_id ORDER BY incident_id DESC LIMIT 1000;

-- name: claim_alerts
-- Take alerts whose time has come; nobody else judges them for a minute.
-- writes: alerts
UPDATE alerts SET due_at = now() + interval '1 minute'
WHERE alert_id IN (SELECT alert_id FROM alerts WHERE due_at <= now() ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING *;

-- name: open_incidents
-- The incidents of an alert that have not ended, held to the end of the transaction.
-- reads: alert_incidents
SELECT * FROM alert_incidents WHERE alert_id = :alert_id AND closed_at IS NULL ORDER BY incident_id FOR UPDATE;

-- name: end_incidents!
-- Note that incidents are over.
-- writes: alert_incidents
UPDATE alert_incidents SET closed_at = :now WHERE incident_id = ANY(:incident_ids::bigint[]);

-- name: fired_again!
-- Note that an incident goes on.
-- writes: alert_incidents
UPDATE alert_incidents SET last_fired = :now, triggered_value = :value WHERE incident_id = :incident_id;

-- name: open_incident$
-- A new incident; NULL: somebody else was faster.
-- writes: alert_incidents
INSERT INTO alert_incidents (alert_id, account_id, filters, triggered_value, first_fired, last_fired)
VALUES (:alert_id, :account_id, :filters, :value, :now, :now)
ON CONFLICT DO NOTHING
RETURNING incident_id;

-- name: add_notice!
-- Let an incident be told to a channel.
-- writes: alert_notices
INSERT INTO alert_notices (incident_id, channel, target_sealed) VALUES (:incident_id, :channel, :target_sealed);

-- name: judged!
-- Note when an alert was judged, and whether it fired.
-- writes: alerts
UPDATE alerts SET last_evaluated = :now, last_triggered = CASE WHEN :fired THEN :now ELSE last_triggered END
WHERE alert_id = :alert_id;

-- name: claim_notices
-- Take what is to be told now, with its incident and alert; nobody else tells it for a minute.
-- reads: alert_incidents, alerts; writes: alert_notices
UPDATE alert_notices n SET claimed_until = now() + interval '1 minute'
FROM alert_incidents i JOIN alerts a USING (alert_id)
WHERE n.incident_id = i.incident_id AND n.notice_id IN (
    SELECT notice_id FROM alert_notices
    WHERE ended_at IS NULL AND due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY due_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING n.notice_id, n.channel, n.target_sealed, n.attempts, i.incident_id, i.filters AS incident_filters, i.triggered_value,
          i.first_fired, i.last_fired, i.closed_at, a.*;

-- name: told!
-- Note what became of an attempt; due_at NULL: it has ended.
-- writes: alert_notices
UPDATE alert_notices SET attempts = attempts + 1, outcome = :outcome, claimed_until = NULL,
       due_at = coalesce(:due_at::timestamptz, due_at), ended_at = CASE WHEN :due_at::timestamptz IS NULL THEN now() END
WHERE notice_id = :notice_id;

-- name: forget_incidents!
-- Drop incidents that ended long ago.
-- writes: alert_incidents
DELETE FROM alert_incidents WHERE closed_at < :before;
