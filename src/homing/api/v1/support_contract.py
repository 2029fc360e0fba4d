"""/api/v1/support/contract: what was promised to an account, by whom it is kept, and who changed what (clauses B1 to B3)."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import NOT_FOUND, ApiError
from homing.api.reading import query_of, read_body, refusals
from homing.api.v1 import support_contract_pages as pages
from homing.api.v1.support_askers import ADMIN, ANYBODY, MANAGE, VIEW, asker, number_of, staff_of, taken
from homing.api.v1.support_contract_wire import (
    OrderFormIn,
    TamIn,
    before_in,
    is_in_force,
    is_same,
    limit_in,
    moment_in,
    order_form_in,
    show_assignments,
    show_entry,
    show_form,
    show_tam,
)
from homing.contracts import contacts, people, store
from homing.contracts.types import EMAIL, ContactRole, Role
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Wrong, missing

PATH = "/api/v1/support/contract"
FORMS = f"{PATH}/order-forms"
TAM = f"{PATH}/tam"
PIN = f"{PATH}/pin"
AUDIT = "/api/v1/support/audit"
_encode = msgspec.json.Encoder().encode


def routes(*, pool: Pool, bodies: Bodies, clock: Clock, master_key: MasterKey) -> list[HTTPRouteHandler]:
    """Return the routes."""

    @get(PATH, opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.SHOW})
    async def show_contract(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        now = clock.now()
        forms = [one for one in await store.order_forms_of(pool, who.account_id) if is_in_force(one, now)]
        tam = await store.tam_at(pool, who.account_id, now)
        known = await contacts.of_account(pool, who.account_id)
        main = next((one for one in forms if one.service == EMAIL), None)
        shown = {
            "account_id": who.account_id,
            "at": now,
            "zone": None if main is None else main.zone,
            "holiday_set": None if main is None else main.holiday_set,
            "sev1_entitled": any(one.sev1_entitled for one in forms),
            "order_forms": [show_form(one, now=now) for one in forms],
            "tam": None if tam is None else show_tam(tam),
            "contacts": {
                "authorised": sum(one.role is ContactRole.AUTHORISED for one in known),
                "authorised_needed": contacts.LEAST_AUTHORISED,
                "may_sign": sum(one.may_sign for one in known),
                "may_open_sev1": sum(one.may_open_sev1 for one in known),
            },
            "pin_set_at": await contacts.pin_set_at(pool, who.account_id),
        }
        return await json_answer(request, _encode({"results": shown}))

    @get(FORMS, opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.LIST_FORMS})
    async def list_order_forms(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        now = clock.now()
        found = await store.order_forms_of(pool, who.account_id)
        return await json_answer(request, _encode({"results": [show_form(one, now=now) for one in found]}))

    @get(f"{FORMS}/{{order_form_id:str}}", opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.GET_FORM})
    async def get_order_form(request: Request[Any, Any, Any], order_form_id: str) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        found = await store.order_form(pool, number_of(order_form_id))
        if found is None or found.account_id != who.account_id:
            raise ApiError(NOT_FOUND)
        return await json_answer(request, _encode({"results": show_form(found, now=clock.now())}))

    @post(FORMS, status_code=200, opt={"staff": ADMIN, "operation": pages.ADD_FORM})
    async def add_order_form(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                wanted = order_form_in(read_body(body, OrderFormIn), account_id=who.account_id, now=now)
        known = await store.order_forms_of(pool, who.account_id)
        made = next((one for one in known if is_same(one, wanted)), None)  # the same call again
        if made is None:
            made = await store.add_order_form(pool, wanted, actor=who.actor)
        if made is None:
            raise ApiError(pages.OVERLAPS)
        return await json_answer(request, _encode({"results": show_form(made, now=now)}))

    @get(TAM, opt={"grants": VIEW, "staff": ANYBODY, "operation": pages.SHOW_TAM})
    async def show_account_tam(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        return await json_answer(request, _encode({"results": await _tam(who.account_id)}))

    @put(TAM, opt={"staff": ADMIN, "operation": pages.ASSIGN_TAM})
    async def assign_account_tam(request: Request[Any, Any, Any]) -> Response[bytes]:
        now = clock.now()
        async with bodies.json(request) as body:
            with refusals():
                who = await asker(pool, request, query_of(request))
                given = read_body(body, TamIn)
                if given.person_id is None:
                    raise Wrong(missing("person_id is a required field"))
                begins_at = now if given.begins_at is None else moment_in(given.begins_at, "begins_at", now=now)
        member = await people.one(pool, given.person_id) if 0 < given.person_id < 2**31 else None
        if member is None or not member.is_a(Role.TAM):
            raise ApiError(pages.NO_TAM)
        known = await store.tams_of(pool, who.account_id)
        is_done = any(
            one.person.person_id == member.person_id
            and (one.begins_at == begins_at or (given.begins_at is None and one.begins_at <= now and one.ends_at is None))
            for one in known
        )
        try:
            if not is_done and not await store.assign_tam(
                pool, who.account_id, member.person_id, begins_at=begins_at, actor=who.actor
            ):
                raise ApiError(taken("somebody is assigned from that time or later already"))
        except store.NotTam:
            raise ApiError(pages.NO_TAM) from None
        return await json_answer(request, _encode({"results": await _tam(who.account_id)}))

    @post(PIN, status_code=200, opt={"grants": MANAGE, "staff": ADMIN, "operation": pages.NEW_PIN})
    async def make_support_pin(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            who = await asker(pool, request, query_of(request))
        pin = await contacts.new_pin(pool, master_key, who.account_id, actor=who.actor)
        shown = {"pin": pin, "set_at": await contacts.pin_set_at(pool, who.account_id)}
        return await json_answer(request, _encode({"results": shown}))

    @get(AUDIT, opt={"grants": MANAGE, "staff": (Role.TAM, Role.ADMIN), "operation": pages.LIST_AUDIT})
    async def list_audit(request: Request[Any, Any, Any]) -> Response[bytes]:
        with refusals():
            query = query_of(request)
            before, limit = before_in(query), limit_in(query)
            if query.get("account_id") == "all" and Role.ADMIN in _roles(request):
                whose = None
            else:
                whose = (await asker(pool, request, query)).account_id
        found = await store.audit_of(pool, whose, before=before, limit=limit)
        return await json_answer(request, _encode({"results": [show_entry(one) for one in found]}))

    async def _tam(account_id: int) -> dict[str, Any]:
        now = clock.now()
        tam = await store.tam_at(pool, account_id, now)
        known = await store.tams_of(pool, account_id)
        return {"now": None if tam is None else show_tam(tam), "assignments": show_assignments(known)}

    return [
        show_contract,
        list_order_forms,
        get_order_form,
        add_order_form,
        show_account_tam,
        assign_account_tam,
        make_support_pin,
        list_audit,
    ]


def _roles(request: Request[Any, Any, Any]) -> frozenset[Role]:
    member = staff_of(request)
    return frozenset() if member is None else member.roles
