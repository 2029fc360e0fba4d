"""Verification against a real DNS server on loopback."""

from datetime import UTC, datetime

import pytest

from homing.domains.rules.verify import record_value
from homing.domains.types import DkimKey, DomainStatus, SendingDomain
from homing.domains.verify import DomainDns, verify
from homing.ground.config import HostPort
from homing.simulator.dns import DnsServer, Record, Zones

NOW = datetime(2026, 5, 4, tzinfo=UTC)
OURS = frozenset({"mail.host.test"})
LONG_KEY = "MIIB" + "k" * 380


def domain(status=None):
    return SendingDomain(
        domain="acme.test",
        account_id=1,
        subaccount_id=0,
        shared=False,
        is_default_bounce=False,
        tracking_domain=None,
        status=status or DomainStatus(),
        trusted=False,
        created_at=NOW,
        updated_at=NOW,
    )


def key(algorithm, selector, public_key):
    return DkimKey(
        domain="acme.test",
        key_id="default",
        algorithm=algorithm,
        selector=selector,
        signing_domain="acme.test",
        public_key=public_key,
        key_bits=2048,
        status="unverified",
        created_at=NOW,
        updated_at=NOW,
    )


KEYS = [key("rsa", "s1", LONG_KEY), key("ed25519", "s1e", "RWQ=")]


def txt(name, text):
    return Record(name, "TXT", " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250)))


@pytest.fixture
def zones():
    return Zones([Record("acme.test", "A", "127.0.0.9")])


@pytest.fixture
async def ask(zones):
    async with DnsServer(zones, listen_on=HostPort("127.0.0.1", 0)) as server:
        lookup = DomainDns(server.where, patience_s=0.4)

        async def asked(status=None, keys=KEYS, **what):
            return await verify(domain(status), keys, lookup, bounce_hosts=OURS, **what)

        yield asked


async def test_a_published_key_is_valid_though_its_record_has_several_strings(zones, ask):
    zones.add(txt("s1._domainkey.acme.test", record_value(LONG_KEY, algorithm="rsa")))
    found = await ask(dkim=True)
    assert found.status.dkim_status == "valid"
    assert found.dns["dkim_record"] == record_value(LONG_KEY, algorithm="rsa")
    assert [(key.algorithm, key.status) for key in found.keys] == [("rsa", "valid"), ("ed25519", "invalid")]


async def test_both_keys_can_be_published(zones, ask):
    zones.add(txt("s1._domainkey.acme.test", record_value(LONG_KEY, algorithm="rsa")))
    zones.add(txt("s1e._domainkey.acme.test", record_value("RWQ=", algorithm="ed25519")))
    assert [key.status for key in (await ask(dkim=True)).keys] == ["valid", "valid"]


async def test_a_delegated_key_record_is_followed(zones, ask):
    zones.add(Record("s1._domainkey.acme.test", "CNAME", "key.elsewhere.test."))
    zones.add(txt("key.elsewhere.test", record_value(LONG_KEY, algorithm="rsa")))
    assert (await ask(dkim=True)).status.dkim_status == "valid"


async def test_a_missing_record_is_invalid_and_says_so(ask):
    found = await ask(dkim=True)
    assert found.status.dkim_status == "invalid"
    assert "no DKIM record" in found.dns["dkim_error"]


async def test_a_domain_without_keys_cannot_be_verified_by_dkim(ask):
    found = await ask(dkim=True, keys=[])
    assert (found.status.dkim_status, found.dns) == ("invalid", {"dkim_error": "the domain has no DKIM key"})


@pytest.mark.parametrize("trouble", ["fail", "be_silent"])
async def test_a_server_in_trouble_is_an_answer_and_undoes_nothing(zones, ask, trouble):
    getattr(zones, trouble)("acme.test")
    found = await ask(dkim=True)
    assert found.status.dkim_status == "invalid"
    assert found.dns["dkim_error"].startswith("DNS query error: ")
    assert (await ask(DomainStatus(cname_status="valid"), cname=True)).status.cname_status == "valid"


async def test_no_server_at_all_is_an_answer_too():
    lookup = DomainDns(HostPort("127.0.0.1", 1), patience_s=0.3)
    found = await verify(domain(), KEYS, lookup, dkim=True, cname=True, mx=True, bounce_hosts=OURS)
    assert found.dns.keys() == {"dkim_error", "dkim_ed25519_error", "cname_error", "mx_error"}


async def test_a_bounce_domain_leads_to_us_by_cname(zones, ask):
    zones.remove("acme.test")
    zones.add(Record("acme.test", "CNAME", "Mail.Host.test."))
    found = await ask(cname=True)
    assert found.status.cname_status == "valid"
    assert found.status.dkim_status == "unverified"
    assert found.dns["cname_record"].lower() == "mail.host.test"


async def test_a_bounce_domain_leads_to_us_by_mx(zones, ask):
    zones.add(Record("acme.test", "MX", "10 mail.host.test."))
    assert (await ask(mx=True)).status.mx_status == "valid"
    zones.add(Record("acme.test", "MX", "20 backup.elsewhere.test."))
    assert (await ask(mx=True)).status.mx_status == "invalid"


async def test_what_was_not_asked_stays_as_it_was(ask):
    found = await ask(DomainStatus(dkim_status="valid"))
    assert (found.status, found.dns, found.keys) == (DomainStatus(dkim_status="valid"), {}, [])
