"""Where a mail at the MX door goes: decided by its recipient alone, before a single octet of the message is taken."""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from homing.message import keepsake, unsubscribe, verp

_FEEDBACK = frozenset({"fbl", "feedback"})
_PEOPLE = frozenset({"postmaster", "abuse"})  # RFC 5321 section 4.5.1, RFC 2142


class Desk(StrEnum):
    """Who reads a mail."""

    RETURNS = "returns"  # a return path of ours: bounces, auto-replies
    FEEDBACK = "feedback"  # fbl@: complaints
    UNSUBSCRIBE = "unsubscribe"
    POSTMASTER = "postmaster"  # for the people who run this installation
    RELAY = "relay"  # a customer's inbound domain
    SUPPORT = "support"  # cases: whoever reads them knows what stands after the plus


class Destination(msgspec.Struct, frozen=True, gc=False):
    """Where a mail goes; message_id where its address names one of ours and is signed.

    tag   of support mail: what stands after the plus
    """

    desk: Desk
    address: str
    message_id: bytes | None = None
    tag: str = ""


class Tokens(msgspec.Struct, frozen=True):
    """The keyed digests that prove that an address or field is our own, and the box of keepsakes, which proves it too."""

    verp: Callable[[bytes], bytes]
    unsubscribe: Callable[[bytes], bytes]
    msfbl: Callable[[bytes], bytes]
    keepsakes: keepsake.Box


def own_destination(
    email: str, domain: str, *, own_domains: frozenset[str], tokens: Tokens, support: str = ""
) -> Destination | None:
    """Return who reads mail for an address of ours; None: it is no address of ours.

    support      the support address, lower case; '': there is none

    email        as given; domain: its domain, lower case
    own_domains  bounce domain and host name, lower case. A signed address is ours under any domain: customers have bounce
                 domains of their own
    """
    tag = _support_tag(email, domain, support)
    if tag is not None:
        return Destination(Desk.SUPPORT, email, tag=tag)
    message_id = verp.parse(email, tokens.verp)
    if message_id is not None:
        return Destination(Desk.RETURNS, email, message_id)
    message_id = unsubscribe.parse(email.rpartition("@")[0], tokens.unsubscribe)
    if message_id is not None:
        return Destination(Desk.UNSUBSCRIBE, email, message_id)
    if domain not in own_domains:
        return None
    local = email.rpartition("@")[0].lower()
    if local in _FEEDBACK:
        return Destination(Desk.FEEDBACK, email)
    if local == "unsubscribe":
        return Destination(Desk.UNSUBSCRIBE, email)
    return Destination(Desk.POSTMASTER, email) if local in _PEOPLE else None


def _support_tag(email: str, domain: str, support: str) -> str | None:
    """Return what stands after the plus of a support address, '' for the address itself; None: it is none."""
    local, _, own_domain = support.rpartition("@")
    if not support or domain != own_domain:
        return None
    name, plus, tag = email.rpartition("@")[0].partition("+")
    return (tag if plus else "") if name.lower() == local else None
