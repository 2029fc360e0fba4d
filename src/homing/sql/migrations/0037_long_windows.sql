-- Questions over months are answered from few rows that lie together: four weeks in one row, a family by domain and campaign,
-- texts in families of their own, and each family and grain in a partition of its own. What was counted before is in them too.

ALTER TABLE metric_counts RENAME TO metric_counts_before;
ALTER TABLE metric_texts RENAME TO metric_texts_before;
ALTER INDEX metric_counts_pkey RENAME TO metric_counts_before_pkey;
ALTER INDEX metric_texts_one RENAME TO metric_texts_before_one;
ALTER INDEX metric_counts_set RENAME TO metric_counts_before_set;
ALTER TABLE metric_sets RENAME TO metric_sets_before;
ALTER INDEX metric_sets_pkey RENAME TO metric_sets_before_pkey;
ALTER INDEX metric_sets_account RENAME TO metric_sets_before_account;
ALTER TABLE metric_seen SET (fillfactor = 50);         -- each row is made and changed in one transaction

CREATE TABLE metric_sets (                             -- what a row of figures is about
    set_id         uuid NOT NULL,                      -- a hash of what follows: metrics.rules.counting.set_id
    account_id     integer NOT NULL,
    scope          smallint NOT NULL,                  -- metrics.types.Scope: which of these members are told apart
    subaccount_id  integer NOT NULL,
    domain         text NOT NULL,                      -- of the recipient
    sending_ip     text NOT NULL,
    ip_pool        text NOT NULL,
    sending_domain text NOT NULL,
    campaign_id    text NOT NULL,
    template_id    text NOT NULL,
    month          date NOT NULL,                      -- the last in which it was used, so that it can be forgotten
    PRIMARY KEY (scope, set_id)
) PARTITION BY LIST (scope);
CREATE TABLE metric_sets_whole PARTITION OF metric_sets FOR VALUES IN (0);
CREATE TABLE metric_sets_no_domain PARTITION OF metric_sets FOR VALUES IN (1);
CREATE TABLE metric_sets_domain_only PARTITION OF metric_sets FOR VALUES IN (2);
CREATE TABLE metric_sets_campaign PARTITION OF metric_sets FOR VALUES IN (3);
-- Some sets among all. A campaign's domains and a provider's campaigns are found in the index alone, since they are many.
CREATE INDEX ON metric_sets_whole (account_id, campaign_id);
CREATE INDEX ON metric_sets_whole (account_id, domain);
CREATE INDEX ON metric_sets_no_domain (account_id, campaign_id);
CREATE INDEX ON metric_sets_domain_only (account_id, domain);
CREATE INDEX ON metric_sets_campaign (account_id, campaign_id) INCLUDE (domain, subaccount_id, scope, set_id);
CREATE INDEX ON metric_sets_campaign (account_id, domain) INCLUDE (campaign_id, subaccount_id, scope, set_id);

CREATE TABLE metric_counts (                           -- NULL: none
    account_id integer NOT NULL,
    grain      smallint NOT NULL,                      -- metrics.types.Grain
    scope      smallint NOT NULL,                      -- metrics.types.Scope; which of them by which grains: COUNTED_BY
    ts         timestamptz NOT NULL,                   -- when the grain begins
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
) PARTITION BY RANGE (scope, grain);

CREATE TABLE metric_texts (                            -- what was said: reasons of failures, names of links
    account_id     integer NOT NULL,
    scope          smallint NOT NULL,                  -- metrics.types.Scope; which of them by which grains: SAID_BY
    grain          smallint NOT NULL,
    kind           smallint NOT NULL,                  -- metrics.types.Kind
    ts             timestamptz NOT NULL,
    set_id         uuid NOT NULL,
    classification smallint NOT NULL,                  -- of bounces; category of rejections; 0 where there is none
    text           text NOT NULL,
    n1             integer NOT NULL,                   -- what these are, by kind: metrics.types.Kind
    n2             integer NOT NULL,
    n3             integer NOT NULL
) PARTITION BY RANGE (scope, grain);
CREATE UNIQUE INDEX metric_texts_one
    ON metric_texts (account_id, scope, grain, kind, ts, set_id, classification, (md5(text)::uuid));

CREATE TABLE metric_counts_whole_minute PARTITION OF metric_counts FOR VALUES FROM (0, 1) TO (0, 2)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_whole_quarter PARTITION OF metric_counts FOR VALUES FROM (0, 2) TO (0, 3)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_whole_day PARTITION OF metric_counts FOR VALUES FROM (0, 3) TO (0, 4)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_no_domain_minute PARTITION OF metric_counts FOR VALUES FROM (1, 1) TO (1, 2)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_no_domain_quarter PARTITION OF metric_counts FOR VALUES FROM (1, 2) TO (1, 3)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_no_domain_day PARTITION OF metric_counts FOR VALUES FROM (1, 3) TO (1, 4)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_no_domain_week PARTITION OF metric_counts FOR VALUES FROM (1, 4) TO (1, 5)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_no_domain_four_weeks PARTITION OF metric_counts FOR VALUES FROM (1, 5) TO (1, 6)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_domain_only_quarter PARTITION OF metric_counts FOR VALUES FROM (2, 2) TO (2, 3)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_domain_only_day PARTITION OF metric_counts FOR VALUES FROM (2, 3) TO (2, 4)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_domain_only_week PARTITION OF metric_counts FOR VALUES FROM (2, 4) TO (2, 5)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_domain_only_four_weeks PARTITION OF metric_counts FOR VALUES FROM (2, 5) TO (2, 6)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_campaign_day PARTITION OF metric_counts FOR VALUES FROM (3, 3) TO (3, 4)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_campaign_week PARTITION OF metric_counts FOR VALUES FROM (3, 4) TO (3, 5)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_counts_campaign_four_weeks PARTITION OF metric_counts FOR VALUES FROM (3, 5) TO (3, 6)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
CREATE TABLE metric_texts_whole_quarter PARTITION OF metric_texts FOR VALUES FROM (0, 2) TO (0, 3) WITH (fillfactor = 80);
CREATE TABLE metric_texts_whole_day PARTITION OF metric_texts FOR VALUES FROM (0, 3) TO (0, 4) WITH (fillfactor = 80);
CREATE TABLE metric_texts_no_domain_day PARTITION OF metric_texts FOR VALUES FROM (1, 3) TO (1, 4) WITH (fillfactor = 80);
CREATE TABLE metric_texts_no_domain_week PARTITION OF metric_texts FOR VALUES FROM (1, 4) TO (1, 5) WITH (fillfactor = 80);
CREATE TABLE metric_texts_no_domain_four_weeks PARTITION OF metric_texts FOR VALUES FROM (1, 5) TO (1, 6) WITH (fillfactor = 80);
CREATE TABLE metric_texts_domain_only_day PARTITION OF metric_texts FOR VALUES FROM (2, 3) TO (2, 4) WITH (fillfactor = 80);
CREATE TABLE metric_texts_domain_only_week PARTITION OF metric_texts FOR VALUES FROM (2, 4) TO (2, 5) WITH (fillfactor = 80);
CREATE TABLE metric_texts_domain_only_four_weeks PARTITION OF metric_texts FOR VALUES FROM (2, 5) TO (2, 6) WITH (fillfactor = 80);

-- The figures of some sets among all, over months.
CREATE INDEX ON metric_counts_whole_day (set_id, ts);
CREATE INDEX ON metric_counts_campaign_day (set_id, ts);
CREATE INDEX ON metric_counts_campaign_week (set_id, ts);
CREATE INDEX ON metric_counts_campaign_four_weeks (set_id, ts);

-- Sets are numbered anew.
CREATE FUNCTION pg_temp.part(member text) RETURNS text LANGUAGE sql IMMUTABLE RETURN octet_length(member) || ':' || member || ',';
CREATE TEMPORARY TABLE families ON COMMIT DROP AS
SELECT f.*, encode(substring(sha256(convert_to(
           pg_temp.part(account_id::text) || pg_temp.part(scope::text) || pg_temp.part(subaccount_id::text) || pg_temp.part(domain)
           || pg_temp.part(sending_ip) || pg_temp.part(ip_pool) || pg_temp.part(sending_domain) || pg_temp.part(campaign_id)
           || pg_temp.part(template_id), 'UTF8')) FROM 1 FOR 16), 'hex')::uuid AS set_id
FROM (SELECT s.set_id AS before, s.account_id, f.scope::smallint, s.subaccount_id,
             CASE WHEN f.domain THEN s.domain ELSE '' END AS domain,
             CASE WHEN f.others THEN s.sending_ip ELSE '' END AS sending_ip,
             CASE WHEN f.others THEN s.ip_pool ELSE '' END AS ip_pool,
             CASE WHEN f.others THEN s.sending_domain ELSE '' END AS sending_domain,
             CASE WHEN f.campaign THEN s.campaign_id ELSE '' END AS campaign_id,
             CASE WHEN f.others THEN s.template_id ELSE '' END AS template_id, s.month
      FROM metric_sets_before s
      JOIN (VALUES (0, true, true, true), (1, false, true, true), (2, true, false, false), (3, true, true, false))
          AS f (scope, domain, campaign, others) ON s.scope = 0 OR s.scope = f.scope) f;
CREATE INDEX ON families (before, scope);
ANALYZE families;
INSERT INTO metric_sets
    (set_id, account_id, scope, subaccount_id, domain, sending_ip, ip_pool, sending_domain, campaign_id, template_id, month)
SELECT set_id, account_id, scope, subaccount_id, domain, sending_ip, ip_pool, sending_domain, campaign_id, template_id, max(month)
FROM families GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10;

CREATE FUNCTION pg_temp.four_weeks(ts timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN date_bin('28 days', ts, '2000-01-03 00:00:00+00');
CREATE FUNCTION pg_temp.week(ts timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE
RETURN date_bin('7 days', ts, '2000-01-03 00:00:00+00');

-- Days add up to the families and grains that are new; what there was of the others is taken over.
DO $$
DECLARE
    made record;
    sums text := (SELECT string_agg(format('sum(c.%1$I)::%2$s', attname, format_type(atttypid, NULL)), ', ' ORDER BY attnum)
                  FROM pg_attribute WHERE attrelid = 'metric_counts'::regclass AND attnum > 5);
BEGIN
    FOR made IN
        SELECT * FROM (VALUES
            -- from scope and grain, to scope and grain
            (0, 1, 0, 1), (0, 2, 0, 2), (0, 3, 0, 3), (1, 1, 1, 1),
            (1, 2, 1, 2), (1, 3, 1, 3), (1, 4, 1, 4), (1, 3, 1, 5),
            (2, 2, 2, 2), (2, 3, 2, 3), (2, 4, 2, 4), (2, 3, 2, 5),
            (0, 3, 3, 3), (0, 3, 3, 4), (0, 3, 3, 5)
        ) AS made (from_scope, from_grain, scope, grain)
    LOOP
        EXECUTE format($q$
            INSERT INTO metric_counts
            SELECT c.account_id, %s::smallint, %s::smallint, %s AS start, f.set_id, %s
            FROM metric_counts_before c JOIN families f ON f.before = c.set_id AND f.scope = %s
            WHERE c.scope = %s AND c.grain = %s
            GROUP BY c.account_id, start, f.set_id
            $q$, made.grain, made.scope,
            CASE WHEN made.grain = made.from_grain THEN 'c.ts' WHEN made.grain = 4 THEN 'pg_temp.week(c.ts)'
                 ELSE 'pg_temp.four_weeks(c.ts)' END,
            sums, made.scope, made.from_scope, made.from_grain);
    END LOOP;
END $$;

INSERT INTO metric_texts (account_id, scope, grain, kind, ts, set_id, classification, text, n1, n2, n3)
SELECT t.account_id, f.scope, made.grain, t.kind, made.ts, f.set_id, t.classification, t.text, sum(t.n1), sum(t.n2), sum(t.n3)
FROM metric_texts_before t
CROSS JOIN LATERAL (VALUES (0, 2, t.ts, t.grain = 2), (0, 3, t.ts, t.grain = 3),
                           (1, 3, t.ts, t.grain = 3), (2, 3, t.ts, t.grain = 3),
                           (1, 4, pg_temp.week(t.ts), t.grain = 3), (2, 4, pg_temp.week(t.ts), t.grain = 3),
                           (1, 5, pg_temp.four_weeks(t.ts), t.grain = 3), (2, 5, pg_temp.four_weeks(t.ts), t.grain = 3))
    AS made (scope, grain, ts, wanted)
JOIN families f ON f.before = t.set_id AND f.scope = made.scope
WHERE made.wanted
GROUP BY t.account_id, f.scope, made.grain, t.kind, made.ts, f.set_id, t.classification, t.text;

DROP TABLE metric_counts_before, metric_texts_before, metric_sets_before;
