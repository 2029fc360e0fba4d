"""What comes back about our own messages: read, matched, written down. Only then is it answered with 250.

Nothing is kept to be done later: a worker that dies before the 250 has taken nothing, and the other host comes again.
The check for "written already" and the writing hold one lock on the message, so two copies of a report are one event.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from homing.events import store as events
from homing.events.about import about
from homing.events.rules.classify import Classifier
from homing.events.types import Event, Logged
from homing.ground import ids, log
from homing.ground.clock import Clock
from homing.ground.db import Executor, Pool, queries, trouble_is_temporary
from homing.inbound.rules.consequence import base_of, consequence, keepsake_of, message_of
from homing.inbound.rules.destination import Destination, Tokens
from homing.inbound.rules.reading import read
from homing.inbound.types import Reading
from homing.recipients.recall import Recall
from homing.recipients.types import SuppressionRow

_log = log.get("inbound")
_sql = queries("homing.inbound")
_AT_ONCE = 3  # each holds a connection of the pool while the event is written
_LONG = 65_536  # octets beyond which a mail is read in a thread

Record = Callable[[Sequence[Event], Sequence[SuppressionRow]], Awaitable[None]]


class Returns:
    """The desk for bounces, complaints, unsubscribe mails and auto-replies. One per worker.

    record     writes events and suppressions in one transaction (queue.owner.record); raises Temporary
    counters   what came, by kind; and `written`, `repeated`, `unmatched`
    """

    def __init__(self, pool: Pool, clock: Clock, *, record: Record, rules: Classifier, tokens: Tokens, recall: Recall) -> None:
        self._pool = pool
        self._clock = clock
        self._record = record
        self._rules = rules
        self._tokens = tokens
        self._recall = recall
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.counters: Counter[str] = Counter()

    async def take(self, raw: bytes, destination: Destination, *, null_sender: bool) -> None:
        """Read a mail and write down what follows from it.

        raises   Temporary; then nothing was written, and the mail must not be answered with 250
        """
        reading = await self._read(raw, null_sender=null_sender)
        self.counters[reading.kind.value] += 1
        message_id = message_of(reading, destination, self._tokens)
        if message_id is None:
            self.counters["unmatched"] += 1
            _log.info("mail_without_message", desk=destination.desk.value, kind=reading.kind.value)
            return
        async with self._slots:
            await self._write(message_id, reading, destination)

    async def _read(self, raw: bytes, *, null_sender: bool) -> Reading:
        if len(raw) > _LONG:
            return await asyncio.to_thread(read, raw, null_sender=null_sender)
        return read(raw, null_sender=null_sender)

    async def _write(self, message_id: bytes, reading: Reading, destination: Destination) -> None:
        with trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await _sql.lock_message(connection, message_id=message_id)
                life = await events.of_message(connection, message_id)
                recalled = None if base_of(life) else await self._recalled(connection, message_id, reading)
                found = consequence(reading, destination, life, rules=self._rules, recalled=recalled)
                if found is not None:
                    event = about(found.original, found.type, at=self._clock.now(), own=found.own)
                    await self._record([event], [] if found.suppression is None else [found.suppression])
        what = "written" if found is not None else "repeated" if life or recalled else "unmatched"
        self.counters[what] += 1
        _log.info("mail_returned", kind=reading.kind.value, message_id=ids.to_hex(message_id), outcome=what)

    async def _recalled(self, connection: Executor, message_id: bytes, reading: Reading) -> Logged | None:
        keepsake = keepsake_of(reading, message_id, self._tokens)
        if keepsake is None:
            return None
        return (await self._recall.injections(connection, {message_id: keepsake})).get(message_id)
