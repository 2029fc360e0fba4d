"""Opens sessions with a site: its hosts in order of preference, the ones found dead last."""

import asyncio

from homing.delivery import client
from homing.delivery.client import Connection, Timeouts
from homing.delivery.ready import SiteQueue
from homing.delivery.rules.tls_policy import TlsPolicy
from homing.delivery.sink import SINK, Sink
from homing.delivery.types import Attempt, Stage, Trouble
from homing.ground.config import Settings

DEAD_S = 60.0  # a host that could not be reached is tried after the others for so long
MOST_TRIES = 5  # addresses tried for one session
REMEMBERED = 10_000


class Peers:
    """Connects to MX hosts, and remembers which could not be reached."""

    def __init__(self, settings: Settings, *, policy: TlsPolicy = TlsPolicy.OPPORTUNISTIC) -> None:
        self._port = settings.smarthost.port if settings.smarthost else settings.delivery_port
        self._policy = policy
        self._timeouts = Timeouts(
            connect_s=settings.connect_timeout_s,
            greeting_s=settings.command_timeout_s,
            command_s=settings.command_timeout_s,
            data_s=settings.data_timeout_s,
        )
        self._dead: dict[tuple[str, str], float] = {}

    async def connect(self, queue: SiteQueue) -> Connection | Sink | Attempt:
        """Return a session that is ready for MAIL FROM, or the attempt that says why there is none."""
        if queue.site.key == SINK.key:
            return Sink()
        source = queue.source.address
        now = asyncio.get_running_loop().time()
        addresses = [(host.name, address) for host in queue.site.hosts for address in host.addresses]
        fitting = [pair for pair in addresses if not source or (":" in pair[1]) == (":" in source)]
        if not fitting:
            return Attempt(
                stage=Stage.CONNECT, trouble=Trouble.NO_HOSTS, note=f"no host of the site can be reached from {source}"
            )
        fitting.sort(key=lambda pair: self._dead.get((source, pair[1]), 0.0) > now)  # stable: preference among equals
        result: Connection | Attempt | None = None
        for name, address in fitting[:MOST_TRIES]:
            result = await client.connect(
                name,
                address,
                self._port,
                source_ip=source or None,
                ehlo=queue.source.ehlo,
                tls=self._policy,
                timeouts=self._timeouts,
            )
            if isinstance(result, Connection):
                self._dead.pop((source, address), None)
                return result
            if result.stage is Stage.CONNECT:
                if len(self._dead) > REMEMBERED:
                    self._dead.clear()
                self._dead[source, address] = now + DEAD_S
        assert result is not None
        return result
