-- name: insert_template$
-- A new template; NULL where its id is taken.
-- writes: templates
INSERT INTO templates (account_id, subaccount_id, template_id, name, description, shared, open_tracking, click_tracking, transactional)
VALUES (:account_id, :subaccount_id, :template_id, :name, :description, :shared, :open_tracking, :click_tracking, :transactional)
ON CONFLICT DO NOTHING RETURNING template_id;

-- name: find_template^
-- A template that a sender may use: its own, or one of the primary account that is shared; with any_of also those of subaccounts.
-- reads: templates
SELECT account_id, subaccount_id, template_id, name, description, shared, open_tracking, click_tracking, transactional,
       draft IS NOT NULL AS has_draft, published_version, last_version, updated_at, last_use
FROM templates
WHERE account_id = :account_id AND template_id = :template_id
  AND (subaccount_id = :subaccount_id OR (subaccount_id = 0 AND shared) OR :any_of::boolean)
ORDER BY subaccount_id <> :subaccount_id, subaccount_id
LIMIT 1;

-- name: lock_template^
-- A template of a sender's own that nobody else changes until the transaction ends.
-- reads: templates
SELECT account_id, subaccount_id, template_id, name, description, shared, open_tracking, click_tracking, transactional,
       draft IS NOT NULL AS has_draft, published_version, last_version, updated_at, last_use
FROM templates
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id
FOR UPDATE;

-- name: templates_of
-- The templates of an account, of one subaccount, or those that are shared; with a draft, or published, where that is asked.
-- reads: templates
SELECT account_id, subaccount_id, template_id, name, description, shared, open_tracking, click_tracking, transactional,
       draft IS NOT NULL AS has_draft, published_version, last_version, updated_at, last_use
FROM templates
WHERE account_id = :account_id
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id OR (:shared::boolean IS TRUE AND subaccount_id = 0))
  AND (:shared::boolean IS NULL OR shared = :shared)
  AND (:draft::boolean IS NULL OR (:draft AND draft IS NOT NULL) OR (NOT :draft AND published_version IS NOT NULL))
ORDER BY template_id, subaccount_id
LIMIT 50000;

-- name: change_template!
-- Replace what a template says of itself.
-- writes: templates
UPDATE templates SET name = :name, description = :description, shared = :shared, open_tracking = :open_tracking,
       click_tracking = :click_tracking, transactional = :transactional, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id;

-- name: set_draft!
-- Replace the draft, or make one.
-- writes: templates
UPDATE templates SET draft = :content, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id;

-- name: publish_content!
-- Publish a content as the next version; the draft stays.
-- writes: templates, template_versions
WITH next AS (
    UPDATE templates SET last_version = last_version + 1, published_version = last_version + 1, updated_at = now()
    WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id
    RETURNING last_version
)
INSERT INTO template_versions (account_id, subaccount_id, template_id, version, content)
SELECT :account_id, :subaccount_id, :template_id, last_version, :content FROM next;

-- name: publish_draft!
-- Publish the draft as the next version, and clear it; without a draft nothing happens.
-- writes: templates, template_versions
WITH found AS (
    SELECT draft FROM templates
    WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id AND draft IS NOT NULL
), next AS (
    UPDATE templates SET last_version = last_version + 1, published_version = last_version + 1, draft = NULL, updated_at = now()
    WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id AND draft IS NOT NULL
    RETURNING last_version
)
INSERT INTO template_versions (account_id, subaccount_id, template_id, version, content)
SELECT :account_id, :subaccount_id, :template_id, next.last_version, found.draft FROM next, found;

-- name: draft_of$
-- The draft's content.
-- reads: templates
SELECT draft FROM templates WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id;

-- name: version_of$
-- The content of one version.
-- reads: template_versions
SELECT content FROM template_versions
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id AND version = :version;

-- name: versions_of
-- When each version was published.
-- reads: template_versions
SELECT version, made_at FROM template_versions
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id
ORDER BY version DESC
LIMIT 1000;

-- name: delete_template$
-- Remove a template with its versions; NULL: there is none.
-- writes: templates
DELETE FROM templates WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id
RETURNING template_id;

-- name: note_use!
-- Note that a template was used.
-- writes: templates
UPDATE templates SET last_use = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND template_id = :template_id;

-- name: insert_snippet$
-- A new snippet; NULL where its id is taken.
-- writes: snippets
INSERT INTO snippets (account_id, subaccount_id, snippet_id, name, shared, text, html, amp_html)
VALUES (:account_id, :subaccount_id, :snippet_id, :name, :shared, :text, :html, :amp_html)
ON CONFLICT DO NOTHING RETURNING snippet_id;

-- name: find_snippet^
-- A snippet that a sender may see: its own, or one of the primary account that is shared; with any_of also those of subaccounts.
-- reads: snippets
SELECT * FROM snippets
WHERE account_id = :account_id AND snippet_id = :snippet_id
  AND (subaccount_id = :subaccount_id OR (subaccount_id = 0 AND shared) OR :any_of::boolean)
ORDER BY subaccount_id <> :subaccount_id, subaccount_id
LIMIT 1;

-- name: snippets_of
-- The snippets of an account, of one subaccount, or those that are shared.
-- reads: snippets
SELECT * FROM snippets
WHERE account_id = :account_id
  AND (:subaccount_id::integer IS NULL OR subaccount_id = :subaccount_id OR (:shared::boolean IS TRUE AND subaccount_id = 0))
  AND (:shared::boolean IS NULL OR shared = :shared)
ORDER BY snippet_id, subaccount_id
LIMIT 10000;

-- name: snippets_for
-- Every snippet that the mail of a subaccount may use; its own come last, so that they win.
-- reads: snippets
SELECT * FROM snippets
WHERE account_id = :account_id AND (subaccount_id = :subaccount_id OR (subaccount_id = 0 AND shared))
ORDER BY subaccount_id = :subaccount_id, snippet_id
LIMIT 10000;

-- name: change_snippet$
-- Replace a snippet of a sender's own; NULL: there is none.
-- writes: snippets
UPDATE snippets SET name = :name, shared = :shared, text = :text, html = :html, amp_html = :amp_html, updated_at = now()
WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND snippet_id = :snippet_id
RETURNING snippet_id;

-- name: delete_snippet$
-- Remove a snippet; NULL: there is none.
-- writes: snippets
DELETE FROM snippets WHERE account_id = :account_id AND subaccount_id = :subaccount_id AND snippet_id = :snippet_id
RETURNING snippet_id;
