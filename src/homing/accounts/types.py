"""Who is asking, and what they may do."""

from datetime import datetime

import msgspec

DEFAULT_ACCOUNT = "default"  # the account of a new installation


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
    suspended: bool = False  # the account may look (its view grants are left), but not send or change anything

    def may(self, grant: str) -> bool:
        """Return whether a grant is held; `.../manage` and `.../modify` are not implied by name."""
        return grant in self.grants

    @property
    def scope(self) -> int | None:
        """Return the subaccount whose things a read shows; None: primary and all subaccounts."""
        return None if self.acts_for_all else self.subaccount_id


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A customer."""

    account_id: int
    name: str
    created_at: datetime
    suspended_at: datetime | None = None


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
    """What authentication must know of a key: the key, and whether its account is suspended."""

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
