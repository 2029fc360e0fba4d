"""Looking again, of our own accord: when, and when a record counts as lost.

A resolver in trouble says nothing about a record: it neither counts against it nor for it.
"""

from datetime import timedelta
from enum import StrEnum

import msgspec

from homing.domains.types import Verdict

LOST_AFTER = 3  # looks in a row that find a record gone
EVERY = timedelta(hours=24)
DOUBTFUL = timedelta(hours=6)  # after a look that found a record gone
UNKNOWN = timedelta(hours=1)  # after one that DNS did not answer
SPREAD = 0.2  # share by which a wait varies both ways, so that domains added together are not looked at together


class Finding(StrEnum):
    """What one look found."""

    CONFIRMED = "confirmed"
    GONE = "gone"  # the name does not exist, has no such record, or another one
    UNKNOWN = "unknown"  # no answer, or none that says anything


class Standing(msgspec.Struct, frozen=True):
    """What is known of a record that was verified once.

    failures   looks in a row that found it gone
    """

    status: str
    failures: int = 0

    @property
    def is_watched(self) -> bool:
        """Return whether it is looked at again; what is lost comes back only by a verification."""
        return self.status == Verdict.VALID


def finding_of(*, error: str | None, uncertain: bool) -> Finding:
    """Return what a look found; uncertain: DNS gave no answer."""
    if error is None:
        return Finding.CONFIRMED
    return Finding.UNKNOWN if uncertain else Finding.GONE


def after_look(before: Standing, finding: Finding) -> Standing:
    """Return what is known after a look of our own accord at a record that counts as valid."""
    match finding:
        case Finding.CONFIRMED:
            return Standing(before.status, 0)
        case Finding.UNKNOWN:
            return before
        case Finding.GONE:
            failures = before.failures + 1
            return Standing(Verdict.INVALID.value if failures >= LOST_AFTER else before.status, failures)


def next_look(findings: frozenset[Finding], *, chance: float) -> timedelta:
    """Return how long to wait for the next look.

    findings   of all records of the domain
    chance     0.0 to 1.0
    """
    if Finding.GONE in findings:
        wait = DOUBTFUL
    elif Finding.UNKNOWN in findings:
        wait = UNKNOWN
    else:
        wait = EVERY
    return wait * (1 + SPREAD * (2 * chance - 1))
