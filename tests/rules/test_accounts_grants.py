import pytest

from homing.accounts.authenticate import BadSubaccount, acting_as
from homing.accounts.grants import (
    GRANTS,
    KEY_GRANTS,
    SUBACCOUNT_KEY_GRANTS,
    check_grants,
    read_masks,
    within,
)
from homing.accounts.types import NewKey, Sender

PRIMARY = Sender(account_id=1, acts_for_all=True)
PINNED = Sender(account_id=1, subaccount_id=7, pinned=True)


def test_no_grant_is_listed_twice_and_each_says_what_it_allows():
    assert len({grant.key for grant in GRANTS}) == len(GRANTS)
    assert all(grant.label and grant.description for grant in GRANTS)


def test_a_subaccount_key_can_hold_only_part_of_what_a_key_can_hold():
    assert SUBACCOUNT_KEY_GRANTS < KEY_GRANTS
    assert {"smtp/inject", "transmissions/modify", "sending_domains/manage"} <= SUBACCOUNT_KEY_GRANTS
    assert "api_keys/manage" not in SUBACCOUNT_KEY_GRANTS


def test_a_grant_that_a_key_cannot_hold_is_named():
    assert check_grants(["smtp/inject", "users/manage", "nonsense"], subaccount_id=0) == ["users/manage", "nonsense"]
    assert check_grants(["smtp/inject", "metrics/view"], subaccount_id=4) == ["metrics/view"]


def test_nobody_gives_away_more_than_he_holds():
    assert check_grants(["smtp/inject", "metrics/view"], subaccount_id=0, held=frozenset({"smtp/inject"})) == ["metrics/view"]


@pytest.mark.parametrize(
    ("ip", "masks", "inside"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.3.7", ["192.0.2.0/24"], False),
        ("192.0.2.7", ["192.0.2.7"], True),
        ("192.0.2.7", ["192.0.2.9/24"], True),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),
        ("2001:db8::1", ["2001:db8::/32", "192.0.2.0/24"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("not an address", ["0.0.0.0/0"], False),
        ("", ["0.0.0.0/0"], False),
    ],
)
def test_an_address_is_inside_its_masks(ip, masks, inside):
    assert within(ip, read_masks(masks)) is inside


def test_without_the_header_a_primary_key_acts_for_all():
    assert acting_as(PRIMARY, None).scope is None


def test_zero_means_the_primary_account_alone():
    assert acting_as(PRIMARY, "0").scope == 0


def test_a_number_means_that_subaccount():
    sender = acting_as(PRIMARY, " 12 ")
    assert (sender.scope, sender.subaccount_id) == (12, 12)


@pytest.mark.parametrize("text", ["", "abc", "-1", "1.5", "²", "0x1", "2147483648", "99999999999999999999", "1 2"])
def test_a_header_that_is_no_number_is_an_error(text):
    with pytest.raises(BadSubaccount):
        acting_as(PRIMARY, text)


@pytest.mark.parametrize("text", ["0", "9", "abc", None])
def test_a_subaccounts_own_key_cannot_be_moved(text):
    assert acting_as(PINNED, text) == PINNED


def test_a_new_key_does_not_show_itself_when_printed():
    assert "deadbeef" not in repr(NewKey(key_id=1, clear="dead" + "deadbeef" * 4, short_key="dead", label="x"))
