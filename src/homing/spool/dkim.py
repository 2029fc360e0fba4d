"""DKIM signatures (RFC 6376; Ed25519 by RFC 8463), relaxed/relaxed, without a length limit.

The body is canonicalised by whole-buffer replacements and hashed once, however many keys sign. From is listed once more
than it occurs, so that nobody can add another one (RFC 6376 section 8.15). The standard oracle of the tests is dkimpy.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from homing.domains.types import SigningKey
from homing.ground.errors import Permanent
from homing.message.scan import split_fields

# Every field of these names is signed (RFC 6376 section 5.4.1, and what mailbox providers ask for).
SIGNED = frozenset(
    {
        b"from", b"sender", b"reply-to", b"subject", b"date", b"to", b"cc", b"message-id", b"in-reply-to", b"references",
        b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id",
        b"content-description", b"resent-from", b"resent-sender", b"resent-to", b"resent-cc", b"resent-date",
        b"resent-message-id", b"list-id", b"list-help", b"list-unsubscribe", b"list-unsubscribe-post", b"list-subscribe",
        b"list-post", b"list-owner", b"list-archive", b"feedback-id", b"x-msfbl", b"autocrypt",
    }
)  # fmt: skip
_WIDTH = 76
_PADDING, _SHA256 = PKCS1v15(), hashes.SHA256()
_SPACE = re.compile(rb"[ \t]+")


class CannotSign(Permanent):
    """A message that no signature can be made for; it has no From."""


def sign(message: bytes, keys: Sequence[SigningKey], *, now: datetime) -> bytes:
    """Return the DKIM-Signature fields to put in front of a message, one for each key, in the order of the keys.

    message  complete, lines end with CRLF, without dot-stuffing; it must not be changed afterwards
    now      aware; becomes t=
    raises   CannotSign without a From field
    """
    if not keys:
        return b""
    end = message.find(b"\r\n\r\n")
    block, body = (message, b"") if end < 0 else (message[: end + 2], message[end + 4 :])
    if message.startswith(b"\r\n"):
        block, body = b"", message[2:]
    names, canonical = _signed_fields(block)
    listed = b":".join(names).decode("ascii")
    body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
    moment = int(now.timestamp())
    return b"".join(_signature(key, listed, canonical, body_hash, moment) for key in keys)


def _signed_fields(block: bytes) -> tuple[list[bytes], bytes]:
    """Return the h= names and the canonical form of the fields, bottom first where a name repeats (section 5.4.2)."""
    found: dict[bytes, list[bytes]] = {}
    for name, field in split_fields(block):
        if name in SIGNED:
            found.setdefault(name, []).append(field)
    if b"from" not in found:
        raise CannotSign("the message has no From header")
    names: list[bytes] = []
    canonical: list[bytes] = []
    for name, fields in found.items():
        for field in reversed(fields):
            names.append(name)
            canonical.append(relaxed_field(name, field))
    names.append(b"from")
    return names, b"".join(canonical)


def _signature(key: SigningKey, listed: str, canonical: bytes, body_hash: str, moment: int) -> bytes:
    tags = [f"v=1; a={key.algorithm}-sha256; c=relaxed/relaxed;", f"d={key.domain}; s={key.selector};", f"t={moment};"]
    lines = _wrap("DKIM-Signature:", tags)
    lines += _wrap_names(f" h={listed};")
    lines += [f" bh={body_hash};", " b="]
    unsigned = "\r\n".join(lines).encode("ascii")
    signed = canonical + relaxed_field(b"dkim-signature", unsigned)[:-2]
    value = base64.b64encode(_raw_signature(key.private, signed)).decode("ascii")
    first = value[: _WIDTH - 3]
    rest = [value[start : start + _WIDTH - 1] for start in range(len(first), len(value), _WIDTH - 1)]
    return unsigned + "\r\n ".join([first, *rest]).encode("ascii") + b"\r\n"


def _raw_signature(private: RSAPrivateKey | Ed25519PrivateKey, signed: bytes) -> bytes:
    if isinstance(private, RSAPrivateKey):
        return private.sign(signed, _PADDING, _SHA256)
    # RFC 8463 section 3: Ed25519 signs the SHA-256 of what RSA would have hashed.
    return private.sign(hashlib.sha256(signed).digest())


def _wrap(start: str, pieces: Sequence[str]) -> list[str]:
    lines = [start]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) <= _WIDTH:
            lines[-1] += f" {piece}"
        else:
            lines.append(f" {piece}")
    return lines


def _wrap_names(text: str) -> list[str]:
    """Cut the h= tag after colons, where section 3.5 allows white space."""
    lines = []
    while len(text) > _WIDTH:
        cut = text.rfind(":", 0, _WIDTH) + 1
        if cut <= 0:
            break
        lines.append(text[:cut])
        text = " " + text[cut:]
    return [*lines, text]


def relaxed_field(name: bytes, field: bytes) -> bytes:
    """Return a field in relaxed form (section 3.4.2), with its CRLF."""
    value = field.partition(b":")[2].replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _SPACE.sub(b" ", value)
    return name + b":" + value.strip(b" ") + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Return a body in relaxed form (section 3.4.4): white space in runs is one space, none before CRLF, no empty lines
    at the end, CRLF at the end of what is not empty.

    A body whose last line lacks its CRLF is taken as SMTP will deliver it: with one. Each step is one replacement over
    the whole buffer; doubled spaces are halved until none is left, so a run of any length takes few passes.
    """
    if body and not body.endswith(b"\r\n"):
        body += b"\r\n"
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    if not body.endswith(b"\r\n\r\n"):
        return b"" if body == b"\r\n" else body
    text = body.rstrip(b"\r\n")
    if body[len(text) :] == b"\r\n" * ((len(body) - len(text)) // 2):
        return text + b"\r\n" if text else b""
    end = len(body)  # it ends with a lone CR or LF somewhere, which is text to DKIM
    while body.startswith(b"\r\n", end - 2) and end >= 2:
        end -= 2
    return body[:end] + b"\r\n" if end else b""
