"""Ids that carry their place: 48-bit milliseconds, 8-bit shard, 24-bit counter; 10 bytes in all.

A message id is shown as 20 hex digits, a transmission id as decimal digits of the same number, so a trace, a VERP
address or a click finds its shard and day without a search. The layout cannot change later: ids are out in the world.
Bytes sort as the numbers do, so PostgreSQL keeps them in order of time in a `bytea` column.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from homing.ground.errors import Permanent

SIZE = 10
_NO_SHARD = 255  # there are 64
_COUNTER_BITS = 24
_SHARD_BITS = 8
_COUNTER_MASK = (1 << _COUNTER_BITS) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BadId(Permanent):
    """A text that is no id of ours."""


def compose(milliseconds: int, shard: int, counter: int) -> bytes:
    """Return the 10 bytes of an id; milliseconds since 1970, shard 0..255, counter 0..16777215."""
    return ((milliseconds << 32) | (shard << _COUNTER_BITS) | counter).to_bytes(SIZE, "big")


def shard_of(ident: bytes) -> int:
    """Return the shard that an id belongs to."""
    return ident[6]


def moment_of(ident: bytes) -> datetime:
    """Return when an id was made, aware UTC, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=int.from_bytes(ident[:6], "big"))


def foreign(text: str, *, of: int) -> bytes:
    """Return what stands for a message id of another platform where only ids of ours fit.

    It is the same for the same text of the same account (`of`), and never an id that we make: no shard has its number.
    """
    digest = bytearray(hashlib.sha256(f"{of}\0{text}".encode("utf-8", "surrogatepass")).digest()[:SIZE])
    digest[6] = _NO_SHARD
    return bytes(digest)


def is_foreign(ident: bytes | None) -> bool:
    """Return whether an id stands for one of another platform."""
    return ident is not None and ident[6] == _NO_SHARD


def floor_at(moment: datetime, shard: int) -> bytes:
    """Return the smallest id of a shard at a moment: a bound for range scans."""
    return compose((moment - _EPOCH) // timedelta(milliseconds=1), shard, 0)


def to_hex(ident: bytes) -> str:
    """Return the wire form of a message id: 20 lower-case hex digits."""
    return ident.hex()


def from_hex(text: str) -> bytes:
    """Read a message id.

    raises   BadId unless the text is 20 hex digits
    """
    if len(text) != 2 * SIZE:
        raise BadId("a message id has 20 hex digits")
    try:
        return bytes.fromhex(text)
    except ValueError as trouble:
        raise BadId("a message id has 20 hex digits") from trouble


def to_digits(ident: bytes) -> str:
    """Return the wire form of a transmission id: decimal digits (official Go clients refuse anything else)."""
    return str(int.from_bytes(ident, "big"))


def from_digits(text: str) -> bytes:
    """Read a transmission id.

    raises   BadId unless the text is ASCII decimal digits of a number below 2**80
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 25):
        raise BadId("a transmission id is made of digits")
    number = int(text)
    if number >> (8 * SIZE):
        raise BadId("a transmission id is made of digits, below 2**80")
    return number.to_bytes(SIZE, "big")


class Mint:
    """Makes ids for one shard; the shard's owner holds the only one, so no two ids are alike.

    The counter starts at random, and time never runs backwards here, so a successor that begins within the same
    millisecond does not repeat what its predecessor made.
    """

    __slots__ = ("_counter", "_last", "shard")

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self._counter = secrets.randbits(_COUNTER_BITS)
        self._last = 0

    def make(self, now_ms: int) -> bytes:
        """Return a new id; now_ms is Unix milliseconds, and an earlier one than before counts as the last."""
        if now_ms > self._last:
            self._last = now_ms
        self._counter = (self._counter + 1) & _COUNTER_MASK
        return ((self._last << 32) | (self.shard << _COUNTER_BITS) | self._counter).to_bytes(SIZE, "big")
