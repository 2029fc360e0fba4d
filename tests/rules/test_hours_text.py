"""How people write hours, durations and instants, and how they read them."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.hours.rules import text
from homing.hours.types import OpeningHours, Window
from tests.kit.hours import at
from tests.rules.test_hours_laws import windows

NEW_YORK, LONDON = ZoneInfo("America/New_York"), ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("09:00-17:00", (Window(540, 1020),)),
        ("9:00 - 12:00, 13:00-24:00", (Window(540, 720), Window(780, 1440))),
        ("09:00-12:00,12:00-17:00", (Window(540, 1020),)),
        ("closed", ()),
        (" Closed ", ()),
    ],
)
def test_windows_of_a_day(written: str, expected: tuple[Window, ...]):
    assert text.read_windows(written) == expected


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "is no window"),
        ("nine to five", "is no window"),
        ("09:00-25:00", "from 00:00 to 24:00"),
        ("09:60-10:00", "from 00:00 to 24:00"),
        ("22:00-02:00", "past midnight"),
        ("09:00-09:00", "ends before it begins"),
        ("09:00-12:00,11:00-13:00", "in order, apart"),
        ("13:00-17:00,09:00-12:00", "in order, apart"),
        ("\u0660\u0669:00-17:00", "is no window"),
    ],
)
def test_windows_that_cannot_be(written: str, says: str):
    with pytest.raises(ValueError, match=says):
        text.read_windows(written)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("mon-fri 09:00-17:00", "mon-fri 09:00-17:00"),
        ("Mon-Thu 09:00-17:00; fri 09:00-15:00,16:00-17:00", "mon-thu 09:00-17:00; fri 09:00-15:00,16:00-17:00"),
        ("sat-mon 10:00-12:00", "mon 10:00-12:00; sat-sun 10:00-12:00"),
        ("mon 09:00-10:00; tue closed; wed 09:00-10:00", "mon 09:00-10:00; wed 09:00-10:00"),
        ("", ""),
    ],
)
def test_a_week(written: str, shown: str):
    assert text.show_week(text.read_week(written)) == shown


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("monday 09:00-17:00", "no day of the week"),
        ("mon-xyz 09:00-17:00", "no day of the week"),
        ("mon-fri 09:00-17:00; wed 10:00-12:00", "wed stands there twice"),
        ("mon-fri", "is no window"),
        ("09:00-17:00", "no day of the week"),
    ],
)
def test_weeks_that_cannot_be(written: str, says: str):
    with pytest.raises(ValueError, match=says):
        text.read_week(written)


@given(st.tuples(*[windows()] * 7), st.dictionaries(st.dates(date(2023, 1, 1), date(2099, 1, 1)), windows(), max_size=5))
def test_stored_hours_come_back_as_they_were(weekly, exceptions):
    hours = OpeningHours(weekly=weekly, exceptions=exceptions)
    assert text.read_hours(text.write_hours(hours)) == hours


@pytest.mark.parametrize(
    ("written", "seconds"), [("4h", 14_400), ("90m", 5_400), ("90min", 5_400), ("1h30m", 5_400), ("1h 30m 5s", 5_405), ("0s", 0)]
)
def test_durations(written: str, seconds: int):
    assert text.read_duration(written) == seconds


@pytest.mark.parametrize("written", ["", "4", "1d", "-4h", "4.5h", "h", "4h4h", "99999999999h"])
def test_durations_that_cannot_be(written: str):
    with pytest.raises(ValueError, match="is no duration"):
        text.read_duration(written)


def test_durations_are_shown_to_the_second():
    assert [text.show_duration(n) for n in (0, 59, 3600, 241_205)] == [
        "0 h 00 min",
        "0 h 00 min 59 s",
        "1 h 00 min",
        "67 h 00 min 05 s",
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-01-14 10:00", "2026-01-14T15:00Z"),
        ("2026-07-14T10:00:30", "2026-07-14T14:00:30Z"),
        ("2026-01-14", "2026-01-14T05:00Z"),
        ("2026-01-14T15:00Z", "2026-01-14T15:00Z"),
        ("2026-11-01 01:30-05:00", "2026-11-01T06:30Z"),
    ],
)
def test_instants(written: str, expected: str):
    assert text.read_instant(written, NEW_YORK) == at(expected)


@pytest.mark.parametrize("written", ["2026-11-01 01:30", "2026-03-08 02:30"])
def test_a_reading_that_comes_twice_or_never_needs_its_offset(written: str):
    with pytest.raises(ValueError, match="write it with its offset"):
        text.read_instant(written, NEW_YORK)


@pytest.mark.parametrize("written", ["", "tomorrow", "2026-13-01", "2026-01-14 25:00", "0001-01-01T00:00+14:00", "\0", "\ud800"])
def test_instants_that_cannot_be(written: str):
    with pytest.raises(ValueError, match=r"is no time|is out of reach"):
        text.read_instant(written, NEW_YORK)


@pytest.mark.parametrize("written", ["24.12.2026", "2026-02-30", "20261224", ""])
def test_dates_that_cannot_be(written: str):
    with pytest.raises(ValueError, match="is no date"):
        text.read_date(written)


def test_a_local_time_is_shown_with_its_abbreviation_and_its_offset():
    assert text.show_instant(at("2026-11-01T05:30Z"), NEW_YORK) == "Sun 2026-11-01 01:30 EDT (UTC-04:00)"
    assert text.show_instant(at("2026-11-01T06:30:09Z"), NEW_YORK) == "Sun 2026-11-01 01:30:09 EST (UTC-05:00)"
    assert text.show_instant(at("2026-01-14T16:29Z"), LONDON) == "Wed 2026-01-14 16:29 GMT (UTC+00:00)"
