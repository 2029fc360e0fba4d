"""Posting to addresses that customers name, without becoming their way into our own network.

A target is looked up, each address is judged, and the connection goes to the very address that was judged: a name that leads
elsewhere a moment later (DNS rebinding) gains nothing. No redirect is followed, no proxy of the environment is used, answers are
read up to a bound, and a connection serves one request.
"""

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import dns.asyncresolver
import dns.exception
import dns.resolver
import httpx
import msgspec

from homing.ground.addresses import embedded, why_no_host, why_private
from homing.ground.config import HostPort

MOST_ANSWER: Final = 65_536  # bytes of an answer's body that are read
KEPT_ANSWER: Final = 1_024  # bytes of it that are kept
MOST_URL: Final = 2_048
CONNECT_S: Final = 5.0
LOOKUP_S: Final = 5.0

Resolve = Callable[[str], Awaitable[list[str]]]


class TargetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Where this installation may post to."""

    allow_private: bool = False
    ports: tuple[int, ...] = (80, 443)


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The target answered, whatever it said. body: the beginning of it."""

    status: int
    headers: dict[str, str]
    body: str
    whole: bytes = b""  # as much as was asked for, for those who must read it


class Unanswered(msgspec.Struct, frozen=True, gc=False):
    """No answer came. code: refused, dns, connect, tls, timeout or protocol; why: a sentence."""

    code: str
    why: str


class Refused(Exception):
    """A target that must not be posted to; the text is a sentence for whoever named it."""


class OutboundHttp:
    """Posts. One for a worker."""

    def __init__(self, policy: TargetPolicy, *, resolve: Resolve | None = None) -> None:
        self._policy = policy
        self._resolve = resolve or _system_addresses
        self._tls = ssl.create_default_context()

    @classmethod
    def over(cls, policy: TargetPolicy, server: HostPort | None) -> "OutboundHttp":
        """Return one that asks this DNS server, or the system."""
        return cls(policy, resolve=None if server is None else _asking(server))

    def check(self, target: str) -> None:
        """Refuse what can be told from a URL alone.

        raises   Refused
        """
        _Place(target, self._policy)

    async def post(self, target: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> Answered | Unanswered:
        """Post a body.

        timeout_s   for all of it: look-up, connection, answer
        """
        return await self.send("POST", target, body, headers=headers, timeout_s=timeout_s)

    async def send(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        most: int = MOST_ANSWER,
    ) -> Answered | Unanswered:
        """Make a request of any method.

        timeout_s   for all of it: look-up, connection, answer
        most        bytes of the answer that are read; what comes after them is left unread
        """
        try:
            async with asyncio.timeout(timeout_s):
                place = _Place(target, self._policy)
                address = await self._judged(place)
                return await self._sent(method, place, address, body, headers, timeout_s, most)
        except TimeoutError:
            return Unanswered("timeout", f"no answer within {timeout_s:g} seconds")
        except Refused as trouble:
            return Unanswered("refused", str(trouble))
        except httpx.TimeoutException:
            return Unanswered("timeout", "the host did not answer in time")
        except httpx.ConnectError as trouble:
            return Unanswered("connect", f"no connection: {str(trouble)[:200]}")
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as trouble:
            return Unanswered("protocol", f"{type(trouble).__name__}: {str(trouble)[:200]}")

    async def _judged(self, place: "_Place") -> str:
        """Return the address to connect to."""
        try:
            found = [place.literal] if place.literal else await self._resolve(place.host)
        except (OSError, dns.exception.DNSException) as trouble:
            raise Refused(f"the host {place.host} cannot be found in DNS") from trouble
        reason = "it has no address"
        for text in found:
            address = embedded(ipaddress.ip_address(text))
            reason = why_no_host(address) or ("" if self._policy.allow_private else why_private(address))
            if not reason:
                return text
        raise Refused(f"the host {place.host} cannot be posted to: {reason}")

    async def _sent(
        self,
        method: str,
        place: "_Place",
        address: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
        most: int,
    ) -> Answered | Unanswered:
        sent = {**place.authorization, **headers, "Host": place.authority}
        timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s))
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(verify=self._tls, timeout=timeout, limits=limits, trust_env=False) as client:
            request = client.build_request(
                method, place.url_at(address), content=body, headers=sent, extensions={"sni_hostname": place.host}
            )
            answer = await client.send(request, stream=True, follow_redirects=False)
            try:
                read = bytearray()
                async for part in answer.aiter_bytes(8_192):
                    read += part
                    if len(read) >= most:
                        break
            finally:
                await answer.aclose()
        whole = bytes(read[:most])
        kept = {name[:100]: value[:500] for name, value in list(answer.headers.items())[:30]}
        return Answered(answer.status_code, kept, whole[:KEPT_ANSWER].decode("utf-8", "replace").replace("\0", ""), whole)


class _Place:
    """A target, taken apart and checked.

    raises   Refused, from the constructor
    """

    def __init__(self, target: str, policy: TargetPolicy) -> None:
        if len(target) > MOST_URL or any(sign.isspace() or not sign.isprintable() for sign in target):
            raise Refused(f"the target must be a URL of at most {MOST_URL} characters, without spaces")
        try:
            parts = urlsplit(target)
            port = parts.port
            host = (parts.hostname or "").rstrip(".")
            self.host = host if ":" in host else host.encode("idna").decode("ascii")
        except (ValueError, UnicodeError) as trouble:
            raise Refused("the target must be a URL such as https://app.example.com/hook") from trouble
        if parts.scheme not in ("http", "https") or not self.host:
            raise Refused("the target must begin with https:// or http:// and name a host")
        self.port = port or (443 if parts.scheme == "https" else 80)
        if self.port not in policy.ports:
            raise Refused(f"the target's port must be one of {', '.join(map(str, policy.ports))}")
        self.literal = self._literal(self.host)
        if self.literal:
            address = embedded(ipaddress.ip_address(self.literal))
            reason = why_no_host(address) or ("" if policy.allow_private else why_private(address))
            if reason:
                raise Refused(f"the host {self.host} cannot be posted to: {reason}")
        self._scheme = parts.scheme
        self._rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = shown if port is None else f"{shown}:{port}"
        self.authorization: dict[str, str] = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self.authorization = {"Authorization": "Basic " + base64.b64encode(pair).decode("ascii")}

    @staticmethod
    def _literal(host: str) -> str:
        """Return an IP address written as the host; also in the short and numeric forms that resolvers take."""
        try:
            return str(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            pass
        if host and all(sign in "0123456789abcdefx." for sign in host.lower()) and host[0].isdigit():
            try:
                return socket.inet_ntoa(socket.inet_aton(host))
            except OSError:
                return ""
        return ""

    def url_at(self, address: str) -> str:
        """Return the URL with an address in place of the name."""
        shown = f"[{address}]" if ":" in address else address
        return f"{self._scheme}://{shown}:{self.port}{self._rest}"


async def _system_addresses(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def _asking(server: HostPort) -> Resolve:
    async def resolve(host: str) -> list[str]:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [server.host]
        resolver.port = server.port
        resolver.lifetime = LOOKUP_S
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = await resolver.resolve(host, kind, search=False, raise_on_no_answer=False)
            except dns.resolver.NXDOMAIN:
                continue
            found += [record.to_text() for record in answer.rrset or ()]
        return found

    return resolve
