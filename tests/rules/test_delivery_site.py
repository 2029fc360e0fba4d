"""Sites, providers, shaping, forbidden addresses and the choice of TLS."""

import random

import pytest

from homing.delivery.rules.addresses import AddressPolicy, reachable_from, why_forbidden
from homing.delivery.rules.site import Providers, in_order, site_of
from homing.delivery.rules.tls_policy import TlsPolicy, TlsStep, next_step
from homing.delivery.types import Host
from homing.egress.rules.shaping import Limits, Shaping
from homing.ground.config import HostPort

PROVIDERS = Providers.from_package()
SHAPING = Shaping.from_package()


def hosts(*names):
    return [Host(name, 10, ("192.0.2.1",)) for name in names]


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("gmail-smtp-in.l.google.com", "Gmail"),
        ("ASPMX.L.GOOGLE.COM.", "Gmail"),
        ("hotmail-com.olc.protection.outlook.com", "Outlook"),
        ("acme-test.mail.protection.outlook.com", "Microsoft 365"),
        ("mta5.am0.yahoodns.net", "Yahoo"),
        ("mx01.mail.icloud.com", "Apple"),
        ("notgoogle.com", None),
        ("google.com.evil.test", None),
        ("", None),
    ],
)
def test_a_provider_is_the_longest_suffix_at_a_label_boundary(name, provider):
    found = PROVIDERS.of_host(name)
    assert (found.name if found else None) == provider


def test_every_host_must_belong_to_the_provider():
    assert site_of(hosts("a.google.com", "b.google.com"), PROVIDERS).provider == "Gmail"
    assert site_of(hosts("a.google.com", "mx.own.test"), PROVIDERS).provider == ""
    assert site_of(hosts("a.google.com", "mx.icloud.com"), PROVIDERS).provider == ""


def test_equal_sets_of_hosts_are_one_site():
    one = site_of(hosts("b.test", "a.test"), PROVIDERS)
    other = site_of(hosts("a.test", "b.test"), PROVIDERS)
    assert one.key == other.key == "a.test,b.test"


def test_hosts_are_ordered_by_preference():
    mixed = [Host("c", 30, ()), Host("a", 10, ()), Host("b", 20, ())]
    assert [host.name for host in in_order(mixed, random.Random(3).shuffle)] == ["a", "b", "c"]


def test_the_shaping_table_speaks_only_of_known_providers():
    names = {provider.name for provider in PROVIDERS.all}
    assert set(SHAPING._providers) <= names
    assert len(names) == 52


@pytest.mark.parametrize(
    ("provider", "limits"),
    [
        ("Gmail", Limits(connections=5, messages_per_connection=50)),
        ("Apple", Limits(connections=10, messages_per_connection=5)),
        ("Cox", Limits(connections=10, messages_per_connection=500)),
        ("Posteo", Limits(connections=40, messages_per_connection=500)),
        ("", Limits(connections=40, messages_per_connection=500)),
    ],
)
def test_limits_are_the_providers_own_or_the_default(provider, limits):
    assert SHAPING.limits_for(provider, 40) == limits


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "fc00::1", "fe80::1", "fec0::1"),
        *("169.254.169.254", "100.64.1.1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"),
        *("192.0.2.1", "198.18.0.1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"),
    ],
)
def test_mail_does_not_go_to(address):
    assert why_forbidden(address, AddressPolicy())


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_mail_may_go_to(address):
    assert why_forbidden(address, AddressPolicy()) == ""


def test_private_addresses_may_be_allowed_but_never_our_own_door():
    listeners = (HostPort("127.0.0.1", 2525), HostPort("0.0.0.0", 2626))
    policy = AddressPolicy(port=2525, allow_private=True, listeners=listeners, own=frozenset({"10.0.0.7"}))
    assert why_forbidden("127.0.0.2", policy) == ""
    assert "our own" in why_forbidden("127.0.0.1", policy)
    wild = AddressPolicy(port=2626, allow_private=True, listeners=listeners, own=frozenset({"10.0.0.7"}))
    assert "our own" in why_forbidden("10.0.0.7", wild)
    assert why_forbidden("10.0.0.8", wild) == ""
    assert why_forbidden("0.0.0.0", wild)
    assert why_forbidden("224.0.0.1", wild)


def test_a_source_reaches_its_own_family_only():
    both = ("192.0.2.1", "2001:db8::1")
    assert reachable_from(both, "192.0.2.9", ipv6=True) == ("192.0.2.1",)
    assert reachable_from(both, "2001:db8::9", ipv6=False) == ("2001:db8::1",)
    assert reachable_from(both, None, ipv6=True) == both
    assert reachable_from(both, None, ipv6=False) == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("policy", "offered", "failed", "step"),
    [
        (TlsPolicy.OPPORTUNISTIC, True, False, TlsStep.START),
        (TlsPolicy.OPPORTUNISTIC, True, True, TlsStep.CLEAR),
        (TlsPolicy.OPPORTUNISTIC, False, False, TlsStep.CLEAR),
        (TlsPolicy.NEVER, True, False, TlsStep.CLEAR),
        (TlsPolicy.REQUIRED, True, False, TlsStep.START),
        (TlsPolicy.REQUIRED, True, True, TlsStep.GIVE_UP),
        (TlsPolicy.REQUIRED, False, False, TlsStep.GIVE_UP),
    ],
)
def test_tls_is_used_as_the_policy_says(policy, offered, failed, step):
    assert next_step(policy, offered=offered, failed_before=failed) is step
