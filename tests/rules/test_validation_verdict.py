"""The verdict about an address, from its spelling, DNS, our log and lists of names."""

from datetime import UTC, datetime

import pytest

from homing.validation.rules.distance import slips
from homing.validation.rules.names import Names
from homing.validation.rules.verdict import badly_spelled, read, verdict
from homing.validation.types import DomainState, History

NAMES = Names.from_package()
NOW = datetime(2026, 6, 1, tzinfo=UTC)
NOTHING = History()
MX, ADDRESS, NULL_MX, NONE, UNKNOWN = (
    DomainState.MX,
    DomainState.ADDRESS,
    DomainState.NULL_MX,
    DomainState.NONE,
    DomainState.UNKNOWN,
)
DELIVERED, BOUNCED = History(delivered_at=NOW), History(bounced_at=NOW)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("gmail", "gmail", 0), ("gmial", "gmail", 1), ("gmal", "gmail", 1), ("gmaill", "gmail", 1), ("gnail", "gmail", 1),
     ("gmali", "gmail", 1), ("hotmial", "hotmail", 1), ("ab", "ba", 1), ("abc", "ca", 3), ("", "ab", 2), ("a", "xyz", 3)],
)  # fmt: skip
def test_slips_of_the_fingers_are_counted(one, other, distance):
    assert slips(one, other, most=3) == slips(other, one, most=3) == distance
    assert slips(one, other, most=1) == min(distance, 2)


@pytest.mark.parametrize(
    ("address", "domain", "history", "result", "reason", "confidence"),
    [
        ("kim@acme.example", MX, NOTHING, "neutral", None, 60),
        ("kim@acme.example", ADDRESS, NOTHING, "neutral", None, 40),
        ("kim@acme.example", UNKNOWN, NOTHING, "neutral", None, 40),
        ("kim@acme.example", NULL_MX, NOTHING, "undeliverable", "Invalid Domain", 0),
        ("kim@acme.example", NONE, DELIVERED, "undeliverable", "Invalid Domain", 0),
        ("kim@acme.example", MX, DELIVERED, "valid", None, 95),
        ("kim@acme.example", UNKNOWN, DELIVERED, "valid", None, 95),
        ("kim@acme.example", MX, BOUNCED, "undeliverable", "Invalid Recipient", 0),
        ("info@acme.example", MX, NOTHING, "risky", None, 50),
        ("info+kim@acme.example", MX, DELIVERED, "valid", None, 85),
        ("kim@acme.example", MX, History(suppressed="Bounce Rule"), "risky", None, 10),
        ("kim@acme.example", MX, History(suppressed="Spam Complaint", delivered_at=NOW), "risky", None, 10),
        ("kim@mailinator.com", MX, NOTHING, "risky", None, 20),
        ("kim@sub.mailinator.com", MX, DELIVERED, "risky", None, 20),
        ("kim@gmial.com", NONE, NOTHING, "typo", "Invalid Domain", 0),
        ("kim@gmaill.com", MX, NOTHING, "risky", None, 20),
        ("kim@gmaill.com", MX, DELIVERED, "valid", None, 95),
    ],
)
def test_what_decides_comes_first(address, domain, history, result, reason, confidence):
    found = verdict(address, domain, history, NAMES)
    assert (found.result, found.reason, found.delivery_confidence) == (result, reason, confidence)
    assert found.valid is (result not in ("undeliverable", "typo"))


def test_the_flags_are_told_whatever_the_verdict():
    assert verdict("postmaster@gmail.com", NONE, NOTHING, NAMES).is_role
    found = verdict("kim@gmail.com", MX, NOTHING, NAMES)
    assert (found.is_role, found.is_disposable, found.is_free) == (False, False, True)
    assert verdict("kim@mailinator.com", NONE, NOTHING, NAMES).is_disposable


@pytest.mark.parametrize(
    ("domain", "alive", "meant"),
    [
        ("gmial.com", False, "gmail.com"), ("gmail.con", False, "gmail.com"), ("gmail.co", True, "gmail.com"),
        ("gmai.com", True, "gmail.com"), ("hotmal.com", True, "hotmail.com"), ("yaho.com", False, "yahoo.com"),
        ("outlok.com", True, "outlook.com"), ("iclod.com", False, "icloud.com"), ("gmxx.de", False, "gmx.de"),
        ("tonline.de", True, "t-online.de"), ("hotmmial.com", False, "hotmail.com"),
        ("hotmmial.com", True, ""), ("all.com", True, ""),
        ("love.com", True, ""), ("liv.com", False, "live.com"), ("ymail.com", True, ""), ("gmx.com", False, ""),
        ("mail.com", False, ""), ("acme.example", False, ""), ("gmail.com", False, ""), ("yahoo.co.jp", True, ""),
    ],
)  # fmt: skip
def test_a_domain_one_slip_away_from_a_big_provider_is_told(domain, alive, meant):
    assert NAMES.nearly(domain, alive=alive) == meant


@pytest.mark.parametrize(
    "text", ["", "kim", "kim@", "@x.test", "kim@localhost", "kim@@", "a b@x.test c", "kim@[192.0.2.1]", "k\0@x.test"]
)
def test_what_is_no_address_is_undeliverable(text):
    found = badly_spelled(text)
    assert read(text) is None
    if not found.did_you_mean:
        assert (found.result, found.reason, found.delivery_confidence) == ("undeliverable", "Invalid Syntax", 0)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("kim@gmail,com", "kim@gmail.com"), ("kim@@gmail.com", "kim@gmail.com"), ("<kim@x.test>", "kim@x.test"),
     ("kim@x.test.", "kim@x.test"), ("k im@x.test", "kim@x.test"), ("kim@x..test", "kim@x.test")],
)  # fmt: skip
def test_a_slip_in_the_spelling_is_undone(text, meant):
    found = badly_spelled(text)
    assert (found.result, found.reason, found.did_you_mean, found.valid) == ("typo", "Invalid Syntax", meant, False)


def test_addresses_are_read_as_the_log_spells_them():
    assert read(" Kim@There.TEST ") == ("kim@there.test", "there.test")
    assert read("jörg@bücher.test") == ("jörg@xn--bcher-kva.test", "xn--bcher-kva.test")


def test_the_lists_are_clean():
    for names in (NAMES.roles, NAMES.disposable, NAMES.free, frozenset(NAMES.big)):
        assert all(name == name.strip().lower() and name.isascii() for name in names)
    assert not NAMES.free & NAMES.disposable
    assert set(NAMES.big) <= NAMES.free
    assert len(NAMES.disposable) > 5_000
