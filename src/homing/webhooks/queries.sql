-- name: insert_webhook!
-- A new webhook.
-- writes: webhooks
INSERT INTO webhooks (webhook_id, account_id, subaccount_id, name, target, types, active, custom_headers, exception_subaccounts,
                      auth_type, auth_sealed)
VALUES (:webhook_id, :account_id, :subaccount_id, :name, :target, :types, :active, :custom_headers, :exception_subaccounts,
        :auth_type, :auth_sealed);

-- name: update_webhook!
-- Change a webhook; one that is set active is not paused any more.
-- writes: webhooks
UPDATE webhooks SET subaccount_id = :subaccount_id, name = :name, target = :target, types = :types, active = :active,
       paused_why = CASE WHEN :active THEN '' ELSE paused_why END, custom_headers = :custom_headers,
       exception_subaccounts = :exception_subaccounts, auth_type = :auth_type, auth_sealed = :auth_sealed
WHERE webhook_id = :webhook_id AND account_id = :account_id;

-- name: delete_webhook$
-- Let a webhook hear nothing new; what waits still goes out. NULL: there is none.
-- writes: webhooks
UPDATE webhooks SET deleted_at = now() WHERE webhook_id = :webhook_id AND account_id = :account_id AND deleted_at IS NULL
RETURNING webhook_id;

-- name: one_webhook^
-- One webhook of an account.
-- reads: webhooks
SELECT * FROM webhooks WHERE webhook_id = :webhook_id AND account_id = :account_id AND deleted_at IS NULL;

-- name: webhooks_of
-- The webhooks of an account, or those that belong to one subaccount.
-- reads: webhooks
SELECT * FROM webhooks
WHERE account_id = :account_id AND deleted_at IS NULL AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
ORDER BY created_at, webhook_id;

-- name: count_webhooks$
-- How many webhooks a subaccount, or the primary account (0), has.
-- reads: webhooks
SELECT count(*) FROM webhooks
WHERE account_id = :account_id AND coalesce(subaccount_id, 0) = :subaccount_id AND deleted_at IS NULL;

-- name: listening
-- The webhooks of some accounts that hear what happens.
-- reads: webhooks
SELECT * FROM webhooks WHERE account_id = ANY(:account_ids::integer[]) AND active AND deleted_at IS NULL;

-- name: anybody_listens$
-- Whether there is a webhook at all that hears what happens.
-- reads: webhooks
SELECT EXISTS (SELECT FROM webhooks WHERE active AND deleted_at IS NULL);

-- name: to_push^
-- A webhook that has something to be pushed, deleted or not.
-- reads: webhooks
SELECT * FROM webhooks WHERE webhook_id = :webhook_id;

-- name: keep_token!
-- Keep an access token that was fetched.
-- writes: webhooks
UPDATE webhooks SET auth_sealed = :auth_sealed WHERE webhook_id = :webhook_id;

-- name: owe!
-- Note stretches that webhooks are owed: the last loose one of a shard grows, up to 500 events; otherwise a new one begins.
-- writes: webhook_ranges
WITH owed AS (
    SELECT * FROM unnest(:webhook_ids::uuid[], :account_ids::integer[], :shards::smallint[], :first_days::date[],
                         :last_days::date[], :first_seqs::bigint[], :last_seqs::bigint[], :events::integer[])
        AS o (webhook_id, account_id, shard, first_day, last_day, first_seq, last_seq, events)
), grown AS (
    UPDATE webhook_ranges r SET last_day = o.last_day, last_seq = o.last_seq, events = r.events + o.events
    FROM owed o
    WHERE r.webhook_id = o.webhook_id AND r.shard = o.shard AND r.batch_id IS NULL AND r.since IS NULL AND r.events < 500
    RETURNING r.webhook_id, r.shard
)
INSERT INTO webhook_ranges (webhook_id, account_id, shard, first_day, last_day, first_seq, last_seq, events)
SELECT o.webhook_id, o.account_id, o.shard, o.first_day, o.last_day, o.first_seq, o.last_seq, o.events
FROM owed o
WHERE NOT EXISTS (SELECT FROM grown g WHERE g.webhook_id = o.webhook_id AND g.shard = o.shard);

-- name: owe_again$
-- Owe a webhook what happened between two moments once more, in stretches of 500; returns how many events.
-- reads: events; writes: webhook_ranges
WITH numbered AS (
    SELECT day, shard, seq, (row_number() OVER (PARTITION BY shard ORDER BY seq) - 1) / 500 AS part
    FROM events
    WHERE account_id = :account_id AND at >= :since AND at < :until AND day >= :first_day AND type = ANY(:types::smallint[])
      AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
      AND NOT subaccount_id = ANY(:exceptions::integer[])
), made AS (
    INSERT INTO webhook_ranges (webhook_id, account_id, shard, first_day, last_day, first_seq, last_seq, events, since, until)
    SELECT :webhook_id, :account_id, shard, min(day), max(day), min(seq), max(seq), count(*), :since, :until
    FROM numbered GROUP BY shard, part
    RETURNING events
)
SELECT coalesce(sum(events), 0)::bigint FROM made;

-- name: loose
-- Webhooks that are owed something in no batch yet: how much, since when, and how many batches are open already.
-- reads: webhook_ranges, webhook_batches, webhooks
SELECT r.webhook_id, r.account_id, sum(r.events)::bigint AS events, min(r.made_at) AS since,
       (SELECT count(*) FROM webhook_batches b WHERE b.webhook_id = r.webhook_id AND b.ended_at IS NULL) AS open
FROM webhook_ranges r JOIN webhooks w ON w.webhook_id = r.webhook_id AND (w.active OR w.deleted_at IS NOT NULL)
WHERE r.batch_id IS NULL
GROUP BY r.webhook_id, r.account_id;

-- name: form_batch$
-- Put the oldest loose stretches of a webhook, about so many events, into a batch; NULL where somebody was faster.
-- reads: webhook_ranges; writes: webhook_ranges, webhook_batches
WITH oldest AS (
    SELECT range_id, events FROM webhook_ranges
    WHERE webhook_id = :webhook_id AND batch_id IS NULL ORDER BY range_id LIMIT 200 FOR UPDATE SKIP LOCKED
), chosen AS (
    SELECT range_id, events FROM (SELECT range_id, events, sum(events) OVER (ORDER BY range_id) - events AS before FROM oldest) o
    WHERE before < :most
), taken AS (
    UPDATE webhook_ranges r SET batch_id = :batch_id FROM chosen c WHERE r.range_id = c.range_id
)
INSERT INTO webhook_batches (batch_id, webhook_id, account_id, events)
SELECT :batch_id, :webhook_id, :account_id, sum(events) FROM chosen HAVING count(*) > 0
RETURNING batch_id;

-- name: claim_batches
-- Take batches that are due, oldest first, a few of each webhook; nobody else tries them until the claim runs out.
-- reads: webhooks; writes: webhook_batches
UPDATE webhook_batches b SET claimed_until = now() + make_interval(secs => :claim_s)
FROM (
    SELECT batch_id FROM (
        SELECT b.batch_id, row_number() OVER (PARTITION BY b.webhook_id ORDER BY b.made_at) AS place
        FROM webhook_batches b JOIN webhooks w ON w.webhook_id = b.webhook_id AND (w.active OR w.deleted_at IS NOT NULL)
        WHERE b.ended_at IS NULL AND b.due_at <= now() AND (b.claimed_until IS NULL OR b.claimed_until < now())
          AND NOT b.webhook_id = ANY(:busy::uuid[])
    ) due WHERE place <= :of_each LIMIT :most
) d
WHERE b.batch_id = d.batch_id AND (b.claimed_until IS NULL OR b.claimed_until < now())
RETURNING b.batch_id, b.webhook_id, b.account_id, b.attempts, b.made_at;

-- name: events_of_batch
-- The events of a batch's stretches that belong to its account; the reader leaves out what the webhook does not want.
-- reads: webhook_ranges, events
SELECT e.day, e.shard, e.seq, e.at, e.type, e.account_id, e.subaccount_id, e.message_id, e.transmission_id, e.recipient,
       e.recipient_domain, e.campaign_id, e.detail
FROM webhook_ranges r
JOIN events e ON e.shard = r.shard AND e.seq >= r.first_seq AND e.seq <= r.last_seq AND e.day >= r.first_day AND e.day <= r.last_day
WHERE r.batch_id = :batch_id AND e.account_id = :account_id
  AND (r.since IS NULL OR e.at >= r.since) AND (r.until IS NULL OR e.at < r.until)
ORDER BY r.range_id, e.seq;

-- name: delivered!
-- A batch was taken: what it held is owed no more. One that had failed before stays to be looked at.
-- writes: webhook_ranges, webhook_batches, webhooks
WITH gone AS (
    DELETE FROM webhook_ranges WHERE batch_id = :batch_id
), at_once AS (
    DELETE FROM webhook_batches WHERE batch_id = :batch_id AND attempts = 0
), later AS (
    UPDATE webhook_batches SET ended_at = now(), tried_at = now(), response_code = :response_code, failure_code = '',
           latency_ms = :latency_ms
    WHERE batch_id = :batch_id AND attempts > 0
)
UPDATE webhooks SET last_successful = now() WHERE webhook_id = :webhook_id;

-- name: failed!
-- A batch was not taken: it is tried again at due_at, or given up where that is NULL.
-- writes: webhook_ranges, webhook_batches, webhooks
WITH noted AS (
    UPDATE webhook_batches SET attempts = attempts + 1, due_at = coalesce(:due_at::timestamptz, due_at), claimed_until = NULL,
           response_code = :response_code, failure_code = :failure_code, latency_ms = :latency_ms, tried_at = now(),
           ended_at = CASE WHEN :due_at::timestamptz IS NULL THEN now() END
    WHERE batch_id = :batch_id
), gone AS (
    DELETE FROM webhook_ranges WHERE batch_id = :batch_id AND :due_at::timestamptz IS NULL
)
UPDATE webhooks SET last_failure = now(), active = active AND :paused_why = '',
       paused_why = CASE WHEN :paused_why = '' THEN paused_why ELSE :paused_why END
WHERE webhook_id = :webhook_id;

-- name: tried_batches
-- The batches of a webhook that failed at least once within a day, the latest first.
-- reads: webhook_batches
SELECT batch_id, webhook_id, events, attempts, response_code, failure_code, latency_ms, tried_at, ended_at
FROM webhook_batches
WHERE webhook_id = :webhook_id AND account_id = :account_id AND attempts > 0 AND tried_at > now() - interval '1 day'
ORDER BY tried_at DESC
LIMIT :limit;

-- name: drop_old_ranges!
-- Give up what is too old to be told, where it never came into a batch.
-- writes: webhook_ranges
DELETE FROM webhook_ranges WHERE batch_id IS NULL AND made_at < :before;

-- name: drop_old_batches!
-- Forget batches that ended a day ago, and those of paused webhooks that are too old to be told.
-- writes: webhook_ranges, webhook_batches
WITH old AS (
    DELETE FROM webhook_batches
    WHERE (ended_at IS NOT NULL AND ended_at < :ended_before) OR (ended_at IS NULL AND made_at < :made_before)
    RETURNING batch_id
)
DELETE FROM webhook_ranges r USING old WHERE r.batch_id = old.batch_id;

-- name: drop_deleted!
-- Forget deleted webhooks that nothing waits for any more.
-- reads: webhook_ranges, webhook_batches; writes: webhooks
DELETE FROM webhooks w
WHERE w.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM webhook_ranges r WHERE r.webhook_id = w.webhook_id)
  AND NOT EXISTS (SELECT FROM webhook_batches b WHERE b.webhook_id = w.webhook_id AND b.ended_at IS NULL);
