"""What a call on the Severity 1 Line is made of (model, section 4)."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Family(StrEnum):
    """Carriers that speak alike."""

    TWILIO = "twilio"
    SIGNALWIRE = "signalwire"
    TELNYX = "telnyx"
    JAMBONZ = "jambonz"


class Verdict(StrEnum):
    """What a signature says of a request."""

    GENUINE = "genuine"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    OLD = "old"  # genuine once: somebody plays it again


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """By what a carrier's requests are known. Two of each may be active, while one is being replaced.

    secrets  of the usual signature
    shared   of the variant with SHA-256
    public   Ed25519, Base64
    basic    `user:password`, where a carrier in our own network signs nothing
    """

    secrets: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    basic: tuple[str, ...] = ()


class Carrier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One carrier, as the file of HOMING_SEV1_CARRIERS says.

    account          our account there
    api              its REST API; what stands before /Accounts
    api_user         with `api_secret` it opens the API; default: the account
    numbers          of the Severity 1 Line, E.164; the first one is shown when we call back
    recording_hosts  origins that recordings are fetched from; default: that of `api`
    speech           ask for words by the carrier's speech recognition instead of recording them
    test_from        number that test calls come from; '': none are made
    """

    family: Family
    account: str
    api: str
    api_secret: str
    numbers: tuple[str, ...]
    name: str = ""
    api_user: str = ""
    secrets: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    public_keys: tuple[str, ...] = ()
    basic: tuple[str, ...] = ()
    recording_hosts: tuple[str, ...] = ()
    speech: bool = False
    test_from: str = ""

    @property
    def keys(self) -> Keys:
        """Return by what its requests are known."""
        return Keys(secrets=self.secrets, shared=self.shared, public=self.public_keys, basic=self.basic)

    @property
    def by_speech(self) -> bool:
        """Return whether words are recognised and not recorded."""
        return self.speech or self.family is Family.JAMBONZ


class LineSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of HOMING_SEV1_CARRIERS.

    notice     what is said before anything is recorded
    countries  calling codes that we call back to without a second confirmation; empty: all
    fallback   numbers that the static document rings while we are away
    keep_days  days that recordings are kept
    pin_digits of every support PIN: so many end the question
    """

    carriers: dict[str, Carrier] = {}
    notice: str = "This call is recorded so that we can help you. Press 8 to go on without recording."
    countries: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    keep_days: int = 400
    pin_digits: int = 6


class CallStatus(StrEnum):
    """How far a call has come, as carriers tell."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    ANSWERED = "answered"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_end(self) -> bool:
        """Return whether nothing comes after it."""
        return self in _ENDS


_ENDS = frozenset({CallStatus.COMPLETED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED, CallStatus.CANCELED})


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a carrier, whatever its family.

    caller      E.164; '' where it is withheld
    bridged     None where the family does not tell
    recording_s seconds
    """

    call_id: str
    parent_id: str = ""
    caller: str = ""
    called: str = ""
    status: CallStatus | None = None
    digits: str = ""
    hung_up: bool = False
    speech: str = ""
    dial_status: CallStatus | None = None
    bridged: bool | None = None
    recording_id: str = ""
    recording_url: str = ""
    recording_status: str = ""
    recording_s: int | None = None
    sequence: int | None = None
    machine: str = ""
    event: str = ""
    sip_code: int | None = None
    attestation: str = ""


class Step(StrEnum):
    """Where a call stands in the script (model, section 4.2)."""

    PIN = "pin"
    LIVE = "live"
    COMPANY = "company"
    NAME = "name"
    PHONE = "phone"
    PHONE_CHECK = "phone-check"
    EMAIL = "email"
    DESCRIPTION = "description"
    CONFIRM = "confirm"
    TAKEN = "taken"  # somebody on duty took it
    DONE = "done"


class Source(StrEnum):
    """How a call became known."""

    CALL = "call"  # a signed webhook
    JOURNAL = "journal"  # a signed webhook that came while the store was away
    RECONCILED = "reconciled"  # the carrier's list of calls: the webhook was lost
    TAM = "tam"  # handed over from a TAM's own number
    FORM = "form"
    API = "api"

    @property
    def is_call(self) -> bool:
        """Return whether somebody phoned."""
        return self in (Source.CALL, Source.JOURNAL, Source.RECONCILED, Source.TAM)


class Proof(StrEnum):
    """By what we know whose a call is. The number that calls is a hint, never a proof."""

    NONE = "none"
    CALLER_ID = "caller_id"
    PIN = "pin"
    KEY = "key"  # an API key of the account


class Entitlement(StrEnum):
    """Whether the caller's Order Form has the Severity 1 Line. It never changes what we do, only what we count (E16)."""

    UNKNOWN = "unknown"  # a person decides within 60 minutes
    YES = "yes"
    NO = "no"


class Outcome(StrEnum):
    """What became of a call-back. Written once."""

    MET = "met"
    MISSED = "missed"
    VOID = "void"


class AttemptStatus(StrEnum):
    """How far an attempt to call back has come."""

    CALLING_REP = "calling_rep"
    REP_ANSWERED = "rep_answered"  # and pressed the key
    PLACING = "placing"  # the customer's leg is handed to the carrier
    SET_UP = "set_up"  # the carrier took it
    RINGING = "ringing"
    HUMAN = "answered_human"
    MACHINE = "answered_machine"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    NOT_SET_UP = "not_set_up"  # no ringing within 10 s: it does not count
    REP_LOST = "rep_lost"  # the representative did not answer, or hung up first

    @property
    def is_end(self) -> bool:
        """Return whether this attempt cannot come any further."""
        return self in _ATTEMPT_ENDS


_ATTEMPT_ENDS = frozenset(
    {AttemptStatus.BUSY, AttemptStatus.NO_ANSWER, AttemptStatus.FAILED, AttemptStatus.NOT_SET_UP, AttemptStatus.REP_LOST}
)


class Answers(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the caller gave (clause F3). '' where he gave nothing; a recording is in line_recordings."""

    company: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    description: str = ""


class CallState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a call stands: all that the script needs to go on.

    turn         number of the question that waits for its answer
    empties      answers without anything, to this question
    used_s       seconds of the automatic part, up to `since`
    recorded     steps that there is a recording of
    """

    step: Step = Step.PIN
    turn: int = 1
    empties: int = 0
    pins: int = 0
    hunts: int = 0
    repeats: int = 0
    recording: bool = True
    used_s: int = 0
    since: datetime | None = None
    candidate: str = ""
    answers: Answers = Answers()
    recorded: tuple[str, ...] = ()
    human_took: bool = False


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about a caller's entitlement (E16). clause, reason, route: of a refusal, each (invariant 14).

    by      of the staff; None: the Order Form decided, once he was reached at a verified number
    route   what the caller can do instead
    """

    by: int | None
    at: datetime
    clause: str = ""
    reason: str = ""
    route: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One intake (CallIntake of the model).

    decide_by      when somebody must have decided on the entitlement of an unknown caller, and so have said who he is
    before_cases   it came when calls opened no cases
    told           what its case knows of it (rules.told.Told)
    """

    intake_id: int
    carrier: str
    call_id: str
    source: Source
    reference: str
    caller: str
    called: str
    first_ring_at: datetime
    state: CallState
    account_id: int | None
    contact_id: int | None
    proof: Proof
    entitlement: Entitlement
    sequence: int
    accepted_by: int | None
    accepted_at: datetime | None
    ended_at: datetime | None
    partial: bool
    case_ref: str | None
    linked_to: int | None
    due_at: datetime
    decide_by: datetime
    before_cases: bool = False
    told: tuple[str, ...] = ()
    decision: Decision | None = None

    @property
    def is_unnamed(self) -> bool:
        """Return whether a person still has to say whose it is: until then there is no case."""
        return self.account_id is None and self.entitlement is not Entitlement.NO and not self.before_cases


class Void(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody says that a call-back is not owed: a test, a duplicate, spam. It takes two."""

    person_id: int
    reason: str
    at: datetime


class Obligation(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back that is owed (clause F4). Due 15 minutes after the first ring, on the wall clock; it never pauses.

    answered_by   the first of those that were woken who said something
    """

    obligation_id: int
    intake_id: int
    account_id: int | None
    due_at: datetime
    claimed_by: int | None
    claim_until: datetime | None
    returned_at: datetime | None
    connected_at: datetime | None
    engaged_at: datetime | None
    outcome: Outcome | None
    outcome_at: datetime | None
    next_try_at: datetime | None
    voids: tuple[Void, ...]
    voided_at: datetime | None
    answered_by: int | None = None
    answered_at: datetime | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to call back."""

    attempt_id: int
    obligation_id: int
    person_id: int
    carrier: str
    number: str
    status: AttemptStatus
    created_at: datetime
    rep_call_id: str
    call_id: str
    accepted_at: datetime | None
    evidence_at: datetime | None
    placed_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    result: str
    sequence: int


class HandCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call-back that somebody says he dialled by hand. No carrier proves it, so it counts as no attempt.

    evidence   how it is known
    """

    person_id: int
    number: str
    called_at: datetime
    reached: bool
    evidence: str
    recorded_at: datetime


class PageReason(StrEnum):
    """Why people are paged."""

    CALL = "call"
    CLAIM_LAPSED = "claim_lapsed"
    RETRY = "retry"  # the customer was not reached; it is time to try again
    LINE_SILENT = "line_silent"  # two test calls were not heard
    UNHEARD = "unheard"  # a ladder of on-call wakes nobody


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What people are paged for. It names nothing of the customer's problem.

    obligation_id  None: no caller waits; the line itself is in trouble, or another room has something to tell
    account_id     whose it is, as far as is known: its TAM is woken, too
    away           the name of the call where people may have been woken for it while the store was away
    """

    reason: PageReason
    reference: str
    obligation_id: int | None
    account_id: int | None = None
    first_ring_at: datetime
    due_at: datetime
    away: str = ""
