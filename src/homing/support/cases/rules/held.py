"""What the staff is told of mail and voicemail in quarantine: what waits, and how to decide on it."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from homing.contracts.types import Role, StaffMember, Tam
from homing.support.cases.rules.reading import clean

MOST_LISTED = 50
_LONGEST = 120


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One mail or voicemail that waits.

    account_id   whose it may be; None: nobody knows
    person_id    the member of the staff whom it is for; None: nobody in particular
    """

    number: int
    received_at: datetime
    sender: str
    subject: str
    reason: str
    account_id: int | None
    person_id: int | None


def readers(tam: Tam | None, named: StaffMember | None, staff: Sequence[StaffMember]) -> list[StaffMember]:
    """Return who is told: whoever acts as TAM of the account, else whom it is for, else the Customer Success Team, else anybody.

    tam     of the account that it may be about; None: there is none, or nobody knows the account
    named   whom it is for
    """
    if tam is not None and tam.acting.left_at is None:
        return [tam.acting]
    if named is not None and named.left_at is None:
        return [named]
    here = [one for one in staff if one.left_at is None]
    team = [one for one in here if Role.CST in one.roles]
    return team or [one for one in here if Role.TAM in one.roles] or here


def notice(held: Sequence[Held], *, what: str, decide: str) -> tuple[str, str]:
    """Return subject and text of a mail about what waits.

    what     of which sort, such as `support mail`
    decide   how to decide on it
    """
    count = len(held)
    subject = f"Quarantine: {count} to decide on ({what})"
    lines = [_line(one) for one in held[:MOST_LISTED]]
    more = [f"and {count - MOST_LISTED} more"] if count > MOST_LISTED else []
    text = "\n\n".join(
        [
            "Nobody has vouched for these: no case and no thread has them, no clock runs, and whoever wrote has heard nothing.",
            "\n\n".join([*lines, *more]),
            decide,
            "What nobody decides on stays, and is told again each week.",
        ]
    )
    return subject, text + "\n"


def _line(one: Held) -> str:
    said = f'"{clean(one.subject, _LONGEST)}"' if one.subject.strip() else "(no subject)"
    sender = clean(one.sender, _LONGEST) or "nobody"
    return f"{one.number}: {one.received_at:%Y-%m-%d %H:%M} UTC, from {sender}, {said}\n    {one.reason}"
