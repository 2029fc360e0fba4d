"""The sandbox (SparkPost reference, sections 1.11 and 9, number 32): five messages of an account, from a domain of the house."""

import asyncio

import pytest

from homing.accounts import store as accounts
from homing.cli import checks_world
from homing.ground.config import Settings
from homing.queue import submissions
from homing.spool.types import decode_content
from tests.kit.resources import ResourceDoor, resource_door

DOMAIN = "sandbox.house.test"
FIRST = {"template_id": "my-first-email"}
TAKEN = "SELECT transmission_id, facts, content, recipients FROM transmissions ORDER BY transmission_id"


@pytest.fixture
async def door(pool):
    async with resource_door(pool, sandbox_domain=DOMAIN) as made:
        operator = await accounts.get_or_create_account(pool, "operator")
        await made.door.domain(DOMAIN, account_id=operator.account_id)
        yield made


async def send(door: ResourceDoor, *, to: int = 1, content=FIRST, **changes):
    body = {"recipients": [{"address": f"kim{n}@there.test"} for n in range(to)], "content": content}
    answer = await door.call("POST", "transmissions", json=body | {"options": {"sandbox": True}} | changes)
    return answer.status_code, answer.json()


async def left(door: ResourceDoor, **how):
    return (await door.call("GET", "account?include=usage", **how)).json()["results"]["usage"]["sandbox"]


def refusal(answer):
    status, body = answer
    return status, body["errors"][0]["code"]


async def test_the_first_email_comes_from_the_domain_of_the_house(door: ResourceDoor):
    status, body = await send(door, to=2)
    assert (status, body["results"]["total_accepted_recipients"]) == (200, 2)
    written = await door.pool.fetchrow(TAKEN)
    given = await submissions.to_generate(door.pool, written["transmission_id"])
    assert given is not None
    assert (given.facts.account_id, given.facts.sending_domain) == (door.account_id, DOMAIN)
    assert (given.facts.template_id, given.facts.friendly_from) == ("my-first-email", f"support@{DOMAIN}")
    content = decode_content(written["content"])
    assert (content.from_email, content.subject) == (f"support@{DOMAIN}", "My first email")
    assert await left(door) == {"used": 2, "limit": 5}
    assert (await door.call("GET", "usage")).json()["results"]["messaging"]["day"]["used"] == 2
    assert (await send(door, override={"from": f"ceo@{DOMAIN}"}))[0] == 200
    content = decode_content((await door.pool.fetch(TAKEN))[-1]["content"])
    assert content.from_email == f"support@{DOMAIN}"


async def test_five_messages_and_not_one_more_go_for_life(door: ResourceDoor):
    assert refusal(await send(door, to=6)) == (420, "2103")
    assert await left(door) == {"used": 0, "limit": 5}
    answers = await asyncio.gather(*(send(door) for _ in range(12)))
    assert sorted(status for status, _ in answers) == [200] * 5 + [420] * 7
    assert await left(door) == {"used": 5, "limit": 5}
    status, body = await send(door)
    assert (status, body["errors"]) == (420, [{"message": "Exceed Sending Limit (sandbox)", "code": "2103"}])
    assert await door.pool.fetchval("SELECT sum(recipients) FROM transmissions") == 5
    other = await accounts.get_or_create_account(door.pool, "other")
    key = await accounts.create_key(
        door.pool, account_id=other.account_id, label="x", grants=["transmissions/modify", "account/view"]
    )
    body = {"recipients": [{"address": "kim@there.test"}], "content": FIRST, "options": {"sandbox": True}}
    assert (await door.call("POST", "transmissions", json=body, key=key.clear)).status_code == 200
    assert await left(door, key=key.clear) == {"used": 1, "limit": 5}


async def test_a_message_that_is_refused_for_another_reason_does_not_count(door: ResourceDoor):
    assert refusal(await send(door, return_path="x@nowhere.test")) == (400, "7001")
    assert refusal(await send(door, content=FIRST | {"use_draft_template": True})) == (422, "2004")
    assert await left(door) == {"used": 0, "limit": 5}


@pytest.mark.parametrize(
    "content",
    [
        {"from": f"news@{DOMAIN}", "subject": "Hi", "text": "hello"},
        {"template_id": "another"},
        {"ab_test_id": "test"},
        {"email_rfc822": f"From: news@{DOMAIN}\r\nSubject: Hi\r\n\r\nhello\r\n"},
    ],
)
async def test_nothing_but_the_first_email_goes_from_the_sandbox(door: ResourceDoor, content):
    assert refusal(await send(door, content=content)) == (422, "2106")
    assert await left(door) == {"used": 0, "limit": 5}


async def test_the_domain_of_the_sandbox_is_nobodys_without_it(door: ResourceDoor):
    content = {"from": f"news@{DOMAIN}", "subject": "Hi", "text": "hello"}
    assert refusal(await send(door, content=content, options={})) == (400, "7001")
    assert refusal(await send(door, options={})) == (400, "7001")


async def test_a_list_and_a_start_time_count_as_well(door: ResourceDoor):
    everybody = [{"address": f"kim{n}@there.test"} for n in range(4)]
    assert (await door.call("POST", "recipient-lists", json={"id": "crew", "recipients": everybody})).status_code == 200
    assert (await send(door, recipients={"list_id": "crew"}))[0] == 200
    assert refusal(await send(door, recipients={"list_id": "crew"})) == (420, "2103")
    assert (await send(door, options={"sandbox": True, "start_time": "2099-01-01T00:00:00+00:00"}))[0] == 422
    assert await left(door) == {"used": 4, "limit": 5}


async def test_the_template_can_be_read_and_rendered_and_not_be_changed(door: ResourceDoor):
    shown = (await door.call("GET", "templates/my-first-email")).json()["results"]
    assert (shown["content"]["from"], shown["published"]) == ({"email": f"support@{DOMAIN}", "name": "Sandbox"}, True)
    assert (await door.call("GET", "templates/my-first-email?draft=true")).status_code == 404
    assert [one["id"] for one in (await door.call("GET", "templates")).json()["results"]] == ["my-first-email"]
    data = {"substitution_data": {"first": "Kim"}}
    rendered = (await door.call("POST", "templates/my-first-email/preview", json=data)).json()["results"]
    assert rendered["text"].startswith("Congratulations!")
    content = {"from": "news@acme.test", "subject": "Hi", "text": "hello"}
    for method, path in (("POST", "templates"), ("PUT", "templates/my-first-email")):
        answer = await door.call(method, path, json={"id": "my-first-email", "content": content})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "3051"), method
    assert refusal_of(await door.call("DELETE", "templates/my-first-email")) == (422, "3051")


def refusal_of(answer):
    return answer.status_code, answer.json()["errors"][0]["code"]


async def test_doctor_says_whether_it_can_send(door: ResourceDoor):
    async def levels(domain: str) -> list[str]:
        return [one.level.value for one in await checks_world.sandbox(door.pool, Settings(sandbox_domain=domain))]

    assert await levels("") == []
    assert await levels("Sandbox.House.test") == ["ok"]
    assert await levels("other.test") == ["fail"]
    await door.pool.execute("UPDATE sending_domains SET trusted = false WHERE domain = $1", DOMAIN)
    assert await levels(DOMAIN) == ["fail"]


async def test_where_the_domain_is_not_verified_the_sandbox_sends_nothing(door: ResourceDoor):
    await door.pool.execute("UPDATE sending_domains SET trusted = false WHERE domain = $1", DOMAIN)
    assert refusal(await send(door)) == (400, "1200")


async def test_without_a_sandbox_domain_the_refusal_says_so(pool):
    async with resource_door(pool) as door:
        status, body = await send(door)
        assert (status, body["errors"][0]["code"]) == (400, "1200")
        assert "no verified sandbox domain" in body["errors"][0]["description"]
        assert await left(door) == {"used": 0, "limit": 0}
        content = {"from": "news@acme.test", "subject": "Hi", "text": "hello"}
        made = await door.call("POST", "templates", json={"id": "my-first-email", "content": content})
        assert made.status_code == 200  # an id like any other
