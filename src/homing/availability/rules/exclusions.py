"""What is not held against us, and who may say so: one person proposes, another approves, either may take it back."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from homing.availability.types import Exclusion
from homing.contracts.types import Role, StaffMember
from homing.evidence.rules.seconds import Seconds, span

LONGEST_TEXT = 1_000
DECIDE = (Role.CST, Role.TAM, Role.ADMIN)  # who decides about what was measured


class NotPossible(Exception):
    """Something that these people cannot decide now; the text says why and what to do."""


class Excluded(NamedTuple):
    """What one exclusion takes out of a month: the Unavailable seconds inside it, those that others take out too included."""

    exclusion: Exclusion
    seconds: int


def check_proposal(*, since: datetime, until: datetime, reason: str, evidence: str, by: StaffMember) -> None:
    """See that an exclusion can be proposed.

    raises   NotPossible
    """
    check_person(by)
    if since >= until:
        raise NotPossible("an exclusion must end after it begins")
    if not reason.strip():
        raise NotPossible("an exclusion needs a reason, which the customer reads")
    for text in (reason, evidence):
        if len(text) > LONGEST_TEXT or not all(letter.isprintable() or letter == "\n" for letter in text):
            raise NotPossible(f"reason and evidence are up to {LONGEST_TEXT} printable characters")


def check_approval(exclusion: Exclusion, *, by: StaffMember) -> None:
    """See that an exclusion can be approved by somebody. Who proposed it is a number of the staff: spelling makes nobody another.

    raises   NotPossible
    """
    check_person(by)
    if exclusion.withdrawn_at is not None:
        raise NotPossible("it was withdrawn; propose another one")
    if exclusion.approved_at is not None:
        raise NotPossible(f"it was approved by {exclusion.approved_by} already")
    if exclusion.proposed_by_id is None:
        raise NotPossible("a name was typed when it was proposed, so nobody knows who that was; withdraw it and propose it anew")
    if exclusion.proposed_by_id == by.person_id:
        raise NotPossible(f"{exclusion.proposed_by} proposed it; somebody else must approve it")


def check_withdrawal(exclusion: Exclusion, *, by: StaffMember) -> None:
    """See that an exclusion can be taken back. One person is enough: it restores what was measured.

    raises   NotPossible
    """
    check_person(by)
    if exclusion.withdrawn_at is not None:
        raise NotPossible(f"it was withdrawn by {exclusion.withdrawn_by} already")


def check_person(member: StaffMember) -> None:
    """See that somebody may decide about what was measured.

    raises   NotPossible
    """
    if member.left_at is not None or not member.is_a(*DECIDE):
        raise NotPossible(f"{member.name} holds none of the roles {', '.join(DECIDE)}, so he does not decide this")


def overlay(exclusions: Iterable[Exclusion], *, account_id: int, start: int, seconds: int) -> Seconds:
    """Return the seconds of a stretch that exclusions in force take out for an account. A second that is touched is inside."""
    found = 0
    for one in exclusions:
        found |= reach(one, account_id=account_id, start=start, seconds=seconds)
    return found


def reach(exclusion: Exclusion, *, account_id: int, start: int, seconds: int) -> Seconds:
    """Return the seconds of a stretch that one exclusion takes out for an account."""
    if not exclusion.in_force or exclusion.account_id not in (None, account_id):
        return 0
    since = int(exclusion.since.timestamp()) - start
    until = -int(-exclusion.until.timestamp() // 1) - start
    return span(max(0, since), min(seconds, until))


def excluded(
    unavailable: Seconds, exclusions: Iterable[Exclusion], *, account_id: int, start: int, seconds: int
) -> list[Excluded]:
    """Return what each exclusion takes out of the Unavailable seconds of a stretch; those that take out nothing included."""
    found = []
    for one in exclusions:
        bits = reach(one, account_id=account_id, start=start, seconds=seconds)
        if bits:
            found.append(Excluded(one, (unavailable & bits).bit_count()))
    return found
