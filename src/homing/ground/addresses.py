"""Which IP addresses are out in the world, and which are our own network or nobody's."""

import ipaddress

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def embedded(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside an IPv6 one that only carries it (mapped, 6to4, NAT64): that is where it leads."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def why_no_host(address: IPAddress) -> str:
    """Return why there cannot be a host at an address, or ''."""
    if address.is_unspecified:
        return "it is no address of a host"
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        return "it is a multicast or broadcast address"
    return ""


def why_private(address: IPAddress) -> str:
    """Return why an address (of which `embedded` was taken) is not out in the world, or ''."""
    if address.is_loopback:
        return "it is a loopback address"
    if address.is_link_local:
        return "it is a link-local address"
    if not address.is_global or address.is_reserved or (address.version == 6 and address.is_site_local):
        return "it is a private or reserved address"
    return ""
