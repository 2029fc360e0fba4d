"""What can happen to a case. Each step is one event; the names of these types, in lower case, are what is stored for ever."""

from datetime import datetime

import msgspec

from homing.support.cases.types import CaseKind, Eta, Method, Purpose, Severity, Side, Source, Verdict, Verified
from homing.support.clocks.rules.cadence import Cadence
from homing.support.clocks.types import Kind, Promise


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower, omit_defaults=True):
    pass


class Opened(_Event, frozen=True, kw_only=True):
    """A case begins.

    owner_id      who is responsible until somebody accepts it: the acting TAM; None: there is nobody
    received_at   of a mail that waited in quarantine: the first response is owed since then
    """

    kind: CaseKind
    severity: Severity
    subject: str
    source: Source
    contact_id: int | None = None
    service: str = ""
    order_form_id: int | None = None
    reopened_from: int | None = None
    owner_id: int | None = None
    called: bool = False
    received_at: datetime | None = None
    promises: dict[Kind, Promise] = {}


class Owned(_Event, frozen=True, kw_only=True):
    """Somebody takes the case, or is given it."""

    person_id: int
    accepted: bool = True


class Came(_Event, frozen=True, kw_only=True):
    """A word of the customer. automatic: by a machine of his; it is no answer."""

    message: int
    contact_id: int | None = None
    received_at: datetime
    verified: Verified
    automatic: bool = False
    sha256: str


class Joined(_Event, frozen=True, kw_only=True):
    """Staff added a contact to the people of the case: from here on he is written to."""

    contact_id: int


class Counted(_Event, frozen=True, kw_only=True):
    """A person says that an automatic message is an answer after all."""

    message: int
    received_at: datetime


class Wrote(_Event, frozen=True, kw_only=True):
    """Staff wrote to the customer; it is on its way. question: the customer has to answer."""

    message: int
    purpose: Purpose
    question: bool = False
    eta: Eta | None = None
    by_tam: bool = False
    version: int = 0
    sha256: str


class Sent(_Event, frozen=True, kw_only=True):
    """A message was accepted for delivery to its first recipient."""

    message: int
    purpose: Purpose
    question: bool = False
    by_tam: bool = False
    promises: dict[Kind, Promise] = {}
    version: int = 0


class Undelivered(_Event, frozen=True, kw_only=True):
    """A mail to a contact was accepted for delivery, and did not arrive after all.

    opens   it was a question, and arrived with nobody: the customer is waited for no more
    """

    message: int
    purpose: Purpose
    contact_id: int
    reason: str
    opens: bool = False


class Noted(_Event, frozen=True, kw_only=True):
    """Staff wrote to itself."""

    message: int
    sha256: str


class Escalated(_Event, frozen=True, kw_only=True):
    """The case is critical. by_call: the customer called the Severity 1 Line; else it says that nobody has.

    late   something was missed before this was noted, which stays so: its clocks end now, and not at the first ring
    """

    reason: str
    by_call: bool = False
    first_ring_at: datetime | None = None
    late: bool = False
    promises: dict[Kind, Promise] = {}


class DowngradeProposed(_Event, frozen=True, kw_only=True):
    """One side wants to step down, in these words."""

    version: int
    text: str


class Downgraded(_Event, frozen=True, kw_only=True):
    """Both sides agreed to step down."""

    version: int
    promises: dict[Kind, Promise] = {}


class Called(_Event, frozen=True, kw_only=True):
    """A call on the Severity 1 Line belongs to the case: it is owed back.

    call       its number on the line; reference: what the caller was told
    due_at     of a second call of the same customer: that of the first (E12)
    promises   of an ENGAGE, and of an ENTITLEMENT where it is not known whether he is entitled
    """

    call: int
    reference: str
    first_ring_at: datetime
    due_at: datetime
    promises: dict[Kind, Promise] = {}


class CalledBack(_Event, frozen=True, kw_only=True):
    """A call of the customer was returned; from here on he is owed updates.

    call   its number on the line, where it came from there; live: it was taken at once, and he wants no other
    """

    placed_at: datetime
    promises: dict[Kind, Promise] = {}
    call: int = 0
    live: bool = False


class CallReached(_Event, frozen=True, kw_only=True):
    """Whoever called was on the line with us. It decides nothing (reading R4)."""

    call: int
    reached_at: datetime


class CallVoided(_Event, frozen=True, kw_only=True):
    """Two people say that a call is not owed back. voided_at: where it became known later."""

    call: int
    people: tuple[str, str]
    reason: str
    voided_at: datetime | None = None


class EntitlementDecided(_Event, frozen=True, kw_only=True):
    """A person decided whether the caller is entitled to the Severity 1 Line (E16)."""

    call: int
    verdict: str
    decided_at: datetime


class Engaged(_Event, frozen=True, kw_only=True):
    """Somebody who was woken has acknowledged. engaged_at: where it became known later."""

    person_id: int
    engaged_at: datetime | None = None


class Restored(_Event, frozen=True, kw_only=True):
    """The service works again; that is watched. It is not resolved."""

    text: str


class CadenceProposed(_Event, frozen=True, kw_only=True):
    """How often one side wants updates. spoken: both sides agreed on a call; nobody need be asked any more."""

    version: int
    cadence: Cadence
    spoken: bool = False


class CadenceAccepted(_Event, frozen=True, kw_only=True):
    """The other side agrees.

    evidence     of a spoken agreement
    call         in our own logs, that the evidence names; '': words of the staff about a call outside of them
    contact_id   who agreed; None: the account, by its key
    entered_by   member of the staff who read it back to him on a call
    """

    version: int
    effective_at: datetime
    evidence: str = ""
    call: str = ""
    contact_id: int | None = None
    entered_by: int = 0


class CadenceBegan(_Event, frozen=True, kw_only=True):
    """An accepted cadence takes effect."""

    version: int


class TamCalled(_Event, frozen=True, kw_only=True):
    """The TAM is asked to look at it (clause B2)."""

    reason: str
    promises: dict[Kind, Promise] = {}


class Proposed(_Event, frozen=True, kw_only=True):
    """One side says in exact words that it is over. The words are what is signed (S1).

    promises   of a CONFIRM, where nothing is mailed because the customer proposes
    """

    version: int
    text: str
    sha256: str
    promises: dict[Kind, Promise] = {}


class Signed(_Event, frozen=True, kw_only=True):
    """One side agrees to these exact words.

    call           of a recorded call: its name in our own logs; '': it is outside of them
    entered_by     member of the staff who entered the customer's consent (S3); 0: he signed himself
    dispute_until  until when he can say that he did not
    """

    version: int
    sha256: str
    by: Side
    person: str
    email: str
    method: Method
    evidence: str = ""
    call: str = ""
    entered_by: int = 0
    dispute_until: datetime | None = None


class Drafted(_Event, frozen=True, kw_only=True):
    """A signature that does not count yet: it must be confirmed by a link that is sent to the signatory."""

    version: int
    contact_id: int
    because: str
    words: str = ""


class Doubted(_Event, frozen=True, kw_only=True):
    """The customer said something under a proposal that is no agreement. The proposal stands, work goes on."""

    version: int
    received_at: datetime
    words: str = ""


class Refused(_Event, frozen=True, kw_only=True):
    """One side does not agree: every signature under the proposal is void (S5)."""

    version: int
    words: str = ""


class Disputed(_Event, frozen=True, kw_only=True):
    """The customer says that he did not agree to what was entered in his name."""

    version: int
    words: str = ""


class Reminded(_Event, frozen=True, kw_only=True):
    """The other side was asked again for its signature."""

    version: int
    number: int


class Resolved(_Event, frozen=True, kw_only=True):
    """Both sides agreed (clauses E6 and F6)."""

    version: int
    sha256: str


class Closed(_Event, frozen=True, kw_only=True):
    """The customer was silent; the TAM ends it, and nobody agreed (R9)."""

    version: int


class Withdrawn(_Event, frozen=True, kw_only=True):
    """The customer takes it back."""

    reason: str = ""


class Merged(_Event, frozen=True, kw_only=True):
    """It is the same as another case, and goes on there.

    critical_at   since when that one is critical: from then on nothing but a status update was owed here either (E8). None: it is
                  not, or something was missed already, which stays so
    """

    into: int
    into_number: int
    critical_at: datetime | None = None


class Absorbed(_Event, frozen=True, kw_only=True):
    """Another case goes on in this one; of the two the earlier begin and the earlier due times survive (E30).

    clocks   of the other case that were due earlier, with all their marks, as JSON of clocks.types.ClockLog
    """

    case: int
    number: int
    opened_at: datetime
    people: tuple[int, ...] = ()
    clocks: tuple[msgspec.Raw, ...] = ()


class ScopeDecided(_Event, frozen=True, kw_only=True):
    """Somebody decided whether it is in the contract; a refusal names clause and route (invariant 14)."""

    verdict: Verdict
    clause: str
    route: str
    text: str
    message: int = 0


class ScopeAcknowledged(_Event, frozen=True, kw_only=True):
    """The customer has taken note."""

    person: str


class Reopened(_Event, frozen=True, kw_only=True):
    """The customer has a word to add after the end."""

    received_at: datetime
    promises: dict[Kind, Promise] = {}


class Reclassified(_Event, frozen=True, kw_only=True):
    """It is of another kind."""

    kind: CaseKind


class VoidAsked(_Event, frozen=True, kw_only=True):
    """One of two people says that a clock should never have run."""

    clock: int
    person_id: int
    reason: str


class ClockVoided(_Event, frozen=True, kw_only=True):
    """Two people say that a clock should never have run."""

    clock: int
    people: tuple[str, str]
    reason: str


class Archived(_Event, frozen=True, kw_only=True):
    """It is over for good."""


Payload = (
    Opened
    | Owned
    | Came
    | Joined
    | Counted
    | Wrote
    | Sent
    | Undelivered
    | Noted
    | Escalated
    | DowngradeProposed
    | Downgraded
    | Called
    | CalledBack
    | CallReached
    | CallVoided
    | EntitlementDecided
    | Engaged
    | Restored
    | CadenceProposed
    | CadenceAccepted
    | CadenceBegan
    | TamCalled
    | Proposed
    | Signed
    | Drafted
    | Doubted
    | Refused
    | Disputed
    | Reminded
    | Resolved
    | Closed
    | Withdrawn
    | Merged
    | Absorbed
    | ScopeDecided
    | ScopeAcknowledged
    | Reopened
    | Reclassified
    | VoidAsked
    | ClockVoided
    | Archived
)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a case, as it is kept: never changed, without a gap, each with the hash of the one before."""

    case_id: int
    seq: int
    at: datetime
    actor: str
    side: Side
    payload: Payload
    prev_hash: bytes
    hash: bytes
