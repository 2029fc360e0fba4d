"""Business Hours by the tables of the contract's model; the letters and numbers are its own."""

from datetime import date, datetime, timedelta

import pytest

from homing.hours.rules import wall
from homing.hours.rules.contract import TERMS, zone_info
from homing.hours.rules.holidays import holidays_of
from homing.hours.rules.measure import due, elapsed, status
from homing.hours.types import Closed, HolidaySet, Open, ServiceZone
from tests.kit.hours import at, calendar, change, shown, version

HOUR = 3600

HOLIDAYS = """
2026-01-01 | Thu | New Year's Day | New Year's Day | New Year's Day
2026-01-19 | Mon | Martin Luther King Jr. Day | Birthday of Martin Luther King, Jr. | —
2026-02-16 | Mon | Washington's Birthday | Washington's Birthday | —
2026-04-03 | Fri | — | — | Good Friday
2026-04-06 | Mon | — | — | Easter Monday
2026-05-04 | Mon | — | — | May Day
2026-05-25 | Mon | Memorial Day | Memorial Day | Spring Bank Holiday
2026-06-19 | Fri | Juneteenth National Independence Day | Juneteenth National Independence Day | —
2026-07-03 | Fri | Independence Day (obs.) | — | —
2026-08-31 | Mon | — | — | Late Summer Bank Holiday
2026-09-07 | Mon | Labor Day | Labor Day | —
2026-10-12 | Mon | Columbus Day | Columbus Day | —
2026-11-11 | Wed | Veterans Day | Veterans Day | —
2026-11-26 | Thu | Thanksgiving Day | Thanksgiving Day | —
2026-12-25 | Fri | Christmas Day | Christmas Day | Christmas Day
2026-12-28 | Mon | — | — | Boxing Day (obs.)
2027-01-01 | Fri | New Year's Day | New Year's Day | New Year's Day
2027-01-18 | Mon | Martin Luther King Jr. Day | Birthday of Martin Luther King, Jr. | —
2027-02-15 | Mon | Washington's Birthday | Washington's Birthday | —
2027-03-26 | Fri | — | — | Good Friday
2027-03-29 | Mon | — | — | Easter Monday
2027-05-03 | Mon | — | — | May Day
2027-05-31 | Mon | Memorial Day | Memorial Day | Spring Bank Holiday
2027-06-18 | Fri | Juneteenth National Independence Day (obs.) | — | —
2027-07-05 | Mon | Independence Day (obs.) | Independence Day (obs.) | —
2027-08-30 | Mon | — | — | Late Summer Bank Holiday
2027-09-06 | Mon | Labor Day | Labor Day | —
2027-10-11 | Mon | Columbus Day | Columbus Day | —
2027-11-11 | Thu | Veterans Day | Veterans Day | —
2027-11-25 | Thu | Thanksgiving Day | Thanksgiving Day | —
2027-12-24 | Fri | Christmas Day (obs.) | — | —
2027-12-27 | Mon | — | — | Christmas Day (obs.)
2027-12-28 | Tue | — | — | Boxing Day (obs.)
2027-12-31 | Fri | New Year's Day (obs.) | — | —
"""


@pytest.mark.parametrize(
    "column", enumerate((HolidaySet.US_FED, HolidaySet.US_FRB, HolidaySet.GB_EAW), 2), ids=lambda one: one[1]
)
def test_the_weekday_holidays_of_2026_and_2027_are_exactly_those_of_the_table(column: tuple[int, HolidaySet]):
    place, holiday_set = column
    rows = [[cell.strip() for cell in line.split("|")] for line in HOLIDAYS.strip().splitlines()]
    assert all(f"{date.fromisoformat(row[0]):%a}" == row[1] for row in rows)
    expected = {row[0]: row[place] for row in rows if row[place] != "—"}
    found = {
        day.isoformat(): holiday.name + (" (obs.)" if holiday.substitute_for else "")
        for year in (2026, 2027)
        for day, holiday in holidays_of(holiday_set, year).items()
    }
    assert found == expected


# ET and PT: the first answer is that of US federal offices, the second that of the Reserve Banks where it differs.
DUE = """
B01 | ET | Wed 2026-01-14 10:00 EST | 2026-01-14T15:00Z | 4 | Wed 2026-01-14 14:00 EST | 2026-01-14T19:00Z | same
B03 | ET | Wed 2026-01-14 17:00 EST | 2026-01-14T22:00Z | 1 | Thu 2026-01-15 10:00 EST | 2026-01-15T15:00Z | same
B05 | ET | Wed 2026-01-14 03:00 EST | 2026-01-14T08:00Z | 1 | Wed 2026-01-14 10:00 EST | 2026-01-14T15:00Z | same
B07 | ET | Fri 2026-02-13 12:00 EST | 2026-02-13T17:00Z | 8 | Tue 2026-02-17 12:00 EST | 2026-02-17T17:00Z | same
B09 | ET | Fri 2026-10-30 16:30 EDT | 2026-10-30T20:30Z | 2 | Mon 2026-11-02 10:30 EST | 2026-11-02T15:30Z | same
B11 | ET | Thu 2026-06-18 16:00 EDT | 2026-06-18T20:00Z | 2 | Mon 2026-06-22 10:00 EDT | 2026-06-22T14:00Z | same
B13 | ET | Fri 2026-10-09 16:00 EDT | 2026-10-09T20:00Z | 2 | Tue 2026-10-13 10:00 EDT | 2026-10-13T14:00Z | same
B15 | ET | Wed 2026-11-25 16:00 EST | 2026-11-25T21:00Z | 4 | Fri 2026-11-27 12:00 EST | 2026-11-27T17:00Z | same
B17 | ET | Thu 2027-06-17 16:00 EDT | 2027-06-17T20:00Z | 2 | Mon 2027-06-21 10:00 EDT | 2027-06-21T14:00Z | 2027-06-18T14:00Z
B19 | ET | Thu 2027-12-23 16:00 EST | 2027-12-23T21:00Z | 2 | Mon 2027-12-27 10:00 EST | 2027-12-27T15:00Z | 2027-12-24T15:00Z
P01 | PT | Wed 2026-01-14 16:59 PST | 2026-01-15T00:59Z | 1 | Thu 2026-01-15 09:59 PST | 2026-01-15T17:59Z | same
P03 | PT | Fri 2026-10-30 16:30 PDT | 2026-10-30T23:30Z | 4 | Mon 2026-11-02 12:30 PST | 2026-11-02T20:30Z | same
P05 | PT | Wed 2026-11-25 09:00 PST | 2026-11-25T17:00Z | 16 | Fri 2026-11-27 17:00 PST | 2026-11-28T01:00Z | same
P07 | PT | Thu 2026-07-02 12:00 PDT | 2026-07-02T19:00Z | 8 | Mon 2026-07-06 12:00 PDT | 2026-07-06T19:00Z | 2026-07-03T19:00Z
P09 | PT | Fri 2027-11-05 16:00 PDT | 2027-11-05T23:00Z | 2 | Mon 2027-11-08 10:00 PST | 2027-11-08T18:00Z | same
U01 | UK | Wed 2026-01-14 16:29 GMT | 2026-01-14T16:29Z | 1 | Thu 2026-01-15 09:29 GMT | 2026-01-15T09:29Z | —
U03 | UK | Wed 2026-01-14 08:00 GMT | 2026-01-14T08:00Z | 1 | Wed 2026-01-14 09:30 GMT | 2026-01-14T09:30Z | —
U05 | UK | Fri 2026-10-23 16:00 BST | 2026-10-23T15:00Z | 2 | Mon 2026-10-26 10:00 GMT | 2026-10-26T10:00Z | —
U07 | UK | Fri 2026-05-01 16:00 BST | 2026-05-01T15:00Z | 2 | Tue 2026-05-05 10:00 BST | 2026-05-05T09:00Z | —
U09 | UK | Fri 2026-08-28 16:00 BST | 2026-08-28T15:00Z | 2 | Tue 2026-09-01 10:00 BST | 2026-09-01T09:00Z | —
U11 | UK | Fri 2027-12-24 16:00 GMT | 2027-12-24T16:00Z | 2 | Wed 2027-12-29 10:00 GMT | 2027-12-29T10:00Z | —
U13 | UK | Fri 2027-12-31 16:00 GMT | 2027-12-31T16:00Z | 2 | Tue 2028-01-04 10:00 GMT | 2028-01-04T10:00Z | —
U15 | UK | Mon 2026-08-03 10:00 BST | 2026-08-03T09:00Z | 2 | Mon 2026-08-03 12:00 BST | 2026-08-03T11:00Z | —
U17 | UK/GB-SCT | Fri 2026-06-12 16:00 BST | 2026-06-12T15:00Z | 2 | Tue 2026-06-16 10:00 BST | 2026-06-16T09:00Z | —
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in DUE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_due_times_of_table_b(row: list[str]):
    _, name, raised, raised_utc, target, due_local, due_utc, reserve_banks = row
    zone = name[:2]
    assert at(raised) == at(raised_utc)
    promise = int(target) * HOUR
    found = due(calendar(name if zone == "UK" else f"{zone}/US-FED"), at(raised), promise)
    assert (found, shown(found, zone)) == (at(due_utc), due_local)
    if reserve_banks != "—":
        assert due(calendar(zone), at(raised), promise) == at(due_utc if reserve_banks == "same" else reserve_banks)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        ("Thu 2026-12-24 16:29 GMT", "Tue 2026-12-29 09:29 GMT"),  # Christmas on Friday, Boxing Day's substitute on Monday
        ("Fri 2027-12-24 16:29 GMT", "Wed 2027-12-29 09:29 GMT"),  # both on the weekend: Monday and Tuesday are their substitutes
        ("Thu 2026-12-24 16:30 GMT", "Tue 2026-12-29 09:30 GMT"),  # exactly at close: today gives nothing
    ],
)
def test_an_hour_that_begins_on_the_last_london_day_before_christmas(raised: str, expected: str):
    assert shown(due(calendar("UK"), at(raised), HOUR), "UK") == expected


@pytest.mark.parametrize(
    ("zone", "day", "opens", "seconds", "due_local", "due_utc"),
    [
        pytest.param("ET", "2026-03-08", "2026-03-08T05:00Z", 7 * HOUR, "05:00 EDT", "2026-03-08T09:00Z", id="X1"),
        pytest.param("PT", "2027-03-14", "2027-03-14T08:00Z", 7 * HOUR, "05:00 PDT", "2027-03-14T12:00Z", id="X3"),
        pytest.param("UK", "2026-03-29", "2026-03-29T00:00Z", 7 * HOUR, "05:00 BST", "2026-03-29T04:00Z", id="X5"),
        pytest.param("UK", "2027-03-28", "2027-03-28T00:00Z", 7 * HOUR, "05:00 BST", "2027-03-28T04:00Z", id="X7"),
        pytest.param("ET", "2026-11-01", "2026-11-01T04:00Z", 9 * HOUR, "03:00 EST", "2026-11-01T08:00Z", id="autumn, ET"),
        pytest.param("UK", "2026-10-25", "2026-10-24T23:00Z", 9 * HOUR, "03:00 GMT", "2026-10-25T03:00Z", id="autumn, UK"),
    ],
)
def test_a_clock_change_inside_a_window_counts_the_seconds_that_really_pass(zone, day, opens, seconds, due_local, due_utc):
    open_early = version(zone, recorded="2026-01-02T00:00Z", on={day: "00:00-08:00"})
    sunday = calendar(zone, versions=(open_early,))
    begin = at(opens)
    assert elapsed(sunday, begin - timedelta(hours=12), begin + timedelta(hours=20)) == seconds
    assert status(sunday, begin) == Open(closes_at=begin + timedelta(seconds=seconds))
    assert due(sunday, begin, 4 * HOUR) == at(due_utc)
    assert shown(at(due_utc), zone).split(" ", 2)[2] == due_local


@pytest.mark.parametrize(
    ("zone", "day", "windows", "seconds"),
    [
        pytest.param("ET", "2026-03-08", "02:30-08:00", 5 * HOUR, id="X9: opens in the gap"),
        pytest.param("UK", "2026-03-29", "01:30-08:00", 6 * HOUR, id="X11: opens in the gap"),
        pytest.param("ET", "2026-11-01", "00:00-01:30", int(2.5 * HOUR), id="X13: closes at the second 01:30"),
        pytest.param("ET", "2026-11-01", "01:30-08:00", int(7.5 * HOUR), id="opens at the first 01:30"),
        pytest.param("ET", "2026-03-08", "00:00-02:30", 2 * HOUR, id="closes in the gap"),
        pytest.param("ET", "2026-03-08", "02:10-02:50", 0, id="lies in the gap"),
        pytest.param("ET", "2026-11-01", "00:00-01:15,01:45-03:00", 4 * HOUR, id="two windows meet in the repeated hour"),
    ],
)
def test_readings_that_are_skipped_or_repeated(zone: str, day: str, windows: str, seconds: int):
    changed = calendar(zone, versions=(version(zone, recorded="2026-01-02T00:00Z", on={day: windows}),))
    noon = at(f"{day}T12:00Z")
    assert elapsed(changed, noon - timedelta(hours=14), noon + timedelta(hours=14)) == seconds + (
        0 if date.fromisoformat(day).weekday() == 6 else 8 * HOUR
    )


def test_readings_resolve_as_the_table_says():
    eastern, london = zone_info(ServiceZone.ET), zone_info(ServiceZone.UK)
    assert wall.opening(eastern, date(2026, 3, 8), 150) == at("2026-03-08T07:00Z").timestamp()  # X9
    assert wall.opening(london, date(2026, 3, 29), 90) == at("2026-03-29T01:00Z").timestamp()  # X11
    assert wall.closing(eastern, date(2026, 11, 1), 90) == at("2026-11-01T06:30Z").timestamp()  # X13
    assert wall.opening(eastern, date(2026, 11, 1), 90) == at("2026-11-01T05:30Z").timestamp()


@pytest.mark.parametrize(
    ("ring", "expected", "zone"),
    [
        pytest.param("2026-03-08T06:50Z", "Sun 2026-03-08 03:05 EDT", "ET", id="K1"),
        pytest.param("2026-11-01T06:50Z", "Sun 2026-11-01 02:05 EST", "ET", id="K3"),
        pytest.param("2026-03-29T00:52Z", "Sun 2026-03-29 02:07 BST", "UK", id="K5"),
        pytest.param("2026-12-26T04:58Z", "Sat 2026-12-26 00:13 EST", "ET", id="K7"),
    ],
)
def test_fifteen_minutes_on_the_wall_need_no_calendar(ring: str, expected: str, zone: str):
    assert shown(at(ring) + timedelta(minutes=15), zone) == expected


def paused(name: str, start: str, budget: int, pauses: list[tuple[str, str]]) -> datetime:
    """Return when a budget is used up where it does not run in some spans: each resume measures what is left."""
    cal, running, rest = calendar(name), at(start), budget
    for begin, end in pauses:
        if due(cal, running, rest) < at(begin):
            break  # missed before the pause; nothing undoes that
        rest -= elapsed(cal, running, at(begin))
        running = at(end)
    return due(cal, running, rest)


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        pytest.param([("2026-02-12 15:00 EST", "2026-02-13 11:00 EST")], "Fri 2026-02-13 14:00 EST", id="W1"),
        pytest.param(
            [("2026-02-12 15:00 EST", "2026-02-12 15:30 EST"), ("2026-02-13 09:30 EST", "2026-02-13 13:00 EST")],
            "Fri 2026-02-13 14:00 EST",
            id="W3",
        ),
        pytest.param([("2026-02-13 10:30 EST", "2026-02-13 12:00 EST")], "Fri 2026-02-13 10:00 EST", id="W5"),
        pytest.param([], "Fri 2026-02-13 10:00 EST", id="no pause"),
    ],
)
def test_pauses_of_a_clock_in_business_hours(pauses, expected):
    assert shown(paused("ET", "2026-02-12 14:00 EST", 4 * HOUR, pauses), "ET") == expected


@pytest.mark.parametrize(
    ("name", "start", "end", "seconds"),
    [
        pytest.param("ET", "Fri 2026-10-30 16:30 EDT", "Mon 2026-11-02 10:30 EST", 2 * HOUR, id="N1"),
        pytest.param("UK", "Wed 2026-01-14 06:00 GMT", "Wed 2026-01-14 08:10 GMT", 0, id="N3"),
        pytest.param("UK", "Fri 2026-05-22 16:00 BST", "Mon 2026-05-25 10:00 BST", HOUR // 2, id="S1"),
    ],
)
def test_elapsed_business_time(name: str, start: str, end: str, seconds: int):
    assert elapsed(calendar(name), at(start), at(end)) == seconds


def test_n1_lasts_67_hours_on_the_wall():
    assert at("Mon 2026-11-02 10:30 EST") - at("Fri 2026-10-30 16:30 EDT") == timedelta(hours=67)


@pytest.mark.parametrize(
    ("name", "moment", "is_open", "opens"),
    [
        ("ET", "2026-01-14 16:59:59 EST", True, None),
        ("ET", "2026-01-14 17:00:00 EST", False, "Thu 2026-01-15 09:00 EST"),
        ("ET/US-FED", "2026-07-03 10:00 EDT", False, "Mon 2026-07-06 09:00 EDT"),
        ("ET/US-FRB", "2026-07-03 10:00 EDT", True, None),
        ("PT", "2026-11-28 12:00 PST", False, "Mon 2026-11-30 09:00 PST"),
        ("UK", "2026-08-31 12:00 BST", False, "Tue 2026-09-01 08:30 BST"),
        ("UK", "2026-10-25 01:30 BST", False, "Mon 2026-10-26 08:30 GMT"),
        ("UK", "2026-12-25 09:00 GMT", False, "Tue 2026-12-29 08:30 GMT"),
        ("UK", "2027-12-25 09:00 GMT", False, "Wed 2027-12-29 08:30 GMT"),
        ("ET/US-FED", "2027-12-31 12:00 EST", False, "Mon 2028-01-03 09:00 EST"),
        ("ET/US-FRB", "2027-12-31 12:00 EST", True, None),
    ],
)
def test_open_now_and_the_next_opening_of_table_o(name: str, moment: str, is_open: bool, opens: str | None):
    found = status(calendar(name), at(moment))
    assert isinstance(found, Open) is is_open
    if isinstance(found, Closed):
        assert found.opens_at is not None
        assert shown(found.opens_at, name[:2]) == opens


CUT = {"2026-12-24": "09:00-11:00"}
MORE = {"2026-12-26": "10:00-14:00"}


@pytest.mark.parametrize(
    ("raised", "budget", "what", "recorded", "expected"),
    [
        pytest.param("Wed 2026-12-23 16:00 EST", 4, None, None, "Thu 2026-12-24 12:00 EST", id="V1: none"),
        pytest.param("Wed 2026-12-23 16:00 EST", 4, CUT, "2026-12-23 18:00 EST", "Mon 2026-12-28 10:00 EST", id="cut, in time"),
        pytest.param("Wed 2026-12-23 16:00 EST", 4, CUT, "2026-12-24 11:30 EST", "Mon 2026-12-28 09:30 EST", id="V3: cut, late"),
        pytest.param("Wed 2026-12-23 16:00 EST", 4, CUT, "2026-12-24 12:00 EST", "Thu 2026-12-24 12:00 EST", id="cut when over"),
        pytest.param("Thu 2026-12-24 16:00 EST", 4, MORE, "2026-12-26 09:00 EST", "Sat 2026-12-26 13:00 EST", id="more, in time"),
        pytest.param("Thu 2026-12-24 16:00 EST", 4, MORE, "2026-12-26 12:00 EST", "Mon 2026-12-28 10:00 EST", id="V5: half over"),
        pytest.param("Thu 2026-12-24 16:00 EST", 4, MORE, "2026-12-26 15:00 EST", "Mon 2026-12-28 12:00 EST", id="V5: over"),
    ],
)
def test_versions_of_eastern_hours_move_only_what_lies_ahead(raised, budget, what, recorded, expected):
    versions = (version("ET", recorded=recorded, begins="2026-12-01T00:00Z", on=what),) if what else ()
    assert shown(due(calendar("ET", versions=versions), at(raised), budget * HOUR), "ET") == expected


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        pytest.param(None, "Mon 2026-06-15 10:00 BST", id="not declared"),
        pytest.param("2026-06-12 17:00 BST", "Tue 2026-06-16 10:00 BST", id="V7: declared on Friday"),
        pytest.param("2026-06-15 09:00 BST", "Tue 2026-06-16 09:30 BST", id="declared when half an hour of it had run"),
        pytest.param("2026-06-15 10:00 BST", "Mon 2026-06-15 10:00 BST", id="declared when all was over"),
    ],
)
def test_a_holiday_that_is_declared_late_closes_what_is_left_of_its_day(recorded: str | None, expected: str):
    changes = (change("GB-EAW", "2026-06-15", recorded=recorded),) if recorded else ()
    london = calendar("UK", holiday_changes=changes)
    assert shown(due(london, at("Fri 2026-06-12 16:00 BST"), 2 * HOUR), "UK") == expected


def test_s1_a_case_over_the_spring_bank_holiday():
    assert shown(due(calendar("UK"), at("Fri 2026-05-22 16:00 BST"), 4 * HOUR), "UK") == "Tue 2026-05-26 12:00 BST"


def test_c7_a_daily_reading_keeps_its_hour_over_a_clock_change():
    pacific = zone_info(ServiceZone.PT)
    found = [wall.opening(pacific, date(2026, 10, 31) + timedelta(days=n), 9 * 60) for n in (0, 1)]
    assert found == [at("2026-10-31T16:00Z").timestamp(), at("2026-11-01T17:00Z").timestamp()]


@pytest.mark.parametrize(
    ("moment", "states", "dues"),
    [
        pytest.param(
            "2026-03-16T13:30Z",
            {"ET": True, "PT": False, "UK": True},
            {"ET": "2026-03-16T14:30Z", "PT": "2026-03-16T17:00Z", "UK": "2026-03-16T14:30Z"},
            id="Z1",
        ),
        pytest.param(
            "2026-07-03T14:00Z",
            {"ET/US-FED": False, "PT/US-FED": False, "UK": True},
            {"ET/US-FED": "2026-07-06T14:00Z", "PT/US-FED": "2026-07-06T17:00Z", "UK": "2026-07-03T15:00Z"},
            id="Z3",
        ),
    ],
)
def test_one_instant_in_three_zones(moment: str, states: dict[str, bool], dues: dict[str, str]):
    assert {name: isinstance(status(calendar(name), at(moment)), Open) for name in states} == states
    assert {name: due(calendar(name), at(moment), HOUR) for name in dues} == {name: at(when) for name, when in dues.items()}


@pytest.mark.parametrize(
    ("first", "after", "seconds"),
    [
        ("2026-03-01", "2026-04-01", {"ET": 2_674_800, "PT": 2_674_800, "UK": 2_674_800}),
        ("2026-10-01", "2026-11-01", {"ET": 2_678_400, "PT": 2_678_400, "UK": 2_682_000}),
        ("2026-11-01", "2026-12-01", {"ET": 2_595_600, "PT": 2_595_600, "UK": 2_592_000}),
        ("2027-02-01", "2027-03-01", {"ET": 2_419_200, "PT": 2_419_200, "UK": 2_419_200}),
        ("2028-02-01", "2028-03-01", {"ET": 2_505_600, "PT": 2_505_600, "UK": 2_505_600}),
    ],
    ids=["Mar 2026", "Oct 2026", "Nov 2026", "Feb 2027", "Feb 2028"],
)
def test_a_month_that_never_closes_has_the_seconds_of_table_m(first: str, after: str, seconds: dict[str, int]):
    begin, end = date.fromisoformat(first), date.fromisoformat(after)
    days = {(begin + timedelta(days=n)).isoformat(): "00:00-24:00" for n in range(-1, (end - begin).days + 1)}
    for zone, expected in seconds.items():
        always = calendar(zone, versions=(version(zone, recorded="2026-01-01T00:00Z", on=days),))
        info = zone_info(ServiceZone(zone))
        start, stop = (datetime.fromtimestamp(wall.opening(info, day, 0)).astimezone() for day in (begin, end))
        assert elapsed(always, start, stop) == expected


def test_the_three_windows_of_the_contract():
    said = {zone: (terms.words, terms.tz, terms.hours.weekly[0], terms.hours.weekly[5:]) for zone, terms in TERMS.items()}
    assert {zone: (words, tz, (day[0].opens_min, day[0].closes_min), rest) for zone, (words, tz, day, rest) in said.items()} == {
        "ET": ("Eastern", "America/New_York", (540, 1020), ((), ())),
        "PT": ("Pacific", "America/Los_Angeles", (540, 1020), ((), ())),
        "UK": ("UK", "Europe/London", (510, 990), ((), ())),
    }
