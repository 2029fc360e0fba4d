"""The schema, brought up to date at start: numbered SQL files, run by yoyo, by one process at a time.

A migration and the note that it was applied are one transaction, so a crash leaves either both or neither.
"""

import os
import socket
import uuid
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from homing.ground.errors import Misuse, StoreUnavailable

LEAST_SERVER = 150000  # server_version_num
_LOCK = 0x686F6D696E67  # "homing": key of the advisory lock
_LOCK_WAIT = "10min"  # a first migration elsewhere may take a while
_TABLE = "_yoyo_migration"


def migrate(dsn: str) -> int:
    """Apply what is missing and return how many migrations that were. Blocks: call it in a thread.

    raises   Misuse if the server cannot be used (version, encoding, transaction pooling), if a migration fails, or if the
             database was made by a newer homing; StoreUnavailable if the server does not answer
    """
    try:
        with psycopg.connect(dsn, autocommit=True, application_name="homing migrate", connect_timeout=30) as connection:
            _check_server(connection, dsn)
            connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            return _apply(dsn)
    except psycopg.errors.LockNotAvailable as trouble:
        raise StoreUnavailable("another process has been migrating this database for ten minutes") from trouble
    except psycopg.OperationalError as trouble:
        raise StoreUnavailable(f"the database does not answer: {trouble}") from trouble


def _check_server(connection: "psycopg.Connection[Any]", dsn: str) -> None:
    """Refuse a server on which homing would not be right."""
    info = connection.info
    if info.server_version < LEAST_SERVER:
        raise Misuse(f"HOMING_DATABASE_URL names PostgreSQL {info.server_version // 10000}; homing needs 15 or later")
    encoding = connection.execute("SHOW server_encoding").fetchone()
    if encoding is None or encoding[0] != "UTF8":
        raise Misuse("HOMING_DATABASE_URL names a database that is not encoded in UTF8; make one with ENCODING 'UTF8'")
    # Two clients that take turns: behind a transaction pool one of them sees what the other has set.
    with psycopg.connect(dsn, autocommit=True, application_name="homing migrate", connect_timeout=30) as other:
        connection.execute("SELECT set_config('homing.probe', 'one', false)")
        other.execute("SELECT set_config('homing.probe', 'two', false)")
        seen = connection.execute("SELECT current_setting('homing.probe', true)").fetchone()
        if seen is None or seen[0] != "one":
            raise Misuse(
                "HOMING_DATABASE_URL goes through a pool that shares connections between transactions; "
                "name the server itself, or a pool in session mode"
            )


def _apply(dsn: str) -> int:
    with resources.as_file(resources.files("homing.sql").joinpath("migrations")) as folder:
        migrations = read_migrations(str(folder))
        backend = _Backend(dsn)
        try:
            backend.init_database()
            backend.break_lock()  # the advisory lock is ours: a row in yoyo's own lock table was left by a killed process
            backend.ensure_internal_schema_updated()
            known = {migration.id for migration in migrations}
            unknown = sorted(row[0] for row in backend.execute(f"SELECT migration_id FROM {_TABLE}") if row[0] not in known)  # noqa: S608
            if unknown:
                raise Misuse(f"the database was made by a newer homing ({unknown[-1]} is unknown here); start that version")
            missing = list(backend.to_apply(migrations))
            for migration in missing:
                try:
                    backend.apply_one(migration)
                except psycopg.OperationalError:
                    raise
                except psycopg.Error as trouble:
                    raise Misuse(f"migration {migration.id} failed and was rolled back: {trouble}") from trouble
            return len(missing)
        finally:
            backend.connection.close()


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc] # yoyo is untyped
    """yoyo over psycopg 3, connected by the DSN as it is."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        super().__init__(DatabaseURI("postgresql+psycopg", None, None, None, None, "homing", {}), _TABLE)

    def connect(self, dburi: Any) -> Any:
        connection = psycopg.connect(self._dsn, autocommit=True, application_name="homing migrate", connect_timeout=30)
        connection.execute("SET client_min_messages = 'error'")
        return connection

    def copy(self) -> "_Backend":
        return _Backend(self._dsn)

    def apply_one(self, migration: Migration, force: bool = False, mark: bool = True) -> None:
        """Apply and note in one transaction; yoyo's own does it in two."""
        migration.load()
        if not migration.use_transactions:
            super().apply_one(migration, force=force, mark=mark)
            return
        with self.transaction():
            migration.process_steps(self, "apply", force=force)
            self.log_migration(migration, "apply")
            self.mark_one(migration, log=False)

    def get_log_data(self, migration: Migration | None = None, operation: str = "apply") -> dict[str, Any]:
        """Return the line of yoyo's log without asking DNS for our name, nor the system for a user that may have none."""
        return {
            "id": str(uuid.uuid4()),
            "migration_id": migration.id if migration else None,
            "migration_hash": migration.hash if migration else None,
            "username": str(os.geteuid()),
            "hostname": socket.gethostname(),
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }
