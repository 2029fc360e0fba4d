"""A worker's side of supervise.py: its sockets, its channel, its heartbeat."""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from homing.ground.channel import Channel, ChannelClosed, opened
from homing.ground.errors import Misuse

VARIABLE = "HOMING_INTERNAL_WORKER"  # JSON; HOMING_INTERNAL_* are no settings


class Attachment:
    """What a worker has from its supervisor.

    sockets    its listening sockets by door
    files      descriptors of other files that it was given, by name
    facts      put in what each heartbeat shall tell (msgpack types); the supervisor shows it
    orphaned   set when the supervisor is gone: drain and end
    """

    def __init__(
        self,
        *,
        worker_id: str,
        number: int,
        sockets: dict[str, socket.socket],
        channel: Channel,
        lease_s: float,
        files: Mapping[str, int] | None = None,
    ) -> None:
        self.worker_id = worker_id
        self.number = number
        self.sockets = sockets
        self.files = dict(files or {})
        self.channel = channel
        self.lease_s = lease_s
        self.facts: dict[str, Any] = {}
        self.orphaned = asyncio.Event()

    def ready(self) -> None:
        """Tell the supervisor that this worker serves."""
        self._tell("ready")

    def draining(self) -> None:
        """Tell the supervisor that this worker takes nothing new any more."""
        self._tell("draining")

    def _tell(self, name: str, **args: Any) -> None:
        try:
            self.channel.tell(name, **args)
        except ChannelClosed:
            self.orphaned.set()

    async def _beat(self) -> None:
        """Tell that our event loop turns, eight times a lease."""
        while not self.channel.closed:
            self._tell("heartbeat", pid=os.getpid(), **self.facts)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.channel.wait_closed(), self.lease_s / 8)
        self.orphaned.set()


@asynccontextmanager
async def attached(environ: Mapping[str, str] | None = None) -> AsyncIterator[Attachment]:
    """Take over what the supervisor passed down, and send heartbeats until the block ends.

    raises   Misuse if no supervisor started this process
    """
    text = (os.environ if environ is None else environ).get(VARIABLE)
    if text is None:
        raise Misuse("a worker is started by `homing up`, not by hand")
    told = json.loads(text)
    sockets = {door: socket.socket(fileno=fd) for door, fd in told["sockets"].items()}
    for sock in sockets.values():
        sock.setblocking(False)
    async with opened(socket.socket(fileno=told["channel"]), name="supervisor") as channel:
        attachment = Attachment(
            worker_id=told["worker_id"],
            number=told["number"],
            sockets=sockets,
            channel=channel,
            lease_s=told["lease_s"],
            files=told["files"],
        )
        beat = asyncio.ensure_future(attachment._beat())
        try:
            yield attachment
        finally:
            beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beat
