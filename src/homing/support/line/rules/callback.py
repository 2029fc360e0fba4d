"""The call-back (model, sections 3.6 and 4.3; clause F4): what is owed, who has claimed it, which attempt counts.

Everything is judged by instants of the database server. An event at exactly the due instant is in time.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from homing.contracts.types import Contact, ContactRole
from homing.support.line.types import Attempt, AttemptStatus, Call, CallStatus, Entitlement, Obligation, Outcome

PROMISE = timedelta(minutes=15)  # from the first ring, on the wall clock (readings R3 and R4)
CLAIM = timedelta(minutes=3)  # a claim without an attempt ends then (invariant 9)
PROOF_WITHIN = timedelta(seconds=10)  # from the carrier's acceptance to the first ringing
LOOKS = 3  # so often a carrier is asked about an attempt of which nobody told that it rings
LOOK_WAITS = timedelta(seconds=10)
BALANCE = timedelta(seconds=5)  # so long before it is due what is begun may end after it
CONVERSATION = timedelta(hours=4)  # that was begun live; carriers end a call by then
REFUSES_FOR = timedelta(minutes=10)  # a carrier that did not take a call is asked after the others
DECIDE = timedelta(minutes=60)  # on an unknown caller (E16)
RETRIES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))  # after the first attempt (E14)
_PROOFS = frozenset({CallStatus.RINGING, CallStatus.ANSWERED, CallStatus.COMPLETED, CallStatus.NO_ANSWER})


def due_at(first_ring_at: datetime) -> datetime:
    """Return when a call must have been returned. No calendar has a say in it."""
    return first_ring_at + PROMISE


def linked_due(own: datetime, earlier: Iterable[datetime]) -> datetime:
    """Return when it is due if the same customer is waiting already: the earlier promise stands (E12)."""
    return min([own, *earlier])


def is_proof(status: CallStatus) -> bool:
    """Return whether an event shows that the customer's telephone rang. Busy and failed do not (E15)."""
    return status in _PROOFS


def placed_at(*, accepted_at: datetime | None, evidence_at: datetime | None) -> datetime | None:
    """Return when an attempt counts as placed; None: it does not (yet).

    accepted_at  the carrier took the customer's leg (HTTP 201); None: its answer was lost
    evidence_at  the first event that shows ringing came in; it may come before the carrier's answer does
    """
    if evidence_at is None:
        return None
    if accepted_at is None or evidence_at < accepted_at:
        return evidence_at  # who rings has been accepted, whatever became of the answer
    return accepted_at if evidence_at - accepted_at <= PROOF_WITHIN else None


def is_not_set_up(*, accepted_at: datetime | None, evidence_at: datetime | None, now: datetime) -> bool:
    """Return whether an attempt's time to prove itself is over."""
    return evidence_at is None and accepted_at is not None and now - accepted_at > PROOF_WITHIN


def judged(due: datetime, placed: Sequence[datetime], *, pending: bool, now: datetime) -> Outcome | None:
    """Return what became of a call-back; None: that is open.

    placed   when attempts of it were placed, or somebody took the call and the customer wanted no other
    pending  an attempt that was accepted in time may still prove itself: not every event has been heard, or asked for
    """
    if any(one <= due for one in placed):
        return Outcome.MET
    if now <= due or pending:
        return None
    return Outcome.MISSED


def in_the_balance(outcome: Outcome | None, *, due: datetime, now: datetime) -> bool:
    """Return whether a call-back is due about now and not judged yet: an attempt that was in time may still be proven."""
    return outcome is None and now > due - BALANCE


def may_claim(*, claimed_by: int | None, claim_until: datetime | None, person_id: int, now: datetime) -> bool:
    """Return whether somebody may claim a call-back: nobody else has it, or his claim is over."""
    if claimed_by is None or claimed_by == person_id:
        return True
    return claim_until is not None and claim_until <= now


def talks(owed: Obligation, person_id: int | None, now: datetime) -> bool:
    """Return whether somebody talks with a caller whose call he took live: his claim is for longer than any other."""
    return (
        person_id is not None and owed.claimed_by == person_id and owed.claim_until is not None and owed.claim_until > now + CLAIM
    )


def may_yet_be_engaged(call: Call, owed: Obligation, now: datetime) -> bool:
    """Return whether whoever took a call live, in time, may still say that no call-back is needed: they talk, or just have."""
    if call.accepted_by is None or call.accepted_at is None or call.accepted_at > owed.due_at:
        return False
    return owed.claimed_by == call.accepted_by and owed.claim_until is not None and owed.claim_until > now


def next_try(first_placed_at: datetime, tries: int, *, last_at: datetime, cadence: timedelta) -> datetime:
    """Return when to try again to reach somebody who was called `tries` times and not reached (E14)."""
    if tries <= len(RETRIES):
        return max(first_placed_at + RETRIES[tries - 1], last_at)
    return last_at + cadence


def numbers_to_try(
    *, given: str, caller: str, contact: Contact | None, contacts: Sequence[Contact], tried: Iterable[str] = ()
) -> list[str]:
    """Return the numbers to call, best first (E13, E15); those that were busy or wrong come last.

    given     what the caller asked us to call
    contact   who he is, where that is known
    contacts  of the account, oldest first
    """
    found = [given, caller]
    if contact is not None:
        found += [phone.number for phone in contact.phones if phone.verified_at is not None]
    first = next((one for one in contacts if one.role is ContactRole.AUTHORISED and one.phones), None)
    if first is not None:
        found += [phone.number for phone in first.phones]
    last = set(tried)
    numbers = [number for number in dict.fromkeys(found) if number]
    return sorted(numbers, key=lambda number: number in last)


def known_by(number: str, contacts: Iterable[Contact]) -> Contact | None:
    """Return whose a number is: of the contacts who have it verified, where all of them are of one account."""
    found = [one for one in contacts if any(phone.number == number and phone.verified_at is not None for phone in one.phones)]
    return found[0] if found and len({one.account_id for one in found}) == 1 else None


def carriers_to_try(names: Sequence[str], tries: Iterable[Attempt], *, usual: str, wanted: str = "", now: datetime) -> list[str]:
    """Return the carriers to call back by, best first; those that did not take a call of this call-back just now come last.

    names    as the settings have them
    usual    the carrier of the number that the customer called: he knows it
    wanted   the one that the representative chose; '': none
    """
    down = {one.carrier for one in tries if _was_refused(one) and now - one.created_at <= REFUSES_FOR}
    known = {name: name in names for name in (wanted, usual)}
    order = dict.fromkeys([*(name for name, there in known.items() if there), *names])
    return sorted(order, key=lambda name: name in down and name != wanted)


def refused_at(tries: Iterable[Attempt], number: str, now: datetime) -> set[str]:
    """Return the carriers that did not take the customer's leg to a number just now."""
    return {
        one.carrier
        for one in tries
        if one.number == number
        and one.status is AttemptStatus.FAILED
        and _was_refused(one)
        and now - one.created_at <= REFUSES_FOR
    }


def _was_refused(one: Attempt) -> bool:
    """Return whether a carrier did not take a leg: the representative's, or the customer's, or that never rang."""
    if one.status is AttemptStatus.REP_LOST:
        return not one.rep_call_id
    if one.status is AttemptStatus.FAILED:
        return one.accepted_at is None
    return one.status is AttemptStatus.NOT_SET_UP


def progress(status: AttemptStatus, event: CallStatus, *, machine: str) -> AttemptStatus:
    """Return how far an attempt has come after an event on the customer's leg. It never goes back."""
    match event:
        case CallStatus.RINGING if status in (AttemptStatus.PLACING, AttemptStatus.SET_UP, AttemptStatus.NOT_SET_UP):
            return AttemptStatus.RINGING
        case CallStatus.ANSWERED:
            if status is AttemptStatus.MACHINE:
                return status
            return AttemptStatus.MACHINE if machine.startswith(("machine", "fax")) else AttemptStatus.HUMAN
        case CallStatus.BUSY:
            return AttemptStatus.BUSY
        case CallStatus.NO_ANSWER | CallStatus.CANCELED:
            return AttemptStatus.NO_ANSWER
        case CallStatus.FAILED:
            return AttemptStatus.FAILED
        case CallStatus.COMPLETED if status in (AttemptStatus.PLACING, AttemptStatus.SET_UP, AttemptStatus.RINGING):
            return AttemptStatus.HUMAN
        case _:
            return status


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One call-back, as it is counted."""

    outcome: Outcome | None
    entitlement: Entitlement
    voided: bool = False


class Attainment(msgspec.Struct, frozen=True, kw_only=True):
    """How the promise was kept. Callers without entitlement stand apart (E16); what is void is in neither.

    undecided_missed   of those undecided, how many were not returned in time
    """

    met: int = 0
    missed: int = 0
    not_entitled: int = 0
    undecided: int = 0
    undecided_missed: int = 0
    void: int = 0


def attainment(rows: Iterable[Counted]) -> Attainment:
    """Return the count of call-backs."""
    counts = dict.fromkeys(("met", "missed", "not_entitled", "undecided", "undecided_missed", "void"), 0)
    for row in rows:
        if row.voided or row.outcome is Outcome.VOID:
            counts["void"] += 1
        elif row.entitlement is Entitlement.NO:
            counts["not_entitled"] += 1
        elif row.entitlement is Entitlement.UNKNOWN:
            counts["undecided"] += 1
            counts["undecided_missed"] += row.outcome is Outcome.MISSED
        elif row.outcome is not None:
            counts[row.outcome.value] += 1
    return Attainment(**counts)
