"""Looking at DNS again of our own accord: what counts, and when."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.rules.recheck import (
    DOUBTFUL,
    EVERY,
    LOST_AFTER,
    UNKNOWN,
    Finding,
    Standing,
    after_look,
    finding_of,
    next_look,
)

GONE, CONFIRMED, NO_ANSWER = Finding.GONE, Finding.CONFIRMED, Finding.UNKNOWN


def after(*findings: Finding) -> Standing:
    standing = Standing("valid")
    for finding in findings:
        standing = after_look(standing, finding)
    return standing


def test_a_record_is_lost_after_three_looks_in_a_row_that_find_it_gone():
    assert after(GONE) == Standing("valid", 1)
    assert after(GONE, GONE) == Standing("valid", 2)
    assert after(GONE, GONE, GONE) == Standing("invalid", 3)
    assert not after(GONE, GONE, GONE).is_watched


def test_a_record_that_is_there_again_begins_anew():
    assert after(GONE, GONE, CONFIRMED) == Standing("valid", 0)


@given(st.lists(st.just(NO_ANSWER), max_size=50))
def test_a_resolver_in_trouble_never_counts_against_a_domain(silence):
    assert after(*silence) == Standing("valid", 0)
    assert after(GONE, GONE, *silence) == Standing("valid", 2)


@given(st.lists(st.sampled_from(Finding), max_size=40))
def test_only_so_many_definite_failures_in_a_row_lose_a_record(findings):
    definite = [finding for finding in findings if finding is not NO_ANSWER]
    runs, run = 0, 0
    for finding in definite:
        run = run + 1 if finding is GONE else 0
        runs = max(runs, run)
    standing = Standing("valid")
    for finding in findings:
        if standing.is_watched:
            standing = after_look(standing, finding)
    assert (standing.status == "invalid") == (runs >= LOST_AFTER)


@pytest.mark.parametrize(
    ("error", "uncertain", "finding"),
    [(None, False, CONFIRMED), ("no DKIM record found", False, GONE), ("DNS query error: no answer in time", True, NO_ANSWER)],
)
def test_only_an_answer_says_that_a_record_is_gone(error, uncertain, finding):
    assert finding_of(error=error, uncertain=uncertain) is finding


def test_a_domain_is_looked_at_once_a_day_and_a_doubtful_one_sooner():
    for findings, wait in (({CONFIRMED}, EVERY), ({CONFIRMED, GONE}, DOUBTFUL), ({CONFIRMED, NO_ANSWER}, UNKNOWN)):
        assert next_look(frozenset(findings), chance=0.5) == wait


def test_waits_are_spread():
    waits = [next_look(frozenset({CONFIRMED}), chance=chance / 10) for chance in range(11)]
    assert (waits[0], waits[-1]) == (EVERY * 0.8, EVERY * 1.2)
    assert all(later - earlier > timedelta(minutes=30) for earlier, later in pairwise(waits))
