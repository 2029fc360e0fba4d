-- The ledger: in which seconds each account attempted something at each door, and in which of them it succeeded (clause D).
-- Sets of seconds are run lengths as varints (evidence/rules/seconds.py). An hour is a number: Unix seconds / 3600.

-- evidence: what the journals of the nodes came to -----------------------------------------------------------------------

CREATE TABLE ledger_nodes (                            -- machines whose journals are folded; while one is silent, nobody knows
    node         text PRIMARY KEY,
    since        timestamptz NOT NULL,                 -- the first second that it watched
    until        timestamptz,                          -- retired by an operator; NULL: it is expected to watch
    folded_until timestamptz                           -- all that it noted before is in the ledger
);

CREATE TABLE ledger_segments (                         -- one hour of one account, as one node saw it
    account_id     integer NOT NULL,                   -- 0: whose attempts they were is not known
    hour           integer NOT NULL,
    node           text NOT NULL,
    api_attempted  bytea NOT NULL,                     -- seconds with an attempt
    api_answered   bytea NOT NULL,                     -- those of them in which at least one ended well
    smtp_attempted bytea NOT NULL,
    smtp_answered  bytea NOT NULL,
    PRIMARY KEY (account_id, hour, node)
) WITH (fillfactor = 70);                              -- the running hour is written again and again

CREATE TABLE ledger_watch (                            -- seconds in which a node attended its doors and noted who came
    node       text NOT NULL,
    hour       integer NOT NULL,
    watched    bytea NOT NULL,
    skew_ms    integer NOT NULL DEFAULT 0,             -- how far its clock was off at most, as far as we could tell
    PRIMARY KEY (node, hour)
);

CREATE TABLE ledger_late (                             -- days that are over, of which something new came: look at them again
    day        date NOT NULL,
    account_id integer NOT NULL,                       -- -1: every account
    why        text NOT NULL,
    PRIMARY KEY (day, account_id, why)
);

CREATE TABLE ledger_files (                            -- journals, and how far each is folded
    node     text NOT NULL,
    day      date NOT NULL,
    process  text NOT NULL,
    folded   bigint NOT NULL,                          -- bytes
    sha256   bytea,                                    -- of the file when its day was over
    size     bigint,                                   -- bytes that this is the sum of
    disputed jsonb NOT NULL DEFAULT '[]',              -- answers whose tag and code say different things: [door, tag, code, count]
    PRIMARY KEY (node, day, process)
);
CREATE INDEX ledger_files_day ON ledger_files (day);

-- availability: what was sealed -------------------------------------------------------------------------------------------

CREATE TABLE ledger_signers (                          -- keys that sign the roots; the newest one signs
    public_key     bytea PRIMARY KEY,                  -- Ed25519
    private_sealed bytea NOT NULL,                     -- under the master key, purpose 'ledger'
    made_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ledger_roots (                            -- one for each UTC day, chained
    day        date PRIMARY KEY,
    root       bytea NOT NULL,                         -- over the leaves, in order of their place
    previous   bytea NOT NULL,                         -- link of the day before; 32 zero bytes for the first
    link       bytea NOT NULL,
    signature  bytea NOT NULL,                         -- of the link
    public_key bytea NOT NULL REFERENCES ledger_signers,
    leaves     integer NOT NULL,
    missing    text[] NOT NULL,                        -- nodes that had not told everything when it was sealed
    skewed     text[] NOT NULL,                        -- nodes whose clock was off by more than 100 ms
    sealed_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ledger_leaves (                           -- one account's day; a correction is a new version
    day            date NOT NULL,
    account_id     integer NOT NULL,                   -- 0: attempts whose account is not known
    version        integer NOT NULL,                   -- 0, and one more for each amendment
    entry          bytea NOT NULL,                     -- canonical JSON: what is hashed
    leaf_hash      bytea NOT NULL,
    root_day       date,                               -- the tree that it is in; NULL: it waits for the next one
    place          integer,                            -- in that tree
    attempted      integer[] NOT NULL,                 -- seconds: any door, API, SMTP
    unavailable    bytea NOT NULL,                     -- what follows from the entry, for those who add up months
    strict         bytea NOT NULL,
    unknown        bytea NOT NULL,
    classifier     integer NOT NULL,
    made_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, day, version)
);
CREATE UNIQUE INDEX ledger_leaves_tree ON ledger_leaves (root_day, place);
CREATE INDEX ledger_leaves_day ON ledger_leaves (day);

-- availability: what people decide ----------------------------------------------------------------------------------------

CREATE TABLE availability_exclusions (                 -- overlays; they never alter what was measured
    exclusion_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id   integer,                              -- NULL: every account
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('announced_maintenance', 'customer_caused', 'force_majeure', 'other')),
    reason       text NOT NULL,                        -- public
    evidence     text NOT NULL,
    proposed_by  text NOT NULL,
    proposed_at  timestamptz NOT NULL DEFAULT now(),
    approved_by  text NOT NULL DEFAULT '',             -- another person
    approved_at  timestamptz,
    withdrawn_by text NOT NULL DEFAULT '',
    withdrawn_at timestamptz
);
CREATE INDEX availability_exclusions_until ON availability_exclusions (until);

CREATE TABLE availability_findings (                   -- what somebody was told to look at
    finding_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id integer NOT NULL,
    rule       text NOT NULL CHECK (rule IN ('persistent', 'costly', 'declared')),
    start      timestamptz NOT NULL,
    reached_at timestamptz NOT NULL,
    seconds    integer NOT NULL,
    note       text NOT NULL DEFAULT '',
    by         text NOT NULL DEFAULT '',               -- the person who declared it
    found_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (account_id, rule, start)
);

-- availability: what was seen from outside --------------------------------------------------------------------------------

CREATE TABLE availability_witnesses (
    witness_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account_id integer,                                -- whose attempts it makes; NULL: it is ours, and makes none
    name       text NOT NULL,
    public_key bytea NOT NULL UNIQUE,                  -- Ed25519
    added_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);

CREATE TABLE availability_reports (                    -- as they were signed
    report_id   bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    witness_id  bigint NOT NULL REFERENCES availability_witnesses,
    number      integer NOT NULL,
    since       bigint NOT NULL,                       -- Unix seconds
    until       bigint NOT NULL,
    body        bytea NOT NULL,
    signature   text NOT NULL,
    decision    text NOT NULL DEFAULT 'open' CHECK (decision IN ('open', 'accepted', 'rejected')),
    decided_by  text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (witness_id, number)
);
CREATE INDEX availability_reports_until ON availability_reports (until);
