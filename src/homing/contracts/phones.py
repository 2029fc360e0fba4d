"""Codes that show that a number is a contact's: whoever gets one, as a short message or in a call, has the telephone in hand.

A code is a keyed digest of its row, so it is kept nowhere and can be read out once a carrier asks. It is good for ten minutes,
for five tries, once, and only until the next one is made for the same number of the same contact.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import msgspec

from homing.contracts import store
from homing.contracts.types import Contact
from homing.ground import db
from homing.ground.secrets import MasterKey

_sql = db.queries("homing.contracts")
PURPOSE = "contact number"
DIGITS = 6
GOOD = timedelta(minutes=10)
MOST_TRIES = 5  # of a code
MOST_TO_NUMBER = 5  # codes within a day, whosever contact it is
MOST_OF_ACCOUNT = 50  # within a day
_DAY = timedelta(days=1)


class Way(StrEnum):
    """How a code comes."""

    TEXT = "text"
    VOICE = "voice"


DONE: Mapping[Way, str] = MappingProxyType({Way.TEXT: "code texted", Way.VOICE: "code called"})  # in the audit


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A code that is to be sent."""

    code_id: int
    code: str


async def ask(
    pool: db.Pool, master_key: MasterKey, contact: Contact, number: str, way: Way, *, now: datetime, actor: str
) -> Asked | None:
    """Make a code for a number of a contact; the ones before are void. None: there were too many within a day."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.lock_codes(connection)
            made = await _sql.codes_since(connection, number=number, account_id=contact.account_id, since=now - _DAY)
            if made["to_number"] >= MOST_TO_NUMBER or made["of_account"] >= MOST_OF_ACCOUNT:
                return None
            code_id: int = await _sql.add_code(
                connection, contact_id=contact.contact_id, number=number, way=way.value, now=now, good_until=now + GOOD
            )
            await _note(connection, contact, DONE[way], actor, {"number": number})
    return Asked(code_id=code_id, code=_code(master_key, code_id, contact.contact_id, number))


async def show(
    pool: db.Pool, master_key: MasterKey, contact: Contact, number: str, code: str, *, now: datetime, actor: str
) -> bool:
    """Take a code that is shown; where it is right the number is verified. Each try counts, also of several at once."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.try_code(connection, contact_id=contact.contact_id, number=number, now=now, most=MOST_TRIES)
            if row is None:
                return False
            right = _code(master_key, row["code_id"], contact.contact_id, number)
            given = "".join(sign for sign in code if sign not in " -,.")
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode()):
                return False
            if await _sql.verify_phone(connection, contact_id=contact.contact_id, number=number) is None:
                return False
            await _sql.code_used(connection, code_id=row["code_id"], now=now)
            await _note(connection, contact, "number verified", actor, {"number": number, "how": f"a code by {row['way']}"})
    return True


async def code_to_say(executor: db.Executor, master_key: MasterKey, code_id: int, *, now: datetime) -> str | None:
    """Return the code that a call reads out; None: it is good no more."""
    with db.trouble_is_temporary():
        row = await _sql.good_code(executor, code_id=code_id, now=now, most=MOST_TRIES)
    return None if row is None else _code(master_key, code_id, row["contact_id"], row["number"])


def _code(master_key: MasterKey, code_id: int, contact_id: int, number: str) -> str:
    digest = master_key.token(f"{code_id} {contact_id} {number}".encode(), purpose=PURPOSE, size=8)
    return f"{int.from_bytes(digest) % 10**DIGITS:0{DIGITS}d}"


async def _note(connection: db.Executor, contact: Contact, action: str, actor: str, detail: dict[str, Any]) -> None:
    subject = f"contact {contact.contact_id}"
    await store.note(connection, actor=actor, action=action, account_id=contact.account_id, subject=subject, detail=detail)
