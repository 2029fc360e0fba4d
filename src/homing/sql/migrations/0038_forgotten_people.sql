-- Who asked to be forgotten, as nobody can read it: mail that is out in the world still carries their addresses, sealed.

CREATE TABLE forgotten_people (
    account_id    integer NOT NULL REFERENCES accounts,
    subaccount_id integer,                             -- NULL: the primary account and all subaccounts
    marker        text NOT NULL,                       -- a keyed digest of the address (events.rules.erasure.marker)
    forgotten_at  timestamptz NOT NULL                 -- what was sent before is forgotten
);
CREATE UNIQUE INDEX forgotten_people_who ON forgotten_people (account_id, marker, coalesce(subaccount_id, -1));
