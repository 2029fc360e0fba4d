"""What a message carries of its own story, sealed, so that what comes back about it long afterwards still has a consequence.

The log forgets a message after some days (HOMING_EVENT_RETENTION_DAYS); a recipient may complain or unsubscribe months later.

    k-<20 hex digits of the message id>-<base64url of the box>

The box is AES-SIV bound to the message id: only we can make or read it, and it is the same text at every try.
"""

import base64
import binascii
import hashlib
import re

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

PURPOSE = "keepsake"  # of the secret (MasterKey.token)
_MOST = 20  # words of a text that are tried
_WORD = re.compile(r"(?<![0-9A-Za-z])k-([0-9a-f]{20})-([0-9A-Za-z_-]{22,1500})", re.ASCII)


class Keepsake(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is kept of a message. New members go to the end and have a default: it is read from mail that is out in the world.

    recipient         as submitted
    subaccount_id     0: the primary account
    transmission_id   b'' where it is not known
    list_id           as the suppression list names it; '': of none
    """

    account_id: int
    recipient: str
    subaccount_id: int = 0
    transactional: bool = False
    campaign_id: str = ""
    transmission_id: bytes = b""
    list_id: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Keepsake).decode


def pack(keepsake: Keepsake) -> bytes:
    """Return a keepsake as what is sealed; not sealed yet."""
    return _encode(keepsake)


def unpack(packed: bytes) -> Keepsake:
    """Return what was packed. raises ValueError"""
    return _decode(packed)


class Box:
    """Seals and opens keepsakes. secret: 32 bytes or more that nobody else knows."""

    def __init__(self, secret: bytes) -> None:
        self._box = AESSIV(hashlib.sha512(b"keepsake box" + secret).digest())

    def word(self, message_id: bytes, packed: bytes) -> str:
        """Return the word that carries a packed keepsake."""
        return f"k-{message_id.hex()}-{_base64(self._box.encrypt(packed, [message_id]))}"

    def read(self, text: str) -> dict[bytes, Keepsake]:
        """Return the keepsakes of the words in a text that we made, by message id."""
        found: dict[bytes, Keepsake] = {}
        for number, (digits, sealed) in enumerate(_WORD.findall(text)):
            if number >= _MOST:
                break
            message_id = bytes.fromhex(digits)
            try:
                box = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
                if _base64(box) != sealed:  # one text for each box, as in tracked.py
                    continue
                found.setdefault(message_id, unpack(self._box.decrypt(box, [message_id])))
            except (binascii.Error, ValueError, InvalidTag):
                continue
        return found


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def words_in(text: str) -> list[str]:
    """Return what looks like such words in a text; none of them is proven."""
    return [found[0] for found in _WORD.finditer(text)][:_MOST]
