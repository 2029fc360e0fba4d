"""/api/v1/api-keys: the keys of an account, and the grants there are (SparkPost reference, section 2.21).

A primary key's changes act on the primary account, or with X-MSYS-SUBACCOUNT on that subaccount (section 1.4).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store
from homing.accounts.grants import GRANTS, KEY_GRANTS, ROLES
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.schemas import in_results
from homing.api.v1.api_keys_wire import (
    MOST_LABEL,
    MOST_MASKS,
    KeyIn,
    cannot_give,
    cannot_hold,
    not_found,
    read_grants,
    read_key_id,
    read_label,
    read_role,
    read_valid_ips,
    show,
    show_grant,
)
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import bad_params, missing

PATH = "/api/v1/api-keys"
MANAGE = ("api_keys/manage",)
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes.

    forget   called after a key was changed, so that this worker does not believe what it remembers
    """

    @get(PATH, opt={"grants": MANAGE, "operation": LIST})
    async def list_api_keys(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            wanted = query_of(request).get("grant")
        keys = await store.list_keys(pool, sender.account_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": [show(key) for key in keys if not wanted or wanted in key.grants]}))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": CREATE})
    async def create_api_key(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, KeyIn)
                label, grants = read_label(given.label), read_grants(given.grants, sender)
                valid_ips = read_valid_ips(given.valid_ips)
        made = await store.create_key(
            pool,
            account_id=sender.account_id,
            subaccount_id=sender.subaccount_id,
            label=label,
            grants=grants,
            valid_ips=valid_ips,
        )
        forget()
        results = {
            "id": str(made.key_id),
            "key": made.clear,
            "short_key": made.short_key,
            "label": made.label,
            "link": {"href": f"{PATH}/{made.key_id}"},
        }
        return await json_answer(request, _encode({"results": results}))

    @get(f"{PATH}/{{key_id:str}}", opt={"grants": MANAGE, "operation": RETRIEVE})
    async def get_api_key(request: Request[Any, Any, Any], key_id: str) -> Response[bytes]:
        sender = sender_of(request)
        key = await store.get_key(pool, sender.account_id, read_key_id(key_id), subaccount_id=sender.scope)
        if key is None:
            raise ApiError(not_found(key_id))
        return await json_answer(request, _encode({"results": show(key)}))

    @put(f"{PATH}/{{key_id:str}}", opt={"grants": MANAGE, "operation": UPDATE})
    async def update_api_key(request: Request[Any, Any, Any], key_id: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, KeyIn)
                label = None if given.label is None else read_label(given.label)
                grants = None if given.grants is None else read_grants(given.grants, sender)
                valid_ips = None if given.valid_ips is None else read_valid_ips(given.valid_ips)
        key = await store.get_key(pool, sender.account_id, read_key_id(key_id), subaccount_id=sender.subaccount_id)
        changed = key is not None and await store.update_key(
            pool,
            sender.account_id,
            key.key_id,
            label=key.label if label is None else label,
            grants=key.grants if grants is None else grants,
            valid_ips=key.valid_ips if valid_ips is None else valid_ips,
        )
        if not changed:
            raise ApiError(not_found(key_id))
        forget()
        return await json_answer(request, _encode({"results": {"message": "Successfully updated API key"}}))

    @delete(f"{PATH}/{{key_id:str}}", status_code=204, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_api_key(request: Request[Any, Any, Any], key_id: str) -> None:
        sender = sender_of(request)
        number = read_key_id(key_id)
        gone = await store.revoke_key(pool, sender.account_id, number, at=clock.now(), subaccount_id=sender.subaccount_id)
        if not gone:
            raise ApiError(not_found(key_id))
        forget()

    @get("/api/v1/authenticate/grants", opt={"grants": ("grants/view", *MANAGE), "operation": LIST_GRANTS})
    async def list_grants(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            role = read_role(query_of(request).get("role"))
        shown = [show_grant(grant) for grant in GRANTS if role is None or role in grant.roles]
        return await json_answer(request, _encode({"results": shown}))

    return [list_api_keys, create_api_key, get_api_key, update_api_key, delete_api_key, list_grants]


_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_KEY: Schema = {
    "type": "object",
    "required": ["id", "label", "short_key", "grants", "created_at", "valid_ips"],
    "properties": {
        "id": {"type": "string"},
        "label": {"type": "string"},
        "short_key": {"type": "string"},
        "grants": _TEXTS,
        "created_at": {"type": "string"},
        "valid_ips": _TEXTS,
        "subaccount_id": {"type": "integer"},
    },
}
_MADE: Schema = {
    "type": "object",
    "required": ["id", "key", "short_key", "label", "link"],
    "properties": {
        "id": {"type": "string"},
        "key": {"type": "string", "pattern": "^[0-9a-f]{40}$", "description": "shown once, never again"},
        "short_key": {"type": "string"},
        "label": {"type": "string"},
        "link": {"type": "object", "properties": {"href": {"type": "string"}}},
    },
}
_BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "minLength": 1, "maxLength": MOST_LABEL, "pattern": "\\S", "description": "tells keys apart"},
        "grants": {
            "type": "array",
            "items": {"type": "string", "enum": sorted(KEY_GRANTS)},
            "minItems": 1,
            "description": "what it may do; no more than the key that asks",
        },
        "valid_ips": {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": MOST_MASKS,
            "description": "CIDR masks, for example 192.0.2.0/24",
        },
    },
}
_KEY_ID: Schema = {"name": "key_id", "in": "path", "required": True, "schema": {"type": "string"}}
_IN_BODY = (cannot_hold(["users/manage"]), cannot_give(["metrics/view"]), missing("label is a required field"))
_LIMITS = (Limit("label", MOST_LABEL, "characters", "422 (1300)"), Limit("valid_ips", MOST_MASKS, "masks", "422 (1300)"))
_EXAMPLE = {"label": "shop", "grants": ["transmissions/modify", "templates/view"], "valid_ips": ["192.0.2.0/24"]}
LIST = Operation(
    "List API keys",
    {200: ("keys, oldest first", in_results({"type": "array", "items": _KEY}))},
    description="A key itself is never shown again; `short_key` tells keys apart.",
    parameters=({"name": "grant", "in": "query", "schema": {"type": "string"}, "description": "only keys with this grant"},),
)
CREATE = Operation(
    "Make an API key",
    {200: ("the key, shown this once", in_results(_MADE))},
    errors=_IN_BODY,
    limits=_LIMITS,
    example=_EXAMPLE,
    description="A key can be given no grant that the key which asks does not hold. A subaccount's key can hold a part of them.",
    body={**_BODY, "required": ["label", "grants"]},
)
RETRIEVE = Operation("Look at an API key", {200: ("the key", in_results(_KEY))}, parameters=(_KEY_ID,), errors=(not_found("7"),))
UPDATE = Operation(
    "Change an API key",
    {200: ("changed", in_results({"type": "object"}))},
    errors=(not_found("7"), *_IN_BODY),
    limits=_LIMITS,
    example={"label": "shop", "valid_ips": []},
    description="What is absent stays as it is.",
    parameters=(_KEY_ID,),
    body=_BODY,
)
DELETE = Operation(
    "Revoke an API key",
    {204: "revoked; other workers notice within 5 seconds"},
    errors=(not_found("7"),),
    parameters=(_KEY_ID,),
)
LIST_GRANTS = Operation(
    "List the grants there are",
    {
        200: (
            "grants",
            in_results(
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["key", "label", "description"],
                        "properties": {name: {"type": "string"} for name in ("key", "label", "description")},
                    },
                }
            ),
        ),
    },
    errors=(bad_params(f"role must be one of: {', '.join(ROLES.values())}"),),
    parameters=(
        {
            "name": "role",
            "in": "query",
            "schema": {"type": "string", "enum": sorted(ROLES.values())},
            "description": "only what this console role holds",
        },
    ),
)
