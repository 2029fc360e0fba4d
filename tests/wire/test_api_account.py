import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from homing.accounts import store, usage
from homing.accounts.rules.usage import hour_of
from homing.accounts.types import Limits
from homing.ground.errors import StoreUnavailable
from tests.kit.resources import ResourceDoor, resource_door

OPTIONS = {
    "smtp_tracking_default": False,
    "rest_tracking_default": True,
    "click_tracking": True,
    "initial_open_pixel_tracking": True,
    "transactional_default": False,
    "transactional_unsub": False,
}
PART_OF_A_LIST = [{"address": f"u{n}@there.test"} for n in range(3)]


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


def errors(answer):
    return answer.status_code, answer.json()["errors"][0]


async def account(door: ResourceDoor, query: str = "", **how):
    return (await door.call("GET", f"account{query}", **how)).json()["results"]


async def counted(door: ResourceDoor, *, messages: int, ago: timedelta = timedelta(0), shard: int = 1) -> None:
    """Count messages as a transaction that took them so long ago."""
    await usage.count(door.pool, {(door.account_id, hour_of(datetime.now(UTC) - ago)): messages}, shard=shard)


# the account ------------------------------------------------------------------------------------------------------------


async def test_an_account_shows_itself_with_its_defaults(door: ResourceDoor):
    shown = await account(door)
    assert (shown["customer_id"], shown["company_name"], shown["status"]) == (door.account_id, "acme", "active")
    assert (shown["tfa_required"], shown["options"]) == (False, OPTIONS)
    assert shown["created"].endswith("Z")
    assert "usage" not in shown
    assert "plan_volume" not in shown["subscription"]


async def test_options_are_merged_and_the_rest_stays(door: ResourceDoor):
    for options in ({"smtp_tracking_default": True}, {"click_tracking": False, "unknown": 1, "transactional_unsub": None}, {}):
        answer = await door.call("PUT", "account", json={"options": options})
        assert answer.json() == {"results": {"message": "Account has been updated"}}
    assert (await door.call("PUT", "account/", json={"company_name": " Acme Ltd "})).status_code == 200
    assert (await door.call("PUT", "account", json={"tfa_required": False, "options": None})).status_code == 200
    shown = await account(door)
    assert shown["options"] == OPTIONS | {"smtp_tracking_default": True, "click_tracking": False}
    assert shown["company_name"] == "Acme Ltd"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"company_name": ""}, 422, "1300"),
        ({"company_name": "a\0b"}, 422, "1300"),
        ({"company_name": "x" * 256}, 422, "1300"),
        ({"company_name": 5}, 422, "1300"),
        ({"options": []}, 422, "1300"),
        ({"options": {"click_tracking": "yes"}}, 422, "1300"),
        ({"tfa_required": True}, 400, "1200"),
        ({"tfa_required": "x"}, 422, "1300"),
        ([], 422, "1300"),
    ],
)
async def test_a_bad_change_is_called_what_it_is_and_changes_nothing(door: ResourceDoor, body, status, code):
    before = await account(door)
    found = errors(await door.call("PUT", "account", json=body))
    assert (found[0], found[1]["code"]) == (status, code)
    assert await account(door) == before


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"x":' + b"[" * 100_000, b'{"company_name": "\\ud800"}'])
async def test_what_is_no_json_is_a_400(door: ResourceDoor, content):
    assert (await door.call("PUT", "account", content=content)).status_code == 400


async def test_grants_are_asked_for(door: ResourceDoor):
    for grants, can in (
        (("account/view",), {"GET account", "GET usage", "GET usage/history"}),
        (("account/manage",), {"GET account", "PUT account", "GET usage", "GET usage/history"}),
        (("account/read-write",), {"GET account", "PUT account", "GET usage", "GET usage/history"}),
        (("usage/view",), {"GET usage", "GET usage/history"}),
        (("smtp/inject",), set()),
    ):
        key = await door.door.key_with(*grants)
        for asked in ("GET account", "PUT account", "GET usage", "GET usage/history"):
            method, path = asked.split()
            body = {"json": {}} if method == "PUT" else {}
            assert (await door.call(method, path, key=key, **body)).status_code == (200 if asked in can else 403)


async def test_a_suspended_account_reads_that_it_is_suspended(door: ResourceDoor):
    await store.suspend(door.pool, door.account_id, at=datetime(2026, 5, 1, tzinfo=UTC))
    shown = await account(door)
    assert (shown["status"], shown["status_updated"]) == ("suspended", "2026-05-01T00:00:00.000Z")
    assert (await door.call("PUT", "account", json={})).status_code == 403
    assert (await door.door.send()).status_code == 403


async def test_each_account_has_its_own_options_and_figures(door: ResourceDoor):
    stranger = await door.stranger()
    await door.call("PUT", "account", key=stranger, json={"company_name": "Other", "options": {"click_tracking": False}})
    await counted(door, messages=5)
    assert (await account(door))["options"] == OPTIONS
    assert (await account(door, "?include=usage", key=stranger))["usage"]["month"]["used"] == 0
    other = await account(door, key=stranger)
    assert (other["company_name"], other["options"]["click_tracking"]) == ("Other", False)


# what the defaults do ---------------------------------------------------------------------------------------------------


async def test_the_next_transmission_obeys_the_options_of_the_account(door: ResourceDoor):
    await door.door.domain(shared=True)

    async def sent(**changes):
        assert (await door.door.send(**changes)).status_code == 200
        facts = door.door.queue.chunks[-1].facts
        return facts.open_tracking, facts.click_tracking, facts.initial_open, facts.transactional, facts.transactional_unsub

    assert await sent() == (True, True, True, False, False)
    changed = {"rest_tracking_default": False, "transactional_default": True, "transactional_unsub": True}
    await door.call("PUT", "account", json={"options": changed})
    assert await sent() == (False, False, False, True, True)
    assert await sent(options={"click_tracking": True, "transactional": False}) == (False, True, False, False, True)
    assert (await door.door.send(headers={"X-MSYS-SUBACCOUNT": "7"})).status_code == 200
    assert door.door.queue.chunks[-1].facts.open_tracking is False  # its subaccounts have them too


# what was sent ----------------------------------------------------------------------------------------------------------


async def test_usage_is_told_for_the_day_and_the_month_of_utc(door: ResourceDoor):
    now = datetime.now(UTC)
    await counted(door, messages=3)
    await counted(door, messages=4, shard=2)
    used = (await door.call("GET", "usage")).json()["results"]["messaging"]
    assert (used["day"]["used"], used["month"]["used"], used["last_usage_date"]) == (7, 7, now.date().isoformat())
    assert "limit" not in used["day"]
    assert used["day"]["start"] == f"{now:%Y-%m-%d}T00:00:00.000Z"
    assert used["month"]["start"] == f"{now:%Y-%m}-01T00:00:00.000Z"
    shown = (await account(door, "?include=usage"))["usage"]
    assert (shown["day"]["used"], shown["month"]["used"], shown["sandbox"]) == (7, 7, {"used": 0, "limit": 0})


async def test_an_account_that_never_sent_has_no_last_day(door: ResourceDoor):
    used = (await door.call("GET", "usage")).json()["results"]["messaging"]
    assert (used["day"]["used"], used["last_usage_date"]) == (0, None)


async def test_limits_are_shown_where_there_are_any(door: ResourceDoor):
    await store.set_limits(door.pool, door.account_id, Limits(hourly=10, daily=100, monthly=1000))
    used = (await door.call("GET", "usage")).json()["results"]["messaging"]
    assert (used["hour"]["limit"], used["day"]["limit"], used["month"]["limit"]) == (10, 100, 1000)
    assert (await account(door))["subscription"]["plan_volume"] == 1000


async def test_what_is_added_up_stays_what_it_was(door: ResourceDoor):
    now = datetime.now(UTC)
    await counted(door, messages=1)
    for hours in (3, 30, 24 * 40):
        for shard in (1, 2, usage.WRITTEN_DOWN):
            await counted(door, messages=hours, ago=timedelta(hours=hours), shard=shard)
    before = (await door.call("GET", "usage")).json()["results"]["messaging"]
    history = (await door.call("GET", f"usage/history?from={now - timedelta(days=50):%Y-%m-%d}")).json()
    await usage.tidy(door.pool, now=now)
    await usage.tidy(door.pool, now=now)
    assert await door.pool.fetchval("SELECT count(*) FROM usage_hours") == 1
    after = (await door.call("GET", "usage")).json()["results"]["messaging"]
    assert (after["day"], after["month"], after["last_usage_date"]) == (before["day"], before["month"], before["last_usage_date"])
    assert (await door.call("GET", f"usage/history?from={now - timedelta(days=50):%Y-%m-%d}")).json() == history
    days = {day["date"]: day["usage"] for day in history["results"]["messaging"]}
    assert len(days) == 51
    assert sum(days.values()) == 1 + 3 * (3 + 30 + 24 * 40)
    await counted(door, messages=5, ago=timedelta(hours=30))  # who comes late is added to what was added up
    await usage.tidy(door.pool, now=now)
    again = (await door.call("GET", f"usage/history?from={now - timedelta(days=50):%Y-%m-%d}")).json()["results"]["messaging"]
    assert sum(day["usage"] for day in again) == sum(days.values()) + 5


async def test_a_history_is_the_last_month_unless_asked_otherwise(door: ResourceDoor):
    today = datetime.now(UTC).date()
    await counted(door, messages=2)
    found = (await door.call("GET", "usage/history")).json()["results"]["messaging"]
    assert len(found) == 31
    assert found[-1] == {"date": today.isoformat(), "usage": 2}
    one = (await door.call("GET", f"usage/history?from={today}&to={today + timedelta(days=9)}")).json()["results"]["messaging"]
    assert one == [{"date": today.isoformat(), "usage": 2}]


@pytest.mark.parametrize(
    "query", ["from=x", "to=2026-13-01", "from=0001-01-01", "from=9999-01-01", "from=1990-01-01", "from=%00"]
)
async def test_a_day_that_cannot_be_read_is_refused(door: ResourceDoor, query):
    assert (await door.call("GET", f"usage/history?{query}")).status_code == 400


async def test_usage_of_long_ago_is_forgotten(door: ResourceDoor):
    now = datetime.now(UTC)
    await counted(door, messages=1, ago=timedelta(days=500))
    await usage.tidy(door.pool, now=now)
    assert await door.pool.fetchval("SELECT count(*) FROM usage_days") == 0


# limits -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "message", "code"),
    [
        (Limits(hourly=2), "Exceed Sending Limit (hourly)", "2101"),
        (Limits(daily=2), "Exceed Sending Limit (daily)", "2102"),
        (Limits(monthly=2), "Exceed Sending Limit (monthly)", "2105"),
    ],
)
async def test_a_transmission_that_would_pass_a_limit_is_refused_whole(door: ResourceDoor, limits, message, code):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, limits)
    refused = await door.door.send(recipients=PART_OF_A_LIST)
    assert errors(refused) == (420, {"message": message, "code": code})
    assert door.door.queue.chunks == []
    assert (await door.door.send(recipients=PART_OF_A_LIST[:2])).status_code == 200


async def test_what_this_worker_took_counts_at_once(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=5))
    assert [(await door.door.send()).status_code for _ in range(7)] == [200] * 5 + [420] * 2


async def test_many_at_once_do_not_pass_a_limit_together(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=7))
    answers = await asyncio.gather(*(door.door.send() for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [420] * 13


async def test_what_others_took_is_seen_within_a_second(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=5))
    assert (await door.door.send()).status_code == 200
    await counted(door, messages=5)
    async with asyncio.timeout(5):
        while (await door.door.send()).status_code == 200:
            await asyncio.sleep(0.1)


async def test_what_could_not_be_stored_does_not_count(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=1))
    door.door.queue.trouble = StoreUnavailable("away")
    assert [(await door.door.send()).status_code for _ in range(3)] == [503] * 3
    door.door.queue.trouble = None
    assert (await door.door.send()).status_code == 200
    assert (await door.door.send()).status_code == 420


async def test_what_is_refused_for_another_reason_does_not_count(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=1))
    content = {"from": "a@elsewhere.test", "subject": "s", "text": "t"}
    assert [(await door.door.send(content=content)).status_code for _ in range(3)] == [400] * 3
    assert (await door.door.send()).status_code == 200


async def test_suppressed_recipients_count_and_invalid_ones_do_not(door: ResourceDoor):
    await door.door.domain()
    await door.call("PUT", "suppression-list/u0@there.test", json={"type": "non_transactional"})
    await store.set_limits(door.pool, door.account_id, Limits(daily=3))
    assert (await door.door.send(recipients=[*PART_OF_A_LIST, {"address": "nonsense"}])).status_code == 200
    assert (await door.door.send()).status_code == 420


async def test_subaccounts_share_the_limit_of_their_account(door: ResourceDoor):
    await door.door.domain(shared=True)
    await store.set_limits(door.pool, door.account_id, Limits(daily=1))
    assert (await door.door.send(headers={"X-MSYS-SUBACCOUNT": "7"})).status_code == 200
    assert (await door.door.send(headers={"X-MSYS-SUBACCOUNT": "8"})).status_code == 420
    assert (await door.door.send()).status_code == 420


async def test_another_accounts_limit_is_its_own(door: ResourceDoor):
    await door.door.domain()
    stranger = await store.get_or_create_account(door.pool, "stranger")
    await store.set_limits(door.pool, stranger.account_id, Limits(daily=0))
    assert (await door.door.send()).status_code == 200


async def test_a_limit_that_is_lifted_holds_no_longer(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=0))
    assert (await door.door.send()).status_code == 420
    await store.set_limits(door.pool, door.account_id, Limits())
    door.door.authenticator.forget()
    assert (await door.door.send()).status_code == 200


async def test_scheduled_and_list_transmissions_count_when_they_are_handed_in(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=7))
    await door.call("POST", "recipient-lists", json={"id": "three", "recipients": PART_OF_A_LIST})
    start = (datetime.now(UTC) + timedelta(hours=30)).isoformat(timespec="seconds")
    assert (await door.door.send(recipients={"list_id": "three"})).status_code == 200
    assert (await door.door.send(recipients=PART_OF_A_LIST, options={"start_time": start})).status_code == 200
    used = (await door.call("GET", "usage")).json()["results"]["messaging"]
    assert used["day"]["used"] == 6
    assert errors(await door.door.send(recipients={"list_id": "three"}))[1]["code"] == "2102"
    assert (await door.door.send()).status_code == 200


async def test_a_caller_who_goes_away_leaves_nothing_held(door: ResourceDoor):
    await door.door.domain()
    await store.set_limits(door.pool, door.account_id, Limits(daily=1))
    gate, reached = asyncio.Event(), asyncio.Event()
    queue = door.door.queue
    storing = queue.hand_over

    async def slow(chunk):
        reached.set()
        await gate.wait()
        await storing(chunk)

    queue.hand_over = slow
    waiting = asyncio.create_task(door.door.send())
    await reached.wait()
    assert (await door.door.send()).status_code == 420  # the one under way counts already
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    gate.set()
    queue.hand_over = storing
    async with asyncio.timeout(5):
        while (await door.door.send()).status_code == 420:
            await asyncio.sleep(0.1)
