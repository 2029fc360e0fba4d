"""What the queue holds: entries, grouped in lanes, kept in shards."""

import hashlib
from datetime import datetime
from typing import NamedTuple

import msgspec

from homing.egress.types import DEFAULT_POOL
from homing.events.detail import EventBook
from homing.events.types import Event
from homing.recipients.types import SuppressionRow
from homing.spool.types import ChunkFacts, Content


class LaneKey(NamedTuple):
    """What a lane stands for: one customer's one campaign to one domain, from one of his pools."""

    account_id: int
    subaccount_id: int
    campaign_id: str
    domain: str
    ip_pool: str = DEFAULT_POOL

    def number(self) -> int:
        """Return the lane's number: 63 bits of BLAKE2b over the key, the same on every node."""
        text = f"{self.account_id}\0{self.subaccount_id}\0{self.campaign_id}\0{self.domain}"
        if self.ip_pool != DEFAULT_POOL:  # the numbers of lanes from before they had a pool stay what they were
            text += f"\0{self.ip_pool}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


class Place(NamedTuple):
    """Where a hand-in will live: a shard, and fresh ids that belong to it."""

    shard: int
    transmission_id: bytes
    chunk_id: bytes
    message_ids: list[bytes]


class NewEntry(msgspec.Struct, frozen=True, gc=False):
    """One recipient of a chunk that is handed over.

    detail   msgpack of spool.RecipientDetail, None where nothing differs
    """

    entry_id: bytes
    domain: str  # routing domain: lower case, A-labels
    recipient: str
    due_at: datetime
    expires_at: datetime
    detail: bytes | None


class NewChunk(msgspec.Struct, frozen=True, kw_only=True):
    """What `handover` makes durable in one transaction: content, entries, events. All ids belong to one shard.

    entries may be empty (all recipients suppressed): then only the events are written.
    """

    shard: int
    chunk_id: bytes
    facts: ChunkFacts
    content: Content
    entries: list[NewEntry]
    events: list[Event]
    content_bytes: bytes | None = None  # msgpack of content, where the caller has it already
    book: EventBook | None = None  # of the facts, where the caller made one: delivery goes on with it


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """Events that are no attempt's outcome (a click, a complaint, an unsubscribe), and the suppressions that they bring.

    Made durable in one transaction, like a chunk, in any shard that the writer owns.
    """

    shard: int
    events: list[Event]
    suppressions: list[SuppressionRow] = []

    @property
    def entries(self) -> tuple[NewEntry, ...]:
        """Return nothing: nobody is owed an attempt."""
        return ()


class Entry:
    """A message in memory that its shard's owner holds, ready to be tried. Identity is the entry_id.

    alone   no other entry has this chunk
    """

    __slots__ = ("alone", "chunk_id", "detail", "due_at", "entry_id", "expires_at", "lane", "recipient", "shard", "tries")

    def __init__(
        self,
        *,
        shard: int,
        entry_id: bytes,
        lane: int,
        due_at: datetime,
        expires_at: datetime,
        chunk_id: bytes,
        recipient: str,
        tries: int,
        detail: bytes | None,
        alone: bool = False,
    ) -> None:
        self.shard = shard
        self.alone = alone
        self.entry_id = entry_id
        self.lane = lane
        self.due_at = due_at
        self.expires_at = expires_at
        self.chunk_id = chunk_id
        self.recipient = recipient
        self.tries = tries
        self.detail = detail


class Strike(NamedTuple):
    """One refusal that counts towards suppression."""

    row: SuppressionRow  # what is written once it has happened often enough
    subclass: str


class Settlement(msgspec.Struct, kw_only=True):
    """How one attempt ended, to be written with its events in one transaction.

    finish        True: the entry's story ended; False: it is tried again at due_at
    note          the last reply, shortened, for whoever looks at the queue
    suppression   the address goes on the suppression list
    strike        a refusal that suppresses only when it repeats
    """

    entry: Entry
    finish: bool
    events: tuple[Event, ...]
    due_at: datetime | None = None
    note: str = ""
    suppression: SuppressionRow | None = None
    strike: Strike | None = None


class Wish(NamedTuple):
    """One item of a shard's inbox, without its payload."""

    shard: int
    item_id: int
    kind: str
    account_id: int
