"""The watch: notes the whole seconds in which somebody attended the doors, so that silence can be told from absence.

A second counts as watched if the doors were attended when it began and when it ended, and this loop turned meanwhile: a
process that was stopped, or a machine that slept, has not watched. What was not watched is unknown (see availability).
"""

import asyncio
import time
from collections.abc import Callable

_LATE_S = 0.4  # a tick that comes later than this after its second has begun says nothing about the second before
_SKEW_S = 0.2  # wall clock and monotonic clock may differ so much within a second


class EdgeWatch:
    """Ticks once a second.

    attended   whether a worker serves, or the doorman stands in
    watched    told each second that was watched (Journal.watched)
    clock      Unix seconds
    """

    def __init__(
        self,
        attended: Callable[[], bool],
        watched: Callable[[int], None],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attended = attended
        self._watched = watched
        self._clock = clock
        self._monotonic = monotonic
        self._began: tuple[int, float] | None = None  # the second that is being watched, and how late into it we came

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until told to stop."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await asyncio.wait({stopping}, timeout=1.002 - self._clock() % 1.0)
                if not stop.is_set():
                    self.tick()
        finally:
            stopping.cancel()

    def tick(self) -> None:
        """Judge the second that has just ended, and begin the next."""
        now, ticks = self._clock(), self._monotonic()
        second, late = int(now), now % 1.0
        attended = self._attended()
        if self._began is not None and attended and late <= _LATE_S:
            before, ticks_before = self._began
            # The wall clock went one second on, and so did the clock that nobody sets.
            if second == before + 1 and abs(ticks - late - ticks_before - 1.0) <= _SKEW_S:
                self._watched(before)
        self._began = (second, ticks - late) if attended and late <= _LATE_S else None
