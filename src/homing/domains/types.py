"""A customer's domains, and the keys that sign for them."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

DEFAULT_KEY = "default"


class SigningKey:
    """A key that is ready to sign: opened once, kept in memory only.

    algorithm   "rsa" or "ed25519", as in the a= tag before the hash
    """

    __slots__ = ("algorithm", "domain", "private", "selector")

    def __init__(self, *, domain: str, selector: str, private: RSAPrivateKey | Ed25519PrivateKey) -> None:
        self.domain = domain
        self.selector = selector
        self.private = private
        self.algorithm = "rsa" if isinstance(private, RSAPrivateKey) else "ed25519"

    def __repr__(self) -> str:
        return f"SigningKey({self.selector}._domainkey.{self.domain}, {self.algorithm})"  # never the key itself


class SealedKey(NamedTuple):
    """A key that signs, under the master key, and who may use it: the subaccount of its domain, or all of them."""

    selector: str
    signing_domain: str
    private_sealed: bytes
    subaccount_id: int
    shared: bool


class DomainFacts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What admission must know of a domain that a customer names.

    usable_in_from         ownership is verified (or an operator vouched for it) and compliance is valid
    usable_as_return_path  its bounce CNAME or MX is verified
    """

    domain: str
    account_id: int
    subaccount_id: int
    shared: bool
    usable_in_from: bool
    usable_as_return_path: bool
    is_default_bounce: bool = False


class Verdict(StrEnum):
    """What is known of one way to verify a domain."""

    UNVERIFIED = "unverified"
    PENDING = "pending"
    INVALID = "invalid"
    VALID = "valid"


class DomainStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The `status` of a sending domain, named as on the wire; `compliance_status` is valid or blocked.

    verification_mailbox   local part of the mailbox that was asked for its word; '': none was
    """

    dkim_status: str = Verdict.UNVERIFIED.value
    cname_status: str = Verdict.UNVERIFIED.value
    mx_status: str = Verdict.UNVERIFIED.value
    spf_status: str = Verdict.UNVERIFIED.value
    abuse_at_status: str = Verdict.UNVERIFIED.value
    postmaster_at_status: str = Verdict.UNVERIFIED.value
    verification_mailbox_status: str = Verdict.UNVERIFIED.value
    compliance_status: str = "valid"
    verification_mailbox: str = ""


class DkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """The public side of a key.

    key_id      'default', or the customer's name for it
    public_key  bare base64, as in the p= tag
    failures    looks into DNS in a row, of our own accord, that found its record gone
    """

    domain: str
    key_id: str
    algorithm: str
    selector: str
    signing_domain: str
    public_key: str
    key_bits: int
    status: str
    failures: int = 0
    created_at: datetime
    updated_at: datetime


class KeyStanding(StrEnum):
    """Whether a key can be chosen to sign."""

    ABSENT = "absent"
    UNVERIFIED = "unverified"
    USABLE = "usable"


class NewDkimKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be kept; `private_sealed` is PKCS#8 DER under the master key."""

    key_id: str = DEFAULT_KEY
    algorithm: str
    selector: str
    signing_domain: str
    private_sealed: bytes
    public_key: str
    key_bits: int
    status: str = Verdict.UNVERIFIED.value

    def __repr__(self) -> str:
        return f"NewDkimKey({self.selector}._domainkey.{self.signing_domain}, {self.algorithm})"


class SendingDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain as it is kept.

    trusted       an operator vouched for it (homing domain add --trust): usable in From without DNS
    default_key   id of the key that signs where a message names none
    verify_by     until when it must be proved, or it is removed; None once it was
    checked_at    when DNS was last asked of our own accord
    cname_failures, mx_failures   such looks in a row that found the record gone
    """

    domain: str
    account_id: int
    subaccount_id: int
    shared: bool
    is_default_bounce: bool
    tracking_domain: str | None
    status: DomainStatus
    trusted: bool
    default_key: str = DEFAULT_KEY
    verify_by: datetime | None = None
    checked_at: datetime | None = None
    cname_failures: int = 0
    mx_failures: int = 0
    created_at: datetime
    updated_at: datetime


class TrackingDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A host of a customer's own for tracked links, as it is kept.

    secure       its addresses begin with https; who ends TLS is the operator's affair
    is_default   of its subaccount (0: of the primary account, and of subaccounts that have none)
    """

    domain: str
    account_id: int
    subaccount_id: int
    secure: bool = False
    is_default: bool = False
    cname_status: str = Verdict.UNVERIFIED.value
    compliance_status: str = "valid"
    checked_at: datetime | None = None
    failures: int = 0
    created_at: datetime
    updated_at: datetime

    @property
    def is_usable(self) -> bool:
        """Return whether tracked addresses may lead there."""
        return self.cname_status == Verdict.VALID and self.compliance_status == "valid"


class Conflict(StrEnum):
    """Why a domain or key cannot be added, verified or changed."""

    OTHER_ACCOUNT = "other_account"  # it, its parent or a subdomain belongs to another account
    ALREADY_YOURS = "already_yours"
    FULL = "full"  # there are as many as there may be
    SELECTOR = "selector"  # another key's record stands in that place
    UNVERIFIED = "unverified"  # the key was not seen in DNS
