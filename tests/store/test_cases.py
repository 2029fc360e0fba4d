"""Cases in the database: steps are whole, events are only added, clocks and rows follow from them, and the audit agrees."""

import asyncio
from datetime import datetime, timedelta

import asyncpg
import pytest

from homing.contracts import people
from homing.contracts.types import Role
from homing.ground import db
from homing.hours.types import ServiceZone
from homing.support.cases import letter_store, store
from homing.support.cases.audit import CaseSource
from homing.support.cases.desk import Opening, contact_actor
from homing.support.cases.keeper import Keeper
from homing.support.cases.rules.decision import Bar, No
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
    State,
    Verdict,
)
from homing.support.clocks.auditor import Audit, Auditor
from homing.support.clocks.rules.cadence import Every
from homing.support.clocks.types import HOUR_S, Kind, Nature
from homing.support.clocks.types import State as Clock
from tests.kit.cases import Bench, bench
from tests.kit.hours import at

NOON = "2026-05-20T11:00Z"  # a Wednesday in London


@pytest.fixture
async def town(pool: db.Pool) -> Bench:
    return await bench(pool, NOON)


async def audit(town: Bench) -> Audit:
    return await Auditor(town.pool, town.legal, [CaseSource()]).audit(town.clock.now())


def bar(answer) -> Bar:
    assert isinstance(answer, No), answer
    return answer.bar


async def test_a_case_is_opened_with_its_clocks_its_first_word_and_what_is_owed_to_whom(town: Bench):
    case = await town.open("Mail is slow since noon.")
    assert case.number >= 1001
    assert (case.state, case.owner_id, case.accepted, case.source) == (State.NEW, town.tam.person_id, False, Source.EMAIL)
    assert [(one.kind, one.due_at) for one in await town.clocks(case.case_id)] == [
        (Kind.ACK_MAIL, at("2026-05-20T11:01Z")),
        (Kind.OWN, at("2026-05-20T12:00Z")),
        (Kind.FIRST_RESPONSE, at("2026-05-20T15:00Z")),
    ]
    assert [one.body for one in await store.messages_of(town.pool, case.case_id)] == ["Mail is slow since noon."]
    letters = await letter_store.of_case(town.pool, case.case_id)
    assert [(one.purpose, one.side, one.email) for one in letters] == [
        (Purpose.RECEIPT, Side.CUSTOMER, "kim@acme.test"),
        (Purpose.STAFF, Side.PROVIDER, "tam@provider.test"),
    ]
    assert await town.desk.case(case.case_id, account_id=town.account_id) == case
    assert await town.desk.case(case.case_id, account_id=town.account_id + 1) is None
    assert await town.desk.case(9) is None


async def test_the_receipt_stops_its_own_clock_alone(town: Bench):
    case = await town.open()
    town.clock.forward(seconds=20)
    await town.post(case.case_id)
    assert [one.state for one in await town.clocks(case.case_id)] == [Clock.MET, Clock.RUNNING, Clock.RUNNING]
    assert (await town.happened(case.case_id)).count("Sent") == 1


async def test_an_answer_counts_once_however_many_people_it_goes_to(town: Bench):
    case = await town.open()
    await town.word(case.case_id, "I see it too.", by=town.pat)
    await town.post(case.case_id)
    await town.answer(case.case_id, "We look at it.", send=False)
    assert (await town.shows(case.case_id, Kind.FIRST_RESPONSE)).state is Clock.RUNNING
    town.clock.forward(minutes=2)
    sent = await town.post(case.case_id)
    assert {one.email for one in sent if one.purpose is Purpose.ANSWER} == {"kim@acme.test", "pat@acme.test"}
    assert (await town.happened(case.case_id)).count("Sent") == 2
    first = await town.shows(case.case_id, Kind.FIRST_RESPONSE)
    assert first.outcome_at == town.clock.now()
    message = (await store.messages_of(town.pool, case.case_id))[-1]
    assert message.sent_at == town.clock.now()
    await town.desk.sent(sent[0], message_id="again@support.test")
    assert (await town.happened(case.case_id)).count("Sent") == 2


async def test_the_database_refuses_a_hand_in_the_events(town: Bench):
    case = await town.open()
    for hand in (
        "UPDATE case_events SET actor = 'staff 99'",
        "DELETE FROM case_events",
        "TRUNCATE case_events",
    ):
        with pytest.raises(asyncpg.RaiseError, match="only ever added"):
            await town.pool.execute(hand)
    with pytest.raises(asyncpg.RaiseError, match="does not follow"):
        await town.pool.execute(
            "INSERT INTO case_events SELECT case_id, seq + 5, at, actor, side, payload, hash, hash FROM case_events WHERE seq = 1"
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await town.pool.execute("UPDATE cases SET owner_id = NULL, state = 'open'")
    assert (await audit(town)).findings == ()
    assert case.seq == 2


async def test_two_people_who_act_at_once_make_one_chain(town: Bench):
    case = await town.open()
    await asyncio.gather(*(town.word(case.case_id, f"Word number {n}") for n in range(8)))
    events = await store.events_of(town.pool, case.case_id)
    assert [one.seq for one in events] == list(range(1, 11))
    assert (await audit(town)).findings == ()


async def test_the_whole_way_to_a_resolution(town: Bench):
    case = await town.open()
    number = case.case_id
    town.clock.forward(minutes=10)
    await town.desk.own(number, town.ann.person_id, town.ann)
    await town.answer(number, "Which host is slow?", question=True)
    assert (await town.case(number)).state is State.WAITING
    town.clock.forward(hours=30)
    await town.word(number, "The second one.")
    town.clock.forward(hours=1)
    await town.endings.propose(number, "The second host is replaced.", town.ann, author="Ann")
    await town.post(number)
    assert (await town.shows(number, Kind.CONFIRM)).state is Clock.RUNNING
    kim, pat = contact_actor(town.kim), contact_actor(town.pat)
    sign = {"version": 1, "method": Method.PORTAL, "evidence": "letter 1"}
    assert bar(await town.endings.sign(number, pat, **sign)) is Bar.WHO
    done = await town.endings.sign(number, kim, **sign)
    assert isinstance(done, Case)
    assert done.state is State.RESOLVED
    assert bar(await town.endings.sign(number, kim, **sign)) is Bar.STATE
    assert all(one.ended_at is not None for one in await town.clocks(number))
    assert (await audit(town)).findings == ()
    town.clock.forward(days=13)
    again = await town.word(number, "It is back.")
    assert (again.number, again.state) == (number, State.OPEN)


async def test_after_fourteen_days_a_word_opens_a_linked_case(town: Bench):
    case = await town.open()
    await town.course.withdraw(case.case_id, contact_actor(town.kim), reason="found it")
    town.clock.forward(days=15)
    await Keeper(town.pool, town.legal, town.desk).turn()
    assert (await town.case(case.case_id)).state is State.ARCHIVED
    new = await town.word(case.case_id, "It is back.")
    assert new.number != case.number
    assert (new.reopened_from, new.state, new.opened_at) == (case.case_id, State.NEW, town.clock.now())
    assert (await town.shows(new.case_id, Kind.FIRST_RESPONSE)).state is Clock.RUNNING


async def test_e30_merging_keeps_the_earlier_begin_and_due_and_words_follow(town: Bench):
    first = await town.open("Mail is slow.")
    town.clock.forward(hours=2)
    second = await town.open("Slow again?")
    await town.desk.own(second.case_id, town.ann.person_id, town.ann)
    assert bar(await town.course.merge(first.case_id, first.case_id, town.ann)) is Bar.WHAT
    assert await town.course.merge(first.case_id, 99, town.ann) is None
    done = await town.course.merge(first.case_id, second.case_id, town.ann)
    assert isinstance(done, Case)
    assert (done.case_id, done.opened_at) == (second.case_id, first.opened_at)
    running = {one.kind: one for one in await town.clocks(second.case_id) if one.state is Clock.RUNNING}
    assert running[Kind.FIRST_RESPONSE].due_at == at("2026-05-20T15:00Z")
    assert (await town.case(first.case_id)).state is State.MERGED
    assert (await town.word(first.case_id, "One more thing.")).case_id == second.case_id
    assert (await audit(town)).findings == ()


async def test_e8_a_case_that_goes_on_in_a_critical_one_owes_updates_alone_and_no_miss_twice(town: Bench):
    slow, late = await town.open("Mail is slow."), await town.open("Which key?")
    await town.answer(slow.case_id)
    town.clock.forward(minutes=30)
    down = await town.open("All is down.", severity=Severity.CRITICAL)
    since = town.clock.now()
    town.clock.forward(minutes=10)
    merged = await town.course.merge(slow.case_id, down.case_id, town.ann)
    assert isinstance(merged, Case)
    update = await town.shows(slow.case_id, Kind.UPDATE)
    assert (update.state, update.elapsed_s, update.ended_at) == (Clock.SUPERSEDED, HOUR_S // 2, since)
    assert Kind.UPDATE not in {one.kind for one in await town.clocks(down.case_id)}
    await town.post(down.case_id)
    assert [one for one in (await audit(town)).findings if one.subject_id != late.case_id] == []
    town.clock.forward(hours=6)
    assert isinstance(await town.course.merge(late.case_id, down.case_id, town.ann), Case)
    assert (await town.shows(late.case_id, Kind.FIRST_RESPONSE)).outcome is Clock.MISSED
    other = await town.open("And that one?")
    third = await town.open("One more.")
    town.clock.forward(hours=30)
    assert isinstance(await town.course.merge(third.case_id, other.case_id, town.ann), Case)
    assert len([one for one in await town.clocks(other.case_id) if one.kind is Kind.FIRST_RESPONSE]) == 1


async def test_the_zone_of_a_new_order_form_reaches_only_clocks_that_start_later(town: Bench):
    case = await town.open()
    await town.order_form(zone=ServiceZone.PT, begins=town.clock.now() + timedelta(hours=1))
    town.clock.forward(hours=2)
    await town.answer(case.case_id)
    first, update = await town.shows(case.case_id, Kind.FIRST_RESPONSE), await town.shows(case.case_id, Kind.UPDATE)
    assert first.pin is not None
    assert update.pin is not None
    assert (first.pin.zone, update.pin.zone) == (ServiceZone.UK, ServiceZone.PT)


async def test_the_affected_service_says_which_order_form_counts_and_an_unclear_one_the_earlier_due(town: Bench):
    await town.order_form(zone=ServiceZone.PT, service="email in America")
    named = await town.open(service="email in America")
    unclear = await town.open(service="")
    zones = [one.pin.zone for one in (await town.clocks(named.case_id))[1:] if one.pin]
    assert set(zones) == {ServiceZone.PT}
    assert {one.pin.zone for one in (await town.clocks(unclear.case_id))[1:] if one.pin} == {ServiceZone.UK}


async def test_a_critical_case_without_a_call(town: Bench):
    case = await town.open(severity=Severity.CRITICAL)
    number = case.case_id
    assert (case.state, case.no_call) == (State.OPEN, True)
    assert [one.kind for one in await town.clocks(number)] == [Kind.ACK_MAIL, Kind.ENGAGE, Kind.CADENCE]
    await town.desk.own(number, town.ann.person_id, town.ann)
    proposed = await town.course.propose_cadence(number, town.ann, Every(interval_s=1800))
    assert isinstance(proposed, Case)
    later = town.clock.now() + timedelta(minutes=10)
    kim = contact_actor(town.kim)
    assert isinstance(await town.course.accept_cadence(number, kim, version=1, effective_at=later), Case)
    assert (await town.shows(number, Kind.CADENCE)).nature is Nature.PROVISIONAL
    town.clock.forward(minutes=10)
    await Keeper(town.pool, town.legal, town.desk).turn()
    agreed = await town.shows(number, Kind.CADENCE)
    assert (agreed.nature, agreed.due_at) == (Nature.CONTRACTUAL, case.opened_at + timedelta(minutes=30))
    update = town.ours("Still on it.", Purpose.UPDATE)
    assert bar(await town.desk.write(number, update, town.ann)) is Bar.WHAT
    assert isinstance(await town.desk.write(number, update, town.ann, eta=Eta(at=later)), Case)
    await town.post(number)
    assert (await town.shows(number, Kind.CADENCE)).started_at == town.clock.now()
    assert (await audit(town)).findings == ()


async def test_a_case_without_anybody_on_our_side_is_kept_all_the_same(pool: db.Pool):
    lonely = Bench(pool, (await bench(pool, NOON)).clock)
    lonely.account_id = (await pool.fetchval("INSERT INTO accounts (name) VALUES ('lonely') RETURNING account_id")) or 0
    await pool.execute("UPDATE staff SET left_at = now()")
    first = Incoming(
        side=Side.CUSTOMER,
        actor="key 1",
        author="",
        channel=Channel.API,
        purpose=Purpose.WORD,
        body="Everything is down",
    )
    for severity in Severity:
        opening = Opening(
            account_id=lonely.account_id,
            kind=CaseKind.BUG,
            subject="Down",
            source=Source.API,
            first=first,
            severity=severity,
        )
        case = await lonely.desk.open(opening, Actor(side=Side.CUSTOMER, name="key 1"))
        assert (case.state, case.owner_id) == (State.NEW, None)
        await lonely.word(case.case_id, "Hello?", by=await lonely.contact(f"{severity.value}@lonely.test"))


async def test_a_case_whose_owner_leaves_has_another_one_at_once(town: Bench):
    case = await town.open()
    await town.desk.own(case.case_id, town.ann.person_id, town.ann)
    ann = await people.one(town.pool, town.ann.person_id)
    assert ann is not None
    await people.change(town.pool, people.left(ann, town.clock.now()), actor="operator")
    await Keeper(town.pool, town.legal, town.desk).turn()
    after = await town.case(case.case_id)
    assert (after.owner_id, after.accepted) == (town.tam.person_id, False)


async def test_what_a_customer_says_does_not_go_to_a_tam_or_owner_who_has_left(town: Bench):
    case = await town.open()
    assert (await town.case(case.case_id)).owner_id == town.tam.person_id
    gone = town.tam.person_id
    await town.pool.execute("UPDATE staff SET left_at = $2, roles = '{}' WHERE person_id = $1", gone, town.clock.now())
    town.clock.forward(minutes=5)
    await town.word(case.case_id, "Our password is hunter2.")
    second = await town.open("And another matter.")
    letters = [one for one in await town.post(case.case_id) + await town.post(second.case_id) if one.side is Side.PROVIDER]
    assert {one.person_id for one in letters if one.made_at == town.clock.now()} == {town.ann.person_id}


async def test_reminders_come_after_two_five_and_nine_business_days_and_silence_is_closed_by_the_tam(town: Bench):
    case = await town.open()
    number = case.case_id
    await town.answer(number)
    await town.endings.propose(number, "It is over, we think.", town.ann, author="Ann")
    await town.post(number)
    keeper = Keeper(town.pool, town.legal, town.desk)

    async def reminders_at(moment: datetime) -> int:
        town.clock.forward(seconds=(moment - town.clock.now()).total_seconds())
        await keeper.turn()
        assert bar(await town.endings.close_unconfirmed(number, town.tam)) is Bar.STATE
        return (await town.case(number)).proposals[0].reminders

    # Wednesday 12:00 BST; the Monday after next is a bank holiday.
    for done, due in enumerate((at("2026-05-22T11:00Z"), at("2026-05-28T11:00Z"), at("2026-06-03T11:00Z"))):
        assert await reminders_at(due - timedelta(seconds=1)) == done
        assert await reminders_at(due) == done + 1
        assert [one.purpose for one in await town.post(number) if one.side is Side.CUSTOMER] == [Purpose.REMINDER]
    last = at("2026-06-04T11:00Z")
    assert await reminders_at(last - timedelta(seconds=1)) == 3, "and no more than three"
    town.clock.forward(seconds=1)
    assert bar(await town.endings.close_unconfirmed(number, town.ann)) is Bar.WHO
    closed = await town.endings.close_unconfirmed(number, town.tam)
    assert isinstance(closed, Case)
    assert closed.state is State.UNCONFIRMED
    assert [one.purpose for one in await town.post(number)] == [Purpose.CLOSED]
    assert (await audit(town)).findings == ()
    assert (await town.word(number, "Sorry, we were away.")).state is State.OPEN


async def test_consent_entered_by_staff_needs_evidence_and_is_told_to_the_customer(town: Bench):
    case = await town.open()
    number = case.case_id
    await town.answer(number)
    await town.endings.propose(number, "It is over.", town.ann, author="Ann")
    town.clock.forward(minutes=1)
    await town.post(number)
    town.clock.forward(minutes=1)
    await town.word(number, "Yes, agreed.")
    ask = {"version": 1, "contact": town.kim}
    enter = town.endings.enter_consent
    assert bar(await enter(number, town.ann, **ask, method=Method.CALL, evidence=" ")) is Bar.WHAT
    assert bar(await enter(number, town.ann, **ask, method=Method.PORTAL, evidence="x")) is Bar.WHAT
    assert bar(await enter(number, town.ann, **ask, method=Method.MESSAGE, evidence="2")) is Bar.WHAT, "that is our own"
    assert bar(await enter(number, town.ann, version=1, contact=town.pat, method=Method.CALL, evidence="12")) is Bar.WHO
    messages = await store.messages_of(town.pool, number)
    done = await enter(number, town.ann, **ask, method=Method.MESSAGE, evidence=str(messages[-1].number))
    assert isinstance(done, Case)
    assert done.state is State.RESOLVED
    assert done.signatures[-1].dispute_until == at("2026-05-28T11:02Z"), "five business days, with a bank holiday between"
    told = [one for one in await town.post(number) if one.purpose is Purpose.CONSENT]
    assert [one.email for one in told] == ["kim@acme.test"]
    back = await town.endings.dispute(number, contact_actor(town.kim), version=1, words="I did not", letter=told[0])
    assert isinstance(back, Case)
    assert back.state is State.OPEN
    again = await town.endings.dispute(number, contact_actor(town.kim), version=1, words="", letter=told[0])
    assert bar(again) is Bar.STATE
    assert (await audit(town)).findings == ()


async def test_only_a_plain_yes_that_came_after_the_proposal_is_a_written_consent(town: Bench):
    case = await town.open("Yes, it works no more.")
    number = case.case_id
    await town.answer(number)
    await town.word(number, "Yes, agreed.")
    await town.endings.propose(number, "It is over.", town.ann, author="Ann")
    ask = {"version": 1, "contact": town.kim, "method": Method.MESSAGE}

    async def enter(message: int) -> object:
        town.clock.forward(minutes=1)
        return await town.endings.enter_consent(number, town.ann, **ask, evidence=str(message))

    said = {one.body: one.number for one in await store.messages_of(town.pool, number)}
    assert bar(await enter(said["Yes, agreed."])) is Bar.WHAT, "the proposal has not left yet"
    await town.post(number)
    assert bar(await enter(1)) is Bar.WHAT, "the complaint itself agrees to nothing"
    assert bar(await enter(said["Yes, agreed."])) is Bar.WHAT, "nobody agrees to what he has not read"

    await town.word(number, "Fine.\n> It is over.")
    yes = (await store.messages_of(town.pool, number))[-1].number
    await town.post(number)
    await town.word(number, "How do I see that?")
    doubt = yes + 1
    await town.word(number, "No.")
    for message in (doubt, yes):  # a doubt, and a yes that a doubt came after
        drafted = await enter(message)
        assert isinstance(drafted, Case)
        assert (drafted.state, drafted.draft) == (State.OPEN, town.kim.contact_id)
        assert [one.purpose for one in await town.post(number) if one.side is Side.CUSTOMER] == [Purpose.CONFIRM]
    assert bar(await enter(doubt + 1)) is Bar.WHAT, "that says no"


async def test_out_of_scope_is_mailed_with_clause_and_route(town: Bench):
    case = await town.open("Please write our templates.")
    ask = {"verdict": Verdict.OUT, "clause": "B4", "route": "our partners", "text": "That is not included.", "author": "Ann"}
    done = await town.course.decide_scope(case.case_id, town.ann, **ask)
    assert isinstance(done, Case)
    assert done.state is State.OUT_OF_SCOPE
    assert Purpose.SCOPE in [one.purpose for one in await town.post(case.case_id)]
    assert (await town.shows(case.case_id, Kind.FIRST_RESPONSE)).state is Clock.MET
    assert (await audit(town)).findings == ()


async def test_an_automatic_message_counts_from_its_receipt_once_a_person_says_so(town: Bench):
    case = await town.open()
    await town.answer(case.case_id, "Which host?", question=True)
    town.clock.forward(hours=1)
    received = town.clock.now()
    await town.word(case.case_id, "It is the second one (sent by our ticket system)", automatic=True)
    assert (await town.case(case.case_id)).state is State.WAITING
    number = (await store.messages_of(town.pool, case.case_id))[-1].number
    town.clock.forward(hours=1)
    assert isinstance(await town.desk.count(case.case_id, number, town.ann), Case)
    update = await town.shows(case.case_id, Kind.UPDATE)
    assert (update.state, update.ran_since) == (Clock.RUNNING, received)
    assert (await audit(town)).findings == ()


async def test_cases_are_listed_for_their_account_alone_or_for_staff(town: Bench, pool: db.Pool):
    mine = await town.open()
    other = await Bench(pool, town.clock).settle_in(account="other")
    theirs = await other.open(severity=Severity.CRITICAL)
    ids = lambda rows: [one.case_id for one in rows]  # noqa: E731
    assert ids(await store.find(pool, account_id=town.account_id, limit=9)) == [mine.case_id]
    assert ids(await store.find(pool, account_id=None, limit=9)) == [theirs.case_id, mine.case_id]
    assert ids(await store.find(pool, account_id=None, limit=9, before=theirs.case_id)) == [mine.case_id]
    assert ids(await store.find(pool, account_id=None, limit=9, severity=Severity.CRITICAL)) == [theirs.case_id]
    assert ids(await store.find(pool, account_id=None, limit=9, states=[State.NEW])) == [mine.case_id]
    assert ids(await store.find(pool, account_id=None, limit=9, owner_id=town.tam.person_id)) == ids(
        await store.find(pool, account_id=None, limit=9)
    )
    assert await town.desk.act(theirs.case_id, town.ann, nothing, account_id=town.account_id) is None


async def nothing(step):
    return []


@pytest.mark.parametrize(
    ("hand", "words"),
    [
        ("UPDATE cases SET state = 'resolved'", "the row says"),
        ("UPDATE cases SET head = '\\x00'", "does not name its last event"),
        ("UPDATE case_messages SET received_at = received_at + interval '10 minutes' WHERE number = 1", "was heard 1 times"),
    ],
)
async def test_the_audit_finds_a_hand_in_a_case(town: Bench, hand: str, words: str):
    case = await town.open()
    await town.answer(case.case_id, "Which host?", question=True)
    await town.pool.execute(hand)
    found = (await audit(town)).findings
    assert [words in one.what for one in found] == [True]


async def test_a_void_clock_is_named_by_two_people(town: Bench):
    case = await town.open()
    eve = await town.staff("eve", Role.CST)
    assert bar(await town.course.void_clock(case.case_id, 9, town.ann, reason="a test")) is Bar.WHAT
    assert isinstance(await town.course.void_clock(case.case_id, 3, town.ann, reason="a test"), Case)
    assert bar(await town.course.void_clock(case.case_id, 3, town.ann, reason="a test")) is Bar.WHO
    assert isinstance(await town.course.void_clock(case.case_id, 3, eve, reason="a test"), Case)
    found = await town.shows(case.case_id, Kind.FIRST_RESPONSE)
    assert (found.state, found.elapsed_s) == (Clock.VOID, 0)
    assert found.void is not None
    assert found.void.people == (town.ann.name, eve.name)
    assert found.budget_s == 4 * HOUR_S


async def test_a_case_that_fails_holds_up_no_other(town: Bench):
    first, second = await town.open(), await town.open("Another matter.")
    await town.post(first.case_id)
    await town.post(second.case_id)
    warn = town.desk.warn

    async def fails_for_the_first(case_id: int, clock: int, purpose: Purpose) -> None:
        if case_id == first.case_id:
            raise ValueError("it is broken")
        await warn(case_id, clock, purpose)

    town.desk.warn = fails_for_the_first  # type: ignore[method-assign]
    town.clock.forward(minutes=30)
    await Keeper(town.pool, town.legal, town.desk).turn()
    assert [one.purpose for one in await town.post(second.case_id)] == [Purpose.DUE]


async def test_whoever_owns_a_case_is_told_once_before_something_is_due(town: Bench):
    case = await town.open()
    await town.post(case.case_id)
    keeper = Keeper(town.pool, town.legal, town.desk)
    told = []
    for _ in range(6 * 6):
        town.clock.forward(minutes=10)
        await keeper.turn()
        told += [(town.clock.now(), one.purpose, one.version, one.email) for one in await town.post(case.case_id)]
    assert told == [
        (at("2026-05-20T11:30Z"), Purpose.DUE, 2, "tam@provider.test"),  # OWN, at 12:00
        (at("2026-05-20T14:30Z"), Purpose.DUE, 3, "tam@provider.test"),  # FIRST_RESPONSE, at 15:00
    ]
