"""Inbound domains, relay webhooks, and the mail that waits to be posted."""

from datetime import datetime
from typing import Any

import msgspec


class InboundDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain whose mail we take for a customer; lower case, A-labels."""

    domain: str
    account_id: int
    subaccount_id: int


class RelaySecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What a target must be told to believe us; kept sealed.

    auth_token             sent as X-MessageSystems-Webhook-Token
    auth_request_details   of oauth2: the url that gives tokens, and the body that it wants
    custom_headers         sent with each post
    """

    auth_token: str = ""
    auth_request_details: dict[str, Any] = {}
    custom_headers: dict[str, str] = {}


class RelayWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mail of an inbound domain is posted to. auth_type: none or oauth2."""

    webhook_id: int
    account_id: int
    subaccount_id: int
    name: str
    target: str
    domain: str
    auth_type: str = "none"
    secrets: RelaySecrets = RelaySecrets()


class RelayMail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail for one recipient, without its octets.

    mail_id      10 bytes; relay_id and message_id of its events
    mail_from    '' for the null path
    rcpt_to      as submitted
    tries        failed posts so far
    """

    mail_id: bytes
    domain: str
    account_id: int
    subaccount_id: int
    mail_from: str
    rcpt_to: str
    recv_method: str
    size_bytes: int
    received_at: datetime
    tries: int = 0
