"""Contacts and support PINs in PostgreSQL. Whoever changes something is named, in the same transaction."""

import hmac
import secrets
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from homing.contracts import store
from homing.contracts.types import Contact, ContactRole, Phone
from homing.ground import db
from homing.ground.secrets import MasterKey

_sql = db.queries("homing.contracts")
PIN_PURPOSE = "support pin"
PIN_DIGITS = 8
CODE_PURPOSE = "contact address"
CODE_DAYS = 3  # that a code is good for, the day of its mail included
CODE_SENT = "code mailed"
MOST_CODES = 5  # to a contact within a day
MOST_CODES_OF_ACCOUNT = 50  # to all of them, also those that are none any more
LEAST_AUTHORISED = 2  # contacts of an account before it goes live (model, section 3.1)


async def add(pool: db.Pool, contact: Contact, *, actor: str) -> Contact | None:
    """Keep a new contact (his number is ignored); None where the account has one of that address."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.add_contact(
                connection,
                account_id=contact.account_id,
                name=contact.name,
                email=contact.email,
                role=contact.role.value,
                may_sign=contact.may_sign,
                may_open_sev1=contact.may_open_sev1,
                language=contact.language,
            )
            if row is None:
                return None
            numbers = [phone.number for phone in contact.phones]
            await _sql.put_phones(connection, contact_id=row["contact_id"], numbers=numbers)
            await _note(connection, contact.account_id, row["contact_id"], "contact added", actor, {"email": contact.email})
            return (await _with_phones(connection, [row]))[0]


async def change(pool: db.Pool, contact: Contact, *, actor: str) -> Contact | None:
    """Put a contact in the place of what was known of him; another address or number is not verified. None: there is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            row = await _sql.change_contact(
                connection,
                contact_id=contact.contact_id,
                account_id=contact.account_id,
                name=contact.name,
                email=contact.email,
                role=contact.role.value,
                may_sign=contact.may_sign,
                may_open_sev1=contact.may_open_sev1,
                language=contact.language,
            )
            if row is None:
                return None
            numbers = [phone.number for phone in contact.phones]
            await _sql.drop_phones(connection, contact_id=contact.contact_id, numbers=numbers)
            await _sql.put_phones(connection, contact_id=contact.contact_id, numbers=numbers)
            detail = {"role": contact.role.value, "may_sign": contact.may_sign, "may_open_sev1": contact.may_open_sev1}
            await _note(connection, contact.account_id, contact.contact_id, "contact changed", actor, detail)
            return (await _with_phones(connection, [row]))[0]


async def remove(pool: db.Pool, account_id: int, contact_id: int, *, actor: str) -> bool:
    """Let somebody be a contact no more; what he signed stays. False: he is none."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.remove_contact(connection, account_id=account_id, contact_id=contact_id) is None:
                return False
            await _note(connection, account_id, contact_id, "contact removed", actor, {})
    return True


async def one(executor: db.Executor, account_id: int, contact_id: int) -> Contact | None:
    """Return one contact of an account."""
    with db.trouble_is_temporary():
        row = await _sql.contact(executor, account_id=account_id, contact_id=contact_id)
        return None if row is None else (await _with_phones(executor, [row]))[0]


async def of_account(executor: db.Executor, account_id: int) -> list[Contact]:
    """Return the contacts of an account, oldest first."""
    with db.trouble_is_temporary():
        return await _with_phones(executor, [row async for row in _sql.contacts_of(executor, account_id=account_id)])


async def by_email(executor: db.Executor, email: str) -> list[Contact]:
    """Return everybody with an address, in every account."""
    with db.trouble_is_temporary():
        return await _with_phones(executor, [row async for row in _sql.contacts_by_email(executor, email=email.lower())])


async def by_phone(executor: db.Executor, number: str) -> list[Contact]:
    """Return everybody with a number (E.164), in every account; those for whom it is verified come first."""
    with db.trouble_is_temporary():
        return await _with_phones(executor, [row async for row in _sql.contacts_by_phone(executor, number=number)])


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whose word a mail or a call may be. account: name of the account."""

    contact_id: int
    account_id: int
    account: str
    name: str
    email: str


async def known_by(executor: db.Executor, senders: Collection[str]) -> dict[str, list[Known]]:
    """Return everybody with one of these addresses (lower case) or verified numbers, in every account, by that."""
    found: dict[str, list[Known]] = {}
    with db.trouble_is_temporary():
        async for row in _sql.known_by(executor, senders=sorted(set(senders))):
            fields = {name: row[name] for name in ("contact_id", "account_id", "account", "name", "email")}
            found.setdefault(row["sender"], []).append(Known(**fields))
    return found


def code_of(master_key: MasterKey, contact: Contact, *, day: date) -> str:
    """Return the code that is mailed to a contact on a day: whoever shows it reads mail to that address."""
    said = f"{contact.contact_id} {contact.email} {day.isoformat()}"
    return master_key.token(said.encode(), purpose=CODE_PURPOSE, size=10).hex()


def is_code_of(master_key: MasterKey, contact: Contact, code: str, *, today: date) -> bool:
    """Return whether a code was mailed to a contact lately, at the address that he has now."""
    given = code.strip().lower().encode("utf-8", "surrogateescape")
    days = (today - timedelta(days=past) for past in range(CODE_DAYS))
    found = [hmac.compare_digest(given, code_of(master_key, contact, day=day).encode()) for day in days]
    return any(found)


async def may_ask(pool: db.Pool, contact: Contact, *, now: datetime, actor: str) -> bool:
    """Note that a contact is sent a code. False: he, or the contacts of his account, were sent too many within a day."""
    subject = f"contact {contact.contact_id}"
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.lock_contact(connection, account_id=contact.account_id, contact_id=contact.contact_id) is None:
                return False
            asked = await _sql.noted_since(
                connection, account_id=contact.account_id, subject=subject, action=CODE_SENT, since=now - timedelta(days=1)
            )
            if asked["of_subject"] >= MOST_CODES or asked["of_account"] >= MOST_CODES_OF_ACCOUNT:
                return False
            await _note(connection, contact.account_id, contact.contact_id, CODE_SENT, actor, {"email": contact.email})
    return True


async def verify_email(pool: db.Pool, contact: Contact, *, actor: str, how: str = "") -> None:
    """Note that a contact's address is his. how: as of a number; '' where he showed the code."""
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.verify_email(connection, contact_id=contact.contact_id, email=contact.email)
            detail = {"email": contact.email, **({"how": how} if how else {})}
            await _note(connection, contact.account_id, contact.contact_id, "address verified", actor, detail)


async def verify_phone(pool: db.Pool, contact: Contact, number: str, *, actor: str, how: str = "") -> bool:
    """Note that a number is a contact's. False: it is none of his.

    how   what somebody saw or heard that shows it
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            if await _sql.verify_phone(connection, contact_id=contact.contact_id, number=number) is None:
                return False
            detail = {"number": number, **({"how": how} if how else {})}
            await _note(connection, contact.account_id, contact.contact_id, "number verified", actor, detail)
    return True


async def set_pin(pool: db.Pool, master_key: MasterKey, account_id: int, pin: str, *, actor: str) -> bool:
    """Keep an account's support PIN, as a keyed digest. False: another account has it, take another one.

    pin   6 digits or more
    """
    with db.trouble_is_temporary():
        async with pool.acquire() as connection:
            try:
                async with connection.transaction():
                    await _sql.put_pin(connection, account_id=account_id, pin_digest=_digest(master_key, pin))
                    await store.note(connection, actor=actor, action="PIN set", account_id=account_id, subject="support PIN")
            except db.UniqueViolation:
                return False
    return True


async def pin_set_at(executor: db.Executor, account_id: int) -> datetime | None:
    """Return when an account's PIN was set; None: it has none."""
    with db.trouble_is_temporary():
        found: datetime | None = await _sql.pin_set_at(executor, account_id=account_id)
    return found


async def new_pin(pool: db.Pool, master_key: MasterKey, account_id: int, *, actor: str) -> str:
    """Make an account's support PIN anew and return it; it cannot be read again, and the old one is void.

    Nobody chooses one: that another account has a PIN already would be told to whoever tried it.
    """
    while True:  # one in a hundred million is taken by each account
        made = f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"
        if await set_pin(pool, master_key, account_id, made, actor=actor):
            return made


async def account_by_pin(executor: db.Executor, master_key: MasterKey, pin: str) -> int | None:
    """Return whose support PIN this is."""
    with db.trouble_is_temporary():
        found: int | None = await _sql.account_by_pin(executor, pin_digest=_digest(master_key, pin))
    return found


def _digest(master_key: MasterKey, pin: str) -> bytes:
    # Six digits can be tried out by whoever has a plain hash; without the master key nobody can.
    return master_key.token(pin.encode(), purpose=PIN_PURPOSE, size=32)


async def _note(
    connection: db.Executor, account_id: int, contact_id: int, action: str, actor: str, detail: dict[str, Any]
) -> None:
    await store.note(
        connection, actor=actor, action=action, account_id=account_id, subject=f"contact {contact_id}", detail=detail
    )


async def _with_phones(executor: db.Executor, rows: Sequence[Any]) -> list[Contact]:
    if not rows:
        return []
    phones: dict[int, list[Phone]] = {}
    async for row in _sql.phones_of(executor, contact_ids=[row["contact_id"] for row in rows]):
        phones.setdefault(row["contact_id"], []).append(Phone(row["number"], row["verified_at"]))
    return [
        Contact(
            contact_id=row["contact_id"],
            account_id=row["account_id"],
            name=row["name"],
            email=row["email"],
            email_verified_at=row["email_verified_at"],
            role=ContactRole(row["role"]),
            may_sign=row["may_sign"],
            may_open_sev1=row["may_open_sev1"],
            language=row["language"],
            phones=tuple(phones.get(row["contact_id"], ())),
        )
        for row in rows
    ]
