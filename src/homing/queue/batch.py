"""What one transaction of the hot tables carries: chunks that were handed in, what else happened, and outcomes of attempts."""

import asyncio
from datetime import date

from homing.queue.types import Happened, LaneKey, NewChunk, Settlement, Wish
from homing.spool.types import encode_content, encode_facts


class HandIn:
    """One chunk, or something that happened besides, that waits for its commit.

    done    resolved with None after the commit, or with the reason why nothing was stored
    wish    the inbox item that this chunk comes from; taken off in the same transaction
    lanes   domain -> number and key of its lane
    """

    __slots__ = ("chunk", "content", "done", "ended", "facts", "lanes", "since", "size", "wish")

    def __init__(self, chunk: NewChunk | Happened, done: asyncio.Future[None], since: float, wish: Wish | None) -> None:
        self.chunk = chunk
        self.done = done
        self.ended = False
        self.since = since
        self.wish = wish
        self.lanes: dict[str, tuple[int, LaneKey]] = {}
        if isinstance(chunk, Happened):
            self.content = self.facts = b""
            self.size = sum(len(event.detail) + 200 for event in chunk.events)
            return
        self.content = chunk.content_bytes or encode_content(chunk.content)
        self.facts = encode_facts(chunk.facts)
        self.size = len(self.content) + len(self.facts) + 200 * len(chunk.entries)
        facts = chunk.facts
        for entry in chunk.entries:
            if entry.domain not in self.lanes:
                key = LaneKey(facts.account_id, facts.subaccount_id, facts.campaign_id, entry.domain, facts.ip_pool)
                self.lanes[entry.domain] = (key.number(), key)


class Batch:
    """What one transaction writes.

    epoch       under which the shard was ours when the batch was made; it is written under no other
    obeyed      hand-ins whose wish had been obeyed before: they are done without being written
    first_seq   of the first event, once it has a number
    numbered    id(event) -> seq, so that a second try gives the same numbers
    unknown     COMMIT was sent and its answer did not come
    plain       its only settlement was stripped of what the database could not take
    """

    __slots__ = ("day", "epoch", "first_seq", "hand_ins", "numbered", "obeyed", "plain", "settlements", "shard", "unknown")

    def __init__(self, shard: int, epoch: int, hand_ins: list[HandIn], settlements: list[Settlement], day: date) -> None:
        self.shard = shard
        self.epoch = epoch
        self.hand_ins = hand_ins
        self.settlements = settlements
        self.day = day
        self.obeyed: list[HandIn] = []
        self.first_seq: int | None = None
        self.numbered: dict[int, int] = {}
        self.unknown = False
        self.plain = False

    def parts(self) -> "list[Batch]":
        """Return a batch for each thing in this one, so that one bad row is found."""
        return [Batch(self.shard, self.epoch, [hand_in], [], self.day) for hand_in in self.hand_ins] + [
            Batch(self.shard, self.epoch, [], [settlement], self.day) for settlement in self.settlements
        ]
