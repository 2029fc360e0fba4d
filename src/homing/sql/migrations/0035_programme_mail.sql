-- An answer to a mail of the programme is found by the Message-ID of that mail.

CREATE INDEX tam_letters_message_id ON tam_letters (message_id) WHERE message_id <> '';
