"""Bounce classification against replies with a known answer."""

import json
import string
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.classify import CACHE_SIZE, Classifier, normalise
from tests.kit.each import each

CASES = json.loads((Path(__file__).parent / "data" / "bounce_cases.json").read_text(encoding="utf-8"))["cases"]
RULES = Classifier.from_package()


def test_there_are_as_many_cases_as_promised():
    assert len(CASES) == 234


@each(lambda: CASES, name=itemgetter("id"))
def test_a_known_reply_gets_its_class(case):
    answer = RULES.classify(case["reply"], scope=case["scope"])
    assert (answer.bounce_class, answer.name) == (case["expected_class"], case["expected_class_name"])
    assert answer.code == (case["expected_code"] or "")
    assert answer.enhanced == (case["expected_enhanced"] or "")


def test_the_rule_that_matches_is_the_documented_one():
    told = {case["id"]: RULES.classify(case["reply"], scope=case["scope"]).rule_id for case in CASES}
    documented = {case["id"]: case["rule_that_matches"] for case in CASES if case["rule_that_matches"]}
    named = {ident: rule for ident, rule in documented.items() if ":" not in rule and rule != "none"}
    assert {ident: told[ident] for ident in named} == named


@each(lambda: [case for case in CASES if case["temporary"]], name=itemgetter("id"))
def test_a_temporary_reply_never_suppresses(case):
    assert RULES.classify(case["reply"], scope=case["scope"]).suppress == "never"


@pytest.mark.parametrize(
    ("reply", "bounce_class", "rule_id"),
    [
        ("550 5.1.1 ask", 10, "rcpt-enh-511"),
        ("450 4.9.9 hm", 20, "basic:450"),
        ("499 hm", 70, "digit:4"),
        ("599 hm", 40, "digit:5"),
        ("hm", 1, "none"),
        ("", 1, "none"),
        ("550 5.7.620 hm", 51, "enh:5.7.620"),
        ("451 4.7.620 hm", 51, "enh:4.7.620"),
        ("451 4.7.550 hm", 70, "enh:4.7.550"),
        ("451 4.7.699 hm", 70, "enh:4.7.699"),
    ],
)
def test_what_no_rule_knows_falls_to_codes(reply, bounce_class, rule_id):
    answer = RULES.classify(reply)
    assert (answer.bounce_class, answer.rule_id) == (bounce_class, rule_id)


def test_by_code_means_retry_for_4xx_and_none_for_5xx():
    assert RULES.classify("450 4.1.1 hm").retry == "normal"
    assert RULES.classify("554 hm").retry == "no"


def test_wrappers_and_continuation_prefixes_are_removed():
    wrapped = "host mx.test[192.0.2.1] said: 550-5.1.1 no such 550-5.1.1 user here 550 5.1.1 bye (in reply to RCPT TO command)"
    assert normalise(wrapped) == ("550-5.1.1 no such user here bye", "550", "5.1.1")


def test_classes_are_sparkposts():
    assert list(RULES.classes) == [1, 10, 20, 21, 22, 23, 24, 25, 30, 40, 50, 51, 52, 53, 54, 60, 70, 80, 90, 100]
    assert RULES.classes[51].category == "Block"


def test_the_memory_for_equal_replies_is_bounded():
    rules = Classifier.from_package()
    for number in range(CACHE_SIZE + 10):
        rules._known[("smtp", str(number))] = RULES.classify("550 hm")
    rules.classify("550 another")
    assert len(rules._known) <= CACHE_SIZE


@given(st.text(alphabet=string.printable + "äß\u2028\x00", max_size=300))
def test_any_text_has_an_answer(text):
    for scope in ("smtp", "oob"):
        assert RULES.classify(text, scope=scope).bounce_class in RULES.classes
