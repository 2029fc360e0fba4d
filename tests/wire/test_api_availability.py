"""/api/v1/availability: statements, seconds, sealed days, witnesses and their reports; each account sees its own alone."""

import csv
import io
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.accounts.grants import KEY_GRANTS, SUBACCOUNT_KEY_GRANTS
from homing.availability import decisions
from homing.availability.rules import outside
from homing.availability.rules.outside import FIRST, Saw
from homing.availability.types import Doors, ExclusionKind
from homing.contracts import people
from homing.contracts.types import Role
from homing.evidence.rules.seconds import span
from tests.kit.ledger import FAIL, OK, Ledger, at, unix
from tests.kit.moved_clock import MovedClock
from tests.kit.people import staff
from tests.kit.resources import ResourceDoor, resource_door

DAY = date(2026, 3, 10)
START = unix("2026-03-10")
NOW = at("2026-03-10 12:00:00")
KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()
VERIFY = Path(__file__).parents[2] / "docs" / "verify_day.py"


class Town:
    """The door, its clock, and the ledger behind it."""

    def __init__(self, door: ResourceDoor, ledger: Ledger, clock: MovedClock) -> None:
        self.door = door
        self.ledger = ledger
        self.clock = clock

    async def get(self, path: str, status: int = 200, **more):
        answer = await self.door.call("GET", f"availability{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json()["results"] if status == 200 else answer.json()["errors"][0]

    async def post(self, path: str, body, status: int = 200, **more):
        answer = await self.door.call("POST", f"availability{path}", json=body, **more)
        assert answer.status_code == status, answer.text
        return answer.json()["results"] if status == 200 else answer.json()["errors"][0]

    async def seal(self) -> None:
        await self.ledger.seal()
        self.clock.forward(seconds=(self.ledger.now - self.clock.now()).total_seconds())


@pytest.fixture
async def town(pool, tmp_path):
    clock = MovedClock(NOW)
    async with resource_door(pool, clock=clock) as door:
        await pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
        ledger = Ledger(pool, tmp_path, NOW)
        for second in range(10):
            ledger.node().note(START + 100 + second, door.account_id, FAIL)
        ledger.node().note(START + 105, door.account_id, OK)
        ledger.node().watch(START, START + 40_000)
        await ledger.go(NOW)
        yield Town(door, ledger, clock)


def report(since: int, until: int, asked: int, answered: int = 0, number: int = 1) -> dict[str, str]:
    saw = Saw(Doors(asked, 0), Doors(answered, 0))
    body, signature = outside.make(saw, since=since, until=until, number=number, previous=FIRST, key=KEY)
    return {"report": body.decode(), "signature": signature}


async def test_the_root_says_what_time_it_is_and_where_to_look(town: Town):
    found = await town.get("")
    assert found["now"] == int(NOW.timestamp())
    assert found["links"]["months"] == "/api/v1/availability/months"


async def test_the_statement_of_a_month(town: Town):
    found = await town.get("/months/2026-03")
    assert (found["account"], found["month"], found["zone"], found["is_final"]) == ("acme", "2026-03", "UTC", False)
    seconds = found["seconds"]
    assert (seconds["in_month"], seconds["unavailable_gross"], seconds["unavailable_net"], seconds["budget"]) == (
        2_678_400,
        9,
        9,
        267,
    )
    assert seconds["unknown"] == 43_200 - 3 - 40_000, "what was not watched, but for what may still be on its way"
    assert found["uptime"] == {"net": "99.999664", "gross": "99.999664", "strict": "99.999664", "target": "99.99"}
    assert found["verdict"] == "open"
    assert found["episodes"][0] == {
        "since": "2026-03-10T00:01:40Z", "until": "2026-03-10T00:01:45Z", "seconds": 5, "excluded": 0, "persistent_at": None,
        "cases": [],
    }  # fmt: skip


async def test_a_statement_as_csv(town: Town):
    answer = await town.door.call("GET", "availability/months/2026-03?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="availability-2026-03.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["day"], row["unavailable"], row["sealed"]) for row in rows] == [
        ("2026-03-10", "9", "no"),
        ("2026-03", "9", "no"),
    ]


async def test_a_statement_as_a_page_that_runs_no_script(town: Town):
    await town.door.pool.execute("UPDATE accounts SET name = '<script>alert(1)</script> & Co' WHERE name = 'acme'")
    ana, bo = await staff(town.door.pool, "Ana"), await staff(town.door.pool, "Bo")
    proposed = await decisions.propose(
        town.door.pool,
        account_id=None,
        since=at("2026-03-10 00:01:40"),
        until=at("2026-03-10 00:01:42"),
        kind=ExclusionKind.MAINTENANCE,
        reason="<b>announced</b>",
        evidence="",
        by=ana,
    )
    await decisions.approve(town.door.pool, proposed.exclusion_id, by=bo)
    await town.seal()
    answer = await town.door.call("GET", "availability/months/2026-03?format=html")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.text
    assert "<script>" not in page
    assert "&lt;b&gt;announced&lt;/b&gt;" in page
    for text in (
        "99.999739 %",
        "Ana, Bo",
        "2026-03-10 00:01:40 UTC",
        "verify_day.py",
        "nobody can guarantee",
    ):
        assert text in page


async def test_single_seconds(town: Town):
    found = await town.get("/seconds?from=2026-03-10T00:00:00Z&to=2026-03-10T11:30:00Z")
    assert found["api"] == {"attempted": [[START + 100, 10]], "failed": [[START + 100, 5], [START + 106, 4]]}
    assert found["unavailable"] == found["strict"] == found["api"]["failed"]
    assert found["unknown"] == [[START + 40_000, 11 * 3_600 + 1_800 - 40_000]]
    assert found["smtp"] == {"attempted": [], "failed": []}
    await town.seal()
    again = await town.get("/seconds?from=2026-03-10T00:00:00Z&to=2026-03-10T11:30:00Z")
    assert again == found, "sealed, they are the same"
    assert (await town.get("/seconds"))["to"] == int(town.clock.now().timestamp())


async def test_over_midnight_two_days_are_one_answer(town: Town):
    await town.seal()
    found = await town.get("/seconds?from=2026-03-10T23:59:00Z&to=2026-03-11T00:10:00Z")
    assert found["unknown"] == [[START + 86_340, 660]]


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday", "from=2026-03-10T00:00:00", "from=2026-03-10T10:00:00Z&to=2026-03-10T10:00:00Z",
        "from=2026-03-08T00:00:00Z&to=2026-03-10T00:00:00Z", "from=2026-03-12T00:00:00Z&to=2026-03-12T01:00:00Z",
        "from=0001-01-01T00:00:00Z&to=0001-01-01T01:00:00Z", "from=%00",
    ],
)  # fmt: skip
async def test_ranges_that_cannot_be_are_refused(town: Town, query: str):
    assert (await town.get(f"/seconds?{query}", 400))["code"] == "1200"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/months/2026-13", 400), ("/months/march", 400), ("/months/2026-3", 400), ("/months/2026-03?format=pdf", 400),
        ("/months/2026-02", 404), ("/months/2026-05", 404), ("/months/1969-12", 400), ("/days/2026-02-30", 400), ("/days/x", 400),
        ("/days/2026-03-10", 404), ("/days/9999-12-31", 404), ("/roots?from=x", 400),
        ("/roots?from=2026-03-02&to=2026-03-01", 400),
    ],
)  # fmt: skip
async def test_what_is_not_there_or_no_date_is_told(town: Town, path: str, status: int):
    error = await town.get(path, status)
    assert error["description"]


async def test_a_sealed_day_is_verified_by_the_script_and_its_root_is_public(town: Town, tmp_path: Path):
    await town.seal()
    day = await town.get("/days/2026-03-10")
    (leaf,) = day["leaves"]
    town.door.door.client.headers.pop("authorization")
    (root,) = await town.get("/roots?from=2026-03-01&to=2026-03-31")
    assert (root["day"], root["root"], root["link"], root["public_key"]) == (
        "2026-03-10", leaf["root"], leaf["link"], leaf["public_key"],
    )  # fmt: skip
    path = tmp_path / "day.json"
    for results, code in (
        (day, 0),
        ({**day, "leaves": [{**leaf, "entry": leaf["entry"].replace("2026-03-10", "2026-03-11")}]}, 1),
    ):
        path.write_text(json.dumps(results))
        done = subprocess.run(
            [sys.executable, str(VERIFY), root["public_key"], str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
    assert await town.get("/roots?to=2026-03-09") == []


# witnesses ----------------------------------------------------------------------------------------------------------------


async def test_a_customers_witness_turns_unknown_seconds_into_unavailable_ones(town: Town):
    made = await town.post("/witnesses", {"name": "outside", "public_key": PUBLIC})
    assert (made["name"], made["public_key"], made["ended_at"]) == ("outside", PUBLIC, None)
    at_s = START + 40_100
    reports = {"reports": [report(at_s, at_s + 60, span(0, 60), 0b1)]}
    before = await town.get("/months/2026-03")
    assert await town.post("/evidence", reports) == {"taken": 1, "known": 0}
    assert await town.post("/evidence", reports) == {"taken": 0, "known": 1}
    after = await town.get("/months/2026-03")
    assert after["seconds"]["unavailable_gross"] == before["seconds"]["unavailable_gross"] + 59
    assert after["seconds"]["unknown"] == before["seconds"]["unknown"] - 60
    (listed,) = await town.get("/evidence")
    assert (listed["witness"], listed["number"], listed["from"], listed["decision"]) == ("outside", 1, at_s, "open")


async def test_where_we_watched_its_word_is_contested_and_shown(town: Town):
    await town.post("/witnesses", {"name": "outside", "public_key": PUBLIC})
    await town.post("/evidence", {"reports": [report(START + 200, START + 260, 0b111)]})
    found = await town.get("/seconds?from=2026-03-10T00:00:00Z&to=2026-03-10T11:00:00Z")
    assert found["contested"] == [[START + 200, 3]]
    assert found["unavailable"] == [[START + 100, 5], [START + 106, 4]]


async def test_an_ended_witness_is_heard_no_more(town: Town):
    made = await town.post("/witnesses", {"name": "w", "public_key": PUBLIC})
    assert (await town.door.call("DELETE", f"availability/witnesses/{made['witness_id']}")).status_code == 204
    (shown,) = await town.get("/witnesses")
    assert shown["ended_at"]
    error = await town.post("/evidence", {"reports": [report(START, START + 60, 0b1)]}, 422)
    assert error["code"] == "1300"
    for wrong in ("0", "x", "999", "9" * 30):
        assert (await town.door.call("DELETE", f"availability/witnesses/{wrong}")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "1400"), ({"name": "w"}, 422, "1400"), ({"name": " ", "public_key": PUBLIC}, 422, "1300"),
        ({"name": "a\u0000", "public_key": PUBLIC}, 422, "1300"), ({"name": "\ud800", "public_key": PUBLIC}, 422, "1300"),
        ({"name": "w", "public_key": "zz"}, 422, "1300"), ({"name": 1}, 422, "1300"),
        ({"name": "x" * 101, "public_key": PUBLIC}, 422, "1300"),
    ],
)  # fmt: skip
async def test_a_witness_needs_a_name_and_a_key(town: Town, body, status: int, code: str):
    answer = await town.door.call("POST", "availability/witnesses", content=json.dumps(body))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) in ((status, code), (400, "1300"), (422, "1300")), answer.text


async def test_a_key_belongs_to_one_witness_and_an_account_has_twenty_at_most(town: Town):
    await town.post("/witnesses", {"name": "w", "public_key": PUBLIC})
    assert (await town.post("/witnesses", {"name": "w", "public_key": PUBLIC.upper()}, 409))["code"] == "1602"
    for number in range(19):
        await town.post("/witnesses", {"name": f"w{number}", "public_key": f"{number:064x}"})
    assert "at most 20" in (await town.post("/witnesses", {"name": "w", "public_key": "f" * 64}, 400))["description"]


async def test_evidence_that_cannot_be_taken_says_why(town: Town):
    await town.post("/witnesses", {"name": "w", "public_key": PUBLIC})
    good = report(START, START + 60, 0b1)
    for body, status, code in (
        ({}, 422, "1400"),
        ({"reports": []}, 422, "1400"),
        ({"reports": [good] * 101}, 413, None),
        ({"reports": [{"report": "{}", "signature": "00"}]}, 422, "1300"),
        ({"reports": [{"report": good["report"]}]}, 422, "1400"),
        ({"reports": [{**good, "signature": "00" * 64}]}, 422, "1300"),
        ({"reports": [report(START + 90_000, START + 90_060, 0b1)]}, 422, "1300"),
        ({"reports": [report(START - 31 * 86_400, START - 31 * 86_400 + 60, 0b1)]}, 422, "1300"),
    ):
        error = await town.post("/evidence", body, status)
        assert error.get("code") == code, error
    await town.post("/evidence", {"reports": [good]})
    assert (await town.post("/evidence", {"reports": [report(START, START + 60, 0b11)]}, 409))["code"] == "1602"


# whose --------------------------------------------------------------------------------------------------------------------


async def test_another_account_sees_and_decides_nothing_of_this_one(town: Town):
    made = await town.post("/witnesses", {"name": "w", "public_key": PUBLIC})
    stranger = await town.door.stranger()
    await town.door.pool.execute("UPDATE accounts SET created_at = '2026-01-01T00:00:00Z'")
    assert await town.get("/witnesses", key=stranger) == []
    assert await town.get("/evidence", key=stranger) == []
    answer = await town.door.call("DELETE", f"availability/witnesses/{made['witness_id']}", key=stranger)
    assert answer.status_code == 404
    error = await town.post("/evidence", {"reports": [report(START, START + 60, 0b1)]}, 422, key=stranger)
    assert "not known" in error["description"]
    found = await town.get("/months/2026-03", key=stranger)
    assert (found["account"], found["seconds"]["unavailable_gross"], found["seconds"]["attempted"]) == ("stranger", 0, 0)
    seconds = await town.get("/seconds?from=2026-03-10T00:00:00Z&to=2026-03-10T11:00:00Z", key=stranger)
    assert seconds["unavailable"] == []
    await town.seal()
    mine, theirs = await town.get("/days/2026-03-10"), await town.get("/days/2026-03-10", key=stranger)
    assert mine["leaves"][0]["root"] == theirs["leaves"][0]["root"]
    assert mine["leaves"][0]["entry"] != theirs["leaves"][0]["entry"]


async def test_the_grant_is_needed_and_a_subaccount_cannot_hold_it(town: Town):
    without = await town.door.door.key_with(*sorted(KEY_GRANTS - {"support/manage", "support/view"}))
    paths = ["", "/months/2026-03", "/seconds", "/days/2026-03-10", "/witnesses", "/evidence"]
    for path in paths:
        assert await town.get(path, 403, key=without) == {"message": "Forbidden."}
        assert await town.get(path, 401, key="f" * 40) == {"message": "Unauthorized."}
    assert "support/manage" not in SUBACCOUNT_KEY_GRANTS
    reads = await town.door.door.key_with("support/view")
    assert (await town.get("/months/2026-03", key=reads))["account"] == "acme"
    assert (await town.post("/witnesses", {"name": "w", "public_key": PUBLIC}, 403, key=reads))["message"] == "Forbidden."


async def token_of(town: Town, name: str, *roles: Role) -> str:
    made = await staff(town.door.pool, name, *roles)
    return await people.new_token(town.door.pool, made.person_id, label="t", actor="operator")


EXCLUSION = {
    "since": "2026-03-10T00:01:40Z", "until": "2026-03-10T00:01:43Z", "kind": "announced_maintenance",
    "reason": "announced on 1 March",
}  # fmt: skip


async def test_one_member_of_the_staff_proposes_an_exclusion_another_approves_it_and_either_takes_it_back(town: Town):
    ana, bo = await token_of(town, "Ana"), await token_of(town, "Bo", Role.ADMIN)
    made = await town.post("/exclusions", EXCLUSION, key=ana)
    assert (made["proposed_by"], made["approved_at"]) == ("Ana", None)
    one = f"/exclusions/{made['exclusion_id']}"
    refused = await town.post(f"{one}/approve", {}, 409, key=ana)
    assert refused["description"] == "Ana proposed it; somebody else must approve it"
    assert (await town.get("/months/2026-03"))["seconds"]["excluded"] == 0
    assert (await town.post(f"{one}/approve", {}, key=bo))["approved_by"] == "Bo"
    statement = await town.get("/months/2026-03")
    (shown,) = statement["exclusions"]
    assert (shown["proposed_by"], shown["approved_by"], shown["seconds"]) == ("Ana", "Bo", 3)
    assert shown["approved_at"] > shown["proposed_at"]
    assert [one["exclusion_id"] for one in await town.get("/exclusions?month=2026-03", key=bo)] == [made["exclusion_id"]]
    assert await town.get("/exclusions?month=2026-02", key=bo) == []
    await town.post(f"{one}/withdraw", {}, key=ana)
    assert (await town.get("/months/2026-03"))["seconds"]["excluded"] == 0
    assert (await town.post(f"{one}/withdraw", {}, 409, key=bo))["code"] == "1602"
    assert (await town.post(f"{one}/approve", {}, 409, key=bo))["code"] == "1602"


async def test_exclusions_are_for_the_staff_whose_work_they_are(town: Town):
    ana, pat = await token_of(town, "Ana"), await token_of(town, "Pat", Role.ONCALL)
    for key in (None, pat):
        more = {} if key is None else {"key": key}
        for path in ("/exclusions", "/exclusions/1/approve", "/exclusions/1/withdraw"):
            assert (await town.post(path, EXCLUSION, 403, **more))["message"] == "Forbidden."
    await town.get("/exclusions", 403)
    assert await town.get("/exclusions", key=pat) == []
    bad = [
        ({"reason": None}, 422), ({"kind": "weather"}, 422), ({"since": "yesterday"}, 422), ({"since": "2026-03-10T00:01"}, 422),
        ({"until": EXCLUSION["since"]}, 422), ({"reason": " "}, 422), ({"reason": "a\0"}, 422), ({"evidence": "x" * 1_001}, 422),
        ({"account_id": 999}, 400), ({"account_id": 2**40}, 400),
    ]  # fmt: skip
    for change, status in bad:
        await town.post("/exclusions", EXCLUSION | change, status, key=ana)
    await town.get("/exclusions?month=march", 400, key=ana)
    for number in ("99", "x", "9" * 30):
        await town.post(f"/exclusions/{number}/approve", {}, 404, key=ana)
        await town.post(f"/exclusions/{number}/withdraw", {}, 404, key=ana)
    made = await town.post("/exclusions", EXCLUSION | {"account_id": town.door.account_id}, key=ana)
    assert made["account_id"] == town.door.account_id


async def test_staff_reads_the_statement_of_an_account_that_it_names(town: Town):
    token = await token_of(town, "tim", Role.TAM)
    whose = f"account_id={town.door.account_id}"
    shown = await town.get(f"/months/2026-03?{whose}", key=token)
    assert (shown["account"], shown["version"], shown["kept"]["without_tam_s"]) == ("acme", 3, 31 * 86_400)
    assert (await town.get(f"/seconds?{whose}", key=token))["api"]["failed"] == []
    assert "account_id" in (await town.get("/months/2026-03", 400, key=token))["description"]
    await town.get("/months/2026-03?account_id=999", 404, key=token)


async def test_one_section_of_a_statement_as_csv(town: Town):
    answer = await town.door.call("GET", "availability/months/2026-03?format=csv&section=cases")
    assert 'filename="availability-2026-03-cases.csv"' in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["opened"] == "0"
    assert (await town.get("/months/2026-03?format=csv&section=x", 400))["code"] == "1200"


async def test_sealing_a_second_day_chains_the_roots_that_everybody_sees(town: Town):
    await town.seal()
    await town.ledger.watch_days(DAY + timedelta(days=1), 1)
    await town.ledger.go(at("2026-03-11 12:00:00"))
    await town.seal()
    first, second = await town.get("/roots")
    assert second["previous"] == first["link"]
