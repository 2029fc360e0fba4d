from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.rules.verify import cname_error, dkim_error, mx_error, record_name, record_value, selector_for

OURS = frozenset({"mail.host.test", "bounce.host.test"})


def test_a_selector_carries_month_and_year():
    assert selector_for(datetime(2026, 5, 4, tzinfo=UTC), algorithm="rsa") == "scph0526"
    assert selector_for(datetime(2026, 11, 4, tzinfo=UTC), algorithm="ed25519") == "scph1126e"


def test_the_record_that_we_ask_for_is_the_record_that_we_accept():
    for algorithm in ("rsa", "ed25519"):
        assert dkim_error([record_value("MIIBabc=", algorithm=algorithm)], public_key="MIIBabc=", algorithm=algorithm) is None
    assert record_name("s1", "acme.test") == "s1._domainkey.acme.test"


@pytest.mark.parametrize(
    "record",
    [
        "p=MIIBabc=",
        "v=DKIM1; p=MIIBabc=",
        "v=DKIM1;k=rsa;p=MIIB abc=;",
        "v=DKIM1; k=rsa; t=y; h=sha1:sha256; s=email; n=note; p=MIIBabc",
        " v = DKIM1 ; p = MIIB\t abc= ",
    ],
)
def test_a_record_with_the_key_is_good_however_it_is_spaced(record):
    assert dkim_error([record], public_key="MIIBabc=", algorithm="rsa") is None


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], "no DKIM record"),
        (["v=spf1 -all"], "not a DKIM record"),
        (["hello"], "not a DKIM record"),
        (["v=DKIM1; p=OTHER"], "not the public key"),
        (["v=DKIM1; p="], "revoked"),
        (["v=DKIM2; p=MIIBabc="], "version"),
        (["v=DKIM1; k=ed25519; p=MIIBabc="], "key type"),
        (["v=DKIM1; h=sha1; p=MIIBabc="], "sha256"),
        (["v=DKIM1; s=tlsrpt; p=MIIBabc="], "service type"),
        (["v=DKIM1; p=MIIBabc=; p=MIIBabc="], "not a DKIM record"),
        (["v=DKIM1; p=MIIBabc=", "v=DKIM1; p=OTHER"], "more than one"),
    ],
)
def test_a_wrong_record_is_called_what_it_is(records, words):
    assert words in dkim_error(records, public_key="MIIBabc=", algorithm="rsa")


@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_record_crashes_the_check(records):
    dkim_error(records, public_key="MIIBabc=", algorithm="rsa")


def test_a_bounce_cname_leads_to_us():
    assert cname_error(["Bounce.Host.TEST."], ours=OURS) is None
    assert "no CNAME" in cname_error([], ours=OURS)
    assert "elsewhere.test" in cname_error(["elsewhere.test"], ours=OURS)


def test_every_mx_leads_to_us():
    assert mx_error(["mail.host.test", "bounce.host.test."], ours=OURS) is None
    assert "elsewhere.test" in mx_error(["mail.host.test", "elsewhere.test"], ours=OURS)
    assert "no MX" in mx_error([], ours=OURS)
    assert "points to ." in mx_error(["."], ours=OURS)
