"""Ids and places of a domain's keys."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.rules.keys import clash, free_id, free_selector, is_key_id
from homing.domains.rules.names import is_selector

NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize("text", ["a", "A1", "my-key_2", "0", "x" * 64])
def test_an_id_is_letters_digits_dash_and_underscore(text):
    assert is_key_id(text)


@pytest.mark.parametrize("text", ["", "-a", "_a", "a.b", "a b", "ä", "a\n", "a\0", "x" * 65])
def test_another_text_is_no_id(text):
    assert not is_key_id(text)


@pytest.mark.parametrize(
    ("key_id", "taken", "selector"),
    [
        ("mkt", set(), "mkt0526"),
        ("MKT_2", set(), "mkt-20526"),
        ("mkt", {"mkt0526"}, "mkt0526-2"),
        ("mkt", {"mkt0526e", "mkt0526-2"}, "mkt0526-3"),
        ("0--", set(), "00526"),
    ],
)
def test_a_selector_is_the_id_with_month_and_year(key_id, taken, selector):
    assert free_selector(key_id, now=NOW, taken=taken) == selector


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True))
def test_every_id_gives_a_selector_that_dns_takes(key_id):
    made = free_selector(key_id, now=NOW, taken=())
    assert is_selector(made)
    assert is_selector(f"{made}e")


@pytest.mark.parametrize(
    ("selector", "taken", "key_id"),
    [
        ("scph0526", set(), "scph0526"),
        ("s1.mail", set(), "s1-mail"),
        ("default", set(), "default-2"),
        ("k", {"k", "k-2"}, "k-3"),
    ],
)
def test_the_former_default_key_gets_an_id_of_its_own(selector, taken, key_id):
    made = free_id(selector, taken=taken)
    assert made == key_id
    assert is_key_id(made)


def test_one_place_in_dns_holds_one_key():
    assert clash([("s1", "AAA")], [("s1", "BBB")])
    assert not clash([("s1", "AAA")], [("s1", "AAA"), ("s2", "BBB")])
    assert not clash([("s1", "AAA")], [])
