"""How many attempts may be under way, or ended but not yet written down, at once in one worker.

The bound limits what a killed worker can send twice; so an outcome keeps its place until it is written, however long the
store takes. An attempt that has waited for its peer for long gives its place to another: four sites that answer slowly
must not stand in the way of all others. It stays counted as slow.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLOW_AFTER_S = 5.0


class InFlight:
    """Places for attempts under way.

    unsettled   how many outcomes wait to be written; call `settled` for each that was
    """

    def __init__(self, most: int, *, unsettled: Callable[[], int] = lambda: 0) -> None:
        self._most = most
        self._unsettled = unsettled
        self._began: dict[object, float] = {}  # in order of beginning
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.slow = 0

    def __len__(self) -> int:
        return len(self._began)

    async def enter(self) -> object:
        """Wait for a place and take it; give the returned token to `leave`."""
        loop = asyncio.get_running_loop()
        while len(self._began) + self._unsettled() >= self._most:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()  # the place meant for us goes to the next
                raise
        token = object()
        self._began[token] = loop.time()
        return token

    def leave(self, token: object) -> None:
        """Give the place back."""
        if self._began.pop(token, None) is None:
            self.slow -= 1
        else:
            self._wake_one()

    def settled(self) -> None:
        """Hear that an outcome was written: there may be room."""
        self._wake_one()

    async def watch(self) -> None:
        """Take the places of attempts that have become slow; runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            self.release_slow(loop.time())

    def release_slow(self, now: float) -> None:
        """Let every attempt that began too long ago go on without a place."""
        for token, began in list(self._began.items()):
            if now - began < SLOW_AFTER_S:
                break
            del self._began[token]
            self.slow += 1
            self._wake_one()

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
