"""Which mail a step owes to whom. Receipts and notices are written by the platform; what a person wrote goes to everybody in
the case.
"""

from enum import StrEnum

import msgspec

from homing.support.cases.happened import (
    CadenceAccepted,
    CadenceProposed,
    Came,
    Closed,
    Disputed,
    Doubted,
    Downgraded,
    DowngradeProposed,
    Drafted,
    Escalated,
    Event,
    Opened,
    Owned,
    Proposed,
    Refused,
    Reminded,
    Reopened,
    Resolved,
    Signed,
    TamCalled,
    Undelivered,
    Withdrawn,
    Wrote,
)
from homing.support.cases.types import FROM_A_PERSON, Case, Purpose, Side, Source


class Who(StrEnum):
    """Who is written to."""

    PEOPLE = "people"  # every contact in the case
    CONTACT = "contact"  # one of them
    OWNER = "owner"
    TAM = "tam"  # or who stands in


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """One mail, to one or several."""

    purpose: Purpose
    who: Who
    contact_id: int = 0
    message: int = 0
    version: int = 0


def owed_for(case: Case, event: Event) -> list[Owed]:
    """Return the mail that a step owes.

    case   after the step
    """
    match event.payload:
        case Opened(contact_id=contact_id, source=source):
            to_customer = [Owed(purpose=Purpose.RECEIPT, who=Who.CONTACT, contact_id=contact_id)] if contact_id else []
            return [*to_customer, _staff(Who.TAM)] if source is not Source.STAFF or event.side is Side.CUSTOMER else to_customer
        case Wrote(message=message, purpose=purpose, version=version) if purpose in FROM_A_PERSON:
            return [Owed(purpose=purpose, who=Who.PEOPLE, message=message, version=version)]
        case Drafted(contact_id=contact_id, version=version):
            return [Owed(purpose=Purpose.CONFIRM, who=Who.CONTACT, contact_id=contact_id, version=version)]
        case Signed(entered_by=entered_by, version=version, person=person) if entered_by:
            contact = int(person.removeprefix("contact "))
            return [Owed(purpose=Purpose.CONSENT, who=Who.CONTACT, contact_id=contact, version=version)]
        case Reminded(version=version):
            to_staff = case.proposals[version - 1].side is Side.CUSTOMER
            return [Owed(purpose=Purpose.REMINDER, who=Who.OWNER if to_staff else Who.PEOPLE, version=version)]
        case Resolved(version=version):
            return [Owed(purpose=Purpose.RESOLVED, who=Who.PEOPLE, version=version), _staff(Who.OWNER)]
        case Closed(version=version):
            return [Owed(purpose=Purpose.CLOSED, who=Who.PEOPLE, version=version)]
        case CadenceProposed(spoken=True):
            return []
        case CadenceProposed(version=version):
            return _asked(Purpose.CADENCE, version, event.side)
        case DowngradeProposed(version=version):
            return _asked(Purpose.STEP_DOWN, version, event.side)
        case CadenceAccepted(version=version):
            return [Owed(purpose=Purpose.AGREED, who=Who.PEOPLE, version=version), *_told(event.side)]
        case Escalated(by_call=False):
            return [Owed(purpose=Purpose.CRITICAL, who=Who.PEOPLE), *_told(event.side)]
        case TamCalled():
            return [Owed(purpose=Purpose.TAM, who=Who.TAM)]
        case Came(automatic=False) if event.seq > 2:  # the first word is told with the case
            return [_staff(Who.OWNER)]
        case Undelivered():
            return [Owed(purpose=Purpose.UNDELIVERED, who=Who.OWNER, version=event.seq)]
        case Owned(accepted=False):
            return [_staff(Who.OWNER)]
        case Escalated() | Reopened() | Withdrawn() | Downgraded():
            return _told(event.side)
        case Proposed() | Refused() | Doubted() | Disputed():
            return [_staff(Who.OWNER)] if event.side is Side.CUSTOMER else []
        case _:
            return []


def _asked(purpose: Purpose, version: int, by: Side) -> list[Owed]:
    """Return the mail to the other side, which is to agree."""
    return [Owed(purpose=purpose, who=Who.PEOPLE, version=version)] if by is Side.PROVIDER else [_staff(Who.OWNER)]


def _told(by: Side) -> list[Owed]:
    """Return the notice to the owner of what he did not do himself."""
    return [_staff(Who.OWNER)] if by is not Side.PROVIDER else []


def _staff(who: Who) -> Owed:
    return Owed(purpose=Purpose.STAFF, who=who)
