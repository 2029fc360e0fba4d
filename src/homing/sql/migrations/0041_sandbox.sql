-- Messages that accounts have sent from the sandbox domain, ever; counted in the transaction that takes them.

CREATE TABLE sandbox_usage (
    account_id integer PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    messages   integer NOT NULL CHECK (messages >= 0)
);

-- How many messages of a transmission could not be made is counted in the log; there are few such events, so this is small.

CREATE INDEX events_failed ON events (transmission_id) WHERE type = 20;
