"""/api/v1/support/oversight: what is at risk first, then news; pages; one step to escalate; nobody sees others' accounts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ground import db
from homing.support.cases.desk import contact_actor
from homing.support.cases.types import CaseKind, Severity
from homing.support.clocks.auditor import Auditor
from homing.support.clocks.types import State
from homing.support.line import store as line_store
from homing.support.line.types import Entitlement
from homing.support.oncall import runs, store
from homing.support.oncall.types import ChannelKind, Ladder, Step, Target, Whom
from homing.support.threads.audit import ThreadSource
from tests.kit.carrier import HANGS_UP, SILENT, Tape
from tests.kit.cases import Bench
from tests.kit.tam_line import TamHouse, tam_house

NOON = "2026-05-20T11:00Z"


@pytest.fixture
async def house(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, NOON) as made:
        yield made


async def stream(house: TamHouse, query: str = "", **how: Any) -> dict[str, Any]:
    answer = await house.api("GET", f"oversight{query}", **how)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def busy(house: TamHouse) -> None:
    """Let something of every kind happen."""
    await house.open("Mail is slow.")  # OWN and FIRST_RESPONSE run
    house.clock.forward(minutes=10)
    await house.open("All is down.", severity=Severity.CRITICAL, kind=CaseKind.BUG)
    await house.arrives(house.writes("May we?", subject="Volume"))  # TAM_REPLY
    await house.rings(SILENT, Tape(1)).ring()  # voicemail: TAM_REPLY
    await house.carrier.call(HANGS_UP, caller="+442071838750").ring()  # Severity 1: CALLBACK
    house.clock.forward(minutes=5)


async def test_what_is_due_soonest_stands_first_then_critical_issues_then_news_by_time(house: TamHouse):
    await busy(house)
    items = (await stream(house))["results"]
    risks = [one["risk"] for one in items]
    assert risks == sorted(risks, key=["due", "missed", "critical", "news"].index)
    due = [one for one in items if one["risk"] == "due"]
    assert [one["due_at"] for one in due] == sorted(one["due_at"] for one in due)
    assert {one["what"] for one in due} >= {"OWN", "FIRST_RESPONSE", "TAM_REPLY", "CALLBACK", "CADENCE", "ENGAGE"}
    (critical,) = [one for one in items if one["risk"] == "critical"]
    assert (critical["kind"], critical["what"]) == ("case", "Mail is slow")
    news = [one for one in items if one["risk"] == "news"]
    assert [one["at"] for one in news] == sorted((one["at"] for one in news), reverse=True)
    assert {one["kind"] for one in news} >= {"case", "message", "call", "thread"}
    house.clock.forward(hours=2)
    await house.line.keeper.turn()
    missed = [one for one in (await stream(house))["results"] if one["risk"] == "missed"]
    assert "CALLBACK" in {one["what"] for one in missed}
    await house.pool.execute("UPDATE line_obligations SET returned_at = $1", house.clock.now() - timedelta(minutes=1))
    decided = [one for one in (await stream(house))["results"] if one["what"] == "CALLBACK"]
    assert [(one["risk"], one["state"]) for one in decided] == [("news", "missed")], "returned late: no risk, and still missed"


async def test_pages_give_everything_once_in_the_same_order_whatever_comes_meanwhile(house: TamHouse):
    await busy(house)
    whole = (await stream(house, "?per_page=200"))["results"]
    seen: list[dict[str, Any]] = []
    query = "?per_page=3"
    for _ in range(50):
        found = await stream(house, query)
        seen += found["results"]
        if len(seen) == 3:
            house.clock.forward(seconds=1)
            await house.arrives(house.writes("News while somebody turns pages."))
        if "next" not in found["links"]:
            break
        query = "?" + found["links"]["next"].partition("?")[2]
    assert [(one["kind"], one["id"]) for one in seen] == [(one["kind"], one["id"]) for one in whole]
    assert len(seen) == len({(one["kind"], one["id"], one["risk"]) for one in seen}) > 10


async def test_promises_that_were_decided_and_pages_are_news(house: TamHouse):
    case = await house.open("Mail is slow.")
    house.clock.forward(minutes=5)
    await house.desk.own(case.case_id, house.ann.person_id, house.ann)
    house.clock.forward(minutes=5)
    answer = await house.api(
        "POST", "oversight/escalations", json={"case": case.number, "to": "management", "reason": "He waits."}
    )
    assert answer.status_code == 200, answer.text
    await house.staff("max", Role.ADMIN)
    taken = await runs.take_step(house.pool, house.clock.now(), kinds=frozenset({ChannelKind.EMAIL}))
    assert taken is not None
    items = (await stream(house))["results"]
    assert ("promise", "OWN", "met", "news") in [(one["kind"], one["what"], one["state"], one["risk"]) for one in items]
    (page,) = [one for one in items if one["kind"] == "page"]
    assert (page["what"], page["state"]) == (f"case {case.number}", "waiting")


async def test_a_tam_sees_his_accounts_and_those_he_stands_in_for_and_no_others(house: TamHouse, pool: db.Pool):
    other = Bench(pool, house.clock)
    other.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ('other') RETURNING account_id")) or 0
    other.kim = await other.contact("lee@other.test")
    tom = await house.staff("tom", Role.TAM)
    admin = await house.staff("max", Role.ADMIN)
    await contracts.assign_tam(
        pool, other.account_id, tom.person_id, begins_at=house.clock.now() - timedelta(days=9), actor="operator"
    )
    await house.open("Of acme.")
    theirs = await other.open("Of the other.")
    for who, expected in ((house.tam, {house.account_id}), (tom, {other.account_id})):
        found = await stream(house, who=who)
        assert {one["account_id"] for one in found["results"]} == expected
        assert {one["account_id"] for one in found["accounts"]} == expected
    assert {one["account_id"] for one in (await stream(house, who=admin))["results"]} == {house.account_id, other.account_id}
    # whatever names an account, a case, a thing of the other's is not there
    for method, path, body in (
        ("GET", f"oversight?account_id={other.account_id}", None),
        ("GET", f"threads/{other.account_id}", None),
        ("POST", f"threads/{other.account_id}/messages", {"text": "Hello to you."}),
        ("POST", f"threads/{other.account_id}/messages/1/count", None),
        ("GET", f"threads/{other.account_id}/messages/1/files/1", None),
        ("POST", "oversight/escalations", {"case": theirs.number, "to": "tam", "reason": "To see whether it works."}),
        ("GET", "voicemail/1", None),
        ("DELETE", "voicemail/1", None),
        ("DELETE", "thread-quarantine/1", None),
        ("POST", "thread-quarantine/1/release", {"account_id": house.account_id, "contact": "kim@acme.test"}),
    ):
        answer = await house.api(method, path, **({} if body is None else {"json": body}))
        assert (method, path, answer.status_code) == (method, path, 404)
    # with the cover he sees both, and the TAM goes on seeing his own
    now = house.clock.now()
    assert await contracts.add_cover(
        pool,
        tom.person_id,
        house.tam.person_id,
        begins_at=now - timedelta(minutes=1),
        ends_at=now + timedelta(days=1),
        reason="on leave",
        actor="operator",
    )
    both = await stream(house)
    assert {one["account_id"] for one in both["results"]} == {house.account_id, other.account_id}
    shown = next(one for one in both["accounts"] if one["account_id"] == other.account_id)
    assert (shown["tam"]["name"], shown["acting"]["name"], shown["away_because"]) == ("Tom", "Tam", "on leave")
    assert {one["account_id"] for one in (await stream(house, who=tom))["results"]} == {other.account_id}
    house.clock.forward(days=2)
    assert {one["account_id"] for one in (await stream(house))["results"]} == {house.account_id}


async def test_whoever_oversees_nothing_is_refused(house: TamHouse):
    ways = (
        ("GET", "oversight", None),
        ("POST", "oversight/escalations", {"case": 1, "to": "tam", "reason": "Because of it."}),
        ("GET", f"threads/{house.account_id}", None),
        ("POST", f"threads/{house.account_id}/messages", {"text": "Hello to you."}),
        ("POST", f"threads/{house.account_id}/messages/1/count", None),
        ("GET", f"threads/{house.account_id}/messages/1/files/1", None),
        ("GET", "voicemail/1", None),
        ("DELETE", "voicemail/1", None),
        ("GET", "thread-quarantine", None),
        ("POST", "thread-quarantine/1/release", {"account_id": 1, "contact": "kim@acme.test"}),
        ("DELETE", "thread-quarantine/1", None),
    )
    for method, path, body in ways:
        more = {} if body is None else {"json": body}
        assert (await house.api(method, path, who=house.ann, **more)).status_code == 403
        assert (await house.api(method, path, key=house.door.key, **more)).status_code in (401, 403)
        assert (await house.api(method, path, key="staff_" + "0" * 40, **more)).status_code == 401


async def test_a_new_tam_with_no_account_sees_an_empty_stream(house: TamHouse):
    tom = await house.staff("tom", Role.TAM)
    assert await stream(house, who=tom) == {"results": [], "accounts": [], "links": {}, "at": "2026-05-20T11:00:00.000Z"}


async def test_a_case_is_escalated_to_the_tam_in_one_step(house: TamHouse):
    case = await house.open("Mail is slow.")
    await house.sent()
    body = {"case": case.number, "to": "tam", "reason": "The customer asks for you."}
    answer = await house.api("POST", "oversight/escalations", json=body)
    assert answer.json()["results"] == {"case": case.number, "escalated_to": "tam"}
    assert [one["To"] for one in await house.sent()] == ["tam@provider.test"]
    assert "TAM_REPLY" in {one["what"] for one in (await stream(house))["results"] if one["risk"] == "due"}


async def test_a_case_is_escalated_to_management_by_a_page_and_a_note(house: TamHouse):
    case = await house.open("Mail is slow.")
    body = {"case": case.number, "to": "management", "reason": "He has waited for a week."}
    assert (await house.api("POST", "oversight/escalations", json=body)).status_code == 200
    (run,) = await runs.latest(house.pool)
    assert (run.reference, run.account_id, run.severity.value) == (f"case {case.number}", house.account_id, "ordinary")
    assert {target.name for target in run.steps[0].targets} == {"management", "admin"}
    assert "He has waited for a week." in [one.body for one in await house.messages(case.case_id)][-1]
    # a ladder of that name is climbed instead, where one was recorded
    own = Ladder(name="escalation", steps=(Step(after_s=0, targets=(Target(Whom.PERSON, str(house.ann.person_id)),)),))
    await store.put_ladder(house.pool, own, actor="operator")
    assert (await house.api("POST", "oversight/escalations", json=body)).status_code == 200
    assert (await runs.latest(house.pool))[0].steps[0].targets[0].whom is Whom.PERSON


async def test_a_case_is_escalated_to_a_critical_issue(house: TamHouse):
    case = await house.open("Mail is slow.")
    body = {"case": case.number, "to": "critical", "reason": "Nothing goes out at all."}
    assert (await house.api("POST", "oversight/escalations", json=body)).status_code == 200
    assert (await house.case(case.case_id)).severity is Severity.CRITICAL


BAD = [
    ({"to": "tam", "reason": "Because of it."}, 404),
    ({"case": 10**30, "to": "tam", "reason": "Because of it."}, 404),
    ({"case": 2**60, "to": "tam", "reason": "Because of it."}, 404),
    ({"case": "x", "to": "tam", "reason": "Because of it."}, 422),
    ({"case": 1001, "to": "god", "reason": "Because of it."}, 400),
    ({"case": 1001, "to": "tam"}, 422),
    ({"case": 1001, "to": "tam", "reason": "?"}, 422),
    ({"case": 1001, "to": "management", "reason": "!"}, 422),
    ({"case": 1001, "to": "tam", "reason": "\u0000 because"}, 422),
    ({"case": 1001, "to": "tam", "reason": "y" * 2_001}, 400),
]


async def test_a_bad_escalation_is_refused_with_a_sentence(house: TamHouse):
    await house.open("Mail is slow.")
    for body, status in BAD:
        answer = await house.api("POST", "oversight/escalations", json=body)
        assert (body, answer.status_code, bool(answer.json()["errors"][0]["message"])) == (body, status, True)
    assert await runs.latest(house.pool) == []


async def test_a_case_that_is_over_is_not_escalated(house: TamHouse):
    case = await house.open("Mail is slow.")
    await house.course.withdraw(case.case_id, contact_actor(house.kim), reason="never mind")
    for to in ("tam", "management", "critical"):
        body = {"case": case.number, "to": to, "reason": "Because of it."}
        assert (await house.api("POST", "oversight/escalations", json=body)).status_code == 409


CURSORS = ["", "x", "initial%00", "bm90IG9uZQ", "W1s5LDAsIiIsIiJdLDBd", "W1swLDk5OTk5OTk5OTk5OTk5OTk5OTk5OTksIiIsIiJdLDBd", "%ff"]


async def test_a_cursor_that_is_not_ours_and_a_page_of_an_impossible_size_are_refused(house: TamHouse):
    for cursor in CURSORS:
        assert (cursor, (await house.api("GET", f"oversight?cursor={cursor}")).status_code) == (cursor, 400)
    for query in ("per_page=0", "per_page=201", "per_page=x", "per_page=-1", "per_page=%00"):
        for path in ("oversight", f"threads/{house.account_id}"):
            assert (await house.api("GET", f"{path}?{query}")).status_code == 400


async def test_a_thread_is_read_in_pages(house: TamHouse):
    for number in range(3):
        await house.arrives(house.writes(f"Word {number}."))
    first = (await house.api("GET", f"threads/{house.account_id}?per_page=2")).json()
    assert [one["body"] for one in first["results"]] == ["Word 2.", "Word 1."]
    assert (first["tam"]["name"], first["acting"]["name"]) == ("Tam", "Tam")
    assert {one["address"] for one in first["ways"]} == {"+18005550177", "tam.tina@support.test"}
    rest = (await house.api("GET", f"threads/{house.account_id}?before={first['results'][-1]['number']}")).json()
    assert [one["body"] for one in rest["results"]] == ["Word 0."]


async def test_a_customer_reads_his_own_thread_without_our_notes(house: TamHouse):
    await house.on_leave()
    await house.arrives(house.writes("May we?"))
    (notice,) = await house.mails()
    note = house.writes("He is difficult.", sender="cora@provider.test", to=notice["Reply-To"])
    await house.arrives(note, to=notice["Reply-To"], mail_from="cora@provider.test")
    assert len(await house.thread()) == 2
    key = house.door.key
    found = await house.api("GET", "thread", key=key)
    assert found.status_code == 200, found.text
    shown = found.json()
    assert [one["body"] for one in shown["results"]] == ["May we?"]
    assert (shown["tam"], shown["acting"]) == ({"name": "Tam"}, {"name": "Cora"})
    assert shown["results"][0]["clock"]["nature"] == "objective"
    assert shown["business_hours"] == {
        "zone": "UK",
        "open": True,
        "changes_at": "2026-05-20T15:30:00.000Z",
        "changes_local": "Wed 2026-05-20 16:30 BST (UTC+01:00)",
    }
    assert "provider.test" not in found.text
    sub = await house.door.key_with("support/view", subaccount_id=7)
    assert (await house.api("GET", "thread", key=sub)).status_code in (403, 404), "a thread is the account's"
    assert (await house.api("GET", "thread?per_page=0", key=key)).status_code == 400
    assert (await house.api("GET", "thread")).status_code == 401, "the staff reads it by the number of the account"


async def test_a_customer_writes_to_his_tam_over_rest_as_by_mail(house: TamHouse):
    key = house.door.key
    given = {
        "text": "May we double our volume?",
        "subject": "Volume",
        "attachments": [{"name": "plan.csv", "type": "text/csv", "data": "YSxi"}],
    }
    answer = await house.api("POST", "thread/messages", key=key, json=given)
    assert answer.status_code == 200, answer.text
    shown = answer.json()["results"]
    assert (shown["side"], shown["channel"], shown["contact_id"]) == ("customer", "api", house.kim.contact_id)
    assert (shown["clock"]["kind"], shown["clock"]["due_at"]) == ("TAM_REPLY", "2026-05-20T15:00:00.000Z")
    assert [one["name"] for one in shown["files"]] == ["plan.csv"]
    assert not {"letters", "verified", "voids"} & shown.keys()
    (notice,) = await house.mails()
    assert (notice["To"], "Volume" in notice.as_string()) == ("tam@provider.test", True)

    said = await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "Yes, from June on."})
    assert said.status_code == 200, said.text
    (mail,) = await house.mails()
    assert (mail["To"], mail["Subject"]) == ("kim@acme.test", "Re: Volume")
    clock = await house.clock_of((await house.thread())[0])
    assert clock is not None
    assert clock.state is State.MET


async def test_a_customer_writes_to_his_tam_thirty_times_an_hour_at_most(house: TamHouse):
    key = house.door.key
    for number in range(30):
        written = await house.api("POST", "thread/messages", key=key, json={"text": f"Words, part {number}."})
        assert written.status_code == 200, written.text
    refused = await house.api("POST", "thread/messages", key=key, json={"text": "And more."})
    (error,) = refused.json()["errors"]
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "300")
    assert "30 messages an hour" in error["description"]
    assert len(await house.thread()) == 30
    said = await house.api("POST", f"threads/{house.account_id}/messages", json={"text": "I have read all of it."})
    assert said.status_code == 200, "the TAM is not bounded by it"
    assert (await house.arrives(house.writes("By mail, then."))).startswith("250"), "mail has a bound of its own"
    house.clock.forward(minutes=61)
    assert (await house.api("POST", "thread/messages", key=key, json={"text": "An hour later."})).status_code == 200


async def test_what_is_no_word_and_who_may_not_write_to_a_tam_is_refused(house: TamHouse):
    key = house.door.key
    for body, status in (
        ({}, 422),
        ({"text": "?"}, 422),
        ({"text": "a\0b"}, 422),
        ({"text": "Hello.", "contact": "lee@other.test"}, 400),
        ({"text": "Hello.", "attachments": [{"name": "x", "data": "%"}]}, 422),
        ({"text": "x" * 2_000_000}, 400),
    ):
        assert (await house.api("POST", "thread/messages", key=key, json=body)).status_code == status, str(body)[:60]
    reader = await house.door.key_with("support/view")
    sub = await house.door.key_with("support/manage", subaccount_id=7)
    for other in (reader, sub):
        assert (await house.api("POST", "thread/messages", key=other, json={"text": "Hello."})).status_code in (403, 404)
    assert await house.thread() == []


async def test_two_people_make_a_tam_reply_void_and_what_was_missed_stays_missed(house: TamHouse, pool: db.Pool):
    await house.on_leave()
    for words in ("A test.", "Again, by mistake."):
        await house.arrives(house.writes(words))
        house.clock.forward(hours=1)
    await house.mails()
    path = f"threads/{house.account_id}/messages"
    assert (await house.api("POST", f"{path}/1/void", json={"reason": "?"})).status_code == 422
    assert (await house.api("POST", f"{path}/9/void", json={"reason": "a test"})).status_code == 404
    assert (await house.api("POST", f"{path}/1/void", who=house.ann, json={"reason": "a test"})).status_code == 403
    asked = (await house.api("POST", f"{path}/1/void", json={"reason": "a test"})).json()["results"]
    assert (asked["clock"]["state"], len(asked["voids"])) == ("running", 1)
    again = await house.api("POST", f"{path}/1/void", json={"reason": "a test"})
    assert (again.status_code, again.json()["errors"][0]["description"]) == (409, "another person has to say so too")
    done = (await house.api("POST", f"{path}/1/void", who=house.cover, json={"reason": "so it is"})).json()["results"]
    assert (done["clock"]["state"], done["clock"]["void"]) == ("void", True)
    assert (await house.api("POST", f"{path}/1/void", json={"reason": "a test"})).status_code == 409

    house.clock.forward(days=2)
    await house.api("POST", f"{path}/2/void", json={"reason": "a mistake"})
    late = (await house.api("POST", f"{path}/2/void", who=house.cover, json={"reason": "yes"})).json()["results"]
    assert (late["clock"]["outcome"], late["clock"]["void"]) == ("missed", True)
    items = (await stream(house))["results"]
    assert not [one for one in items if one["what"] == "TAM_REPLY" and one["risk"] in ("due", "missed")], "nothing is owed"
    await house.api("POST", path, json={"text": "All is well."})
    await house.mails()
    assert [one.answered_at for one in (await house.thread())[:2]] == [None, None]
    rows = await pool.fetch("SELECT actor, action FROM audit WHERE action LIKE 'TAM_REPLY%' ORDER BY 1, 2")
    assert [row["action"] for row in rows].count("TAM_REPLY void") == 2
    assert (await Auditor(house.pool, house.legal, [ThreadSource()]).audit(house.clock.now())).findings == ()


async def test_a_call_that_is_nobodys_is_at_risk_for_admins_and_on_call_until_somebody_names_its_account(house: TamHouse):
    await house.carrier.call(HANGS_UP, caller="+15550109999").ring()
    call = await house.pool.fetchval("SELECT intake_id FROM line_calls WHERE account_id IS NULL")
    admin, olga = await house.staff("max", Role.ADMIN), await house.staff("olga", Role.ONCALL)
    found = (await stream(house, who=admin))["results"]
    unknown = [one for one in found if one["account_id"] is None]
    assert {(one["kind"], one["risk"]) for one in unknown} == {("call", "due"), ("promise", "due")}
    (named,) = [one for one in unknown if one["kind"] == "call"]
    assert (named["id"], named["state"], named["due_at"]) == (str(call), "caller unknown", "2026-05-20T12:00:00.000Z")
    assert all(one["account_id"] == house.account_id for one in (await stream(house))["results"]), "a TAM's are his accounts"
    found = (await stream(house, f"?account_id={house.account_id}", who=admin))["results"]
    assert all(one["account_id"] == house.account_id for one in found)

    await house.pool.execute("UPDATE line_obligations SET returned_at = $1, outcome = 'met', outcome_at = $1", house.clock.now())
    house.clock.forward(hours=2)
    late = [one for one in (await stream(house, who=admin))["results"] if one["account_id"] is None]
    assert [(one["kind"], one["risk"]) for one in late] == [("call", "missed")], "he was called back, and has no case still"
    line = line_store.calls(house.pool, account_id=None, is_open=True, limit=9)
    assert [(one.intake_id, one.is_unnamed) for one in await line] == [(call, True)]

    await house.line.returning.decide(
        call, olga.person_id, Entitlement.YES, account_id=house.account_id, clause="", reason="", route=""
    )
    await house.line.keeper.turn()
    after = (await stream(house, who=admin))["results"]
    assert [one for one in after if one["account_id"] is None] == []
    assert [one["risk"] for one in after if one["kind"] == "case"] == ["critical"]
    assert await line_store.calls(house.pool, account_id=None, is_open=True, limit=9) == []
