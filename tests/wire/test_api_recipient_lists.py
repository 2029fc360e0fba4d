import asyncio
import json

import pytest

from homing.recipients import lists
from tests.kit.resources import ResourceDoor, resource_door

KIM = {
    "address": {"email": "kim@there.test", "name": "Kim"},
    "tags": ["a"],
    "metadata": {"uid": "7"},
    "substitution_data": {"first": "Kim"},
}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def create(door: ResourceDoor, *, query="", **body):
    return await door.call("POST", f"recipient-lists{query}", json={"recipients": [KIM], **body})


def error(answer):
    (one,) = answer.json()["errors"]
    return answer.status_code, one.get("code"), one["message"]


async def test_a_list_is_made_looked_at_changed_and_deleted(door: ResourceDoor):
    answer = await create(door, id="grads", name="Grads", attributes={"owner": "ops"}, description=None)
    assert answer.json() == {
        "results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "grads", "name": "Grads"}
    }
    head = {"id": "grads", "name": "Grads", "description": "", "attributes": {"owner": "ops"}, "total_accepted_recipients": 1}
    assert (await door.call("GET", "recipient-lists")).json() == {"results": [head]}
    assert (await door.call("GET", "recipient-lists/grads")).json() == {"results": head}
    whole = (await door.call("GET", "recipient-lists/grads?show_recipients=true")).json()["results"]
    assert whole == {**head, "recipients": [KIM]}
    answer = await door.call("PUT", "recipient-lists/grads", json={"name": "All", "attributes": {"a": 1}})
    assert answer.json() == {"results": {"id": "grads", "name": "All"}}
    answer = await door.call("PUT", "recipient-lists/grads", json={"id": "grads", "recipients": [{"address": "lee@there.test"}]})
    assert answer.json()["results"]["total_accepted_recipients"] == 1
    whole = (await door.call("GET", "recipient-lists/grads?show_recipients=true")).json()["results"]
    assert (whole["name"], whole["attributes"], whole["recipients"]) == (
        "All",
        {"a": 1},
        [{"address": {"email": "lee@there.test"}}],
    )
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 1
    deleted = await door.call("DELETE", "recipient-lists/grads")
    assert (deleted.status_code, deleted.json()) == (200, {})
    assert error(await door.call("GET", "recipient-lists/grads")) == (404, "1600", "resource not found")
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 0


async def test_bad_recipients_are_left_out_and_told(door: ResourceDoor):
    recipients = [KIM, {"address": {"name": "nobody"}}, {"address": 7}, {"address": "no address"}]
    answer = (await create(door, query="?num_rcpt_errors=2", id="some", recipients=recipients)).json()
    assert [one["code"] for one in answer["errors"]] == ["5000"]
    results = answer["results"]
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (1, 3)
    assert [one["code"] for one in results["rcpt_to_errors"]] == ["1400", "1300"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": "taken"}, (400, "5001", "List already exists")),
        ({"id": "x", "recipients": [{"address": ""}]}, (400, "5002", "At least one valid recipient is required")),
        ({"id": "x", "recipients": []}, (400, "5002", "At least one valid recipient is required")),
        ({"id": "x", "recipients": None}, (422, "1400", "required field is missing")),
        ({"id": "x", "recipients": {"list_id": "y"}}, (422, "1300", "invalid data format/type")),
        ({"id": "x" * 65}, (422, "1300", "invalid data format/type")),
        ({"id": "rcptlist_x"}, (422, "1300", "invalid data format/type")),
        ({"id": 7}, (422, "1300", "invalid data format/type")),
        ({"id": "x", "attributes": []}, (422, "1300", "invalid data format/type")),
        ({"id": "x", "description": "d" * 1025}, (422, "1300", "invalid data format/type")),
    ],
)
async def test_what_cannot_be_a_list_is_refused(door: ResourceDoor, body, expected):
    await create(door, id="taken")
    assert error(await create(door, **body)) == expected


async def test_requests_that_name_no_list_or_another_are_refused(door: ResourceDoor):
    await create(door, id="grads")
    assert error(await door.call("PUT", "recipient-lists", json={})) == (400, "1101", "invalid uri")
    assert error(await door.call("DELETE", "recipient-lists")) == (400, "1101", "invalid uri")
    assert error(await door.call("PUT", "recipient-lists/nope", json={}))[:2] == (404, "1600")
    assert error(await door.call("DELETE", "recipient-lists/nope"))[:2] == (404, "1600")
    assert error(await door.call("PUT", "recipient-lists/grads", json={"id": "other"}))[:2] == (422, "1300")
    assert error(await door.call("GET", "recipient-lists/grads?show_recipients=maybe"))[:2] == (400, "1200")
    assert error(await door.call("POST", "recipient-lists", content=b'{"recipients": [}'))[:2] == (400, "1300")


async def test_an_id_is_made_where_none_is_given(door: ResourceDoor):
    results = (await create(door, name="Nameless")).json()["results"]
    assert results["id"].startswith("rcptlist_")
    assert results["name"] == "Nameless"
    assert (await door.call("GET", f"recipient-lists/{results['id']}")).status_code == 200


async def test_another_account_sees_and_changes_nothing(door: ResourceDoor):
    await create(door, id="grads")
    key = await door.stranger()
    assert (await door.call("GET", "recipient-lists", key=key)).json() == {"results": []}
    assert (await door.call("GET", "recipient-lists/grads", key=key)).status_code == 404
    assert (await door.call("PUT", "recipient-lists/grads", key=key, json={"name": "mine"})).status_code == 404
    assert (await door.call("DELETE", "recipient-lists/grads", key=key)).status_code == 404
    body = {"id": "grads", "recipients": [KIM]}
    assert (await door.call("POST", "recipient-lists", key=key, json=body)).status_code == 200


async def test_twenty_thousand_recipients_are_stored_in_pieces(door: ResourceDoor):
    people = [{"address": {"email": f"u{n}@there.test"}, "substitution_data": {"n": n, "s": "}],[{"}} for n in range(20_001)]
    answer = await door.call("POST", "recipient-lists", json={"id": "big", "recipients": people})
    assert answer.json()["results"]["total_accepted_recipients"] == 20_001
    assert await door.pool.fetchval("SELECT count(*) FROM recipient_pieces") == 21
    whole = (await door.call("GET", "recipient-lists/big?show_recipients=true")).json()["results"]
    assert whole["recipients"] == people


async def test_a_list_that_another_request_changes_is_in_use(door: ResourceDoor):
    await create(door, id="grads")
    async with door.pool.acquire() as connection, connection.transaction():
        await lists.lock(connection, door.account_id, "grads")
        answer = await door.call("DELETE", "recipient-lists/grads")
    assert error(answer) == (409, "1602", "resource conflict")
    assert answer.json()["errors"][0]["description"] == "List 'grads' is in use by another request"


async def test_a_list_of_a_scheduled_transmission_cannot_be_changed(door: ResourceDoor):
    await door.door.domain()
    await create(door, id="grads")
    answer = await door.door.send(recipients={"list_id": "grads"}, options={"start_time": _in_hours(2)})
    assert answer.json()["results"]["total_accepted_recipients"] == 1
    refused = await door.call("PUT", "recipient-lists/grads", json={"name": "x"})
    assert error(refused) == (409, "1602", "resource conflict")
    assert refused.json()["errors"][0]["description"] == "List 'grads' is in use by msg generation"
    assert error(await door.call("DELETE", "recipient-lists/grads"))[:2] == (409, "1602")
    ident = answer.json()["results"]["id"]
    assert (await door.call("DELETE", f"transmissions/{ident}")).status_code == 204
    await door.pool.execute("DELETE FROM inbox")  # as the shards' owners do
    assert (await door.call("DELETE", "recipient-lists/grads")).status_code == 200


async def test_a_list_that_is_not_there_cannot_be_sent_to(door: ResourceDoor):
    await door.door.domain()
    await create(door, id="grads")
    answer = await door.door.send(recipients={"list_id": "nope"})
    assert answer.json()["errors"] == [
        {"message": "resource not found", "description": "List 'nope' does not exist", "code": "1600"}
    ]
    assert answer.status_code == 404
    key = await door.stranger()
    answer = await door.door.send(recipients={"list_id": "grads"}, headers={"Authorization": key})
    assert answer.status_code in (400, 404)
    answer = await door.door.send(recipients={"list_id": "grads"}, headers={"X-MSYS-SUBACCOUNT": "3"})
    assert answer.status_code == 422


async def test_recipients_with_return_paths_of_domains_that_are_not_ours_refuse_the_sending(door: ResourceDoor):
    await door.door.domain()
    await create(door, id="odd", recipients=[{**KIM, "return_path": "b@elsewhere.test"}])
    answer = await door.door.send(recipients={"list_id": "odd"})
    assert error(answer)[:2] == (400, "7001")


async def test_a_hundred_megabytes_are_read_without_holding_them(door: ResourceDoor):
    people = [{"address": f"u{n}@there.test"} for n in range(3)]
    body = json.dumps({"id": "padded", "attributes": {}, "recipients": people}).encode() + b" " * 30_000_000
    answer = await door.call("POST", "recipient-lists", content=body)
    assert answer.json()["results"]["total_accepted_recipients"] == 3
    answer = await door.call("POST", "recipient-lists", content=b" " * 104_857_601)
    assert answer.status_code == 413


async def test_two_lists_of_one_name_at_once_become_one(door: ResourceDoor):
    answers = await asyncio.gather(*[create(door, id="same") for _ in range(2)])
    assert sorted(answer.status_code for answer in answers) == [200, 400]


def _in_hours(hours: float) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")
