-- name: suppressed_among
-- Which of these recipients are suppressed for this kind of message, by the account's own rows or those of one list.
-- reads: suppressions
SELECT recipient, source
FROM suppressions
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND recipient = ANY(:recipients::text[])
  AND type = :type AND list_id = ANY(:list_ids::text[])
ORDER BY recipient, list_id;

-- name: upsert_suppressions!
-- Put rows on the list, or renew them; what compliance put there stays as it is. Rows come sorted by key, so two writers
-- cannot lock each other out, and no key comes twice.
-- writes: suppressions
INSERT INTO suppressions (account_id, subaccount_id, recipient, type, list_id, source, description, provenance)
SELECT * FROM unnest(:account_ids::integer[], :subaccount_ids::integer[], :recipients::text[], :types::text[],
                     :list_ids::text[], :sources::text[], :descriptions::text[], :provenances::text[])
ON CONFLICT (account_id, subaccount_id, recipient, type, list_id) DO UPDATE
SET source = excluded.source, description = excluded.description, provenance = excluded.provenance, updated_at = now()
WHERE suppressions.source <> 'Compliance';

-- name: add_strikes
-- Write refusals down, one a day, and answer for each how many different days it has within its window, today included.
-- The count does not see what this statement inserts, so today is added to the days before it.
-- writes: bounce_strikes
WITH struck AS (
    SELECT * FROM unnest(:account_ids::integer[], :subaccount_ids::integer[], :recipients::text[], :subclasses::text[],
                         :days::date[], :starts::date[]) WITH ORDINALITY
        AS s (account_id, subaccount_id, recipient, subclass, day, start, place)
), written AS (
    INSERT INTO bounce_strikes (account_id, subaccount_id, recipient, subclass, day)
    SELECT account_id, subaccount_id, recipient, subclass, day FROM struck ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT DO NOTHING
)
SELECT 1 + (SELECT count(*) FROM bounce_strikes b
            WHERE b.account_id = s.account_id AND b.subaccount_id = s.subaccount_id AND b.recipient = s.recipient
              AND b.subclass = s.subclass AND b.day >= s.start AND b.day < s.day) AS days
FROM struck s
ORDER BY place;

-- name: forget_strikes!
-- Remove refusals that no window reaches any more.
-- writes: bounce_strikes
DELETE FROM bounce_strikes WHERE day < :before;

-- name: rows_of_recipient
-- Every row of one recipient.
-- reads: suppressions
SELECT account_id, subaccount_id, recipient, type, list_id, source, description, provenance, created_at, updated_at
FROM suppressions
WHERE account_id = :account_id AND recipient = :recipient
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:types::text[] IS NULL OR type = ANY(:types::text[]))
ORDER BY subaccount_id, type, list_id;

-- name: delete_rows
-- Take a recipient off the list, except where compliance put it there.
-- writes: suppressions
DELETE FROM suppressions
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND recipient = :recipient
  AND (:type::text IS NULL OR type = :type) AND (:list_id::text IS NULL OR list_id = :list_id)
  AND source <> 'Compliance'
RETURNING type;

-- name: has_compliance_row$
-- Whether compliance put this recipient on the list.
-- reads: suppressions
SELECT EXISTS (
    SELECT FROM suppressions
    WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND recipient = :recipient
      AND (:type::text IS NULL OR type = :type) AND (:list_id::text IS NULL OR list_id = :list_id)
      AND source = 'Compliance');

-- name: count_by_source
-- How many rows there are, by source.
-- reads: suppressions
SELECT source, count(*) AS rows
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
GROUP BY source;

-- name: search_backwards
-- The newest matching rows that are older than a place (from the newest where no place is given).
-- reads: suppressions
SELECT account_id, subaccount_id, recipient, type, list_id, source, description, provenance, created_at, updated_at
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:from_at::timestamptz IS NULL OR updated_at >= :from_at) AND (:to_at::timestamptz IS NULL OR updated_at <= :to_at)
  AND (:recipient::text IS NULL OR recipient = :recipient)
  AND (:domain::text IS NULL OR right(recipient, length(:domain) + 1) = '@' || :domain)
  AND (:sources::text[] IS NULL OR source = ANY(:sources::text[]))
  AND (:types::text[] IS NULL OR type = ANY(:types::text[]))
  AND (:list_id::text IS NULL OR list_id = :list_id)
  AND (:description::text IS NULL OR position(lower(:description) IN lower(description)) > 0)
  AND (:description_strict::text IS NULL OR description = :description_strict)
  AND (:at::timestamptz IS NULL
       OR (updated_at, recipient, type, subaccount_id, list_id)
          < (:at, :at_recipient::text, :at_type::text, :at_subaccount::integer, :at_list::text))
ORDER BY updated_at DESC, recipient DESC, type DESC, subaccount_id DESC, list_id DESC
LIMIT :limit OFFSET :offset;

-- name: search_forwards
-- The oldest matching rows that are newer than a place (from the oldest where no place is given).
-- reads: suppressions
SELECT account_id, subaccount_id, recipient, type, list_id, source, description, provenance, created_at, updated_at
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:from_at::timestamptz IS NULL OR updated_at >= :from_at) AND (:to_at::timestamptz IS NULL OR updated_at <= :to_at)
  AND (:recipient::text IS NULL OR recipient = :recipient)
  AND (:domain::text IS NULL OR right(recipient, length(:domain) + 1) = '@' || :domain)
  AND (:sources::text[] IS NULL OR source = ANY(:sources::text[]))
  AND (:types::text[] IS NULL OR type = ANY(:types::text[]))
  AND (:list_id::text IS NULL OR list_id = :list_id)
  AND (:description::text IS NULL OR position(lower(:description) IN lower(description)) > 0)
  AND (:description_strict::text IS NULL OR description = :description_strict)
  AND (:at::timestamptz IS NULL
       OR (updated_at, recipient, type, subaccount_id, list_id)
          > (:at, :at_recipient::text, :at_type::text, :at_subaccount::integer, :at_list::text))
ORDER BY updated_at, recipient, type, subaccount_id, list_id
LIMIT :limit OFFSET :offset;

-- name: count_matching$
-- How many rows match a search.
-- reads: suppressions
SELECT count(*)
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:from_at::timestamptz IS NULL OR updated_at >= :from_at) AND (:to_at::timestamptz IS NULL OR updated_at <= :to_at)
  AND (:recipient::text IS NULL OR recipient = :recipient)
  AND (:domain::text IS NULL OR right(recipient, length(:domain) + 1) = '@' || :domain)
  AND (:sources::text[] IS NULL OR source = ANY(:sources::text[]))
  AND (:types::text[] IS NULL OR type = ANY(:types::text[]))
  AND (:list_id::text IS NULL OR list_id = :list_id)
  AND (:description::text IS NULL OR position(lower(:description) IN lower(description)) > 0)
  AND (:description_strict::text IS NULL OR description = :description_strict);

-- name: delete_many!
-- Take recipients off the list, each of one type and list, except where compliance put them there.
-- writes: suppressions
DELETE FROM suppressions s
USING unnest(:recipients::text[], :types::text[], :list_ids::text[]) AS gone (recipient, type, list_id)
WHERE s.account_id = :account_id AND s.subaccount_id = :subaccount_id AND s.recipient = gone.recipient
  AND s.type = gone.type AND s.list_id = gone.list_id AND s.source <> 'Compliance';

-- name: export_rows
-- Matching rows in the order of their keys, behind the last one that was exported.
-- reads: suppressions
SELECT account_id, subaccount_id, recipient, type, list_id, source, description, provenance, created_at, updated_at
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND (:from_at::timestamptz IS NULL OR updated_at >= :from_at) AND (:to_at::timestamptz IS NULL OR updated_at <= :to_at)
  AND (:domain::text IS NULL OR right(recipient, length(:domain) + 1) = '@' || :domain)
  AND (:sources::text[] IS NULL OR source = ANY(:sources::text[]))
  AND (:types::text[] IS NULL OR type = ANY(:types::text[]))
  AND (:list_id::text IS NULL OR list_id = :list_id)
  AND (:description::text IS NULL OR position(lower(:description) IN lower(description)) > 0)
  AND (:description_strict::text IS NULL OR description = :description_strict)
  AND (subaccount_id, recipient, type, list_id)
      > (:after_subaccount::integer, :after_recipient::text, :after_type::text, :after_list::text)
ORDER BY subaccount_id, recipient, type, list_id
LIMIT :limit;

-- name: bad_among
-- Which of these recipients bounced or complained before, by the list.
-- reads: suppressions
SELECT DISTINCT ON (recipient) recipient, source
FROM suppressions
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND recipient = ANY(:recipients::text[]) AND list_id = '' AND source IN ('Bounce Rule', 'Spam Complaint')
ORDER BY recipient, updated_at DESC;

-- name: note_forgotten!
-- Remember by their markers who asked to be forgotten, and when that was last done.
-- writes: forgotten_people
INSERT INTO forgotten_people (account_id, subaccount_id, marker, forgotten_at)
SELECT DISTINCT :account_id::integer, :subaccount_id::integer, m.marker, :now::timestamptz FROM unnest(:markers::text[]) AS m (marker)
ON CONFLICT (account_id, marker, coalesce(subaccount_id, -1)) DO UPDATE SET forgotten_at = excluded.forgotten_at;

-- name: forgotten_at
-- When each of these persons was forgotten last; who was not is left out.
-- reads: forgotten_people
SELECT asked.place, max(f.forgotten_at) AS forgotten_at
FROM unnest(:account_ids::integer[], :subaccount_ids::integer[], :markers::text[])
     WITH ORDINALITY AS asked (account_id, subaccount_id, marker, place)
JOIN forgotten_people f
  ON f.account_id = asked.account_id AND f.marker = asked.marker
     AND (f.subaccount_id IS NULL OR f.subaccount_id = asked.subaccount_id)
GROUP BY asked.place;

-- name: forget_person!
-- Keep of somebody who asked to be forgotten only the rows by which he is not written to any more, without what they tell besides.
-- writes: suppressions, bounce_strikes
WITH gone AS (
    DELETE FROM suppressions
    WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
      AND recipient = ANY(:recipients::text[]) AND source = :bounce_rule
), struck AS (
    DELETE FROM bounce_strikes
    WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
      AND recipient = ANY(:recipients::text[])
)
UPDATE suppressions SET description = '', provenance = :provenance
WHERE account_id = :account_id AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id)
  AND recipient = ANY(:recipients::text[]) AND source <> :bounce_rule;
