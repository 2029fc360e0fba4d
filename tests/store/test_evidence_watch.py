"""Silence is told from absence by what was watched; an SMTP client that showed no key is known by its address."""

import asyncio
import ipaddress
from pathlib import Path

from homing.evidence.badges import name_badge
from homing.evidence.sources import SourceBook, Whose
from homing.evidence.watch import EdgeWatch
from homing.ground.config import TrustedNet

NOON = 1_800_000_000


class Clocks:
    def __init__(self) -> None:
        self.wall, self.ticks = NOON + 0.0, 50.0
        self.attended = True
        self.watched: list[int] = []
        self.watch = EdgeWatch(lambda: self.attended, self.watched.append, clock=lambda: self.wall, monotonic=lambda: self.ticks)

    def go(self, seconds: float, *, wall: float | None = None) -> None:
        self.ticks += seconds
        self.wall += seconds if wall is None else wall
        self.watch.tick()

    def tick_at(self, *offsets: float) -> list[int]:
        """Tick at offsets from noon, both clocks in step; return the watched seconds as offsets."""
        for offset in offsets:
            self.go(NOON + offset - self.wall)
        return [second - NOON for second in self.watched]


def test_a_second_is_watched_if_the_doors_were_attended_from_its_begin_to_its_end():
    assert Clocks().tick_at(0.01, 1.02, 2.01, 3.3, 4.0) == [0, 1, 2, 3]


def test_the_second_in_which_it_begins_is_not_watched():
    assert Clocks().tick_at(0.7, 1.01, 2.01) == [1]


def test_a_process_that_stood_still_has_not_watched():
    assert Clocks().tick_at(0.01, 1.01, 4.9, 5.01, 6.01) == [0, 5]
    assert Clocks().tick_at(0.01, 1.6, 2.01, 3.01) == [2]


def test_seconds_without_anybody_at_the_doors_are_not_watched():
    clocks = Clocks()
    clocks.tick_at(0.01, 1.01)
    clocks.attended = False
    clocks.tick_at(2.01, 3.01)
    clocks.attended = True
    assert clocks.tick_at(4.01, 5.01) == [0, 4]


def test_a_wall_clock_that_is_set_says_nothing_about_the_second():
    clocks = Clocks()
    clocks.tick_at(0.01, 1.01)
    clocks.go(0.1, wall=1.0)  # set forward
    clocks.go(1.0)
    assert [second - NOON for second in clocks.watched] == [0, 2]


async def test_it_ticks_by_itself():
    clocks, stop = Clocks(), asyncio.Event()
    seen: list[int] = []
    running = asyncio.ensure_future(EdgeWatch(lambda: True, seen.append).run(stop))
    async with asyncio.timeout(10):
        while not seen:
            await asyncio.sleep(0.05)
    stop.set()
    await running
    assert clocks.watched == []


def test_an_address_belongs_to_the_account_that_authenticated_from_it(tmp_path: Path):
    book = SourceBook(tmp_path, "w")
    assert book.whose("192.0.2.1") == Whose()
    book.note("192.0.2.1", 7)
    assert book.whose("192.0.2.1") == Whose(account_id=7)
    book.note("192.0.2.1", 8)
    assert book.whose("192.0.2.1") == Whose(), "of two it is nobody's"


def test_a_trusted_network_names_its_account_the_narrowest_first(tmp_path: Path):
    trust = (
        TrustedNet(ipaddress.ip_network("10.0.0.0/8"), "wide"),
        TrustedNet(ipaddress.ip_network("10.1.0.0/16"), "Müller & Co"),
    )
    book = SourceBook(tmp_path, "w", trust=trust)
    assert book.whose("10.1.2.3") == Whose(key=name_badge("Müller & Co"))
    assert book.whose("10.2.2.3") == Whose(key=name_badge("wide"))
    assert len(name_badge("Müller & Co")) == 16


async def test_what_one_process_learns_another_reads_for_a_week(tmp_path: Path):
    now = [float(NOON)]
    stop = asyncio.Event()
    book = SourceBook(tmp_path, "w", clock=lambda: now[0])
    running = asyncio.ensure_future(book.run(stop))
    book.note("2001:db8::1", 7)
    book.note("2001:db8::1", 7)
    async with asyncio.timeout(5):
        while not list(tmp_path.glob("*/w.sources")):
            await asyncio.sleep(0.01)
    stop.set()
    await running
    (path,) = tmp_path.glob("*/w.sources")
    assert path.read_text() == "7 2001:db8::1\n"
    path.write_text(path.read_text() + "rubbish\n9 \n")

    other = SourceBook(tmp_path, "doorman", clock=lambda: now[0])
    now[0] += 6 * 86_400
    other.load()
    assert other.whose("2001:db8::1") == Whose(account_id=7)
    later = SourceBook(tmp_path, "doorman", clock=lambda: now[0])
    now[0] += 2 * 86_400
    later.load()
    assert later.whose("2001:db8::1") == Whose()
