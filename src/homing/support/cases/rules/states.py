"""What may happen to a case now, and what follows (model, section 3.2). Every function answers with events, or says why not.

The caller has gathered the facts (who asks, which promises a new clock would be given); here it is decided.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from homing.support.cases.happened import (
    Absorbed,
    Archived,
    CadenceAccepted,
    CadenceBegan,
    CadenceProposed,
    CalledBack,
    Came,
    ClockVoided,
    Closed,
    Counted,
    Disputed,
    Doubted,
    Downgraded,
    DowngradeProposed,
    Drafted,
    Engaged,
    Escalated,
    Merged,
    Owned,
    Payload,
    Proposed,
    Reclassified,
    Refused,
    Reminded,
    Reopened,
    Resolved,
    Restored,
    ScopeAcknowledged,
    ScopeDecided,
    Signed,
    TamCalled,
    Undelivered,
    VoidAsked,
    Withdrawn,
    Wrote,
)
from homing.support.cases.rules import resolution
from homing.support.cases.rules.resolution import Answer
from homing.support.cases.types import (
    CONFIRM_REMINDERS,
    ENDED,
    LIVE,
    REOPENED_WITHIN_DAYS,
    Actor,
    Case,
    CaseKind,
    Eta,
    Method,
    Purpose,
    Severity,
    Side,
    State,
    Verdict,
    Verified,
)
from homing.support.clocks.rules import cadence as cadences
from homing.support.clocks.rules.cadence import Cadence
from homing.support.clocks.types import Kind, Promise

Promises = Mapping[Kind, Promise]
_WINDOW = timedelta(days=REOPENED_WITHIN_DAYS)
_BLANK = "write what it is about; an empty text is no answer"
CLAUSES = frozenset(
    f"{part}{number}" for part, last in zip("ABCDEF", (2, 8, 5, 2, 6, 6), strict=True) for number in range(1, last + 1)
)


class Bar(StrEnum):
    """Why something cannot be done: so a door knows how to say it."""

    STATE = "state"  # not as the case stands
    WHO = "who"  # not by this person
    WHAT = "what"  # not like this


class No(msgspec.Struct, frozen=True):
    """It is not done; why is a sentence that says what to do."""

    bar: Bar
    why: str


Decision = list[Payload] | No


def _state(why: str) -> No:
    return No(Bar.STATE, why)


def _who(why: str) -> No:
    return No(Bar.WHO, why)


def _what(why: str) -> No:
    return No(Bar.WHAT, why)


def _over(case: Case) -> No | None:
    """Say so where work on a case has ended."""
    if case.state is State.MERGED:
        return _state(f"this case goes on in case {case.merged_into_number}; write there")
    if case.state not in LIVE:
        return _state(f"this case is {case.state}; a word of the customer opens it again")
    return None


# Words ------------------------------------------------------------------------------------------------------------------


def own(case: Case, person_id: int, by: Actor) -> Decision:
    """Somebody takes a case, or gives it to a colleague."""
    if case.state is State.MERGED or case.state is State.ARCHIVED:
        return _over(case) or []
    accepted = by.side is Side.PROVIDER and by.person_id == person_id
    if case.owner_id == person_id and (case.accepted or not accepted):
        return []
    made: list[Payload] = [Owned(person_id=person_id, accepted=accepted)]
    return made


def word(
    case: Case,
    *,
    came: Came,
    words: str,
    at: datetime,
    reopening: Promises,
) -> Decision | State:
    """A word of the customer has come, by whatever way.

    words       his own, without what he quotes
    reopening   promises of an UPDATE, should it open the case again
    returns     ARCHIVED where it is too late for this case: the caller opens a new one that is linked. MERGED: it belongs to
                the case that this one goes on in
    """
    if case.state in (State.MERGED, State.ARCHIVED):
        return case.state
    made: list[Payload] = [came]
    if came.automatic:
        return made if case.state in LIVE or not _too_late(case, at) else State.ARCHIVED
    if case.state in ENDED:
        if _too_late(case, at):
            return State.ARCHIVED
        return [came, Reopened(received_at=came.received_at, promises=dict(reopening))]
    proposal = case.proposal
    if case.state is State.PROPOSED and proposal is not None and proposal.side is Side.PROVIDER:
        made += _under_a_proposal(proposal.version, came, words)
    return made


def _under_a_proposal(version: int, came: Came, words: str) -> list[Payload]:
    """Return what words under a proposal of ours are besides a word. By themselves they are never a signature (S7)."""
    # What anybody could have written in his name lets the work go on, and does nothing else.
    meant = Answer.WORDS if came.verified is Verified.NONE else resolution.meaning(words)
    if meant is Answer.NO:
        return [Refused(version=version, words=words[:500])]
    made: list[Payload] = []
    if meant is not Answer.YES:
        made.append(Doubted(version=version, received_at=came.received_at, words=words[:500]))
    if meant is not Answer.WORDS and came.contact_id is not None:
        because, kept = ("an answer in words", "") if meant is Answer.YES else ("doubt", words[:500])
        made.append(Drafted(version=version, contact_id=came.contact_id, because=because, words=kept))
    return made


def _too_late(case: Case, at: datetime) -> bool:
    return case.ended_at is not None and at > case.ended_at + _WINDOW


def count(case: Case, message: int, received_at: datetime) -> Decision:
    """A person says that an automatic message is an answer after all."""
    if message not in case.automatic:
        return _what("only a message that was taken for an automatic one can be counted as an answer, and once")
    return _over(case) or [Counted(message=message, received_at=received_at)]


def write(
    case: Case,
    *,
    message: int,
    body: str,
    by: Actor,
    tam: bool,
    question: bool = False,
    eta: Eta | None = None,
    update: bool = False,
) -> Decision:
    """Staff writes to the customer: an answer, or a status update. Whoever answers a new case takes it.

    tam      whether he is the TAM of the account, or stands in
    """
    over = _over(case)
    if over is not None:
        return over
    if by.side is not Side.PROVIDER or not by.person_id:
        return _who("answers are written by a person of the staff")
    if not has_words(body):
        return _what(_BLANK)
    if update:
        if case.severity is not Severity.CRITICAL:
            return _state("status updates belong to a critical case; write an answer")
        if eta is None or (eta.at is None) == (not eta.unknown_because.strip()):
            return _what(
                "an update names the expected time of resolution (eta.at), or says why it is unknown (eta.unknown_because)"
            )
    made: list[Payload] = []
    if case.state is State.NEW:
        made.append(Owned(person_id=by.person_id))
    made.append(
        Wrote(
            message=message,
            purpose=Purpose.UPDATE if update else Purpose.ANSWER,
            question=question,
            eta=eta if update else None,
            by_tam=tam,
            sha256=resolution.digest(body),
        )
    )
    return made


def has_words(body: str) -> bool:
    """Return whether a text says anything: three letters or digits outside of quoted lines."""
    own = "".join(line for line in body.splitlines() if not line.lstrip().startswith(">"))
    return sum(sign.isalnum() for sign in own) >= 3


def undelivered(
    case: Case, *, message: int, purpose: Purpose, contact_id: int, reason: str, wholly: bool, question: bool
) -> list[Payload]:
    """A mail did not arrive. What it had met stays met; but who never got a question is not waited for.

    wholly     it arrived with nobody
    question   it asked the customer something, and nothing that he or we said came after it
    """
    opens = wholly and question and case.state is State.WAITING
    return [Undelivered(message=message, purpose=purpose, contact_id=contact_id, reason=reason[:500], opens=opens)]


# Severity and cadence ---------------------------------------------------------------------------------------------------


def escalate(
    case: Case, *, reason: str, by: Actor, by_call: bool, first_ring_at: datetime | None, promises: Promises
) -> Decision:
    """The case becomes critical. The customer's word is enough (R12); staff gives a reason."""
    over = _over(case)
    if over is not None:
        return over
    if case.severity is Severity.CRITICAL:
        # A second call is a call all the same: it has its own call-back, and is noted.
        return [] if not by_call else [Escalated(reason=reason, by_call=True, first_ring_at=first_ring_at)]
    if by.side is Side.PROVIDER and not has_words(reason):
        return _what("say why the case is critical")
    return [Escalated(reason=reason, by_call=by_call, first_ring_at=first_ring_at, promises=dict(promises))]


def step_down(case: Case, *, text: str) -> Decision:
    """One side wants the case to be critical no more."""
    over = _over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL:
        return _state("the case is not critical")
    if not has_words(text):
        return _what("write what both sides are to agree on")
    return [DowngradeProposed(version=case.downgrades + 1, text=text)]


def accept_step_down(case: Case, version: int, *, by: Actor, promises: Promises) -> Decision:
    """The other side agrees."""
    over = _over(case)
    if over is not None:
        return over
    if case.downgrade is None or case.downgrade[0] != version:
        return _state(f"there is no step down {version} to accept")
    if case.downgrade[1] is by.side:
        return _who("the other side accepts; severity falls only with both")
    return [Downgraded(version=version, promises=dict(promises))]


def called_back(case: Case, *, placed_at: datetime, promises: Promises) -> Decision:
    """A call of this case was returned."""
    return _over(case) or [CalledBack(placed_at=placed_at, promises=dict(promises))]


def engage(case: Case, person_id: int) -> Decision:
    """Somebody who was woken has acknowledged."""
    return _over(case) or [Engaged(person_id=person_id)]


def restore(case: Case, text: str) -> Decision:
    """The service works again."""
    over = _over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL or case.restored_at is not None:
        return _state("only a critical case that is not restored yet can be")
    return [Restored(text=text)] if has_words(text) else _what(_BLANK)


def propose_cadence(case: Case, cadence: Cadence) -> Decision:
    """One side says how often it wants updates, or can give them."""
    return _no_cadence(case, cadence) or [CadenceProposed(version=len(case.agreements) + 1, cadence=cadence)]


def _no_cadence(case: Case, cadence: Cadence) -> No | None:
    over = _over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL:
        return _state("a cadence is agreed for a critical case")
    why = cadences.complaint(cadence)
    return _what(why) if why else None


def read_back(
    case: Case,
    cadence: Cadence,
    *,
    by: Actor,
    contact_id: int,
    at: datetime,
    effective_at: datetime | None,
    evidence: str,
    call: str = "",
) -> Decision:
    """Both sides agreed on a call, and our side has read it back: proposal and acceptance at once (model, 4.3.5).

    call   in our own logs, that the evidence names; '': it is outside of them
    """
    why = _no_cadence(case, cadence)
    if why is not None:
        return why
    if by.side is not Side.PROVIDER or not by.person_id:
        return _who("a person of the staff enters what was agreed on a call")
    if not evidence.strip():
        return _what("name the recorded call on which it was read back and agreed (evidence)")
    version = len(case.agreements) + 1
    effective = at if effective_at is None else max(at, effective_at)
    accepted = CadenceAccepted(
        version=version,
        effective_at=effective,
        evidence=evidence,
        call=call,
        contact_id=contact_id,
        entered_by=by.person_id,
    )
    made: list[Payload] = [CadenceProposed(version=version, cadence=cadence, spoken=True), accepted]
    return [*made, CadenceBegan(version=version)] if effective <= at else made


def accept_cadence(
    case: Case, version: int, *, by: Actor, at: datetime, effective_at: datetime | None, evidence: str
) -> Decision:
    """The other side agrees; it takes effect now, or later."""
    over = _over(case)
    if over is not None:
        return over
    found = next((one for one in case.agreements if one.version == version), None)
    if found is None or found.effective_at is not None:
        return _state(f"there is no cadence {version} to accept")
    if found.side is by.side:
        return _who("the other side accepts a cadence")
    effective = at if effective_at is None else max(at, effective_at)
    made: list[Payload] = [
        CadenceAccepted(
            version=version,
            effective_at=effective,
            evidence=evidence,
            contact_id=by.person_id or None if by.side is Side.CUSTOMER else None,
        )
    ]
    return [*made, CadenceBegan(version=version)] if effective <= at else made


def due_cadences(case: Case, now: datetime) -> list[Payload]:
    """Return what begins by itself: an accepted cadence whose time has come, unless a later one began already."""
    began = max((one.version for one in case.agreements if one.began), default=0)
    due = [
        one.version
        for one in case.agreements
        if not one.began and one.effective_at is not None and one.effective_at <= now and one.version > began
    ]
    return [CadenceBegan(version=max(due))] if due and case.live else []


# The end ----------------------------------------------------------------------------------------------------------------


def propose(case: Case, text: str, *, by: Actor, tam: bool, message: int, promises: Promises) -> Decision:
    """One side offers the end in exact words; on our side owner or TAM. Its side signs by proposing (S2).

    message    number that its mail will have; 0: the customer proposes, nothing is mailed
    promises   of a CONFIRM, where the customer proposes
    """
    over = _over(case)
    if over is not None:
        return over
    if case.state is State.NEW:
        return _state("somebody must take the case before it can be resolved")
    if not has_words(text) or len(text) > resolution.LONGEST_TEXT:
        return _what(f"write what both sides are to agree on, in at most {resolution.LONGEST_TEXT} characters")
    version = len(case.proposals) + 1
    sha256 = resolution.digest(text)
    ours = by.side is Side.PROVIDER
    made: list[Payload] = [Proposed(version=version, text=text, sha256=sha256, promises={} if ours else dict(promises))]
    if ours:
        if not (tam or by.person_id == case.owner_id):
            return _who("the owner of the case or the TAM proposes its resolution")
        made.append(
            Signed(version=version, sha256=sha256, by=Side.PROVIDER, person=by.name, email=by.email, method=Method.PORTAL)
        )
        made.append(Wrote(message=message, purpose=Purpose.PROPOSAL, by_tam=tam, version=version, sha256=sha256))
    elif by.person_id:
        made.append(Drafted(version=version, contact_id=by.person_id, because="proposed by api"))
    return made


def sign(
    case: Case,
    version: int,
    *,
    by: Actor,
    method: Method,
    evidence: str,
    may: str,
    at: datetime,
    words: str = "",
    call: str = "",
    entered_by: int = 0,
    dispute_until: datetime | None = None,
) -> Decision:
    """One side agrees. Where words contradict it, it is a draft until confirmed (S6).

    call  of a recorded call: its name in our own logs; '': it is outside of them
    may   why this person may not sign for his side at all, in a sentence; '' where he may (S4)
    """
    over = _over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return _state("this proposal was refused, or a newer one took its place")
    why = may or resolution.may_sign(proposal, case.signatures, side=by.side, email=by.email)
    if why:
        return _who(why)
    if by.side is Side.CUSTOMER and words and resolution.contradicts(words):
        made: list[Payload] = []
        if case.state is State.PROPOSED:
            made.append(Doubted(version=version, received_at=at, words=words[:500]))
        return [*made, Drafted(version=version, contact_id=by.person_id, because="doubt", words=words[:500])]
    signed = Signed(
        version=version,
        sha256=proposal.sha256,
        by=by.side,
        person=by.name,
        email=by.email,
        method=method,
        evidence=evidence,
        call=call,
        entered_by=entered_by,
        dispute_until=dispute_until,
    )
    if resolution.is_agreed(proposal, [*case.signatures, resolution.signature(signed, at)]):
        return [signed, Resolved(version=version, sha256=proposal.sha256)]
    return [signed]


def draft(case: Case, version: int, *, contact_id: int, may: str, because: str, at: datetime, words: str = "") -> Decision:
    """The customer agrees by a way that proves the account and not the person: he confirms by a link that he is sent (S7)."""
    over = _over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return _state("this proposal was refused, or a newer one took its place")
    if may:
        return _who(may)
    made: list[Payload] = []
    if resolution.contradicts(words) and case.state is State.PROPOSED:
        made.append(Doubted(version=version, received_at=at, words=words[:500]))
    return [*made, Drafted(version=version, contact_id=contact_id, because=because, words=words[:500])]


def refuse(case: Case, version: int, *, by: Actor, words: str) -> Decision:
    """One side does not agree to a proposal of the other."""
    over = _over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return _state("this proposal was refused, or a newer one took its place")
    return [Refused(version=version, words=words[:2000])]


def dispute(case: Case, version: int, *, words: str, at: datetime, reopening: Promises) -> Decision:
    """The customer says that he did not agree to what staff entered in his name (S3)."""
    entered = next((one for one in reversed(case.signatures) if one.version == version and one.entered_by and not one.void), None)
    if entered is None:
        return _state("no agreement was entered in your name")
    if entered.dispute_until is not None and at > entered.dispute_until:
        return _state("the time to dispute it has passed; any word from you opens the case again")
    made: list[Payload] = [Disputed(version=version, words=words[:2000])]
    if not case.live:
        made.append(Reopened(received_at=at, promises=dict(reopening)))
    return made


def remind(case: Case) -> Decision:
    """Ask the other side once more."""
    proposal = case.proposal
    if case.state is not State.PROPOSED or proposal is None:
        return _state("no proposal waits for an answer")
    if proposal.reminders >= CONFIRM_REMINDERS:
        return _state("it was asked three times already")
    return [Reminded(version=proposal.version, number=proposal.reminders + 1)]


def close_unconfirmed(case: Case, *, by: Actor, tam: bool, exhausted: bool) -> Decision:
    """End a case on silence: only the TAM, and only when every reminder was in vain. Nobody has agreed (R9).

    exhausted   whether ten business days have passed since the proposal was sent
    """
    over = _over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if case.state is not State.PROPOSED or proposal is None or proposal.side is not Side.PROVIDER:
        return _state("only a proposal of ours that nobody answers can be closed unconfirmed")
    if not tam or by.side is not Side.PROVIDER:
        return _who("the TAM of the account, or who stands in, confirms that a case is closed without an answer")
    if proposal.reminders < CONFIRM_REMINDERS or not exhausted:
        return _state("three reminders over ten business days come first")
    return [Closed(version=proposal.version)]


def withdraw(case: Case, *, by: Actor, reason: str) -> Decision:
    """The customer takes it back."""
    if by.side is not Side.CUSTOMER:
        return _who("only the customer withdraws a case")
    return _over(case) or [Withdrawn(reason=reason[:2000])]


def decide_scope(case: Case, *, verdict: Verdict, clause: str, route: str, text: str, by: Actor, message: int) -> Decision:
    """Say whether a case is in the contract. A refusal has a clause and a route, and deletes nothing (invariant 14)."""
    over = _over(case)
    if over is not None:
        return over
    if by.side is not Side.PROVIDER or not by.person_id:
        return _who("a person of the staff decides what is in scope")
    if clause not in CLAUSES:
        return _what("name the clause of the contract that decides it, for example B4 or C4")
    if verdict is not Verdict.IN and not (has_words(route) and has_words(text)):
        return _what("say why (text), and offer another way (route)")
    made: list[Payload] = []
    if case.state is State.NEW:
        made.append(Owned(person_id=by.person_id))
    said = verdict is not Verdict.IN
    made.append(ScopeDecided(verdict=verdict, clause=clause, route=route, text=text, message=message if said else 0))
    if said:
        made.append(Wrote(message=message, purpose=Purpose.SCOPE, sha256=resolution.digest(text)))
    return made


def acknowledge_scope(case: Case, *, by: Actor) -> Decision:
    """The customer has taken note of a refusal."""
    if case.scope is None or case.scope.verdict is Verdict.IN:
        return _state("nothing was put out of scope")
    if by.side is not Side.CUSTOMER:
        return _who("the customer acknowledges it")
    return [] if case.scope.acknowledged_at is not None else [ScopeAcknowledged(person=by.name)]


def call_tam(case: Case, *, reason: str, promises: Promises) -> Decision:
    """Ask the TAM to look at it."""
    over = _over(case)
    if over is not None:
        return over
    return [TamCalled(reason=reason[:2000], promises=dict(promises))] if has_words(reason) else _what("say why")


def merge(case: Case, other: Case, clocks: Sequence[msgspec.Raw]) -> tuple[list[Payload], list[Payload]] | No:
    """Let a duplicate go on in another case of the same account.

    clocks    of the duplicate that are due earlier, or that the other lacks
    returns   events of the duplicate, events of the other
    """
    if case.case_id == other.case_id or case.account_id != other.account_id:
        return _what("a case is merged into another one of the same account")
    over = _over(case) or _over(other)
    if over is not None:
        return over
    if case.severity is Severity.CRITICAL and other.severity is not Severity.CRITICAL:
        return _state("a critical case is not merged into one that is not; do it the other way round")
    return (
        [Merged(into=other.case_id, into_number=other.number)],
        [Absorbed(case=case.case_id, number=case.number, opened_at=case.opened_at, people=case.people, clocks=tuple(clocks))],
    )


def reclassify(case: Case, kind: CaseKind) -> Decision:
    """Say of what kind it is after all."""
    over = _over(case)
    if over is not None:
        return over
    return [] if kind is case.kind else [Reclassified(kind=kind)]


def void_clock(case: Case, clock: int, *, by: Actor, reason: str) -> Decision:
    """Say that a clock should never have run; the second person who says so makes it void."""
    if by.side is not Side.PROVIDER or not by.person_id:
        return _who("two people of the staff make a clock void")
    if not has_words(reason):
        return _what("say why: a duplicate, a test, spam")
    asked = next((one for one in case.voids if one[0] == clock), None)
    if asked is None:
        return [VoidAsked(clock=clock, person_id=by.person_id, reason=reason[:500])]
    if asked[1] == by.person_id:
        return _who("another person has to say so too")
    return [ClockVoided(clock=clock, people=(f"staff {asked[1]}", by.name), reason=asked[2])]


def archive(case: Case, now: datetime) -> Decision:
    """Put away what ended long enough ago."""
    if case.state in ENDED and _too_late(case, now):
        return [Archived()]
    return _state("it has not ended, or not long ago enough")
