-- name: partitions
-- The days of the log that have a partition, by the name of its table; detaching: a removal that was interrupted.
-- reads: pg_inherits, pg_class
SELECT c.relname AS name, i.inhdetachpending AS detaching
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{8}$'
ORDER BY c.relname;

-- name: loose_partitions
-- Tables of days that belong to the log no more, or not yet.
-- reads: pg_inherits, pg_class
SELECT c.relname AS name
FROM pg_class c
WHERE c.relkind = 'r' AND c.relname ~ '^events_[0-9]{8}$'
  AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'events'::regclass)
  AND NOT EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhrelid = c.oid)
ORDER BY c.relname;

-- name: lock_partitions!
-- One at a time changes the partitions; held to the end of the transaction.
-- reads: nothing
SELECT pg_advisory_xact_lock(hashtext('homing events partitions'));

-- name: of_message
-- The life of one message, in the order in which it happened.
-- reads: events
SELECT day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
       campaign_id, detail
FROM events
WHERE message_id = :message_id
ORDER BY at, day, shard, seq
LIMIT 1000;

-- name: search
-- Events of one account that match every filter that is given (NULL: not given), newest first, from a cursor on. Keyword
-- filters come as LIKE patterns over the segments of a field, set apart by single spaces; campaigns as the names that were
-- found for theirs. total is counted only on request. Traffic of performance tests is kept out (SparkPost reference, 1.11).
-- reads: events
WITH matching AS NOT MATERIALIZED (
    SELECT shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
           campaign_id, detail
    FROM events
    WHERE account_id = :account_id AND at >= :since AND at < :until
      AND day >= :first_day AND NOT starts_with(campaign_id, 'sparkpost-performance-test-')
      AND (:subaccounts::integer[] IS NULL OR subaccount_id = ANY(:subaccounts::integer[]))
      AND (:types::smallint[] IS NULL OR type = ANY(:types::smallint[]))
      AND (:seqs::bigint[] IS NULL OR (shard, seq) IN (SELECT * FROM unnest(:shards::smallint[], :seqs::bigint[]))
           OR detail->>'event_id' = ANY(:event_names::text[]))
      AND (:recipients::text[] IS NULL OR recipient = ANY(:recipients::text[]))
      AND (:messages::bytea[] IS NULL OR message_id = ANY(:messages::bytea[]))
      AND (:transmissions::bytea[] IS NULL OR transmission_id = ANY(:transmissions::bytea[]))
      AND (:from_addresses::text[] IS NULL OR lower(detail->>'friendly_from') = ANY(:from_addresses::text[]))
      AND (:bounce_classes::text[] IS NULL OR detail->>'bounce_class' = ANY(:bounce_classes::text[]))
      AND (:sending_ips::text[] IS NULL OR detail->>'sending_ip' = ANY(:sending_ips::text[]))
      AND (:ab_test_versions::text[] IS NULL OR detail->>'ab_test_version' = ANY(:ab_test_versions::text[]))
      AND (:recipient_domains::text[] IS NULL
           OR ' ' || regexp_replace(lower(recipient_domain), '[-_ .]+', ' ', 'g') || ' ' LIKE ANY (:recipient_domains::text[]))
      AND (:sending_domains::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'sending_domain'), '[-_ .]+', ' ', 'g') || ' '
              LIKE ANY (:sending_domains::text[]))
      AND (:campaign::text IS NULL OR campaign_id = :campaign::text)  -- one name: the index gives its events in order
      AND (:campaigns::text[] IS NULL OR campaign_id <> '' AND campaign_id = ANY(:campaigns::text[]))
      AND (:ab_tests::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'ab_test_id'), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:ab_tests::text[]))
      AND (:ip_pools::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'ip_pool'), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:ip_pools::text[]))
      AND (:reasons::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'raw_reason'), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:reasons::text[]))
      AND (:batch_ids::text[] IS NULL OR detail->>'batch_id' = ANY(:batch_ids::text[]))
      AND (:error_types::text[] IS NULL OR lower(detail->>'error_type') = ANY(:error_types::text[]))
      AND (:retryable::text IS NULL OR detail->>'retryable' = :retryable)
      AND (:reason_like::text IS NULL OR detail->>'raw_reason' ILIKE :reason_like)
      AND (:subjects::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'subject'), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:subjects::text[]))
      AND (:templates::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'template_id'), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:templates::text[])
           OR transmission_id = ANY(:inline_templates::bytea[]) AND detail->>'template_id' IS NULL AND detail->>'recalled' IS NULL)
      AND (:mailbox_providers::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'mailbox_provider'), '[-_ ]+', ' ', 'g') || ' '
              LIKE ANY (:mailbox_providers::text[]))
      AND (:mailbox_provider_regions::text[] IS NULL
           OR ' ' || regexp_replace(lower(detail->>'mailbox_provider_region'), '[-_ ]+', ' ', 'g') || ' '
              LIKE ANY (:mailbox_provider_regions::text[]))
)
SELECT m.*, CASE WHEN :with_total THEN (SELECT count(*) FROM matching) END AS total
FROM matching m
WHERE :after_at::timestamptz IS NULL
   OR (m.at, m.shard, m.seq) < (:after_at::timestamptz, :after_shard::smallint, :after_seq::bigint)
ORDER BY m.at DESC, m.shard DESC, m.seq DESC
LIMIT :limit OFFSET :offset;

-- name: campaigns_like
-- The campaigns of an account that match patterns. From name to next name in the index: it reads as many entries as there are
-- campaigns, not as there are events.
-- reads: events
WITH RECURSIVE names AS (
    (SELECT campaign_id FROM events WHERE account_id = :account_id AND campaign_id <> '' AND day >= :first_day
     ORDER BY campaign_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.campaign_id FROM events e
            WHERE e.account_id = :account_id AND e.campaign_id > n.campaign_id AND e.campaign_id <> '' AND e.day >= :first_day
            ORDER BY e.campaign_id LIMIT 1)
    FROM names n WHERE n.campaign_id IS NOT NULL
)
SELECT campaign_id FROM names
WHERE ' ' || regexp_replace(lower(campaign_id), '[-_ ]+', ' ', 'g') || ' ' LIKE ANY (:patterns::text[]);

-- name: lock_places
-- The places of a follower in some shards, held to the end of the transaction; a place that another worker holds is left out.
-- reads: followers
SELECT shard FROM followers WHERE name = :name AND shard = ANY(:shards::smallint[]) ORDER BY shard FOR UPDATE SKIP LOCKED;

-- name: make_places!
-- Begin to follow shards, before their oldest event. A place that is there already stays as it is.
-- writes: followers
INSERT INTO followers (name, shard, day, seq) SELECT :name, shard, '0001-01-01', 0 FROM unnest(:shards::smallint[]) AS s (shard)
ON CONFLICT DO NOTHING;

-- name: skip_places!
-- Let a follower whom nobody would notice jump behind the newest events, as far as they were there when this began.
-- reads: events; writes: followers
UPDATE followers f SET day = e.day, seq = e.seq
FROM unnest(:shards::smallint[]) AS s (shard)
CROSS JOIN LATERAL (SELECT day, seq FROM events WHERE events.shard = s.shard ORDER BY seq DESC LIMIT 1) e
WHERE f.name = :name AND f.shard = s.shard AND e.seq > f.seq;

-- name: next_events
-- What comes next for a follower in each of some shards.
-- reads: followers, events
SELECT e.*
FROM followers f CROSS JOIN LATERAL (
    SELECT day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
           campaign_id, detail
    FROM events
    WHERE events.shard = f.shard AND events.seq > f.seq AND events.day >= f.day
    ORDER BY events.seq
    LIMIT :limit
) e
WHERE f.name = :name AND f.shard = ANY(:shards::smallint[])
ORDER BY e.shard, e.seq;

-- name: move_places!
-- Note how far a follower has come.
-- writes: followers
UPDATE followers f SET day = d.day, seq = d.seq
FROM unnest(:shards::smallint[], :days::date[], :seqs::bigint[]) AS d (shard, day, seq)
WHERE f.name = :name AND f.shard = d.shard;

-- name: origins
-- The delivery of each of these messages, or else its injection; nothing of a message is older than its id.
-- reads: events
SELECT DISTINCT ON (message_id)
       day, shard, seq, at, type, account_id, subaccount_id, message_id, transmission_id, recipient, recipient_domain,
       campaign_id, detail
FROM events
WHERE message_id = ANY(:message_ids::bytea[]) AND day >= :first_day AND type IN (:delivery::smallint, :injection::smallint)
ORDER BY message_id, type <> :delivery::smallint, at;

-- name: has_event$
-- Whether there is an event of a type about a message.
-- reads: events
SELECT EXISTS (SELECT FROM events WHERE message_id = :message_id AND type = :type AND day >= :first_day);

-- name: failed_of$
-- How many messages of a transmission could not be made: generation_failure is type 20, spelled out for its index.
-- reads: events
SELECT count(*) FROM events
WHERE transmission_id = :transmission_id AND account_id = :account_id AND type = 20 AND day >= :first_day;

-- name: last_outcomes
-- The last thing that tells whether each of these mailboxes exists: our mail was delivered there, or came back for good.
-- reads: events
SELECT asked.recipient, last.type, last.at
FROM unnest(:recipients::text[]) AS asked (recipient)
CROSS JOIN LATERAL (
    SELECT e.type, e.at FROM events e
    WHERE e.account_id = :account_id AND e.recipient = asked.recipient AND e.type = ANY(:types::smallint[])
      AND (:subaccount_id::integer IS NULL OR e.subaccount_id = :subaccount_id)
      AND (e.type = :delivery OR e.detail ->> 'bounce_class' IN ('10', '30'))
    ORDER BY e.at DESC, e.type DESC
    LIMIT 1
) AS last;

-- name: about_recipients
-- Some events about these addresses; nobody else changes them until the transaction ends.
-- reads: events
SELECT day, shard, seq, type, recipient, detail FROM events
WHERE account_id = :account_id AND recipient = ANY(:recipients::text[])
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
LIMIT :limit
FOR UPDATE;

-- name: erase!
-- Put markers in the place of recipients, and details that tell of nobody.
-- writes: events
UPDATE events e SET recipient = d.recipient, detail = d.detail::json
FROM unnest(:days::date[], :shards::smallint[], :seqs::bigint[], :recipients::text[], :details::text[])
     AS d (day, shard, seq, recipient, detail)
WHERE e.day = d.day AND e.shard = d.shard AND e.seq = d.seq;
