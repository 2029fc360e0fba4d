"""dkimpy as a verifier with DNS records of our own.

dkimpy checks Ed25519 with PyNaCl; where that is not installed, `cryptography` lends it the one primitive. Everything that
is DKIM (canonical forms, tags, hashes, which fields count) stays dkimpy's.
"""

import base64
import binascii
from collections.abc import Mapping
from types import SimpleNamespace

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from homing.domains.types import SigningKey


class _VerifyKey:
    def __init__(self, key: bytes, encoder: object) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(base64.b64decode(key))

    def verify(self, message: bytes, signature: bytes) -> bytes:
        self._key.verify(signature, message)
        return message


if not hasattr(dkim, "nacl"):
    dkim.nacl = SimpleNamespace(
        signing=SimpleNamespace(VerifyKey=_VerifyKey),
        encoding=SimpleNamespace(Base64Encoder=None),
        exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=binascii.Error),
    )


def record(key: SigningKey) -> bytes:
    """Return the TXT record that publishes a key."""
    public = key.private.public_key()
    if key.algorithm == "ed25519":
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={key.algorithm}; p={base64.b64encode(raw).decode()}".encode()


def verifies(message: bytes, records: Mapping[str, bytes], number: int = 0) -> bool:
    """Return whether a DKIM-Signature verifies; number counts from the top, records go by name with a dot at the end."""

    def look_up(name: bytes | str, timeout: int = 5) -> bytes | None:
        return records.get(name.decode() if isinstance(name, bytes) else name)

    try:
        return bool(dkim.DKIM(message, minkey=1024).verify(idx=number, dnsfunc=look_up))
    except dkim.ValidationError:
        return False
