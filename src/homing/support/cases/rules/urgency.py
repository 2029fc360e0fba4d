"""How urgent a case is, and how often its customer hears of it: one word makes it critical, all else takes both sides."""

from datetime import datetime

from homing.support.cases.happened import (
    CadenceAccepted,
    CadenceBegan,
    CadenceProposed,
    CalledBack,
    Downgraded,
    DowngradeProposed,
    Engaged,
    Escalated,
    Payload,
    Restored,
)
from homing.support.cases.rules import resolution
from homing.support.cases.rules.decision import (
    BLANK,
    Decision,
    No,
    Promises,
    has_words,
    not_by_them,
    not_like_this,
    not_now,
    why_over,
)
from homing.support.cases.types import Actor, Case, Severity, Side
from homing.support.clocks.rules import cadence as cadences
from homing.support.clocks.rules.cadence import Cadence


def escalate(
    case: Case,
    *,
    reason: str,
    by: Actor,
    by_call: bool,
    first_ring_at: datetime | None,
    promises: Promises,
    late: bool = False,
) -> Decision:
    """The case becomes critical. The customer's word is enough (R12); staff gives a reason. late: see Escalated."""
    over = why_over(case)
    if over is not None:
        return over
    if case.severity is Severity.CRITICAL:
        # A second call is a call all the same: it has its own call-back, and is noted.
        return [] if not by_call else [Escalated(reason=reason, by_call=True, first_ring_at=first_ring_at)]
    if by.side is Side.PROVIDER and not has_words(reason):
        return not_like_this("say why the case is critical")
    taken_back = resolution.takes_back(case, reason) if by.side is Side.CUSTOMER else []
    return [
        *taken_back,
        Escalated(reason=reason, by_call=by_call, first_ring_at=first_ring_at, late=late, promises=dict(promises)),
    ]


def step_down(case: Case, *, text: str) -> Decision:
    """One side wants the case to be critical no more."""
    over = why_over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL:
        return not_now("the case is not critical")
    if not has_words(text):
        return not_like_this("write what both sides are to agree on")
    return [DowngradeProposed(version=case.downgrades + 1, text=text)]


def accept_step_down(case: Case, version: int, *, by: Actor, promises: Promises) -> Decision:
    """The other side agrees."""
    over = why_over(case)
    if over is not None:
        return over
    if case.downgrade is None or case.downgrade[0] != version:
        return not_now(f"there is no step down {version} to accept")
    if case.downgrade[1] is by.side:
        return not_by_them("the other side accepts; severity falls only with both")
    return [Downgraded(version=version, promises=dict(promises))]


def called_back(case: Case, *, placed_at: datetime, promises: Promises) -> Decision:
    """A call of this case was returned."""
    return why_over(case) or [CalledBack(placed_at=placed_at, promises=dict(promises))]


def engage(case: Case, person_id: int) -> Decision:
    """Somebody who was woken has acknowledged."""
    return why_over(case) or [Engaged(person_id=person_id)]


def restore(case: Case, text: str) -> Decision:
    """The service works again."""
    over = why_over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL or case.restored_at is not None:
        return not_now("only a critical case that is not restored yet can be")
    return [Restored(text=text)] if has_words(text) else not_like_this(BLANK)


def propose_cadence(case: Case, cadence: Cadence) -> Decision:
    """One side says how often it wants updates, or can give them."""
    return _no_cadence(case, cadence) or [CadenceProposed(version=len(case.agreements) + 1, cadence=cadence)]


def _no_cadence(case: Case, cadence: Cadence) -> No | None:
    over = why_over(case)
    if over is not None:
        return over
    if case.severity is not Severity.CRITICAL:
        return not_now("a cadence is agreed for a critical case")
    why = cadences.complaint(cadence)
    return not_like_this(why) if why else None


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
        return not_by_them("a person of the staff enters what was agreed on a call")
    if not evidence.strip():
        return not_like_this("name the recorded call on which it was read back and agreed (evidence)")
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
    over = why_over(case)
    if over is not None:
        return over
    found = next((one for one in case.agreements if one.version == version), None)
    if found is None or found.effective_at is not None:
        return not_now(f"there is no cadence {version} to accept")
    if found.side is by.side:
        return not_by_them("the other side accepts a cadence")
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


def carried(case: Case, other: Case, *, at: datetime) -> list[Payload]:
    """Return the cadence in force that a critical case brings along where it goes on: what both sides agreed is not lost."""
    mine = [one for one in case.agreements if one.began and case.severity is Severity.CRITICAL]
    if not mine or any(one.began for one in other.agreements):
        return []
    version = len(other.agreements) + 1
    evidence = f"as agreed in case {case.number}"
    return [
        CadenceProposed(version=version, cadence=mine[-1].cadence, spoken=True),
        CadenceAccepted(version=version, effective_at=at, evidence=evidence),
        CadenceBegan(version=version),
    ]


def due_cadences(case: Case, now: datetime) -> list[Payload]:
    """Return what begins by itself: an accepted cadence whose time has come, unless a later one began already."""
    began = max((one.version for one in case.agreements if one.began), default=0)
    due = [
        one.version
        for one in case.agreements
        if not one.began and one.effective_at is not None and one.effective_at <= now and one.version > began
    ]
    return [CadenceBegan(version=max(due))] if due and case.live else []
