"""May a transmission be sent?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts.types import Sender
from homing.domains.types import DomainFacts, KeyStanding
from homing.ingress.rules.admission import Known, admit, with_usable_return_path
from homing.ingress.types import Recipient, Refusal, Refused, Transmission
from homing.spool.types import InlineContent, RecipientDetail

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ACME = Sender(account_id=1)


def transmission(**changes: Any) -> Transmission:
    members: dict[str, Any] = {
        "recipients": [Recipient("kim@there.test", "there.test")],
        "content": InlineContent(from_email="news@acme.test"),
        "recv_method": "rest",
        "from_email": "news@acme.test",
        "sending_domain": "acme.test",
    }
    return Transmission(**members | changes)


def domain(**changes: Any) -> DomainFacts:
    members: dict[str, Any] = {
        "domain": "acme.test",
        "account_id": 1,
        "subaccount_id": 0,
        "shared": False,
        "usable_in_from": True,
        "usable_as_return_path": True,
    }
    return DomainFacts(**members | changes)


def known(*domains: DomainFacts, **changes: Any) -> Known:
    return Known(domains={facts.domain: facts for facts in domains or (domain(),)}, **changes)


def test_a_verified_domain_of_ones_own_is_admitted():
    assert admit(transmission(), ACME, known(), now=NOW) is None


@pytest.mark.parametrize(
    "facts",
    [domain(usable_in_from=False), domain(domain="other.test")],
)
def test_other_domains_are_refused(facts):
    assert admit(transmission(), ACME, known(facts), now=NOW) == Refused(Refusal.UNVERIFIED_DOMAIN, "acme.test")


def test_a_return_path_needs_a_verified_bounce_domain():
    wish = transmission(return_path="x@bounce.acme.test")
    good = domain(domain="bounce.acme.test")
    assert admit(wish, ACME, known(domain(), good), now=NOW) is None
    for facts in (domain(domain="bounce.acme.test", usable_as_return_path=False), domain()):
        assert admit(wish, ACME, known(domain(), facts), now=NOW) == Refused(Refusal.RETURN_PATH_DOMAIN, "bounce.acme.test")


def test_a_recipients_own_return_path_counts_too():
    wish = transmission(recipients=[Recipient("a@b.test", "b.test", RecipientDetail(return_path="x@nobodys.test"))])
    assert admit(wish, ACME, known(), now=NOW) == Refused(Refusal.RETURN_PATH_DOMAIN, "nobodys.test")


@pytest.mark.parametrize(
    ("changes", "facts", "refused"),
    [
        ({"ip_pool": "bulk"}, {"pool_exists": False}, Refused(Refusal.UNKNOWN_POOL, "bulk")),
        ({"dkim_key": "k2"}, {"dkim_key": KeyStanding.ABSENT}, Refused(Refusal.UNKNOWN_DKIM_KEY, "k2")),
        ({"dkim_key": "k2"}, {"dkim_key": KeyStanding.UNVERIFIED}, Refused(Refusal.UNVERIFIED_DKIM_KEY, "k2")),
        ({"tracking_domain": "c.test"}, {"tracking_usable": False}, Refused(Refusal.UNKNOWN_TRACKING_DOMAIN, "c.test")),
        ({"recipients": []}, {}, Refused(Refusal.NO_RECIPIENTS)),
        ({"sending_domain": ""}, {}, Refused(Refusal.NO_SENDING_DOMAIN)),
    ],
)
def test_what_does_not_exist_is_refused_by_name(changes, facts, refused):
    assert admit(transmission(**changes), ACME, known(**facts), now=NOW) == refused


def test_a_start_is_at_most_three_days_ahead():
    assert admit(transmission(start_time=NOW + timedelta(days=3)), ACME, known(), now=NOW) is None
    assert admit(transmission(start_time=NOW - timedelta(days=30)), ACME, known(), now=NOW) is None
    late = admit(transmission(start_time=NOW + timedelta(days=3, seconds=1)), ACME, known(), now=NOW)
    assert late is not None
    assert late.reason is Refusal.START_TIME


def test_a_suspended_account_sends_nothing():
    assert admit(transmission(), Sender(account_id=1, suspended=True), known(), now=NOW) == Refused(Refusal.SUSPENDED)


@pytest.mark.parametrize(
    ("sender", "kept"), [("b@acme.test", "b@acme.test"), ("b@other.test", None), ("b@[192.0.2.1]", None), (None, None)]
)
def test_mail_from_over_smtp_is_kept_on_a_verified_bounce_domain_and_gives_way_elsewhere(sender: str | None, kept: str | None):
    injected = with_usable_return_path(transmission(recv_method="esmtp", return_path=sender), known())
    assert injected.return_path == kept
    assert admit(injected, ACME, known(), now=NOW) is None


def test_a_return_path_named_over_rest_is_never_silently_replaced():
    named = transmission(return_path="b@other.test")
    assert with_usable_return_path(named, known()) is named
