"""What a door hands to `accept`, and what it gets back."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from homing.spool.types import Content, InlineContent, RecipientDetail


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """One recipient that passed the door's checks.

    email    as submitted
    domain   routing domain, lower case A-labels
    """

    email: str
    domain: str
    detail: RecipientDetail | None = None


class Many(Protocol):
    """More recipients than are held in memory; `rules.bulk.Bulk` is one."""

    @property
    def accepted(self) -> int:
        """Return how many can be used."""
        ...

    @property
    def domains(self) -> frozenset[str]:
        """Return the domains of the envelope senders that they name."""
        ...

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """Return them piece by piece: how many, and msgpack of (email, domain, detail) of each."""
        ...


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A stored template, or an A/B test that chooses one, that a transmission names in place of content.

    template_id   '' where a test is named
    from_     what `override` says in place of the template's: name, address, domain; None: nothing
    """

    template_id: str = ""
    ab_test_id: str | None = None
    draft: bool = False
    from_: tuple[str | None, str, str] | None = None
    reply_to: str | None = None


NO_CONTENT = InlineContent(from_email="")  # of a transmission that names a template, until it is looked up


class Transmission(msgspec.Struct, frozen=True, kw_only=True):
    """One hand-in, from whichever door, decoded and checked in form; nothing is looked up yet."""

    recipients: list[Recipient]
    bulk: Many | None = None  # the recipients, where they are too many for memory; `recipients` is empty then
    stored_list: str = ""  # id of the recipient list that is meant instead; '': the recipients are given
    content: Content
    named: Named | None = None
    template_id: str = ""
    template_version: str = "0"
    ab_test_id: str = ""  # of the test that the message is part of
    ab_test_version: str = ""
    recv_method: str  # "rest" or "esmtp"
    from_email: str  # From header address; may hold template language over REST
    sending_domain: str  # its domain, lower case A-labels
    subject: str = ""
    campaign_id: str = ""
    description: str = ""
    return_path: str | None = None
    ip_pool: str | None = None
    transactional: bool = False
    sandbox: bool = False  # from the domain of the sandbox, and counted against its limit
    skip_suppression: bool = False
    open_tracking: bool = True
    click_tracking: bool = True
    initial_open: bool = True
    unset: frozenset[str] = frozenset()  # of these four, those that are left to the template and the account
    inline_css: bool = False
    start_time: datetime | None = None
    dkim_key: str = "default"
    tracking_domain: str = ""  # lower case A-labels; '': none is named
    list_id: str = ""  # override.list_id
    own_list_id: str = ""  # bare id of the content's own List-Id, where nothing overrides it
    substitution_data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    size_bytes: int = 0
    rejected: tuple["RecipientError", ...] = ()  # recipients that the door found invalid

    @property
    def given(self) -> int:
        """Return how many recipients the call brings that can be used."""
        return len(self.recipients) if self.bulk is None else self.bulk.accepted


class RecipientError(msgspec.Struct, frozen=True, gc=False):
    """Why one recipient of a call was not taken (rcpt_to_errors)."""

    message: str
    description: str
    code: str


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """It is on disk and in the queue: from here on it is ours."""

    transmission_id: bytes
    accepted: int
    rejected: int


class Refusal(StrEnum):
    """Why admission said no; each door words it in its own protocol."""

    UNVERIFIED_DOMAIN = "unverified_domain"
    NO_SENDING_DOMAIN = "no_sending_domain"
    RETURN_PATH_DOMAIN = "return_path_domain"
    UNKNOWN_POOL = "unknown_pool"
    UNKNOWN_DKIM_KEY = "unknown_dkim_key"
    UNVERIFIED_DKIM_KEY = "unverified_dkim_key"
    UNKNOWN_TRACKING_DOMAIN = "unknown_tracking_domain"
    NO_RECIPIENTS = "no_recipients"
    SUSPENDED = "suspended"
    START_TIME = "start_time"
    UNKNOWN_LIST = "unknown_list"
    UNKNOWN_TEMPLATE = "unknown_template"
    NO_DRAFT = "no_draft"
    NOT_PUBLISHED = "not_published"
    LIST_OF_SUBACCOUNT = "list_of_subaccount"
    POOL_OF_SUBACCOUNT = "pool_of_subaccount"
    HOURLY_LIMIT = "hourly_limit"
    DAILY_LIMIT = "daily_limit"
    MONTHLY_LIMIT = "monthly_limit"
    UNKNOWN_AB_TEST = "unknown_ab_test"
    NO_SANDBOX = "no_sandbox"
    SANDBOX_TEMPLATE = "sandbox_template"
    SANDBOX_LIMIT = "sandbox_limit"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """It is not ours; nothing was stored.

    subject   the value that was refused (a domain, a pool), for the door's text
    """

    reason: Refusal
    subject: str = ""
