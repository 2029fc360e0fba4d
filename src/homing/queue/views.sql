-- name: waiting_by_domain
-- What waits, by recipient domain, deepest first: one pass over an index, whatever the depth; the last reply is read
-- from the entry that is due last, because only a re-dated one is due in the future.
-- reads: queue_entries, lanes
WITH by_lane AS (
    SELECT shard, lane, count(*) AS depth, min(due_at) AS next_due, max(due_at) AS last_due,
           min(encode(entry_id, 'hex')) AS oldest
    FROM queue_entries GROUP BY shard, lane
), grouped AS (
    SELECT l.domain, sum(b.depth)::bigint AS depth, min(b.next_due) AS next_due, min(b.oldest) AS oldest,
           (array_agg(b.shard ORDER BY b.last_due DESC))[1] AS shard, (array_agg(b.lane ORDER BY b.last_due DESC))[1] AS lane
    FROM by_lane b JOIN lanes l USING (shard, lane)
    GROUP BY l.domain ORDER BY depth DESC, l.domain LIMIT :limit
)
SELECT g.domain, g.depth, g.next_due, g.oldest, e.last_attempt
FROM grouped g CROSS JOIN LATERAL (
    SELECT q.last_attempt FROM queue_entries q
    WHERE q.shard = g.shard AND q.lane = g.lane ORDER BY q.due_at DESC, q.entry_id DESC LIMIT 1
) e
ORDER BY g.depth DESC, g.domain;

-- name: waiting_by_customer
-- What waits, by customer, deepest first.
-- reads: queue_entries, lanes, accounts
WITH by_lane AS (
    SELECT shard, lane, count(*) AS depth, min(due_at) AS next_due, max(due_at) AS last_due,
           min(encode(entry_id, 'hex')) AS oldest
    FROM queue_entries GROUP BY shard, lane
), grouped AS (
    SELECT l.account_id, sum(b.depth)::bigint AS depth, min(b.next_due) AS next_due, min(b.oldest) AS oldest,
           (array_agg(b.shard ORDER BY b.last_due DESC))[1] AS shard, (array_agg(b.lane ORDER BY b.last_due DESC))[1] AS lane
    FROM by_lane b JOIN lanes l USING (shard, lane)
    GROUP BY l.account_id ORDER BY depth DESC, l.account_id LIMIT :limit
)
SELECT g.account_id, a.name AS account, g.depth, g.next_due, g.oldest, e.last_attempt
FROM grouped g LEFT JOIN accounts a USING (account_id) CROSS JOIN LATERAL (
    SELECT q.last_attempt FROM queue_entries q
    WHERE q.shard = g.shard AND q.lane = g.lane ORDER BY q.due_at DESC, q.entry_id DESC LIMIT 1
) e
ORDER BY g.depth DESC, g.account_id;

-- name: waiting_by_lane
-- What waits, by customer, campaign and domain, deepest first; the shards of one such lane are counted together.
-- reads: queue_entries, lanes, accounts
WITH by_lane AS (
    SELECT shard, lane, count(*) AS depth, min(due_at) AS next_due, max(due_at) AS last_due,
           min(encode(entry_id, 'hex')) AS oldest
    FROM queue_entries GROUP BY shard, lane
), grouped AS (
    SELECT b.lane, l.account_id, l.subaccount_id, l.campaign_id, l.domain, l.ip_pool,
           sum(b.depth)::bigint AS depth, min(b.next_due) AS next_due, min(b.oldest) AS oldest,
           (array_agg(b.shard ORDER BY b.last_due DESC))[1] AS shard
    FROM by_lane b JOIN lanes l USING (shard, lane)
    GROUP BY b.lane, l.account_id, l.subaccount_id, l.campaign_id, l.domain, l.ip_pool
    ORDER BY depth DESC, l.domain, b.lane LIMIT :limit
)
SELECT g.lane, g.account_id, a.name AS account, g.subaccount_id, g.campaign_id, g.domain, g.ip_pool, g.depth, g.next_due, g.oldest,
       e.last_attempt
FROM grouped g LEFT JOIN accounts a USING (account_id) CROSS JOIN LATERAL (
    SELECT q.last_attempt FROM queue_entries q
    WHERE q.shard = g.shard AND q.lane = g.lane ORDER BY q.due_at DESC, q.entry_id DESC LIMIT 1
) e
ORDER BY g.depth DESC, g.domain, g.lane;

-- name: waiting_of_transmission
-- What of one transmission still waits, by domain.
-- reads: chunks, queue_entries, lanes
SELECT l.domain, count(*) AS depth, min(q.due_at) AS next_due, max(q.last_attempt) AS last_attempt, max(q.tries) AS tries,
       min(encode(q.entry_id, 'hex')) AS example
FROM chunks c
JOIN queue_entries q ON q.shard = c.shard AND q.chunk_id = c.chunk_id
JOIN lanes l ON l.shard = q.shard AND l.lane = q.lane
WHERE c.transmission_id = :transmission_id
GROUP BY l.domain ORDER BY depth DESC;

-- name: waiting_total^
-- How many messages wait, and how many of them are due.
-- reads: queue_entries
SELECT count(*) AS depth, count(*) FILTER (WHERE due_at <= clock_timestamp()) AS due FROM queue_entries;

-- name: waiting_entry^
-- One message that waits, with its lane and what its chunk says of it.
-- reads: queue_entries, lanes, chunks, accounts, shards
SELECT q.entry_id, q.shard, q.lane, q.due_at, q.expires_at, q.recipient, q.tries, q.last_attempt,
       l.account_id, a.name AS account, l.subaccount_id, l.campaign_id, l.domain,
       c.facts, s.owner, clock_timestamp() AS now
FROM queue_entries q
LEFT JOIN lanes l ON l.shard = q.shard AND l.lane = q.lane
LEFT JOIN accounts a ON a.account_id = l.account_id
LEFT JOIN chunks c ON c.shard = q.shard AND c.chunk_id = q.chunk_id
LEFT JOIN shards s ON s.shard = q.shard
WHERE q.shard = :shard AND q.entry_id = :entry_id;

-- name: place_in_lane^
-- How deep a message's lane is in its shard, and how many are due before it; counting stops at :most.
-- reads: queue_entries
SELECT (SELECT count(*) FROM (SELECT FROM queue_entries WHERE shard = :shard AND lane = :lane LIMIT :most) d) AS depth,
       (SELECT count(*) FROM (SELECT FROM queue_entries WHERE shard = :shard AND lane = :lane
                              AND (due_at, entry_id) < (:due_at, :entry_id) LIMIT :most) p) AS before;
