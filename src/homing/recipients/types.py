"""Rows of the suppression list."""

from datetime import date, datetime
from enum import StrEnum

import msgspec


class SuppressionType(StrEnum):
    """Which mail a row stops."""

    TRANSACTIONAL = "transactional"
    NON_TRANSACTIONAL = "non_transactional"

    @classmethod
    def of(cls, transactional: bool) -> "SuppressionType":
        """Return the type that stops a message of this kind."""
        return cls.TRANSACTIONAL if transactional else cls.NON_TRANSACTIONAL


class Source(StrEnum):
    """Who or what put a row there, as customers see it (SparkPost reference, section 2.6)."""

    SPAM_COMPLAINT = "Spam Complaint"
    LIST_UNSUBSCRIBE = "List Unsubscribe"
    BOUNCE_RULE = "Bounce Rule"
    UNSUBSCRIBE_LINK = "Unsubscribe Link"
    MANUALLY_ADDED = "Manually Added"
    COMPLIANCE = "Compliance"  # ours; customers can neither change nor remove it


class SuppressionRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is written.

    recipient    any case; stored in lower case
    description  for a bounce the remote reason
    provenance   the event, call or import that put it there (rules/provenance.py)
    list_id      '' for the whole account
    """

    account_id: int
    subaccount_id: int = 0
    recipient: str
    type: str
    source: str
    description: str = ""
    provenance: str
    list_id: str = ""


class Suppression(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is read."""

    account_id: int
    subaccount_id: int
    recipient: str
    type: str
    list_id: str
    source: str
    description: str
    provenance: str | None
    created_at: datetime
    updated_at: datetime


class Strike(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One refusal that suppresses only when it repeats on other days.

    subclass  of the bounce rule, for example `mailbox.full`
    day       of the refusal, UTC
    """

    account_id: int
    subaccount_id: int
    recipient: str
    subclass: str
    day: date


class StoredList(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of itself.

    attributes            JSON of the customer's own object
    return_path_domains   of the recipients' own envelope senders
    """

    list_id: str
    snapshot: int
    name: str
    description: str = ""
    attributes: bytes = b"{}"
    recipients: int = 0
    return_path_domains: tuple[str, ...] = ()
