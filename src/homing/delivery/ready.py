"""The ready queue of one (source IP, site): customers take turns, each in the order of coming."""

import asyncio
from collections import deque
from datetime import datetime

from homing.delivery.types import Site
from homing.ground.config import SourceIP
from homing.queue.rules.lanes import Lane
from homing.queue.types import Entry


class Ready:
    """One entry in memory, with what is known about it.

    ip_pool   pool that it leaves from
    beyond    it goes although its address has used up its volume
    settled   its outcome has been handed to the writer
    """

    __slots__ = ("beyond", "entry", "ip_pool", "lane", "settled")

    def __init__(self, entry: Entry, lane: Lane, ip_pool: str = "default") -> None:
        self.entry = entry
        self.lane = lane
        self.ip_pool = ip_pool
        self.beyond = False
        self.settled = False


class SiteQueue:
    """What can go to one site from one address of ours, and how the site has behaved.

    limit        most connections of this worker now; halved when the site says that there are too many, grown by success
    failures     connections or sessions refused in a row for everything
    held_until   nothing goes before; None: open
    """

    __slots__ = (
        "_accounts",
        "_by_account",
        "_waiters",
        "asking",
        "busy",
        "connections",
        "depth",
        "domains",
        "failures",
        "granted",
        "growing",
        "held_until",
        "hold_reply",
        "last_reply",
        "limit",
        "probing",
        "recalled",
        "site",
        "source",
        "successes",
    )

    def __init__(self, source: SourceIP, site: Site, limit: int) -> None:
        self.source = source
        self.site = site
        self.limit = limit
        self.depth = 0
        self.connections = 0  # dispatchers running
        self.busy = 0  # attempts under way
        self.granted = 0  # slots that the pace keeper leased to us
        self.asking = False  # an answer about slots is awaited, or was too small a moment ago
        self.recalled = False  # the pace keeper wants some of them back
        self.domains: set[str] = set()  # recipient domains seen here, for whoever looks
        self.growing = False  # a growth decision is scheduled
        self.failures = 0
        self.successes = 0
        self.probing = False  # a hold just ended: one connection tries first
        self.held_until: datetime | None = None
        self.hold_reply = ""
        self.last_reply = ""
        self._by_account: dict[int, deque[Ready]] = {}
        self._accounts: deque[int] = deque()
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def name(self) -> str:
        """Return the key that holds and logs use."""
        return f"{self.source.address}|{self.site.key}"

    def depth_of(self, account_id: int) -> int:
        """Return how many entries of one customer are here."""
        waiting = self._by_account.get(account_id)
        return len(waiting) if waiting else 0

    def push(self, ready: Ready) -> None:
        """Add an entry behind its customer's others, and wake one idle connection."""
        account = ready.lane.key.account_id
        if len(self.domains) < 1_000:
            self.domains.add(ready.lane.key.domain)
        waiting = self._by_account.get(account)
        if waiting is None:
            waiting = self._by_account[account] = deque()
            self._accounts.append(account)
        waiting.append(ready)
        self.depth += 1
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break

    def pop(self) -> Ready | None:
        """Take the next entry: one of the customer whose turn it is."""
        accounts = self._accounts
        if not accounts:
            return None
        account = accounts[0]
        waiting = self._by_account[account]
        ready = waiting.popleft()
        self.depth -= 1
        if waiting:
            accounts.rotate(-1)
        else:
            accounts.popleft()
            del self._by_account[account]
        return ready

    async def wait(self, seconds: float) -> bool:
        """Wait for something to pop; False: nothing came in time."""
        if self.depth:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _expire, waiter)
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
        return self.depth > 0

    def wake_all(self) -> None:
        """End every wait: a hold was placed, or the worker stops."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def place_of(self, entry_id: bytes) -> int | None:
        """Return how many of the same customer's messages go before this one; None: it is not here."""
        for waiting in self._by_account.values():
            for place, ready in enumerate(waiting):
                if ready.entry.entry_id == entry_id:
                    return place
        return None

    def drain(self) -> list[Ready]:
        """Take everything out."""
        taken = [ready for waiting in self._by_account.values() for ready in waiting]
        self._by_account.clear()
        self._accounts.clear()
        self.depth = 0
        return taken

    def remove_accounts(self, accounts: set[int]) -> list[Ready]:
        """Take out what belongs to some customers."""
        taken = [ready for account in accounts for ready in self._by_account.pop(account, ())]
        if taken:
            self._accounts = deque(account for account in self._accounts if account not in accounts)
            self.depth -= len(taken)
        return taken

    def remove_shard(self, shard: int) -> list[Ready]:
        """Take out what belongs to a shard that is not ours any more."""
        taken = self.drain()
        for ready in taken:
            if ready.entry.shard != shard:
                self.push(ready)
        return [ready for ready in taken if ready.entry.shard == shard]


def _expire(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
