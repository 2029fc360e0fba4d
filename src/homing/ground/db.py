"""The one place that knows asyncpg: pools, hot connections, transactions, and which troubles are temporary.

Rooms import `Connection`, `Pool` and `queries` from here. SQL is in each room's `queries.sql`, read by aiosql.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import aiosql
import asyncpg
from aiosql.adapters.asyncpg import AsyncPGAdapter

from homing.ground.errors import StoreUnavailable

Connection = asyncpg.Connection
Record = asyncpg.Record
Pool = asyncpg.Pool
Executor = asyncpg.Connection | asyncpg.Pool | asyncpg.pool.PoolConnectionProxy  # the last is what pool.acquire() gives
T = TypeVar("T")
UniqueViolation = asyncpg.UniqueViolationError
Overlap = asyncpg.ExclusionViolationError
LockedElsewhere = asyncpg.LockNotAvailableError  # for those who asked with NOWAIT
TookTooLong = asyncpg.QueryCanceledError  # a statement timeout, for those who set one

_AS_LONG_AS_THE_CONNECTION = 0  # statements stay prepared; asyncpg's own 5 minutes have an idle house prepare one every second

# What a caller may simply try again: the server is gone, restarting, full, or gave up a lock.
TEMPORARY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "another operation is in progress": what its pool gives right after the server has died
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresIOError,
    asyncpg.InternalServerError,
    ConnectionError,
    OSError,
    asyncio.TimeoutError,
)


class _Adapter(AsyncPGAdapter):
    """Runs statements on pools and connections alike, which have the same methods.

    aiosql's own adapter finds out at each call which of them it was given, by listing all attributes: 30 microseconds.
    """

    async def select(
        self, conn: Executor, query_name: str, sql: str, parameters: Mapping[str, Any], record_class: None = None
    ) -> AsyncIterator[Record]:
        for row in await conn.fetch(sql, *self._arguments(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Executor, query_name: str, sql: str, parameters: Mapping[str, Any], record_class: None = None
    ) -> Record | None:
        return await conn.fetchrow(sql, *self._arguments(query_name, parameters))

    async def select_value(self, conn: Executor, query_name: str, sql: str, parameters: Mapping[str, Any]) -> Any:
        return await conn.fetchval(sql, *self._arguments(query_name, parameters))

    async def insert_returning(self, conn: Executor, query_name: str, sql: str, parameters: Mapping[str, Any]) -> Any:
        row = await conn.fetchrow(sql, *self._arguments(query_name, parameters))
        return row[0] if row is not None and len(row) == 1 else row

    async def insert_update_delete(self, conn: Executor, query_name: str, sql: str, parameters: Mapping[str, Any]) -> str:
        done: str = await conn.execute(sql, *self._arguments(query_name, parameters))
        return done

    def _arguments(self, query_name: str, parameters: Mapping[str, Any]) -> list[Any]:
        return [parameters[name] for name in self.var_sorted[query_name]]


class Statements:
    """The statements of one file; each becomes an async function of (connection, **arguments) when it is first asked for.

    A process needs a part of them, and starts sooner when it reads no more.
    """

    def __init__(self, text: str) -> None:
        self._texts = dict(_named(text))

    def __getattr__(self, name: str) -> Any:
        try:
            text = self._texts[name]
        except KeyError:
            raise AttributeError(f"there is no statement {name}") from None
        made = getattr(aiosql.from_str(text, _Adapter, mandatory_parameters=False), name)  # type: ignore[arg-type]  # other names
        setattr(self, name, made)
        return made

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self._texts)


_NAME = re.compile(r"^-- name: (\w+)", re.MULTILINE)


def _named(text: str) -> Iterator[tuple[str, str]]:
    begins = list(_NAME.finditer(text))
    ends = [*(one.start() for one in begins[1:]), len(text)]
    for one, end in zip(begins, ends, strict=True):
        yield one[1], text[one.start() : end]


@cache
def queries(package: str, file: str = "queries.sql") -> Any:
    """Return the statements of a room's `queries.sql`, as attributes."""
    return Statements(resources.files(package).joinpath(file).read_text(encoding="utf-8"))


def rolled_back(trouble: BaseException) -> bool:
    """Return whether the server itself said that it has not carried a transaction out; False: it may have.

    What ends the session (FATAL, PANIC) may come after the commit and before its answer.
    """
    return isinstance(trouble, asyncpg.PostgresError) and getattr(trouble, "severity_en", None) == "ERROR"


def is_full(trouble: BaseException) -> bool:
    """Return whether the server itself refused for want of disk, memory or a working device: nothing was written."""
    return isinstance(trouble, asyncpg.DiskFullError | asyncpg.OutOfMemoryError | asyncpg.PostgresIOError)


def lacks_partition(trouble: BaseException) -> bool:
    """Return whether a row found no partition to lie in: nothing is wrong with the row."""
    return isinstance(trouble, asyncpg.CheckViolationError) and "no partition of relation" in str(trouble)


@contextmanager
def trouble_is_temporary() -> Iterator[None]:
    """Translate every passing database trouble into StoreUnavailable; the cause stays attached for the log."""
    try:
        yield
    except TEMPORARY as trouble:
        raise StoreUnavailable("the store cannot be reached now") from trouble


async def connect(dsn: str, *, name: str = "homing", timeout_s: float = 10.0) -> Connection:
    """Open one connection of our own, outside any pool (the hot writer's); times are UTC, plans are cached.

    A transaction whose client has fallen silent ends, and its locks with it: its rows have another owner by then.
    """
    return await asyncpg.connect(
        dsn,
        timeout=timeout_s,
        max_cached_statement_lifetime=_AS_LONG_AS_THE_CONNECTION,
        server_settings={
            "application_name": name,
            "timezone": "UTC",
            "jit": "off",
            "idle_in_transaction_session_timeout": "10s",
        },
    )


@asynccontextmanager
async def holding(
    pool: Pool, statement: Callable[..., AsyncIterator[T]], **arguments: Any
) -> AsyncIterator[tuple[Any, Sequence[T]]]:
    """Open a transaction that holds the rows it is about; where there are none, it is not opened at all.

    For work that looks every second and finds nothing as a rule: that costs one round trip then, and not three.

    statement   reads the rows with FOR UPDATE SKIP LOCKED, and changes nothing; it is asked again where there are any
    returns     the connection, and the rows
    """
    async with pool.acquire() as connection:
        if not [row async for row in statement(connection, **arguments)]:
            yield connection, ()
            return
        async with connection.transaction():
            yield connection, [row async for row in statement(connection, **arguments)]


async def _nothing_to_reset(connection: Any) -> None:
    """Spare the round trip that asyncpg spends on a session's state at every return: we keep none in sessions.

    Settings are `SET LOCAL`, locks are of transactions, nothing LISTENs.
    """


@asynccontextmanager
async def pool(dsn: str, *, least: int = 1, most: int = 4, name: str = "homing") -> AsyncIterator[Pool]:
    """Open a pool for everything that is not hot."""
    made = await asyncpg.create_pool(
        dsn,
        min_size=least,
        max_size=most,
        command_timeout=60.0,
        max_cached_statement_lifetime=_AS_LONG_AS_THE_CONNECTION,
        reset=_nothing_to_reset,
        server_settings={"application_name": name, "timezone": "UTC", "jit": "off"},
    )
    try:
        yield made
    finally:
        try:
            await asyncio.wait_for(made.close(), 5.0)
        except TimeoutError:
            made.terminate()
