import base64
import json
import re

import dkim
import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa

from homing.domains.keyring import KeyRing
from homing.ground.secrets import MasterKey
from homing.simulator.dns import Record
from tests.kit.resources import BOUNCE_HOST, ResourceDoor, resource_door

UNVERIFIED = {
    "ownership_verified": False,
    "dkim_status": "unverified",
    "cname_status": "unverified",
    "mx_status": "unverified",
    "spf_status": "unverified",
    "abuse_at_status": "unverified",
    "postmaster_at_status": "unverified",
    "verification_mailbox_status": "unverified",
    "compliance_status": "valid",
}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def add(door: ResourceDoor, name="mail.acme.test", *, key="", sub=None, **body):
    return await door.call("POST", "sending-domains", key=key, sub=sub, json={"domain": name, "dkim_key_length": 1024, **body})


def error(answer):
    (found,) = answer.json()["errors"]
    return answer.status_code, found.get("code"), found.get("description")


def publish(door: ResourceDoor, name: str, text: str):
    door.zones.remove(name)
    door.zones.add(Record(name, "TXT", " ".join(f'"{text[at : at + 250]}"' for at in range(0, len(text), 250))))


def publish_all(door: ResourceDoor, answer):
    for record in answer.json()["results"]["dns_records"]:
        publish(door, record["name"], record["value"])


async def verify(door: ResourceDoor, name="mail.acme.test", **body):
    return (await door.call("POST", f"sending-domains/{name}/verify", json=body)).json()["results"]


def own_pair():
    private = rsa.generate_private_key(65537, 1024)
    return {
        "private": base64.b64encode(private.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())).decode(),
        "public": base64.b64encode(
            private.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
        ).decode(),
        "selector": "mine",
    }


async def test_a_new_domain_gets_its_keys_and_shows_no_private_one(door: ResourceDoor):
    answer = await door.call("POST", "sending-domains/", json={"domain": "Mail.ACME.test"})
    assert answer.status_code == 200
    made = answer.json()["results"]
    assert (made["message"], made["domain"]) == ("Successfully Created domain.", "mail.acme.test")
    assert re.fullmatch(r"scph\d{4}", made["dkim"]["selector"])
    assert made["dkim"]["headers"] == "from:to:subject:date"
    assert made["dkim"]["signing_domain"] == "mail.acme.test"
    key = s.load_der_public_key(base64.b64decode(made["dkim"]["public"]))
    assert key.key_size == 2048
    assert "private" not in answer.text


async def test_a_domain_is_shown_as_documented(door: ResourceDoor):
    made = (await add(door)).json()["results"]
    shown = (await door.call("GET", "sending-domains/MAIL.acme.test")).json()["results"]
    assert shown.pop("creation_time").endswith("+00:00")
    assert shown == {
        "status": UNVERIFIED,
        "dkim": made["dkim"],
        "dns_records": made["dns_records"],
        "shared_with_subaccounts": False,
        "is_default_bounce_domain": False,
    }
    (listed,) = (await door.call("GET", "sending-domains")).json()["results"]
    assert listed["domain"] == "mail.acme.test"
    assert "dkim" not in listed


async def test_a_domain_is_verified_by_real_dns_and_then_signs(door: ResourceDoor, pool):
    made = await add(door)
    assert (await verify(door, dkim_verify=True)) | {"dns": {}} == UNVERIFIED | {"dkim_status": "invalid", "dns": {}}
    publish_all(door, made)
    found = await verify(door, dkim_verify=True)
    assert (found["dkim_status"], found["ownership_verified"]) == ("valid", True)
    assert found["dns"]["dkim_record"] == f"v=DKIM1; k=rsa; h=sha256; p={made.json()['results']['dkim']['public']}"
    keys = await KeyRing(pool, MasterKey(b"k" * 32)).signing_keys(door.account_id, 0, "mail.acme.test")
    assert [key.algorithm for key in keys] == ["rsa", "ed25519"]
    pem = keys[0].private.private_bytes(s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption())
    mail = b"From: a@mail.acme.test\r\nSubject: x\r\n\r\nhello\r\n"
    signature = dkim.sign(mail, keys[0].selector.encode(), b"mail.acme.test", pem)
    record = made.json()["results"]["dns_records"][0]["value"].encode()
    assert dkim.verify(signature + mail, dnsfunc=lambda name, timeout=5: record)


async def test_a_failed_check_is_an_answer_of_200(door: ResourceDoor):
    await add(door)
    publish(door, (await door.call("GET", "sending-domains/mail.acme.test")).json()["results"]["dns_records"][0]["name"], "p=x")
    found = await verify(door, dkim_verify=True)
    assert found["dkim_status"] == "invalid"
    assert found["dns"]["dkim_error"] == "the public key in the record is not the public key of this domain"
    door.zones.fail("acme.test")
    assert (await verify(door, dkim_verify=True))["dns"]["dkim_error"].startswith("DNS query error: ")


async def test_verify_without_a_question_shows_the_statuses_alone(door: ResourceDoor):
    await add(door)
    assert await verify(door) == UNVERIFIED


async def test_a_bounce_domain_is_verified_and_can_become_the_default(door: ResourceDoor):
    await add(door)
    refused = await door.call("PUT", "sending-domains/mail.acme.test", json={"is_default_bounce_domain": True})
    assert error(refused)[:2] == (400, "1200")
    door.zones.add(Record("mail.acme.test", "CNAME", f"{BOUNCE_HOST}."))
    assert (await verify(door, cname_verify=True))["cname_status"] == "valid"
    answer = await door.call("PUT", "sending-domains/mail.acme.test", json={"is_default_bounce_domain": True})
    assert answer.json() == {"results": {"message": "Successfully Updated Domain.", "domain": "mail.acme.test"}}
    query = "is_default_bounce_domain=true&cname_status=valid&ownership_verified=true"
    assert len((await door.call("GET", f"sending-domains?{query}")).json()["results"]) == 1
    assert (await door.call("GET", "sending-domains?cname_status=invalid")).json()["results"] == []


async def test_an_mx_that_leads_to_us_will_do(door: ResourceDoor):
    await add(door)
    door.zones.add(Record("mail.acme.test", "MX", f"10 {BOUNCE_HOST}."))
    assert (await verify(door, mx_verify=True))["mx_status"] == "valid"


@pytest.mark.parametrize(
    ("name", "status", "code", "words"),
    [
        ("localhost", 422, "1300", "Error domain name contains no '.'(s) for domain: 'localhost'"),
        ("", 422, "1300", "no '.'(s)"),
        ("a..test", 422, "1300", "Error validating domain name syntax for domain: 'a..test'"),
        ("kim@acme.test", 422, "1300", "syntax"),
        ("192.0.2.1", 422, "1300", "syntax"),
        ("a\0.test", 422, "1300", "syntax"),
        ("a" * 100_000 + ".test", 422, "1300", "syntax"),
        ("gmail.com", 400, "7000", "gmail.com"),
        (None, 422, "1400", "domain is a required field"),
        (5, 422, "1300", "domain"),
        (["acme.test"], 422, "1300", "domain"),
    ],
)
async def test_a_name_that_cannot_be_added_is_called_what_it_is(door: ResourceDoor, name, status, code, words):
    answer = await add(door, name)
    found = error(answer)
    assert found[:2] == (status, code)
    assert words in found[2]
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"dkim_key_length": 512}, 422, "1300"),
        ({"dkim_key_length": 8192}, 422, "1300"),
        ({"dkim_key_length": "2048"}, 422, "1300"),
        ({"dkim_key_length": 10**30}, 422, "1300"),
        ({"generate_dkim": False}, 422, "1301"),
        ({"generate_dkim": "no"}, 422, "1300"),
        ({"tracking_domain": "click.acme.test"}, 400, "1200"),
        ({"shared_with_subaccounts": "yes"}, 422, "1300"),
        ({"dkim": {"private": "x"}}, 422, "1400"),
        ({"dkim": {"private": "x", "public": "y", "selector": "z"}}, 422, "1300"),
        ({"dkim": {"private": "x", "public": "y", "selector": "z z"}}, 422, "1300"),
        ({"dkim": {"signing_domain": "elsewhere.test"}}, 400, "1200"),
        ({"dkim": {"signing_domain": "sub.mail.acme.test"}}, 400, "1200"),
        ({"dkim": {"signing_domain": "nodot"}}, 422, "1300"),
        ({"dkim": []}, 422, "1300"),
    ],
)
async def test_a_bad_member_is_called_what_it_is(door: ResourceDoor, body, status, code):
    assert error(await add(door, **body))[:2] == (status, code)
    assert (await door.call("GET", "sending-domains")).json()["results"] == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"x":' + b"[" * 100_000, b'{"domain": "\\ud800.test"}'])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    assert (await door.call("POST", "sending-domains", content=content)).status_code == 400


async def test_a_domain_belongs_to_one_account(door: ResourceDoor):
    made, stranger = await add(door), await door.stranger()
    assert error(await add(door))[:2] == (409, "1602")
    assert error(await add(door, key=stranger))[:2] == (400, "7004")
    publish_all(door, made)
    await verify(door, dkim_verify=True)
    assert error(await add(door, "deep.mail.acme.test", key=stranger))[:2] == (400, "7004")
    for method, path, body in (
        ("GET", "", {}),
        ("PUT", "", {"json": {"shared_with_subaccounts": True}}),
        ("DELETE", "", {}),
        ("POST", "/verify", {"json": {}}),
    ):
        answer = await door.call(method, f"sending-domains/mail.acme.test{path}", key=stranger, **body)
        assert error(answer) == (404, "1600", "Domain 'mail.acme.test' does not exist")
    assert (await door.call("GET", "sending-domains", key=stranger)).json()["results"] == []


async def test_nobody_proves_a_name_with_a_record_under_another(door: ResourceDoor):
    answer = await add(door, "victim.test", dkim={**own_pair(), "signing_domain": "attacker.test"})
    assert error(answer)[:2] == (400, "1200")


async def test_subaccounts_have_their_own_domains(door: ResourceDoor):
    await add(door, "sub.test", sub="7")
    shown = (await door.call("GET", "sending-domains/sub.test")).json()["results"]
    assert shown["subaccount_id"] == 7
    assert "shared_with_subaccounts" not in shown
    assert (await door.call("GET", "sending-domains/sub.test", sub="0")).status_code == 404
    assert (await door.call("DELETE", "sending-domains/sub.test")).status_code == 404
    assert error(await add(door, "other.test", sub="7", shared_with_subaccounts=True))[:2] == (400, "1200")
    pinned = await door.door.key_with("sending_domains/manage", subaccount_id=7)
    assert [one["domain"] for one in (await door.call("GET", "sending-domains", key=pinned)).json()["results"]] == ["sub.test"]
    assert (await door.call("DELETE", "sending-domains/sub.test", key=pinned)).status_code == 204


async def test_customers_bring_their_own_key(door: ResourceDoor):
    pair = own_pair()
    made = (await add(door, dkim={**pair, "signing_domain": "acme.test"}, dkim_key_length=None)).json()["results"]
    assert (made["dkim"]["public"], made["dkim"]["selector"]) == (pair["public"], "mine")
    assert made["dkim"]["signing_domain"] == "acme.test"
    assert made["dns_records"][0]["name"] == "mine._domainkey.acme.test"
    other = own_pair()
    mixed = {**pair, "public": other["public"]}
    assert "matching" in error(await add(door, "two.test", dkim=mixed))[2]


async def test_a_new_key_replaces_the_old_one_once_it_is_in_dns(door: ResourceDoor):
    await add(door)
    pair = own_pair()
    refused = await door.call("PUT", "sending-domains/mail.acme.test", json={"dkim": pair})
    assert error(refused)[:2] == (400, "1404")
    publish(door, "mine._domainkey.mail.acme.test", f"v=DKIM1; p={pair['public']}")
    assert (await door.call("PUT", "sending-domains/mail.acme.test", json={"dkim": pair})).status_code == 200
    shown = (await door.call("GET", "sending-domains/mail.acme.test")).json()["results"]
    assert (shown["dkim"]["selector"], shown["status"]["dkim_status"]) == ("mine", "valid")


async def test_a_signing_domain_moves_only_to_where_the_key_is_published(door: ResourceDoor):
    made = (await add(door)).json()["results"]
    change = {"dkim": {"signing_domain": "acme.test"}}
    assert error(await door.call("PUT", "sending-domains/mail.acme.test", json=change))[:2] == (400, "1404")
    publish(door, f"{made['dkim']['selector']}._domainkey.acme.test", f"p={made['dkim']['public']}")
    assert (await door.call("PUT", "sending-domains/mail.acme.test", json=change)).status_code == 200
    shown = (await door.call("GET", "sending-domains/mail.acme.test")).json()["results"]
    assert (shown["dkim"]["signing_domain"], shown["status"]["dkim_status"]) == ("acme.test", "valid")
    assert shown["dkim"]["ed25519"]["dkim_status"] == "unverified"


async def test_a_domain_can_do_without_keys(door: ResourceDoor):
    made = (await add(door, generate_dkim=False, dkim_key_length=None)).json()["results"]
    assert made == {"message": "Successfully Created domain.", "domain": "mail.acme.test"}
    assert (await verify(door, dkim_verify=True))["dns"] == {"dkim_error": "the domain has no DKIM key"}


async def test_an_update_changes_what_it_names(door: ResourceDoor):
    await add(door)
    for body, status in (
        ({}, 200),
        ({"shared_with_subaccounts": True, "tracking_domain": ""}, 200),
        ({"tracking_domain": "click.acme.test"}, 400),
        ({"is_default_bounce_domain": "x"}, 422),
        ([], 422),
    ):
        assert (await door.call("PUT", "sending-domains/mail.acme.test", json=body)).status_code == status
    shown = (await door.call("GET", "sending-domains/mail.acme.test")).json()["results"]
    assert shown["shared_with_subaccounts"] is True
    assert "tracking_domain" not in shown


async def test_a_deleted_domain_is_gone(door: ResourceDoor):
    await add(door)
    answer = await door.call("DELETE", "sending-domains/mail.acme.test")
    assert (answer.status_code, answer.content) == (204, b"")
    assert error(await door.call("DELETE", "sending-domains/mail.acme.test"))[1] == "1600"
    assert (await add(door)).status_code == 200


@pytest.mark.parametrize("name", ["unknown.test", "x", "%00", "a" * 3000, "%ff.test", "192.0.2.1"])
async def test_an_unknown_domain_is_a_404(door: ResourceDoor, name):
    assert (await door.call("GET", f"sending-domains/{name}")).status_code == 404
    assert (await door.call("POST", f"sending-domains/{name}/verify", json={})).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [({"dkim_verify": "x"}, 422), ({"abuse_at_verify": True}, 400), ({"abuse_at_token": 5}, 422), ([], 422)],
)
async def test_a_verification_that_cannot_be_is_refused(door: ResourceDoor, body, status):
    await add(door)
    assert (await door.call("POST", "sending-domains/mail.acme.test/verify", json=body)).status_code == status


@pytest.mark.parametrize("query", ["ownership_verified=maybe", "dkim_status=good", "compliance_status=x", "domain=%ff"])
async def test_a_filter_that_cannot_be_used_is_a_400(door: ResourceDoor, query):
    assert error(await door.call("GET", f"sending-domains?{query}"))[:2] == (400, "1200")


async def test_grants_separate_looking_from_changing(door: ResourceDoor):
    await add(door)
    viewer = await door.door.key_with("sending_domains/view")
    assert (await door.call("GET", "sending-domains/mail.acme.test", key=viewer)).status_code == 200
    for method, path in (
        ("POST", ""),
        ("PUT", "/mail.acme.test"),
        ("DELETE", "/mail.acme.test"),
        ("POST", "/mail.acme.test/verify"),
    ):
        answer = await door.call(method, f"sending-domains{path}", key=viewer, content=json.dumps({}))
        assert answer.status_code == 403
    nobody = await door.door.key_with("smtp/inject")
    assert (await door.call("GET", "sending-domains", key=nobody)).status_code == 403


async def test_the_openapi_document_names_every_route_with_its_grants(door: ResourceDoor):
    document = (await door.door.client.get("/api/openapi.json")).json()
    for path, method in (
        ("/api/v1/sending-domains", "post"),
        ("/api/v1/sending-domains/{domain}/verify", "post"),
        ("/api/v1/suppression-list/{recipient}", "delete"),
        ("/api/v1/suppression-list/summary", "get"),
        ("/api/v1/api-keys/{key_id}", "put"),
        ("/api/v1/authenticate/grants", "get"),
    ):
        assert document["paths"][path][method]["x-homing-grants"]
    body = document["paths"]["/api/v1/sending-domains"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].rpartition("/")[2] in document["components"]["schemas"]
