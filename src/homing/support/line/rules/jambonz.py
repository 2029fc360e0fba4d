"""Documents as jambonz wants them: an array of verbs in JSON.

Two verbs differ. A gather always asks its hook, also with nothing. There is no verb that leaves a recording to be fetched, so
what would be recorded is asked for as speech.
"""

from typing import Any

import msgspec

from homing.support.line.rules.document import (
    Conference,
    Dial,
    Document,
    Gather,
    Hangup,
    Leg,
    Pause,
    Record,
    Redirect,
    Reject,
    Say,
    Verb,
    speakable,
)

MEDIA_TYPE = "application/json"
_encode = msgspec.json.Encoder().encode


def render(document: Document) -> bytes:
    """Return a document for jambonz."""
    return _encode([_verb(verb) for verb in document])


def _verb(verb: Verb) -> dict[str, Any]:
    match verb:
        case Say():
            return {"verb": "say", "text": speakable(verb.text)}
        case Pause():
            return {"verb": "pause", "length": verb.seconds}
        case Gather():
            return _gather(verb)
        case Record():
            return {
                "verb": "gather",
                "actionHook": verb.action,
                "input": ["digits", "speech"],
                "finishOnKey": verb.finish_on[:1],
                "timeout": verb.silence_s,
            }
        case Dial():
            made: dict[str, Any] = {
                "verb": "dial",
                "answerOnBridge": True,
                "timeout": verb.timeout_s,
                "target": [_leg(leg) for leg in verb.legs],
            }
            return made | _given(actionHook=verb.action, callerId=verb.caller_id)
        case Conference():
            room: dict[str, Any] = {
                "verb": "conference",
                "name": speakable(verb.room),
                "actionHook": verb.action,
                "startConferenceOnEnter": verb.starts,
                "endConferenceOnExit": verb.ends,
                "beep": False,
            }
            return room | ({"statusHook": verb.status, "statusEvents": _ROOM_EVENTS} if verb.status else {})
        case Redirect():
            return {"verb": "redirect", "actionHook": verb.to}
        case Hangup():
            return {"verb": "hangup"}
        case Reject():
            return {"verb": "sip:decline", "status": 603}


def _gather(verb: Gather) -> dict[str, Any]:
    made: dict[str, Any] = {
        "verb": "gather",
        "actionHook": verb.action,
        "input": ["digits", "speech"] if verb.speech else ["digits"],
        "finishOnKey": verb.finish_on,
        "timeout": verb.timeout_s,
    }
    if verb.digits:
        made["numDigits"] = verb.digits
    spoken = " ".join(speakable(one.text) for one in verb.prompt if isinstance(one, Say))
    return made | ({"say": {"text": spoken}} if spoken else {})


def _leg(leg: Leg) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "phone", "number": leg.number}
    if leg.whisper:
        made["confirmHook"] = leg.whisper
    return made


def _given(**members: str) -> dict[str, str]:
    return {name: text for name, text in members.items() if text}


_ROOM_EVENTS = ["start", "end", "join", "leave"]
