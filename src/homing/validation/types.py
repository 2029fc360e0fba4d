"""What is known of an address, and what is made of it."""

from datetime import datetime
from enum import StrEnum

import msgspec


class DomainState(StrEnum):
    """What DNS says of a domain's mail."""

    MX = "mx"  # its MX hosts have addresses
    ADDRESS = "address"  # no MX; it has an address itself (RFC 5321 section 5.1)
    NULL_MX = "null_mx"  # it says that it takes no mail (RFC 7505)
    NONE = "none"  # it does not exist, or has no host that could be asked
    UNKNOWN = "unknown"  # DNS gave no answer now


class Result(StrEnum):
    """The verdict, as customers see it (SparkPost reference, section 2.27)."""

    VALID = "valid"
    NEUTRAL = "neutral"
    RISKY = "risky"
    UNDELIVERABLE = "undeliverable"
    TYPO = "typo"


class Reason(StrEnum):
    """Why an address is undeliverable or a typo."""

    INVALID_SYNTAX = "Invalid Syntax"
    INVALID_DOMAIN = "Invalid Domain"
    INVALID_RECIPIENT = "Invalid Recipient"


class History(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What happened to our mail to an address.

    delivered_at   it was taken, and nothing worse is known since
    bounced_at     it was refused for good, and nothing better is known since
    suppressed     source of its row on the suppression list: Bounce Rule or Spam Complaint; '' for none of these
    """

    delivered_at: datetime | None = None
    bounced_at: datetime | None = None
    suppressed: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is told of an address.

    delivery_confidence   0 to 100; docs/validation.md has the steps
    did_you_mean          the address that was probably meant
    """

    result: Result
    reason: Reason | None = None
    is_role: bool = False
    is_disposable: bool = False
    is_free: bool = False
    delivery_confidence: int = 0
    did_you_mean: str = ""

    @property
    def valid(self) -> bool:
        """Return whether mail may be sent there, as far as one can tell."""
        return self.result not in (Result.UNDELIVERABLE, Result.TYPO)
