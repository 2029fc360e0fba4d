"""Mail of the programme in PostgreSQL: written with the step that owes it, sent by whoever comes first."""

from datetime import datetime
from typing import Any

import msgspec

from homing.ground import db
from homing.support.cases.types import Side
from homing.support.tam.rules.letters import Text
from homing.support.tam.types import Purpose

_sql = db.queries("homing.support.tam")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one person, about a record or a note."""

    letter_id: int
    account_id: int
    record_id: int | None
    note_id: int | None
    purpose: Purpose
    version: int
    side: Side
    person_id: int
    email: str
    subject: str
    body: str
    made_at: datetime
    attempts: int
    trouble: str
    sent_at: datetime | None
    message_id: str


async def add(
    executor: db.Executor,
    text: Text,
    *,
    account_id: int,
    purpose: Purpose,
    side: Side,
    person_id: int,
    email: str,
    now: datetime,
    record_id: int | None = None,
    note_id: int | None = None,
    version: int = 0,
) -> None:
    """Owe somebody a mail."""
    await _sql.add_letter(
        executor,
        account_id=account_id,
        record_id=record_id,
        note_id=note_id,
        purpose=purpose.value,
        version=version,
        side=side.value,
        person_id=person_id,
        email=email,
        subject=text.subject,
        body=text.body,
        now=now,
    )


async def claim(executor: db.Executor, *, now: datetime, until: datetime, limit: int) -> list[Letter]:
    """Return letters that are due; they are the caller's until then."""
    with db.trouble_is_temporary():
        found = [_letter(row) async for row in _sql.claim_letters(executor, now=now, until=until, limit=limit)]
        return sorted(found, key=lambda one: one.letter_id)


async def sent(executor: db.Executor, letter: Letter, *, at: datetime, message_id: str) -> bool:
    """Note that a letter was accepted for delivery; False: that is known."""
    return await _sql.letter_sent(executor, letter_id=letter.letter_id, at=at, message_id=message_id) is not None


async def failed(executor: db.Executor, letter: Letter, *, due_at: datetime, trouble: str) -> None:
    """Try a letter again later."""
    with db.trouble_is_temporary():
        await _sql.letter_failed(executor, letter_id=letter.letter_id, due_at=due_at, trouble=trouble)


async def one(executor: db.Executor, letter_id: int) -> Letter | None:
    """Return one letter."""
    row = await _sql.one_letter(executor, letter_id=letter_id)
    return None if row is None else _letter(row)


async def of_record(executor: db.Executor, record_id: int) -> list[Letter]:
    """Return the letters of a record, in order."""
    with db.trouble_is_temporary():
        return [_letter(row) async for row in _sql.letters_of(executor, record_id=record_id)]


async def references(executor: db.Executor, letter: Letter) -> list[str]:
    """Return Message-IDs of what the same reader was sent before about the same record, the latest first."""
    with db.trouble_is_temporary():
        rows = _sql.sent_before(
            executor,
            record_id=letter.record_id,
            side=letter.side.value,
            person_id=letter.person_id,
            letter_id=letter.letter_id,
        )
        return [row["message_id"] async for row in rows]


def _letter(row: Any) -> Letter:
    return Letter(
        letter_id=row["letter_id"],
        account_id=row["account_id"],
        record_id=row["record_id"],
        note_id=row["note_id"],
        purpose=Purpose(row["purpose"]),
        version=row["version"],
        side=Side(row["side"]),
        person_id=row["person_id"],
        email=row["email"],
        subject=row["subject"],
        body=row["body"],
        made_at=row["made_at"],
        attempts=row["attempts"],
        trouble=row["trouble"],
        sent_at=row["sent_at"],
        message_id=row["message_id"],
    )
