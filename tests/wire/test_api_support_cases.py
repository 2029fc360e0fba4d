"""/api/v1/support/cases: customers by their keys, staff by their tokens, and what neither may see or do."""

import base64
from itertools import pairwise
from typing import Any

import httpx
import pytest

from homing.contracts import people
from homing.contracts.types import Role
from homing.ground import db
from homing.support.cases import letter_store, quarantine
from homing.support.cases.types import Purpose
from homing.support.clocks.store import ServerClock
from tests.kit.cases import Bench
from tests.kit.moved_clock import MovedClock
from tests.kit.resources import ResourceDoor, resource_door

CASES = "support/cases"


class Town:
    """A door, an account with contacts, and two members of the staff with tokens."""

    def __init__(self, door: ResourceDoor, bench: Bench) -> None:
        self.door, self.bench, self.pool = door, bench, door.pool
        self.ann = self.tam = ""

    async def call(self, method: str, path: str = "", body: Any = None, *, key: str = "") -> httpx.Response:
        more = {} if body is None else {"json": body}
        return await self.door.call(method, f"{CASES}{path}", key=key, **more)

    async def did(self, method: str, path: str, body: Any = None, *, key: str = "") -> dict[str, Any]:
        answer = await self.call(method, path, body, key=key)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["results"]
        return found

    async def open(self, **changes: Any) -> int:
        made = await self.did("POST", "", {"subject": "Mail is slow", "text": "Since noon.", "kind": "bug", **changes})
        return int(made["number"])

    async def post(self, number: int) -> None:
        await self.bench.post(number)


@pytest.fixture
async def town(pool: db.Pool):
    async with resource_door(pool) as door:
        bench = await Bench(pool, MovedClock(), ServerClock()).settle_in(account="acme")
        made = Town(door, bench)
        made.ann = await people.new_token(pool, bench.ann.person_id, label="t", actor="operator")
        made.tam = await people.new_token(pool, bench.tam.person_id, label="t", actor="operator")
        yield made


async def test_a_case_is_opened_and_shown_with_its_promises_by_what_they_are_worth(town: Town):
    number = await town.open()
    seen = await town.did("GET", f"/{number}")
    assert (seen["state"], seen["severity"], seen["kind"], seen["source"]) == ("new", "non_critical", "bug", "api")
    assert (seen["owner"], seen["accepted"]) == ({"name": "Tam"}, False)
    assert seen["contacts"][0]["email"] == "kim@acme.test"
    assert set(seen["clocks"]) == {"contractual", "objectives", "provisional", "reminders"}, "internal clocks are ours"
    assert [one["kind"] for one in seen["clocks"]["objectives"]] == ["OWN", "FIRST_RESPONSE"]
    assert seen["clocks"]["contractual"] == []
    first = seen["clocks"]["objectives"][1]
    assert (first["state"], first["zone"], first["holiday_set"], first["clause"]) == ("running", "UK", "GB-EAW", "")
    assert "(UTC+0" in first["due_local"]
    ours = await town.did("GET", f"/{number}", key=town.ann)
    assert [one["kind"] for one in ours["clocks"]["internal"]] == ["ACK_MAIL"]
    assert ours["owner"]["email"] == "tam@provider.test"
    assert ours["account_id"] == town.bench.account_id
    listed = await town.did("GET", "")
    assert [(one["number"], one["next_due"]["nature"]) for one in listed] == [(number, "objective")]


async def test_the_way_of_a_case_from_both_sides(town: Town):
    number = await town.open()
    taken = await town.did("PUT", f"/{number}/owner", {}, key=town.ann)
    assert (taken["state"], taken["owner"]["name"], taken["accepted"]) == ("open", "Ann", True)
    asked = await town.did("POST", f"/{number}/messages", {"text": "Which host?", "question": True}, key=town.ann)
    assert asked["state"] == "open", "nothing is sent yet"
    await town.post(number)
    waiting = await town.did("GET", f"/{number}")
    assert waiting["state"] == "waiting_customer"
    update = waiting["clocks"]["objectives"][-1]
    assert (update["kind"], update["state"], update["due_at"]) == ("UPDATE", "paused", None)
    assert update["remaining_s"] == 8 * 3600
    await town.did("POST", f"/{number}/messages", {"text": "Mind the log.", "internal": True}, key=town.ann)
    back = await town.did("POST", f"/{number}/messages", {"text": "The second one.", "contact": "kim@acme.test"})
    assert back["state"] == "open"
    theirs = await town.did("GET", f"/{number}/messages")
    ours = await town.did("GET", f"/{number}/messages", key=town.ann)
    assert [one["text"] for one in theirs] == ["Since noon.", "Which host?", "The second one."]
    assert [one["purpose"] for one in ours] == ["word", "answer", "note", "word"]
    events = await town.did("GET", f"/{number}/events")
    assert [one["seq"] for one in events] == list(range(1, len(events) + 1))
    assert all(after["prev_hash"] == before["hash"] for before, after in pairwise(events))
    assert "internal" in [one["event"] for one in events]
    assert "payload" not in events[0]
    assert {one["actor"] for one in events if one["side"] == "provider"} == {"staff"}
    staffs = await town.did("GET", f"/{number}/events", key=town.ann)
    assert staffs[0]["payload"]["subject"] == "Mail is slow"
    got = await town.did("PUT", f"/{number}/kind", {"kind": "configuration_request"}, key=town.ann)
    assert got["kind"] == "configuration_request"


async def test_a_resolution_is_proposed_by_us_and_agreed_by_the_account_only_provisionally(town: Town):
    number = await town.open()
    await town.did("PUT", f"/{number}/owner", {}, key=town.ann)
    proposed = await town.did("POST", f"/{number}/resolution", {"text": "It is larger now."}, key=town.ann)
    assert proposed["state"] == "resolution_proposed"
    (proposal,) = proposed["proposals"]
    assert proposal["stands"]
    assert [one["side"] for one in proposal["signatures"]] == ["provider"]
    missing = await town.call("POST", f"/{number}/resolution/signature", {"version": 1})
    assert missing.status_code == 422
    pat = await town.call("POST", f"/{number}/resolution/signature", {"version": 1, "contact": "pat@acme.test"})
    assert pat.status_code == 403
    drafted = await town.did("POST", f"/{number}/resolution/signature", {"version": 1, "contact": "KIM@acme.test"})
    assert drafted["state"] == "resolution_proposed"
    assert drafted["proposals"][0]["waits_for_confirmation_by"] == town.bench.kim.contact_id
    stale = await town.call("POST", f"/{number}/resolution/signature", {"version": 2, "contact": "kim@acme.test"})
    assert stale.status_code == 409
    assert "newer" in stale.json()["errors"][0]["description"]
    refused = await town.did("POST", f"/{number}/resolution/refusal", {"version": 1, "words": "no"})
    assert refused["state"] == "open"
    assert not refused["proposals"][0]["stands"]
    assert refused["proposals"][0]["signatures"][0]["void"]


async def test_staff_enters_consent_with_evidence(town: Town):
    number = await town.open()
    await town.did("PUT", f"/{number}/owner", {}, key=town.ann)
    await town.did("POST", f"/{number}/resolution", {"text": "It is larger now."}, key=town.ann)
    ask = {"version": 1, "contact": "kim@acme.test", "method": "recorded_call", "evidence": "he phoned Ann"}
    assert (await town.call("POST", f"/{number}/resolution/signature", {**ask, "method": "x"}, key=town.ann)).status_code == 422
    other = {**ask, "contact": "nobody@acme.test"}
    assert (await town.call("POST", f"/{number}/resolution/signature", other, key=town.ann)).status_code == 400
    done = await town.did("POST", f"/{number}/resolution/signature", ask, key=town.ann)
    assert done["state"] == "resolved"
    signature = done["proposals"][0]["signatures"][1]
    assert (signature["entered_by_staff"], signature["method"]) == (True, "recorded call")
    assert signature["dispute_until"]


async def test_the_customer_proposes_and_the_provider_signs(town: Town):
    number = await town.open()
    await town.did("PUT", f"/{number}/owner", {}, key=town.ann)
    without = await town.call("POST", f"/{number}/resolution", {"text": "We found it."})
    assert without.status_code == 403
    await town.did("POST", f"/{number}/resolution", {"text": "We found it.", "contact": "kim@acme.test"})
    ours = await town.did("POST", f"/{number}/resolution/signature", {"version": 1}, key=town.ann)
    assert ours["state"] == "resolution_proposed"
    assert [one["side"] for one in ours["proposals"][0]["signatures"]] == ["provider"]
    early = await town.call("POST", f"/{number}/resolution/silence", {}, key=town.tam)
    assert early.status_code == 409


async def test_severity_rises_at_once_and_falls_with_both(town: Town):
    number = await town.open()
    up = await town.did("POST", f"/{number}/severity", {"severity": "critical"})
    assert (up["severity"], up["no_severity_1_call_made"]) == ("critical", True)
    assert [one["kind"] for one in up["clocks"]["provisional"]] == ["CADENCE"]
    assert up["clocks"]["contractual"] == []
    await town.did("PUT", f"/{number}/owner", {}, key=town.ann)
    offered = await town.did("POST", f"/{number}/cadence", {"interval_s": 1800}, key=town.ann)
    assert offered["cadences"] == [
        {
            "version": 1,
            "proposed_by": "provider",
            "accepted": False,
            "effective_at": None,
            "spoken": None,
            "form": "interval",
            "interval_s": 1800,
        }
    ]
    assert (await town.call("POST", f"/{number}/cadence", {"accept": 1}, key=town.ann)).status_code == 403
    agreed = await town.did("POST", f"/{number}/cadence", {"accept": 1})
    (cadence,) = agreed["clocks"]["contractual"]
    assert (cadence["kind"], cadence["clause"]) == ("CADENCE", "F5")
    assert 1790 <= cadence["budget_s"] <= 1800, "counted from the last update"
    update = {"text": "We found the host.", "update": {"unknown_because": "the disk is being copied"}}
    wrong = await town.call("POST", f"/{number}/messages", {**update, "update": {}}, key=town.ann)
    assert wrong.status_code == 422
    await town.did("POST", f"/{number}/messages", update, key=town.ann)
    await town.post(number)
    seen = await town.did("GET", f"/{number}")
    assert [one["state"] for one in seen["clocks"]["contractual"]] == ["met", "running"]
    assert seen["eta"]["unknown_because"] == "the disk is being copied"
    await town.did("POST", f"/{number}/restored", {"text": "Mail flows."}, key=town.ann)
    await town.did("POST", f"/{number}/severity", {"severity": "non_critical", "text": "Mail flows again."}, key=town.ann)
    down = await town.did("POST", f"/{number}/severity", {"accept": 1})
    assert down["severity"] == "non_critical"


NO_CADENCES: tuple[dict[str, Any], ...] = (
    {"interval_s": 5},
    {"zone": "Mars/X", "times": ["09:00"]},
    {"zone": "UTC", "times": ["9am"]},
    {"zone": "UTC", "times": ["24:00"]},
    {"zone": "UTC", "times": ["09:75"]},
    {},
    {"accept": 1},
    {"accept": 1, "effective_at": "2026-05-20T12:00:00"},
)


async def test_a_cadence_that_cannot_be_kept_is_refused(town: Town):
    number = await town.open(severity="critical")
    for wrong in NO_CADENCES:
        assert (await town.call("POST", f"/{number}/cadence", wrong, key=town.ann)).status_code in (409, 422), wrong


async def test_a_cadence_that_was_read_back_on_a_recorded_call_is_agreed_at_once(town: Town):
    number = await town.open(severity="critical")
    spoken = {"interval_s": 900, "contact": "kim@acme.test", "evidence": "she phoned Ann at 11:00"}
    for wrong, status in (
        ({"evidence": " "}, 422),
        ({"evidence": "recording 7"}, 422),
        ({"contact": "no@acme.test"}, 400),
        ({"interval_s": 1}, 422),
    ):
        assert (await town.call("POST", f"/{number}/cadence", {**spoken, **wrong}, key=town.ann)).status_code == status
    agreed = await town.did("POST", f"/{number}/cadence", spoken, key=town.ann)
    assert [one["accepted"] for one in agreed["cadences"]] == [True]
    assert agreed["cadences"][0]["spoken"] == {"evidence": "she phoned Ann at 11:00", "call": None}, "a call outside of our logs"
    assert [(one["kind"], one["clause"]) for one in agreed["clocks"]["contractual"]] == [("CADENCE", "F5")]
    payload = (await town.did("GET", f"/{number}/events", key=town.ann))[-2]["payload"]
    entered = (payload["evidence"], payload["contact_id"], payload["entered_by"])
    assert entered == ("she phoned Ann at 11:00", town.bench.kim.contact_id, town.bench.ann.person_id)
    theirs = await town.did("POST", f"/{number}/cadence", spoken)
    assert [one["accepted"] for one in theirs["cadences"]] == [True, False], "the customer alone agrees to nothing"


async def test_cases_of_one_outage_share_an_update(town: Town):
    first, second = await town.open(severity="critical"), await town.open(severity="critical")
    quiet = await town.open()
    shared = {"text": "Found it.", "update": {"unknown_because": "the disk is being copied"}}
    asked = {**shared, "cases": [first, second, first, quiet, 99, -1, 2**63]}
    answer = await town.door.call("POST", "support/updates", key=town.ann, json=asked)
    told = {one["number"]: (one["written"], one["why"]) for one in answer.json()["results"]}
    assert told[first] == told[second] == (True, "")
    assert told[quiet] == (False, "status updates belong to a critical case; write an answer")
    assert [told[number] for number in (99, -1, 2**63)] == [(False, "there is no such case")] * 3
    for number in (first, second):
        await town.post(number)
        seen = await town.did("GET", f"/{number}")
        assert [one["state"] for one in seen["clocks"]["provisional"]] == ["met", "running"], "each has its own clock"
    for wrong, status in (({}, 422), ({"cases": [1] * 201}, 400), ({"cases": [first], "text": " "}, 422)):
        refused = await town.door.call("POST", "support/updates", key=town.ann, json={**shared, **wrong})
        assert refused.status_code == status, refused.text
    without = await town.door.call("POST", "support/updates", key=town.ann, json={"cases": [first], "text": "Found it."})
    assert without.json()["results"][0]["why"].startswith("an update names the expected time")
    assert (await town.door.call("POST", "support/updates", json=asked)).status_code == 403, "that is the staff's"


async def test_promises_are_counted_by_what_they_are_worth(town: Town):
    number = await town.open()
    await town.did("POST", f"/{number}/messages", {"text": "We look at it."}, key=town.ann)
    await town.post(number)
    await town.open(severity="critical")
    counted = (await town.door.call("GET", "support/promises")).json()["results"]
    rows = {one["kind"]: (one["met"], one["missed"], one["open"], one["attainment"]) for one in counted["objectives"]}
    assert rows == {"OWN": (1, 0, 0, 1.0), "FIRST_RESPONSE": (1, 0, 0, 1.0), "UPDATE": (0, 0, 1, None)}
    assert [(one["kind"], one["open"]) for one in counted["provisional"]] == [("CADENCE", 1)]
    assert counted["contractual"] == []
    assert "internal" not in counted
    ours = f"support/promises?account_id={town.bench.account_id}"
    assert "internal" in (await town.door.call("GET", ours, key=town.ann)).json()["results"]
    past = (await town.door.call("GET", "support/promises?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z")).json()["results"]
    assert past["objectives"] == []
    assert (await town.door.call("GET", "support/promises", key=await town.door.stranger())).json()["results"]["objectives"] == []
    for wrong in ("from=x", "from=2026-01-01", "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "from=1990-01-01T00:00:00Z"):
        assert (await town.door.call("GET", f"support/promises?{wrong}")).status_code == 400, wrong
    for wrong in ("", "?account_id=x", "?account_id=99999999999"):
        assert (await town.door.call("GET", f"support/promises{wrong}", key=town.ann)).status_code == 400


async def test_staff_sees_mail_that_cannot_leave(town: Town):
    number = await town.open()
    unsent = (await town.did("GET", f"/{number}", key=town.ann))["unsent_mail"]
    assert {(one["purpose"], one["to"]) for one in unsent} == {("receipt", "kim@acme.test"), ("staff", "tam@provider.test")}
    assert "unsent_mail" not in await town.did("GET", f"/{number}")


async def test_scope_tam_merge_withdrawal_and_void(town: Town):
    number = await town.open()
    ask = {"verdict": "out", "clause": "b4", "text": "Templates are not included.", "route": "our partners"}
    assert (await town.call("POST", f"/{number}/scope", {**ask, "clause": "X1"}, key=town.ann)).status_code == 422
    out = await town.did("POST", f"/{number}/scope", ask, key=town.ann)
    assert (out["state"], out["scope"]["clause"], out["scope"]["route"]) == ("out_of_scope", "B4", "our partners")
    noted = await town.did("POST", f"/{number}/scope/acknowledgement", {})
    assert noted["scope"]["acknowledged_at"]
    second, third = await town.open(), await town.open()
    called = await town.did("POST", f"/{second}/tam", {"text": "Nobody moves."})
    assert called["clocks"]["objectives"][-1]["kind"] == "TAM_REPLY"
    merged = await town.did("POST", f"/{second}/merge", {"into": third}, key=town.ann)
    assert merged["number"] == third
    assert (await town.did("GET", f"/{second}"))["merged_into"] == third
    followed = await town.did("POST", f"/{second}/messages", {"text": "One more thing."})
    assert followed["number"] == third
    asked = await town.did("POST", f"/{third}/clocks/3/void", {"text": "a test"}, key=town.ann)
    assert [one["state"] for one in asked["clocks"]["objectives"]] == ["running"] * len(asked["clocks"]["objectives"])
    void = await town.did("POST", f"/{third}/clocks/3/void", {"text": "a test"}, key=town.tam)
    (one,) = [one for one in void["clocks"]["objectives"] if one["number"] == 3]
    assert (one["state"], len(one["void"]["people"])) == ("void", 2)
    gone = await town.did("POST", f"/{third}/withdrawal", {"text": "found it"})
    assert gone["state"] == "withdrawn"
    assert (await town.call("POST", f"/{third}/tam", {"text": "too late"})).status_code == 409


async def test_staff_adds_a_contact_to_the_people_who_are_written_to(town: Town):
    number = await town.open(contact="kim@acme.test")
    path = f"/{number}/people"
    assert (await town.call("POST", path, {"contact": "nobody@acme.test"}, key=town.ann)).status_code == 400
    assert (await town.call("POST", path, {"contact": "pat@acme.test"})).status_code in (401, 403)
    for _ in range(2):  # twice is once
        added = await town.did("POST", path, {"contact": "pat@acme.test"}, key=town.ann)
        assert [one["email"] for one in added["contacts"]] == ["kim@acme.test", "pat@acme.test"]
    await town.did("POST", f"/{number}/messages", {"text": "We look at it."}, key=town.ann)
    told = [one.email for one in await letter_store.of_case(town.pool, number) if one.purpose is Purpose.ANSWER]
    assert told == ["kim@acme.test", "pat@acme.test"]
    await town.did("POST", f"/{number}/withdrawal", {"text": "found it"})
    assert (await town.call("POST", path, {"contact": "pat@acme.test"}, key=town.ann)).status_code == 409


async def test_a_call_that_made_a_case_critical_is_one_of_the_account(town: Town):
    number = await town.open()
    ask = {"severity": "critical", "call": "call S1-7KQ2MX"}
    assert (await town.call("POST", f"/{number}/severity", ask, key=town.ann)).status_code == 422
    said = await town.did("POST", f"/{number}/severity", ask)  # a customer's word is enough, whatever he names
    assert (said["severity"], said["no_severity_1_call_made"]) == ("critical", True)


async def test_files_are_given_out_as_downloads_alone(town: Town):
    page = b"<script>alert(1)</script>"
    files = [{"name": '../x";y.html', "type": "text/html", "data": base64.b64encode(page).decode()}]
    number = await town.open(attachments=files)
    (message,) = await town.did("GET", f"/{number}/messages")
    (file,) = message["attachments"]
    assert (file["name"], file["size"]) == ("x__y.html", len(page))
    got = await town.call("GET", f"/{number}/messages/1/attachments/1")
    assert got.content == page
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == 'attachment; filename="x__y.html"'
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    for path in ("1/attachments/2", "2/attachments/1", "x/attachments/1", "1/attachments/99999999999"):
        assert (await town.call("GET", f"/{number}/messages/{path}")).status_code == 404
    note = {"text": "see file", "internal": True, "attachments": files}
    await town.did("POST", f"/{number}/messages", note, key=town.ann)
    assert (await town.call("GET", f"/{number}/messages/2/attachments/1", key=town.ann)).status_code == 200
    assert (await town.call("GET", f"/{number}/messages/2/attachments/1")).status_code == 404, "a note is not the customer's"


NO_CASES: tuple[tuple[dict[str, Any], int], ...] = (
    ({"subject": ""}, 422),
    ({"subject": "\x00\u2028 "}, 422),
    ({"text": " "}, 422),
    ({"text": "x" * 100_001}, 422),
    ({"kind": "wish"}, 422),
    ({"severity": "sev1"}, 422),
    ({"contact": "nobody@acme.test"}, 400),
    ({"attachments": [{"name": "x", "data": "!!"}]}, 422),
    ({"attachments": [{"name": "x", "data": ""}] * 21}, 422),
    ({"attachments": [{"name": "x", "data": base64.b64encode(b"x" * 10_485_761).decode()}]}, 413),
    ({"subject": 7}, 422),
)


async def test_what_cannot_be_a_case_is_refused_with_a_sentence(town: Town):
    for wrong, status in NO_CASES:
        answer = await town.call("POST", "", {"subject": "s", "text": "text", **wrong})
        assert answer.status_code == status, answer.text
        assert answer.json()["errors"][0]["message"]


async def test_nul_surrogates_and_large_numbers_reach_no_database(town: Town):
    number = await town.open(subject="a\x00b", text="x\x00y", service="s\x00")
    assert (await town.did("GET", f"/{number}/messages"))[0]["text"] == "xy"
    raw = b'{"subject": "s", "text": "\\ud800 hello"}'
    assert (await town.door.call("POST", CASES, content=raw)).status_code == 400
    for path in ("/99999999999999999999", "/x", "/-1", "/0", "/%00"):
        assert (await town.call("GET", path)).status_code == 404
    for query in ("?before=99999999999999999999", "?before=x"):
        assert (await town.call("GET", query)).status_code == 200
    assert (await town.call("GET", "?account_id=99999999999", key=town.ann)).status_code == 200
    assert (await town.call("GET", "?owner=99999999999", key=town.ann)).status_code == 200
    for query in ("?state=lost", "?severity=x", "?per_page=0", "?per_page=201", "?per_page=x"):
        assert (await town.call("GET", query)).status_code in (400, 422)
    large = {"version": 2**63, "into": 2**63, "person_id": 2**63, "accept": 2**63, "case": 2**63}
    for step in ("resolution/refusal", "merge", "cadence", "severity"):
        body = {**large, "severity": "critical"}
        assert (await town.call("POST", f"/{number}/{step}", body, key=town.ann)).status_code in (404, 409, 422)
    assert (await town.call("PUT", f"/{number}/owner", large, key=town.ann)).status_code == 400
    assert (await town.call("PUT", f"/{number}/owner", {"person_id": -5}, key=town.ann)).status_code == 400


async def test_who_may_what(town: Town):
    number = await town.open()
    view = await town.door.door.key_with("support/view")
    none = await town.door.door.key_with("smtp/inject")
    assert (await town.call("GET", f"/{number}", key=view)).status_code == 200
    assert (await town.call("POST", f"/{number}/messages", {"text": "hello"}, key=view)).status_code == 403
    assert (await town.call("GET", f"/{number}", key=none)).status_code == 403
    assert (await town.call("GET", f"/{number}", key="staff_wrong")).status_code == 401
    for path, method in (("owner", "PUT"), ("merge", "POST"), ("scope", "POST"), ("resolution/silence", "POST"), ("kind", "PUT")):
        assert (await town.call(method, f"/{number}/{path}", {})).status_code == 403, "that is the staff's"
    assert (await town.door.call("GET", "support/quarantine")).status_code == 403
    assert (await town.call("POST", f"/{number}/withdrawal", {}, key=town.ann)).status_code == 401, "that is the customer's"


async def test_what_belongs_to_another_account_does_not_exist(town: Town):
    number = await town.open()
    stranger = await town.door.stranger()
    assert await town.did("GET", "", key=stranger) == []
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/events", None),
        ("GET", "/messages/1/attachments/1", None),
        ("POST", "/messages", {"text": "hello"}),
        ("POST", "/severity", {"severity": "critical"}),
        ("POST", "/resolution/refusal", {"version": 1}),
        ("POST", "/withdrawal", {}),
    ):
        answer = await town.call(method, f"/{number}{path}", body, key=stranger)
        assert answer.status_code == 404, path
    mine = await town.call("POST", f"/{number}/messages", {"text": "x y z", "contact": "kim@acme.test"}, key=stranger)
    assert mine.status_code == 400, "and his contacts are none of ours"
    assert (await town.did("GET", f"/{number}"))["state"] == "new"


async def test_staff_opens_a_case_for_a_customer_who_has_phoned(town: Town):
    body = {
        "subject": "Down",
        "text": "He phoned.",
        "account_id": town.bench.account_id,
        "source": "phone",
        "contact": "kim@acme.test",
    }
    made = await town.did("POST", "", body, key=town.ann)
    assert (made["source"], made["contacts"][0]["email"]) == ("phone", "kim@acme.test")
    for wrong in (0, 99, 2**40):
        assert (await town.call("POST", "", {**body, "account_id": wrong}, key=town.ann)).status_code == 400
    mine = await town.did("GET", "?owner=me", key=town.tam)
    assert [one["number"] for one in mine] == [made["number"]]


async def test_quarantine_is_decided_by_staff(town: Town):
    raw = b"From: lee@acme.test\r\nSubject: hello\r\n\r\nI am Lee.\r\n"
    numbers = [
        await quarantine.keep(
            town.pool,
            received_at=await town.pool.fetchval("SELECT now()"),
            sender="lee@acme.test",
            subject="hello",
            reason="the sender is nobody's contact",
            case_id=None,
            account_id=None,
            automatic=False,
            raw=raw,
            dedupe=bytes([n]),
        )
        for n in range(2)
    ]
    listed = (await town.door.call("GET", "support/quarantine", key=town.ann)).json()["results"]
    assert [one["quarantine_id"] for one in listed] == [numbers[1], numbers[0]]
    assert "raw" not in listed[0]
    path = f"support/quarantine/{numbers[0]}"
    ask = {"account_id": town.bench.account_id, "contact": "lee@acme.test"}
    assert (await town.door.call("POST", path, key=town.ann, json={})).status_code == 422
    assert (await town.door.call("POST", path, key=town.ann, json=ask)).status_code == 400, "he is no contact yet"
    await town.bench.contact("lee@acme.test")
    done = await town.door.call("POST", path, key=town.ann, json=ask)
    assert done.status_code == 200, done.text
    assert done.json()["results"]["subject"] == "hello"
    assert (await town.door.call("POST", path, key=town.ann, json=ask)).status_code == 404
    gone = await town.door.call("POST", f"support/quarantine/{numbers[1]}", key=town.ann, json={"discard": True})
    assert gone.json() == {"results": {"discarded": True}}
    assert (await town.door.call("POST", "support/quarantine/x", key=town.ann, json={"discard": True})).status_code == 404


async def test_who_has_left_does_nothing_any_more(town: Town):
    number = await town.open()
    eve = await town.bench.staff("eve", Role.CST)
    token = await people.new_token(town.pool, eve.person_id, label="t", actor="operator")
    assert (await town.call("GET", f"/{number}", key=token)).status_code == 200
    gone = await people.one(town.pool, eve.person_id)
    assert gone is not None
    await people.change(town.pool, people.left(gone, MovedClock().now()), actor="operator")
    assert (await town.call("GET", f"/{number}", key=token)).status_code == 401
    assert (await town.call("PUT", f"/{number}/owner", {"person_id": eve.person_id}, key=town.ann)).status_code == 400
