"""The evidence journal needs no database: it is what remains when the database is gone."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from homing.evidence.journal import KEEP_DAYS, Journal, Tally, purge, read
from homing.evidence.types import Door, FaultTag

NOON = 1_800_000_000 // 86_400 * 86_400 + 43_200


class Clock:
    def __init__(self, second: float) -> None:
        self.second = second

    def __call__(self) -> float:
        return self.second


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON + 0.5)


@pytest.fixture
def journal(tmp_path: Path, clock: Clock) -> Journal:
    return Journal(tmp_path, "node-0-abc", clock=clock)


def everything(folder: Path) -> list[Tally]:
    return list(read(folder, NOON - 86_400 * 3, NOON + 86_400 * 3))


async def test_attempts_are_counted_for_each_second_customer_and_door(tmp_path: Path, journal: Journal, clock: Clock):
    journal.count(1, Door.API, FaultTag.NONE)
    journal.count(1, Door.API, FaultTag.NONE)
    journal.count(1, Door.API, FaultTag.CLIENT)
    journal.count(1, Door.SMTP, FaultTag.SERVER)
    journal.count(None, Door.API, FaultTag.TIMEOUT, "0a1b2c")
    clock.second += 1
    journal.count(1, Door.API, FaultTag.SERVER)
    await journal.close()
    assert everything(tmp_path) == [
        Tally(NOON, None, Door.API, "0a1b2c", 1, 0, 0, 0, 1),
        Tally(NOON, 1, Door.API, "", 3, 2, 1, 0, 0),
        Tally(NOON, 1, Door.SMTP, "", 1, 0, 0, 1, 0),
        Tally(NOON + 1, 1, Door.API, "", 1, 0, 0, 1, 0),
    ]


async def test_nobody_else_may_look_into_the_folders(tmp_path: Path, clock: Clock):
    journal = Journal(tmp_path / "evidence", "node-0-abc", clock=clock)
    journal.count(1, Door.API, FaultTag.NONE)
    clock.second += 2
    await journal.flush()
    folders = [tmp_path / "evidence", *(tmp_path / "evidence").iterdir()]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]


async def test_a_second_is_written_when_it_has_passed(tmp_path: Path, journal: Journal, clock: Clock):
    journal.count(1, Door.API, FaultTag.NONE)
    await journal.flush(before=NOON)
    assert everything(tmp_path) == []
    await journal.flush(before=NOON + 1)
    assert len(everything(tmp_path)) == 1
    await journal.close()


async def test_files_of_several_processes_are_united(tmp_path: Path, journal: Journal, clock: Clock):
    other = Journal(tmp_path, "node-1-def", clock=clock)
    for one in (journal, other):
        one.count(7, Door.SMTP, FaultTag.NONE)
        await one.close()
    assert everything(tmp_path) == [Tally(NOON, 7, Door.SMTP, "", 2, 2, 0, 0, 0)]


async def test_midnight_is_a_new_file_and_the_range_is_half_open(tmp_path: Path, journal: Journal, clock: Clock):
    midnight = NOON + 43_200
    for second in (midnight - 1, midnight):
        clock.second = second
        journal.count(1, Door.API, FaultTag.NONE)
    await journal.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [tally.second for tally in read(tmp_path, midnight - 1, midnight + 1)] == [midnight - 1, midnight]
    assert [tally.second for tally in read(tmp_path, midnight - 1, midnight)] == [midnight - 1]
    assert list(read(tmp_path, midnight, midnight)) == []


async def test_a_torn_line_costs_only_itself(tmp_path: Path, journal: Journal, clock: Clock):
    journal.count(1, Door.API, FaultTag.NONE)
    clock.second += 1
    journal.count(1, Door.API, FaultTag.NONE)
    await journal.close()
    path = next(tmp_path.glob("*/*.log"))
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[1]) + 1):
        path.write_bytes(whole[:-cut])
        assert [tally.second for tally in everything(tmp_path)] == [NOON]
    clock.second += 1
    successor = Journal(tmp_path, "node-0-abc", clock=clock)
    successor.count(1, Door.API, FaultTag.NONE)
    await successor.close()
    assert [tally.second for tally in everything(tmp_path)] == [NOON, NOON + 2]


async def test_a_full_disk_delays_evidence_and_neither_loses_nor_doubles_it(
    tmp_path: Path, journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    journal.count(1, Door.API, FaultTag.NONE)
    await journal.flush()
    really = os.write

    def short(handle: int, text: bytes) -> int:
        return really(handle, text[:10])

    def full(handle: int, text: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    journal.count(1, Door.API, FaultTag.SERVER)
    for trouble in (short, full):
        monkeypatch.setattr("homing.evidence.journal.os.write", trouble)
        await journal.flush()
    monkeypatch.undo()
    await journal.close()
    assert everything(tmp_path) == [Tally(NOON, 1, Door.API, "", 2, 1, 0, 1, 0)]


async def test_old_days_are_removed(tmp_path: Path, journal: Journal, clock: Clock):
    clock.second -= 86_400 * (KEEP_DAYS + 1)
    journal.count(1, Door.API, FaultTag.NONE)
    await journal.flush()
    clock.second = NOON
    journal.count(1, Door.API, FaultTag.NONE)
    await journal.close()
    (tmp_path / "notes").mkdir()
    assert len(purge(tmp_path, now=NOON)) == 1
    assert len(everything(tmp_path)) == 1
    assert (tmp_path / "notes").exists()


async def test_it_writes_by_itself_and_finishes_when_stopped(tmp_path: Path):
    journal, stop = Journal(tmp_path, "p"), asyncio.Event()
    running = asyncio.ensure_future(journal.run(stop))
    journal.count(3, Door.SMTP, FaultTag.NONE)
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 5)
    path = next(tmp_path.glob("*/*.log"))
    assert path.read_text().split()[1:5] == ["3", "smtp", "1", "1"]
