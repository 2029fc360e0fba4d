"""What names tell by themselves: roles, throw-away and free domains, and big providers that a domain nearly is."""

from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from homing.validation.rules.distance import slips

_SHORT = 9  # signs; many a living domain is one slip away from a provider with a shorter name (love.com, live.com)


class Names(msgspec.Struct, frozen=True):
    """The lists. big: the largest first."""

    roles: frozenset[str]
    disposable: frozenset[str]
    free: frozenset[str]
    big: tuple[str, ...]

    @classmethod
    @cache
    def from_package(cls) -> "Names":
        """Return the lists that come with homing."""
        return cls(
            frozenset(_lines("roles.txt")),
            frozenset(_lines("disposable.txt")),
            frozenset(_lines("free.txt")),
            tuple(_lines("big.txt")),
        )

    def is_role(self, local: str) -> bool:
        """Return whether a local part stands for a task; what follows a + is the person's own note."""
        return local.lower().partition("+")[0] in self.roles

    def is_disposable(self, domain: str) -> bool:
        """Return whether addresses of a domain, or of one above it, are thrown away."""
        return any(part in self.disposable for part in _and_above(domain))

    def is_free(self, domain: str) -> bool:
        """Return whether anybody gets a mailbox of this domain."""
        return domain in self.free

    def nearly(self, domain: str, *, alive: bool) -> str:
        """Return the big provider that a domain was probably meant to be; '' for none.

        alive   mail could be sent to the domain as it is: then one slip at most, and not from a short name
        """
        if domain in self.free or domain in self.big or len(domain) > 40:
            return ""
        found, least = "", 3
        for provider in self.big:
            short = len(provider) < _SHORT
            if short and alive:
                continue
            most = 1 if alive or short else 2
            distance = slips(domain, provider, most=most)
            if distance <= most and distance < least:
                found, least = provider, distance
        return found


def _and_above(domain: str) -> Iterable[str]:
    labels = domain.split(".")
    return (".".join(labels[place:]) for place in range(len(labels) - 1))


def _lines(file: str) -> list[str]:
    text = resources.files("homing.validation").joinpath("data", file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
