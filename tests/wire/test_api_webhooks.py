"""/api/v1/webhooks: made, looked at, changed, tried, removed; each sees its own alone."""

import json
from typing import Any

import httpx
import pytest

from homing.accounts import store as accounts
from homing.accounts.grants import SUBACCOUNT_KEY_GRANTS
from tests.kit.resources import ResourceDoor, resource_door
from tests.kit.target import Target, target

EVENTS = ["delivery", "bounce"]


@pytest.fixture
async def town(pool):
    async with target() as app, resource_door(pool, target_ports=(app.port,)) as door:
        yield door, app


async def make(door: ResourceDoor, app: Target, *, key: str = "", sub: str | None = None, **body: Any) -> Any:
    given = {"name": "app events", "target": app.url, "events": EVENTS, **body}
    return await door.call("POST", "webhooks", key=key, sub=sub, json=given)


async def test_a_webhook_is_made_after_its_target_took_the_test(town):
    door, app = town
    answer = await make(door, app, custom_headers={"x-app": "1"}, auth_token="tok")
    assert answer.status_code == 200
    made = answer.json()["results"]
    path = f"/api/v1/webhooks/{made['id']}"
    assert made["links"] == [{"href": path, "rel": "urn.msys.webhooks.webhook", "method": ["GET", "PUT"]}]
    (ping,) = app.heard
    assert ping.raw == b'[{"msys":{}}]'
    assert ping.headers["x-app"] == "1"
    assert ping.headers["x-messagesystems-webhook-token"] == "tok"
    assert ping.headers["content-type"] == "application/json"
    assert ping.headers["x-homing-signature"].startswith("t=")
    (listed,) = (await door.call("GET", "webhooks")).json()["results"]
    assert listed["id"] == made["id"]
    found = (await door.call("GET", f"webhooks/{made['id']}")).json()["results"]
    assert found == {
        "name": "app events",
        "target": app.url,
        "events": ["bounce", "delivery"],
        "active": True,
        "auth_type": "none",
        "auth_request_details": {},
        "auth_credentials": {},
        "auth_token": "tok",
        "custom_headers": {"x-app": "1"},
        "links": [
            {"href": f"{path}/validate", "rel": "urn.msys.webhooks.validate", "method": ["POST"]},
            {"href": f"{path}/batch-status", "rel": "urn.msys.webhooks.batches", "method": ["GET"]},
        ],
    }
    secret = (await door.call("GET", f"webhooks/{made['id']}/signing-secret")).json()["results"]["signing_secret"]
    assert secret == made["signing_secret"]


async def test_nothing_is_stored_if_the_target_does_not_take_the_test(town):
    door, app = town
    app.script = lambda heard: 502
    answer = await make(door, app)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["code"], error["message"]) == (400, "POST to webhook target URL failed")
    assert (error["response"]["status"], error["response"]["body"]) == (502, "OK")
    assert (await door.call("GET", "webhooks")).json() == {"results": []}


async def test_a_redirect_is_no_success(town):
    door, app = town
    app.script = lambda heard: b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    assert (await make(door, app)).status_code == 400
    assert len(app.heard) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": None}, 422, "1400"),
        ({"target": ""}, 422, "1400"),
        ({"events": []}, 422, "1400"),
        ({"events": ["delivery", "nonsense"]}, 400, "1200"),
        ({"events": "delivery"}, 422, "1300"),
        ({"name": "a\nb"}, 422, "1300"),
        ({"target": "ftp://x.test/"}, 400, "1200"),
        ({"target": "https://10.0.0.1:22/"}, 400, "1200"),
        ({"auth_type": "digest"}, 422, "1300"),
        ({"auth_type": "basic"}, 422, "1400"),
        ({"auth_type": "basic", "auth_credentials": {"username": 1}}, 422, "1300"),
        ({"auth_type": "oauth2"}, 422, "1400"),
        ({"auth_type": "oauth2", "auth_request_details": {"url": "x"}}, 422, "1300"),
        ({"custom_headers": {"Authorization": "x"}}, 422, "10000"),
        ({"custom_headers": {f"x-{n}": "1" for n in range(6)}}, 422, "10002"),
        ({"custom_headers": {"x-a": "1" * 3000}}, 413, "10001"),
        ({"custom_headers": {"x-a": "1\r\nX-B: 2"}}, 422, "1300"),
        ({"exception_subaccounts": []}, 422, "1300"),
        ({"exception_subaccounts": [1, 1]}, 422, "1300"),
        ({"exception_subaccounts": list(range(1, 12))}, 422, "1300"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_posted(town, body, status, code):
    door, app = town
    answer = await make(door, app, **body)
    assert (answer.status_code, answer.json()["errors"][0].get("code")) == (status, code), answer.text
    assert app.heard == []


async def test_basic_credentials_are_sent(town):
    door, app = town
    made = await make(door, app, auth_type="basic", auth_credentials={"username": "u", "password": "p"})
    assert app.heard[0].headers["authorization"] == "Basic dTpw"
    found = (await door.call("GET", f"webhooks/{made.json()['results']['id']}")).json()["results"]
    assert found["auth_credentials"] == {"username": "u", "password": "p"}


async def test_credentials_are_sealed_in_the_database(town):
    door, app = town
    await make(door, app, auth_type="basic", auth_credentials={"username": "u", "password": "hunter2"}, auth_token="tok-en")
    row = str(dict(await door.pool.fetchrow("SELECT * FROM webhooks")))
    assert "hunter2" not in row
    assert "tok-en" not in row


async def test_an_access_token_is_fetched_and_sent(town):
    door, app = town

    def script(heard):
        if heard.path == "/token":
            assert heard.body == {"client_id": "c"}
            body = json.dumps({"access_token": "T1", "expires_in": 3600}).encode()
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        return 200 if heard.headers.get("authorization") == "Bearer T1" else 401

    app.script = script
    details = {"url": app.url.replace("/hook", "/token"), "body": {"client_id": "c"}}
    made = await make(door, app, auth_type="oauth2", auth_request_details=details)
    assert made.status_code == 200, made.text
    found = (await door.call("GET", f"webhooks/{made.json()['results']['id']}")).json()["results"]
    assert found["auth_credentials"] == {"access_token": "T1", "expires_in": 3600}
    assert found["auth_request_details"] == details


async def test_a_token_url_that_fails_is_told_as_such(town):
    door, app = town
    app.script = lambda heard: 500 if heard.path == "/token" else 200
    details = {"url": app.url.replace("/hook", "/token"), "body": {}}
    answer = await make(door, app, auth_type="oauth2", auth_request_details=details)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "POST to webhook tokens URL failed"


async def test_a_change_replaces_what_it_names(town):
    door, app = town
    made = (await make(door, app)).json()["results"]["id"]
    answer = await door.call("PUT", f"webhooks/{made}", json={"name": "other", "events": ["click"], "active": False})
    assert answer.json()["results"]["links"][0]["rel"] == "urn.msys.webhooks.validate"
    assert len(app.heard) == 1  # the target is as it was
    found = (await door.call("GET", f"webhooks/{made}")).json()["results"]
    assert (found["name"], found["events"], found["active"], found["target"]) == ("other", ["click"], False, app.url)
    app.script = lambda heard: 500
    assert (await door.call("PUT", f"webhooks/{made}", json={"target": app.url + "2"})).status_code == 400
    assert (await door.call("GET", f"webhooks/{made}")).json()["results"]["target"] == app.url


async def test_exceptions_come_back_as_text_and_can_be_cleared(town):
    door, app = town
    made = (await make(door, app, exception_subaccounts=[12, 13])).json()["results"]["id"]
    assert (await door.call("GET", f"webhooks/{made}")).json()["results"]["exception_subaccounts"] == ["12", "13"]
    await door.call("PUT", f"webhooks/{made}", json={"exception_subaccounts": []})
    assert "exception_subaccounts" not in (await door.call("GET", f"webhooks/{made}")).json()["results"]


async def test_a_webhook_that_was_deleted_is_gone(town):
    door, app = town
    made = (await make(door, app)).json()["results"]["id"]
    assert (await door.call("DELETE", f"webhooks/{made}")).status_code == 204
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/batch-status"), ("POST", "/validate")):
        body = {"json": {}} if method in ("PUT", "POST") else {}
        assert (await door.call(method, f"webhooks/{made}{path}", **body)).status_code == 404


@pytest.mark.parametrize("body", [[{"msys": {}}], {"message": {"msys": {}}}, {}])
async def test_a_target_can_be_tried_in_both_forms(town, body):
    door, app = town
    made = (await make(door, app)).json()["results"]["id"]
    answer = await door.call("POST", f"webhooks/{made}/validate", json=body)
    results = answer.json()["results"]
    assert results["msg"] == "Test POST to endpoint succeeded"
    assert (results["response"]["status"], results["response"]["body"]) == (200, "OK")
    assert app.heard[-1].body == [{"msys": {}}]


async def test_nobody_sees_or_changes_the_webhooks_of_another_account(town):
    door, app = town
    made = (await make(door, app)).json()["results"]["id"]
    key = await door.stranger()
    assert (await door.call("GET", "webhooks", key=key)).json() == {"results": []}
    parts = ("GET ", "PUT ", "DELETE ", "GET /batch-status", "POST /validate", "POST /replay", "GET /signing-secret")
    for method, _, path in (part.partition(" ") for part in parts):
        body = {"json": {}} if method in ("PUT", "POST") else {}
        assert (await door.call(method, f"webhooks/{made}{path}", key=key, **body)).status_code == 404
    assert (await door.call("GET", f"webhooks/{made}")).status_code == 200


async def test_a_subaccount_sees_its_own_webhooks_alone(town):
    door, app = town
    primary = (await make(door, app)).json()["results"]["id"]
    made = await accounts.create_key(
        door.pool, account_id=door.account_id, subaccount_id=12, label="s", grants=sorted(SUBACCOUNT_KEY_GRANTS)
    )
    own = (await make(door, app, key=made.clear)).json()["results"]["id"]
    listed = (await door.call("GET", "webhooks", key=made.clear)).json()["results"]
    assert [(one["id"], one["subaccount_id"]) for one in listed] == [(own, 12)]
    assert (await door.call("GET", f"webhooks/{primary}", key=made.clear)).status_code == 404
    assert (await door.call("DELETE", f"webhooks/{primary}", key=made.clear)).status_code == 404
    moved = await door.call("PUT", f"webhooks/{own}", key=made.clear, json={"subaccount_id": -1})
    assert moved.status_code == 400
    assert {one["id"] for one in (await door.call("GET", "webhooks")).json()["results"]} == {primary, own}
    assert [one["id"] for one in (await door.call("GET", "webhooks", sub="0")).json()["results"]] == []


async def test_documentation_and_samples_need_no_key(town):
    door, _ = town
    async with httpx.AsyncClient(base_url=str(door.door.client.base_url)) as client:
        document = (await client.get("/api/v1/webhooks/events/documentation")).json()["results"]
        found = (await client.get("/api/v1/webhooks/events/samples?events=click,bounce")).json()["results"]
        bad = await client.get("/api/v1/webhooks/events/samples?events=nonsense")
    assert document["message_event"]["events"]["bounce"]["event"]["type"]["sampleValue"] == "bounce"
    assert sorted(next(iter(one["msys"])) for one in found) == ["message_event", "track_event"]
    assert bad.status_code == 400


@pytest.mark.parametrize("text", ["nonsense", "00000000-0000-0000-0000-000000000000", "..", "%00"])
async def test_an_id_that_is_none_is_not_found(town, text):
    door, _ = town
    assert (await door.call("GET", f"webhooks/{text}")).status_code in (400, 404)
