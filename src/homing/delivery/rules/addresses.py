"""Where mail must not go: an MX that points at private addresses, at this machine, or back to our own door.

Anybody can publish an MX that points into our own network; following it would make us a probe for strangers.
"""

import ipaddress
from collections.abc import Container, Iterable

import msgspec

from homing.ground.addresses import IPAddress, embedded, why_no_host, why_private
from homing.ground.config import HostPort

_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104  compared with, not listened on
_LOCALHOST = ("127.0.0.1", "::1")


class AddressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What this installation may deliver to.

    port            the port of MX hosts, to know our own listeners by
    allow_private   loopback and private addresses too (tests and demo)
    listeners       our own SMTP doors; a wildcard stands for localhost and every address in `own`
    own             addresses of this machine, as far as known (source IPs, those of customers too)
    """

    port: int = 25
    allow_private: bool = False
    listeners: tuple[HostPort, ...] = ()
    own: Container[str] = frozenset()


def why_forbidden(address: str, policy: AddressPolicy) -> str:
    """Return why mail must not go to an address, or '' where it may.

    raises   ValueError if it is no IP address
    """
    inner = embedded(ipaddress.ip_address(address))
    reason = why_no_host(inner)
    if not reason and _is_own_listener(inner, policy):
        reason = "it is our own SMTP listener"
    return reason or ("" if policy.allow_private else why_private(inner))


def reachable_from(addresses: Iterable[str], source_ip: str | None, *, ipv6: bool) -> tuple[str, ...]:
    """Return the addresses that can be reached from a source: its own family, or what the machine has.

    ipv6   the machine has a route for IPv6; counts where no source is given
    """
    if source_ip is not None:
        six = ":" in source_ip
        return tuple(address for address in addresses if (":" in address) == six)
    return tuple(address for address in addresses if ipv6 or ":" not in address)


def _is_own_listener(address: IPAddress, policy: AddressPolicy) -> bool:
    for listener in policy.listeners:
        if listener.port != policy.port:
            continue
        if listener.host in _WILDCARDS:
            if str(address) in policy.own or str(address) in _LOCALHOST:
                return True
        elif str(address) == listener.host or (listener.host == "localhost" and str(address) in _LOCALHOST):
            return True
    return False
