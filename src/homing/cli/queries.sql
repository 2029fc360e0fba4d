-- name: server_facts^
-- What doctor wants to know of the database server.
-- reads: nothing of ours
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::integer AS version_number,
       current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes') AS full_page_writes, current_setting('max_connections')::integer AS max_connections,
       clock_timestamp() AS now, pg_database_size(current_database()) AS size_bytes;

-- name: table_exists$
-- Whether a table is there at all.
-- reads: nothing of ours
SELECT to_regclass(:name::text) IS NOT NULL;

-- name: applied_migrations
-- The migrations that were applied.
-- reads: _yoyo_migration
SELECT migration_id FROM _yoyo_migration;

-- name: worker_facts
-- The workers that are known, and how many shards each owns.
-- reads: workers, shards
SELECT w.worker_id, w.node, w.pid, w.started_at, w.heartbeat_at, clock_timestamp() AS now, count(s.shard) AS shards
FROM workers w LEFT JOIN shards s ON s.owner = w.worker_id
GROUP BY w.worker_id ORDER BY w.started_at;

-- name: free_shards$
-- How many shards nobody owns.
-- reads: shards
SELECT count(*) FROM shards WHERE owner IS NULL;

-- name: support_facts^
-- Whether mail of support can leave, and what of it has waited too long.
-- reads: sending_domains, case_letters, case_quarantine
SELECT EXISTS (SELECT FROM sending_domains WHERE domain = :domain) AS sends,
       (SELECT count(*) FROM case_letters WHERE sent_at IS NULL AND made_at < now() - interval '5 minutes') AS unsent,
       (SELECT count(*) FROM case_quarantine WHERE decided_at IS NULL) AS quarantined;

-- name: newest_events
-- The newest events that match every filter that is given, whoever's they are: each customer's newest by the index, then
-- the newest of all.
-- reads: events, accounts
SELECT e.* FROM accounts a CROSS JOIN LATERAL (
    SELECT shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
           campaign_id, detail
    FROM events
    WHERE account_id = a.account_id AND at >= :since AND day >= :first_day
      AND (:message_id::bytea IS NULL OR message_id = :message_id)
      AND (:transmission_id::bytea IS NULL OR transmission_id = :transmission_id)
      AND (:recipient::text IS NULL OR recipient = :recipient)
      AND (:domain::text IS NULL OR recipient_domain = :domain)
      AND (:types::smallint[] IS NULL OR type = ANY(:types))
      AND (:campaign_id::text IS NULL OR campaign_id = :campaign_id)
    ORDER BY at DESC, shard DESC, seq DESC
    LIMIT :limit
) e
WHERE :account_id::integer IS NULL OR a.account_id = :account_id
ORDER BY e.at DESC, e.shard DESC, e.seq DESC
LIMIT :limit;

-- name: outcomes_of_transmission
-- What became of a transmission so far, by recipient domain, kind of event and bounce class.
-- reads: events
SELECT recipient_domain AS domain, type, coalesce(detail->>'bounce_class', '') AS bounce_class, count(*) AS events,
       count(DISTINCT message_id) AS messages, min(encode(message_id, 'hex')) AS example, min(detail->>'reason') AS reason
FROM events
WHERE account_id = :account_id AND at >= :since AND transmission_id = :transmission_id
GROUP BY recipient_domain, type, coalesce(detail->>'bounce_class', '');

-- name: secure_trackings
-- Verified tracking domains whose links begin with https.
-- reads: tracking_domains
SELECT domain FROM tracking_domains WHERE secure AND cname_status = 'valid' AND compliance_status = 'valid' ORDER BY domain;
