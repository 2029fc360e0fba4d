"""The fold: takes what the journals of one node say into the ledger.

A set of seconds only ever grows, and how far a file was read is written in the same transaction as what it said. So a file
that is folded twice, or a fold that is killed in the middle, changes nothing; and while the database is away the files wait.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from homing.evidence import store
from homing.evidence.journal import day_of, days
from homing.evidence.reading import Gathered, files, gathered
from homing.evidence.store import Place, Position, Sets
from homing.evidence.types import HOUR_S, Door
from homing.ground import db, log
from homing.ground.clock import kernel_offset
from homing.ground.errors import HomingError, Misuse
from homing.ground.waiting import set_within

FOLD_S = 5.0
MOST_BYTES = 16 * 1024 * 1024  # read at once: some hundred thousand lines
LATE_S = 3  # a second is on the disk so long after it has passed; what a slow disk brings later is folded later
SUM_AFTER = timedelta(hours=1)  # a journal is summed so long after the end of its day

_log = log.get("evidence")


class Folded(NamedTuple):
    """What one pass did. hours: segments that changed; more: there is still something to read."""

    lines: int
    hours: int
    more: bool


class Folder:
    """Folds the journals of one node.

    folder   `<data>/evidence`
    clock    this moment, aware
    own      it is this machine's journal: what is not in it has not happened, and its clock is ours
    """

    def __init__(self, pool: db.Pool, folder: Path, node: str, *, clock: Callable[[], datetime], own: bool = True) -> None:
        self._pool = pool
        self._folder = folder
        self._node = node
        self._clock = clock
        self._own = own

    async def run(self, stop: asyncio.Event) -> None:
        """Fold every few seconds until told to stop, and once more then."""
        silent = False
        while True:  # no take_turns: it ends with a last pass, and says only once that the store is away
            stopping = await set_within(stop, FOLD_S)
            try:
                while (await self.fold()).more:
                    pass
                await self.sum_up()
                silent = False
            except (HomingError, *db.TEMPORARY) as trouble:
                if not silent:
                    _log.warning("evidence_waits_for_the_store", cause=str(trouble)[:300])
                silent = True
            except Exception:  # the edge of one pass: the next begins anew, from what is written down
                _log.exception("fold_failed")
            if stopping:
                return

    async def fold(self) -> Folded:
        """Take what is new in the journals into the ledger.

        raises   StoreUnavailable; then nothing was changed, or all of it
        """
        began = self._clock()
        listed = await asyncio.to_thread(days, self._folder)
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.lock_node(connection, self._node)
                oldest = date.fromisoformat(listed[0]) if listed else began.date()
                known = await store.positions(connection, self._node, since=oldest)
                found, reached, more = await asyncio.to_thread(_read, self._folder, listed, known)
                segments = await self._segments(connection, found)
                hours = await store.unite_segments(connection, self._node, segments, today=began.date())
                watched = {hour_at // HOUR_S: bits for hour_at, bits in found.watched.items()}
                skew = await self._skew(connection)
                await store.unite_watch(connection, self._node, watched, skew_ms=skew, today=began.date())
                await store.put_positions(connection, self._node, reached)
                first = min((hour_at + _lowest(bits) for hour_at, bits in found.watched.items()), default=None)
                await store.meet_node(
                    connection,
                    self._node,
                    since=None if first is None else datetime.fromtimestamp(first, UTC),
                    folded_until=began - timedelta(seconds=LATE_S) if self._own and not more else None,
                )
        return Folded(found.lines, hours, more)

    async def refold(self, day: date) -> int:
        """Judge a day anew, from its journals, and write that down instead of what was folded; return how many hours changed.

        For a newer classifier: what was good may have failed, which no union can say.

        raises   Misuse if not all of the day's journals are here; StoreUnavailable
        """
        name = day.isoformat()
        with db.trouble_is_temporary():
            async with self._pool.acquire() as connection, connection.transaction():
                await store.lock_node(connection, self._node)
                known = await store.positions(connection, self._node, since=day)
                wanted = {process: at.folded for (of, process), at in known.items() if of == name}
                paths = await asyncio.to_thread(files, self._folder, name)
                there = {path.name: path.stat().st_size for path in paths}
                lacking = sorted(process for process, folded in wanted.items() if there.get(process, 0) < folded)
                if lacking or not wanted:
                    raise Misuse(f"{self._folder / name} does not hold all that was folded of {name}: {', '.join(lacking)}")
                found = await asyncio.to_thread(gathered, [path for path in paths if path.name in wanted])
                segments = await self._segments(connection, found)
                return await store.replace_segments(connection, self._node, day, segments)

    async def _segments(self, connection: db.Executor, found: Gathered) -> dict[Place, Sets]:
        """Return what was read by account, hour and door, with badges resolved."""
        there = await store.known(connection, {who for who, _, _ in found.attempted if isinstance(who, int)})
        badges = {(who, hour_at) for who, _, hour_at in found.attempted if isinstance(who, str)}
        accounts = await store.resolve(connection, badges)
        made: dict[Place, Sets] = {}
        for segment, attempted in found.attempted.items():
            who, door, hour_at = segment
            if isinstance(who, str):
                account = accounts[who, hour_at]
            else:
                account = who if who is not None and who in there else store.NOBODY
            place = (account, hour_at // HOUR_S)
            answered = found.answered.get(segment, 0)
            api, api_ok, smtp, smtp_ok = made.get(place, store.NO_SETS)
            if door is Door.API:
                made[place] = (api | attempted, api_ok | answered, smtp, smtp_ok)
            else:
                made[place] = (api, api_ok, smtp | attempted, smtp_ok | answered)
        return made

    async def _skew(self, connection: db.Executor) -> int:
        """Return how far our clock is off, in milliseconds: from the kernel's idea, or the database's, whichever is more."""
        if not self._own:
            return 0
        before = self._clock()
        theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
        after = self._clock()
        apart = max(theirs - after, before - theirs, timedelta(0))  # the answer took a while: only what that cannot explain
        off = max(apart, abs(kernel_offset() or timedelta(0))) / timedelta(milliseconds=1)
        return min(round(off), 2**31 - 1)

    async def sum_up(self) -> int:
        """Keep the sums of journals whose days are over; return how many were summed."""
        now = self._clock()
        over = day_of(int((now - SUM_AFTER).timestamp()))
        listed = [day for day in await asyncio.to_thread(days, self._folder) if day < over]
        if not listed:
            return 0
        with db.trouble_is_temporary():
            known = await store.positions(self._pool, self._node, since=date.fromisoformat(listed[0]))
            count = 0
            for (day, process), position in sorted(known.items()):
                if day >= over or position.folded == position.size:
                    continue
                data = await asyncio.to_thread(_contents, self._folder / day / process, position.folded)
                if data is None:
                    continue
                found = Gathered()
                await asyncio.to_thread(found.take, data)
                disputed = [(door.value, tag.value, code, n) for (door, tag, code), n in sorted(found.disputed.items())]
                if disputed:
                    _log.warning("evidence_disputed", day=day, process=process, kinds=len(disputed))
                await store.finish_file(
                    self._pool,
                    self._node,
                    day,
                    process,
                    sha256=hashlib.sha256(data).digest(),
                    size=len(data),
                    disputed=disputed,
                )
                count += 1
        return count


def _read(
    folder: Path, listed: list[str], known: dict[tuple[str, str], Position]
) -> tuple[Gathered, dict[tuple[str, str], int], bool]:
    """Read whole lines that were not read before, up to MOST_BYTES; also how far files are read now, and if there is more."""
    found = Gathered()
    reached: dict[tuple[str, str], int] = {}
    left = MOST_BYTES
    for day in listed:
        for path in files(folder, day):
            file = (day, path.name)
            start = known[file].folded if file in known else 0
            size = path.stat().st_size
            if size <= start:
                continue
            if left <= 0:
                return found, reached, True
            with path.open("rb") as opened:
                opened.seek(start)
                data = opened.read(left)
            end = data.rfind(b"\n") + 1
            if not end:
                continue  # the rest of a line is still to come, or never will
            found.take(data[:end])
            reached[file] = start + end
            left -= end
            if start + len(data) < size:
                return found, reached, True
    return found, reached, False


def _contents(path: Path, size: int) -> bytes | None:
    try:
        with path.open("rb") as opened:
            return opened.read(size)
    except FileNotFoundError:
        return None


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
