-- Figures folded out of the log by the follower `metrics`: what happened, how often, by minute, quarter of an hour and day.

CREATE TABLE metric_sets (                             -- what a row of figures is about
    set_id         uuid PRIMARY KEY,                   -- a hash of all that follows, so nobody has to ask for it
    account_id     integer NOT NULL,
    scope          smallint NOT NULL,                  -- metrics.types.Scope: which of these members are told apart
    subaccount_id  integer NOT NULL,
    domain         text NOT NULL,                      -- of the recipient
    sending_ip     text NOT NULL,
    ip_pool        text NOT NULL,
    sending_domain text NOT NULL,
    campaign_id    text NOT NULL,
    template_id    text NOT NULL,
    month          date NOT NULL                       -- the last in which it was used, so that it can be forgotten
);
CREATE INDEX metric_sets_account ON metric_sets (account_id, scope);

CREATE TABLE metric_counts (                           -- NULL: none
    account_id integer NOT NULL,
    grain      smallint NOT NULL,                      -- metrics.types.Grain
    scope      smallint NOT NULL,
    ts         timestamptz NOT NULL,                   -- begin of the minute, quarter of an hour or day
    set_id     uuid NOT NULL,
    injected                               integer,
    delivered                              integer,
    delivered_first                        integer,
    delivered_second                       integer,
    inband_bounce                          integer,
    outofband_bounce                       integer,
    hard_bounce                            integer,
    soft_bounce                            integer,
    block_bounce                           integer,
    undetermined_bounce                    integer,
    admin_bounce                           integer,
    policy_rejection                       integer,
    generation_rejection                   integer,
    generation_failed                      integer,
    delayed                                integer,
    delayed_first                          integer,
    spam_complaint                         integer,
    rendered                               integer,
    unique_rendered                        integer,
    initial_rendered                       integer,
    unique_initial_rendered                integer,
    unique_confirmed_opened                integer,
    nonprefetched_rendered                 integer,
    nonprefetched_unique_rendered          integer,
    nonprefetched_initial_rendered         integer,
    nonprefetched_unique_initial_rendered  integer,
    nonprefetched_unique_confirmed_opened  integer,
    clicked                                integer,
    unique_clicked                         integer,
    unsubscribe                            integer,
    msg_volume                             bigint,
    delivery_time_first                    bigint,
    delivery_time_subsequent               bigint,
    PRIMARY KEY (account_id, grain, scope, ts, set_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
-- One campaign's domains over months: its sets are few among all.
CREATE INDEX metric_counts_set ON metric_counts (set_id) WHERE scope = 0 AND grain >= 3;

CREATE TABLE metric_texts (                            -- what was said: reasons of failures, names of links
    account_id     integer NOT NULL,
    grain          smallint NOT NULL,
    kind           smallint NOT NULL,                  -- metrics.types.Kind
    ts             timestamptz NOT NULL,
    set_id         uuid NOT NULL,
    classification smallint NOT NULL,                  -- of bounces; category of rejections; 0 where there is none
    text           text NOT NULL,
    n1             integer NOT NULL,                   -- what these are, by kind: metrics.types.Kind
    n2             integer NOT NULL,
    n3             integer NOT NULL
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX metric_texts_one ON metric_texts (account_id, grain, kind, ts, set_id, classification, (md5(text)::uuid));

CREATE TABLE metric_seen (                             -- what each message's reader did already, for figures of distinct messages
    message_id bytea PRIMARY KEY,
    bits       smallint NOT NULL,                      -- metrics.types.Seen
    day        date NOT NULL                           -- of the first
);
CREATE INDEX metric_seen_day ON metric_seen USING brin (day);

CREATE TABLE metric_providers (                        -- who receives a domain's mail, as last seen
    domain   text PRIMARY KEY,
    provider text NOT NULL,
    region   text NOT NULL
);
