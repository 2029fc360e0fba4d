"""What people write down of people: addresses, numbers, roles."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from homing.contracts.types import Role
from homing.ground.errors import Misuse
from homing.message.addresses import BadAddress, parse_address

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FILLING = re.compile(r"[\s().\-/]")
PIN = re.compile(r"[0-9]{6,12}")
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
MOST_NAME = 255
MOST_TAG = 35


def read_phone(text: str) -> str:
    """Return a number in E.164: `+44 (20) 7183-8750` is `+442071838750`.

    raises   Misuse where the country code is missing, or it is no number (ITU-T E.164: 15 digits at most)
    """
    number = _FILLING.sub("", text)
    if not _E164.fullmatch(number):
        raise Misuse(f"'{text[:40]}' is no phone number with country code; write for example +442071838750")
    return number


def read_email(text: str) -> str:
    """Return an address in lower case.

    raises   Misuse
    """
    try:
        parse_address(text.strip())
    except BadAddress as bad:
        raise Misuse(f"'{text[:64]}' is no address: {bad}") from None
    return text.strip().lower()


def read_roles(names: Iterable[str]) -> frozenset[Role]:
    """Return roles by their names.

    raises   Misuse
    """
    try:
        roles = frozenset(Role(name) for name in names)
    except ValueError:
        raise Misuse(f"a role is one of {', '.join(Role)}") from None
    if not roles:
        raise Misuse(f"say at least one role: {', '.join(Role)}")
    return roles


def read_pin(text: str) -> str:
    """Return a support PIN.

    raises   Misuse
    """
    if not PIN.fullmatch(text):
        raise Misuse("a support PIN has 6 to 12 digits")
    return text


def read_name(text: str) -> str:
    """Return somebody's name.

    raises   Misuse
    """
    name = text.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise Misuse(f"a name has 1 to {MOST_NAME} printable characters")
    return name


def read_language(text: str) -> str:
    """Return a language as its tag (BCP 47): `en`, `pt-BR`.

    raises   Misuse
    """
    if len(text) > MOST_TAG or not _TAG.fullmatch(text):
        raise Misuse(f"'{text[:MOST_TAG]}' is no tag of a language; write for example en, or pt-BR")
    return text


def read_percent(text: str) -> Decimal:
    """Return a share in per cent, above 0 and up to 100, with six decimals at most.

    raises   Misuse
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 < value <= 100 or value != round(value, 6):
        raise Misuse("a target is a percentage such as 99.99, with six decimals at most")
    return value
