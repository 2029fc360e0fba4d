-- Which key of a domain signs, looks into DNS of our own accord, and proofs by mail to a mailbox of the domain.

ALTER TABLE sending_domains
    ADD COLUMN default_key    text NOT NULL DEFAULT 'default',     -- key_id of the key that signs where none is named
    ADD COLUMN next_check_at  timestamptz NOT NULL DEFAULT now() + interval '1 day' * random(),
    ADD COLUMN checked_at     timestamptz,                         -- when DNS was last asked of our own accord
    ADD COLUMN cname_failures smallint NOT NULL DEFAULT 0,         -- such looks in a row that found the record gone
    ADD COLUMN mx_failures    smallint NOT NULL DEFAULT 0;
ALTER TABLE sending_domains ALTER next_check_at SET DEFAULT now() + interval '1 day' * (0.5 + random());
CREATE INDEX sending_domains_due ON sending_domains (next_check_at);

ALTER TABLE dkim_keys ADD COLUMN failures smallint NOT NULL DEFAULT 0;
CREATE INDEX dkim_keys_places ON dkim_keys (signing_domain, selector);

CREATE TABLE mailbox_proofs (                          -- one for each mail that asked a mailbox for its word
    proof_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    domain     text NOT NULL,
    account_id integer NOT NULL,
    way        text NOT NULL CHECK (way IN ('abuse_at', 'postmaster_at', 'verification_mailbox')),
    mailbox    text NOT NULL,                          -- local part
    token_hash bytea NOT NULL,                         -- SHA-256; the token itself is only in the mail
    sent_at    timestamptz NOT NULL
);
CREATE INDEX mailbox_proofs_domain ON mailbox_proofs (domain, way, proof_id);
CREATE INDEX mailbox_proofs_account ON mailbox_proofs (account_id, sent_at);
