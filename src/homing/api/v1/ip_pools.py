"""/api/v1/ip-pools: the addresses that a customer sends from, in groups (SparkPost reference, section 2.18)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import read_body, refusals, sender_of
from homing.api.v1.ip_pools_wire import (
    PoolIn,
    changes,
    changes_of_default,
    created,
    read_pool_id,
    refuse,
    show_pool,
    show_settings,
)
from homing.domains import store as domains
from homing.domains.types import DEFAULT_KEY
from homing.egress import store
from homing.egress.types import DEFAULT_POOL
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem, Wrong

PATH = "/api/v1/ip-pools"
ONE = f"{PATH}/{{pool_id:str}}"
VIEW = ("ip_pools/view", "ip_pools/manage")
MANAGE = ("ip_pools/manage",)
MOST_POOLS = 100  # of an account
_encode = msgspec.json.Encoder().encode


def account_of(request: Request[Any, Any, Any]) -> int:
    """Return whose pools these are: they belong to the account as a whole, and a subaccount's key has no part in them.

    raises   ApiError
    """
    sender = sender_of(request)
    if sender.pinned:
        raise ApiError(FORBIDDEN)
    return sender.account_id


def routes(*, pool: Pool, bodies: Bodies, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes. forget: called after a change, so that this worker knows it at once; the others ask each second."""

    async def check_domains(account_id: int, found: dict[str, Any]) -> None:
        """See that the domains that shall sign can: the primary account's own, with keys that are published."""
        for member in ("signing_domain", "fbl_signing_domain"):
            domain = found.get(member)
            if domain is None:
                continue
            known = await domains.get(pool, domain, account_id=account_id, subaccount_id=0)
            if known is None or not await domains.sealed_keys(pool, domain, DEFAULT_KEY):
                raise refuse(f"{member} {domain} must be a sending domain of this account whose DKIM record is verified.")

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": CREATE})
    async def create_ip_pool(request: Request[Any, Any, Any]) -> Response[bytes]:
        account_id = account_of(request)
        async with bodies.json(request) as body:
            with refusals():
                made = created(read_body(body, PoolIn), account_id)
                await check_domains(account_id, msgspec.structs.asdict(made))
                if len(await store.pools_of(pool, account_id)) > MOST_POOLS:
                    raise refuse(f"An account has at most {MOST_POOLS} IP pools; delete one first.")
                try:
                    await store.add_pool(pool, made)
                except store.Taken:
                    raise refuse(f"IP Pool {made.pool_id} already exists; choose another name.", 409) from None
                except (store.NoSuchPool, store.Overflowing) as trouble:
                    raise _overflow_refused(trouble) from None
        forget()
        return await json_answer(request, _encode({"results": {"id": made.pool_id}}))

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_ip_pools(request: Request[Any, Any, Any]) -> Response[bytes]:
        account_id = account_of(request)
        pools = await store.pools_of(pool, account_id)
        ips = await store.sending_ips(pool, account_id)
        return await json_answer(request, _encode({"results": [show_pool(one, ips) for one in pools.values()]}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_ip_pool(request: Request[Any, Any, Any], pool_id: str) -> Response[bytes]:
        account_id = account_of(request)
        found = (await store.pools_of(pool, account_id)).get(read_pool_id(pool_id))
        if found is None:
            raise ApiError(Problem(404, "IP pool not found."))
        ips = await store.sending_ips(pool, account_id)
        return await json_answer(request, _encode({"results": show_pool(found, ips)}))

    @put(ONE, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_ip_pool(request: Request[Any, Any, Any], pool_id: str) -> Response[bytes]:
        account_id, named = account_of(request), read_pool_id(pool_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, PoolIn)
                if named not in await store.pools_of(pool, account_id):
                    raise refuse(f"IP Pool {named} does not exist.", 404)
                found = changes_of_default(given) if named == DEFAULT_POOL else changes(given, named)
                await check_domains(account_id, found)
                try:
                    after = await store.change_pool(pool, account_id, named, found)
                except store.NoSuchPool as trouble:
                    if not trouble.overflow:
                        raise refuse(f"IP Pool {named} does not exist.", 404) from None
                    raise _overflow_refused(trouble) from None
                except store.Overflowing as trouble:
                    raise _overflow_refused(trouble) from None
        forget()
        return await json_answer(request, _encode({"results": show_settings(after)}))

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_ip_pool(request: Request[Any, Any, Any], pool_id: str) -> None:
        account_id, named = account_of(request), read_pool_id(pool_id)
        if named == DEFAULT_POOL:
            raise ApiError(Problem(400, "IP Pool default is reserved."))
        try:
            await store.remove_pool(pool, account_id, named)
        except store.NoSuchPool:
            raise ApiError(Problem(404, f"IP Pool {named} does not exist.")) from None
        except store.InUse as trouble:
            text = f"{named} is the overflow pool of {trouble.pool_id}; let that one overflow elsewhere first."
            raise ApiError(Problem(409, text)) from None
        forget()

    return [create_ip_pool, list_ip_pools, get_ip_pool, update_ip_pool, delete_ip_pool]


def _overflow_refused(trouble: store.NoSuchPool | store.Overflowing) -> Wrong:
    if isinstance(trouble, store.NoSuchPool):
        return refuse(f"Auto Warmup Overflow Pool {trouble.pool_id} does not exist.")
    if trouble.has_one:
        return refuse(f"{trouble.pool_id} has an overflow pool and cannot be an overflow pool")
    return refuse(f"{trouble.pool_id} is an overflow pool and cannot have an overflow pool")


_ID: Schema = {"name": "pool_id", "in": "path", "required": True, "schema": {"type": "string"}}
_SETTINGS: dict[str, Schema] = {
    "name": {"type": "string", "maxLength": 64},
    "signing_domain": {"type": "string", "description": "signs in place of the From domain; '' clears it"},
    "fbl_signing_domain": {"type": "string", "description": "signs besides, to providers whose feedback loop wants it"},
    "auto_warmup_overflow_pool": {"type": "string", "description": "id of a pool, or 'shared pool'; '' clears it"},
    "auto_warmup_when_full": {
        "type": "string",
        "enum": ["wait", "send"],
        "default": "wait",
        "description": "without overflow: mail waits up to 24 hours, or goes over the warming addresses at once",
    },
}
_POOL: Schema = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {"type": "string"},
        **_SETTINGS,
        "ips": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["external_ip", "hostname", "auto_warmup_enabled"],
                "properties": {
                    "external_ip": {"type": "string"},
                    "hostname": {"type": "string"},
                    "auto_warmup_enabled": {"type": "boolean"},
                    "auto_warmup_stage": {"type": "integer", "minimum": 1, "maximum": 29},
                },
            },
        },
    },
}
_ANSWER: Schema = {"type": "object", "required": ["results"], "properties": {"results": _POOL}}
_LISTED: Schema = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": _POOL}}}
_MADE: Schema = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}},
}
_IN_BODY = {
    400: "a member is not possible, or the body is no JSON (1300)",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the body is not application/json (1700)",
    422: "a member is of a wrong type (1300)",
}
_BODY: Schema = {"type": "object", "properties": _SETTINGS}
CREATE = Operation(
    "Make an IP pool",
    {200: ("its id, made of the name", _MADE), **_IN_BODY, 409: "a pool with that id is there already"},
    body={**_BODY, "required": ["name"]},
)
LIST = Operation("List IP pools", {200: ("all of them, default first", _LISTED)})
RETRIEVE = Operation("Look at an IP pool", {200: ("the pool", _ANSWER), 404: "there is none"}, parameters=(_ID,))
UPDATE = Operation(
    "Change an IP pool",
    {200: ("the pool as it is now, without its addresses", _ANSWER), **_IN_BODY, 404: "there is none"},
    description="Of the pool `default` only where its overflow goes (the shared pool) can be changed, and what happens without.",
    parameters=(_ID,),
    body=_BODY,
)
DELETE = Operation(
    "Remove an IP pool",
    {
        204: "removed; its addresses are in the default pool now, and its mail leaves from there",
        400: "the pool default stays",
        404: "there is none",
        409: "it is the overflow pool of another one",
    },
    parameters=(_ID,),
)
