"""Whether a domain signed a mail (DKIM, RFC 6376; Ed25519 by RFC 8463): the one proof that a From address is its owner's word.

Strict where it matters: SHA-256 alone, keys of 1,024 bits or more, From must be signed, no signature over a part of the body,
none that has expired. Which signatures count is decided here; looking up their keys is the caller's.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from homing.message.lines import normalise_line_ends
from homing.message.scan import Scan
from homing.spool.dkim import relaxed_body, relaxed_field

MOST_SIGNATURES = 5  # of one mail that are looked at
_LABELS = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_VALUE_OF_B = re.compile(rb"([;\s]|^)(b\s*=)[^;]*", re.IGNORECASE)
_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}
_LEAST_BITS = 1024
_SKEW_S = 300


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One DKIM-Signature that is worth looking up."""

    domain: str
    selector: str
    algorithm: str
    simple_header: bool
    simple_body: bool
    headers: tuple[bytes, ...]
    body_hash: bytes
    value: bytes
    field: bytes

    @property
    def record_name(self) -> str:
        """Return where its key is published."""
        return f"{self.selector}._domainkey.{self.domain}"


def claims(raw: bytes, from_domain: str, *, now: datetime) -> list[Claim]:
    """Return the signatures of a mail that could prove the domain of its From address."""
    found = []
    for field in Scan(normalise_line_ends(raw)).by_name.get(b"dkim-signature", ())[:MOST_SIGNATURES]:
        claim = _claim(field, now)
        if claim is not None and aligned(claim.domain, from_domain):
            found.append(claim)
    return found


def aligned(signer: str, from_domain: str) -> bool:
    """Return whether who signs and who is named as author are one house (relaxed alignment, RFC 7489 section 3.1.1).

    Without a list of public suffixes: one name is the other, or lies beneath it. Nobody can publish a key for `com` alone.
    """
    if not signer or not from_domain or "." not in signer:
        return False
    return signer == from_domain or from_domain.endswith(f".{signer}") or signer.endswith(f".{from_domain}")


def holds(raw: bytes, claim: Claim, record: str) -> bool:
    """Return whether a signature is right by the key that its domain publishes."""
    verify = _verifier(record, claim.algorithm)
    if verify is None:
        return False
    mail = Scan(normalise_line_ends(raw))
    body = mail.raw[mail.body_start :]
    canonical = _simple_body(body) if claim.simple_body else relaxed_body(body)
    if hashlib.sha256(canonical).digest() != claim.body_hash:
        return False
    return verify(claim.value, _signed(mail, claim))


def _claim(field: bytes, now: datetime) -> Claim | None:
    tags = _tags(field.partition(b":")[2])
    algorithm = _ALGORITHMS.get(tags.get("a", "").lower())
    forms = tags.get("c", "simple/simple").lower().partition("/")
    header_form, body_form = forms[0], forms[2] or "simple"
    domain, selector = tags.get("d", "").lower().rstrip("."), tags.get("s", "")
    names = tuple(name.strip().lower().encode() for name in tags.get("h", "").split(":"))
    if (
        tags.get("v") != "1"
        or algorithm is None
        or "l" in tags
        or b"from" not in names
        or {header_form, body_form} - {"simple", "relaxed"}
        or not _LABELS.fullmatch(domain)
        or not _LABELS.fullmatch(selector)
        or _expired(tags, now)
    ):
        return None
    try:
        body_hash, value = (base64.b64decode(re.sub(r"\s", "", tags.get(tag, "")), validate=True) for tag in ("bh", "b"))
    except (binascii.Error, ValueError):
        return None
    return Claim(
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        simple_header=header_form == "simple",
        simple_body=body_form == "simple",
        headers=names,
        body_hash=body_hash,
        value=value,
        field=field,
    )


def _expired(tags: dict[str, str], now: datetime) -> bool:
    until, since = tags.get("x", ""), tags.get("t", "")
    moment = now.timestamp()
    if until and (not until.isdigit() or len(until) > 12 or int(until) < moment - _SKEW_S):
        return True
    return bool(since) and (not since.isdigit() or len(since) > 12 or int(since) > moment + _SKEW_S)


def _tags(value: bytes) -> dict[str, str]:
    """Return a list of tags (section 3.2); a tag that stands twice makes the whole void."""
    found: dict[str, str] = {}
    for piece in value.decode("ascii", "replace").split(";"):
        name, equals, text = piece.partition("=")
        if not equals:
            continue
        name = name.strip()
        if name in found:
            return {}
        found[name] = re.sub(r"\r\n(?=[ \t])", "", text).strip()
    return found


def _verifier(record: str, algorithm: str) -> Callable[[bytes, bytes], bool] | None:
    tags = _tags(record.encode("ascii", "replace"))
    hashes_allowed = [one.strip() for one in tags.get("h", "sha256").split(":")]
    if tags.get("v", "DKIM1") != "DKIM1" or tags.get("k", "rsa") != algorithm or "sha256" not in hashes_allowed:
        return None
    try:
        octets = base64.b64decode(re.sub(r"\s", "", tags.get("p", "")), validate=True)
        if algorithm == "ed25519":
            return _by_ed25519(Ed25519PublicKey.from_public_bytes(octets))
        key = load_der_public_key(octets)
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        return None
    return _by_rsa(key) if isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_BITS else None


def _by_ed25519(key: Ed25519PublicKey) -> Callable[[bytes, bytes], bool]:
    def verify(value: bytes, signed: bytes) -> bool:
        try:
            key.verify(value, hashlib.sha256(signed).digest())
        except InvalidSignature:
            return False
        return True

    return verify


def _by_rsa(key: RSAPublicKey) -> Callable[[bytes, bytes], bool]:
    def verify(value: bytes, signed: bytes) -> bool:
        try:
            key.verify(value, signed, PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    return verify


def _signed(mail: Scan, claim: Claim) -> bytes:
    """Return the octets that were signed: the fields, bottom first where a name repeats, then the signature without its value."""
    waiting = {name: list(fields) for name, fields in mail.by_name.items()}
    pieces: list[bytes] = []
    for name in claim.headers:
        fields = waiting.get(name)
        if fields:
            pieces.append(_canonical(name, fields.pop(), simple=claim.simple_header))
    own = _VALUE_OF_B.sub(rb"\1\2", claim.field.partition(b":")[2], count=1)
    own_field = claim.field.partition(b":")[0] + b":" + own
    pieces.append(_canonical(b"dkim-signature", own_field, simple=claim.simple_header).removesuffix(b"\r\n"))
    return b"".join(pieces)


def _canonical(name: bytes, field: bytes, *, simple: bool) -> bytes:
    return field + b"\r\n" if simple else relaxed_field(name, field)


def _simple_body(body: bytes) -> bytes:
    """Return a body in simple form (section 3.4.3): empty lines at its end are one CRLF; an empty body is CRLF."""
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    if not body or body == b"\r\n":
        return b"\r\n"
    return body if body.endswith(b"\r\n") else body + b"\r\n"
