"""Calls on the Severity 1 Line, over real HTTP, by a fake carrier: every step, every key, every way to end."""

import asyncio
from datetime import timedelta

import pytest

from homing.ground import db
from homing.support.line.types import Family, Proof, Source, Step
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, Person, Says, Tape
from tests.kit.line import ANA, BO, KIM, PIN, START, LineHouse, line_house

FULL = (SILENT, Tape(2), Tape(2), "1", Tape(3), Tape(4), SILENT)


@pytest.fixture
async def house(pool):
    async with line_house(pool) as made:
        yield made


async def test_a_call_is_taken_in_and_people_are_paged_before_the_first_word(house: LineHouse):
    call = house.carrier.call()
    await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    one = await house.intake()
    owed = await house.owed()
    assert (one.caller, one.first_ring_at, one.source, one.state.step) == (KIM, START, Source.CALL, Step.PIN)
    assert owed.due_at == START + timedelta(minutes=15)
    assert await house.pages() == ["call"]


async def test_a_whole_call_gives_all_of_clause_f3(house: LineHouse):
    call = house.carrier.call(*FULL)
    await call.ring()
    one = await house.intake()
    assert call.over
    assert one.state.recorded == ("company", "name", "email", "description")
    assert one.state.answers.phone == KIM
    assert (one.partial, one.ended_at is not None) == (False, True)
    assert house.carrier.rung == [ANA, BO]
    assert one.reference[3:].replace("", " ").strip() in call.said
    assert "before 07:05 UTC" in call.said
    assert call.heard.index(next(words for words in call.heard if "recorded" in words)) < 3


async def test_nobody_on_duty_leads_to_the_questions_at_once(house: LineHouse):
    await house.pool.execute("UPDATE staff SET phone = ''")
    call = house.carrier.call(*FULL)
    await call.ring()
    assert house.carrier.rung == []
    assert "name of your company" in call.said


async def test_a_pin_proves_the_account_and_offers_masked_addresses(house: LineHouse):
    await house.contact("kim", KIM)
    call = house.carrier.call(PIN, Tape(2), "1", "1", Tape(3), SILENT)
    await call.ring()
    one = await house.intake()
    assert (one.account_id, one.proof, one.entitlement.value) == (house.account_id, Proof.PIN, "yes")
    assert "Press 1 for k***@acme.test" in call.said
    assert "company" not in call.said
    assert one.state.answers.email == "kim@acme.test"
    assert "that is 03:05 Eastern" in call.said
    stored = await house.pool.fetch("SELECT * FROM line_turns") + await house.pool.fetch("SELECT * FROM line_events")
    assert not any(PIN in str(row["document" if "document" in row else "detail"]) for row in stored)


async def test_wrong_pins_never_block_a_call(house: LineHouse):
    call = house.carrier.call("111111", "222222", *FULL[1:])
    await call.ring()
    one = await house.intake()
    assert (one.proof, one.account_id, one.state.answers.phone) == (Proof.NONE, None, KIM)
    assert (await house.kinds()).count("wrong pin") == 2


async def test_after_five_wrong_pins_an_hour_none_is_looked_up(house: LineHouse):
    for _ in range(3):
        await house.carrier.call("111111", "222222", HANGS_UP).ring()
    right = house.carrier.call(PIN, *FULL[1:])
    await right.ring()
    last = (await house.intakes())[-1]
    assert (last.proof, last.state.answers.phone) == (Proof.NONE, KIM)
    house.clock.forward(hours=1, seconds=1)
    await house.carrier.call(PIN, HANGS_UP).ring()
    assert (await house.intakes())[-1].proof is Proof.PIN


@pytest.mark.parametrize(("has_line", "entitled"), [(True, "yes"), (False, "unknown")])
async def test_a_verified_number_is_a_hint_and_no_proof_and_the_order_form_says_whether_it_may_call(
    house: LineHouse, has_line: bool, entitled: str
):
    kim = await house.contact("kim", KIM)
    await house.pool.execute("UPDATE order_forms SET sev1_entitled = $1", has_line)
    call = house.carrier.call(*FULL)
    await call.ring()
    one = await house.intake()
    assert (one.account_id, one.contact_id, one.proof, one.entitlement.value) == (
        house.account_id,
        kim.contact_id,
        Proof.CALLER_ID,
        entitled,
    )
    assert "k***@" not in call.said


async def test_whoever_presses_1_is_connected_and_a_voicemail_is_not(house: LineHouse):
    house.carrier.people = {ANA: Person(), BO: Person(keys=("1",))}  # ana's voicemail presses nothing
    call = house.carrier.call(SILENT)
    await call.ring()
    one = await house.intake()
    assert (one.accepted_by, one.state.step, one.state.human_took) == (house.staff["bo"].person_id, Step.TAKEN, True)
    whispered = " ".join(words for leg in house.carrier.legs for words in leg.heard)
    assert whispered.count("Press 1 to accept") == 2
    assert "acme" not in whispered
    assert (await house.owed()).outcome is None  # being connected is not yet agreement


async def test_zero_leads_back_to_the_hunt(house: LineHouse):
    call = house.carrier.call(SILENT, Tape(2), "0", SILENT, SILENT, "1", HANGS_UP)
    await call.ring()
    assert house.carrier.rung == [ANA, BO, ANA, BO]


async def test_eight_goes_on_without_recording(house: LineHouse):
    call = house.carrier.call("8", "1", SILENT)
    await call.ring()
    one = await house.intake()
    assert (one.state.recording, one.state.recorded, one.state.answers.phone) == (False, (), KIM)
    assert await house.pool.fetchval("SELECT count(*) FROM line_recordings") == 0


async def test_silence_everywhere_ends_and_owes_a_call_back(house: LineHouse):
    call = house.carrier.call()
    await call.ring()
    assert call.over
    assert (await house.intake()).state.step in (Step.CONFIRM, Step.DONE)
    assert (await house.owed()).outcome is None


@pytest.mark.parametrize("after", range(len(FULL)))
async def test_a_call_that_is_hung_up_at_any_step_is_owed_back(house: LineHouse, after):
    call = house.carrier.call(*FULL[:after], HANGS_UP)
    await call.ring()
    one = await house.intake()
    assert one.ended_at is not None
    assert (await house.owed()).due_at == START + timedelta(minutes=15)
    assert one.partial is (one.state.step is not Step.CONFIRM)


async def test_what_was_said_while_hanging_up_is_kept(house: LineHouse):
    call = house.carrier.call(SILENT, Tape(2, hung_up=True))
    await call.ring()
    assert (await house.intake()).state.recorded == ("company",)
    assert "recorded to the end" in await house.kinds()
    assert call.last is not None
    assert call.last.status == 200


async def test_a_request_twice_gets_the_same_answer_and_changes_nothing(house: LineHouse):
    call = house.carrier.call(*FULL[:3], HANGS_UP)
    await call.ring()
    before = await house.intake()
    for asked in [one for one in house.carrier.asked if one.status == 200]:
        again = await house.carrier.post(PUBLIC + asked.path, asked.fields)
        assert (again.status, again.body) == (200, asked.body), asked.path
    after = await house.intake()
    assert after == before
    assert await house.pages() == ["call"]


async def test_a_step_out_of_order_gets_the_document_of_where_the_call_stands(house: LineHouse):
    call = house.carrier.call()
    await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/description?n=9", Digits="5")
    assert call.last is not None
    assert b"/calls/pin?n=1" in call.last.body
    assert (await house.intake()).state.step is Step.PIN


async def test_any_first_request_takes_the_call_in(house: LineHouse):
    base = f"{PUBLIC}/telephony/v1/tel/calls"
    for number, (path, more) in enumerate(
        [
            ("inbound", {}),
            ("pin?n=1", {"Digits": "123456"}),
            ("status", {"CallStatus": "completed", "SequenceNumber": "3"}),
            ("recording?step=name&n=5", {"RecordingStatus": "completed", "RecordingSid": "RE1"}),
            ("offline?n=0", {}),
            ("live?n=2", {"DialCallStatus": "no-answer"}),
        ],
        start=1,
    ):
        call = house.carrier.call(caller=f"+4420718387{number:02}")
        await house.carrier.post(f"{base}/{path}", call.fields(**more))
        assert len(await house.intakes()) == number, path
    assert await house.pool.fetchval("SELECT count(*) FROM line_obligations") == 6


async def test_late_status_callbacks_say_nothing(house: LineHouse):
    call = house.carrier.call()
    await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    url = f"{PUBLIC}/telephony/v1/tel/calls/status"
    await house.carrier.post(url, call.fields(SequenceNumber="5", CallStatus="in-progress"))
    await house.carrier.post(url, call.fields(SequenceNumber="4", CallStatus="completed"))
    assert (await house.intake()).ended_at is None
    for _ in range(2):
        await house.carrier.post(url, call.fields(SequenceNumber="6", CallStatus="completed"))
    assert (await house.intake()).ended_at == START
    assert (await house.kinds()).count("call ended") == 1


async def test_a_step_of_a_call_that_is_over_is_refused_and_counted(house: LineHouse):
    call = house.carrier.call(*FULL[:3], HANGS_UP)
    await call.ring()
    steps = [one for one in house.carrier.asked if one.status == 200]
    house.clock.forward(seconds=61)
    for asked in steps:
        assert (await house.carrier.post(PUBLIC + asked.path, asked.fields)).status == 403
    assert house.line.refused["replayed"] == len(steps)


async def test_forged_requests_are_refused_and_counted_on_every_route(house: LineHouse):
    call = house.carrier.call()
    routes = ["calls/inbound", "calls/pin?n=1", "calls/status", "calls/recording?step=name&n=1", "calls/whisper?i=1&p=1"]
    routes += ["calls/whisper-accept?i=1&p=1", "calls/offline?n=0", "calls/test", "attempts/1/rep", "attempts/1/customer"]
    routes += ["attempts/1/machine", "attempts/1/room", "attempts/1/join"]
    for path in routes:
        url = f"{PUBLIC}/telephony/v1/tel/{path}"
        assert (await house.carrier.post(url, call.fields(), secret="another")).status == 403
        bare = await house.door.client.post(f"/telephony/v1/tel/{path}", data=call.fields())
        assert bare.status_code == 403
    assert house.line.refused == {"forged": len(routes), "unsigned": len(routes)}
    assert await house.intakes() == []


async def test_the_host_header_has_no_say(house: LineHouse):
    call = house.carrier.call()
    url = "http://inside.example/telephony/v1/tel/calls/inbound"
    headers, body = house.carrier.signed(url, call.fields(), secret=house.carrier.secret)
    answer = await house.door.client.post(
        "/telephony/v1/tel/calls/inbound", content=body, headers={**headers, "Host": "inside.example"}
    )
    assert answer.status_code == 403


async def test_what_does_not_exist_is_not_found_and_what_is_odd_never_fails(house: LineHouse):
    call = house.carrier.call()
    base = f"{PUBLIC}/telephony/v1"
    assert (await house.carrier.post(f"{base}/nobody/calls/inbound", call.fields())).status == 404
    assert (await house.carrier.post(f"{base}/tel/calls/elsewhere", call.fields())).status == 404
    assert (await house.carrier.post(f"{base}/tel/attempts/77/customer", call.fields())).status == 404
    assert (await house.carrier.post(f"{base}/tel/attempts/{2**70}/rep", call.fields())).status == 404
    assert (await house.carrier.post(f"{base}/tel/calls/inbound", {"From": "x"})).status == 422
    odd = {
        "CallSid": "CA\0\ud800".encode("utf-8", "replace").decode(),
        "From": "\0" * 50,
        "Digits": "é" * 5_000,
        "RecordingUrl": "\0",
    }
    assert (await house.carrier.post(f"{base}/tel/calls/pin?n=x&empty=%00", odd)).status == 200
    assert (
        await house.carrier.post(f"{base}/tel/calls/recording?step=%00%ff&n=1", {**odd, "RecordingStatus": "completed"})
    ).status == 204
    assert (await house.carrier.post(f"{base}/tel/calls/inbound", {**odd, "Pad": "x" * 70_000})).status == 413


@pytest.mark.parametrize("family", list(Family))
async def test_every_family_walks_the_whole_script(pool: db.Pool, family):
    async with line_house(pool, family, speech=True) as house:
        house.carrier.people = {ANA: Person(keys=("2",))}
        call = house.carrier.call(
            SILENT,
            Says("Acme & Sons"),
            Says("Kim <b>"),
            "02079460000",
            "1",
            Says("kim at acme"),
            Says("all mail fails"),
            "*",
            SILENT,
        )
        await call.ring()
        answers = (await house.intake()).state.answers
        assert (answers.company, answers.name, answers.phone) == ("Acme & Sons", "Kim <b>", "+442079460000")
        assert answers.description == "all mail fails"
        assert call.over
        house.carrier.people = {ANA: Person(keys=("1",))}
        taken = house.carrier.call(SILENT, caller="+442079460001")
        await taken.ring()
        assert (await house.intakes())[-1].accepted_by == house.staff["ana"].person_id
        assert (await house.intakes())[-1].state.human_took


@pytest.mark.parametrize("family", [Family.TELNYX, Family.JAMBONZ])
async def test_an_old_signature_is_refused(pool: db.Pool, family):
    async with line_house(pool, family) as house:
        url = f"{PUBLIC}/telephony/v1/tel/calls/inbound"
        old = int(START.timestamp()) - 301
        assert (await house.carrier.post(url, house.carrier.call().fields(), stamp=old)).status == 403
        assert house.line.refused == {"old": 1}


async def test_the_same_customer_twice_keeps_the_earlier_promise(house: LineHouse):
    await house.carrier.call(HANGS_UP).ring()
    house.clock.forward(minutes=4)
    await house.carrier.call(HANGS_UP).ring()
    await house.carrier.call(HANGS_UP, caller="+442079460001").ring()
    house.clock.forward(minutes=1)
    first, second, other = await house.intakes()
    assert (second.linked_to, second.due_at) == (first.intake_id, first.due_at)
    assert (other.linked_to, other.due_at) == (None, START + timedelta(minutes=19))
    house.clock.forward(minutes=20)
    await house.carrier.call(HANGS_UP).ring()
    assert (await house.intakes())[-1].linked_to is None  # what is past due is no promise to keep


async def test_a_pin_links_calls_from_different_numbers(house: LineHouse):
    await house.carrier.call(PIN, HANGS_UP, caller="").ring()
    house.clock.forward(minutes=3)
    await house.carrier.call(PIN, HANGS_UP, caller="+442079460001").ring()
    first, second = await house.intakes()
    assert (second.linked_to, second.due_at) == (first.intake_id, first.due_at)


async def test_two_customers_are_owed_one_call_back_each(house: LineHouse):
    calls = [house.carrier.call(HANGS_UP, caller=f"+44207946{n:04}") for n in range(8)]
    await asyncio.gather(*(call.ring() for call in calls))
    assert await house.pool.fetchval("SELECT count(*) FROM line_obligations") == 8
    assert await house.pages() == ["call"] * 8


async def test_a_withheld_number_is_written_to(house: LineHouse):
    await house.contact("kim")
    await house.contact("ana")
    await house.carrier.call(PIN, HANGS_UP, caller="").ring()
    await house.carrier.call(HANGS_UP, caller="").ring()
    await house.line.keeper.turn()
    await house.line.keeper.turn()
    known, unknown = await house.intakes()
    letters = [to for to, subject, _ in house.mail.sent if "Your call" in subject]
    assert sorted(letters) == ["ana@acme.test", "kim@acme.test"]
    for one in (known, unknown):
        assert (await house.kinds(one.intake_id)).count("unreachable - no number") == 1
        assert (await house.owed(one.intake_id)).due_at == START + timedelta(minutes=15)


async def test_while_on_call_fails_everybody_is_written_to_and_the_ladder_is_tried_again(house: LineHouse):
    await house.pool.execute("ALTER TABLE oncall_runs RENAME TO away")
    await house.carrier.call(HANGS_UP).ring()
    assert (await house.owed()).outcome is None
    assert await house.mails() == ["call"]
    number = (await house.intake()).intake_id
    await house.api("POST", f"line/calls/{number}/claim", who="ana")
    assert (await house.owed()).claimed_by == house.staff["ana"].person_id  # calling back does not depend on it
    await house.api("DELETE", f"line/calls/{number}/claim", who="ana")
    assert await house.mails() == ["call", "claim_lapsed"]
    await house.pool.execute("ALTER TABLE away RENAME TO oncall_runs")
    await house.line.keeper.page(house.clock.now())
    await house.line.keeper.page(house.clock.now())
    assert (await house.pages(), await house.mails()) == (["call"], ["call", "claim_lapsed"])
    await house.line.keeper.turn()
    assert sorted(to for to, _, _ in house.mail.sent) == ["ana@provider.test"] * 2 + ["bo@provider.test"] * 2


async def test_a_document_is_xml_that_is_not_kept(house: LineHouse):
    call = house.carrier.call()
    url = f"{PUBLIC}/telephony/v1/tel/calls/inbound"
    headers, body = house.carrier.signed(url, call.fields(), secret=house.carrier.secret)
    answer = await house.door.client.post("/telephony/v1/tel/calls/inbound", content=body, headers=headers)
    assert answer.headers["content-type"].startswith("text/xml")
    assert answer.headers["cache-control"] == "no-store"
