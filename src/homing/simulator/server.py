"""The receiving SMTP server of one simulated provider: its addresses, its memory, its counts; connections are in smtp.py."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from homing.simulator.providers import Provider
from homing.simulator.records import Counts, Recorder
from homing.simulator.rules.behaviour import Memory
from homing.simulator.smtp import Reception


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Bounds of a simulated server."""

    max_message_bytes: int = 26_214_400
    max_recipients: int = 100
    max_connections: int = 2000  # of all clients
    idle_s: float = 60.0
    keep_data: bool = False  # records hold the whole message
    keep_headers: bool = True  # records hold Message-ID and X- headers; False is faster


class ProviderServer:
    """Listens on the addresses of one provider; an asynchronous context manager.

    sockets    bound and listening, in the order of the provider's addresses
    recorders  called for every accepted message before its 250 leaves
    """

    def __init__(
        self,
        provider: Provider,
        sockets: Sequence[socket.socket],
        *,
        tls: ssl.SSLContext | None,
        recorders: Sequence[Recorder] = (),
        settings: ServerSettings | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider = provider
        self.settings = settings or ServerSettings()
        self.memory = Memory()
        self.counts = Counts()
        self.recorders = tuple(recorders)
        self.tls = tls
        self.now_s = now_s
        self.any_domain = "*" in provider.domains
        self.domains = frozenset(provider.domains) | {domain for domain, _ in provider.also}
        self.receptions: set[Reception] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._sockets = list(sockets)
        self._servers: list[asyncio.Server] = []
        self._number = 0

    async def __aenter__(self) -> "ProviderServer":
        loop = asyncio.get_running_loop()
        for number, listening in enumerate(self._sockets):
            host = self.provider.host(number)
            self._servers.append(await loop.create_server(partial(Reception, self, host), sock=listening))
        self._sweeper = loop.create_task(self._sweep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sweeper.cancel()
        for server in self._servers:
            server.close()
        for task in list(self.tasks):
            task.cancel()
        for reception in list(self.receptions):
            reception.abort()
        await asyncio.gather(self._sweeper, *self.tasks, return_exceptions=True)
        for server in self._servers:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(server.wait_closed(), 2.0)

    async def _sweep(self) -> None:
        """Send clients away that have said nothing for too long."""
        idle_s = self.settings.idle_s
        while True:
            await asyncio.sleep(min(5.0, idle_s / 4))
            too_old = self.now_s() - idle_s
            for reception in [one for one in self.receptions if one.last_seen_s < too_old]:
                reception.time_out()

    def next_id(self) -> str:
        """Return a queue id."""
        self._number += 1
        return f"{self._number:08X}"
