"""The journal: what each customer attempted at each door in each second, on the local disk (clause D).

It survives an outage of the database, because it needs none. Each process appends to files of its own, one for each UTC day,
`<data>/evidence/YYYY-MM-DD/<process>.log`; a reader unites them. A line is

    <Unix second> <account or -> <door> <attempts> <successes> <client> <server> <timeout> <key or -> <CRC-32 of what precedes>

and a line that does not match its sum (torn by a crash) is passed over.
"""

import asyncio
import contextlib
import os
import re
import shutil
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from homing.evidence.types import Door, FaultTag
from homing.ground import log

KEEP_DAYS = 40  # a month, its statement, and the time to dispute it
_MOST_ROWS = 200_000  # in memory while the disk takes nothing; about a minute's worth of very many customers
_COLUMN = {FaultTag.NONE: 1, FaultTag.CLIENT: 2, FaultTag.SERVER: 3, FaultTag.TIMEOUT: 4}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Slot = tuple[int, int | None, Door, str]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one customer attempted at one door in one second.

    second      Unix second, UTC
    account_id  None: unknown (no valid key was shown, or the database could not be asked)
    key         the start of the hash of the key that was shown, in hex, where the account is unknown; else ''
    attempts    the sum of the others: successes, and failures by whose fault they were
    """

    second: int
    account_id: int | None
    door: Door
    key: str
    attempts: int
    successes: int
    client: int
    server: int
    timeouts: int


class Journal:
    """One process's journal. `count` from anywhere in the event loop; `run` writes it down once a second.

    folder   `<data>/evidence`
    process  a name no other process uses at the same time, for example the worker id
    clock    Unix seconds
    """

    def __init__(self, folder: Path, process: str, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._name = re.sub(r"[^A-Za-z0-9._-]", "_", process) + ".log"
        self._clock = clock
        self._rows: dict[Slot, list[int]] = {}
        self._file: tuple[str, int] | None = None
        self._torn = False
        self._lost = 0
        self._log = log.get("evidence")

    def count(self, account_id: int | None, door: Door, fault: FaultTag, key: str = "") -> None:
        """Note one attempt and how it ended. Costs about a microsecond."""
        slot = (int(self._clock()), account_id, door, key)
        row = self._rows.get(slot)
        if row is None:
            if len(self._rows) >= _MOST_ROWS:
                self._lost += 1
                return
            row = self._rows[slot] = [0, 0, 0, 0, 0]
        row[0] += 1
        row[_COLUMN[fault]] += 1

    async def run(self, stop: asyncio.Event) -> None:
        """Write each second down once it has passed, until told to stop; then the rest. Removes days beyond KEEP_DAYS."""
        purged = ""
        while not stop.is_set():
            now = self._clock()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1.05 - now % 1.0)
            await self.flush(before=int(self._clock()))
            today = _day(int(self._clock()))
            if today != purged:
                purged = today
                await asyncio.to_thread(purge, self._folder, now=int(self._clock()))
        await self.close()

    async def flush(self, *, before: int | None = None) -> None:
        """Write what was counted in seconds earlier than `before` (None: everything), down to the disk."""
        taken = [slot for slot in self._rows if before is None or slot[0] < before]
        if not taken:
            return
        rows = {slot: self._rows.pop(slot) for slot in taken}
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, rows))
        try:
            unwritten = await asyncio.shield(writing)
        except asyncio.CancelledError:
            await writing
            raise
        for slot, row in unwritten.items():
            kept = self._rows.setdefault(slot, [0, 0, 0, 0, 0])
            for column, number in enumerate(row):
                kept[column] += number

    async def close(self) -> None:
        """Write everything and close the file."""
        await self.flush()
        if self._file is not None:
            os.close(self._file[1])
            self._file = None

    def _write(self, rows: dict[Slot, list[int]]) -> dict[Slot, list[int]]:
        """Append the rows (in a thread); return those that could not be written, for the next time."""
        by_day: dict[str, dict[Slot, list[int]]] = defaultdict(dict)
        for slot, row in rows.items():
            by_day[_day(slot[0])][slot] = row
        unwritten: dict[Slot, list[int]] = {}
        for day in sorted(by_day):
            try:
                self._append(day, b"".join(_line(slot, row) for slot, row in sorted(by_day[day].items(), key=_order)))
            except OSError as trouble:
                self._log.error("evidence_not_written", reason=str(trouble), rows=len(by_day[day]))
                unwritten.update(by_day[day])
        if self._lost and not unwritten:
            self._log.error("evidence_lost", attempts=self._lost)
            self._lost = 0
        return unwritten

    def _append(self, day: str, text: bytes) -> None:
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
        try:
            os.fdatasync(handle)
        except OSError as trouble:  # it stands in the file, so it must not be written again
            self._log.error("evidence_not_synced", reason=str(trouble))


def purge(folder: Path, *, now: int) -> list[str]:
    """Remove the days that are older than KEEP_DAYS; return which."""
    limit = _day(now - KEEP_DAYS * 86_400)
    try:
        old = sorted(entry for entry in os.listdir(folder) if _DAY.fullmatch(entry) and entry < limit)
    except FileNotFoundError:
        return []
    for day in old:
        shutil.rmtree(folder / day, ignore_errors=True)
    return old


def read(folder: Path, since: int, until: int) -> Iterator[Tally]:
    """Give what all processes noted in the seconds since <= second < until, in order of second; lines of one slot are summed.

    Holds one day in memory at a time.
    """
    if until <= since:
        return
    first, last = (datetime.fromtimestamp(moment, UTC).date() for moment in (since, until - 1))
    for offset in range((last - first).days + 1):
        rows: dict[Slot, list[int]] = {}
        for path in sorted((folder / (first + timedelta(days=offset)).isoformat()).glob("*.log")):
            with path.open("rb") as file:
                for line in file:
                    parsed = _parse(line)
                    if parsed is None or not since <= parsed[0][0] < until:
                        continue
                    slot, numbers = parsed
                    row = rows.setdefault(slot, [0, 0, 0, 0, 0])
                    for column, number in enumerate(numbers):
                        row[column] += number
        for slot, row in sorted(rows.items(), key=_order):
            yield Tally(*slot, *row)


def _day(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).date().isoformat()


def _order(item: tuple[Slot, list[int]]) -> tuple[int, int, str, str]:
    second, account_id, door, key = item[0]
    return second, -1 if account_id is None else account_id, door.value, key


def _line(slot: Slot, row: list[int]) -> bytes:
    second, account_id, door, key = slot
    account = "-" if account_id is None else str(account_id)
    text = f"{second} {account} {door.value} {' '.join(map(str, row))} {key or '-'}".encode()
    return b"%s %08x\n" % (text, zlib.crc32(text))


def _parse(line: bytes) -> tuple[Slot, list[int]] | None:
    """Read one line; None if it is torn or empty."""
    text, _, checksum = line.rstrip(b"\n").rpartition(b" ")
    if not text or not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    second, account, door, *numbers, key = text.decode("ascii").split(" ")
    return (
        (int(second), None if account == "-" else int(account), Door(door), "" if key == "-" else key),
        [int(number) for number in numbers],
    )
