"""/data-privacy: requests are written down before they are answered."""

import pytest

from homing.accounts import store as accounts
from tests.kit.resources import ResourceDoor, resource_door

SAVED = {"results": {"message": "Request saved."}}
PATHS = {"rtbf": "data-privacy/rtbf-request", "opt_out": "data-privacy/opt-out-request"}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def saved(door: ResourceDoor) -> list[tuple[object, ...]]:
    rows = await door.pool.fetch(
        "SELECT account_id, subaccount_id, ask, recipients, array(SELECT recipient FROM privacy_recipients p "
        "WHERE p.request_id = r.request_id ORDER BY recipient) AS addresses FROM privacy_requests r ORDER BY request_id"
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("ask", list(PATHS))
async def test_a_request_is_saved_with_each_address_once(door, ask):
    body = {"recipients": ["Kim@There.test", "kim@there.test", " lee@there.test "]}
    answer = await door.call("POST", PATHS[ask], json=body)
    assert (answer.status_code, answer.json()) == (200, SAVED)
    assert await saved(door) == [(door.account_id, 0, ask, 2, ["kim@there.test", "lee@there.test"])]


@pytest.mark.parametrize(
    ("sub", "everywhere", "subaccount_id"),
    [(None, False, 0), (None, True, None), ("7", True, 7), ("7", False, 7), ("0", True, 0)],
)
async def test_subaccounts_are_included_only_without_the_header(door, sub, everywhere, subaccount_id):
    body = {"recipients": ["kim@there.test"], "include_subaccounts": everywhere}
    assert (await door.call("POST", PATHS["rtbf"], json=body, sub=sub)).json() == SAVED
    assert [row[1] for row in await saved(door)] == [subaccount_id]


@pytest.mark.parametrize("ask", list(PATHS))
async def test_a_thousand_addresses_are_taken_and_one_more_is_not(door, ask):
    many = [f"u{number}@there.test" for number in range(1_001)]
    answer = await door.call("POST", PATHS[ask], json={"recipients": many})
    assert answer.status_code == 400
    assert answer.json() == {"errors": [{"message": "Exceeded maximum number of recipients (1000)"}]}
    assert (await door.call("POST", PATHS[ask], json={"recipients": many[1:]})).json() == SAVED


@pytest.mark.parametrize("bad", ["not_an_email", "", "a@", "a b@there.test", "a@b\0.test", "kim@there.test, lee@there.test"])
async def test_an_address_that_is_none_is_named_and_nothing_is_saved(door, bad):
    answer = await door.call("POST", PATHS["rtbf"], json={"recipients": ["kim@there.test", bad]})
    assert answer.status_code == 400
    assert answer.json() == {"errors": [{"recipient": bad, "message": "invalid email address"}]}
    assert await saved(door) == []


@pytest.mark.parametrize("body", [{}, {"recipients": []}, {"recipients": None}])
async def test_a_request_about_nobody_is_refused(door, body):
    answer = await door.call("POST", PATHS["opt_out"], json=body)
    assert answer.status_code == 400
    assert answer.json() == {"errors": [{"message": "recipients is required: a list of email addresses"}]}


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 422), (b'{"recipients":"x"}', 422), (b'{"recipients":[7]}', 422), (b"\xff", 400)],
)
async def test_a_body_that_cannot_be_read_is_refused(door, content, status):
    assert (await door.call("POST", PATHS["rtbf"], content=content)).status_code == status


async def test_without_the_grant_nothing_is_taken_and_subaccounts_cannot_have_it(door):
    key = await door.door.key_with("suppression_lists/manage")
    assert (await door.call("POST", PATHS["rtbf"], json={"recipients": ["kim@there.test"]}, key=key)).status_code == 403
    made = await accounts.create_key(door.pool, account_id=door.account_id, label="s", grants=["data-privacy/manage"])
    assert (await door.call("POST", PATHS["rtbf"], json={"recipients": ["kim@there.test"]}, key=made.clear)).json() == SAVED


async def test_too_many_requests_that_wait_are_refused_for_now(door, monkeypatch):
    monkeypatch.setattr("homing.api.v1.data_privacy.MOST_OPEN", 1)
    body = {"recipients": ["kim@there.test"]}
    assert (await door.call("POST", PATHS["rtbf"], json=body)).status_code == 200
    answer = await door.call("POST", PATHS["rtbf"], json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert (await door.call("POST", PATHS["rtbf"], json=body, key=await door.stranger())).status_code == 200
