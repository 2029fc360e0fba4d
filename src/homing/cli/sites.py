"""Which site and mailbox provider a recipient domain belongs to: what the workers know, else the DNS."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from homing.cli import control
from homing.delivery.resolver import Resolver
from homing.delivery.rules.addresses import AddressPolicy
from homing.delivery.rules.site import Providers
from homing.ground.config import Settings

LOOKUPS_AT_MOST = 200
NO_SITE = "(no site: {})"
NOT_LOOKED_UP = "(not looked up)"


class Place(NamedTuple):
    """Where a domain's mail goes; site may say in brackets why there is none."""

    site: str
    provider: str = ""


async def book(chosen: Settings, domains: Sequence[str], live: dict[str, Any] | None) -> dict[str, Place]:
    """Return the place of each domain; at most LOOKUPS_AT_MOST of them are asked of the DNS."""
    found: dict[str, Place] = {}
    for site in control.sites_of(live):
        for domain in site.get("domains") or ():
            found[str(domain)] = Place(str(site.get("site", "")), str(site.get("provider") or ""))
    unknown = [domain for domain in domains if domain not in found]
    resolver = Resolver(
        dns_server=chosen.dns,
        smarthost=chosen.smarthost,
        policy=AddressPolicy(port=chosen.delivery_port, allow_private=True),  # only named here, never connected to
        providers=Providers.from_package(),
        timeout_s=3.0,
    )
    try:
        asked = unknown[:LOOKUPS_AT_MOST]
        for domain, route in zip(asked, await asyncio.gather(*map(resolver.route, asked)), strict=True):
            found[domain] = (
                Place(route.site.key, route.site.provider)
                if route.site is not None
                else Place(NO_SITE.format(route.note or route.trouble or "unknown"))
            )
    finally:
        await resolver.close()
    return {domain: found.get(domain, Place(NOT_LOOKED_UP)) for domain in domains}
