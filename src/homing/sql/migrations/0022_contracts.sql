-- What was promised to whom, and by which people it is kept: staff, Order Forms, contacts, Technical Account Managers.

CREATE TABLE staff (                                   -- people of the Provider
    person_id  integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       text NOT NULL,
    email      text NOT NULL UNIQUE,                   -- lower case
    phone      text NOT NULL DEFAULT '',               -- E.164; '': cannot be called
    roles      text[] NOT NULL,                        -- contracts.types.Role
    created_at timestamptz NOT NULL DEFAULT now(),
    left_at    timestamptz                             -- knows nothing and does nothing from then on
);

CREATE TABLE staff_tokens (
    token_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    person_id  integer NOT NULL REFERENCES staff,
    token_hash bytea NOT NULL UNIQUE,                  -- SHA-256; the token itself is shown once and never kept
    label      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE order_forms (
    order_form_id   integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id      integer NOT NULL REFERENCES accounts,
    service         text NOT NULL,                     -- 'email', or a part of it that has an Order Form of its own
    plan            text NOT NULL,
    zone            text NOT NULL,                     -- hours.types.ServiceZone (clause B3)
    holiday_set     text NOT NULL,                     -- hours.types.HolidaySet
    sev1_entitled   boolean NOT NULL,
    objectives      jsonb NOT NULL DEFAULT '{}',       -- contracts.types.Objectives; what is absent has its default
    cadence_s       integer NOT NULL DEFAULT 3600 CHECK (cadence_s > 0),   -- before one is agreed
    target_uptime   numeric(9, 6) NOT NULL DEFAULT 99.99,
    period          tstzrange NOT NULL CHECK (NOT isempty(period) AND NOT lower_inf(period) AND lower_inc(period)),
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by     text NOT NULL,
    -- Two of one account and service are never in force at once. Ranges of one number stand for equality: btree_gist may be absent.
    service_key     bigint GENERATED ALWAYS AS ((account_id::bigint << 31) | (hashtext(service)::bigint & 2147483647)) STORED,
    CONSTRAINT one_order_form EXCLUDE USING gist (int8range(service_key, service_key, '[]') WITH &&, period WITH &&)
);
CREATE INDEX order_forms_account ON order_forms (account_id);

CREATE TABLE contacts (                                -- people of the Customer
    contact_id        integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id        integer NOT NULL REFERENCES accounts,
    name              text NOT NULL,
    email             text NOT NULL,                   -- lower case
    email_verified_at timestamptz,
    role              text NOT NULL CHECK (role IN ('authorised', 'viewer')),
    may_sign          boolean NOT NULL DEFAULT false,  -- resolutions
    may_open_sev1     boolean NOT NULL DEFAULT false,
    language          text NOT NULL DEFAULT 'en',
    created_at        timestamptz NOT NULL DEFAULT now(),
    removed_at        timestamptz
);
CREATE UNIQUE INDEX contacts_email ON contacts (account_id, email) WHERE removed_at IS NULL;
CREATE INDEX contacts_by_email ON contacts (email) WHERE removed_at IS NULL;

CREATE TABLE contact_phones (
    contact_id  integer NOT NULL REFERENCES contacts ON DELETE CASCADE,
    number      text NOT NULL,                         -- E.164
    place       smallint NOT NULL,                     -- which is called first
    verified_at timestamptz,
    PRIMARY KEY (contact_id, number)
);
CREATE INDEX contact_phones_number ON contact_phones (number);

CREATE TABLE support_pins (                            -- by which a caller shows whose he is; a keyed digest, so it can be looked up
    account_id integer PRIMARY KEY REFERENCES accounts,
    pin_digest bytea NOT NULL UNIQUE,
    set_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tam_assignments (                         -- clause B1: one at any instant
    account_id  integer NOT NULL REFERENCES accounts,
    person_id   integer NOT NULL REFERENCES staff,
    period      tstzrange NOT NULL CHECK (NOT isempty(period) AND NOT lower_inf(period) AND lower_inc(period)),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by text NOT NULL,
    CONSTRAINT one_tam EXCLUDE USING gist (int8range(account_id, account_id, '[]') WITH &&, period WITH &&)
);

CREATE TABLE covers (                                  -- who stands in while a TAM is away
    cover_id    integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    person_id   integer NOT NULL REFERENCES staff,     -- who is away
    delegate_id integer NOT NULL REFERENCES staff CHECK (delegate_id <> person_id),
    period      tstzrange NOT NULL CHECK (NOT isempty(period)),
    reason      text NOT NULL,
    recorded_by text NOT NULL,
    CONSTRAINT one_cover EXCLUDE USING gist (int8range(person_id, person_id, '[]') WITH &&, period WITH &&)
);

CREATE TABLE audit (                                   -- who changed what; rows are only ever added
    audit_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,                          -- 'staff 3', 'contact 7', 'key 12', 'operator'
    action     text NOT NULL,
    account_id integer,
    subject    text NOT NULL,
    detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_account ON audit (account_id, audit_id);

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
