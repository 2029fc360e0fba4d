import json

import pytest

from tests.kit.resources import ResourceDoor, resource_door


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


def errors(answer):
    return answer.status_code, answer.json()["errors"][0]


async def make(door: ResourceDoor, **changes):
    sub = changes.pop("sub", None)
    return await door.call("POST", "api-keys", sub=sub, json={"label": "k", "grants": ["smtp/inject", "metrics/view"], **changes})


async def test_a_key_is_shown_once_and_works(door: ResourceDoor):
    answer = await make(door, grants=["api_keys/manage"], valid_ips=["127.0.0.0/8"])
    assert answer.status_code == 200
    made = answer.json()["results"]
    assert len(made["key"]) == 40
    assert made["short_key"] == made["key"][:4]
    shown = (await door.call("GET", made["link"]["href"].removeprefix("/api/v1/"), key=made["key"])).json()["results"]
    assert made["key"] not in str(shown)
    assert (shown["label"], shown["grants"], shown["valid_ips"]) == ("k", ["api_keys/manage"], ["127.0.0.0/8"])
    assert shown["created_at"].endswith("Z")


async def test_keys_are_listed_by_grant_and_subaccount(door: ResourceDoor):
    await make(door, label="one")
    await make(door, label="two", grants=["smtp/inject"], sub="7")
    everything = (await door.call("GET", "api-keys")).json()["results"]
    assert [key["label"] for key in everything] == ["all", "one", "two"]
    assert everything[2]["subaccount_id"] == 7
    assert [key["label"] for key in (await door.call("GET", "api-keys", sub="7")).json()["results"]] == ["two"]
    found = (await door.call("GET", "api-keys?grant=metrics/view", sub="0")).json()["results"]
    assert [key["label"] for key in found] == ["all", "one"]


async def test_a_key_can_be_changed_and_revoked(door: ResourceDoor):
    made = (await make(door)).json()["results"]
    assert (await door.call("PUT", f"api-keys/{made['id']}", json={"label": "new"})).status_code == 200
    shown = (await door.call("GET", f"api-keys/{made['id']}")).json()["results"]
    assert (shown["label"], shown["grants"]) == ("new", ["metrics/view", "smtp/inject"])
    answer = await door.call("DELETE", f"api-keys/{made['id']}/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await door.call("GET", f"api-keys/{made['id']}")).status_code == 404
    assert (await door.call("DELETE", f"api-keys/{made['id']}")).status_code == 404
    assert (await door.call("GET", "api-keys", key=made["key"])).status_code == 401


async def test_no_account_sees_or_touches_the_keys_of_another(door: ResourceDoor):
    made, stranger = (await make(door)).json()["results"], await door.stranger()
    for method, body in (("GET", {}), ("PUT", {"json": {"label": "mine now"}}), ("DELETE", {})):
        assert errors(await door.call(method, f"api-keys/{made['id']}", key=stranger, **body))[0] == 404
    assert "acme" not in (await door.call("GET", "api-keys", key=stranger)).text
    assert len((await door.call("GET", "api-keys", key=stranger)).json()["results"]) == 1


async def test_a_change_touches_only_the_subaccount_that_is_named(door: ResourceDoor):
    made = (await make(door, grants=["smtp/inject"], sub="7")).json()["results"]
    assert (await door.call("DELETE", f"api-keys/{made['id']}")).status_code == 404
    assert (await door.call("DELETE", f"api-keys/{made['id']}", sub="8")).status_code == 404
    assert (await door.call("DELETE", f"api-keys/{made['id']}", sub="7")).status_code == 204


async def test_a_key_gives_away_no_more_than_it_holds(door: ResourceDoor):
    small = await door.door.key_with("api_keys/manage", "smtp/inject")
    refused = await door.call("POST", "api-keys", key=small, json={"label": "x", "grants": ["metrics/view"]})
    assert errors(refused) == (
        403,
        {
            "message": "permission denied",
            "description": "a key cannot give away what it does not hold: metrics/view",
            "code": "1100",
        },
    )
    assert (await door.call("POST", "api-keys", key=small, json={"label": "x", "grants": ["smtp/inject"]})).status_code == 200


async def test_without_the_grant_it_is_403(door: ResourceDoor):
    key = await door.door.key_with("smtp/inject")
    for method, path in (("GET", "api-keys"), ("GET", "api-keys/1"), ("DELETE", "api-keys/1"), ("GET", "authenticate/grants")):
        assert errors(await door.call(method, path, key=key)) == (403, {"message": "Forbidden."})


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "1400"),
        ({"label": None, "grants": ["smtp/inject"]}, 422, "1400"),
        ({"label": "  ", "grants": ["smtp/inject"]}, 422, "1400"),
        ({"label": "x"}, 422, "1400"),
        ({"label": "x", "grants": []}, 422, "1400"),
        ({"label": 5, "grants": ["smtp/inject"]}, 422, "1300"),
        ({"label": "x" * 256, "grants": ["smtp/inject"]}, 422, "1300"),
        ({"label": "a\0b", "grants": ["smtp/inject"]}, 422, "1300"),
        ({"label": "a\nb", "grants": ["smtp/inject"]}, 422, "1300"),
        ({"label": "x", "grants": "smtp/inject"}, 422, "1300"),
        ({"label": "x", "grants": [5]}, 422, "1300"),
        ({"label": "x", "grants": ["users/manage"]}, 400, "1200"),
        ({"label": "x", "grants": ["nonsense\0" * 1000]}, 400, "1200"),
        ({"label": "x", "grants": ["smtp/inject"], "valid_ips": "127.0.0.1"}, 422, "1300"),
        ({"label": "x", "grants": ["smtp/inject"], "valid_ips": ["300.1.1.1"]}, 422, "1300"),
        ({"label": "x", "grants": ["smtp/inject"], "valid_ips": ["127.0.0.1"] * 101}, 422, "1300"),
        ([], 422, "1300"),
        ("x", 422, "1300"),
        (None, 422, "1300"),
    ],
)
async def test_a_bad_body_is_called_what_it_is(door: ResourceDoor, body, status, code):
    answer = await door.call("POST", "api-keys", content=json.dumps(body))
    found = errors(answer)
    assert (found[0], found[1]["code"]) == (status, code)
    assert len((await door.call("GET", "api-keys")).json()["results"]) == 1


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"x":' + b"[" * 100_000, b'{"label": "\\ud800"}'])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    assert (await door.call("POST", "api-keys", content=content)).status_code == 400


async def test_another_content_type_is_a_415(door: ResourceDoor):
    answer = await door.door.client.post("/api/v1/api-keys", data={"label": "x"})
    assert errors(answer)[1]["code"] == "1700"


@pytest.mark.parametrize("ident", ["0", "x", "-1", "1.5", "%00", "99999999999999999999999", "²", "1%20"])
async def test_what_is_no_key_of_ours_is_not_found(door: ResourceDoor, ident):
    assert errors(await door.call("GET", f"api-keys/{ident}"))[0] == 404


async def test_a_subaccounts_key_can_hold_only_some_grants(door: ResourceDoor):
    assert errors(await make(door, sub="7"))[1]["description"] == "a key cannot hold these grants: metrics/view"


@pytest.mark.parametrize("sub", ["abc", "-1", "1.5", "99999999999"])
async def test_a_subaccount_that_is_no_number_is_an_error(door: ResourceDoor, sub):
    assert (await door.call("GET", "api-keys", sub=sub)).status_code == 400


async def test_the_grants_there_are(door: ResourceDoor):
    everything = (await door.call("GET", "authenticate/grants")).json()["results"]
    assert {"key": "smtp/inject", "label": "Send via SMTP", "description": "Inject messages by SMTP."} in everything
    some = (await door.call("GET", "authenticate/grants?role=reporting")).json()["results"]
    assert "metrics/view" in {grant["key"] for grant in some}
    assert "transmissions/modify" not in {grant["key"] for grant in some}
    assert errors(await door.call("GET", "authenticate/grants?role=king"))[1]["code"] == "1200"
    assert (await door.call("GET", "authenticate/grants?role=%ff")).status_code == 400
