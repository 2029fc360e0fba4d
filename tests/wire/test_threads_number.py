"""Calls to a TAM's own number, over real HTTP, by a fake carrier: in and out of Business Hours, cover, voicemail, Severity 1."""

from datetime import timedelta
from pathlib import Path

import pytest

from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ground import db
from homing.hours.types import ServiceZone
from homing.support.cases.types import Channel, Verified
from homing.support.clocks.types import State
from homing.support.line import store as line_store
from homing.support.line.types import Family, Source
from homing.support.threads import own_number_store, store
from homing.support.threads.types import Sort, WayKind
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, Person, Says, Tape
from tests.kit.hours import at
from tests.kit.tam_line import COVER_PHONE, KIM_PHONE, NUMBER, TAM_PHONE, TamHouse, tam_house

NOON = "2026-05-20T11:00Z"  # Wednesday, 12:00 in London
NIGHT = "2026-05-20T21:00Z"
ACCEPTS = Person(keys=("1",))


@pytest.fixture
async def house(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, NOON) as made:
        yield made


@pytest.fixture
async def night(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, NIGHT) as made:
        yield made


async def recordings(house: TamHouse) -> list[str]:
    refs = [one.call_ref for one in await house.thread() if one.call_ref is not None]
    return [row["state"] for row in await own_number_store.recordings_of(house.pool, refs)]


async def test_in_business_hours_the_tam_is_rung_and_accepts_with_a_key(house: TamHouse):
    house.carrier.people = {TAM_PHONE: ACCEPTS}
    call = house.rings()
    await call.ring()
    assert house.carrier.rung == [TAM_PHONE]
    (leg,) = house.carrier.legs
    assert "Press 1 to accept" in leg.heard[0]
    assert "acme" not in leg.heard[0].lower()
    assert call.heard == [], "nothing is said before he answers"
    (told,) = await house.thread()
    assert (told.sort, told.body, told.promise) == (Sort.CALL, "He spoke with Tam.", None)
    assert (told.contact_id, told.verified) == (house.kim.contact_id, Verified.NONE), "a number is a hint and no proof"


async def test_a_long_talk_is_not_taken_for_a_call_of_which_nothing_is_heard(house: TamHouse):
    call = house.rings()
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/tam/inbound")
    (_, whisper), *_ = verbs[0]["legs"]
    key = await house.carrier.post(whisper.replace("whisper", "whisper-accept"), call.fields(Digits="1"))
    assert key.status == 200
    for _ in range(2):
        house.clock.forward(minutes=15)
        await house.oversight.keeper.look(house.clock.now())
    assert await house.thread() == []
    await call.ask(verbs[0]["action"], DialCallStatus="completed", DialBridged="true")
    assert call.last is not None
    assert call.last.status == 200
    assert [one.body for one in await house.thread()] == ["He spoke with Tam."]


async def test_of_two_order_forms_the_hours_of_either_count(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, "2026-05-20T16:00Z") as house:  # 17:00 in London, 12:00 in New York
        await house.rings(HANGS_UP).ring()
        assert house.carrier.rung == []
        await house.order_form(zone=ServiceZone.ET, service="relay")
        await house.rings(HANGS_UP).ring()
        assert house.carrier.rung == [TAM_PHONE]


async def test_a_voicemail_of_the_tams_phone_presses_nothing_and_takes_no_call(house: TamHouse):
    house.carrier.people = {TAM_PHONE: Person()}
    call = house.rings(SILENT, Tape(2))
    await call.ring()
    assert "leave a message" in call.said
    assert (await house.thread())[0].sort is Sort.VOICEMAIL


async def test_then_who_stands_in_is_rung_and_then_voicemail_starts_tam_reply(house: TamHouse):
    await house.on_leave()
    house.carrier.people = {TAM_PHONE: Person(outcome="busy"), COVER_PHONE: Person(outcome="no-answer")}
    call = house.rings(SILENT, Tape(3))
    await call.ring()
    assert house.carrier.rung == [TAM_PHONE, COVER_PHONE]
    assert call.heard.index(next(words for words in call.heard if "recorded" in words)) < call.heard.index(
        next(words for words in call.heard if "after the tone" in words)
    ), "notice before recording"
    (told,) = await house.thread()
    assert (told.sort, told.channel, told.sender) == (Sort.VOICEMAIL, Channel.PHONE, KIM_PHONE)
    clock = await house.clock_of(told)
    assert clock is not None
    assert (clock.state, clock.due_at) == (State.RUNNING, at("2026-05-20T15:00Z"))
    (notice,) = await house.mails()
    assert notice["To"] == "cora@provider.test", "cover routes"
    words = notice.get_body().get_content()  # type: ignore[union-attr]
    assert "You stand in for Tam (on leave), who keeps the oversight" in words
    assert "Wed 2026-05-20 16:00 BST (UTC+01:00)" in words


async def test_the_cover_accepts(house: TamHouse):
    await house.on_leave()
    house.carrier.people = {COVER_PHONE: ACCEPTS}
    await house.rings().ring()
    assert (await house.thread())[0].body == "He spoke with Cora."


async def test_without_a_cover_nobody_else_is_rung(house: TamHouse):
    await house.rings(HANGS_UP).ring()
    assert house.carrier.rung == [TAM_PHONE]
    (told,) = await house.thread()
    assert (told.sort, told.body, told.promise) == (Sort.CALL, "He called and left nothing.", None)


async def test_outside_of_them_nobody_is_rung_and_the_next_opening_is_said(night: TamHouse):
    night.carrier.people = {TAM_PHONE: ACCEPTS}
    call = night.rings(SILENT, Tape(2))
    await call.ring()
    assert night.carrier.rung == []
    assert "Thursday, 21 May 2026, at 08:30 BST, United Kingdom time, that is 07:30 UTC" in call.said
    (told,) = await night.thread()
    clock = await night.clock_of(told)
    assert clock is not None
    assert clock.due_at == at("2026-05-21T11:30Z"), "four business hours from the next opening"


EDGES = [
    ("2026-03-27T16:29:59Z", True, ""),  # the last second of the last Friday in winter
    ("2026-03-27T16:30:00Z", False, "Monday, 30 March 2026, at 08:30 BST, United Kingdom time, that is 07:30 UTC"),
    ("2026-03-30T07:29:59Z", False, "at 08:30 BST"),  # the first Monday in summer opens an hour earlier in UTC
    ("2026-03-30T07:30:00Z", True, ""),
    ("2026-10-26T08:29:59Z", False, "at 08:30 GMT, United Kingdom time, that is 08:30 UTC"),
    ("2026-10-26T08:30:00Z", True, ""),
    ("2026-12-25T10:00:00Z", False, "Tuesday, 29 December 2026, at 08:30 GMT"),
]


async def test_business_hours_begin_and_end_to_the_second_over_clock_changes(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, EDGES[0][0]) as house:
        for when, rung, words in EDGES:
            house.clock.forward(seconds=(at(when) - house.clock.now()).total_seconds())
            house.carrier.rung = []
            call = house.rings(HANGS_UP)
            await call.ring()
            assert (when, house.carrier.rung == [TAM_PHONE]) == (when, rung)
            assert words in call.said


async def test_a_call_that_rang_in_time_is_not_sent_away_while_it_rings(pool: db.Pool, tmp_path: Path):
    async with tam_house(pool, tmp_path, "2026-05-20T15:29:50Z") as house:
        await house.on_leave()
        call = house.rings()
        verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/tam/inbound")
        house.clock.forward(seconds=20)
        following = await call.ask(verbs[0]["action"], DialCallStatus="no-answer", DialBridged="false")
        assert [number for number, _ in following[0]["legs"]] == [COVER_PHONE]


async def test_key_1_hands_the_call_to_the_severity_one_script_at_its_first_ring(night: TamHouse):
    await night.staff("ona", Role.ONCALL)
    await night.pool.execute("UPDATE staff SET phone = '+15550100099' WHERE email = 'ona@provider.test'")
    call = night.rings("1", SILENT, Tape(1), Tape(1), "1", Tape(1), Tape(1), SILENT)
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/tam/inbound")
    rang = night.clock.now()
    night.clock.forward(seconds=45)
    await call.play(verbs)
    (intake,) = await line_store.calls(night.pool, account_id=None, is_open=False, limit=9)
    assert (intake.source, intake.call_id, intake.first_ring_at) == (Source.TAM, call.id, rang)
    assert intake.due_at == rang + timedelta(minutes=15)
    assert (intake.called, intake.account_id) == ("+18005550100", night.account_id)
    assert "This is the Severity 1 Line" in call.said
    assert night.carrier.rung == ["+15550100099"], "who is on duty, and not the TAM"
    assert intake.ended_at is not None, "the end of the call is told to the line too"
    assert intake.state.recorded == ("company", "name", "email", "description")
    (told,) = await night.thread()
    assert (told.sort, told.promise) == (Sort.CALL, None)
    assert intake.reference in told.body
    assert await night.pool.fetchval("SELECT paged_at FROM line_calls") is not None


async def test_a_worker_that_dies_while_it_hands_over_loses_no_call(night: TamHouse):
    call = night.rings("1")
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/tam/inbound")
    rang = night.clock.now()
    line = night.oversight.number._line

    async def dies(*_: object, **__: object) -> object:
        raise ConnectionError("killed")

    original, line.inbound = line.inbound, dies  # type: ignore[method-assign,assignment]
    await call.play(verbs)
    assert await line_store.calls(night.pool, account_id=None, is_open=False, limit=9) == []
    line.inbound = original  # type: ignore[method-assign]
    night.clock.forward(seconds=11)
    await night.oversight.keeper.look(night.clock.now())
    (intake,) = await line_store.calls(night.pool, account_id=None, is_open=False, limit=9)
    assert (intake.first_ring_at, intake.source) == (rang, Source.TAM)
    await night.oversight.keeper.look(night.clock.now())
    assert len(await night.thread()) == 1


async def test_voicemail_is_fetched_sealed_and_deleted_at_the_carrier(house: TamHouse):
    await house.rings(SILENT, Tape(2)).ring()
    assert await recordings(house) == ["waiting"]
    await house.oversight.recordings.turn(house.clock.now())
    await house.oversight.recordings.turn(house.clock.now())
    assert await recordings(house) == ["kept"]
    assert len(house.carrier.deleted) == 1
    shown = (await house.api("GET", f"threads/{house.account_id}")).json()["results"][0]
    (sound,) = shown["recordings"]
    answer = await house.api("GET", f"voicemail/{sound['recording_id']}")
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")
    heard = await house.pool.fetch("SELECT actor FROM audit WHERE action = 'recording heard'")
    assert [row["actor"] for row in heard] == [house.tam.name]
    assert (await house.api("DELETE", f"voicemail/{sound['recording_id']}")).status_code == 204
    assert (await house.api("GET", f"voicemail/{sound['recording_id']}")).status_code == 404
    assert await recordings(house) == ["erased"]


async def test_eight_leaves_a_message_without_a_recording(night: TamHouse):
    call = night.rings("8")
    await call.ring()
    assert "Nothing is recorded" in call.said
    (told,) = await night.thread()
    assert told.sort is Sort.VOICEMAIL
    assert "wants no recording" in told.body
    assert await night.clock_of(told) is not None
    assert night.carrier.recordings == {}


async def test_a_message_counts_once_however_it_is_reported(night: TamHouse):
    for tape in (Tape(2, hung_up=True), Tape(2)):
        await night.rings(SILENT, tape).ring()
    for asked in list(night.carrier.asked):
        await night.carrier.post(PUBLIC + asked.path, asked.fields)  # all of it comes again
    assert [one.sort for one in await night.thread()] == [Sort.VOICEMAIL, Sort.VOICEMAIL]


async def test_a_worker_that_dies_between_the_voicemail_and_its_record_loses_nothing(night: TamHouse):
    """Neither the step nor the report of the recording found anybody; the carrier knows, and is asked."""
    call = night.rings(SILENT, Tape(2))
    night.carrier.unheard = lambda path: "/tam/voicemail" in path or "/tam/recording" in path
    await call.ring()
    assert call.over
    assert await night.thread() == []
    listed = night.carrier.recorded.pop(call.id)
    night.clock.forward(seconds=61)
    await night.oversight.keeper.turn()
    assert await night.thread() == [], "the carrier still works on it"
    night.carrier.recorded[call.id] = listed
    night.clock.forward(seconds=61)
    await night.oversight.keeper.turn()
    (told,) = await night.thread()
    assert told.sort is Sort.VOICEMAIL
    assert await recordings(night) == ["kept"]
    clock = await night.clock_of(told)
    assert clock is not None
    assert clock.state is State.RUNNING
    since = night.clock.now() - timedelta(seconds=122)
    assert (told.received_at, clock.started_at) == (since, since), "it counts from when it was left"


async def test_who_says_nothing_to_the_tone_has_called_and_left_nothing(night: TamHouse):
    await night.rings(SILENT, HANGS_UP).ring()
    for _ in range(3):
        assert await night.thread() == []
        night.clock.forward(minutes=5)
        await night.oversight.keeper.look(night.clock.now())
    assert [one.body for one in await night.thread()] == ["He called and left nothing."]


async def test_a_worker_that_dies_while_it_fetches_leaves_the_voicemail_to_another(night: TamHouse):
    await night.rings(SILENT, Tape(2)).ring()

    class Killed(BaseException):
        pass

    keep = night.oversight.recordings._keep

    async def killed(row: object, sound: bytes) -> None:
        raise Killed

    night.oversight.recordings._keep = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await night.oversight.recordings.turn(night.clock.now())
    night.oversight.recordings._keep = keep  # type: ignore[method-assign]
    assert await recordings(night) == ["waiting"]
    assert await night.oversight.recordings.turn(night.clock.now()) == 0, "it is claimed"
    night.clock.forward(minutes=2, seconds=1)
    await night.oversight.recordings.turn(night.clock.now())
    assert await recordings(night) == ["kept"]


async def test_a_call_that_nobody_heard_of_is_found_in_the_carriers_list(night: TamHouse):
    night.carrier.unheard = lambda path: "/tam/" in path
    call = night.rings(SILENT, Tape(2))
    await call.ring()
    sid = night.carrier.keep(b"RIFFsound")
    night.carrier.recorded[call.id] = [(sid, 2.0)]  # the carrier's own fallback document recorded him
    night.carrier.unheard = lambda path: False
    night.clock.forward(seconds=30)
    await night.oversight.keeper.turn()
    await night.oversight.keeper.turn()
    (told,) = await night.thread()
    assert told.sort is Sort.VOICEMAIL
    assert told.received_at <= night.clock.now() - timedelta(seconds=30)
    assert await recordings(night) == ["kept"]
    assert await night.oversight.keeper.reconcile(night.clock.now()) == 0


async def test_what_a_carrier_asks_while_the_store_is_away_is_played_later(night: TamHouse):
    call = night.rings(Tape(2))
    own = night.oversight.number
    transaction = own._transaction

    def away() -> object:
        raise ConnectionError("the store is away")

    own._transaction = away  # type: ignore[method-assign,assignment]
    await call.ring()
    assert "call the Severity 1 Line" in call.said
    own._transaction = transaction  # type: ignore[method-assign]
    await night.oversight.keeper.player.play()
    (told,) = await night.thread()
    assert (told.sort, told.received_at) == (Sort.VOICEMAIL, night.clock.now())
    assert await night.oversight.journal.waiting() == []


async def test_a_tam_who_accepts_while_the_store_is_away_is_known_later_and_is_no_caller(house: TamHouse):
    call = house.rings(SILENT)
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/{house.carrier.name}/tam/inbound")
    (_, whisper), *_ = verbs[0]["legs"]
    own = house.oversight.keeper._own
    transaction = own._transaction

    def away() -> object:
        raise ConnectionRefusedError("the server is gone")

    own._transaction = away  # type: ignore[method-assign,assignment]
    leg = {**call.fields(Digits="1"), "CallSid": "CAleg"}
    await house.carrier.post(whisper.replace("whisper", "whisper-accept"), leg)
    own._transaction = transaction  # type: ignore[method-assign]
    await house.oversight.keeper.player.play()
    assert await house.pool.fetchval("SELECT array_agg(accepted_by IS NOT NULL) FROM thread_calls") == [True]


async def test_a_voicemail_that_is_heard_of_after_the_end_of_the_call_is_told_all_the_same(house: TamHouse):
    call = house.rings(HANGS_UP)
    await call.ring()
    about = {"RecordingSid": house.carrier.keep(b"RIFFsound"), "RecordingStatus": "completed", "RecordingDuration": "2"}
    about["RecordingUrl"] = house.carrier.recording_url(about["RecordingSid"])
    left = house.clock.now()
    house.clock.forward(minutes=20)
    for _ in range(2):
        await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/tam/recording?step=offline&n=0", call.fields(**about))
    assert [one.sort for one in await house.thread()] == [Sort.CALL, Sort.VOICEMAIL]
    assert (await house.thread())[1].received_at == left


async def test_a_stranger_is_rung_for_and_his_voicemail_waits_in_quarantine(house: TamHouse):
    call = house.rings(SILENT, Tape(2), caller="+442079460999")
    await call.ring()
    assert house.carrier.rung == [TAM_PHONE]
    assert await house.thread() == []
    (held,) = (await house.api("GET", "thread-quarantine")).json()["results"]
    assert (held["voicemail"], held["sender"], held["person_id"]) == (True, "+442079460999", house.tam.person_id)
    assert (await house.api("GET", "thread-quarantine", who=house.cover)).status_code == 403
    mails: list[str] = []

    class Told:
        async def send(self, to: str, *, subject: str, text: str, **more: object) -> bool:
            mails.append(f"{to}: {subject}\n{text}")
            return True

    house.oversight._held._mail = Told()  # type: ignore[assignment]
    for _ in range(2):
        await house.oversight._held.turn()
    (mail,) = mails
    assert mail.startswith("tam@provider.test: Quarantine: 1 to decide on")
    assert "+442079460999" in mail
    path = f"thread-quarantine/{held['quarantine_id']}"
    wrong = await house.api("POST", f"{path}/release", json={"account_id": house.account_id, "contact": "no@acme.test"})
    assert wrong.status_code == 400
    done = await house.api("POST", f"{path}/release", json={"account_id": house.account_id, "contact": house.kim.email})
    assert done.status_code == 200, done.text
    assert done.json()["results"]["clock"]["state"] == "running"
    assert (await house.thread())[0].verified is Verified.STAFF
    assert (await house.api("DELETE", path)).status_code == 404


async def test_a_voicemail_from_a_number_of_several_accounts_says_which_they_may_be(house: TamHouse, pool: db.Pool):
    beta = await pool.fetchval("INSERT INTO accounts (name) VALUES ('beta') RETURNING account_id")
    contact = await pool.fetchval(
        "INSERT INTO contacts (account_id, name, email, role) VALUES ($1, 'Kim', 'kim@beta.test', 'authorised') "
        "RETURNING contact_id",
        beta,
    )
    await pool.execute("INSERT INTO contact_phones VALUES ($1, $2, 1, now())", contact, KIM_PHONE)
    begins = house.clock.now() - timedelta(days=1)
    await contracts.assign_tam(pool, beta, house.tam.person_id, begins_at=begins, actor="operator")
    await house.rings(SILENT, Tape(2)).ring()
    (held,) = (await house.api("GET", "thread-quarantine")).json()["results"]
    assert held["reason"].endswith(f"beta ({beta}), and nothing says which one it is about")
    assert [one["contact"] for one in held["candidates"]] == ["kim@acme.test", "kim@beta.test"]
    done = await house.api("POST", f"thread-quarantine/{held['quarantine_id']}/release", json={"account_id": beta})
    assert (done.status_code, done.json()["results"]["contact_id"]) == (200, contact)


async def test_the_number_of_an_account_says_whose_call_it_is(night: TamHouse):
    own = "+18005550178"
    await store.add_way(night.pool, WayKind.PHONE, own, carrier="tel", account_id=night.account_id, actor="operator")
    await night.rings(SILENT, Tape(2), caller="", called=own).ring()
    (told,) = await night.thread()
    assert (told.sort, told.contact_id, told.sender) == (Sort.VOICEMAIL, None, "")
    assert (await night.api("POST", f"threads/{night.account_id}/messages", json={"text": "We call you."})).status_code == 422


@pytest.mark.parametrize("family", [Family.SIGNALWIRE, Family.TELNYX, Family.JAMBONZ])
async def test_every_family_of_carriers_leads_to_the_same_end(pool: db.Pool, tmp_path: Path, family: Family):
    async with tam_house(pool, tmp_path, NOON, family) as house:
        house.carrier.people = {TAM_PHONE: Person()}
        left = Says("Please call me.") if family is Family.JAMBONZ else Tape(2)
        await house.rings(SILENT, left).ring()
        (told,) = await house.thread()
        assert told.sort is Sort.VOICEMAIL
        assert (told.body == "Please call me.") is (family is Family.JAMBONZ)
        house.carrier.people = {TAM_PHONE: ACCEPTS}
        await house.rings().ring()
        assert (await house.thread())[-1].body == "He spoke with Tam."


async def test_a_forged_or_replayed_webhook_does_nothing(night: TamHouse):
    call = night.rings(SILENT, Tape(2))
    url = f"{PUBLIC}/telephony/v1/tel/tam/inbound"
    forged = await night.carrier.post(url, call.fields(), secret="not-the-carriers")
    assert (forged.status, night.line.refused["forged"]) == (403, 1)
    await call.ring()
    night.clock.forward(seconds=61)
    assert (await night.carrier.post(url, call.fields())).status == 403
    assert night.line.refused["replayed"] == 1
    for path, status in (("tel/tam/nothing", 404), ("other/tam/inbound", 404)):
        assert (await night.carrier.post(f"{PUBLIC}/telephony/v1/{path}", call.fields())).status == status
    assert len(await night.thread()) == 1
    assert await store.way(night.pool, NUMBER) is not None
