"""The schema is brought up to date by one process at a time, wholly or not at all."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from homing.ground import migrate as module
from homing.ground.errors import Misuse, StoreUnavailable
from homing.ground.migrate import migrate
from tests.kit.postgres import TestServer


@pytest.fixture
def empty(postgres_server: TestServer, database: str) -> str:
    """A database without a schema."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return database


def ask(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def put(monkeypatch: pytest.MonkeyPatch, folder: Path, **files: str) -> None:
    """Let these be the migrations."""
    migrations = folder / "migrations"
    migrations.mkdir(exist_ok=True)
    for name, text in files.items():
        (migrations / f"{name}.sql").write_text(text)
    monkeypatch.setattr(module.resources, "files", lambda _: folder)


async def test_two_processes_at_once_migrate_once(empty: str):
    counts = await asyncio.gather(*(asyncio.to_thread(migrate, empty) for _ in range(3)))
    assert sorted(counts)[:2] == [0, 0]
    assert max(counts) >= 1
    assert ask(empty, "SELECT count(*) FROM shards") == 64


def test_a_failed_migration_leaves_nothing_behind(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(monkeypatch, tmp_path, m1="CREATE TABLE one (a int);", m2="CREATE TABLE two (a int); SELECT nonsense;")
    with pytest.raises(Misuse, match="migration m2 failed and was rolled back"):
        migrate(empty)
    assert ask(empty, "SELECT to_regclass('one')") == "one"
    assert ask(empty, "SELECT to_regclass('two')") is None
    put(monkeypatch, tmp_path, m2="CREATE TABLE two (a int);")
    assert migrate(empty) == 1


def test_what_a_killed_migration_left_locked_is_no_obstacle(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(monkeypatch, tmp_path, m1="CREATE TABLE one (a int);")
    migrate(empty)
    ask(empty, "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 999999) RETURNING 1")
    put(monkeypatch, tmp_path, m2="CREATE TABLE two (a int);")
    assert migrate(empty) == 1


def test_a_database_of_a_newer_homing_is_refused(empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(monkeypatch, tmp_path, m1="CREATE TABLE one (a int);", m2="CREATE TABLE two (a int);")
    migrate(empty)
    (tmp_path / "migrations" / "m2.sql").unlink()
    with pytest.raises(Misuse, match="newer homing"):
        migrate(empty)


def test_a_server_that_is_not_there_is_temporary(database: str):
    with pytest.raises(StoreUnavailable):
        migrate("postgresql://homing@/homing?host=/nonexistent")


def test_a_database_in_another_encoding_is_refused(postgres_server: TestServer):
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Misuse, match="UTF8"):
        migrate(postgres_server.dsn("latin"))
