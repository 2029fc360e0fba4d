"""What a webhook is, and what it is owed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from homing.events.types import EventType


class Auth(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a target is shown of us; kept sealed.

    secret       signs every post (rules/signature.py)
    token        sent as X-MessageSystems-Webhook-Token
    token_url    of OAuth 2: token_body is posted there for an access token
    expires_in   as the token's answer said, seconds
    """

    secret: str
    token: str = ""
    username: str = ""
    password: str = ""
    token_url: str = ""
    token_body: dict[str, Any] = {}
    access_token: str = ""
    expires_in: int = 0


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A target and what it wants to hear.

    subaccount_id          None: the primary account and all subaccounts; 0: the primary alone
    exception_subaccounts  left out where all are heard
    paused_why             why we paused it; '' where we did not
    """

    webhook_id: UUID
    account_id: int
    subaccount_id: int | None
    name: str
    target: str
    types: frozenset[EventType]
    active: bool = True
    paused_why: str = ""
    custom_headers: dict[str, str] = {}
    exception_subaccounts: frozenset[int] = frozenset()
    auth_type: str = "none"
    auth: Auth
    last_successful: datetime | None = None
    last_failure: datetime | None = None
    created_at: datetime | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Events on their way to one target; the same id at every try."""

    batch_id: UUID
    webhook_id: UUID
    account_id: int
    attempts: int
    made_at: datetime


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that failed at least once, as batch-status shows it.

    attempts   that failed
    """

    batch_id: UUID
    webhook_id: UUID
    events: int
    attempts: int
    response_code: str
    failure_code: str
    latency_ms: int
    tried_at: datetime | None
    ended_at: datetime | None
