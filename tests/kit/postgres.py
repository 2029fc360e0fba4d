"""A real PostgreSQL for tests: one server for each test process, one freshly migrated database for each test."""

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from homing.ground.migrate import migrate
from homing.ground.postgres import EmbeddedPostgres

TEMPLATE = "homing_template"
# What a crash would destroy is thrown away anyway; nothing else differs from what homing runs on.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "autovacuum_naptime": "1min",
}


class TestServer:
    """An embedded server without fsync, and a migrated template that databases are cloned from."""

    __test__ = False

    def __init__(self) -> None:
        base = Path("/dev/shm")
        self.data = Path(tempfile.mkdtemp(prefix="homing-test-", dir=base if base.is_dir() else None))
        self.data.chmod(0o711)  # so that the server's unprivileged user reaches its folder where the tests run as root
        self.server = EmbeddedPostgres(self.data, settings=FAST, start_s=120.0)
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Start, and migrate the template."""
        asyncio.run(self.server.start())
        # Kept open: most tests make a database and drop it.
        self._line: psycopg.Connection[tuple[object, ...]] = psycopg.connect(self.dsn("postgres"), autocommit=True)
        self._line.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        migrate(self.dsn(TEMPLATE))

    def stop(self) -> None:
        """Stop and remove everything."""
        with contextlib.suppress(AttributeError):  # it never started
            self._line.close()
        asyncio.run(self.server.stop(patience_s=10.0))
        shutil.rmtree(self.data, ignore_errors=True)

    def dsn(self, name: str) -> str:
        """Return the DSN of one database."""
        return self.server.dsn.replace("/homing?", f"/{name}?")

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give a new migrated database (its DSN), and drop it afterwards whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._line.execute(made.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        try:
            yield self.dsn(name)
        finally:
            self._line.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
