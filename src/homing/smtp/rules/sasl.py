"""AUTH PLAIN and LOGIN: from base64 to an API key (RFC 4954, 4616), and the user name that SparkPost expects."""

import binascii
import re
from typing import NamedTuple

from homing.smtp import replies
from homing.smtp.replies import Reply

_USER = re.compile(r"SMTP_Injection(?::X-MSYS-SUBACCOUNT=([0-9]{1,10}))?\Z")
_LARGEST_SUBACCOUNT = 2**31 - 1


class Credentials(NamedTuple):
    """What the client showed: an API key, and the subaccount that a primary key wants to act as (None: none named)."""

    key: str
    subaccount: int | None

    def __repr__(self) -> str:
        return f"Credentials(key=..., subaccount={self.subaccount})"  # a key must not reach a log


def from_base64(text: bytes) -> bytes | None:
    """Return what the base64 says, or None; "=" alone is an empty response (RFC 4954 section 4)."""
    if text == b"=":
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return None


def split_plain(response: bytes) -> tuple[bytes, bytes] | None:
    """Return user and password of a PLAIN response, or None where it has not the three parts of RFC 4616.

    An authorization identity other than the user (or none) cannot be granted, so it gives a user that nobody is.
    """
    parts = response.split(b"\0")
    if len(parts) != 3:
        return None
    identity, user, password = parts
    return (user if identity in (b"", user) else b""), password


def credentials(user: bytes, password: bytes) -> Credentials | None:
    """Return the key and subaccount that user and password stand for, or None where they can be nobody's.

    user   SMTP_Injection, or SMTP_Injection:X-MSYS-SUBACCOUNT=<n> to act as subaccount n
    """
    try:
        name, key = user.decode("ascii"), password.decode("ascii")
    except UnicodeDecodeError:
        return None
    found = _USER.match(name)
    if found is None or not key:
        return None
    subaccount = None if found[1] is None else int(found[1])
    if subaccount is not None and subaccount > _LARGEST_SUBACCOUNT:
        return None
    return Credentials(key, subaccount)


class Exchange:
    """One AUTH command with the challenges behind it.

    is_open   a 334 was sent: the client's next line belongs here
    """

    __slots__ = ("_mechanism", "_user", "is_open")

    def __init__(self) -> None:
        self._mechanism = b""
        self._user: bytes | None = None
        self.is_open = False

    def begin(self, argument: bytes) -> Reply | Credentials | None:
        """Read `PLAIN [response]` or `LOGIN [user]`; the result is as of `take`."""
        words = argument.split()
        if not 1 <= len(words) <= 2:
            return replies.AUTH_SYNTAX
        mechanism = words[0].upper()
        if mechanism not in (b"PLAIN", b"LOGIN"):
            return replies.UNKNOWN_MECHANISM
        self._mechanism, self._user = mechanism, None
        if len(words) == 2:
            return self.take(words[1])
        self.is_open = True
        return replies.ASK_PLAIN if mechanism == b"PLAIN" else replies.ASK_USER

    def take(self, line: bytes) -> Reply | Credentials | None:
        """Read one response: a reply (334 asks on, others refuse), credentials to look up, or None: nobody's."""
        self.is_open = False
        if line == b"*":
            return replies.AUTH_CANCELLED
        response = from_base64(line)
        if response is None:
            return replies.BAD_BASE64
        if self._mechanism == b"PLAIN":
            pair = split_plain(response)
            return replies.BAD_BASE64 if pair is None else credentials(*pair)
        if self._user is None:
            self._user, self.is_open = response, True
            return replies.ASK_PASSWORD
        return credentials(self._user, response)
