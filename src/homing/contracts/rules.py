"""What people write down of people: addresses, numbers, roles."""

import re
from collections.abc import Iterable

from homing.contracts.types import Role
from homing.ground.errors import Misuse
from homing.message.addresses import BadAddress, parse_address

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FILLING = re.compile(r"[\s().\-/]")
PIN = re.compile(r"[0-9]{6,12}")


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
