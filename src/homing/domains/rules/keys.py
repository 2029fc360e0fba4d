"""Decisions about the keys of a domain: their ids, where their records stand, which of them may be which."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from homing.domains.types import DEFAULT_KEY, DkimKey

MOST_KEYS = 256  # of a domain, besides the default (SparkPost reference, section 1.10)
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_NOT_IN_A_LABEL = re.compile(r"[^a-z0-9]+")
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_STEM = 40  # characters; with month, counter and the `e` of Ed25519 it stays within a label's 63


def is_key_id(text: str) -> bool:
    """Return whether a text can be the id of a key (SparkPost reference, section 2.8)."""
    return _KEY_ID.fullmatch(text) is not None


def find_key(keys: Iterable[DkimKey], key_id: str, *, default_key: str) -> list[DkimKey]:
    """Return the parts of a key, RSA first; `default` is the domain's default key whatever its id."""
    wanted = default_key if key_id == DEFAULT_KEY else key_id
    return [key for key in keys if key.key_id == wanted]


def free_selector(key_id: str, *, now: datetime, taken: Collection[str]) -> str:
    """Return a selector for a key that is made now: its id with month and year, counted up until nobody has it.

    The same with an `e` behind it, which Ed25519 gets, is free too.
    """
    stem = _NOT_IN_A_LABEL.sub("-", key_id.lower()).strip("-")[:_LONGEST_STEM].strip("-") or "key"
    first = made = f"{stem}{now:%m%y}"
    number = 1
    while made in taken or f"{made}e" in taken:
        number += 1
        made = f"{first}-{number}"
    return made


def free_id(selector: str, *, taken: Collection[str]) -> str:
    """Return an id for the key that was the default one: its selector, as far as that can be an id."""
    first = made = _NOT_IN_AN_ID.sub("-", selector).strip("-_")[:50] or "key"
    number = 1
    while made in taken or made == DEFAULT_KEY:
        number += 1
        made = f"{first}-{number}"
    return made


def clash(wanted: Sequence[tuple[str, str]], others: Iterable[tuple[str, str]]) -> bool:
    """Return whether two keys would need a record in one place. The same key may stand there for several domains.

    wanted, others   (selector, public key) under the same signing domain
    """
    standing: dict[str, set[str]] = {}
    for selector, public_key in others:
        standing.setdefault(selector, set()).add(public_key)
    return any(standing.get(selector, {public_key}) != {public_key} for selector, public_key in wanted)
