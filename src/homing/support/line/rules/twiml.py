"""Documents as XML: TwiML (Twilio), cXML (SignalWire, declared compatible) and TeXML (Telnyx, which knows fewer attributes)."""

from xml.sax.saxutils import escape

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
from homing.support.line.types import Family

MEDIA_TYPE = "text/xml; charset=utf-8"
_LEG_EVENTS = "initiated ringing answered completed"
_ROOM_EVENTS = "start end join leave"


def render(document: Document, family: Family) -> bytes:
    """Return a document for a carrier that speaks XML."""
    inside = "".join(_verb(verb, family) for verb in document)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{inside}</Response>\n'.encode()


def _verb(verb: Verb, family: Family) -> str:
    match verb:
        case Say():
            return _element("Say", {}, _text(verb.text))
        case Pause():
            return _element("Pause", {"length": verb.seconds})
        case Gather():
            return _gather(verb, family)
        case Record():
            return _record(verb)
        case Dial():
            return _dial(verb, family)
        case Conference():
            return _conference(verb)
        case Redirect():
            return _element("Redirect", {"method": "POST"}, _text(verb.to))
        case Hangup():
            return "<Hangup/>"
        case Reject():
            return '<Reject reason="rejected"/>'


def _gather(verb: Gather, family: Family) -> str:
    attributes: dict[str, object] = {
        "input": "dtmf speech" if verb.speech else "dtmf",
        "action": verb.action,
        "method": "POST",
        "timeout": verb.timeout_s,
        "finishOnKey": verb.finish_on,
    }
    if verb.digits:
        attributes["numDigits"] = verb.digits
    if verb.speech and family is not Family.TELNYX:
        attributes["speechTimeout"] = "auto"
    if family is Family.TWILIO:
        attributes["actionOnEmptyResult"] = "true"
    return _element("Gather", attributes, "".join(_verb(one, family) for one in verb.prompt))


def _record(verb: Record) -> str:
    return _element(
        "Record",
        {
            "action": verb.action,
            "method": "POST",
            "maxLength": verb.max_s,
            "timeout": verb.silence_s,
            "finishOnKey": verb.finish_on,
            "playBeep": "true",
            "recordingStatusCallback": verb.status,
            "recordingStatusCallbackMethod": "POST",
        },
    )


def _dial(verb: Dial, family: Family) -> str:
    attributes: dict[str, object] = {"action": verb.action, "method": "POST"} if verb.action else {}
    attributes["timeout"] = verb.timeout_s
    if verb.caller_id:
        attributes["callerId"] = verb.caller_id
    if family is not Family.TELNYX:
        attributes["answerOnBridge"] = "true"
        if verb.in_turn:
            attributes["sequential"] = "true"
    return _element("Dial", attributes, "".join(map(_leg, verb.legs)))


def _leg(leg: Leg) -> str:
    attributes: dict[str, object] = {}
    if leg.whisper:
        attributes |= {"url": leg.whisper, "method": "POST"}
    if leg.status:
        attributes |= {
            "statusCallback": leg.status,
            "statusCallbackMethod": "POST",
            "statusCallbackEvent": _LEG_EVENTS,
        }
    return _element("Number", attributes, _text(leg.number))


def _conference(verb: Conference) -> str:
    attributes: dict[str, object] = {
        "startConferenceOnEnter": str(verb.starts).lower(),
        "endConferenceOnExit": str(verb.ends).lower(),
        "beep": "false",
    }
    if verb.status:
        attributes |= {
            "statusCallback": verb.status,
            "statusCallbackMethod": "POST",
            "statusCallbackEvent": _ROOM_EVENTS,
        }
    room = _element("Conference", attributes, _text(verb.room))
    return _element("Dial", {"action": verb.action, "method": "POST"}, room)


def _element(name: str, attributes: dict[str, object], inside: str = "") -> str:
    shown = "".join(f' {key}="{escape(speakable(str(value)), _QUOTES)}"' for key, value in attributes.items())
    return f"<{name}{shown}>{inside}</{name}>" if inside else f"<{name}{shown}/>"


def _text(text: str) -> str:
    return escape(speakable(text))


_QUOTES = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
