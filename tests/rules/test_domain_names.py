import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.rules.names import BadName, NameTrouble, a_labels, domain_name, is_selector, parents


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mail.acme.test", "mail.acme.test"),
        ("MAIL.Acme.TEST", "mail.acme.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("XN--BCHER-KVA.test", "xn--bcher-kva.test"),
        ("例え.test", "xn--r8jz45g.test"),
        ("a-b.c3.test", "a-b.c3.test"),
        (f"{'a' * 63}.test", f"{'a' * 63}.test"),
    ],
)
def test_a_domain_is_kept_in_lower_case_a_labels(text, name):
    assert domain_name(text) == name


@pytest.mark.parametrize("text", ["", "localhost", "acme", "bücher"])
def test_a_name_without_a_dot_has_its_own_sentence(text):
    assert domain_name(text) == BadName(NameTrouble.NO_DOT, f"Error domain name contains no '.'(s) for domain: '{text}'")


@pytest.mark.parametrize(
    "text",
    [
        ".", "..", "acme.", ".acme.test", "acme..test", "-acme.test", "acme-.test", "ac me.test", "acme.test\n", "a_b.test",
        "acme.test/x", "kim@acme.test", "192.0.2.1", "acme.123", "xn--.test", "xn--99999999.test", f"{'a' * 64}.test",
        ".".join(["a" * 60] * 5), "acme\0.test", "a.test; DROP TABLE", "<script>.test", "é" * 300 + ".test", "a." * 5000,
    ],
)  # fmt: skip
def test_what_is_no_host_name_is_a_syntax_error(text):
    found = domain_name(text)
    assert isinstance(found, BadName)
    assert found.trouble is NameTrouble.SYNTAX
    assert len(found.text) < 400


@pytest.mark.parametrize("text", ["gmail.com", "GMAIL.com", "mail.yahoo.com", "sparkpostbox.com"])
def test_mailbox_providers_are_restricted(text):
    found = domain_name(text)
    assert isinstance(found, BadName)
    assert found.trouble is NameTrouble.RESTRICTED


def test_a_name_that_only_ends_like_a_restricted_one_is_fine():
    assert domain_name("notgmail.com") == "notgmail.com"


def test_parents_have_a_dot():
    assert parents("a.b.acme.test") == ["b.acme.test", "acme.test"]
    assert parents("acme.test") == []


@given(st.text(max_size=80))
def test_whatever_comes_in_a_name_comes_out_stable_or_not_at_all(text):
    found = domain_name(text)
    if isinstance(found, str):
        assert found.isascii()
        assert a_labels(found) == found


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("scph0526", True),
        ("a.b", True),
        ("S1", True),
        ("", False),
        (".", False),
        ("a_b", False),
        ("-a", False),
        ("x" * 129, False),
    ],
)
def test_a_selector_is_made_of_labels(text, good):
    assert is_selector(text) is good
