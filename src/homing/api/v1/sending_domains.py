"""/api/v1/sending-domains: what a customer may send from (SparkPost reference, section 2.7).

Reads of a primary key without X-MSYS-SUBACCOUNT show the domains of all subaccounts too; changes touch the primary
account's own (section 1.4).
"""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import sending_domains_pages as pages
from homing.api.v1.sending_domains_desk import DomainDesk
from homing.api.v1.sending_domains_mail import MailboxDesk
from homing.api.v1.sending_domains_wire import (
    CreateIn,
    UpdateIn,
    VerifyIn,
    check_filters,
    check_shared,
    conflict,
    known_name,
    matches,
    not_found,
    read_key_length,
    read_name,
    read_signing_domain,
    show,
    show_dkim,
    show_records,
    show_status,
)
from homing.domains import store
from homing.domains.registry import register
from homing.domains.rules.status import merged, takes_bounces
from homing.domains.types import DEFAULT_KEY, Conflict
from homing.domains.verify import DomainDns, verify
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.notices import Notices
from homing.ingress.rules.problem import Wrong, bad_params

PATH = "/api/v1/sending-domains"
ONE = f"{PATH}/{{domain:str}}"
VIEW = ("sending_domains/view", "sending_domains/manage")
MANAGE = ("sending_domains/manage",)
_encode = msgspec.json.Encoder().encode


def routes(
    *,
    pool: Pool,
    bodies: Bodies,
    clock: Clock,
    master_key: MasterKey,
    lookup: DomainDns,
    bounce_hosts: frozenset[str],
    notices: Notices,
    hostname: str,
    forget: Callable[[], None],
) -> list[HTTPRouteHandler]:
    """Return the routes.

    bounce_hosts   names of ours that a bounce domain's CNAME or MX must lead to, lower case
    hostname       of the installation, for the mails that ask mailboxes for their word
    forget         called after a domain or key was changed, so that this worker does not believe what it remembers
    """
    desk = DomainDesk(pool, master_key, lookup)
    mailboxes = MailboxDesk(pool, notices, clock, hostname=hostname)

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": pages.CREATE})
    async def create_sending_domain(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, CreateIn)
                name = read_name(given.domain)
                link = await desk.tracking_link(sender.account_id, sender.subaccount_id, given.tracking_domain)
                check_shared(given.shared_with_subaccounts, subaccount_id=sender.subaccount_id)
                bits = read_key_length(given)
                signing_domain = read_signing_domain(given.dkim, name) or name
                own_key = await desk.own_key(given.dkim, signing_domain)
        made = await register(
            pool,
            master_key,
            domain=name,
            account_id=sender.account_id,
            now=clock.now(),
            subaccount_id=sender.subaccount_id,
            shared=bool(given.shared_with_subaccounts),
            tracking_domain=link,
            dkim_bits=bits,
            own_key=own_key,
            signing_domain=signing_domain,
        )
        if isinstance(made, Conflict):
            raise ApiError(conflict(name, made))
        forget()
        keys = (await store.keys_of(pool, [name]))[name]
        results: dict[str, Any] = {"message": "Successfully Created domain.", "domain": name}
        dkim = show_dkim(keys, default_key=DEFAULT_KEY)
        if dkim is not None:
            results |= {"dkim": dkim, "dns_records": show_records(keys, default_key=DEFAULT_KEY)}
        return await json_answer(request, _encode({"results": results}))

    @get(PATH, opt={"grants": VIEW, "operation": pages.LIST})
    async def list_sending_domains(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        with refusals():
            query = query_of(request)
            check_filters(query)
        domains = await store.list_domains(pool, sender.account_id, subaccount_id=sender.scope)
        shown = [{"domain": domain.domain, **show(domain)} for domain in domains if matches(domain, query)]
        return await json_answer(request, _encode({"results": shown}))

    @get(ONE, opt={"grants": VIEW, "operation": pages.RETRIEVE})
    async def get_sending_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        found, keys = await desk.find(sender_of(request), domain, reading=True)
        shown = show(found)
        dkim = show_dkim(keys, default_key=found.default_key)
        if dkim is not None:
            shown |= {"dkim": dkim, "dns_records": show_records(keys, default_key=found.default_key)}
        return await json_answer(request, _encode({"results": shown}))

    @put(ONE, opt={"grants": MANAGE, "operation": pages.UPDATE})
    async def update_sending_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, UpdateIn)
                found, keys = await desk.find(sender, domain)
                link = await desk.tracking_link(found.account_id, found.subaccount_id, given.tracking_domain)
                check_shared(given.shared_with_subaccounts, subaccount_id=found.subaccount_id)
                if given.is_default_bounce_domain and not takes_bounces(found.status):
                    raise Wrong(bad_params("is_default_bounce_domain needs a valid cname_status or mx_status"))
                signing_domain = read_signing_domain(given.dkim, found.domain)
                own_key, dkim_status = await desk.replacing_key(found, keys, given.dkim, signing_domain)
        changed = await store.update(
            pool,
            found,
            shared=_or(given.shared_with_subaccounts, found.shared),
            is_default_bounce=_or(given.is_default_bounce_domain, found.is_default_bounce),
            tracking_domain=found.tracking_domain if given.tracking_domain is None else link,
            key=own_key,
            signing_domain=signing_domain,
            dkim_status=dkim_status,
        )
        if isinstance(changed, Conflict):
            raise ApiError(conflict(found.domain, changed))
        if changed is None:
            raise ApiError(not_found(domain))
        forget()
        results = {"message": "Successfully Updated Domain.", "domain": found.domain}
        return await json_answer(request, _encode({"results": results}))

    @delete(ONE, status_code=204, opt={"grants": MANAGE, "operation": pages.DELETE})
    async def delete_sending_domain(request: Request[Any, Any, Any], domain: str) -> None:
        sender = sender_of(request)
        gone = await store.delete(pool, known_name(domain), account_id=sender.account_id, subaccount_id=sender.subaccount_id)
        if not gone:
            raise ApiError(not_found(domain))
        forget()

    @post(f"{ONE}/verify", status_code=200, opt={"grants": MANAGE, "operation": pages.VERIFY})
    async def verify_sending_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, VerifyIn)
        found, keys = await desk.find(sender_of(request), domain)
        with refusals():
            mailed = await mailboxes.asked(found, given)
        asked = {"dkim": bool(given.dkim_verify), "cname": bool(given.cname_verify), "mx": bool(given.mx_verify)}
        checked = await verify(found, keys, lookup, **asked, bounce_hosts=bounce_hosts)
        status = merged(checked.status, before=found.status, after=mailed)
        kept = await store.set_status(pool, found, status, keys=checked.keys)
        if isinstance(kept, Conflict):
            raise ApiError(conflict(found.domain, kept))
        if kept is None:
            raise ApiError(not_found(domain))
        forget()
        results = show_status(kept.status, trusted=kept.trusted)
        if any(asked.values()):
            results["dns"] = checked.dns
        return await json_answer(request, _encode({"results": results}))

    return [
        create_sending_domain,
        list_sending_domains,
        get_sending_domain,
        update_sending_domain,
        delete_sending_domain,
        verify_sending_domain,
    ]


def _or(given: bool | None, before: bool) -> bool:
    return before if given is None else given
