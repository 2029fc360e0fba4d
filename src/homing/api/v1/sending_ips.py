"""/api/v1/sending-ips: a customer's own addresses, their pools and automatic warm-up (SparkPost reference, section 2.19).

An operator gives and takes addresses (`homing ips`); here they are looked at, moved between pools and warmed up.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, get, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, read_body, refusals
from homing.api.v1.ip_pools import MANAGE, VIEW, account_of
from homing.api.v1.ip_pools_wire import IpIn, new_stage, read_address, read_pool_id, refuse, show_ip
from homing.egress import store
from homing.egress.rules.warmup import LAST_STAGE
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ingress.rules.problem import Problem, Wrong

PATH = "/api/v1/sending-ips"
ONE = f"{PATH}/{{external_ip:str}}"
_NOT_FOUND = Problem(404, "Sending IP does not exist")
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes. forget: called after a change, so that this worker knows it at once; the others ask each second."""

    @get(PATH, opt={"grants": VIEW, "operation": LIST})
    async def list_sending_ips(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await store.sending_ips(pool, account_of(request))
        return await json_answer(request, _encode({"results": [show_ip(one) for one in found]}))

    @get(ONE, opt={"grants": VIEW, "operation": RETRIEVE})
    async def get_sending_ip(request: Request[Any, Any, Any], external_ip: str) -> Response[bytes]:
        account_id = account_of(request)
        with refusals():
            address = read_address(external_ip)
        found = await store.sending_ips(pool, account_id, address=address)
        if not found:
            raise ApiError(_NOT_FOUND)
        return await json_answer(request, _encode({"results": show_ip(found[0])}))

    @put(ONE, opt={"grants": MANAGE, "operation": UPDATE})
    async def update_sending_ip(request: Request[Any, Any, Any], external_ip: str) -> Response[bytes]:
        account_id = account_of(request)
        async with bodies.json(request) as body:
            with refusals():
                address = read_address(external_ip)
                given = read_body(body, IpIn)
                async with store.changing_ip(pool, account_id, address) as held:
                    if held is None:
                        raise ApiError(_NOT_FOUND)
                    stage = new_stage(given, held.ip)
                    if given.ip_pool is not None:
                        target = read_pool_id(given.ip_pool)
                        try:
                            await held.move(target)
                        except store.NoSuchPool:
                            raise Wrong(_no_pool(target)) from None
                    if stage != held.ip.stage:
                        await held.set_stage(stage, today=clock.now().date())
        forget()
        return await json_answer(request, _encode({"results": {"message": "Updated Sending IP."}}))

    return [list_sending_ips, get_sending_ip, update_sending_ip]


def _no_pool(pool_id: str) -> Problem:
    return Problem(400, f"IP Pool {pool_id} does not exist.")


_NO_ADDRESS = problem_with(read_address, "mta1")
_ADDRESS: Schema = {"name": "external_ip", "in": "path", "required": True, "schema": {"type": "string"}}
_IP: Schema = {
    "type": "object",
    "required": ["external_ip", "hostname", "ip_pool", "customer_provided", "auto_warmup_enabled"],
    "properties": {
        "external_ip": {"type": "string"},
        "hostname": {"type": "string"},
        "ip_pool": {"type": "string"},
        "customer_provided": {"type": "boolean"},
        "auto_warmup_enabled": {"type": "boolean"},
        "auto_warmup_stage": {"type": "integer", "minimum": 1, "maximum": LAST_STAGE},
    },
}
LIST = Operation(
    "List sending IPs",
    {
        200: (
            "the addresses that belong to this account",
            {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": _IP}}},
        )
    },
)
RETRIEVE = Operation(
    "Look at a sending IP",
    {
        200: ("the address", {"type": "object", "required": ["results"], "properties": {"results": _IP}}),
    },
    errors=(_NO_ADDRESS, _NOT_FOUND),
    parameters=(_ADDRESS,),
)
UPDATE = Operation(
    "Change a sending IP",
    {
        200: ("changed", {"type": "object", "required": ["results"], "properties": {"results": {"type": "object"}}}),
    },
    errors=(
        _NO_ADDRESS,
        _NOT_FOUND,
        _no_pool("marketing"),
        refuse(f"auto_warmup_stage must be between 1 and {LAST_STAGE}").problem,
        refuse("auto_warmup_enabled must be true to update auto_warmup_stage").problem,
    ),
    limits=(Limit("auto_warmup_stage", LAST_STAGE, "stages", "400"),),
    example={"ip_pool": "marketing", "auto_warmup_enabled": True},
    description="Automatic warm-up begins at stage 1. A stage can be lowered, never raised: only a day's deliveries do that.",
    parameters=(_ADDRESS,),
    body={
        "type": "object",
        "properties": {
            "ip_pool": {"type": "string"},
            "auto_warmup_enabled": {"type": "boolean"},
            "auto_warmup_stage": {"type": "integer", "minimum": 1, "maximum": LAST_STAGE},
        },
    },
)
