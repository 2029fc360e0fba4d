"""A disk that fills up stops what is new, and nothing else."""

import asyncio
from pathlib import Path

from homing.ground.disk import BALLAST, DiskGuard, make_ballast, release_ballast, space

GB = 1_000_000_000


class Disk:
    def __init__(self, free: int, total: int) -> None:
        self.free, self.total = free, total

    def __call__(self, folder: Path) -> tuple[int, int]:
        return self.free, self.total


def guard(disk: Disk, *, min_free_bytes: int = 2 * GB, min_free_share: float = 0.05) -> DiskGuard:
    return DiskGuard([Path("/")], min_free_bytes=min_free_bytes, min_free_share=min_free_share, space=disk)


def test_the_larger_of_both_limits_counts():
    small, large = Disk(free=3 * GB, total=10 * GB), Disk(free=3 * GB, total=100 * GB)
    assert guard(small).check() is None
    assert guard(large).check() is not None


def test_it_takes_a_little_more_room_to_accept_again():
    disk = Disk(free=2 * GB - 1, total=10 * GB)
    watch = guard(disk)
    assert watch.refuse_new() is None, "before the first look nothing is refused"
    assert watch.check() is not None
    disk.free = 2 * GB + 1
    assert watch.check() is not None
    disk.free = 2 * GB + GB // 10
    assert watch.check() is None
    disk.free = 2 * GB + 1
    assert watch.check() is None


def test_the_reason_names_no_path_or_number():
    reason = guard(Disk(free=0, total=GB)).check()
    assert reason is not None
    assert "/" not in reason
    assert not any(sign.isdigit() for sign in reason)


async def test_it_looks_by_itself(tmp_path: Path):
    watch, stop = DiskGuard([tmp_path], min_free_bytes=1 << 60, min_free_share=0.0), asyncio.Event()
    running = asyncio.ensure_future(watch.run(stop))
    await asyncio.sleep(0.02)
    assert watch.refuse_new() is not None
    assert watch.free_bytes > 0
    stop.set()
    await running


def test_the_ballast_holds_space_until_it_is_released(tmp_path: Path):
    assert make_ballast(tmp_path, 8_388_608)
    assert (tmp_path / BALLAST).stat().st_blocks * 512 >= 8_388_608
    assert make_ballast(tmp_path, 8_388_608), "a second start leaves it alone"
    assert release_ballast(tmp_path) >= 8_388_608
    assert release_ballast(tmp_path) == 0
    assert make_ballast(tmp_path, 0)
    assert not (tmp_path / BALLAST).exists()


def test_a_disk_without_room_gets_no_ballast(tmp_path: Path):
    assert not make_ballast(tmp_path, space(tmp_path)[0])
    assert not (tmp_path / BALLAST).exists()
