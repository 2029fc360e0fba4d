"""What a TAM's number and address, and the thread of an account, are made of (model, sections 3.4 and 4.8)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from homing.support.cases.types import Attachment, Channel, Side, Verified
from homing.support.clocks.types import ClockLog, Kind, Mark, Promise, Started, Stopped, Voided

SUBJECT = "thread message"  # of clocks


class WayKind(StrEnum):
    """How somebody turns to a TAM (clause B2)."""

    PHONE = "phone"
    EMAIL = "e-mail"


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A number or an address of ours that leads to a TAM.

    address      E.164, or lower case
    carrier      of a number: its name in the carriers' file
    person_id    the TAM whose it is, for all of his accounts
    account_id   the account whose it is, whoever its TAM is; one of the two is None
    """

    way_id: int
    kind: WayKind
    address: str
    carrier: str
    person_id: int | None
    account_id: int | None


class Sort(StrEnum):
    """What a message of a thread is."""

    WORD = "word"  # a mail of the customer
    VOICEMAIL = "voicemail"
    CALL = "call"  # somebody called: he spoke with the TAM, was handed over, or left nothing
    ANSWER = "answer"  # of ours, by mail
    PHONED = "phoned"  # of ours, by telephone: what was said
    NOTE = "note"  # internal


OWES = frozenset({Sort.WORD, Sort.VOICEMAIL})  # a TAM_REPLY begins with it, unless a machine wrote it
ANSWERS = frozenset({Sort.ANSWER, Sort.PHONED})  # a person's answer ends it


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """A member of the staff says that no answer was ever owed."""

    person_id: int
    reason: str
    at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a thread.

    message_id    the subject of its clock
    number        1, 2, ... in the thread
    promise       TAM_REPLY as it was started; None: no answer is owed
    answered_at   when a person's answer was accepted for delivery, or given by telephone
    voids         who says that none was ever owed; it takes two
    """

    message_id: int
    account_id: int
    number: int
    sort: Sort
    side: Side
    actor: str
    author: str
    contact_id: int | None
    channel: Channel
    verified: Verified
    automatic: bool
    sender: str
    subject: str
    body: str
    remark: str = ""
    mail_id: str = ""
    in_reply_to: str = ""
    received_at: datetime
    sent_at: datetime | None = None
    call_ref: int | None = None
    promise: Promise | None = None
    answered_at: datetime | None = None
    answered_by: int | None = None
    voids: tuple[Void, ...] = ()
    files: tuple[Attachment, ...] = ()

    @property
    def is_void(self) -> bool:
        """Return whether two people have said that no answer was ever owed."""
        return len(self.voids) > 1

    def clock(self) -> ClockLog | None:
        """Return the clock that this message started; None: it started none."""
        if self.promise is None:
            return None
        began = Started(at=self.received_at, budget_s=self.promise.budget_s, pin=self.promise.pin)
        marks: list[Mark] = [began] if self.answered_at is None else [began, Stopped(at=self.answered_at)]
        if self.is_void:  # an answer comes before it: none ends what is void
            first, second = self.voids[:2]
            people = (f"staff {first.person_id}", f"staff {second.person_id}")
            marks.append(Voided(at=second.at, people=people, reason=first.reason))
        return ClockLog(kind=Kind.TAM_REPLY, marks=tuple(marks))


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that a message owes to one person."""

    letter_id: int
    message_id: int
    side: Side
    person_id: int
    email: str
    made_at: datetime
    attempts: int = 0
    trouble: str = ""
    sent_at: datetime | None = None
    mail_id: str = ""


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A mail or voicemail that waits for a decision.

    person_id    the TAM whom it is for
    account_id   whose thread it claims to belong to
    call_ref     of a voicemail
    """

    quarantine_id: int
    received_at: datetime
    person_id: int | None
    account_id: int | None
    sender: str
    subject: str
    reason: str
    automatic: bool
    call_ref: int | None
    size_bytes: int


class OwnStep(StrEnum):
    """Where a call to a TAM's number stands."""

    TAM = "tam"  # he is rung
    COVER = "cover"  # whoever stands in for him is
    MENU = "menu"  # nobody took it, or Business Hours are over: voicemail, or the Severity 1 Line
    VOICEMAIL = "voicemail"
    TAKEN = "taken"
    HANDED_OVER = "severity-1"
    DONE = "done"


class OwnState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the script needs to go on.

    turn        number of the question that waits for its answer
    empties     answers without anything, to this question
    recording   the caller lets himself be recorded
    left        what he left: 'recording', 'words', 'call back'; '': nothing
    words       of a voicemail, where the carrier recognised them
    in_hours    Business Hours ran when it rang
    told        what the thread knows of it: 'call', 'voicemail'; '': nothing yet
    """

    step: OwnStep = OwnStep.MENU
    turn: int = 1
    empties: int = 0
    recording: bool = True
    left: str = ""
    words: str = ""
    in_hours: bool = False
    told: str = ""


class OwnCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call to a TAM's number.

    person_id   the TAM whom it is for, when it rang
    told_at     it is in the thread, or in quarantine
    handed_to   intake of the Severity 1 Line
    look_at     when to ask the carrier what became of it; None: it is known
    """

    call_ref: int
    carrier: str
    call_id: str
    caller: str
    called: str
    person_id: int | None
    account_id: int | None
    contact_id: int | None
    first_ring_at: datetime
    state: OwnState
    sequence: int
    accepted_by: int | None
    ended_at: datetime | None
    told_at: datetime | None
    handed_to: int | None
    look_at: datetime | None
    looks: int


class Risk(StrEnum):
    """Why something stands where it does in the stream of oversight, in that order."""

    DUE = "due"  # a promise runs
    MISSED = "missed"  # a promise was missed, and is still owed
    CRITICAL = "critical"  # a Critical Issue is open
    NEWS = "news"


class ItemKind(StrEnum):
    """What an item of the stream is."""

    CASE = "case"
    MESSAGE = "message"  # in a case
    CALL = "call"  # on the Severity 1 Line
    PAGE = "page"
    PROMISE = "promise"
    THREAD = "thread"  # a message between the account and its TAM, a call or voicemail to him too


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item of the stream.

    ident        tells it apart from others of its kind
    account_id   None: of a call, nobody has said yet whose it is
    at           when it happened; of a promise: when it began, or was decided
    due_at       of a promise, or of a call-back
    state        as its room calls it
    what         in a few words
    detail       what its room knows besides
    """

    kind: ItemKind
    ident: str
    account_id: int | None
    risk: Risk
    at: datetime
    due_at: datetime | None = None
    state: str = ""
    what: str = ""
    detail: dict[str, Any] = {}
