-- name: meet_sets!
-- Note sets that may be new, and in which month they were used; a look spares the lock of a row.
-- reads: metric_sets; writes: metric_sets
INSERT INTO metric_sets (set_id, account_id, scope, subaccount_id, domain, sending_ip, ip_pool, sending_domain, campaign_id,
                         template_id, month)
SELECT *, :month::date
FROM unnest(:set_ids::uuid[], :account_ids::integer[], :scopes::smallint[], :subaccount_ids::integer[], :domains::text[],
            :sending_ips::text[], :ip_pools::text[], :sending_domains::text[], :campaign_ids::text[], :template_ids::text[])
     AS s (set_id, account_id, scope, subaccount_id, domain, sending_ip, ip_pool, sending_domain, campaign_id, template_id)
WHERE NOT EXISTS (SELECT FROM metric_sets m WHERE m.scope = s.scope AND m.set_id = s.set_id AND m.month >= :month::date)
ORDER BY scope, set_id
ON CONFLICT (scope, set_id) DO UPDATE SET month = excluded.month WHERE metric_sets.month < excluded.month;

-- name: count!
-- Add to figures. Rows come in one order for all, so two workers never wait for each other in a circle.
-- Arrays come as text, and a column of which there is nothing as NULL: there are many columns, and each row has few.
-- writes: metric_counts
INSERT INTO metric_counts AS c (account_id, grain, scope, ts, set_id,
                           injected, delivered, delivered_first, delivered_second, inband_bounce, outofband_bounce,
                           hard_bounce, soft_bounce, block_bounce, undetermined_bounce, admin_bounce, policy_rejection,
                           generation_rejection, generation_failed, delayed, delayed_first, spam_complaint, rendered,
                           unique_rendered, initial_rendered, unique_initial_rendered, unique_confirmed_opened,
                           nonprefetched_rendered, nonprefetched_unique_rendered, nonprefetched_initial_rendered,
                           nonprefetched_unique_initial_rendered, nonprefetched_unique_confirmed_opened, clicked,
                           unique_clicked, unsubscribe, msg_volume, delivery_time_first, delivery_time_subsequent)
SELECT * FROM unnest(:account_ids::text::integer[], :grains::text::smallint[], :scopes::text::smallint[],
                     :moments::text::timestamptz[], :set_ids::text::uuid[], :injected::text::integer[], :delivered::text::integer[],
                     :delivered_first::text::integer[], :delivered_second::text::integer[], :inband_bounce::text::integer[],
                     :outofband_bounce::text::integer[], :hard_bounce::text::integer[], :soft_bounce::text::integer[],
                     :block_bounce::text::integer[], :undetermined_bounce::text::integer[], :admin_bounce::text::integer[],
                     :policy_rejection::text::integer[], :generation_rejection::text::integer[],
                     :generation_failed::text::integer[], :delayed::text::integer[], :delayed_first::text::integer[],
                     :spam_complaint::text::integer[], :rendered::text::integer[], :unique_rendered::text::integer[],
                     :initial_rendered::text::integer[], :unique_initial_rendered::text::integer[],
                     :unique_confirmed_opened::text::integer[], :nonprefetched_rendered::text::integer[],
                     :nonprefetched_unique_rendered::text::integer[], :nonprefetched_initial_rendered::text::integer[],
                     :nonprefetched_unique_initial_rendered::text::integer[],
                     :nonprefetched_unique_confirmed_opened::text::integer[], :clicked::text::integer[],
                     :unique_clicked::text::integer[], :unsubscribe::text::integer[], :msg_volume::text::bigint[],
                     :delivery_time_first::text::bigint[], :delivery_time_subsequent::text::bigint[])
     AS n (account_id, grain, scope, ts, set_id,
           injected, delivered, delivered_first, delivered_second, inband_bounce, outofband_bounce, hard_bounce, soft_bounce,
           block_bounce, undetermined_bounce, admin_bounce, policy_rejection, generation_rejection, generation_failed,
           delayed, delayed_first, spam_complaint, rendered, unique_rendered, initial_rendered, unique_initial_rendered,
           unique_confirmed_opened, nonprefetched_rendered, nonprefetched_unique_rendered, nonprefetched_initial_rendered,
           nonprefetched_unique_initial_rendered, nonprefetched_unique_confirmed_opened, clicked, unique_clicked, unsubscribe,
           msg_volume, delivery_time_first, delivery_time_subsequent)
ORDER BY account_id, grain, scope, ts, set_id
ON CONFLICT (account_id, grain, scope, ts, set_id) DO UPDATE SET
    injected = coalesce(c.injected + excluded.injected, c.injected, excluded.injected),
    delivered = coalesce(c.delivered + excluded.delivered, c.delivered, excluded.delivered),
    delivered_first = coalesce(c.delivered_first + excluded.delivered_first, c.delivered_first, excluded.delivered_first),
    delivered_second = coalesce(c.delivered_second + excluded.delivered_second, c.delivered_second, excluded.delivered_second),
    inband_bounce = coalesce(c.inband_bounce + excluded.inband_bounce, c.inband_bounce, excluded.inband_bounce),
    outofband_bounce = coalesce(c.outofband_bounce + excluded.outofband_bounce, c.outofband_bounce, excluded.outofband_bounce),
    hard_bounce = coalesce(c.hard_bounce + excluded.hard_bounce, c.hard_bounce, excluded.hard_bounce),
    soft_bounce = coalesce(c.soft_bounce + excluded.soft_bounce, c.soft_bounce, excluded.soft_bounce),
    block_bounce = coalesce(c.block_bounce + excluded.block_bounce, c.block_bounce, excluded.block_bounce),
    undetermined_bounce =
        coalesce(c.undetermined_bounce + excluded.undetermined_bounce, c.undetermined_bounce, excluded.undetermined_bounce),
    admin_bounce = coalesce(c.admin_bounce + excluded.admin_bounce, c.admin_bounce, excluded.admin_bounce),
    policy_rejection = coalesce(c.policy_rejection + excluded.policy_rejection, c.policy_rejection, excluded.policy_rejection),
    generation_rejection =
        coalesce(c.generation_rejection + excluded.generation_rejection, c.generation_rejection, excluded.generation_rejection),
    generation_failed =
        coalesce(c.generation_failed + excluded.generation_failed, c.generation_failed, excluded.generation_failed),
    delayed = coalesce(c.delayed + excluded.delayed, c.delayed, excluded.delayed),
    delayed_first = coalesce(c.delayed_first + excluded.delayed_first, c.delayed_first, excluded.delayed_first),
    spam_complaint = coalesce(c.spam_complaint + excluded.spam_complaint, c.spam_complaint, excluded.spam_complaint),
    rendered = coalesce(c.rendered + excluded.rendered, c.rendered, excluded.rendered),
    unique_rendered = coalesce(c.unique_rendered + excluded.unique_rendered, c.unique_rendered, excluded.unique_rendered),
    initial_rendered = coalesce(c.initial_rendered + excluded.initial_rendered, c.initial_rendered, excluded.initial_rendered),
    unique_initial_rendered =
        coalesce(c.unique_initial_rendered + excluded.unique_initial_rendered,
                 c.unique_initial_rendered, excluded.unique_initial_rendered),
    unique_confirmed_opened =
        coalesce(c.unique_confirmed_opened + excluded.unique_confirmed_opened,
                 c.unique_confirmed_opened, excluded.unique_confirmed_opened),
    nonprefetched_rendered =
        coalesce(c.nonprefetched_rendered + excluded.nonprefetched_rendered,
                 c.nonprefetched_rendered, excluded.nonprefetched_rendered),
    nonprefetched_unique_rendered =
        coalesce(c.nonprefetched_unique_rendered + excluded.nonprefetched_unique_rendered,
                 c.nonprefetched_unique_rendered, excluded.nonprefetched_unique_rendered),
    nonprefetched_initial_rendered =
        coalesce(c.nonprefetched_initial_rendered + excluded.nonprefetched_initial_rendered,
                 c.nonprefetched_initial_rendered, excluded.nonprefetched_initial_rendered),
    nonprefetched_unique_initial_rendered =
        coalesce(c.nonprefetched_unique_initial_rendered + excluded.nonprefetched_unique_initial_rendered,
                 c.nonprefetched_unique_initial_rendered, excluded.nonprefetched_unique_initial_rendered),
    nonprefetched_unique_confirmed_opened =
        coalesce(c.nonprefetched_unique_confirmed_opened + excluded.nonprefetched_unique_confirmed_opened,
                 c.nonprefetched_unique_confirmed_opened, excluded.nonprefetched_unique_confirmed_opened),
    clicked = coalesce(c.clicked + excluded.clicked, c.clicked, excluded.clicked),
    unique_clicked = coalesce(c.unique_clicked + excluded.unique_clicked, c.unique_clicked, excluded.unique_clicked),
    unsubscribe = coalesce(c.unsubscribe + excluded.unsubscribe, c.unsubscribe, excluded.unsubscribe),
    msg_volume = coalesce(c.msg_volume + excluded.msg_volume, c.msg_volume, excluded.msg_volume),
    delivery_time_first =
        coalesce(c.delivery_time_first + excluded.delivery_time_first, c.delivery_time_first, excluded.delivery_time_first),
    delivery_time_subsequent =
        coalesce(c.delivery_time_subsequent + excluded.delivery_time_subsequent,
                 c.delivery_time_subsequent, excluded.delivery_time_subsequent);

-- name: note_texts!
-- Add to what was said.
-- writes: metric_texts
INSERT INTO metric_texts (account_id, scope, grain, kind, ts, set_id, classification, text, n1, n2, n3)
SELECT * FROM unnest(:account_ids::integer[], :scopes::smallint[], :grains::smallint[], :kinds::smallint[], :moments::timestamptz[],
                     :set_ids::uuid[], :classifications::smallint[], :texts::text[], :n1::integer[], :n2::integer[], :n3::integer[])
     AS t (account_id, scope, grain, kind, ts, set_id, classification, text, n1, n2, n3)
ORDER BY account_id, scope, grain, kind, ts, set_id, classification, md5(text)::uuid
ON CONFLICT (account_id, scope, grain, kind, ts, set_id, classification, (md5(text)::uuid)) DO UPDATE SET
    n1 = metric_texts.n1 + excluded.n1, n2 = metric_texts.n2 + excluded.n2, n3 = metric_texts.n3 + excluded.n3;

-- name: meet_messages!
-- Make a place for messages whose reader did something for the first time.
-- writes: metric_seen
INSERT INTO metric_seen (message_id, bits, day)
SELECT message_id, 0, :day::date FROM unnest(:message_ids::bytea[]) AS m (message_id) ORDER BY message_id
ON CONFLICT DO NOTHING;

-- name: lock_seen
-- What the readers of messages did already, held to the end of the transaction.
-- reads: metric_seen
SELECT message_id, bits FROM metric_seen WHERE message_id = ANY(:message_ids::bytea[]) ORDER BY message_id FOR UPDATE;

-- name: see!
-- Note what they have done by now.
-- writes: metric_seen
UPDATE metric_seen s SET bits = n.bits
FROM unnest(:message_ids::bytea[], :bits::smallint[]) AS n (message_id, bits)
WHERE s.message_id = n.message_id;

-- name: meet_providers!
-- Note who receives the mail of domains.
-- reads: metric_providers; writes: metric_providers
INSERT INTO metric_providers (domain, provider, region)
SELECT * FROM unnest(:domains::text[], :providers::text[], :regions::text[]) AS p (domain, provider, region)
WHERE NOT EXISTS (SELECT FROM metric_providers m WHERE (m.domain, m.provider, m.region) = (p.domain, p.provider, p.region))
ORDER BY domain
ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider, region = excluded.region;

-- name: forget_counts!
-- Drop the figures of one grain that are too old.
-- reads: metric_sets; writes: metric_counts
DELETE FROM metric_counts c USING (SELECT DISTINCT account_id FROM metric_sets) a
WHERE c.account_id = a.account_id AND c.grain = :grain AND c.scope = ANY(:scopes::smallint[]) AND c.ts < :before;

-- name: forget_texts!
-- Drop what was said too long ago.
-- reads: metric_sets; writes: metric_texts
DELETE FROM metric_texts t USING (SELECT DISTINCT account_id FROM metric_sets) a
WHERE t.account_id = a.account_id AND t.grain = :grain AND t.kind = ANY(:kinds::smallint[]) AND t.ts < :before;

-- name: forget_seen!
-- Forget what readers of old messages did.
-- writes: metric_seen
DELETE FROM metric_seen WHERE day < :before;

-- name: forget_sets!
-- Forget sets that nothing is counted under any more.
-- writes: metric_sets
DELETE FROM metric_sets WHERE month < :before;

-- name: provider_totals
-- Sums of whole days for every account and mailbox provider: each account's figures lie together, so each is read by itself.
-- reads: accounts, metric_counts, metric_sets, metric_providers
SELECT a.account_id, t.*
FROM accounts a CROSS JOIN LATERAL (
    SELECT p.provider, coalesce(sum(c.injected), 0)::bigint AS injected, coalesce(sum(c.delivered), 0)::bigint AS delivered,
           coalesce(sum(c.inband_bounce), 0)::bigint AS inband_bounce,
           coalesce(sum(c.outofband_bounce), 0)::bigint AS outofband_bounce,
           coalesce(sum(c.hard_bounce), 0)::bigint AS hard_bounce, coalesce(sum(c.soft_bounce), 0)::bigint AS soft_bounce,
           coalesce(sum(c.block_bounce), 0)::bigint AS block_bounce, coalesce(sum(c.delayed), 0)::bigint AS delayed,
           coalesce(sum(c.spam_complaint), 0)::bigint AS spam_complaint
    FROM metric_counts c JOIN metric_sets s USING (scope, set_id) JOIN metric_providers p ON p.domain = s.domain
    WHERE c.account_id = a.account_id AND c.grain = :grain AND c.scope = :scope AND c.ts >= :since AND c.ts < :until
      AND p.provider <> ''
    GROUP BY p.provider) t;
