"""`homing ips` and `homing pools` on a real database."""

from datetime import UTC, datetime

import pytest

from tests.store.test_cli_views import House, Shell, dns, homing, house  # noqa: F401 - fixtures

LOCAL = "127.0.0.7"


def test_an_address_is_given_shown_warmed_up_and_taken_back(homing: Shell, house: House):  # noqa: F811
    house.account("acme")
    house.account("beta")
    said = homing("ips", "assign", LOCAL, "--account", "acme", "--ehlo", "mta1.y.test")
    assert "is acme's, in the pool default, warming up at stage 1 (200 a day)" in said
    assert homing.err == ""
    homing("ips", "assign", LOCAL, "--account", "beta", code=2)
    assert "belongs to a customer already" in homing.err
    (shown,) = homing.json("ips")["ips"]
    expected = {
        "address": LOCAL, "hostname": "mta1.y.test", "account": "acme", "pool": "default", "stage": 1, "per_day": 200,
        "per_hour": 34, "room": 34, "sent": 0, "customer_provided": False,
    }  # fmt: skip
    assert expected.items() <= shown.items()
    assert "stage 1" in homing("ips")

    assert "stage 7: 20,000 messages a day" in homing("ips", "warmup", LOCAL, "--stage", "7")
    today = datetime.now(UTC).date()
    house.do(lambda c: c.execute("INSERT INTO warmup_days (address, day, sent, delivered) VALUES ($1, $2, 12, 9)", LOCAL, today))
    house.do(lambda c: c.execute("INSERT INTO warmup_pairs (address, provider, cap) VALUES ($1, 'Gmail', 750)", LOCAL))
    (shown,) = homing.json("ips", "--account", "acme")["ips"]
    assert (shown["stage"], shown["sent"], shown["delivered"], shown["providers"]) == (7, 12, 9, {"Gmail": 750})
    assert homing.json("ips", "--account", "beta")["ips"] == []
    assert "is warm" in homing("ips", "warmup", LOCAL, "--off")
    assert homing.json("ips")["ips"][0]["stage"] is None
    assert "stage 1" in homing("ips", "warmup", LOCAL)

    assert "belongs to no customer now" in homing("ips", "release", LOCAL)
    for words in (["release", LOCAL], ["warmup", LOCAL]):
        homing("ips", *words, code=1)
        assert "belongs to no customer" in homing.err
    assert "No customer has an address" in homing("ips")


def test_what_an_operator_should_know_is_said_when_an_address_is_given(homing: Shell, house: House, monkeypatch):  # noqa: F811
    house.account("acme")
    monkeypatch.setenv("HOMING_SOURCE_IPS", "192.0.2.10=mta.y.test")
    assert "Shared by all customers: 192.0.2.10." in homing("ips")
    assert "warm." in homing("ips", "assign", "192.0.2.10", "--warm", "--customer-provided")
    assert "cannot send from 192.0.2.10" in homing.err
    assert "no shared address is left" in homing.err
    (shown,) = homing.json("ips")["ips"]
    assert (shown["hostname"], shown["stage"], shown["customer_provided"]) == ("mta.y.test", None, True)
    assert homing.json("ips")["shared"] == []
    assert "it is shared" in homing("ips", "release", "192.0.2.10")


def test_pools_are_shown_with_their_addresses_and_overflow(homing: Shell, house: House):  # noqa: F811
    account = house.account("acme")
    house.do(
        lambda c: c.execute(
            "INSERT INTO ip_pools (account_id, pool_id, name, overflow_pool) VALUES ($1, 'bulk', 'Bulk', 'shared pool')", account
        )
    )
    homing("ips", "assign", LOCAL, "--pool", "Bulk")
    default, bulk = homing.json("pools", "--account", "acme")
    assert (default["id"], default["ips"], default["waits"]) == ("default", [], False)
    assert (bulk["id"], bulk["ips"], bulk["overflow_pool"], bulk["when_full"]) == ("bulk", [LOCAL], "shared pool", "wait")
    text = homing("pools")
    assert "shared pool" in text
    assert LOCAL in text
    homing("ips", "assign", "127.0.0.8", "--pool", "nope", code=1)
    assert "no pool nope" in homing.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["assign", "nonsense"], "is no IP address"),
        (["assign", "fe80::1%eth0"], "of one link"),
        (["warmup", LOCAL, "--stage", "30"], "--stage"),
        (["warmup", LOCAL, "--stage", "3", "--off"], "exclude each other"),
    ],
)
def test_misuse_is_one_sentence(homing: Shell, house: House, words, says):  # noqa: F811
    house.account("acme")
    homing("ips", *words, code=2)
    assert says in homing.err.replace("\n", " ")
