"""What a carrier's request says, in our words. Ids are opaque; a number is a number only if it looks like one."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from homing.support.line.types import CallStatus, Family, Happened

MOST_TEXT = 2_000
# Numbers that stand for words where a caller withholds his: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE on the keys.
_WORDS = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
_NUMBER = re.compile(r"\+?([1-9][0-9]{4,14})")
_STATUS = {
    "queued": CallStatus.QUEUED,
    "trying": CallStatus.INITIATED,
    "initiated": CallStatus.INITIATED,
    "ringing": CallStatus.RINGING,
    "early-media": CallStatus.RINGING,
    "in-progress": CallStatus.ANSWERED,
    "answered": CallStatus.ANSWERED,
    "completed": CallStatus.COMPLETED,
    "busy": CallStatus.BUSY,
    "no-answer": CallStatus.NO_ANSWER,
    "failed": CallStatus.FAILED,
    "canceled": CallStatus.CANCELED,
}


def number_of(text: str) -> str:
    """Return E.164 of what a carrier gives as a number; '' where it is withheld or none."""
    bare = text.strip()
    if bare.lower().startswith(("sip:", "sips:", "tel:")):
        bare = bare.partition(":")[2].partition("@")[0].partition(";")[0]
    found = _NUMBER.fullmatch(bare)
    number = f"+{found[1]}" if found else ""
    return "" if number in _WORDS else number


def read(family: Family, given: Mapping[str, Any]) -> Happened:
    """Return what happened. given: the fields of a form (the last of each name), or the members of a JSON object."""
    return _jambonz(given) if family is Family.JAMBONZ else _twilio(given)


def _twilio(given: Mapping[str, Any]) -> Happened:
    def text(name: str) -> str:
        return clean(given.get(name))

    digits = text("Digits")
    return Happened(
        call_id=text("CallSid"),
        parent_id=text("ParentCallSid"),
        caller=number_of(text("From") or text("Caller")),
        called=number_of(text("To") or text("Called")),
        status=_STATUS.get(text("CallStatus").lower()),
        digits="" if digits == "hangup" else digits[:64],
        hung_up=digits == "hangup",
        speech=text("SpeechResult"),
        dial_status=_STATUS.get(text("DialCallStatus").lower()),
        bridged=_yes(text("DialBridged")),
        recording_id=text("RecordingSid"),
        recording_url=text("RecordingUrl"),
        recording_status=text("RecordingStatus").lower(),
        recording_s=_whole(text("RecordingDuration")),
        sequence=_whole(text("SequenceNumber")),
        machine=text("AnsweredBy").lower(),
        event=text("StatusCallbackEvent").lower(),
        sip_code=_whole(text("SipResponseCode")),
        attestation=text("StirVerstat"),
    )


def _jambonz(given: Mapping[str, Any]) -> Happened:
    def text(name: str) -> str:
        return clean(given.get(name))

    speech = given.get("speech")
    alternatives = speech.get("alternatives") if isinstance(speech, dict) else None
    first = alternatives[0] if isinstance(alternatives, list) and alternatives else None
    dialled = _STATUS.get(text("dial_call_status").lower())
    return Happened(
        call_id=text("call_sid"),
        parent_id=text("parent_call_sid"),
        caller=number_of(text("from")),
        called=number_of(text("to")),
        status=_STATUS.get(text("call_status").lower()),
        digits=(text("digits") or text("dtmf"))[:64],
        speech=clean(first.get("transcript")) if isinstance(first, dict) else "",
        dial_status=dialled,
        bridged=dialled is CallStatus.COMPLETED,
        sequence=_whole(text("sequence_number")),
        event=text("event").lower(),
        sip_code=_whole(text("sip_status")),
    )


def clean(value: object) -> str:
    """Return a text as PostgreSQL can keep it, bounded."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    shown = str(value)[:MOST_TEXT]
    return shown.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def members(body: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; none where it is no object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _yes(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())
