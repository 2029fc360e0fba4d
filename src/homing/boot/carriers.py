"""Carriers, as the settings have them. Apart from the line itself: commands and the supervisor need no door of the API."""

from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.support.line.carriers import read_settings
from homing.support.line.types import LineSettings


def line_settings(settings: Settings) -> LineSettings:
    """Read what the line needs to know.

    raises   Misuse
    """
    if settings.sev1_carriers is None:
        return LineSettings()
    return read_settings(settings.sev1_carriers, allow_plain=settings.allow_private_targets)


def line_base(settings: Settings) -> str:
    """Return what the addresses begin with that carriers ask."""
    return settings.sev1_url.rstrip("/") or f"https://{settings.hostname}"


def outbound(settings: Settings) -> OutboundHttp:
    """Return what carriers are asked with."""
    policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=tuple(sorted({443, *settings.target_ports})))
    return OutboundHttp.over(policy, settings.dns)
