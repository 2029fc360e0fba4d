"""Workers are started with their sockets, watched, restarted and drained; real processes, real signals."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from homing.ground import sockets
from homing.ground.config import HostPort
from homing.ground.errors import Misuse
from homing.ground.supervise import Supervisor, Worker, WorkerState

KIT = Path(__file__).parent.parent / "kit" / "worker.py"


class House:
    def __init__(self, mode: str, *, count: int, lease_s: float, drain_s: float) -> None:
        self.listening = sockets.listen("HOMING_TEST", HostPort("127.0.0.1", 0), count=count)
        self.dead: list[str] = []
        self.alive_when_buried: list[bool] = []
        self.stop = asyncio.Event()
        self.supervisor = Supervisor(
            [sys.executable, str(KIT), mode],
            sockets=[{"door": sock} for sock in self.listening],
            lease_s=lease_s,
            drain_s=drain_s,
            start_s=5.0,
            on_worker_dead=self.bury,
        )

    @property
    def port(self) -> int:
        return int(self.listening[0].getsockname()[1])

    @property
    def workers(self) -> list[Worker]:
        return self.supervisor.workers

    async def bury(self, worker_id: str) -> None:
        pid = next(worker.pid for worker in self.workers if worker.worker_id == worker_id)
        self.alive_when_buried.append(Path(f"/proc/{pid}").exists())
        self.dead.append(worker_id)

    async def greet(self) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return (await asyncio.wait_for(reader.readline(), 10)).decode()
        finally:
            writer.close()


async def until(fact: Callable[[], bool], *, within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def house(mode: str = "serves", *, count: int = 1, lease_s: float = 8.0, drain_s: float = 5.0) -> AsyncIterator[House]:
    made = House(mode, count=count, lease_s=lease_s, drain_s=drain_s)
    running = asyncio.ensure_future(made.supervisor.run(made.stop))
    try:
        yield made
    finally:
        made.stop.set()
        await asyncio.wait_for(running, 20)
        sockets.close(made.listening)


async def test_workers_serve_on_sockets_that_the_supervisor_made():
    async with house(count=2) as made:
        await until(lambda: made.supervisor.ready)
        pids = {worker.pid for worker in made.workers}
        assert len(pids) == 2
        assert int((await made.greet()).split()[1]) in pids
        assert set((await made.supervisor.ask_all("who")).values()) == pids
        await until(lambda: all(worker.facts.get("mood") == "good" for worker in made.workers))
    assert [worker.state for worker in made.workers] == [WorkerState.DEAD, WorkerState.DEAD]
    assert len(made.dead) == 2


async def test_a_killed_worker_is_reaped_buried_and_replaced_and_waiting_connections_are_kept():
    async with house() as made:
        await until(lambda: made.supervisor.ready)
        first = made.workers[0]
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: first.state is WorkerState.DEAD)
        answer = await made.greet()  # connected while nobody accepts; the successor answers
        assert answer.startswith(made.workers[0].worker_id)
        assert made.workers[0].worker_id != first.worker_id
        assert made.workers[0].restarts == 1
        assert made.dead == [first.worker_id]
        assert made.alive_when_buried == [False]


async def test_a_worker_whose_loop_stands_still_is_killed_after_half_a_lease():
    async with house(lease_s=2.0) as made:
        await until(lambda: bool(made.supervisor.ready and made.workers[0].facts))
        first = made.workers[0]
        assert first.channel is not None
        first.channel.tell("block", seconds=30)
        await until(lambda: made.dead == [first.worker_id])
        await until(lambda: made.supervisor.ready)


async def test_a_stopped_worker_is_killed_too():
    async with house(lease_s=2.0) as made:
        await until(lambda: bool(made.supervisor.ready and made.workers[0].facts))
        first = made.workers[0]
        os.kill(first.pid, signal.SIGSTOP)
        await until(lambda: made.dead == [first.worker_id])


async def test_a_worker_that_beats_is_left_alone():
    async with house(lease_s=0.8) as made:
        await until(lambda: bool(made.supervisor.ready and made.workers[0].facts))
        await asyncio.sleep(1.0)
        assert made.dead == []


async def test_workers_that_die_at_once_are_started_less_and_less_often():
    async with house("dies-at-once") as made:
        await until(lambda: len(made.dead) >= 2)
        assert not made.supervisor.any_ready
        started = time.monotonic()
        await until(lambda: len(made.dead) >= 4)
        assert time.monotonic() - started >= 0.4


async def test_a_worker_that_does_not_drain_is_killed_in_the_end():
    async with house("deaf", drain_s=0.0) as made:
        made.supervisor._drain_s = -4.5  # half a second with the margin
        await until(lambda: made.supervisor.ready)
    assert made.workers[0].state is WorkerState.DEAD


async def test_a_worker_that_is_not_ready_makes_the_house_unready():
    async with house("never-ready", drain_s=0.0) as made:
        await until(lambda: bool(made.workers and made.workers[0].facts))
        assert not made.supervisor.ready
        assert made.workers[0].state is WorkerState.STARTING


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent has died")
async def test_workers_end_when_the_supervisor_is_killed():
    script = (
        "import asyncio, sys, uvloop\n"
        "from homing.ground.supervise import Supervisor\n"
        "async def main():\n"
        "    def changed():\n"
        "        if supervisor.ready: print('pid', supervisor.workers[0].pid, flush=True)\n"
        f"    supervisor = Supervisor([sys.executable, {str(KIT)!r}, 'serves'], sockets=[{{}}], lease_s=8, drain_s=1,\n"
        "        on_change=changed)\n"
        "    await supervisor.run(asyncio.Event())\n"
        "uvloop.run(main())\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert supervisor.stdout is not None
    line = ""
    while not line.startswith("pid "):
        line = await asyncio.to_thread(supervisor.stdout.readline)
    pid = int(line.split()[1])
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    await until(lambda: not Path(f"/proc/{pid}/cwd").exists())


def test_a_taken_port_is_refused_with_what_to_do():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = HostPort("127.0.0.1", other.getsockname()[1])
        with pytest.raises(Misuse, match=r"HOMING_HTTP=127\.0\.0\.1:\d+ cannot be used: another program listens"):
            sockets.listen("HOMING_HTTP", address, count=2)


def test_an_address_of_somebody_else_is_refused():
    with pytest.raises(Misuse, match="no address of this machine"):
        sockets.listen("HOMING_SMTP", HostPort("192.0.2.77", 0), count=1)


def test_all_workers_listen_on_one_port():
    made = sockets.listen("HOMING_HTTP", HostPort("127.0.0.1", 0), count=3)
    assert len({sock.getsockname() for sock in made}) == 1
    sockets.close(made)
