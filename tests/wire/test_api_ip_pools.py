"""/api/v1/ip-pools and /api/v1/sending-ips."""

import asyncio
import json
from datetime import date

import pytest

from homing.accounts import store as accounts
from homing.egress import store
from homing.egress.types import SendingIp
from tests.kit.resources import ResourceDoor, resource_door

ONE, TWO = "192.0.2.10", "192.0.2.11"
DAY = date(2026, 5, 4)


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def make(door: ResourceDoor, name="Bulk Mail", **members):
    return await door.call("POST", "ip-pools", json={"name": name, **members})


async def give(door: ResourceDoor, address=ONE, *, pool="default", stage=1, account_id=None, **members):
    ip = SendingIp(
        address=address, hostname="mta1.acme.test", account_id=account_id or door.account_id, pool_id=pool, stage=stage, **members
    )
    await store.assign(door.pool, ip, today=DAY)


async def signer(door: ResourceDoor, name="acme.test", **changes):
    """Register a domain that signs."""
    await door.door.domain(name, **changes)
    await door.pool.execute(
        "INSERT INTO dkim_keys (domain, key_id, algorithm, selector, signing_domain, private_sealed, public_key, key_bits,"
        " status) VALUES ($1, 'default', 'rsa', 's', $1, 'x', 'x', 2048, 'valid')",
        name,
    )


def message(answer):
    (error,) = answer.json()["errors"]
    assert set(error) == {"message"}
    return answer.status_code, error["message"]


# pools ------------------------------------------------------------------------------------------------------------------


async def test_the_default_pool_is_always_there(door: ResourceDoor):
    assert (await door.call("GET", "ip-pools")).json() == {"results": [{"id": "default", "name": "Default", "ips": []}]}
    assert (await door.call("GET", "ip-pools/default")).json() == {"results": {"id": "default", "name": "Default", "ips": []}}


async def test_a_pool_is_made_looked_at_changed_and_removed(door: ResourceDoor):
    await signer(door)
    assert (await make(door, "Warm")).json() == {"results": {"id": "warm"}}
    made = await make(
        door, signing_domain="Acme.test", fbl_signing_domain="acme.test", auto_warmup_overflow_pool="warm", unknown=[1]
    )
    assert (made.status_code, made.json()) == (200, {"results": {"id": "bulk_mail"}})
    await give(door, pool="bulk_mail", stage=5)
    await give(door, TWO, pool="bulk_mail", stage=None)
    settings = {
        "id": "bulk_mail", "name": "Bulk Mail", "signing_domain": "acme.test", "fbl_signing_domain": "acme.test",
        "auto_warmup_overflow_pool": "warm",
    }  # fmt: skip
    ips = [
        {"external_ip": ONE, "hostname": "mta1.acme.test", "auto_warmup_enabled": True, "auto_warmup_stage": 5},
        {"external_ip": TWO, "hostname": "mta1.acme.test", "auto_warmup_enabled": False},
    ]
    assert (await door.call("GET", "ip-pools/Bulk_Mail/")).json() == {"results": {**settings, "ips": ips}}
    assert [one["id"] for one in (await door.call("GET", "ip-pools")).json()["results"]] == ["default", "warm", "bulk_mail"]

    changed = await door.call(
        "PUT", "ip-pools/bulk_mail", json={"name": "Bulk 2", "signing_domain": "", "auto_warmup_overflow_pool": "shared pool"}
    )
    after = {"id": "bulk_mail", "name": "Bulk 2", "fbl_signing_domain": "acme.test", "auto_warmup_overflow_pool": "shared pool"}
    assert (changed.status_code, changed.json()) == (200, {"results": after})
    assert (await door.call("GET", "ip-pools/bulk_mail")).json() == {"results": {**after, "ips": ips}}

    removed = await door.call("DELETE", "ip-pools/bulk_mail")
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await door.call("GET", "ip-pools/default")).json()["results"]["ips"] == ips
    assert message(await door.call("GET", "ip-pools/bulk_mail")) == (404, "IP pool not found.")
    assert message(await door.call("DELETE", "ip-pools/bulk_mail")) == (404, "IP Pool bulk_mail does not exist.")


async def test_what_happens_without_overflow_is_a_choice_of_the_pool(door: ResourceDoor):
    await make(door, auto_warmup_when_full="send")
    assert (await door.call("GET", "ip-pools/bulk_mail")).json()["results"]["auto_warmup_when_full"] == "send"
    changed = await door.call("PUT", "ip-pools/bulk_mail", json={"auto_warmup_when_full": "wait"})
    assert changed.json() == {"results": {"id": "bulk_mail", "name": "Bulk Mail"}}


async def test_the_default_pool_is_reserved_but_for_its_overflow(door: ResourceDoor):
    reserved = (400, "IP Pool default is reserved and cannot be updated.")
    for body in ({}, {"name": "Mine"}, {"signing_domain": "acme.test"}, {"name": "Default"}, {"fbl_signing_domain": ""}):
        assert message(await door.call("PUT", "ip-pools/default", json=body)) == reserved
    assert message(await door.call("DELETE", "ip-pools/default")) == (400, "IP Pool default is reserved.")
    await make(door)
    other = await door.call("PUT", "ip-pools/default", json={"auto_warmup_overflow_pool": "bulk_mail"})
    assert message(other) == (400, "IP Pool default can overflow only to the shared pool.")
    changed = await door.call("PUT", "ip-pools/default", json={"name": "Default", "auto_warmup_overflow_pool": "shared pool"})
    assert changed.json()["results"] == {"id": "default", "name": "Default", "auto_warmup_overflow_pool": "shared pool"}
    for name in ("Default", "sp_shared", "Shared Pool"):
        assert message(await make(door, name))[0] == 400


async def test_overflow_goes_to_a_pool_that_is_there_and_no_further(door: ResourceDoor):
    assert message(await make(door, auto_warmup_overflow_pool="warm")) == (400, "Auto Warmup Overflow Pool warm does not exist.")
    await make(door, "Warm")
    await make(door, "Bulk", auto_warmup_overflow_pool="Warm")
    refusal = (400, "bulk has an overflow pool and cannot be an overflow pool")
    assert message(await make(door, "News", auto_warmup_overflow_pool="bulk")) == refusal
    await make(door, "News")
    assert message(await door.call("PUT", "ip-pools/news", json={"auto_warmup_overflow_pool": "bulk"})) == refusal
    for target in ("shared pool", "news"):
        answer = await door.call("PUT", "ip-pools/warm", json={"auto_warmup_overflow_pool": target})
        assert message(answer) == (400, "warm is an overflow pool and cannot have an overflow pool")
    itself = await door.call("PUT", "ip-pools/news", json={"auto_warmup_overflow_pool": "news"})
    assert message(itself) == (400, "news is an overflow pool and cannot have an overflow pool")
    missing = await door.call("PUT", "ip-pools/news", json={"auto_warmup_overflow_pool": "gone"})
    assert message(missing) == (400, "Auto Warmup Overflow Pool gone does not exist.")
    status, text = message(await door.call("DELETE", "ip-pools/warm"))
    assert (status, "overflow pool of bulk" in text) == (409, True)
    await door.call("PUT", "ip-pools/bulk", json={"auto_warmup_overflow_pool": ""})
    assert (await door.call("DELETE", "ip-pools/warm")).status_code == 204


async def test_two_that_would_overflow_into_each_other_do_not_both_succeed(door: ResourceDoor):
    await make(door, "A")
    await make(door, "B")
    answers = await asyncio.gather(
        door.call("PUT", "ip-pools/a", json={"auto_warmup_overflow_pool": "b"}),
        door.call("PUT", "ip-pools/b", json={"auto_warmup_overflow_pool": "a"}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400), ({"name": ""}, 400), ({"name": " "}, 400), ({"name": None}, 400), ({"name": "x" * 65}, 400),
        ({"name": "日本"}, 400), ({"name": "a\0b"}, 400), ({"name": "a\nb"}, 400), ({"name": "\ud800"}, 400),
        ({"name": 7}, 422), ([], 422),
        ({"name": "x", "signing_domain": "a\0.test"}, 400), ({"name": "x", "signing_domain": "nodot"}, 400),
        ({"name": "x", "auto_warmup_overflow_pool": "a\0b"}, 400), ({"name": "x", "auto_warmup_overflow_pool": "\udc00"}, 400),
        ({"name": "x", "auto_warmup_when_full": "bounce"}, 400), ({"name": "x", "auto_warmup_overflow_pool": 5}, 422),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_used_is_refused(door: ResourceDoor, body, status):
    await make(door, "There")
    for method, path in (("POST", "ip-pools"), ("PUT", "ip-pools/there")):
        if method == "PUT" and body in ({}, {"name": None}, {"name": "日本"}):
            continue  # nothing changes; and an id is not made anew
        answer = await door.call(method, path, content=json.dumps(body).encode())
        assert answer.status_code in (status, 400), answer.text
        assert answer.json()["errors"][0]["message"]
    assert [one["id"] for one in (await door.call("GET", "ip-pools")).json()["results"]] == ["default", "there"]


async def test_a_name_whose_id_is_taken_is_refused(door: ResourceDoor):
    await make(door)
    assert message(await make(door, "bulk-mail"))[0] == 409


async def test_paths_that_name_nothing(door: ResourceDoor):
    for path in ("ip-pools/nope", "ip-pools/%00", "ip-pools/%ED%A0%80", "ip-pools/%F0%9F%98%80"):
        assert (await door.call("GET", path)).status_code in (400, 404)
        assert (await door.call("PUT", path, json={"name": "x"})).status_code in (400, 404)
        assert (await door.call("DELETE", path)).status_code in (400, 404)
    assert message(await door.call("PUT", "ip-pools/nope", json={"name": "x"})) == (404, "IP Pool nope does not exist.")


async def test_only_a_domain_of_this_account_that_can_sign_signs_for_a_pool(door: ResourceDoor):
    stranger = (await accounts.get_or_create_account(door.pool, "stranger")).account_id
    await signer(door, "other.test", account_id=stranger)
    await signer(door, "sub.test", subaccount_id=3)
    await door.door.domain("nokey.test")
    for domain in ("other.test", "sub.test", "nokey.test", "nowhere.test"):
        for member in ("signing_domain", "fbl_signing_domain"):
            status, text = message(await make(door, **{member: domain}))
            assert (status, text.startswith(f"{member} {domain} must be a sending domain")) == (400, True)


async def test_a_domain_that_is_removed_signs_no_more(door: ResourceDoor):
    await signer(door)
    await make(door, signing_domain="acme.test", fbl_signing_domain="acme.test")
    await door.pool.execute("DELETE FROM sending_domains WHERE domain = 'acme.test'")
    assert (await door.call("GET", "ip-pools/bulk_mail")).json()["results"] == {"id": "bulk_mail", "name": "Bulk Mail", "ips": []}


# sending IPs ------------------------------------------------------------------------------------------------------------


async def test_sending_ips_are_listed_and_looked_at(door: ResourceDoor):
    await give(door, customer_provided=True)
    await give(door, TWO, stage=None)
    shown = {
        "external_ip": ONE, "hostname": "mta1.acme.test", "ip_pool": "default", "customer_provided": True,
        "auto_warmup_enabled": True, "auto_warmup_stage": 1,
    }  # fmt: skip
    warm = {**shown, "external_ip": TWO, "customer_provided": False, "auto_warmup_enabled": False}
    del warm["auto_warmup_stage"]
    assert (await door.call("GET", "sending-ips")).json() == {"results": [shown, warm]}
    assert (await door.call("GET", f"sending-ips/{ONE}/")).json() == {"results": shown}
    assert message(await door.call("GET", "sending-ips/192.0.2.99")) == (404, "Sending IP does not exist")
    for path in ("nonsense", "192.0.2", "fe80::1%25eth0", "%00"):
        answer = await door.call("GET", f"sending-ips/{path}")
        assert message(answer) == (400, "external ip must be a valid IPv4 address")
        assert (await door.call("PUT", f"sending-ips/{path}", json={})).status_code == 400
    assert message(await door.call("PUT", "sending-ips/192.0.2.99", json={})) == (404, "Sending IP does not exist")


async def test_an_address_moves_between_pools(door: ResourceDoor):
    await make(door)
    await give(door)
    moved = await door.call("PUT", f"sending-ips/{ONE}", json={"ip_pool": "Bulk_mail"})
    assert moved.json() == {"results": {"message": "Updated Sending IP."}}
    shown = (await door.call("GET", f"sending-ips/{ONE}")).json()["results"]
    assert (shown["ip_pool"], shown["auto_warmup_stage"]) == ("bulk_mail", 1)
    for target in ("nope", "", "a\0b"):
        answer = await door.call("PUT", f"sending-ips/{ONE}", json={"ip_pool": target, "auto_warmup_enabled": False})
        assert message(answer)[0] == 400
    assert message(await door.call("PUT", f"sending-ips/{ONE}", json={"ip_pool": "p"})) == (400, "IP Pool p does not exist.")
    assert (await door.call("GET", f"sending-ips/{ONE}")).json()["results"] == shown
    assert (await door.call("PUT", f"sending-ips/{ONE}", json={"ip_pool": "default"})).status_code == 200
    assert (await door.call("GET", f"sending-ips/{ONE}")).json()["results"]["ip_pool"] == "default"


async def test_warm_up_begins_at_stage_one_and_a_stage_goes_down_alone(door: ResourceDoor):
    await give(door, stage=None)

    async def put(**body):
        return await door.call("PUT", f"sending-ips/{ONE}", json=body)

    async def stage():
        return (await door.call("GET", f"sending-ips/{ONE}")).json()["results"].get("auto_warmup_stage")

    off = (400, "auto_warmup_enabled must be true to update auto_warmup_stage")
    assert message(await put(auto_warmup_stage=1)) == off
    assert message(await put(auto_warmup_enabled=False, auto_warmup_stage=1)) == off
    assert message(await put(auto_warmup_enabled=True, auto_warmup_stage=2)) == (
        400,
        "auto_warmup_stage must be less than or equal to 1",
    )
    assert (await put(auto_warmup_enabled=True)).status_code == 200
    assert await stage() == 1
    await door.pool.execute("UPDATE pool_ips SET warmup_stage = 5, stalled_days = 4")
    assert message(await put(auto_warmup_stage=6)) == (400, "auto_warmup_stage must be less than or equal to 5")
    for wrong in (0, 30, -1, 10**30):
        assert message(await put(auto_warmup_stage=wrong)) == (400, "auto_warmup_stage must be between 1 and 29")
    assert (await put(auto_warmup_enabled="yes")).status_code == 422
    assert (await put(auto_warmup_enabled=True)).status_code == 200
    assert await stage() == 5
    assert await door.pool.fetchval("SELECT stalled_days FROM pool_ips") == 4
    assert (await put(auto_warmup_stage=3)).status_code == 200
    assert await stage() == 3
    assert (await put(auto_warmup_enabled=False)).status_code == 200
    assert await stage() is None
    assert (await put(auto_warmup_enabled=True)).status_code == 200
    assert await stage() == 1


# whose they are ---------------------------------------------------------------------------------------------------------


async def test_nobody_sees_or_changes_anothers(door: ResourceDoor):
    await make(door)
    await give(door, pool="bulk_mail")
    stranger = await door.stranger()
    for method in ("GET", "PUT", "DELETE"):
        body = {"json": {"name": "x"}} if method == "PUT" else {}
        assert (await door.call(method, "ip-pools/bulk_mail", key=stranger, **body)).status_code == 404
    assert [one["id"] for one in (await door.call("GET", "ip-pools", key=stranger)).json()["results"]] == ["default"]
    assert (await door.call("GET", "sending-ips", key=stranger)).json() == {"results": []}
    assert (await door.call("GET", f"sending-ips/{ONE}", key=stranger)).status_code == 404
    assert (await door.call("PUT", f"sending-ips/{ONE}", key=stranger, json={"auto_warmup_enabled": False})).status_code == 404
    theirs = await door.call("POST", "ip-pools", key=stranger, json={"name": "Bulk Mail"})
    assert theirs.json() == {"results": {"id": "bulk_mail"}}
    over = await door.call("POST", "ip-pools", key=stranger, json={"name": "x", "auto_warmup_overflow_pool": "bulk_mail"})
    assert over.status_code == 200  # their own pool of that id
    assert (await door.call("GET", "ip-pools/bulk_mail", key=stranger)).json()["results"]["ips"] == []


async def test_a_subaccount_has_no_part_in_them(door: ResourceDoor):
    await give(door)
    key = await door.door.key_with("ip_pools/view", "ip_pools/manage", subaccount_id=3)
    for method, path in (("GET", "ip-pools"), ("GET", "ip-pools/default"), ("GET", "sending-ips"), ("GET", f"sending-ips/{ONE}")):
        assert (await door.call(method, path, key=key)).status_code == 403
    assert (await door.call("POST", "ip-pools", key=key, json={"name": "x"})).status_code == 403
    assert (await door.call("PUT", f"sending-ips/{ONE}", key=key, json={})).status_code == 403


async def test_grants_are_asked_for(door: ResourceDoor):
    await give(door)
    viewer = await door.door.key_with("ip_pools/view")
    manager = await door.door.key_with("ip_pools/manage")
    nobody = await door.door.key_with("webhooks/modify")
    for path in ("ip-pools", "ip-pools/default", "sending-ips", f"sending-ips/{ONE}"):
        assert (await door.call("GET", path, key=viewer)).status_code == 200
        assert (await door.call("GET", path, key=manager)).status_code == 200
        assert (await door.call("GET", path, key=nobody)).status_code == 403
    assert (await door.call("POST", "ip-pools", key=viewer, json={"name": "x"})).status_code == 403
    assert (await door.call("PUT", f"sending-ips/{ONE}", key=viewer, json={})).status_code == 403
    assert (await door.call("PUT", f"sending-ips/{ONE}", key=manager, json={})).status_code == 200


async def test_a_transmission_names_a_pool_that_is_there(door: ResourceDoor):
    await door.door.domain("acme.test")
    refused = await door.door.send(options={"ip_pool": "bulk_mail"})
    assert refused.status_code >= 400
    await make(door)
    await asyncio.sleep(0.15)  # what is not there is believed for a tenth of a second
    for given in ("bulk_mail", "Bulk_Mail", "default", "sp_shared"):
        answer = await door.door.send(options={"ip_pool": given})
        assert answer.status_code == 200, answer.text
    assert [chunk.facts.ip_pool for chunk in door.door.queue.chunks] == ["bulk_mail", "bulk_mail", "default", "sp_shared"]
