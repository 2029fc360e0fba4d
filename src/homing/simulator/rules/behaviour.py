"""How a mailbox provider answers, and what it remembers of its clients.

Pure: the memory is an argument that the functions here change, time is seconds of any steady clock. The answers are
symbols; the provider's wording turns them into SMTP replies.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Answer(StrEnum):
    """What a provider decided."""

    OK = "ok"
    UNKNOWN_USER = "unknown_user"
    MAILBOX_FULL = "mailbox_full"  # for now
    MAILBOX_FULL_FOR_GOOD = "mailbox_full_for_good"
    GREYLISTED = "greylisted"
    BUSY = "busy"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    TOO_MANY_MESSAGES = "too_many_messages"  # on one connection
    TOO_FAST = "too_fast"  # more messages in the window than allowed, or still in the penalty for that
    SPAM = "spam"  # this message
    BLOCKED = "blocked"  # everything from this client
    RELAY_DENIED = "relay_denied"
    CUT = "cut"  # no reply: the connection ends in the middle of the data


class Tls(StrEnum):
    """What comes of STARTTLS."""

    NONE = "none"  # not offered
    PROPER = "proper"  # self-signed, as nearly everywhere
    BROKEN = "broken"  # offered, then the handshake fails


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a provider treats its clients. Shares run from 0.0 to 1.0 and are decided by the address, so they repeat."""

    unknown_share: float = 0.0  # addresses that do not exist; local parts that begin with "nobody" never do
    full_share: float = 0.0  # mailboxes that are full
    full_for_good: bool = False  # says 552 for them instead of 452
    spam_share: float = 0.0  # addresses whose mail is refused after the data
    blocks_all: bool = False  # refuses every sender
    greylist_s: float = 0.0  # a new (client, sender, recipient) is put off until so long after its first try
    busy_s: float = 0.0  # refuses everything for so long after the first contact, then recovers
    cut_share: float = 0.0  # addresses whose mail loses its connection in the middle of the data
    cut_tries: int = 1  # so many tries of each of them; 0: every one
    max_connections: int = 0  # at once, from one client; 0: no limit, here and below
    max_messages: int = 0  # on one connection
    rate_messages: int = 0  # from one client in a window
    rate_window_s: float = 60.0
    penalty_s: float = 30.0  # whoever was too fast is refused for so long
    delay_s: float = 0.0  # before every reply
    tls: Tls = Tls.NONE


class Bounded(Generic[Key, Value]):
    """A dictionary that forgets the oldest beyond a number of keys."""

    __slots__ = ("_items", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._items: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return the value, or None."""
        return self._items.get(key)

    def put(self, key: Key, value: Value) -> Value:
        """Remember a value; the oldest key goes where there are too many."""
        self._items[key] = value
        if len(self._items) > self.most:
            self._items.popitem(last=False)
        return value

    def drop(self, key: Key) -> None:
        """Forget a key, if it is there."""
        self._items.pop(key, None)

    def __len__(self) -> int:
        return len(self._items)


@dataclass(slots=True)
class ClientMemory:
    """What a provider remembers of one client address."""

    open: int = 0
    window_from_s: float = 0.0
    in_window: int = 0
    penalty_until_s: float = 0.0


@dataclass(slots=True)
class Memory:
    """What a provider remembers; bounded, so an endless test does not fill the machine."""

    clients: Bounded[str, ClientMemory] = field(default_factory=lambda: Bounded(10_000))
    greylist: Bounded[tuple[str, str, str], float] = field(default_factory=lambda: Bounded(200_000))
    cuts: Bounded[str, int] = field(default_factory=lambda: Bounded(50_000))
    first_contact_s: float | None = None

    def client(self, address: str) -> ClientMemory:
        """Return what is remembered of a client, new where nothing is."""
        known = self.clients.get(address)
        return known if known is not None else self.clients.put(address, ClientMemory())


def share_of(recipient: str, salt: str) -> float:
    """Return where an address stands between 0.0 and 1.0: the same for every run, independent for every salt."""
    digest = hashlib.blake2b(f"{salt}\0{recipient.lower()}".encode("utf-8", "surrogateescape"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def on_connect(behaviour: Behaviour, memory: Memory, *, client: str, now_s: float) -> Answer:
    """Judge a new connection. It counts as open, refused or not, until `on_leave`."""
    if memory.first_contact_s is None:
        memory.first_contact_s = now_s
    known = memory.client(client)
    known.open += 1
    if behaviour.blocks_all:
        return Answer.OK  # said at MAIL, as most providers do: the refusal belongs to a message
    if now_s < known.penalty_until_s:
        return Answer.TOO_FAST
    if behaviour.max_connections and known.open > behaviour.max_connections:
        return Answer.TOO_MANY_CONNECTIONS
    return Answer.OK


def on_leave(memory: Memory, *, client: str) -> None:
    """Note that a connection has ended."""
    known = memory.client(client)
    known.open = max(0, known.open - 1)


def on_mail(behaviour: Behaviour, memory: Memory, *, client: str, messages_before: int, now_s: float) -> Answer:
    """Judge MAIL FROM; messages_before counts the transactions that this connection has begun already."""
    if behaviour.blocks_all:
        return Answer.BLOCKED
    if behaviour.busy_s and now_s < (memory.first_contact_s or 0.0) + behaviour.busy_s:
        return Answer.BUSY
    if behaviour.max_messages and messages_before >= behaviour.max_messages:
        return Answer.TOO_MANY_MESSAGES
    if behaviour.rate_messages:
        known = memory.client(client)
        if now_s < known.penalty_until_s:
            return Answer.TOO_FAST
        if now_s >= known.window_from_s + behaviour.rate_window_s:
            known.window_from_s, known.in_window = now_s, 0
        known.in_window += 1
        if known.in_window > behaviour.rate_messages:
            known.penalty_until_s = now_s + behaviour.penalty_s
            known.window_from_s, known.in_window = known.penalty_until_s, 0  # who waited it out starts anew
            return Answer.TOO_FAST
    return Answer.OK


def on_recipient(behaviour: Behaviour, memory: Memory, *, client: str, sender: str, recipient: str, now_s: float) -> Answer:
    """Judge RCPT TO of an address in one of the provider's domains."""
    if recipient[:6].lower() == "nobody" or (
        behaviour.unknown_share and share_of(recipient, "unknown") < behaviour.unknown_share
    ):
        return Answer.UNKNOWN_USER
    if behaviour.full_share and share_of(recipient, "full") < behaviour.full_share:
        return Answer.MAILBOX_FULL_FOR_GOOD if behaviour.full_for_good else Answer.MAILBOX_FULL
    if behaviour.greylist_s:
        key = (client, sender.lower(), recipient.lower())
        first = memory.greylist.get(key)
        if first is None:
            first = memory.greylist.put(key, now_s)
        if now_s < first + behaviour.greylist_s:
            return Answer.GREYLISTED
    return Answer.OK


def on_data(behaviour: Behaviour, memory: Memory, *, recipient: str) -> Answer:
    """Judge DATA by the first recipient: OK, or CUT for a connection that will not see the end of it."""
    if behaviour.cut_share and share_of(recipient, "cut") < behaviour.cut_share:
        cut_before = memory.cuts.get(recipient) or 0
        if not behaviour.cut_tries or cut_before < behaviour.cut_tries:
            memory.cuts.put(recipient, cut_before + 1)
            return Answer.CUT
    return Answer.OK


def on_message(behaviour: Behaviour, *, recipient: str) -> Answer:
    """Judge a complete message by its first recipient."""
    if behaviour.spam_share and share_of(recipient, "spam") < behaviour.spam_share:
        return Answer.SPAM
    return Answer.OK
