"""Waiting with a limit.

`asyncio.wait_for` of Python 3.11 loses a cancellation that comes in the moment when the awaited thing is done, and a
task that should stop goes on for ever; `asyncio.timeout` does not. So nothing here or elsewhere uses wait_for on a loop
that must be stoppable.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event at most so long; return whether it was set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class Patience:
    """Waits for work so long and no longer.

    `asyncio.timeout` waits until what it cancels has ended, and a transaction on a server that hangs ends when that answers.
    Here nobody waits for it: what is left behind ends by itself, and whoever waits must bear that it may have its effect yet.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left: set[asyncio.Task[Any]] = set()

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work does. raises TimeoutError where it lasts too long."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=self._seconds)
        finally:
            if not task.done():
                task.cancel()
                self._left.add(task)
                task.add_done_callback(self._ended)
        if not task.done():
            raise TimeoutError
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # it is nobody's any more
