"""The HTTP application: every route, behind one gate and one frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from homing.api import docs, health, openapi
from homing.api.auth import Authenticate, Gate
from homing.api.bodies import Bodies
from homing.api.errors import LONGEST_URI
from homing.api.frame import Frame, handle
from homing.api.v1 import events, message_events, transmissions
from homing.api.v1.transmissions import RefuseNew, TakeTransmission
from homing.contracts import people
from homing.evidence.types import Begin
from homing.ground.clock import Clock
from homing.ground.db import Pool

BODIES_IN_MEMORY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """What the door needs of the house.

    begin         the evidence journal, for calls of the API
    refuse_new    why nothing new is taken now, in words for strangers; None: come in
    ready         a mapping with `ready`; for /health/ready
    metrics       Prometheus text; for /metrics
    spool_folder  where large bodies lie while they are read
    more_routes   gives the handlers of further resources (homing.api.v1), which share the bound on bodies in memory
    pages         handlers of pages for people; the OpenAPI document does not tell of them
    """

    authenticate: Authenticate
    accept: TakeTransmission
    begin: Begin
    refuse_new: RefuseNew
    ready: health.Ready
    metrics: health.Metrics
    pool: Pool
    clock: Clock
    max_body_bytes: int = 20_971_520
    max_request_bytes: int = transmissions.MOST_BODY  # of a transmission
    bodies_in_memory: int = BODIES_IN_MEMORY
    timeout_s: float = 300.0
    spool_folder: Path | None = None
    more_routes: Callable[[Bodies], Sequence[HTTPRouteHandler]] = lambda bodies: ()
    pages: Sequence[HTTPRouteHandler] = ()


def make_app(deps: Deps) -> Frame:
    """Return the ASGI application."""
    return framed(deps, routes_of(deps))


def routes_of(deps: Deps) -> list[HTTPRouteHandler]:
    """Return the handlers of all routes, with the document that describes them and its pages."""
    bodies = Bodies(most=deps.max_body_bytes, in_memory=deps.bodies_in_memory, folder=deps.spool_folder)
    largest = max(deps.max_request_bytes, deps.max_body_bytes)
    described = [
        *transmissions.routes(
            accept=deps.accept,
            bodies=bodies,
            refuse_new=deps.refuse_new,
            clock=deps.clock,
            most_body=largest,
            most_content=deps.max_body_bytes,
        ),
        *events.routes(pool=deps.pool, clock=deps.clock),
        *message_events.routes(pool=deps.pool, clock=deps.clock),
        *health.routes(ready=deps.ready, metrics=deps.metrics),
        *deps.more_routes(bodies),
    ]
    common = openapi.Common(body_bytes=deps.max_body_bytes, large_bytes=largest, answer_s=deps.timeout_s, uri_bytes=LONGEST_URI)

    @cache
    def document() -> dict[str, Any]:
        return openapi.document(described, common)

    described += [openapi.route(document), *docs.routes(document)]
    return [*described, *deps.pages]


def framed(deps: Deps, handlers: Sequence[HTTPRouteHandler]) -> Frame:
    """Return an application that serves these handlers, behind the gate and in the frame."""
    inner = Litestar(
        route_handlers=handlers,
        guards=[Gate(deps.authenticate, partial(people.by_token, deps.pool))],
        exception_handlers={Exception: handle},
        openapi_config=None,
        logging_config=None,
    )
    return Frame(inner, begin=deps.begin, timeout_s=deps.timeout_s)
