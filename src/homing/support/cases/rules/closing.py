"""The end of a case: proposed, signed by both sides, refused, disputed, withdrawn; and what silence does (model, section 3.2)."""

from datetime import datetime

from homing.support.cases.happened import (
    Archived,
    Closed,
    Disputed,
    Doubted,
    Drafted,
    Payload,
    Proposed,
    Refused,
    Reminded,
    Reopened,
    Resolved,
    Signed,
    Withdrawn,
    Wrote,
)
from homing.support.cases.rules import resolution
from homing.support.cases.rules.decision import (
    Decision,
    Promises,
    has_words,
    not_by_them,
    not_like_this,
    not_now,
    too_late,
    why_over,
)
from homing.support.cases.types import CONFIRM_REMINDERS, ENDED, Actor, Case, Method, Purpose, Side, State


def propose(case: Case, text: str, *, by: Actor, tam: bool, message: int, promises: Promises) -> Decision:
    """One side offers the end in exact words; on our side owner or TAM. Its side signs by proposing (S2).

    message    number that its mail will have; 0: the customer proposes, nothing is mailed
    promises   of a CONFIRM, where the customer proposes
    """
    over = why_over(case)
    if over is not None:
        return over
    if case.state is State.NEW:
        return not_now("somebody must take the case before it can be resolved")
    if not has_words(text) or len(text) > resolution.LONGEST_TEXT:
        return not_like_this(f"write what both sides are to agree on, in at most {resolution.LONGEST_TEXT} characters")
    version = len(case.proposals) + 1
    sha256 = resolution.digest(text)
    ours = by.side is Side.PROVIDER
    made: list[Payload] = [Proposed(version=version, text=text, sha256=sha256, promises={} if ours else dict(promises))]
    if ours:
        if not (tam or by.person_id == case.owner_id):
            return not_by_them("the owner of the case or the TAM proposes its resolution")
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
    over = why_over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return not_now("this proposal was refused, or a newer one took its place")
    why = may or resolution.may_sign(proposal, case.signatures, side=by.side, email=by.email)
    if why:
        return not_by_them(why)
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
    over = why_over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return not_now("this proposal was refused, or a newer one took its place")
    if may:
        return not_by_them(may)
    made: list[Payload] = []
    if resolution.contradicts(words) and case.state is State.PROPOSED:
        made.append(Doubted(version=version, received_at=at, words=words[:500]))
    return [*made, Drafted(version=version, contact_id=contact_id, because=because, words=words[:500])]


def refuse(case: Case, version: int, *, by: Actor, words: str) -> Decision:
    """One side does not agree to a proposal of the other."""
    over = why_over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if proposal is None or proposal.version != version:
        return not_now("this proposal was refused, or a newer one took its place")
    return [Refused(version=version, words=words[:2000])]


def dispute(case: Case, version: int, *, words: str, at: datetime, reopening: Promises) -> Decision:
    """The customer says that he did not agree to what staff entered in his name (S3)."""
    entered = next((one for one in reversed(case.signatures) if one.version == version and one.entered_by and not one.void), None)
    if entered is None:
        return not_now("no agreement was entered in your name")
    if entered.dispute_until is not None and at > entered.dispute_until:
        return not_now("the time to dispute it has passed; any word from you opens the case again")
    made: list[Payload] = [Disputed(version=version, words=words[:2000])]
    if not case.live:
        made.append(Reopened(received_at=at, promises=dict(reopening)))
    return made


def remind(case: Case) -> Decision:
    """Ask the other side once more."""
    proposal = case.proposal
    if case.state is not State.PROPOSED or proposal is None:
        return not_now("no proposal waits for an answer")
    if proposal.reminders >= CONFIRM_REMINDERS:
        return not_now("it was asked three times already")
    return [Reminded(version=proposal.version, number=proposal.reminders + 1)]


def close_unconfirmed(case: Case, *, by: Actor, tam: bool, exhausted: bool) -> Decision:
    """End a case on silence: only the TAM, and only when every reminder was in vain. Nobody has agreed (R9).

    exhausted   whether ten business days have passed since the proposal was sent
    """
    over = why_over(case)
    if over is not None:
        return over
    proposal = case.proposal
    if case.state is not State.PROPOSED or proposal is None or proposal.side is not Side.PROVIDER:
        return not_now("only a proposal of ours that nobody answers can be closed unconfirmed")
    if not tam or by.side is not Side.PROVIDER:
        return not_by_them("the TAM of the account, or who stands in, confirms that a case is closed without an answer")
    if proposal.reminders < CONFIRM_REMINDERS or not exhausted:
        return not_now("three reminders over ten business days come first")
    return [Closed(version=proposal.version)]


def withdraw(case: Case, *, by: Actor, reason: str) -> Decision:
    """The customer takes it back."""
    if by.side is not Side.CUSTOMER:
        return not_by_them("only the customer withdraws a case")
    return why_over(case) or [Withdrawn(reason=reason[:2000])]


def archive(case: Case, now: datetime) -> Decision:
    """Put away what ended long enough ago."""
    if case.state in ENDED and too_late(case, now):
        return [Archived()]
    return not_now("it has not ended, or not long ago enough")
