"""The call script (model, section 4.2) as data, and what an answer does to a call. No clock, no store, no carrier.

`advance` takes an answer and gives where the call stands next; `document` says what is spoken there. Every question is asked at
most twice, the automatic part lasts at most three minutes, and nothing that a caller does or leaves undone leads back further
than to the hunt for people on duty, three times at most.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec
from msgspec import structs

from homing.support.line.rules.document import Dial, Document, Gather, Hangup, Leg, Record, Redirect, Say
from homing.support.line.rules.numbers import parse, spoken
from homing.support.line.types import Answers, CallState, Step

AUTOMATIC_S = 180  # the whole of the automatic part
LEAST_RECORDING_S = 10  # less is not worth a question
MOST_HUNTS = 3
MOST_PINS = 2
MOST_REPEATS = 2
RING_S = 25
MOST_LEGS = 10
MOST_EMPTY = 2
FINISH = "#08"  # keys that end a recording; 0 and 8 mean something


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose answer is words.

    most_s     of a recording
    silence_s  that ends it
    """

    prompt: str
    most_s: int
    silence_s: int = 4


GREETING = "This is the Severity 1 Line. People are being paged now, and we will call you back within fifteen minutes."
ASK_PIN = "Please enter your support PIN, or stay on the line."
WRONG_PIN = "This PIN is not known. Please enter it again, or stay on the line."
WHISPER = "Severity 1 call. Press 1 to accept."
QUESTIONS = {
    Step.COMPANY: Question(prompt="Please say the name of your company, then press hash.", most_s=20),
    Step.NAME: Question(prompt="Please say your name, then press hash.", most_s=20),
    Step.EMAIL: Question(prompt="Please say and spell your e-mail address, then press hash.", most_s=30),
    Step.DESCRIPTION: Question(prompt="Please describe the problem, then press hash.", most_s=180, silence_s=6),
}
ASK_NUMBER = "Please enter the number that we should call, with its country code, then press hash."
GOODBYE = "Thank you. Goodbye."
ENDED = "Thank you for calling. Your reference is {reference}. Goodbye."
TAKE_ALL = (Step.COMPANY, Step.NAME, Step.PHONE, Step.EMAIL, Step.DESCRIPTION, Step.CONFIRM)
_KEYS_ONLY = frozenset({Step.PHONE, Step.PHONE_CHECK, Step.CONFIRM})


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. recorded: there is a recording of it; took: the hunt ended with somebody who took the call."""

    digits: str = ""
    speech: str = ""
    recorded: bool = False
    took: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known besides the call itself.

    caller      E.164; '' where it is withheld
    pin_known   the PIN that was just given opens an account; None: none was given, or it may not be tried
    is_proven   the account is known for sure
    emails      masked addresses of its contacts, with what they stand for
    on_duty     (person, number) of who may be rung
    by_speech   words are recognised and not recorded
    promise     when somebody calls, in words
    """

    caller: str = ""
    called: str = ""
    reference: str = ""
    notice: str = ""
    promise: str = ""
    pin_known: bool | None = None
    is_proven: bool = False
    emails: Sequence[tuple[str, str]] = ()
    on_duty: Sequence[tuple[int, str]] = ()
    by_speech: bool = False
    pin_digits: int = 6


class Addresses(Protocol):
    """Makes addresses of ours for a document."""

    def step(self, step: str, turn: int, *, empty: bool = False) -> str:
        """Return where the answer to a question goes."""
        ...

    def whisper(self, person_id: int) -> str:
        """Return what a person on duty hears."""
        ...

    def recording(self, step: str, turn: int) -> str:
        """Return where a recording is reported to."""
        ...


def advance(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    """Return where a call stands after an answer to the question that it waited for."""
    if state.step in (Step.DONE, Step.TAKEN):
        return state
    if state.step is Step.LIVE:
        return _enter(state, Step.TAKEN, facts, now) if heard.took else _first_question(state, facts, now)
    if heard.digits == "0" and state.hunts < MOST_HUNTS:
        return _enter(state, Step.LIVE, facts, now)
    if heard.digits == "8" and state.recording and state.step is not Step.PHONE:
        state = structs.replace(state, recording=False)
        return _enter(state, Step.LIVE, facts, now) if state.step is Step.PIN else _next(state, facts, now)
    match state.step:
        case Step.PIN:
            return _pin(state, heard, facts, now)
        case Step.PHONE:
            return _phone(state, heard, facts, now)
        case Step.PHONE_CHECK:
            return _phone_check(state, heard, facts, now)
        case Step.CONFIRM:
            repeats = heard.digits == "*" and state.repeats < MOST_REPEATS
            again = structs.replace(state, repeats=state.repeats + 1, turn=state.turn + 1)
            return again if repeats else _enter(state, Step.DONE, facts, now)
        case Step.EMAIL if facts.emails and facts.is_proven:
            return _chosen_email(state, heard, facts, now)
        case _:
            return _words(state, heard, facts, now)


def document(state: CallState, facts: Facts, at: Addresses, now: datetime) -> Document:
    """Return what is spoken where a call stands."""
    action = at.step(state.step.value, state.turn)
    empty = Redirect(at.step(state.step.value, state.turn, empty=True))
    match state.step:
        case Step.PIN:
            first = (Say(GREETING), Say(facts.notice), Say(ASK_PIN)) if state.pins == 0 else (Say(WRONG_PIN),)
            return (Gather(action=action, prompt=first, digits=facts.pin_digits, timeout_s=6), empty)
        case Step.LIVE:
            legs = tuple(Leg(number=number, whisper=at.whisper(person)) for person, number in facts.on_duty[:MOST_LEGS])
            return (Dial(action=action, legs=legs, timeout_s=RING_S, caller_id=facts.called),)
        case Step.PHONE:
            prompt = ASK_NUMBER
            if facts.caller:
                prompt = (
                    f"You are calling from {spoken(facts.caller)}. Press 1 to be called back there, "
                    "or enter another number with its country code, then press hash."
                )
            return (Gather(action=action, prompt=(Say(prompt),), timeout_s=10), empty)
        case Step.PHONE_CHECK:
            prompt = f"You entered {spoken(state.candidate)}. Press 1 if this is right, or 2 to enter it again."
            return (Gather(action=action, prompt=(Say(prompt),), digits=1, timeout_s=10), empty)
        case Step.EMAIL if facts.emails and facts.is_proven:
            listed = " ".join(f"Press {number} for {shown}." for number, (shown, _) in enumerate(facts.emails[:6], 1))
            return (Gather(action=action, prompt=(Say(f"Where should we write to? {listed}"),), digits=1, timeout_s=6), empty)
        case Step.CONFIRM:
            prompt = f"Your reference is {_letters(facts.reference)}. {facts.promise} Press star to hear this again."
            return (Gather(action=action, prompt=(Say(prompt),), digits=1, timeout_s=4), Say(GOODBYE), Hangup())
        case Step.TAKEN:
            return (Say(ENDED.format(reference=_letters(facts.reference))), Hangup())
        case Step.DONE:
            return (Say(GOODBYE), Hangup())
        case _:
            return _asked(state, facts, at, action, empty, now)


def remaining_s(state: CallState, now: datetime) -> int:
    """Return what is left of the automatic part."""
    return AUTOMATIC_S - _used_s(state, now)


def nobody_on_duty(state: CallState, facts: Facts, now: datetime) -> CallState:
    """Return where a call stands whose hunt would ring nobody."""
    return _first_question(state, facts, now)


def _asked(state: CallState, facts: Facts, at: Addresses, action: str, empty: Redirect, now: datetime) -> Document:
    question = QUESTIONS[state.step]
    if facts.by_speech:
        prompt = (Say(question.prompt),)
        return (Gather(action=action, prompt=prompt, timeout_s=question.silence_s, speech=True), empty)
    most = max(LEAST_RECORDING_S, min(question.most_s, remaining_s(state, now)))
    return (
        Say(question.prompt),
        Record(
            action=action,
            status=at.recording(state.step.value, state.turn),
            max_s=most,
            silence_s=question.silence_s,
            finish_on=FINISH,
        ),
        empty,
    )


def _pin(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    if heard.digits and facts.pin_known is False and state.pins + 1 < MOST_PINS:
        return structs.replace(state, pins=state.pins + 1, turn=state.turn + 1)
    return _enter(state, Step.LIVE, facts, now)


def _phone(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    if heard.digits == "1" and facts.caller:
        return _next(_answered(state, Step.PHONE, facts.caller), facts, now)
    number = parse(heard.digits, near=facts.caller or facts.called)
    if number:
        return _enter(structs.replace(state, candidate=number), Step.PHONE_CHECK, facts, now)
    return _nothing(state, facts, now)


def _phone_check(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    if heard.digits == "1":
        return _next(_answered(state, Step.PHONE, state.candidate), facts, now)
    if heard.digits == "2":
        back = structs.replace(state, step=Step.PHONE, turn=state.turn + 1, empties=state.empties + 1)
        # Who enters his number again and again is not asked for ever; the last one that he entered stands.
        return back if back.empties < MOST_EMPTY else _next(_answered(state, Step.PHONE, state.candidate), facts, now)
    if state.empties + 1 < MOST_EMPTY:
        return structs.replace(state, empties=state.empties + 1, turn=state.turn + 1)
    return _next(_answered(state, Step.PHONE, state.candidate), facts, now)  # silence is no objection


def _chosen_email(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    place = int(heard.digits) - 1 if heard.digits.isascii() and heard.digits.isdigit() and len(heard.digits) == 1 else -1
    if 0 <= place < len(facts.emails[:6]):
        return _next(_answered(state, Step.EMAIL, facts.emails[place][1]), facts, now)
    return _nothing(state, facts, now)


def _words(state: CallState, heard: Heard, facts: Facts, now: datetime) -> CallState:
    if heard.recorded:
        state = structs.replace(state, recorded=(*state.recorded, state.step.value))
        return _next(state, facts, now)
    if heard.speech:
        return _next(_answered(state, state.step, heard.speech), facts, now)
    return _nothing(state, facts, now)


def _nothing(state: CallState, facts: Facts, now: datetime) -> CallState:
    """Ask once more, then go on."""
    if state.empties + 1 < MOST_EMPTY and remaining_s(state, now) > LEAST_RECORDING_S:
        return structs.replace(state, empties=state.empties + 1, turn=state.turn + 1)
    return _next(state, facts, now)


def _answered(state: CallState, step: Step, text: str) -> CallState:
    member = {Step.COMPANY: "company", Step.NAME: "name", Step.PHONE: "phone", Step.EMAIL: "email"}.get(step, "description")
    return structs.replace(state, answers=structs.replace(state.answers, **{member: text}))


def _first_question(state: CallState, facts: Facts, now: datetime) -> CallState:
    """Return where the questions begin, or go on after somebody pressed 0: at the first that has no answer."""
    return _enter(state, _after(state, None, facts, now), facts, now)


def _next(state: CallState, facts: Facts, now: datetime) -> CallState:
    return _enter(state, _after(state, state.step, facts, now), facts, now)


def _after(state: CallState, step: Step | None, facts: Facts, now: datetime) -> Step:
    """Return the next question to ask."""
    if remaining_s(state, now) <= LEAST_RECORDING_S:
        return Step.CONFIRM
    place = -1 if step is None else TAKE_ALL.index(Step.PHONE if step is Step.PHONE_CHECK else step)
    for one in TAKE_ALL[place + 1 :]:
        if one is Step.COMPANY and facts.is_proven:
            continue
        by_keys = one in _KEYS_ONLY or (one is Step.EMAIL and facts.is_proven and bool(facts.emails))
        if not by_keys and not state.recording:
            continue  # who does not want to be recorded is asked by a person
        if one is not Step.CONFIRM and _has(state, one):
            continue
        return one
    return Step.CONFIRM


def _has(state: CallState, step: Step) -> bool:
    return bool(getattr(state.answers, step.value, "")) or step.value in state.recorded


def _enter(state: CallState, step: Step, facts: Facts, now: datetime) -> CallState:
    used = _used_s(state, now)
    people = step in (Step.PIN, Step.LIVE, Step.TAKEN, Step.DONE)
    if step is Step.LIVE:
        state = structs.replace(state, hunts=state.hunts + 1)
    empties = state.empties if step is Step.PHONE_CHECK else 0
    return structs.replace(
        state,
        step=step,
        turn=state.turn + 1,
        empties=empties,
        used_s=used,
        since=None if people else now,
        human_took=state.human_took or step is Step.TAKEN,
    )


def _used_s(state: CallState, now: datetime) -> int:
    return state.used_s + (0 if state.since is None else max(0, int((now - state.since).total_seconds())))


def _letters(reference: str) -> str:
    return " ".join(reference)


def missing(answers: Answers, recorded: Sequence[str]) -> list[str]:
    """Return what clause F3 asks for and the caller did not give, so that whoever calls back asks for it."""
    return [name for name in answers.__struct_fields__ if not getattr(answers, name) and name not in recorded]
