"""Secrets at rest: the master key file, sealed values, hashed API keys, keyed tokens."""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from homing.ground.errors import Misuse

_KEY_BYTES = 32
_NONCE_BYTES = 12


class MasterKey:
    """Seals and opens what the database must not hold in the clear (signing keys), and derives keyed tokens.

    Its loss makes every sealed value unreadable: back it up apart from the database (docs/operations.md).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise Misuse(f"a master key has {_KEY_BYTES} bytes; this one has {len(key)}")
        self._key = key
        self._box = AESGCM(key)
        self._derived: dict[str, bytes] = {}  # purpose -> its own key

    def seal(self, clear: bytes, *, purpose: str) -> bytes:
        """Return nonce and ciphertext; the purpose is authenticated, so a value cannot be moved to another use."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._box.encrypt(nonce, clear, purpose.encode())

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Return what was sealed.

        raises   Misuse if the key, the purpose or the value is another one
        """
        try:
            return self._box.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as trouble:
            raise Misuse(
                f"a sealed {purpose} does not open with this master key; restore the master.key that belongs to this database"
            ) from trouble

    def token(self, message: bytes, *, purpose: str, size: int = 8) -> bytes:
        """Return a keyed digest of `size` bytes that only we can make (VERP, cursors)."""
        derived = self._derived.get(purpose)
        if derived is None:
            derived = self._derived[purpose] = hmac.digest(self._key, b"token:" + purpose.encode(), "sha256")
        return hmac.digest(derived, message, "sha256")[:size]


def load_or_make(path: Path) -> MasterKey:
    """Read the master key, or make it (mode 600) where there is none.

    raises   Misuse if others can read the file or it has another size
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Misuse(f"{path} can be read by others; run: chmod 600 {path}") from None
        return MasterKey(path.read_bytes())
    with os.fdopen(handle, "wb") as file:
        key = secrets.token_bytes(_KEY_BYTES)
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return MasterKey(key)


def new_api_key() -> str:
    """Return a new API key: 40 lower-case hex digits, 160 random bits."""
    return secrets.token_hex(20)


def hash_api_key(key: str) -> bytes:
    """Return what is stored of an API key. 160 random bits need no slow hash; SHA-256 cannot be searched for them."""
    return hashlib.sha256(b"homing-api-key:" + key.encode("utf-8", "surrogateescape")).digest()
