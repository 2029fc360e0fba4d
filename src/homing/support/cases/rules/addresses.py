"""Addresses and links that only one reader was given. Both name a letter and carry a keyed digest, so nobody can make them up.

    help+r123-<16 hex digits>@support.example    answers to letter 123
    help+a123-<16 hex digits>@support.example    agrees to what letter 123 proposes; it serves once
    tina+p123-<16 hex digits>@support.example    answers to letter 123 of the TAM's programme

Digits and letters only, read without regard to case: some hosts change the case of what they return.
"""

import hmac
import re
from collections.abc import Callable
from enum import StrEnum

import msgspec

_TAG = re.compile(r"([arp])([0-9]{1,18})-([0-9a-f]{16})", re.ASCII | re.IGNORECASE)
_LINK = re.compile(r"([0-9]{1,18})-([0-9a-f]{32})", re.ASCII)
_SUBJECT = re.compile(r"\[case #?([0-9]{1,12})\]", re.IGNORECASE)

Token = Callable[[bytes], bytes]  # keyed digest of 16 bytes (MasterKey.token)


class Use(StrEnum):
    """What an address is for."""

    REPLY = "r"
    AGREE = "a"
    PROGRAMME = "p"


class Tagged(msgspec.Struct, frozen=True):
    """An address of ours that names a letter."""

    use: Use
    letter_id: int


def tagged_address(support_address: str, use: Use, letter_id: int, token: Token) -> str:
    """Return the address that a reader of a letter writes to."""
    local, _, domain = support_address.rpartition("@")
    digest = token(f"{use.value}{letter_id}".encode())[:8].hex()
    return f"{local}+{use.value}{letter_id}-{digest}@{domain}"


def read_tag(tag: str, token: Token) -> Tagged | None:
    """Return what the part after the plus says; None where it is not one that we made."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return None
    use, letter_id = Use(found[1].lower()), int(found[2])
    expected = token(f"{use.value}{letter_id}".encode())[:8]
    return Tagged(use, letter_id) if hmac.compare_digest(expected, bytes.fromhex(found[3])) else None


def link_of(letter_id: int, token: Token) -> str:
    """Return the last part of the link in a letter."""
    return f"{letter_id}-{token(f'link{letter_id}'.encode()).hex()}"


def read_link(text: str, token: Token) -> int | None:
    """Return the letter that a link belongs to; None where it is not one that we made."""
    found = _LINK.fullmatch(text)
    if found is None:
        return None
    expected = token(f"link{int(found[1])}".encode())
    return int(found[1]) if hmac.compare_digest(expected, bytes.fromhex(found[2])) else None


def subject_token(number: int) -> str:
    """Return what the subject of every mail about a case holds."""
    return f"[Case {number}]"


def number_in(subject: str) -> int | None:
    """Return the number of the case that a subject names."""
    found = _SUBJECT.search(subject)
    return int(found[1]) if found is not None else None


def without_token(subject: str) -> str:
    """Return a subject without the token and without Re: and Fwd:."""
    text = _SUBJECT.sub(" ", subject)
    return re.sub(r"^(?:\s*(?:re|aw|antw|sv|vs|fw|fwd|wg|tr)\s*:)+", "", text, flags=re.IGNORECASE).strip()
