"""Times as people read them: always with the abbreviation of the zone and its distance from UTC (invariant 16)."""

from datetime import datetime, timedelta, tzinfo

from homing.hours.rules.contract import TERMS, zone_info
from homing.hours.types import ServiceZone


def local_time(moment: datetime, zone: tzinfo) -> str:
    """Return a moment as the zone's clocks show it: `Tue 2026-12-29 09:29 GMT (UTC+00:00)`."""
    there = moment.astimezone(zone)
    offset = there.utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    distance = f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    return f"{there:%a %Y-%m-%d %H:%M} {there:%Z} ({distance})"


def in_service_zone(moment: datetime, zone: ServiceZone) -> str:
    """Return a moment in a Service Time Zone."""
    return local_time(moment, zone_info(zone))


def hours_of(zone: ServiceZone) -> str:
    """Return when Business Hours of a zone run, in words: `08:30-16:30 UK time`."""
    terms = TERMS[zone]
    window = terms.hours.weekly[0][0]
    return f"{_reading(window.opens_min)}-{_reading(window.closes_min)} {terms.words} time"


def _reading(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
