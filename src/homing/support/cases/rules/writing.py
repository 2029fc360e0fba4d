"""Words of both sides: who has a case, what a word of the customer means, and what staff writes.

The caller has gathered the facts; here it is decided, in events.
"""

from datetime import datetime

from homing.support.cases.happened import Came, Counted, Doubted, Drafted, Owned, Payload, Refused, Reopened, Undelivered, Wrote
from homing.support.cases.rules import resolution
from homing.support.cases.rules.decision import (
    BLANK,
    Decision,
    Promises,
    has_words,
    not_by_them,
    not_like_this,
    not_now,
    too_late,
    why_over,
)
from homing.support.cases.rules.resolution import Answer
from homing.support.cases.types import ENDED, LIVE, Actor, Case, Eta, Purpose, Severity, Side, State, Verified


def own(case: Case, person_id: int, by: Actor) -> Decision:
    """Somebody takes a case, or gives it to a colleague."""
    if case.state is State.MERGED or case.state is State.ARCHIVED:
        return why_over(case) or []
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
        return made if case.state in LIVE or not too_late(case, at) else State.ARCHIVED
    if case.state in ENDED:
        if too_late(case, at):
            return State.ARCHIVED
        return [came, *resolution.takes_back(case, words), Reopened(received_at=came.received_at, promises=dict(reopening))]
    proposal = case.proposal
    if case.state is State.PROPOSED and proposal is not None and proposal.side is Side.PROVIDER:
        made += _under_a_proposal(proposal.version, came, words)
    elif case.state is not State.PROPOSED or resolution.meaning(words) is not Answer.YES:
        made += resolution.takes_back(case, words)
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


def count(case: Case, message: int, received_at: datetime) -> Decision:
    """A person says that an automatic message is an answer after all."""
    if message not in case.automatic:
        return not_like_this("only a message that was taken for an automatic one can be counted as an answer, and once")
    return why_over(case) or [Counted(message=message, received_at=received_at), *resolution.takes_back(case, "")]


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
    over = why_over(case)
    if over is not None:
        return over
    if by.side is not Side.PROVIDER or not by.person_id:
        return not_by_them("answers are written by a person of the staff")
    if not has_words(body):
        return not_like_this(BLANK)
    if update:
        if case.severity is not Severity.CRITICAL:
            return not_now("status updates belong to a critical case; write an answer")
        if eta is None or (eta.at is None) == (not eta.unknown_because.strip()):
            return not_like_this(
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


def undelivered(
    case: Case, *, message: int, purpose: Purpose, contact_id: int, reason: str, wholly: bool, question: bool
) -> list[Payload]:
    """A mail did not arrive. What it had met stays met; but who never got a question is not waited for.

    wholly     it arrived with nobody
    question   it asked the customer something, and nothing that he or we said came after it
    """
    opens = wholly and question and case.state is State.WAITING
    return [Undelivered(message=message, purpose=purpose, contact_id=contact_id, reason=reason[:500], opens=opens)]
