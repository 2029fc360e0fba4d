"""What the contract says before anybody changes it: three zones, their windows, and which holiday sets fit (clause B3)."""

from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from homing.ground.errors import Misuse
from homing.hours.types import Calendar, HolidaySet, OpeningHours, ServiceZone, Window, Windows


class Terms(NamedTuple):
    """What the contract says of one zone.

    tz             IANA name; never a fixed offset
    holiday_sets   those an Order Form may name; the first is the default
    """

    words: str
    tz: str
    hours: OpeningHours
    holiday_sets: tuple[HolidaySet, ...]


def _monday_to_friday(opens_min: int, closes_min: int) -> OpeningHours:
    day: Windows = (Window(opens_min, closes_min),)
    return OpeningHours(weekly=(day,) * 5 + ((), ()), exceptions=MappingProxyType({}))


_US = (HolidaySet.US_FRB, HolidaySet.US_FED)
_UK = (HolidaySet.GB_EAW, HolidaySet.GB_SCT, HolidaySet.GB_NIR)
TERMS = MappingProxyType(
    {
        ServiceZone.ET: Terms("Eastern", "America/New_York", _monday_to_friday(9 * 60, 17 * 60), _US),
        ServiceZone.PT: Terms("Pacific", "America/Los_Angeles", _monday_to_friday(9 * 60, 17 * 60), _US),
        ServiceZone.UK: Terms("UK", "Europe/London", _monday_to_friday(8 * 60 + 30, 16 * 60 + 30), _UK),
    }
)
SET_WORDS = MappingProxyType(
    {
        HolidaySet.US_FRB: "Federal Reserve Banks",
        HolidaySet.US_FED: "US federal offices",
        HolidaySet.GB_EAW: "England and Wales",
        HolidaySet.GB_SCT: "Scotland",
        HolidaySet.GB_NIR: "Northern Ireland",
    }
)
# Rules and exceptional days are right for these years (holidays.py); no promise of ours is older.
FIRST_DAY = date(2023, 1, 1)
LAST_DAY = date(2099, 12, 31)


def calendar_of(zone: ServiceZone, holiday_set: HolidaySet | None = None) -> Calendar:
    """Return the calendar of the contract alone.

    holiday_set   None: the default of the zone
    raises        Misuse where the set does not belong to the zone's country
    """
    sets = TERMS[zone].holiday_sets
    chosen = sets[0] if holiday_set is None else holiday_set
    if chosen not in sets:
        raise Misuse(f"holiday set {chosen} does not fit zone {zone}; there are: {', '.join(sets)}")
    return Calendar(zone=zone, holiday_set=chosen)


@lru_cache(maxsize=8)
def zone_info(zone: ServiceZone) -> ZoneInfo:
    """Return the zone as this machine's time zone data has it.

    raises   Misuse where the machine has no such data
    """
    try:
        return ZoneInfo(TERMS[zone].tz)
    except (ZoneInfoNotFoundError, OSError) as trouble:
        raise Misuse(
            f"this machine has no time zone data for {TERMS[zone].tz}; install the package tzdata of the system or of Python"
        ) from trouble
