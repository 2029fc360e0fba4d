"""Which host tracked addresses lead to."""

from datetime import UTC, datetime

import pytest

from homing.domains.rules.tracking import base_of, choose, host_of, port_of
from homing.domains.types import TrackingDomain

NOW = datetime(2026, 5, 4, tzinfo=UTC)
OWN = "https://click.mta.test"


def tracking(name: str, subaccount_id: int = 0, *, valid: bool = True, default: bool = False, **more) -> TrackingDomain:
    return TrackingDomain(
        domain=name,
        account_id=1,
        subaccount_id=subaccount_id,
        is_default=default,
        cname_status="valid" if valid else "invalid",
        created_at=NOW,
        updated_at=NOW,
        **more,
    )


NAMED, LINKED = tracking("named.test"), tracking("linked.test")
OF_SUB, OF_ACCOUNT = tracking("sub.test", 7, default=True), tracking("account.test", default=True)
ALL = [OF_ACCOUNT, OF_SUB, LINKED, NAMED, tracking("other.test")]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        (ALL, NAMED),
        ([one for one in ALL if one is not NAMED], LINKED),
        ([OF_ACCOUNT, OF_SUB], OF_SUB),
        ([OF_ACCOUNT], OF_ACCOUNT),
        ([tracking("other.test")], None),
        ([], None),
    ],
)
def test_the_nearest_choice_counts(candidates, expected):
    assert choose(candidates, subaccount_id=7, named="named.test", linked="linked.test") is expected


def test_what_is_not_verified_or_blocked_counts_for_nothing():
    lost, blocked = tracking("named.test", valid=False), tracking("linked.test", compliance_status="blocked")
    assert choose([lost, blocked, OF_ACCOUNT], subaccount_id=0, named="named.test", linked="linked.test") is OF_ACCOUNT


def test_the_default_of_another_subaccount_is_nobodys_elses():
    assert choose([OF_SUB], subaccount_id=8, named="", linked="") is None
    assert choose([OF_SUB], subaccount_id=0, named="", linked="") is None


@pytest.mark.parametrize(
    ("secure", "own", "base"),
    [
        (False, OWN, "http://c.test"),
        (True, OWN, "https://c.test"),
        (False, "http://click.mta.test:8026", "http://c.test:8026"),
        (True, "http://click.mta.test:8026", "https://c.test"),
        (True, "https://click.mta.test:8443", "https://c.test:8443"),
        (False, "http://click.mta.test:80", "http://c.test"),
    ],
)
def test_an_address_has_the_scheme_of_its_domain_and_a_port_only_where_the_installation_has_one(secure, own, base):
    assert base_of(tracking("c.test", secure=secure), own_base=own) == base


def test_the_port_that_is_shown_is_the_usual_one():
    assert (port_of(secure=False, own_base=OWN), port_of(secure=True, own_base=OWN)) == (80, 443)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Click.Acme.test", "click.acme.test"),
        ("click.acme.test:8026", "click.acme.test"),
        ("click.acme.test.", "click.acme.test"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("", ""),
        ("a.test:x", ""),
        ("a.test:80:80", ""),
        ("[::1", ""),
        ("a.test/", ""),
        ("a b.test", ""),
        ("kim@a.test", ""),
        ("\x00a.test", ""),
        ("ä.test", ""),
        ("a" * 300, ""),
    ],
)
def test_a_host_header_is_read_strictly(authority, host):
    assert host_of(authority) == host
