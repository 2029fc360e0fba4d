"""/sending-domains/{domain}/dkim-keys: several keys for one domain, and the change from one to the next."""

import asyncio
import base64

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.domains.keyring import KeyRing
from homing.domains.rules.keys import MOST_KEYS
from homing.simulator.dns import Record
from tests.kit.resources import MASTER_KEY, ResourceDoor, resource_door

DOMAIN = "acme.test"
KEYS = f"sending-domains/{DOMAIN}/dkim-keys"


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        answer = await made.call("POST", "sending-domains", json={"domain": DOMAIN, "dkim_key_length": 1024})
        assert answer.status_code == 200
        yield made


async def add(door: ResourceDoor, key_id="mkt", *, key="", **body):
    return await door.call("POST", KEYS, key=key, json={"id": key_id, "dkim_key_length": 1024, **body})


async def verify(door: ResourceDoor, key_id="mkt", **more):
    return (await door.call("POST", f"{KEYS}/{key_id}/verify", json={}, **more)).json()["results"]


async def show(door: ResourceDoor, key_id="mkt"):
    return (await door.call("GET", f"{KEYS}/{key_id}")).json()["results"]


async def ids(door: ResourceDoor):
    return [one["id"] for one in (await door.call("GET", KEYS)).json()["results"]]


def error(answer):
    (found,) = answer.json()["errors"]
    return answer.status_code, found.get("code"), found.get("description", found["message"])


def publish(door: ResourceDoor, *shown):
    """Publish keys as an answer shows them, both parts."""
    for part in shown:
        for dns in (part["dns"], *([part["ed25519"]["dns"]] if "ed25519" in part else [])):
            text = dns["dkim_value"]
            door.zones.remove(dns["dkim_record"])
            door.zones.add(
                Record(dns["dkim_record"], "TXT", " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250)))
            )


async def publish_default(door: ResourceDoor):
    publish(door, await show(door, "default"))
    assert (await verify(door, "default"))["dkim_status"] == "valid"


async def selectors(door: ResourceDoor, dkim_key="default"):
    """Return the selectors that sign, as a worker that has just started sees it."""
    return [key.selector for key in await KeyRing(door.pool, MASTER_KEY).signing_keys(door.account_id, 0, DOMAIN, dkim_key)]


def own_pair(selector="mine"):
    private = rsa.generate_private_key(65537, 1024)
    return {
        "private": base64.b64encode(private.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())).decode(),
        "public": base64.b64encode(
            private.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
        ).decode(),
        "selector": selector,
    }


async def test_a_key_is_made_and_shown_as_documented(door: ResourceDoor):
    answer = await door.call("POST", f"{KEYS}/", json={"id": "mkt"})
    assert answer.status_code == 200
    assert "private" not in answer.text
    made = answer.json()["results"]
    assert made.pop("created_at").endswith("Z")
    assert made.pop("updated_at").endswith("Z")
    second = made.pop("ed25519")
    public = made.pop("public")
    assert s.load_der_public_key(base64.b64decode(public)).key_size == 2048
    selector = made["selector"]
    assert selector.startswith("mkt")
    assert made == {
        "id": "mkt",
        "signing_domain": DOMAIN,
        "selector": selector,
        "headers": "from:to:subject:date",
        "dkim_status": "unverified",
        "is_default": False,
        "dkim_key_length": 2048,
        "dns": {
            "dkim_record": f"{selector}._domainkey.{DOMAIN}",
            "dkim_value": f"v=DKIM1; k=rsa; h=sha256; p={public}",
        },
    }
    assert (second["selector"], second["dkim_status"]) == (f"{selector}e", "unverified")
    assert second["dns"]["dkim_value"] == f"v=DKIM1; k=ed25519; h=sha256; p={second['public']}"


async def test_keys_are_listed_the_default_first_and_without_dns(door: ResourceDoor):
    await add(door, "alpha")
    answer = (await door.call("GET", KEYS)).json()
    assert answer["total_count"] == 2
    default, alpha = answer["results"]
    assert (default["id"], default["is_default"], alpha["id"], alpha["is_default"]) == ("default", True, "alpha", False)
    assert "dns" not in default
    assert "dns" not in alpha["ed25519"]
    assert "created_at" not in default
    shown = await show(door, "default")
    assert shown["dns"]["dkim_record"] == f"{default['selector']}._domainkey.{DOMAIN}"
    assert "updated_at" not in shown


async def test_a_key_that_a_customer_brings_is_taken_as_it_is(door: ResourceDoor):
    pair = own_pair()
    made = (await add(door, **pair)).json()["results"]
    assert (made["public"], made["selector"], made["dkim_key_length"]) == (pair["public"], "mine", 1024)
    assert "ed25519" not in made
    publish(door, made)
    assert (await verify(door))["dkim_status"] == "valid"


async def test_a_key_signs_under_its_domain_or_one_above(door: ResourceDoor):
    await door.call("POST", "sending-domains", json={"domain": "mail.acme.test", "generate_dkim": False})
    path = "sending-domains/mail.acme.test/dkim-keys"
    made = (await door.call("POST", path, json={"id": "k", "signing_domain": "acme.test", "dkim_key_length": 1024})).json()
    assert made["results"]["signing_domain"] == "acme.test"
    answer = await door.call("POST", path, json={"id": "l", "signing_domain": "elsewhere.test"})
    assert error(answer)[:2] == (400, "1300")


async def test_a_verification_tells_what_stands_in_dns(door: ResourceDoor):
    made = (await add(door)).json()["results"]
    found = await verify(door)
    assert (found["id"], found["dkim_status"], found["dns"]["dkim_error"]) == ("mkt", "invalid", "no DKIM record found")
    assert found["ed25519"]["dkim_status"] == "invalid"
    publish(door, made)
    found = await verify(door)
    assert (found["dkim_status"], found["dns"], found["ed25519"]["dkim_status"]) == ("valid", made["dns"], "valid")
    assert (await show(door))["dkim_status"] == "valid"
    door.zones.fail(DOMAIN)
    found = await verify(door)
    assert found["dkim_status"] == "valid"
    assert found["dns"]["dkim_error"].startswith("DNS query error: ")
    assert (await door.call("POST", f"{KEYS}/mkt/verify")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({}, 422, "1400", "id is required"),
        ({"id": ""}, 422, "1400", "id is required"),
        ({"id": "default"}, 400, "1300", "Key ID 'default' is reserved"),
        ({"id": "a b"}, 400, "1300", "id must have"),
        ({"id": "-a"}, 400, "1300", "id must have"),
        ({"id": "a\0"}, 400, "1300", "id must have"),
        ({"id": "x" * 65}, 400, "1300", "id must have"),
        ({"id": 5}, 400, "1300", "id: expected"),
        ({"id": "k", "dkim_key_length": 512}, 400, "1300", "1024 to 4096"),
        ({"id": "k", "dkim_key_length": "1024"}, 400, "1300", "dkim_key_length"),
        ({"id": "k", "dkim_key_length": 10**30}, 400, "1300", "dkim_key_length"),
        (
            {"id": "k", "private": "x"},
            400,
            "1300",
            "When providing custom keys, private, public, and selector must all be specified",
        ),
        ({"id": "k", "private": "x", "public": "y", "selector": ""}, 400, "1300", "must all be specified"),
        ({"id": "k", "private": "x", "public": "y", "selector": "s"}, 400, "1300", "private"),
        ({"id": "k", "private": "x", "public": "y", "selector": "s s"}, 400, "1300", "selector must be"),
        ({"id": "k", "signing_domain": "nodot"}, 400, "1300", "no '.'(s)"),
        ([], 400, "1300", "the body"),
    ],
)
async def test_a_key_that_cannot_be_added_is_called_what_it_is(door: ResourceDoor, body, status, code, words):
    answer = await door.call("POST", KEYS, json=body)
    assert error(answer)[:2] == (status, code)
    assert words in error(answer)[2]
    if code == "1300":
        assert answer.json()["errors"][0]["message"] == "invalid params"
    assert await ids(door) == ["default"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"id": "\\ud800"}'])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    await add(door)
    for method, path in (("POST", KEYS), ("PUT", f"{KEYS}/mkt")):
        assert (await door.call(method, path, content=content)).status_code == 400


async def test_an_id_is_there_once(door: ResourceDoor):
    await add(door)
    assert error(await add(door)) == (400, "1300", "Key ID 'mkt' already exists")


async def test_two_keys_do_not_need_the_same_record(door: ResourceDoor):
    pair = own_pair()
    await add(door, "one", **pair)
    answer = error(await add(door, "two", **own_pair()))
    assert answer == (400, "1300", "the record at mine._domainkey.acme.test belongs to another key; choose another selector")
    assert (await add(door, "three", **pair)).status_code == 200
    first, second = (await add(door, "gen")).json()["results"], None
    await door.call("DELETE", f"{KEYS}/gen")
    second = (await add(door, "gen")).json()["results"]
    third = (await add(door, "Gen")).json()["results"]
    assert first["selector"] == second["selector"] != third["selector"]


async def test_a_domain_has_a_bounded_number_of_keys(door: ResourceDoor):
    await door.pool.execute(
        "INSERT INTO dkim_keys (domain, key_id, algorithm, selector, signing_domain, private_sealed, public_key, key_bits)"
        f" SELECT '{DOMAIN}', 'k' || n, 'rsa', 's' || n, '{DOMAIN}', '', 'x', 1024 FROM generate_series(1, {MOST_KEYS}) n"
    )
    assert "at most 256 keys" in error(await add(door))[2]


@pytest.mark.parametrize("key_id", ["unknown", "%00", "a" * 3000])
async def test_an_unknown_key_is_a_404(door: ResourceDoor, key_id):
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/verify")):
        body = {"json": {}} if method in ("PUT", "POST") else {}
        answer = await door.call(method, f"{KEYS}/{key_id}{path}", **body)
        assert error(answer)[:2] == (404, "1600")
    assert error(await door.call("GET", f"{KEYS}/unknown"))[2] == "DKIM key 'unknown' does not exist"


async def test_keys_of_an_unknown_or_foreign_domain_are_a_404(door: ResourceDoor):
    await add(door)
    stranger = await door.stranger()
    for path, key in (("sending-domains/unknown.test/dkim-keys", ""), (KEYS, stranger)):
        for method, rest in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/mkt"),
            ("PUT", "/mkt"),
            ("DELETE", "/mkt"),
            ("POST", "/mkt/verify"),
        ):
            body = {"json": {"id": "x"}} if method in ("PUT", "POST") else {}
            answer = await door.call(method, path + rest, key=key, **body)
            assert error(answer)[:2] == (404, "1600")
    assert await ids(door) == ["default", "mkt"]


async def test_a_subaccount_manages_the_keys_of_its_own_domains_alone(door: ResourceDoor):
    await door.call("POST", "sending-domains", sub="7", json={"domain": "sub.test", "generate_dkim": False})
    pinned = await door.door.key_with("sending_domains/manage", subaccount_id=7)
    path = "sending-domains/sub.test/dkim-keys"
    assert (await door.call("POST", path, key=pinned, json={"id": "k", "dkim_key_length": 1024})).status_code == 200
    assert (await door.call("GET", path, key=pinned)).json()["total_count"] == 1
    assert (await door.call("GET", KEYS, key=pinned)).status_code == 404
    assert (await door.call("DELETE", f"{path}/k")).status_code == 404


async def test_grants_are_asked_for(door: ResourceDoor):
    viewer, other = await door.door.key_with("sending_domains/view"), await door.door.key_with("tracking_domains/manage")
    assert (await door.call("GET", KEYS, key=viewer)).status_code == 200
    assert (await add(door, key=viewer)).status_code == 403
    assert (await door.call("GET", KEYS, key=other)).status_code == 403


async def test_the_default_key_is_neither_changed_nor_deleted_here(door: ResourceDoor):
    answer = await door.call("PUT", f"{KEYS}/default", json={"selector": "x"})
    assert error(answer) == (
        400, "1300", "Cannot update default key via this endpoint. Use /sending-domains/{domain} instead.",
    )  # fmt: skip
    assert error(await door.call("DELETE", f"{KEYS}/default")) == (400, "1300", "Cannot delete default key")


async def test_an_id_never_changes(door: ResourceDoor):
    await add(door)
    assert error(await door.call("PUT", f"{KEYS}/mkt", json={"id": "other"})) == (400, "1300", "Field 'id' is immutable")
    assert (await door.call("PUT", f"{KEYS}/mkt", json={"id": "mkt"})).status_code == 200


async def test_new_material_or_another_signing_domain_makes_a_key_unverified(door: ResourceDoor):
    await door.call("POST", "sending-domains", json={"domain": "mail.acme.test", "generate_dkim": False})
    path = "sending-domains/mail.acme.test/dkim-keys"
    made = (await door.call("POST", path, json={"id": "k", **own_pair()})).json()["results"]
    publish(door, made)

    async def check():
        return (await door.call("POST", f"{path}/k/verify", json={})).json()["results"]["dkim_status"]

    assert await check() == "valid"
    answer = (await door.call("PUT", f"{path}/k", json={})).json()["results"]
    assert (answer["message"], answer["dkim_status"]) == ("Successfully updated DKIM key.", "valid")
    answer = (await door.call("PUT", f"{path}/k", json={"signing_domain": "acme.test"})).json()["results"]
    assert (answer["signing_domain"], answer["dkim_status"]) == ("acme.test", "unverified")
    publish(door, answer)
    assert await check() == "valid"
    answer = (await door.call("PUT", f"{path}/k", json=own_pair("other"))).json()["results"]
    assert (answer["selector"], answer["dkim_status"]) == ("other", "unverified")


async def test_a_deleted_key_is_gone(door: ResourceDoor):
    await add(door)
    answer = await door.call("DELETE", f"{KEYS}/mkt")
    assert (answer.status_code, answer.content) == (204, b"")
    assert await ids(door) == ["default"]
    assert (await door.call("DELETE", f"{KEYS}/mkt")).status_code == 404


# Choosing a key ------------------------------------------------------------------------------------------------------------


async def test_a_transmission_names_a_key_that_exists_and_is_verified(door: ResourceDoor):
    await publish_default(door)
    made = (await add(door)).json()["results"]
    answer = await door.door.send(options={"dkim_key": "nope"})
    assert (answer.status_code, answer.json()["errors"]) == (
        400, [{"message": "Invalid DKIM key ID 'nope' for sending domain 'acme.test'", "code": "1100"}],
    )  # fmt: skip
    answer = await door.door.send(options={"dkim_key": "mkt"})
    assert (answer.status_code, answer.json()["errors"]) == (
        400, [{"message": "DKIM key 'mkt' is not verified for sending domain 'acme.test'", "code": "1100"}],
    )  # fmt: skip
    publish(door, made)
    await verify(door)
    for _ in range(100):  # the door believes for two seconds what it knew
        if (answer := await door.door.send(options={"dkim_key": "mkt"})).status_code == 200:
            break
        await asyncio.sleep(0.05)
    assert answer.status_code == 200
    assert door.door.queue.chunks[-1].facts.dkim_key == "mkt"
    assert (await door.door.send(options={"dkim_key": "default"})).status_code == 200


async def test_a_new_key_signs_nothing_until_it_is_verified_and_the_old_one_goes_on(door: ResourceDoor):
    await publish_default(door)
    old = await selectors(door)
    made = (await add(door)).json()["results"]
    assert await selectors(door) == old
    assert await selectors(door, "mkt") == old  # as good as it gets: mail that names it is not sent unsigned
    publish(door, made)
    await verify(door)
    assert await selectors(door) == old
    assert await selectors(door, "mkt") == [made["selector"], made["ed25519"]["selector"]]


async def test_a_verified_key_takes_over_and_the_old_one_stays_until_it_is_deleted(door: ResourceDoor):
    await publish_default(door)
    old = await selectors(door)
    made = (await add(door, "next")).json()["results"]
    answer = await door.call("PUT", f"{KEYS}/next", json={"is_default": True})
    assert error(answer) == (400, "1100", "DKIM key 'next' is not verified for sending domain 'acme.test'")
    publish(door, made)
    await verify(door, "next")
    answer = (await door.call("PUT", f"{KEYS}/next", json={"is_default": True})).json()["results"]
    assert (answer["id"], answer["is_default"]) == ("next", True)
    assert await ids(door) == ["next", old[0]]
    assert await selectors(door) == [made["selector"], made["ed25519"]["selector"]]
    assert await selectors(door, old[0]) == old
    shown = (await door.call("GET", f"sending-domains/{DOMAIN}")).json()["results"]
    assert (shown["dkim"]["selector"], shown["status"]["dkim_status"]) == (made["selector"], "valid")
    assert (await show(door, "default"))["id"] == "next"
    assert error(await door.call("DELETE", f"{KEYS}/next"))[2] == "Cannot delete default key"
    assert (await door.call("DELETE", f"{KEYS}/{old[0]}")).status_code == 204
    assert await ids(door) == ["next"]
    again = (await door.call("POST", f"sending-domains/{DOMAIN}/verify", json={"dkim_verify": True})).json()["results"]
    assert again["dkim_status"] == "valid"


async def test_the_old_key_can_be_called_back(door: ResourceDoor):
    await publish_default(door)
    old = await selectors(door)
    publish(door, (await add(door, "next")).json()["results"])
    await verify(door, "next")
    for key_id in ("next", old[0], "next"):
        assert (await door.call("PUT", f"{KEYS}/{key_id}", json={"is_default": True})).status_code == 200
        assert (await ids(door))[0] == key_id
    assert set(await ids(door)) == {"next", old[0]}


async def test_a_key_that_the_domain_itself_replaces_stays_the_default(door: ResourceDoor):
    await publish_default(door)
    publish(door, (await add(door, "next")).json()["results"])
    await verify(door, "next")
    await door.call("PUT", f"{KEYS}/next", json={"is_default": True})
    pair = own_pair()
    door.zones.add(Record(f"mine._domainkey.{DOMAIN}", "TXT", f'"p={pair["public"]}"'))
    assert (await door.call("PUT", f"sending-domains/{DOMAIN}", json={"dkim": pair})).status_code == 200
    assert (await show(door, "next"))["selector"] == "mine"
    assert (await selectors(door))[0] == "mine"


async def test_a_verified_key_of_an_unproved_domain_proves_it_only_as_its_default(door: ResourceDoor):
    made = (await add(door)).json()["results"]
    publish(door, made)
    await verify(door)

    async def owned():
        return (await door.call("GET", f"sending-domains/{DOMAIN}")).json()["results"]["status"]["ownership_verified"]

    assert not await owned()
    await door.call("PUT", f"{KEYS}/mkt", json={"is_default": True})
    assert await owned()


async def test_a_key_proves_no_name_that_another_account_has_proved(door: ResourceDoor):
    made = (await add(door)).json()["results"]
    publish(door, made, await show(door, "default"))
    stranger = await door.stranger()
    await door.call("POST", "sending-domains", key=stranger, json={"domain": "mail.acme.test", "generate_dkim": False})
    await door.pool.execute("UPDATE sending_domains SET trusted = true WHERE domain = 'mail.acme.test'")
    assert error(await door.call("POST", f"{KEYS}/default/verify", json={}))[:2] == (400, "7004")
    await verify(door)
    assert error(await door.call("PUT", f"{KEYS}/mkt", json={"is_default": True}))[:2] == (400, "7004")


async def test_mail_that_names_a_deleted_key_is_signed_by_the_default_one(door: ResourceDoor):
    await publish_default(door)
    publish(door, (await add(door)).json()["results"])
    await verify(door)
    await door.call("DELETE", f"{KEYS}/mkt")
    assert await selectors(door, "mkt") == await selectors(door)
