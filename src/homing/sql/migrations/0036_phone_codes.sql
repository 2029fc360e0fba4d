-- A contact shows that a number is his by a code that is sent there or read out to it. The code itself is kept nowhere.

CREATE TABLE contact_phone_codes (
    code_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    contact_id integer NOT NULL REFERENCES contacts ON DELETE CASCADE,
    number     text NOT NULL,                          -- E.164
    way        text NOT NULL CHECK (way IN ('text', 'voice')),
    made_at    timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    tries      smallint NOT NULL DEFAULT 0,
    used_at    timestamptz
);
CREATE INDEX contact_phone_codes_number ON contact_phone_codes (number, made_at);
CREATE INDEX contact_phone_codes_contact ON contact_phone_codes (contact_id, code_id);
