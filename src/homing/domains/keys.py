"""Making DKIM keys and reading customers' own. Slow arithmetic: callers on the event loop use `asyncio.to_thread`."""

import base64
import binascii
import re

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.ground.errors import Permanent
from homing.ground.secrets import MasterKey

SEAL_PURPOSE = "dkim"
SHORTEST_BITS, LONGEST_BITS, DEFAULT_BITS = 1024, 4096, 2048
_LONGEST_TEXT = 8192  # a 4096-bit key in PEM has 3,272 characters
_ARMOUR = re.compile(r"-----[A-Z ]+-----")


class BadKey(Permanent):
    """A key that cannot be used; the text is for the customer."""


class KeyPair(msgspec.Struct, frozen=True):
    """A key pair.

    private_der  PKCS#8, unencrypted
    public_key   bare base64 as in the p= tag: SubjectPublicKeyInfo for RSA (RFC 6376 section 3.6.1 as everybody
                 reads it), the raw 32 bytes for Ed25519 (RFC 8463 section 3)
    """

    algorithm: str
    private_der: bytes
    public_key: str
    bits: int

    def __repr__(self) -> str:
        return f"KeyPair({self.algorithm}, {self.bits})"  # never the key itself


def generate_rsa(bits: int = DEFAULT_BITS) -> KeyPair:
    """Make an RSA key pair.

    raises   ValueError unless bits is from 1024 to 4096
    """
    if not SHORTEST_BITS <= bits <= LONGEST_BITS:
        raise ValueError(f"a DKIM key has {SHORTEST_BITS} to {LONGEST_BITS} bits; got {bits}")
    return _rsa_pair(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def generate_ed25519() -> KeyPair:
    """Make an Ed25519 key pair."""
    private = Ed25519PrivateKey.generate()
    return KeyPair("ed25519", _pkcs8(private), base64.b64encode(private.public_key().public_bytes_raw()).decode(), 256)


def import_rsa(private_text: str, public_text: str) -> KeyPair:
    """Read a customer's own pair: PKCS#1 or PKCS#8, unencrypted, bare base64 (PEM lines round it are tolerated).

    raises   BadKey saying which of the two is wrong, or that they do not belong together
    """
    try:
        private = serialization.load_der_private_key(_der(private_text), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as trouble:
        raise BadKey("'dkim.private' is not an unencrypted PKCS#1 or PKCS#8 RSA private key") from trouble
    if not isinstance(private, rsa.RSAPrivateKey):
        raise BadKey("'dkim.private' is not an RSA private key")
    try:
        public = serialization.load_der_public_key(_der(public_text))
    except (ValueError, UnsupportedAlgorithm) as trouble:
        raise BadKey("'dkim.public' is not an RSA public key") from trouble
    if not isinstance(public, rsa.RSAPublicKey):
        raise BadKey("'dkim.public' is not an RSA public key")
    if not SHORTEST_BITS <= private.key_size <= LONGEST_BITS:
        raise BadKey(f"a DKIM key must have {SHORTEST_BITS} to {LONGEST_BITS} bits")
    if public.public_numbers() != private.public_key().public_numbers():
        raise BadKey("'dkim.private' and 'dkim.public' are not a matching pair")
    return _rsa_pair(private)


def seal(pair: KeyPair, master_key: MasterKey) -> bytes:
    """Return the private key as the database may hold it."""
    return master_key.seal(pair.private_der, purpose=SEAL_PURPOSE)


def unseal(sealed: bytes, master_key: MasterKey) -> rsa.RSAPrivateKey | Ed25519PrivateKey:
    """Return a private key, ready to sign. It was checked when it came in, and its seal says that it is unchanged.

    raises   Misuse if the master key is another one
    """
    clear = master_key.open(sealed, purpose=SEAL_PURPOSE)
    private = serialization.load_der_private_key(clear, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private, rsa.RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError(f"a sealed DKIM key is a {type(private).__name__}")
    return private


def _rsa_pair(private: rsa.RSAPrivateKey) -> KeyPair:
    spki = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair("rsa", _pkcs8(private), base64.b64encode(spki).decode(), private.key_size)


def _pkcs8(private: rsa.RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _der(text: str) -> bytes:
    if len(text) > _LONGEST_TEXT:
        raise ValueError("too long")
    try:
        return base64.b64decode("".join(_ARMOUR.sub("", text).split()).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as trouble:
        raise ValueError("not base64") from trouble
