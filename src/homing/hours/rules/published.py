"""The UK government's own list of bank holidays, https://www.gov.uk/bank-holidays.json, and where it differs from ours."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import msgspec

from homing.hours.rules.contract import FIRST_DAY, LAST_DAY
from homing.hours.rules.days import observed
from homing.hours.types import Calendar, HolidaySet

SOURCE = "https://www.gov.uk/bank-holidays.json"
_DIVISIONS = MappingProxyType(
    {
        "england-and-wales": HolidaySet.GB_EAW,
        "scotland": HolidaySet.GB_SCT,
        "northern-ireland": HolidaySet.GB_NIR,
    }
)
Published = Mapping[date, str]  # names by date


class _Event(msgspec.Struct):
    title: str
    date: date


class _Division(msgspec.Struct):
    events: list[_Event]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which the published list and ours disagree.

    active   True: it is a holiday and we do not know it; False: we take it for one and it is none
    """

    holiday_set: HolidaySet
    day: date
    name: str
    active: bool


def read_published(data: bytes) -> dict[HolidaySet, Published]:
    """Return what is published, by set.

    raises   ValueError where the data is no such list
    """
    try:
        found = msgspec.json.decode(data, type=dict[str, _Division])
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        raise ValueError(f"this is not the list that {SOURCE} holds: {trouble}") from None
    unknown = sorted(set(found) - set(_DIVISIONS))
    if unknown or not any(one.events for one in found.values()):
        raise ValueError(
            f"this is not the list that {SOURCE} holds: " + (f"division {unknown[0]!r}" if unknown else "it is empty")
        )
    published: dict[HolidaySet, Published] = {
        _DIVISIONS[name]: {one.date: one.title for one in division.events} for name, division in found.items()
    }
    if any(not FIRST_DAY.year - 10 <= day.year <= LAST_DAY.year for days in published.values() for day in days):
        raise ValueError(f"this is not the list that {SOURCE} holds: its years cannot be")
    return published


def differences(calendar: Calendar, published: Published, *, today: date) -> list[Difference]:
    """Return where a calendar disagrees with the published list, from today to the last year that the list has whole."""
    if not published:
        return []
    last = max(published).year
    known = {day: one.name for year in range(today.year, last + 1) for day, one in observed(calendar, year).items()}
    missing = [(day, name, True) for day, name in published.items() if day not in known]
    extra = [(day, name, False) for day, name in known.items() if day not in published]
    return [
        Difference(holiday_set=calendar.holiday_set, day=day, name=name, active=active)
        for day, name, active in sorted(missing + extra)
        if day >= today
    ]
