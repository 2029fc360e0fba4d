"""When to try again, and with how many connections."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.delivery.rules.growth import connections_wanted
from homing.delivery.rules.retry import RetryPlan, next_attempt, wait

PLAN = RetryPlan()
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def minutes_of(plan, profile="normal", count=8):
    return [round(wait(plan, tries=tries, profile=profile).total_seconds() / 60) for tries in range(1, count + 1)]


def test_each_wait_doubles_until_the_ceiling():
    assert minutes_of(PLAN) == [20, 40, 80, 160, 320, 640, 720, 720]


def test_backoff_starts_more_slowly():
    assert minutes_of(PLAN, "backoff") == [30, 60, 120, 240, 480, 720, 720, 720]


def test_pause_stops_for_ten_minutes_then_one_hour_then_four():
    assert minutes_of(PLAN, "pause", 5)[:1] == [10]
    assert minutes_of(PLAN, "pause", 6)[4:] == [240, 240]


def test_a_fractional_factor_is_not_rounded_away():
    plan = msgspec.structs.replace(PLAN, first=timedelta(minutes=32), factor=1.25)
    assert minutes_of(plan, count=4) == [32, 40, 50, 62]


def test_jitter_moves_a_wait_by_its_share_both_ways():
    assert wait(PLAN, tries=1, jitter=1.0) == timedelta(minutes=22)
    assert wait(PLAN, tries=1, jitter=-1.0) == timedelta(minutes=18)


def test_three_days_hold_ten_tries_or_so():
    now, tries = NOON, 1
    while (due := next_attempt(PLAN, tries=tries, expires_at=NOON + timedelta(hours=72), now=now)) is not None:
        assert due > now
        now, tries = due, tries + 1
    assert 9 <= tries <= 14
    assert now > NOON + timedelta(hours=60)


def test_a_message_past_its_time_is_not_tried_again():
    assert next_attempt(PLAN, tries=1, expires_at=NOON, now=NOON) is None
    assert next_attempt(PLAN, tries=1, expires_at=NOON + timedelta(seconds=30), now=NOON) is None


def test_the_last_try_is_made_shortly_before_the_end():
    ends = NOON + timedelta(hours=10)
    assert next_attempt(PLAN, tries=9, expires_at=ends, now=NOON) == ends - timedelta(seconds=60)


def test_tries_start_at_one():
    with pytest.raises(ValueError, match="starts at 1"):
        wait(PLAN, tries=0)


@given(
    st.integers(1, 100_000),
    st.floats(-1, 1),
    st.sampled_from(["normal", "backoff", "pause", "no"]),
    st.timedeltas(timedelta(0), timedelta(days=10)),
)
def test_the_next_try_is_later_than_now_and_before_the_end(tries, jitter, profile, left):
    due = next_attempt(PLAN, tries=tries, expires_at=NOON + left, now=NOON, profile=profile, jitter=jitter)
    assert due is None or NOON < due < NOON + left


def test_one_message_opens_one_connection():
    assert connections_wanted(1, 50) == 1
    assert connections_wanted(0, 50) == 0
    assert connections_wanted(10, 0) == 0


def test_connections_grow_with_depth_and_saturate_at_the_limit():
    grown = [connections_wanted(depth, 50) for depth in (1, 10, 50, 200, 1000, 100_000)]
    assert grown == sorted(grown)
    assert grown[0] == 1
    assert grown[2] >= 20
    assert grown[-1] == 50


@given(st.integers(0, 10**7), st.integers(0, 1000))
def test_connections_never_exceed_depth_or_limit(depth, limit):
    wanted = connections_wanted(depth, limit)
    assert 0 <= wanted <= min(depth, limit)
    assert wanted >= min(1, depth, limit)
    assert connections_wanted(depth + 1, limit) >= wanted
