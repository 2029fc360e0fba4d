-- Who is suspended is read each second by every worker, because his mail waits: not all the others with him.

CREATE INDEX accounts_suspended ON accounts (account_id) WHERE suspended_at IS NOT NULL;
CREATE INDEX subaccounts_suspended ON subaccounts (account_id, subaccount_id)
    WHERE status <> 'active' OR compliance_status <> 'active';
