"""What may happen to a case, by the table of the model (section 3.2), and what it does to its clocks (3.4, 3.6)."""

from datetime import timedelta

import msgspec
import pytest

from homing.support.cases.happened import Archived, Came, Closed, Drafted, Escalated, Merged, Owned, Reopened, Wrote
from homing.support.cases.rules import closing, standing, urgency, waking, writing
from homing.support.cases.rules.clockwork import clocks_of
from homing.support.cases.rules.decision import Bar, No
from homing.support.cases.types import Eta, Purpose, Severity, Side, Stage, State, Verdict
from homing.support.clocks.rules.cadence import Every, Times, in_words
from homing.support.clocks.types import HOUR_S, ClockLog, Kind, Nature
from homing.support.clocks.types import State as Clock
from tests.kit.cases import ANN, EVERY, KIM, TAM, Life, owned, promises
from tests.kit.hours import at


def why(decision) -> Bar:
    assert isinstance(decision, No), decision
    assert decision.why[0].islower(), "it is said in the middle of a sentence"
    return decision.bar


def test_a_submitted_case_is_new_and_starts_own_and_first_response():
    life = Life()
    assert (life.case.state, life.case.owner_id, life.case.accepted) == (State.NEW, TAM.person_id, False)
    assert [(one.kind, one.state) for one in life.clocks()] == [
        (Kind.ACK_MAIL, Clock.RUNNING),
        (Kind.OWN, Clock.RUNNING),
        (Kind.FIRST_RESPONSE, Clock.RUNNING),
    ]
    life.sent(0, Purpose.RECEIPT)
    assert life.clock(Kind.ACK_MAIL).state is Clock.MET
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.RUNNING, "a receipt is no answer"


def test_whoever_accepts_a_case_owns_it():
    life = owned()
    assert (life.case.state, life.case.owner_id, life.case.accepted) == (State.OPEN, ANN.person_id, True)
    assert life.clock(Kind.OWN).state is Clock.MET
    assert writing.own(life.case, ANN.person_id, ANN) == [], "twice is once"
    given = life.do(writing.own(life.case, TAM.person_id, ANN), ANN).case
    assert (given.owner_id, given.accepted) == (TAM.person_id, False)


def test_an_answer_meets_the_first_response_and_starts_an_update():
    life = owned().later(hours=1).answer()
    assert life.case.state is State.OPEN
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.MET
    update = life.clock(Kind.UPDATE)
    assert (update.state, update.remaining_s, update.started_at) == (Clock.RUNNING, 8 * HOUR_S, life.at)
    life.later(hours=2).answer()
    assert [one.state for one in life.clocks() if one.kind is Kind.UPDATE] == [Clock.MET, Clock.RUNNING]


def test_whoever_answers_a_new_case_takes_it():
    decided = writing.write(Life().case, message=2, body="We look at it.", by=ANN, tam=False)
    assert isinstance(decided, list)
    assert [type(one) for one in decided] == [Owned, Wrote]


@pytest.mark.parametrize("body", ["", " \n", "> what you wrote", "--", "> a\n> b\n."])
def test_an_empty_text_is_no_answer(body: str):
    assert why(writing.write(owned().case, message=2, body=body, by=ANN, tam=False)) is Bar.WHAT


def test_only_staff_answers():
    assert why(writing.write(owned().case, message=2, body="Hello there", by=KIM, tam=False)) is Bar.WHO


def test_nothing_stops_before_the_mail_is_accepted_for_delivery():
    life = owned()
    life.do(writing.write(life.case, message=2, body="Which host?", by=ANN, tam=False, question=True), ANN)
    assert life.case.state is State.OPEN
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.RUNNING
    life.later(minutes=1).sent(2, Purpose.ANSWER, question=True)
    assert life.case.state is State.WAITING
    assert life.clock(Kind.FIRST_RESPONSE).outcome_at == life.at


def test_a_question_pauses_the_update_and_any_word_resumes_it_at_its_receipt():
    life = owned().answer("Which host?", question=True)
    asked = life.at
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.WAITING, Clock.PAUSED)
    life.later(hours=20).word("The second one.", received=life.at - timedelta(minutes=2))
    update = life.clock(Kind.UPDATE)
    assert (life.case.state, update.state) == (State.OPEN, Clock.RUNNING)
    assert [(span.start, span.end, span.runs) for span in update.spans] == [
        (asked, asked + timedelta(hours=20, minutes=-2), False),
        (asked + timedelta(hours=20, minutes=-2), None, True),
    ]


def test_a_word_that_was_received_before_the_question_went_out_leaves_no_pause():
    life = owned().answer("Which host?", question=True)
    life.word("Did I say which host?", received=life.at - timedelta(seconds=5))
    update = life.clock(Kind.UPDATE)
    assert [span.runs for span in update.spans] == [True]
    assert update.due_at == at("2026-05-21T09:05Z")


def test_an_automatic_message_is_no_answer_until_a_person_says_so():
    life = owned().answer("Which host?", question=True).later(hours=1).word("I am on holiday.", automatic=True)
    received = life.at
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.WAITING, Clock.PAUSED)
    assert why(writing.count(life.case, 1, received)) is Bar.WHAT
    life.later(hours=3).do(writing.count(life.case, life.messages, received), ANN)
    assert life.case.state is State.OPEN
    assert life.clock(Kind.UPDATE).ran_since == received
    assert why(writing.count(life.case, life.messages, received)) is Bar.WHAT, "once"


# Severity ---------------------------------------------------------------------------------------------------------------


def test_e8_a_call_makes_a_case_critical_from_its_first_ring():
    life = Life("2026-05-22T15:00Z").own()
    ring = at("2026-05-25T09:00Z")
    life.until("2026-05-25T09:02Z").do(
        urgency.escalate(life.case, reason="called", by=KIM, by_call=True, first_ring_at=ring, promises={}), KIM
    )
    first = life.clock(Kind.FIRST_RESPONSE)
    assert (first.state, first.elapsed_s, first.ended_at) == (Clock.SUPERSEDED, HOUR_S // 2, ring)
    assert (life.case.severity, life.case.called, life.case.no_call) == (Severity.CRITICAL, True, False)
    assert not [one for one in life.clocks() if one.kind in (Kind.ENGAGE, Kind.CADENCE)], "they are kept with the call"
    placed = life.later(minutes=9).at
    life.do(urgency.called_back(life.case, placed_at=placed, promises=promises(Kind.CADENCE)), ANN)
    cadence = life.clock(Kind.CADENCE)
    assert (cadence.nature, cadence.due_at) == (Nature.PROVISIONAL, placed + timedelta(hours=1))


def test_staff_who_escalates_says_why_and_that_nobody_has_called():
    life = owned().answer()
    gathered = promises(Kind.ENGAGE, Kind.CADENCE)
    ask = {"by_call": False, "first_ring_at": None, "promises": gathered}
    assert why(urgency.escalate(life.case, reason="", by=ANN, **ask)) is Bar.WHAT
    life.do(urgency.escalate(life.case, reason="All hosts are down.", by=ANN, **ask), ANN)
    assert (life.case.severity, life.case.no_call) == (Severity.CRITICAL, True)
    assert life.clock(Kind.UPDATE).state is Clock.SUPERSEDED
    assert life.clock(Kind.ENGAGE).due_at == life.at + timedelta(minutes=5)
    assert life.clock(Kind.CADENCE).nature is Nature.PROVISIONAL
    life.do(urgency.engage(life.case, ANN.person_id), ANN)
    assert life.clock(Kind.ENGAGE).state is Clock.MET


def test_the_customers_word_is_enough_at_once():
    life = owned()
    decided = urgency.escalate(life.case, reason="", by=KIM, by_call=False, first_ring_at=None, promises={})
    assert [type(one) for one in decided] == [Escalated]  # type: ignore[union-attr]


def critical() -> Life:
    life = owned().answer()
    gathered = promises(Kind.ENGAGE, Kind.CADENCE)
    return life.later(hours=1).do(
        urgency.escalate(life.case, reason="", by=KIM, by_call=False, first_ring_at=None, promises=gathered), KIM
    )


def test_e9_severity_falls_only_with_both_and_starts_a_whole_update():
    life = critical().later(minutes=40)
    assert why(urgency.accept_step_down(life.case, 1, by=ANN, promises={})) is Bar.STATE
    assert why(urgency.step_down(life.case, text=" ")) is Bar.WHAT
    life.do(urgency.step_down(life.case, text="Mail flows again; what is left is not critical."), ANN)
    assert life.case.severity is Severity.CRITICAL
    assert why(urgency.accept_step_down(life.case, 1, by=ANN, promises={})) is Bar.WHO
    life.later(minutes=5).do(urgency.accept_step_down(life.case, 1, by=KIM, promises=promises(Kind.UPDATE)), KIM)
    assert life.case.severity is Severity.NON_CRITICAL
    assert (life.clock(Kind.CADENCE).state, life.clock(Kind.ENGAGE).state) == (Clock.SUPERSEDED, Clock.MISSED)
    update = life.clock(Kind.UPDATE)
    assert (update.state, update.started_at, update.remaining_s) == (Clock.RUNNING, life.at, 8 * HOUR_S)
    assert why(urgency.step_down(life.case, text="again please")) is Bar.STATE


def test_e10_each_flip_supersedes():
    life = critical()
    for _ in range(2):
        life.later(minutes=1).do(urgency.step_down(life.case, text="Not so bad."), ANN)
        version = life.case.downgrades
        life.do(urgency.accept_step_down(life.case, version, by=KIM, promises=promises(Kind.UPDATE)), KIM)
        again = promises(Kind.ENGAGE, Kind.CADENCE)
        life.later(minutes=1).do(
            urgency.escalate(life.case, reason="", by=KIM, by_call=False, first_ring_at=None, promises=again), KIM
        )
    assert [one.state for one in life.clocks() if one.kind is Kind.CADENCE] == [Clock.SUPERSEDED, Clock.SUPERSEDED, Clock.RUNNING]
    assert [one.state for one in life.clocks() if one.kind is Kind.UPDATE] == [Clock.SUPERSEDED] * 3


def update(life: Life, **more) -> Life:
    life.messages += 1
    eta = more.get("eta", Eta(unknown_because="the cause is not found yet"))
    life.do(writing.write(life.case, message=life.messages, body="Still on it.", by=ANN, tam=False, eta=eta, update=True), ANN)
    return life.sent(life.messages, Purpose.UPDATE)


def test_a_status_update_names_the_expected_time_or_why_it_is_unknown():
    life = critical()
    for eta in (None, Eta(), Eta(unknown_because=" "), Eta(at=life.at, unknown_because="both")):
        decided = writing.write(life.case, message=9, body="Still on it.", by=ANN, tam=False, eta=eta, update=True)
        assert why(decided) is Bar.WHAT
    assert why(writing.write(owned().case, message=9, body="abc", by=ANN, tam=False, eta=Eta(), update=True)) is Bar.STATE
    update(life.later(minutes=50))
    assert [one.state for one in life.clocks() if one.kind is Kind.CADENCE] == [Clock.MET, Clock.RUNNING]
    assert life.case.last_update_at == life.at


def test_an_answer_is_no_status_update():
    life = critical().later(minutes=10).answer()
    assert [one.state for one in life.clocks() if one.kind is Kind.CADENCE] == [Clock.RUNNING]
    assert life.case.state is State.OPEN


def test_a_cadence_is_contractual_once_the_other_side_agreed_to_it():
    life = critical()
    begin = life.at
    assert why(urgency.propose_cadence(life.case, Every(interval_s=10))) is Bar.WHAT
    life.later(minutes=20).do(urgency.propose_cadence(life.case, Every(interval_s=1800)), ANN)
    assert life.clock(Kind.CADENCE).nature is Nature.PROVISIONAL
    accept = {"effective_at": None, "evidence": ""}
    assert why(urgency.accept_cadence(life.case, 1, by=ANN, at=life.at, **accept)) is Bar.WHO
    assert why(urgency.accept_cadence(life.case, 2, by=KIM, at=life.at, **accept)) is Bar.STATE
    life.do(urgency.accept_cadence(life.case, 1, by=KIM, at=life.at, **accept), KIM)
    agreed = life.clock(Kind.CADENCE)
    assert (agreed.nature, agreed.due_at) == (Nature.CONTRACTUAL, begin + timedelta(minutes=30)), "C1: from the last update"
    update(life.later(minutes=5))
    assert life.clock(Kind.CADENCE).due_at == life.at + timedelta(minutes=30)


def test_a_critical_case_shows_how_far_work_has_come():
    life = Life(severity=Severity.CRITICAL, called=True)
    assert life.case.stage is Stage.CALL_BACK_DUE
    life.own()
    assert life.case.stage is Stage.CALL_BACK_DUE, "whoever takes it owes the call all the same"
    life.later(minutes=9).do(urgency.called_back(life.case, placed_at=life.at, promises=EVERY), ANN)
    assert life.case.stage is Stage.ENGAGED
    life.later(minutes=9).do(urgency.restore(life.case, "Mail flows."), ANN)
    assert life.case.stage is Stage.RESTORED
    again = urgency.escalate(life.case, reason="", by=KIM, by_call=True, first_ring_at=life.at, promises={})
    life.do(again, KIM)
    assert (life.case.stage, life.case.restored_at) == (Stage.CALL_BACK_DUE, None)
    quiet = owned()
    assert quiet.case.stage is None
    quiet.do(urgency.escalate(quiet.case, reason="down", by=KIM, by_call=False, first_ring_at=None, promises=EVERY), KIM)
    assert quiet.case.stage is Stage.WAKING, "who took it before has not taken this"
    quiet.do(urgency.engage(quiet.case, 3), ANN)
    assert quiet.case.stage is Stage.ENGAGED


def test_a_cadence_that_was_read_back_on_a_call_is_agreed_with_its_recording():
    life = Life(severity=Severity.CRITICAL)
    life.later(minutes=20)
    spoken = {"contact_id": KIM.person_id, "at": life.at, "effective_at": None}
    hourly = Every(interval_s=3600)
    assert why(urgency.read_back(life.case, hourly, by=ANN, evidence=" ", **spoken)) is Bar.WHAT
    assert why(urgency.read_back(life.case, hourly, by=KIM, evidence="recording 7", **spoken)) is Bar.WHO
    assert why(urgency.read_back(life.case, Every(interval_s=1), by=ANN, evidence="recording 7", **spoken)) is Bar.WHAT
    assert why(urgency.read_back(Life().case, hourly, by=ANN, evidence="recording 7", **spoken)) is Bar.STATE
    life.do(urgency.read_back(life.case, Every(interval_s=900), by=ANN, evidence="recording 7", **spoken), ANN)
    (agreement,) = life.case.agreements
    assert (agreement.began, agreement.side) == (True, Side.PROVIDER)
    assert life.clock(Kind.CADENCE).nature is Nature.CONTRACTUAL


def test_a_cadence_is_read_as_people_say_it():
    said = [in_words(Every(interval_s=seconds)) for seconds in (900, 3600, 5400, 86_400, 172_800, 301)]
    assert said == ["every 15 minutes", "every hour", "every 90 minutes", "every day", "every 2 days", "every 301 seconds"]
    assert in_words(Times(zone="Europe/London", minutes=(540,))) == "every day at 09:00 (Europe/London)"
    assert in_words(Times(zone="UTC", minutes=(0, 540, 1020))) == "every day at 00:00, 09:00 and 17:00 (UTC)"


def test_c5_a_miss_stays_when_another_cadence_is_agreed():
    life = critical()
    begin = life.at
    life.later(minutes=70).do(urgency.propose_cadence(life.case, Every(interval_s=1800)), KIM)
    life.do(urgency.accept_cadence(life.case, 1, by=ANN, at=life.at, effective_at=None, evidence=""), ANN)
    missed, agreed = [one for one in life.clocks() if one.kind is Kind.CADENCE]
    assert (missed.state, missed.outcome_at) == (Clock.MISSED, begin + timedelta(hours=1))
    assert agreed.due_at == life.at + timedelta(minutes=30)


def test_a_cadence_that_begins_later_leaves_the_old_one_until_then():
    life = critical()
    tomorrow = life.at + timedelta(hours=30)
    daily = Times(zone="America/New_York", minutes=(540,))
    life.do(urgency.propose_cadence(life.case, daily), ANN)
    life.do(urgency.accept_cadence(life.case, 1, by=KIM, at=life.at, effective_at=tomorrow, evidence=""), KIM)
    assert life.clock(Kind.CADENCE).nature is Nature.PROVISIONAL
    assert urgency.due_cadences(life.case, tomorrow - timedelta(seconds=1)) == []
    life.at = tomorrow
    life.do(urgency.due_cadences(life.case, tomorrow), ANN)
    assert life.clock(Kind.CADENCE).nature is Nature.CONTRACTUAL
    assert urgency.due_cadences(life.case, tomorrow) == []


def test_restored_is_not_resolved():
    life = critical()
    life.do(urgency.restore(life.case, "Mail flows again."), ANN)
    assert (life.case.state, life.case.restored_at) == (State.OPEN, life.at)
    assert life.clock(Kind.CADENCE).state is Clock.RUNNING
    assert why(urgency.restore(life.case, "again")) is Bar.STATE
    assert why(urgency.restore(owned().case, "never down")) is Bar.STATE


def test_a_critical_case_is_open_and_owned_from_its_first_moment():
    called = Life(severity=Severity.CRITICAL, called=True)
    assert (called.case.state, called.case.owner_id, called.case.called) == (State.OPEN, TAM.person_id, True)
    assert called.clocks() == []
    written = Life(severity=Severity.CRITICAL)
    assert [one.kind for one in written.clocks()] == [Kind.ENGAGE, Kind.CADENCE]
    assert written.case.no_call
    written.own()
    assert written.clock(Kind.ENGAGE).state is Clock.MET


# The TAM, scope, duplicates ---------------------------------------------------------------------------------------------


def test_the_tam_who_is_asked_for_owes_an_answer_of_his_own():
    life = owned()
    assert why(standing.call_tam(life.case, reason="", promises={})) is Bar.WHAT
    life.do(standing.call_tam(life.case, reason="Nobody moves.", promises=promises(Kind.TAM_REPLY)), KIM)
    life.later(minutes=30).answer()
    assert life.clock(Kind.TAM_REPLY).state is Clock.RUNNING
    life.do(standing.call_tam(life.case, reason="Still nobody.", promises=promises(Kind.TAM_REPLY)), KIM)
    assert [one.kind for one in life.clocks()].count(Kind.TAM_REPLY) == 1
    life.later(minutes=30).answer(by=TAM, tam=True)
    assert life.clock(Kind.TAM_REPLY).state is Clock.MET


def test_out_of_scope_names_the_clause_and_another_way():
    life = Life().later(minutes=9)
    ask = {"verdict": Verdict.OUT, "text": "Writing templates is not included.", "by": ANN, "message": 2}
    for wrong in ({"clause": "Z9", "route": "our partners"}, {"clause": "B4", "route": ""}):
        assert why(standing.decide_scope(life.case, **ask, **wrong)) is Bar.WHAT
    assert why(standing.decide_scope(life.case, **{**ask, "by": KIM}, clause="B4", route="our partners")) is Bar.WHO
    life.do(standing.decide_scope(life.case, **ask, clause="B4", route="our partners do that"), ANN)
    scope = life.case.scope
    assert scope is not None
    assert (life.case.state, scope.clause, scope.decided_by, scope.route) == (
        State.OUT_OF_SCOPE,
        "B4",
        "staff 3",
        "our partners do that",
    )
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.RUNNING, "the customer has not heard of it yet"
    life.sent(2, Purpose.SCOPE)
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.MET
    assert not [one for one in life.clocks() if one.state in (Clock.RUNNING, Clock.PAUSED) and one.kind is not Kind.ACK_MAIL]
    assert why(standing.acknowledge_scope(life.case, by=ANN)) is Bar.WHO
    life.do(standing.acknowledge_scope(life.case, by=KIM), KIM)
    assert life.case.scope is not None
    assert life.case.scope.acknowledged_at == life.at
    life.later(days=2).word("But we asked for something else.")
    assert life.case.state is State.OPEN


def test_what_needs_other_terms_goes_on_meanwhile():
    life = owned()
    ask = {"clause": "C4", "route": "a quote by Friday", "text": "Tier 2 needs a contract of its own.", "by": ANN, "message": 2}
    life.do(standing.decide_scope(life.case, verdict=Verdict.NEEDS_TERMS, **ask), ANN)
    assert life.case.state is State.OPEN
    life.sent(2, Purpose.SCOPE)
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.MET
    assert life.clock(Kind.UPDATE).state is Clock.RUNNING, "a live case is never without a promise"


def test_what_we_write_under_a_proposal_or_a_question_starts_no_update_that_runs():
    life = owned().answer().later(hours=1).propose().later(hours=1).answer("The log is attached.")
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.PROPOSED, Clock.PAUSED)
    life.later(days=3).word("It is still slow.")
    update = life.clock(Kind.UPDATE)
    assert (update.state, update.ran_since, update.remaining_s) == (Clock.RUNNING, life.at, 8 * HOUR_S)
    life = owned().answer("Which host?", question=True).later(hours=1).answer("Take your time.")
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.WAITING, Clock.PAUSED)


def test_a_proposal_that_a_word_overtook_on_its_way_pauses_nothing():
    life = owned().answer().later(hours=1)
    life.do(closing.propose(life.case, "It is over.", by=ANN, tam=False, message=3, promises={}), ANN)
    life.messages = 3
    life.later(seconds=1).word("And the second host?").later(seconds=1).sent(3, Purpose.PROPOSAL, version=1)
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.OPEN, Clock.RUNNING)


def test_a_case_that_is_stepped_down_while_the_customer_is_waited_for_owes_no_update_meanwhile():
    life = owned().answer("Which host?", question=True)
    up = urgency.escalate(life.case, reason="Down.", by=ANN, by_call=False, first_ring_at=None, promises=EVERY)
    life.do(up, ANN).later(minutes=5)
    life.do(urgency.step_down(life.case, text="One host."), ANN)
    life.do(urgency.accept_step_down(life.case, 1, by=KIM, promises=promises(Kind.UPDATE)), KIM)
    assert (life.case.state, life.clock(Kind.UPDATE).state) == (State.WAITING, Clock.PAUSED)


def test_e30_of_two_merged_cases_the_earlier_begin_and_the_earlier_due_survive():
    first = Life("2026-05-20T09:00Z").own()
    second = Life("2026-05-20T11:00Z").own()
    second.until("2026-05-20T12:00Z").answer()
    first.at = second.at
    other = msgspec.structs.replace(second.case, case_id=1002, number=1002)
    log = next(log for log in _logs(first) if log.kind is Kind.FIRST_RESPONSE)
    merged = standing.merge(first.case, other, [msgspec.Raw(msgspec.json.encode(log))])
    assert not isinstance(merged, No)
    first.do(merged[0], ANN)
    second.do(merged[1], ANN)
    assert (first.case.state, first.case.merged_into) == (State.MERGED, 1002)
    assert first.clock(Kind.FIRST_RESPONSE).state is Clock.SUPERSEDED
    assert second.case.opened_at == at("2026-05-20T09:00Z")
    adopted = second.clock(Kind.FIRST_RESPONSE)
    assert (adopted.started_at, adopted.due_at) == (at("2026-05-20T09:00Z"), at("2026-05-20T13:00Z"))
    second.later(minutes=30).answer()
    assert second.clock(Kind.FIRST_RESPONSE).state is Clock.MET
    assert writing.word(first.case, came=first.came(9), words="hello", at=first.at, reopening={}) is State.MERGED


def _logs(life: Life) -> list[ClockLog]:
    return clocks_of(life.events)


def test_a_case_is_merged_only_within_its_account_and_while_both_live():
    life = owned()
    other = msgspec.structs.replace(owned().case, case_id=1002)
    assert why(standing.merge(life.case, life.case, [])) is Bar.WHAT
    assert why(standing.merge(life.case, msgspec.structs.replace(other, account_id=2), [])) is Bar.WHAT
    assert why(standing.merge(life.case, msgspec.structs.replace(other, state=State.RESOLVED), [])) is Bar.STATE
    assert why(standing.merge(msgspec.structs.replace(other, severity=Severity.CRITICAL), life.case, [])) is Bar.STATE


# The end ----------------------------------------------------------------------------------------------------------------


def test_only_the_customer_withdraws():
    life = owned()
    assert why(closing.withdraw(life.case, by=ANN, reason="")) is Bar.WHO
    life.do(closing.withdraw(life.case, by=KIM, reason="found it"), KIM)
    assert life.case.state is State.WITHDRAWN
    first = life.clock(Kind.FIRST_RESPONSE)
    assert (first.state, first.remark) == (Clock.SUPERSEDED, "withdrawn")


def resolved() -> Life:
    life = owned().answer().later(hours=1).propose().later(hours=1)
    life.sign()
    assert life.case.state is State.RESOLVED
    return life


def test_any_word_within_fourteen_days_opens_the_same_case_again_with_a_new_update():
    life = resolved()
    ended = life.at
    assert [one.state for one in life.clocks()] == [Clock.MISSED, Clock.MET, Clock.MET, Clock.MET, Clock.MET]
    life.at = ended + timedelta(days=14)
    life.word("It is back.")
    assert (life.case.state, life.case.ended_at) == (State.OPEN, None)
    updates = [one.state for one in life.clocks() if one.kind is Kind.UPDATE]
    assert updates == [Clock.MET, Clock.RUNNING], "old outcomes stay"


def test_a_word_after_fourteen_days_belongs_to_a_new_case():
    life = resolved().later(days=14, seconds=1)
    for automatic in (False, True):
        came = life.came(9, automatic=automatic)
        assert writing.word(life.case, came=came, words="It is back.", at=life.at, reopening={}) is State.ARCHIVED
    assert closing.archive(life.case, life.at) == [Archived()]
    assert why(closing.archive(resolved().case, life.at - timedelta(days=2))) is Bar.STATE


def test_an_automatic_message_opens_nothing_again():
    life = resolved().later(days=1).word("I am on holiday.", automatic=True)
    assert life.case.state is State.RESOLVED


def test_silence_is_no_agreement():
    life = owned().answer().propose()
    exhausted = {"by": TAM, "tam": True, "exhausted": True}
    assert why(closing.close_unconfirmed(life.case, **exhausted)) is Bar.STATE, "no reminder yet"
    for _ in range(3):
        life.later(days=3).do(closing.remind(life.case), ANN)
    assert why(closing.remind(life.case)) is Bar.STATE
    assert why(closing.close_unconfirmed(life.case, **{**exhausted, "exhausted": False})) is Bar.STATE
    assert why(closing.close_unconfirmed(life.case, by=ANN, tam=False, exhausted=True)) is Bar.WHO
    life.later(days=8).do(closing.close_unconfirmed(life.case, **exhausted), TAM)
    assert life.case.state is State.UNCONFIRMED
    assert life.clock(Kind.CONFIRM).state is Clock.MISSED
    assert life.clock(Kind.UPDATE).remark == "not agreed"
    life.later(days=3).word("We were away. It still happens.")
    assert life.case.state is State.OPEN


@pytest.mark.parametrize(
    "ending",
    [State.RESOLVED, State.UNCONFIRMED, State.WITHDRAWN, State.MERGED, State.OUT_OF_SCOPE, State.ARCHIVED],
)
def test_an_ended_case_takes_nothing_but_words(ending: State):
    case = msgspec.structs.replace(owned().case, state=ending, ended_at=at("2026-05-21T00:00Z"), merged_into_number=1002)
    decisions = [
        writing.write(case, message=2, body="Hello there", by=ANN, tam=False),
        urgency.escalate(case, reason="x y z", by=KIM, by_call=False, first_ring_at=None, promises={}),
        urgency.step_down(case, text="x y z"),
        closing.propose(case, "x y z", by=ANN, tam=True, message=2, promises={}),
        closing.withdraw(case, by=KIM, reason=""),
        standing.call_tam(case, reason="x y z", promises={}),
        urgency.propose_cadence(case, Every(interval_s=600)),
        closing.refuse(case, 1, by=KIM, words=""),
        urgency.engage(case, 3),
    ]
    assert {why(one) for one in decisions} == {Bar.STATE}


def test_a_clock_is_void_when_two_people_say_so():
    life = owned()
    assert why(standing.void_clock(life.case, 1, by=KIM, reason="spam")) is Bar.WHO
    assert why(standing.void_clock(life.case, 1, by=ANN, reason=" ")) is Bar.WHAT
    life.do(standing.void_clock(life.case, 3, by=ANN, reason="a test case"), ANN)
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.RUNNING
    assert why(standing.void_clock(life.case, 3, by=ANN, reason="a test case")) is Bar.WHO
    life.do(standing.void_clock(life.case, 3, by=TAM, reason="yes, a test"), TAM)
    assert life.clock(Kind.FIRST_RESPONSE).state is Clock.VOID
    assert not isinstance(life.events[-1].payload, Came | Drafted | Merged | Closed | Reopened)


@pytest.mark.parametrize(
    ("before", "event", "wakes", "looks"),
    [
        (None, {"severity": Severity.CRITICAL}, True, True),
        (None, {"severity": Severity.CRITICAL, "called": True}, False, True),  # the call wakes people of itself
        (None, {"severity": Severity.NON_CRITICAL}, False, False),
    ],
)
def test_a_case_wakes_people_when_it_opens_critical_without_a_call(before, event, wakes, looks):
    opened = Life(**event).events[0]
    assert (waking.wakes(before, opened), waking.looks_into_ledger(before, opened)) == (wakes, looks)


def test_a_case_wakes_people_once_when_it_becomes_critical_and_lets_them_sleep_when_somebody_has_it():
    life = Life()
    before = life.case
    life.do(urgency.escalate(before, reason="worse", by=KIM, by_call=False, first_ring_at=None, promises=promises(*Kind)), KIM)
    assert waking.wakes(before, life.events[-1])
    critical = life.case
    assert not waking.wakes(critical, life.events[-1])
    life.own()
    assert waking.lets_sleep(life.case, life.events[-1]) == "staff 3 has taken the case"
    assert waking.case_of(waking.ladder_name(1001) + " 7") == 1001
    assert waking.case_of("call-back 7") is None
