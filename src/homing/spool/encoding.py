"""Transfer encodings (RFC 2045 section 6): which one fits, and the octets."""

import binascii
from itertools import chain
from struct import Struct

from homing.message.lines import MAX_LINE, has_long_line, normalise_line_ends

# Octets that pass every relay as they are; what else is in a text makes it quoted-printable or base64.
_PLAIN = bytes((0x09, 0x0A, 0x0D, *range(0x20, 0x7F)))
_PLAIN_WIDTH = 900  # lines up to here are left alone in 7bit: well below 998, so that a relay may still add something
_COLUMNS = 76
_LINE = Struct(f"{_COLUMNS}s")


def encode_text(text: str) -> tuple[str, bytes]:
    """Return a text's transfer encoding and its octets (UTF-8, CRLF): 7bit, quoted-printable or base64, the shorter."""
    data = text.encode("utf-8", "replace")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    odd = len(data.translate(None, _PLAIN))
    if not odd:
        plain = data.replace(b"\n", b"\r\n")
        if not has_long_line(plain, _PLAIN_WIDTH):
            return "7bit", plain
    # Quoted-printable takes three octets for an odd one, base64 four for any three.
    if odd * 6 <= len(data):
        return "quoted-printable", quoted_printable(data)
    return "base64", encode_base64(data.replace(b"\n", b"\r\n"))


def quoted_printable(data: bytes) -> bytes:
    """Return a text in quoted-printable; lines may end with CRLF or LF, the result's end with CRLF."""
    encoded = binascii.b2a_qp(data.replace(b"\r\n", b"\n"), quotetabs=False, istext=True)
    return encoded.replace(b"\n", b"\r\n")


def encode_base64(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters, without a CRLF at the end."""
    encoded = binascii.b2a_base64(data, newline=False)
    whole = len(encoded) - len(encoded) % _COLUMNS
    # Cut without a step of Python for each line: an attachment may have a quarter of a million.
    lines = chain.from_iterable(_LINE.iter_unpack(memoryview(encoded)[:whole]))
    return b"\r\n".join(chain(lines, (encoded[whole:],) if whole < len(encoded) else ()))


def encode_message(data: bytes) -> tuple[str, bytes]:
    """Return transfer encoding and octets of an attached message (message/rfc822).

    RFC 2046 section 5.2.1 allows no encoding for it; where its lines or octets cannot go as they are, base64 is still
    the better choice, since common mail readers open it.
    """
    lines = normalise_line_ends(data)
    if b"\0" in lines or has_long_line(lines, MAX_LINE):
        return "base64", encode_base64(data)
    return ("7bit" if lines.isascii() else "8bit"), lines
