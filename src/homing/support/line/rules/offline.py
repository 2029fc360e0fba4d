"""What is spoken while we are away: a static document that carriers fetch from another host."""

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
