"""/api/v1/templates, the previewer and snippets: drafts, versions, previews, and messages made of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homing.accounts import store as accounts
from homing.accounts.grants import SUBACCOUNT_KEY_GRANTS
from tests.kit.resources import ResourceDoor, resource_door

CONTENT = {"from": {"email": "news@acme.test", "name": "Acme"}, "subject": "Hi {{first}}", "text": "Hello {{first}}"}
UNSET = dict.fromkeys(["description", "options", "shared_with_subaccounts"])


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        await made.door.domain()
        yield made


async def make(door: ResourceDoor, name: str = "spring", *, key: str = "", **more: Any) -> Any:
    return await door.call("POST", "templates", key=key, json={"id": name, "content": CONTENT, **more})


async def one(door: ResourceDoor, name: str = "spring", query: str = "", **more: Any) -> Any:
    return (await door.call("GET", f"templates/{name}{query}", **more)).json()["results"]


async def key_of(door: ResourceDoor, subaccount_id: int) -> str:
    made = await accounts.create_key(
        door.pool, account_id=door.account_id, subaccount_id=subaccount_id, label="s", grants=sorted(SUBACCOUNT_KEY_GRANTS)
    )
    return made.clear


async def test_a_template_begins_as_a_draft_and_is_published_as_version_one(door):
    assert (await make(door, name="spring")).json() == {"results": {"id": "spring"}}
    draft = await one(door)
    assert (draft["published"], draft["has_draft"], draft["has_published"]) == (False, True, False)
    assert draft["content"] == CONTENT
    assert "last_use" not in draft
    assert (await door.call("GET", "templates/spring?draft=false")).status_code == 404
    answer = await door.call("PUT", "templates/spring", json={"published": True})
    assert answer.json() == {"results": {"id": "spring"}}
    published = await one(door)
    assert (published["published"], published["has_draft"], published["has_published"], published["version"]) == (
        True,
        False,
        True,
        1,
    )
    assert published["last_update_time"].endswith("+00:00")


async def test_a_change_goes_to_the_draft_and_the_published_version_stays(door):
    await make(door, published=True)
    changed = {**CONTENT, "text": "New {{first}}"}
    await door.call("PUT", "templates/spring", json={"content": changed})
    assert (await one(door))["content"]["text"] == "New {{first}}"
    assert (await one(door, query="?draft=false"))["content"]["text"] == "Hello {{first}}"
    await door.call("PUT", "templates/spring", json={"published": True})
    assert (await one(door, query="?draft=false"))["content"]["text"] == "New {{first}}"
    assert (await one(door, query="?version=1"))["content"]["text"] == "Hello {{first}}"
    versions = (await door.call("GET", "templates/spring/versions")).json()["results"]
    assert [(v["version"], v["current"]) for v in versions] == [(2, True), (1, False)]


async def test_update_published_replaces_the_published_version_and_leaves_the_draft(door):
    await make(door, published=True)
    await door.call("PUT", "templates/spring", json={"content": {**CONTENT, "text": "draft"}})
    await door.call("PUT", "templates/spring?update_published=true", json={"content": {**CONTENT, "text": "live"}})
    assert (await one(door, query="?draft=true"))["content"]["text"] == "draft"
    assert (await one(door, query="?draft=false"))["content"]["text"] == "live"


async def test_members_beside_the_content_are_changed_one_by_one_and_null_changes_nothing(door):
    await make(door, description="d", options={"open_tracking": False})
    await door.call("PUT", "templates/spring", json={"name": "Spring", **UNSET, "content": None, "published": None})
    found = await one(door)
    assert (found["name"], found["description"], found["options"]) == ("Spring", "d", {"open_tracking": False})


async def test_the_list_has_no_content(door):
    await make(door, name="a")
    await make(door, name="b", published=True)
    listed = (await door.call("GET", "templates")).json()["results"]
    assert [(t["id"], t["published"], t["has_draft"], t["shared_with_subaccount"]) for t in listed] == [
        ("a", False, True, False),
        ("b", True, False, False),
    ]
    assert all("content" not in t for t in listed)
    assert [t["id"] for t in (await door.call("GET", "templates?draft=true")).json()["results"]] == ["a"]


async def test_an_id_is_made_where_there_is_only_a_name(door):
    answer = await door.call("POST", "templates", json={"name": "Spring sale", "content": CONTENT})
    made = answer.json()["results"]["id"]
    assert made.isdigit()
    assert (await one(door, made))["name"] == "Spring sale"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"id": None}, 422, "1400"),
        ({"content": None}, 422, "1400"),
        ({"id": "x" * 65}, 422, "1300"),
        ({"id": "a/b"}, 422, "1300"),
        ({"name": "x" * 1025}, 422, "1300"),
        ({"content": {**CONTENT, "subject": None}}, 422, "1400"),
        ({"content": {**CONTENT, "text": None}}, 422, "1400"),
        ({"content": {**CONTENT, "from": "no-domain"}}, 400, "7001"),
        ({"content": {"template_id": "other"}}, 422, "1300"),
        ({"content": {**CONTENT, "attachments": [{"name": "a", "type": "text/plain", "data": "YQ=="}]}}, 422, "1300"),
        ({"content": {**CONTENT, "headers": {"Subject": "x"}}}, 422, "3002"),
        ({"content": {**CONTENT, "html": "x" * (5 * 1024 * 1024)}}, 422, "1300"),
        ({"content": {"email_rfc822": "no header at all"}}, 422, "3020"),
        ({"published": "yes"}, 422, "1300"),
    ],
)
async def test_what_cannot_be_stored_is_refused(door, body, status, code):
    answer = await door.call("POST", "templates", json={"id": "t", "content": CONTENT, **body})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code), answer.text
    assert (await door.call("GET", "templates")).json() == {"results": []}


async def test_a_syntax_error_is_told_with_part_and_line(door):
    answer = await make(door, content={**CONTENT, "html": "<p>\n\n{{if (a)}}{{end}}{{b )}}"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "message": "substitution language syntax error in template content",
            "description": "Error while compiling part html: line 3: syntax error near ')'",
            "code": "3000",
            "part": "html",
            "line": 3,
        }
    ]
    subject = (await make(door, content={**CONTENT, "subject": "{{a"})).json()["errors"][0]
    assert (subject["part"], subject["line"]) == ("Header:Subject", 1)


async def test_an_id_that_is_taken_is_refused(door):
    await make(door)
    answer = await make(door)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "3030")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_template_that_is_none_is_not_found(door, method):
    body = {"json": {}} if method == "PUT" else {}
    answer = await door.call(method, "templates/nope", **body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, "1600")


async def test_a_preview_shows_every_member(door):
    content = {
        **CONTENT,
        "html": "<p>{{first}}</p>",
        "reply_to": "Help <help@acme.test>",
        "headers": {"X-Batch": "{{n}}"},
    }
    await make(door, content=content)
    data = {"substitution_data": {"first": "K&m", "n": 7}}
    answer = await door.call("POST", "templates/spring/preview", json=data)
    assert answer.json()["results"] == {
        "from": {"email": "news@acme.test", "name": "Acme"},
        "subject": "Hi K&m",
        "reply_to": "Help <help@acme.test>",
        "text": "Hello K&m",
        "html": "<p>K&amp;m</p>",
        "headers": {"X-Batch": "7"},
    }
    assert (await door.call("POST", "templates/spring/preview?draft=false", json=data)).status_code == 404


async def test_a_preview_that_cannot_be_rendered_tells_where(door):
    await make(door, content={**CONTENT, "text": "a\n{{first - 1}}"})
    answer = await door.call("POST", "templates/spring/preview", json={"substitution_data": {"first": "Kim"}})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"], error["part"], error["line"]) == (422, "3001", "text", 2)


async def test_a_raw_template_is_previewed_whole(door):
    raw = "From: news@acme.test\r\nSubject: Hi {{first}}\r\n\r\nHello {{first}}\r\n"
    assert (await make(door, content={"email_rfc822": raw})).status_code == 200
    shown = (await door.call("POST", "templates/spring/preview", json={"substitution_data": {"first": "Kim"}})).json()["results"]
    assert "Subject: Hi Kim" in shown["email_rfc822"]
    assert "Hello Kim" in shown["email_rfc822"]


async def test_content_can_be_previewed_without_being_stored(door):
    answer = await door.call("POST", "utils/content-previewer", json={"content": CONTENT, "substitution_data": {"first": "Kim"}})
    assert answer.json()["results"]["text"] == "Hello Kim"
    for body in ({"content": CONTENT}, {"substitution_data": {}}, {"content": {"html": None}, "substitution_data": {}}):
        assert (await door.call("POST", "utils/content-previewer", json=body)).status_code == 422


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ({"html": "<p>{{first}}</p>"}, {"html": "<p>K&amp;m</p>"}),
        ({"text": "Hi {{first}}", "headers": {"X-A": "{{first}}"}}, {"text": "Hi K&m", "headers": {"X-A": "K&m"}}),
        ({"amp_html": "<i>{{first}}</i>"}, {"amp_html": "<i>K&amp;m</i>"}),
        ({"subject": "Hi {{first}}"}, {"subject": "Hi K&m"}),
        (
            {"from": "{{first}} <a@acme.test>", "reply_to": "b@acme.test"},
            {"from": {"email": "a@acme.test", "name": "K&m"}, "reply_to": "b@acme.test"},
        ),
    ],
)
async def test_the_previewer_shows_the_members_that_were_given_and_no_other(door, content, shown):
    body = {"content": content, "substitution_data": {"first": "K&m"}}
    answer = await door.call("POST", "utils/content-previewer", json=body)
    assert (answer.status_code, answer.json()) == (200, {"results": shown}), answer.text


@pytest.mark.parametrize(
    ("content", "code"),
    [({"html": "{{if"}, "3000"), ({"headers": {"Subject": "x"}}, "3002"), ({"text": "{{first - 1}}"}, "3001")],
)
async def test_a_member_that_cannot_be_rendered_is_told_though_others_are_missing(door, content, code):
    body = {"content": content, "substitution_data": {"first": "Kim"}}
    answer = await door.call("POST", "utils/content-previewer", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, code), answer.text


async def test_five_megabytes_of_a_template_are_bytes_of_utf_8(door):
    half = 5 * 1024 * 1024 // 2
    assert (await make(door, content={**CONTENT, "text": None, "html": "ü" * half})).status_code == 200
    answer = await make(door, id="more", content={**CONTENT, "text": "", "html": "ü" * half + "x"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "1300")


# sending ---------------------------------------------------------------------------------------------------------------


async def send(door: ResourceDoor, *, headers: dict[str, str] | None = None, **changes: Any) -> Any:
    body = {"recipients": [{"address": "kim@there.test", "substitution_data": {"first": "Kim"}}], **changes}
    return await door.door.send(body, headers=headers)


async def test_a_message_is_made_of_the_published_version(door):
    await make(door, published=True)
    await door.call("PUT", "templates/spring", json={"content": {**CONTENT, "text": "draft"}})
    assert (await send(door, content={"template_id": "spring"})).status_code == 200
    assert (await send(door, content={"template_id": "spring", "use_draft_template": True})).status_code == 200
    published, draft = door.door.queue.chunks
    assert (published.content.text, published.facts.template_id, published.facts.template_version) == (
        "Hello {{first}}",
        "spring",
        "1",
    )
    assert (draft.content.text, draft.facts.template_version) == ("draft", "0")
    assert published.facts.friendly_from == "news@acme.test"
    assert b'"template_id":"spring"' in published.events[0].detail
    assert (await one(door))["last_use"].endswith("+00:00")


async def test_an_override_wins_over_the_template(door):
    await make(door, published=True)
    override = {"from": {"email": "fall@acme.test"}, "reply_to": "r@acme.test", "list_id": "<fall.acme.test>"}
    assert (await send(door, content={"template_id": "spring"}, override=override)).status_code == 200
    (chunk,) = door.door.queue.chunks
    assert (chunk.content.from_email, chunk.content.from_name, chunk.content.reply_to) == (
        "fall@acme.test",
        "Acme",
        "r@acme.test",
    )
    assert chunk.facts.list_id == "<fall.acme.test>"


async def test_an_override_gives_a_raw_template_its_list(door):
    await make(door, published=True, content={"email_rfc822": "From: news@acme.test\r\nList-Id: <old.acme.test>\r\n\r\nHi\r\n"})
    assert (await send(door, content={"template_id": "spring"}, override={"list_id": "<fall.acme.test>"})).status_code == 200
    assert (await send(door, content={"template_id": "spring"})).status_code == 200
    fall, own = door.door.queue.chunks
    assert fall.content.rfc822 == b"List-Id: <fall.acme.test>\r\nFrom: news@acme.test\r\n\r\nHi\r\n"
    assert (fall.facts.named_list, own.facts.named_list) == ("fall.acme.test", "old.acme.test")


@pytest.mark.parametrize(
    ("template", "call", "opens", "transactional"),
    [
        ({"open_tracking": False, "transactional": True}, {}, False, True),
        ({"open_tracking": False, "transactional": True}, {"open_tracking": True, "transactional": False}, True, False),
        ({}, {}, True, False),
    ],
)
async def test_options_of_the_call_win_over_those_of_the_template(door, template, call, opens, transactional):
    await make(door, published=True, options=template)
    assert (await send(door, content={"template_id": "spring"}, options=call)).status_code == 200
    (chunk,) = door.door.queue.chunks
    assert (chunk.facts.open_tracking, chunk.facts.initial_open, chunk.facts.transactional) == (opens, opens, transactional)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ({"template_id": "nope"}, 422, "1603"),
        ({"template_id": "spring"}, 422, "2005"),
        ({"template_id": "live", "use_draft_template": True}, 422, "2004"),
        ({"template_id": "live", "text": "x"}, 422, "1301"),
        ({"template_id": "live", "subject": "x"}, 422, "1301"),
    ],
)
async def test_a_template_that_cannot_be_used_refuses_the_call(door, content, status, code):
    await make(door)
    await make(door, name="live", published=True)
    answer = await send(door, content=content)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)
    assert door.door.queue.chunks == []


async def test_members_beside_a_template_id_are_ignored(door):
    await make(door, published=True)
    content = {"template_id": "spring", "from": "other@acme.test", "headers": {"X-A": "b"}, "reply_to": "x@acme.test"}
    assert (await send(door, content=content)).status_code == 200
    (chunk,) = door.door.queue.chunks
    assert (chunk.content.from_email, chunk.content.headers, chunk.content.reply_to) == ("news@acme.test", {}, None)


async def test_a_template_of_a_domain_that_is_not_ours_is_stored_and_not_sent(door):
    await make(door, content={**CONTENT, "from": "a@elsewhere.test"}, published=True)
    answer = await send(door, content={"template_id": "spring"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "7001")


async def test_a_template_that_a_scheduled_transmission_uses_cannot_be_changed_or_removed(door):
    await make(door, published=True)
    start = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    sent = await send(door, content={"template_id": "spring"}, options={"start_time": start})
    assert sent.status_code == 200, sent.text
    for method, body in (("PUT", {"json": {"name": "x"}}), ("DELETE", {})):
        answer = await door.call(method, "templates/spring", **body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "1602")
    await door.call("DELETE", f"transmissions/{sent.json()['results']['id']}")


# who sees what ----------------------------------------------------------------------------------------------------------


async def test_nobody_sees_or_uses_the_templates_of_another_account(door):
    await make(door, published=True)
    key = await door.stranger()
    assert (await door.call("GET", "templates", key=key)).json() == {"results": []}
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/preview"), ("GET", "/versions")):
        body = {"json": {}} if method in ("PUT", "POST") else {}
        assert (await door.call(method, f"templates/spring{path}", key=key, **body)).status_code == 404
    assert (await make(door, key=key)).status_code == 200  # the same id is free for others
    answer = await send(door, content={"template_id": "spring"}, headers={"Authorization": key})
    assert answer.json()["errors"][0]["code"] in ("2005", "7001")


async def test_a_subaccount_uses_its_own_templates_and_shared_ones(door):
    await make(door, name="secret", published=True)
    await make(door, name="shared", published=True, shared_with_subaccounts=True)
    key = await key_of(door, 12)
    await make(door, name="own", key=key, published=True)
    assert [t["id"] for t in (await door.call("GET", "templates", key=key)).json()["results"]] == ["own"]
    assert (await one(door, "shared", key=key))["id"] == "shared"
    assert (await door.call("GET", "templates/secret", key=key)).status_code == 404
    for method in ("PUT", "DELETE"):
        body = {"json": {"name": "x"}} if method == "PUT" else {}
        assert (await door.call(method, "templates/shared", key=key, **body)).status_code == 404
    assert (await make(door, name="n", key=key, shared_with_subaccounts=True)).status_code == 422
    assert {t["id"] for t in (await door.call("GET", "templates")).json()["results"]} == {"own", "secret", "shared"}
    assert [t.get("subaccount_id") for t in (await door.call("GET", "templates")).json()["results"]].count(12) == 1


# snippets --------------------------------------------------------------------------------------------------------------


async def snippet(door: ResourceDoor, name: str = "footer", **more: Any) -> Any:
    body = {"id": name, "content": {"html": "<p>bye {{first}}</p>", "text": "bye {{first}}"}, **more}
    return await door.door.client.post("/api/labs/snippets", json=body)


async def test_a_snippet_is_made_looked_at_changed_and_removed(door):
    client = door.door.client
    body = {"id": "footer", "name": "Footer", "content": {"html": "<p>bye</p>", "text": "bye"}}
    assert (await client.post("/api/labs/snippets", json=body)).json() == {"results": {"id": "footer"}}
    found = (await client.get("/api/labs/snippets/footer")).json()["results"]
    assert found["content"] == {"html": "<p>bye</p>", "text": "bye"}
    assert found["created_at"].endswith("Z")
    await client.put("/api/labs/snippets/footer", json={"content": {"text": ""}, "name": "F"})
    found = (await client.get("/api/labs/snippets/footer")).json()["results"]
    assert (found["name"], found["content"]) == ("F", {"html": "<p>bye</p>"})
    (listed,) = (await client.get("/api/labs/snippets")).json()["results"]
    assert "content" not in listed
    assert (await client.delete("/api/labs/snippets/footer")).status_code == 204
    assert (await client.get("/api/labs/snippets/footer")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": None}, 422),
        ({"content": None}, 422),
        ({"content": {}}, 422),
        ({"content": {"html": "{{if a}}"}}, 422),
        ({"content": {"html": "{{render_snippet('x')}}"}}, 422),
        ({"content": {"html": "{{ render_dynamic_content(dynamic_html.x) }}"}}, 422),
        ({"content": {"html": "x" * 102_401}}, 422),
    ],
)
async def test_a_snippet_that_cannot_be_is_refused(door, body, status):
    answer = await door.door.client.post("/api/labs/snippets", json={"id": "s", "content": {"html": "x"}, **body})
    assert answer.status_code == status, answer.text


async def test_a_template_shows_its_snippets_in_the_part_of_the_place(door):
    await snippet(door)
    content = {**CONTENT, "html": "{{render_snippet('footer')}}", "text": "{{render_snippet(which)}}"}
    await make(door, content=content)
    data = {"substitution_data": {"first": "<K>", "which": "footer"}}
    shown = (await door.call("POST", "templates/spring/preview", json=data)).json()["results"]
    assert (shown["html"], shown["text"]) == ("<p>bye &lt;K&gt;</p>", "bye <K>")


async def test_a_snippet_that_is_missing_or_named_too_often_fails(door):
    await snippet(door)
    for html, says in (
        ("{{render_snippet('nope')}}", "there is no snippet 'nope'"),
        ("{{render_snippet('footer')}}" * 6, "5 times"),
    ):
        body = {"content": {**CONTENT, "html": html}, "substitution_data": {}}
        (error,) = (await door.call("POST", "utils/content-previewer", json=body)).json()["errors"]
        assert error["code"] == "3001"
        assert says in error["description"]


async def test_calls_of_snippets_are_counted_over_all_parts_of_a_template(door):
    await snippet(door)
    call = "{{render_snippet('footer')}}"
    for more, status in (("", 200), (call, 422)):
        content = {**CONTENT, "subject": "{{first}}", "text": call * 2, "html": call * 3 + more}
        answer = await door.call("POST", "utils/content-previewer", json={"content": content, "substitution_data": {}})
        assert answer.status_code == status, answer.text
    raw = f"From: a@acme.test\r\nSubject: {call}\r\n\r\n{call * 4}\r\n"
    for text, status in ((raw, 200), (raw + call, 422)):
        body = {"content": {"email_rfc822": text}, "substitution_data": {}}
        assert (await door.call("POST", "utils/content-previewer", json=body)).status_code == status


async def test_a_preview_knows_the_names_that_a_message_knows(door):
    text = "{{address.email}} {{email}} {{email_id}} {{env_from}} {{return_path}}"
    who, sender = "recipient@example.com", "bounces@example.com"
    for content in ({"text": text}, {"email_rfc822": f"From: a@acme.test\r\n\r\n{text}\r\n"}):
        answer = await door.call("POST", "utils/content-previewer", json={"content": content, "substitution_data": {}})
        (shown,) = answer.json()["results"].values()
        assert f"{who} {who} {who} {sender} {sender}" in shown.replace("=\r\n", "")


async def test_snippets_of_another_account_are_not_there(door):
    await snippet(door)
    headers = {"Authorization": await door.stranger()}
    for method in ("GET", "PUT", "DELETE"):
        answer = await door.door.client.request(
            method, "/api/labs/snippets/footer", headers=headers, json={} if method == "PUT" else None
        )
        assert answer.status_code == 404
