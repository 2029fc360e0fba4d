"""Pools and sending IPs in PostgreSQL. Every change tells the workers by a number that they ask for each second."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date

import msgspec

from homing.egress import pair_store
from homing.egress.types import DEFAULT_POOL, SHARED_POOL, IpPool, SendingIp, WhenFull
from homing.ground.db import Executor, Pool, Record, queries, trouble_is_temporary

_sql = queries("homing.egress")


class NoSuchPool(Exception):
    """A pool that is named does not exist: the one to change (`overflow` False), or the one to overflow to."""

    def __init__(self, pool_id: str, *, overflow: bool = False) -> None:
        super().__init__(pool_id)
        self.pool_id = pool_id
        self.overflow = overflow


class Overflowing(Exception):
    """Overflow would go on from pool to pool. by: the pool that `has` one already, or that `is` one already."""

    def __init__(self, pool_id: str, *, has_one: bool) -> None:
        super().__init__(pool_id)
        self.pool_id = pool_id
        self.has_one = has_one


class Taken(Exception):
    """A pool's id is in use, or an address belongs to somebody."""


class InUse(Exception):
    """A pool is the overflow pool of another one, which is named."""

    def __init__(self, pool_id: str) -> None:
        super().__init__(pool_id)
        self.pool_id = pool_id


async def version(executor: Executor) -> int:
    """Return the number that grows with every change."""
    with trouble_is_temporary():
        number: int = await _sql.version(executor)
    return number


async def pools_of(executor: Executor, account_id: int) -> dict[str, IpPool]:
    """Return the pools of an account by id, `default` first; it is there even where nothing is stored of it."""
    with trouble_is_temporary():
        rows = [_pool(row) async for row in _sql.pools_of_account(executor, account_id=account_id)]
    default = IpPool(account_id=account_id, pool_id=DEFAULT_POOL, name="Default")
    return {DEFAULT_POOL: default, **{one.pool_id: one for one in rows}}


async def sending_ips(executor: Executor, account_id: int | None = None, *, address: str | None = None) -> list[SendingIp]:
    """Return the addresses that belong to customers: all, those of one, or the one that is named."""
    with trouble_is_temporary():
        rows = _sql.sending_ips(executor, account_id=account_id, address=address)
        return [SendingIp(**dict(row)) async for row in rows]


async def add_pool(pool: Pool, made: IpPool) -> None:
    """Add a pool.

    raises   Taken, NoSuchPool or Overflowing
    """
    async with _changing(pool) as connection:
        known = await pools_of(connection, made.account_id)
        if made.pool_id in known:
            raise Taken(made.pool_id)
        _check_overflow(made, known)
        await _sql.insert_pool(connection, **_row(made))


async def change_pool(pool: Pool, account_id: int, pool_id: str, changes: dict[str, object]) -> IpPool:
    """Change a pool; returns it as it is then. changes: members of IpPool.

    raises   NoSuchPool or Overflowing
    """
    async with _changing(pool) as connection:
        known = await pools_of(connection, account_id)
        before = known.get(pool_id)
        if before is None:
            raise NoSuchPool(pool_id)
        after = msgspec.structs.replace(before, **changes)
        _check_overflow(after, known)
        await _sql.put_pool(connection, **_row(after))
    return after


async def remove_pool(pool: Pool, account_id: int, pool_id: str) -> None:
    """Remove a pool; its addresses go to the default pool.

    raises   NoSuchPool, InUse where another pool overflows to it
    """
    async with _changing(pool) as connection:
        known = await pools_of(connection, account_id)
        if pool_id not in known:
            raise NoSuchPool(pool_id)
        for other in known.values():
            if other.overflow_pool == pool_id:
                raise InUse(other.pool_id)
        await _sql.open_default(connection, account_id=account_id)
        await _sql.move_all(connection, account_id=account_id, pool_id=pool_id, target=DEFAULT_POOL)
        await _sql.delete_pool(connection, account_id=account_id, pool_id=pool_id)


@asynccontextmanager
async def changing_ip(pool: Pool, account_id: int, address: str) -> AsyncIterator["OpenIp | None"]:
    """Hold one address of an account while it is looked at and changed; None: the account has no such address."""
    async with _changing(pool) as connection:
        row = await _sql.lock_ip(connection, account_id=account_id, address=address)
        yield None if row is None else OpenIp(connection, SendingIp(**dict(row)))


class OpenIp:
    """An address that is being changed; see `changing_ip`."""

    def __init__(self, connection: Executor, ip: SendingIp) -> None:
        self._connection = connection
        self.ip = ip

    async def move(self, pool_id: str) -> None:
        """Put it into another pool. Raises NoSuchPool."""
        if pool_id not in await pools_of(self._connection, self.ip.account_id):
            raise NoSuchPool(pool_id)
        if pool_id == DEFAULT_POOL:
            await _sql.open_default(self._connection, account_id=self.ip.account_id)
        await _sql.move_ip(self._connection, account_id=self.ip.account_id, address=self.ip.address, pool_id=pool_id)

    async def set_stage(self, stage: int | None, *, today: date) -> None:
        """Set the stage of automatic warm-up; None ends it. What it may send to providers begins anew, by that stage."""
        await _sql.set_stage(self._connection, account_id=self.ip.account_id, address=self.ip.address, stage=stage, today=today)
        await pair_store.forget(self._connection, self.ip.address)


async def assign(pool: Pool, made: SendingIp, *, today: date) -> None:
    """Give a customer an address.

    raises   Taken where it belongs to somebody, NoSuchPool
    """
    async with _changing(pool) as connection:
        if made.pool_id not in await pools_of(connection, made.account_id):
            raise NoSuchPool(made.pool_id)
        await _sql.open_default(connection, account_id=made.account_id)
        if await _sql.assign(connection, **msgspec.structs.asdict(made), today=today) is None:
            raise Taken(made.address)


async def release(pool: Pool, address: str) -> bool:
    """Take an address back; False: it belonged to nobody."""
    async with _changing(pool) as connection:
        await pair_store.forget(connection, address)
        return await _sql.release(connection, address=address) is not None


@asynccontextmanager
async def _changing(pool: Pool) -> AsyncIterator[Executor]:
    with trouble_is_temporary():
        async with pool.acquire() as connection, connection.transaction():
            await _sql.next_version(connection)
            yield connection


def _check_overflow(changed: IpPool, known: dict[str, IpPool]) -> None:
    """See that overflow ends where it goes to: a pool that overflows takes no overflow."""
    target = changed.overflow_pool
    if target is None:
        return
    if target != SHARED_POOL:
        if target not in known:
            raise NoSuchPool(target, overflow=True)
        if known[target].overflow_pool is not None and target != changed.pool_id:
            raise Overflowing(target, has_one=True)
    if target == changed.pool_id or any(other.overflow_pool == changed.pool_id for other in known.values()):
        raise Overflowing(changed.pool_id, has_one=False)


def _pool(row: Record) -> IpPool:
    return IpPool(**{**dict(row), "when_full": WhenFull(row["when_full"])})


def _row(pool: IpPool) -> dict[str, object]:
    return {**msgspec.structs.asdict(pool), "when_full": pool.when_full.value}
