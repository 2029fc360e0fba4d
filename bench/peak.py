"""The most memory that a worker had while something ran."""

import threading
from types import TracebackType

from bench.homing import Homing

EVERY_S = 0.25


class Peak:
    """Looks at the workers' memory several times a second; `mb` is the most that one of them had."""

    def __init__(self, homing: Homing) -> None:
        self.mb = 0.0
        self._homing = homing
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.mb = max(self.mb, self._homing.largest_worker_mb())
            if self._stop.wait(EVERY_S):
                return
