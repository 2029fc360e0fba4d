"""Which of our addresses the mail of a pool may leave from: from memory, a second old in a worker."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from homing.egress import store
from homing.egress.types import DEFAULT_POOL, SHARED_POOL, SP_SHARED, IpPool, Line, SendingIp
from homing.ground import db
from homing.ground.clock import boot_seconds
from homing.ground.config import SourceIP
from homing.ground.errors import StoreUnavailable
from homing.ground.log import get
from homing.ground.waiting import set_within

log = get("egress")

EVERY_S = 1.0  # a change of pools or addresses is noticed after so many seconds
ABSENT_S = 0.1  # "there is no such pool" is believed so long: one that was just made works at once
UNSEEN_S = 5.0  # and after so many where nobody runs `run`
POOLS_S = 30.0  # the pools of an account are read anew after so many: a signing domain may have been removed


class PoolBook:
    """The pools of every account, and the addresses that belong to customers. One for a worker.

    An address of HOMING_SOURCE_IPS that belongs to no customer is shared. Without that setting the system chooses the
    address: then the one SourceIP has the address ''.
    """

    def __init__(self, pool: db.Pool, *, source_ips: tuple[SourceIP, ...], hostname: str) -> None:
        self._pool = pool
        self._configured = tuple(SourceIP(ip.address, ip.ehlo or hostname) for ip in source_ips)
        self._system = SourceIP("", hostname)
        self._hostname = hostname
        self._version: int | None = None
        self._looked_at = float("-inf")
        self._wake = asyncio.Event()
        self._running = False
        self._stale = True
        self._ips: dict[str, SendingIp] = {}
        self._own: dict[tuple[int, str], tuple[SourceIP, ...]] = {}
        self._owners: set[int] = set()
        self._pools: dict[int, tuple[float, dict[str, IpPool]]] = {}
        self._lines: dict[tuple[int, str], Line] = {}
        self.changed: Callable[[], None] = lambda: None  # told after pools or addresses were read anew

    # asking -----------------------------------------------------------------------------------------------------------

    async def exists(self, account_id: int, pool_id: str | None) -> bool:
        """Return whether an account may send with a pool; None: with none in particular. Afterwards it `is_known`.

        raises   StoreUnavailable if the database is away and nothing is known of the account
        """
        pool_id = (pool_id or DEFAULT_POOL).lower()
        await self.ready(account_id, pool_id)
        if pool_id in (DEFAULT_POOL, SP_SHARED) or pool_id in self._pools[account_id][1]:
            return True
        if boot_seconds() - self._looked_at < ABSENT_S:
            return False
        await self.refresh()
        await self.ready(account_id, pool_id)
        return pool_id in self._pools[account_id][1]

    async def ready(self, account_id: int, pool_id: str) -> None:
        """See to it that `line` answers from knowledge that is fresh. Raises StoreUnavailable where nothing is known."""
        try:
            if self._stale or (not self._running and boot_seconds() - self._looked_at > UNSEEN_S):
                await self.refresh()
            if self._needs_pools(account_id, pool_id) and boot_seconds() - self._read_at(account_id) > POOLS_S:
                await self._read_pools(account_id)
        except StoreUnavailable:
            if not self.is_known(account_id, pool_id):
                raise
            if account_id in self._pools:  # what is known serves; the next look is in some seconds
                self._pools[account_id] = (boot_seconds() - POOLS_S + UNSEEN_S, self._pools[account_id][1])

    def is_known(self, account_id: int, pool_id: str) -> bool:
        """Return whether `line` answers from knowledge."""
        if self._version is None:
            return False
        return account_id in self._pools or not self._needs_pools(account_id, pool_id)

    def line(self, account_id: int, pool_id: str) -> Line:
        """Return where the mail of a pool may leave, as last read.

        A pool without addresses uses those of the default pool; that one, and a pool that is not known, the shared ones.
        """
        key = (account_id, pool_id)
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = self._line(account_id, pool_id)
        return found

    def stage(self, address: str) -> int | None:
        """Return the stage of an address that is warming, else None."""
        found = self._ips.get(address)
        return None if found is None else found.stage

    def __contains__(self, address: object) -> bool:
        """Return whether an address is one that our mail leaves from."""
        return address in self._ips or any(source.address == address for source in self._configured)

    @property
    def shared(self) -> tuple[SourceIP, ...]:
        """Return the addresses that belong to no customer; never none."""
        return self._shared() or (self._system,)

    # reading ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Ask each second whether something has changed. Runs until cancelled."""
        self._running = True
        try:
            while True:  # no take_turns: while the store is away what is known serves, and nobody need be told
                try:
                    await self.refresh()
                except StoreUnavailable:
                    pass  # what is known stays
                except Exception:  # the edge of one look
                    log.exception("pools_not_read")
                await set_within(self._wake, EVERY_S)
                self._wake.clear()
        finally:
            self._running = False

    def forget(self) -> None:
        """Ask the database now: something was changed in this process."""
        self._stale = True
        self._wake.set()

    async def refresh(self) -> None:
        """Read what has changed since the last look. Raises StoreUnavailable."""
        looked_at, self._stale = boot_seconds(), False
        try:
            version = await store.version(self._pool)
            ips = await store.sending_ips(self._pool) if version != self._version else None
        except BaseException:
            self._stale = True
            raise
        if ips is not None:
            self._take(ips)
            self._version = version
            self.changed()
        self._looked_at = max(self._looked_at, looked_at)

    async def _read_pools(self, account_id: int) -> None:
        version = self._version
        pools = await store.pools_of(self._pool, account_id)
        # What changed meanwhile is read once more.
        self._pools[account_id] = (boot_seconds() if version == self._version else float("-inf"), pools)
        self._lines = {key: line for key, line in self._lines.items() if key[0] != account_id}

    def _take(self, ips: list[SendingIp]) -> None:
        self._ips = {ip.address: ip for ip in ips}
        self._owners = {ip.account_id for ip in ips}
        self._own = {}
        for ip in ips:
            key = (ip.account_id, ip.pool_id)
            self._own[key] = (*self._own.get(key, ()), SourceIP(ip.address, ip.hostname or self._hostname))
        # Old answers serve until the new ones are read: what is in memory already must go somewhere.
        self._pools = {account: (float("-inf"), pools) for account, (_, pools) in self._pools.items()}
        self._lines = {}

    def _needs_pools(self, account_id: int, pool_id: str) -> bool:
        """Return whether the rows of an account's pools matter; where it has no address and names no pool they do not."""
        return pool_id not in (DEFAULT_POOL, SP_SHARED) or account_id in self._owners

    def _read_at(self, account_id: int) -> float:
        return self._pools[account_id][0] if account_id in self._pools else float("-inf")

    # answering --------------------------------------------------------------------------------------------------------

    def _line(self, account_id: int, pool_id: str) -> Line:
        if pool_id == SP_SHARED:
            return Line(own=self.shared)
        pools = self._pools.get(account_id, (0.0, {}))[1]
        named = pools.get(pool_id)
        sending_id = pool_id if (account_id, pool_id) in self._own else DEFAULT_POOL
        own, sending = self._own.get((account_id, sending_id)), pools.get(sending_id)
        line = Line(own=own or self.shared)
        if own is not None and sending is not None:
            line = Line(own=own, overflow=self._overflow(account_id, sending), when_full=sending.when_full)
        if named is None:
            return line
        return replace(line, signing_domain=named.signing_domain, fbl_signing_domain=named.fbl_signing_domain)

    def _overflow(self, account_id: int, pool: IpPool) -> tuple[SourceIP, ...]:
        if pool.overflow_pool is None:
            return ()
        if pool.overflow_pool == SHARED_POOL:
            return self._shared()
        return self._own.get((account_id, pool.overflow_pool), ())

    def _shared(self) -> tuple[SourceIP, ...]:
        if not self._configured:
            return (self._system,)
        return tuple(source for source in self._configured if source.address not in self._ips)
