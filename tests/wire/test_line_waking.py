"""A call wakes people by on-call, by telephone through the line's carriers; what they press counts on both sides."""

import asyncio
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from homing.contracts import store as contracts
from homing.contracts.types import Role
from homing.ground import db
from homing.hours.types import ServiceZone
from homing.support.line.carriers import NotPlaced
from homing.support.line.trial import call_ourselves
from homing.support.line.types import Entitlement, Family, Outcome
from homing.support.oncall import runs
from homing.support.oncall.types import Run
from tests.kit.carrier import HANGS_UP, NOBODY, PUBLIC, SILENT, Person, Tape
from tests.kit.line import ANA, BO, KIM, PIN, START, LineHouse, line_house

TAKES, HANDS_ON, CONNECTS = Person(keys=("1",)), Person(keys=("2",)), Person(keys=("3",))
EVE, ZOE = "+15550100003", "+15550100004"


@pytest.fixture
async def house(pool):
    """Ana is primary, Bo secondary; Zoe is the boss. Nobody answers."""
    async with line_house(pool) as made:
        await made.hire("zoe", ZOE, Role.ADMIN)
        await made.duty("primary", "ana")
        await made.duty("secondary", "bo")
        yield made


async def rang(house: LineHouse, *deeds, caller: str = KIM) -> int:
    """Let a call come in; nobody takes it live."""
    people, house.carrier.people = house.carrier.people, {}
    await house.carrier.call(*(deeds or (HANGS_UP,)), caller=caller).ring()
    house.carrier.people = people
    return (await house.intakes())[-1].intake_id


async def outcomes(house: LineHouse, run: Run) -> list[tuple[str, str]]:
    return [(one.kind.value, one.outcome) for one in await runs.pages_of(house.pool, run.run_id)]


async def test_a_silent_first_engineer_is_followed_by_the_next_ones_until_somebody_presses_1(house: LineHouse):
    await rang(house)
    assert await house.wake() == [ANA]
    assert await house.wake(seconds=119) == []
    assert await house.wake(seconds=1) == [BO]
    run = await house.ladder()
    assert (run.started_at, run.due_at, run.claim) == (START, START + timedelta(minutes=15), None)
    assert ("voice", "sent; nobody answered") in await outcomes(house, run)
    # Neither a TAM nor an incident manager is there, so everybody of the roster is next at once.
    house.carrier.people = {BO: TAKES}
    assert await house.wake(minutes=3) == [ANA, BO]
    owed = await house.owed()
    assert owed.claimed_by == house.staff["bo"].person_id
    assert owed.outcome is None  # to be awake is not to call back
    shown = (await house.api("GET", f"line/calls/{owed.intake_id}", who="ana")).json()["results"]
    assert shown["claimed_by"] == house.staff["bo"].person_id
    # Three minutes without an attempt: nobody has it, and the ladder goes on with what is overdue.
    assert await house.wake(seconds=179) == []
    assert await house.wake(seconds=2) == [ZOE]
    assert (await house.owed()).claimed_by is None
    assert {text[:13] for _, text in house.carrier.texts} == {"Severity 1: S"}


async def test_the_ladder_of_a_call_on_the_night_the_clocks_go_back(pool: db.Pool):
    start = START.replace(month=11, day=1, hour=5)  # 01:50 EDT; at 06:00 UTC it is 01:00 EST
    async with line_house(pool, start=start) as house:
        await house.hire("eve", EVE, Role.CST)
        await house.hire("zoe", ZOE, Role.ADMIN)
        for schedule, who in (("primary", "ana"), ("secondary", "bo"), ("incident manager", "eve"), ("management", "zoe")):
            await house.duty(schedule, who)
        await rang(house)
        rung = {}
        for minute in range(15):
            house.clock.forward(seconds=59 if minute else 0)
            assert not minute or await house.wake() == [], minute
            if woken := await house.wake(seconds=1 if minute else 0):
                rung[f"{house.clock.now().astimezone(ZoneInfo('America/New_York')):%H:%M %Z}"] = woken
        assert rung == {
            "01:50 EDT": [ANA],
            "01:52 EDT": [BO],
            "01:55 EDT": [EVE],
            "01:58 EDT": [ANA, BO, EVE, ZOE],
            "01:01 EST": [ZOE],
            "01:03 EST": [ANA, BO, EVE, ZOE],
        }
        owed = await house.owed()
        assert (owed.due_at, (await house.ladder()).due_at) == (start + timedelta(minutes=15),) * 2


async def test_a_call_its_obligation_and_its_ladder_are_one_transaction(house: LineHouse):
    await house.pool.execute(
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
    )
    counts = (
        "SELECT (SELECT count(*) FROM line_calls), (SELECT count(*) FROM line_obligations), (SELECT count(*) FROM oncall_runs)"
    )
    for table in ("line_obligations", "oncall_runs", "line_turns"):
        await house.pool.execute(f"CREATE TRIGGER dies BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION dies()")
        await house.carrier.call(HANGS_UP).ask(f"{PUBLIC}/telephony/v1/tel/calls/inbound")
        assert tuple(await house.pool.fetchrow(counts)) == (0, 0, 0), table
        await house.pool.execute(f"DROP TRIGGER dies ON {table}")
    await house.line.keeper.player.play()  # what came while the store was away was written down
    assert tuple(await house.pool.fetchrow(counts)) == (3, 3, 3)


async def test_key_2_hands_on_and_the_next_one_is_rung_at_once(house: LineHouse):
    house.carrier.people = {ANA: HANDS_ON}
    await rang(house)
    assert await house.wake() == [ANA]
    assert await house.wake(seconds=1) == [BO]
    assert ("voice", "answered: hand-on") in await outcomes(house, await house.ladder())


async def test_key_3_connects_whoever_was_woken_with_the_caller(house: LineHouse):
    house.carrier.people = {ANA: CONNECTS, KIM: Person()}
    await rang(house)
    assert await house.wake() == [ANA]
    await house.line.legs.place()
    await house.carrier.settle()
    (room,) = house.carrier.rooms.values()
    assert [leg.called for leg in room] == [ANA, KIM]
    assert (await house.owed()).outcome is Outcome.MET
    run = await house.ladder()
    assert run.ended_because == f"staff {house.staff['ana'].person_id} called back"
    house.carrier.people = {ANA: TAKES}
    assert await house.wake(minutes=20) == []


async def test_whoever_is_woken_too_late_hears_that_it_is_over(house: LineHouse):
    await rang(house)
    await house.wake()
    house.carrier.people = {ANA: TAKES, KIM: Person()}
    await house.call_back("ana")
    page = next(one for one in house.carrier.calls.values() if "/pages/" in one.status_url)
    again = house.carrier.call(called=ANA, caller=page.caller)
    again.status_url = page.status_url
    await again.play(await again.ask(page.status_url.replace("/status", "/whisper")))
    assert "It is over" in again.said


async def test_a_key_that_is_told_twice_counts_once(house: LineHouse):
    house.carrier.people = {ANA: HANDS_ON}
    await rang(house)
    await house.wake()
    (told,) = [one for one in house.carrier.asked if "/key" in one.path]
    before = await house.ladder()
    assert (await house.carrier.post(PUBLIC + told.path, told.fields)).body == told.body
    assert await house.ladder() == before
    page = told.path.partition("/pages/")[2].partition("/")[0]
    other = dict(told.fields, CallSid="CA-another")
    assert (await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/pages/{page}999/key?n=0", other)).status == 404
    assert (await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/pages/{page}/else", other)).status == 404
    moved = f"{PUBLIC}/telephony/v1/tel/pages/{int(page) + 1}/key?n=0"
    assert (await house.carrier.post(moved, told.fields)).status == 404  # this call is about another page
    house.clock.forward(seconds=61)
    assert (await house.carrier.post(PUBLIC + told.path, told.fields)).status == 403  # it is over for long


async def test_page_routes_take_signed_requests_alone(house: LineHouse):
    await rang(house)
    await house.wake()
    for leg in ("whisper", "key", "status"):
        forged = await house.carrier.post(f"{PUBLIC}/telephony/v1/tel/pages/1/{leg}", house.carrier.call().fields(), secret="x")
        assert forged.status == 403
    assert house.line.refused["forged"] == 3


@pytest.mark.parametrize("hasty", [False, True], ids=["told in time", "told before the carrier's answer"])
async def test_a_call_that_cannot_be_connected_is_no_page(house: LineHouse, hasty):
    await house.pool.execute("DELETE FROM oncall_pages")
    house.carrier.people = {ANA: Person(outcome="failed")}
    house.carrier.events_before_answer = hasty
    house.line.channels._text = None  # the carrier takes no short messages
    await rang(house)
    assert await house.wake() == [ANA]
    assert await house.wake(seconds=1) == [BO]  # the next step comes at once
    assert (await outcomes(house, await house.ladder()))[0] == ("voice", "the call could not be connected")


async def test_what_a_carrier_tells_before_its_answer_stands(house: LineHouse):
    house.carrier.events_before_answer = True
    house.carrier.people = {ANA: NOBODY}
    await rang(house)
    assert await house.wake() == [ANA]
    assert ("voice", "sent; nobody answered") in await outcomes(house, await house.ladder())
    assert await house.wake(seconds=1) == []  # his telephone rang: the next step has its own time


async def test_a_page_whose_call_was_not_answered_for_in_time_is_tried_again_whatever_is_told_of_that_call(house: LineHouse):
    page_calls = house.line.page_calls
    place, lost = page_calls._carriers.call, []

    async def times_out(*args, **kwargs):
        lost.append(await place(*args, **kwargs))
        await house.carrier.settle()  # it could not be connected, and that is told
        raise NotPlaced("it did not answer in time")

    house.carrier.people = {ANA: Person(outcome="failed")}
    page_calls._carriers.call = times_out
    await rang(house)
    assert await house.wake() == [ANA]
    assert ("voice", "it did not answer in time") in await outcomes(house, await house.ladder())
    page_calls._carriers.call = place
    house.carrier.people = {}
    assert await house.wake(seconds=5) == [ANA], lost
    assert ("voice", "sent; nobody answered") in await outcomes(house, await house.ladder())


async def test_the_end_of_a_page_call_that_was_never_told_is_asked_for(house: LineHouse):
    house.carrier.loses = ("/status",)
    await rang(house)
    await house.wake()
    page = next(one for one in house.carrier.calls.values() if "/pages/" in one.status_url)
    page.status = "no-answer"
    house.clock.forward(seconds=121)
    assert await house.line.page_calls.reconcile(house.line.legs) == 1
    assert await house.line.page_calls.reconcile(house.line.legs) == 0
    assert ("voice", "sent; nobody answered") in await outcomes(house, await house.ladder())


async def test_what_is_pressed_while_the_store_is_away_counts_when_it_is_back(house: LineHouse):
    await rang(house)
    await house.wake()
    page = next(one for one in house.carrier.calls.values() if "/pages/" in one.status_url)
    pool, house.line.page_calls._pool = house.line.page_calls._pool, Away()
    woken = house.carrier.call(called=ANA, caller=page.caller)
    woken.deeds, woken.status_url = ["1"], page.status_url
    await woken.play(await woken.ask(page.status_url.replace("/status", "/whisper")))
    assert "written down" in woken.said
    house.line.page_calls._pool = pool
    await house.line.keeper.player.play()
    assert (await house.owed()).claimed_by == house.staff["ana"].person_id


class Away:
    """A pool whose server is gone."""

    def acquire(self):
        raise ConnectionRefusedError("the server is gone")


async def test_a_claim_over_the_api_counts_for_ladder_and_call_back_alike(house: LineHouse):
    number = await rang(house)
    await house.wake()
    assert (await house.api("POST", f"line/calls/{number}/claim", who="ana")).status_code == 200
    run = await house.ladder()
    assert run.claim is not None
    assert (run.claim.person_id, run.engaged_by) == (house.staff["ana"].person_id, house.staff["ana"].person_id)
    assert await house.wake(minutes=2) == []  # it is in her hand
    await house.api("DELETE", f"line/calls/{number}/claim", who="ana")
    assert await house.wake() == [BO]


async def test_a_key_and_a_claim_over_the_api_at_one_moment_are_one_claim(house: LineHouse):
    number = await rang(house)
    await house.wake()
    page = next(one for one in house.carrier.calls.values() if "/pages/" in one.status_url)
    woken = house.carrier.call("1", called=ANA, caller=page.caller)
    woken.status_url = page.status_url
    verbs = await woken.ask(page.status_url.replace("/status", "/whisper"))
    _, answer = await asyncio.gather(woken.play(verbs), house.api("POST", f"line/calls/{number}/claim", who="bo"))
    owed, run = await house.owed(), await house.ladder()
    assert run.claim is not None
    assert owed.claimed_by == run.claim.person_id == house.staff["bo" if answer.status_code == 200 else "ana"].person_id
    assert ("Somebody else has it." in woken.said) == (answer.status_code == 200)
    shown = (await house.api("GET", f"line/calls/{number}", who="ana")).json()["results"]["ladder"]
    assert (shown["run_id"], shown["engaged_by"]) == (run.run_id, owed.claimed_by)


async def test_who_hangs_up_before_the_customer_is_called_connects_nobody(house: LineHouse):
    house.carrier.people = {ANA: CONNECTS, KIM: Person()}
    await rang(house)
    await house.wake()
    ((leg,),) = house.carrier.rooms.values()
    (told,) = [one for one in house.carrier.asked if "/key" in one.path]
    assert (await house.carrier.post(PUBLIC + told.path, told.fields)).body == told.body  # the room, once more
    await leg.hang_up()
    await house.line.legs.place()
    await house.carrier.settle()
    assert not any(one.called == KIM for one in house.carrier.calls.values() if one.direction == "outbound-api")
    assert (await house.owed()).returned_at is None


async def test_an_attempt_holds_the_ladder_and_one_that_does_not_count_leaves_it(house: LineHouse):
    await rang(house)
    await house.wake()
    house.carrier.people = {ANA: TAKES, KIM: Person(rings=False)}
    house.clock.forward(seconds=100)
    await house.call_back("ana")
    assert await house.wake(seconds=100) == []
    assert (await house.ladder()).ended_at is None
    assert await house.wake(seconds=181) == [ANA, BO]


async def test_two_call_backs_that_one_attempt_returns_wake_nobody_any_more(house: LineHouse):
    first, second = await rang(house), await rang(house)
    house.carrier.people = {ANA: TAKES, KIM: Person()}
    await house.call_back("ana", first)
    for number in (first, second):
        assert (await house.ladder((await house.owed(number)).obligation_id)).ended_at == house.clock.now()


async def test_two_people_who_say_that_nothing_is_owed_end_the_ladder(house: LineHouse):
    number = await rang(house)
    for who in ("ana", "bo"):
        await house.api("POST", f"line/calls/{number}/void", who=who, json={"reason": "a test"})
    assert (await house.ladder()).ended_because == "two people said that nothing is owed"


async def test_who_was_not_reached_is_a_ladder_of_its_own_until_the_next_attempt(house: LineHouse):
    await rang(house)
    house.carrier.people = {ANA: TAKES, KIM: NOBODY}
    await house.call_back("ana")
    house.carrier.people[ANA] = NOBODY
    assert await house.wake(minutes=5) == [ANA]
    assert await house.pages() == ["call", "retry"]
    house.carrier.people = {BO: TAKES, KIM: Person()}
    await house.call_back("bo")
    assert await house.pool.fetchval("SELECT count(*) FROM oncall_runs WHERE ended_at IS NULL") == 0


async def test_where_nobody_is_on_call_everybody_is_written_to_in_the_same_transaction(pool: db.Pool):
    async with line_house(pool) as house:
        await pool.execute("UPDATE staff SET roles = '{cst}'")
        await rang(house)
        assert await house.mails() == ["call"]
        assert await house.wake() == []
        assert sorted(to for to, _, _ in house.mail.sent) == ["ana@provider.test", "bo@provider.test"]
        await house.wake(minutes=5)
        assert await house.mails() == ["call"]  # said once
        await house.api("POST", f"line/calls/{(await house.intake()).intake_id}/claim", who="ana")
        await house.wake(minutes=3)
        assert await house.mails() == ["call", "claim_lapsed"]


async def test_a_ladder_whose_pages_all_fail_leads_to_mail(house: LineHouse):
    await rang(house)
    house.carrier.refuses = 500
    for seconds in (0, 5, 15, 1):
        await house.wake(seconds=seconds)
    assert await house.mails() == ["unheard"]
    assert len(house.mail.sent) == 2


async def test_without_any_engine_at_work_everybody_is_written_to_after_half_a_minute(house: LineHouse):
    await rang(house)
    await house.forward(seconds=30)
    assert await house.mails() == []
    await house.forward(seconds=1)
    assert await house.mails() == ["unheard"]


async def test_whoever_is_on_duty_is_rung_live_and_the_tam_within_business_hours(pool: db.Pool):
    noon = START.replace(day=9, hour=16)  # a Monday in New York
    async with line_house(pool, start=noon) as house:
        tam = await house.hire("tam", EVE, Role.TAM)
        assert await contracts.assign_tam(
            pool, house.account_id, tam.person_id, begins_at=noon - timedelta(days=1), actor="operator"
        )
        await house.duty("secondary", "bo")
        await house.carrier.call(PIN, SILENT, HANGS_UP).ring()
        assert house.carrier.rung == [BO, EVE]
        house.clock.forward(hours=8)
        await house.carrier.call(PIN, SILENT, HANGS_UP, caller="+442079460001").ring()
        assert house.carrier.rung[2:] == [BO]


async def test_an_order_form_of_another_service_entitles_and_gives_hours_and_zone(pool: db.Pool):
    async with line_house(pool, start=START.replace(day=9, hour=9, minute=30)) as house:  # London is open, New York is not
        await pool.execute("DELETE FROM order_forms")
        await house.order_form(service="analytics", zone=ServiceZone.UK)
        tam = await house.hire("tam", EVE, Role.TAM)
        await contracts.assign_tam(
            pool, house.account_id, tam.person_id, begins_at=house.clock.now() - timedelta(days=1), actor="operator"
        )
        call = house.carrier.call(PIN, SILENT, HANGS_UP)
        await call.ring()
        assert (await house.intake()).entitlement is Entitlement.YES
        assert EVE in house.carrier.rung
        assert EVE in await house.wake(minutes=5)  # +5: the TAM
        seen = (await house.api("GET", "sev1")).json()["results"]
        assert seen[0]["due_local"] == "2026-03-09 09:45 GMT (+00:00)"


async def test_of_two_zones_that_with_the_earlier_due_is_told_and_either_hours_wake_the_tam(pool: db.Pool):
    async with line_house(pool, start=START.replace(day=9, hour=9, minute=30)) as house:
        await house.order_form(service="analytics", zone=ServiceZone.UK, entitled=False)
        tam = await house.hire("tam", EVE, Role.TAM)
        await contracts.assign_tam(
            pool, house.account_id, tam.person_id, begins_at=house.clock.now() - timedelta(days=1), actor="operator"
        )
        await house.carrier.call(PIN, SILENT, HANGS_UP).ring()
        assert EVE in house.carrier.rung
        assert (await house.intake()).entitlement is Entitlement.YES  # the other Order Form's
        house.clock.forward(hours=6)  # 15:30 in London, 11:30 in New York: four hours of business are over there first
        await house.carrier.call(PIN, SILENT, HANGS_UP, caller="+442079460001").ring()
        first, second = reversed((await house.api("GET", "sev1")).json()["results"])
        assert first["due_local"] == "2026-03-09 09:45 GMT (+00:00)"
        assert second["due_local"] == "2026-03-09 11:45 EDT (-04:00)"


@pytest.mark.parametrize("family", [Family.SIGNALWIRE, Family.TELNYX, Family.JAMBONZ])
async def test_every_family_wakes_by_call_and_short_message(pool: db.Pool, family: Family):
    async with line_house(pool, family) as house:
        house.carrier.people = {ANA: TAKES}
        await rang(house, Tape(1), HANGS_UP)
        assert await house.wake() == [ANA, BO]
        assert (await house.owed()).claimed_by == house.staff["ana"].person_id
        assert sorted(number for number, _ in house.carrier.texts) == [ANA, BO]


async def test_a_test_call_wakes_whom_it_is_for_in_the_transaction_in_which_it_is_heard(pool: db.Pool):
    async with line_house(pool, test_from="+15550109999") as house:
        house.carrier.people = {ANA: TAKES}
        one = house.line.carriers.all["tel"]
        await call_ourselves(
            pool, house.line.carriers, one, one.numbers[0], base=PUBLIC, now=START, wakes=house.staff["ana"].person_id
        )
        await house.carrier.settle()
        assert await house.intakes() == []
        assert await house.wake() == [ANA]
        assert house.carrier.texts[0][1].startswith("On-call: a test call, nobody waits")


async def test_a_line_that_is_heard_again_wakes_nobody_any_more(pool: db.Pool):
    async with line_house(pool, test_from="+15550109999") as house:
        house.carrier.refuses = 500
        for _ in range(2):
            await house.line.keeper.test(house.clock.now())
            house.clock.forward(seconds=11)
            await house.line.keeper.listen_for_tests(house.clock.now())
        assert await house.pages() == ["line_silent"]
        house.carrier.refuses = 0
        await house.line.keeper.test(house.clock.now())
        await house.carrier.settle()
        assert await house.pool.fetchval("SELECT ended_because FROM oncall_runs") == "a test call was heard"
