"""/ab-test and /ab-test/draft: made, changed, run, cancelled, removed; and sent with a transmission."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from homing.abtests.types import Counts
from homing.accounts import store as accounts
from homing.events.types import EventType
from tests.kit.resources import ResourceDoor, resource_door

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
TEMPLATES = ("pc-a", "pc-b", "pc-c")


def iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")


BODY: dict[str, Any] = {
    "id": "pay-conf",
    "name": "Pay conf",
    "default_template": {"template_id": "pc-a", "percent": 60},
    "variants": [{"template_id": "pc-b", "percent": 40}],
    "metric": "count_unique_confirmed_opened",
    "audience_selection": "percent",
    "test_mode": "bayesian",
    "start_time": iso(NOW - DAY),
    "confidence_level": 0.99,
}
FUTURE = {"start_time": iso(NOW + DAY)}


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        await made.door.domain()
        for template_id in TEMPLATES:
            await template(made, template_id)
        yield made


async def template(door: ResourceDoor, template_id: str, **changes: Any) -> None:
    content = {"from": "news@acme.test", "subject": f"{template_id} {{{{first}}}}", "text": "x"}
    sub = changes.pop("sub", None)
    body = {"id": template_id, "name": template_id, "content": content, "published": True, **changes}
    answer = await door.call("POST", "templates", json=body, sub=sub)
    assert answer.status_code == 200, answer.text


async def make(
    door: ResourceDoor, *, path: str = "ab-test", key: str = "", sub: str | None = None, **changes: Any
) -> httpx.Response:
    body = {name: value for name, value in (BODY | changes).items() if value is not None}
    return await door.call("POST", path, json=body, key=key, sub=sub)


async def get(door: ResourceDoor, path: str = "ab-test/pay-conf", **options: Any) -> dict[str, Any]:
    answer = await door.call("GET", path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def set_(door: ResourceDoor, **columns: Any) -> None:
    """Let time have passed: set columns of the test's row."""
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=1))
    await door.pool.execute(f"UPDATE ab_tests SET {names}", *columns.values())
    door.door.ab_tests.forget()


async def count(door: ResourceDoor, **counts: Counts) -> None:
    for name, one in counts.items():
        await door.pool.execute(
            "INSERT INTO ab_test_counts SELECT account_id, subaccount_id, test_id, version, $1, $2, $3, $4, $5 FROM ab_tests "
            "ORDER BY version DESC LIMIT 1",
            name.replace("_", "-"),
            *one,
        )
    door.door.ab_tests.forget()


async def send(door: ResourceDoor, recipient: str = "kim@there.test", **changes: Any) -> httpx.Response:
    content = {"ab_test_id": "pay-conf"} | changes.pop("content", {})
    return await door.door.send({"recipients": [{"address": recipient}], "content": content} | changes)


def refused(answer: httpx.Response, status: int, message: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json() == {"errors": [{"message": message}]}


async def told(door: ResourceDoor) -> list[tuple[EventType, dict[str, Any]]]:
    """Return the events that wait to come into the log."""
    rows = await door.pool.fetch("SELECT payload FROM inbox WHERE kind = 'tell' ORDER BY item_id")
    events = [event for row in rows for event in msgspec.msgpack.decode(row["payload"])]
    return [(EventType(one["type"]), msgspec.json.decode(one["detail"])["ab_test"]) for one in events]


async def test_a_test_is_made_and_shown(door):
    answer = await make(door)
    assert answer.json() == {"results": {"id": "pay-conf"}}
    found = await get(door)
    created = found.pop("created_at")
    assert found.pop("updated_at") == created
    assert found == {
        "id": "pay-conf",
        "name": "Pay conf",
        "version": 1,
        "status": "running",
        "metric": "count_unique_confirmed_opened",
        "audience_selection": "percent",
        "test_mode": "bayesian",
        "start_time": iso(NOW - DAY),
        "end_time": iso(NOW + 28 * DAY),
        "confidence_level": 0.99,
        "engagement_timeout": 24,
        "default_template": {
            "template_id": "pc-a",
            "percent": 60,
            "count_unique_confirmed_opened": 0,
            "count_accepted": 0,
            "engagement_rate": 0,
        },
        "variants": [
            {
                "template_id": "pc-b",
                "percent": 40,
                "count_unique_confirmed_opened": 0,
                "count_accepted": 0,
                "engagement_rate": 0,
            }
        ],
    }


async def test_counts_are_shown_while_it_runs(door):
    await make(door)
    await count(door, pc_a=Counts(1010, 1000, 100, 50), pc_b=Counts(0, 600, 90, 30))
    found = await get(door)
    assert found["default_template"]["engagement_rate"] == 0.1
    assert (found["variants"][0]["count_unique_confirmed_opened"], found["variants"][0]["engagement_rate"]) == (90, 0.15)
    assert "count_unique_clicked" not in found["variants"][0]
    (listed,) = await get(door, "ab-test")
    assert listed == found


async def test_a_test_of_clicks_shows_clicks_and_one_that_has_not_begun_shows_nothing(door):
    await make(door, metric="count_unique_clicked", **FUTURE)
    found = await get(door)
    assert (found["status"], found["default_template"]) == ("scheduled", {"template_id": "pc-a", "percent": 60})
    await set_(door, start_at=NOW - DAY)
    assert (await get(door))["variants"][0]["count_unique_clicked"] == 0


async def test_an_id_is_made_of_the_name(door):
    assert (await make(door, id=None, name="Pay: Conf, 2!")).json()["results"]["id"] == "pay-conf-2"
    refused(await make(door, id="pay-conf-2"), 409, "A/B test pay-conf-2 already exists")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "name is required"),
        ({"default_template": None}, "default_template is required"),
        ({"default_template": {"percent": 60}}, "default_template must have a template_id"),
        ({"variants": None}, "variants is required: at least one template to compare the default template with"),
        ({"variants": [{"percent": 40}]}, "Variants must have a template_id"),
        ({"variants": [{"template_id": f"t{n}", "percent": 1} for n in range(21)]}, "variants must have at most 20 templates"),
        ({"metric": None}, "metric is required"),
        ({"metric": "opens"}, "metric must be one of: count_unique_clicked, count_unique_confirmed_opened"),
        ({"audience_selection": None}, "audience_selection is required"),
        ({"audience_selection": "all"}, "audience_selection must be one of: sample_size, percent"),
        ({"test_mode": None}, "test_mode is required"),
        ({"test_mode": "magic"}, "test_mode must be one of: bayesian, learning"),
        ({"start_time": None}, "start_time is required"),
        ({"start_time": "tomorrow"}, "start_time must be a date in ISO 8601, for example 2026-04-03T22:08:33Z"),
        ({"start_time": iso(NOW - 40 * DAY)}, "end_time has passed; choose a later start_time or end_time"),
        ({"end_time": iso(NOW - 2 * DAY)}, "end_time must be later than start_time"),
        (
            {"end_time": iso(NOW + 40 * DAY)},
            "a test lasts at most 30 days from start_time, engagement_timeout included; choose an earlier end_time",
        ),
        ({"variants": [{"template_id": "pc-a", "percent": 40}]}, "default_template and variants must be different templates"),
        ({"variants": [{"template_id": "pc-b"}]}, "Variants must have a percent"),
        ({"audience_selection": "sample_size"}, "default_template must have a sample_size"),
        ({"variants": [{"template_id": "pc-b", "percent": 30}]}, "percent of default_template and variants must add up to 100"),
        ({"variants": [{"template_id": "pc-b", "percent": -1}]}, "percent must be a number above 0, up to 100"),
        ({"variants": [{"template_id": "nope", "percent": 40}]}, "template nope does not exist"),
        ({"variants": [{"template_id": "a\0", "percent": 40}]}, "Variants must have a template_id"),
        ({"confidence_level": 1}, "confidence_level must be a number from 0.5 to below 1"),
        ({"engagement_timeout": -1}, "engagement_timeout must be a number of hours from 0 to 696"),
        ({"total_sample_size": 0}, "total_sample_size must be a number from 1 to 1000000000"),
        ({"id": "a b"}, "id must have 1 to 64 letters, digits, - and _"),
        ({"id": "draft"}, "id must not be 'draft'"),
        ({"id": None, "name": "???"}, "id must have 1 to 64 letters, digits, - and _"),
        ({"name": "a\0b"}, "name must be 1 to 1024 bytes of printable characters"),
    ],
)
async def test_what_cannot_be_a_test_is_told_in_a_message_alone(door, changes, message):
    refused(await make(door, **changes), 400, message)
    assert await get(door, "ab-test") == []


async def test_a_template_that_was_never_published_cannot_be_tested(door):
    await template(door, "raw", published=False)
    refused(await make(door, variants=[{"template_id": "raw", "percent": 40}]), 400, "template raw has no published version")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", ""), ("POST", "/cancel"), ("GET", "?version=2")],
)
async def test_a_test_that_is_none_is_not_found(door, method, path):
    await make(door, id="other")
    body = {"json": {}} if method in ("PUT", "POST") else {}
    refused(await door.call(method, f"ab-test/nope{path}", **body), 404, "A/B test nope does not exist")
    refused(await door.call("DELETE", "ab-test/nope"), 404, "Resource could not be found")
    refused(await door.call("GET", "ab-test/%00"), 404, "A/B test  does not exist")


async def test_a_running_test_cannot_be_changed_and_one_that_waits_for_its_start_can(door):
    await make(door)
    refused(await door.call("PUT", "ab-test/pay-conf", json={"name": "x"}), 409, "A/B test pay-conf is running")
    await make(door, id="later", **FUTURE)
    answer = await door.call("PUT", "ab-test/later", json={"name": "Later", "start_time": iso(NOW + 2 * DAY)})
    assert answer.json() == {"results": {"version": 1}}
    found = await get(door, "ab-test/later")
    assert (found["name"], found["end_time"]) == ("Later", iso(NOW + 31 * DAY))
    answer = await door.call("PUT", "ab-test/later", json={"variants": [{"template_id": "nope", "percent": 40}]})
    refused(answer, 400, "template nope does not exist")


async def test_a_cancelled_test_is_told_and_restarts_as_its_next_version(door):
    await make(door)
    for _ in range(2):
        assert (await door.call("POST", "ab-test/pay-conf/cancel")).json() == {"results": {"status": "cancelled"}}
    ((kind, about),) = await told(door)
    assert kind is EventType.AB_TEST_CANCELLED
    assert about == {
        "id": "pay-conf",
        "name": "Pay conf",
        "version": 1,
        "test_mode": "bayesian",
        "engagement_metric": "count_unique_confirmed_opened",
        "default_template": {"template_id": "pc-a"},
        "variants": [{"template_id": "pc-b"}],
    }
    answer = await door.call("PUT", "ab-test/pay-conf", json={"confidence_level": 0.9})
    assert answer.json() == {"results": {"version": 2}}
    found = await get(door)
    assert (found["version"], found["status"], found["confidence_level"]) == (2, "running", 0.9)
    first = await get(door, "ab-test/pay-conf?version=1")
    assert (first["status"], first["confidence_level"]) == ("cancelled", 0.99)
    assert [one["version"] for one in await get(door, "ab-test")] == [2]


async def test_the_winner_becomes_the_default_of_the_next_version_unless_it_says_otherwise(door):
    await make(door)
    await set_(door, status="completed", winner="pc-b", over_at=NOW)
    found = await get(door)
    assert (found["status"], found["winning_template_id"]) == ("completed", "pc-b")
    await door.call("PUT", "ab-test/pay-conf", json={})
    found = await get(door)
    assert "winning_template_id" not in found
    assert found["default_template"]["template_id"] == "pc-b"
    assert [one["template_id"] for one in found["variants"]] == ["pc-a"]
    await door.call("POST", "ab-test/pay-conf/cancel")
    body = {"default_template": {"template_id": "pc-c", "percent": 60}}
    assert (await door.call("PUT", "ab-test/pay-conf", json=body)).json() == {"results": {"version": 3}}
    assert (await get(door))["default_template"]["template_id"] == "pc-c"


async def test_only_what_is_over_can_be_removed(door):
    await make(door)
    message = "A/B test 'pay-conf' must have status 'cancelled' or 'completed' to use this endpoint"
    refused(await door.call("DELETE", "ab-test/pay-conf"), 409, message)
    await door.call("POST", "ab-test/pay-conf/cancel")
    await count(door, pc_a=Counts(1, 1, 1, 1))
    assert (await door.call("DELETE", "ab-test/pay-conf")).status_code == 204
    refused(await door.call("GET", "ab-test/pay-conf"), 404, "A/B test pay-conf does not exist")
    assert await door.pool.fetchval("SELECT count(*) FROM ab_test_counts") == 0


async def test_a_completed_test_cannot_be_cancelled(door):
    await make(door)
    await set_(door, status="completed")
    message = "A/B test 'pay-conf' must have status 'scheduled' or 'running' to use this endpoint"
    refused(await door.call("POST", "ab-test/pay-conf/cancel"), 409, message)


async def test_lists_are_filtered_by_status(door):
    await make(door, id="running")
    await make(door, id="scheduled", **FUTURE)
    await make(door, id="cancelled")
    await door.call("POST", "ab-test/cancelled/cancel")
    await make(door, path="ab-test/draft", id="drafted")
    for status, expected in (
        ("running", "running"),
        ("scheduled", "scheduled"),
        ("cancelled", "cancelled"),
        ("draft", "drafted"),
    ):
        assert [one["id"] for one in await get(door, f"ab-test?status={status}")] == [expected]
    assert len(await get(door, "ab-test")) == 4
    answer = await door.call("GET", "ab-test?status=waiting")
    refused(answer, 400, "status must be one of: draft, scheduled, running, cancelled, completed")
    refused(await door.call("GET", "ab-test/running?version=x"), 400, "version must be a number, 1 or more")


async def test_a_draft_is_built_step_by_step_and_scheduled(door):
    body = {"id": "mine", "name": "my draft", "default_template": {"template_id": "not-made-yet", "percent": 50}}
    assert (await door.call("POST", "ab-test/draft", json=body)).json() == {"results": {"id": "mine"}}
    found = await get(door, "ab-test/draft/mine")
    assert {name: found[name] for name in ("id", "name", "version", "status", "default_template")} == {
        "id": "mine",
        "name": "my draft",
        "version": 1,
        "status": "draft",
        "default_template": {"template_id": "not-made-yet", "percent": 50},
    }
    assert not {"variants", "start_time", "metric"} & set(found)
    when = {"start_time": iso(NOW + DAY), "end_time": iso(NOW + 5 * DAY), "engagement_timeout": 4}
    path = "ab-test/draft/mine"
    refused(
        await door.call("POST", f"{path}/schedule", json=when),
        400,
        "variants is required: at least one template to compare the default template with",
    )
    changes = {name: BODY[name] for name in ("metric", "audience_selection", "test_mode", "confidence_level")}
    changes["variants"] = [{"template_id": "pc-b", "percent": 50}]
    assert (await door.call("PUT", path, json=changes)).json() == {"results": {"id": "mine"}}
    refused(await door.call("POST", f"{path}/schedule", json={}), 400, "start_time is required")
    refused(await door.call("POST", f"{path}/schedule", json=when), 400, "template not-made-yet does not exist")
    await door.call("PUT", path, json={"default_template": {"template_id": "pc-a", "percent": 50}})
    assert (await door.call("POST", f"{path}/schedule", json=when)).json() == {"results": {"id": "mine"}}
    found = await get(door, "ab-test/mine")
    assert (found["status"], found["end_time"], found["engagement_timeout"]) == ("scheduled", iso(NOW + 5 * DAY), 4)
    for method, rest in (("PUT", ""), ("DELETE", ""), ("POST", "/schedule")):
        answer = await door.call(method, f"{path}{rest}", **({} if method == "DELETE" else {"json": when}))
        refused(answer, 409, "A/B test 'mine' must have status 'draft' to use this endpoint")
    refused(await door.call("GET", path), 404, "A/B test mine does not exist")


async def test_a_draft_can_be_removed_and_is_no_test(door):
    await make(door, path="ab-test/draft", id="mine")
    assert (await get(door, "ab-test/mine"))["status"] == "draft"
    for method, path in (("PUT", "ab-test/mine"), ("POST", "ab-test/mine/cancel"), ("DELETE", "ab-test/mine")):
        answer = await door.call(method, path, **({"json": {}} if method == "PUT" else {}))
        assert answer.status_code == 409
    assert (await door.call("DELETE", "ab-test/draft/mine")).status_code == 204
    refused(await door.call("DELETE", "ab-test/draft/mine"), 404, "Resource could not be found")
    body = {"name": "x", "default_template": {}}
    refused(await door.call("POST", "ab-test/draft", json=body), 400, "default_template must have a template_id")


async def test_nobody_sees_or_changes_the_tests_of_another_account(door):
    await make(door)
    key = await door.stranger()
    assert await get(door, "ab-test", key=key) == []
    for method, path in (("GET", ""), ("PUT", ""), ("POST", "/cancel"), ("DELETE", "")):
        body = {"json": {}} if method == "PUT" else {}
        assert (await door.call(method, f"ab-test/pay-conf{path}", key=key, **body)).status_code == 404
    answer = await make(door, key=key)
    refused(answer, 400, "template pc-a does not exist")
    assert (await get(door))["status"] == "running"


async def test_subaccounts_have_tests_of_their_own(door):
    await template(door, "pc-a", sub="7")
    await template(door, "pc-b", sub="7")
    await make(door)
    assert (await make(door, sub="7", name="Seven")).status_code == 200
    assert [one["name"] for one in await get(door, "ab-test", sub="7")] == ["Seven"]
    assert [one["name"] for one in await get(door, "ab-test", sub="0")] == ["Pay conf"]
    assert {one.get("subaccount_id") for one in await get(door, "ab-test")} == {None, 7}
    assert (await get(door, sub="7"))["name"] == "Seven"
    await door.call("POST", "ab-test/pay-conf/cancel", sub="7")
    assert (await get(door, sub="0"))["status"] == "running"
    assert (await door.call("GET", "ab-test/pay-conf", sub="8")).status_code == 404


async def test_without_the_grant_there_is_nothing(door):
    key = await door.door.key_with("templates/modify")
    assert (await door.call("GET", "ab-test", key=key)).status_code == 403
    assert (await make(door, key=key)).status_code == 403


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"[1]", 422), (b'{"name":7}', 422), (b'{"variants":"x"}', 422), (b'{"name":"\\ud800"}', 400), (b"\xff", 400)],
)
async def test_a_body_that_cannot_be_read_is_refused(door, content, status):
    for path in ("ab-test", "ab-test/draft"):
        assert (await door.call("POST", path, content=content)).status_code == status


# sending ---------------------------------------------------------------------------------------------------------------


async def sent(door: ResourceDoor, recipient: str = "kim@there.test", **changes: Any) -> Any:
    """Send, and return the facts of what was handed over."""
    answer = await send(door, recipient, **changes)
    assert answer.status_code == 200, answer.text
    return door.door.queue.chunks[-1].facts


async def test_while_it_runs_recipients_get_the_templates_and_are_marked(door):
    await make(door)
    found: dict[str, str] = {}
    for number in range(40):
        facts = await sent(door, f"u{number}@there.test")
        assert (facts.ab_test_id, facts.ab_test_version) == ("pay-conf", "1")
        found[f"u{number}@there.test"] = facts.template_id
    assert set(found.values()) == {"pc-a", "pc-b"}
    for recipient, template_id in list(found.items())[:10]:
        assert (await sent(door, recipient)).template_id == template_id
    injection = door.door.queue.chunks[-1].events[0]
    detail = msgspec.json.decode(injection.detail)
    assert (detail["ab_test_id"], detail["ab_test_version"]) == ("pay-conf", "1")
    assert detail["template_id"] in ("pc-a", "pc-b")


@pytest.mark.parametrize(
    ("columns", "template_id"),
    [
        ({"start_at": NOW + DAY}, "pc-a"),
        ({"end_at": NOW - timedelta(hours=1)}, "pc-a"),
        ({"ended_at": NOW - timedelta(hours=1)}, "pc-a"),
        ({"status": "cancelled"}, "pc-a"),
        ({"status": "completed"}, "pc-a"),
        ({"status": "completed", "winner": "pc-b"}, "pc-b"),
    ],
)
async def test_outside_a_run_the_default_or_the_winner_is_sent_unmarked(door, columns, template_id):
    await make(door)
    await set_(door, **columns)
    for number in range(5):
        facts = await sent(door, f"u{number}@there.test")
        assert (facts.template_id, facts.ab_test_id) == (template_id, "")


async def test_a_full_sample_gives_way(door):
    arms = {
        "audience_selection": "sample_size",
        "default_template": {"template_id": "pc-a", "sample_size": 10},
        "variants": [{"template_id": "pc-b", "sample_size": 10}],
    }
    await make(door, **arms)
    await count(door, pc_a=Counts(10, 0, 0, 0))
    assert {(await sent(door, f"u{number}@there.test")).template_id for number in range(8)} == {"pc-b"}


async def test_a_test_that_does_not_exist_cannot_be_sent(door):
    await make(door, path="ab-test/draft")
    for test_id in ("nope", "pay-conf", "", "a\0b"):
        answer = await send(door, content={"ab_test_id": test_id})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["message"], error["code"]) == ("Subresource not found", "1603")
        assert error["description"] == f"ab_test_id '{test_id}' does not exist"


async def test_a_test_has_a_single_recipient_and_no_other_content(door):
    await make(door)
    two = [{"address": "a@there.test"}, {"address": "b@there.test"}]
    for changes in (
        {"recipients": two},
        {"recipients": {"list_id": "grads"}},
        {"content": {"subject": "x"}},
        {"content": {"text": "x"}},
        {"content": {"template_id": "pc-a"}},
        {"content": {"email_rfc822": "x"}},
    ):
        answer = await send(door, **changes)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "1301"), changes


async def test_a_template_that_has_gone_is_told_by_its_name(door):
    await make(door)
    await set_(door, status="completed", winner="gone")
    answer = await send(door)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["description"] == "template 'gone' does not exist"


async def test_override_and_options_hold_for_a_test_as_for_a_template(door):
    await make(door)
    facts = await sent(door, override={"from": {"email": "fall@acme.test"}}, options={"open_tracking": False}, campaign_id="c")
    assert (facts.friendly_from, facts.open_tracking, facts.campaign_id) == ("fall@acme.test", False, "c")


async def test_a_subaccount_sends_its_own_tests_alone(door):
    await make(door)
    made = await accounts.create_key(
        door.pool, account_id=door.account_id, subaccount_id=7, label="s", grants=["transmissions/modify"]
    )
    body = {"recipients": [{"address": "kim@there.test"}], "content": {"ab_test_id": "pay-conf"}}
    answer = await door.door.send(body, headers={"Authorization": made.clear})
    assert answer.json()["errors"][0]["code"] == "1603"
