"""When an alert fires, and when its incident is over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.metrics.alert_types import Alert, AlertMetric, Channels, Fired, Source, Threshold
from homing.metrics.rules.alerting import (
    GIVES_UP,
    compare,
    is_over,
    judge,
    members_of,
    next_telling,
    passes,
    questions,
    rate,
    sentence,
)
from homing.metrics.types import Grain

NOW = datetime(2026, 5, 5, 12, 34, 56, tzinfo=UTC)


def alert(**changes: Any) -> Alert:
    given: dict[str, Any] = {
        "alert_id": 1,
        "account_id": 1,
        "name": "blocks",
        "metric": AlertMetric.BLOCK_BOUNCE_RATE,
        "muted": False,
        "subaccounts": (-1,),
        "any_subaccount": False,
        "filters": {},
        "threshold": Threshold(True, Source.RAW, 5.0),
        "channels": Channels(webhook="https://app.test/"),
    }
    return Alert(**{**given, **changes})


def test_a_rate_is_per_cent_of_what_was_sent():
    assert rate(alert(), {"count_sent": 200, "count_block_bounce": 15}) == 7.5
    assert rate(alert(), {"count_sent": 0, "count_block_bounce": 0}) is None


def test_above_means_more_and_below_means_less():
    assert passes(Threshold(True, Source.RAW, 5.0), 5.1)
    assert not passes(Threshold(True, Source.RAW, 5.0), 5.0)
    assert passes(Threshold(False, Source.RAW, 5.0), 4.9)
    assert not passes(Threshold(False, Source.RAW, 5.0), 5.0)


def test_a_change_is_per_cent_of_what_was_before():
    assert compare(Source.DAY_OVER_DAY, 6.0, 4.0) == 50.0
    assert compare(Source.WEEK_OVER_WEEK, 2.0, 4.0) == -50.0
    assert compare(Source.DAY_OVER_DAY, 6.0, None) is None
    assert compare(Source.DAY_OVER_DAY, 6.0, 0.0) is None
    assert compare(Source.RAW, 6.0, None) == 6.0


def test_each_combination_fires_by_itself():
    one = alert(any_subaccount=True, filters={"sending_ip": ("192.0.2.1", "192.0.2.2"), "mailbox_provider": ("Gmail",)})
    assert members_of(one) == ("subaccount_id", "sending_ip", "provider")
    rates = {(7, "192.0.2.1", "Gmail"): 9.0, (7, "192.0.2.2", "Gmail"): 1.0, (0, "192.0.2.1", "Gmail"): 50.0}
    assert judge(one, rates, {}) == [Fired({"subaccount_id": 7, "sending_ip": "192.0.2.1", "mailbox_provider": "Gmail"}, 9.0)]
    assert judge(alert(), {(): 6.0}, {}) == [Fired({}, 6.0)]
    assert members_of(alert(subaccounts=(0, 3))) == ("subaccount_id",)


def test_the_last_hour_is_asked_about_and_the_same_one_before():
    now, before = questions(alert(), NOW)
    assert (now.window.since, now.window.until, now.window.grain) == (
        datetime(2026, 5, 5, 11, 34, tzinfo=UTC),
        datetime(2026, 5, 5, 12, 34, tzinfo=UTC),
        Grain.MINUTE,
    )
    assert before is None
    now, before = questions(alert(threshold=Threshold(True, Source.WEEK_OVER_WEEK, 10.0), subaccounts=(4,)), NOW)
    assert now.window.until == datetime(2026, 5, 5, 12, 30, tzinfo=UTC)
    assert before is not None
    assert now.window.until - before.window.until == timedelta(days=7)
    assert before.window.grain is Grain.QUARTER
    assert [one.filters[0].values for one in now.groupings] == [("4",)]


@pytest.mark.parametrize(
    ("first", "last", "over"),
    [(10, 0, False), (100, 29, False), (100, 30, True), (24 * 60 - 1, 0, False), (24 * 60, 0, True)],
)
def test_an_incident_is_over_after_half_an_hour_of_quiet_or_a_day(first, last, over):
    assert is_over(NOW - timedelta(minutes=first), NOW - timedelta(minutes=last), NOW) is over


def test_a_channel_is_tried_for_an_hour():
    waits = []
    for attempts in range(1, GIVES_UP):
        due = next_telling(attempts, NOW)
        assert due is not None
        waits.append((due - NOW).total_seconds())
    assert waits == [30, 120, 600, 600, 600, 600, 600]
    assert next_telling(GIVES_UP, NOW) is None


def test_people_read_what_has_fired():
    assert sentence(alert(), {"sending_ip": "192.0.2.1"}, 7.5) == "block_bounce_rate is 7.5 %, above 5 % (sending_ip 192.0.2.1)"
    below = alert(threshold=Threshold(False, Source.DAY_OVER_DAY, -20.0))
    assert sentence(below, {}, -25.0) == "block_bounce_rate has changed by -25 % since the day before, below -20 %"


# health ---------------------------------------------------------------------------------------------------------------------

HEALTH = {"count_sent": 1000, "count_delivered": 1000, "count_hard_bounce": 0, "count_block_bounce": 0, "count_spam_complaint": 0}


@pytest.mark.parametrize(
    ("figures", "score"),
    [
        ({}, 100.0),
        ({"count_hard_bounce": 50}, 60.0),
        ({"count_block_bounce": 25}, 80.0),
        ({"count_spam_complaint": 3}, 60.0),
        ({"count_spam_complaint": 1}, 100.0),
        ({"count_hard_bounce": 50, "count_block_bounce": 50, "count_spam_complaint": 3}, 0.0),
        ({"count_hard_bounce": 1000, "count_delivered": 0}, 0.0),
        ({"count_sent": 199}, None),
    ],
)
def test_health_falls_with_bounces_blocks_and_complaints(figures, score):
    found = rate(alert(metric=AlertMetric.HEALTH_SCORE), HEALTH | figures)
    assert found == (None if score is None else pytest.approx(score))


def test_health_is_that_of_a_day_and_takes_filters_of_its_own():
    low = Threshold(False, Source.RAW, 70.0)
    one = alert(metric=AlertMetric.HEALTH_SCORE, filters={"ip_pool": ("bulk",)}, threshold=low)
    now, _ = questions(one, NOW)
    assert now.window.until - now.window.since == timedelta(days=1)
    assert set(now.metrics) == set(HEALTH)
    assert members_of(one) == ("ip_pool",)
    assert judge(one, {("bulk",): 60.0}, {}) == [Fired({"ip_pool": "bulk"}, 60.0)]
    assert sentence(one, {"ip_pool": "bulk"}, 60.0) == "health_score is 60, below 70 (ip_pool bulk)"
