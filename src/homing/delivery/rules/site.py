"""Where a domain's mail goes, seen from the receiver's side: the site, and the mailbox provider behind it."""

from collections.abc import Callable, Sequence
from importlib import resources

import msgspec

from homing.delivery.types import Host, Site


class Provider(msgspec.Struct, frozen=True, gc=False):
    """A mailbox provider or gateway. name and region are what events show; tier 1 is the largest."""

    id: str
    name: str
    region: str
    kind: str
    tier: int
    mx_suffixes: tuple[str, ...]


class _ProviderFile(msgspec.Struct, frozen=True):
    providers: list[Provider]


class Providers:
    """The known mailbox providers, found by MX host name. Made once by boot."""

    def __init__(self, document: bytes) -> None:
        """Read a provider file (data/mailbox_providers.json).

        raises   msgspec.ValidationError if it is wrong
        """
        self.all = tuple(msgspec.json.decode(document, type=_ProviderFile).providers)
        self._by_suffix = {suffix: provider for provider in self.all for suffix in provider.mx_suffixes}

    @classmethod
    def from_package(cls) -> "Providers":
        """Read the providers that come with homing."""
        return cls(resources.files("homing.delivery").joinpath("data/mailbox_providers.json").read_bytes())

    def of_host(self, name: str) -> Provider | None:
        """Return the provider of one MX host: the longest suffix at a label boundary wins."""
        rest = name.rstrip(".").lower()
        while rest:
            if (provider := self._by_suffix.get(rest)) is not None:
                return provider
            rest = rest.partition(".")[2]
        return None

    def of_hosts(self, names: Sequence[str]) -> Provider | None:
        """Return the provider that every one of these hosts belongs to; a backup MX elsewhere makes it None."""
        found = {self.of_host(name) for name in names}
        return found.pop() if len(found) == 1 else None


def site_of(hosts: Sequence[Host], providers: Providers) -> Site:
    """Return the site of these MX hosts, given in the order to try.

    Two domains with the same set of hosts are one site, whatever their preferences: the receiver is the same.
    """
    names = sorted({host.name for host in hosts})
    provider = providers.of_hosts(names)
    return Site(
        key=",".join(names),
        hosts=tuple(hosts),
        provider=provider.name if provider else "",
        region=provider.region if provider else "",
    )


def in_order(hosts: Sequence[Host], shuffle: Callable[[list[Host]], None]) -> list[Host]:
    """Return hosts by preference, lowest first, equals in random order (RFC 5321 section 5.1).

    shuffle   reorders a list in place: random.Random.shuffle
    """
    mixed = list(hosts)
    shuffle(mixed)
    return sorted(mixed, key=lambda host: host.preference)
