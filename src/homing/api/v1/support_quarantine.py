"""/api/v1/support/quarantine: mail to the support address that nobody has vouched for; a person decides."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.reading import read_body, refusals
from homing.api.v1 import support_cases_pages as pages
from homing.api.v1.support_callers import STAFF, Office, number_of
from homing.api.v1.support_cases_wire import StepIn
from homing.contracts import contacts
from homing.contracts.types import Contact
from homing.ingress.rules.problem import Wrong, bad_params, missing
from homing.support.cases import quarantine
from homing.support.cases.releasing import Gate

PATH = "/api/v1/support/quarantine"
_encode = msgspec.json.Encoder().encode


def routes(*, office: Office, bodies: Bodies) -> list[HTTPRouteHandler]:
    """Return the routes."""
    gate = Gate(office.pool, office.desk, office.legal)

    @get(PATH, opt={"staff": STAFF, "operation": pages.QUARANTINE})
    async def list_quarantine(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await quarantine.waiting(office.pool)
        return await json_answer(request, _encode({"results": found}))

    @post(f"{PATH}/{{quarantine_id:str}}", status_code=200, opt={"staff": STAFF, "operation": pages.DECIDE})
    async def decide(request: Request[Any, Any, Any], quarantine_id: str) -> Response[bytes]:
        caller = await office.caller(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, StepIn)
                if given.discard:
                    if not await gate.discard(number_of(quarantine_id), caller.actor):
                        raise ApiError(NOT_FOUND)
                    return await json_answer(request, _encode({"results": {"discarded": True}}))
                contact = await _contact(office, given)
                case_id = given.case if 0 < given.case < 2**62 else None
                done = await gate.release(number_of(quarantine_id), caller.actor, case_id=case_id, contact=contact)
                if isinstance(done, str):
                    raise Wrong(bad_params(done))
        return await office.answer(request, caller, done)

    return [list_quarantine, decide]


async def _contact(office: Office, given: StepIn) -> Contact:
    """Return whose word a mail is. raises Wrong."""
    if not given.contact or not 0 < given.account_id < 2**31:
        raise Wrong(missing("account_id and contact say whose word it is; or discard it"))
    found = await contacts.of_account(office.pool, given.account_id)
    named = next((one for one in found if one.email == given.contact.lower()), None)
    if named is None:
        raise Wrong(bad_params("contact is the address of a contact of that account; a stranger is made a contact first"))
    return named
