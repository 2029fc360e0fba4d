"""/api/v1/support/updates: one status update for the cases of one outage. Updates may be shared, call-backs never (E11)."""

from typing import Any

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.reading import read_body, refusals
from homing.api.v1 import support_cases_pages as pages
from homing.api.v1.support_callers import STAFF, Office
from homing.api.v1.support_cases_wire import SharedIn, eta_of, text_of
from homing.ingress.rules.problem import Wrong, bad_params, missing
from homing.support.cases import outages
from homing.support.cases.outages import MOST

PATH = "/api/v1/support/updates"
_encode = msgspec.json.Encoder().encode


def routes(*, office: Office, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @post(PATH, status_code=200, opt={"staff": STAFF, "operation": pages.UPDATES})
    async def share_update(request: Request[Any, Any, Any]) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, SharedIn)
                caller = await office.caller(request)
                text, eta = text_of(given.text), eta_of(given.update)
                if not given.cases:
                    raise Wrong(missing("cases names the cases of the outage"))
                if len(given.cases) > MOST:
                    raise Wrong(bad_params(f"cases has at most {MOST} numbers"))
                told = await outages.update(office.desk, given.cases, caller.actor, author=caller.author, text=text, eta=eta)
        return await json_answer(request, _encode({"results": told}))

    return [share_update]
