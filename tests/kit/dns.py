"""A DNS server on loopback that answers from a dict, or fails as it is told; UDP, and TCP where UDP is cut short.

    async with dns_server({"x.test MX": ["10 mx.x.test."], "mx.x.test A": ["127.0.0.9"], "gone.test": NXDOMAIN}) as dns:
        ... ask dns.address; dns.asked counts the questions ...

A key is `name TYPE`, or `name` for every type. A name with a record of some type exists and answers other types with
nothing; a CNAME is answered for every type and followed while its target is known (`follow=False`: not at all). Any
other name is NXDOMAIN.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from homing.ground.config import HostPort

NXDOMAIN = "NXDOMAIN"
SERVFAIL = "SERVFAIL"
REFUSED = "REFUSED"
SILENCE = "SILENCE"  # no answer at all
TRUNCATED = "TRUNCATED"  # prefix of a list: UDP gives nothing but the TC bit, TCP the records

Records = dict[str, list[str] | str]


@dataclass
class DnsServer:
    """Where it listens, and what it was asked: ("x.test", "MX", "udp") -> times."""

    address: HostPort
    records: Records
    ttl: int = 300
    follow: bool = True
    asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def questions(self, name: str, kind: str) -> int:
        return sum(count for (asked, what, _), count in self.asked.items() if (asked, what) == (name, kind))

    def answer(self, wire: bytes, over: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked[name, kind, over] += 1
        reply = dns.message.make_response(query, recursion_available=True)
        seen: set[str] = set()
        while True:
            found = self._find(name, kind)
            if found == SILENCE:
                return None
            if isinstance(found, str):
                reply.set_rcode(dns.rcode.from_text(found))
                break
            kind_found, values = found
            if values[:1] == [TRUNCATED]:
                values = values[1:]
                if over == "udp":
                    reply.flags |= dns.flags.TC
                    break
            if values:
                reply.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", kind_found, *values))
            if kind_found != "CNAME" or kind == "CNAME" or not self.follow or name in seen:
                break
            seen.add(name)
            name = values[0].rstrip(".").lower()
        return reply.to_wire(max_size=65535)

    def _find(self, name: str, kind: str) -> tuple[str, list[str]] | str:
        for key in (f"{name} {kind}", f"{name} CNAME"):
            value = self.records.get(key)
            if value is not None:
                return value if isinstance(value, str) else (key.rpartition(" ")[2], list(value))
        whole = self.records.get(name)
        if isinstance(whole, str):
            return whole
        return (kind, []) if any(key.partition(" ")[0] == name for key in self.records) else NXDOMAIN


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.server.answer(data, "udp")
        if answer is not None:
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def dns_server(records: Records, *, ttl: int = 300, follow: bool = True) -> AsyncIterator[DnsServer]:
    server = DnsServer(HostPort("127.0.0.1", 0), dict(records), ttl, follow)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            answer = server.answer(await reader.readexactly(size), "tcp")
            if answer is not None:
                writer.write(struct.pack("!H", len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = tcp.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(lambda: _Udp(server), local_addr=("127.0.0.1", port))
    server.address = HostPort("127.0.0.1", port)
    try:
        yield server
    finally:
        transport.close()
        tcp.close()
