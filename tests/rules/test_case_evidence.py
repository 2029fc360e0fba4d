"""What evidence of a spoken agreement names: a call in our own logs, or words about one outside of them."""

import pytest

from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.rules.evidence import Named, OurCall, heard_on, named

MINE, THEIRS, NOBODYS = (OurCall(account_id=account, name="call S1-7KQ2MX") for account in (1, 2, None))


@pytest.mark.parametrize(
    ("evidence", "what", "name"),
    [
        ("call S1-7KQ2MX", "call", "S1-7KQ2MX"),
        ("  Recording #7 ", "recording", "7"),
        ("call: v3:abc-9", "call", "v3:abc-9"),
        ("CA1234567890abcdef", "", "CA1234567890abcdef"),
    ],
)
def test_a_name_alone_names_a_call(evidence: str, what: str, name: str):
    assert named(evidence) == Named(what=what, name=name)


@pytest.mark.parametrize(
    "evidence", ["", "she phoned Ann at 14:00", "call on Monday", "recording", "Anruf um 9 Uhr", "call \u0661"]
)
def test_words_name_none(evidence: str):
    assert named(evidence) is None


def test_a_call_of_the_account_counts_and_a_name_that_nobody_knows_is_outside_of_our_logs():
    bare = Named(what="", name="CA1")
    assert heard_on(bare, [THEIRS, MINE], account_id=1) == "call S1-7KQ2MX"
    assert heard_on(bare, [], account_id=1) == ""


@pytest.mark.parametrize(
    ("what", "found", "bar"),
    [("call", [], Bar.WHAT), ("recording", [], Bar.WHAT), ("", [THEIRS], Bar.WHAT), ("", [NOBODYS], Bar.STATE)],
)
def test_a_call_that_is_not_there_or_not_the_accounts_is_refused(what: str, found: list[OurCall], bar: Bar):
    refused = heard_on(Named(what=what, name="S1-7KQ2MX"), found, account_id=1)
    assert isinstance(refused, No)
    assert refused.bar is bar


def test_a_number_is_one_of_ours_only_where_it_can_be():
    assert [Named(what="call", name=name).number for name in ("7", "x7", "9" * 18, "9" * 19)] == [7, None, int("9" * 18), None]
