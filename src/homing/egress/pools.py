"""Which of our addresses a message leaves from."""

from homing.ground import db
from homing.ground.clock import boot_seconds
from homing.ground.config import SourceIP

KEEP_S = 5.0  # a changed pool is noticed after so many seconds


class PoolBook:
    """The pools of every account; `default` always exists and has the addresses of HOMING_SOURCE_IPS.

    Without that setting the system chooses the address: then the one SourceIP has the address ''.
    """

    def __init__(self, pool: db.Pool, *, source_ips: tuple[SourceIP, ...], hostname: str) -> None:
        self._pool = pool
        self._sql = db.queries("homing.egress")
        named = tuple(SourceIP(ip.address, ip.ehlo or hostname) for ip in source_ips)
        self._default = named or (SourceIP("", hostname),)
        self._hostname = hostname
        self._known: dict[int, tuple[float, dict[str, tuple[SourceIP, ...]]]] = {}

    async def addresses(self, account_id: int, pool_id: str) -> tuple[SourceIP, ...] | None:
        """Return the addresses of a pool; the default ones where it has none of its own; None: there is no such pool."""
        pool_id = pool_id.lower()
        if pool_id in ("", "default"):
            return self._default
        read_at, pools = self._known.get(account_id, (0.0, {}))
        if boot_seconds() - read_at > KEEP_S or read_at == 0.0:
            pools = await self._read(account_id)
            self._known[account_id] = (boot_seconds(), pools)
        found = pools.get(pool_id)
        return found if found is None or found else self._default

    def cached(self, account_id: int, pool_id: str) -> tuple[SourceIP, ...]:
        """Return the addresses of a pool as last read; the default ones where it is not known."""
        return self._known.get(account_id, (0.0, {}))[1].get(pool_id.lower(), ()) or self._default

    def is_known(self, account_id: int) -> bool:
        """Return whether the pools of an account were read here, so that `cached` answers from knowledge."""
        return account_id in self._known

    @property
    def default(self) -> tuple[SourceIP, ...]:
        """Return the addresses of the default pool."""
        return self._default

    async def _read(self, account_id: int) -> dict[str, tuple[SourceIP, ...]]:
        pools: dict[str, tuple[SourceIP, ...]] = {}
        with db.trouble_is_temporary():
            rows = [row async for row in self._sql.pools_of_account(self._pool, account_id=account_id)]
        for row in rows:
            ips = pools.setdefault(row["pool_id"].lower(), ())
            if row["address"] is not None:
                pools[row["pool_id"].lower()] = (*ips, SourceIP(row["address"], row["ehlo"] or self._hostname))
        return pools
