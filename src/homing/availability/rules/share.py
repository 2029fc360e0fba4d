"""Percentages of a month, exactly: decimal fractions, never floating point."""

from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction

TARGET = Decimal("99.99")
_PLACES = Decimal("0.000001")


class Outcome(StrEnum):
    """Whether a target was met."""

    MET = "met"
    MISSED = "missed"
    UNDECIDED = "undecided"  # the seconds of which nothing is known decide it
    OPEN = "open"  # the month is not over, and it can still be missed


def uptime(unavailable_s: int, seconds: int) -> Decimal:
    """Return 100 × (1 - unavailable ÷ seconds), to six decimals."""
    exact = Fraction(100 * (seconds - unavailable_s), seconds)
    # Two digits more than are shown, then rounded once: the fraction has a few thousand digits otherwise.
    digits = Decimal(exact.numerator * 10**30 // exact.denominator).scaleb(-30)
    return digits.quantize(_PLACES, rounding=ROUND_HALF_EVEN)


def budget(seconds: int, target: Decimal = TARGET) -> int:
    """Return how many seconds of a month may be Unavailable so that the target, a percentage, is still met."""
    return int(Fraction(seconds) * (100 - Fraction(target)) / 100)


def outcome(unavailable_s: int, unknown_s: int, *, seconds: int, target: Decimal = TARGET, over: bool) -> Outcome:
    """Return whether a month met its target.

    unavailable_s   after exclusions
    over            the month is over, and all of its seconds are final
    """
    allowed = budget(seconds, target)
    if unavailable_s > allowed:
        return Outcome.MISSED
    if not over:
        return Outcome.OPEN
    return Outcome.MET if unavailable_s + unknown_s <= allowed else Outcome.UNDECIDED
