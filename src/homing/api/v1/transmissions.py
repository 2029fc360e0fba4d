"""POST /api/v1/transmissions (SparkPost reference, section 2.1)."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.auth import SENDER
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import SUSPENDED, ApiError, error_object
from homing.api.openapi import Operation
from homing.api.reading import refusals
from homing.ground.clock import Clock
from homing.ground.errors import Overloaded
from homing.ground.ids import to_digits
from homing.ingress.rules.problem import Problem, unknown_tracking_domain
from homing.ingress.rules.recipients import MOST_RECIPIENTS
from homing.ingress.rules.transmission import BodyIn, decode
from homing.ingress.types import Accepted, Refusal, Refused, Transmission

DECODE_APART_FROM = 65_536  # bytes of a body; a larger one is decoded in a thread, so that the others are not kept waiting
MOST_REPORTED = 1_000  # recipient errors in an answer, unless num_rcpt_errors says otherwise

RefuseNew = Callable[[], str | None]
_encode = msgspec.json.Encoder().encode


class TakeTransmission(Protocol):
    """Takes responsibility for a transmission; `ingress.accept.Accept` is one."""

    async def __call__(self, transmission: Transmission, sender: Sender, *, now: datetime) -> Accepted | Refused:
        """Return Accepted once it is durable. Raises Temporary."""
        ...


def routes(*, accept: TakeTransmission, bodies: Bodies, refuse_new: RefuseNew, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post("/api/v1/transmissions", status_code=200, opt={"grants": ("transmissions/modify",), "operation": OPERATION})
    async def create_transmission(request: Request[Any, Any, Any]) -> Response[bytes]:
        reason = refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        most_errors = most_errors_of(request)
        async with bodies.json(request) as body:
            apart = len(body) >= DECODE_APART_FROM
            transmission = await asyncio.to_thread(decode, body) if apart else decode(body)
            if isinstance(transmission, Problem):
                raise ApiError(transmission)
            sender: Sender = request.scope["state"][SENDER]
            with refusals():
                verdict = await accept(transmission, sender, now=clock.now())
        if isinstance(verdict, Refused):
            raise ApiError(problem_of(verdict, transmission))
        return await json_answer(request, _encode(created(verdict, transmission, most_errors)))

    return [create_transmission]


def created(accepted: Accepted, transmission: Transmission, most_errors: int) -> dict[str, Any]:
    """Return the body of the answer; with errors where some recipients were left out."""
    results: dict[str, Any] = {
        "total_rejected_recipients": accepted.rejected,
        "total_accepted_recipients": accepted.accepted,
        "id": to_digits(accepted.transmission_id),
    }
    if not transmission.rejected:
        return {"results": results}
    reported = transmission.rejected[:most_errors]
    results["rcpt_to_errors"] = [error_object(error.message, error.description, error.code) for error in reported]
    return {"errors": [error_object("transmission created, but with validation errors", "", "2000")], "results": results}


def problem_of(refused: Refused, transmission: Transmission) -> Problem:
    """Return a refusal of admission in the words of the API."""
    subject = refused.subject
    match refused.reason:
        case Refusal.UNVERIFIED_DOMAIN:
            return Problem(400, "Invalid domain", "Unconfigured or unverified sending domain.", "7001")
        case Refusal.NO_SENDING_DOMAIN:
            return Problem(400, "Invalid domain", "No sending domain specified", "7001")
        case Refusal.RETURN_PATH_DOMAIN:
            return Problem(400, "Invalid domain", f"'{subject}' is not a verified bounce domain; return_path needs one", "7001")
        case Refusal.UNKNOWN_POOL:
            return Problem(400, "invalid params", f"IP pool '{subject}' does not exist", "1200")
        case Refusal.UNKNOWN_DKIM_KEY:
            text = f"Invalid DKIM key ID '{subject[:64]}' for sending domain '{transmission.sending_domain}'"
            return Problem(400, text, code="1100")
        case Refusal.POOL_OF_SUBACCOUNT:
            text = f"this subaccount cannot send from IP pool '{subject[:64]}': it has one assigned; leave options.ip_pool away"
            return Problem(400, "invalid params", text, "1200")
        case Refusal.HOURLY_LIMIT:
            return Problem(420, f"Exceed Sending Limit ({subject})", code="2101")
        case Refusal.DAILY_LIMIT:
            return Problem(420, f"Exceed Sending Limit ({subject})", code="2102")
        case Refusal.MONTHLY_LIMIT:
            return Problem(420, f"Exceed Sending Limit ({subject})", code="2105")
        case Refusal.UNVERIFIED_DKIM_KEY:
            text = f"DKIM key '{subject[:64]}' is not verified for sending domain '{transmission.sending_domain}'"
            return Problem(400, text, code="1100")
        case Refusal.UNKNOWN_TRACKING_DOMAIN:
            return unknown_tracking_domain(subject)
        case Refusal.NO_RECIPIENTS:
            return Problem(400, "At least one valid recipient is required", code="5002")
        case Refusal.START_TIME:
            return Problem(422, "invalid data format/type", "options.start_time must be at most 3 days ahead", "1300")
        case Refusal.UNKNOWN_LIST:
            return Problem(404, "resource not found", f"List '{subject[:64]}' does not exist", "1600")
        case Refusal.UNKNOWN_TEMPLATE:
            return Problem(422, "Subresource not found", f"template '{subject[:64]}' does not exist", "1603")
        case Refusal.UNKNOWN_AB_TEST:
            return Problem(422, "Subresource not found", f"ab_test_id '{subject[:64]}' does not exist", "1603")
        case Refusal.NO_DRAFT:
            return Problem(422, "no draft version of template", f"template '{subject[:64]}' has no draft", "2004")
        case Refusal.NOT_PUBLISHED:
            return Problem(422, "no published version of template", f"template '{subject[:64]}' was never published", "2005")
        case Refusal.LIST_OF_SUBACCOUNT:
            return Problem(422, "invalid field combination", "subaccounts cannot send to stored recipient lists", "1301")
        case Refusal.SUSPENDED:
            return SUSPENDED


def most_errors_of(request: Request[Any, Any, Any]) -> int:
    """Return how many recipient errors an answer may list (num_rcpt_errors)."""
    if not request.scope["query_string"]:
        return MOST_REPORTED
    text = request.query_params.get("num_rcpt_errors")
    if not text:
        return MOST_REPORTED
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ApiError(Problem(400, "invalid params", "num_rcpt_errors must be a number", "1200"))
    return int(text)


_RESULTS: dict[str, Any] = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "object",
            "required": ["id", "total_accepted_recipients", "total_rejected_recipients"],
            "properties": {
                "id": {"type": "string", "pattern": "^[0-9]+$"},
                "total_accepted_recipients": {"type": "integer"},
                "total_rejected_recipients": {"type": "integer"},
                "rcpt_to_errors": {"type": "array", "items": {"type": "object"}},
            },
        },
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def _body_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([BodyIn], ref_template="#/components/schemas/{name}")
    body = components["BodyIn"]
    body["required"] = ["recipients", "content"]
    recipient = {
        "type": "object",
        "required": ["address"],
        "properties": {
            "address": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["email"],
                        "properties": {name: {"type": "string"} for name in ("email", "name", "header_to")},
                    },
                ]
            },
            "return_path": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "metadata": {"type": "object"},
            "substitution_data": {"type": "object"},
        },
    }
    body["properties"]["recipients"] = {
        "oneOf": [
            {"type": "array", "items": recipient, "minItems": 1, "maxItems": MOST_RECIPIENTS},
            {"type": "object", "required": ["list_id"], "properties": {"list_id": {"type": "string"}}},
        ]
    }
    return schema, components


_SCHEMA, _SCHEMAS = _body_schema()
OPERATION = Operation(
    "Send a message to up to 50,000 recipients",
    {
        200: ("the mail is durably queued; some recipients may have been left out (code 2000)", _RESULTS),
        400: "malformed JSON (1300), not UTF-8 (1305), domain not verified (7001), no valid recipient (5002), and others",
        404: "the recipient list does not exist (1600)",
        420: "the account would pass its hourly (2101), daily (2102) or monthly (2105) limit; nothing was sent",
        408: "the body arrived too slowly",
        413: "the body is too large",
        415: "the body is not application/json (1700)",
        422: "a member is missing (1400), of a wrong type (1300), too large (2002, 2007), or cannot be a header (3002)",
    },
    description=(
        "Answers once content, queue entries and injection events are on disk. Limits: body 20 MB, 50,000 recipients, "
        "campaign_id 64 bytes, description 1,024 bytes, metadata 10 KB, substitution_data 100 KB, 10 tags a recipient, start "
        "at most 3 days ahead. Recipient data wins over transmission data. options.inline_css is taken and ignored."
    ),
    parameters=(
        {
            "name": "num_rcpt_errors",
            "in": "query",
            "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": MOST_REPORTED},
            "description": "most recipient errors that the answer lists",
        },
    ),
    body=_SCHEMA,
    schemas=_SCHEMAS,
)
