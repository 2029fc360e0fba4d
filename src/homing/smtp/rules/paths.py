"""Arguments of MAIL FROM and RCPT TO: path and parameters (RFC 5321 section 4.1.2, 1870, 4954, 6152, 6531).

Paths are the envelope's own grammar, stricter than header addresses: angle brackets, no comments, no folding.
"""

import re
from typing import NamedTuple

from homing.message.addresses import BadAddress, parse_address
from homing.smtp import replies
from homing.smtp.replies import Reply

_PATH = re.compile(
    r"<(?:@[^\s<>:\"]{1,255}:)?"  # a source route is recognised and dropped, RFC 5321 appendix C
    r"((?:\"(?:[^\"\\]|\\.)*\")?[^<>\s\"]*)>"
    r"(?: +(.*))?\Z"
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+\Z")
_SIZE_DIGITS = 20  # RFC 1870 section 3


class Path(NamedTuple):
    """What stood between the angle brackets.

    email     as submitted, without source route; '' for the null path
    domain    lower case A-labels, or an address literal in brackets; '' for the null path
    rest      the parameters, not read yet
    """

    email: str
    domain: str
    rest: str

    @property
    def is_literal(self) -> bool:
        """Return whether the domain is an address in brackets."""
        return self.domain.startswith("[")


class MailParameters(NamedTuple):
    """What MAIL FROM said besides the path."""

    size: int = 0
    utf8: bool = False
    eight_bit: bool = False


NO_PARAMETERS = MailParameters()


def read_path(text: str) -> Path | None:
    """Read `<local@domain> parameters`; None where it is not a path of RFC 5321 and 6531."""
    found = _PATH.match(text)
    if found is None:
        return None
    email, rest = found[1], found[2] or ""
    if not email:
        return Path("", "", rest)
    try:
        address = parse_address(email, literals=True)
    except BadAddress:
        return None
    return Path(email, address.domain, rest)


def read_mail_parameters(rest: str) -> MailParameters | Reply:
    """Read the parameters of MAIL FROM, or say which reply refuses them."""
    if not rest:
        return NO_PARAMETERS
    size, utf8, eight_bit = 0, False, False
    seen: set[str] = set()
    for word in rest.split():
        found = _PARAMETER.match(word)
        if found is None:
            return replies.BAD_PARAMETER_VALUE
        name, value = found[1].upper(), found[2]
        if name in seen:
            return replies.BAD_PARAMETER_VALUE
        seen.add(name)
        if name == "SIZE":
            if value is None or not value.isdigit() or len(value) > _SIZE_DIGITS:
                return replies.BAD_PARAMETER_VALUE
            size = int(value)
        elif name == "BODY":
            if value is None or value.upper() not in ("7BIT", "8BITMIME"):
                return replies.UNKNOWN_PARAMETER  # BINARYMIME is not offered
            eight_bit = value.upper() == "8BITMIME"
        elif name == "SMTPUTF8":
            if value is not None:
                return replies.BAD_PARAMETER_VALUE
            utf8 = True
        elif name == "AUTH":
            # RFC 4954 section 5: an identity that we need not believe; our own authentication decides.
            if value is None or (value != "<>" and not _XTEXT.match(value)):
                return replies.BAD_PARAMETER_VALUE
        else:
            return replies.UNKNOWN_PARAMETER
    return MailParameters(size, utf8, eight_bit)


def check_recipient_parameters(rest: str) -> Reply | None:
    """Return the refusal of RCPT parameters; none are offered, so any is unknown."""
    return replies.UNKNOWN_PARAMETER if rest.strip() else None
