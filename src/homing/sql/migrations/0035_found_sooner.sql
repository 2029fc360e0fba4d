-- News of many accounts are found account by account, so each of them must know whose it is; call-backs that were decided are found
-- by time, and an answer to a mail of the programme by the Message-ID of that mail.

ALTER TABLE case_messages ADD COLUMN account_id integer;   -- of its case
UPDATE case_messages m SET account_id = c.account_id FROM cases c WHERE c.case_id = m.case_id;
ALTER TABLE case_messages ALTER COLUMN account_id SET NOT NULL;
CREATE INDEX case_messages_account ON case_messages (account_id, received_at);
DROP INDEX case_messages_received;
CREATE INDEX line_obligations_latest ON line_obligations ((coalesce(voided_at, returned_at, engaged_at, outcome_at)))
    WHERE coalesce(voided_at, returned_at, engaged_at) IS NOT NULL;
CREATE INDEX tam_letters_message_id ON tam_letters (message_id) WHERE message_id <> '';
