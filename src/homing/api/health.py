"""Probes: is this process alive, is the platform ready, and its metrics."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import JSON
from homing.api.openapi import OPEN, Operation, Schema, open_answers

Ready = Callable[[], Awaitable[Mapping[str, Any]]]
Metrics = Callable[[], Awaitable[bytes]]

_ANSWER: Schema = {"type": "object", "properties": {"live": {"type": "boolean"}}}
_READY = ("whether it does; 503: not yet, or not now", {"type": "object", "properties": {"ready": {"type": "boolean"}}})


def routes(*, ready: Ready, metrics: Metrics) -> list[HTTPRouteHandler]:
    """Return the routes.

    ready    a mapping with `ready` and, where it is false, the reasons
    metrics  in the text format of Prometheus
    """

    @get(
        "/health/live",
        sync_to_thread=False,
        opt={"grants": OPEN, "operation": Operation("Is this process alive?", open_answers(_ANSWER))},
    )
    def live() -> Response[bytes]:
        return Response(b'{"live":true}', media_type=JSON)

    @get(
        "/health/ready",
        opt={"grants": OPEN, "operation": Operation("Does every worker serve?", {200: _READY, 503: _READY})},
    )
    async def is_ready() -> Response[bytes]:
        found = await ready()
        return Response(msgspec.json.encode(found), status_code=200 if found.get("ready") else 503, media_type=JSON)

    @get("/metrics", opt={"grants": OPEN, "operation": Operation("Metrics of all workers, for Prometheus", open_answers(None))})
    async def all_metrics() -> Response[bytes]:
        return Response(await metrics(), media_type="text/plain; version=0.0.4")  # Litestar adds the charset

    return [live, is_ready, all_metrics]
