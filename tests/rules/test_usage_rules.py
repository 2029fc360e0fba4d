from datetime import UTC, datetime, timedelta, timezone

import pytest

from homing.accounts.rules.usage import Period, Span, Used, passed, span_of
from homing.accounts.types import Limits


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        (Period.HOUR, "2026-05-01T10:59:59.999", "2026-05-01T10:00", "2026-05-01T11:00"),
        (Period.DAY, "2026-05-01T23:59:59", "2026-05-01T00:00", "2026-05-02T00:00"),
        (Period.MONTH, "2026-02-28T23:00", "2026-02-01T00:00", "2026-03-01T00:00"),
        (Period.MONTH, "2026-12-31T23:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        (Period.MONTH, "2028-01-31T00:00", "2028-01-01T00:00", "2028-02-01T00:00"),
    ],
)
def test_a_period_is_one_of_utc(period, now, start, end):
    assert span_of(period, at(now)) == Span(at(start), at(end))


def test_the_zone_of_the_moment_does_not_matter():
    local = at("2026-05-01T01:00").astimezone(timezone(timedelta(hours=-5)))
    assert span_of(Period.DAY, local).start == at("2026-05-01T00:00")


@pytest.mark.parametrize(
    ("limits", "used", "messages", "over"),
    [
        (Limits(), Used(hour=10**12, day=10**12, month=10**12), 10**9, None),
        (Limits(daily=5), Used(day=4), 1, None),
        (Limits(daily=5), Used(day=4), 2, Period.DAY),
        (Limits(daily=5), Used(day=9), 1, Period.DAY),
        (Limits(daily=0), Used(), 1, Period.DAY),
        (Limits(hourly=1, daily=5, monthly=9), Used(hour=1, day=5, month=9), 1, Period.HOUR),
        (Limits(hourly=9, daily=5, monthly=9), Used(hour=1, day=5, month=9), 1, Period.DAY),
        (Limits(hourly=9, daily=9, monthly=9), Used(hour=1, day=5, month=9), 1, Period.MONTH),
    ],
)
def test_the_first_limit_that_would_be_passed_is_told(limits, used, messages, over):
    assert passed(limits, used, messages) is over
