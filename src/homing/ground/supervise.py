"""Worker processes: started with their sockets, watched, restarted, drained. The worker's side: attach.py.

A worker that is silent for half a lease term is killed, so nobody speaks SMTP for a shard that another has taken over.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homing.ground import children, log
from homing.ground.attach import VARIABLE
from homing.ground.channel import Channel, opened
from homing.ground.errors import HomingError

_FIRST_PAUSE_S = 0.1
_LAST_PAUSE_S = 5.0
_STABLE_S = 10.0  # a worker that lived longer starts its back-off anew
_MARGIN_S = 5.0  # beyond drain_s, until a draining worker is killed
_HOOK_LIMIT_S = 10.0


class WorkerState(StrEnum):
    """What a worker process does."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    DEAD = "dead"


@dataclass(slots=True)
class Worker:
    """One incarnation of a worker process.

    number      which of the workers, from 0; its sockets belong to the number
    worker_id   another one for each incarnation: owner of shards, name of evidence files
    facts       what its last heartbeat told
    """

    number: int
    worker_id: str
    pid: int = 0
    state: WorkerState = WorkerState.STARTING
    channel: Channel | None = None
    seen_at: float = field(default_factory=time.monotonic)
    started_at: float = field(default_factory=time.monotonic)
    restarts: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


class Supervisor:
    """Keeps a fixed number of workers alive until told to stop.

    argv            of a worker; the rest it learns from its environment (attach.py)
    sockets         for each worker, its listening sockets by door
    lease_s         term of a lease: heartbeats every eighth of it, death after half of it in silence
    drain_s         after a stop signal, time for what is in flight
    start_s         time to the first heartbeat
    files           gives descriptors that a new worker inherits, by name; whoever gives them closes them
    on_worker_born  gets each worker when its channel is open, before it says anything: add handlers to the channel here
    on_worker_dead  gets the worker's id after its process has been reaped, before its successor starts
    on_change       called whenever a worker's state has changed; must not wait
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        sockets: Sequence[Mapping[str, socket.socket]],
        lease_s: float,
        drain_s: float,
        start_s: float = 60.0,
        node: str = "node",
        environ: Mapping[str, str] | None = None,
        files: Callable[[str], Mapping[str, int]] | None = None,
        on_worker_born: Callable[[Worker], None] | None = None,
        on_worker_dead: Callable[[str], Awaitable[None]] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._argv = list(argv)
        self._sockets = [dict(mine) for mine in sockets]
        self._lease_s = lease_s
        self._drain_s = drain_s
        self._start_s = start_s
        self._node = node
        self._environ = dict(os.environ if environ is None else environ)
        self._files = files
        self._on_worker_born = on_worker_born
        self._on_worker_dead = on_worker_dead
        self._on_change = on_change
        self._stopping = asyncio.Event()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self.workers: list[Worker] = []
        self._log = log.get("ground")

    @property
    def ready(self) -> bool:
        """Say whether every worker serves."""
        return len(self.workers) == len(self._sockets) and all(one.state is WorkerState.READY for one in self.workers)

    @property
    def any_ready(self) -> bool:
        """Say whether at least one worker serves; while none does, the doorman stands in."""
        return any(one.state is WorkerState.READY for one in self.workers)

    async def run(self, stop: asyncio.Event) -> None:
        """Start all workers and keep them until `stop` is set; then drain, and return when all have ended."""
        self._stopping.clear()
        self.workers = [Worker(number, "", state=WorkerState.DEAD) for number in range(len(self._sockets))]
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._keep(number), name=f"worker-{number}") for number in range(len(self._sockets))]
            watchdog = group.create_task(self._watch(), name="watchdog")
            drain = group.create_task(self._drain_at(stop), name="drain")
            await asyncio.wait(keepers)
            watchdog.cancel()
            drain.cancel()

    async def ask_all(self, name: str, *, timeout_s: float = 2.0, **args: Any) -> dict[str, Any]:
        """Ask every living worker; return the answers by worker id. Who does not answer is left out."""

        async def ask(worker: Worker, channel: Channel) -> tuple[str, Any] | None:
            try:
                return worker.worker_id, await channel.ask(name, timeout_s=timeout_s, **args)
            except HomingError as trouble:
                self._log.warning("worker_did_not_answer", worker=worker.worker_id, question=name, reason=str(trouble))
                return None

        asked = [(one, one.channel) for one in self.workers if one.channel is not None and not one.channel.closed]
        answers = await asyncio.gather(*(ask(worker, channel) for worker, channel in asked))
        return dict(answer for answer in answers if answer is not None)

    def tell_all(self, name: str, **args: Any) -> None:
        """Tell every living worker."""
        for worker in self.workers:
            if worker.channel is not None and not worker.channel.closed:
                worker.channel.tell(name, **args)

    # one worker after another ----------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        pause_s = _FIRST_PAUSE_S
        restarts = 0
        while not self._stopping.is_set():
            worker = Worker(number, f"{self._node}-{number}-{secrets.token_hex(4)}", restarts=restarts)
            self.workers[number] = worker
            try:
                status: int | str = await self._live(worker)
            except OSError as trouble:
                status = str(trouble)
            worker.state = WorkerState.DEAD
            self._changed()
            await self._bury(worker)
            if self._stopping.is_set():
                return
            self._log.error("worker_ended", worker=worker.worker_id, pid=worker.pid, status=status)
            restarts += 1
            if time.monotonic() - worker.started_at > _STABLE_S:
                pause_s = _FIRST_PAUSE_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    async def _live(self, worker: Worker) -> int:
        """Start a worker, and return its status once it has ended."""
        ours, theirs = socket.socketpair()
        try:
            child = self._spawn(worker, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._children[worker.number] = child
        worker.pid = child.pid
        try:
            async with opened(ours, name=worker.worker_id) as channel:
                worker.channel = channel
                self._listen_to(worker, channel)
                self._changed()
                if self._stopping.is_set():
                    children.send_signal(child, signal.SIGTERM)
                return await children.wait_for_exit(child)
        finally:
            worker.channel = None
            if child.poll() is None:  # we are being cancelled: nobody would watch it any more
                child.kill()
                child.wait()
            self._children.pop(worker.number, None)

    def _spawn(self, worker: Worker, theirs: socket.socket) -> "subprocess.Popen[bytes]":
        mine = {door: sock.fileno() for door, sock in self._sockets[worker.number].items()}
        files = dict(self._files(worker.worker_id)) if self._files is not None else {}
        told = {
            "worker_id": worker.worker_id,
            "number": worker.number,
            "channel": theirs.fileno(),
            "sockets": mine,
            "files": files,
            "lease_s": self._lease_s,
        }
        return children.spawn(
            self._argv,
            death_signal=signal.SIGTERM,
            environ={**self._environ, VARIABLE: json.dumps(told)},
            pass_fds=[theirs.fileno(), *mine.values(), *files.values()],
        )

    def _listen_to(self, worker: Worker, channel: Channel) -> None:
        def heartbeat(**facts: Any) -> None:
            worker.seen_at = time.monotonic()
            worker.facts = facts

        def become(state: WorkerState) -> Callable[[], None]:
            def say() -> None:
                worker.seen_at = time.monotonic()
                if worker.state is not state:
                    worker.state = state
                    self._log.info("worker_" + state.value, worker=worker.worker_id, pid=worker.pid)
                    self._changed()

            return say

        channel.on("heartbeat", heartbeat)
        channel.on("ready", become(WorkerState.READY))
        channel.on("draining", become(WorkerState.DRAINING))
        if self._on_worker_born is not None:
            self._on_worker_born(worker)

    async def _bury(self, worker: Worker) -> None:
        if self._on_worker_dead is None:
            return
        try:
            await asyncio.wait_for(self._on_worker_dead(worker.worker_id), _HOOK_LIMIT_S)
        except Exception:  # the edge of one death: the successor must start whatever the database says
            self._log.exception("worker_dead_hook_failed", worker=worker.worker_id)

    # watching and stopping --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        tick_s = self._lease_s / 16
        silence_s = self._lease_s / 2
        last = time.monotonic()
        while True:
            await asyncio.sleep(tick_s)
            now = time.monotonic()
            # After a pause of our own their heartbeats lie unread: give them a round before judging.
            paused, last = now - last > silence_s / 2, now
            if paused:
                continue
            for worker in self.workers:
                if worker.state is WorkerState.DEAD:
                    continue
                limit_s = silence_s if worker.facts or worker.state is not WorkerState.STARTING else self._start_s
                if now - worker.seen_at > limit_s:
                    self._log.error(
                        "worker_silent", worker=worker.worker_id, pid=worker.pid, silent_s=round(now - worker.seen_at, 1)
                    )
                    worker.seen_at = now
                    self._signal(worker, signal.SIGKILL)

    async def _drain_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping.set()
        for worker in self.workers:
            self._signal(worker, signal.SIGTERM)
        await asyncio.sleep(self._drain_s + _MARGIN_S)  # cut short when all have ended
        for worker in self.workers:
            if self._signal(worker, signal.SIGKILL):
                self._log.error("worker_did_not_drain", worker=worker.worker_id, pid=worker.pid)

    def _signal(self, worker: Worker, number: signal.Signals) -> bool:
        child = self._children.get(worker.number)
        return child is not None and children.send_signal(child, number)

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change()
