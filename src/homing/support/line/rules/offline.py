"""What is spoken while we are away: a static document that carriers fetch from another host."""

from datetime import datetime

from homing.support.line.rules import script
from homing.support.line.rules.document import Dial, Document, Hangup, Leg, Record, Say, Verb
from homing.support.line.types import LineSettings

OFFLINE = "offline"  # the step of a call that nobody of ours answered


def fallback_document(settings: LineSettings, *, action: str, status: str) -> Document:
    """Return what is spoken while we are away: an apology, the numbers to ring, a recording.

    action, status   where a recording is reported to
    """
    verbs: list[Verb] = [
        Say("This is the Severity 1 Line. We are sorry: our own systems do not answer. Your call is noted."),
        Say(settings.notice),
    ]
    if settings.fallback:
        verbs.append(Dial(action="", legs=tuple(Leg(number=one) for one in settings.fallback)))
    verbs += [
        Say("After the tone, please say your company, your name, your number and the problem. We call you back."),
        Record(action=action, status=status, max_s=180, silence_s=6),
        Say(script.GOODBYE),
        Hangup(),
    ]
    return tuple(verbs)


def away_words(rang_at: datetime, due_at: datetime, *, alarm: bool) -> str:
    """Return what a page says while the store is away; nothing of the customer. There is nothing that could be claimed by it."""
    late = " It is about to be missed." if alarm else ""
    return (
        f"Severity 1: a customer called, or wrote, at {rang_at:%H:%M:%S} UTC, and our own store does not answer. "
        f"A call-back is due at {due_at:%H:%M:%S} UTC.{late} Call back by hand: the call that wakes you says the number."
    )
