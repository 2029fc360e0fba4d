"""Events that belong to somebody's own transaction: they are put into an inbox with it, and come into the log once."""

from collections.abc import Sequence

import msgspec

from homing.events.types import Event
from homing.ground.clock import boot_seconds
from homing.ground.db import Executor
from homing.queue import store
from homing.queue.lease import SHARDS
from homing.queue.types import Happened, Wish

KIND = "tell"
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode


async def tell(connection: Executor, events: Sequence[Event]) -> None:
    """Let events of one account come into the log if the caller's transaction is committed."""
    shard = int(boot_seconds() * 1000) % SHARDS
    await store.append_inbox(connection, kind=KIND, account_id=events[0].account_id, items=[(shard, _encode(list(events)))])


async def told(wish: Wish, payload: bytes) -> Happened:
    """Obey: return the events."""
    return Happened(shard=wish.shard, events=_decode(payload))
