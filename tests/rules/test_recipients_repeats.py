from datetime import date

import pytest

from homing.recipients.rules.repeats import counts_days, is_suppressing, repeat_of, window_start


def test_an_unknown_user_is_suppressed_at_the_first_5xx():
    assert not counts_days("immediate_if_5xx", permanent=True)
    assert is_suppressing("immediate_if_5xx", permanent=True, subclass="recipient.unknown", days=0)


@pytest.mark.parametrize(("days", "suppressed"), [(1, False), (2, False), (3, True), (4, True)])
def test_the_same_with_a_4xx_must_come_on_three_days(days, suppressed):
    assert counts_days("immediate_if_5xx", permanent=False)
    assert is_suppressing("immediate_if_5xx", permanent=False, subclass="recipient.unknown", days=days) is suppressed


@pytest.mark.parametrize(
    ("subclass", "count", "window"),
    [("mailbox.full", 5, 30), ("dns.not_found", 3, 7), ("relay.denied", 2, 14), ("recipient.rejected", 3, 14), ("", 3, 14)],
)
def test_what_must_repeat_has_its_own_count_and_window(subclass, count, window):
    assert repeat_of(subclass) == (count, window)
    assert not is_suppressing("after_repeats", permanent=True, subclass=subclass, days=count - 1)
    assert is_suppressing("after_repeats", permanent=True, subclass=subclass, days=count)


def test_a_window_of_seven_days_includes_today():
    assert window_start("dns.not_found", date(2026, 5, 10)) == date(2026, 5, 4)


def test_never_is_never():
    assert not counts_days("never", permanent=True)
    assert not is_suppressing("never", permanent=True, subclass="mailbox.full", days=99)


def test_a_null_mx_is_suppressed_at_once():
    assert is_suppressing("immediate", permanent=True, subclass="recipient.null_mx", days=0)
