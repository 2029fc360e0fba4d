"""Follows the journals of this node as they grow, without the database: what the detector sees while all else is down."""

from pathlib import Path

from homing.evidence.journal import day_of
from homing.evidence.reading import Gathered, files
from homing.evidence.types import DAY_S

_MOST_BYTES = 8 * 1024 * 1024  # read at once; whoever is so far behind goes on from there the next time


class Tail:
    """Gives what is new at each `read`. Begins at the end of what is there.

    folder   `<data>/evidence`
    """

    def __init__(self, folder: Path, *, now: int) -> None:
        self._folder = folder
        self._reached: dict[Path, int] = {path: path.stat().st_size for path in self._files(now)}

    def read(self, *, now: int) -> Gathered:
        """Return what was written since the last time. Blocks for a moment."""
        found = Gathered()
        paths = self._files(now)
        for path in paths:
            start = self._reached.get(path, 0)
            try:
                with path.open("rb") as opened:
                    opened.seek(start)
                    data = opened.read(_MOST_BYTES)
            except FileNotFoundError:
                continue
            end = data.rfind(b"\n") + 1
            if end:
                found.take(data[:end])
                self._reached[path] = start + end
        self._reached = {path: at for path, at in self._reached.items() if path in paths}
        return found

    def _files(self, now: int) -> list[Path]:
        """Return the journals of today and yesterday: attempts of before midnight may end after it."""
        return [path for at in (now - DAY_S, now) for path in files(self._folder, day_of(at))]
