"""Telephone numbers: E.164 from what somebody pressed on his keys, how they are read out, which ones cost.

Only lengths and calling codes are judged: whether a number rings is found out by ringing it.
"""

import msgspec

LONGEST = 15  # digits, ITU-T E.164
SHORTEST = 7
# Calling codes that are assigned. Two digits and one digit first: no code is the beginning of another.
_ONE = frozenset("17")
_TWO = frozenset(
    [
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
    ]
)
_THREE_BEGIN = frozenset(
    [
        "21",
        "22",
        "23",
        "24",
        "25",
        "26",
        "29",
        "35",
        "37",
        "38",
        "42",
        "50",
        "59",
        "67",
        "68",
        "69",
        "80",
        "85",
        "87",
        "88",
        "96",
        "97",
        "99",
    ]
)
_PREMIUM = (
    "+1900", "+1976", "+449", "+4470", "+4487", "+3389", "+49900", "+49137", "+39899", "+34803", "+34806", "+34807",
    "+979", "+870", "+881", "+882", "+883",
)  # fmt: skip
_NATIONAL = {"1": (10, ""), "44": (10, "0")}  # calling code -> digits of a national number, what is dialled before it


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """Why somebody should look twice before calling a number. It is a warning: a call-back is never refused for it."""

    premium: bool = False
    foreign: bool = False  # its country is not on the list

    @property
    def any(self) -> bool:
        """Return whether there is something to confirm."""
        return self.premium or self.foreign


def code_of(number: str) -> str:
    """Return the calling code of a number in E.164; '' where there is no such code."""
    digits = number.removeprefix("+")
    if digits[:1] in _ONE:
        return digits[:1]
    if digits[:2] in _TWO:
        return digits[:2]
    return digits[:3] if digits[:2] in _THREE_BEGIN and len(digits) >= 3 else ""


def parse(pressed: str, *, near: str) -> str:
    """Return E.164 of what was typed; '' where it is no number.

    pressed  digits; may begin with +, 00 or 011, or be written as at home
    near     a number of the same country: the caller's, or the one that he called
    """
    written = "".join(sign for sign in pressed if sign not in " -().\t/")
    plus = written.startswith("+")
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return ""
    home = code_of(near)
    if plus:
        return _checked(digits)
    if home == "1" and digits.startswith("011"):
        return _checked(digits[3:])
    if digits.startswith("00"):
        return _checked(digits[2:])
    if home in _NATIONAL:
        length, trunk = _NATIONAL[home]
        if trunk and digits.startswith(trunk):
            national = digits[len(trunk) :]
            return _checked(home + national) if len(national) in (length - 1, length) else ""
        if len(digits) == length:
            return _checked(home + digits)
    elif home and digits.startswith("0"):
        return _checked(home + digits[1:])
    if home and digits.startswith(home) and len(digits) > len(home) + 6:
        return _checked(digits)
    return _checked(digits) if len(digits) > 10 else ""


def warned(number: str, countries: tuple[str, ...]) -> Warned:
    """Return what to look at before a number is called. countries: calling codes; empty: all are usual."""
    return Warned(premium=number.startswith(_PREMIUM), foreign=bool(countries) and code_of(number) not in countries)


def spoken(number: str) -> str:
    """Return a number as it is read out: plus, then digit by digit."""
    return ", ".join(["plus", *number.removeprefix("+")]) if number else ""


def _checked(digits: str) -> str:
    number = f"+{digits}"
    if not SHORTEST <= len(digits) <= LONGEST or digits.startswith("0") or not code_of(number):
        return ""
    if code_of(number) == "1" and (len(digits) != 11 or digits[1] in "01"):
        return ""
    return number
