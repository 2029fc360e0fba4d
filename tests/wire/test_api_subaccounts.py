import base64

import msgspec
import pytest

from homing.accounts.grants import SUBACCOUNT_KEY_GRANTS
from homing.webhooks.types import Auth
from tests.kit.http import SUBACCOUNTS, subaccount
from tests.kit.resources import MASTER_KEY, ResourceDoor, resource_door

KEY = {"key_label": "k", "key_grants": ["transmissions/modify", "smtp/inject"]}
FIRST = max(SUBACCOUNTS) + 1  # the next number of the account


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


def errors(answer):
    return answer.status_code, answer.json()["errors"]


async def make(door: ResourceDoor, name: str = "Joe", **more):
    return await door.call("POST", "subaccounts", json={"name": name, **KEY, **more})


async def listed(door: ResourceDoor, query: str = "", **more):
    return (await door.call("GET", f"subaccounts{query}", **more)).json()


async def one(door: ResourceDoor, number: int):
    return (await door.call("GET", f"subaccounts/{number}")).json()["results"]


async def test_a_subaccount_is_made_with_a_key_that_works_for_it_alone(door: ResourceDoor):
    made = (await make(door)).json()["results"]
    assert (made["subaccount_id"], made["label"], made["short_key"]) == (FIRST, "k", made["key"][:4])
    await door.door.domain(subaccount_id=FIRST)
    sent = await door.door.send(headers={"Authorization": made["key"]})
    assert sent.status_code == 200
    assert door.door.queue.chunks[0].facts.subaccount_id == FIRST
    assert (await door.call("GET", "subaccounts", key=made["key"])).status_code == 403
    keys = (await door.call("GET", "api-keys", sub=str(FIRST))).json()["results"]
    assert [(key["label"], key["subaccount_id"], key["grants"]) for key in keys] == [("k", FIRST, sorted(KEY["key_grants"]))]


async def test_without_a_key_only_its_number_is_told(door: ResourceDoor):
    answer = await door.call("POST", "subaccounts", json={"name": "Joe", "setup_api_key": False})
    assert answer.json() == {"results": {"subaccount_id": FIRST}}
    assert (await door.call("GET", "api-keys", sub=str(FIRST))).json() == {"results": []}


async def test_a_subaccount_is_shown_as_the_reference_says(door: ResourceDoor):
    await door.pool.execute("INSERT INTO ip_pools (account_id, pool_id, name) VALUES ($1, 'bulk', 'Bulk')", door.account_id)
    assert (await make(door, ip_pool="Bulk", options={"deliverability": True, "other": 5})).status_code == 200
    shown = await one(door, FIRST)
    assert shown.pop("created_at").endswith("Z")
    assert shown.pop("updated_at").endswith("Z")
    assert shown == {
        "id": FIRST,
        "customer_id": door.account_id,
        "name": "Joe",
        "status": "active",
        "compliance_status": "active",
        "ip_pool": "bulk",
        "options": {"deliverability": True},
    }


async def test_numbers_are_counted_within_an_account(door: ResourceDoor):
    stranger = await door.stranger()
    made = [
        (await door.call("POST", "subaccounts", key=stranger, json={"name": "x", "setup_api_key": False})).json() for _ in "ab"
    ]
    assert [answer["results"]["subaccount_id"] for answer in made] == [1, 2]


async def test_a_subaccount_can_be_changed_member_by_member(door: ResourceDoor):
    await door.pool.execute("INSERT INTO ip_pools (account_id, pool_id, name) VALUES ($1, 'bulk', 'Bulk')", door.account_id)
    await make(door, ip_pool="bulk")
    for body, then in (
        ({"name": "Jo"}, {"name": "Jo", "status": "active", "ip_pool": "bulk"}),
        ({"status": "suspended"}, {"name": "Jo", "status": "suspended", "ip_pool": "bulk"}),
        ({"ip_pool": ""}, {"status": "suspended", "ip_pool": None}),
        ({"options": {"deliverability": True}}, {"options": {"deliverability": True}}),
        ({"status": "terminated", "options": {}, "name": None}, {"status": "terminated", "options": {"deliverability": True}}),
        ({"status": "active"}, {"status": "active", "name": "Jo"}),
        ({}, {"status": "active", "name": "Jo"}),
    ):
        answer = await door.call("PUT", f"subaccounts/{FIRST}/", json=body)
        assert answer.json() == {"results": {"message": "Successfully updated subaccount information"}}
        shown = await one(door, FIRST)
        assert {name: shown.get(name) for name in then} == then


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"name": None}, "name", "`name` is a required field"),
        ({"name": "  "}, "name", "`name` must be a text of printable characters"),
        ({"name": "a\0b"}, "name", "`name` must be a text of printable characters"),
        ({"name": 5}, "name", "`name` must be a text of printable characters"),
        ({"name": "x" * 65}, "name", "name must be 64 characters or less"),
        ({"key_label": None}, "key_label", "`key_label` is a required field"),
        ({"key_label": "a\nb"}, "key_label", "`key_label` must be at most 255 printable characters"),
        ({"key_grants": None}, "key_grants", "`key_grants` is a required field"),
        ({"key_grants": []}, "key_grants", "`key_grants` is a required field"),
        ({"key_grants": "smtp/inject"}, "key_grants", "`key_grants` must be an Array of grants"),
        ({"key_grants": [5]}, "key_grants", "`key_grants` must be an Array of grants"),
        ({"key_grants": ["metrics/view"]}, "key_grants", "a subaccount's key cannot hold these grants: metrics/view"),
        ({"key_valid_ips": "192.0.2.1"}, "key_valid_ips", "`key_valid_ips` must be an Array"),
        ({"key_valid_ips": ["300.0.0.1"]}, "key_valid_ips", "`key_valid_ips` must have valid netmask values"),
        ({"key_valid_ips": [5]}, "key_valid_ips", "`key_valid_ips` must have valid netmask values"),
        ({"key_valid_ips": ["192.0.2.1"] * 101}, "key_valid_ips", "`key_valid_ips` must have valid netmask values"),
        ({"ip_pool": "x" * 21}, "ip_pool", "ip_pool must be 20 characters or less"),
        ({"ip_pool": "a-b"}, "ip_pool", "ip_pool must be alphanumeric and underscore"),
        ({"ip_pool": 5}, "ip_pool", "ip_pool must be alphanumeric and underscore"),
        ({"ip_pool": "nope"}, "ip_pool", "IP pool 'nope' does not exist"),
        ({"setup_api_key": "no"}, "setup_api_key", "`setup_api_key` must be a boolean"),
        ({"options": 5}, "options", "`options` must be an object"),
        ({"options": {"deliverability": "x"}}, "options.deliverability", "`options.deliverability` must be a boolean"),
    ],
)
async def test_each_wrong_member_is_named(door: ResourceDoor, body, param, message):
    status, found = errors(await make(door, **body))
    assert (status, [(error["param"], error["message"]) for error in found]) == (400, [(param, message)])
    assert "code" not in found[0]
    assert (await listed(door, "/summary"))["results"] == {"total": len(SUBACCOUNTS)}


async def test_everything_that_is_wrong_is_told_at_once(door: ResourceDoor):
    status, found = errors(await door.call("POST", "subaccounts", json={"ip_pool": "a b"}))
    assert (status, [error["param"] for error in found]) == (400, ["name", "ip_pool", "key_label", "key_grants"])
    assert found[1]["value"] == "a b"


@pytest.mark.parametrize(
    ("body", "param"),
    [({"status": "gone"}, "status"), ({"status": 5}, "status"), ({"name": ""}, "name"), ({"ip_pool": "x"}, "ip_pool")],
)
async def test_a_bad_change_changes_nothing(door: ResourceDoor, body, param):
    before = await one(door, 3)
    status, found = errors(await door.call("PUT", "subaccounts/3", json={"name": "New", **body}))
    assert (status, found[0]["param"]) == (400, param)
    assert await one(door, 3) == before


async def test_a_key_gives_a_subaccounts_key_no_more_than_it_holds(door: ResourceDoor):
    small = await door.door.key_with("subaccount/manage", "smtp/inject")
    refused = await door.call("POST", "subaccounts", key=small, json={"name": "x", **KEY})
    assert errors(refused)[1][0]["message"] == "a key cannot give away what it does not hold: transmissions/modify"
    allowed = await door.call(
        "POST", "subaccounts", key=small, json={"name": "x", "key_label": "k", "key_grants": ["smtp/inject"]}
    )
    assert allowed.status_code == 200


@pytest.mark.parametrize("number", ["0", "999", "x", "-1", "1.5", "2147483648", "99999999999999999999", "%00", "²"])
async def test_what_is_no_subaccount_of_this_account_is_not_found(door: ResourceDoor, number):
    for method, body in (("GET", {}), ("PUT", {"json": {"name": "x"}})):
        status, found = errors(await door.call(method, f"subaccounts/{number}", **body))
        assert (status, found[0]["message"], found[0]["code"]) == (404, "resource not found", "1600")


async def test_another_accounts_subaccounts_do_not_exist(door: ResourceDoor):
    stranger = await door.stranger()
    assert await listed(door, key=stranger) == {"results": []}
    assert (await listed(door, "/summary", key=stranger))["results"] == {"total": 0}
    other = await door.call("GET", "subaccounts/3", key=stranger)
    nobody = await door.call("GET", "subaccounts/4", key=stranger)
    assert (other.status_code, other.text) == (404, nobody.text.replace("'4'", "'3'"))
    assert (await door.call("PUT", "subaccounts/3", key=stranger, json={"name": "mine"})).status_code == 404
    assert (await one(door, 3))["name"] == "Subaccount 3"


async def test_grants_are_asked_for(door: ResourceDoor):
    view = await door.door.key_with("subaccount/view")
    assert (await door.call("GET", "subaccounts", key=view)).status_code == 200
    assert (await door.call("POST", "subaccounts", key=view, json={"name": "x"})).status_code == 403
    assert (await door.call("PUT", "subaccounts/3", key=view, json={"name": "x"})).status_code == 403
    none = await door.door.key_with("smtp/inject")
    for path in ("subaccounts", "subaccounts/3", "subaccounts/summary"):
        assert (await door.call("GET", path, key=none)).status_code == 403


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"name":' + b"[" * 100_000, b'{"name": "\\ud800"}'])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    assert (await door.call("POST", "subaccounts", content=content)).status_code == 400
    assert (await door.call("PUT", "subaccounts/3", content=content)).status_code == 400


@pytest.mark.parametrize("content", ["[]", "5", "null", '"x"'])
async def test_a_body_that_is_no_object_is_a_422(door: ResourceDoor, content):
    assert (await door.call("POST", "subaccounts", content=content)).status_code == 422


# lists ------------------------------------------------------------------------------------------------------------------


async def test_without_a_parameter_all_are_listed_and_nothing_is_counted(door: ResourceDoor):
    everything = await listed(door)
    assert list(everything) == ["results"]
    assert [found["id"] for found in everything["results"]] == list(SUBACCOUNTS)
    assert await listed(door, "?unknown=1") == everything


@pytest.mark.parametrize("sort_by", ["created_at", "updated_at", "id", "name"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_meet_whatever_they_are_sorted_by(door: ResourceDoor, sort_by, order):
    for number in range(20, 27):
        await subaccount(door.pool, door.account_id, number, name=f"Name {number % 3}")
    query, seen, pages = f"?per_page=3&sort_by={sort_by}&order={order}", [], 0
    while query:
        page = await listed(door, query)
        assert page["total_count"] == len(SUBACCOUNTS) + 7
        seen += page["results"]
        pages += 1
        following = page["links"].get("next", "")
        assert following == "" or following.startswith("/api/v1/subaccounts?cursor=")
        query = following.removeprefix("/api/v1/subaccounts")
    assert pages == 4
    assert sorted(found["id"] for found in seen) == sorted([*SUBACCOUNTS, *range(20, 27)])
    keys = [
        (str(found[sort_by]).rjust(12), found["id"]) if sort_by != "name" else (found["name"].lower(), found["id"])
        for found in seen
    ]
    assert keys == sorted(keys, reverse=order == "desc")


async def test_filters_choose(door: ResourceDoor):
    await subaccount(door.pool, door.account_id, 20, name="100% Öl", status="suspended", ip_pool="bulk")
    await subaccount(door.pool, door.account_id, 21, name="Oil", status="terminated")
    await door.call("PUT", "subaccounts/21", json={"options": {"deliverability": True}})
    for query, ids in (
        ("status=suspended", [20]),
        ("status=suspended,terminated", [21, 20]),
        ("name=100%25", [20]),
        ("name=%C3%B6L", [20]),
        ("name=oil", [21]),
        ("name=subACCOUNT", [12, 8, 7, 3]),
        ("ip_pool=BULK", [20]),
        ("ids=3,21,999", [21, 3]),
        ("option=deliverability", [21]),
        ("name=nobody", []),
        ("status=suspended&name=oil", []),
    ):
        found = await listed(door, f"?{query}&sort_by=id")
        assert ([one["id"] for one in found["results"]], found["total_count"], found["links"]) == (ids, len(ids), {})


async def test_a_cursor_carries_the_filters_on(door: ResourceDoor):
    first = await listed(door, "?per_page=1&name=Subaccount&order=asc&sort_by=id")
    assert "name=Subaccount" in first["links"]["next"]
    second = await listed(door, first["links"]["next"].removeprefix("/api/v1/subaccounts"))
    assert [found["id"] for found in second["results"]] == [7]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("per_page=0", "per_page"),
        ("per_page=101", "per_page"),
        ("per_page=x", "per_page"),
        ("per_page=%C2%B2", "per_page"),
        ("sort_by=secret", "sort_by"),
        ("order=up", "order"),
        ("status=gone", "status"),
        ("ids=a", "ids"),
        ("ids=99999999999", "ids"),
        ("option=x", "option"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b'["a\\u0000",1]').decode().rstrip("="), "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b'["a",99999999999]').decode().rstrip("="), "cursor"),
        ("cursor=" + base64.urlsafe_b64encode(b"[42]").decode().rstrip("="), "cursor"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(door: ResourceDoor, query, param):
    status, found = errors(await door.call("GET", f"subaccounts?{query}"))
    assert (status, found[0]["param"]) == (400, param)


async def test_nul_in_a_query_is_refused(door: ResourceDoor):
    assert (await door.call("GET", "subaccounts?name=%00")).status_code == 400


# the header, and suspended subaccounts ----------------------------------------------------------------------------------


async def test_a_subaccount_that_does_not_exist_is_refused_for_every_resource(door: ResourceDoor):
    for method, path in (
        ("GET", "templates"),
        ("GET", "events/message"),
        ("GET", "suppression-list"),
        ("GET", "transmissions"),
        ("DELETE", "webhooks/1"),
        ("GET", "sending-domains"),
    ):
        status, found = errors(await door.call(method, path, sub="999"))
        assert (status, found[0]["code"]) == (400, "1200")
        assert found[0]["description"] == "X-MSYS-SUBACCOUNT: this account has no subaccount 999"


async def test_a_subaccount_of_another_account_is_one_that_does_not_exist(door: ResourceDoor):
    stranger = await door.stranger()
    theirs = await door.call("GET", "templates", key=stranger, sub="3")
    nobodys = await door.call("GET", "templates", key=stranger, sub="4")
    assert (theirs.status_code, theirs.text) == (400, nobodys.text.replace("4", "3"))


async def test_a_subaccount_works_at_once_though_it_was_asked_for_before(door: ResourceDoor):
    assert (await door.call("GET", "templates", sub=str(FIRST))).status_code == 400
    await make(door)
    assert (await door.call("GET", "templates", sub=str(FIRST))).json() == {"results": []}


@pytest.mark.parametrize("how", [{"status": "suspended"}, {"status": "terminated"}, {"compliance_status": "suspended"}])
async def test_a_subaccount_that_is_not_active_can_be_read_and_nothing_else(door: ResourceDoor, how):
    await door.door.domain(shared=True)
    key = await door.door.key_with(*SUBACCOUNT_KEY_GRANTS, subaccount_id=7)
    entry = {"json": {"type": "transactional"}}
    assert (await door.call("PUT", "suppression-list/kim@there.test", key=key, **entry)).status_code == 200
    assert (await door.door.send(headers={"Authorization": key})).status_code == 200
    await subaccount(door.pool, door.account_id, 7, **how)
    door.door.authenticator.forget()
    for sender in ({"key": key}, {"sub": "7"}):
        assert (await door.call("GET", "suppression-list/kim@there.test", **sender)).status_code == 200
        assert (await door.call("GET", "templates", **sender)).status_code == 200
        for method, path, body in (
            ("PUT", "suppression-list/lee@there.test", entry),
            ("DELETE", "suppression-list/kim@there.test", {}),
            ("POST", "sending-domains", {"json": {"domain": "x.test"}}),
            ("POST", "transmissions", {"json": {}}),
        ):
            status, found = errors(await door.call(method, path, **sender, **body))
            assert (status, found[0]["message"]) == (403, "Forbidden.")
            assert "suspended" in found[0]["description"]
    assert (await door.call("PUT", "suppression-list/lee@there.test", **entry)).status_code == 200  # the primary account works on
    assert len(door.door.queue.chunks) == 1


async def test_what_the_operator_suspended_the_customer_cannot_resume(door: ResourceDoor):
    key = await door.door.key_with("transmissions/modify", subaccount_id=7)
    await subaccount(door.pool, door.account_id, 7, compliance_status="suspended")
    assert (await door.call("PUT", "subaccounts/7", json={"status": "active", "compliance_status": "active"})).status_code == 200
    assert (await one(door, 7))["compliance_status"] == "suspended"
    assert (await door.door.send(headers={"Authorization": key})).status_code == 403


async def test_mail_that_was_let_in_before_the_suspension_was_seen_is_refused_all_the_same(door: ResourceDoor):
    """An SMTP connection that was opened before stays open; each message asks anew how its sender stands."""
    await door.door.domain(shared=True)
    key = await door.door.key_with("transmissions/modify", subaccount_id=7)
    assert (await door.door.send(headers={"Authorization": key})).status_code == 200
    await subaccount(door.pool, door.account_id, 7, status="suspended")
    door.door.authenticator.book.forget()  # the key is still remembered as that of an active subaccount
    status, found = errors(await door.door.send(headers={"Authorization": key}))
    assert (status, found[0]["message"]) == (403, "Forbidden.")


# its pool ---------------------------------------------------------------------------------------------------------------


async def test_a_subaccount_sends_from_its_pool_and_from_no_other(door: ResourceDoor):
    await door.door.domain(shared=True)
    for pool_id in ("bulk", "other"):
        await door.pool.execute("INSERT INTO ip_pools (account_id, pool_id, name) VALUES ($1, $2, $2)", door.account_id, pool_id)
    await subaccount(door.pool, door.account_id, 7, ip_pool="bulk")
    for options in ({}, {"ip_pool": "BULK"}):
        assert (await door.door.send(headers={"X-MSYS-SUBACCOUNT": "7"}, options=options)).status_code == 200
    assert [chunk.facts.ip_pool for chunk in door.door.queue.chunks] == ["bulk", "bulk"]
    for other in ("other", "nope"):
        status, found = errors(await door.door.send(headers={"X-MSYS-SUBACCOUNT": "7"}, options={"ip_pool": other}))
        assert (status, found[0]["code"]) == (400, "1200")
        assert "leave options.ip_pool away" in found[0]["description"]
    assert (await door.door.send(options={"ip_pool": "other"})).status_code == 200  # the primary account has none assigned


async def test_a_subaccount_whose_pool_is_gone_sends_from_the_default_one(door: ResourceDoor):
    await door.door.domain(shared=True)
    await subaccount(door.pool, door.account_id, 7, ip_pool="gone")
    assert (await door.door.send(headers={"X-MSYS-SUBACCOUNT": "7"})).status_code == 200
    assert door.door.queue.chunks[0].facts.ip_pool == "default"


# resources of the primary account ---------------------------------------------------------------------------------------


async def test_a_subaccount_has_no_recipient_lists_and_sees_none(door: ResourceDoor):
    body = {"id": "grads", "recipients": [{"address": "kim@there.test"}]}
    assert (await door.call("POST", "recipient-lists", json=body)).status_code == 200
    assert (await door.call("GET", "recipient-lists", sub="7")).json() == {"results": []}
    for method, more in (("GET", {}), ("PUT", {"json": {"name": "x"}}), ("DELETE", {})):
        assert errors(await door.call(method, "recipient-lists/grads", sub="7", **more))[0] == 404
    assert errors(await door.call("POST", "recipient-lists", sub="7", json={**body, "id": "own"}))[0] == 400
    assert len((await door.call("GET", "recipient-lists", sub="0")).json()["results"]) == 1


async def test_the_header_does_not_choose_events(door: ResourceDoor):
    await door.pool.execute("CREATE TABLE events_any PARTITION OF events DEFAULT")
    await door.pool.execute(
        "INSERT INTO events (day, shard, seq, at, type, account_id, subaccount_id, recipient, recipient_domain, campaign_id, "
        "detail) "
        "SELECT now()::date, 1, n, now() - interval '10 minutes', 1, $1, n, 'kim@there.test', 'there.test', '', '{}' "
        "FROM unnest(ARRAY[0, 7, 8]) AS n",
        door.account_id,
    )
    key = await door.door.key_with("message_events/view", subaccount_id=7)

    async def seen(query: str = "", **how) -> set[int]:
        answer = await door.call("GET", f"events/message{query}", **how)
        return {event.get("subaccount_id", 0) for event in answer.json()["results"]}

    assert await seen(sub="7") == await seen(sub="0") == await seen() == {0, 7, 8}
    assert await seen("?subaccounts=0,8", sub="7") == {0, 8}
    assert await seen(key=key, sub="8") == {7}
    assert await seen("?subaccounts=0,8", key=key) == set()


async def test_a_webhook_goes_to_no_subaccount_that_does_not_exist(door: ResourceDoor):
    made = "00000000-0000-4000-8000-000000000000"
    await door.pool.execute(
        "INSERT INTO webhooks (webhook_id, account_id, name, target, types, auth_type, auth_sealed) "
        "VALUES ($1, $2, 'n', 'https://a.test/', '{1}', 'none', $3)",
        made,
        door.account_id,
        sealed(),
    )
    status, found = errors(await door.call("PUT", f"webhooks/{made}", json={"subaccount_id": 999}))
    assert (status, found[0]["description"]) == (400, "subaccount_id: this account has no subaccount 999")
    assert (await door.call("PUT", f"webhooks/{made}", json={"subaccount_id": 7})).status_code == 200
    assert [hook["subaccount_id"] for hook in (await door.call("GET", "webhooks", sub="7")).json()["results"]] == [7]


def sealed() -> bytes:
    return MASTER_KEY.seal(msgspec.msgpack.encode(Auth(secret="s")), purpose="webhook")
