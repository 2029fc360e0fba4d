"""A call to a TAM's own number (model, section 4.8): the announcement of table O, whom it rings, what keys do."""

import pytest

from homing.hours.rules import measure
from homing.hours.types import Closed
from homing.support.line.rules import twiml
from homing.support.line.rules.document import Dial, Gather, Hangup, Record
from homing.support.line.types import Family
from homing.support.threads.own_addresses import OwnNumberAddresses
from homing.support.threads.rules import own_number as script
from homing.support.threads.rules.own_number import OwnFacts, OwnHeard
from homing.support.threads.types import OwnState, OwnStep
from tests.kit.hours import at, calendar

TAM, COVER = (1, "+15550100071"), (2, "+15550100072")
OPEN = OwnFacts(tam=TAM, cover=COVER, notice="It is recorded.")
SHUT = OwnFacts(tam=TAM, cover=COVER, closed="We are closed.", notice="It is recorded.")
AT = OwnNumberAddresses("https://sev1.test", "tel", 7)

TABLE_O = [
    ("ET", "2026-01-14 17:00 EST", "Thursday, 15 January 2026, at 09:00 EST, Eastern time, that is 14:00 UTC"),
    ("ET/US-FED", "2026-07-03 10:00 EDT", "Monday, 6 July 2026, at 09:00 EDT, Eastern time, that is 13:00 UTC"),
    ("PT", "2026-11-28 12:00 PST", "Monday, 30 November 2026, at 09:00 PST, Pacific time, that is 17:00 UTC"),
    ("UK", "2026-08-31 12:00 BST", "Tuesday, 1 September 2026, at 08:30 BST, United Kingdom time, that is 07:30 UTC"),
    ("UK", "2026-10-25 01:30 BST", "Monday, 26 October 2026, at 08:30 GMT, United Kingdom time, that is 08:30 UTC"),
    ("UK", "2026-12-25 09:00 GMT", "Tuesday, 29 December 2026, at 08:30 GMT, United Kingdom time, that is 08:30 UTC"),
    ("UK", "2027-12-25 09:00 GMT", "Wednesday, 29 December 2027, at 08:30 GMT, United Kingdom time, that is 08:30 UTC"),
    ("ET/US-FED", "2027-12-31 12:00 EST", "Monday, 3 January 2028, at 09:00 EST, Eastern time, that is 14:00 UTC"),
]


@pytest.mark.parametrize(("name", "when", "words"), TABLE_O)
def test_the_next_opening_is_said_in_the_service_time_zone_and_in_utc(name: str, when: str, words: str):
    hours = calendar(name)
    status = measure.status(hours, at(when))
    assert isinstance(status, Closed)
    assert words in script.closed_words(status.opens_at, hours.zone)


def walk(facts: OwnFacts, *heard: OwnHeard) -> list[OwnStep]:
    state = script.begin(facts)
    steps = [state.step]
    for one in heard:
        state = script.advance(state, one, facts)
        steps.append(state.step)
    return steps


NOT_TAKEN, TOOK = OwnHeard(), OwnHeard(took=True)


def test_the_tam_is_rung_then_who_stands_in_then_a_message_can_be_left():
    assert walk(OPEN, NOT_TAKEN, NOT_TAKEN, OwnHeard(), OwnHeard(recorded=True)) == [
        OwnStep.TAM,
        OwnStep.COVER,
        OwnStep.MENU,
        OwnStep.VOICEMAIL,
        OwnStep.DONE,
    ]


def test_whoever_takes_it_has_it():
    assert walk(OPEN, TOOK) == [OwnStep.TAM, OwnStep.TAKEN]
    assert walk(OPEN, NOT_TAKEN, TOOK)[-1] is OwnStep.TAKEN


@pytest.mark.parametrize(
    ("tam", "cover", "first"),
    [(None, COVER, OwnStep.COVER), (None, None, OwnStep.MENU), (TAM, None, OwnStep.TAM)],
)
def test_a_step_that_would_ring_nobody_is_not_waited_out(tam: object, cover: object, first: OwnStep):
    assert script.begin(OwnFacts(tam=tam, cover=cover)).step is first  # type: ignore[arg-type]
    assert walk(OwnFacts(tam=TAM), NOT_TAKEN) == [OwnStep.TAM, OwnStep.MENU]


def test_outside_of_business_hours_nobody_is_rung():
    assert walk(SHUT)[0] is OwnStep.MENU
    shown = script.document(script.begin(SHUT), SHUT, AT)
    assert not any(isinstance(verb, Dial) for verb in shown)
    gather = shown[0]
    assert isinstance(gather, Gather)
    assert [one.text for one in gather.prompt] == [  # type: ignore[union-attr]
        "We are closed.",
        script.FAILING,
        script.LEAVE,
        "It is recorded.",
    ]


@pytest.mark.parametrize("key", ["1", "8", "", "5", "#", "11"])
def test_keys_of_the_menu(key: str):
    after = script.advance(OwnState(), OwnHeard(digits=key), SHUT)
    expected = {"1": OwnStep.HANDED_OVER, "8": OwnStep.DONE}.get(key, OwnStep.VOICEMAIL)
    assert after.step is expected
    assert (after.left, after.recording) == (("call back", False) if key == "8" else ("", True))


def test_one_while_a_message_is_left_hands_over_and_keeps_what_was_said():
    after = script.advance(OwnState(step=OwnStep.VOICEMAIL), OwnHeard(digits="1", recorded=True), SHUT)
    assert (after.step, after.left) == (OwnStep.HANDED_OVER, "recording")


def test_silence_is_asked_once_more_and_then_let_go():
    assert walk(SHUT, OwnHeard(), OwnHeard(), OwnHeard()) == [
        OwnStep.MENU,
        OwnStep.VOICEMAIL,
        OwnStep.VOICEMAIL,
        OwnStep.DONE,
    ]


def test_words_that_the_carrier_recognised_are_kept():
    after = script.advance(OwnState(step=OwnStep.VOICEMAIL), OwnHeard(speech="Please call me"), SHUT)
    assert (after.step, after.left, after.words) == (OwnStep.DONE, "words", "Please call me")


def test_documents_say_twenty_seconds_a_whisper_and_a_notice_before_the_recording():
    (dial,) = script.document(script.begin(OPEN), OPEN, AT)
    assert isinstance(dial, Dial)
    assert (dial.timeout_s, dial.legs[0].number) == (20, TAM[1])
    assert dial.legs[0].whisper == "https://sev1.test/telephony/v1/tel/tam/whisper?i=7&p=1"
    record = script.document(OwnState(step=OwnStep.VOICEMAIL), OPEN, AT)[1]
    assert isinstance(record, Record)
    assert script.document(OwnState(step=OwnStep.DONE), OPEN, AT)[-1] == Hangup()
    assert b"&amp;p=1" in twiml.render((dial,), Family.TWILIO)


@pytest.mark.parametrize("step", list(OwnStep))
@pytest.mark.parametrize("heard", [OwnHeard(), OwnHeard(digits="1"), OwnHeard(digits="8"), OwnHeard(recorded=True), TOOK])
def test_no_call_goes_round_for_ever(step: OwnStep, heard: OwnHeard):
    state = OwnState(step=step)
    for _ in range(8):
        state = script.advance(state, heard, OPEN)
    assert state.step in (OwnStep.TAKEN, OwnStep.HANDED_OVER, OwnStep.DONE)


def test_without_an_opening_ahead_nothing_is_promised():
    assert script.closed_words(None, calendar("UK").zone) == "Our Business Hours do not run now."
