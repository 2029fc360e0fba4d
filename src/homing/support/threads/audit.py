"""What the nightly audit asks of threads: the clock that each message started, from the rows that say when it was answered."""

from collections.abc import Sequence

from homing.ground import db
from homing.support.clocks.auditor import Replay
from homing.support.threads import store
from homing.support.threads.types import SUBJECT


class ThreadSource:
    """Messages to TAMs, as the auditor knows them."""

    @property
    def subject(self) -> str:
        """Return the name of such messages in the table of clocks."""
        return SUBJECT

    async def ids_after(self, executor: db.Executor, subject_id: int, limit: int) -> Sequence[int]:
        """Return the next messages that were promised an answer."""
        return await store.promised_after(executor, subject_id, limit)

    async def replay(self, executor: db.Executor, subject_id: int) -> Replay:
        """Return what the row of a message says."""
        message = await store.message_by_id(executor, subject_id)
        log = None if message is None else message.clock()
        return Replay(logs=(), complaints=["the message was promised nothing"]) if log is None else Replay(logs=(log,))
