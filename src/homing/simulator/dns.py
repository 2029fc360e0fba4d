"""A DNS server on loopback, UDP and TCP, for the zones of the simulated providers.

Authoritative for everything it is asked: a name that it does not know does not exist. CNAMEs are followed, and a UDP answer
that is too long is cut with TC set, so that a resolver comes back over TCP.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from homing.ground.config import HostPort
from homing.simulator.loopback import listen, port_of
from homing.simulator.providers import Provider, Zone

_LONGEST_CHAIN = 8


class Record(NamedTuple):
    """One resource record as in a zone file: `Record("bigmail.test", "MX", "10 mx1.bigmail.test.")`."""

    name: str
    type: str
    text: str


class Zones:
    """What the server knows; may grow while it serves."""

    def __init__(self, records: Iterable[Record] = (), *, ttl_s: int = 60) -> None:
        self._ttl_s = ttl_s
        self._sets: dict[dns.name.Name, dict[dns.rdatatype.RdataType, list[str]]] = {}
        self._broken: set[dns.name.Name] = set()
        self._silent: set[dns.name.Name] = set()
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Publish a record beside those of the same name and type."""
        kind = dns.rdatatype.from_text(record.type)
        texts = self._sets.setdefault(_absolute(record.name), {}).setdefault(kind, [])
        if record.text not in texts:
            texts.append(record.text)

    def remove(self, name: str) -> None:
        """Withdraw a name: it does not exist any more, and it neither fails nor keeps silent."""
        self._sets.pop(_absolute(name), None)
        self._broken.discard(_absolute(name))
        self._silent.discard(_absolute(name))

    def fail(self, name: str) -> None:
        """Answer SERVFAIL for a name and everything beneath it."""
        self._broken.add(_absolute(name))

    def be_silent(self, name: str) -> None:
        """Never answer for a name and everything beneath it: the resolver has to time out."""
        self._silent.add(_absolute(name))

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """Return the response, or None for silence."""
        response = dns.message.make_response(query, recursion_available=True)
        response.flags |= dns.flags.AA
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        question = query.question[0]
        name = question.name
        for _ in range(_LONGEST_CHAIN):
            if _covered(name, self._silent):
                return None
            if _covered(name, self._broken):
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            known = self._sets.get(name)
            if known is None:
                if not any(other.is_subdomain(name) for other in self._sets):  # an empty non-terminal does exist
                    response.set_rcode(dns.rcode.NXDOMAIN)
                return response
            if question.rdtype in known:
                response.answer.append(self._rrset(name, question.rdtype, known[question.rdtype]))
                return response
            if dns.rdatatype.CNAME not in known:
                return response
            alias = self._rrset(name, dns.rdatatype.CNAME, known[dns.rdatatype.CNAME])
            if alias in response.answer:
                return response  # a loop: the resolver sees the chain and gives up
            response.answer.append(alias)
            name = alias[0].target
        return response

    def _rrset(self, name: dns.name.Name, kind: dns.rdatatype.RdataType, texts: list[str]) -> dns.rrset.RRset:
        return dns.rrset.from_text_list(name, self._ttl_s, dns.rdataclass.IN, kind, texts)


def _absolute(name: str) -> dns.name.Name:
    return dns.name.from_text(name.lower())


def _covered(name: dns.name.Name, names: set[dns.name.Name]) -> bool:
    return any(name.is_subdomain(one) for one in names)


def zones_of(cast: Iterable[Provider], *, ttl_s: int = 60) -> Zones:
    """Return the zones that a cast of providers would publish: MX, A, SPF, DMARC, and the ways to have none."""
    zones = Zones(ttl_s=ttl_s)
    for provider in cast:
        hosts = [(provider.host(number), address) for number, address in enumerate(provider.addresses)]
        for host, address in hosts:
            zones.add(Record(host, _address_type(address), address))
        for domain, zone in [(domain, provider.zone) for domain in provider.domains if domain != "*"] + list(provider.also):
            _publish(zones, domain, zone, hosts, provider.domains[0])
    return zones


def _publish(zones: Zones, domain: str, zone: Zone, hosts: list[tuple[str, str]], first: str) -> None:
    match zone:
        case Zone.NOTHING:
            return
        case Zone.SERVFAIL:
            zones.fail(domain)
            return
        case Zone.ALIAS:
            zones.add(Record(domain, "CNAME", f"{first}."))
            return
        case Zone.NULL_MX:
            zones.add(Record(domain, "MX", "0 ."))
        case Zone.ADDRESS:
            for _, address in hosts:
                zones.add(Record(domain, _address_type(address), address))
        case Zone.MX:
            for number, (host, _) in enumerate(hosts):
                zones.add(Record(domain, "MX", f"{10 * (number + 1)} {host}."))
    zones.add(Record(domain, "TXT", '"v=spf1 mx -all"' if zone is not Zone.NULL_MX else '"v=spf1 -all"'))
    zones.add(Record(f"_dmarc.{domain}", "TXT", '"v=DMARC1; p=none"'))


def _address_type(address: str) -> str:
    return "AAAA" if ":" in address else "A"


class DnsServer:
    """Serves zones on one port, UDP and TCP; an asynchronous context manager."""

    def __init__(self, zones: Zones, *, listen_on: HostPort) -> None:
        self.zones = zones
        self.where = listen_on
        self.asked = 0
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._streams: set[_Stream] = set()

    async def __aenter__(self) -> "DnsServer":
        loop = asyncio.get_running_loop()
        tcp, udp = _common_port(self.where)
        self.where = HostPort(self.where.host, port_of(tcp))
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=udp)
        self._tcp = await loop.create_server(lambda: _Stream(self), sock=tcp)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for stream in list(self._streams):
                stream.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tcp.wait_closed(), 2.0)

    def respond(self, wire: bytes, *, longest: int | None) -> bytes | None:
        """Return the response to a query; longest is the room in a datagram where the query names no other."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return None
        self.asked += 1
        response = self.zones.answer(query)
        if response is None:
            return None
        if longest is None:
            return response.to_wire(max_size=65_535)
        room = max(longest, min(query.payload, 4096)) if query.edns >= 0 else longest
        try:
            return response.to_wire(max_size=room)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire(max_size=room)


def _common_port(where: HostPort) -> tuple[socket.socket, socket.socket]:
    trouble: OSError | None = None
    for _ in range(50 if where.port == 0 else 1):
        tcp = listen(where.host, where.port)
        try:
            return tcp, listen(where.host, port_of(tcp), socket.SOCK_DGRAM)
        except OSError as taken:
            tcp.close()
            trouble = taken
    assert trouble is not None
    raise trouble


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self._transport = transport  # type: ignore[assignment]  # uvloop's transport has the same methods

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.respond(data, longest=512)
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


class _Stream(asyncio.Protocol):
    """Queries over TCP, each after two bytes of length (RFC 1035 section 4.2.2)."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport, uvloop's too
        self._server._streams.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._streams.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 2:
            size = struct.unpack_from("!H", self._buffer)[0]
            if len(self._buffer) < 2 + size:
                return
            wire = bytes(self._buffer[2 : 2 + size])
            del self._buffer[: 2 + size]
            response = self._server.respond(wire, longest=None)
            if response is not None and self._transport is not None:
                self._transport.write(struct.pack("!H", len(response)) + response)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
