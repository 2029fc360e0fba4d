"""A call opens a critical case and is told to it; a case without a call wakes people; each critical case gets the ledger."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.evidence.types import FaultTag
from homing.support.cases import letter_store
from homing.support.cases import store as case_store
from homing.support.cases.audit import CaseSource
from homing.support.cases.course import Course
from homing.support.cases.desk import Opening
from homing.support.cases.endings import Endings
from homing.support.cases.keeper import Keeper as CaseKeeper
from homing.support.cases.rules.decision import No
from homing.support.cases.types import (
    Actor,
    Case,
    CaseKind,
    Channel,
    Eta,
    Incoming,
    Method,
    Purpose,
    Severity,
    Side,
    Source,
    Stage,
    State,
)
from homing.support.clocks import store as clock_store
from homing.support.clocks.auditor import Auditor
from homing.support.clocks.keeper import Keeper as ClockKeeper
from homing.support.clocks.rules.cadence import Every
from homing.support.clocks.types import Kind, Nature
from homing.support.clocks.types import State as Clock
from homing.support.line import store
from homing.support.line.audit import LineSource
from homing.support.line.casebook import UntoldCases
from homing.support.oncall import runs
from tests.kit.carrier import HANGS_UP, NOBODY, PUBLIC, Person, Tape
from tests.kit.ledger import Node
from tests.kit.line import ANA, BO, KIM, PIN, START, Legal, LineHouse, line_house
from tests.kit.moved_clock import MovedLegalClock

REPORT = {"company": "Acme", "name": "Kim", "phone": "+442079460000", "email": "kim@acme.test", "description": "all mail fails"}
DUE = timedelta(minutes=15)


@pytest.fixture
async def house(pool):
    async with line_house(pool) as made:
        yield made


async def rang(house: LineHouse, *deeds, caller: str = KIM) -> int:
    """Let a call come in; nobody takes it live."""
    await house.carrier.call(*(deeds or (PIN, HANGS_UP)), caller=caller).ring()
    await house.line.keeper.turn()
    return (await house.intakes())[-1].intake_id


def customer(house: LineHouse) -> Actor:
    return Actor(side=Side.CUSTOMER, name="key 1")


def words(text: str) -> Incoming:
    return Incoming(side=Side.CUSTOMER, actor="key 1", author="key 1", channel=Channel.API, purpose=Purpose.WORD, body=text)


async def opened(house: LineHouse, severity: Severity) -> int:
    opening = Opening(
        account_id=house.account_id,
        kind=CaseKind.BUG,
        subject="Mail is slow",
        source=Source.API,
        first=words("Mail is slow."),
        severity=severity,
    )
    return (await house.cases.open(opening, customer(house))).case_id


async def test_a_pin_opens_a_critical_case_at_once_and_what_is_said_follows(house: LineHouse):
    kim = await house.contact("kim", KIM)
    call = house.carrier.call(PIN, Tape(2), "1", "1", Tape(3), HANGS_UP)
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    await house.line.keeper.turn()
    assert (await house.intake()).case_ref is None  # the number alone is a hint; a PIN may say better
    await call.play(verbs)
    await house.line.keeper.turn()
    one, case = await house.intake(), await house.case()
    assert one.case_ref == str(case.number)
    assert (case.severity, case.state, case.source, case.called) == (Severity.CRITICAL, State.OPEN, Source.PHONE, True)
    assert (case.account_id, case.people, case.owner_id is not None) == (house.account_id, (kim.contact_id,), True)
    assert case.subject == f"Severity 1: {one.reference}"
    first = (await house.messages(case.case_id))[0]
    assert "known by the support PIN" in first
    assert "due at 2026-03-08 07:05:00 UTC" in first
    assert f"Number: {KIM}" in first
    assert "/api/v1/support/line/recordings/" in first
    (callback,) = (await house.clocks(case.case_id))[Kind.CALLBACK]
    assert (callback.started_at, callback.due_at, callback.state) == (START, START + DUE, Clock.RUNNING)
    of_case = store.sql.calls_of_case(house.pool, case_ref=str(case.number))
    assert [row["intake_id"] async for row in of_case] == [one.intake_id]
    assert await house.complaints() == ()


async def test_f5_who_calls_by_pin_from_a_strange_telephone_is_written_to_at_the_address_he_chose(house: LineHouse):
    await house.contact("kim", KIM)
    pat = await house.contact("pat", "+442079460009")
    await rang(house, PIN, Tape(2), "1", "2", Tape(3), HANGS_UP, caller="+442079460001")
    await house.line.keeper.turn()
    case = await house.case()
    assert ((await house.intake()).contact_id, case.people) == (pat.contact_id, (pat.contact_id,))


async def test_f5_a_critical_case_without_people_is_updated_to_every_authorised_contact(house: LineHouse):
    ana = house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)
    update = Incoming(
        side=Side.PROVIDER, actor=staff.name, author="Ana", channel=Channel.STAFF, purpose=Purpose.UPDATE, body="We look."
    )
    await rang(house, caller="+442079460001")
    case = await house.case()
    assert case.people == ()
    nobody = await house.cases.write(case.case_id, update, staff, eta=Eta(unknown_because="we look"))
    assert isinstance(nobody, No)
    assert "nobody of the customer would get it" in nobody.why
    await house.contact("kim", KIM)
    await house.contact("pat", "+442079460009")
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana")
    await house.forward(seconds=1)
    assert isinstance(await house.cases.write(case.case_id, update, staff, eta=Eta(unknown_because="we look")), Case)
    letters = [one for one in await letter_store.of_case(house.pool, case.case_id) if one.purpose is Purpose.UPDATE]
    assert sorted(one.email for one in letters) == ["kim@acme.test", "pat@acme.test"]
    await house.cases.sent(letters[0], message_id="1@support.test")
    assert [one.state for one in (await house.clocks(case.case_id))[Kind.CADENCE]] == [Clock.MET, Clock.RUNNING]
    assert await house.complaints() == ()


async def test_a_call_that_goes_on_tells_its_case_what_was_said_when_it_is_over(house: LineHouse):
    call = house.carrier.call(PIN)
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    gather = next(one for one in verbs if one["verb"] == "gather")
    await call.ask(gather["action"], Digits=PIN)
    await house.line.keeper.turn()
    case = await house.case()
    assert "is added when the call is over" in (await house.messages(case.case_id))[0]
    await call.hang_up()
    await house.line.keeper.turn()
    await house.line.keeper.turn()
    said = await house.messages(case.case_id)
    assert len(said) == 2
    assert "is over" in said[1]


async def test_a_number_alone_opens_the_case_when_the_call_ends(house: LineHouse):
    await house.contact("kim", KIM)
    await house.pool.execute("UPDATE order_forms SET sev1_entitled = false")
    await rang(house, HANGS_UP)
    assert "which is a hint and no proof" in (await house.messages((await house.case()).case_id))[0]
    case = await house.case()
    kinds = await house.clocks(case.case_id)
    assert kinds[Kind.ENTITLEMENT][0].due_at == START + timedelta(minutes=60)
    await told_of_miss(house, case.case_id, minutes=59, said=[])
    await told_of_miss(house, case.case_id, minutes=2, said=["missed"])


async def told_of_miss(house: LineHouse, case_id: int, *, minutes: int, said: list[str]) -> None:
    """Let time pass; somebody is told that nobody has decided whether the caller is entitled."""
    house.clock.forward(minutes=minutes)
    legal = MovedLegalClock(house.clock)
    await ClockKeeper(house.pool, legal, house.clock, ()).turn()
    await CaseKeeper(house.pool, legal, house.cases).turn()
    number = next(
        one.number for one in await clock_store.of_subject(house.pool, "case", case_id) if one.reading.kind is Kind.ENTITLEMENT
    )
    letters = await letter_store.of_case(house.pool, case_id)
    assert [
        one.purpose.value for one in letters if one.version == number and one.purpose in (Purpose.DUE, Purpose.MISSED)
    ] == said


async def test_a_caller_whom_nobody_knows_gets_his_case_when_a_person_says_whose_he_is(house: LineHouse):
    number = await rang(house, HANGS_UP, caller="+442079460001")
    assert (await house.intake()).case_ref is None
    assert (await house.ladder()).ended_at is None  # people are woken, and the call-back is owed, all the same
    house.clock.forward(minutes=10)
    answer = await house.api(
        "POST",
        f"line/calls/{number}/entitlement",
        who="ana",
        json={"verdict": "yes", "account_id": house.account_id, "clause": "F2", "reason": "their office", "route": "-"},
    )
    assert answer.status_code == 200, answer.text
    await house.line.keeper.turn()
    case = await house.case()
    (callback,) = (await house.clocks(case.case_id))[Kind.CALLBACK]
    assert callback.due_at == START + DUE
    assert (await house.ladder()).account_id == house.account_id


async def named(house: LineHouse, number: int) -> None:
    """Let a person say whose a call is, and the keeper open its case."""
    answer = await house.api(
        "POST",
        f"line/calls/{number}/entitlement",
        who="ana",
        json={"verdict": "yes", "account_id": house.account_id, "clause": "F2", "reason": "their office", "route": "-"},
    )
    assert answer.status_code == 200, answer.text
    await house.line.keeper.turn()


async def test_a_call_that_is_named_after_it_was_returned_in_time_is_met_in_its_case(house: LineHouse):
    number = await rang(house, HANGS_UP, caller="+442079460001")
    house.clock.forward(minutes=3)
    await house.api("POST", f"line/calls/{number}/claim", who="ana")
    house.clock.forward(minutes=1)
    house.carrier.people = {ANA: Person(keys=("1",)), "+442079460001": Person()}
    await house.call_back("ana")
    await house.forward(minutes=36)
    await named(house, number)
    case = await house.case()
    clocks = await house.clocks(case.case_id)
    at = START + timedelta(minutes=4)
    (callback,), (engage,), (cadence,) = clocks[Kind.CALLBACK], clocks[Kind.ENGAGE], clocks[Kind.CADENCE]
    assert (callback.state, callback.outcome_at, callback.reached_at) == (Clock.MET, at, at)
    assert (engage.state, engage.outcome_at) == (Clock.MET, START + timedelta(minutes=3))
    assert (cadence.started_at, cadence.state) == (at, Clock.RUNNING)
    await house.forward(minutes=1)
    happened = [type(event.payload).__name__ for event in await case_store.events_of(house.pool, case.case_id)]
    told = ("Called", "Engaged", "CalledBack", "CallReached", "EntitlementDecided")
    assert [happened.count(name) for name in told] == [1] * len(told)
    assert await house.complaints() == ()


async def test_a_call_that_was_void_in_time_is_void_in_a_case_that_is_opened_later(house: LineHouse):
    number = await rang(house, HANGS_UP, caller="+442079460001")
    for who in ("ana", "bo"):
        await house.api("POST", f"line/calls/{number}/void", who=who, json={"reason": "a test"})
    await house.forward(minutes=40)
    await named(house, number)
    (callback,) = (await house.clocks((await house.case()).case_id))[Kind.CALLBACK]
    assert (callback.state, callback.outcome_at) == (Clock.VOID, START)
    assert await house.complaints() == ()


async def test_no_case_is_opened_while_an_attempt_of_the_last_seconds_may_still_prove_itself(house: LineHouse):
    number = await rang(house, HANGS_UP, caller="+442079460001")
    house.clock.forward(seconds=895)
    house.carrier.people = {ANA: Person(keys=("1",)), "+442079460001": Person()}
    ringing = house.carrier.gates["+442079460001"] = asyncio.Event()
    calling = asyncio.create_task(house.call_back("ana"))
    while await house.pool.fetchval("SELECT accepted_at FROM line_attempts") is None:
        await asyncio.sleep(0.01)
    house.clock.forward(seconds=8)
    await named(house, number)
    assert next(one.case_ref for one in await house.intakes()) is None
    ringing.set()
    await calling
    await house.line.keeper.turn()
    (callback,) = (await house.clocks((await house.case()).case_id))[Kind.CALLBACK]
    assert (callback.state, callback.outcome_at) == (Clock.MET, START + timedelta(seconds=895))
    assert await house.complaints() == ()


async def test_a_conversation_that_began_in_time_and_goes_on_for_long_is_no_miss_in_its_case(house: LineHouse):
    keeper = ClockKeeper(house.pool, Legal(house.clock), house.clock, [CaseSource()], UntoldCases())

    async def converse() -> None:
        for _ in range(4):
            await house.forward(minutes=5)
            await keeper.turn()

    house.carrier.people, house.carrier.converses = {BO: Person(keys=("1",))}, converse
    await house.carrier.call(PIN).ring()
    one, case = await house.intake(), await house.case()
    clocks = await house.clocks(case.case_id)
    assert (clocks[Kind.ENGAGE][0].state, clocks[Kind.CALLBACK][0].state) == (Clock.MET, Clock.RUNNING)
    answer = await house.api("POST", f"line/calls/{one.intake_id}/engaged", who="bo")
    assert answer.status_code == 200, answer.text
    await house.forward(seconds=1)
    clocks = await house.clocks(case.case_id)
    (callback,), (cadence,) = clocks[Kind.CALLBACK], clocks[Kind.CADENCE]
    assert (callback.state, callback.outcome_at, cadence.started_at) == (Clock.MET, START, START)
    assert await house.complaints() == ()


async def test_what_was_done_in_time_and_is_told_late_is_no_miss(house: LineHouse):
    number = await rang(house)
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana")
    house.clock.forward(minutes=40)  # the store was away before the case was told
    keeper = ClockKeeper(house.pool, Legal(house.clock), house.clock, [CaseSource()], UntoldCases())
    await keeper.turn()
    case_id = (await house.case()).case_id
    assert (await house.clocks(case_id))[Kind.CALLBACK][0].state is Clock.RUNNING
    found = (await Auditor(house.pool, Legal(house.clock), [LineSource(Legal(house.clock))]).audit(house.clock.now())).findings
    assert [what.what.split(" at ")[0] for what in found] == [
        f"its case does not know that it was {what}" for what in ("answered", "returned", "reached")
    ]
    await house.line.keeper.turn()
    await keeper.turn()
    clocks = await house.clocks(case_id)
    assert [clocks[kind][0].state for kind in (Kind.CALLBACK, Kind.ENGAGE)] == [Clock.MET, Clock.MET]
    assert (await house.owed(number)).outcome.value == "met"


@pytest.mark.parametrize("source", [Source.API, Source.PORTAL])
async def test_a_report_in_writing_opens_a_case_with_all_its_words(house: LineHouse, source: Source):
    if source is Source.API:
        await house.api("POST", "sev1", json={**REPORT, "idempotency_key": "k1"})
    else:
        page = await house.door.client.get("/sev1")
        ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
        assert ticket is not None
        await house.door.client.post("/sev1", data={**REPORT, "pin": PIN, "ticket": ticket[1]})
    await house.line.keeper.turn()
    await house.line.keeper.turn()
    case = await house.case()
    assert (case.source, case.severity) == (source, Severity.CRITICAL)
    (first,) = await house.messages(case.case_id)
    for label, said in (("Company", "Acme"), ("Name", "Kim"), ("Address", "kim@acme.test"), ("What is wrong", "all mail fails")):
        assert f"{label}: {said}" in first


async def test_the_callback_of_a_case_is_met_by_the_attempt_and_updates_are_owed_from_then_on(house: LineHouse):
    number = await rang(house)
    case = await house.case()
    house.clock.forward(minutes=3)
    await house.api("POST", f"line/calls/{number}/claim", who="ana")
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    house.clock.forward(minutes=1)
    await house.call_back("ana")
    await house.forward(seconds=1)
    clocks = await house.clocks(case.case_id)
    (callback,), (engage,) = clocks[Kind.CALLBACK], clocks[Kind.ENGAGE]
    at = START + timedelta(minutes=4)
    assert (callback.state, callback.outcome_at, callback.reached_at) == (Clock.MET, at, at)
    assert (engage.state, engage.outcome_at) == (Clock.MET, START + timedelta(minutes=3))
    assert clocks[Kind.CADENCE][0].started_at == START + timedelta(minutes=4)
    happened = [type(event.payload).__name__ for event in await case_store.events_of(house.pool, case.case_id)]
    assert [happened.count(name) for name in ("Called", "CalledBack", "CallReached", "Engaged")] == [1, 1, 1, 1]
    assert await house.complaints() == ()


async def test_a_callback_that_is_missed_is_missed_in_the_case_and_a_late_call_does_not_mend_it(house: LineHouse):
    await rang(house)
    house.clock.forward(minutes=16)
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: NOBODY}
    await house.call_back("ana")
    await house.forward(seconds=1)
    (callback,) = (await house.clocks((await house.case()).case_id))[Kind.CALLBACK]
    assert (callback.state, callback.outcome_at) == (Clock.MISSED, START + DUE)
    assert (await house.owed()).outcome.value == "missed"
    assert await house.complaints() == ()


async def test_a_call_that_two_people_void_is_void_in_its_case(house: LineHouse):
    number = await rang(house)
    for who in ("ana", "bo"):
        await house.api("POST", f"line/calls/{number}/void", who=who, json={"reason": "a test"})
    await house.forward(seconds=1)
    (callback,) = (await house.clocks((await house.case()).case_id))[Kind.CALLBACK]
    assert callback.state is Clock.VOID
    assert callback.void is not None
    assert callback.void.people == tuple(f"staff {house.staff[who].person_id}" for who in ("ana", "bo"))


async def test_a_call_of_ours_that_is_named_as_evidence_is_looked_up_and_must_be_the_accounts(house: LineHouse):
    kim = await house.contact("kim", KIM)
    await rang(house, PIN, Tape(2), "1", "1", Tape(3), HANGS_UP)
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    attempt = (await house.call_back("ana")).json()["results"]
    one, case = await house.intake(), await house.case()
    stranger = await rang(house, HANGS_UP, caller="+15550109999")
    (other,) = [each for each in await house.intakes() if each.intake_id == stranger]
    recording = await house.pool.fetchval("SELECT recording_id FROM line_recordings WHERE intake_id = $1", one.intake_id)
    leg = await house.pool.fetchval("SELECT call_id FROM line_attempts WHERE attempt_id = $1", attempt["attempt_id"])
    course, ends, ana = Course(house.cases), Endings(house.cases), house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)

    async def on(evidence: str) -> str:
        done = await course.read_back(case.case_id, staff, Every(interval_s=1_800), contact=kim, evidence=evidence)
        return done.agreements[-1].call if isinstance(done, Case) else done.why if done is not None else "no case"

    for evidence, call in (
        (f"call {one.reference}", f"call {one.reference}"),
        (one.reference.lower(), f"call {one.reference}"),
        (f"Call #{one.intake_id}", f"call {one.reference}"),
        (one.call_id, f"call {one.reference}"),
        (leg, f"call-back of {one.reference}"),
        (f"recording {recording}", f"recording {recording} of {one.reference}"),
        ("she phoned Ana at 14:00", ""),
        ("v3:of-another-carrier.7", ""),  # a name alone that we do not know: a call outside of our logs
    ):
        assert await on(evidence) == call, evidence
    for evidence in ("call 4711", "call S1-ZZZZZZ", "recording 4711", "recording 99999999999999999999"):
        assert "this account has no" in await on(evidence), evidence
    for evidence in (other.call_id, f"call {other.reference}"):
        assert "nobody has said yet whose" in await on(evidence), evidence
    strangers = await house.pool.fetchval("INSERT INTO accounts (name) VALUES ('other') RETURNING account_id")
    await house.pool.execute("UPDATE line_calls SET account_id = $2 WHERE intake_id = $1", stranger, strangers)
    for evidence in (other.call_id, f"call {other.reference}"):
        assert "this account has no call" in await on(evidence), evidence

    await ends.propose(case.case_id, "It is over.", staff, author="Ana")
    for evidence, ended in ((f"call {other.reference}", False), (f"recording {recording}", True)):
        done = await ends.enter_consent(case.case_id, staff, version=1, contact=kim, method=Method.CALL, evidence=evidence)
        assert isinstance(done, Case) is ended, evidence
    assert isinstance(done, Case)
    assert done.signatures[-1].call == f"recording {recording} of {one.reference}"
    assert await house.complaints() == ()


async def test_a_second_call_of_the_same_customer_belongs_to_the_same_case_with_a_callback_of_its_own(house: LineHouse):
    await rang(house)
    house.clock.forward(minutes=4)
    second = await rang(house, PIN, HANGS_UP, caller="+442079460001")
    case = await house.case(second)
    assert case.case_id == (await house.case((await house.intakes())[0].intake_id)).case_id
    first, other = (await house.clocks(case.case_id))[Kind.CALLBACK]
    assert (first.due_at, other.due_at) == (START + DUE, START + DUE)  # the earlier promise stands
    assert other.started_at == START + timedelta(minutes=4)
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana", (await house.intakes())[0].intake_id)
    await house.forward(seconds=1)
    first, other = (await house.clocks(case.case_id))[Kind.CALLBACK]
    assert (first.state, other.state) == (Clock.MET, Clock.RUNNING)  # one call to one number returns one of them
    assert await house.complaints() == ()


async def test_e8_staff_says_which_open_case_a_call_is_about_and_that_one_is_critical_from_the_first_ring(house: LineHouse):
    await house.contact("kim", KIM)
    house.clock.forward(days=1, hours=8)  # a Monday, within Business Hours
    old = await opened(house, Severity.NON_CRITICAL)
    house.clock.forward(minutes=30)
    ring = house.clock.now()
    number = await rang(house)
    reference = (await house.intake()).reference
    by_call = await house.case()
    assert by_call.case_id != old
    house.clock.forward(minutes=5)
    ana = house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)
    course = Course(house.cases)
    for wrong in (f"call {reference[:-1]}", "he phoned", ""):
        assert isinstance(await course.link_call(old, staff, wrong), No)
    for _ in range(2):  # twice is once
        done = await course.link_call(old, staff, f"call {reference}")
        assert isinstance(done, Case), done
        assert (done.severity, done.stage) == (Severity.CRITICAL, Stage.CALL_BACK_DUE)
    clocks = await house.clocks(old)
    (first,) = clocks[Kind.FIRST_RESPONSE]
    assert (first.state, first.elapsed_s, first.ended_at) == (Clock.SUPERSEDED, 1800, ring)
    assert Kind.CADENCE not in clocks
    (callback,) = (await house.clocks(by_call.case_id))[Kind.CALLBACK]
    assert (callback.state, callback.due_at) == (Clock.RUNNING, ring + DUE)

    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana", number)
    await house.forward(seconds=1)
    assert (await house.clocks(by_call.case_id))[Kind.CALLBACK][0].state is Clock.MET
    (cadence,) = (await house.clocks(old))[Kind.CADENCE]
    assert cadence.state is Clock.RUNNING
    case = await house.cases.case(old)
    assert case is not None
    assert (case.severity, case.called, case.called_back, case.no_call) == (Severity.CRITICAL, True, True, False)
    assert await house.complaints() == ()


async def test_e8_what_was_missed_before_a_call_is_linked_stays_missed_and_critical_it_is_since_the_ring(house: LineHouse):
    house.clock.forward(days=1, hours=8)
    old = await opened(house, Severity.NON_CRITICAL)
    house.clock.forward(minutes=30)
    ring = house.clock.now()
    await rang(house)
    one, by_call = await house.intake(), await house.case()
    house.clock.forward(days=2)
    await house.pool.execute(
        "UPDATE clocks SET outcome = 'missed', state = 'missed', outcome_at = due_at WHERE due_at < $1", house.clock.now()
    )
    ana = house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)
    linked = await Course(house.cases).link_call(old, staff, one.reference)
    assert isinstance(linked, Case), linked
    (first,) = (await house.clocks(old))[Kind.FIRST_RESPONSE]
    assert (first.outcome, first.ended_at) == (Clock.MISSED, house.clock.now())
    until = house.clock.now() + timedelta(days=1)
    found = await case_store.critical_in(house.pool, house.account_id, since=START, until=until)
    assert found == [(old, ring, None), (by_call.case_id, ring, house.clock.now())]


async def test_e8_a_call_that_was_returned_already_brings_its_updates_along(house: LineHouse):
    kim = await house.contact("kim", KIM)
    old = await opened(house, Severity.NON_CRITICAL)
    number = await rang(house)
    reference = (await house.intake()).reference
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana", number)
    await house.forward(seconds=1)
    by_call = await house.case()
    ana = house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)
    course = Course(house.cases)
    spoken = await course.read_back(by_call.case_id, staff, Every(interval_s=1800), contact=kim, evidence="on the call")
    assert isinstance(spoken, Case)
    house.clock.forward(minutes=5)
    linked = await course.link_call(old, staff, reference)
    assert isinstance(linked, Case), linked
    assert (linked.people, linked.called_back, len(linked.agreements)) == ((kim.contact_id,), True, 1)
    cadence = (await house.clocks(old))[Kind.CADENCE][-1]
    assert (cadence.nature, cadence.due_at) == (
        Nature.CONTRACTUAL,
        (await house.clocks(by_call.case_id))[Kind.CADENCE][-1].started_at + timedelta(minutes=30),
    )
    assert await house.complaints() == ()


async def test_a_downgrade_within_the_fifteen_minutes_ends_no_callback(house: LineHouse):
    number = await rang(house)
    case = await house.case()
    course = Course(house.cases)
    ana = house.staff["ana"]
    staff = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id, email=ana.email)
    await course.step_down(case.case_id, customer(house), text="One mail only.")
    await course.accept_step_down(case.case_id, staff, version=1)
    clocks = await house.clocks(case.case_id)
    assert clocks[Kind.CALLBACK][0].state is Clock.RUNNING
    assert clocks[Kind.ENGAGE][0].state is Clock.RUNNING  # whoever was woken must still move
    assert (await house.ladder((await house.owed(number)).obligation_id)).ended_at is None


async def test_cases_are_told_once_though_a_worker_dies_between(house: LineHouse):
    number = await rang(house)
    house.carrier.people = {ANA: Person(keys=("1",)), KIM: Person()}
    await house.call_back("ana")
    await house.pool.execute("ALTER TABLE case_events RENAME TO away")
    await house.line.keeper.turn()  # it fails for the case alone
    await house.pool.execute("ALTER TABLE away RENAME TO case_events")
    await house.line.keeper.turn()
    await house.line.keeper.turn()
    assert sorted(await house.pool.fetchval("SELECT told FROM line_calls WHERE intake_id = $1", number)) == sorted(
        ["words", "answered", "returned", "reached", "entitlement"]
    )
    assert (await house.clocks((await house.case()).case_id))[Kind.CALLBACK][0].state is Clock.MET


# without a call --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["opened", "escalated"])
async def test_a_case_that_is_critical_without_a_call_wakes_people_until_somebody_has_it(house: LineHouse, how: str):
    case_id = await opened(house, Severity.CRITICAL if how == "opened" else Severity.NON_CRITICAL)
    if how == "escalated":
        assert await runs.latest(house.pool) == []
        await Course(house.cases).escalate(case_id, customer(house), reason="It is worse.")
    (run,) = await runs.latest(house.pool)
    assert (run.reference, run.account_id, run.due_at) == (f"case {case_id}", house.account_id, None)
    house.carrier.people = {ANA: Person(keys=("1",))}
    assert ANA in await house.wake(seconds=30)
    (run,) = await runs.latest(house.pool)
    assert run.ended_because == f"staff {house.staff['ana'].person_id} has it in hand"
    clocks = await house.clocks(case_id)
    assert (clocks[Kind.ENGAGE][0].state, Kind.CALLBACK in clocks) == (Clock.MET, False)
    case = await house.cases.case(case_id)
    assert case is not None
    assert case.no_call


async def test_whoever_takes_a_critical_case_lets_the_others_sleep(house: LineHouse):
    case_id = await opened(house, Severity.CRITICAL)
    ana = house.staff["ana"]
    by = Actor(side=Side.PROVIDER, name=f"staff {ana.person_id}", person_id=ana.person_id)
    await house.cases.own(case_id, ana.person_id, by)
    (run,) = await runs.latest(house.pool)
    assert run.ended_because == f"staff {ana.person_id} has taken the case"


async def test_a_claim_over_the_api_engages_the_case(house: LineHouse):
    case_id = await opened(house, Severity.CRITICAL)
    (run,) = await runs.latest(house.pool)
    async with house.pool.acquire() as connection, connection.transaction():
        after = await house.line.answering.answer(
            connection, run.run_id, house.staff["bo"].person_id, runs.Answer.ACKNOWLEDGE, house.clock.now()
        )
    assert after is not None
    assert after.ended_at is None  # to be awake is not to have it in hand
    assert (await house.clocks(case_id))[Kind.ENGAGE][0].state is Clock.MET


# the ledger ------------------------------------------------------------------------------------------------------------------


async def test_a_case_gets_the_ledger_when_it_opens_and_five_and_fifteen_minutes_later(house: LineHouse, tmp_path: Path):
    node = Node(house.pool, tmp_path, "a", START)
    rang_at = int(START.timestamp())
    node.watch(rang_at - 3_600, rang_at)
    node.note(rang_at - 600, house.account_id)
    await node.fold()
    await rang(house)
    case = await house.case()

    async def notes() -> list[str]:
        while await house.extracts.turn():
            pass
        return [one for one in await house.messages(case.case_id) if one.startswith("What the availability ledger shows")]

    (first,) = await notes()
    assert "when the case became critical" in first
    assert "- API: attempts in 1 seconds, all of them failed in 0" in first
    assert "The ledger shows health." in first
    assert len(await notes()) == 1
    # Every worker was dead for ten minutes: the note of the fifth minute comes late, and says until when it looks.
    rang_at += 200
    for second in range(rang_at, rang_at + 90):
        node.note(second, house.account_id, (FaultTag.SERVER, "503"))
    node.watch(rang_at - 200, rang_at + 400)
    node.now = START + timedelta(minutes=10)
    await node.fold()
    house.clock.forward(minutes=10)
    second = (await notes())[1]
    assert "5 minutes after the case became critical" in second
    assert "- Unavailable: 90 seconds (2026-03-08 06:53:20 UTC for 90 s)" in second
    assert "to 2026-03-08 07:00:00 UTC" in second
    house.clock.forward(minutes=5)
    assert len(await notes()) == 3
    assert await house.complaints() == ()
    house.clock.forward(hours=5)
    assert len(await notes()) == 3
    assert (await house.cases.case(case.case_id)).severity is Severity.CRITICAL  # the customer's word stands


async def test_a_ledger_that_cannot_be_read_is_asked_again(house: LineHouse):
    await rang(house)
    await house.pool.execute("ALTER TABLE ledger_leaves RENAME TO away")
    assert await house.extracts.turn()
    assert not await house.extracts.turn()
    await house.pool.execute("ALTER TABLE away RENAME TO ledger_leaves")
    house.clock.forward(seconds=30)
    assert await house.extracts.turn()
    assert await house.pool.fetchval("SELECT count(*) FROM case_extracts WHERE done_at IS NOT NULL") == 1


async def test_a_case_that_is_not_critical_gets_no_extract(house: LineHouse):
    await opened(house, Severity.NON_CRITICAL)
    house.clock.forward(hours=1)
    assert not await house.extracts.turn()


async def test_the_tam_is_told_of_a_call_of_his_account(house: LineHouse):
    tam = await house.hire("tam", "", Role.TAM)
    await contracts.assign_tam(house.pool, house.account_id, tam.person_id, begins_at=START - DUE, actor="operator")
    await rang(house)
    assert (await house.case()).owner_id == tam.person_id
    assert await house.pool.fetchval("SELECT email FROM case_letters WHERE side = 'provider'") == tam.email
