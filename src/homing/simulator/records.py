"""What the providers received: records, a journal on disk, and counts."""

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

_HEADER = re.compile(rb"^(Message-ID|X-[!-9;-~]+):[ \t]*((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(rb"\r\n[ \t]+")


class Received(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message that a provider answered with 250.

    at_s     Unix time
    data     the message as received, dots unstuffed; empty unless the server keeps bodies
    headers  Message-ID and every X- header, names in lower case; the last one wins
    """

    at_s: float
    provider: str
    host: str
    client: str
    tls: bool
    sender: str
    recipients: tuple[str, ...]
    size_bytes: int
    headers: dict[str, str]
    data: bytes = b""

    @property
    def message_id(self) -> str:
        """Return the Message-ID with its angle brackets, '' where there is none."""
        return self.headers.get("message-id", "")


Recorder = Callable[[Received], None]


def headers_of(message: bytes) -> dict[str, str]:
    """Return Message-ID and the X- headers of a message, unfolded."""
    end = message.find(b"\r\n\r\n")
    head = message if end < 0 else message[: end + 2]
    return {
        name.decode("ascii").lower(): _FOLD.sub(b" ", value).decode("utf-8", "replace").strip()
        for name, value in _HEADER.findall(head)
    }


@dataclass(slots=True)
class Counts:
    """What one provider has seen so far."""

    connections: int = 0
    open: int = 0
    tls: int = 0
    messages: int = 0  # answered 250
    recipients: int = 0  # of those messages
    size_bytes: int = 0
    cut: int = 0  # connections that it dropped in the middle of the data
    answers: Counter[str] = field(default_factory=Counter)  # what it decided, by name: unknown_user, too_fast ...


class Journal:
    """One JSON line for each accepted message, written before the 250 leaves, so another process can count.

    A file opened for appending: several servers may share it, and a line is one write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._encode = msgspec.json.Encoder().encode

    def __call__(self, received: Received) -> None:
        """Append a record, without its body."""
        line = {
            "at_s": received.at_s,
            "provider": received.provider,
            "host": received.host,
            "client": received.client,
            "sender": received.sender,
            "recipients": received.recipients,
            "size_bytes": received.size_bytes,
            "headers": received.headers,
        }
        os.write(self._handle, self._encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def unix_time() -> float:
    """Return the moment for a record."""
    return time.time()
