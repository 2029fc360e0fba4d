"""POST /api/v1/transmissions (SparkPost reference, section 2.1)."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from mmap import mmap
from typing import Any, Protocol

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.auth import SENDER
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import SUSPENDED, ApiError, error_object
from homing.api.reading import refusals
from homing.api.v1.transmissions_pages import BAD_COUNT, MOST_CONTENT, NUM_RCPT_ERRORS, operation
from homing.ground.clock import Clock
from homing.ground.errors import Overloaded
from homing.ground.ids import to_digits
from homing.ingress.rules.problem import Problem, bad_params, unknown_tracking_domain
from homing.ingress.rules.sandbox import TEMPLATE_ID
from homing.ingress.rules.transmission import decode, decode_large
from homing.ingress.types import Accepted, Refusal, Refused, Transmission

DECODE_APART_FROM = 65_536  # bytes of a body; a larger one is decoded in a thread, so that the others are not kept waiting
MOST_REPORTED = 1_000  # recipient errors in an answer, unless num_rcpt_errors says otherwise

MOST_BODY = 104_857_600  # bytes, unless the operator says otherwise

RefuseNew = Callable[[], str | None]
_encode = msgspec.json.Encoder().encode


class TakeTransmission(Protocol):
    """Takes responsibility for a transmission; `ingress.accept.Accept` is one."""

    async def __call__(self, transmission: Transmission, sender: Sender, *, now: datetime) -> Accepted | Refused:
        """Return Accepted once it is durable. Raises Temporary."""
        ...


def routes(
    *,
    accept: TakeTransmission,
    bodies: Bodies,
    refuse_new: RefuseNew,
    clock: Clock,
    most_body: int = MOST_BODY,
    most_content: int = MOST_CONTENT,
) -> list[HTTPRouteHandler]:
    """Return the routes.

    most_body      bytes of a call
    most_content   bytes of texts, attachments and images of one that is too large for memory
    """

    @post("/api/v1/transmissions", status_code=200, opt={"grants": ("transmissions/modify",), "operation": OPERATION})
    async def create_transmission(request: Request[Any, Any, Any]) -> Response[bytes]:
        reason = refuse_new()
        if reason is not None:
            raise Overloaded(reason)
        most_errors = most_errors_of(request)
        async with bodies.large(request, most=most_body) as body:
            if isinstance(body, mmap):
                transmission = await asyncio.to_thread(decode_large, body, most_content=most_content)
            else:
                apart = len(body) >= DECODE_APART_FROM
                transmission = await asyncio.to_thread(decode, body) if apart else decode(body)
            if isinstance(transmission, Problem):
                raise ApiError(transmission)
            sender: Sender = request.scope["state"][SENDER]
            with refusals():
                verdict = await accept(transmission, sender, now=clock.now())
        if isinstance(verdict, Refused):
            raise ApiError(problem_of(verdict, transmission.sending_domain))
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


def problem_of(refused: Refused, sending_domain: str) -> Problem:
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
            text = f"Invalid DKIM key ID '{subject[:64]}' for sending domain '{sending_domain}'"
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
            text = f"DKIM key '{subject[:64]}' is not verified for sending domain '{sending_domain}'"
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
        case Refusal.NO_SANDBOX:
            return bad_params("options.sandbox is not available: this installation has no verified sandbox domain")
        case Refusal.SANDBOX_TEMPLATE:
            text = f"options.sandbox sends content.template_id '{TEMPLATE_ID}' and nothing else"
            return Problem(422, "template id not allowed with sandbox", text, "2106")
        case Refusal.SANDBOX_LIMIT:
            return Problem(420, "Exceed Sending Limit (sandbox)", code="2103")
        case Refusal.SUSPENDED:
            return SUSPENDED


def most_errors_of(request: Request[Any, Any, Any]) -> int:
    """Return how many recipient errors an answer may list (num_rcpt_errors)."""
    if not request.scope["query_string"]:
        return MOST_REPORTED
    text = request.query_params.get(NUM_RCPT_ERRORS)
    if not text:
        return MOST_REPORTED
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ApiError(BAD_COUNT)
    return int(text)


OPERATION = operation(
    most_reported=MOST_REPORTED,
    refusals=tuple(problem_of(Refused(reason, "x"), "acme.test") for reason in Refusal),
)
