"""/api/v1/sending-domains: what a customer may send from (SparkPost reference, section 2.7).

Reads of a primary key without X-MSYS-SUBACCOUNT show the domains of all subaccounts too; changes touch the primary
account's own (section 1.4).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from homing.accounts.types import Sender
from homing.api.bodies import Bodies, json_answer
from homing.api.errors import ApiError
from homing.api.reading import query_of, read_body, refusals, sender_of
from homing.api.v1 import sending_domains_pages as pages
from homing.api.v1.sending_domains_wire import (
    CreateIn,
    DkimIn,
    UpdateIn,
    VerifyIn,
    check_filters,
    check_shared,
    check_tracking_domain,
    check_verify,
    conflict,
    known_name,
    matches,
    not_found,
    read_key_length,
    read_name,
    read_own_key,
    read_signing_domain,
    show,
    show_dkim,
    show_records,
    show_status,
)
from homing.domains import store
from homing.domains.keys import BadKey, import_rsa
from homing.domains.registry import register, sealed_key
from homing.domains.rules.status import takes_bounces
from homing.domains.rules.verify import dkim_error, record_name
from homing.domains.types import DEFAULT_KEY, Conflict, DkimKey, NewDkimKey, SendingDomain, Verdict
from homing.domains.verify import DomainDns, verify
from homing.ground.clock import Clock
from homing.ground.db import Pool
from homing.ground.secrets import MasterKey
from homing.ingress.rules.problem import Problem, Wrong, bad_params, bad_type

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
    forget: Callable[[], None],
) -> list[HTTPRouteHandler]:
    """Return the routes.

    bounce_hosts   names of ours that a bounce domain's CNAME or MX must lead to, lower case
    forget         called after a domain or key was changed, so that this worker does not believe what it remembers
    """
    desk = _Desk(pool, master_key, lookup)

    @post(PATH, status_code=200, opt={"grants": MANAGE, "operation": pages.CREATE})
    async def create_sending_domain(request: Request[Any, Any, Any]) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, CreateIn)
                name = read_name(given.domain)
                check_tracking_domain(given.tracking_domain)
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
            dkim_bits=bits,
            own_key=own_key,
            signing_domain=signing_domain,
        )
        if isinstance(made, Conflict):
            raise ApiError(conflict(name, made))
        forget()
        keys = (await store.keys_of(pool, [name]))[name]
        results: dict[str, Any] = {"message": "Successfully Created domain.", "domain": name}
        dkim = show_dkim(keys)
        if dkim is not None:
            results |= {"dkim": dkim, "dns_records": show_records(keys)}
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
        dkim = show_dkim(keys)
        if dkim is not None:
            shown |= {"dkim": dkim, "dns_records": show_records(keys)}
        return await json_answer(request, _encode({"results": shown}))

    @put(ONE, opt={"grants": MANAGE, "operation": pages.UPDATE})
    async def update_sending_domain(request: Request[Any, Any, Any], domain: str) -> Response[bytes]:
        sender = sender_of(request)
        async with bodies.json(request) as body:
            with refusals():
                given = read_body(body, UpdateIn)
                found, keys = await desk.find(sender, domain)
                check_tracking_domain(given.tracking_domain)
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
            tracking_domain=None if given.tracking_domain == "" else found.tracking_domain,
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
                check_verify(given)
        found, keys = await desk.find(sender_of(request), domain)
        asked = {"dkim": bool(given.dkim_verify), "cname": bool(given.cname_verify), "mx": bool(given.mx_verify)}
        checked = await verify(found, keys, lookup, **asked, bounce_hosts=bounce_hosts)
        kept = await store.set_status(pool, found, checked.status, keys=checked.keys)
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


class _Desk:
    """Finds domains for a sender, and turns the keys that customers bring into keys that can be kept."""

    def __init__(self, pool: Pool, master_key: MasterKey, lookup: DomainDns) -> None:
        self._pool = pool
        self._master_key = master_key
        self._lookup = lookup

    async def find(self, sender: Sender, name: str, *, reading: bool = False) -> tuple[SendingDomain, list[DkimKey]]:
        """Return a domain of this sender, with its keys.

        raises   ApiError 404
        """
        scope = sender.scope if reading else sender.subaccount_id
        found = await store.get(self._pool, known_name(name), account_id=sender.account_id, subaccount_id=scope)
        if found is None:
            raise ApiError(not_found(name))
        return found, (await store.keys_of(self._pool, [found.domain]))[found.domain]

    async def own_key(
        self, dkim: DkimIn | None, signing_domain: str, *, status: str = Verdict.UNVERIFIED.value
    ) -> NewDkimKey | None:
        """Return a customer's key sealed, None where none was given. Raises Wrong."""
        parts = read_own_key(dkim)
        if parts is None:
            return None
        private, public, selector = parts
        try:
            pair = await asyncio.to_thread(import_rsa, private, public)
        except BadKey as trouble:
            raise Wrong(bad_type(str(trouble))) from None
        return sealed_key(pair, self._master_key, selector=selector, signing_domain=signing_domain, status=status)

    async def replacing_key(
        self, found: SendingDomain, keys: list[DkimKey], dkim: DkimIn | None, signing_domain: str | None
    ) -> tuple[NewDkimKey | None, str | None]:
        """Return the key that takes the place of a domain's, and what DNS said of it; None where nothing changes.

        A domain that an operator vouched for may have no DNS to look into, so nothing is looked up for it.

        raises   Wrong: among others 1404 where the key, or the key under its new signing domain, is not in DNS
        """
        standing = next((key for key in keys if key.key_id == DEFAULT_KEY and key.algorithm == "rsa"), None)
        before = found.domain if standing is None else standing.signing_domain
        status = (Verdict.UNVERIFIED if found.trusted else Verdict.VALID).value
        key = await self.own_key(dkim, signing_domain or before, status=status)
        if key is None and (standing is None or signing_domain in (None, before)):
            return None, None
        if not found.trusted:
            await self._check_published(key or standing, signing_domain or before)
        return key, status

    async def _check_published(self, key: NewDkimKey | DkimKey | None, signing_domain: str) -> None:
        if key is None:
            return
        answer = await self._lookup.look_up(record_name(key.selector, signing_domain), "TXT")
        error = answer.trouble or dkim_error(answer.values, public_key=key.public_key, algorithm=key.algorithm)
        if error is not None:
            raise Wrong(Problem(400, "request to remote endpoint failed", error, "1404"))


def _or(given: bool | None, before: bool) -> bool:
    return before if given is None else given
