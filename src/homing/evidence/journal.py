"""The journal: what each customer attempted at each door in each second, on the local disk (clause D).

It survives an outage of the database, because it needs none. Each process appends to files of its own, one for each UTC day,
`<data>/evidence/YYYY-MM-DD/<process>.log`; reading.py reads them, fold.py takes them into the ledger. A line is

    <Unix second> <account or -> <door> <badge or -> <tag>:<code>=<count>[,...] <CRC-32 of what precedes>

An attempt belongs to the second in which it arrived, whenever it ends, so several lines may speak of one second: they add up.
The supervisor's journal also holds `<Unix second> watch <CRC-32>` for every second in which the doors were attended. A line
that does not match its sum (torn by a crash) is passed over.

What is not on the disk yet stands on the slate (slate.py), so the death of a process loses nothing. Only when the whole
machine dies may the last second be missing; it is unknown then, and never counted as good.
"""

import asyncio
import contextlib
import os
import re
import shutil
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from homing.evidence.rules.classify import LOST, verdict
from homing.evidence.slate import Left, Slate
from homing.evidence.types import DAY_S, Begin, Door, FaultTag, Verdict
from homing.ground import log

KEEP_DAYS = 40  # a month, its statement, and the time to dispute it
_MOST_ROWS = 200_000  # in memory while the disk takes nothing; about a minute's worth of very many customers
_SYNC_WATCH_S = 10  # watched seconds alone wake the disk so often
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Slot = tuple[int, int | None, Door, str]  # second, account, door, badge
Outcome = tuple[FaultTag, str]  # whose fault, and the code that was answered


class _Row:
    """One slot in memory.

    open         attempts under way
    counts       how others ended that were not handed to the disk yet
    ok, failed   how many ended that are not on the disk for certain
    place        on the slate; -1: none
    """

    __slots__ = ("counts", "failed", "ok", "open", "place")

    def __init__(self, place: int) -> None:
        self.open = self.ok = self.failed = 0
        self.counts: Counter[Outcome] = Counter()
        self.place = place


class OpenAttempt:
    """One attempt under way, and where it is counted."""

    __slots__ = ("_journal", "_row", "_slot")

    def __init__(self, journal: "Journal", slot: Slot, row: _Row | None) -> None:
        self._journal = journal
        self._slot = slot
        self._row = row

    def belongs_to(self, account_id: int) -> None:
        """Say whose it is."""
        second, known, door, _ = self._slot
        if known == account_id or self._row is None:
            return
        before, before_row = self._slot, self._row
        self._slot = (second, account_id, door, "")
        self._row = self._journal.open(self._slot)
        self._journal.closed(before, before_row, None)

    def ended(self, fault: FaultTag, code: str) -> None:
        """Say how it ended; what is said after that is not heard."""
        row, self._row = self._row, None
        if row is not None:
            self._journal.closed(self._slot, row, (fault, code))


class Journal:
    """One process's journal. `begin` from anywhere in the event loop; `run` writes it down once a second.

    folder   `<data>/evidence`
    process  a name no other process uses at the same time, for example the worker id
    clock    Unix seconds
    slate    where this process leaves what is not on the disk; None: nowhere
    """

    def __init__(self, folder: Path, process: str, *, clock: Callable[[], float] = time.time, slate: Slate | None = None) -> None:
        self._folder = folder
        self._name = re.sub(r"[^A-Za-z0-9._-]", "_", process) + ".log"
        self._clock = clock
        self._slate = slate
        self._rows: dict[Slot, _Row] = {}
        self._watched: list[int] = []
        self._synced_at = 0
        self._file: tuple[str, int] | None = None
        self._torn = False
        self._lost = 0
        self._log = log.get("evidence")

    # what happens ---------------------------------------------------------------------------------------------------------

    def begin(self, door: Door, second: int, account_id: int | None = None, key: str = "") -> OpenAttempt:
        """Begin an attempt that arrived in a second. Costs about two microseconds, with its end."""
        slot = (second, account_id, door, "" if account_id is not None else key)
        return OpenAttempt(self, slot, self.open(slot))

    def at(self, door: Door) -> Begin:
        """Return `begin` for one door."""
        return partial(self.begin, door)

    def watched(self, second: int) -> None:
        """Note that in this whole second the doors were attended, and whoever came was noted."""
        self._watched.append(second)

    def recover(self, left: Iterable[Left]) -> int:
        """Note what a dead process left: what had ended as it ended, what was under way as our failure. Returns the attempts."""
        found = 0
        for one in left:
            row = self.open((one.second, one.account_id, one.door, one.key))
            if row is None:
                continue
            row.open -= 1
            self._end(row, (FaultTag.NONE, LOST), one.ok)
            self._end(row, (FaultTag.SERVER, LOST), one.failed + one.open)
            self._tell(row)
            found += one.ok + one.failed + one.open
        return found

    def open(self, slot: Slot) -> _Row | None:
        """Return the row of a slot with one attempt more under way; None where memory is full."""
        row = self._rows.get(slot)
        if row is None:
            if len(self._rows) >= _MOST_ROWS:
                self._lost += 1
                return None
            row = self._rows[slot] = _Row(-1 if self._slate is None else self._slate.take(*slot))
        row.open += 1
        self._tell(row)
        return row

    def closed(self, slot: Slot, row: _Row, outcome: Outcome | None) -> None:
        """End one attempt of a row; None: it is none, or is counted elsewhere."""
        row.open -= 1
        if outcome is not None and outcome[0] is not FaultTag.VOID:
            if slot[1] is None and slot[3] and verdict(slot[2], *outcome) is Verdict.OK:
                # Nobody's key, judged and answered. Badges of keys that anybody may invent must not fill the disk.
                elsewhere = (*slot[:3], "")
                other = self.open(elsewhere)
                if other is not None:
                    self.closed(elsewhere, other, outcome)
            else:
                self._end(row, outcome, 1)
        self._tell(row)
        self._drop_if_done(slot, row)

    @staticmethod
    def _end(row: _Row, outcome: Outcome, count: int) -> None:
        if not count:
            return
        row.counts[outcome] += count
        if outcome[0] in (FaultTag.SERVER, FaultTag.TIMEOUT):
            row.failed += count
        else:
            row.ok += count

    def _tell(self, row: _Row) -> None:
        if row.place >= 0 and self._slate is not None:
            self._slate.write(row.place, row.open, row.ok, row.failed)

    def _drop_if_done(self, slot: Slot, row: _Row) -> None:
        if row.open or row.ok or row.failed or self._rows.get(slot) is not row:
            return
        del self._rows[slot]
        if row.place >= 0 and self._slate is not None:
            self._slate.wipe(row.place)

    # down to the disk -----------------------------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        """Write each second down once it has passed, until told to stop; then the rest. Removes days beyond KEEP_DAYS."""
        purged = ""
        while not stop.is_set():
            now = self._clock()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.05 - now % 1.0)
            await self.flush(before=int(self._clock()))
            today = day_of(int(self._clock()))
            if today != purged:
                purged = today
                await asyncio.to_thread(purge, self._folder, now=int(self._clock()))
        await self.close()

    async def flush(self, *, before: int | None = None) -> None:
        """Write what ended of seconds earlier than `before` (None: everything), down to the disk."""
        taken: dict[Slot, tuple[_Row, Counter[Outcome]]] = {}
        for slot, row in self._rows.items():
            if row.counts and (before is None or slot[0] < before):
                taken[slot] = (row, row.counts)
                row.counts = Counter()
        watched, self._watched = self._watched, []
        if not taken and not watched:
            return
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, taken, watched))
        try:
            unwritten, unwatched = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            raise
        self._watched = unwatched + self._watched
        for slot, (row, counts) in taken.items():
            if slot in unwritten:
                row.counts += counts
                continue
            for (fault, _), count in counts.items():
                if fault in (FaultTag.SERVER, FaultTag.TIMEOUT):
                    row.failed -= count
                else:
                    row.ok -= count
            self._tell(row)
            self._drop_if_done(slot, row)

    async def close(self) -> None:
        """Write everything and close the file."""
        await self.flush()
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def _write(self, taken: dict[Slot, tuple[_Row, Counter[Outcome]]], watched: list[int]) -> tuple[frozenset[Slot], list[int]]:
        """Append (in a thread); return the slots and watched seconds that could not be written, for the next time."""
        by_day: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        slots: dict[str, list[Slot]] = defaultdict(list)
        seconds: dict[str, list[int]] = defaultdict(list)
        for slot, (_, counts) in taken.items():
            day = day_of(slot[0])
            by_day[day].append((slot[0], _line(slot, counts)))
            slots[day].append(slot)
        for second in watched:
            day = day_of(second)
            by_day[day].append((second, _summed(b"%d watch" % second)))
            seconds[day].append(second)
        unwritten: set[Slot] = set()
        unwatched: list[int] = []
        for day in sorted(by_day):
            sync = bool(slots[day]) or seconds[day][-1] >= self._synced_at + _SYNC_WATCH_S
            try:
                self._append(day, b"".join(line for _, line in sorted(by_day[day])), sync=sync)
            except OSError as trouble:
                self._log.error("evidence_not_written", reason=str(trouble), rows=len(by_day[day]))
                unwritten.update(slots[day])
                unwatched += seconds[day]
            if sync and seconds[day]:
                self._synced_at = seconds[day][-1]
        if self._lost and not unwritten:
            self._log.error("evidence_lost", attempts=self._lost)
            self._lost = 0
        return frozenset(unwritten), unwatched

    def _append(self, day: str, text: bytes, *, sync: bool) -> None:
        if self._file is None or self._file[0] != day:
            if self._file is not None:
                os.close(self._file[1])
                self._file = None
            folder = self._folder / day
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # mkdir's mode is not for the parents that it makes
            folder.mkdir(mode=0o700, exist_ok=True)
            path = folder / self._name
            self._file = (day, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._torn = os.fstat(self._file[1]).st_size > 0  # a predecessor of this name may have been cut off
        handle = self._file[1]
        start = os.fstat(handle).st_size
        payload = b"\n" + text if self._torn else text
        self._torn = True
        written = os.write(handle, payload)
        if written < len(payload):  # the disk is full: take the part back, so that nothing is counted twice
            os.ftruncate(handle, start)
            raise OSError(f"only {written} of {len(payload)} bytes fit")
        self._torn = False
        if not sync:
            return
        try:
            os.fdatasync(handle)
        except OSError as trouble:  # it stands in the file, so it must not be written again
            self._log.error("evidence_not_synced", reason=str(trouble))


def purge(folder: Path, *, now: int) -> list[str]:
    """Remove the days that are older than KEEP_DAYS; return which."""
    limit = day_of(now - KEEP_DAYS * DAY_S)
    old = [day for day in days(folder) if day < limit]
    for day in old:
        shutil.rmtree(folder / day, ignore_errors=True)
    return old


def days(folder: Path) -> list[str]:
    """Return the days that there are files of, in order."""
    try:
        return sorted(entry for entry in os.listdir(folder) if _DAY.fullmatch(entry))
    except FileNotFoundError:
        return []


def day_of(second: int) -> str:
    """Return the UTC day of a second, as folders name it."""
    return datetime.fromtimestamp(second, UTC).date().isoformat()


def _line(slot: Slot, counts: Counter[Outcome]) -> bytes:
    second, account_id, door, key = slot
    account = "-" if account_id is None else str(account_id)
    ended = ",".join(f"{fault.value}:{code or '-'}={count}" for (fault, code), count in sorted(counts.items()))
    return _summed(f"{second} {account} {door.value} {key or '-'} {ended}".encode())


def _summed(text: bytes) -> bytes:
    return b"%s %08x\n" % (text, zlib.crc32(text))
