"""The resolver of delivery, for whoever only wants to know whether a domain takes mail."""

from homing.delivery.resolver import Resolver
from homing.delivery.rules.addresses import AddressPolicy
from homing.delivery.rules.site import Providers
from homing.delivery.sink import SUFFIX
from homing.delivery.types import Trouble
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.validation.types import DomainState

_STATES = {
    Trouble.NULL_MX: DomainState.NULL_MX,
    Trouble.NO_SUCH_DOMAIN: DomainState.NONE,
    Trouble.NO_HOSTS: DomainState.NONE,
    Trouble.CNAME_LOOP: DomainState.NONE,
    Trouble.FORBIDDEN_ADDRESS: DomainState.NONE,
}


def resolver_of(settings: Settings, clock: Clock) -> Resolver:
    """Return a resolver beside that of delivery: it knows no smarthost, and its many questions hold up no mail."""
    return Resolver(
        dns_server=settings.dns,
        smarthost=None,
        sinks=tuple(name for name in (SUFFIX, settings.sink_domain.lower()) if name),
        policy=AddressPolicy(port=settings.delivery_port, allow_private=settings.allow_private_mx),
        providers=Providers.from_package(),
        clock=clock,
    )


class DnsDomains:
    """Says what DNS has of a domain's mail."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def __call__(self, domain: str) -> DomainState:
        """Return what DNS says now, or said within the life of its records."""
        route = await self._resolver.route(domain)
        if route.trouble is not None:
            return _STATES.get(route.trouble, DomainState.UNKNOWN)
        hosts = route.site.hosts if route.site is not None else ()
        alone = len(hosts) == 1 and hosts[0].preference == 0 and hosts[0].name.lower() == domain
        return DomainState.ADDRESS if alone else DomainState.MX
