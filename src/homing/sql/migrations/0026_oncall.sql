-- Who is woken when a promise is at stake: schedules, ladders, and ladders that run for an obligation, with every page.

CREATE TABLE oncall_schedules (
    schedule_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name        text NOT NULL UNIQUE,                  -- steps of ladders name it
    recorded_by text NOT NULL
);

CREATE TABLE oncall_rotations (
    rotation_id    integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    schedule_id    integer NOT NULL REFERENCES oncall_schedules ON DELETE CASCADE,
    zone           text NOT NULL,                      -- IANA
    people         integer[] NOT NULL,                 -- of staff, in the order of their turns
    starts_on      date NOT NULL CHECK (starts_on BETWEEN '2000-01-01' AND '2200-01-01'),   -- local
    hands_over_min smallint NOT NULL CHECK (hands_over_min BETWEEN 0 AND 1439),
    every_days     smallint NOT NULL CHECK (every_days BETWEEN 1 AND 366),
    weekly         jsonb NOT NULL DEFAULT '[]',        -- windows of seven days, Monday first; []: always
    recorded_by    text NOT NULL
);
CREATE INDEX oncall_rotations_schedule ON oncall_rotations (schedule_id);

CREATE TABLE oncall_overrides (
    override_id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,   -- the latest one counts
    schedule_id integer NOT NULL REFERENCES oncall_schedules ON DELETE CASCADE,
    person_id   integer REFERENCES staff,              -- NULL: nobody
    period      tstzrange NOT NULL CHECK (NOT isempty(period) AND NOT lower_inf(period) AND NOT upper_inf(period)),
    reason      text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by text NOT NULL
);
CREATE INDEX oncall_overrides_schedule ON oncall_overrides (schedule_id);

CREATE TABLE oncall_ladders (
    name        text PRIMARY KEY,
    steps       jsonb NOT NULL,                        -- support.oncall.types.Step
    recorded_by text NOT NULL
);

CREATE TABLE oncall_channels (                         -- besides a person's own address and number
    channel_id     integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    person_id      integer NOT NULL REFERENCES staff,
    kind           text NOT NULL CHECK (kind IN ('webhook', 'service')),
    address_sealed bytea NOT NULL,                     -- under the master key: such URLs hold secrets
    label          text NOT NULL,
    recorded_by    text NOT NULL
);
CREATE INDEX oncall_channels_person ON oncall_channels (person_id);

CREATE TABLE oncall_runs (                             -- a ladder as it was when the obligation began
    run_id        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    obligation    text NOT NULL UNIQUE,
    account_id    integer REFERENCES accounts,
    severity      text NOT NULL CHECK (severity IN ('severity 1', 'ordinary')),
    reference     text NOT NULL,                       -- what pages name
    steps         jsonb NOT NULL,
    started_at    timestamptz NOT NULL,
    due_at        timestamptz,                         -- of what is owed
    next_step     smallint NOT NULL DEFAULT 0,
    forward_s     integer NOT NULL DEFAULT 0,
    found         boolean NOT NULL DEFAULT false,
    rounds        smallint NOT NULL DEFAULT 0,
    paged_at      timestamptz,
    claimed_by    integer REFERENCES staff,
    claimed_at    timestamptz CHECK ((claimed_at IS NULL) = (claimed_by IS NULL)),
    engaged_by    integer REFERENCES staff,
    engaged_at    timestamptz,
    ended_at      timestamptz,
    ended_because text NOT NULL DEFAULT '',
    look_at       timestamptz CHECK (look_at IS NULL OR ended_at IS NULL)   -- when an engine has something to do; NULL: never
);
CREATE INDEX oncall_runs_look ON oncall_runs (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE oncall_pages (                            -- one for each person and channel
    page_id         bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_id          bigint NOT NULL REFERENCES oncall_runs ON DELETE CASCADE,
    step            smallint NOT NULL,
    person_id       integer NOT NULL REFERENCES staff,
    kind            text NOT NULL,                     -- support.oncall.types.ChannelKind
    address_sealed  bytea,                             -- NULL: the person's own address or number
    alarm           boolean NOT NULL,
    made_at         timestamptz NOT NULL,
    due_at          timestamptz,                       -- when it is tried (again); NULL: settled
    attempts        smallint NOT NULL DEFAULT 0,
    sent_at         timestamptz,
    outcome         text NOT NULL DEFAULT '',
    acknowledged_at timestamptz
);
CREATE INDEX oncall_pages_run ON oncall_pages (run_id);
CREATE INDEX oncall_pages_due ON oncall_pages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX oncall_pages_sent ON oncall_pages (person_id, sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE oncall_beats (                            -- the heartbeat: one worker sends each
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    beat_at timestamptz NOT NULL
);
