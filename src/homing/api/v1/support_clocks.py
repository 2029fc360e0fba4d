"""/api/v1/support/clock-audits: what the nightly replay of clocks and call-backs found. For staff alone."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import json_answer
from homing.api.openapi import Operation
from homing.api.v1.support_askers import LISTED
from homing.contracts.types import Role
from homing.ground.db import Pool
from homing.support.clocks import auditor
from homing.support.clocks.auditor import MOST_FINDINGS

PATH = "/api/v1/support/clock-audits"
NIGHTS = 31
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"staff": (Role.TAM, Role.ADMIN), "operation": LIST})
    async def list_clock_audits(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await json_answer(request, _encode({"results": await auditor.latest(pool, limit=NIGHTS)}))

    return [list_clock_audits]


LIST = Operation(
    "What the nightly audits found",
    {200: (f"the last {NIGHTS}, newest first, each with up to {MOST_FINDINGS} findings", LISTED)},
    description=(
        "Each night the events of everything that has clocks are replayed and compared with what is kept, call-backs of the "
        "Severity 1 Line too. A finding is a bug, or a hand in the database; nothing is corrected."
    ),
)
