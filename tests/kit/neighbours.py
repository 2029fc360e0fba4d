"""A small internet in a thread of its own, so that tests which drive a whole house can be written without an event loop."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from homing.ground.config import HostPort
from homing.simulator.dns import Record
from homing.simulator.providers import CAST, Provider
from homing.simulator.records import Received
from homing.simulator.server import ServerSettings
from homing.simulator.town import Town


class Neighbours:
    """A running town; a context manager, usable once.

    port     the SMTP port of all providers; 0 takes a free one. A second town on other addresses may share the port
    """

    def __init__(
        self, *cast: Provider, records: Iterable[Record] = (), journal: Path | None = None, port: int = 0, keep_data: bool = True
    ) -> None:
        self.town = Town(cast or CAST, records=records, journal=journal, port=port, settings=ServerSettings(keep_data=keep_data))
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._stop = asyncio.Event()
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="neighbours", daemon=True)

    def __enter__(self) -> "Neighbours":
        self._thread.start()
        self._up.wait(20)
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    @property
    def dns(self) -> HostPort:
        return self.town.dns

    @property
    def port(self) -> int:
        return self.town.port

    @property
    def received(self) -> list[Received]:
        """Return what the providers took so far."""
        return list(self.town.received)

    def received_by(self, recipient: str) -> list[Received]:
        """Return what came for one address."""
        return [one for one in self.received if recipient in one.recipients]

    def connections(self, provider: str) -> int:
        """Return how many connections a provider has seen."""
        return self.town.servers[provider].counts.connections

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as trouble:
            self._trouble = trouble
        finally:
            self._up.set()
            self._loop.close()

    async def _serve(self) -> None:
        async with self.town:
            self._up.set()
            await self._stop.wait()
