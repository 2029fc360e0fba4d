"""Contacts on the wire: bodies in, objects out. Nothing is looked up here."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from homing.api.v1.support_askers import reads
from homing.contracts.phones import Way
from homing.contracts.rules import read_email, read_language, read_name, read_phone
from homing.contracts.types import Contact, ContactRole, Phone
from homing.ingress.rules.problem import Wrong, bad_combination, bad_type, missing

MOST_PHONES = 5
MOST_HOW = 255


class ContactIn(msgspec.Struct, kw_only=True):
    """A contact, or what changes of one."""

    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phones: list[str] | UnsetType = UNSET
    role: str | UnsetType = UNSET
    may_sign: bool | UnsetType = UNSET
    may_open_sev1: bool | UnsetType = UNSET
    language: str | UnsetType = UNSET


class CodeIn(msgspec.Struct, kw_only=True):
    """What a contact was mailed; or, by staff, what else shows that the address is his."""

    code: str | None = None
    how: str | None = None


class PhoneIn(msgspec.Struct, kw_only=True):
    """A number that is somebody's, and what shows it: a code that came there, or what staff says."""

    number: str | None = None
    code: str | None = None
    how: str | None = None


class PhoneCodeIn(msgspec.Struct, kw_only=True):
    """Where a code goes, and how."""

    number: str | None = None
    by: str = Way.TEXT.value


def contact_in(given: ContactIn, *, account_id: int, known: Contact | None) -> Contact:
    """Return a contact as a body makes him; known: whom it changes. Raises Wrong."""
    if known is None and (given.name is UNSET or given.email is UNSET):
        raise Wrong(missing("name and email are required fields"))
    role = _role(given, known)
    is_viewer = role is ContactRole.VIEWER
    if is_viewer and (given.may_sign is True or given.may_open_sev1 is True):
        raise Wrong(bad_combination("a viewer may look alone; make him authorised to let him sign or open Severity 1"))
    may_sign = given.may_sign if given.may_sign is not UNSET else (known.may_sign if known else not is_viewer)
    may_open = given.may_open_sev1 if given.may_open_sev1 is not UNSET else (known.may_open_sev1 if known else not is_viewer)
    return Contact(
        contact_id=known.contact_id if known else 0,
        account_id=account_id,
        name=_name(given, known),
        email=_email(given, known),
        email_verified_at=None,
        role=role,
        may_sign=may_sign and not is_viewer,
        may_open_sev1=may_open and not is_viewer,
        language=_language(given, known),
        phones=_phones(given, known),
    )


def is_same(known: Contact, wanted: Contact) -> bool:
    """Return whether a contact is as a body would make him."""
    return all(
        getattr(known, name) == getattr(wanted, name)
        for name in ("name", "email", "role", "may_sign", "may_open_sev1", "language")
    ) and [one.number for one in known.phones] == [one.number for one in wanted.phones]


def code_in(given: CodeIn) -> str:
    """Return a code. Raises Wrong."""
    if not given.code:
        raise Wrong(missing("code is a required field"))
    return given.code[:100]


def how_in(text: str) -> str:
    """Return what shows that something is somebody's. Raises Wrong."""
    how = text.strip()
    if not how or len(how) > MOST_HOW or not how.isprintable():
        raise Wrong(bad_type(f"how must be 1 to {MOST_HOW} printable characters"))
    return how


def phone_in(given: PhoneIn, *, staff: bool) -> tuple[str, str, str]:
    """Return a number, the code that came there, and what else shows whose it is; one of the two is ''. Raises Wrong."""
    if given.code is None and staff and given.how and given.how.strip():
        return number_in(given.number), "", how_in(given.how)
    if not given.code:
        raise Wrong(missing("number and code are required fields; staff can say how else it is his"))
    return number_in(given.number), given.code[:100], ""


def phone_code_in(given: PhoneCodeIn) -> tuple[str, Way]:
    """Return where a code goes, and how. Raises Wrong."""
    number = number_in(given.number)
    try:
        return number, Way(given.by)
    except ValueError:
        raise Wrong(bad_type(f"by must be {' or '.join(Way)}")) from None


def number_in(text: str | None) -> str:
    """Return a number. Raises Wrong."""
    if not text:
        raise Wrong(missing("number is a required field"))
    with reads("number"):
        return read_phone(text)


def show_contact(one: Contact) -> dict[str, Any]:
    """Return a contact."""
    return {
        "contact_id": one.contact_id,
        "name": one.name,
        "email": one.email,
        "email_verified_at": one.email_verified_at,
        "phones": [_phone(phone) for phone in one.phones],
        "role": one.role,
        "may_sign": one.may_sign,
        "may_open_sev1": one.may_open_sev1,
        "language": one.language,
    }


def letter(one: Contact, code: str, *, hostname: str, now: datetime, days: int) -> tuple[str, str]:
    """Return subject and text of the mail that asks whether an address is somebody's."""
    # Nothing that whoever asked has typed stands in it, but for the address itself.
    text = f"""Hello,

you are named as a contact for support at {hostname}. If this address is yours,
pass this code on to whoever asked you to:

    {code}

It was made on {now:%Y-%m-%d} and is good for {days} days. They show it with

    PUT /api/v1/support/contacts/{one.contact_id}/email-verification

If you do not know what this is about, do nothing.
"""
    return f"Is {one.email} your address?", text


def _phone(phone: Phone) -> dict[str, Any]:
    return {"number": phone.number, "verified_at": phone.verified_at}


def _role(given: ContactIn, known: Contact | None) -> ContactRole:
    if given.role is UNSET:
        return known.role if known else ContactRole.AUTHORISED
    try:
        return ContactRole(given.role)
    except ValueError:
        raise Wrong(bad_type(f"role must be one of {', '.join(ContactRole)}")) from None


def _name(given: ContactIn, known: Contact | None) -> str:
    if given.name is UNSET:
        return known.name if known else ""
    with reads("name"):
        return read_name(given.name)


def _email(given: ContactIn, known: Contact | None) -> str:
    if given.email is UNSET:
        return known.email if known else ""
    with reads("email"):
        return read_email(given.email)


def _language(given: ContactIn, known: Contact | None) -> str:
    if given.language is UNSET:
        return known.language if known else "en"
    with reads("language"):
        return read_language(given.language)


def _phones(given: ContactIn, known: Contact | None) -> tuple[Phone, ...]:
    if given.phones is UNSET:
        return known.phones if known else ()
    with reads("phones"):
        numbers = list(dict.fromkeys(read_phone(one) for one in given.phones))
    if len(numbers) > MOST_PHONES:
        raise Wrong(bad_type(f"phones: a contact has at most {MOST_PHONES} numbers"))
    return tuple(Phone(number) for number in numbers)
