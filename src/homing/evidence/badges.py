"""Badges of who asked, where the account is not known: 16 characters, made without the database and resolved with it later."""

import hashlib


def key_badge(key_hash: bytes) -> str:
    """Return the badge of an API key: the start of its hash, which leads to its row and not back to the key."""
    return key_hash[:8].hex()


def name_badge(name: str) -> str:
    """Return the badge of an account that a setting names (HOMING_SMTP_TRUST)."""
    return "@" + hashlib.sha256(name.encode()).hexdigest()[:15]


def is_name(badge: str) -> bool:
    """Return whether a badge is that of a name."""
    return badge.startswith("@")
