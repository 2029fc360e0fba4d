"""A call to a TAM's own number (model, section 4.8), as data: what an answer does, and what is spoken. No clock, no store.

Inside Business Hours the TAM is rung for 20 seconds, then whoever stands in for him; whoever takes it presses a key. Then, and
outside of them at once, the caller can leave a message, or press 1 if his mail is failing now.
"""

from datetime import datetime
from typing import Protocol

import msgspec
from msgspec import structs

from homing.hours.rules.contract import zone_info
from homing.hours.types import ServiceZone
from homing.support.line.rules.document import Dial, Document, Gather, Hangup, Leg, Record, Redirect, Say
from homing.support.threads.types import OwnState, OwnStep

RING_S = 20
VOICEMAIL_S = 180
SILENCE_S = 6
MOST_EMPTY = 2
FINISH = "#18"  # keys that end a recording; 1 and 8 mean something
NOBODY = "Nobody can take your call at this moment."
FAILING = "If your mail is failing now, press 1: you are connected with the Severity 1 Line."
LEAVE = "To leave a message, stay on the line."
SPEAK = "Please leave your message after the tone, then press hash."
RECOGNISED = "Please say your message, then press hash."
WHISPER = "A customer calls you as Technical Account Manager. Press 1 to accept."
THANKS = "Thank you. You will be answered. Goodbye."
NO_RECORDING = "Nothing is recorded. We have noted that you called, and you will be answered. Goodbye."
GOODBYE = "Goodbye."
_ZONES = {ServiceZone.ET: "Eastern time", ServiceZone.PT: "Pacific time", ServiceZone.UK: "United Kingdom time"}


class OwnHeard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. recorded: there is a recording of it; took: somebody who was rung took the call."""

    digits: str = ""
    speech: str = ""
    recorded: bool = False
    took: bool = False


class OwnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known besides the call itself.

    tam, cover   (person, number) of who may be rung; None: nobody, or he has no number
    closed       what is said of Business Hours that do not run; '': they do
    by_speech    words are recognised and not recorded
    """

    tam: tuple[int, str] | None = None
    cover: tuple[int, str] | None = None
    closed: str = ""
    called: str = ""
    notice: str = ""
    by_speech: bool = False


class OwnAddresses(Protocol):
    """Makes addresses of ours for a document."""

    def step(self, step: str, turn: int, *, empty: bool = False) -> str:
        """Return where the answer to a question goes."""
        ...

    def whisper(self, person_id: int) -> str:
        """Return what somebody hears who is rung."""
        ...

    def recording(self, step: str, turn: int) -> str:
        """Return where a recording is reported to."""
        ...


def closed_words(opens_at: datetime | None, zone: ServiceZone) -> str:
    """Return what is said outside of Business Hours: when they begin again, in the Service Time Zone and in UTC."""
    if opens_at is None:
        return "Our Business Hours do not run now."
    local = opens_at.astimezone(zone_info(zone))
    day = f"{local:%A}, {local.day} {local:%B %Y}"
    return f"Our Business Hours begin again on {day}, at {local:%H:%M} {local:%Z}, {_ZONES[zone]}, that is {opens_at:%H:%M} UTC."


def begin(facts: OwnFacts) -> OwnState:
    """Return where a call begins. Nobody is rung outside of Business Hours; an empty step is never waited out."""
    if facts.closed:
        return OwnState(step=OwnStep.MENU)
    step = OwnStep.TAM if facts.tam is not None else OwnStep.COVER if facts.cover is not None else OwnStep.MENU
    return OwnState(step=step, in_hours=True)


def advance(state: OwnState, heard: OwnHeard, facts: OwnFacts) -> OwnState:
    """Return where a call stands after an answer to the question that it waited for."""
    match state.step:
        case OwnStep.TAM | OwnStep.COVER:
            if heard.took:
                return _enter(state, OwnStep.TAKEN)
            to_cover = state.step is OwnStep.TAM and facts.cover is not None
            return _enter(state, OwnStep.COVER if to_cover else OwnStep.MENU)
        case OwnStep.MENU:
            if heard.digits == "1":
                return _enter(state, OwnStep.HANDED_OVER)
            return _unrecorded(state) if heard.digits == "8" else _enter(state, OwnStep.VOICEMAIL)
        case OwnStep.VOICEMAIL:
            return _voicemail(state, heard)
        case _:
            return state


def document(state: OwnState, facts: OwnFacts, at: OwnAddresses) -> Document:
    """Return what is spoken where a call stands."""
    action = at.step(state.step.value, state.turn)
    empty = Redirect(at.step(state.step.value, state.turn, empty=True))
    match state.step:
        case OwnStep.TAM | OwnStep.COVER:
            rung = facts.tam if state.step is OwnStep.TAM else facts.cover
            if rung is None:  # he has given his number up meanwhile
                return (empty,)
            leg = Leg(number=rung[1], whisper=at.whisper(rung[0]))
            return (Dial(action=action, legs=(leg,), timeout_s=RING_S, caller_id=facts.called),)
        case OwnStep.MENU:
            first = facts.closed or NOBODY
            prompt = (Say(first), Say(FAILING), Say(LEAVE), Say(facts.notice))
            return (Gather(action=action, prompt=prompt, digits=1, timeout_s=5), empty)
        case OwnStep.VOICEMAIL if facts.by_speech:
            return (Gather(action=action, prompt=(Say(RECOGNISED),), timeout_s=SILENCE_S, speech=True), empty)
        case OwnStep.VOICEMAIL:
            return (
                Say(SPEAK),
                Record(
                    action=action,
                    status=at.recording(state.step.value, state.turn),
                    max_s=VOICEMAIL_S,
                    silence_s=SILENCE_S,
                    finish_on=FINISH,
                ),
                empty,
            )
        case OwnStep.DONE:
            said = {"": GOODBYE, "call back": NO_RECORDING}.get(state.left, THANKS)
            return (Say(said), Hangup())
        case _:
            return (Hangup(),)


def _voicemail(state: OwnState, heard: OwnHeard) -> OwnState:
    if heard.recorded:
        state = structs.replace(state, left="recording")
    elif heard.speech:
        state = structs.replace(state, left="words", words=heard.speech)
    if heard.digits == "1":
        return _enter(state, OwnStep.HANDED_OVER)
    if state.left:
        return _enter(state, OwnStep.DONE)
    if heard.digits == "8":
        return _unrecorded(state)
    if state.empties + 1 < MOST_EMPTY:
        return structs.replace(state, empties=state.empties + 1, turn=state.turn + 1)
    return _enter(state, OwnStep.DONE)


def _unrecorded(state: OwnState) -> OwnState:
    return _enter(structs.replace(state, recording=False, left="call back"), OwnStep.DONE)


def _enter(state: OwnState, step: OwnStep) -> OwnState:
    return structs.replace(state, step=step, turn=state.turn + 1, empties=0)
