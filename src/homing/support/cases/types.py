"""Support Cases: their states, the people in them, and what is kept of each step (model, sections 3.1 to 3.3)."""

from datetime import datetime
from enum import StrEnum

import msgspec

from homing.support.clocks.rules.cadence import Cadence

REOPENED_WITHIN_DAYS = 14  # a word of the customer opens the same case again; later a new one that is linked
CONFIRM_REMINDERS = 3


class CaseKind(StrEnum):
    """What is asked (clause E1)."""

    BUG = "bug"
    CONFIGURATION = "configuration_request"
    INFORMATION = "information_request"


class Severity(StrEnum):
    """Critical is a software bug that causes persistent Unavailability (clause F1); the customer's word makes it so (R12)."""

    NON_CRITICAL = "non_critical"
    CRITICAL = "critical"


class State(StrEnum):
    """Where a case stands."""

    NEW = "new"
    OPEN = "open"
    WAITING = "waiting_customer"
    PROPOSED = "resolution_proposed"
    RESOLVED = "resolved"
    UNCONFIRMED = "closed_unconfirmed"  # nobody agreed: told apart from resolved everywhere (R9)
    WITHDRAWN = "withdrawn"
    MERGED = "merged"
    OUT_OF_SCOPE = "out_of_scope"
    ARCHIVED = "archived"


LIVE = frozenset({State.NEW, State.OPEN, State.WAITING, State.PROPOSED})
ENDED = frozenset({State.RESOLVED, State.UNCONFIRMED, State.WITHDRAWN, State.OUT_OF_SCOPE})


class Stage(StrEnum):
    """How far work on a Critical Issue has come, beside the state of its case. Restored is not resolved."""

    CALL_BACK_DUE = "call_back_due"
    WAKING = "waking"  # nobody has called, and nobody has taken it yet
    ENGAGED = "engaged"
    RESTORED = "restored"  # the service works; that is watched


class Source(StrEnum):
    """How a case came."""

    PORTAL = "portal"
    EMAIL = "e-mail"
    PHONE = "phone"
    API = "api"
    STAFF = "staff"


class Side(StrEnum):
    """Who speaks. The platform itself is on nobody's side."""

    CUSTOMER = "customer"
    PROVIDER = "provider"
    SYSTEM = "system"


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who does something.

    name   as in the audit: `staff 3`, `contact 7`, `key 12`, `system`
    email  lower case; '' where no person is known. One person never signs for both sides (S3)
    """

    side: Side
    name: str
    person_id: int = 0  # of the staff, or of the contacts, by side; 0: no person is known
    email: str = ""


SYSTEM = Actor(side=Side.SYSTEM, name="system")


class Channel(StrEnum):
    """How a message came or went."""

    EMAIL = "e-mail"
    API = "api"
    PORTAL = "portal"
    PHONE = "phone"
    STAFF = "staff"


class Verified(StrEnum):
    """How we know whose word a message is."""

    DKIM = "dkim"  # his domain signed it
    ADDRESS = "reply address"  # it came to an address that only he was given
    PORTAL = "portal"
    KEY = "api_key"
    PIN = "support PIN"
    STAFF = "staff"
    NONE = "none"


class Purpose(StrEnum):
    """What a message is for."""

    WORD = "word"  # of the customer
    ANSWER = "answer"
    UPDATE = "update"  # a status update on a Critical Issue
    PROPOSAL = "proposal"
    SCOPE = "scope"
    NOTE = "note"  # internal
    RECEIPT = "receipt"
    REMINDER = "reminder"
    CONFIRM = "confirm"  # asks to confirm a signature
    CONSENT = "consent"  # "this was agreed in your name"
    CLOSED = "closed"
    RESOLVED = "resolved"
    CADENCE = "cadence"  # asks to agree to a cadence
    AGREED = "cadence_agreed"  # says which cadence is agreed
    STEP_DOWN = "step_down"  # asks to agree that a case is critical no more
    CRITICAL = "critical"  # a case became critical without a call
    TAM = "tam"  # to the TAM: he is asked for
    STAFF = "staff"  # to whoever owns the case: the customer has moved
    DUE = "due"  # to whoever owns the case: something is due soon
    UNDELIVERED = "undelivered"  # to whoever owns the case: a mail of it did not arrive
    MISSED = "missed"  # to whoever owns the case, and to the TAM: something was not done in time


FROM_A_PERSON = frozenset({Purpose.ANSWER, Purpose.UPDATE, Purpose.PROPOSAL, Purpose.SCOPE})  # public, and written by staff

TO_SIGN = frozenset({Purpose.PROPOSAL, Purpose.REMINDER, Purpose.CONFIRM})  # their reader may sign a resolution
# What a mail to the single-use address in them agrees to.
TO_AGREE = frozenset({Purpose.PROPOSAL, Purpose.REMINDER, Purpose.CADENCE, Purpose.STEP_DOWN})


class Method(StrEnum):
    """How somebody signed."""

    PORTAL = "portal"  # a page that was shown to him alone, by a signed link or as a member of the staff
    EMAIL = "e-mail token"
    CALL = "recorded call"
    MESSAGE = "written message"  # of the customer, that staff entered as his consent


class Verdict(StrEnum):
    """Whether something is in the scope of the contract."""

    IN = "in"
    OUT = "out"
    NEEDS_TERMS = "needs_terms"


class Eta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a Critical Issue is expected to be over; unknown only with a reason (clause F5)."""

    at: datetime | None = None
    unknown_because: str = ""


# What follows from the events.


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Words that one side offers as the end.

    stands    they may be signed: no newer version, no refusal
    doubted   the customer has said something else under them
    """

    version: int
    text: str
    sha256: str
    side: Side
    proposed_at: datetime
    stands: bool = True
    doubted: bool = False
    sent_at: datetime | None = None
    reminders: int = 0


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Whose agreement to which words.

    call   of a recorded call: its name in our own logs; '': it is outside of them
    void   a newer version, a refusal or a dispute came after it
    """

    version: int
    sha256: str
    side: Side
    person: str
    email: str
    method: Method
    evidence: str
    call: str = ""
    at: datetime
    entered_by: int = 0
    dispute_until: datetime | None = None
    void: bool = False


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A cadence that one side proposed.

    effective_at   None: the other has not accepted it
    evidence       of one that was agreed on a call; call: its name in our own logs, '': it is outside of them
    entered_by     member of the staff who entered it; 0: the other side accepted it itself
    """

    version: int
    cadence: Cadence
    side: Side
    effective_at: datetime | None = None
    began: bool = False
    evidence: str = ""
    call: str = ""
    entered_by: int = 0


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about the scope of a case."""

    verdict: Verdict
    clause: str
    route: str
    text: str
    decided_by: str
    decided_at: datetime
    acknowledged_at: datetime | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A case as its events make it.

    number        what people call it
    owner_id      member of the staff; None only while it is new
    accepted      whether he has taken it himself
    people        contacts in it, the one who opened it first
    ended_at      when it reached a state that is none of LIVE
    automatic     numbers of messages by machines that nobody has called an answer
    called_back   the last call was returned
    engaged       since it is critical somebody who was woken has acknowledged, or a person has taken it
    draft         contact whose signature waits for confirmation
    """

    case_id: int
    number: int
    account_id: int
    kind: CaseKind
    severity: Severity
    state: State
    subject: str
    source: Source
    service: str
    opened_at: datetime
    owner_id: int | None
    accepted: bool = False
    order_form_id: int | None = None
    reopened_from: int | None = None
    merged_into: int | None = None
    merged_into_number: int | None = None
    called: bool = False
    no_call: bool = False
    called_back: bool = False
    engaged: bool = False
    restored_at: datetime | None = None
    people: tuple[int, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    signatures: tuple[Signature, ...] = ()
    draft: int | None = None
    agreements: tuple[Agreement, ...] = ()
    downgrade: tuple[int, Side, str] | None = None
    downgrades: int = 0
    scope: Scope | None = None
    automatic: frozenset[int] = frozenset()
    voids: tuple[tuple[int, int, str], ...] = ()  # clock, person, reason: asked for by one
    last_update_at: datetime | None = None
    eta: Eta | None = None
    ended_at: datetime | None = None
    updated_at: datetime
    seq: int = 0

    @property
    def live(self) -> bool:
        """Return whether work goes on."""
        return self.state in LIVE

    @property
    def stage(self) -> Stage | None:
        """Return how far a critical case has come; None where it is not critical, or has ended."""
        if self.severity is not Severity.CRITICAL or not self.live:
            return None
        if self.called and not self.called_back:
            return Stage.CALL_BACK_DUE
        if self.restored_at is not None:
            return Stage.RESTORED
        return Stage.ENGAGED if self.engaged or self.called_back else Stage.WAKING

    @property
    def proposal(self) -> Proposal | None:
        """Return the latest proposal, if it stands."""
        last = self.proposals[-1] if self.proposals else None
        return last if last is not None and last.stands else None


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came with a message. It is given out as a download alone, never shown."""

    number: int
    name: str
    kind: str
    size_bytes: int
    sha256: str
    data: bytes = b""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote.

    number         1, 2, ... in the case
    remark         what was left out of it, in a sentence
    message_id     of the mail; '' where it was none
    sent_at        of what we wrote: when it was accepted for delivery to the first recipient
    """

    case_id: int
    number: int
    side: Side
    actor: str
    author: str
    channel: Channel
    purpose: Purpose
    verified: Verified
    automatic: bool
    sender: str
    subject: str
    body: str
    remark: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    received_at: datetime
    sent_at: datetime | None = None
    attachments: tuple[Attachment, ...] = ()


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A message before it has a number."""

    side: Side
    actor: str
    author: str
    channel: Channel
    purpose: Purpose
    verified: Verified = Verified.NONE
    automatic: bool = False
    sender: str = ""
    subject: str = ""
    body: str
    remark: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    dedupe: bytes | None = None  # the same mail again is the same message
    attachments: tuple[Attachment, ...] = ()
