"""The call-back: claims, the representative first, which attempt counts, who is tried again, what two people may say."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from homing.api.v1 import support_sev1_wire as wire
from homing.contracts.types import ContactRole
from homing.support.clocks.auditor import Auditor
from homing.support.line import store
from homing.support.line.audit import LineSource
from homing.support.line.types import CallStatus, Family, Happened, Outcome
from tests.kit.carrier import HANGS_UP, PUBLIC, SILENT, Person
from tests.kit.carrier import Call as CarrierCall
from tests.kit.line import ANA, BO, KIM, PIN, START, Legal, LineHouse, line_house

REP = Person(keys=("1",))
DUE = 15 * 60


@pytest.fixture
async def house(pool):
    async with line_house(pool) as made:
        made.carrier.people = {ANA: REP, BO: REP, KIM: Person()}
        yield made


async def rang(house: LineHouse, *deeds: str, caller: str = KIM) -> int:
    """Let a call come in; nobody takes it live."""
    people, house.carrier.people = house.carrier.people, {}
    await house.carrier.call(*(deeds or (HANGS_UP,)), caller=caller).ring()
    house.carrier.people = people
    return (await house.intakes())[-1].intake_id


async def shown(house: LineHouse, number: int) -> dict:
    return (await house.api("GET", f"line/calls/{number}", who="ana")).json()["results"]


async def attempts(house: LineHouse, number: int) -> list[str]:
    return [one["status"] for one in (await shown(house, number))["attempts"]]


async def audited(house: LineHouse) -> list[str]:
    """Return what the nightly audit finds of call-backs."""
    legal = Legal(house.clock)
    return [one.what for one in (await Auditor(house.pool, legal, [LineSource(legal)]).audit(house.clock.now())).findings]


class Away:
    """A pool whose server is gone."""

    def acquire(self):
        raise ConnectionRefusedError("the server is gone")


def why(answer):
    (error,) = answer.json()["errors"]
    return answer.status_code, error.get("description", error["message"])


async def test_the_representative_is_rung_first_then_the_customer_and_both_meet(house: LineHouse):
    number = await rang(house)
    await house.forward(minutes=2)
    answer = await house.call_back("ana")
    assert answer.status_code == 200, answer.text
    (room,) = house.carrier.rooms.values()
    assert [leg.called for leg in room] == [ANA, KIM]
    assert [leg.caller for leg in room] == ["+18005550100", "+18005550100"]
    owed = await house.owed()
    assert (owed.outcome, owed.returned_at, owed.outcome_at) == (Outcome.MET, house.clock.now(), house.clock.now())
    assert owed.connected_at == house.clock.now()  # the carrier heard no machine
    assert "returned" in await house.kinds(number)


async def test_a_representative_who_presses_nothing_calls_nobody(house: LineHouse):
    number = await rang(house)
    house.carrier.people[ANA] = Person()
    await house.call_back("ana")
    assert await attempts(house, number) == ["rep_lost"]
    assert not any(leg.called == KIM for leg in house.carrier.calls.values() if leg.direction == "outbound-api")
    assert (await house.owed()).returned_at is None


@pytest.mark.parametrize(("seconds", "outcome"), [(DUE - 1, Outcome.MET), (DUE, Outcome.MET), (DUE + 1, Outcome.MISSED)])
async def test_an_attempt_at_the_due_instant_is_in_time(house: LineHouse, seconds, outcome):
    await rang(house)
    house.clock.forward(seconds=seconds)
    await house.call_back("ana")
    owed = await house.owed()
    assert (owed.outcome, owed.returned_at) == (outcome, house.clock.now())


async def test_what_was_missed_stays_missed(house: LineHouse):
    number = await rang(house)
    await house.forward(seconds=DUE + 11)
    owed = await house.owed()
    assert (owed.outcome, owed.outcome_at) == (Outcome.MISSED, owed.due_at)
    await house.call_back("ana")
    owed = await house.owed()
    assert owed.outcome is Outcome.MISSED
    assert owed.returned_at is not None
    for statement in ("outcome = 'met'", "outcome = NULL", "due_at = due_at + interval '1 hour'"):
        with pytest.raises(asyncpg.RaiseError):
            await house.pool.execute(f"UPDATE line_obligations SET {statement} WHERE intake_id = $1", number)
    with pytest.raises(asyncpg.RaiseError):
        await house.pool.execute("DELETE FROM line_obligations")


async def test_without_ringing_an_attempt_does_not_count(house: LineHouse):
    number = await rang(house)
    house.carrier.people[KIM] = Person(rings=False)
    await house.call_back("ana")
    assert await attempts(house, number) == ["set_up"]
    await house.forward(seconds=11)
    assert await attempts(house, number) == ["not_set_up"]
    assert (await house.owed()).returned_at is None


async def test_an_attempt_whose_events_were_lost_counts_if_the_carrier_says_that_it_rang(house: LineHouse):
    number = await rang(house)
    house.carrier.loses = ("/customer", "/machine")
    house.clock.forward(seconds=DUE - 2)
    await house.call_back("ana")
    await house.forward(seconds=11)
    owed = await house.owed()
    assert (owed.outcome, owed.returned_at) == (Outcome.MET, owed.due_at - timedelta(seconds=2))
    assert await attempts(house, number) == ["answered_human"]
    assert await audited(house) == []


async def test_an_attempt_is_not_judged_before_its_carrier_was_asked_three_times_at_most(house: LineHouse):
    number = await rang(house)
    house.carrier.loses = ("/customer", "/machine")
    house.clock.forward(seconds=DUE - 2)
    await house.call_back("ana")
    house.carrier.api_secret, known = "another", house.carrier.api_secret
    for _ in range(3):
        await house.forward(seconds=11)
        assert (await attempts(house, number), (await house.owed()).outcome) == (["set_up"], None)
    await house.forward(seconds=11)
    assert (await attempts(house, number), (await house.owed()).outcome) == (["not_set_up"], Outcome.MISSED)
    house.carrier.api_secret = known
    assert await audited(house) == []


def away_for(house: LineHouse, *paths: str) -> None:
    """Let the store be away whenever one of these is asked for."""
    attempts = house.line.legs._attempts

    def heard(path: str) -> bool:
        attempts._pool = Away() if any(part in path for part in paths) else house.pool  # type: ignore[assignment]
        return False

    heard("")
    house.carrier.unheard = heard


async def test_what_is_told_of_a_call_back_while_the_store_is_away_counts_from_when_it_was_told(house: LineHouse):
    await rang(house)
    house.clock.forward(seconds=DUE - 2)
    away_for(house, "/customer", "/machine")
    await house.call_back("ana")
    assert await house.line.journal.waiting() != []
    away_for(house)
    house.clock.forward(minutes=10)
    await house.line.keeper.turn()
    owed = await house.owed()
    in_time = owed.due_at - timedelta(seconds=2)
    assert (owed.outcome, owed.connected_at) == (Outcome.MET, in_time)
    assert owed.returned_at is not None
    assert timedelta(0) <= in_time - owed.returned_at < timedelta(seconds=2)  # the leg was noted a moment after it was taken
    assert await house.line.journal.waiting() == []
    assert await audited(house) == []


async def test_a_representative_who_presses_the_key_while_the_store_is_away_waits_for_the_customer(house: LineHouse):
    number = await rang(house)
    away_for(house, "/rep-key")
    await house.call_back("ana")
    (room,) = house.carrier.rooms.values()
    assert ([leg.called for leg in room], await attempts(house, number)) == ([ANA], ["calling_rep"])
    away_for(house)
    await house.line.keeper.turn()
    await house.line.legs.place()
    await house.carrier.settle()
    assert [leg.called for leg in room] == [ANA, KIM]
    assert (await house.owed()).outcome is Outcome.MET


async def test_a_machine_is_told_neutral_words_while_the_store_is_away(house: LineHouse):
    await rang(house)
    house.carrier.people[KIM] = Person(machine="machine_end_beep")
    away_for(house, "/voicemail")
    await house.call_back("ana")
    (leg,) = [one for one in house.carrier.calls.values() if one.called == KIM and one.direction == "outbound-api"]
    assert "returning your call" in leg.said
    assert await house.line.journal.waiting() == []


async def test_ringing_that_is_heard_of_after_the_answer_counts_from_when_it_was_told(house: LineHouse):
    number = await rang(house)
    house.carrier.people[KIM] = Person(rings=False)
    began = house.clock.now()
    attempt = (await house.call_back("ana")).json()["results"]["attempt_id"]
    house.clock.forward(seconds=12)
    tel, legs = house.line.carriers.all["tel"], house.line.legs
    await legs.customer_status(tel, attempt, Happened(call_id="CA1", status=CallStatus.ANSWERED, sequence=2))
    assert (await house.owed()).returned_at is None
    await legs.played(
        tel, attempt, "customer", Happened(call_id="CA1", status=CallStatus.RINGING, sequence=1), at=began + timedelta(seconds=3)
    )
    assert ((await house.owed()).returned_at, await attempts(house, number)) == (began, ["answered_human"])
    assert await audited(house) == []


async def test_ringing_that_is_told_before_the_carriers_answer_counts(house: LineHouse):
    await rang(house)
    house.carrier.events_before_answer = True
    await house.call_back("ana")
    assert (await house.owed()).outcome is Outcome.MET


async def test_events_twice_and_out_of_order_change_nothing(house: LineHouse):
    number = await rang(house)
    await house.call_back("ana")
    before = await shown(house, number)
    told = [one for one in house.carrier.asked if "/customer" in one.path]
    for one in [*reversed(told), *told]:
        assert (await house.carrier.post(PUBLIC + one.path, one.fields)).status == 204
    assert (await shown(house, number))["attempts"] == before["attempts"]


async def test_two_representatives_claim_at_once_and_one_has_it(house: LineHouse):
    number = await rang(house)
    answers = await asyncio.gather(*(house.api("POST", f"line/calls/{number}/claim", who=who) for who in ("ana", "bo") * 3))
    good = [one.json()["results"]["claimed_by"] for one in answers if one.status_code == 200]
    assert len(good) == 3
    assert len(set(good)) == 1
    assert {why(one)[0] for one in answers if one.status_code != 200} == {409}


async def test_a_claim_without_an_attempt_is_over_after_three_minutes_and_people_are_paged_again(house: LineHouse):
    number = await rang(house)
    await house.api("POST", f"line/calls/{number}/claim", who="ana")
    await house.forward(seconds=179)
    assert (await house.owed()).claimed_by == house.staff["ana"].person_id
    assert (await house.api("POST", f"line/calls/{number}/claim", who="bo")).status_code == 409
    await house.forward(seconds=1)
    assert (await house.owed()).claimed_by is None
    assert (await house.pages(), (await house.ladder()).claim) == (["call"], None)  # the ladder goes on
    assert (await house.owed()).due_at == START.replace(hour=7, minute=5)  # a claim stops no clock


async def test_a_claim_is_handed_on(house: LineHouse):
    number = await rang(house)
    await house.api("POST", f"line/calls/{number}/claim", who="ana")
    assert (await house.api("DELETE", f"line/calls/{number}/claim", who="bo")).status_code == 409
    assert (await house.api("DELETE", f"line/calls/{number}/claim", who="ana")).status_code == 204
    assert (await house.pages(), (await house.ladder()).claim) == (["call"], None)
    assert (await house.api("POST", f"line/calls/{number}/claim", who="bo")).status_code == 200


async def test_a_machine_is_told_neutral_words_and_the_customer_is_tried_again(house: LineHouse):
    await house.contact("kim", KIM)
    number = await rang(house)
    house.carrier.people[KIM] = Person(machine="machine_end_beep")
    await house.call_back("ana")
    (leg,) = [one for one in house.carrier.calls.values() if one.called == KIM and one.direction == "outbound-api"]
    assert "returning your call" in leg.said
    owed = await house.owed()
    assert (owed.outcome, owed.connected_at) == (Outcome.MET, None)  # returned, and not reached
    assert await attempts(house, number) == ["answered_machine"]
    assert owed.next_try_at is not None
    assert (owed.next_try_at - owed.returned_at).total_seconds() == 300
    await house.forward(seconds=300)
    assert await house.pages() == ["call", "retry"]
    assert [to for to, subject, _ in house.mail.sent if "Your call" in subject] == ["kim@acme.test"]


async def test_nobody_who_answers_counts_as_returned_and_is_tried_after_5_15_and_30_minutes(house: LineHouse):
    await rang(house)
    house.carrier.people[KIM] = Person(outcome="no-answer")
    waits = []
    for _ in range(3):
        await house.call_back("ana")
        owed = await house.owed()
        assert owed.next_try_at is not None
        waits.append((owed.next_try_at - owed.returned_at).total_seconds())
        await house.forward(seconds=(owed.next_try_at - house.clock.now()).total_seconds())
    assert waits == [300, 900, 1800]
    house.carrier.people[KIM] = Person()
    await house.call_back("ana")
    owed = await house.owed()
    assert (owed.next_try_at, owed.connected_at) == (None, house.clock.now())


async def test_busy_does_not_count_and_the_next_number_is_tried(house: LineHouse):
    await house.contact("first", "+442079460009")
    number = await rang(house, PIN, HANGS_UP)
    house.carrier.people |= {KIM: Person(outcome="busy"), "+442079460009": Person()}
    assert (await shown(house, number))["numbers"] == [KIM, "+442079460009"]
    await house.call_back("ana")
    assert (await house.owed()).returned_at is None
    assert (await shown(house, number))["numbers"] == ["+442079460009", KIM]
    await house.call_back("ana")
    assert (await house.owed()).outcome is Outcome.MET
    assert await attempts(house, number) == ["busy", "answered_human"]


async def test_a_carrier_that_refuses_is_told_to_the_representative(house: LineHouse):
    number = await rang(house)
    house.carrier.refuses = 400
    answer = await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={})
    assert why(answer)[0] == 409
    assert "not a valid number" in why(answer)[1]
    house.carrier.refuses = 0
    await house.call_back("ana")
    assert (await house.owed()).outcome is Outcome.MET


@pytest.fixture
async def two_carriers(pool):
    async with line_house(pool, spare=True) as made:
        made.carrier.people = made.spare.people = {ANA: REP, BO: REP, KIM: Person()}
        yield made


@pytest.mark.parametrize("refused", [ANA, KIM])
async def test_a_leg_that_one_carrier_refuses_is_placed_by_the_other_in_time(two_carriers: LineHouse, refused):
    house = two_carriers
    number = await rang(house)
    house.carrier.refused = {refused}
    assert (await house.call_back("ana")).status_code == 200
    (room,) = house.spare.rooms.values()
    assert [(leg.called, leg.caller) for leg in room] == [(ANA, "+18005550199"), (KIM, "+18005550199")]
    first = "rep_lost" if refused == ANA else "failed"
    made = (await shown(house, number))["attempts"]
    assert [(one["carrier"], one["status"], one["number"]) for one in made] == [
        ("tel", first, KIM),
        ("spare", "answered_human", KIM),
    ]
    assert (await house.owed()).outcome is Outcome.MET
    if refused == KIM:  # whoever waited in a room to which nobody comes is told, and let go
        waited = next(leg for leg in house.carrier.calls.values() if leg.called == ANA)
        assert (waited.over, "did not take the call" in waited.said) == (True, True)


async def test_a_number_that_every_carrier_refuses_is_asked_of_each_once(two_carriers: LineHouse):
    house = two_carriers
    number = await rang(house)
    house.carrier.refused = house.spare.refused = {KIM}
    await house.call_back("ana")
    assert await attempts(house, number) == ["failed", "failed"]
    owed = await house.owed()
    assert (owed.returned_at, owed.claimed_by) == (None, house.staff["ana"].person_id)


async def test_the_representative_names_the_carrier_to_begin_with(two_carriers: LineHouse):
    house = two_carriers
    number = await rang(house)
    answer = await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={"carrier": "none"})
    assert why(answer) == (409, "there is no carrier of that name; there are tel, spare")
    assert (await house.call_back("ana", carrier="spare")).json()["results"]["carrier"] == "spare"
    assert (await house.owed()).outcome is Outcome.MET


async def test_the_number_that_the_customer_called_is_shown_where_its_carrier_calls_back(pool):
    async with line_house(pool, numbers=["+18005550100", "+18005550111"]) as house:
        house.carrier.people = {}
        await house.carrier.call(HANGS_UP, called="+18005550111").ring()
        house.carrier.people = {ANA: REP, KIM: Person()}
        await house.call_back("ana")
        (room,) = house.carrier.rooms.values()
        assert {leg.caller for leg in room} == {"+18005550111"}


async def test_a_call_by_hand_is_kept_with_its_evidence_beside_the_miss_and_wakes_nobody_any_more(house: LineHouse):
    number = await rang(house, PIN, HANGS_UP)
    house.carrier.refuses = 503
    assert "Call by hand" in why(await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={}))[1]
    house.clock.forward(minutes=3)
    said = {"number": KIM, "called_at": house.clock.now().isoformat(), "reached": True, "evidence": "my own call list"}
    path = f"line/calls/{number}/hand-calls"
    for answer in [await house.api("POST", path, who="ana", json=said) for _ in range(2)]:
        (kept,) = answer.json()["results"]["by_hand"]
    assert kept == {
        **said,
        "person_id": house.staff["ana"].person_id,
        "called_at": wire.at(house.clock.now()),
        "recorded_at": wire.at(house.clock.now()),
        "counts": False,
    }
    assert (await house.ladder()).ended_because.endswith("reached the customer by hand")
    await house.forward(minutes=12, seconds=11)
    owed = await house.owed()
    assert (owed.outcome, owed.returned_at, owed.connected_at) == (Outcome.MISSED, None, None)
    assert (await house.kinds(number)).count("called by hand") == 1
    assert await house.pages() == ["call"]
    (seen,) = (await house.api("GET", "sev1")).json()["results"]
    assert seen["by_hand"] == [{"called_at": kept["called_at"], "reached": True, "counts": False}]
    (told,) = await store.returned(house.pool, house.account_id, since=START, until=house.clock.now())
    assert (told.outcome, wire.at(told.by_hand_at)) == (Outcome.MISSED, kept["called_at"])
    with pytest.raises(asyncpg.RaiseError):
        await house.pool.execute("UPDATE line_hand_calls SET reached = false")


@pytest.mark.parametrize(
    ("change", "status"),
    [({"evidence": ""}, 422), ({"reached": None}, 422), ({"called_at": "noon"}, 422), ({"number": "12"}, 409),
     ({"called_at": "2026-03-08T06:00:00Z"}, 409), ({"called_at": "2026-03-09T06:00:00Z"}, 409)],
)  # fmt: skip
async def test_a_call_by_hand_says_who_when_and_how_it_is_known(house: LineHouse, change, status):
    number = await rang(house)
    said = {"number": KIM, "called_at": START.isoformat(), "reached": False, "evidence": "my own call list"}
    answer = await house.api("POST", f"line/calls/{number}/hand-calls", who="ana", json={**said, **change})
    assert answer.status_code == status
    assert (await house.api("POST", "line/calls/999/hand-calls", who="ana", json=said)).status_code == 404
    assert (await house.api("POST", f"line/calls/{number}/hand-calls", who="ana", json=said)).status_code == 200
    assert (await house.ladder()).ended_at is None  # he was not reached


async def test_a_number_that_nobody_gave_needs_a_second_confirmation(house: LineHouse):
    number = await rang(house)
    typed = {"number": "+442079460008"}
    assert "nobody gave" in why(await house.api("POST", f"line/calls/{number}/attempts", who="ana", json=typed))[1]
    assert (await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={"number": "12"})).status_code == 409
    house.carrier.people["+442079460008"] = Person()
    assert (await house.call_back("ana", **typed, confirmed=True)).status_code == 200
    assert (await house.owed()).outcome is Outcome.MET


async def test_numbers_that_cost_or_are_abroad_are_warned_of_and_never_refused(pool):
    async with line_house(pool, toml='countries = ["1"]\n') as house:
        house.carrier.people = {ANA: REP, KIM: Person()}
        number = await rang(house)
        assert "country" in why(await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={}))[1]
        assert (await house.call_back("ana", confirmed=True)).status_code == 200
        assert (await house.owed()).outcome is Outcome.MET


async def test_one_call_returns_two_of_the_same_contact_and_number_and_no_other(house: LineHouse):
    first = await rang(house)
    house.clock.forward(minutes=2)
    second = await rang(house)
    other = await rang(house, caller="+442079460001")
    await house.call_back("ana", first)
    assert [(await house.owed(one)).outcome for one in (first, second, other)] == [Outcome.MET, Outcome.MET, None]


async def test_who_was_connected_live_and_wants_no_call_back(house: LineHouse):
    call = house.carrier.call(SILENT)
    house.carrier.people = {BO: REP}
    await call.ring()
    number = (await house.intake()).intake_id
    assert (await house.api("POST", f"line/calls/{number}/engaged", who="ana")).status_code == 409
    assert (await house.owed()).outcome is None
    assert (await house.api("POST", f"line/calls/{number}/engaged", who="bo")).status_code == 200
    assert (await house.owed()).outcome is Outcome.MET


async def talked(house: LineHouse, *, minutes: float) -> int:
    """Let bo take a call live and talk for a while, in which everybody else does his work; return the call."""
    woken: list[str] = []

    async def converse() -> None:
        for _ in range(int(minutes * 2)):
            woken.extend(await house.wake(seconds=30))

    house.carrier.people = {BO: REP}
    house.carrier.converses = converse
    await house.carrier.call(SILENT).ring()
    assert woken == []
    house.carrier.people = {}
    return (await house.intake()).intake_id


async def test_who_talks_with_the_caller_holds_the_ladder_and_counts_from_when_he_took_the_call(house: LineHouse):
    number = await talked(house, minutes=20)
    owed = await house.owed()
    assert (owed.claimed_by, owed.answered_by, owed.answered_at) == (*[house.staff["bo"].person_id] * 2, START)
    assert (owed.outcome, owed.claim_until) == (None, house.clock.now() + timedelta(minutes=3))
    house.clock.forward(seconds=60)
    await house.line.keeper.turn()
    assert (await house.api("POST", f"line/calls/{number}/engaged", who="bo")).status_code == 200
    owed = await house.owed()
    assert (owed.outcome, owed.engaged_at, owed.outcome_at) == (Outcome.MET, START, START)
    assert (await house.ladder()).ended_because == f"staff {house.staff['bo'].person_id} took the call live"
    assert await audited(house) == []


async def test_who_talked_and_says_nothing_within_three_minutes_has_not_returned_the_call(house: LineHouse):
    number = await talked(house, minutes=5)
    assert await house.wake(seconds=170) == []
    assert BO in await house.wake(seconds=15)  # the ladder goes on, with what it has held
    assert (await house.owed()).claimed_by is None
    await house.forward(minutes=10)
    assert (await house.owed()).outcome is Outcome.MISSED
    await house.api("POST", f"line/calls/{number}/engaged", who="bo")
    owed = await house.owed()
    assert (owed.outcome, owed.engaged_at) == (Outcome.MISSED, START)


async def test_a_claim_in_a_conversation_makes_it_no_shorter(house: LineHouse):
    async def converse() -> None:
        house.clock.forward(minutes=1)
        number = (await house.intake()).intake_id
        assert (await house.api("POST", f"line/calls/{number}/claim", who="ana")).status_code == 409
        assert (await house.api("POST", f"line/calls/{number}/claim", who="bo")).status_code == 200
        await house.forward(minutes=5)
        assert (await house.owed()).claimed_by == house.staff["bo"].person_id

    house.carrier.people, house.carrier.converses = {BO: REP}, converse
    await house.carrier.call(SILENT).ring()
    assert (await house.owed()).claim_until == START + timedelta(minutes=9)


async def accepted(house: LineHouse) -> tuple[CarrierCall, str]:
    """Let bo accept a call that rings; return it, and what is asked when they have talked."""
    call = house.carrier.call(SILENT)
    verbs = await call.ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
    gather = next(one for one in verbs if one["verb"] == "gather")
    (dial,) = [one for one in await call.ask(gather["action"], Digits="") if one["verb"] == "dial"]
    leg = CarrierCall(house.carrier, "CA9", "", BO, ("1",))
    whisper = next(whisper for number, whisper in dial["legs"] if number == BO)
    assert await leg.accepts(whisper)
    assert (await house.owed()).claimed_by == house.staff["bo"].person_id
    return call, dial["action"]


@pytest.mark.parametrize("bridged", [True, False])
async def test_what_became_of_the_hunt_may_be_told_after_the_end_of_the_call(house: LineHouse, bridged: bool):
    call, action = await accepted(house)
    house.clock.forward(minutes=20)
    await call.tell("completed")
    await call.ask(action, DialCallStatus="completed" if bridged else "no-answer", DialBridged=str(bridged).lower())
    await house.line.keeper.turn()
    number = (await house.intake()).intake_id
    assert (await house.api("POST", f"line/calls/{number}/engaged", who="bo")).status_code == (200 if bridged else 409)
    assert (await house.owed()).outcome is (Outcome.MET if bridged else Outcome.MISSED)


async def test_who_takes_a_call_and_is_not_connected_holds_nothing(house: LineHouse):
    call, action = await accepted(house)
    await call.ask(action, DialCallStatus="no-answer", DialBridged="false")  # the caller was quicker to hang up
    await house.forward(seconds=1)
    assert ((await house.owed()).claimed_by, (await house.intake()).accepted_by) == (None, None)
    assert (await house.ladder()).claim is None


async def test_a_conversation_whose_end_nobody_tells_ends_when_the_carrier_says_so(house: LineHouse):
    house.carrier.people, house.carrier.loses = {BO: REP}, ("/calls/live", "/calls/status")
    call = house.carrier.call(SILENT)
    await call.ring()
    assert call.over
    house.clock.forward(minutes=3)
    await house.line.keeper.end_conversations(house.clock.now())
    one, owed = await house.intake(), await house.owed()
    assert (one.ended_at, owed.claim_until) == (house.clock.now(), house.clock.now() + timedelta(minutes=3))


async def test_two_people_make_a_call_back_void_and_what_was_missed_stays_so(house: LineHouse):
    first, second = await rang(house), await rang(house, caller="+442079460001")
    for who, status in (("ana", 200), ("ana", 409), ("bo", 200), ("bo", 409)):
        assert (await house.api("POST", f"line/calls/{first}/void", who=who, json={"reason": "a test"})).status_code == status
    assert (await house.owed(first)).outcome is Outcome.VOID
    await house.forward(seconds=DUE + 11)
    for who in ("ana", "bo"):
        await house.api("POST", f"line/calls/{second}/void", who=who, json={"reason": "spam"})
    owed = await house.owed(second)
    assert (owed.outcome, owed.voided_at) == (Outcome.MISSED, house.clock.now())
    assert (await house.api("POST", f"line/calls/{second}/attempts", who="ana", json={})).status_code == 409
    counts = (await house.api("GET", "line/calls", who="ana")).json()["attainment"]
    assert (counts["void"], counts["missed"]) == (2, 0)
    with pytest.raises(asyncpg.RaiseError):
        await house.pool.execute("UPDATE line_obligations SET voids = '[]'")
    assert (await house.api("POST", f"line/calls/{first}/void", who="ana", json={"reason": ""})).status_code == 422


@pytest.mark.parametrize("named", [False, True])
async def test_who_is_reached_at_a_verified_number_is_entitled_where_the_order_form_says_so(house: LineHouse, named: bool):
    withheld = "+442079460001"
    number = await rang(house, caller=withheld)
    await house.contact("kim", withheld, verified=True)
    if named:  # the number was verified after the call; a person has said whose he is
        await house.pool.execute("UPDATE line_calls SET account_id = $1", house.account_id)
    house.carrier.people[withheld] = Person()
    await house.forward(seconds=DUE + 11)
    await house.call_back("ana", number)
    one = await house.intake()
    assert (one.account_id, one.entitlement.value) == (house.account_id, "yes")
    assert "entitlement" in await house.kinds(number)
    assert (await house.owed()).outcome is Outcome.MISSED
    refusal = {"verdict": "no", "clause": "F2", "reason": "no Order Form", "route": "a Support Case"}
    status, said = why(await house.api("POST", f"line/calls/{number}/entitlement", who="ana", json=refusal))
    assert status == 409
    assert "two people" in said
    house.clock.forward(minutes=1)
    counts = (await house.api("GET", "line/calls", who="ana")).json()["attainment"]
    assert (counts["missed"], counts["undecided"], counts["not_entitled"]) == (1, 0, 0)


async def test_a_number_that_nobody_verified_or_an_order_form_without_the_line_leaves_it_to_a_person(house: LineHouse):
    numbers = ("+442079460001", "+442079460002")
    await house.pool.execute("UPDATE order_forms SET sev1_entitled = false")
    for name, number, verified in (("kim", numbers[0], False), ("pat", numbers[1], True)):
        await house.contact(name, number, verified=verified)
        house.carrier.people[number] = Person()
        await house.call_back("ana", await rang(house, caller=number))
    assert {one.entitlement.value for one in await house.intakes()} == {"unknown"}
    first = (await house.intakes())[0].intake_id
    refusal = {"verdict": "no", "clause": "F2", "reason": "no", "route": "a Support Case", "account_id": house.account_id}
    await house.pool.execute("UPDATE order_forms SET sev1_entitled = true")
    status, said = why(await house.api("POST", f"line/calls/{first}/entitlement", who="ana", json=refusal))
    assert (status, "two people" in said) == (409, True), "one person takes from nobody what the Order Form promises"


async def test_entitlement_is_decided_by_a_person_and_changes_nothing_of_the_call_back(house: LineHouse):
    number = await rang(house)
    path = f"line/calls/{number}/entitlement"
    assert (await house.api("POST", path, who="ana", json={"verdict": "no"})).status_code == 422
    assert (await house.api("POST", path, who="ana", json={"verdict": "perhaps"})).status_code == 400
    refusal = {"verdict": "no", "clause": "F2", "reason": "no Order Form", "route": "a Support Case"}
    assert (await house.api("POST", path, who="ana", json={**refusal, "account_id": 999_999})).status_code == 400
    answer = await house.api("POST", path, who="ana", json=refusal)
    assert answer.json()["results"]["entitlement"] == "no"
    await house.call_back("ana")
    assert (await house.owed()).outcome is Outcome.MET
    house.clock.forward(minutes=20)
    counts = (await house.api("GET", "line/calls", who="ana")).json()["attainment"]
    assert (counts["met"], counts["not_entitled"]) == (0, 1)


REFUSAL = {"verdict": "no", "clause": "F2", "reason": "the plan has no line", "route": "open a Support Case"}


async def test_whoever_is_refused_is_told_clause_person_time_and_route_by_mail_and_in_the_api(house: LineHouse):
    await house.contact("first")
    await house.contact("second", role=ContactRole.VIEWER)
    await house.pool.execute("UPDATE order_forms SET sev1_entitled = false")
    number = await rang(house, PIN, HANGS_UP)
    await house.api("POST", f"line/calls/{number}/entitlement", who="ana", json=REFUSAL)
    await asyncio.gather(*(house.line.keeper.turn() for _ in range(2)))
    told = [(to, text) for to, _, text in house.mail.sent if "not covered" in text]
    assert [to for to, _ in told] == ["first@acme.test"]  # once
    for part in ("ana", "2026-03-08 06:50 UTC", "F2", "the plan has no line", "open a Support Case", "call-back"):
        assert part in told[0][1]
    (seen,) = (await house.api("GET", "sev1")).json()["results"]
    assert (seen["entitlement"], seen["refusal"]) == ("no", {
        "clause": "F2", "reason": "the plan has no line", "route": "open a Support Case", "decided_by": "ana",
        "decided_at": wire.at(START),
    })  # fmt: skip
    assert "refusal told" in await house.kinds(number)
    await house.api("POST", f"line/calls/{number}/entitlement", who="ana", json={"verdict": "yes"})
    await house.line.keeper.turn()
    (seen,) = (await house.api("GET", "sev1")).json()["results"]
    assert (seen["entitlement"], seen["refusal"]) == ("yes", None)


async def test_whoever_is_refused_and_belongs_to_nobody_is_told_where_he_gave_an_address(house: LineHouse):
    report = {"name": "Kim", "email": "kim@elsewhere.test", "description": "all mail fails"}
    page = await house.door.client.get("/sev1")
    ticket = page.text.partition('name="ticket" value="')[2].partition('"')[0]
    await house.door.client.post("/sev1", data={"ticket": ticket, **report})
    number = (await house.intake()).intake_id
    await house.api("POST", f"line/calls/{number}/entitlement", who="ana", json=REFUSAL)
    await house.line.keeper.turn()
    assert [to for to, _, text in house.mail.sent if "not covered" in text] == ["kim@elsewhere.test"]


async def test_a_call_that_is_nobodys_says_until_when_somebody_has_to_name_its_account(house: LineHouse):
    async def listed(query: str = "?open=true") -> dict[int, str | None]:
        found = (await house.api("GET", f"line/calls{query}", who="ana")).json()["results"]
        return {one["call_id"]: one["name_by"] for one in found}

    house.carrier.people["+442079460001"] = Person()
    named, refused, junk = [await rang(house, caller=caller) for caller in (KIM, "+442079460001", "+442079460002")]
    by = wire.at(START + timedelta(hours=1))
    assert await listed() == dict.fromkeys((named, refused, junk), by)
    assert (await shown(house, named))["name_by"] == by
    for number in (named, refused):
        await house.api("POST", f"line/calls/{number}/claim", who="ana")
        await house.call_back("ana", number)
    assert await listed() == dict.fromkeys((named, refused, junk), by), "it was returned, and is nobody's still"

    verdict = {"verdict": "yes", "account_id": house.account_id}
    answer = await house.api("POST", f"line/calls/{named}/entitlement", who="ana", json=verdict)
    assert (answer.json()["results"]["name_by"], answer.json()["results"]["account_id"]) == (None, house.account_id)
    refusal = {"verdict": "no", "clause": "F2", "reason": "no Order Form", "route": "a Support Case"}
    answer = await house.api("POST", f"line/calls/{refused}/entitlement", who="ana", json=refusal)
    assert answer.json()["results"]["name_by"] is None
    for who in ("ana", "bo"):
        answer = await house.api("POST", f"line/calls/{junk}/void", who=who, json={"reason": "junk"})
    assert answer.json()["results"]["name_by"] is None
    assert await listed() == {}
    assert await listed("") == dict.fromkeys((named, refused, junk)), "of those that are over nobody has to say anything"


async def test_a_result_is_chosen_by_whoever_called(house: LineHouse):
    number = await rang(house)
    house.carrier.people[KIM] = Person(outcome="no-answer")
    attempt = (await house.call_back("ana")).json()["results"]["attempt_id"]
    path = f"line/calls/{number}/attempts/{attempt}"
    assert (await house.api("PUT", path, who="ana", json={"result": "nonsense"})).status_code == 400
    assert (await house.api("PUT", path, who="bo", json={"result": "reached"})).status_code == 409
    assert (
        await house.api("PUT", f"line/calls/{number + 1}/attempts/{attempt}", who="ana", json={"result": "reached"})
    ).status_code == 404
    assert (await house.api("PUT", path, who="ana", json={"result": "reached"})).json()["results"]["result"] == "reached"
    assert (await house.owed()).connected_at is not None


async def test_a_worker_that_dies_between_is_found_again(house: LineHouse):
    number = await rang(house)
    await house.api("POST", f"line/calls/{number}/attempts", who="ana", json={})
    await house.carrier.settle()  # ana waits in the room; nobody has placed the customer's leg
    await house.pool.execute("UPDATE line_attempts SET status = 'placing'")  # a worker took it, and died
    await house.forward(seconds=91)
    assert await attempts(house, number) == ["not_set_up"]
    await house.call_back("ana")
    assert (await house.owed()).outcome is Outcome.MET


@pytest.mark.parametrize("family", [Family.SIGNALWIRE, Family.TELNYX, Family.JAMBONZ])
async def test_every_family_calls_back(pool, family):
    async with line_house(pool, family) as house:
        house.carrier.people = {ANA: REP, KIM: Person()}
        await rang(house)
        answer = await house.call_back("ana")
        assert answer.status_code == 200, answer.text
        owed = await house.owed()
        assert owed.outcome is Outcome.MET
        assert [leg.called for leg in next(iter(house.carrier.rooms.values()))] == [ANA, KIM]


async def test_staff_alone_see_the_line(house: LineHouse):
    number = await rang(house)
    assert (await house.api("GET", f"line/calls/{number}")).status_code == 403
    bare = await house.door.client.get(f"/api/v1/support/line/calls/{number}", headers={"Authorization": "staff_" + "0" * 40})
    assert bare.status_code == 401
    assert (await house.api("GET", "line/calls/999999", who="ana")).status_code == 404
    assert (await house.api("GET", f"line/calls/{2**70}", who="ana")).status_code == 404
    assert (await house.api("POST", "line/calls/999999/claim", who="ana")).status_code == 404
    assert (await house.api("GET", "line/calls?days=0", who="ana")).status_code == 400
    assert [one["call_id"] for one in (await house.api("GET", "line/calls?open=true", who="ana")).json()["results"]] == [number]
