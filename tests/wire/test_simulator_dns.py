"""The simulator's DNS server, asked over real sockets."""

import dns.asyncquery
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from homing.ground.config import HostPort
from homing.simulator.dns import DnsServer, Record, Zones, zones_of
from homing.simulator.providers import CAST

ANYWHERE = HostPort("127.0.0.1", 0)


async def ask(server: DnsServer, name: str, kind: str, *, tcp: bool = False, timeout: float = 2.0) -> dns.message.Message:
    query = dns.message.make_query(name, kind, use_edns=False)
    ask_over = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await ask_over(query, server.where.host, port=server.where.port, timeout=timeout)


def texts(response: dns.message.Message) -> list[str]:
    return sorted(str(item) for rrset in response.answer for item in rrset)


@pytest.fixture
async def server():
    async with DnsServer(zones_of(CAST), listen_on=ANYWHERE) as running:
        yield running


async def test_a_domain_has_its_mx_hosts_and_they_have_addresses(server):
    assert texts(await ask(server, "bigmail.test", "MX")) == ["10 mx1.bigmail.test.", "20 mx2.bigmail.test."]
    assert texts(await ask(server, "MX1.bigmail.test", "A")) == ["127.0.0.11"]
    assert texts(await ask(server, "bigmail.test", "TXT")) == ['"v=spf1 mx -all"']


async def test_the_ways_to_have_no_mail_host_can_be_told_apart(server):
    assert texts(await ask(server, "nomail.test", "MX")) == ["0 ."]
    assert (await ask(server, "bigmial.test", "MX")).rcode() == dns.rcode.NXDOMAIN
    assert (await ask(server, "lamedns.test", "MX")).rcode() == dns.rcode.SERVFAIL
    empty = await ask(server, "homelab.test", "MX")
    assert (empty.rcode(), empty.answer) == (dns.rcode.NOERROR, [])
    assert texts(await ask(server, "homelab.test", "A")) == ["127.0.0.111"]


async def test_an_alias_is_followed(server):
    response = await ask(server, "www-acme.test", "MX")
    assert texts(response) == ["10 mx1.corpmail.test.", "corpmail.test."]


async def test_tcp_answers_the_same(server):
    assert texts(await ask(server, "oldmail.test", "MX", tcp=True)) == texts(await ask(server, "oldmail.test", "MX"))


async def test_an_answer_too_long_for_udp_is_cut_and_complete_over_tcp():
    zones = Zones([Record("long.test", "TXT", f'"{"x" * 200}{n}"') for n in range(10)])
    async with DnsServer(zones, listen_on=ANYWHERE) as server:
        short = await ask(server, "long.test", "TXT")
        assert short.flags & dns.flags.TC
        assert len(texts(await ask(server, "long.test", "TXT", tcp=True))) == 10


async def test_a_zone_may_grow_fail_and_fall_silent_while_it_serves(server):
    server.zones.add(Record("k1._domainkey.sender.test", "TXT", '"v=DKIM1; p=abc"'))
    assert texts(await ask(server, "k1._domainkey.sender.test", "TXT")) == ['"v=DKIM1; p=abc"']
    assert (await ask(server, "sender.test", "TXT")).rcode() == dns.rcode.NOERROR  # an empty non-terminal exists
    server.zones.fail("sender.test")
    assert (await ask(server, "k1._domainkey.sender.test", "TXT")).rcode() == dns.rcode.SERVFAIL
    server.zones.be_silent("quiet.test")
    with pytest.raises(dns.exception.Timeout):
        await ask(server, "quiet.test", "MX", timeout=0.2)


async def test_a_loop_of_aliases_ends(server):
    server.zones.add(Record("a.loop.test", "CNAME", "b.loop.test."))
    server.zones.add(Record("b.loop.test", "CNAME", "a.loop.test."))
    assert len((await ask(server, "a.loop.test", "MX")).answer) == 2


async def test_rubbish_is_not_answered_and_harms_nobody(server):
    assert server.respond(b"\x00\x01rubbish", longest=512) is None
    assert texts(await ask(server, "bigmail.test", "MX"))
