"""Ends what a shard still has of cancelled transmissions: called by its owner for wishes of the kind `cancel`.

The row of a transmission says for good that it was cancelled; so what is left over (a worker dies between two pages, an
attempt is under way and deferred) ends when it is read again. Doing it twice doubles nothing: an entry that has gone gets no
event (queue/transaction.py).
"""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from homing.ground.db import Pool
from homing.ground.errors import Temporary
from homing.ground.log import get
from homing.queue import submissions
from homing.queue.rules.lanes import Lane
from homing.queue.submissions import CancelWish, decode_cancel
from homing.queue.types import Wish

if TYPE_CHECKING:
    from homing.delivery.engine import Engine

log = get("delivery")
ROWS = 500
MOST_UNSETTLED = 2_000  # outcomes that wait to be written; beyond it we wait


class SharesFirst(Temporary):
    """Shares of the transmission are still to be expanded in this shard: they end as cancelled, then what waits is ended."""


class Canceller:
    """Obeys `cancel`."""

    def __init__(self, engine: "Engine", pool: Pool) -> None:
        self._engine = engine
        self._pool = pool

    async def __call__(self, wish: Wish, payload: bytes) -> None:
        """End every entry that is not in memory; what is in memory is stopped before it is made.

        raises   SharesFirst, StoreUnavailable; the wish stays in the inbox then
        """
        asked = decode_cancel(payload)
        self._engine.stops.cancel(asked.transmission_ids)
        if await submissions.shares_left_in(self._pool, wish.shard, asked.transmission_ids):
            raise SharesFirst("shares of a cancelled transmission are still to be expanded")
        key = (wish.account_id, asked.subaccount_id, asked.campaign_id)
        ended = 0
        for lane in [lane for lane in self._engine.owner.book if lane.shard == wish.shard and tuple(lane.key[:3]) == key]:
            ended += await self._end_lane(lane, asked)
        if ended:
            log.info("cancelled", shard=wish.shard, account_id=wish.account_id, messages=ended)

    async def _end_lane(self, lane: Lane, asked: CancelWish) -> int:
        owner, ended = self._engine.owner, 0
        floor: tuple[datetime, bytes] | None = None
        while True:
            while owner.writer.pending_settlements > MOST_UNSETTLED or not owner.writable:
                if not owner.lease.holds(lane.shard):
                    return ended  # its next owner finds the wish
                await asyncio.sleep(0.05)
            found, floor = await submissions.entries_of(
                self._pool,
                shard=lane.shard,
                lane=lane.number,
                transmission_ids=asked.transmission_ids,
                floor=floor,
                limit=ROWS,
            )
            for entry, facts in found:
                if owner.claim(entry) and self._engine.cancel_entry(entry, lane, facts):
                    ended += 1
            if floor is None:
                return ended
