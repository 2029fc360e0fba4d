"""/api/v1/tracking-domains: hosts of a customer's own for tracked links (SparkPost reference, section 2.10)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import has_body, query_of, read_body, refusals, sender_of
from homing.api.v1 import tracking_domains_wire as wire
from homing.api.v1.tracking_domains_wire import TrackingIn, flag
from homing.domains import tracking_store as store
from homing.domains.rules.names import a_labels
from homing.domains.rules.status import after_check
from homing.domains.tracking import TrackingBook
from homing.domains.types import Conflict, TrackingDomain
from homing.domains.verify import DomainDns, look_at_cname
from homing.ground.certificates import Certificates
from homing.ground.clock import Clock
from homing.ground.db import Pool

PATH = "/api/v1/tracking-domains"
ONE = f"{PATH}/{{domain:str}}"
VIEW = ("tracking_domains/view", "tracking_domains/manage")
MANAGE = ("tracking_domains/manage",)
_encode = msgspec.json.Encoder().encode


class VerifyIn(msgspec.Struct, kw_only=True):
    """Nothing is asked but the check itself."""


def routes(
    *,
    pool: Pool,
    bodies: Bodies,
    lookup: DomainDns,
    book: TrackingBook,
    certificates: Certificates,
    clock: Clock,
    hosts: frozenset[str],
    forget: Callable[[], None],
) -> list[HTTPRouteHandler]:
    """Return the routes.

    book          knows the installation's own names and addresses
    certificates  that the site shows under the names of customers
    hosts         names of ours that a tracking domain's CNAME must lead to, lower case
    forget        called after a change, so that this worker does not believe what it remembers
    """

    async def find(sender: Sender, name: str, *, reading: bool = False) -> TrackingDomain:
        domain = a_labels(name[:1024])
        scope = sender.scope if reading else sender.subaccount_id
        found = await store.get(pool, domain, account_id=sender.account_id, subaccount_id=scope) if domain else None
        if found is None:
            raise ApiError(wire.NOT_FOUND)
        return found

    def show(domain: TrackingDomain) -> dict[str, Any]:
        return wire.show(domain, own_base=book.own_base, tls=wire.show_tls(certificates, domain.domain, now=clock.now()))

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": wire.CREATE})
    async def create_tracking_domain(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, TrackingIn)
                name = wire.read_name(given.domain, own_hosts=book.own_hosts | hosts)
                secure = flag(given.secure, "secure")
        made = await store.add(
            pool,
            domain=name,
            account_id=sender.account_id,
            subaccount_id=sender.subaccount_id,
            secure=bool(secure),
        )
        if isinstance(made, Conflict):
            raise ApiError(wire.EXISTS)
        forget()
        return await json_answer(request, _encode({"results": {"domain": made.domain}}))

    @get(PATH, opt={"grants": VIEW, "operation": wire.LIST})
    async def list_tracking_domains(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            is_default, wanted = wire.read_filters(query_of(request))
        if sender.scope is not None:
            wanted = [sender.scope] if wanted is None or sender.scope in wanted else []
        found = await store.list_domains(pool, sender.account_id, subaccount_ids=wanted, is_default=is_default)
        shown = [show(domain) for domain in found]
        return await json_answer(request, _encode({"results": shown}))

    @get(ONE, opt={"grants": VIEW, "operation": wire.RETRIEVE})
    async def get_tracking_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        found = await find(sender_of(request), domain, reading=True)
        return await json_answer(request, _encode({"results": show(found)}))

    @put(ONE, opt={"grants": MANAGE, "operation": wire.UPDATE})
    async def update_tracking_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, TrackingIn)
                secure, is_default = flag(given.secure, "secure"), flag(given.default, "default")
        found = await find(sender_of(request), domain)
        changed = await store.update(pool, found, secure=secure, is_default=is_default)
        if changed is None:
            await find(sender_of(request), domain)  # it may be gone
            raise ApiError(wire.unverified(found.domain))
        forget()
        return await json_answer(request, _encode({"results": {"domain": changed.domain}}))

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "operation": wire.DELETE})
    async def delete_tracking_domain(request: Request[Any, Any, Any], domain: str) -> None:
        sender, name = sender_of(request), a_labels(domain[:1024]) or ""
        gone = await store.delete(pool, name, account_id=sender.account_id, subaccount_id=sender.subaccount_id)
        if not gone:
            raise ApiError(wire.NOT_FOUND)
        forget()

    @post(f"{ONE}/verify", status_code=200, opt={"grants": MANAGE, "operation": wire.VERIFY})
    async def verify_tracking_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        if has_body(request):
            async with bodies.json(request) as body:
                with refusals():
                    read_body(body, VerifyIn)
        found = await find(sender_of(request), domain)
        seen = await look_at_cname(found.domain, lookup, ours=hosts)
        verdict = after_check(found.cname_status, error=seen.error, temporary=seen.temporary)
        kept = await store.set_status(pool, found, verdict)
        if isinstance(kept, Conflict):
            raise ApiError(wire.EXISTS)
        if kept is None:
            raise ApiError(wire.NOT_FOUND)
        forget()
        said = {"cname_record": seen.record} if seen.record else {}
        said |= {"cname_error": seen.error} if seen.error else {}
        return await json_answer(request, _encode({"results": {**wire.show_status(kept), "dns": said}}))

    return [
        create_tracking_domain,
        list_tracking_domains,
        get_tracking_domain,
        update_tracking_domain,
        delete_tracking_domain,
        verify_tracking_domain,
    ]
