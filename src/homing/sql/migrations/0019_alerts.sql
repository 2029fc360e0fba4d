-- Alerts on figures: what is watched, what has fired, and whom it is told.

CREATE TABLE alerts (
    alert_id        integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id      integer NOT NULL,
    name            text NOT NULL,
    metric          text NOT NULL,
    muted           boolean NOT NULL,
    subaccounts     integer[] NOT NULL,                -- {-1}: all mail together
    any_subaccount  boolean NOT NULL,                  -- each subaccount by itself
    filters         jsonb NOT NULL,                    -- filter_type to filter_values
    operator        text NOT NULL CHECK (operator IN ('gt', 'lt')),
    source          text NOT NULL CHECK (source IN ('raw', 'day_over_day', 'week_over_week')),
    value           double precision NOT NULL,
    channels_sealed bytea NOT NULL,                    -- metrics.alert_types.Channels as JSON, under the master key, purpose 'alert'
    last_triggered  timestamptz,
    last_evaluated  timestamptz,
    due_at          timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alerts_account ON alerts (account_id);
CREATE INDEX alerts_due ON alerts (due_at);

CREATE TABLE alert_incidents (
    incident_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    alert_id        integer NOT NULL REFERENCES alerts ON DELETE CASCADE,
    account_id      integer NOT NULL,
    filters         jsonb NOT NULL,                    -- what exactly has fired
    triggered_value double precision NOT NULL,         -- the latest
    first_fired     timestamptz NOT NULL,
    last_fired      timestamptz NOT NULL,
    closed_at       timestamptz
);
CREATE UNIQUE INDEX alert_incidents_open ON alert_incidents (alert_id, filters) WHERE closed_at IS NULL;
CREATE INDEX alert_incidents_alert ON alert_incidents (alert_id, incident_id);

CREATE TABLE alert_notices (                           -- told at least once to each channel that the alert had
    notice_id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    incident_id   bigint NOT NULL REFERENCES alert_incidents ON DELETE CASCADE,
    channel       text NOT NULL CHECK (channel IN ('email', 'webhook', 'slack')),
    target_sealed bytea NOT NULL,
    attempts      smallint NOT NULL DEFAULT 0,
    due_at        timestamptz NOT NULL DEFAULT now(),
    claimed_until timestamptz,
    outcome       text NOT NULL DEFAULT '',            -- of the last attempt
    ended_at      timestamptz
);
CREATE INDEX alert_notices_due ON alert_notices (due_at) WHERE ended_at IS NULL;
