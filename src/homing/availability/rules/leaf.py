"""A leaf: one account's day, as it is sealed. Canonical JSON (RFC 8785), so that everybody hashes the same bytes.

Accounts appear under a pseudonym, so a root can be shown to everybody. A correction is a new leaf that names the one it
amends; a sealed leaf is never changed.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from homing.availability.rules.judging import judge
from homing.availability.types import Doors, Seen
from homing.evidence.rules.seconds import Seconds, pack, unpack
from homing.evidence.types import DAY_S


class DoorSets(msgspec.Struct, frozen=True):
    """One door's sets: base64 of run lengths as varints."""

    attempted: str
    answered: str
    unknown: str


class Amendment(msgspec.Struct, frozen=True):
    """Which leaf this one amends, why, and what changed: counts of seconds before and after."""

    leaf: str
    reason: str
    before: Mapping[str, int]
    after: Mapping[str, int]


class Leaf(msgspec.Struct, frozen=True):
    """One account's day.

    nodes     whose eyes it was seen with: nodes and witnesses
    sources   SHA-256 over the sums of the day's journals: see sources_sum
    """

    account: str
    amends: Amendment | None
    api: DoorSets
    classifier: int
    day: str
    nodes: list[str]
    smtp: DoorSets
    sources: str


def canonical(value: Any) -> bytes:
    """Return JSON as RFC 8785 writes it, for values of ASCII text, whole numbers, lists and mappings."""
    return json.dumps(msgspec.to_builtins(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def make(
    seen: Seen,
    *,
    account: str,
    day: date,
    classifier: int,
    nodes: Sequence[str],
    sources: bytes,
    amends: Amendment | None = None,
) -> bytes:
    """Return the bytes of a leaf."""

    def sets(attempted: Seconds, answered: Seconds, unknown: Seconds) -> DoorSets:
        return DoorSets(*(base64.b64encode(pack(bits)).decode() for bits in (attempted, answered, unknown)))

    return canonical(
        Leaf(
            account=account,
            amends=amends,
            api=sets(seen.attempted.api, seen.answered.api, seen.unknown.api),
            classifier=classifier,
            day=day.isoformat(),
            nodes=sorted(nodes),
            smtp=sets(seen.attempted.smtp, seen.answered.smtp, seen.unknown.smtp),
            sources=sources.hex(),
        )
    )


def read(entry: bytes) -> tuple[Leaf, Seen]:
    """Return what a leaf says.

    raises   ValueError where it is none
    """
    try:
        leaf = msgspec.json.decode(entry, type=Leaf)
    except msgspec.DecodeError as trouble:
        raise ValueError(f"this is no leaf: {trouble}") from trouble

    def bits(text: str) -> Seconds:
        return unpack(base64.b64decode(text, validate=True), most=DAY_S)

    api, smtp = ([bits(getattr(sets, name)) for name in ("attempted", "answered", "unknown")] for sets in (leaf.api, leaf.smtp))
    return leaf, Seen(*(Doors(one, other) for one, other in zip(api, smtp, strict=True)))


def counts(seen: Seen) -> dict[str, int]:
    """Return the figures of a day, as amendments name them."""
    judged = judge(seen)
    return {
        "attempted_api": seen.attempted.api.bit_count(),
        "attempted_smtp": seen.attempted.smtp.bit_count(),
        "strict": judged.strict.bit_count(),
        "unavailable": judged.unavailable.bit_count(),
        "unknown": judged.unknown.bit_count(),
    }


def amendment(before: bytes, before_hash: bytes, after: Seen, *, classifier: int, reason: str) -> Amendment | None:
    """Return how a sealed leaf is to be amended; None where nothing is different."""
    leaf, seen = read(before)
    if seen == after and leaf.classifier == classifier:
        return None
    return Amendment(before_hash.hex(), reason, counts(seen), counts(after))
