"""The published list of UK bank holidays, compared with what is known; and what a new version would hide."""

import json
from datetime import date, timedelta

import pytest

from homing.hours.rules.days import observed
from homing.hours.rules.published import differences, read_published
from homing.hours.rules.record import MOST_EXCEPTIONS, hidden_turn, next_hours
from homing.hours.types import HolidaySet
from tests.kit.hours import at, calendar, change, hours, version
from tests.rules.test_hours_holidays import GOV_UK

DIVISIONS = {HolidaySet.GB_EAW: "england-and-wales", HolidaySet.GB_SCT: "scotland", HolidaySet.GB_NIR: "northern-ireland"}


def published(*, without: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> bytes:
    """Return the list as the government publishes it, with some days of England and Wales changed."""
    made = {}
    for holiday_set, years in GOV_UK.items():
        days = {f"{year}-{day}" for year, listed in years.items() for day in listed.split()}
        if holiday_set is HolidaySet.GB_EAW:
            days = days - set(without) | set(more)
        name = DIVISIONS[holiday_set]
        made[name] = {
            "division": name,
            "events": [{"title": "A day", "date": day, "notes": "Substitute day", "bunting": True} for day in sorted(days)],
        }
    return json.dumps(made).encode()


@pytest.mark.parametrize("holiday_set", GOV_UK, ids=str)
def test_what_is_published_agrees_with_our_rules(holiday_set: HolidaySet):
    listed = read_published(published())[holiday_set]
    assert differences(calendar(f"UK/{holiday_set}"), listed, today=date(2023, 1, 1)) == []


def test_a_new_day_and_one_that_was_moved_away_differ():
    listed = read_published(published(without=("2027-05-03",), more=("2027-05-07",)))[HolidaySet.GB_EAW]
    found = differences(calendar("UK"), listed, today=date(2026, 6, 1))
    assert [(one.day.isoformat(), one.name, one.active) for one in found] == [
        ("2027-05-03", "May Day", False),
        ("2027-05-07", "A day", True),
    ]


def test_days_that_are_over_and_years_that_are_not_published_do_not_differ():
    listed = read_published(published(without=("2026-05-04",)))[HolidaySet.GB_EAW]
    assert differences(calendar("UK"), listed, today=date(2026, 5, 5)) == []


def test_what_was_recorded_is_known():
    listed = read_published(published(without=("2027-05-03",), more=("2027-05-07",)))[HolidaySet.GB_EAW]
    london = calendar(
        "UK",
        holiday_changes=(
            change("GB-EAW", "2027-05-03", recorded="2026-06-01T00:00Z", active=False),
            change("GB-EAW", "2027-05-07", recorded="2026-06-01T00:00Z", number=2),
        ),
    )
    assert differences(london, listed, today=date(2026, 6, 1)) == []
    assert date(2027, 5, 3) not in observed(london, 2027)
    assert observed(london, 2027)[date(2027, 5, 7)].name == "a day of its own"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"wales": {"events": [{"title": "x", "date": "2026-01-01"}]}}',
        b'{"scotland": {"events": []}}',
        b'{"scotland": {"events": [{"title": "x", "date": "26-01-01"}]}}',
        b'{"scotland": {"events": [{"title": "x", "date": "9999-01-01"}]}}',
        b'{"scotland": {"events": [{"date": "2026-01-01"}]}}',
    ],
)
def test_anything_else_is_not_that_list(data: bytes):
    with pytest.raises(ValueError, match="this is not the list"):
        read_published(data)


def test_a_new_version_keeps_what_it_does_not_change():
    base = hours("ET", on={"2026-12-01": "closed", "2026-12-24": "09:00-11:00", "2026-12-28": "closed"})
    days = {date(2026, 12, 28): None, date(2026, 12, 30): ()}
    assert next_hours(base, None, days, today=date(2026, 12, 2)) == hours(
        "ET", on={"2026-12-24": "09:00-11:00", "2026-12-30": "closed"}
    )


def test_a_new_version_is_bounded_and_looks_ahead():
    today = date(2026, 12, 2)
    with pytest.raises(ValueError, match="2026-12-01 is over"):
        next_hours(hours("ET"), None, {date(2026, 12, 1): ()}, today=today)
    many = {today + timedelta(days=n): () for n in range(MOST_EXCEPTIONS + 1)}
    with pytest.raises(ValueError, match="up to 1000 single days"):
        next_hours(hours("ET"), None, many, today=today)


def test_a_version_for_good_would_hide_one_that_is_to_begin():
    later = version("ET", recorded="2026-02-01T00:00Z", begins="2026-06-01T04:00Z", week="mon-fri 08:00-18:00")
    cal = calendar("ET", versions=(later,))
    made = version("ET", number=2, recorded="2026-03-01T00:00Z", on={"2026-03-05": "closed"})
    assert hidden_turn(cal, made) == at("2026-06-01T04:00Z")
    ends = version("ET", number=2, recorded="2026-03-01T00:00Z", ends="2026-06-01T04:00Z", on={"2026-03-05": "closed"})
    assert hidden_turn(cal, ends) is None
    after = version("ET", number=2, recorded="2026-06-02T00:00Z", on={"2026-06-05": "closed"})
    assert hidden_turn(cal, after) is None


def test_what_is_hidden_already_cannot_be_hidden():
    weeks = version("ET", recorded="2026-02-01T00:00Z", ends="2026-06-01T04:00Z", week="mon-fri 08:00-18:00")
    good = version("ET", number=2, recorded="2026-03-01T00:00Z", week="mon-fri 09:00-16:00")
    made = version("ET", number=3, recorded="2026-04-01T00:00Z", on={"2026-05-05": "closed"})
    assert hidden_turn(calendar("ET", versions=(weeks,)), made) == at("2026-06-01T04:00Z")
    assert hidden_turn(calendar("ET", versions=(weeks, good)), made) is None
