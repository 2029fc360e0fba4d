"""/api/v1/inbound-domains: domains whose mail we take for a customer (SparkPost reference, section 2.11)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.openapi import Limit, Operation, Schema
from homing.api.reading import problem_with, read_body, refusals, sender_of
from homing.domains.rules.names import BadName, NameTrouble, a_labels, domain_name
from homing.ground.db import Pool
from homing.inbound import store
from homing.inbound.relay_types import InboundDomain
from homing.ingress.rules.problem import Problem, Wrong, bad_type, missing

PATH = "/api/v1/inbound-domains"
ONE = f"{PATH}/{{domain:str}}"
MANAGE = ("inbound_domains/manage",)
_encode = msgspec.json.Encoder().encode


class DomainIn(msgspec.Struct, kw_only=True):
    """A domain to add."""

    domain: str | None = None


def routes(*, pool: Pool, bodies: Bodies, own_domains: frozenset[str], forget: Callable[[], None]) -> list[HTTPRouteHandler]:
    """Return the routes.

    own_domains   names of this installation, lower case: nobody's to take
    forget        called after a change, so that this worker's MX door knows it at once
    """

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": CREATE})
    async def create_inbound_domain(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                name = _name(read_body(body, DomainIn).domain)
                if name in own_domains:
                    raise Wrong(_restricted(name))
        try:
            await store.add_domain(pool, domain=name, account_id=sender.account_id, subaccount_id=sender.subaccount_id)
        except store.Taken as taken:
            raise ApiError(_SENDING if taken.by == "sending" else _EXISTS) from None
        forget()
        return await json_answer(request, b"{}")

    @get(PATH, opt={"grants": MANAGE, "operation": LIST})
    async def list_inbound_domains(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        found = await store.domains(pool, sender.account_id, subaccount_id=sender.scope)
        return await json_answer(request, _encode({"results": [_show(one) for one in found]}))

    @get(ONE, opt={"grants": MANAGE, "operation": RETRIEVE})
    async def get_inbound_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        sender, name = sender_of(request), a_labels(domain)
        found = await store.domains(pool, sender.account_id, subaccount_id=sender.scope, domain=name) if name else []
        if not found:
            raise ApiError(_not_found(domain))
        return await json_answer(request, _encode({"results": _show(found[0])}))

    @delete(ONE, status_code=200, opt={"grants": MANAGE, "operation": DELETE})
    async def delete_inbound_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        sender, name = sender_of(request), a_labels(domain)
        account_id, subaccount_id = sender.account_id, sender.subaccount_id
        found = await store.domains(pool, account_id, subaccount_id=subaccount_id, domain=name) if name else []
        if not name or not found:
            raise ApiError(_not_found(domain))
        if not await store.delete_domain(pool, name, account_id=account_id, subaccount_id=subaccount_id):
            raise ApiError(_IN_USE)
        forget()
        return await json_answer(request, b"{}")

    return [create_inbound_domain, list_inbound_domains, get_inbound_domain, delete_inbound_domain]


def _name(text: str | None) -> str:
    if not text:
        raise Wrong(missing("domain is a required field"))
    found = domain_name(text)
    if isinstance(found, BadName):
        raise Wrong(_restricted(text) if found.trouble is NameTrouble.RESTRICTED else bad_type(found.text))
    return found


def _show(domain: InboundDomain) -> dict[str, Any]:
    return {"domain": domain.domain, **({"subaccount_id": domain.subaccount_id} if domain.subaccount_id else {})}


def _restricted(name: str) -> Problem:
    return Problem(400, "Restricted domain", f"Restricted domain: '{name[:253]}'", "7000")


def _not_found(name: str) -> Problem:
    return Problem(404, "resource not found", f"Inbound domain '{name[:253]}' does not exist", "1600")


_EXISTS = Problem(409, "resource conflict", "An inbound domain with similar attributes already exists", "1602")
_SENDING = Problem(
    409, "resource conflict", "A CNAME or MX verified sending domain with similar attributes already exists.", "1602"
)
_IN_USE = Problem(
    409,
    "resource conflict",
    "Domain currently being used in a relay-webhook. Please delete the relay-webhook first.",
    "1602",
)
_DOMAIN: Schema = {
    "type": "object",
    "required": ["domain"],
    "properties": {"domain": {"type": "string"}, "subaccount_id": {"type": "integer"}},
}
_NAMED: Schema = {"name": "domain", "in": "path", "required": True, "schema": {"type": "string"}}
CREATE = Operation(
    "Add an inbound domain",
    {200: ("added", {"type": "object"})},
    errors=(problem_with(_name, None), problem_with(_name, "acme"), _restricted("gmail.com"), _EXISTS, _SENDING),
    limits=(Limit("domain", 253, "characters", "422 (1300)"),),
    example={"domain": "in.acme.test"},
    description="Point its MX record to the host of HOMING_MX, priority 10. A relay webhook says where its mail goes.",
    body={
        "type": "object",
        "required": ["domain"],
        "properties": {"domain": {"type": "string", "maxLength": 253, "description": "its MX record leads here"}},
    },
)
LIST = Operation(
    "List inbound domains",
    {
        200: (
            "all of them, by name",
            {"type": "object", "required": ["results"], "properties": {"results": {"type": "array", "items": _DOMAIN}}},
        )
    },
)
RETRIEVE = Operation(
    "Look at an inbound domain",
    {
        200: ("the domain", {"type": "object", "required": ["results"], "properties": {"results": _DOMAIN}}),
    },
    errors=(_not_found("in.acme.test"),),
    parameters=(_NAMED,),
)
DELETE = Operation(
    "Remove an inbound domain",
    {200: ("removed", {"type": "object"})},
    errors=(_not_found("in.acme.test"), _IN_USE),
    parameters=(_NAMED,),
)
