"""Tracked addresses: a link, a pixel or an unsubscribe page that names its message, and that only we can make.

    /f/<sublink>/<token>~~/<account>~/<data>      a link; the target is inside. A sublink has one segment or several
    /q/<token>~~/<account>~/<data>~~              a pixel
    /u/<token>~~/<account>~/<data>~~              unsubscribe

Each carries a keepsake of its message (keepsake.py), so that it serves when the log has forgotten it. Token and data are the
two halves of one AES-GCM box: nothing in them can be read or changed, so a redirect leads only where we wrote, and no address
of a person stands in a log. The nonce is a keyed digest of what is inside, so the same link is the same text at every try. The
shapes of the paths are SparkPost's (reference, section 6.4).
"""

import base64
import hashlib
import hmac
from enum import IntEnum

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from homing.message.keepsake import Keepsake, unpack

MOST_PATH = 4_096  # bytes of a path; a longer one is refused, and none is made
MOST_NAME = 63  # bytes of a link's name, the rest is cut
DEFAULT_NAME = "Raw URL"
_NONCE, _TAG, _ID = 12, 16, 10
_KEEPS = 128  # bit of the kind: a keepsake stands behind the message id, its length in two bytes before it
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Kind(IntEnum):
    """What a tracked address stands for; the number is inside of addresses that are out in the world, and never reused."""

    CLICK = 1
    UNSUBSCRIBE_LINK = 2  # a link of the sender's that also unsubscribes
    OPEN = 3
    INITIAL_OPEN = 4
    UNSUBSCRIBE = 5  # of the List-Unsubscribe header
    AMP_CLICK = 6
    AMP_OPEN = 7
    AMP_INITIAL_OPEN = 8


CLICKS = frozenset({Kind.CLICK, Kind.UNSUBSCRIBE_LINK, Kind.AMP_CLICK})
OPENS = frozenset({Kind.OPEN, Kind.INITIAL_OPEN, Kind.AMP_OPEN, Kind.AMP_INITIAL_OPEN})


class Tracked(msgspec.Struct, frozen=True, gc=False):
    """What a tracked address names.

    url        the target of a link; '' for the others
    name       of the link
    keepsake   None in addresses that were made before there were any, and in links that leave no room for it
    """

    kind: Kind
    account_id: int
    message_id: bytes
    url: str = ""
    name: str = ""
    keepsake: Keepsake | None = None


class Seal:
    """Makes and reads tracked addresses. secret: 32 bytes or more that nobody else knows."""

    def __init__(self, secret: bytes) -> None:
        self._box = AESGCM(hashlib.sha256(b"tracked box" + secret).digest())
        self._nonces = hashlib.sha256(b"tracked nonce" + secret).digest()

    def link(
        self,
        account_id: int,
        message_id: bytes,
        url: str,
        *,
        name: str = "",
        sublink: str = "",
        kind: Kind = Kind.CLICK,
        packed: bytes = b"",
    ) -> str:
        """Return the path of a link, or '' where it would be too long. packed: its keepsake; it is left out before that."""
        cut = (name or DEFAULT_NAME).encode()[:MOST_NAME].decode("utf-8", "ignore").encode()
        inside = b"".join((_beginning(kind, message_id, packed), bytes((len(cut),)), cut, url.encode()))
        sub = _clean(sublink) or "a"
        token, data = self._sealed(inside, f"f/{sub}/{account_id}")
        path = f"/f/{sub}/{token}~~/{_base36(account_id)}~/{data}"
        if len(path) <= MOST_PATH:
            return path
        return self.link(account_id, message_id, url, name=name, sublink=sublink, kind=kind) if packed else ""

    def pixel(self, account_id: int, message_id: bytes, *, kind: Kind, packed: bytes = b"") -> str:
        """Return the path of a pixel."""
        token, data = self._sealed(_beginning(kind, message_id, packed), f"q/{account_id}")
        return f"/q/{token}~~/{_base36(account_id)}~/{data}~~"

    def unsubscribe(self, account_id: int, message_id: bytes, *, packed: bytes = b"") -> str:
        """Return the path of the page that unsubscribes."""
        token, data = self._sealed(_beginning(Kind.UNSUBSCRIBE, message_id, packed), f"u/{account_id}")
        return f"/u/{token}~~/{_base36(account_id)}~/{data}~~"

    def read(self, path: str) -> Tracked | None:
        """Return what a path names, or None if it is none that we made."""
        if len(path) > MOST_PATH:
            return None
        parts = path.split("/")
        if len(parts) >= 6 and parts[1] == "f":
            where, token, account, data = "/".join(parts[1:-3]), parts[-3], parts[-2], parts[-1]
        elif len(parts) == 5 and parts[1] in ("q", "u") and parts[4].endswith("~~"):
            where, token, account, data = parts[1], parts[2], parts[3], parts[4][:-2]
        else:
            return None
        if parts[0] or not token.endswith("~~") or not account.endswith("~"):
            return None
        try:
            account_id = int(account[:-1], 36)
            head, rest = _unbase64(token[:-2]), _unbase64(data)
            if len(head) != _NONCE + _TAG or _base36(account_id) != account[:-1]:
                return None
            inside = self._box.decrypt(head[:_NONCE], rest + head[_NONCE:], f"{where}/{account_id}".encode())
            return _opened(inside, account_id)
        except (ValueError, InvalidTag):
            return None

    def _sealed(self, inside: bytes, where: str) -> tuple[str, str]:
        place = where.encode()
        nonce = hmac.digest(self._nonces, place + b"\0" + inside, "sha256")[:_NONCE]
        box = self._box.encrypt(nonce, inside, place)
        return _base64(nonce + box[-_TAG:]), _base64(box[:-_TAG])


def _beginning(kind: Kind, message_id: bytes, packed: bytes) -> bytes:
    if not packed:
        return bytes((kind,)) + message_id
    return b"".join((bytes((kind | _KEEPS,)), message_id, len(packed).to_bytes(2, "big"), packed))


def _opened(inside: bytes, account_id: int) -> Tracked:
    kind, message_id, place = Kind(inside[0] & ~_KEEPS), inside[1 : 1 + _ID], 1 + _ID
    keepsake = None
    if inside[0] & _KEEPS:
        begin = place + 2
        place = begin + int.from_bytes(inside[place:begin], "big")
        keepsake = unpack(inside[begin:place])
    if kind not in CLICKS:
        return Tracked(kind, account_id, message_id, keepsake=keepsake)
    start = place + 1
    end = start + inside[place]
    return Tracked(kind, account_id, message_id, inside[end:].decode(), inside[start:end].decode(), keepsake)


def _clean(sublink: str) -> str:
    """Return a sublink that can stand in a path, without slashes around it; '' where it cannot."""
    sublink = sublink.strip("/")
    fit = len(sublink) <= 100 and sublink.isascii() and all(_is_segment(one) for one in sublink.split("/"))
    return sublink if fit else ""


def _is_segment(text: str) -> bool:
    """Return whether every host and proxy takes it as one segment as it stands; `.` and `..` they would resolve."""
    return bool(text.strip(".")) and all(sign.isalnum() or sign in "-_." for sign in text)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _unbase64(text: str) -> bytes:
    if not text.isascii():
        raise ValueError("not ASCII")
    data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
    if _base64(data) != text:  # one text for each box: other spellings of the last bits are none of ours
        raise ValueError("not the text that we wrote")
    return data


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"
