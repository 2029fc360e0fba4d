"""Child processes that end with us: started with a death signal, waited for without a thread.

`send_signal` reaches only a child that was started here and has not been reaped, so a number that the system has given to
somebody else since is never hit.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05


def spawn(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
    user: tuple[int, int] | None = None,
    stderr: IO[bytes] | int | None = None,
    new_session: bool = True,
) -> "subprocess.Popen[bytes]":
    """Start a child in its own session; it gets `death_signal` when we die, where the system can do that (Linux).

    user         (uid, gid) to run as, without supplementary groups; None: as we are
    new_session  a terminal's Ctrl-C then reaches us alone, and we stop the child in order
    raises       OSError if it cannot be started. Call it from a thread that lives as long as the process: Linux sends
                 the death signal when the thread that started the child ends
    """
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stderr=stderr,
        stdout=stderr,
        env=dict(environ) if environ is not None else None,
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        close_fds=True,
        start_new_session=new_session,
        preexec_fn=_ask_for_death_signal(death_signal),
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )


def _ask_for_death_signal(number: signal.Signals) -> Callable[[], None] | None:
    """Return what the child does between fork and exec. Everything it needs is loaded before the fork."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # we died between fork and prctl
            os._exit(1)

    return ask


async def wait_for_exit(child: "subprocess.Popen[bytes]") -> int:
    """Wait until a child has ended and reap it; return its status as Popen does (negative: the signal)."""
    try:
        pidfd = os.pidfd_open(child.pid)
    except (AttributeError, OSError):  # not Linux, an old kernel, or reaped already
        while (status := child.poll()) is None:  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(_POLL_S)
        return status
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        while (status := child.poll()) is None:
            await ended.wait()
            ended.clear()
        return status
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)


def send_signal(child: "subprocess.Popen[bytes]", number: signal.Signals) -> bool:
    """Signal a child that we started; False if it has ended by now."""
    if child.poll() is not None:
        return False
    try:
        child.send_signal(number)
    except ProcessLookupError:
        return False
    return True


def signal_pid(pid: int, number: signal.Signals) -> None:
    """Signal a process by its number that is known to be ours; it may have ended by now."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def working_in(folder: Path, program: str) -> list[int]:
    """Return the pids of a program whose working directory this folder is. Empty without /proc.

    A shell of an operator who looks around there is not meant, hence the program's name.
    """
    try:
        wanted = folder.stat()
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return []
    found = []
    for pid in pids:
        try:
            at = os.stat(f"/proc/{pid}/cwd")
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        if name == program and (at.st_dev, at.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(pid)
    return found
