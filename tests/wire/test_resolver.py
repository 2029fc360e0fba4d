"""Where a domain's mail goes, asked of a real DNS server on loopback that answers, lies, fails and stays silent."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest
import uvloop

from homing.delivery.resolver import Resolver
from homing.delivery.rules.addresses import AddressPolicy
from homing.delivery.rules.site import Providers
from homing.delivery.types import Trouble
from homing.ground.config import HostPort
from tests.kit.dns import NXDOMAIN, REFUSED, SERVFAIL, SILENCE, TRUNCATED, DnsServer, dns_server

PROVIDERS = Providers.from_package()
OPEN = AddressPolicy(port=25, allow_private=True)


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request):
    return uvloop.EventLoopPolicy() if request.param == "uvloop" else asyncio.DefaultEventLoopPolicy()


class MovedClock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


def resolver(server: DnsServer | HostPort, **more) -> Resolver:
    address = server.address if isinstance(server, DnsServer) else server
    facts = {"smarthost": None, "policy": OPEN, "ipv6": False, "timeout_s": 2.0, "chance": random.Random(1)} | more
    return Resolver(dns_server=address, providers=PROVIDERS, **facts)


def names(route):
    assert route.site is not None, route
    return [host.name for host in route.site.hosts]


async def test_mx_hosts_come_by_preference_with_their_addresses():
    records = {
        "x.test MX": ["20 b.x.test.", "10 A.x.test.", "30 c.x.test."],
        "a.x.test A": ["127.0.0.1", "127.0.0.2"],
        "b.x.test A": ["127.0.0.3"],
        "c.x.test TXT": ['"no address"'],
    }
    async with dns_server(records) as server:
        route = await resolver(server).route("x.test")
    assert names(route) == ["a.x.test", "b.x.test"]
    assert route.site is not None
    assert sorted(route.site.hosts[0].addresses) == ["127.0.0.1", "127.0.0.2"]
    assert route.site.key == "a.x.test,b.x.test"
    assert route.trouble is None


async def test_equal_preferences_are_tried_in_random_order():
    records = {"x.test MX": [f"10 m{n}.x.test." for n in range(6)]} | {f"m{n}.x.test A": ["127.0.0.1"] for n in range(6)}
    async with dns_server(records) as server:
        orders = {tuple(names(await resolver(server, chance=random.Random(seed)).route("x.test"))) for seed in range(5)}
    assert len(orders) > 1
    assert len({tuple(sorted(order)) for order in orders}) == 1


async def test_a_domain_without_mx_is_its_own_host():
    async with dns_server({"x.test A": ["127.0.0.5"]}) as server:
        route = await resolver(server).route("x.test")
    assert route.site is not None
    assert [(host.name, host.addresses) for host in route.site.hosts] == [("x.test", ("127.0.0.5",))]


async def test_ipv6_addresses_are_asked_for_only_where_they_can_be_used():
    records = {"x.test MX": ["1 m.x.test."], "m.x.test A": ["127.0.0.1"], "m.x.test AAAA": ["::1"]}
    async with dns_server(records) as server:
        without = await resolver(server).route("x.test")
        assert server.questions("m.x.test", "AAAA") == 0
        having = await resolver(server, ipv6=True).route("x.test")
    assert without.site is not None
    assert having.site is not None
    assert without.site.hosts[0].addresses == ("127.0.0.1",)
    assert having.site.hosts[0].addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("records", "trouble"),
    [
        ({"x.test": NXDOMAIN}, Trouble.NO_SUCH_DOMAIN),
        ({"x.test TXT": ['"hm"']}, Trouble.NO_HOSTS),
        ({"x.test MX": ["10 gone.test."]}, Trouble.NO_HOSTS),
        ({"x.test MX": ["0 ."]}, Trouble.NULL_MX),
        ({"x.test": SERVFAIL}, Trouble.DNS_TEMPORARY),
        ({"x.test": REFUSED}, Trouble.DNS_TEMPORARY),
        ({"x.test MX": ["10 m.test.", "20 gone.test."], "m.test": SERVFAIL}, Trouble.DNS_TEMPORARY),
        ({"x.test MX": ["10 m.test."], "m.test A": ["127.0.0.1"], "x.test CNAME": SERVFAIL}, None),
        ({"x.test CNAME": ["y.test."], "y.test CNAME": ["x.test."]}, Trouble.CNAME_LOOP),
        ({"x.test MX": ["10 a.test."], "a.test CNAME": ["b.test."], "b.test CNAME": ["a.test."]}, Trouble.CNAME_LOOP),
    ],
)
@pytest.mark.parametrize("follow", [True, False])
async def test_what_the_dns_cannot_say_has_a_name(records, trouble, follow):
    async with dns_server(records, follow=follow) as server:
        route = await resolver(server).route("x.test")
    assert route.trouble is trouble, route
    assert (route.site is None) == (trouble is not None)


async def test_silence_is_temporary():
    async with dns_server({"x.test": SILENCE}) as server:
        route = await resolver(server, timeout_s=0.2).route("x.test")
    assert route.trouble is Trouble.DNS_TEMPORARY


@pytest.mark.parametrize("follow", [True, False])
async def test_aliases_are_followed(follow):
    records = {
        "x.test CNAME": ["y.test."],
        "y.test MX": ["10 m.y.test."],
        "m.y.test CNAME": ["n.y.test."],
        "n.y.test A": ["127.0.0.1"],
    }
    async with dns_server(records, follow=follow) as server:
        assert names(await resolver(server).route("x.test")) == ["m.y.test"]


async def test_a_truncated_answer_is_asked_again_over_tcp():
    records = {"x.test MX": [TRUNCATED, "10 m.x.test."], "m.x.test A": ["127.0.0.1"]}
    async with dns_server(records) as server:
        assert names(await resolver(server).route("x.test")) == ["m.x.test"]
        assert server.asked["x.test", "MX", "tcp"] == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"])
async def test_an_mx_at_a_private_address_is_refused(address):
    async with dns_server({"x.test MX": ["10 m.x.test."], "m.x.test A": [address]}) as server:
        route = await resolver(server, policy=AddressPolicy()).route("x.test")
    assert route.trouble is Trouble.FORBIDDEN_ADDRESS
    assert address in route.note


async def test_only_the_forbidden_addresses_of_a_host_are_left_out():
    records = {"x.test MX": ["10 m.x.test."], "m.x.test A": ["10.0.0.1", "93.184.216.34"]}
    async with dns_server(records) as server:
        route = await resolver(server, policy=AddressPolicy()).route("x.test")
    assert route.site is not None
    assert route.site.hosts[0].addresses == ("93.184.216.34",)


async def test_our_own_listener_is_refused_even_where_private_addresses_are_allowed():
    policy = AddressPolicy(port=2525, allow_private=True, listeners=(HostPort("127.0.0.1", 2525),))
    async with dns_server({"x.test A": ["127.0.0.1"], "y.test A": ["127.0.0.2"]}) as server:
        asker = resolver(server, policy=policy)
        assert (await asker.route("x.test")).trouble is Trouble.FORBIDDEN_ADDRESS
        assert (await asker.route("y.test")).trouble is None


async def test_answers_are_remembered_for_their_time_to_live():
    clock = MovedClock()
    async with dns_server({"x.test MX": ["1 m.test."], "m.test A": ["127.0.0.1"]}, ttl=120) as server:
        asker = resolver(server, clock=clock)
        await asker.route("x.test")
        clock.moment += timedelta(seconds=119)
        assert asker.known("x.test") is not None
        await asker.route("x.test")
        assert server.questions("x.test", "MX") == 1
        clock.moment += timedelta(seconds=2)
        assert asker.known("x.test") is None
        await asker.route("x.test")
        assert server.questions("x.test", "MX") == 2


@pytest.mark.parametrize(("ttl", "kept"), [(0, 30), (86400, 3600)])
async def test_the_time_to_live_is_bounded(ttl, kept):
    clock = MovedClock()
    async with dns_server({"x.test A": ["127.0.0.1"]}, ttl=ttl) as server:
        route = await resolver(server, clock=clock).route("x.test")
    assert route.expires_at == clock.moment + timedelta(seconds=kept)


async def test_failures_in_a_row_are_counted_and_asked_more_seldom():
    clock = MovedClock()
    async with dns_server({"x.test": SERVFAIL}) as server:
        asker = resolver(server, clock=clock)
        waits = []
        for _ in range(6):
            route = await asker.route("x.test")
            waits.append((route.expires_at - clock.moment).total_seconds())
            clock.moment = route.expires_at
        assert waits == [60, 120, 240, 480, 900, 900]
        assert route.note.endswith("6 times in a row")
        server.records["x.test"] = NXDOMAIN
        assert (await asker.route("x.test")).expires_at - clock.moment == timedelta(seconds=60)


async def test_many_who_ask_at_once_cause_one_lookup():
    async with dns_server({"x.test MX": ["1 m.test."], "m.test A": ["127.0.0.1"]}) as server:
        asker = resolver(server)
        routes = await asyncio.gather(*(asker.route("x.test") for _ in range(50)))
        assert server.questions("x.test", "MX") == 1
    assert len({id(route) for route in routes}) == 1


async def test_one_who_gives_up_does_not_stop_the_others():
    async with dns_server({"x.test A": ["127.0.0.1"]}) as server:
        asker = resolver(server)
        first = asyncio.create_task(asker.route("x.test"))
        second = asyncio.create_task(asker.route("x.test"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).trouble is None


async def test_the_memory_is_bounded():
    async with dns_server({f"d{n}.test A": ["127.0.0.1"] for n in range(6)}) as server:
        asker = resolver(server, cache_size=3)
        for n in range(6):
            await asker.route(f"d{n}.test")
        assert [asker.known(f"d{n}.test") is not None for n in range(6)] == [False, False, False, True, True, True]


@pytest.mark.parametrize(("literal", "address"), [("[127.0.0.9]", "127.0.0.9"), ("[IPv6:::1]", "::1")])
async def test_an_address_literal_needs_no_dns(literal, address):
    route = await resolver(HostPort("127.0.0.1", 1)).route(literal)
    assert route.site is not None
    assert route.site.hosts[0].addresses == (address,)


@pytest.mark.parametrize("domain", ["", "x..test", "a" * 64 + ".test", "[300.1.1.1]", "x." * 200])
async def test_what_is_no_domain_does_not_exist(domain):
    async with dns_server({}) as server:
        assert (await resolver(server, timeout_s=0.3).route(domain)).trouble in (Trouble.NO_SUCH_DOMAIN, Trouble.NO_HOSTS)


async def test_a_smarthost_takes_everything():
    asker = resolver(HostPort("127.0.0.1", 1), smarthost=HostPort("127.0.0.3", 2626), policy=AddressPolicy())
    first, second = await asker.route("x.test"), await asker.route("y.test")
    assert first.site == second.site
    assert first.site is not None
    assert first.site.key == "127.0.0.3:2626"
    assert first.site.hosts[0].addresses == ("127.0.0.3",)
    async with dns_server({"relay.test A": ["127.0.0.4"]}) as server:
        route = await resolver(server, smarthost=HostPort("relay.test", 25)).route("x.test")
    assert route.site is not None
    assert route.site.hosts[0].addresses == ("127.0.0.4",)


async def test_a_provider_is_known_by_all_its_hosts():
    hosts = ["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"]
    addresses = {f"{host} A": ["127.0.0.1"] for host in [*hosts, "backup.other.test"]}
    records = {
        "x.test MX": [f"10 {host}." for host in hosts],
        "y.test MX": [f"10 {hosts[0]}.", "20 backup.other.test."],
    } | addresses
    async with dns_server(records) as server:
        asker = resolver(server)
        x, y = (await asker.route("x.test")).site, (await asker.route("y.test")).site
    assert x is not None
    assert y is not None
    assert (x.provider, x.region) == ("Gmail", "Global")
    assert (y.provider, y.region) == ("", "")


async def test_closing_gives_up_what_is_under_way():
    async with dns_server({"x.test": SILENCE}) as server:
        asker = resolver(server)
        waiting = asyncio.create_task(asker.route("x.test"))
        await asyncio.sleep(0.02)
        await asker.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting
