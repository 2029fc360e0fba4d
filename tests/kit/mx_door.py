"""A real MX door on loopback; what it writes down is kept in memory."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from homing.events.rules.classify import Classifier
from homing.events.types import Event
from homing.ground import ids
from homing.ground.clock import SystemClock
from homing.ground.db import Pool
from homing.ground.tls import self_signed, server_context
from homing.inbound.door import MxDoor, TakeSupport, TamDesk
from homing.inbound.relays import Relays
from homing.inbound.returned import Returns
from homing.inbound.rules.destination import Tokens
from homing.message import keepsake, msfbl
from homing.recipients.recall import Recall
from homing.recipients.types import SuppressionRow
from tests.kit.smtp_door import Line, connect_to

OWN = frozenset({"bounce.here.test", "mail.here.test"})


def token(key: bytes, size: int = 8):
    return lambda message: hashlib.blake2b(message, digest_size=size, key=key).digest()


TOKENS = Tokens(verp=token(b"v"), unsubscribe=token(b"u"), msfbl=token(b"m", msfbl.MAC_BYTES), keepsakes=keepsake.Box(b"k" * 32))
RECALL = Recall(token(b"e", 16))


class OpenMx:
    """A listening MX door.

    recorded   what was written down
    trouble    raised instead
    """

    def __init__(self) -> None:
        self.recorded: list[tuple[Event, list[SuppressionRow]]] = []
        self.trouble: Exception | None = None
        self.why_not: str | None = None
        self.port = 0
        self.door: MxDoor

    async def record(self, events: Sequence[Event], suppressions: Sequence[SuppressionRow] = ()) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.recorded.append((events[0], list(suppressions)))

    async def connect(self) -> Line:
        line = await connect_to(self.port)
        assert (await line.hear()).startswith("220")
        return line


@asynccontextmanager
async def open_mx(
    pool: Pool, folder: Path, *, support: tuple[str, TakeSupport] | None = None, tam: TamDesk | None = None
) -> AsyncIterator[OpenMx]:
    clock, opened = SystemClock(), OpenMx()

    async def record(events: Sequence[Event]) -> None:
        for event in events:
            await opened.record([event])

    mint = ids.Mint(3)
    relays = Relays(
        pool,
        clock,
        record=record,
        new_ids=lambda count: [mint.make(int(clock.now().timestamp() * 1000)) for _ in range(count)],
        news=lambda: None,
    )
    opened.door = MxDoor(
        pool,
        hostname="mail.here.test",
        max_message_bytes=200_000,
        own_domains=OWN,
        tokens=TOKENS,
        returns=Returns(pool, clock, record=opened.record, rules=Classifier.from_package(), tokens=TOKENS, recall=RECALL),
        relays=relays,
        refuse_new=lambda: opened.why_not,
        clock=clock,
        tls=server_context(self_signed(folder, hostname="mail.here.test", now=clock.now())),
        support=support,
        tam=tam,
    )
    server = await asyncio.get_running_loop().create_server(opened.door.smtp.protocol_factory, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        await opened.door.smtp.close(1.0)
