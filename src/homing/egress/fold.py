"""The follower of warm-up: counts what became of mail from warming addresses, in the transaction that moves its place."""

import ipaddress
from collections.abc import Iterator, Sequence
from datetime import date

import msgspec
from msgspec import structs

from homing.egress import pair_store, warmup_store
from homing.egress.pair_store import Key
from homing.egress.rules.pairs import PROFILES
from homing.egress.rules.warmup import Tally
from homing.events.types import EventType, Logged
from homing.ground import db

HARD = frozenset({"10", "30", "90"})  # bounce classes
BLOCKS = frozenset({"50", "51", "52", "53", "54"})
_COUNTED = frozenset({EventType.DELIVERY, EventType.DELAY, EventType.BOUNCE, EventType.OUT_OF_BAND, EventType.SPAM_COMPLAINT})


class _Detail(msgspec.Struct, gc=False):
    sending_ip: str = ""
    ip_address: str = ""
    bounce_class: str = ""
    num_retries: str = ""
    mailbox_provider: str = ""


_decode = msgspec.json.Decoder(_Detail, strict=False).decode


class WarmupFollower:
    """A follower of the feed."""

    name = "warmup"
    rests_s = 2.0

    async def cares(self, connection: db.Executor) -> bool:
        """Return whether an address is warming."""
        return await warmup_store.anybody_warms(connection)

    async def fold(self, connection: db.Executor, events: Sequence[Logged]) -> None:
        """Count these events."""
        outcomes = tallied(events)
        if outcomes:
            await warmup_store.count(connection, outcomes)
        pairs = tallied_by_provider(events)
        if pairs:
            await pair_store.count(connection, pairs)


def tallied(events: Sequence[Logged]) -> list[tuple[str, Tally]]:
    """Return what events tell of each address and day, in the order of both."""
    found: dict[tuple[str, date], Tally] = {}
    for event, detail in _read(events):
        key = (detail.sending_ip, event.at.date())
        found[key] = _with(found.get(key) or Tally(day=key[1]), event.type, detail)
    return [(address, tally) for (address, _), tally in sorted(found.items()) if _is_address(address)]


def tallied_by_provider(events: Sequence[Logged]) -> list[tuple[Key, Tally]]:
    """Return what events tell of each address at each big provider and day, in the order of all three."""
    found: dict[tuple[Key, date], Tally] = {}
    for event, detail in _read(events):
        if detail.mailbox_provider in PROFILES:
            key = (Key(detail.sending_ip, detail.mailbox_provider), event.at.date())
            found[key] = _with(found.get(key) or Tally(day=key[1]), event.type, detail)
    return [(key, tally) for (key, _), tally in sorted(found.items()) if _is_address(key.address)]


def _read(events: Sequence[Logged]) -> Iterator[tuple[Logged, _Detail]]:
    for event in events:
        if event.type not in _COUNTED:
            continue
        try:
            detail = _decode(event.detail)
        except msgspec.MsgspecError:
            continue  # one event that cannot be read must not stop the others
        if detail.sending_ip:
            yield event, detail


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _with(tally: Tally, kind: EventType, detail: _Detail) -> Tally:
    match kind:
        case EventType.DELIVERY if detail.ip_address:  # what the sink took left no address
            return structs.replace(tally, delivered=tally.delivered + 1)
        case EventType.DELAY if detail.num_retries in ("", "0"):
            return structs.replace(tally, deferred=tally.deferred + 1)
        case EventType.SPAM_COMPLAINT:
            return structs.replace(tally, complained=tally.complained + 1)
        case EventType.BOUNCE | EventType.OUT_OF_BAND if detail.bounce_class in HARD:
            return structs.replace(tally, hard_bounced=tally.hard_bounced + 1)
        case EventType.BOUNCE | EventType.OUT_OF_BAND if detail.bounce_class in BLOCKS:
            return structs.replace(tally, blocked=tally.blocked + 1)
        case _:
            return tally
