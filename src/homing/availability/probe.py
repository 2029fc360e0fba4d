"""A witness: asks the doors from elsewhere about once a second, signs what it saw, keeps it, and posts it when it can.

It needs no database and none of our settings, only a folder: `probe.key`, and `reports/`, one file for each report. With an API
key its requests are attempts of that account: a cheap call of the API, and an SMTP connection with AUTH. Without one it asks
/health/live and for the SMTP greeting, which are nobody's attempts. An attempt belongs to the second in which it began.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import smtplib
import ssl
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from homing.availability.rules import outside
from homing.availability.rules.outside import FIRST, LONGEST_S, Saw
from homing.availability.types import Doors
from homing.evidence.rules.classify import by_code
from homing.evidence.types import Door, Verdict
from homing.ground import log
from homing.ground.config import HostPort
from homing.ground.errors import Misuse
from homing.ground.waiting import set_within

PATIENCE_S = 30.0  # for one answer; model, section 5.3: a banner that does not come within 30 s is a failure
REPORT_S = 60
_AT_ONCE = 64  # questions under way at each door; beyond it a second is not asked, and nothing is said about it
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
_REPORT = re.compile(r"\d{8}\.json")
_API = "/api/v1/availability"

_log = log.get("probe")

Ask = Callable[[], Awaitable[str]]
"""Asks a door once and returns the code of its answer, '' where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked. api and smtp None: not asked."""

    api: str | None = None  # base address, http:// or https://
    smtp: HostPort | None = None
    key: str | None = None  # API key; its account makes the attempts
    trust_anybody: bool = False  # certificates are not judged: for trials with the self-signed one
    patience_s: float = PATIENCE_S


class Spool:
    """The folder of one witness: its key, and its reports until they are posted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key_path = folder / "probe.key"
        self._reports = folder / "reports"

    def make(self) -> str:
        """Make key and folder; return the public key in hex.

        raises   Misuse where there is a key already
        """
        self._reports.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        try:
            handle = os.open(self._key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise Misuse(f"{self._key_path} is there already; use it, or name another folder") from None
        with os.fdopen(handle, "w") as file:
            file.write(made.private_bytes_raw().hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        return made.public_key().public_bytes_raw().hex()

    def key(self) -> Ed25519PrivateKey:
        """Return the key. raises Misuse where there is none."""
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self._key_path.read_text("ascii").strip()))
        except (OSError, ValueError, UnicodeDecodeError) as trouble:
            raise Misuse(f"{self._key_path} holds no key of a witness; `homing probe init` makes one") from trouble

    def last(self) -> tuple[int, str]:
        """Return number and SHA-256 of the last report that was written, posted or not."""
        path = self.folder / "last.json"
        try:
            found = json.loads(path.read_text("ascii"))
            return int(found["number"]), str(found["sha256"])
        except FileNotFoundError:
            return 0, FIRST

    def keep(self, saw: Saw, *, since: int, until: int) -> Path:
        """Sign a report and write it down; what is kept is on the disk."""
        number, previous = self.last()
        body, signature = outside.make(saw, since=since, until=until, number=number + 1, previous=previous, key=self.key())
        path = self._reports / f"{number + 1:08d}.json"
        _write(path, {"report": body.decode(), "signature": signature})
        _write(self.folder / "last.json", {"number": number + 1, "sha256": hashlib.sha256(body).hexdigest()})
        return path

    def waiting(self) -> list[Path]:
        """Return the reports that wait to be posted, the oldest first."""
        if not self._reports.is_dir():
            raise Misuse(f"{self.folder} is no folder of a witness; `homing probe init` makes one")
        return sorted(path for path in self._reports.iterdir() if _REPORT.fullmatch(path.name))

    def posted(self, path: Path) -> None:
        """Put a report aside that was taken."""
        aside = self.folder / "posted"
        aside.mkdir(mode=0o700, exist_ok=True)
        path.rename(aside / path.name)


class Probe:
    """Asks and writes down.

    clock   Unix seconds
    """

    def __init__(
        self,
        spool: Spool,
        target: Target,
        *,
        every_s: float = 1.0,
        report_s: int = REPORT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._spool = spool
        self._target = target
        self._every_s = every_s
        self._report_s = min(report_s, LONGEST_S)
        self._clock = clock
        self._asked: dict[Door, dict[int, bool]] = {door: {} for door in Door}  # second -> whether it ended well
        self._open: dict[asyncio.Task[None], tuple[Door, int]] = {}
        self._since = 0
        self._threads = ThreadPoolExecutor(_AT_ONCE, "probe")

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop; then write down what has ended."""
        self._spool.key()
        self._since = int(self._clock())
        try:
            async with self._asking() as asks:
                while not stop.is_set():
                    second = int(self._clock())
                    for door, ask in asks.items():
                        if sum(of is door for of, _ in self._open.values()) < _AT_ONCE:
                            task = asyncio.ensure_future(self._ask(door, second, ask))
                            self._open[task] = (door, second)
                            task.add_done_callback(self._open.pop)
                    self._report(second)
                    await set_within(stop, self._every_s - (self._clock() % self._every_s if self._every_s >= 1 else 0.0))
                if self._open:
                    await asyncio.wait(list(self._open), timeout=self._target.patience_s)
            self._report(int(self._clock()), all_of_it=True)
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    @contextlib.asynccontextmanager
    async def _asking(self) -> Any:
        target = self._target
        verify: bool | ssl.SSLContext = not target.trust_anybody
        limits = httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=0)  # each question comes anew
        async with httpx.AsyncClient(timeout=target.patience_s, verify=verify, limits=limits, trust_env=False) as client:
            asks: dict[Door, Ask] = {}
            if target.api is not None:
                path = _API if target.key else "/health/live"
                headers = {"Authorization": target.key} if target.key else {}
                url = target.api.rstrip("/") + path
                asks[Door.API] = lambda: _ask_http(client, url, headers)
            if target.smtp is not None:
                loop = asyncio.get_running_loop()
                asks[Door.SMTP] = lambda: loop.run_in_executor(self._threads, _ask_smtp, target)
            yield asks

    async def _ask(self, door: Door, second: int, ask: Ask) -> None:
        try:
            async with asyncio.timeout(self._target.patience_s + 5):
                code = await ask()
        except (OSError, TimeoutError, httpx.HTTPError):
            code = ""
        verdict = by_code(door, code)
        if verdict is not Verdict.VOID:
            ended = self._asked[door]
            ended[second] = ended.get(second, False) or verdict is Verdict.OK

    def _report(self, now: int, *, all_of_it: bool = False) -> None:
        """Write down whole stretches in which every question has ended."""
        while True:
            open_since = min((second for _, second in self._open.values()), default=now)
            until = self._since + self._report_s
            if all_of_it:
                until = min(until, now + 1)
            elif until > min(now, open_since):
                return
            if until <= self._since or (all_of_it and not any(self._asked.values())):
                return
            sets = [[0, 0], [0, 0]]
            for door, ended in self._asked.items():
                for second in [second for second in ended if second < until]:
                    fine = ended.pop(second)
                    if second >= self._since:
                        sets[0][door.number] |= 1 << (second - self._since)
                        sets[1][door.number] |= fine << (second - self._since)
            path = self._spool.keep(Saw(Doors(*sets[0]), Doors(*sets[1])), since=self._since, until=until)
            _log.info("reported", report=path.name, failed=(sets[0][0] & ~sets[1][0] | sets[0][1] & ~sets[1][1]).bit_count())
            self._since = until


async def _ask_http(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> str:
    answer = await client.get(url, headers=headers)
    return str(answer.status_code)


def _ask_smtp(target: Target) -> str:
    """Connect, greet, authenticate where there is a key, and leave; return the code of the last answer that counts."""
    assert target.smtp is not None
    try:
        with smtplib.SMTP(target.smtp.host, target.smtp.port, timeout=target.patience_s) as client:
            client.ehlo_or_helo_if_needed()
            if target.key:
                if client.has_extn("starttls"):
                    context = ssl.create_default_context()
                    if target.trust_anybody:
                        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    client.starttls(context=context)
                client.login("SMTP_Injection", target.key)
            return "250"
    except smtplib.SMTPResponseException as refusal:
        found = _ENHANCED.match(refusal.smtp_error if isinstance(refusal.smtp_error, bytes) else refusal.smtp_error.encode())
        return f"{refusal.smtp_code}/{found[0].decode()}" if found else str(refusal.smtp_code)
    except (OSError, smtplib.SMTPException):
        return ""


def _write(path: Path, value: Any) -> None:
    """Write JSON so that it is there whole, or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", encoding="ascii") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
