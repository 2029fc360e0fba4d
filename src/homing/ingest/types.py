"""Batches of events that were handed in, and their shares."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from homing.events.types import Event


class Cut(NamedTuple):
    """Some lines of a batch. raw: as they came, each with its line end; lines: how many of them are not blank."""

    raw: bytes
    lines: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a batch.

    any_subaccount   its events may name a subaccount of the account
    """

    batch_id: UUID
    account_id: int
    subaccount_id: int
    any_subaccount: bool
    received_at: datetime
    shares: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share with its batch. packed: the lines, as one gzip member; begins: number of its first line, from 1."""

    batch: Batch
    number: int
    begins: int
    packed: bytes


class Taken(msgspec.Struct, frozen=True, gc=False):
    """A line that is an event. event is None where it is taken and tells nothing that the log keeps."""

    event_id: str
    event: Event | None


class Faulty(msgspec.Struct, frozen=True, gc=False):
    """A line that cannot be taken, and why."""

    why: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a share, or of a whole batch.

    failures   the lines that failed, as one gzip member; b'' where there are none
    reason     why the first of them failed
    """

    succeeded: int = 0
    duplicates: int = 0
    failed: int = 0
    failures: bytes = b""
    reason: str = ""
