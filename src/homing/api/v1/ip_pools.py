"""/api/v1/ip-pools: the addresses that a customer sends from, in groups (SparkPost reference, section 2.18)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import FORBIDDEN, ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, read_body, refusals, sender_of
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
from homing.egress.rules.pool_ids import MOST_NAME
from homing.egress.rules.warmup import LAST_STAGE
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
            if known is None or not await domains.sealed_keys(pool, account_id, domain, DEFAULT_KEY):
                raise Wrong(_cannot_sign(member, domain))

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
                    raise Wrong(_exists(made.pool_id)) from None
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
            raise ApiError(_NOT_FOUND)
        ips = await store.sending_ips(pool, account_id)
        return await json_answer(request, _encode({"results": show_pool(found, ips)}))

    @put(ONE, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_ip_pool(request: Request[Any, Any, Any], pool_id: str) -> Response[bytes]:
        account_id, named = account_of(request), read_pool_id(pool_id)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, PoolIn)
                if named not in await store.pools_of(pool, account_id):
                    raise Wrong(_no_pool(named))
                found = changes_of_default(given) if named == DEFAULT_POOL else changes(given, named)
                await check_domains(account_id, found)
                try:
                    after = await store.change_pool(pool, account_id, named, found)
                except store.NoSuchPool as trouble:
                    if not trouble.overflow:
                        raise Wrong(_no_pool(named)) from None
                    raise _overflow_refused(trouble) from None
                except store.Overflowing as trouble:
                    raise _overflow_refused(trouble) from None
        forget()
        return await json_answer(request, _encode({"results": show_settings(after)}))

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_ip_pool(request: Request[Any, Any, Any], pool_id: str) -> None:
        account_id, named = account_of(request), read_pool_id(pool_id)
        if named == DEFAULT_POOL:
            raise ApiError(_RESERVED)
        try:
            await store.remove_pool(pool, account_id, named)
        except store.NoSuchPool:
            raise ApiError(_no_pool(named)) from None
        except store.InUse as trouble:
            raise ApiError(_in_use(named, trouble.pool_id)) from None
        forget()

    return [create_ip_pool, list_ip_pools, get_ip_pool, update_ip_pool, delete_ip_pool]


def _exists(pool_id: str) -> Problem:
    return Problem(409, f"IP Pool {pool_id} already exists; choose another name.")


def _no_pool(pool_id: str) -> Problem:
    return Problem(404, f"IP Pool {pool_id} does not exist.")


def _in_use(pool_id: str, by: str) -> Problem:
    return Problem(409, f"{pool_id} is the overflow pool of {by}; let that one overflow elsewhere first.")


def _cannot_sign(member: str, domain: str) -> Problem:
    return Problem(400, f"{member} {domain} must be a sending domain of this account whose DKIM record is verified.")


def _overflow_refused(trouble: store.NoSuchPool | store.Overflowing) -> Wrong:
    if isinstance(trouble, store.NoSuchPool):
        return refuse(f"Auto Warmup Overflow Pool {trouble.pool_id} does not exist.")
    if trouble.has_one:
        return refuse(f"{trouble.pool_id} has an overflow pool and cannot be an overflow pool")
    return refuse(f"{trouble.pool_id} is an overflow pool and cannot have an overflow pool")


_ID: Schema = {"name": "pool_id", "in": "path", "required": True, "schema": {"type": "string"}}
_SETTINGS: dict[str, Schema] = {
    "name": {"type": "string", "maxLength": MOST_NAME},
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
                    "auto_warmup_stage": {"type": "integer", "minimum": 1, "maximum": LAST_STAGE},
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
_NOT_FOUND = Problem(404, "IP pool not found.")
_RESERVED = Problem(400, "IP Pool default is reserved.")
_IN_BODY = (
    problem_with(created, PoolIn(), 0),
    _cannot_sign("signing_domain", "mail.acme.test"),
    _overflow_refused(store.NoSuchPool("spare", overflow=True)).problem,
)
_LIMIT = Limit("name", MOST_NAME, "characters", "400")
_BODY: Schema = {"type": "object", "properties": _SETTINGS}
CREATE = Operation(
    "Make an IP pool",
    {200: ("its id, made of the name", _MADE)},
    errors=(*_IN_BODY, _exists("marketing")),
    limits=(Limit("IP pools of an account", MOST_POOLS, "pools", "400"), _LIMIT),
    example={"name": "Marketing", "signing_domain": "mail.acme.test", "auto_warmup_overflow_pool": "shared pool"},
    body={**_BODY, "required": ["name"]},
)
LIST = Operation("List IP pools", {200: ("all of them, default first", _LISTED)})
RETRIEVE = Operation("Look at an IP pool", {200: ("the pool", _ANSWER)}, parameters=(_ID,), errors=(_NOT_FOUND,))
UPDATE = Operation(
    "Change an IP pool",
    {200: ("the pool as it is now, without its addresses", _ANSWER)},
    errors=(*_IN_BODY, problem_with(changes_of_default, PoolIn()), _no_pool("marketing")),
    limits=(_LIMIT,),
    example={"auto_warmup_when_full": "send"},
    description="Of the pool `default` only where its overflow goes (the shared pool) can be changed, and what happens without.",
    parameters=(_ID,),
    body=_BODY,
)
DELETE = Operation(
    "Remove an IP pool",
    {204: "removed; its addresses are in the default pool now, and its mail leaves from there"},
    errors=(_RESERVED, _no_pool("marketing"), _in_use("marketing", "newsletters")),
    parameters=(_ID,),
)
