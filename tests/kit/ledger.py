"""Machines with journals whose clocks a test moves, and a sealer over the ledger that they are folded into."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from homing.availability.seal import Sealer
from homing.evidence import store as evidence
from homing.evidence.fold import Folder
from homing.evidence.journal import Journal
from homing.evidence.rules.seconds import span
from homing.evidence.types import Door, FaultTag
from homing.ground import db
from homing.ground.secrets import MasterKey

OK, FAIL = (FaultTag.NONE, "200"), (FaultTag.SERVER, "503")
MASTER_KEY = MasterKey(b"k" * 32)


def at(text: str) -> datetime:
    """Return a moment: `2026-03-10 14:00:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def unix(text: str) -> int:
    return int(at(text).timestamp())


class Node:
    """A machine with a journal."""

    def __init__(self, pool: db.Pool, folder: Path, name: str, now: datetime) -> None:
        self.folder = folder / name
        self.now = now
        self.journal = Journal(self.folder, "worker")
        self.fold_ = Folder(pool, self.folder, name, clock=lambda: self.now)

    def note(
        self, second: int, account: int | None, end: tuple[FaultTag, str] = OK, *, door: Door = Door.API, key: str = ""
    ) -> None:
        self.journal.begin(door, second, account, key).ended(*end)

    def watch(self, since: int, until: int) -> None:
        """Watch the seconds from one to another."""
        for second in range(since, until):
            self.journal.watched(second)

    async def fold(self) -> int:
        """Fold everything; return how many hours changed."""
        await self.journal.flush()
        hours = 0
        while True:
            done = await self.fold_.fold()
            hours += done.hours
            if not done.more:
                return hours


class Ledger:
    """A ledger with one machine and more if wanted; `go` moves all clocks."""

    def __init__(self, pool: db.Pool, folder: Path, now: datetime) -> None:
        self.pool = pool
        self.folder = folder
        self.now = now
        self.nodes: dict[str, Node] = {}
        self.sealer = Sealer(pool, MASTER_KEY, now=lambda: self.now)

    def node(self, name: str = "a") -> Node:
        if name not in self.nodes:
            self.nodes[name] = Node(self.pool, self.folder, name, self.now)
        return self.nodes[name]

    async def go(self, now: datetime, *names: str) -> None:
        """Move the clocks and fold the journals: of these machines, or of all."""
        self.now = now
        for name in names or self.nodes:
            self.nodes[name].now = now
            await self.nodes[name].fold()
            await self.nodes[name].fold_.sum_up()

    async def watch_days(self, first: date, count: int, *names: str) -> None:
        """Let machines watch whole days."""
        start = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp())
        hours = {start // 3_600 + n: span(0, 3_600) for n in range(count * 24)}
        for name in names or ("a",):
            self.node(name)
            async with self.pool.acquire() as connection, connection.transaction():
                await evidence.unite_watch(connection, name, hours, skew_ms=0, today=first)
                since = datetime.fromtimestamp(start, UTC)
                await evidence.meet_node(connection, name, since=since, folded_until=None)

    async def seal(self, *, hours_later: float = 1.1) -> list[date]:
        """Seal what is due so long after the end of the day on which the clock stands."""
        end = self.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        await self.go(end + timedelta(hours=hours_later))
        return await self.sealer.run_once()
