"""Many suppressions at once: uploaded, worked off, seen on their way, exported, and kept from others."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from homing.ground import db
from homing.recipients import imports, store
from homing.recipients.importer import Importer
from homing.recipients.importing import MOST_ROWS
from homing.recipients.types import SuppressionRow
from tests.kit.resources import ResourceDoor, resource_door

HEAD = "recipient,type,source,description,list_id\n"


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        yield made


async def upload(door: ResourceDoor, text: str | bytes, query: str = "", *, media="text/csv", key="", sub=None):
    headers = {"Content-Type": media} | ({"Authorization": key} if key else {})
    headers |= {} if sub is None else {"X-MSYS-SUBACCOUNT": sub}
    return await door.door.client.post(f"/api/v1/suppression-list/import{query}", content=text, headers=headers)


async def taken(door: ResourceDoor, text: str | bytes, query: str = "", **how) -> dict:
    """Upload, let a worker work it off, and return what the API tells of it."""
    answer = await upload(door, text, query, **how)
    assert answer.status_code == 200, answer.text
    made = answer.json()["results"]
    assert (made["state"], made["records"]) == ("waiting", 0)
    while await door.importer.turn():
        pass
    return await told(door, made["id"], key=how.get("key", ""))


async def told(door: ResourceDoor, which: str, **how) -> dict:
    return (await door.call("GET", f"suppression-list-imports/{which}", **how)).json()["results"]


def counts(one: dict) -> tuple[int, ...]:
    return tuple(one[name] for name in ("records", "added", "updated", "unchanged", "refused"))


def message(answer):
    (error,) = answer.json()["errors"]
    return answer.status_code, error["message"]


async def exported(door: ResourceDoor, query: str = "", **how) -> list[dict]:
    answer = await door.call("GET", f"suppression-list/export{query}", **how)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_an_upload_is_worked_off_and_counted(door: ResourceDoor):
    await door.call("PUT", "suppression-list/b@there.test", json={"type": "transactional", "description": "old"})
    await door.call("PUT", "suppression-list/c@there.test", json={"type": "transactional", "description": "same"})
    text = HEAD + (
        "A@there.test,transactional,Bounce Rule,550,\n"
        "b@there.test,transactional,,new,\n"
        "c@there.test,transactional,,same,\n"
        "d@there.test,non_transactional,,,news\n"
        "nobody,transactional,,,\n"
    )
    one = await taken(door, text, "?name=old-provider.csv")
    assert (one["state"], one["name"], one["bytes_done"]) == ("done", "old-provider.csv", one["size_bytes"])
    assert counts(one) == (5, 2, 1, 1, 1)
    assert one["refused_rows"] == [{"line": 6, "text": "nobody,transactional,,,", "reason": "the address has no @"}]
    found = {row["recipient"]: row for row in (await door.call("GET", "suppression-list")).json()["results"]}
    assert found["a@there.test"]["source"] == "Bounce Rule"
    assert found["d@there.test"]["list_id"] == "news"
    origin = f"import:{one['id']}"
    assert [found[f"{who}@there.test"]["provenance"] == origin for who in "abcd"] == [True, True, False, True]
    listed = (await door.call("GET", "suppression-list-imports")).json()["results"]
    assert [each["id"] for each in listed] == [one["id"]]
    assert one["links"][0]["href"] == f"/api/v1/suppression-list-imports/{one['id']}"
    assert "refused_rows" not in listed[0]


async def test_what_compliance_holds_is_left_as_it_is(door: ResourceDoor):
    await door.pool.execute(
        "INSERT INTO suppressions (account_id, recipient, type, source) VALUES ($1, $2, 'transactional', 'Compliance')",
        *(door.account_id, "k@there.test"),
    )
    text = HEAD + "k@there.test,transactional,,mine now,\nl@there.test,transactional,Compliance,,\n"
    one = await taken(door, text)
    assert counts(one) == (2, 0, 0, 1, 1)
    ((row),) = await store.rows_of(door.pool, door.account_id, "k@there.test")
    assert (row.source, row.description) == ("Compliance", "")


async def test_json_and_one_type_for_all_are_taken(door: ResourceDoor):
    one = await taken(door, '["a@there.test","b@there.test"]', "?type=both", media="application/json")
    assert counts(one) == (2, 4, 0, 0, 0)


async def test_many_batches_with_repeats_across_them(door: ResourceDoor):
    lines = [f"u{n % 7_000}@there.test,transactional,,{'last' if n >= 7_000 else 'first'}," for n in range(12_000)]
    one = await taken(door, HEAD + "\n".join(lines))
    assert counts(one) == (12_000, 7_000, 5_000, 0, 0)
    assert await door.pool.fetchval("SELECT count(*) FROM suppressions WHERE description = 'last'") == 5_000


async def test_only_the_first_refusals_are_kept_and_all_are_counted(door: ResourceDoor):
    one = await taken(door, "recipient,type\n" + "nobody,transactional\n" * 12_000)
    assert (one["refused"], len(one["refused_rows"]), one["refused_rows"][-1]["line"]) == (12_000, 1_000, 1_001)


async def test_a_file_that_breaks_off_fails_with_what_was_done_told(door: ResourceDoor):
    records = ",".join(f'{{"recipient":"u{n}@there.test","type":"transactional"}}' for n in range(MOST_ROWS + 10))
    one = await taken(door, f"[{records}, oops", media="application/json")
    assert (one["state"], one["records"], one["added"]) == ("failed", MOST_ROWS, MOST_ROWS)
    assert "not JSON" in one["reason"]


@pytest.mark.parametrize(
    ("body", "query", "answer"),
    [
        ("", "", (400, "the file is empty")),
        ("name,type\nkim,transactional\n", "", (400, "no column is named recipient (or email)")),
        ("recipient,type\na@b.test,transactional\n", "?from=moon", (400, "from must be one of: ")),
        ("recipient,type\na@b.test,transactional\n", "?type=some", (400, "type must be one of: transactional, ")),
        ("recipient,type\na@b.test,transactional\n", "?kind=bounces", (400, "homing has no kinds; not bounces")),
        ("recipient\na@b.test\n", "", (400, "nothing says which mail is stopped: ")),
        ("recipient,type\na@b.test,transactional\n", "?name=%00", (400, "invalid params")),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused_at_once_and_leaves_nothing(door: ResourceDoor, body, query, answer):
    status, text = message(await upload(door, body, query))
    assert status == answer[0]
    assert text.startswith(answer[1])
    assert (await door.call("GET", "suppression-list-imports")).json() == {"results": []}
    assert list(door.importer.path_of(uuid4()).parent.iterdir()) == []


async def test_the_body_must_be_a_table_in_utf_8(door: ResourceDoor):
    good = "recipient,type\na@b.test,transactional\n"
    assert (await upload(door, good, media="image/png")).status_code == 415
    assert (await upload(door, good, media="text/csv; charset=latin1")).status_code == 415
    assert (await upload(door, good, media="text/csv; charset=UTF-8")).status_code == 200


async def test_ten_imports_may_wait(door: ResourceDoor):
    for _ in range(10):
        assert (await upload(door, "recipient,type\na@b.test,transactional\n")).status_code == 200
    assert message(await upload(door, "a@b.test\n"))[0] == 429
    stranger = await door.stranger()
    assert (await upload(door, "recipient,type\na@b.test,transactional\n", key=stranger)).status_code == 200


async def test_nothing_is_taken_while_the_disk_is_nearly_full(door: ResourceDoor):
    door.door.refuse = "the service is short of storage space; try again later"
    assert (await upload(door, "a@b.test\n", "?type=both")).status_code == 503


async def test_others_see_neither_imports_nor_rows(door: ResourceDoor):
    one = await taken(door, HEAD + "a@there.test,transactional,,,\n", sub="7")
    assert one["subaccount_id"] == 7
    stranger, own = await door.stranger(), await door.door.key_with("suppression_lists/manage", subaccount_id=7)
    other = await door.door.key_with("suppression_lists/manage", subaccount_id=8)
    nothing = await door.door.key_with("transmissions/view")
    path = f"suppression-list-imports/{one['id']}"
    assert (await door.call("GET", path, key=own)).status_code == 200
    assert message(await door.call("GET", path, key=stranger)) == (404, "Import could not be found")
    assert (await door.call("GET", path, key=other)).status_code == 404
    assert (await door.call("GET", path, sub="0")).status_code == 404
    assert (await door.call("GET", "suppression-list-imports/moon")).status_code == 404
    assert (await door.call("GET", "suppression-list-imports", key=other)).json() == {"results": []}
    assert (await door.call("GET", path, key=nothing)).status_code == 403
    assert (await upload(door, "a@b.test\n", key=nothing)).status_code == 403
    assert await exported(door, key=stranger) == await exported(door, key=other) == await exported(door, sub="0") == []
    assert [row["subaccount_id"] for row in await exported(door, key=own)] == ["7"]


async def test_a_subaccount_cannot_put_rows_onto_other_lists(door: ResourceDoor):
    key = await door.door.key_with("suppression_lists/manage", subaccount_id=7)
    text = "recipient,type,subaccount_id\na@b.test,transactional,8\nc@b.test,transactional,\nd@b.test,transactional,7\n"
    one = await taken(door, text, key=key)
    assert counts(one) == (3, 2, 0, 0, 1)
    assert await door.pool.fetchval("SELECT count(*) FROM suppressions WHERE subaccount_id <> 7") == 0
    one = await taken(door, text)
    assert counts(one) == (3, 2, 0, 1, 0)  # the primary account may name its subaccounts


async def test_rows_of_a_subaccount_that_does_not_exist_are_refused(door: ResourceDoor):
    text = "recipient,type,subaccount_id\na@b.test,transactional,7\nc@b.test,transactional,99\nd@b.test,transactional,0\n"
    one = await taken(door, text)
    assert counts(one) == (3, 2, 0, 0, 1)
    reason = "this account has no subaccount 99"
    assert one["refused_rows"] == [{"line": 3, "text": "c@b.test,transactional,99", "reason": reason}]
    stranger = await door.stranger()
    one = await taken(door, text, key=stranger)  # who has none at all, whatever others have
    assert counts(one) == (3, 1, 0, 0, 2)


async def test_an_import_for_a_subaccount_that_does_not_exist_is_refused(door: ResourceDoor):
    answer = await upload(door, "recipient,type\na@b.test,transactional\n", sub="99")
    assert message(answer) == (400, "invalid params")
    assert answer.json()["errors"][0]["description"] == "X-MSYS-SUBACCOUNT: this account has no subaccount 99"
    listed = await door.call("POST", "recipient-lists", sub="99", json={"recipients": [{"address": "a@b.test"}]})
    assert listed.json()["errors"] == answer.json()["errors"]
    assert (await door.call("GET", "suppression-list-imports")).json() == {"results": []}


async def test_an_export_can_be_imported_again_and_tells_the_provenance(door: ResourceDoor):
    rows = [
        SuppressionRow(
            account_id=door.account_id,
            subaccount_id=(0, 3, 7)[n % 3],
            recipient=f"u{n}@there.test",
            type="transactional",
            source="Bounce Rule",
            description='550 "no",\nsays the host' if n % 2 else "",
            provenance="api:1",
            list_id="news" if n % 5 == 0 else "",
        )
        for n in range(4_500)
    ]
    async with door.pool.acquire() as connection:
        await store.suppress(connection, rows)
    found = await exported(door)
    assert len({(row["subaccount_id"], row["recipient"]) for row in found}) == len(found) == 4_500
    assert {row["provenance"] for row in found} == {"api:1"}
    text = (await door.call("GET", "suppression-list/export")).text
    await door.pool.execute("DELETE FROM suppressions")
    await asyncio.sleep(1.1)
    one = await taken(door, text)
    assert counts(one) == (4_500, 4_500, 0, 0, 0)
    again = await exported(door)
    kept = ("recipient", "type", "source", "description", "list_id", "subaccount_id", "created")
    assert [[row[name] for name in kept] for row in again] == [[row[name] for name in kept] for row in found]


async def test_an_export_takes_the_filters_of_the_search(door: ResourceDoor):
    text = HEAD + "a@there.test,transactional,Bounce Rule,550,\nb@here.test,non_transactional,,,news\n"
    await taken(door, text)
    assert [row["recipient"] for row in await exported(door, "?domain=here.test")] == ["b@here.test"]
    assert [row["recipient"] for row in await exported(door, "?types=transactional&sources=Bounce%20Rule")] == ["a@there.test"]
    assert [row["recipient"] for row in await exported(door, "?list_id=")] == ["a@there.test"]
    assert (await door.call("GET", "suppression-list/export?types=x")).status_code == 400


async def test_an_address_that_looks_like_a_path_of_ours_is_still_an_address(door: ResourceDoor):
    body = {"type": "transactional"}
    assert (await door.call("PUT", "suppression-list/import/x@there.test", json=body)).status_code == 200
    assert (await door.call("DELETE", "suppression-list/import/x@there.test")).status_code == 204


# how a worker dies ---------------------------------------------------------------------------------------------------------


class Dies(Exception):
    """What ends a worker in the midst of an import."""


def dying(door: ResourceDoor, *, after: int) -> Importer:
    """Return a worker that stops dead behind so many batches: it neither ends nor lets go of what it does."""
    worker = Importer(door.pool, door.importer._clock, door.importer._folder, "dying")
    commit, done = worker._commit, []

    async def fatal(one, batch, records):
        if len(done) == after:
            raise Dies
        done.append(batch)
        return await commit(one, batch, records)

    async def nothing(*_):
        raise Dies

    worker._commit = fatal  # type: ignore[method-assign]
    return worker


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_another_worker_goes_on_where_a_dead_one_stopped(door: ResourceDoor, monkeypatch, after):
    lines = [f"u{n}@there.test,transactional" for n in range(MOST_ROWS * 2 + 500)] + ["nobody,transactional"]
    made = (await upload(door, "recipient,type\n" + "\n".join(lines))).json()["results"]
    monkeypatch.setattr(imports, "end", _not_at_all)
    with pytest.raises(Dies):
        await dying(door, after=after).turn()
    monkeypatch.undo()
    assert (await told(door, made["id"]))["state"] == "running"
    assert not await door.importer.turn()  # the dead one's claim holds
    await door.pool.execute("UPDATE suppression_imports SET claimed_until = now() - interval '1 second'")
    assert await door.importer.turn()
    one = await told(door, made["id"])
    assert (one["state"], counts(one)) == ("done", (MOST_ROWS * 2 + 501, MOST_ROWS * 2 + 500, 0, 0, 1))
    assert [each["line"] for each in one["refused_rows"]] == [MOST_ROWS * 2 + 502]
    assert not door.importer.path_of(UUID(made["id"])).exists()


async def _not_at_all(*_, **__):
    raise Dies


async def test_a_worker_that_was_thought_dead_writes_nothing_more(door: ResourceDoor):
    lines = [f"u{n}@there.test,transactional" for n in range(MOST_ROWS * 3)]
    made = (await upload(door, "recipient,type\n" + "\n".join(lines))).json()["results"]
    slow = Importer(door.pool, door.importer._clock, door.importer._folder, "slow")
    commit = slow._commit

    async def overtaken(one, batch, records):
        if records == MOST_ROWS:
            await door.pool.execute("UPDATE suppression_imports SET claimed_until = now() - interval '1 second'")
            assert await door.importer.turn()
        return await commit(one, batch, records)

    slow._commit = overtaken  # type: ignore[method-assign]
    assert await slow.turn()
    assert counts(await told(door, made["id"])) == (MOST_ROWS * 3, MOST_ROWS * 3, 0, 0, 0)


async def test_a_worker_that_is_stopped_lets_another_go_on_at_once(door: ResourceDoor):
    lines = [f"u{n}@there.test,transactional" for n in range(MOST_ROWS * 3)]
    made = (await upload(door, "recipient,type\n" + "\n".join(lines))).json()["results"]
    stopped = Importer(door.pool, door.importer._clock, door.importer._folder, "stopped")
    commit, begun = stopped._commit, asyncio.Event()

    async def slow(one, batch, records):
        done = await commit(one, batch, records)
        begun.set()
        await asyncio.sleep(3600)
        return done

    stopped._commit = slow  # type: ignore[method-assign]
    task = asyncio.create_task(stopped.run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await told(door, made["id"]))["records"] == MOST_ROWS
    assert await door.importer.turn()
    assert counts(await told(door, made["id"])) == (MOST_ROWS * 3, MOST_ROWS * 3, 0, 0, 0)


async def test_an_upload_that_is_gone_fails_the_import(door: ResourceDoor):
    made = (await upload(door, "recipient,type\na@b.test,transactional\n")).json()["results"]
    door.importer.path_of(UUID(made["id"])).unlink()
    assert not await door.importer.turn()
    assert (await told(door, made["id"]))["state"] == "waiting"  # another machine may have it
    await door.pool.execute("UPDATE suppression_imports SET made_at = now() - interval '2 days'")
    await imports.tidy(door.pool, [], now=datetime.now(UTC))
    one = await told(door, made["id"])
    assert (one["state"], one["reason"]) == ("failed", "the uploaded file is gone; upload it again")


async def test_a_trouble_of_the_database_is_waited_out(door: ResourceDoor, monkeypatch):
    await upload(door, "recipient,type\na@b.test,transactional\n")
    hold, calls = imports.hold, []

    async def troubled(*given, **how):
        calls.append(1)
        if len(calls) == 1:
            raise db.LockedElsewhere("deadlock")
        return await hold(*given, **how)

    monkeypatch.setattr(imports, "hold", troubled)
    assert await door.importer.turn()
    assert len(calls) == 2
    assert [row["recipient"] for row in await exported(door)] == ["a@b.test"]
