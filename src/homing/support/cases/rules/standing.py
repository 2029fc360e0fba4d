"""What a case is: in the contract or not, of which kind, part of another one, with clocks that count or do not."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from homing.support.cases.happened import (
    Absorbed,
    ClockVoided,
    Joined,
    Merged,
    Owned,
    Payload,
    Reclassified,
    ScopeAcknowledged,
    ScopeDecided,
    TamCalled,
    VoidAsked,
    Wrote,
)
from homing.support.cases.rules import resolution
from homing.support.cases.rules.decision import Decision, No, Promises, has_words, not_by_them, not_like_this, not_now, why_over
from homing.support.cases.types import Actor, Case, CaseKind, Purpose, Severity, Side, State, Verdict

CLAUSES = frozenset(
    f"{part}{number}" for part, last in zip("ABCDEF", (2, 8, 5, 2, 6, 6), strict=True) for number in range(1, last + 1)
)


def decide_scope(case: Case, *, verdict: Verdict, clause: str, route: str, text: str, by: Actor, message: int) -> Decision:
    """Say whether a case is in the contract. A refusal has a clause and a route, and deletes nothing (invariant 14)."""
    over = why_over(case)
    if over is not None:
        return over
    if by.side is not Side.PROVIDER or not by.person_id:
        return not_by_them("a person of the staff decides what is in scope")
    if clause not in CLAUSES:
        return not_like_this("name the clause of the contract that decides it, for example B4 or C4")
    if verdict is not Verdict.IN and not (has_words(route) and has_words(text)):
        return not_like_this("say why (text), and offer another way (route)")
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
        return not_now("nothing was put out of scope")
    if by.side is not Side.CUSTOMER:
        return not_by_them("the customer acknowledges it")
    return [] if case.scope.acknowledged_at is not None else [ScopeAcknowledged(person=by.name)]


def call_tam(case: Case, *, reason: str, promises: Promises) -> Decision:
    """Ask the TAM to look at it."""
    over = why_over(case)
    if over is not None:
        return over
    return [TamCalled(reason=reason[:2000], promises=dict(promises))] if has_words(reason) else not_like_this("say why")


def merge(
    case: Case, other: Case, clocks: Sequence[msgspec.Raw], *, critical_at: datetime | None = None
) -> tuple[list[Payload], list[Payload]] | No:
    """Let a duplicate go on in another case of the same account.

    clocks        of the duplicate that are due earlier, or that the other lacks
    critical_at   see happened.Merged
    returns       events of the duplicate, events of the other
    """
    if case.case_id == other.case_id or case.account_id != other.account_id:
        return not_like_this("a case is merged into another one of the same account")
    over = why_over(case) or why_over(other)
    if over is not None:
        return over
    if case.severity is Severity.CRITICAL and other.severity is not Severity.CRITICAL:
        return not_now(
            "a critical case is not merged into one that is not; do it the other way round, or name the call that it came by "
            "when you make the other one critical"
        )
    return (
        [Merged(into=other.case_id, into_number=other.number, critical_at=critical_at)],
        [Absorbed(case=case.case_id, number=case.number, opened_at=case.opened_at, people=case.people, clocks=tuple(clocks))],
    )


def join(case: Case, contact_id: int) -> Decision:
    """Let a contact of the account be written to."""
    over = why_over(case)
    if over is not None:
        return over
    return [] if contact_id in case.people else [Joined(contact_id=contact_id)]


def reclassify(case: Case, kind: CaseKind) -> Decision:
    """Say of what kind it is after all."""
    over = why_over(case)
    if over is not None:
        return over
    return [] if kind is case.kind else [Reclassified(kind=kind)]


def void_clock(case: Case, clock: int, *, by: Actor, reason: str) -> Decision:
    """Say that a clock should never have run; the second person who says so makes it void."""
    if by.side is not Side.PROVIDER or not by.person_id:
        return not_by_them("two people of the staff make a clock void")
    if not has_words(reason):
        return not_like_this("say why: a duplicate, a test, spam")
    asked = next((one for one in case.voids if one[0] == clock), None)
    if asked is None:
        return [VoidAsked(clock=clock, person_id=by.person_id, reason=reason[:500])]
    if asked[1] == by.person_id:
        return not_by_them("another person has to say so too")
    return [ClockVoided(clock=clock, people=(f"staff {asked[1]}", by.name), reason=asked[2])]
