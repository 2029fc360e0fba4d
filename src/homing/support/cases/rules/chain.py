"""The chain of a case's events: each carries the hash of the one before, so that none can be changed or dropped unseen.

A hash covers the canonical JSON of everything that is kept of an event. Texts of messages stand elsewhere; the events hold
their SHA-256, so a text that must be erased leaves the chain whole.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from homing.support.cases.happened import Event, Payload
from homing.support.cases.types import Side

GENESIS = bytes(32)
_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Payload).decode


def write_payload(payload: Payload) -> bytes:
    """Return what is kept of a payload: canonical JSON."""
    return _encode(payload)


def read_payload(text: bytes | str) -> Payload:
    """Return a payload as it was written."""
    payload: Payload = _decode(text)
    return payload


def hash_of(*, case_id: int, seq: int, at: datetime, actor: str, side: Side, payload: bytes, prev_hash: bytes) -> bytes:
    """Return the hash of an event."""
    facts = [case_id, seq, at.astimezone(UTC).isoformat(), actor, side.value, payload.decode(), prev_hash.hex()]
    return hashlib.sha256(_encode(facts)).digest()


def linked(
    case_id: int, payloads: Sequence[tuple[Payload, str, Side]], *, at: datetime, seq: int, prev_hash: bytes
) -> list[Event]:
    """Return new events that follow on the last one.

    payloads    with who did it
    seq         of the last event; 0: there is none
    """
    made: list[Event] = []
    for payload, actor, side in payloads:
        seq += 1
        digest = hash_of(
            case_id=case_id, seq=seq, at=at, actor=actor, side=side, payload=write_payload(payload), prev_hash=prev_hash
        )
        made.append(
            Event(case_id=case_id, seq=seq, at=at, actor=actor, side=side, payload=payload, prev_hash=prev_hash, hash=digest)
        )
        prev_hash = digest
    return made


def complaints(rows: Sequence[tuple[int, int, datetime, str, str, bytes, bytes, bytes]]) -> list[str]:
    """Return what is wrong with a chain, in sentences; [] if nothing is.

    rows   case, seq, at, actor, side, payload as kept, prev_hash, hash; in the order of seq
    """
    found = []
    prev_hash, expected = GENESIS, 1
    for case_id, seq, at, actor, side, payload, kept_prev, kept in rows:
        if seq != expected:
            found.append(f"event {expected} is missing, {seq} follows")
            expected = seq
        if kept_prev != prev_hash:
            found.append(f"event {seq} does not follow on the one before it")
        digest = hash_of(case_id=case_id, seq=seq, at=at, actor=actor, side=Side(side), payload=payload, prev_hash=kept_prev)
        if digest != kept:
            found.append(f"event {seq} was changed after it was written")
        prev_hash, expected = kept, expected + 1
    return found
