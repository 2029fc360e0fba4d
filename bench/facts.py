"""The machine that measured: without it a figure says nothing."""

import os
import platform
import shlex
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.postfix import Postfix
from homing.ground.pghome import find_install


def machine(*, postfix: bool) -> dict[str, str]:
    """Return what a reader must know to compare: processor, memory, kernel, disk, versions, command, date."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "python -m bench " + shlex.join(sys.argv[1:]),
        "processor": f"{_cpu_model()}, {os.cpu_count()} cores seen, {len(os.sched_getaffinity(0))} usable",
        "memory": f"{_memory_gb():.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": f"{_filesystem('/var/tmp')}, 4 kB write and fdatasync: {fsync_ms():.2f} ms",
        "load at the start": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "PostgreSQL": find_install().version,
        "Postfix": Postfix.version() if postfix else "not compared",
    }


def fsync_ms(folder: str = "/var/tmp", times: int = 100) -> float:
    """Return how long one small durable write takes, the median of many."""
    found = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            began = time.perf_counter()
            os.write(file.fileno(), b"x" * 4096)
            os.fdatasync(file.fileno())
            found.append(time.perf_counter() - began)
    return sorted(found)[times // 2] * 1000


def _cpu_model() -> str:
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> float:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return int(line.split()[1]) / 1_048_576
    return 0.0


def _filesystem(folder: str) -> str:
    best = ("", "unknown")
    for line in _lines("/proc/mounts"):
        _, where, kind = line.split()[:3]
        if folder.startswith(where) and len(where) > len(best[0]):
            best = (where, kind)
    return best[1]


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
