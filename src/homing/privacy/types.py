"""Requests about personal data."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Ask(StrEnum):
    """What is asked: to be forgotten, or to be written to no more."""

    FORGET = "rtbf"
    OPT_OUT = "opt_out"


class PrivacyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and how far it is.

    subaccount_id   None: the primary account and all subaccounts
    recipients      how many addresses it names
    looks           how often all that is about them was gone through
    events          events that were erased so far
    """

    request_id: int
    account_id: int
    subaccount_id: int | None
    ask: Ask
    recipients: int
    requested_at: datetime
    due_at: datetime
    looks: int = 0
    events: int = 0
    done_at: datetime | None = None
