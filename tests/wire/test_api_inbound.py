"""/api/v1/inbound-domains and /api/v1/relay-webhooks."""

import msgspec
import pytest

from tests.kit.relay_target import target
from tests.kit.resources import BOUNCE_HOST, ResourceDoor, resource_door

HOOK = {"name": "Help desk", "target": "https://app.acme.test/hook", "match": {"domain": "in.acme.test"}}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def add(door: ResourceDoor, domain="in.acme.test", **how):
    return await door.call("POST", "inbound-domains", json={"domain": domain}, **how)


async def hook(door: ResourceDoor, *, key="", sub=None, **changes):
    return await door.call("POST", "relay-webhooks", key=key, sub=sub, json={**HOOK, **changes})


def problem(answer):
    (error,) = answer.json()["errors"]
    return answer.status_code, error.get("code", ""), error.get("description", error["message"])


async def test_a_domain_is_added_listed_looked_at_and_removed(door: ResourceDoor):
    answer = await add(door, "In.Acme.Test")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await door.call("GET", "inbound-domains")).json() == {"results": [{"domain": "in.acme.test"}]}
    assert (await door.call("GET", "inbound-domains/IN.acme.test/")).json() == {"results": {"domain": "in.acme.test"}}
    assert (await door.call("DELETE", "inbound-domains/in.acme.test")).json() == {}
    assert (await door.call("GET", "inbound-domains/in.acme.test")).status_code == 404
    assert problem(await door.call("DELETE", "inbound-domains/in.acme.test"))[:2] == (404, "1600")


@pytest.mark.parametrize(
    ("domain", "expected"),
    [(None, (422, "1400")), ("", (422, "1400")), ("nodot", (422, "1300")), ("a..b", (422, "1300")), ("gmail.com", (400, "7000")),
     (BOUNCE_HOST, (400, "7000")), (7, (422, "1300"))],
)  # fmt: skip
async def test_a_name_that_cannot_be_had(door: ResourceDoor, domain, expected):
    assert problem(await add(door, domain))[:2] == expected


async def test_a_domain_belongs_to_one(door: ResourceDoor):
    stranger = await door.stranger()
    await add(door)
    for key in ("", stranger):
        assert problem(await add(door, key=key)) == (409, "1602", "An inbound domain with similar attributes already exists")
    await door.door.domain("bounce.acme.test")
    await door.pool.execute(
        """UPDATE sending_domains SET status = status || '{"mx_status": "valid"}' WHERE domain = 'bounce.acme.test'"""
    )
    assert problem(await add(door, "bounce.acme.test"))[2].startswith("A CNAME or MX verified sending domain")
    await door.door.domain("other.test")
    assert problem(await add(door, "in.other.test", key=stranger))[:2] == (409, "1602")
    assert (await add(door, "in.other.test")).status_code == 200


async def test_a_webhook_is_made_listed_changed_and_removed(door: ResourceDoor):
    await add(door)
    made = await hook(door, auth_token="s3cret", custom_headers={"X-One": "1"})
    assert made.status_code == 200, made.text
    number = made.json()["results"]["id"]
    assert number.isdigit()
    shown = {
        "name": "Help desk", "target": "https://app.acme.test/hook", "match": {"protocol": "SMTP", "domain": "in.acme.test"},
        "auth_type": "none", "auth_token": "s3cret", "custom_headers": {"X-One": "1"},
    }  # fmt: skip
    assert (await door.call("GET", f"relay-webhooks/{number}")).json() == {"results": shown}
    assert (await door.call("GET", "relay-webhooks")).json() == {"results": [{"id": number, **shown}]}
    assert problem(await door.call("DELETE", "inbound-domains/in.acme.test"))[:2] == (409, "1602")
    changed = await door.call("PUT", f"relay-webhooks/{number}", json={"name": "New", "custom_headers": {}, "auth_token": None})
    assert changed.json() == {"results": {"id": number}}
    after = (await door.call("GET", f"relay-webhooks/{number}")).json()["results"]
    assert (after["name"], "custom_headers" in after, after["auth_token"]) == ("New", False, "s3cret")
    assert problem(await door.call("PUT", f"relay-webhooks/{number}", json={"x": 1})) == (400, "", "no valid fields in body")
    assert (await door.call("DELETE", f"relay-webhooks/{number}")).json() == {}
    for method in ("GET", "DELETE"):
        assert problem(await door.call(method, f"relay-webhooks/{number}")) == (404, "", "Resource could not be found")
    assert problem(await door.call("PUT", f"relay-webhooks/{number}", json={"name": "x"}))[0] == 404
    assert (await door.call("DELETE", "inbound-domains/in.acme.test")).status_code == 200


async def test_what_is_secret_is_kept_sealed(door: ResourceDoor):
    await add(door)
    details = {"url": "https://id.acme.test/token", "body": {"client_id": "x", "client_secret": "s3cret"}}
    made = await hook(door, auth_type="oauth2", auth_request_details=details, auth_token="t0ken")
    assert made.status_code == 200, made.text
    row = await door.pool.fetchrow("SELECT * FROM relay_webhooks")
    assert b"s3cret" not in row["secrets_sealed"]
    assert b"t0ken" not in row["secrets_sealed"]
    shown = (await door.call("GET", f"relay-webhooks/{made.json()['results']['id']}")).json()["results"]
    assert shown["auth_request_details"] == {"url": "https://id.acme.test/token"}


@pytest.mark.parametrize(
    ("changes", "status", "param", "text"),
    [
        ({"target": None}, 422, "target", "target is required"),
        ({"match": None}, 422, "match", "match is required"),
        ({"match": {"domain": "bad"}}, 422, "match.domain", "domain must be valid"),
        ({"match": {"protocol": "SMPP", "domain": "in.acme.test"}}, 422, "match.protocol", "protocol must be SMTP"),
        ({"match": {"domain": "other.test"}}, 400, "match.domain", "Domain 'other.test' is not a registered inbound domain"),
        ({"target": "ftp://x.test/"}, 422, "target", None),
        ({"target": "http://127.0.0.1/"}, 422, "target", None),
        ({"target": "https://app.acme.test:8443/"}, 422, "target", None),
        ({"auth_type": "basic"}, 422, "auth_type", None),
        ({"auth_type": "oauth2"}, 422, "auth_request_details", None),
        (
            {"auth_type": "oauth2", "auth_request_details": {"url": "http://10.0.0.1/", "body": {}}},
            422,
            "auth_request_details",
            None,
        ),
        (
            {"custom_headers": {f"X-{n}": "1" for n in range(6)}},
            422,
            "custom_headers",
            "You may only have up to 5 custom headers",
        ),
        ({"custom_headers": {"Content-Length": "1"}}, 422, "custom_headers", "Header is reserved and cannot be used"),
        ({"custom_headers": {"X-A": "a\r\nb"}}, 422, "custom_headers", None),
        ({"custom_headers": {"X A": "a"}}, 422, "custom_headers", None),
        ({"custom_headers": {"X-A": "a" * 3000}}, 422, "custom_headers", None),
        ({"name": "x" * 1025}, 422, "name", None),
    ],
)
async def test_a_member_that_cannot_be_used_is_named(door: ResourceDoor, changes, status, param, text):
    await add(door)
    answer = await hook(door, **changes)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["param"]) == (status, param)
    assert text is None or error["message"] == text
    assert "code" not in error


async def test_a_domain_has_one_webhook(door: ResourceDoor):
    await add(door)
    await add(door, "in2.acme.test")
    await hook(door)
    answer = await hook(door)
    assert problem(answer) == (409, "", "Domain 'in.acme.test' is already in use")
    second = (await hook(door, match={"domain": "in2.acme.test"})).json()["results"]["id"]
    answer = await door.call("PUT", f"relay-webhooks/{second}", json={"match": {"domain": "in.acme.test"}})
    assert problem(answer)[0] == 409


async def test_nobody_sees_or_changes_anothers(door: ResourceDoor):
    await add(door)
    number = (await hook(door)).json()["results"]["id"]
    stranger = await door.stranger()
    subaccount = await door.door.key_with("relay_webhooks/modify", subaccount_id=3)  # which such a key cannot hold
    assert (await door.call("GET", "relay-webhooks", key=subaccount)).status_code == 403
    for how in ({"key": stranger}, {"sub": "3"}):
        assert (await door.call("GET", "relay-webhooks", **how)).json() == {"results": []}
        assert (await door.call("GET", f"relay-webhooks/{number}", **how)).status_code == 404
        assert (await door.call("PUT", f"relay-webhooks/{number}", json={"name": "x"}, **how)).status_code == 404
        assert (await door.call("DELETE", f"relay-webhooks/{number}", **how)).status_code == 404
        assert (await door.call("POST", f"relay-webhooks/{number}/validate", **how)).status_code == 404
        assert (await hook(door, **how)).status_code == 400
    assert (await door.call("GET", "inbound-domains", key=stranger)).json() == {"results": []}
    assert (await door.call("DELETE", "inbound-domains/in.acme.test", key=stranger)).status_code == 404
    assert (await door.call("GET", "inbound-domains/in.acme.test", sub="3")).status_code == 404
    assert (await add(door, "in3.acme.test", sub="3")).status_code == 200
    assert (await door.call("GET", "inbound-domains", sub="3")).json()["results"] == [
        {"domain": "in3.acme.test", "subaccount_id": 3}
    ]
    assert len((await door.call("GET", "inbound-domains")).json()["results"]) == 2
    assert len((await door.call("GET", "inbound-domains", sub="0")).json()["results"]) == 1


async def test_grants_are_asked_for(door: ResourceDoor):
    viewer = await door.door.key_with("relay_webhooks/view")
    assert (await door.call("GET", "relay-webhooks", key=viewer)).status_code == 200
    assert (await hook(door, key=viewer)).status_code == 403
    assert (await door.call("GET", "inbound-domains", key=viewer)).status_code == 403


async def test_a_target_is_tried(pool):
    async with target() as there, resource_door(pool, target_ports=(there.port,)) as door:
        await add(door)
        number = (await hook(door, target=there.url(), auth_token="t")).json()["results"]["id"]
        answer = await door.call("POST", f"relay-webhooks/{number}/validate")
        results = answer.json()["results"]
        assert results["msg"] == "Test POST to endpoint succeeded"
        assert (results["response"]["status"], results["response"]["body"]) == (200, "OK")
        _, fields, body = there.heard[0]
        assert (fields["x-messagesystems-webhook-token"], fields["content-type"]) == ("t", "application/json")
        assert msgspec.json.decode(body)[0]["msys"]["relay_message"]["rcpt_to"] == "test@in.acme.test"
        there.answers = [502]
        answer = await door.call("POST", f"relay-webhooks/{number}/validate")
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"], error["message"]) == (400, 400, "POST to webhook target URL failed")
        assert error["response"]["status"] == 502
