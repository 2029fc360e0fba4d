"""Sending domains on the wire: bodies in, objects out. Nothing is looked up here. Source: SparkPost reference, section 2.7."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from homing.domains.keys import DEFAULT_BITS, LONGEST_BITS, SHORTEST_BITS
from homing.domains.rules.names import BadName, NameTrouble, a_labels, domain_name, is_selector, parents
from homing.domains.rules.status import is_owned
from homing.domains.rules.verify import record_name, record_value
from homing.domains.types import Conflict, DkimKey, DomainStatus, SendingDomain
from homing.ingress.rules.problem import Problem, Wrong, bad_combination, bad_params, bad_type, missing

HEADERS = "from:to:subject:date"
_STATUSES = (
    "dkim_status",
    "cname_status",
    "mx_status",
    "spf_status",
    "abuse_at_status",
    "postmaster_at_status",
    "verification_mailbox_status",
    "compliance_status",
)


class DkimIn(msgspec.Struct, kw_only=True):
    """A key pair of the customer's own: private, public and selector together, bare base64; `headers` is ignored."""

    private: str | None = None
    public: str | None = None
    selector: str | None = None
    signing_domain: str | None = None
    headers: str | None = None


class CreateIn(msgspec.Struct, kw_only=True):
    """A domain to add; `null` means absent.

    dkim_key_length   1024 to 4096 bits, 2048 by default
    """

    domain: str | None = None
    tracking_domain: str | None = None
    generate_dkim: bool | None = None
    dkim_key_length: int | None = None
    dkim: DkimIn | None = None
    shared_with_subaccounts: bool | None = None


class UpdateIn(msgspec.Struct, kw_only=True):
    """What to change; what is absent stays. `tracking_domain: ""` unlinks, `dkim.signing_domain: ""` clears."""

    tracking_domain: str | None = None
    dkim: DkimIn | None = None
    shared_with_subaccounts: bool | None = None
    is_default_bounce_domain: bool | None = None


class VerifyIn(msgspec.Struct, kw_only=True):
    """What to look at, which mailboxes to ask, and what tokens they were sent. `mx_verify` is ours: the MX of a bounce domain."""

    dkim_verify: bool | None = None
    cname_verify: bool | None = None
    mx_verify: bool | None = None
    spf_verify: bool | None = None
    verification_mailbox_verify: bool | None = None
    verification_mailbox: str | None = None
    verification_mailbox_token: str | None = None
    postmaster_at_verify: bool | None = None
    postmaster_at_token: str | None = None
    abuse_at_verify: bool | None = None
    abuse_at_token: str | None = None


def read_name(text: str | None) -> str:
    """Return the domain to add as we keep it.

    raises   Wrong: 1400 absent, 1300 no domain name, 7000 restricted
    """
    if text is None:
        raise Wrong(missing("domain is a required field"))
    name = domain_name(text)
    if isinstance(name, BadName):
        if name.trouble is NameTrouble.RESTRICTED:
            raise Wrong(Problem(400, "Restricted domain", name.text, "7000"))
        raise Wrong(bad_type(name.text))
    return name


def known_name(text: str) -> str:
    """Return how a domain named in a path would be kept; what cannot be one is looked for as it stands, and not found."""
    return a_labels(text[:1024]) or ""


def read_key_length(given: CreateIn) -> int | None:
    """Return the bits of the RSA key to make, None: make no keys. Raises Wrong."""
    bits = given.dkim_key_length
    if bits is not None and not SHORTEST_BITS <= bits <= LONGEST_BITS:
        raise Wrong(bad_type(f"dkim_key_length must be from {SHORTEST_BITS} to {LONGEST_BITS}"))
    if given.generate_dkim is False:
        if bits is not None:
            raise Wrong(bad_combination("dkim_key_length goes only with generate_dkim"))
        return None
    return bits or DEFAULT_BITS


def read_own_key(dkim: DkimIn | None) -> tuple[str, str, str] | None:
    """Return (private, public, selector) of a customer's key, None where none was given.

    raises   Wrong unless all three or none are there
    """
    if dkim is None:
        return None
    parts = {"private": dkim.private, "public": dkim.public, "selector": dkim.selector}
    absent = [name for name, part in parts.items() if not part]
    if len(absent) == len(parts):
        return None
    if absent:
        raise Wrong(missing(f"dkim.{absent[0]} is a required field"))
    if not is_selector(dkim.selector or ""):
        raise Wrong(bad_type("dkim.selector must be a DNS name of letters, digits and '-'"))
    return dkim.private or "", dkim.public or "", (dkim.selector or "").lower()


def read_signing_domain(dkim: DkimIn | None, domain: str) -> str | None:
    """Return the domain that keys sign under, None where nothing is said of it; '' clears, back to the domain itself.

    Only a domain above can sign for a domain: a record under any other name would not prove who owns this one, and would
    not align for DMARC (RFC 7489 section 3.1.1).

    raises   Wrong
    """
    if dkim is None or dkim.signing_domain is None:
        return None
    if dkim.signing_domain == "":
        return domain
    name = domain_name(dkim.signing_domain)
    if isinstance(name, BadName):
        raise Wrong(bad_type(name.text))
    if name not in (domain, *parents(domain)):
        raise Wrong(bad_params(f"dkim.signing_domain must be '{domain}' or a domain above it"))
    return name


def check_shared(shared: bool | None, *, subaccount_id: int) -> None:
    """Refuse to share what is a subaccount's own. Raises Wrong."""
    if shared and subaccount_id:
        raise Wrong(bad_params("only domains of the primary account can be shared with subaccounts"))


def conflict(name: str, found: Conflict) -> Problem:
    """Return the error of a name that is taken."""
    if found is Conflict.ALREADY_YOURS:
        return Problem(409, "resource conflict", f"resource '{name}' already exists", "1602")
    return Problem(400, "Domain in use by another account", f"Domain '{name}' is in use by another account", "7004")


def not_found(name: str) -> Problem:
    """Return the error of a domain that this account does not have."""
    return Problem(404, "resource not found", f"Domain '{name[:253]}' does not exist", "1600")


def show_status(status: DomainStatus, *, trusted: bool) -> dict[str, Any]:
    """Return the `status` members."""
    shown = {
        "ownership_verified": is_owned(status, trusted=trusted),
        **{name: getattr(status, name) for name in _STATUSES},
    }
    return shown | ({"verification_mailbox": status.verification_mailbox} if status.verification_mailbox else {})


def show_dkim(keys: Sequence[DkimKey], *, default_key: str) -> dict[str, Any] | None:
    """Return the `dkim` member: the default RSA key as everybody knows it, our Ed25519 key beside it; None: no keys."""
    shown: dict[str, Any] = {}
    for key in keys:
        if key.key_id != default_key:
            continue
        public = {
            "headers": HEADERS,
            "public": key.public_key,
            "selector": key.selector,
            "signing_domain": key.signing_domain,
        }
        shown |= public if key.algorithm == "rsa" else {key.algorithm: public | {"dkim_status": key.status}}
    return shown or None


def show_records(keys: Sequence[DkimKey], *, default_key: str) -> list[dict[str, str]]:
    """Return the DNS records to publish, ready to paste: ours, beside the reference's members."""
    return [
        {
            "type": "TXT",
            "name": record_name(key.selector, key.signing_domain),
            "value": record_value(key.public_key, algorithm=key.algorithm),
        }
        for key in keys
        if key.key_id == default_key
    ]


def show(domain: SendingDomain) -> dict[str, Any]:
    """Return a domain as a list shows it, without its name and keys."""
    shown: dict[str, Any] = {
        "status": show_status(domain.status, trusted=domain.trusted),
        "is_default_bounce_domain": domain.is_default_bounce,
        "creation_time": _moment(domain.created_at),
    }
    if domain.tracking_domain:
        shown["tracking_domain"] = domain.tracking_domain
    if domain.subaccount_id:
        shown["subaccount_id"] = domain.subaccount_id
    else:
        shown["shared_with_subaccounts"] = domain.shared
    return shown


def matches(domain: SendingDomain, query: Mapping[str, str]) -> bool:
    """Return whether a domain passes the filters of a list. Raises Wrong where a flag is neither true nor false."""
    status = show_status(domain.status, trusted=domain.trusted)
    flags = {
        "ownership_verified": status["ownership_verified"],
        "is_default_bounce_domain": domain.is_default_bounce,
    }
    for name, value in flags.items():
        if query.get(name) and _flag(query[name], name) is not value:
            return False
    return all(not query.get(name) or query[name] == status[name] for name in _STATUSES)


def check_filters(query: Mapping[str, str]) -> None:
    """Refuse filters of another form, whether or not there is a domain to compare. Raises Wrong."""
    for name in ("ownership_verified", "is_default_bounce_domain"):
        if query.get(name):
            _flag(query[name], name)
    for name in _STATUSES:
        allowed = (
            ("valid", "blocked", "pending") if name == "compliance_status" else ("unverified", "pending", "invalid", "valid")
        )
        if query.get(name) and query[name] not in allowed:
            raise Wrong(bad_params(f"{name} must be one of: {', '.join(allowed)}"))


def _flag(text: str, name: str) -> bool:
    if text not in ("true", "false"):
        raise Wrong(bad_params(f"{name} must be true or false"))
    return text == "true"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")
