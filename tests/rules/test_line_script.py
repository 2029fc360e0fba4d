"""The call script: every step with every answer, two empty answers, the keys 0 and 8, the bound of three minutes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from homing.support.line.rules import script
from homing.support.line.rules.document import Dial, Gather, Hangup, Record, Redirect, Say
from homing.support.line.rules.script import Facts, Heard, advance, document, nobody_on_duty, remaining_s
from homing.support.line.types import CallState, Step

NOW = datetime(2026, 3, 8, 6, 50, tzinfo=UTC)
FACTS = Facts(
    caller="+442071838750",
    called="+18005550100",
    reference="S1-7KQ2",
    notice="This call is recorded. Press 8 to go on without.",
    promise="A representative calls you before 07:05 UTC.",
    on_duty=[(1, "+15550100001"), (2, "+15550100002")],
)
PROVEN = structs.replace(FACTS, is_proven=True, emails=[("k***@acme.test", "kim@acme.test"), ("b***@acme.test", "bo@acme.test")])


class At:
    def step(self, step, turn, *, empty=False):
        return f"{step}?n={turn}" + ("&empty=1" if empty else "")

    def whisper(self, person_id):
        return f"whisper?p={person_id}"

    def recording(self, step, turn):
        return f"recording?step={step}&n={turn}"


def walk(*answers: Heard | str, facts: Facts = FACTS, state: CallState | None = None, each: float = 5) -> CallState:
    """Give answers, five seconds each; a text is keys, '-' nothing, 'R' a recording, 'took' that somebody took the call."""
    state = state or CallState()
    moment = NOW
    for answer in answers:
        heard = (
            {"-": Heard(), "R": Heard(recorded=True), "took": Heard(took=True)}.get(answer) if isinstance(answer, str) else answer
        )
        heard = heard or Heard(digits=str(answer))
        moment += timedelta(seconds=each)
        state = advance(state, heard, facts, moment)
    return state


def shown(state: CallState, facts: Facts = FACTS, now: datetime = NOW):
    return document(state, facts, At(), now)


def spoken(state: CallState, facts: Facts = FACTS) -> str:
    found = []
    for verb in shown(state, facts):
        found += [verb.text] if isinstance(verb, Say) else []
        found += [one.text for one in verb.prompt if isinstance(one, Say)] if isinstance(verb, Gather) else []
    return " ".join(found)


def test_the_first_words_greet_tell_of_the_recording_and_ask_for_the_pin():
    gather, redirect = shown(CallState())
    assert (gather.digits, gather.timeout_s, gather.finish_on) == (6, 6, "#")
    assert spoken(CallState()).index("Severity 1") < spoken(CallState()).index("recorded") < spoken(CallState()).index("PIN")
    assert redirect == Redirect("pin?n=1&empty=1")


@pytest.mark.parametrize("answer", ["-", "123456"])
def test_digits_or_nothing_lead_to_the_hunt(answer):
    state = walk(answer)
    (dial,) = shown(state)
    assert state.step is Step.LIVE
    assert isinstance(dial, Dial)
    assert [(leg.number, leg.whisper) for leg in dial.legs] == [("+15550100001", "whisper?p=1"), ("+15550100002", "whisper?p=2")]
    assert (dial.timeout_s, dial.caller_id, dial.action) == (25, "+18005550100", f"live?n={state.turn}")


def test_ten_numbers_are_rung_at_most():
    many = structs.replace(FACTS, on_duty=[(n, f"+1555010{n:04}") for n in range(30)])
    assert len(shown(walk("-"), many)[0].legs) == 10


def test_a_wrong_pin_is_asked_for_once_more_and_never_blocks():
    wrong = structs.replace(FACTS, pin_known=False)
    once = walk("111111", facts=wrong)
    assert (once.step, once.pins) == (Step.PIN, 1)
    assert "not known" in spoken(once)
    assert walk("111111", "222222", facts=wrong).step is Step.LIVE


def test_who_is_connected_needs_no_questions():
    state = walk("-", "took")
    assert (state.step, state.human_took) == (Step.TAKEN, True)
    assert isinstance(shown(state)[-1], Hangup)


def test_a_hunt_without_anybody_leads_to_the_questions():
    assert nobody_on_duty(walk("-"), FACTS, NOW).step is Step.COMPANY
    assert walk("-", "-").step is Step.COMPANY


def test_all_of_clause_f3_is_asked_for_in_order():
    state = CallState()
    steps = []
    for answer in ["-", "-", "R", "R", "1", "R", "R", "-"]:
        state = walk(answer, state=state)
        steps.append(state.step)
    assert steps == [Step.LIVE, *script.TAKE_ALL, Step.DONE]
    assert state.recorded == ("company", "name", "email", "description")
    assert state.answers.phone == "+442071838750"
    assert script.missing(state.answers, state.recorded) == []


def test_speech_is_kept_as_text():
    speech = structs.replace(FACTS, by_speech=True)
    state = walk(
        "-", "-", Heard(speech="Acme"), Heard(speech="Kim"), "1", Heard(speech="kim at acme"), Heard(speech="down"), facts=speech
    )
    assert (state.answers.company, state.answers.name, state.answers.description) == ("Acme", "Kim", "down")
    assert shown(walk("-", "-", facts=speech), speech)[0].speech


def test_a_proven_account_is_not_asked_for_its_name_and_chooses_an_address():
    state = walk("-", "-", facts=PROVEN)
    assert state.step is Step.NAME
    state = walk("R", "1", state=state, facts=PROVEN)
    assert state.step is Step.EMAIL
    assert "Press 1 for k***@acme.test. Press 2 for b***@acme.test." in spoken(state, PROVEN)
    assert "kim@" not in spoken(state, PROVEN)
    assert walk("2", state=state, facts=PROVEN).answers.email == "bo@acme.test"
    assert walk("9", state=state, facts=PROVEN).step is Step.EMAIL
    assert walk("9", "9", state=state, facts=PROVEN).step is Step.DESCRIPTION


@pytest.mark.parametrize("step", [Step.COMPANY, Step.NAME, Step.PHONE, Step.EMAIL, Step.DESCRIPTION])
def test_two_empty_answers_skip_a_step(step):
    state = CallState(step=step, since=NOW, turn=4)
    once = walk("-", state=state)
    assert (once.step, once.turn, once.empties) == (step, 5, 1)
    twice = walk("-", "-", state=state)
    assert twice.step not in (step, Step.DONE)
    assert twice.empties == 0


@pytest.mark.parametrize("step", [Step.COMPANY, Step.NAME, Step.EMAIL, Step.DESCRIPTION])
def test_every_recording_is_followed_by_a_redirect(step):
    state = CallState(step=step, since=NOW, turn=4)
    _, record, after = shown(state)
    assert isinstance(record, Record)
    assert (record.action, record.status) == (f"{step.value}?n=4", f"recording?step={step.value}&n=4")
    assert after == Redirect(f"{step.value}?n=4&empty=1")


@pytest.mark.parametrize(
    "step", [Step.PIN, Step.COMPANY, Step.NAME, Step.PHONE, Step.PHONE_CHECK, Step.EMAIL, Step.DESCRIPTION, Step.CONFIRM]
)
def test_zero_leads_back_to_the_hunt_three_times(step):
    assert walk("0", state=CallState(step=step)).step is Step.LIVE
    if step is not Step.PIN:  # of which there is no fourth time: the hunt follows it anyway
        assert walk("0", state=CallState(step=step, hunts=3)).step is not Step.LIVE


def test_after_a_hunt_the_questions_go_on_where_they_stopped():
    state = walk("-", "-", "R", "R", "0", "-")
    assert state.step is Step.PHONE


@pytest.mark.parametrize("step", [Step.COMPANY, Step.NAME, Step.DESCRIPTION])
def test_eight_goes_on_without_recording(step):
    state = walk("8", state=CallState(step=step))
    assert not state.recording
    walked = [state.step]
    while walked[-1] is not Step.DONE:
        assert not any(isinstance(verb, Record) for verb in shown(state))
        state = walk("-", state=state)
        walked.append(state.step)
    assert walk("8").step is Step.LIVE
    assert not walk("8").recording


def test_another_number_is_read_back_and_confirmed():
    state = walk("-", "-", "R", "R", "0", "-", "00442079460000")
    assert (state.step, state.candidate) == (Step.PHONE_CHECK, "+442079460000")
    assert "plus, 4, 4, 2, 0, 7, 9, 4, 6" in spoken(state)
    assert walk("1", state=state).answers.phone == "+442079460000"
    assert walk("2", state=state).step is Step.PHONE
    assert walk("-", "-", state=state).answers.phone == "+442079460000"


def test_a_number_that_is_none_is_asked_for_again_and_a_withheld_one_is_not_offered():
    at_phone = CallState(step=Step.PHONE)
    assert walk("12", state=at_phone).step is Step.PHONE
    hidden = structs.replace(FACTS, caller="")
    assert "Press 1" not in spoken(at_phone, hidden)
    assert walk("1", state=at_phone, facts=hidden).answers.phone == ""
    assert "plus, 4, 4" in spoken(at_phone)


def test_the_end_names_reference_and_promise_and_repeats_on_star():
    state = CallState(step=Step.CONFIRM, since=NOW)
    assert "S 1 - 7 K Q 2" in spoken(state)
    assert "before 07:05 UTC" in spoken(state)
    assert walk("*", "*", state=state).step is Step.CONFIRM
    assert walk("*", "*", "*", state=state).step is Step.DONE
    assert [type(verb) for verb in shown(state)] == [Gather, Say, Hangup]


def test_the_automatic_part_ends_after_three_minutes():
    assert walk("-", "-", "R", each=160).step is Step.NAME
    assert walk("-", "-", "R", each=170).step is Step.CONFIRM
    state = CallState(step=Step.NAME, since=NOW, used_s=172)
    assert walk("R", state=state).step is Step.CONFIRM
    late = CallState(step=Step.DESCRIPTION, since=NOW, used_s=100)
    assert next(verb for verb in shown(late) if isinstance(verb, Record)).max_s == 80
    assert remaining_s(late, NOW + timedelta(seconds=30)) == 50


def test_time_with_people_is_no_automatic_part():
    state = walk("-", "-", "R", "0")
    assert state.since is None
    assert advance(state, Heard(), FACTS, NOW + timedelta(minutes=30)).step is Step.NAME


ANSWERS = st.lists(
    st.one_of(
        st.sampled_from(["-", "R", "took", "0", "8", "1", "2", "*", "00442079460000"]),
        st.text(alphabet="0123456789*#", min_size=1, max_size=20),
    ).map(lambda one: {"-": Heard(), "R": Heard(recorded=True), "took": Heard(took=True)}.get(one, Heard(digits=one))),
    max_size=60,
)


@given(ANSWERS, st.sampled_from([FACTS, PROVEN, structs.replace(FACTS, caller="", pin_known=False)]))
def test_every_walk_is_finite_and_every_document_leads_on(answers, facts):
    state, moment = CallState(), NOW
    asked: list[int] = [state.turn]
    for answer in answers:
        verbs = shown(state, facts, moment)
        assert isinstance(verbs[-1], Redirect | Hangup | Dial)
        moment += timedelta(seconds=3)
        after = advance(state, answer, facts, moment)
        assert after == state or after.turn == state.turn + 1
        state = after
        asked.append(state.turn)
    for _ in range(60):  # silence ends every call
        state = advance(state, Heard(), facts, moment)
    assert state.step in (Step.DONE, Step.TAKEN)
    assert state.turn < 60
