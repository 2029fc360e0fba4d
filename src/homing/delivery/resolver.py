"""Where a domain's mail goes: MX hosts and their addresses, asked of the DNS once and remembered for a while.

Source: RFC 5321 section 5.1 (MX, or the domain itself where there is none), RFC 7505 (null MX).
"""

import asyncio
import ipaddress
import random
import socket
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.resolver

from homing.delivery.rules.addresses import AddressPolicy, why_forbidden
from homing.delivery.rules.site import Providers, in_order, site_of
from homing.delivery.sink import SINK, SUFFIX, is_sink
from homing.delivery.types import Host, Route, Site, Trouble
from homing.ground.clock import Clock, SystemClock
from homing.ground.config import HostPort
from homing.ground.log import get

LEAST_TTL_S = 30.0
MOST_TTL_S = 3600.0
NEGATIVE_TTL_S = 60.0
MOST_NEGATIVE_TTL_S = 900.0  # a domain whose DNS keeps failing is asked more and more seldom
MOST_HOSTS = 20  # of one domain; a longer list is somebody's joke
MOST_ADDRESSES = 8  # of one host
MOST_ALIASES = 8  # CNAMEs that we follow ourselves, where the resolver has not
LOOKUPS_AT_ONCE = 100
CACHE_SIZE = 50_000

log = get("delivery")


class _LookupFailed(Exception):
    """The DNS did not give an answer; the trouble says what kind."""

    def __init__(self, trouble: Trouble, note: str) -> None:
        super().__init__(note)
        self.trouble = trouble
        self.note = note


class Resolver:
    """Answers `route(domain)`. One for a worker; close it at the end."""

    def __init__(
        self,
        *,
        dns_server: HostPort | None,
        smarthost: HostPort | None,
        sinks: tuple[str, ...] = (SUFFIX,),
        policy: AddressPolicy,
        providers: Providers,
        ipv6: bool | None = None,
        clock: Clock | None = None,
        chance: random.Random | None = None,
        timeout_s: float = 10.0,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        """Prepare; nothing is asked yet.

        dns_server   resolver to ask (an IP address); None: the system's
        sinks        domains whose mail, and that of their subdomains, never leaves us
        smarthost    where everything goes instead; its own address is the operator's choice and not judged
        ipv6         look for IPv6 addresses; None: if this machine has a route for IPv6
        timeout_s    for one look-up with all its retries
        """
        self._server = dns_server
        self._smarthost = smarthost
        self._sinks = sinks
        self._policy = policy
        self._providers = providers
        self._ipv6 = has_ipv6() if ipv6 is None else ipv6
        self._clock: Clock = clock or SystemClock()
        self._chance = chance or random.Random()
        self._timeout_s = timeout_s
        self._cache_size = cache_size
        self._asker: dns.asyncresolver.Resolver | None = None
        self._known: OrderedDict[str, Route] = OrderedDict()
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Route]] = {}
        self._slots = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    def known(self, domain: str) -> Route | None:
        """Return the route if it is in memory and still valid: no await, for the hot path."""
        if is_sink(domain, self._sinks):
            return Route(domain, SINK, None, "", self._until(MOST_TTL_S))
        route = self._known.get(self._key(domain))
        return route if route is not None and route.expires_at > self._clock.now() else None

    async def route(self, domain: str) -> Route:
        """Return where mail for a domain goes, or the trouble that there is (never an exception).

        domain   routing domain: lower case, A-labels; or an address literal, [192.0.2.1] or [IPv6:2001:db8::1]
        """
        route = self.known(domain)
        if route is not None:
            return route
        key = self._key(domain)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._look_up(key), name=f"route {key}")
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    def forget(self, domain: str) -> None:
        """Ask the DNS again next time."""
        self._known.pop(self._key(domain), None)

    async def close(self) -> None:
        """Give up look-ups that are under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _key(self, domain: str) -> str:
        return "" if self._smarthost is not None else domain

    async def _look_up(self, domain: str) -> Route:
        try:
            async with self._slots:
                hosts, ttl_s = await self._hosts_for(domain)
                hosts = self._allowed(hosts)
            site = site_of(in_order(hosts, self._chance.shuffle)[:MOST_HOSTS], self._providers)
            if self._smarthost is not None:
                site = Site(key=str(self._smarthost), hosts=site.hosts)
            self._failures.pop(domain, None)
            route = Route(domain, site, None, "", self._until(max(LEAST_TTL_S, min(ttl_s, MOST_TTL_S))))
        except _LookupFailed as failure:
            route = self._failed(domain, failure.trouble, failure.note)
        except Exception as error:
            # An answer that nobody thought of must not end a dispatcher; it is late mail, and a line in the log.
            log.exception("lookup_crashed", domain=domain)
            route = self._failed(domain, Trouble.DNS_TEMPORARY, type(error).__name__)
        self._known[domain] = route
        self._known.move_to_end(domain)
        while len(self._known) > self._cache_size:
            self._known.popitem(last=False)
        return route

    def _failed(self, domain: str, trouble: Trouble, note: str) -> Route:
        ttl_s = NEGATIVE_TTL_S
        if trouble is Trouble.DNS_TEMPORARY:
            failures = self._failures.pop(domain, 0) + 1
            self._failures[domain] = failures
            while len(self._failures) > self._cache_size:
                self._failures.popitem(last=False)
            ttl_s = min(NEGATIVE_TTL_S * 2 ** min(failures - 1, 10), MOST_NEGATIVE_TTL_S)
            if failures > 1:
                note = f"{note}; {failures} times in a row"
        return Route(domain, None, trouble, note, self._until(ttl_s))

    def _until(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    # -- what is asked -----------------------------------------------------------------------------------------------------

    async def _hosts_for(self, domain: str) -> tuple[list[Host], float]:
        if self._smarthost is not None:
            return await self._with_addresses([(0, self._smarthost.host)])
        literal = _literal(domain)
        if literal is not None:
            return [Host(domain, 0, (literal,))], MOST_TTL_S
        name = _name(domain)
        exchanges, ttl_s = await self._exchanges(name)
        if not exchanges:  # RFC 5321 section 5.1: the domain itself is its only host
            hosts, address_ttl_s = await self._with_addresses([(0, domain.rstrip("."))])
            return hosts, min(ttl_s, address_ttl_s)
        hosts, address_ttl_s = await self._with_addresses(exchanges)
        return hosts, min(ttl_s, address_ttl_s)

    async def _exchanges(self, name: dns.name.Name) -> tuple[list[tuple[int, str]], float]:
        answer = await self._ask(name, dns.rdatatype.MX)
        if answer is None or answer.rrset is None:
            return [], MOST_TTL_S
        found = [(record.preference, record.exchange.to_text(omit_final_dot=True).lower()) for record in answer.rrset]
        real = sorted({(preference, host) for preference, host in found if host not in ("", ".", "@")})
        if not real:
            raise _LookupFailed(Trouble.NULL_MX, "the domain publishes a null MX")
        return real[:MOST_HOSTS], float(answer.chaining_result.minimum_ttl)

    async def _with_addresses(self, exchanges: list[tuple[int, str]]) -> tuple[list[Host], float]:
        results = await asyncio.gather(*(self._addresses(host) for _, host in exchanges))
        hosts: list[Host] = []
        ttl_s = MOST_TTL_S
        failure: _LookupFailed | None = None
        for (preference, name), found in zip(exchanges, results, strict=True):
            if isinstance(found, _LookupFailed):
                # What may pass decides over what will not: with one host unknown for now the mail can still arrive.
                if failure is None or found.trouble is Trouble.DNS_TEMPORARY:
                    failure = found
            elif found[0]:
                hosts.append(Host(name, preference, found[0]))
                ttl_s = min(ttl_s, found[1])
        if hosts:
            return hosts, ttl_s
        if failure is not None:
            raise failure
        raise _LookupFailed(Trouble.NO_HOSTS, "no host of the domain has an address")

    async def _addresses(self, host: str) -> tuple[tuple[str, ...], float] | _LookupFailed:
        literal = _literal(f"[{host}]")
        if literal is not None:  # a smarthost given by address, or an MX that breaks RFC 1035 with one
            return (literal,), MOST_TTL_S
        try:
            name = _name(host)
            kinds = [dns.rdatatype.A, dns.rdatatype.AAAA] if self._ipv6 else [dns.rdatatype.A]
            results = await asyncio.gather(*(self._ask(name, kind) for kind in kinds), return_exceptions=True)
        except _LookupFailed as failure:
            return failure
        addresses: list[str] = []
        ttl_s = MOST_TTL_S
        failed: _LookupFailed | None = None
        for answer in results:
            if isinstance(answer, _LookupFailed):
                # A host that does not exist is a host without addresses; only the domain itself can be missing.
                missing = answer.trouble is Trouble.NO_SUCH_DOMAIN
                if failed is None or not missing:
                    failed = _LookupFailed(Trouble.NO_HOSTS, answer.note) if missing else answer
            elif isinstance(answer, BaseException):
                raise answer
            elif answer is not None and answer.rrset is not None:
                found = [record.address for record in answer.rrset]
                self._chance.shuffle(found)
                addresses += found[:MOST_ADDRESSES]
                ttl_s = min(ttl_s, float(answer.chaining_result.minimum_ttl))
        if not addresses and failed is not None:
            return failed
        return tuple(addresses), ttl_s

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer | None:
        """Ask for one kind of record, following CNAMEs; None where the name exists without such a record."""
        seen = {name}
        while True:
            try:
                answer = await self._resolver().resolve(name, kind, raise_on_no_answer=False)
            except dns.resolver.NXDOMAIN:
                raise _LookupFailed(Trouble.NO_SUCH_DOMAIN, f"{_text(name)} does not exist") from None
            except dns.exception.Timeout:
                raise _LookupFailed(Trouble.DNS_TEMPORARY, f"no answer for {_text(name)} {_type(kind)}") from None
            except dns.resolver.NoNameservers as error:
                if any(isinstance(each[3], dns.message.ChainTooLong) for each in _errors(error)):
                    raise _LookupFailed(Trouble.CNAME_LOOP, f"the CNAMEs of {_text(name)} do not end") from None
                note = f"the look-up of {_text(name)} {_type(kind)} failed{_rcode(error)}"
                raise _LookupFailed(Trouble.DNS_TEMPORARY, note) from None
            except (dns.exception.DNSException, OSError) as error:
                note = f"the look-up of {_text(name)} {_type(kind)} failed: {error}"[:200]
                raise _LookupFailed(Trouble.DNS_TEMPORARY, note) from None
            if answer.rrset is not None or answer.canonical_name == name:
                return answer
            # The resolver gave an alias without following it to its end.
            name = answer.canonical_name
            if name in seen or len(seen) > MOST_ALIASES:
                raise _LookupFailed(Trouble.CNAME_LOOP, f"the CNAMEs of {_text(name)} do not end")
            seen.add(name)

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._asker is None:
            if self._server is None:
                try:
                    asker = dns.asyncresolver.Resolver()
                except dns.resolver.NoResolverConfiguration:
                    note = "this machine has no resolver configured; set HOMING_DNS=host:port"
                    raise _LookupFailed(Trouble.DNS_TEMPORARY, note) from None
            else:
                asker = dns.asyncresolver.Resolver(configure=False)
                asker.nameservers = [self._server.host]
                asker.port = self._server.port
            asker.lifetime = self._timeout_s
            asker.timeout = max(0.05, self._timeout_s / 3)
            asker.search = []
            asker.use_edns(0, 0, 1232)
            self._asker = asker
        return self._asker

    def _allowed(self, hosts: list[Host]) -> list[Host]:
        if self._smarthost is not None:
            return hosts
        kept: list[Host] = []
        why = ""
        for host in hosts:
            good = []
            for address in host.addresses:
                reason = why_forbidden(address, self._policy)
                if reason:
                    why = why or f"{host.name} is {address}: {reason}"
                else:
                    good.append(address)
            if good:
                kept.append(Host(host.name, host.preference, tuple(good)))
        if not kept:
            raise _LookupFailed(Trouble.FORBIDDEN_ADDRESS, why)
        return kept


def has_ipv6() -> bool:
    """Tell whether this machine has a route for IPv6. Nothing is sent: a datagram socket only looks the route up."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:db8::1", 9))
    except OSError:
        return False
    return True


def _literal(domain: str) -> str | None:
    """Return the address of an address literal (RFC 5321 section 4.1.3), None for anything else."""
    if not (domain.startswith("[") and domain.endswith("]")):
        return None
    text = domain[1:-1]
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _name(domain: str) -> dns.name.Name:
    try:
        return dns.name.from_text(domain)
    except (dns.exception.DNSException, UnicodeError):
        raise _LookupFailed(Trouble.NO_SUCH_DOMAIN, "it is no domain name") from None


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _type(kind: dns.rdatatype.RdataType) -> str:
    return dns.rdatatype.to_text(kind)


def _errors(error: dns.resolver.NoNameservers) -> list[Any]:
    """Return what each server said, as dnspython keeps it: (server, over TCP, port, error, response)."""
    return list(error.kwargs.get("errors") or [])


def _rcode(error: dns.resolver.NoNameservers) -> str:
    errors = _errors(error)
    return f": {errors[-1][3]}"[:80] if errors else ""
