-- name: next_snapshot$
-- A number for recipients that are about to be written.
-- reads: nothing
SELECT nextval('recipient_snapshots');

-- name: insert_list$
-- Write a list down; NULL where its id is taken.
-- writes: recipient_lists
INSERT INTO recipient_lists (account_id, list_id, snapshot, name, description, attributes, recipients, return_path_domains)
VALUES (:account_id, :list_id, :snapshot, :name, :description, :attributes, :recipients, :return_path_domains)
ON CONFLICT DO NOTHING
RETURNING list_id;

-- name: lock_list^
-- One list, locked against every other change and against transmissions that begin.
-- reads: recipient_lists
SELECT list_id, snapshot, name, description, attributes, recipients, return_path_domains
FROM recipient_lists WHERE account_id = :account_id AND list_id = :list_id
FOR UPDATE NOWAIT;

-- name: share_list^
-- One list, locked against changes while a transmission takes its snapshot.
-- reads: recipient_lists
SELECT list_id, snapshot, name, description, attributes, recipients, return_path_domains
FROM recipient_lists WHERE account_id = :account_id AND list_id = :list_id
FOR SHARE;

-- name: one_list^
-- One list.
-- reads: recipient_lists
SELECT list_id, snapshot, name, description, attributes, recipients, return_path_domains
FROM recipient_lists WHERE account_id = :account_id AND list_id = :list_id;

-- name: lists_of_account
-- Every list of an account.
-- reads: recipient_lists
SELECT list_id, snapshot, name, description, attributes, recipients, return_path_domains
FROM recipient_lists WHERE account_id = :account_id ORDER BY list_id;

-- name: change_list!
-- Replace what a list says of itself, and its recipients.
-- writes: recipient_lists
UPDATE recipient_lists
SET snapshot = :snapshot, name = :name, description = :description, attributes = :attributes, recipients = :recipients,
    return_path_domains = :return_path_domains, updated_at = now()
WHERE account_id = :account_id AND list_id = :list_id;

-- name: delete_list!
-- Remove a list.
-- writes: recipient_lists
DELETE FROM recipient_lists WHERE account_id = :account_id AND list_id = :list_id;

-- name: delete_pieces!
-- Remove the recipients of a snapshot that no list has any more.
-- writes: recipient_pieces
DELETE FROM recipient_pieces WHERE snapshot = :snapshot;

-- name: insert_piece!
-- Write some recipients of a snapshot down.
-- writes: recipient_pieces
INSERT INTO recipient_pieces (snapshot, piece, recipients, size_bytes, packed)
VALUES (:snapshot, :piece, :recipients, :size_bytes, :packed);

-- name: piece_sizes
-- How many recipients and bytes the pieces of a snapshot hold, in order.
-- reads: recipient_pieces
SELECT piece, recipients, size_bytes FROM recipient_pieces WHERE snapshot = :snapshot ORDER BY piece;

-- name: pieces
-- Some pieces of a snapshot, in order.
-- reads: recipient_pieces
SELECT packed FROM recipient_pieces WHERE snapshot = :snapshot AND piece BETWEEN :first AND :last ORDER BY piece;
