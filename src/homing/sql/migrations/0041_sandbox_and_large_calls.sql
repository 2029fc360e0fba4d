-- Messages that accounts have sent from the sandbox domain, ever; counted in the transaction that takes them.

CREATE TABLE sandbox_usage (
    account_id integer PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    messages   integer NOT NULL CHECK (messages >= 0)
);
