"""What each kind of clock promises: one row for each row of the model's table (section 3.4)."""

from types import MappingProxyType
from typing import NamedTuple

from homing.support.clocks.types import BUSINESS_DAY_S, HOUR_S, Basis, Kind, Nature


class Terms(NamedTuple):
    """One kind.

    nature    of a CADENCE that was agreed; before, it is provisional
    budget_s  where no Order Form or agreement says otherwise
    pauses    whether it waits while the customer has to move
    clause    of the contract, where the promise is in it
    """

    basis: Basis
    nature: Nature
    budget_s: int
    pauses: bool = False
    clause: str = ""


TERMS = MappingProxyType(
    {
        Kind.ACK_MAIL: Terms(Basis.WALL, Nature.INTERNAL, 60),
        Kind.OWN: Terms(Basis.BUSINESS, Nature.OBJECTIVE, HOUR_S),
        Kind.FIRST_RESPONSE: Terms(Basis.BUSINESS, Nature.OBJECTIVE, 4 * HOUR_S),
        Kind.UPDATE: Terms(Basis.BUSINESS, Nature.OBJECTIVE, 8 * HOUR_S, pauses=True),
        Kind.TAM_REPLY: Terms(Basis.BUSINESS, Nature.OBJECTIVE, 4 * HOUR_S),
        Kind.CALLBACK: Terms(Basis.WALL, Nature.CONTRACTUAL, 900, clause="F4"),
        Kind.ENGAGE: Terms(Basis.WALL, Nature.INTERNAL, 300),
        Kind.CADENCE: Terms(Basis.WALL, Nature.CONTRACTUAL, HOUR_S, clause="F5"),
        Kind.ENTITLEMENT: Terms(Basis.WALL, Nature.INTERNAL, HOUR_S),
        Kind.CONFIRM: Terms(Basis.BUSINESS, Nature.COURTESY, 10 * BUSINESS_DAY_S),
    }
)
REMINDERS_S = (2 * BUSINESS_DAY_S, 5 * BUSINESS_DAY_S, 9 * BUSINESS_DAY_S)  # of a CONFIRM, from its start


def nature_of(kind: Kind, *, agreed: bool) -> Nature:
    """Return what a clock is worth. A cadence that was not agreed is no promise of the contract."""
    if kind is Kind.CADENCE and not agreed:
        return Nature.PROVISIONAL
    return TERMS[kind].nature
