"""Bank holidays that no rule foresees, proclaimed for one year, with their sources.

The list is closed: a day that is proclaimed after a release is recorded by each installation (`homing hours holiday`,
`homing hours import`), so that time that was already measured stays as it was measured.
"""

from datetime import date
from typing import NamedTuple

from homing.hours.types import HolidaySet


class Exceptional(NamedTuple):
    """One day, for one or more sets."""

    day: date
    name: str
    sets: tuple[HolidaySet, ...]
    source: str


_ALL_UK = (HolidaySet.GB_EAW, HolidaySet.GB_SCT, HolidaySet.GB_NIR)
EXCEPTIONAL = (
    Exceptional(
        date(2023, 5, 8),
        "Coronation of King Charles III",
        _ALL_UK,
        "https://www.gov.uk/government/news/bank-holiday-proclaimed-in-honour-of-the-coronation-of-his-majesty-king-charles-iii",
    ),
    Exceptional(
        date(2026, 6, 15),
        "World Cup Bank Holiday",
        (HolidaySet.GB_SCT,),
        "Royal Proclamation, announced on 4 February 2026, under section 1(3) of the Banking and Financial Dealings Act 1971; "
        "https://www.gov.uk/bank-holidays (Scotland)",
    ),
)
