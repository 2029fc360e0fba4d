"""/api/v1/availability/exclusions: what is not held against us. One member of the staff proposes, another approves."""

from collections.abc import Awaitable
from datetime import UTC, datetime, time
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1.availability_wire import PATH, month_in
from homing.api.v1.support_askers import ANYBODY, LISTED, RESULTS, member_of, path_number, taken
from homing.api.v1.support_contract_wire import moment_in
from homing.availability import decisions
from homing.availability.rules.exclusions import DECIDE, LONGEST_TEXT, NotPossible
from homing.availability.rules.statement import month_of
from homing.availability.types import Exclusion, ExclusionKind
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Wrong, bad_params, bad_type, missing

ALL = f"{PATH}/exclusions"
ONE = f"{ALL}/{{exclusion_id:str}}"
_encode = msgspec.json.Encoder().encode


class ExclusionIn(msgspec.Struct, kw_only=True):
    """An exclusion to be proposed. account_id: None, it is about every account."""

    account_id: int | None = None
    since: str | None = None
    until: str | None = None
    kind: str | None = None
    reason: str | None = None
    evidence: str = ""


def routes(*, pool: Pool, bodies: Bodies, clock: Clock) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(ALL, opt={"staff": ANYBODY, "operation": LIST})
    async def list_exclusions(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            text = query_of(request).get("month")
            month = month_in(text) if text else month_of(clock.now())
        since, until = (datetime.combine(day, time(), UTC) for day in (month.first, month.after))
        found = await decisions.exclusions(pool, None, since=since, until=until)
        return await json_answer(request, _encode({"results": found}))

    @post(ALL, status_code=200, opt={"staff": DECIDE, "operation": PROPOSE})
    async def propose_exclusion(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, ExclusionIn)
                if given.since is None or given.until is None or given.kind is None or given.reason is None:
                    raise Wrong(missing("since, until, kind and reason are required fields"))
                since, until = moment_in(given.since, "since", now=now), moment_in(given.until, "until", now=now)
                if given.kind not in set(ExclusionKind):
                    raise Wrong(bad_type(f"kind must be one of {', '.join(ExclusionKind)}"))
        if given.account_id is not None:
            known = await accounts.account_by_id(pool, given.account_id) if 0 < given.account_id < 2**31 else None
            if known is None:
                raise ApiError(NO_ACCOUNT)
        try:
            made = await decisions.propose(
                pool,
                account_id=given.account_id,
                since=since,
                until=until,
                kind=ExclusionKind(given.kind),
                reason=given.reason,
                evidence=given.evidence,
                by=member_of(request),
            )
        except NotPossible as why:
            raise ApiError(bad_type(str(why))) from None
        return await json_answer(request, _encode({"results": made}))

    @post(f"{ONE}/approve", status_code=200, opt={"staff": DECIDE, "operation": APPROVE})
    async def approve_exclusion(request: Request[Any, Any, Any], exclusion_id: str) -> Response[bytes]:
        return await decided(request, decisions.approve(pool, _number(exclusion_id), by=member_of(request)))

    @post(f"{ONE}/withdraw", status_code=200, opt={"staff": DECIDE, "operation": WITHDRAW})
    async def withdraw_exclusion(request: Request[Any, Any, Any], exclusion_id: str) -> Response[bytes]:
        return await decided(request, decisions.withdraw(pool, _number(exclusion_id), by=member_of(request)))

    async def decided(request: Request[Any, Any, Any], work: Awaitable[Exclusion | None]) -> Response[bytes]:
        try:
            one = await work
        except NotPossible as why:
            raise ApiError(taken(str(why))) from None
        if one is None:
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": one}))

    return [list_exclusions, propose_exclusion, approve_exclusion, withdraw_exclusion]


def _number(text: str) -> int:
    """Return the number of a row; 0, which no row has, where the text is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


NO_ACCOUNT = bad_params("account_id: there is no such account")
_ID = path_number("exclusion_id")
_TEXT: Schema = {"type": "string", "maxLength": LONGEST_TEXT}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
LIST = Operation(
    "The exclusions of a month",
    {200: ("oldest first, of every account; those that do not count included", LISTED)},
    errors=(bad_params("the month must be written as in 2026-03"),),
    parameters=({"name": "month", "in": "query", "schema": {"type": "string"}, "description": "YYYY-MM; by default this month"},),
)
PROPOSE = Operation(
    "Propose an exclusion",
    {200: ("it counts for nothing until another member of the staff approves it", RESULTS)},
    errors=(
        missing("since, until, kind and reason are required fields"),
        bad_type("an exclusion must end after it begins"),
        NO_ACCOUNT,
    ),
    description="The reason is public. Gross figures are always shown, and who proposed and approved it, and when.",
    body={
        "type": "object",
        "required": ["since", "until", "kind", "reason"],
        "properties": {
            "account_id": {
                "type": ["integer", "null"],
                "minimum": 1,
                "maximum": 2_147_483_647,
                "description": "default: every account",
            },
            "since": _MOMENT,
            "until": _MOMENT,
            "kind": {"type": "string", "enum": [one.value for one in ExclusionKind]},
            "reason": {**_TEXT, "minLength": 1},
            "evidence": _TEXT,
        },
    },
    example={
        "since": "2026-03-10T02:00:00Z",
        "until": "2026-03-10T02:10:00Z",
        "kind": "announced_maintenance",
        "reason": "announced on 1 March",
    },
)
APPROVE = Operation(
    "Approve an exclusion that somebody else proposed",
    {200: ("it counts from now on", RESULTS)},
    errors=(NOT_FOUND, taken("somebody else must approve it")),
    parameters=(_ID,),
)
WITHDRAW = Operation(
    "Take an exclusion back",
    {200: ("what was measured counts again", RESULTS)},
    errors=(NOT_FOUND, taken("it was withdrawn already")),
    description="One person is enough.",
    parameters=(_ID,),
)
