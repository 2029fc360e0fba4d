-- Stored templates with every version that was ever published, and snippets.

CREATE TABLE templates (
    account_id        integer NOT NULL,
    subaccount_id     integer NOT NULL DEFAULT 0,
    template_id       text NOT NULL,                   -- as the customer spells it, up to 64 bytes
    name              text NOT NULL,
    description       text NOT NULL DEFAULT '',
    shared            boolean NOT NULL DEFAULT false,  -- subaccounts may use it; of the primary account only
    open_tracking     boolean,                         -- NULL: as the account has it
    click_tracking    boolean,
    transactional     boolean,
    draft             bytea,                           -- msgpack of spool.Content; NULL: there is none
    published_version integer,                         -- of template_versions; NULL: never published
    last_version      integer NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    last_use          timestamptz,
    PRIMARY KEY (account_id, subaccount_id, template_id)
);

CREATE TABLE template_versions (                       -- never changed
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL,
    template_id   text NOT NULL,
    version       integer NOT NULL,
    content       bytea NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, subaccount_id, template_id, version),
    FOREIGN KEY (account_id, subaccount_id, template_id) REFERENCES templates ON DELETE CASCADE
);

CREATE TABLE snippets (
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL DEFAULT 0,
    snippet_id    text NOT NULL,
    name          text NOT NULL,
    shared        boolean NOT NULL DEFAULT false,
    text          text,
    html          text,
    amp_html      text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, subaccount_id, snippet_id)
);
