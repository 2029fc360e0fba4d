"""The disk fills up under load: first the doors refuse, then PostgreSQL itself fails; nothing that was accepted is lost."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.house import House
from tests.kit.traffic import Traffic
from tests.soak.ledger import DOMAIN, close, sink

pytestmark = [pytest.mark.soak, pytest.mark.timeout(420)]
SIZE_MB = 2_000
GUARD_MB = 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be filled without hurting anybody."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own can be mounted as root only")
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=711", "tmpfs", str(where)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        for parent in where.parents:
            if parent.is_relative_to("/tmp") and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o011)  # PostgreSQL's unprivileged user passes through
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=False)


def test_nothing_is_lost_when_the_disk_fills_up(
    tmp_path: Path, small_disk: Path, dice: random.Random, tell: Callable[[str], None]
):
    settings = {"min_free_bytes": str(GUARD_MB << 20)}
    with (
        sink(tmp_path, delay_s=0.003) as into,
        House(dns=into.dns, delivery_port=into.port, folder=small_disk, settings=settings) as house,
    ):
        assert small_disk in (house.data / "postgres").resolve().parents, "the cluster lies on the small disk"
        with Traffic(house, domain=DOMAIN) as traffic:
            house.wait_until(lambda: len(traffic.accepted) > 200, 30, "mail flows")
            filler = small_disk / "filler"

            _fill(filler, leave_mb=GUARD_MB // 2)
            house.wait_until(lambda: _refused(traffic) > 20, 20, "the doors refuse")
            time.sleep(1.5)
            before = len(traffic.accepted)
            time.sleep(2.0)
            taken_while_full = len(traffic.accepted) - before
            house.wait_empty(60)  # what was accepted goes out all the same

            filler.unlink()
            house.wait_until(lambda: len(traffic.accepted) > before + 200, 30, "mail is accepted again")

            _fill(filler, leave_mb=0)
            time.sleep(dice.uniform(4.0, 8.0))
            filler.unlink()
            before = len(traffic.accepted)
            house.wait_until(
                lambda: len(traffic.accepted) > before + 200, 60, "mail is accepted after a disk that was quite full"
            )
        ledger = close(house, traffic, into)
        panics = house.log.read_text().count("postgres_ended")
        tell(ledger.text("disk", accepted_below_the_guard=taken_while_full, times_that_PostgreSQL_ended=panics))
        assert taken_while_full == 0
        assert ledger.lost == []
        assert ledger.doubled == 0
        assert ledger.uninvited == []


def _refused(traffic: Traffic) -> int:
    return sum(traffic.refused.values())


def _fill(file: Path, *, leave_mb: int) -> None:
    """Grow a file until so much is left."""
    block = b"\0" * (1 << 20)
    with file.open("ab", buffering=0) as out:
        while True:
            free = os.statvfs(file.parent)
            if free.f_bavail * free.f_frsize <= leave_mb << 20:
                return
            try:
                out.write(block)
            except OSError:
                return
