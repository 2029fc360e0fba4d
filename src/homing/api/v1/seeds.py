"""/api/v1/seeds and /inline-seeds: addresses that watch inbox placement (SparkPost reference, section 2.29). There are none here.

Clients that look first find that nothing is seeded; nothing can be configured, because nobody would look into the mailboxes.
"""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Operation, Schema
from homing.api.reading import query_of, refusals
from homing.ingress.rules.problem import Problem

SEEDS = "/api/v1/seeds"
INLINE = "/api/v1/inline-seeds"
VIEW = ("inbox-placement/manage",)
NOT_FOUND = Problem(404, "Inline seed could not be found")
_encode = msgspec.json.Encoder().encode


def routes() -> list[HTTPRouteHandler]:
    """Return the routes."""

    async def answer(request: Request[Any, Any, Any], results: list[Any] | dict[str, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": results}))

    @get(SEEDS, opt={"grants": VIEW, "operation": LIST})
    async def list_seeds(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await answer(request, [])

    @get(f"{INLINE}/config", opt={"grants": VIEW, "operation": CONFIG})
    async def get_inline_seeds_config(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await answer(request, {})

    @get(f"{INLINE}/status", opt={"grants": VIEW, "operation": STATUS})
    async def get_inline_seeds_status(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            one = query_of(request).get("id")
        if one:
            raise ApiError(NOT_FOUND)
        return await answer(request, [])

    return [list_seeds, get_inline_seeds_config, get_inline_seeds_status]


def _results(kind: str) -> Schema:
    return {"type": "object", "required": ["results"], "properties": {"results": {"type": kind}}}


LIST = Operation("Seed addresses: always empty", {200: ("no rows: homing has no seeds", _results("array"))})
CONFIG = Operation("The configuration of inline seeds: always empty", {200: ("there is none", _results("object"))})
STATUS = Operation(
    "What inline seeds are doing: always empty",
    {200: ("no rows: nothing is seeded", _results("array"))},
    errors=(NOT_FOUND,),
    parameters=(
        {"name": "id", "in": "query", "schema": {"type": "string"}, "description": "one of them; there is none"},
        {"name": "sending_domain", "in": "query", "schema": {"type": "string"}},
    ),
)
