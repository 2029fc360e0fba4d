from datetime import UTC, datetime

import pytest

from homing.domains.rules.status import after_check, facts_of, is_owned, may_use, takes_bounces
from homing.domains.types import DomainStatus, SendingDomain

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def domain(status=None, **differences):
    return SendingDomain(
        **{
            "domain": "acme.test",
            "account_id": 1,
            "subaccount_id": 0,
            "shared": False,
            "is_default_bounce": False,
            "tracking_domain": None,
            "status": status or DomainStatus(),
            "trusted": False,
            "created_at": NOW,
            "updated_at": NOW,
            **differences,
        }
    )


@pytest.mark.parametrize(
    "proof",
    ["dkim_status", "cname_status", "mx_status", "abuse_at_status", "postmaster_at_status", "verification_mailbox_status"],
)
def test_any_proof_verifies_ownership(proof):
    assert is_owned(DomainStatus(**{proof: "valid"}), trusted=False)
    assert not is_owned(DomainStatus(**{proof: "pending"}), trusted=False)


def test_spf_proves_nothing():
    assert not is_owned(DomainStatus(spf_status="valid"), trusted=False)


def test_an_operators_word_opens_from_but_no_return_path():
    facts = facts_of(domain(trusted=True))
    assert (facts.usable_in_from, facts.usable_as_return_path) == (True, False)


def test_a_verified_key_opens_from_and_a_cname_the_return_path_too():
    assert not takes_bounces(DomainStatus(dkim_status="valid"))
    facts = facts_of(domain(DomainStatus(cname_status="valid")))
    assert (facts.usable_in_from, facts.usable_as_return_path) == (True, True)


def test_a_blocked_domain_opens_nothing():
    facts = facts_of(domain(DomainStatus(dkim_status="valid", cname_status="valid", compliance_status="blocked"), trusted=True))
    assert (facts.usable_in_from, facts.usable_as_return_path) == (False, False)


@pytest.mark.parametrize(
    ("owner", "shared", "asker", "allowed"),
    [
        (0, False, 0, True),
        (0, False, 7, False),
        (0, True, 7, True),
        (7, False, 7, True),
        (7, False, 8, False),
        (7, True, 8, False),
        (7, False, 0, False),
    ],
)
def test_a_domain_is_for_its_owner_or_shared_by_the_primary_account(owner, shared, asker, allowed):
    facts = facts_of(domain(subaccount_id=owner, shared=shared))
    assert may_use(facts, account_id=1, subaccount_id=asker) is allowed
    assert not may_use(facts, account_id=2, subaccount_id=asker)


@pytest.mark.parametrize(
    ("before", "error", "temporary", "after"),
    [
        ("unverified", None, False, "valid"),
        ("valid", "no record", False, "invalid"),
        ("valid", "no answer in time", True, "valid"),
        ("unverified", "no answer in time", True, "invalid"),
    ],
)
def test_a_resolver_that_is_away_does_not_undo_what_was_proved(before, error, temporary, after):
    assert after_check(before, error=error, temporary=temporary) == after
