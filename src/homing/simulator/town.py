"""A town: DNS and a cast of mailbox providers, up together and down together.

async with Town() as town:
    settings = replace(settings, dns=town.dns, delivery_port=town.port, allow_private_mx=True)
"""

import ssl
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from homing.ground.config import HostPort
from homing.ground.errors import Misuse
from homing.ground.tls import self_signed, server_context
from homing.simulator.dns import DnsServer, Record, Zones, zones_of
from homing.simulator.loopback import check_loopback, listen_on_all, port_of
from homing.simulator.providers import CAST, Provider
from homing.simulator.records import Counts, Journal, Received, Recorder
from homing.simulator.rules.behaviour import Tls
from homing.simulator.server import ProviderServer, ServerSettings

_ANY_PORT = HostPort("127.0.0.1", 0)


class Town:
    """A small internet on loopback; an asynchronous context manager, usable once.

    cast       the providers; their addresses must not overlap
    dns        where DNS listens; port 0 takes a free one
    port       the common SMTP port of all providers; 0 takes one that is free everywhere
    records    further DNS records to publish
    journal    a file that gets one JSON line for each accepted message
    keep       so many of the last accepted messages stay in `received` (bodies only with settings.keep_data)
    raises     Misuse for any address that is not loopback; OSError where a port is taken
    """

    def __init__(
        self,
        cast: Sequence[Provider] = CAST,
        *,
        dns: HostPort = _ANY_PORT,
        port: int = 0,
        records: Iterable[Record] = (),
        journal: Path | None = None,
        recorders: Sequence[Recorder] = (),
        keep: int = 10_000,
        settings: ServerSettings | None = None,
    ) -> None:
        addresses = [address for provider in cast for address in provider.addresses]
        for address in [*addresses, dns.host]:
            check_loopback(address)
        if len(set(addresses)) != len(addresses):
            raise Misuse("two simulated providers share an address; give each its own 127.0.0.x")
        self.cast = tuple(cast)
        self.dns = dns
        self.port = port
        self.zones: Zones = zones_of(cast)
        for record in records:
            self.zones.add(record)
        self.received: deque[Received] = deque(maxlen=keep)
        self.servers: dict[str, ProviderServer] = {}
        self._journal_path = journal
        self._recorders = tuple(recorders)
        self._settings = settings or ServerSettings()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Town":
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        recorders: list[Recorder] = list(self._recorders)
        if self.received.maxlen:
            recorders.append(self.received.append)
        if self._journal_path is not None:
            journal = Journal(self._journal_path)
            self._stack.callback(journal.close)
            recorders.insert(0, journal)  # on disk first
        names = await self._stack.enter_async_context(DnsServer(self.zones, listen_on=self.dns))
        self.dns = names.where
        addresses = [address for provider in self.cast for address in provider.addresses]
        sockets = dict(zip(addresses, listen_on_all(addresses, self.port), strict=True))
        for one in sockets.values():
            self._stack.callback(one.close)
        if sockets:
            self.port = port_of(next(iter(sockets.values())))
        for provider in self.cast:
            server = ProviderServer(
                provider,
                [sockets[address] for address in provider.addresses],
                tls=self._tls(provider),
                recorders=recorders,
                settings=self._settings,
            )
            self.servers[provider.name] = await self._stack.enter_async_context(server)

    @staticmethod
    def _tls(provider: Provider) -> ssl.SSLContext | None:
        """Return a context with a fresh certificate for the provider's first host, where it has TLS at all."""
        if provider.behaviour.tls is not Tls.PROPER:
            return None
        with tempfile.TemporaryDirectory(prefix="homing-simulator-") as folder:
            return server_context(self_signed(Path(folder), hostname=provider.host(0), now=datetime.now(UTC)))

    def counts(self) -> dict[str, Counts]:
        """Return what each provider has seen so far, by its name."""
        return {name: server.counts for name, server in self.servers.items()}

    def provider_of(self, domain: str) -> Provider | None:
        """Return the provider that a mail domain belongs to."""
        for provider in self.cast:
            if domain in provider.domains or any(domain == other for other, _ in provider.also):
                return provider
        return None
