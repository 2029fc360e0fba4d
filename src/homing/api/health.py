"""Probes: is this process alive, is the platform ready, and its metrics."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import JSON
from homing.api.openapi import Operation, open_answers

Ready = Callable[[], Awaitable[Mapping[str, Any]]]
Metrics = Callable[[], Awaitable[bytes]]

_ANSWER = {"type": "object", "properties": {"live": {"type": "boolean"}, "ready": {"type": "boolean"}}}


def routes(*, ready: Ready, metrics: Metrics) -> list[HTTPRouteHandler]:
    """Return the routes.

    ready    a mapping with `ready` and, where it is false, the reasons
    metrics  in the text format of Prometheus
    """

    @get("/health/live", sync_to_thread=False, opt={"operation": Operation("Is this process alive?", open_answers(_ANSWER))})
    def live() -> Response[bytes]:
        return Response(b'{"live":true}', media_type=JSON)

    @get(
        "/health/ready",
        opt={"operation": Operation("Does every worker serve?", open_answers(_ANSWER, also={503: "not yet, or not now"}))},
    )
    async def is_ready() -> Response[bytes]:
        found = await ready()
        return Response(msgspec.json.encode(found), status_code=200 if found.get("ready") else 503, media_type=JSON)

    @get("/metrics", opt={"operation": Operation("Metrics of all workers, for Prometheus", open_answers(None))})
    async def all_metrics() -> Response[bytes]:
        return Response(await metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return [live, is_ready, all_metrics]
