"""Which host a message's tracked addresses lead to, and which hosts are ours to answer for (reference, section 2.10)."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from homing.domains.types import TrackingDomain

_USUAL = {"http": 80, "https": 443}


def choose(candidates: Sequence[TrackingDomain], *, subaccount_id: int, named: str, linked: str) -> TrackingDomain | None:
    """Return the tracking domain of a message; None: the installation's own addresses.

    candidates   of the account; those that are not verified, or blocked, count for nothing
    named        by the transmission; ''
    linked       to the sending domain; ''
    """
    usable = [one for one in candidates if one.is_usable]
    for name in (named, linked):
        for one in usable:
            if name and one.domain == name:
                return one
    for owner in (subaccount_id, 0):
        for one in usable:
            if one.is_default and one.subaccount_id == owner:
                return one
    return None


def port_of(*, secure: bool, own_base: str) -> int:
    """Return the port that a tracking domain's addresses lead to: the usual one of its scheme.

    Where the installation's own addresses have that scheme and a port of their own, the domain's have it too: the CNAME leads
    to the same machine.
    """
    scheme = "https" if secure else "http"
    own = urlsplit(own_base)
    return own.port or _USUAL[scheme] if own.scheme == scheme else _USUAL[scheme]


def base_of(domain: TrackingDomain, *, own_base: str) -> str:
    """Return what addresses of a tracking domain begin with."""
    scheme = "https" if domain.secure else "http"
    port = port_of(secure=domain.secure, own_base=own_base)
    return f"{scheme}://{domain.domain}" + ("" if port == _USUAL[scheme] else f":{port}")


def host_of(authority: str) -> str:
    """Return the host of a Host header, lower case, without port and final dot; '' where it is none."""
    text = authority.strip().lower()
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        port = port.removeprefix(":") if closed else "-"
    else:
        host, _, port = text.partition(":")
    if port and not (port.isascii() and port.isdigit()):
        return ""
    host = host.removesuffix(".")
    return host if len(host) <= 253 and host.isascii() and all(sign.isalnum() or sign in ".-:_" for sign in host) else ""
