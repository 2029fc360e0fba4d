-- name: write_transmission!
-- Write a transmission down whole: what all its messages share, once.
-- writes: transmissions
INSERT INTO transmissions (transmission_id, account_id, subaccount_id, campaign_id, description, template_id, list_id, snapshot,
                           scheduled, start_at, recipients, facts, content)
VALUES (:transmission_id, :account_id, :subaccount_id, :campaign_id, :description, :template_id, :list_id, :snapshot,
        :scheduled, :start_at, :recipients, :facts, :content);

-- name: append_shares!
-- Ask shards to make the messages of one transmission.
-- writes: inbox
INSERT INTO inbox (shard, kind, account_id, transmission_id, payload)
SELECT d.shard, 'generate', :account_id, :transmission_id, d.payload
FROM unnest(:shards::smallint[], :payloads::bytea[]) AS d (shard, payload);

-- name: to_generate^
-- What the messages of a transmission share, and whether it was cancelled.
-- reads: transmissions
SELECT facts, content, snapshot, canceled_at FROM transmissions WHERE transmission_id = :transmission_id;

-- name: one_transmission^
-- One scheduled transmission, as customers see it.
-- reads: transmissions, inbox
SELECT transmission_id, subaccount_id, campaign_id, description, template_id, list_id, start_at, created_at, recipients, facts,
       expanded_at, canceled_at,
       (t.expanded_at IS NOT NULL OR NOT EXISTS (SELECT FROM inbox i WHERE i.transmission_id = t.transmission_id)) AS expanded
FROM transmissions t
WHERE transmission_id = :transmission_id AND account_id = :account_id AND scheduled
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id);

-- name: transmissions_of_account
-- The scheduled transmissions of an account, the latest start first.
-- reads: transmissions, inbox
SELECT transmission_id, subaccount_id, campaign_id, description, template_id, list_id, start_at, created_at, recipients,
       ''::bytea AS facts, expanded_at, canceled_at,
       (t.expanded_at IS NOT NULL OR NOT EXISTS (SELECT FROM inbox i WHERE i.transmission_id = t.transmission_id)) AS expanded
FROM transmissions t
WHERE account_id = :account_id AND scheduled AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:campaign_id::text IS NULL OR campaign_id = :campaign_id)
  AND (:template_id::text IS NULL OR template_id = :template_id)
ORDER BY start_at DESC, transmission_id DESC
LIMIT :limit;

-- name: cancel_one^
-- Cancel one transmission that has not begun; nothing comes back where it has, or was cancelled before.
-- writes: transmissions
UPDATE transmissions SET canceled_at = now()
WHERE transmission_id = :transmission_id AND account_id = :account_id AND subaccount_id = :subaccount_id AND scheduled
  AND canceled_at IS NULL AND start_at > :before
RETURNING transmission_id, campaign_id;

-- name: cancel_campaign
-- Cancel what a campaign has scheduled and may not have sent.
-- writes: transmissions
UPDATE transmissions SET canceled_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND campaign_id = :campaign_id AND scheduled
  AND canceled_at IS NULL AND start_at > :since
RETURNING transmission_id;

-- name: append_cancels!
-- Ask every shard to end what waits of cancelled transmissions.
-- writes: inbox
INSERT INTO inbox (shard, kind, account_id, payload)
SELECT d.shard, 'cancel', :account_id, :payload FROM unnest(:shards::smallint[]) AS d (shard);

-- name: shares_left_in$
-- Whether a shard still has shares of these transmissions to expand.
-- reads: inbox
SELECT EXISTS (SELECT FROM inbox WHERE shard = :shard AND transmission_id = ANY(:transmission_ids::bytea[]));

-- name: canceled_among
-- Which of these transmissions are cancelled.
-- reads: transmissions
SELECT transmission_id FROM transmissions
WHERE transmission_id = ANY(:transmission_ids::bytea[]) AND canceled_at IS NOT NULL;

-- name: entries_of
-- Entries of some transmissions in one lane, from a place on.
-- reads: queue_entries, chunks
SELECT q.entry_id, q.due_at, q.expires_at, q.chunk_id, q.recipient, q.tries, q.detail, c.facts
FROM (SELECT * FROM queue_entries
      WHERE shard = :shard AND lane = :lane AND (due_at, entry_id) > (:floor_due_at, :floor_id)
      ORDER BY due_at, entry_id LIMIT :limit) q
LEFT JOIN chunks c ON c.shard = :shard AND c.chunk_id = q.chunk_id AND c.transmission_id = ANY(:transmission_ids::bytea[])
ORDER BY q.due_at, q.entry_id;

-- name: note_expanded
-- Note of transmissions whose last share was expanded that every message is made; their content lies with the messages now.
-- What comes back are snapshots of recipients that were theirs alone, and that nobody reads any more.
-- reads: inbox; writes: transmissions
UPDATE transmissions t SET expanded_at = now(), content = ''
WHERE t.expanded_at IS NULL AND NOT EXISTS (SELECT FROM inbox i WHERE i.transmission_id = t.transmission_id)
RETURNING CASE WHEN list_id = '' THEN snapshot END AS snapshot;

-- name: forget_transmissions!
-- Forget transmissions that began long ago.
-- writes: transmissions
DELETE FROM transmissions WHERE expanded_at IS NOT NULL AND start_at < :before;

-- name: list_in_use^
-- Whether a transmission still needs a list, and why: it is being expanded, or scheduled and not begun.
-- reads: transmissions, inbox
SELECT start_at > :now AND canceled_at IS NULL AS waits
FROM transmissions t
WHERE account_id = :account_id AND list_id = :list_id AND (expanded_at IS NULL OR start_at > :now)
  AND ((start_at > :now AND canceled_at IS NULL)
       OR EXISTS (SELECT FROM inbox i WHERE i.transmission_id = t.transmission_id))
LIMIT 1;

-- name: template_in_use^
-- Whether a transmission that has not begun, or whose messages are being made, was made of a template. One of the primary
-- account (0) may be a subaccount's too, unless that has one of its own by this name.
-- reads: transmissions, inbox, templates
SELECT 1 AS used
FROM transmissions t
WHERE account_id = :account_id AND template_id = :template_id
  AND (subaccount_id = :subaccount_id
       OR (:subaccount_id = 0
           AND NOT EXISTS (SELECT FROM templates own
                           WHERE own.account_id = t.account_id AND own.subaccount_id = t.subaccount_id
                             AND own.template_id = t.template_id)))
  AND ((start_at > :now AND canceled_at IS NULL)
       OR EXISTS (SELECT FROM inbox i WHERE i.transmission_id = t.transmission_id))
LIMIT 1;
