"""What an event adds to the counts of a test: each message counts once for each thing that happened to it."""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import NamedTuple

import msgspec

from homing.abtests.types import Counts
from homing.events.types import EventType, Logged
from homing.ground.ids import is_foreign


class Did(IntFlag):
    """What happened to a message so far; the numbers are stored."""

    INJECTED = 1
    ACCEPTED = 2
    RETURNED = 4  # it bounced after it was accepted
    OPENED = 8  # or clicked: a confirmed open
    CLICKED = 16


class Key(NamedTuple):
    """A version of a test."""

    account_id: int
    subaccount_id: int
    test_id: str
    version: int


class Message(NamedTuple):
    """A message of a test, and what some events say happened to it."""

    key: Key
    template_id: str
    did: Did


_DID = {
    EventType.INJECTION: Did.INJECTED,
    EventType.DELIVERY: Did.ACCEPTED,
    EventType.OUT_OF_BAND: Did.RETURNED,
    EventType.OPEN: Did.OPENED,
    EventType.INITIAL_OPEN: Did.OPENED,
    EventType.AMP_OPEN: Did.OPENED,
    EventType.AMP_INITIAL_OPEN: Did.OPENED,
    EventType.CLICK: Did.OPENED | Did.CLICKED,
    EventType.AMP_CLICK: Did.OPENED | Did.CLICKED,
}


class _Detail(msgspec.Struct):
    ab_test_id: str = ""
    ab_test_version: str = ""
    template_id: str = ""


_read = msgspec.json.Decoder(_Detail, strict=False).decode


def happened(events: Iterable[Logged]) -> dict[bytes, Message]:
    """Return what events say of the messages of tests, by message id."""
    found: dict[bytes, Message] = {}
    for event in events:
        did = _DID.get(event.type)
        message_id = event.message_id
        if did is None or message_id is None or is_foreign(message_id) or b'"ab_test_id"' not in event.detail:
            continue
        detail = _read(event.detail)
        if not (detail.ab_test_id and detail.template_id and detail.ab_test_version.isdigit()):
            continue
        before = found.get(message_id)
        if before is None:
            key = Key(event.account_id, event.subaccount_id, detail.ab_test_id, int(detail.ab_test_version))
            found[message_id] = Message(key, detail.template_id, did)
        else:
            found[message_id] = before._replace(did=before.did | did)
    return found


def added(messages: Mapping[bytes, Message], before: Mapping[bytes, int]) -> dict[tuple[Key, str], Counts]:
    """Return what messages add to the counts of each version and template.

    before   what had happened to each message, as Did; absent: nothing
    """
    sums: dict[tuple[Key, str], Counts] = {}
    for message_id, message in messages.items():
        old = Did(before.get(message_id, 0))
        more = _difference(_counts(old | message.did), _counts(old))
        if any(more):
            place = (message.key, message.template_id)
            sums[place] = Counts(*(left + right for left, right in zip(sums.get(place, Counts()), more, strict=True)))
    return sums


def _counts(did: Did) -> Counts:
    return Counts(
        injected=int(Did.INJECTED in did),
        accepted=int(Did.ACCEPTED in did and Did.RETURNED not in did),
        opened=int(Did.OPENED in did),
        clicked=int(Did.CLICKED in did),
    )


def _difference(after: Counts, before: Counts) -> Counts:
    return Counts(*(right - left for left, right in zip(before, after, strict=True)))
