"""Bank holidays by rule, against what the authorities publish."""

from datetime import date

import pytest

from homing.hours.rules.contract import FIRST_DAY, LAST_DAY, SET_WORDS, TERMS, calendar_of
from homing.hours.rules.exceptional import EXCEPTIONAL
from homing.hours.rules.holidays import easter, holiday_on, holidays_of
from homing.hours.types import HolidaySet, Misuse, ServiceZone

# Federal Reserve, K.8 "Holidays Observed by the Federal Reserve System 2026-2030": what falls on a Saturday (*) leaves the
# Reserve Banks open on Friday, what falls on a Sunday (**) closes them on Monday.
K8 = {
    2026: "01-01 01-19 02-16 05-25 06-19 09-07 10-12 11-11 11-26 12-25",
    2027: "01-01 01-18 02-15 05-31 07-05 09-06 10-11 11-11 11-25",
    2028: "01-17 02-21 05-29 06-19 07-04 09-04 10-09 11-23 12-25",
    2029: "01-01 01-15 02-19 05-28 06-19 07-04 09-03 10-08 11-12 11-22 12-25",
    2030: "01-01 01-21 02-18 05-27 06-19 07-04 09-02 10-14 11-11 11-28 12-25",
}
# ... and the days before a Saturday, on which federal offices are closed and the Reserve Banks are not.
FEDERAL_ALONE = {2026: "07-03", 2027: "06-18 12-24 12-31", 2028: "11-10", 2029: "", 2030: ""}

# https://www.gov.uk/bank-holidays.json, all three divisions as published, 2023 to 2028.
GOV_UK = {
    HolidaySet.GB_EAW: {
        2023: "01-02 04-07 04-10 05-01 05-08 05-29 08-28 12-25 12-26",
        2024: "01-01 03-29 04-01 05-06 05-27 08-26 12-25 12-26",
        2025: "01-01 04-18 04-21 05-05 05-26 08-25 12-25 12-26",
        2026: "01-01 04-03 04-06 05-04 05-25 08-31 12-25 12-28",
        2027: "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28",
        2028: "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26",
    },
    HolidaySet.GB_SCT: {
        2023: "01-02 01-03 04-07 05-01 05-08 05-29 08-07 11-30 12-25 12-26",
        2024: "01-01 01-02 03-29 05-06 05-27 08-05 12-02 12-25 12-26",
        2025: "01-01 01-02 04-18 05-05 05-26 08-04 12-01 12-25 12-26",
        2026: "01-01 01-02 04-03 05-04 05-25 06-15 08-03 11-30 12-25 12-28",
        2027: "01-01 01-04 03-26 05-03 05-31 08-02 11-30 12-27 12-28",
        2028: "01-03 01-04 04-14 05-01 05-29 08-07 11-30 12-25 12-26",
    },
    HolidaySet.GB_NIR: {
        2023: "01-02 03-17 04-07 04-10 05-01 05-08 05-29 07-12 08-28 12-25 12-26",
        2024: "01-01 03-18 03-29 04-01 05-06 05-27 07-12 08-26 12-25 12-26",
        2025: "01-01 03-17 04-18 04-21 05-05 05-26 07-14 08-25 12-25 12-26",
        2026: "01-01 03-17 04-03 04-06 05-04 05-25 07-13 08-31 12-25 12-28",
        2027: "01-01 03-17 03-26 03-29 05-03 05-31 07-12 08-30 12-27 12-28",
        2028: "01-03 03-17 04-14 04-17 05-01 05-29 07-12 08-28 12-25 12-26",
    },
}


def days(holiday_set: HolidaySet, year: int) -> str:
    return " ".join(f"{day:%m-%d}" for day in holidays_of(holiday_set, year))


@pytest.mark.parametrize("year", K8)
def test_the_reserve_banks_close_as_the_federal_reserve_publishes(year: int):
    assert days(HolidaySet.US_FRB, year) == K8[year]


@pytest.mark.parametrize("year", K8)
def test_federal_offices_also_close_on_the_friday_before_a_saturday(year: int):
    both = sorted({*K8[year].split(), *FEDERAL_ALONE[year].split()})
    assert days(HolidaySet.US_FED, year).split() == both


@pytest.mark.parametrize("holiday_set", GOV_UK, ids=str)
@pytest.mark.parametrize("year", range(2023, 2029))
def test_uk_bank_holidays_are_those_that_the_government_publishes(holiday_set: HolidaySet, year: int):
    assert days(holiday_set, year) == GOV_UK[holiday_set][year]


@pytest.mark.parametrize(
    ("holiday_set", "day", "name", "instead_of"),
    [
        (HolidaySet.GB_EAW, "2026-12-28", "Boxing Day", "2026-12-26"),
        (HolidaySet.GB_EAW, "2027-12-27", "Christmas Day", "2027-12-25"),
        (HolidaySet.GB_EAW, "2027-12-28", "Boxing Day", "2027-12-26"),
        (HolidaySet.GB_EAW, "2028-01-03", "New Year's Day", "2028-01-01"),
        (HolidaySet.GB_EAW, "2033-12-27", "Christmas Day", "2033-12-25"),  # a Sunday; Boxing Day keeps its Monday
        (HolidaySet.GB_EAW, "2033-12-26", "Boxing Day", None),
        (HolidaySet.GB_SCT, "2023-01-02", "2nd January", None),
        (HolidaySet.GB_SCT, "2023-01-03", "New Year's Day", "2023-01-01"),
        (HolidaySet.GB_SCT, "2027-01-04", "2nd January", "2027-01-02"),
        (HolidaySet.GB_SCT, "2026-06-15", "World Cup Bank Holiday", None),
        (HolidaySet.GB_NIR, "2026-07-13", "Battle of the Boyne", "2026-07-12"),
        (HolidaySet.US_FED, "2027-12-31", "New Year's Day", "2028-01-01"),  # of next year, observed in this one
        (HolidaySet.US_FRB, "2027-07-05", "Independence Day", "2027-07-04"),
    ],
)
def test_a_weekend_day_is_observed_on_its_substitute(holiday_set: HolidaySet, day: str, name: str, instead_of: str | None):
    holiday = holiday_on(holiday_set, date.fromisoformat(day))
    assert holiday is not None
    assert (holiday.name, holiday.substitute_for) == (name, None if instead_of is None else date.fromisoformat(instead_of))


@pytest.mark.parametrize(
    ("holiday_set", "day"),
    [
        (HolidaySet.GB_SCT, "2026-04-06"),  # no Easter Monday
        (HolidaySet.GB_SCT, "2026-08-31"),  # no last Monday of August
        (HolidaySet.GB_EAW, "2026-08-03"),
        (HolidaySet.GB_EAW, "2026-06-15"),
        (HolidaySet.US_FRB, "2026-07-03"),
        (HolidaySet.US_FRB, "2026-11-27"),  # the day after Thanksgiving
    ],
)
def test_days_that_are_none(holiday_set: HolidaySet, day: str):
    assert holiday_on(holiday_set, date.fromisoformat(day)) is None


@pytest.mark.parametrize("holiday_set", HolidaySet, ids=str)
def test_every_year_has_as_many_weekday_holidays_as_the_law_names(holiday_set: HolidaySet):
    for year in range(FIRST_DAY.year, LAST_DAY.year + 1):
        found = holidays_of(holiday_set, year)
        assert all(day.weekday() < 5 and day.year == year and holiday.day == day for day, holiday in found.items())
        extra = sum(one.day.year == year and holiday_set in one.sets for one in EXCEPTIONAL)
        if holiday_set in GOV_UK:  # a substitute lies after its day, and always in the same year
            assert len(found) - extra == {HolidaySet.GB_EAW: 8, HolidaySet.GB_SCT: 9, HolidaySet.GB_NIR: 10}[holiday_set]
        else:
            assert 8 <= len(found) <= 12


@pytest.mark.parametrize(
    ("year", "sunday"),
    [(2024, "03-31"), (2026, "04-05"), (2027, "03-28"), (2038, "04-25"), (2049, "04-18"), (2076, "04-19"), (2285, "03-22")],
)
def test_easter_sunday(year: int, sunday: str):
    assert f"{easter(year):%m-%d}" == sunday


def test_every_exceptional_day_has_a_source():
    assert all(one.source and one.sets and one.day.weekday() < 5 and one.day >= FIRST_DAY for one in EXCEPTIONAL)


def test_an_order_form_can_name_only_sets_of_its_country():
    assert {zone: calendar_of(zone).name for zone in ServiceZone} == {
        "ET": "ET/US-FRB",
        "PT": "PT/US-FRB",
        "UK": "UK/GB-EAW",
    }
    assert {one for terms in TERMS.values() for one in terms.holiday_sets} == set(HolidaySet) == set(SET_WORDS)
    with pytest.raises(Misuse, match="US-FRB, US-FED"):
        calendar_of(ServiceZone.PT, HolidaySet.GB_EAW)
