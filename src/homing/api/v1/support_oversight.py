"""/api/v1/support/oversight: one stream of all that happens in a TAM's accounts, what is at risk first, and one step to escalate.

For the TAM, whoever stands in for him, and admins; each sees the accounts that he oversees, and no others (clause B6, E26).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.auth import STAFF
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, NOT_FOUND, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1 import support_oversight_wire as wire
from homing.contracts.types import Role, StaffMember
from homing.ground import db
from homing.ingress.rules.problem import Problem, Wrong, bad_params, missing
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Case
from homing.support.clocks.store import LegalClock
from homing.support.threads.oversight import Escalations, accounts_of, sees_unnamed, stream

PATH = "/api/v1/support/oversight"
ANYBODY = (Role.TAM, Role.CST, Role.ONCALL, Role.ADMIN)  # who of them oversees an account is looked up: anybody may stand in
_encode = msgspec.json.Encoder().encode
_STATUS = {Bar.STATE: 409, Bar.WHO: 403, Bar.WHAT: 422}
_MESSAGE = {Bar.STATE: "not as the case stands", Bar.WHO: "Forbidden.", Bar.WHAT: "invalid data format/type"}


class Overseers:
    """Says which accounts somebody oversees."""

    def __init__(self, pool: db.Pool, legal: LegalClock) -> None:
        self.pool = pool
        self.legal = legal

    async def of(self, request: Request[Any, Any, Any]) -> tuple[StaffMember, list[int]]:
        """Return who asks, and the accounts that he oversees. raises ApiError 403 for whoever oversees none."""
        state: Any = request.scope["state"]
        member: StaffMember = state[STAFF]
        with db.trouble_is_temporary():
            mine = await accounts_of(self.pool, member, await self.legal.now(self.pool))
        if mine is None:
            raise ApiError(FORBIDDEN)
        return member, mine

    async def account(self, request: Request[Any, Any, Any], text: str) -> tuple[StaffMember, int]:
        """Return who asks, and the account of a path. raises ApiError 403, 404."""
        member, mine = await self.of(request)
        account_id = wire.number_of(text)
        if account_id not in mine:
            raise ApiError(NOT_FOUND)
        return member, account_id


def routes(*, bodies: Bodies, overseers: Overseers, escalations: Escalations) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"staff": ANYBODY, "operation": STREAM})
    async def get_oversight(request: Request[Any, Any, Any]) -> Response[bytes]:
        member, mine = await overseers.of(request)
        with refusals():
            query = query_of(request)
            cursor = wire.cursor_of(query.get("cursor", "initial"))
            per_page = wire.per_page_of(query.get("per_page", "50"))
        if "account_id" in query:
            wanted = wire.number_of(query["account_id"])
            if wanted not in mine:
                raise ApiError(NOT_FOUND)
            mine = [wanted]
        unnamed = sees_unnamed(member) and "account_id" not in query
        found = await stream(overseers.pool, overseers.legal, mine, cursor=cursor, limit=per_page, unnamed=unnamed)
        return await json_answer(request, _encode(wire.show_stream(found, query, PATH)))

    @post(f"{PATH}/escalations", status_code=200, opt={"staff": ANYBODY, "operation": ESCALATE})
    async def escalate_case(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, wire.EscalationIn)
                reason = wire.text_of(given.reason, "reason", 2_000)
                steps: dict[str, Callable[[int, StaffMember, str], Awaitable[Case | No | None]]] = {
                    "tam": escalations.to_tam,
                    "management": escalations.to_management,
                    "critical": escalations.to_critical,
                }
                if given.to not in steps:
                    raise Wrong(_WHERE)
                if not reason:
                    raise Wrong(_NO_REASON)
        member, mine = await overseers.of(request)
        number = given.case if 0 < given.case < 2**53 else 0
        if await escalations.account_of(number) not in mine:
            raise ApiError(NOT_FOUND)
        done = await steps[given.to](number, member, reason)
        if done is None:
            raise ApiError(NOT_FOUND)
        if isinstance(done, No):
            raise ApiError(Problem(_STATUS[done.bar], _MESSAGE[done.bar], done.why))
        return await json_answer(request, _encode({"results": {"case": done.number, "escalated_to": given.to}}))

    return [get_oversight, escalate_case]


def _query(name: str, kind: str, description: str, **more: Any) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": kind, **more}, "description": description}


_WHERE = bad_params("to must be tam, management or critical")
_NO_REASON = missing("reason is required: a sentence that says why")
_STREAM: Schema = {
    "type": "object",
    "required": ["results", "accounts", "links"],
    "properties": {"results": {"type": "array"}, "accounts": {"type": "array"}, "links": {"type": "object"}},
}
_PARAMETERS: Sequence[Schema] = (
    _query("account_id", "integer", "of this account alone"),
    _query("cursor", "string", "'initial', or from links.next"),
    _query("per_page", "integer", "default 50", minimum=1, maximum=wire.MOST_PER_PAGE),
)
STREAM = Operation(
    "Oversee your accounts: every case, message, call, page and promise",
    {200: ("what is at risk first, then what is new", _STREAM)},
    description=(
        "Promises that run come first, the one that is due soonest on top; then promises that were missed and are still owed; "
        "then open Critical Issues; then the rest, the latest first. `accounts` names the TAM and, while he is away, who acts."
    ),
    parameters=_PARAMETERS,
    errors=(FORBIDDEN, NOT_FOUND, wire.BAD_CURSOR, wire.BAD_PER_PAGE),
    limits=(Limit("per_page", wire.MOST_PER_PAGE, "items", "400 (1200)"),),
)
ESCALATE = Operation(
    "Escalate a case in one step",
    {
        200: (
            "whom it went to",
            {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}},
        )
    },
    description=(
        "`tam` asks the TAM, or whoever stands in: TAM_REPLY begins. `management` pages management through on-call (the ladder "
        "`escalation`, if one was recorded) and leaves a note in the case. `critical` makes it a Critical Issue."
    ),
    body={
        "type": "object",
        "required": ["case", "to", "reason"],
        "properties": {
            "case": {"type": "integer", "minimum": 1, "maximum": 2**53},
            "to": {"type": "string", "enum": ["tam", "management", "critical"]},
            "reason": {"type": "string", "maxLength": 2_000},
        },
    },
    errors=(
        FORBIDDEN,
        NOT_FOUND,
        _WHERE,
        _NO_REASON,
        Problem(409, "not as the case stands", "the case is resolved"),
        Problem(422, "invalid data format/type", "say why"),
    ),
    example={"case": 1001, "to": "management", "reason": "The customer has asked twice for somebody who decides."},
)
