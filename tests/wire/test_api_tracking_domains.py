"""/tracking-domains: added, verified, made the default, linked to, removed."""

import pytest

from homing.accounts import store as accounts
from homing.domains import store, tracking_store
from homing.domains.types import SendingDomain
from homing.simulator.dns import Record
from tests.kit.http import TRACKING_HOST
from tests.kit.resources import ResourceDoor, resource_door

NAME = "click.acme.test"


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def add(door: ResourceDoor, name=NAME, *, key="", sub=None, **body):
    return await door.call("POST", "tracking-domains", key=key, sub=sub, json={"domain": name, **body})


def point(door: ResourceDoor, name=NAME, to=TRACKING_HOST):
    door.zones.remove(name)
    door.zones.add(Record(name, "CNAME", f"{to}."))


async def verify(door: ResourceDoor, name=NAME, **more):
    return await door.call("POST", f"tracking-domains/{name}/verify", **more)


async def verified(door: ResourceDoor, name=NAME, **more):
    assert (await add(door, name, **more)).status_code == 200
    point(door, name)
    answer = await verify(door, name, sub=more.get("sub"), key=more.get("key", ""))
    assert answer.json()["results"]["verified"] is True


async def show(door: ResourceDoor, name=NAME, **more):
    return (await door.call("GET", f"tracking-domains/{name}", **more)).json()["results"]


async def names(door: ResourceDoor, query="", **more):
    return [one["domain"] for one in (await door.call("GET", f"tracking-domains{query}", **more)).json()["results"]]


def error(answer):
    (found,) = answer.json()["errors"]
    return answer.status_code, found


async def test_a_domain_is_added_and_shown_as_documented(door: ResourceDoor):
    answer = await add(door, "Click.ACME.test")
    assert (answer.status_code, answer.json()) == (200, {"results": {"domain": NAME}})
    shown = {
        "domain": NAME,
        "port": 80,
        "secure": False,
        "default": False,
        "uses_managed_certificate": False,
        "status": {"verified": False, "cname_status": "unverified", "compliance_status": "valid", "tls_status": "unknown"},
    }
    assert await show(door, "CLICK.acme.test") == shown
    assert (await door.call("GET", "tracking-domains/")).json() == {"results": [shown]}


async def test_a_secure_domain_has_https_and_its_port(door: ResourceDoor):
    await add(door, secure=True)
    assert ((await show(door))["secure"], (await show(door))["port"]) == (True, 443)
    answer = await door.call("PUT", f"tracking-domains/{NAME}", json={"secure": False})
    assert answer.json() == {"results": {"domain": NAME}}
    assert (await show(door))["secure"] is False


async def test_a_domain_is_verified_by_its_cname(door: ResourceDoor):
    await add(door)
    answer = await verify(door, json={})
    assert answer.status_code == 200
    assert answer.json()["results"] == {
        "verified": False,
        "cname_status": "invalid",
        "compliance_status": "valid",
        "dns": {"cname_error": "no CNAME record found"},
    }
    point(door, to="elsewhere.test")
    assert (await verify(door)).json()["results"]["dns"]["cname_error"] == "the CNAME record points to elsewhere.test"
    point(door)
    answer = (await verify(door)).json()["results"]
    assert (answer["verified"], answer["cname_status"], answer["compliance_status"]) == (True, "valid", "valid")
    assert answer["dns"] == {"cname_record": TRACKING_HOST}
    assert (await show(door))["status"]["verified"] is True


async def test_a_resolver_in_trouble_undoes_nothing(door: ResourceDoor):
    await verified(door)
    door.zones.fail("acme.test")
    answer = (await verify(door)).json()["results"]
    assert answer["verified"] is True
    assert answer["dns"]["cname_error"].startswith("DNS query error: ")


@pytest.mark.parametrize(
    ("name", "status", "message", "value"),
    [
        ("localhost", 422, "domain must be valid", "localhost"),
        ("a..test", 422, "domain must be valid", "a..test"),
        ("http://click.acme.test", 422, "domain must be valid", "http://click.acme.test"),
        ("192.0.2.1", 422, "domain must be valid", "192.0.2.1"),
        ("a\0.test", 422, "domain must be valid", "a\0.test"),
        ("", 422, "domain must be valid", ""),
        (None, 422, "domain is required", None),
        (5, 422, "domain must be a string", 5),
        (10**40, 422, "domain must be a string", None),
        (["click.acme.test"], 422, "domain must be a string", None),
        ("click.gmail.com", 400, "domain is restricted", "click.gmail.com"),
        (TRACKING_HOST, 400, "domain is restricted", TRACKING_HOST),
    ],
)
async def test_a_name_that_cannot_be_added_is_an_error_with_param_and_value(door: ResourceDoor, name, status, message, value):
    found = error(await add(door, name))
    assert found == (status, {"param": "domain", "message": message, "value": value})
    assert await names(door) == []


@pytest.mark.parametrize(("member", "value"), [("secure", "yes"), ("default", 1), ("secure", {})])
async def test_a_member_of_a_wrong_type_is_an_error_with_param(door: ResourceDoor, member, value):
    await add(door)
    status, found = error(await door.call("PUT", f"tracking-domains/{NAME}", json={member: value}))
    assert (status, found["param"], found["message"]) == (422, member, f"{member} must be a boolean")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
async def test_what_is_no_json_object_is_refused(door: ResourceDoor, content):
    await add(door)
    for method, path in (("POST", ""), ("PUT", f"/{NAME}"), ("POST", f"/{NAME}/verify")):
        answer = await door.call(method, f"tracking-domains{path}", content=content)
        assert answer.status_code in ((200,) if not content and path.endswith("verify") else (400, 422))


async def test_unknown_members_are_ignored(door: ResourceDoor):
    assert (await add(door, port=8080, nonsense=[1])).status_code == 200
    assert (await show(door))["port"] == 80


async def test_a_domain_that_is_there_is_a_conflict(door: ResourceDoor):
    await add(door)
    assert error(await add(door)) == (409, {"message": "The tracking domain already exists"})
    assert error(await add(door, sub="7"))[0] == 409


async def test_a_mere_claim_keeps_nobody_out_and_the_first_proof_wins(door: ResourceDoor):
    await add(door)
    stranger = await door.stranger()
    assert (await add(door, key=stranger)).status_code == 200
    point(door)
    assert (await verify(door)).status_code == 200
    assert error(await verify(door, key=stranger)) == (409, {"message": "The tracking domain already exists"})
    assert (await show(door, key=stranger))["status"]["verified"] is False
    assert error(await add(door, "click.acme.test", key=stranger))[0] == 409
    await door.call("DELETE", f"tracking-domains/{NAME}")
    assert (await verify(door, key=stranger)).json()["results"]["verified"] is True


async def test_nobody_gets_a_host_beneath_a_domain_that_another_account_has_proved(door: ResourceDoor, pool):
    stranger = await door.stranger()
    await door.door.domain("acme.test")
    assert error(await add(door, key=stranger))[0] == 409
    assert (await add(door)).status_code == 200


async def test_other_accounts_see_and_touch_nothing(door: ResourceDoor):
    await verified(door)
    stranger = await door.stranger()
    assert await names(door, key=stranger) == []
    for method, path, body in (
        ("GET", "", {}),
        ("PUT", "", {"json": {"secure": True}}),
        ("DELETE", "", {}),
        ("POST", "/verify", {}),
    ):
        answer = await door.call(method, f"tracking-domains/{NAME}{path}", key=stranger, **body)
        assert error(answer) == (404, {"message": "resource not found"})
    assert await names(door) == [NAME]


async def test_subaccounts_have_their_own(door: ResourceDoor):
    await add(door)
    await add(door, "sub.acme.test", sub="7")
    await add(door, "other.acme.test", sub="8")
    assert (await show(door, "sub.acme.test"))["subaccount_id"] == 7
    assert "subaccount_id" not in await show(door)
    assert await names(door) == [NAME, "other.acme.test", "sub.acme.test"]
    assert await names(door, sub="0") == [NAME]
    assert await names(door, sub="7") == ["sub.acme.test"]
    pinned = await door.door.key_with("tracking_domains/manage", subaccount_id=7)
    assert await names(door, key=pinned) == ["sub.acme.test"]
    assert await names(door, "?subaccounts=8,0", key=pinned) == []
    for method in ("GET", "DELETE"):
        assert (await door.call(method, f"tracking-domains/{NAME}", key=pinned)).status_code == 404
    assert (await door.call("DELETE", "tracking-domains/sub.acme.test")).status_code == 404
    assert (await door.call("DELETE", "tracking-domains/sub.acme.test", key=pinned)).status_code == 204


async def test_a_list_is_filtered_by_subaccount_and_default(door: ResourceDoor):
    await verified(door)
    await add(door, "sub.acme.test", sub="7")
    await door.call("PUT", f"tracking-domains/{NAME}", json={"default": True})
    assert await names(door, "?default=true") == [NAME]
    assert await names(door, "?default=false") == ["sub.acme.test"]
    assert await names(door, "?subaccounts=0") == [NAME]
    assert await names(door, "?subaccounts=7,%208") == ["sub.acme.test"]
    assert await names(door, "?subaccounts=&default=&unknown=x") == [NAME, "sub.acme.test"]


@pytest.mark.parametrize("query", ["default=maybe", "subaccounts=x", "subaccounts=-1", "subaccounts=99999999999", "default=%00"])
async def test_a_filter_that_cannot_be_used_is_refused(door: ResourceDoor, query):
    assert error(await door.call("GET", f"tracking-domains?{query}"))[0] == 400


async def test_only_a_verified_domain_becomes_the_default(door: ResourceDoor):
    await add(door)
    answer = await door.call("PUT", f"tracking-domains/{NAME}", json={"default": True, "secure": True})
    assert error(answer) == (422, {"message": f"Tracking domain '{NAME}' unverified."})
    assert (await show(door))["secure"] is False


async def test_a_new_default_takes_the_place_of_the_old_one_of_its_subaccount(door: ResourceDoor):
    for name, sub in (("one.acme.test", None), ("two.acme.test", None), ("sub.acme.test", "7")):
        await verified(door, name, sub=sub)
        assert (await door.call("PUT", f"tracking-domains/{name}", sub=sub, json={"default": True})).status_code == 200
    assert await names(door, "?default=true") == ["sub.acme.test", "two.acme.test"]
    await door.call("PUT", "tracking-domains/two.acme.test", json={"default": False})
    assert await names(door, "?default=true") == ["sub.acme.test"]


async def test_a_refused_default_leaves_the_old_one(door: ResourceDoor):
    await verified(door)
    await door.call("PUT", f"tracking-domains/{NAME}", json={"default": True})
    await add(door, "two.acme.test")
    assert (await door.call("PUT", "tracking-domains/two.acme.test", json={"default": True})).status_code == 422
    assert await names(door, "?default=true") == [NAME]


async def test_a_deleted_domain_is_gone(door: ResourceDoor):
    await add(door)
    answer = await door.call("DELETE", f"tracking-domains/{NAME}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert error(await door.call("DELETE", f"tracking-domains/{NAME}")) == (404, {"message": "resource not found"})
    assert (await add(door)).status_code == 200


@pytest.mark.parametrize("name", ["unknown.test", "x", "%00", "a" * 3000, "%ff.test", "192.0.2.1"])
async def test_an_unknown_domain_is_a_404(door: ResourceDoor, name):
    assert (await door.call("GET", f"tracking-domains/{name}")).status_code == 404
    assert (await door.call("POST", f"tracking-domains/{name}/verify", json={})).status_code == 404
    assert (await door.call("DELETE", f"tracking-domains/{name}")).status_code == 404


async def test_grants_are_asked_for(door: ResourceDoor):
    await add(door)
    viewer, other = await door.door.key_with("tracking_domains/view"), await door.door.key_with("sending_domains/manage")
    assert await names(door, key=viewer) == [NAME]
    assert (await add(door, "two.acme.test", key=viewer)).status_code == 403
    assert (await door.call("GET", "tracking-domains", key=other)).status_code == 403
    assert (await verify(door, key=viewer)).status_code == 403


# What sending domains and transmissions make of them -----------------------------------------------------------------------


async def link(door: ResourceDoor, tracking: str, *, method="PUT", sub=None):
    if method == "POST":
        body = {"domain": "mail.acme.test", "generate_dkim": False, "tracking_domain": tracking}
        return await door.call("POST", "sending-domains", sub=sub, json=body)
    return await door.call("PUT", "sending-domains/mail.acme.test", sub=sub, json={"tracking_domain": tracking})


async def linked(door: ResourceDoor):
    return (await door.call("GET", "sending-domains/mail.acme.test")).json()["results"].get("tracking_domain")


async def test_a_sending_domain_is_linked_to_a_registered_tracking_domain(door: ResourceDoor):
    await add(door)
    await add(door, "two.acme.test")
    assert (await link(door, "Click.acme.test", method="POST")).status_code == 200
    assert await linked(door) == NAME
    assert (await link(door, "two.acme.test")).status_code == 200
    assert await linked(door) == "two.acme.test"
    assert (await door.call("PUT", "sending-domains/mail.acme.test", json={"shared_with_subaccounts": True})).status_code == 200
    assert await linked(door) == "two.acme.test"
    assert (await link(door, "")).status_code == 200
    assert await linked(door) is None


@pytest.mark.parametrize("name", ["unknown.test", "sub.acme.test", "stranger.test", "x", "\0", "a" * 5000])
async def test_another_domain_cannot_be_linked_to(door: ResourceDoor, name):
    await add(door, "sub.acme.test", sub="7")
    await add(door, "stranger.test", key=await door.stranger())
    await link(door, "", method="POST")
    status, found = error(await link(door, name))
    assert (status, found["code"]) == (400, "1200")
    assert found["description"] == f"Tracking domain '{name[:253]}' is not a registered tracking domain"
    assert await linked(door) is None


async def test_a_deleted_tracking_domain_is_not_linked_to_any_more(door: ResourceDoor):
    await add(door)
    await link(door, NAME, method="POST")
    await door.call("DELETE", f"tracking-domains/{NAME}")
    assert await linked(door) is None
    await add(door)
    assert await linked(door) is None


async def test_a_transmission_may_name_a_verified_tracking_domain_of_its_own_subaccount(door: ResourceDoor):
    await door.door.domain()
    await verified(door)
    await verified(door, "sub.acme.test", sub="7")
    await add(door, "unverified.acme.test")
    assert (await door.door.send(tracking_domain="CLICK.acme.test")).status_code == 200
    assert door.door.queue.chunks[-1].facts.tracking_domain == NAME
    assert (await door.door.send(tracking_domain="")).status_code == 200
    for name in ("unverified.acme.test", "unknown.test", "sub.acme.test", "no domain", "\0"):
        status, found = error(await door.door.send(tracking_domain=name))
        assert (status, found["code"]) == (400, "1200")
        assert found["description"] == f"Tracking domain '{name}' is not a registered tracking domain"
    assert (await door.door.send(tracking_domain=5)).status_code == 422


async def test_a_name_that_two_verify_at_once_goes_to_one(door: ResourceDoor, pool):
    other = await accounts.get_or_create_account(pool, "other")
    mine = await tracking_store.add(pool, domain=NAME, account_id=door.account_id)
    theirs = await tracking_store.add(pool, domain=NAME, account_id=other.account_id)
    await pool.execute("UPDATE tracking_domains SET cname_status = 'valid' WHERE account_id = $1", door.account_id)
    assert await tracking_store.set_status(pool, theirs, "valid") == "other_account"
    assert (await tracking_store.set_status(pool, mine, "valid")).is_usable


async def test_a_domain_that_is_proved_later_takes_no_host_away(door: ResourceDoor, pool):
    await verified(door)
    other = await accounts.get_or_create_account(pool, "other")
    assert isinstance(await store.create(pool, domain="acme.test", account_id=other.account_id, trusted=True), SendingDomain)
    assert (await show(door))["status"]["verified"] is True
    assert error(await verify(door))[0] == 409
