"""A whole house for stories: a real `homing up` as a child process, in a folder of its own, on free loopback ports.

It is driven from outside, as its users do: HTTP, SMTP, the command line, the database. Signals go only to processes that
it started: the supervisor, the supervisor's children, and the postmaster in its own data folder.
"""

import asyncio
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psycopg

from homing.accounts import store as accounts
from homing.accounts.grants import KEY_GRANTS
from homing.accounts.types import DEFAULT_ACCOUNT
from homing.cli.domains import add_domain, master_key
from homing.events.types import EventType
from homing.ground import children, config, db
from homing.ground.config import HostPort
from tests.kit.neighbours import Neighbours

T = TypeVar("T")
DOMAIN = "acme.test"
FAST = {
    "retry_first_s": "1",
    "retry_ceiling_s": "3",
    "connect_timeout_s": "5",
    "command_timeout_s": "10",
    "data_timeout_s": "10",
    "idle_s": "0.5",
    "drain_s": "5",
    "lease_s": "4",
    "min_free_bytes": "16777216",
    "min_free_share": "0",
    "ballast_bytes": "0",
    "log_level": "info",
}


class House:
    """One installation, started and stopped as often as a test likes; a context manager.

    neighbours   where its DNS and mail hosts are
    database     DSN of a server that is there already; None: the embedded one
    settings     HOMING_* settings in lower case without the prefix, over FAST
    folder       where the data folder is made; removed at the end only if it was made here
    """

    def __init__(
        self,
        neighbours: Neighbours | None = None,
        *,
        database: str | None = None,
        workers: int = 2,
        settings: dict[str, str] | None = None,
        folder: Path | None = None,
        dns: HostPort | None = None,
        delivery_port: int | None = None,
    ) -> None:
        base = Path("/dev/shm")
        self._made = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="homing-house-", dir=base if base.is_dir() else None))
        self.folder.chmod(0o711)  # PostgreSQL runs as an unprivileged user where we are root, and must pass through
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o711, exist_ok=True)
        self.data.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.http_port, self.smtp_port, self.mx_port = _free_ports(3)
        self.log = self.folder / "log"
        values = {
            **FAST,
            "data": str(self.data),
            "http": f"127.0.0.1:{self.http_port}",
            "smtp": f"127.0.0.1:{self.smtp_port}",
            "mx": f"127.0.0.1:{self.mx_port}",
            "smtp_trust": f"127.0.0.0/8={DEFAULT_ACCOUNT}",
            "hostname": "mail.acme.test",
            "workers": str(workers),
            "allow_private_mx": "true",
        }
        if neighbours is not None:
            dns, delivery_port = neighbours.dns, neighbours.port
        if dns is not None:
            values |= {"dns": str(dns), "delivery_port": str(delivery_port)}
        if database is not None:
            values["database_url"] = database
        values |= settings or {}
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(config.PREFIX)}
        self.environ |= {f"{config.PREFIX}{name.upper()}": value for name, value in values.items()}
        self.settings = config.read(self.environ)
        self.child: subprocess.Popen[bytes] | None = None
        self._line: psycopg.Connection[tuple[Any, ...]] | None = None
        self._asking = threading.Lock()
        self.key = ""

    def __enter__(self) -> "House":
        try:
            self.start()
            self.key = asyncio.run(self._settle_in())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            print(f"--- the house's log ends with\n{self.log_tail()}", file=sys.stderr)
        self.stop()
        if self._made:
            shutil.rmtree(self.folder, ignore_errors=True)

    # life ---------------------------------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the supervisor without waiting for anything."""
        with self.log.open("ab") as out:
            self.child = children.spawn(
                [sys.executable, "-m", "homing.cli", "up"],
                death_signal=signal.SIGTERM,
                environ=self.environ,
                cwd=self.folder,
                stderr=out.fileno(),
            )

    def start(self, seconds: float = 60.0) -> float:
        """Start and wait until every worker serves; return how long it took."""
        began = time.monotonic()
        self.launch()
        self.wait_until(self.is_ready, seconds, "the house is ready")
        return time.monotonic() - began

    def stop(self, seconds: float = 60.0) -> int:
        """Stop in good order; return the exit status. The postmaster of a supervisor that had to be killed ends with it."""
        if self._asking.acquire(timeout=1.0):  # who asks a server that stands still is left to it
            self._hang_up()
            self._asking.release()
        if self.child is None:
            return 0
        if self.child.poll() is None:
            for pid in self._children():
                children.signal_pid(pid, signal.SIGCONT)
            self.child.send_signal(signal.SIGCONT)
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(10)
        return self.child.returncode

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def is_ready(self) -> bool:
        """Ask /health/ready; raises where the supervisor has ended."""
        if self.child is not None and self.child.poll() is not None:
            raise AssertionError(f"homing up ended with {self.child.returncode}:\n{self.log_tail()}")
        return self.get("/health/ready")[0] == 200

    def log_tail(self, lines: int = 30) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""

    # its processes ------------------------------------------------------------------------------------------------------

    def workers(self) -> list[int]:
        """Return the pids of the workers: children of our supervisor, and nothing else."""
        return [pid for pid in self._children() if "homing.boot.worker" in _command(pid)]

    def postmaster(self) -> int:
        """Return the pid of the embedded PostgreSQL: a child of our supervisor whose command names our folder."""
        home = str((self.data / "postgres").resolve())
        found = [pid for pid in self._children() if home in _command(pid)]
        assert len(found) == 1, f"one postmaster was expected under {self.pid}, found {found}"
        return found[0]

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Signal a child of our supervisor; False if it is not (any more) one."""
        if pid not in self._children():
            return False
        children.signal_pid(pid, number)
        return True

    def _children(self) -> list[int]:
        return [pid for pid in _pids() if _parent(pid) == self.pid]

    # its doors ----------------------------------------------------------------------------------------------------------

    def get(self, path: str, *, timeout_s: float = 10.0) -> tuple[int, Any]:
        """GET; return status and decoded body. Status 0: nobody answered."""
        return self._call(urllib.request.Request(self._url(path), headers={"Authorization": self.key}), timeout_s)

    def call(self, path: str, body: Any, *, method: str = "POST", timeout_s: float = 30.0) -> tuple[int, Any]:
        """Send JSON; return status and decoded body."""
        request = urllib.request.Request(
            self._url(path),
            data=json.dumps(body).encode(),
            headers={"Authorization": self.key, "Content-Type": "application/json"},
            method=method,
        )
        return self._call(request, timeout_s)

    def post(self, recipients: Iterable[str], *, timeout_s: float = 30.0, **more: Any) -> str:
        """Hand in one transmission by REST; return its id."""
        content = {"from": f"news@{DOMAIN}", "subject": "Hello", "text": "It works.\n"} | more.pop("content", {})
        body = {"recipients": [{"address": one} for one in recipients], "content": content, **more}
        status, answer = self.call("/api/v1/transmissions", body, timeout_s=timeout_s)
        assert status == 200, f"{status}: {answer}"
        return str(answer["results"]["id"])

    def smtp(self, timeout_s: float = 30.0) -> smtplib.SMTP:
        """Return a connection to the SMTP door."""
        return smtplib.SMTP("127.0.0.1", self.smtp_port, local_hostname="client.acme.test", timeout=timeout_s)

    def mail(self, recipient: str, *, subject: str = "Hello") -> None:
        """Hand in one message by SMTP."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = f"news@{DOMAIN}", recipient, subject
        message.set_content("It works.\n")
        with self.smtp() as client:
            client.send_message(message)

    def run(self, *arguments: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a homing command against this house."""
        done = subprocess.run(
            [sys.executable, "-m", "homing.cli", *arguments],
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not ok or done.returncode == 0, f"homing {' '.join(arguments)}: {done.stderr}"
        return done

    def spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a homing command that runs beside this house; whoever starts it ends it."""
        with (self.folder / "beside").open("ab") as out:
            return children.spawn(
                [sys.executable, "-m", "homing.cli", *arguments],
                death_signal=signal.SIGTERM,
                environ=self.environ,
                cwd=self.folder,
                stderr=out.fileno(),
            )

    # what it knows ------------------------------------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        return self.settings.database_url or (self.data / "database.dsn").read_text().strip()

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self._asking:  # one at a time; a connection for each question would cost most of what waiting costs
            if self._line is not None:
                try:
                    return self._ask(self._line, query, values)
                except psycopg.OperationalError:  # the server has died since, and may be back
                    self._hang_up()
            self._line = psycopg.connect(self.dsn, autocommit=True)
            return self._ask(self._line, query, values)

    def _ask(self, line: "psycopg.Connection[tuple[Any, ...]]", query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        cursor = line.execute(query, values)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def events(self, recipient: str) -> list[dict[str, Any]]:
        """Return what happened to the mail of one address, oldest first."""
        rows = self.sql("SELECT type, detail FROM events WHERE recipient = %s ORDER BY at, seq", recipient.lower())
        return [{"type": EventType(kind).wire, **detail} for kind, detail in rows]

    def kinds(self, recipient: str) -> list[str]:
        """Return the types of an address's events, oldest first."""
        return [event["type"] for event in self.events(recipient)]

    def count(self, kind: EventType) -> int:
        """Return how many events of a type there are."""
        return int(self.sql("SELECT count(*) FROM events WHERE type = %s", int(kind))[0][0])

    def waiting(self) -> int:
        """Return how many messages wait, those that are expanded later included."""
        return int(self.sql("SELECT (SELECT count(*) FROM queue_entries) + (SELECT count(*) FROM inbox)")[0][0])

    def wait_for(self, recipient: str, kind: str, seconds: float = 15.0) -> dict[str, Any]:
        """Wait for an event of an address, and return it."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self.events(recipient) if event["type"] == kind), None)

        return self.wait_until(found, seconds, f"{recipient} has the event {kind}")

    def wait_empty(self, seconds: float = 30.0) -> None:
        """Wait until nothing waits any more."""
        self.wait_until(lambda: self.waiting() == 0, seconds, "the queue is empty")

    def wait_until(self, true: Callable[[], T], seconds: float, what: str) -> T:
        """Ask until the answer is true; fails after so many seconds. A database that is away counts as not yet."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if answer := true():
                    return answer
            except psycopg.OperationalError:
                pass
            assert time.monotonic() < deadline, f"after {seconds:g} s it is not so that {what}\n{self.log_tail()}"
            time.sleep(0.05)

    # inside -------------------------------------------------------------------------------------------------------------

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http_port}{path}"

    @staticmethod
    def _call(request: urllib.request.Request, timeout_s: float) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return answer.status, _decoded(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, _decoded(refusal.read())
        except OSError:
            return 0, None

    async def _settle_in(self) -> str:
        """Make a key, and a trusted domain with its DKIM keys."""
        async with db.pool(self.dsn, name="test") as pool:
            owner = await accounts.get_or_create_account(pool, DEFAULT_ACCOUNT)
            made = await accounts.create_key(pool, account_id=owner.account_id, label="test", grants=sorted(KEY_GRANTS))
            await add_domain(pool, master_key(self.settings), DOMAIN, account_id=owner.account_id, trust=True)
            return made.clear


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(one.getsockname()[1]) for one in held]
    finally:
        for one in held:
            one.close()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
