-- name: register_worker!
-- A worker says that it lives; its lease counts from here.
-- writes: workers
INSERT INTO workers (worker_id, node, pid) VALUES (:worker_id, :node, :pid)
ON CONFLICT (worker_id) DO UPDATE SET heartbeat_at = clock_timestamp();

-- name: heartbeat$
-- Renew the lease; NULL when the worker was struck from the list meanwhile.
-- writes: workers
UPDATE workers SET heartbeat_at = clock_timestamp() WHERE worker_id = :worker_id RETURNING worker_id;

-- name: owned_shards
-- The shards that a worker owns, with their epochs.
-- reads: shards
SELECT shard, epoch FROM shards WHERE owner = :worker_id;

-- name: live_workers$
-- How many workers hold a lease that has not run out, by the clock of the database alone.
-- reads: workers
SELECT count(*) FROM workers WHERE heartbeat_at > clock_timestamp() - make_interval(secs => :lease_s);

-- name: claim_shards
-- Take shards that nobody owns, or whose owner let its lease run out. Nobody's lease is judged until the server has
-- been up for one full term: after a restart the owners get their time to renew.
-- reads: workers; writes: shards
WITH free AS (
    SELECT s.shard
    FROM shards s LEFT JOIN workers w ON w.worker_id = s.owner
    WHERE s.owner IS NULL
       OR w.worker_id IS NULL
       OR (w.heartbeat_at < clock_timestamp() - make_interval(secs => :lease_s)
           AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => :lease_s))
    ORDER BY s.owner IS NOT NULL, random()
    LIMIT :most
    FOR UPDATE OF s SKIP LOCKED
)
UPDATE shards SET owner = :worker_id, epoch = epoch + 1
FROM free WHERE shards.shard = free.shard
RETURNING shards.shard, shards.epoch;

-- name: release_shards!
-- Give shards back; the epoch grows, so a late transaction of ours finds the fence closed.
-- writes: shards
UPDATE shards SET owner = NULL, epoch = epoch + 1 WHERE owner = :worker_id AND shard = ANY(:shards::smallint[]);

-- name: release_worker!
-- A worker is known to be dead (its supervisor reaped it) or leaves: its shards are free at once.
-- writes: shards
UPDATE shards SET owner = NULL, epoch = epoch + 1 WHERE owner = :worker_id;

-- name: strike_worker!
-- Take a worker that is gone off the list.
-- writes: workers
DELETE FROM workers WHERE worker_id = :worker_id;

-- name: strike_silent_workers!
-- Take workers off the list that have been silent for ten terms and own nothing.
-- reads: shards; writes: workers
DELETE FROM workers w WHERE w.heartbeat_at < clock_timestamp() - make_interval(secs => :lease_s * 10)
  AND NOT EXISTS (SELECT 1 FROM shards s WHERE s.owner = w.worker_id);

-- name: lanes_of_shard
-- What waits in a shard, lane by lane: read once, by a new owner.
-- reads: queue_entries, lanes
SELECT w.lane, l.account_id, l.subaccount_id, l.campaign_id, l.domain, l.ip_pool, w.depth, w.next_due
FROM (SELECT lane, count(*) AS depth, min(due_at) AS next_due FROM queue_entries WHERE shard = :shard GROUP BY lane) w
JOIN lanes l ON l.shard = :shard AND l.lane = w.lane;

-- name: entries_in_lane
-- The entries of one lane in order of their due time, from where the owner last stopped; the first that is not due
-- yet tells when the lane is to be read again. A shard has one owner, so nothing is locked.
-- reads: queue_entries
SELECT entry_id, due_at, expires_at, chunk_id, recipient, tries, detail
FROM queue_entries
WHERE shard = :shard AND lane = :lane AND (due_at, entry_id) > (:floor_due_at, :floor_id)
ORDER BY due_at, entry_id
LIMIT :limit;

-- name: expired_entries
-- Entries past their lifetime, whatever holds them. Ids grow with time, so only the old end of the shard is read.
-- reads: queue_entries
SELECT entry_id, lane, due_at, expires_at, chunk_id, recipient, tries, detail, last_attempt
FROM queue_entries
WHERE shard = :shard AND entry_id < :cutoff AND expires_at <= :now
ORDER BY entry_id
LIMIT :limit;

-- name: finish_entries
-- Delete entries whose story ended, and each chunk that nobody waits for any more; returns the ids that were really
-- there, so a repeated settlement doubles nothing.
-- writes: queue_entries, chunks
WITH gone AS (
    DELETE FROM queue_entries WHERE shard = :shard AND entry_id = ANY(:entry_ids::bytea[]) RETURNING entry_id, chunk_id
), counts AS (
    SELECT chunk_id, count(*)::integer AS n FROM gone GROUP BY chunk_id
), ended AS (
    DELETE FROM chunks c USING counts WHERE c.shard = :shard AND c.chunk_id = counts.chunk_id AND c.pending <= counts.n
), lessened AS (
    UPDATE chunks c SET pending = c.pending - counts.n
    FROM counts WHERE c.shard = :shard AND c.chunk_id = counts.chunk_id AND c.pending > counts.n
)
SELECT entry_id FROM gone;

-- name: redate_entries
-- Set the next attempt of entries; returns the ids that were really there.
-- writes: queue_entries
UPDATE queue_entries q SET due_at = d.due_at, tries = d.tries, last_attempt = d.last_attempt
FROM unnest(:entry_ids::bytea[], :due_ats::timestamptz[], :tries::smallint[], :last_attempts::text[])
     AS d (entry_id, due_at, tries, last_attempt)
WHERE q.shard = :shard AND q.entry_id = d.entry_id
RETURNING q.entry_id;

-- name: open_lanes!
-- Say what lane numbers stand for; known ones stay.
-- writes: lanes
INSERT INTO lanes (shard, lane, account_id, subaccount_id, campaign_id, domain, ip_pool)
SELECT :shard, * FROM unnest(:lanes::bigint[], :account_ids::integer[], :subaccount_ids::integer[], :campaign_ids::text[], :domains::text[],
                              :ip_pools::text[])
ON CONFLICT DO NOTHING;

-- name: prune_lanes!
-- Forget lane names that nothing waits under; called by the owner for lanes that it does not know, never for open ones.
-- Behind the fence: the commits of a next owner, which we could not see, must not lose the names of their lanes.
-- reads: shards, queue_entries; writes: lanes
WITH fence AS (SELECT 1 FROM shards WHERE shard = :shard AND owner = :owner AND epoch = :epoch FOR SHARE)
DELETE FROM lanes l USING fence WHERE l.shard = :shard AND NOT l.lane = ANY(:known::bigint[])
  AND NOT EXISTS (SELECT 1 FROM queue_entries q WHERE q.shard = l.shard AND q.lane = l.lane);

-- name: write_few^
-- A small transaction in one round trip, for most of them its only one; COPY takes two for each table, which is worth it for
-- many rows only. Everything stands behind the fence: where that is closed, nothing is written. Events of an entry that is to
-- be finished are written only if it was really there, so a repeated settlement doubles nothing.
-- reads: shards; writes: chunks, queue_entries, events, usage_hours
WITH fence AS MATERIALIZED (
    SELECT FROM shards WHERE shard = :shard AND owner = :owner AND epoch = :epoch FOR SHARE
), gone AS (
    DELETE FROM queue_entries q USING fence
    WHERE q.shard = :shard AND q.entry_id = ANY(:finished::bytea[])
    RETURNING q.entry_id, q.chunk_id
), counts AS (
    SELECT chunk_id, count(*)::integer AS n FROM gone GROUP BY chunk_id
), ended AS (
    DELETE FROM chunks c USING counts WHERE c.shard = :shard AND c.chunk_id = counts.chunk_id AND c.pending <= counts.n
), lessened AS (
    UPDATE chunks c SET pending = c.pending - counts.n
    FROM counts WHERE c.shard = :shard AND c.chunk_id = counts.chunk_id AND c.pending > counts.n
), counted AS (
    INSERT INTO usage_hours (account_id, hour, shard, messages)
    SELECT u.account_id, u.hour, :shard, u.messages
    FROM fence, unnest(:usage_accounts::integer[], :usage_ats::timestamptz[], :usage_messages::bigint[])
         AS u (account_id, hour, messages)
    ON CONFLICT (account_id, hour, shard) DO UPDATE SET messages = usage_hours.messages + excluded.messages
), stored AS (
    INSERT INTO chunks SELECT c.* FROM fence, unnest(:chunks::chunks[]) AS c
), waiting AS (
    INSERT INTO queue_entries SELECT w.* FROM fence, unnest(:entries::queue_entries[]) AS w
), happened AS (
    INSERT INTO events
    SELECT e.day, e.shard, e.seq, e.at, e.type, e.account_id, e.subaccount_id, e.message_id, e.transmission_id, e.recipient,
           e.recipient_domain, e.campaign_id, e.detail
    FROM fence, unnest(:events::events[], :only_with::bytea[])
         AS e (day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
               campaign_id, detail, only_with)
    WHERE e.only_with IS NULL OR e.only_with IN (SELECT entry_id FROM gone)
)
SELECT EXISTS (SELECT FROM fence) AS ours, ARRAY(SELECT entry_id FROM gone) AS gone;

-- name: batch_exists$
-- Whether a batch of unknown outcome was committed: its first event stands for all of it.
-- reads: events
SELECT EXISTS (SELECT 1 FROM events WHERE shard = :shard AND seq = :seq AND day = :day);

-- name: append_inbox!
-- Ask shards to do something; their owners obey within a quarter of a second.
-- writes: inbox
INSERT INTO inbox (shard, kind, account_id, payload)
SELECT d.shard, :kind, :account_id, d.payload FROM unnest(:shards::smallint[], :payloads::bytea[]) AS d (shard, payload);

-- name: inbox_heads
-- The oldest wishes of the shards that a worker owns, without their payloads.
-- reads: inbox
SELECT shard, item_id, kind, account_id FROM inbox WHERE shard = ANY(:shards::smallint[]) ORDER BY item_id LIMIT :limit;

-- name: inbox_payload$
-- The payload of one wish.
-- reads: inbox
SELECT payload FROM inbox WHERE shard = :shard AND item_id = :item_id;

-- name: inbox_done$
-- Take a wish that was obeyed off the list; NULL when somebody did already.
-- writes: inbox
DELETE FROM inbox WHERE shard = :shard AND item_id = :item_id RETURNING item_id;

-- name: all_holds
-- Every hold that stands, and who is suspended: his mail waits until he is active again. Few rows, read every second.
-- reads: holds, accounts, subaccounts
SELECT scope, key, account_id, until, reason, last_reply, source_ip, placed_by, placed_at FROM holds
UNION ALL
SELECT 'suspended', '0', account_id, NULL, 'the account is suspended', NULL, '', 'suspension', suspended_at
FROM accounts WHERE suspended_at IS NOT NULL
UNION ALL
SELECT 'suspended', subaccount_id::text, account_id, NULL,
       'the subaccount is ' || CASE WHEN status <> 'active' THEN status ELSE compliance_status END, NULL, '', 'suspension', updated_at
FROM subaccounts WHERE status <> 'active' OR compliance_status <> 'active';

-- name: place_hold!
-- Stop a site, domain, campaign or customer: one row, whatever waits behind it.
-- writes: holds
INSERT INTO holds (scope, key, account_id, until, reason, last_reply, source_ip, placed_by)
VALUES (:scope, :key, :account_id, :until, :reason, :last_reply, :source_ip, :placed_by)
ON CONFLICT (scope, key, coalesce(account_id, 0), source_ip) DO UPDATE
SET until = CASE WHEN holds.placed_by = 'delivery' THEN excluded.until ELSE holds.until END,
    reason = CASE WHEN holds.placed_by = 'delivery' OR excluded.placed_by <> 'delivery' THEN excluded.reason ELSE holds.reason END,
    last_reply = excluded.last_reply,
    placed_by = CASE WHEN excluded.placed_by <> 'delivery' THEN excluded.placed_by ELSE holds.placed_by END;

-- name: lift_hold$
-- Let it flow again; NULL when there was no such hold.
-- writes: holds
DELETE FROM holds WHERE scope = :scope AND key = :key AND coalesce(account_id, 0) = :account_id AND source_ip = :source_ip
RETURNING hold_id;

-- name: drop_ended_holds!
-- Forget holds of our own whose time is over.
-- writes: holds
DELETE FROM holds WHERE until < :before AND placed_by = 'delivery';
