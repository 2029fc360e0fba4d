"""/api/v1/account, /api/v1/usage: what an account is, has as its defaults, and has sent (SparkPost reference, section 2.25)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, get, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store, usage, validations
from homing.accounts.types import Account
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, query_of, read_body, refusals, sender_of
from homing.api.v1.account_wire import (
    DAYS,
    MOST_DAYS,
    MOST_NAME,
    NO_ACCOUNT,
    OPTIONS,
    AccountIn,
    check_tfa,
    read_company_name,
    read_days,
    read_options,
    show,
    show_history,
    show_usage,
)
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import bad_params

PATH = "/api/v1/account"
USAGE = "/api/v1/usage"
VIEW = ("account/view", "account/manage", "account/read-write")
MANAGE = ("account/manage", "account/read-write")
VIEW_USAGE = ("usage/view", *VIEW)
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, forget: Callable[[], None], sandbox: bool = False
) -> list[HTTPRouteHandler]:
    """Return the routes.

    sandbox  whether the house has one
    forget   called after a change, so that this worker does not believe what it remembers
    """

    @get(PATH, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_account(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            wanted = {part.strip() for part in query_of(request).get("include", "").split(",")}
        account, now = await _account(request), clock.now()
        if "usage" not in wanted:
            return await json_answer(request, _encode({"results": show(account, None, now=now)}))
        used = await usage.of_account(pool, account.account_id, now=now)
        tried = await usage.of_sandbox(pool, account.account_id)
        return await json_answer(request, _encode({"results": show(account, used, now=now, sandbox=(tried, sandbox))}))

    @put(PATH, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_account(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, AccountIn)
                check_tfa(given.tfa_required)
                company_name, options = read_company_name(given.company_name), read_options(given.options)
        await store.change_account(pool, sender_of(request).account_id, company_name=company_name, options=options)
        forget()
        return await json_answer(request, _encode({"results": {"message": "Account has been updated"}}))

    @get(USAGE, opt={"grants": VIEW_USAGE, "operation": USED})
    async def get_usage(request: Request[Any, Any, Any]) -> Response[bytes]:
        account, now = await _account(request), clock.now()
        sent = await usage.of_account(pool, account.account_id, now=now)
        validated = await validations.of_account(pool, account.account_id, now=now)
        limits = await validations.limits_of(pool, account.account_id)
        used = {
            "messaging": show_usage(sent, account.limits, now=now),
            "recipient_validation": show_usage(validated, limits, now=now),
        }
        return await json_answer(request, _encode({"results": used}))

    @get(f"{USAGE}/history", opt={"grants": VIEW_USAGE, "operation": HISTORY})
    async def get_usage_history(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            first, last = read_days(query_of(request), today=clock.now().date())
        account_id = sender_of(request).account_id
        sent = await usage.by_day(pool, account_id, first=first, last=last)
        validated = await validations.by_day(pool, account_id, first=first, last=last)
        days = {
            "messaging": show_history(sent, first, last),
            "recipient_validation": show_history(validated, first, last),
        }
        return await json_answer(request, _encode({"results": days}))

    async def _account(request: Request[Any, Any, Any]) -> Account:
        found = await store.account_by_id(pool, sender_of(request).account_id)
        if found is None:
            raise ApiError(NO_ACCOUNT)
        return found

    return [get_account, update_account, get_usage, get_usage_history]


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


_SPAN: Schema = {
    "type": "object",
    "required": ["used", "start", "end"],
    "properties": {
        "used": {"type": "integer"},
        "limit": {"type": "integer", "description": "absent where there is none"},
        "start": {"type": "string"},
        "end": {"type": "string"},
    },
}
_SANDBOX: Schema = {"type": "object", "properties": {"used": {"type": "integer"}, "limit": {"type": "integer"}}}
_OPTIONS: Schema = {"type": "object", "properties": {name: {"type": "boolean"} for name in OPTIONS}}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MOST_NAME, "pattern": "\\S"}
_DAY: Schema = {"type": "string", "format": "date"}
_USED_OF: Schema = {
    "type": "object",
    "required": ["day", "month", "last_usage_date", "timestamp"],
    "properties": {
        "day": _SPAN,
        "month": _SPAN,
        "hour": _SPAN,
        "last_usage_date": {"type": ["string", "null"]},
        "timestamp": {"type": "string"},
    },
}
_DAYS_OF: Schema = {
    "type": "array",
    "items": {"type": "object", "required": ["date", "usage"], "properties": {"date": _DAY, "usage": {"type": "integer"}}},
}
_NO_DAY = bad_params("from must be a day in the form YYYY-MM-DD")
RETRIEVE = Operation(
    "Look at the account",
    {
        200: (
            "the account",
            _results(
                {
                    "type": "object",
                    "required": ["customer_id", "company_name", "status", "options"],
                    "properties": {
                        "customer_id": {"type": "integer"},
                        "company_name": {"type": "string"},
                        "status": {"type": "string", "enum": ["active", "suspended"]},
                        "options": _OPTIONS,
                        "usage": {
                            "type": "object",
                            "properties": {"day": _SPAN, "month": _SPAN, "hour": _SPAN, "sandbox": _SANDBOX},
                        },
                    },
                }
            ),
        ),
    },
    errors=(NO_ACCOUNT,),
    parameters=({"name": "include", "in": "query", "schema": {"type": "string"}, "description": "`usage`: what was sent too"},),
)
UPDATE = Operation(
    "Change the account: its name, and what messages are like that do not say otherwise",
    {200: ("changed; other workers notice within 5 seconds", _results({"type": "object"}))},
    errors=(problem_with(check_tfa, True), problem_with(read_company_name, ""), problem_with(read_options, {OPTIONS[0]: "yes"})),
    limits=(Limit("company_name", MOST_NAME, "characters", "422 (1300)"),),
    example={"company_name": "Acme", "options": {OPTIONS[0]: True}},
    description="What is absent stays as it is; so do options that are not named.",
    body={
        "type": "object",
        "properties": {"company_name": _NAME, "tfa_required": {"type": "boolean"}, "options": _OPTIONS},
    },
)
USED = Operation(
    "What the account has sent, and had validated, today and this month",
    {
        200: (
            "messages taken and addresses validated, in days and months of UTC",
            _results(
                {
                    "type": "object",
                    "required": ["messaging", "recipient_validation"],
                    "properties": {"messaging": _USED_OF, "recipient_validation": _USED_OF},
                }
            ),
        ),
    },
    errors=(NO_ACCOUNT,),
)
HISTORY = Operation(
    "What the account has sent, and had validated, on each day",
    {
        200: (
            "every day from the first to the last",
            _results(
                {
                    "type": "object",
                    "required": ["messaging", "recipient_validation"],
                    "properties": {"messaging": _DAYS_OF, "recipient_validation": _DAYS_OF},
                }
            ),
        ),
    },
    errors=(_NO_DAY, bad_params(f"a history has at most {MOST_DAYS} days")),
    limits=(Limit("from to to", MOST_DAYS, "days", "400 (1200)"),),
    description=f"Kept for {MOST_DAYS} days; the last {DAYS} where nothing is asked for.",
    parameters=(
        {"name": "from", "in": "query", "schema": _DAY, "description": "the first day"},
        {"name": "to", "in": "query", "schema": _DAY, "description": "the last day; today where absent"},
    ),
)
