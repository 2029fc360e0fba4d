-- A/B tests with the counts of their templates; what people asked about their personal data, and what was done.

CREATE TABLE ab_tests (                                -- one row for each version of a test
    account_id    integer NOT NULL REFERENCES accounts,
    subaccount_id integer NOT NULL DEFAULT 0,
    test_id       text NOT NULL,                       -- as the customer spells it, up to 64 characters
    version       integer NOT NULL,                    -- from 1
    name          text NOT NULL,
    status        text NOT NULL CHECK (status IN ('draft', 'scheduled', 'completed', 'cancelled')),
    plan          bytea NOT NULL,                      -- msgpack of abtests.types.Plan
    start_at      timestamptz,                         -- NULL: of a draft
    end_at        timestamptz,                         -- when sending ends at the latest
    ended_at      timestamptz,                         -- when it ended
    ended_why     text,
    leader        text NOT NULL DEFAULT '',            -- the template that reached the confidence level; '': none
    winner        text NOT NULL DEFAULT '',
    over_at       timestamptz,                         -- completed, or cancelled
    looked_at     timestamptz NOT NULL DEFAULT now(),  -- when the keeper saw to it last
    created_at    timestamptz NOT NULL,                -- of the test
    updated_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, subaccount_id, test_id, version)
);
CREATE INDEX ab_tests_live ON ab_tests (looked_at) WHERE status = 'scheduled';

CREATE TABLE ab_test_counts (                          -- of distinct messages, added up by the follower `ab_tests`
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL,
    test_id       text NOT NULL,
    version       integer NOT NULL,
    template_id   text NOT NULL,
    injected      integer NOT NULL DEFAULT 0,
    accepted      integer NOT NULL DEFAULT 0,          -- and not returned
    opened        integer NOT NULL DEFAULT 0,          -- or clicked
    clicked       integer NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, subaccount_id, test_id, version, template_id),
    FOREIGN KEY (account_id, subaccount_id, test_id, version) REFERENCES ab_tests ON DELETE CASCADE
) WITH (fillfactor = 50);

CREATE TABLE ab_test_messages (                        -- what happened to each message of a test that is not over
    message_id    bytea PRIMARY KEY,
    account_id    integer NOT NULL,
    subaccount_id integer NOT NULL,
    test_id       text NOT NULL,
    version       integer NOT NULL,
    did           smallint NOT NULL                    -- abtests.rules.counting.Did
) WITH (fillfactor = 80);
CREATE INDEX ab_test_messages_test ON ab_test_messages (account_id, subaccount_id, test_id, version);

CREATE TABLE privacy_requests (                        -- kept as evidence; the addresses go once a request is done
    request_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id    integer NOT NULL REFERENCES accounts,
    subaccount_id integer,                             -- NULL: the primary account and all subaccounts
    ask           text NOT NULL CHECK (ask IN ('rtbf', 'opt_out')),
    recipients    integer NOT NULL,                    -- addresses that it names
    requested_at  timestamptz NOT NULL,
    due_at        timestamptz NOT NULL,                -- of the next look
    looks         integer NOT NULL DEFAULT 0,          -- how often all that is about them was gone through
    events        bigint NOT NULL DEFAULT 0,           -- that were erased
    done_at       timestamptz
);
CREATE INDEX privacy_requests_due ON privacy_requests (due_at) WHERE done_at IS NULL;
CREATE INDEX privacy_requests_account ON privacy_requests (account_id) WHERE done_at IS NULL;

CREATE TABLE privacy_recipients (                      -- of requests that are not done
    request_id bigint NOT NULL REFERENCES privacy_requests ON DELETE CASCADE,
    recipient  text NOT NULL,                          -- lower case
    looks      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (request_id, recipient)
);
