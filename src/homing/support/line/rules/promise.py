"""When somebody calls back, in words: UTC, and the local time of the caller's Service Time Zone (invariant 16)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from homing.hours.types import ServiceZone
from homing.support.line.rules.numbers import spoken

_SPOKEN = {ServiceZone.ET: "Eastern", ServiceZone.PT: "Pacific", ServiceZone.UK: "United Kingdom time"}
_IANA = {ServiceZone.ET: "America/New_York", ServiceZone.PT: "America/Los_Angeles", ServiceZone.UK: "Europe/London"}


def promise(due_at: datetime, *, number: str, zone: ServiceZone | None) -> str:
    """Return the sentence. number: that we call; '': it is not known."""
    who = f"A representative calls {spoken(number)}" if number else "A representative gets in touch with you"
    local = "" if zone is None else f", that is {due_at.astimezone(ZoneInfo(_IANA[zone])):%H:%M} {_SPOKEN[zone]}"
    return f"{who} before {due_at:%H:%M} UTC{local}."


def shown(moment: datetime, zone: ServiceZone | None) -> str:
    """Return a moment as people read it: with the zone's abbreviation and its distance from UTC."""
    if zone is None:
        return f"{moment:%Y-%m-%d %H:%M} UTC (+00:00)"
    local = moment.astimezone(ZoneInfo(_IANA[zone]))
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M %Z} ({offset[:3]}:{offset[3:]})"
