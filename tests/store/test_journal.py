"""The evidence journal needs no database: it is what remains when the database is gone."""

import asyncio
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from homing.evidence import slate
from homing.evidence.journal import KEEP_DAYS, Journal, purge
from homing.evidence.reading import Gathered, Line, gathered, lines
from homing.evidence.slate import Left, Slate
from homing.evidence.types import Door, FaultTag

NOON = 1_800_000_000 // 86_400 * 86_400 + 43_200
OK, BAD, GONE = (FaultTag.NONE, "200"), (FaultTag.SERVER, "503"), (FaultTag.VOID, "499")
BADGE = "0123456789abcdef"


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


def try_(journal: Journal, second: int, account: int | None = 1, door: Door = Door.API, end=OK, key: str = "") -> None:
    journal.begin(door, second, account, key).ended(*end)


def everything(folder: Path) -> list[Line]:
    return list(lines(folder, NOON - 86_400 * 3, NOON + 86_400 * 3))


def sets(folder: Path) -> Gathered:
    return gathered(sorted(folder.glob("*/*.log")))


async def test_attempts_are_kept_for_each_second_customer_and_door_with_tag_and_code(tmp_path: Path, journal: Journal):
    try_(journal, NOON)
    try_(journal, NOON)
    try_(journal, NOON, end=(FaultTag.CLIENT, "422"))
    try_(journal, NOON, door=Door.SMTP, end=(FaultTag.SERVER, "451/4.3.0"))
    try_(journal, NOON, None, end=(FaultTag.TIMEOUT, "504"), key=BADGE)
    try_(journal, NOON + 1, end=(FaultTag.SERVER, ""))
    await journal.close()
    assert everything(tmp_path) == [
        Line((NOON, None, Door.API, BADGE), Counter({(FaultTag.TIMEOUT, "504"): 1})),
        Line((NOON, 1, Door.API, ""), Counter({OK: 2, (FaultTag.CLIENT, "422"): 1})),
        Line((NOON, 1, Door.SMTP, ""), Counter({(FaultTag.SERVER, "451/4.3.0"): 1})),
        Line((NOON + 1, 1, Door.API, ""), Counter({(FaultTag.SERVER, ""): 1})),
    ]


async def test_an_attempt_counts_in_the_second_of_its_arrival_however_late_it_ends(
    tmp_path: Path, journal: Journal, clock: Clock
):
    late = journal.begin(Door.API, NOON, 1)
    clock.second += 1
    await journal.flush(before=NOON + 1)
    assert everything(tmp_path) == []
    clock.second += 30
    late.ended(*BAD)
    await journal.close()
    assert [line.slot[0] for line in everything(tmp_path)] == [NOON]


async def test_whose_an_attempt_is_may_be_known_later(tmp_path: Path, journal: Journal):
    attempt = journal.begin(Door.API, NOON, None, BADGE)
    attempt.belongs_to(5)
    attempt.belongs_to(5)
    attempt.ended(*OK)
    attempt.ended(*BAD)  # once is enough
    await journal.close()
    assert everything(tmp_path) == [Line((NOON, 5, Door.API, ""), Counter({OK: 1}))]


async def test_what_cannot_be_judged_is_no_attempt(tmp_path: Path, journal: Journal):
    try_(journal, NOON, end=GONE)
    try_(journal, NOON + 1, end=GONE)
    try_(journal, NOON + 1, end=BAD)
    await journal.close()
    assert everything(tmp_path) == [Line((NOON + 1, 1, Door.API, ""), Counter({BAD: 1}))]


async def test_keys_that_anybody_may_invent_leave_no_badge_unless_we_failed_them(tmp_path: Path, journal: Journal):
    for number in range(100):
        try_(journal, NOON, None, end=(FaultTag.CLIENT, "401"), key=f"{number:016x}")
    try_(journal, NOON, None, end=BAD, key=BADGE)
    await journal.close()
    assert everything(tmp_path) == [
        Line((NOON, None, Door.API, ""), Counter({(FaultTag.CLIENT, "401"): 100})),
        Line((NOON, None, Door.API, BADGE), Counter({BAD: 1})),
    ]


async def test_lines_come_to_sets_of_seconds(tmp_path: Path, journal: Journal):
    for second, end in ((0, OK), (0, BAD), (1, BAD), (2, (FaultTag.CLIENT, "429")), (3, GONE)):
        try_(journal, NOON + second, end=end)
    journal.watched(NOON + 1)
    journal.watched(NOON + 2)
    await journal.close()
    found = sets(tmp_path)
    assert found.attempted == {(1, Door.API, NOON): 0b111}
    assert found.answered == {(1, Door.API, NOON): 0b101}
    assert found.watched == {NOON: 0b110}
    assert not found.disputed


async def test_answers_whose_tag_and_code_differ_are_told(tmp_path: Path, journal: Journal):
    try_(journal, NOON, end=(FaultTag.NONE, "500"))
    try_(journal, NOON, end=(FaultTag.SERVER, "lost"))
    await journal.close()
    assert sets(tmp_path).disputed == {(Door.API, FaultTag.NONE, "500"): 1}


async def test_nobody_else_may_look_into_the_folders(tmp_path: Path, clock: Clock):
    journal = Journal(tmp_path / "evidence", "node-0-abc", clock=clock)
    try_(journal, NOON)
    await journal.flush()
    folders = [tmp_path / "evidence", *(tmp_path / "evidence").iterdir()]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]


async def test_a_second_is_written_when_it_has_passed(tmp_path: Path, journal: Journal):
    try_(journal, NOON)
    await journal.flush(before=NOON)
    assert everything(tmp_path) == []
    await journal.flush(before=NOON + 1)
    assert len(everything(tmp_path)) == 1
    await journal.close()


async def test_files_of_several_processes_are_united(tmp_path: Path, journal: Journal, clock: Clock):
    other = Journal(tmp_path, "node-1-def", clock=clock)
    for one in (journal, other):
        try_(one, NOON, 7, Door.SMTP)
        await one.close()
    assert everything(tmp_path) == [Line((NOON, 7, Door.SMTP, ""), Counter({OK: 2}))]


async def test_midnight_is_a_new_file_and_the_range_is_half_open(tmp_path: Path, journal: Journal):
    midnight = NOON + 43_200
    for second in (midnight - 1, midnight):
        try_(journal, second)
    await journal.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [line.slot[0] for line in lines(tmp_path, midnight - 1, midnight + 1)] == [midnight - 1, midnight]
    assert [line.slot[0] for line in lines(tmp_path, midnight - 1, midnight)] == [midnight - 1]
    assert list(lines(tmp_path, midnight, midnight)) == []


async def test_a_torn_line_costs_only_itself(tmp_path: Path, journal: Journal, clock: Clock):
    try_(journal, NOON)
    await journal.flush()
    try_(journal, NOON + 1)
    await journal.close()
    path = next(tmp_path.glob("*/*.log"))
    whole = path.read_bytes()
    for cut in range(1, len(whole.splitlines()[1]) + 1):
        path.write_bytes(whole[: -cut - 1])
        assert [line.slot[0] for line in everything(tmp_path)] == [NOON]
        assert sets(tmp_path).attempted == {(1, Door.API, NOON): 1}
    successor = Journal(tmp_path, "node-0-abc", clock=clock)
    try_(successor, NOON + 2)
    await successor.close()
    assert [line.slot[0] for line in everything(tmp_path)] == [NOON, NOON + 2]


async def test_a_full_disk_delays_evidence_and_neither_loses_nor_doubles_it(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    try_(journal, NOON)
    await journal.flush()
    really = os.write

    def short(handle: int, text: bytes) -> int:
        return really(handle, text[:10])

    def full(handle: int, text: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    try_(journal, NOON, end=BAD)
    journal.watched(NOON)
    for trouble in (short, full):
        monkeypatch.setattr("homing.evidence.journal.os.write", trouble)
        await journal.flush()
    monkeypatch.undo()
    await journal.close()
    assert everything(tmp_path) == [Line((NOON, 1, Door.API, ""), Counter({OK: 1, BAD: 1}))]
    assert sets(tmp_path).watched == {NOON: 1}


async def test_old_days_are_removed(tmp_path: Path, journal: Journal):
    try_(journal, NOON - 86_400 * (KEEP_DAYS + 1))
    await journal.flush()
    try_(journal, NOON)
    await journal.close()
    (tmp_path / "notes").mkdir()
    assert len(purge(tmp_path, now=NOON)) == 1
    assert len(everything(tmp_path)) == 1
    assert (tmp_path / "notes").exists()


async def test_it_writes_by_itself_and_finishes_when_stopped(tmp_path: Path):
    journal, stop = Journal(tmp_path, "p"), asyncio.Event()
    running = asyncio.ensure_future(journal.run(stop))
    try_(journal, NOON, 3, Door.SMTP)
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(running, 5)
    path = next(tmp_path.glob("*/*.log"))
    assert path.read_text().split()[1:5] == ["3", "smtp", "-", "none:200=1"]


# the slate --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def handle():
    made = slate.make()
    yield made
    os.close(made)


async def test_a_killed_process_leaves_what_ended_and_what_was_under_way(tmp_path: Path, clock: Clock, handle: int):
    journal = Journal(tmp_path, "worker", clock=clock, slate=Slate(handle))
    try_(journal, NOON)  # on the disk in time
    await journal.flush(before=NOON + 1)
    try_(journal, NOON + 1)
    try_(journal, NOON + 1, end=BAD)
    journal.begin(Door.SMTP, NOON + 1, 7)
    journal.begin(Door.API, NOON + 2, None, BADGE)
    try_(journal, NOON + 2, end=GONE)
    assert sorted(slate.read(handle), key=str) == sorted(
        [
            Left(NOON + 1, 1, Door.API, "", 0, 1, 1),
            Left(NOON + 1, 7, Door.SMTP, "", 1, 0, 0),
            Left(NOON + 2, None, Door.API, BADGE, 1, 0, 0),
        ],
        key=str,
    )
    parent = Journal(tmp_path, "doorman", clock=clock)  # the worker says nothing more
    assert parent.recover(slate.read(handle)) == 4
    await parent.close()
    found = sets(tmp_path)
    assert found.attempted == {(1, Door.API, NOON): 0b11, (7, Door.SMTP, NOON): 0b10, (BADGE, Door.API, NOON): 0b100}
    assert found.answered == {(1, Door.API, NOON): 0b11}


async def test_what_is_on_the_disk_leaves_the_slate(tmp_path: Path, clock: Clock, handle: int):
    journal = Journal(tmp_path, "worker", clock=clock, slate=Slate(handle))
    for second in range(3):
        try_(journal, NOON + second)
    open_one = journal.begin(Door.API, NOON, 1)
    await journal.flush()
    assert list(slate.read(handle)) == [Left(NOON, 1, Door.API, "", 1, 0, 0)]
    open_one.ended(*OK)
    await journal.close()
    assert list(slate.read(handle)) == []


async def test_a_full_slate_still_counts(tmp_path: Path, clock: Clock, handle: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(slate, "ROWS", 2)
    journal = Journal(tmp_path, "worker", clock=clock, slate=Slate(handle))
    for account in range(1, 6):
        try_(journal, NOON, account)
    assert len(list(slate.read(handle))) == 2
    await journal.close()
    assert len(everything(tmp_path)) == 5
    try_(journal, NOON + 1)
    assert len(list(slate.read(handle))) == 1, "rows are used again"
