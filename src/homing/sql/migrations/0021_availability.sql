-- The ledger: in which seconds each account attempted something at each door, and in which of them it succeeded (clause D).
-- Sets of seconds are run lengths as varints (evidence/rules/seconds.py). An hour is a number: Unix seconds / 3600.

-- evidence: what the journals of the nodes came to -----------------------------------------------------------------------

CREATE TABLE ledger_nodes (                            -- machines whose journals are folded; while one is silent, nobody knows
    node         text PRIMARY KEY,
    since        timestamptz NOT NULL,                 -- the first second that it watched
    until        timestamptz,                          -- retired by an operator; NULL: it is expected to watch
    folded_until timestamptz                           -- all that it noted before is in the ledger
);

CREATE TABLE ledger_segments (                         -- one hour of one account at one door, as one node saw it
    account_id integer NOT NULL,                       -- 0: whose attempts they were is not known
    hour       integer NOT NULL,
    door       smallint NOT NULL,                      -- 0 API, 1 SMTP
    node       text NOT NULL,
    attempted  bytea NOT NULL,                         -- seconds with an attempt
    answered   bytea NOT NULL,                         -- those of them in which at least one ended well
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, hour, door, node)
);
CREATE INDEX ledger_segments_changed ON ledger_segments (changed_at);

CREATE TABLE ledger_watch (                            -- seconds in which a node attended its doors and noted who came
    node       text NOT NULL,
    hour       integer NOT NULL,
    watched    bytea NOT NULL,
    skew_ms    integer NOT NULL DEFAULT 0,             -- how far its clock was off at most, as far as we could tell
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node, hour)
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
