"""Recordings, lost webhooks, a store that is away, test calls: what the keeper of the Severity 1 Line does."""

import hashlib
import json
import re
from datetime import timedelta

import pytest

from homing.accounts import store as accounts
from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.support.line import store
from homing.support.line.journal import Noted
from homing.support.line.lost import since
from homing.support.line.types import Family, Happened, Outcome, Source
from homing.support.oncall import runs
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, Person, Tape, http, sound
from tests.kit.line import BO, KIM, START, LineHouse, line_house

TALKS = (SILENT, Tape(1), HANGS_UP)


@pytest.fixture
async def house(pool):
    async with line_house(pool) as made:
        yield made


async def fetched(house: LineHouse, *, turns: int = 1, seconds: float = 61) -> list[dict]:
    """Let the keeper look for recordings, and return those of the one call."""
    for _ in range(turns):
        house.clock.forward(seconds=seconds)
        await house.line.recordings.turn(house.clock.now())
    number = (await house.intake()).intake_id
    return (await house.api("GET", f"line/calls/{number}", who="ana")).json()["results"]["recordings"]


async def test_a_recording_is_fetched_sealed_deleted_there_and_heard_by_the_staff(house: LineHouse):
    await house.carrier.call(*TALKS).ring()
    (one,) = await fetched(house, turns=2)
    wav = sound(1)
    assert (one["state"], one["step"], one["size_bytes"]) == ("kept", "company", len(wav))
    assert one["sha256"] == hashlib.sha256(wav).hexdigest()
    assert len(house.carrier.deleted) == 1
    content = await house.pool.fetchval("SELECT content FROM line_recordings")
    assert b"RIFF" not in content
    heard = await house.api("GET", f"line/recordings/{one['recording_id']}", who="bo")
    assert (heard.content, heard.headers["content-type"]) == (wav, "audio/wav")
    assert "recording heard" in await house.kinds()
    audit = await house.pool.fetchval("SELECT actor FROM audit WHERE action = 'recording heard'")
    assert audit == f"staff {house.staff['bo'].person_id}"


async def test_the_tam_of_another_account_erases_no_evidence(house: LineHouse):
    await house.contact("kim", KIM)
    await house.carrier.call(*TALKS).ring()
    (one,) = await fetched(house)
    path = f"line/recordings/{one['recording_id']}"
    await house.hire("eve", "", Role.TAM)
    tam = await house.hire("tim", "", Role.TAM)
    assert await contracts.assign_tam(house.pool, house.account_id, tam.person_id, begins_at=START, actor="operator")
    assert (await house.api("DELETE", path, who="eve")).status_code == 404
    assert (await house.api("GET", path, who="ana")).status_code == 200
    assert (await house.api("DELETE", path, who="tim")).status_code == 204
    assert (await house.api("GET", path, who="ana")).status_code == 404


async def test_an_erased_recording_leaves_its_digest(house: LineHouse):
    await house.carrier.call(*TALKS).ring()
    (one,) = await fetched(house)
    path = f"line/recordings/{one['recording_id']}"
    assert (await house.api("DELETE", path, who="ana")).status_code == 403  # the TAM or an admin may
    house.clock.forward(days=401)
    await house.line.recordings.tidy()
    (one,) = await fetched(house)
    assert (one["state"], one["sha256"]) == ("erased", hashlib.sha256(sound(1)).hexdigest())
    assert await house.pool.fetchval("SELECT key_sealed IS NULL AND content IS NULL FROM line_recordings")
    assert (await house.api("GET", path, who="ana")).status_code == 404
    assert "recording erased" in await house.kinds()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/rec",
        "http://127.0.0.1:1/rec",
        "file:///etc/passwd",
        "http://user@127.0.0.1/x",
        "nonsense",
        "http://[::1]:80/x",
    ],
)
async def test_a_recording_of_a_foreign_host_is_refused(house: LineHouse, url):
    call = house.carrier.call()
    fields = call.fields(RecordingStatus="completed", RecordingSid="RE1", RecordingUrl=url)
    await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/calls/recording?step=name&n=4", fields)
    (one,) = await fetched(house)
    assert one["state"] == "refused"


async def test_a_redirect_to_another_host_is_refused(house: LineHouse):
    house.carrier.media = lambda sid: http(302, b"", Location="http://127.0.0.1:9/internal")
    await house.carrier.call(*TALKS).ring()
    (one,) = await fetched(house)
    assert one["state"] == "refused"


async def test_a_redirect_in_circles_is_refused(house: LineHouse):
    house.carrier.media = lambda sid: http(302, b"", Location=f"/2010-04-01/Accounts/x/Recordings/{sid}.wav")
    await house.carrier.call(*TALKS).ring()
    assert (await fetched(house))[0]["state"] == "refused"


async def test_a_recording_that_is_not_there_for_a_minute_is_fetched_then(house: LineHouse):
    house.carrier.media = lambda sid: http(404, b"")
    await house.carrier.call(*TALKS).ring()
    assert (await fetched(house, turns=2))[0]["state"] == "waiting"
    house.carrier.media = None
    assert (await fetched(house, turns=3))[0]["state"] == "kept"


async def test_a_recording_that_never_comes_is_given_up(house: LineHouse):
    house.carrier.media = lambda sid: http(500, b"")
    await house.carrier.call(*TALKS).ring()
    assert (await fetched(house, turns=25, seconds=1_900))[0]["state"] == "lost"


async def test_an_empty_and_an_absent_recording(house: LineHouse):
    house.carrier.media = lambda sid: http(200, b"", "audio/wav")
    await house.carrier.call(*TALKS).ring()
    assert (await fetched(house))[0]["state"] == "absent"


async def test_a_recording_that_nobody_reports_is_fetched_after_a_minute(house: LineHouse):
    house.carrier.tells_recordings = False
    await house.carrier.call(*TALKS).ring()
    await house.line.recordings.turn(house.clock.now())
    assert (await fetched(house))[0]["state"] == "kept"


async def test_a_lost_webhook_is_found_in_the_carriers_list_with_the_carriers_time(house: LineHouse):
    house.carrier.call()  # it rang at 06:50, and its webhook never came
    heard = house.carrier.call(HANGS_UP, caller="+442079460001")
    await heard.ring()
    house.clock.forward(seconds=70)
    assert await house.line.keeper.reconcile(house.clock.now()) == 1
    assert await house.line.keeper.reconcile(house.clock.now()) == 0
    lost = (await house.intakes())[-1]
    assert (lost.source, lost.caller, lost.first_ring_at) == (Source.RECONCILED, KIM, START)
    assert (await house.owed(lost.intake_id)).due_at == START + timedelta(minutes=15)
    assert await house.pages() == ["call", "call"]


@pytest.mark.parametrize("family", [Family.TWILIO, Family.JAMBONZ])
async def test_calls_that_rang_while_nobody_could_ask_are_all_found_however_long_ago(pool, family):
    async with line_house(pool, family) as house:
        house.clock.forward(minutes=2)
        await house.line.keeper.reconcile(house.clock.now())
        for _ in range(52):  # more than a page
            house.carrier.call(caller="")
        rang = house.clock.now()
        house.clock.forward(hours=30)
        house.carrier.call(caller="+442079460001")
        house.clock.forward(seconds=70)
        house.carrier.api_secret, known = "another", house.carrier.api_secret
        assert await house.line.keeper.reconcile(house.clock.now()) == 0  # the carrier does not say: that is no success
        house.carrier.api_secret = known
        house.clock.forward(hours=1)
        assert await house.line.keeper.reconcile(house.clock.now()) == 53
        assert [one.first_ring_at for one in await house.intakes()].count(rang) == 52
        assert await house.line.keeper.reconcile(house.clock.now()) == 0


async def test_a_number_is_looked_back_upon_for_a_week_and_a_new_one_for_an_hour(house: LineHouse):
    now = house.clock.now()
    assert since(None, now) == now - timedelta(hours=1)
    assert since(now - timedelta(days=3), now) == now - timedelta(days=3, hours=1)
    assert since(now - timedelta(days=30), now) == now - timedelta(days=7)
    assert since(now + timedelta(days=400), now) == now - timedelta(hours=1)  # a clock was wrong


async def test_a_list_of_calls_that_cannot_be_read_is_read_again_from_where_it_was(house: LineHouse):
    await house.line.keeper.reconcile(house.clock.now())
    house.carrier.call()
    house.clock.forward(hours=3)
    house.carrier.lists = lambda: http(200, b'{"calls": [{"sid": "CA')
    assert await house.line.keeper.reconcile(house.clock.now()) == 0
    house.carrier.lists = lambda: http(
        200, b'{"calls": [{"sid": "CA1"}], "next_page_uri": "https://elsewhere.example/Calls.json"}'
    )
    assert await house.line.keeper.reconcile(house.clock.now()) == 0
    house.carrier.lists = None
    house.clock.forward(hours=1)
    assert await house.line.keeper.reconcile(house.clock.now()) == 1


async def test_a_webhook_that_comes_after_all_goes_on_with_the_call(house: LineHouse):
    call = house.carrier.call(*TALKS)
    house.clock.forward(seconds=70)
    await house.line.keeper.reconcile(house.clock.now())
    await call.ring()
    assert (await house.intake()).state.recorded == ("company",)
    assert len(house.carrier.asked) > 2


async def test_a_call_whose_promise_is_over_when_it_is_found_is_missed_honestly(house: LineHouse):
    house.carrier.call()
    await house.forward(minutes=20)
    await house.line.keeper.reconcile(house.clock.now())
    await house.line.keeper.turn()
    assert (await house.owed()).outcome is Outcome.MISSED


async def test_while_the_store_is_away_a_call_is_written_down_and_played_when_it_is_back(house: LineHouse):
    real = house.line.desk._pool
    house.line.desk._pool = Away()  # type: ignore[assignment]
    call = house.carrier.call(Tape(3), SILENT)
    await call.ring()
    assert "our own systems do not answer" in call.said
    house.line.desk._pool = real
    assert await house.intakes() == []
    house.clock.forward(minutes=2)
    await house.line.keeper.player.play()
    one = await house.intake()
    assert (one.source, one.first_ring_at, one.caller) == (Source.JOURNAL, START, KIM)
    assert (await house.owed()).due_at == START + timedelta(minutes=15)
    assert await house.pages() == ["call"]
    assert (await fetched(house))[0]["state"] == "kept"
    assert await house.line.journal.waiting() == []


async def test_who_takes_a_call_while_the_store_is_away_is_known_later_and_is_no_call_of_his_own(house: LineHouse):
    real = house.line.desk._pool
    house.carrier.people = {BO: Person(keys=("1",))}

    def away_for_the_key(path: str) -> bool:
        house.line.desk._pool = Away() if "whisper-accept" in path else real  # type: ignore[assignment]
        return False

    house.carrier.unheard = away_for_the_key
    await house.carrier.call(SILENT).ring()
    await house.line.keeper.player.play()
    one = await house.intake()  # the only one
    assert one.accepted_by == house.staff["bo"].person_id
    assert await house.line.journal.waiting() == []


async def test_a_request_that_cannot_be_played_holds_up_no_other(house: LineHouse):
    def noted(what: str, call_id: str) -> Noted:
        return Noted(at=house.clock.now(), carrier="tel", what=what, happened=Happened(call_id=call_id, caller=KIM), step="x")

    await house.line.journal.keep(noted("page-key", "CA1"))
    house.clock.forward(seconds=1)
    await house.line.journal.keep(noted("inbound", "CA2"))
    await house.line.keeper.turn()
    assert (await house.intake()).call_id == "CA2"
    assert await house.line.journal.waiting() == []
    assert len(list(house.line.journal._folder.glob("*.bad"))) == 1  # for a person to look at


class Away:
    """A pool whose server is gone."""

    def acquire(self):
        raise ConnectionRefusedError("the server is gone")


async def test_test_calls_are_heard_and_owe_nothing(pool):
    async with line_house(pool, test_from="+15550109999") as house:
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        house.clock.forward(seconds=11)
        await house.line.keeper.listen_for_tests(house.clock.now())
        assert await house.intakes() == []
        assert await house.pool.fetchval("SELECT outcome FROM line_tests") == "heard"
        await house.carrier.call(HANGS_UP, caller="+15550109999").ring()  # somebody borrows that number
        assert len(await house.intakes()) == 1


async def test_a_test_call_that_is_heard_late_is_still_nobodys_call(pool):
    async with line_house(pool, test_from="+15550109999") as house:
        house.carrier.unheard = lambda path: True
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        house.clock.forward(seconds=11)
        await house.line.keeper.listen_for_tests(house.clock.now())
        assert await house.pool.fetchval("SELECT outcome FROM line_tests") == "silent"
        house.carrier.unheard = lambda path: False
        await house.carrier.call(HANGS_UP, caller="+15550109999").ring()  # the machine was busy
        assert await house.intakes() == []
        assert await house.pool.fetchval("SELECT outcome FROM line_tests") == "heard"


async def test_a_test_call_that_was_lost_takes_nothing_from_the_one_after_it(pool):
    async with line_house(pool, test_from="+15550109999") as house:
        house.carrier.unheard = lambda path: True
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        house.carrier.unheard = lambda path: False
        house.clock.forward(seconds=9)
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        house.clock.forward(seconds=11)
        await house.line.keeper.listen_for_tests(house.clock.now())
        rows = await house.pool.fetch("SELECT outcome FROM line_tests ORDER BY test_id")
        assert [row["outcome"] for row in rows] == ["silent", "heard"]


async def test_a_test_call_while_the_store_is_away_owes_nothing_when_it_is_played(pool):
    async with line_house(pool, test_from="+15550109999") as house:
        real = house.line.desk._pool
        house.line.desk._pool = Away()  # type: ignore[assignment]
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        house.line.desk._pool = real
        house.clock.forward(minutes=2)
        await house.line.keeper.listen_for_tests(house.clock.now())
        await house.line.keeper.player.play()
        assert await house.intakes() == []
        assert await house.pages() == []


async def test_two_test_calls_in_a_row_that_nobody_hears_page_people_once(pool):
    async with line_house(pool, test_from="+15550109999") as house:
        house.carrier.refuses = 500
        for _ in range(4):
            await house.line.keeper.test(house.clock.now())
            house.clock.forward(seconds=11)
            await house.line.keeper.listen_for_tests(house.clock.now())
        assert await house.pages() == ["line_silent"]


async def test_errands_are_done_by_one_worker_when_it_is_time(house: LineHouse):
    house.carrier.call()
    house.clock.forward(seconds=70)
    await house.line.keeper.errands()
    assert len(await house.intakes()) == 1
    house.carrier.call(caller="+442079460001")
    house.clock.forward(seconds=30)
    await house.line.keeper.errands()
    assert len(await house.intakes()) == 1  # within the minute nobody asks again
    house.clock.forward(seconds=31)
    await house.line.keeper.errands()
    assert len(await house.intakes()) == 2


async def test_what_is_done_every_so_often_goes_on_after_a_clock_went_back(house: LineHouse):
    ahead = house.clock.now() + timedelta(days=400)
    assert await store.is_due(house.pool, "reconcile", now=ahead, before=ahead - timedelta(minutes=1))
    assert await runs.take_beat(house.pool, ahead, every=timedelta(minutes=1))
    for due in (True, False):  # once
        now = house.clock.now()
        assert await store.is_due(house.pool, "reconcile", now=now, before=now - timedelta(minutes=1)) is due
        assert await runs.take_beat(house.pool, now, every=timedelta(minutes=1)) is due


REPORT = {"company": "Acme", "name": "Kim", "phone": "+442079460000", "email": "kim@acme.test", "description": "all mail fails"}


async def test_who_cannot_phone_reports_by_api(house: LineHouse):
    answer = await house.api("POST", "sev1", json={**REPORT, "idempotency_key": "k1"})
    assert answer.status_code == 200, answer.text
    made = answer.json()["results"]
    assert made["due_at"] == "2026-03-08T07:05:00.000Z"
    assert made["due_local"] == "2026-03-08 03:05 EDT (-04:00)"
    assert made["answers"] == REPORT
    assert made["missing"] == []
    again = await house.api("POST", "sev1", json={**REPORT, "idempotency_key": "k1"})
    assert again.json()["results"]["reference"] == made["reference"]
    assert await house.pages() == ["call"]
    one = await house.intake()
    assert (one.account_id, one.entitlement.value) == (house.account_id, "yes")
    assert (await house.api("GET", "sev1")).json()["results"] == [made]
    assert (await house.api("GET", f"sev1/{made['reference']}")).json()["results"] == made


@pytest.mark.parametrize(
    ("change", "status"),
    [({"phone": "", "email": ""}, 422), ({"description": ""}, 422), ({"email": "nonsense"}, 422), ({"phone": "12"}, 422),
     ({"name": "x" * 201}, 400), ({"name": "a\0b"}, 422), ({"name": 7}, 422), ({"name": "\ud800"}, 400)],
)  # fmt: skip
async def test_a_report_that_cannot_be_answered_says_what_to_mend(house: LineHouse, change, status):
    body = json.dumps({**REPORT, **change}).encode()
    answer = await house.door.client.post("/api/v1/support/sev1", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert await house.intakes() == []


async def form(house: LineHouse, **fields: str):
    page = await house.door.client.get("/sev1")
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket is not None
    return await house.door.client.post("/sev1", data={"ticket": ticket[1], **fields}), ticket[1]


async def test_who_cannot_phone_fills_in_a_form_without_scripts(house: LineHouse):
    page = await house.door.client.get("/sev1")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert "+18005550100" in page.text
    answer, ticket = await form(house, **REPORT, pin="314159")
    assert answer.status_code == 200, answer.text
    one = await house.intake()
    assert one.reference in answer.text
    assert "03:05 EDT" in answer.text
    assert (one.source, one.account_id, one.state.answers.description) == (Source.FORM, house.account_id, "all mail fails")
    assert await house.pages() == ["call"]
    again = await house.door.client.post("/sev1", data={"ticket": ticket, **REPORT})
    assert one.reference in again.text
    assert len(await house.intakes()) == 1


async def test_a_pin_that_was_not_looked_up_is_not_counted_as_wrong(house: LineHouse):
    for _ in range(5):
        await form(house, **REPORT, pin="111111")
    house.clock.forward(minutes=50)
    for _ in range(5):
        await form(house, **REPORT, pin="314159")  # right, but nobody looks
    assert {one.account_id for one in await house.intakes()} == {None}
    house.clock.forward(minutes=11)
    await form(house, **REPORT, pin="314159")
    assert (await house.intakes())[-1].account_id == house.account_id


async def test_a_form_that_lacks_something_is_shown_again_with_what_was_written(house: LineHouse):
    answer, _ = await form(house, company='"><script>alert(1)</script>', description="x")
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert (await house.door.client.post("/sev1", data={"ticket": "forged", **REPORT})).status_code == 400
    assert (await house.door.client.post("/sev1", content=b"\xff" * 10)).status_code == 400
    assert (await house.door.client.post("/sev1", content=b"x" * 200_000)).status_code == 413
    assert await house.intakes() == []


async def test_too_many_forms_of_one_address_are_asked_to_phone(house: LineHouse):
    for _ in range(30):
        assert (await form(house, **REPORT))[0].status_code == 200
    assert (await form(house, **REPORT))[0].status_code == 429


async def test_another_account_sees_nothing_of_it(house: LineHouse):
    made = (await house.api("POST", "sev1", json={**REPORT, "idempotency_key": "k1"})).json()["results"]
    stranger = await accounts.get_or_create_account(house.pool, "stranger")
    key = await accounts.create_key(house.pool, account_id=stranger.account_id, label="s", grants=["support/manage"])
    theirs = {"Authorization": key.clear}
    client = house.door.client
    assert (await client.get("/api/v1/support/sev1", headers=theirs)).json() == {"results": []}
    assert (await client.get(f"/api/v1/support/sev1/{made['reference']}", headers=theirs)).status_code == 404
    again = await client.post("/api/v1/support/sev1", json={**REPORT, "idempotency_key": "k1"}, headers=theirs)
    assert again.json()["results"]["reference"] != made["reference"]  # a key of one account is none of another
    for path in ("line/calls", "line/calls/1", "line/recordings/1"):
        assert (await client.get(f"/api/v1/support/{path}", headers=theirs)).status_code == 403
    reader = {"Authorization": await house.door.key_with("support/view")}
    assert (await client.get("/api/v1/support/sev1", headers=reader)).json()["results"][0]["reference"] == made["reference"]
    assert (await client.post("/api/v1/support/sev1", json=REPORT, headers=reader)).status_code == 403
    other = {"Authorization": await house.door.key_with("templates/view")}
    assert (await client.get("/api/v1/support/sev1", headers=other)).status_code == 403
    assert (await client.get("/api/v1/support/sev1", headers={"Authorization": ""})).status_code == 401
