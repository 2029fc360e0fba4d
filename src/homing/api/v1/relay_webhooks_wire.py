"""Relay webhooks on the wire: bodies in, objects out (SparkPost reference, section 2.12). Nothing is looked up here."""

import re
from typing import Any

import msgspec

from homing.domains.rules.names import a_labels
from homing.ground.http import MOST_URL, OutboundHttp, Refused
from homing.inbound.relay_types import RelaySecrets, RelayWebhook
from homing.ingress.rules.problem import Problem, Wrong

MOST_HEADERS = 5
MOST_HEADER_BYTES = 3_000
_MOST_TEXT = 1_024
_MOST_DETAILS = 8_192
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
# Ours, the connection's, or those that say who we are.
_RESERVED = frozenset(
    """
    accept accept-encoding authorization connection content-encoding content-length content-type cookie expect host keep-alive
    proxy-authorization te trailer transfer-encoding upgrade user-agent x-messagesystems-webhook-token
    """.split()  # noqa: SIM905 - a list of words is read as one
)


class MatchIn(msgspec.Struct, kw_only=True):
    """Which mail: that of an inbound domain."""

    protocol: str | None = None
    domain: str | None = None


class WebhookIn(msgspec.Struct, kw_only=True):
    """A relay webhook to make, or what to change of one; `null` means absent."""

    name: str | None = None
    target: str | None = None
    match: MatchIn | None = None
    auth_type: str | None = None
    auth_request_details: dict[str, Any] | None = None
    auth_token: str | None = None
    custom_headers: dict[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether it says nothing."""
        return all(getattr(self, name) is None for name in self.__struct_fields__)


def wrong(param: str, message: str, value: Any = None, *, status: int = 422) -> Wrong:
    """Return the refusal of one member, in this resource's shape: param, message, value."""
    more: dict[str, Any] = {"param": param}
    if value is not None:
        more["value"] = value[:200] if isinstance(value, str) else value
    return Wrong(Problem(status, message, more=more))


def merged(given: WebhookIn, before: RelayWebhook | None, sender: tuple[int, int], http: OutboundHttp) -> RelayWebhook:
    """Return the webhook that a body asks for.

    before   what it changes, None for a new one
    sender   account and subaccount of a new one
    raises   Wrong
    """
    target = _text(given.target, "target", MOST_URL) if given.target is not None else before.target if before else ""
    domain = _domain(given.match) if given.match is not None else before.domain if before else ""
    if not target:
        raise wrong("target", "target is required")
    if not domain:
        raise wrong("match", "match is required")
    if given.target is not None:
        try:
            http.check(target)
        except Refused as trouble:
            raise wrong("target", str(trouble), target) from None
    kept = before.secrets if before else RelaySecrets()
    auth_type = given.auth_type if given.auth_type is not None else before.auth_type if before else "none"
    if auth_type not in ("none", "oauth2"):
        raise wrong("auth_type", "auth_type must be one of: none, oauth2", auth_type)
    details = given.auth_request_details if given.auth_request_details is not None else kept.auth_request_details
    if given.auth_request_details is not None or given.auth_type is not None:
        _check_details(auth_type, details, http)
    token = _text(given.auth_token, "auth_token", _MOST_TEXT) if given.auth_token is not None else kept.auth_token
    if token and not token.isascii():
        raise wrong("auth_token", "auth_token must be ASCII")
    headers = _headers(given.custom_headers) if given.custom_headers is not None else kept.custom_headers
    return RelayWebhook(
        webhook_id=before.webhook_id if before else 0,
        account_id=before.account_id if before else sender[0],
        subaccount_id=before.subaccount_id if before else sender[1],
        name=_text(given.name, "name", _MOST_TEXT) if given.name is not None else before.name if before else "",
        target=target,
        domain=domain,
        auth_type=auth_type,
        secrets=RelaySecrets(
            auth_token=token,
            auth_request_details=details if auth_type == "oauth2" else {},
            custom_headers=headers,
        ),
    )


def show(webhook: RelayWebhook, *, with_id: bool) -> dict[str, Any]:
    """Return a webhook as customers see it; the secrets of OAuth 2 are not shown again."""
    shown: dict[str, Any] = {"id": str(webhook.webhook_id)} if with_id else {}
    shown |= {
        "name": webhook.name,
        "target": webhook.target,
        "match": {"protocol": "SMTP", "domain": webhook.domain},
        "auth_type": webhook.auth_type,
    }
    secrets = webhook.secrets
    if secrets.auth_token:
        shown["auth_token"] = secrets.auth_token
    if webhook.auth_type == "oauth2":
        shown["auth_request_details"] = {"url": secrets.auth_request_details.get("url", "")}
    if secrets.custom_headers:
        shown["custom_headers"] = secrets.custom_headers
    if webhook.subaccount_id:
        shown["subaccount_id"] = webhook.subaccount_id
    return shown


def read_id(text: str) -> int:
    """Return the number of a webhook, 0 (which none has) for a text that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _text(value: str, param: str, most: int) -> str:
    if len(value) > most or not value.isprintable():
        raise wrong(param, f"{param} must be at most {most} printable characters")
    return value.strip()


def _domain(match: MatchIn) -> str:
    if match.protocol is not None and match.protocol.upper() != "SMTP":
        raise wrong("match.protocol", "protocol must be SMTP", match.protocol)
    if not match.domain:
        raise wrong("match.domain", "domain is required")
    name = a_labels(match.domain)
    if name is None:
        raise wrong("match.domain", "domain must be valid", match.domain)
    return name


def _check_details(auth_type: str, details: dict[str, Any], http: OutboundHttp) -> None:
    if auth_type != "oauth2":
        return
    url, body = details.get("url"), details.get("body")
    if not isinstance(url, str) or not isinstance(body, dict):
        raise wrong("auth_request_details", "auth_request_details must have a url and a body for auth_type oauth2")
    if len(msgspec.json.encode(details)) > _MOST_DETAILS:
        raise wrong("auth_request_details", f"auth_request_details must be at most {_MOST_DETAILS} bytes")
    try:
        http.check(url)
    except Refused as trouble:
        raise wrong("auth_request_details", str(trouble), url) from None


def _headers(given: dict[str, Any]) -> dict[str, str]:
    if len(given) > MOST_HEADERS:
        raise wrong("custom_headers", f"You may only have up to {MOST_HEADERS} custom headers")
    if any(name.strip().lower() in _RESERVED for name in given):
        raise wrong("custom_headers", "Header is reserved and cannot be used")
    for name, value in given.items():
        if _NAME.fullmatch(name) is None or not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise wrong("custom_headers", "custom_headers must be names of headers with printable ASCII texts", name)
    if sum(len(name) + len(value) for name, value in given.items()) > MOST_HEADER_BYTES:
        raise wrong("custom_headers", f"custom_headers must be at most {MOST_HEADER_BYTES} bytes together")
    return dict(given)
