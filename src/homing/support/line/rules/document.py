"""What we tell a carrier to do with a call, in words of our own; renderers translate it for each family.

Addresses in a document are whole: a carrier signs what it asks for by the address that it was given.
"""

import re

import msgspec

_NOT_SPOKEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot carry


class Say(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Speak."""

    text: str


class Pause(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Wait."""

    seconds: int = 1


class Gather(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Speak, and wait for keys (or words).

    action     is asked with what was given; also with nothing, where the family knows how
    digits     so many end it; 0: only the finishing key does
    timeout_s  of silence
    """

    action: str
    prompt: tuple[Say | Pause, ...] = ()
    digits: int = 0
    timeout_s: int = 6
    finish_on: str = "#"
    speech: bool = False


class Record(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Record. Without any sound a carrier does not ask `action`, but goes on with the next verb.

    status  is told when the recording can be fetched
    """

    action: str
    status: str
    max_s: int
    silence_s: int
    finish_on: str = "#"


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A number to ring. whisper: what the callee hears before he is connected; status: is told how it goes."""

    number: str
    whisper: str = ""
    status: str = ""


class Dial(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Ring numbers, at once or in turn, and connect the first that takes the call.

    action   is asked after it; '': the next verb follows
    """

    action: str
    legs: tuple[Leg, ...]
    timeout_s: int = 25
    caller_id: str = ""
    in_turn: bool = False


class Conference(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Join a room. Its name carries no personal data."""

    room: str
    action: str
    status: str = ""
    starts: bool = True  # for those who wait
    ends: bool = False  # when this one leaves


class Redirect(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Go on with the document at an address."""

    to: str


class Hangup(msgspec.Struct, frozen=True, tag=True, gc=False):
    """End the call."""


class Reject(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Do not take the call."""


Verb = Say | Pause | Gather | Record | Dial | Conference | Redirect | Hangup | Reject
Document = tuple[Verb, ...]


def speakable(text: str) -> str:
    """Return a text without what no carrier could speak or XML could carry."""
    return _NOT_SPOKEN.sub("", text)
