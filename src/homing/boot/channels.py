"""The ways to people who are woken, as the settings have them."""

from homing.ground.config import Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.support.line.away import AwayCalls
from homing.support.line.page_calls import PageCalls
from homing.support.oncall.channels import Channels, Relay


def relay_of(settings: Settings) -> Relay | None:
    """Return the mail server that pages leave by."""
    if settings.oncall_smtp is None:
        return None
    return Relay(
        where=settings.oncall_smtp,
        sender=settings.oncall_smtp_from,
        security=settings.oncall_smtp_security,
        user=settings.oncall_smtp_user,
        password=settings.oncall_smtp_password,
    )


def channels_of(settings: Settings, master_key: MasterKey, phones: PageCalls | AwayCalls | None) -> Channels:
    """Return the ways to people of this installation. phones: None where there is no carrier."""
    policy = TargetPolicy(allow_private=settings.allow_private_targets, ports=settings.target_ports)
    return Channels(
        master_key,
        OutboundHttp.over(policy, settings.dns),
        relay=relay_of(settings),
        dial=None if phones is None else phones.dial,
        text=None if phones is None else phones.text,
    )
