"""The desk of engagement: requests become events in the log.

Opens and clicks are answered first and written in batches a moment later; what a killed worker had not written yet (FLUSH_S)
is lost, as is what came while the store was away for long. An unsubscribe is written before it is answered.
What the log has forgotten is taken from the keepsake in the address.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from homing.engagement.rules.happened import Request, happened, suppression_of, type_of
from homing.events import store
from homing.events.rules.erasure import is_erased
from homing.events.types import Event, EventType, Logged
from homing.ground import db
from homing.ground.log import get
from homing.ground.turns import PASSING
from homing.message.keepsake import Keepsake
from homing.recipients.recall import Recall
from homing.recipients.types import SuppressionRow

log = get("engagement")

FLUSH_S = 0.2
MOST_WAITING = 20_000  # opens and clicks in memory; more are dropped and counted
AT_ONCE = 500
REMEMBERED = 10_000  # messages whose event is kept in memory: one that is opened is often opened again
BELIEVED_S = 3_600.0  # so long; its recipient may be erased meanwhile

Record = Callable[[Sequence[Event], Sequence[SuppressionRow]], Awaitable[None]]


class Desk:
    """Writes engagement down. One for a worker."""

    def __init__(self, pool: db.Pool, record: Record, recall: Recall) -> None:
        self._pool = pool
        self._record = record
        self._recall = recall
        self._waiting: list[Request] = []
        self._noted = asyncio.Event()
        self._originals: OrderedDict[bytes, Logged] = OrderedDict()
        self._read_at: dict[bytes, float] = {}
        self.written = 0
        self.dropped = 0
        self.unknown = 0  # of messages of which neither log nor address tells

    def note(self, request: Request) -> None:
        """Note an open or a click; it is written soon."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(request)
        self._noted.set()

    async def unsubscribe(self, request: Request) -> bool:
        """Write an unsubscribe down, with its suppression; False: nobody knows any more whom the message was for.

        raises   Temporary; then nothing was written
        """
        message_id = request.tracked.message_id
        original = (await self._find([request])).get(message_id)
        if original is None or is_erased(original.recipient):
            self.unknown += 1
            return False
        with db.trouble_is_temporary():
            done = await store.has_event(self._pool, message_id, type_of(request.tracked))
        row = suppression_of(request, original)
        events = [] if done else [happened(request, original)]  # told once, however often the page is used
        await self._record(events, [] if row is None else [row])
        self.written += len(events)
        return True

    async def run(self) -> None:
        """Write what was noted until cancelled."""
        while True:
            await self._noted.wait()
            await asyncio.sleep(FLUSH_S)  # others come meanwhile
            self._noted.clear()
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted; what the store cannot take now is kept for the next time."""
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                await self._write(batch)
            except PASSING as trouble:
                # Not left to take_turns: what was noted is in memory alone, so a batch is kept, or counted as dropped.
                log.warning("engagement_waits", cause=type(trouble).__name__, requests=len(batch))
                self._waiting = (batch + self._waiting)[:MOST_WAITING]
                self._noted.set()
                await asyncio.sleep(1.0)
                return
            except Exception:  # the edge of one batch: the others go on
                log.exception("engagement_not_written", requests=len(batch))
                self.dropped += len(batch)

    async def _write(self, batch: list[Request]) -> None:
        originals = await self._find(batch)
        events: list[Event] = []
        for request in batch:
            original = originals.get(request.tracked.message_id)
            if original is None:
                self.unknown += 1
            else:
                events.append(happened(request, original))
        if events:
            await self._record(events, [])
            self.written += len(events)
        while len(self._originals) > REMEMBERED:
            self._read_at.pop(self._originals.popitem(last=False)[0], None)

    async def _find(self, batch: list[Request]) -> dict[bytes, Logged]:
        """Return what these messages are, where they are the account's: as the log tells it, or else the address."""
        await self._read(batch)
        found: dict[bytes, Logged] = {}
        lost: dict[bytes, Keepsake] = {}
        for request in batch:
            tracked = request.tracked
            original = self._originals.get(tracked.message_id)
            if original is not None and original.account_id == tracked.account_id:
                found[tracked.message_id] = original
            elif tracked.keepsake is not None and tracked.keepsake.account_id == tracked.account_id:
                lost[tracked.message_id] = tracked.keepsake
        return found | await self._recall.injections(self._pool, lost)

    async def _read(self, batch: list[Request]) -> None:
        """Bring the events of these messages into memory, if the log has them and they are the account's."""
        wanted: dict[bytes, int] = {}
        now = asyncio.get_running_loop().time()
        for request in batch:
            message_id = request.tracked.message_id
            known = self._originals.get(message_id)
            # An injection is only good until the delivery is told.
            old = now - self._read_at.get(message_id, 0.0) > BELIEVED_S
            if known is None or old or known.type is not EventType.DELIVERY:
                wanted[message_id] = request.tracked.account_id
        if not wanted:
            return
        with db.trouble_is_temporary():
            found = await store.origins(self._pool, list(wanted))
        for message_id, original in found.items():
            if original.account_id == wanted[message_id]:
                self._originals[message_id] = original
                self._read_at[message_id] = now
