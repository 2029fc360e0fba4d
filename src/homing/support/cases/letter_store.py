"""Mail that is owed to people of a case, in PostgreSQL: written with the step that owes it, sent by whoever comes first."""

from datetime import datetime
from typing import Any

import msgspec

from homing.ground import db
from homing.support.cases.types import Purpose, Side

_sql = db.queries("homing.support.cases")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one person.

    message    number in the case; 0: the platform's own words
    version    of the proposal that it is about; 0: none
    person_id  contact or member of the staff, by side
    used_at    when its link or address was used; it serves once
    returned   why it did not arrive after all; '' where nobody said so
    """

    letter_id: int
    case_id: int
    message: int
    purpose: Purpose
    version: int
    side: Side
    person_id: int
    email: str
    made_at: datetime
    attempts: int = 0
    trouble: str = ""
    sent_at: datetime | None = None
    message_id: str = ""
    used_at: datetime | None = None
    returned: str = ""


async def add(
    executor: db.Executor,
    *,
    case_id: int,
    message: int,
    purpose: Purpose,
    version: int,
    side: Side,
    person_id: int,
    email: str,
    now: datetime,
) -> int:
    """Owe somebody a mail."""
    number: int = await _sql.add_letter(
        executor,
        case_id=case_id,
        message=message,
        purpose=purpose.value,
        version=version,
        side=side.value,
        person_id=person_id,
        email=email,
        now=now,
    )
    return number


async def claim(executor: db.Executor, *, now: datetime, until: datetime, limit: int) -> list[Letter]:
    """Return letters that are due; they are the caller's until then."""
    with db.trouble_is_temporary():
        return [_letter(row) async for row in _sql.claim_letters(executor, now=now, until=until, limit=limit)]


async def name(executor: db.Executor, letter_id: int, message_id: str) -> None:
    """Give a letter its Message-ID, before it leaves."""
    with db.trouble_is_temporary():
        await _sql.name_letter(executor, letter_id=letter_id, message_id=message_id)


async def sent(executor: db.Executor, letter: Letter, *, at: datetime, message_id: str) -> str | None:
    """Note that a letter was accepted for delivery; return why it did not arrive, '' where nobody said so; None: that it was
    accepted is known.
    """
    returned: str | None = await _sql.letter_sent(executor, letter_id=letter.letter_id, at=at, message_id=message_id)
    return returned


async def failed(executor: db.Executor, letter: Letter, *, due_at: datetime, trouble: str) -> None:
    """Try a letter again later."""
    with db.trouble_is_temporary():
        await _sql.letter_failed(executor, letter_id=letter.letter_id, due_at=due_at, trouble=trouble)


async def one(executor: db.Executor, letter_id: int) -> Letter | None:
    """Return one letter."""
    with db.trouble_is_temporary():
        row = await _sql.letter(executor, letter_id=letter_id)
    return None if row is None else _letter(row)


async def of_case(executor: db.Executor, case_id: int) -> list[Letter]:
    """Return the letters of a case, in order."""
    with db.trouble_is_temporary():
        return [_letter(row) async for row in _sql.letters_of(executor, case_id=case_id)]


async def use(executor: db.Executor, letter_id: int, at: datetime) -> bool:
    """Use up what a letter allows, in the transaction of what follows; False: it was used before."""
    return await _sql.use_letter(executor, letter_id=letter_id, at=at) is not None


async def any_sent(executor: db.Executor) -> bool:
    """Return whether any letter has left."""
    found: bool = await _sql.any_letter_sent(executor)
    return found


async def returned(
    executor: db.Executor, letter_id: int, *, account_id: int, domain: str, recipient: str, reason: str
) -> Letter | None:
    """Note, once, that a letter did not arrive; None where that is known, or it is none of ours.

    account_id   whose mail did not arrive; that of domain, if it was a letter
    recipient    lower case
    """
    row = await _sql.letter_returned(
        executor, letter_id=letter_id, account_id=account_id, domain=domain, recipient=recipient, reason=reason
    )
    return None if row is None else _letter(row)


async def references(executor: db.Executor, letter: Letter, *, limit: int = 10) -> list[str]:
    """Return Message-IDs of what was said before to the same reader and by the customer, the latest first."""
    with db.trouble_is_temporary():
        rows = _sql.last_message_ids(
            executor,
            case_id=letter.case_id,
            person_id=letter.person_id,
            side=letter.side.value,
            letter_id=letter.letter_id,
            limit=limit,
        )
        return [row["message_id"] async for row in rows]


def _letter(row: Any) -> Letter:
    return Letter(
        letter_id=row["letter_id"],
        case_id=row["case_id"],
        message=row["message"],
        purpose=Purpose(row["purpose"]),
        version=row["version"],
        side=Side(row["side"]),
        person_id=row["person_id"],
        email=row["email"],
        made_at=row["made_at"],
        attempts=row["attempts"],
        trouble=row["trouble"],
        sent_at=row["sent_at"],
        message_id=row["message_id"],
        used_at=row["used_at"],
        returned=row["returned"],
    )
