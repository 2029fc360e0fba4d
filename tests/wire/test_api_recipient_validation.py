"""Recipient validation over REST: one address, and lists in the background, with a real DNS and a real log."""

import asyncio
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from homing.accounts import validations
from homing.accounts.store import get_or_create_account
from homing.accounts.types import Limits
from homing.events import store as events
from homing.events.types import EventType
from homing.recipients import store as recipients
from homing.recipients.types import SuppressionRow
from homing.simulator.dns import Record
from homing.validation import store
from homing.validation.runner import Runner
from tests.kit.resources import ResourceDoor, resource_door

NOW = datetime.now(UTC)


@pytest.fixture
async def door(pool):
    await events.ensure_partitions(pool, NOW.date())
    async with resource_door(pool) as made:
        made.zones.add(Record("there.test", "MX", "10 mx.there.test."))
        made.zones.add(Record("mx.there.test", "A", "127.0.0.1"))
        made.zones.add(Record("alone.test", "A", "127.0.0.1"))
        made.zones.add(Record("null.test", "MX", "0 ."))
        made.zones.fail("broken.test")
        yield made


async def single(door: ResourceDoor, address: str, **how) -> dict:
    answer = await door.call("GET", f"recipient-validation/single/{quote(address, safe='')}", **how)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def happened(door: ResourceDoor, kind: EventType, who: str, *, days=1.0, sub=0, account=None, **detail) -> None:
    at = NOW - timedelta(days=days)
    await door.pool.execute(
        "INSERT INTO events VALUES ($1, 1, (SELECT count(*) FROM events), $2, $3, $4, $5, NULL, NULL, $6, $7, '', $8)",
        *(NOW.date(), at, int(kind), account or door.account_id, sub, who, who.partition("@")[2], json.dumps(detail)),
    )


def message(answer):
    (error,) = answer.json()["errors"]
    return answer.status_code, error["message"]


# one address ----------------------------------------------------------------------------------------------------------------


async def test_a_dead_domain_answers_as_documented(door: ResourceDoor):
    assert await single(door, "kim@nowhere.test") == {
        "valid": False,
        "result": "undeliverable",
        "reason": "Invalid Domain",
        "is_role": False,
        "is_disposable": False,
        "is_free": False,
        "delivery_confidence": 0,
    }


@pytest.mark.parametrize(
    ("address", "result", "reason", "confidence"),
    [
        ("kim@there.test", "neutral", None, 60),
        ("kim@alone.test", "neutral", None, 40),
        ("kim@broken.test", "neutral", None, 40),
        ("kim@null.test", "undeliverable", "Invalid Domain", 0),
        ("sales@there.test", "risky", None, 50),
        ("kim", "undeliverable", "Invalid Syntax", 0),
        ("kim@there.test/x", "undeliverable", "Invalid Syntax", 0),
        ("a/b@there.test", "neutral", None, 60),
        ("k" * 400 + "@there.test", "undeliverable", "Invalid Syntax", 0),
    ],
)
async def test_dns_and_spelling_decide(door: ResourceDoor, address, result, reason, confidence):
    found = await single(door, address)
    assert (found["result"], found.get("reason"), found["delivery_confidence"]) == (result, reason, confidence)


async def test_a_slip_of_the_fingers_is_told(door: ResourceDoor):
    found = await single(door, "Kim@gmial.com")
    assert (found["result"], found["reason"], found["did_you_mean"]) == ("typo", "Invalid Domain", "kim@gmail.com")


async def test_our_own_log_tells_what_became_of_our_mail(door: ResourceDoor):
    await happened(door, EventType.DELIVERY, "good@there.test")
    await happened(door, EventType.BOUNCE, "gone@there.test", bounce_class="10")
    await happened(door, EventType.BOUNCE, "full@there.test", bounce_class="22")
    await happened(door, EventType.BOUNCE, "stopped@there.test", bounce_class="25")
    await happened(door, EventType.DELIVERY, "late@there.test", days=2)
    await happened(door, EventType.OUT_OF_BAND, "late@there.test", days=1, bounce_class="10")
    await happened(door, EventType.BOUNCE, "back@there.test", days=2, bounce_class="10")
    await happened(door, EventType.DELIVERY, "back@there.test", days=1)
    results = {}
    for who in ("good", "gone", "full", "stopped", "late", "back"):
        found = await single(door, f"{who.title()}@there.test")
        results[who] = (found["result"], found.get("reason"), found["valid"])
    bad = ("undeliverable", "Invalid Recipient", False)
    assert results == {
        "good": ("valid", None, True),
        "gone": bad,
        "full": ("neutral", None, True),
        "stopped": ("neutral", None, True),
        "late": bad,
        "back": ("valid", None, True),
    }


async def test_an_address_that_bounced_before_is_risky(door: ResourceDoor):
    row = SuppressionRow(
        account_id=door.account_id, recipient="kim@there.test", type="transactional", source="Bounce Rule", provenance="api"
    )
    await recipients.suppress(door.pool, [row])
    assert (await single(door, "kim@there.test"))["result"] == "risky"


async def test_what_happened_to_mail_of_others_tells_nothing(door: ResourceDoor):
    await happened(door, EventType.BOUNCE, "kim@there.test", sub=7, bounce_class="10")
    stranger = await door.stranger()
    assert (await single(door, "kim@there.test", key=stranger))["result"] == "neutral"
    assert (await single(door, "kim@there.test", sub="0"))["result"] == "neutral"
    assert (await single(door, "kim@there.test", sub="8"))["result"] == "neutral"
    assert (await single(door, "kim@there.test", sub="7"))["result"] == "undeliverable"
    assert (await single(door, "kim@there.test"))["result"] == "undeliverable"  # the primary account sees all of its own


async def test_grants(door: ResourceDoor):
    preview = await door.door.key_with("recipient-validation/preview")
    nothing = await door.door.key_with("transmissions/view")
    assert (await door.call("GET", "recipient-validation/single/kim@there.test", key=preview)).status_code == 200
    assert (await door.call("GET", "recipient-validation/single/kim@there.test", key=nothing)).status_code == 403
    assert (await door.call("GET", "recipient-validation/list", key=preview)).status_code == 403


# lists ----------------------------------------------------------------------------------------------------------------------


async def upload(door: ResourceDoor, text: str | bytes, *, media="text/csv", query="", key="", sub=None):
    headers = {"Content-Type": media} | ({"Authorization": key} if key else {})
    headers |= {} if sub is None else {"X-MSYS-SUBACCOUNT": sub}
    return await door.door.client.post(f"/api/v1/recipient-validation/upload{query}", content=text, headers=headers)


async def uploaded(door: ResourceDoor, text: str | bytes, **how) -> str:
    answer = await upload(door, text, **how)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]["list_id"]


async def job(door: ResourceDoor, which: str, **how) -> dict:
    return (await door.call("GET", f"recipient-validation/job/{which}", **how)).json()["results"]


async def results(door: ResourceDoor, which: str, **how) -> list[dict]:
    answer = await door.call("GET", f"recipient-validation/job/{which}/results", **how)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_a_list_is_uploaded_triggered_and_worked_off(door: ResourceDoor):
    await happened(door, EventType.BOUNCE, "gone@there.test", bounce_class="10")
    text = 'name,Email\nKim,kim@there.test\n"Lee, J",gone@there.test\n,nobody\n,kim@gmial.com\n\xff,x@there.test\n'
    which = await uploaded(door, text.encode("latin-1"), query="?name=spring.csv")
    before = await job(door, which)
    assert (before["batch_status"], before["address_count"], before["complete"]) == ("awaiting_submission", 5, False)
    assert (before["original_filename"], before["customer_id"], before["list_id"]) == ("spring.csv", door.account_id, which)
    assert abs(before["upload_timestamp"] - datetime.now(UTC).timestamp()) < 300
    assert not await door.runner.turn()
    answer = await door.call("POST", f"recipient-validation/trigger/{which}")
    assert answer.json()["results"]["batch_status"] == "queued_for_batch"
    assert message(await door.call("GET", f"recipient-validation/job/{which}/results"))[0] == 409
    assert await door.runner.turn()
    after = await job(door, which)
    assert (after["batch_status"], after["complete"], after["addresses_done"]) == ("success", True, 5)
    assert after["counts"] == {"neutral": 1, "undeliverable": 3, "typo": 1}
    assert after["uploaded_file"] == f"/api/v1/recipient-validation/job/{which}/results"
    found = await results(door, which)
    assert [(row["email"], row["result"], row["reason"]) for row in found[:4]] == [
        ("kim@there.test", "neutral", ""),
        ("gone@there.test", "undeliverable", "Invalid Recipient"),
        ("nobody", "undeliverable", "Invalid Syntax"),
        ("kim@gmial.com", "typo", "Invalid Domain"),
    ]
    assert (found[3]["did_you_mean"], found[3]["valid"], found[0]["valid"]) == ("kim@gmail.com", "false", "true")
    assert found[4]["result"] == "undeliverable"
    assert message(await door.call("POST", f"recipient-validation/trigger/{which}")) == (409, "the list was triggered before")
    assert [one["list_id"] for one in (await door.call("GET", "recipient-validation/list")).json()["results"]] == [which]


async def test_a_file_of_a_form_is_taken(door: ResourceDoor):
    files = {"note": (None, "hello"), "myupload": ("my list.csv", "kim@there.test\r\nlee@there.test\r\n", "text/csv")}
    answer = await door.door.client.post("/api/v1/recipient-validation/upload", files=files)
    one = await job(door, answer.json()["results"]["list_id"])
    assert (one["original_filename"], one["address_count"]) == ("my list.csv", 2)


@pytest.mark.parametrize(
    ("body", "media", "why"),
    [
        ("", "text/csv", "the file is empty"),
        ("name,phone\nKim,1\n", "text/csv", "no column is named email"),
        ("email\n", "text/csv", "the file has no address"),
        ("x", "multipart/form-data", "no boundary"),
        ("x", "multipart/form-data; boundary=b", "no part"),
        ("--b\r\ncontent-disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\n", "multipart/form-data; boundary=b", "no file"),
        ("--b\r\ncontent-disposition: form-data; name=a; filename=f", "multipart/form-data; boundary=b", "no file"),
        ("--b", "multipart/form-data; boundary=b", "no file"),
    ],
)
async def test_an_upload_that_cannot_be_read_is_refused_with_an_object(door: ResourceDoor, body, media, why):
    answer = await upload(door, body, media=media)
    assert answer.status_code == 400
    assert why in answer.json()["errors"]["message"]
    assert (await door.call("GET", "recipient-validation/list")).json() == {"results": []}
    assert await door.pool.fetchval("SELECT count(*) FROM validation_pieces") == 0


async def test_bounds_of_an_upload(door: ResourceDoor):
    assert (await upload(door, "kim@there.test\n", media="image/png")).status_code == 415
    assert (await upload(door, b"x" * 20_971_521)).status_code == 413
    for _ in range(10):
        await uploaded(door, "kim@there.test\n")
    assert message(await upload(door, "kim@there.test\n"))[0] == 429
    door.door.refuse = "the service is short of storage space; try again later"
    assert (await upload(door, "kim@there.test\n")).status_code == 503


async def test_lists_of_others_cannot_be_seen(door: ResourceDoor):
    which = await uploaded(door, "kim@there.test\n", sub="7")
    stranger = await door.stranger()
    for how in ({"key": stranger}, {"sub": "8"}, {"sub": "0"}):
        for method, path in (("GET", "job/{}"), ("GET", "job/{}/results"), ("POST", "trigger/{}")):
            answer = await door.call(method, f"recipient-validation/{path.format(which)}", **how)
            assert message(answer) == (404, "List could not be found")
        assert (await door.call("GET", "recipient-validation/list", **how)).json() == {"results": []}
    assert (await job(door, which))["subaccount_id"] == 7
    assert (await door.call("GET", "recipient-validation/job/moon")).status_code == 404


async def test_another_worker_goes_on_where_a_dead_one_stopped(door: ResourceDoor, monkeypatch):
    which = await uploaded(door, "\n".join(f"u{n}@there.test" for n in range(2_500)))
    await door.call("POST", f"recipient-validation/trigger/{which}")
    dead = Runner(door.pool, door.runner._clock, door.runner._judge, "dead")
    put, done = store.put_results, []

    async def fatal(*given, **how):
        if len(done) == 1:
            raise KeyboardInterrupt  # no handler sees it: the worker neither ends the list nor lets it go
        done.append(1)
        return await put(*given, **how)

    monkeypatch.setattr(store, "put_results", fatal)
    with pytest.raises(KeyboardInterrupt):
        await dead.turn()
    monkeypatch.undo()
    assert (await job(door, which))["addresses_done"] == 1_000
    assert not await door.runner.turn()
    await store.release(door.pool, "dead")
    assert await door.runner.turn()
    one = await job(door, which)
    assert (one["complete"], one["counts"]) == (True, {"neutral": 2_500})
    assert [row["email"] for row in await results(door, which)] == [f"u{n}@there.test" for n in range(2_500)]


async def test_a_worker_that_was_thought_dead_counts_nothing_twice(door: ResourceDoor, monkeypatch):
    which = await uploaded(door, "\n".join(f"u{n}@there.test" for n in range(1_500)))
    await door.call("POST", f"recipient-validation/trigger/{which}")
    slow = Runner(door.pool, door.runner._clock, door.runner._judge, "slow")
    put, done = store.put_results, []

    async def overtaken(*given, **how):
        if not done:
            done.append(1)
            await store.release(door.pool, "slow")
            assert await door.runner.turn()
        return await put(*given, **how)

    monkeypatch.setattr(store, "put_results", overtaken)
    assert await slow.turn()
    assert (await job(door, which))["counts"] == {"neutral": 1_500}


async def test_a_worker_that_is_stopped_lets_another_go_on_at_once(door: ResourceDoor, monkeypatch):
    which = await uploaded(door, "kim@there.test\n")
    await door.call("POST", f"recipient-validation/trigger/{which}")
    begun = asyncio.Event()

    async def slow(*_, **__):
        begun.set()
        await asyncio.sleep(3600)

    stopped = Runner(door.pool, door.runner._clock, door.runner._judge, "stopped")
    monkeypatch.setattr(type(door.runner._judge), "judge", slow)
    task = asyncio.create_task(stopped.run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert await door.runner.turn()
    assert (await job(door, which))["complete"]


async def test_old_lists_are_forgotten(door: ResourceDoor):
    await uploaded(door, "kim@there.test\n")
    await store.tidy(door.pool, now=NOW + timedelta(days=31))
    assert (await door.call("GET", "recipient-validation/list")).json() == {"results": []}
    assert await door.pool.fetchval("SELECT count(*) FROM validation_pieces") == 0


# the quota ------------------------------------------------------------------------------------------------------------------

USED_UP = (420, "Usage limit exceeded")


async def limited(door: ResourceDoor, **limits: int) -> None:
    await validations.set_limits(door.pool, door.account_id, Limits(**limits))


async def used(door: ResourceDoor, **how) -> dict:
    return (await door.call("GET", "usage", **how)).json()["results"]["recipient_validation"]


async def triggered(door: ResourceDoor, which: str, **how):
    return await door.call("POST", f"recipient-validation/trigger/{which}", **how)


async def test_each_validated_address_counts_once_and_beyond_the_quota_it_is_420(door: ResourceDoor):
    await limited(door, daily=3)
    await single(door, "kim@there.test")
    await single(door, "nobody", sub="7")  # subaccounts share it, and what is no address was looked at too
    two, one = await uploaded(door, "a@there.test\nb@there.test\n"), await uploaded(door, "a@there.test\n")
    assert message(await triggered(door, two)) == USED_UP
    assert (await job(door, two))["batch_status"] == "awaiting_submission"
    assert (await triggered(door, one)).status_code == 200
    assert message(await triggered(door, one))[0] == 409  # and is not counted again
    assert message(await door.call("GET", "recipient-validation/single/kim@there.test")) == USED_UP
    found = await used(door)
    assert (found["day"]["used"], found["day"]["limit"], found["month"]["used"]) == (3, 3, 3)
    assert "limit" not in found["month"]
    assert found["last_usage_date"] == datetime.now(UTC).date().isoformat()
    history = (await door.call("GET", "usage/history")).json()["results"]["recipient_validation"]
    assert history[-1]["usage"] == 3
    await limited(door)
    assert (await triggered(door, two)).status_code == 200
    assert (await used(door))["day"]["used"] == 5


async def test_many_at_once_do_not_pass_the_quota_together(door: ResourceDoor):
    await limited(door, monthly=7)
    calls = (door.call("GET", f"recipient-validation/single/u{n}@there.test") for n in range(12))
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [420] * 5
    assert (await used(door))["month"]["used"] == 7


async def test_the_quota_of_another_account_is_its_own(door: ResourceDoor):
    await limited(door, daily=0)
    stranger = await door.stranger()
    assert message(await door.call("GET", "recipient-validation/single/kim@there.test")) == USED_UP
    await single(door, "kim@there.test", key=stranger)
    assert (await used(door))["day"]["used"] == 0
    assert (await used(door, key=stranger))["day"]["used"] == 1


async def test_what_a_failed_list_did_not_judge_is_given_back(door: ResourceDoor, monkeypatch):
    which = await uploaded(door, "\n".join(f"u{n}@there.test" for n in range(2_500)))
    await triggered(door, which)
    assert (await used(door))["day"]["used"] == 2_500
    judge, calls = door.runner._judge.judge, []

    async def crashes(*given, **how):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError("a bug of ours")
        return await judge(*given, **how)

    monkeypatch.setattr(door.runner._judge, "judge", crashes)
    assert await door.runner.turn()
    assert (await job(door, which))["batch_status"] == "error"
    assert (await used(door))["day"]["used"] == 1_000


async def test_yesterday_and_last_month_do_not_count(pool):
    account = await get_or_create_account(pool, "acme")
    await validations.set_limits(pool, account.account_id, Limits(daily=2, monthly=3))
    may = datetime(2026, 5, 31, 23, 59, tzinfo=UTC)

    async def taken(addresses: int, now: datetime) -> bool:
        async with pool.acquire() as connection, connection.transaction():
            return await validations.take(connection, account.account_id, addresses, now=now)

    assert await taken(2, may - timedelta(days=1))
    assert not await taken(2, may)
    assert await taken(1, may)
    assert await taken(2, may + timedelta(minutes=1))
    assert not await taken(1, may + timedelta(minutes=1))
    async with pool.acquire() as connection, connection.transaction():
        await validations.give_back(connection, account.account_id, 9, taken_at=may + timedelta(minutes=1))
    assert await taken(2, may + timedelta(minutes=1))
    await validations.tidy(pool, now=may + timedelta(days=401))
    assert await pool.fetchval("SELECT count(*) FROM validation_days") == 1
