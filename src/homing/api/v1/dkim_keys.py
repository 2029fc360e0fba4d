"""/api/v1/sending-domains/{domain}/dkim-keys: several keys for one domain (SparkPost reference, section 2.8)."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import has_body, read_body, sender_of
from homing.api.v1 import dkim_keys_wire as wire
from homing.api.v1.dkim_keys_wire import KeyIn, KeyUpdateIn, VerifyKeyIn, key_refusals
from homing.api.v1.sending_domains_desk import DomainDesk
from homing.api.v1.sending_domains_wire import DkimIn, conflict, not_found, read_signing_domain
from homing.domains import key_store, store
from homing.domains.registry import fresh_keys
from homing.domains.rules.keys import find_key, free_selector
from homing.domains.types import Conflict, DkimKey, NewDkimKey, SendingDomain
from homing.domains.verify import DomainDns, judged, look_at_key
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Problem

PATH = "/api/v1/sending-domains/{domain:str}/dkim-keys"
ONE = f"{PATH}/{{key_id:str}}"
VIEW = ("sending_domains/view", "sending_domains/manage")
MANAGE = ("sending_domains/manage",)
_encode = msgspec.json.Encoder().encode


def routes(
    *, pool: Pool, bodies: Bodies, clock: Clock, master_key: MasterKey, lookup: DomainDns, forget: Callable[[], None]
) -> list[HTTPRouteHandler]:
    """Return the routes.

    forget   called after a key was changed, so that this worker does not believe what it remembers
    """
    desk = DomainDesk(pool, master_key, lookup)

    async def find(
        request: Request[Any, Any, Any], domain: str, key_id: str, *, reading: bool = False
    ) -> tuple[SendingDomain, list[DkimKey]]:
        found, keys = await desk.find(sender_of(request), domain, reading=reading)
        parts = find_key(keys, key_id, default_key=found.default_key)
        if not parts:
            raise ApiError(wire.no_such_key(key_id))
        return found, parts

    @get(PATH, opt={"grants": VIEW, "operation": wire.LIST})
    async def list_dkim_keys(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        found, keys = await desk.find(sender_of(request), domain, reading=True)
        ids = dict.fromkeys(key.key_id for key in keys)
        shown = [
            wire.show_key([key for key in keys if key.key_id == key_id], default_key=found.default_key, dns=False)
            for key_id in ids
        ]
        return await json_answer(request, _encode({"results": shown, "total_count": len(shown)}))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": wire.CREATE})
    async def create_dkim_key(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with key_refusals():
                given = read_body(body, KeyIn)
                found, keys = await desk.find(sender_of(request), domain)
                key_id = wire.read_id(given.id)
                if any(key.key_id == key_id for key in keys):
                    raise ApiError(wire.exists(key_id))
                material, bits = wire.read_material(given), wire.read_length(given)
                signing_domain = _signing_domain(given.signing_domain, found.domain) or found.domain
                if material is None:
                    taken = await key_store.selectors_at(pool, signing_domain)
                    selector = free_selector(key_id, now=clock.now(), taken=taken)
                    made = await fresh_keys(
                        master_key, bits=bits, selector=selector, signing_domain=signing_domain, key_id=key_id
                    )
                else:
                    made = [await _brought(desk, material, signing_domain, key_id)]
        trouble = await key_store.add(pool, found, made)
        if trouble is not None:
            raise ApiError(_refused(trouble, key_id, made[0]))
        forget()
        _, parts = await find(request, domain, key_id)
        return await json_answer(request, _encode({"results": wire.show_key(parts, default_key=found.default_key)}))

    @get(ONE, opt={"grants": VIEW, "operation": wire.RETRIEVE})
    async def get_dkim_key(request: Request[Any, Any, Any], domain: str, key_id: str) -> Response[bytes]:
        found, parts = await find(request, domain, key_id, reading=True)
        return await json_answer(request, _encode({"results": wire.show_key(parts, default_key=found.default_key)}))

    @put(ONE, opt={"grants": MANAGE, "operation": wire.UPDATE})
    async def update_dkim_key(request: Request[Any, Any, Any], domain: str, key_id: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with key_refusals():
                given = read_body(body, KeyUpdateIn)
                found, parts = await find(request, domain, key_id)
                first = parts[0]
                if first.key_id == found.default_key:
                    raise ApiError(wire.NOT_HERE)
                if given.id is not None and given.id != first.key_id:
                    raise ApiError(wire.IMMUTABLE)
                material = wire.read_material(given)
                signing_domain = _signing_domain(given.signing_domain, found.domain)
                key = None
                if material is not None:
                    key = await _brought(desk, material, signing_domain or first.signing_domain, first.key_id)
        trouble = await key_store.change(pool, found, first.key_id, key=key, signing_domain=signing_domain)
        if trouble is not None:
            raise ApiError(_refused(trouble, first.key_id, key or first))
        if given.is_default:
            promoted = await key_store.make_default(pool, found, first.key_id)
            if isinstance(promoted, Conflict):
                forget()
                refused = wire.unverified(first.key_id, found.domain)
                raise ApiError(refused if promoted is Conflict.UNVERIFIED else conflict(found.domain, promoted))
        forget()
        found, parts = await find(request, domain, first.key_id)
        shown = {"message": "Successfully updated DKIM key.", **wire.show_key(parts, default_key=found.default_key)}
        return await json_answer(request, _encode({"results": shown}))

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "operation": wire.DELETE})
    async def delete_dkim_key(request: Request[Any, Any, Any], domain: str, key_id: str) -> None:
        found, parts = await find(request, domain, key_id)
        if not await key_store.delete(pool, found.domain, parts[0].key_id):
            raise ApiError(wire.IS_DEFAULT)
        forget()

    @post(f"{ONE}/verify", status_code=200, opt={"grants": MANAGE, "operation": wire.VERIFY})
    async def verify_dkim_key(request: Request[Any, Any, Any], domain: str, key_id: str) -> Response[bytes]:
        if has_body(request):
            async with bodies.json(request) as body:
                with key_refusals():
                    read_body(body, VerifyKeyIn)
        found, parts = await find(request, domain, key_id)
        seen = await asyncio.gather(*(look_at_key(part, lookup) for part in parts))
        checked = [judged(part, one) for part, one in zip(parts, seen, strict=True)]
        if parts[0].key_id == found.default_key:
            rsa = next((part.status for part in checked if part.algorithm == "rsa"), found.status.dkim_status)
            status = msgspec.structs.replace(found.status, dkim_status=rsa)
            kept = await store.set_status(pool, found, status, keys=checked)
            if isinstance(kept, Conflict):
                raise ApiError(conflict(found.domain, kept))
            if kept is None:
                raise ApiError(not_found(domain))
        else:
            await key_store.keep_status(pool, checked)
        forget()
        return await json_answer(request, _encode({"results": wire.show_checked(checked, seen)}))

    return [list_dkim_keys, create_dkim_key, get_dkim_key, update_dkim_key, delete_dkim_key, verify_dkim_key]


def _signing_domain(text: str | None, domain: str) -> str | None:
    return read_signing_domain(DkimIn(signing_domain=text), domain)


async def _brought(desk: DomainDesk, material: DkimIn, signing_domain: str, key_id: str) -> NewDkimKey:
    key = await desk.own_key(material, signing_domain)
    assert key is not None
    return msgspec.structs.replace(key, key_id=key_id)


def _refused(trouble: Conflict, key_id: str, key: NewDkimKey | DkimKey) -> Problem:
    match trouble:
        case Conflict.FULL:
            return wire.full()
        case Conflict.SELECTOR:
            return wire.selector_taken(key.selector, key.signing_domain)
        case _:
            return wire.exists(key_id)
