from urllib.parse import quote

import pytest

from tests.kit.resources import ResourceDoor, resource_door


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def put(door: ResourceDoor, who: str, *, sub=None, key="", **body):
    return await door.call("PUT", f"suppression-list/{who}", sub=sub, key=key, json={"type": "non_transactional", **body})


def message(answer):
    (error,) = answer.json()["errors"]
    return answer.status_code, error["message"]


async def results(door: ResourceDoor, path="", **how):
    return (await door.call("GET", f"suppression-list{path}", **how)).json()["results"]


async def compliance(door: ResourceDoor, who: str):
    await door.pool.execute(
        "INSERT INTO suppressions (account_id, recipient, type, source) VALUES ($1, $2, 'transactional', 'Compliance')",
        door.account_id,
        who,
    )


async def test_one_recipient_is_put_looked_up_and_removed(door: ResourceDoor):
    answer = await put(door, "Kim@There.test", description="asked by phone")
    assert answer.json() == {"results": {"message": "Suppression list successfully updated"}}
    found = (await door.call("GET", "suppression-list/KIM@there.test")).json()
    (entry,) = found["results"]
    assert (found["links"], found["total_count"]) == ([], 1)
    assert entry.pop("created").endswith("+00:00")
    assert entry.pop("updated").endswith("+00:00")
    assert entry.pop("provenance") == f"api:{await door.pool.fetchval('SELECT min(key_id) FROM api_keys')}"
    assert entry == {
        "recipient": "kim@there.test",
        "type": "non_transactional",
        "source": "Manually Added",
        "description": "asked by phone",
        "non_transactional": True,
    }
    assert (await door.call("DELETE", "suppression-list/kim@there.test")).status_code == 204
    assert message(await door.call("GET", "suppression-list/kim@there.test")) == (404, "Recipient could not be found")
    assert message(await door.call("DELETE", "suppression-list/kim@there.test")) == (404, "Recipient could not be found")


@pytest.mark.parametrize("who", ["a/b@there.test", "a+b@there.test", "o'neil@there.test", "jörg@bücher.test", '"a b"@there.test'])
async def test_an_address_may_hold_what_addresses_hold(door: ResourceDoor, who):
    assert (await put(door, quote(who, safe=""))).status_code == 200
    assert len(await results(door, f"/{quote(who, safe='')}")) == 1
    assert (await door.call("DELETE", f"suppression-list/{quote(who, safe='')}/")).status_code == 204


async def test_a_bulk_is_put_with_every_older_spelling(door: ResourceDoor):
    recipients = [
        {"recipient": "a@there.test", "type": "transactional", "description": "d", "list_id": "news"},
        {"email": "B@there.test", "transactional": True, "non_transactional": True},
        {"recipient": "c@there.test", "type": "non_transactional"},
        {"recipient": "c@there.test", "type": "non_transactional", "description": "the last counts"},
    ]
    answer = await door.call("PUT", "suppression-list/", json={"recipients": recipients})
    assert answer.json() == {"results": {"message": "Suppression List successfully updated"}}
    entries = sorted((entry["recipient"], entry["type"], entry["description"]) for entry in await results(door))
    assert entries == [
        ("a@there.test", "transactional", "d"),
        ("b@there.test", "non_transactional", ""),
        ("b@there.test", "transactional", ""),
        ("c@there.test", "non_transactional", "the last counts"),
    ]
    assert [entry["recipient"] for entry in await results(door, "?list_id=news")] == ["a@there.test"]


async def test_a_false_flag_takes_that_type_off(door: ResourceDoor):
    await put(door, "kim@there.test", type=None, transactional=True, non_transactional=True)
    assert (await put(door, "kim@there.test", type=None, transactional=False)).status_code == 200
    assert [entry["type"] for entry in await results(door, "/kim@there.test")] == ["non_transactional"]


async def test_invalid_recipients_of_a_bulk_are_named_and_nothing_is_put(door: ResourceDoor):
    recipients = [{"recipient": who, "type": "transactional"} for who in ("good@there.test", "a", "b@")]
    answer = await door.call("PUT", "suppression-list", json={"recipients": recipients})
    assert message(answer) == (400, "PUT body contains 2 invalid or malformed recipient(s): a, b@")
    assert await results(door) == []


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "Must supply a suppression type"),
        ({"type": "all"}, 400, "Type must be one of: 'transactional', 'non_transactional'"),
        ({"type": ""}, 400, "Type must be one of: 'transactional', 'non_transactional'"),
        ({"type": "transactional", "list_id": ".a"}, 400, "list_id must be"),
        ({"type": "transactional", "list_id": "a..b"}, 400, "list_id must be"),
        ({"type": "transactional", "list_id": "a\0"}, 400, "list_id must be"),
        ({"type": "transactional", "list_id": "a" * 256}, 400, "list_id must be"),
        ({"type": 5}, 422, "invalid data format/type"),
        ({"type": "transactional", "description": {}}, 422, "invalid data format/type"),
        ({"transactional": "yes"}, 422, "invalid data format/type"),
        ([], 422, "invalid data format/type"),
    ],
)
async def test_a_bad_entry_is_called_what_it_is(door: ResourceDoor, body, status, text):
    answer = await door.call("PUT", "suppression-list/kim@there.test", json=body)
    assert message(answer)[0] == status
    assert message(answer)[1].startswith(text)
    assert await results(door) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"recipients":', b'{"x":' + b"[" * 100_000])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    assert (await door.call("PUT", "suppression-list", content=content)).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"recipients": None},
        {"recipients": [{}]},
        {"recipients": [{"recipient": "a@b.test", "type": "transactional"}] * 10_001},
    ],
)
async def test_a_bulk_without_a_list_or_with_too_many_is_a_400(door: ResourceDoor, body):
    assert (await door.call("PUT", "suppression-list", json=body)).status_code == 400


@pytest.mark.parametrize("body", [{"recipients": "a"}, {"recipients": ["a"]}, {"recipients": [{"recipient": 5}]}])
async def test_a_bulk_of_another_type_is_a_422(door: ResourceDoor, body):
    assert (await door.call("PUT", "suppression-list", json=body)).status_code == 422


async def test_a_description_with_a_nul_does_not_refuse_the_batch(door: ResourceDoor):
    assert (await put(door, "kim@there.test", description="a\0b")).status_code == 200
    assert (await results(door))[0]["description"] == "ab"


async def test_what_is_no_address_is_not_put_and_not_found(door: ResourceDoor):
    for who in ("kim", "kim@", "@there.test", "%00@there.test", "a b@there.test", "%ff@"):
        assert (await put(door, who)).status_code == 400
        assert message(await door.call("GET", f"suppression-list/{who}"))[0] == 404
        assert message(await door.call("DELETE", f"suppression-list/{who}"))[0] == 404


async def test_compliance_can_be_neither_changed_nor_removed(door: ResourceDoor):
    await compliance(door, "kim@there.test")
    assert message(await door.call("DELETE", "suppression-list/kim@there.test")) == (
        403,
        "Recipient could not be removed - Compliance",
    )
    assert (await put(door, "kim@there.test", type="transactional")).status_code == 403
    bulk = {
        "recipients": [
            {"recipient": "kim@there.test", "type": "transactional"},
            {"recipient": "lee@there.test", "transactional": False},
        ]
    }
    assert (await door.call("PUT", "suppression-list", json=bulk)).status_code == 200
    assert [entry["source"] for entry in await results(door)] == ["Compliance"]


async def test_a_delete_may_name_a_type_and_a_list(door: ResourceDoor):
    await put(door, "kim@there.test", type=None, transactional=True, non_transactional=True)
    await put(door, "kim@there.test", list_id="news")
    assert (await door.call("DELETE", "suppression-list/kim@there.test", json={"type": "transactional"})).status_code == 204
    assert (await door.call("DELETE", "suppression-list/kim@there.test?list_id=")).status_code == 204
    assert [entry["list_id"] for entry in await results(door, "/kim@there.test")] == ["news"]
    assert (await door.call("DELETE", "suppression-list/kim@there.test?list_id=other")).status_code == 404
    assert (await door.call("DELETE", "suppression-list/kim@there.test", json={"type": "all"})).status_code == 400
    assert (await door.call("DELETE", "suppression-list/kim@there.test", content=b"{")).status_code == 400
    assert (await door.call("DELETE", "suppression-list/kim@there.test?list_id=news", content=b" ")).status_code == 204


async def test_pages_follow_their_links(door: ResourceDoor):
    recipients = [{"recipient": f"u{n}@there.test", "type": "transactional"} for n in range(5)]
    await door.call("PUT", "suppression-list", json={"recipients": recipients})
    seen, path = [], "suppression-list/?per_page=2&cursor=initial&sort=asc"
    while path:
        page = (await door.call("GET", path)).json()
        assert page["total_count"] == 5
        seen += [entry["recipient"] for entry in page["results"]]
        links = {link["rel"]: link["href"] for link in page["links"]}
        assert links["first"] == "/api/v1/suppression-list?sort=asc&cursor=initial&per_page=2"
        path = links.get("next", "").removeprefix("/api/v1/")
    assert sorted(seen) == [f"u{n}@there.test" for n in range(5)]
    last = (await door.call("GET", links["last"].removeprefix("/api/v1/"))).json()
    assert [entry["recipient"] for entry in last["results"]] == seen[4:]


async def test_page_numbers_work_too(door: ResourceDoor):
    recipients = [{"recipient": f"u{n}@there.test", "type": "transactional"} for n in range(5)]
    await door.call("PUT", "suppression-list", json={"recipients": recipients})
    page = (await door.call("GET", "suppression-list?page=2&per_page=2&types=transactional")).json()
    assert len(page["results"]) == 2
    assert {link["rel"]: link["href"] for link in page["links"]} == {
        "next": "/api/v1/suppression-list?types=transactional&page=3&per_page=2",
        "previous": "/api/v1/suppression-list?types=transactional&page=1&per_page=2",
        "first": "/api/v1/suppression-list?types=transactional&page=1&per_page=2",
        "last": "/api/v1/suppression-list?types=transactional&page=3&per_page=2",
    }
    assert len(await results(door, "?limit=3")) == 3


@pytest.mark.parametrize(
    "query",
    [
        "per_page=0", "per_page=10001", "per_page=x", "per_page=-1", "page=0", "page=x", "page=11&per_page=1000", "cursor=x",
        "cursor=", "types=all", "sources=Nobody", "sort=up", "from=yesterday", "to=2026-13-01T00:00:00Z", "list_id=a..b",
        "description_strict=maybe", "domain=%00", "from=0001-01-01T00:00:00%2B23:59", "description=%ff",
    ],
)  # fmt: skip
async def test_a_parameter_that_cannot_be_used_is_a_400(door: ResourceDoor, query):
    assert (await door.call("GET", f"suppression-list?{query}")).status_code == 400


async def test_filters_narrow_the_search(door: ResourceDoor):
    await put(door, "a@one.test", description="Too old")
    await put(door, "b@two.test", description="too young")
    assert len(await results(door, "?description=too&unknown=x")) == 2
    assert len(await results(door, "?description=Too%20old&description_strict=true")) == 1
    assert [entry["recipient"] for entry in await results(door, "?domain=ONE.test")] == ["a@one.test"]
    assert len(await results(door, "?sources=Bounce%20Rule,manually%20added")) == 2
    assert await results(door, "?to=2020-01-01T00:00:00-0400") == []
    assert len(await results(door, "?from=2020-01-01T00:00:00+00:00&to=")) == 2


async def test_each_subaccount_has_its_own_list(door: ResourceDoor):
    await put(door, "kim@there.test")
    await put(door, "kim@there.test", sub="7")
    assert {entry.get("subaccount_id") for entry in await results(door, "/kim@there.test")} == {None, "7"}
    assert [entry["subaccount_id"] for entry in await results(door, sub="7")] == ["7"]
    assert (await door.call("DELETE", "suppression-list/kim@there.test", sub="8")).status_code == 404
    assert (await door.call("DELETE", "suppression-list/kim@there.test")).status_code == 204
    assert len(await results(door)) == 1
    pinned = await door.door.key_with("suppression_lists/manage", subaccount_id=7)
    assert len(await results(door, key=pinned, sub="0")) == 1


async def test_no_account_sees_or_touches_the_list_of_another(door: ResourceDoor):
    await put(door, "kim@there.test")
    stranger = await door.stranger()
    assert (await door.call("GET", "suppression-list/kim@there.test", key=stranger)).status_code == 404
    assert (await door.call("DELETE", "suppression-list/kim@there.test", key=stranger)).status_code == 404
    assert await results(door, key=stranger) == []
    assert (await results(door, "/summary", key=stranger))["total"] == 0
    await put(door, "kim@there.test", key=stranger, description="theirs")
    assert (await results(door))[0]["description"] == ""
    assert "theirs" not in (await door.call("GET", "suppression-list?per_page=1")).text


async def test_the_summary_counts_by_source(door: ResourceDoor):
    await put(door, "kim@there.test")
    await compliance(door, "lee@there.test")
    assert await results(door, "/summary") == {
        "compliance": 1,
        "manually_added": 1,
        "unsubscribe_link": 0,
        "bounce_rule": 0,
        "list_unsubscribe": 0,
        "spam_complaint": 0,
        "total": 2,
    }


async def test_without_the_grant_it_is_403(door: ResourceDoor):
    key = await door.door.key_with("smtp/inject")
    for method, path in (
        ("GET", ""),
        ("GET", "/summary"),
        ("GET", "/a@b.test"),
        ("PUT", ""),
        ("PUT", "/a@b.test"),
        ("DELETE", "/a@b.test"),
    ):
        assert message(await door.call(method, f"suppression-list{path}", key=key)) == (403, "Forbidden.")
