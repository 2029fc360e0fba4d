"""Event webhooks on the wire: bodies in, objects out (SparkPost reference, section 2.13). Nothing is looked up here."""

import secrets
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import UNSET, UnsetType, structs

from homing.accounts.types import Sender
from homing.events.types import EventType
from homing.ground.http import Answered
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type, missing
from homing.webhooks.types import Auth, Tried, Webhook

PATH = "/api/v1/webhooks"
MOST_NAME = 255
MOST_HEADERS = 5
MOST_HEADER_BYTES = 3_000
MOST_EXCEPTIONS = 10
MOST_TOKEN = 2_048
MOST_WEBHOOKS = 100  # of a subaccount, or of the primary account
MOST_TRIED = 1_000  # batches that batch-status lists, unless limit says otherwise
MOST_LIMIT = 10_000
RESERVED = frozenset(
    {
        "authorization", "connection", "content-length", "content-type", "expect", "host", "keep-alive", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-homing-signature", "x-messagesystems-batch-id",
        "x-messagesystems-webhook-token",
    }
)  # fmt: skip
OF_NAME = {kind.wire: kind for kind in EventType}


class WebhookIn(msgspec.Struct, kw_only=True):
    """The body; `null` means absent."""

    name: str | None = None
    target: str | None = None
    events: list[str] | None = None
    active: bool | None = None
    custom_headers: dict[str, str] | None = None
    exception_subaccounts: list[int] | UnsetType | None = UNSET
    subaccount_id: int | None = None
    auth_type: str | None = None
    auth_request_details: dict[str, Any] | None = None
    auth_credentials: dict[str, Any] | None = None
    auth_token: str | None = None


class ReplayIn(msgspec.Struct, kw_only=True):
    """A time range to tell once more; events: some of the webhook's types."""

    since: str | None = msgspec.field(default=None, name="from")
    until: str | None = msgspec.field(default=None, name="to")
    events: list[str] | None = None


def created(given: WebhookIn, sender: Sender) -> Webhook:
    """Return a new webhook.

    raises   Wrong
    """
    for member in ("name", "target", "events"):
        if not getattr(given, member):
            raise Wrong(missing(f"{member} is a required field"))
    base = Webhook(
        webhook_id=uuid.uuid4(),
        account_id=sender.account_id,
        subaccount_id=None if sender.acts_for_all else sender.subaccount_id,
        name="",
        target="",
        types=frozenset(),
        auth=Auth(secret=secrets.token_hex(32)),
    )
    if given.exception_subaccounts == []:
        raise Wrong(bad_type("exception_subaccounts must not be empty"))
    return changed(base, structs.replace(given, subaccount_id=None))


def changed(before: Webhook, given: WebhookIn) -> Webhook:
    """Return a webhook with what the body says in place of what it was.

    raises   Wrong
    """
    after = before
    if given.name is not None:
        after = structs.replace(after, name=_name(given.name))
    if given.target is not None:
        after = structs.replace(after, target=given.target.strip())
    if given.events is not None:
        after = structs.replace(after, types=frozenset(read_types(given.events)))
    if given.active is not None:
        after = structs.replace(after, active=given.active)
    if given.custom_headers is not None:
        after = structs.replace(after, custom_headers=read_headers(given.custom_headers))
    if given.subaccount_id is not None:
        if not -1 <= given.subaccount_id < 2**31:
            raise Wrong(bad_type("subaccount_id must be -1 (primary and all), 0 (primary alone) or a subaccount"))
        after = structs.replace(after, subaccount_id=None if given.subaccount_id == -1 else given.subaccount_id)
    if given.exception_subaccounts is not UNSET and given.exception_subaccounts is not None:
        after = structs.replace(after, exception_subaccounts=_exceptions(given.exception_subaccounts))
    if after.exception_subaccounts and after.subaccount_id is not None:
        raise Wrong(bad_type("exception_subaccounts needs a webhook of the primary account and all subaccounts"))
    return _with_auth(after, given)


def read_types(names: Collection[str]) -> list[EventType]:
    """Return event types. Raises Wrong naming the first that is none."""
    if not names:
        raise Wrong(missing("events is a required field"))
    unknown = [name for name in names if name not in OF_NAME]
    if unknown:
        raise Wrong(bad_params(f"events: '{unknown[0][:64]}' is not an event type"))
    return [OF_NAME[name] for name in names]


def _name(text: str) -> str:
    if not text.strip() or len(text) > MOST_NAME or not text.isprintable():
        raise Wrong(bad_type(f"name must be 1 to {MOST_NAME} printable characters"))
    return text.strip()


def read_headers(given: dict[str, str]) -> dict[str, str]:
    """Return the custom headers of a webhook. Raises Wrong."""
    if len(given) > MOST_HEADERS:
        raise Wrong(Problem(422, f"You may only have up to {MOST_HEADERS} custom headers", code="10002"))
    if sum(len(name.encode()) + len(value.encode()) for name, value in given.items()) > MOST_HEADER_BYTES:
        raise Wrong(Problem(413, f"custom headers must have less than {MOST_HEADER_BYTES} bytes", code="10001"))
    for name, value in given.items():
        if name.lower() in RESERVED:
            raise Wrong(Problem(422, "Header is reserved and cannot be used", name[:64], "10000"))
        token = name.isascii() and name.replace("-", "a").replace("_", "a").isalnum()
        if not token or not value.isascii() or not value.isprintable():
            raise Wrong(bad_type("custom_headers must have names of letters, digits, - and _, and printable ASCII values"))
    return given


def _exceptions(given: list[int]) -> frozenset[int]:
    if len(given) > MOST_EXCEPTIONS or len(set(given)) != len(given) or not all(0 < one < 2**31 for one in given):
        raise Wrong(bad_type(f"exception_subaccounts must be at most {MOST_EXCEPTIONS} different subaccounts"))
    return frozenset(given)


def _with_auth(webhook: Webhook, given: WebhookIn) -> Webhook:
    kind = given.auth_type if given.auth_type is not None else webhook.auth_type
    if kind not in ("none", "basic", "oauth2"):
        raise Wrong(bad_type("auth_type must be one of none, basic, oauth2"))
    auth = webhook.auth
    if given.auth_token is not None:
        auth = structs.replace(auth, token=_token(given.auth_token, "auth_token"))
    credentials, details = given.auth_credentials, given.auth_request_details
    if kind == "basic" and credentials:
        pair = (credentials.get("username"), credentials.get("password"))
        if not all(isinstance(one, str) and len(one) <= MOST_TOKEN for one in pair):
            raise Wrong(bad_type("auth_credentials must hold username and password"))
        auth = structs.replace(auth, username=pair[0], password=pair[1])
    if kind == "basic" and not auth.username:
        raise Wrong(missing("auth_credentials is a required field with auth_type basic"))
    if kind == "oauth2" and details:
        url, body = details.get("url"), details.get("body")
        if not isinstance(url, str) or not isinstance(body, dict) or len(msgspec.json.encode(body)) > MOST_TOKEN:
            raise Wrong(bad_type("auth_request_details must hold url and body, an object of at most 2,048 bytes"))
        if (url, body) != (auth.token_url, auth.token_body):
            auth = structs.replace(auth, token_url=url, token_body=body, access_token="", expires_in=0)
    if kind == "oauth2" and not auth.token_url:
        raise Wrong(missing("auth_request_details is a required field with auth_type oauth2"))
    return structs.replace(webhook, auth_type=kind, auth=auth)


def _token(text: str, member: str) -> str:
    if len(text) > MOST_TOKEN or not text.isascii() or (text and not text.isprintable()):
        raise Wrong(bad_type(f"{member} must be at most {MOST_TOKEN} printable ASCII characters"))
    return text


def read_id(text: str) -> uuid.UUID | None:
    """Return a webhook's id; None where the text is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def read_zone(text: str | None) -> ZoneInfo:
    """Return the zone that times are shown in. Raises Wrong."""
    if not text:
        return ZoneInfo("UTC")
    if text not in available_timezones():
        raise Wrong(bad_params(f"timezone: '{text[:64]}' is not the name of a time zone"))
    return ZoneInfo(text)


def read_range(given: ReplayIn, *, now: datetime) -> tuple[datetime, datetime]:
    """Return the moments that a replay is between. Raises Wrong."""
    if given.since is None:
        raise Wrong(missing("from is a required field"))
    try:
        since = datetime.fromisoformat(given.since)
        until = datetime.fromisoformat(given.until) if given.until else now
    except ValueError:
        raise Wrong(bad_type("from and to must be times such as 2026-05-01T10:00:00Z")) from None
    if since.tzinfo is None or until.tzinfo is None:
        raise Wrong(bad_type("from and to must name their offset from UTC"))
    until = min(until, now)
    if since >= until:
        raise Wrong(bad_type("from must be before to, and in the past"))
    return since, until


def show(webhook: Webhook, zone: ZoneInfo) -> dict[str, Any]:
    """Return a webhook as customers see it, without id and links. Unused members are empty objects, never null."""
    auth, kind = webhook.auth, webhook.auth_type
    credentials: dict[str, Any] = {}
    if kind == "basic":
        credentials = {"username": auth.username, "password": auth.password}
    elif kind == "oauth2" and auth.access_token:
        credentials = {"access_token": auth.access_token, "expires_in": auth.expires_in}
    shown: dict[str, Any] = {
        "name": webhook.name,
        "target": webhook.target,
        "events": sorted(kind.wire for kind in webhook.types),
        "active": webhook.active,
        "auth_type": kind,
        "auth_request_details": {"url": auth.token_url, "body": auth.token_body} if kind == "oauth2" else {},
        "auth_credentials": credentials,
        "auth_token": auth.token,
        "custom_headers": webhook.custom_headers,
    }
    if webhook.exception_subaccounts:
        shown["exception_subaccounts"] = [str(one) for one in sorted(webhook.exception_subaccounts)]
    if webhook.subaccount_id is not None:
        shown["subaccount_id"] = webhook.subaccount_id
    if webhook.paused_why:
        shown["paused_reason"] = webhook.paused_why
    for member, moment in (("last_successful", webhook.last_successful), ("last_failure", webhook.last_failure)):
        if moment is not None:
            shown[member] = moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    return shown


def links_of(webhook_id: uuid.UUID, *relations: str) -> list[dict[str, Any]]:
    """Return the links of a webhook: `webhook`, `validate`, `batches`."""
    known = {
        "webhook": (f"{PATH}/{webhook_id}", ["GET", "PUT"]),
        "validate": (f"{PATH}/{webhook_id}/validate", ["POST"]),
        "batches": (f"{PATH}/{webhook_id}/batch-status", ["GET"]),
    }
    return [{"href": known[one][0], "rel": f"urn.msys.webhooks.{one}", "method": known[one][1]} for one in relations]


def show_tried(tried: Tried) -> dict[str, Any]:
    """Return a batch as batch-status shows it."""
    shown: dict[str, Any] = {
        "batch_id": tried.batch_id.hex,
        "webhook_id": str(tried.webhook_id),
        "ts": None
        if tried.tried_at is None
        else tried.tried_at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{tried.tried_at.microsecond // 1000:03d}Z",
        "attempts": tried.attempts,
        "response_code": tried.response_code,
        "latency": tried.latency_ms,
        "batch_size": tried.events,
    }
    if tried.failure_code:
        shown["failure_code"] = tried.failure_code
    return shown


def failed(message: str, why: str, answer: Answered | None) -> Problem:
    """Return why a target did not take a test; here alone the code is a number (SparkPost reference, section 1.5)."""
    more: dict[str, Any] = {"code": 400}
    if answer is not None:
        more["response"] = response_of(answer)
    return Problem(400, message, why, more=more)


def response_of(answer: Answered) -> dict[str, Any]:
    """Return what a target answered, as customers see it."""
    return {"status": answer.status, "headers": answer.headers, "body": answer.body}


def read_limit(text: str | None) -> int:
    """Return how many batches are listed. Raises Wrong."""
    if not text:
        return MOST_TRIED
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 0 < int(text) <= MOST_LIMIT):
        raise Wrong(bad_params(f"limit must be a number from 1 to {MOST_LIMIT}"))
    return int(text)
