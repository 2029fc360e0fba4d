"""Who is asking, and what they may do."""

from datetime import datetime
from enum import StrEnum

import msgspec

DEFAULT_ACCOUNT = "default"  # the account of a new installation
SANDBOX_MESSAGES = 5  # that an account may send from the sandbox, ever; SparkPost reference, section 1.11


class Sender(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An authenticated caller: an API key, or a trusted network's account.

    subaccount_id   0 for the primary account; a subaccount key is pinned to its own
    key_id          0 where no key was used
    """

    account_id: int
    subaccount_id: int = 0
    key_id: int = 0
    grants: frozenset[str] = frozenset()
    acts_for_all: bool = False  # a primary key without X-MSYS-SUBACCOUNT: reads see primary and all subaccounts
    pinned: bool = False  # a subaccount's own key: the header cannot move it
    suspended: bool = False  # it may read what it may read, but not send or change anything

    def may(self, grant: str) -> bool:
        """Return whether a grant is held; `.../manage` and `.../modify` are not implied by name."""
        return grant in self.grants

    @property
    def scope(self) -> int | None:
        """Return the subaccount whose things a read shows; None: primary and all subaccounts."""
        return None if self.acts_for_all else self.subaccount_id


class AccountOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an account has as its defaults, named as on the wire (SparkPost reference, section 2.25).

    smtp_tracking_default        opens and clicks of mail by SMTP are followed unless it says otherwise
    rest_tracking_default        likewise by REST
    click_tracking               False: clicks are not, whatever the two say
    initial_open_pixel_tracking  the pixel at the top, where opens are followed
    transactional_default        messages are transactional unless they say otherwise
    transactional_unsub          transactional messages get List-Unsubscribe too
    """

    smtp_tracking_default: bool = False
    rest_tracking_default: bool = True
    click_tracking: bool = True
    initial_open_pixel_tracking: bool = True
    transactional_default: bool = False
    transactional_unsub: bool = False


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages an account may send in an hour, day and month; None: as many as it likes."""

    hourly: int | None = None
    daily: int | None = None
    monthly: int | None = None

    @property
    def any(self) -> bool:
        """Return whether there is one at all."""
        return self.hourly is not None or self.daily is not None or self.monthly is not None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A customer. company_name: '' where it is that of the account."""

    account_id: int
    name: str
    created_at: datetime
    suspended_at: datetime | None = None
    company_name: str = ""
    options: AccountOptions = AccountOptions()
    limits: Limits = Limits()
    updated_at: datetime | None = None


class SubaccountStatus(StrEnum):
    """Whether a subaccount works; suspended and terminated ones are read-only and cannot send."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class Subaccount(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an account. Numbers are counted within the account.

    status              as the customer has it
    compliance_status   as the operator of the installation has it
    ip_pool             its mail leaves from this pool; '': as the account's does
    """

    account_id: int
    subaccount_id: int
    name: str
    status: str
    compliance_status: str
    ip_pool: str
    options: dict[str, bool]
    created_at: datetime
    updated_at: datetime


class Standing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What sending must know of an account and subaccount besides the key.

    suspended   the account, or the subaccount
    ip_pool     of the subaccount; '': none of its own
    """

    suspended: bool = False
    options: AccountOptions = AccountOptions()
    limits: Limits = Limits()
    ip_pool: str = ""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept: never the key itself.

    short_key   its first four characters, to tell keys apart
    valid_ips   CIDR masks it may be used from; empty: anywhere
    """

    key_id: int
    account_id: int
    subaccount_id: int
    label: str
    short_key: str
    grants: tuple[str, ...]
    valid_ips: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None = None


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What authentication must know of a key: the key, and whether its account or subaccount is suspended."""

    key: ApiKey
    key_hash: bytes
    suspended: bool


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was just made; `clear` is shown once and never again."""

    key_id: int
    clear: str
    short_key: str
    label: str

    def __repr__(self) -> str:
        return f"NewKey({self.key_id}, {self.short_key}...)"  # never the key itself
