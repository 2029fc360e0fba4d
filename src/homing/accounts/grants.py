"""The grants there are: what each allows, and who may hold it (SparkPost reference, section 1.3).

One departure, because homing has no console session yet: `api_keys/manage`, `grants/view` and `support/manage` can be held by
a key of the primary account, so that keys, cases and availability can be managed over REST. A key never gives
away more than it holds.
"""

import ipaddress
from collections.abc import Iterable, Sequence

import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ROLES = {"A": "admin", "D": "developer", "T": "templates", "R": "reporting", "S": "subaccount_reporting"}
_HIGHEST_SUBACCOUNT = 2**31 - 1


class Grant(msgspec.Struct, frozen=True, gc=False):
    """One grant.

    key          as it is written on the wire
    roles        console roles that hold it
    on_key       an API key may hold it
    subaccount   a subaccount's key may hold it
    """

    key: str
    label: str
    description: str
    roles: tuple[str, ...] = ()
    on_key: bool = True
    subaccount: bool = False


def _grant(key: str, label: str, description: str, roles: str = "", *, on_key: bool = True, sub: bool = False) -> Grant:
    return Grant(key, label, description, tuple(ROLES[letter] for letter in roles), on_key, sub)


GRANTS: tuple[Grant, ...] = (
    _grant("smtp/inject", "Send via SMTP", "Inject messages by SMTP.", sub=True),
    _grant("transmissions/view", "Transmissions: Read-only", "Look at transmissions.", "ADT", sub=True),
    _grant("transmissions/modify", "Transmissions: Read/Write", "Send and cancel transmissions.", "AD", sub=True),
    _grant("templates/view", "Templates: Read-only", "Look at templates.", "ADTRS", sub=True),
    _grant("templates/modify", "Templates: Read/Write", "Create, change and delete templates.", "ADT", sub=True),
    _grant("templates/preview", "Templates: Preview", "Render templates with test data.", "ADTRS", sub=True),
    _grant("recipient_lists/manage", "Recipient Lists: Read/Write", "Manage stored recipient lists.", "ADT"),
    _grant("suppression_lists/manage", "Suppression Lists: Read/Write", "Manage the suppression list.", "ADT", sub=True),
    _grant("sending_domains/view", "Sending Domains: Read-only", "Look at sending domains.", "TRS"),
    _grant("sending_domains/manage", "Sending Domains: Read/Write", "Manage and verify sending domains.", "AD", sub=True),
    _grant("tracking_domains/view", "Tracking Domains: Read-only", "Look at tracking domains.", "ADT", sub=True),
    _grant("tracking_domains/manage", "Tracking Domains: Read/Write", "Manage tracking domains.", "AD", sub=True),
    _grant("inbound_domains/manage", "Inbound Domains: Read/Write", "Manage domains that receive mail.", "A"),
    _grant("relay_webhooks/view", "Relay Webhooks: Read-only", "Look at relay webhooks.", "AD"),
    _grant("relay_webhooks/modify", "Relay Webhooks: Read/Write", "Manage relay webhooks.", "AD"),
    _grant("webhooks/view", "Event Webhooks: Read-only", "Look at event webhooks.", "AD", sub=True),
    _grant("webhooks/modify", "Event Webhooks: Read/Write", "Manage event webhooks.", "AD", sub=True),
    _grant("message_events/view", "Events Search: Read-only", "Search events.", "ADTRS", sub=True),
    _grant("metrics/view", "Metrics: Read-only", "Read metrics.", "ADTRS"),
    _grant("ip_pools/view", "IP Pools: Read-only", "Look at IP pools and sending IPs.", "ADTR"),
    _grant("ip_pools/manage", "IP Pools: Read/Write", "Manage IP pools and sending IPs.", "AD"),
    _grant("subaccount/view", "Subaccounts: Read-only", "Look at subaccounts.", "ADTRS"),
    _grant("subaccount/manage", "Subaccounts: Read/Write", "Manage subaccounts.", "AD"),
    _grant("account/view", "Account: Read-only", "Look at the account.", "DTRS"),
    _grant("account/manage", "Account: Manage", "Change the account.", "A"),
    _grant("account/read-write", "Account: Read/Write", "Older spelling of account/manage.", "A"),
    _grant("ab-testing/manage", "A/B Testing: Read/Write", "Manage A/B tests.", "ADT"),
    _grant("alerts/view", "Alerts: Read-only", "Look at alerts.", "DT"),
    _grant("alerts/manage", "Alerts: Read/Write", "Manage alerts.", "ADTR"),
    _grant("recipient-validation/preview", "Recipient Validation: Preview", "Preview recipient validation.", "A"),
    _grant("recipient-validation/manage", "Recipient Validation: Read/Write", "Validate recipients.", "A"),
    _grant("events/ingest", "Incoming Events: Write", "Hand in events of other platforms.", "A"),
    _grant("data-privacy/manage", "Data Privacy: Read/Write", "Hand in requests about personal data.", "A"),
    _grant("signals/view", "Signals: Read-only", "Look at signals.", "DTRS"),
    _grant("signals/manage", "Signals: Read/Write", "Manage signals.", "ADTRS"),
    _grant("inbox-placement/manage", "Inbox Placement: Read/Write", "Manage inbox placement tests.", "A"),
    _grant("usage/view", "Usage: Read-only", "Read usage.", "ADTR"),
    _grant("api_keys/manage", "API Keys: Read/Write", "Manage API keys.", "AD"),
    _grant("grants/view", "Grants: Read-only", "List the grants there are.", "ADTRS"),
    _grant("users/manage", "Users: Read/Write", "Manage console users.", "A", on_key=False),
    _grant("users/self-manage", "Users: Own profile", "Change one's own profile.", "ADTRS", on_key=False),
    _grant("users/token-manage", "Users: Tokens", "Manage tokens of users.", "A", on_key=False),
    _grant("billing/manage", "Billing: Read/Write", "Manage billing.", "A", on_key=False),
    _grant("support/view", "Support: Read-only", "Look at the contract, cases and availability.", "AD"),
    _grant("support/manage", "Support: Read/Write", "Open and follow support cases.", "AD"),
    _grant("messaging-tools/manage", "Messaging Tools: Read/Write", "Use the messaging tools.", "ADT", on_key=False),
    _grant("engagement-recency/manage", "Engagement Recency: Read/Write", "Use engagement recency.", "A", on_key=False),
    _grant("scim/manage", "SCIM: Read/Write", "Provision users; a dedicated token holds it.", on_key=False),
)

KEY_GRANTS = frozenset(grant.key for grant in GRANTS if grant.on_key)
SUBACCOUNT_KEY_GRANTS = frozenset(grant.key for grant in GRANTS if grant.subaccount)
TRUSTED_NETWORK_GRANTS = frozenset({"smtp/inject"})


def check_grants(wanted: Iterable[str], *, subaccount_id: int, held: frozenset[str] | None = None) -> list[str]:
    """Return the wanted grants that a key cannot be given, in the order asked for; none means all is well.

    held   what the giver holds: nobody gives away more; None for an operator at the command line
    """
    allowed = SUBACCOUNT_KEY_GRANTS if subaccount_id else KEY_GRANTS
    return [grant for grant in wanted if grant not in allowed or (held is not None and grant not in held)]


def read_masks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read CIDR masks (a bare address is a network of one).

    raises   ValueError naming the first text that is none
    """
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def within(ip: str, networks: Sequence[Network]) -> bool:
    """Return whether an address lies in one of the networks; an IPv4 address inside IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


def read_subaccount(text: str) -> int | None:
    """Read X-MSYS-SUBACCOUNT; None where it is no number from 0 to 2147483647 (wire numbers are signed 32-bit)."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= _HIGHEST_SUBACCOUNT else None
