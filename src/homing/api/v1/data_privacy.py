"""/api/v1/data-privacy: what people ask about their personal data (SparkPost reference, section 2.28).

A request is written down before it is answered, and carried out in the background (homing privacy list).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, read_body, refusals, sender_of
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem, Wrong
from homing.message.addresses import BadAddress, parse_address
from homing.privacy import store
from homing.privacy.types import Ask

PATH = "/api/v1/data-privacy"
GRANTS = ("data-privacy/manage",)
MOST_RECIPIENTS = 1_000
MOST_OPEN = 1_000  # requests of an account that are not done
_SAVED = b'{"results":{"message":"Request saved."}}'


class RequestIn(msgspec.Struct, kw_only=True):
    """The body; `null` means absent."""

    recipients: list[str] | None = None
    include_subaccounts: bool | None = None


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, news: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes. news: called when there is a new request."""

    async def save(request: Request[Any, Any, Any], ask: Ask) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, RequestIn)
                recipients = read_recipients(given.recipients)
        if await store.count_open(pool, sender.account_id) >= MOST_OPEN:
            raise ApiError(_TOO_MANY, retry_after=60)
        everywhere = sender.acts_for_all and given.include_subaccounts is True
        await store.add(
            pool,
            account_id=sender.account_id,
            subaccount_id=None if everywhere else sender.subaccount_id,
            ask=ask,
            recipients=recipients,
            now=clock.now(),
        )
        news()
        return await json_answer(request, _SAVED)

    @post(f"{PATH}/rtbf-request", status_code=200, opt={"grants": GRANTS, "operation": FORGET})
    async def request_to_be_forgotten(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await save(request, Ask.FORGET)

    @post(f"{PATH}/opt-out-request", status_code=200, opt={"grants": GRANTS, "operation": OPT_OUT})
    async def request_to_opt_out(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await save(request, Ask.OPT_OUT)

    return [request_to_be_forgotten, request_to_opt_out]


def read_recipients(given: list[str] | None) -> list[str]:
    """Return the addresses of a request, in lower case and each once.

    raises   Wrong
    """
    if not given:
        raise Wrong(Problem(400, "recipients is required: a list of email addresses"))
    if len(given) > MOST_RECIPIENTS:
        raise Wrong(Problem(400, f"Exceeded maximum number of recipients ({MOST_RECIPIENTS})"))
    found: dict[str, None] = {}
    for text in given:
        try:
            parse_address(text.strip())
        except BadAddress:
            raise Wrong(Problem(400, "invalid email address", more={"recipient": text[:320]})) from None
        found[text.strip().lower()] = None
    return list(found)


_SAVED_SCHEMA: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}},
}
_ANSWERS: dict[int, str | tuple[str, Schema | str | None]] = {
    200: ("the request is saved", _SAVED_SCHEMA),
}
_TOO_MANY = Problem(429, f"{MOST_OPEN} requests of yours wait to be carried out; try again later")
_ERRORS = (
    problem_with(read_recipients, []),
    problem_with(read_recipients, ["ann@there.test"] * (MOST_RECIPIENTS + 1)),
    problem_with(read_recipients, ["ann"]),
    _TOO_MANY,
)
_LIMITS = (
    Limit("recipients", MOST_RECIPIENTS, "addresses", "400"),
    Limit("requests of an account that wait", MOST_OPEN, "requests", "429"),
)
_EXAMPLE = {"recipients": ["ann@there.test"], "include_subaccounts": True}
_BODY: Schema = {
    "type": "object",
    "required": ["recipients"],
    "properties": {
        "recipients": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_RECIPIENTS},
        "include_subaccounts": {
            "type": "boolean",
            "default": False,
            "description": "counts only without X-MSYS-SUBACCOUNT",
        },
    },
}
FORGET = Operation(
    "Ask to forget people",
    _ANSWERS,
    description=(
        "Events keep what became of the messages, not who they were for. Suppressions by which somebody is not written to stay. "
        "Done at once, and again after 7 days for what was under way."
    ),
    errors=_ERRORS,
    limits=_LIMITS,
    example=_EXAMPLE,
    body=_BODY,
)
OPT_OUT = Operation(
    "Ask to write to people no more",
    _ANSWERS,
    errors=_ERRORS,
    limits=_LIMITS,
    example=_EXAMPLE,
    description="They are suppressed for both types.",
    body=_BODY,
)
