"""homing under test: `homing up` in a folder of its own, with everything that makes mail durable switched on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from bench import tree
from bench.load import free_port

HOMING = [str(Path(sys.executable).parent / "homing")]


class Homing:
    """A running platform. Loopback may inject without AUTH.

    customers   each gets an account, a key and a domain `<name>.test` that it may send from; "main" is who injects by SMTP
    keys        the algorithms of the DKIM keys that its domains keep: rsa, ed25519; none: mail leaves unsigned
    settings    HOMING_* variables over the ones that a benchmark needs
    """

    def __init__(
        self,
        *,
        customers: Collection[str] = (),
        keys: Collection[str] = (),
        settings: dict[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="homing-bench-", dir="/var/tmp"))
        self.folder.chmod(0o711)  # PostgreSQL runs as an unprivileged user where we are root, and must pass through
        (self.folder / "var").mkdir(mode=0o711)
        (self.folder / "var").chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.smtp_port, self.http_port = free_port(), free_port()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("HOMING_")}
        self.environ |= {
            "HOMING_DATA": str(self.folder / "var"),
            "HOMING_HTTP": f"127.0.0.1:{self.http_port}",
            "HOMING_SMTP": f"127.0.0.1:{self.smtp_port}",
            "HOMING_SMTP_TRUST": "127.0.0.0/8=main",
            "HOMING_ALLOW_PRIVATE_MX": "true",
            "HOMING_HOSTNAME": "homing.bench.test",
            "HOMING_SMTP_MAX_CONNECTIONS": "1000",
            "HOMING_LOG_LEVEL": "warning",
        } | (settings or {})
        self._customers = customers
        self._algorithms = list(keys)
        self._process: subprocess.Popen[bytes] | None = None
        self.key = ""
        self.keys: dict[str, str] = {}  # of the customers

    def __enter__(self) -> "Homing":
        try:
            self.start()
            self.key = self.run("key", "create", "--name", "bench", "--account", "main").strip()
            self.run("domain", "add", "bench.test", "--trust", "--account", "main")
            for name in self._customers:
                self.keys[name] = self.run("key", "create", "--name", "bench", "--account", name).strip()
                self.run("domain", "add", f"{name}.test", "--trust", "--account", name)
            self.sql("DELETE FROM dkim_keys WHERE NOT algorithm = ANY(%s)", self._algorithms)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, seconds: float = 60.0) -> float:
        """Start and wait until ready; return how long it took."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*HOMING, "up"], env=self.environ, stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("ab")
        )
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/health/ready", timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() - began > seconds:
                raise RuntimeError(f"homing did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop in good order."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def run(self, *arguments: str) -> str:
        """Run a homing command against this platform; return what it printed."""
        done = subprocess.run([*HOMING, *arguments], env=self.environ, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"homing {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        dsn = (self.folder / "var" / "database.dsn").read_text().strip()
        with psycopg.connect(dsn, autocommit=True) as connection:
            cursor = connection.execute(query, values)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def sql_named(self, query: str, values: dict[str, Any]) -> None:
        """Run a statement with named values."""
        dsn = (self.folder / "var" / "database.dsn").read_text().strip()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(query, values)  # type: ignore[call-overload]

    def waiting(self) -> int:
        """Return how many messages wait."""
        return int(self.sql("SELECT count(*) FROM queue_entries")[0][0])

    def wait_empty(self, seconds: float) -> None:
        """Wait until nothing waits. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.waiting() or self.sql("SELECT 1 FROM inbox LIMIT 1"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.waiting()} messages wait after {seconds:.0f} s")
            time.sleep(0.1)

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        """Call the REST API; return the decoded answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Authorization": key or self.key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return [pid for pid in tree.members(self.pid) if "homing.boot.worker" in tree.command(pid)]

    def largest_worker_mb(self) -> float:
        """Return the memory of the largest worker now."""
        return max((tree.memory_mb(pid) for pid in self.workers()), default=0.0)
