"""/api/v1/subaccounts: the parts of an account (SparkPost reference, section 2.20). They are suspended, never deleted."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store, subaccounts
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, query_of, read_body, refusals, sender_of
from homing.api.v1.subaccounts_wire import (
    MOST_LABEL,
    MOST_MASKS,
    MOST_NAME,
    MOST_PER_PAGE,
    MOST_POOL,
    PATH,
    PER_PAGE,
    SORTS,
    Read,
    SubaccountIn,
    links,
    not_found,
    read_change,
    read_listing,
    read_new,
    read_number,
    show,
    wrong,
)
from homing.egress.pools import PoolBook
from homing.ground.db import Pool, trouble_is_temporary
from homing.ingress.rules.problem import Problem

ONE = f"{PATH}/{{subaccount_id:str}}"
VIEW = ("subaccount/view", "subaccount/manage")
MANAGE = ("subaccount/manage",)
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, pools: PoolBook, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes.

    forget   called after a change, so that this worker does not believe what it remembers
    """

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": CREATE})
    async def create_subaccount(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                read = await _checked(read_new(read_body(body, SubaccountIn), sender), sender.account_id)
        if await subaccounts.count(pool, sender.account_id) >= subaccounts.MOST:
            raise ApiError(_TOO_MANY)
        results: dict[str, Any] = {}
        with trouble_is_temporary():
            async with pool.acquire() as connection, connection.transaction():
                made = await subaccounts.create(
                    connection, sender.account_id, name=read.name or "", ip_pool=read.ip_pool or "", options=read.options
                )
                results["subaccount_id"] = made.subaccount_id
                if read.key is not None:
                    key = await store.create_key(
                        connection,
                        account_id=sender.account_id,
                        subaccount_id=made.subaccount_id,
                        label=read.key.label,
                        grants=read.key.grants,
                        valid_ips=read.key.valid_ips,
                    )
                    results |= {"key": key.clear, "label": key.label, "short_key": key.short_key}
        forget()
        return await json_answer(request, _encode({"results": results}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_subaccounts(request: Request[Any, Any, Any]) -> Response[bytes]:
        account_id = sender_of(request).account_id
        with refusals():
            query = query_of(request)
            asked = read_listing(query, account_id)
        if asked is None:
            everyone = await subaccounts.of_account(pool, account_id)
            return await json_answer(request, _encode({"results": [show(one) for one in everyone]}))
        page = await subaccounts.page(
            pool, asked.wanted, sort_by=asked.sort_by, upwards=asked.upwards, after=asked.after, limit=asked.per_page
        )
        answer = {
            "results": [show(one) for one in page.subaccounts],
            "total_count": page.total,
            "links": links(query, page.next),
        }
        return await json_answer(request, _encode(answer))

    @get(f"{PATH}/summary", opt={"grants": VIEW, "operation": SUMMARY})
    async def summarize_subaccounts(request: Request[Any, Any, Any]) -> Response[bytes]:
        total = await subaccounts.count(pool, sender_of(request).account_id)
        return await json_answer(request, _encode({"results": {"total": total}}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_subaccount(request: Request[Any, Any, Any], subaccount_id: str) -> Response[bytes]:
        found = await subaccounts.one(pool, sender_of(request).account_id, read_number(subaccount_id))
        if found is None:
            raise ApiError(not_found(subaccount_id))
        return await json_answer(request, _encode({"results": show(found)}))

    @put(ONE, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_subaccount(request: Request[Any, Any, Any], subaccount_id: str) -> Response[bytes]:
        account_id, number = sender_of(request).account_id, read_number(subaccount_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, SubaccountIn)
        if await subaccounts.one(pool, account_id, number) is None:
            raise ApiError(not_found(subaccount_id))
        read = await _checked(read_change(given), account_id)
        await subaccounts.change(
            pool, account_id, number, name=read.name, status=read.status, ip_pool=read.ip_pool, options=read.options
        )
        forget()
        results = {"message": "Successfully updated subaccount information"}
        return await json_answer(request, _encode({"results": results}))

    async def _checked(read: Read | list[Problem], account_id: int) -> Read:
        """Return what a body says, if nothing is wrong with it and its pool is there.

        raises   ApiError
        """
        if isinstance(read, list):
            raise ApiError(*read)
        if read.ip_pool and not await pools.exists(account_id, read.ip_pool):
            raise ApiError(_no_pool(read.ip_pool))
        return read

    return [create_subaccount, list_subaccounts, summarize_subaccounts, get_subaccount, update_subaccount]


def _no_pool(name: str) -> Problem:
    return wrong("ip_pool", f"IP pool '{name}' does not exist", name)


def _results(schema: Schema) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": schema}}


def _text(name: str, meaning: str) -> Schema:
    return {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}


_STATUS: Schema = {"type": "string", "enum": ["active", "suspended", "terminated"]}
_POOL: Schema = {"type": "string", "maxLength": MOST_POOL, "pattern": "^[A-Za-z0-9_]*$"}
_OPTIONS: Schema = {"type": "object", "properties": {"deliverability": {"type": "boolean"}}}
_ONE: Schema = {
    "type": "object",
    "required": ["id", "name", "status", "compliance_status", "options"],
    "properties": {
        "id": {"type": "integer"},
        "customer_id": {"type": "integer"},
        "name": {"type": "string"},
        "status": _STATUS,
        "compliance_status": _STATUS,
        "ip_pool": _POOL,
        "options": _OPTIONS,
        "created_at": {"type": "string"},
        "updated_at": {"type": "string"},
    },
}
_NUMBER: Schema = {"name": "subaccount_id", "in": "path", "required": True, "schema": {"type": "string"}}
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MOST_NAME, "pattern": "\\S"}
_TOO_MANY = Problem(400, f"an account has at most {subaccounts.MOST} subaccounts")
_IN_BODY = (wrong("options.deliverability", "`options.deliverability` must be a boolean", "yes"), _no_pool("marketing"))
_LIMITS = (Limit("name", MOST_NAME, "characters", "400"), Limit("ip_pool", MOST_POOL, "characters", "400"))
_GONE = (not_found("123"),)
CREATE = Operation(
    "Make a subaccount, with a key unless none is wanted",
    {
        200: (
            "its number; the key is shown this once",
            _results(
                {
                    "type": "object",
                    "required": ["subaccount_id"],
                    "properties": {
                        "subaccount_id": {"type": "integer"},
                        "key": {"type": "string"},
                        "label": {"type": "string"},
                        "short_key": {"type": "string"},
                    },
                }
            ),
        ),
    },
    errors=(
        wrong("name", "`name` is a required field"),
        wrong("key_grants", "a key cannot give away what it does not hold: templates/modify", "templates/modify"),
        *_IN_BODY,
        _TOO_MANY,
    ),
    limits=(
        Limit("subaccounts of an account", subaccounts.MOST, "subaccounts", "400"),
        *_LIMITS,
        Limit("key_label", MOST_LABEL, "characters", "400"),
        Limit("key_valid_ips", MOST_MASKS, "masks", "400"),
    ),
    example={"name": "Shop", "key_label": "shop", "key_grants": ["transmissions/modify"], "key_valid_ips": ["192.0.2.0/24"]},
    description=(
        "`key_label` and `key_grants` are required unless `setup_api_key` is false. The key can be given no grant that the "
        "key which asks does not hold."
    ),
    body={
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": _NAME,
            "setup_api_key": {"type": "boolean", "default": True},
            "key_label": {"type": "string", "maxLength": MOST_LABEL},
            "key_grants": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "key_valid_ips": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_MASKS},
            "ip_pool": _POOL,
            "options": _OPTIONS,
        },
    },
)
LIST = Operation(
    "List subaccounts",
    {
        200: (
            "all of them by number; or a page, with total_count and links.next, where a parameter is given",
            {
                "type": "object",
                "required": ["results"],
                "properties": {
                    "results": {"type": "array", "items": _ONE},
                    "total_count": {"type": "integer"},
                    "links": {"type": "object", "properties": {"next": {"type": "string"}}},
                },
            },
        ),
    },
    errors=(problem_with(read_listing, {"sort_by": "size"}, 0),),
    limits=(Limit("per_page", MOST_PER_PAGE, "subaccounts", "400"),),
    parameters=(
        _text("cursor", "'initial', or from links.next"),
        {
            "name": "per_page",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": PER_PAGE},
            "description": "subaccounts on a page",
        },
        {"name": "sort_by", "in": "query", "schema": {"type": "string", "enum": list(SORTS), "default": SORTS[0]}},
        {"name": "order", "in": "query", "schema": {"type": "string", "enum": ["asc", "desc"], "default": "desc"}},
        _text("ip_pool", "only with this pool assigned"),
        _text("status", "only with one of these statuses"),
        _text("name", "only with this in the name"),
        _text("ids", "only with these numbers"),
        {
            "name": "option",
            "in": "query",
            "schema": {"type": "string", "enum": ["deliverability"]},
            "description": "only with it",
        },
    ),
)
SUMMARY = Operation(
    "Count subaccounts", {200: ("how many", _results({"type": "object", "properties": {"total": {"type": "integer"}}}))}
)
RETRIEVE = Operation("Look at a subaccount", {200: ("the subaccount", _results(_ONE))}, parameters=(_NUMBER,), errors=_GONE)
UPDATE = Operation(
    "Change a subaccount",
    {200: ("changed; other workers notice within 5 seconds", _results({"type": "object"}))},
    errors=(*_IN_BODY, *_GONE),
    limits=_LIMITS,
    example={"name": "Shop", "status": "suspended"},
    description="What is absent stays as it is; `ip_pool` '' clears it. A suspended or terminated subaccount is read-only; "
    "its mail waits.",
    parameters=(_NUMBER,),
    body={"type": "object", "properties": {"name": _NAME, "status": _STATUS, "ip_pool": _POOL, "options": _OPTIONS}},
)
