"""The parent process: owns what must outlive a worker, and says where everything is.

Sockets, PostgreSQL, pace keeper, watchdog, doorman, joined metrics, housekeeping of the log's partitions.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, Gauge

from homing.abtests import store as ab_tests
from homing.accounts import store as accounts
from homing.accounts import usage, validations
from homing.accounts.grants import KEY_GRANTS
from homing.accounts.types import DEFAULT_ACCOUNT
from homing.availability.detector import Detector
from homing.availability.seal import Sealer
from homing.availability.types import Finding
from homing.boot import banner
from homing.boot.names import SLATE, node_name, resolved
from homing.boot.standby import Standby
from homing.domains import mailboxes
from homing.domains import store as domains
from homing.domains.keys import SEAL_PURPOSE
from homing.egress import warmup_store as warmup
from homing.egress.pace import PaceKeeper
from homing.events import store as events
from homing.evidence import slate
from homing.evidence.badges import key_badge
from homing.evidence.fold import Folder
from homing.evidence.journal import Journal
from homing.evidence.sources import SourceBook
from homing.evidence.types import Door, FaultTag
from homing.evidence.watch import EdgeWatch
from homing.ground import channel, db, disk, log, metrics, sockets
from homing.ground.clock import SystemClock
from homing.ground.config import Settings
from homing.ground.doorman import Doorman, Turned
from homing.ground.errors import Misuse
from homing.ground.migrate import migrate
from homing.ground.postgres import DSN_FILE, EmbeddedPostgres
from homing.ground.secrets import load_or_make
from homing.ground.supervise import Supervisor, Worker, WorkerState
from homing.ground.tls import self_signed, server_context
from homing.ground.turns import edge
from homing.ground.waiting import set_within
from homing.inbound import postmaster
from homing.ingest import store as ingest
from homing.metrics import store as figures
from homing.queue import store as queue
from homing.recipients import imports
from homing.recipients import store as recipients
from homing.validation import store as validation

_log = log.get("boot")
HOUSEKEEPING_S = 600.0
LEAST_DAYS = 2  # with fewer days of partitions ahead the platform is not ready: soon nothing could be written
DOORMAN = "doorman"  # name of the supervisor's own evidence
WORKER = [sys.executable, "-m", "homing.boot.worker_start"]


def up(settings: Settings) -> int:
    """Run the platform in the foreground until SIGTERM or Ctrl-C; return the exit code."""
    log.set_up(level=settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_up(resolved(settings)))


async def _up(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _house(settings) as house:
        await house.run(stop)
    return 0


@asynccontextmanager
async def _house(settings: Settings) -> AsyncIterator["House"]:
    """Prepare everything that workers need: data folder, sockets, database, schema, keys, first account."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = settings.workers or os.cpu_count() or 1
    http = sockets.listen("HOMING_HTTP", settings.http, count=count)
    smtp: list[Any] = []
    mx: list[Any] = []
    tracking: list[Any] = []
    try:
        smtp = sockets.listen("HOMING_SMTP", settings.smtp, count=count)
        mx = sockets.listen("HOMING_MX", settings.mx, count=count) if settings.mx else []
        tracking = sockets.listen("HOMING_TRACKING", settings.tracking, count=count) if settings.tracking else []
        async with _database(settings) as (dsn, postgres):
            await asyncio.to_thread(migrate, dsn)
            clock = SystemClock()
            if settings.tls_cert is None:
                self_signed(settings.data / "tls", hostname=settings.hostname, now=clock.now())
            disk.make_ballast(settings.data, settings.ballast_bytes)
            async with db.pool(dsn, least=1, most=4, name="homing-supervisor") as pool:
                await _master_key_belongs(settings, pool)
                await events.ensure_partitions(pool, clock.now().date())
                first_key = await _first_account(pool)
                yield House(settings, pool, postgres, http, smtp, mx, tracking, first_key)
    finally:
        sockets.close([*http, *smtp, *mx, *tracking])


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[tuple[str, EmbeddedPostgres | None]]:
    if settings.database_url is not None:
        with _locked(settings):
            (settings.data / DSN_FILE).unlink(missing_ok=True)
            yield settings.database_url, None
        return
    postgres = EmbeddedPostgres(settings.data)
    try:
        yield await postgres.start(), postgres
    finally:
        await postgres.stop()


@contextlib.contextmanager
def _locked(settings: Settings) -> Any:
    """Hold the data folder, as the embedded server does; a second `homing up` on it is refused."""
    handle = os.open(settings.data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misuse(f"another `homing up` runs on {settings.data}; stop it, or set HOMING_DATA") from None
        yield
    finally:
        os.close(handle)


async def _master_key_belongs(settings: Settings, pool: db.Pool) -> None:
    """See that the master key opens what the database holds; make one only for a database that holds nothing sealed.

    raises   Misuse
    """
    sealed = await domains.any_sealed_key(pool)
    if sealed is not None and not settings.master_key_path.exists():
        raise Misuse(
            f"the database holds signing keys, but their master key {settings.master_key_path} is missing; restore it from "
            "your backup, or delete the rows of dkim_keys and make new keys (docs/operations.md)"
        )
    key = load_or_make(settings.master_key_path)
    if sealed is not None:
        key.open(sealed, purpose=SEAL_PURPOSE)


async def _first_account(pool: db.Pool) -> str | None:
    """Create the account and the key of a new installation; return the key, which is shown once."""
    if await accounts.all_accounts(pool):
        return None
    account = await accounts.get_or_create_account(pool, DEFAULT_ACCOUNT)
    made = await accounts.create_key(pool, account_id=account.account_id, label="first key", grants=sorted(KEY_GRANTS))
    return made.clear


@dataclass(slots=True)
class House:
    """The running platform, seen from its parent process."""

    settings: Settings
    pool: db.Pool
    postgres: EmbeddedPostgres | None
    http: list[Any]
    smtp: list[Any]
    mx: list[Any]  # empty where HOMING_MX is not set
    tracking: list[Any]  # empty where HOMING_TRACKING is not set; while no worker serves, connections wait
    first_key: str | None
    days_ready: int = LEAST_DAYS  # days, today included, that the log has partitions for

    async def run(self, stop: asyncio.Event) -> None:
        """Keep everything alive until told to stop; then drain, and return when the last worker has ended."""
        settings = self.settings
        evidence = settings.data / "evidence"
        journal = Journal(evidence, DOORMAN)
        sources = SourceBook(evidence, DOORMAN, trust=settings.smtp_trust)
        slates: dict[str, int] = {}  # of the workers, by id

        def refused(turned: Turned) -> None:
            if turned.door == "smtp":
                account_id, badge = sources.whose(turned.address)
                journal.begin(Door.SMTP, int(turned.at), account_id, badge).ended(FaultTag.SERVER, "421/4.3.2")
            elif turned.door == "http" and turned.path.startswith("/api/"):
                badge = key_badge(turned.key_hash) if turned.key_hash else ""
                journal.begin(Door.API, int(turned.at), None, badge).ended(FaultTag.SERVER, "503")

        doorman = Doorman(
            http=self.http,
            smtp=self.smtp,
            mx=self.mx,
            hostname=settings.hostname,
            refused=refused,
            tls=server_context(settings.tls_cert, settings.tls_key) if settings.tls_cert else None,
        )
        keeper = PaceKeeper()
        announced = False

        def changed() -> None:
            nonlocal announced
            if supervisor.any_ready:
                doorman.step_back()
            elif not stop.is_set():
                if not doorman.standing:
                    sources.load()
                doorman.stand()
            if supervisor.ready and not announced:
                announced = True
                banner.show(settings, first_key=self.first_key, workers=len(self.http), embedded=self.postgres is not None)

        def born(worker: Worker) -> None:
            assert worker.channel is not None
            keeper.attach(worker.worker_id, worker.channel)
            worker.channel.on("house_ready", is_ready)
            worker.channel.on("house_metrics", joined)

        def is_ready() -> bool:
            return supervisor.ready and self.days_ready >= LEAST_DAYS

        def given(worker_id: str) -> dict[str, int]:
            slates[worker_id] = slate.make()
            return {SLATE: slates[worker_id]}

        async def dead(worker_id: str) -> None:
            keeper.detach(worker_id)
            left = slates.pop(worker_id, None)
            if left is not None:
                found = journal.recover(slate.read(left))
                os.close(left)
                if found:
                    _log.info("evidence_recovered", worker=worker_id, attempts=found)
            await queue.release_worker(self.pool, worker_id)
            await imports.release(self.pool, worker_id)
            await validation.release(self.pool, worker_id)

        async def joined() -> str:
            pages = await supervisor.ask_all("metrics")
            return metrics.join([*pages.values(), metrics.text(registry)])

        async def snapshot() -> dict[str, Any]:
            return {"workers": list((await supervisor.ask_all("snapshot")).values())}

        async def trace(message_id: str) -> dict[str, Any]:
            answers = await supervisor.ask_all("trace", message_id=message_id)
            return next((answer for answer in answers.values() if answer.get("state")), {"state": ""})

        supervisor = Supervisor(
            WORKER,
            sockets=[
                {
                    "http": http,
                    "smtp": smtp,
                    **({"mx": self.mx[number]} if self.mx else {}),
                    **({"tracking": self.tracking[number]} if self.tracking else {}),
                }
                for number, (http, smtp) in enumerate(zip(self.http, self.smtp, strict=True))
            ],
            lease_s=settings.lease_s,
            drain_s=settings.drain_s,
            node=node_name(settings),
            files=given,
            on_worker_born=born,
            on_worker_dead=dead,
            on_change=changed,
        )
        registry = metrics.new_registry()
        self._watch(registry, supervisor)
        handlers: dict[str, channel.Handler] = {
            "snapshot": snapshot,
            "trace": trace,
            "metrics": joined,
            "ready": lambda: {"ready": is_ready()},
        }
        sources.load()
        doorman.stand()
        halt = asyncio.Event()
        folder = Folder(self.pool, evidence, node_name(settings), clock=SystemClock().now)

        def under_way() -> Iterator[slate.Left]:
            for handle in slates.values():
                yield from slate.read(handle)

        async def page(findings: Sequence[Finding]) -> None:
            """Say that somebody is needed. The finding is written down next, and wakes whoever is on call (boot/alarms.py)."""
            for one in findings:
                _log.error("persistent_unavailability", account_id=one.account_id, start=one.start, seconds=one.seconds)
            standby.found()

        detector = Detector(
            self.pool,
            evidence,
            node_name(settings),
            page=page,
            under_way=under_way,
            now=SystemClock().now,
            target=Decimal(str(settings.availability_target)),
        )
        standby = Standby(
            settings,
            self.pool,
            SystemClock(),
            load_or_make(settings.master_key_path),
            served=lambda: supervisor.any_ready or stop.is_set(),
        )
        watch = EdgeWatch(lambda: doorman.standing or supervisor.any_ready, journal.watched)
        async with channel.serve_control(settings.data, handlers), asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(journal.run(halt), name="journal"),
                tasks.create_task(watch.run(halt), name="watch"),
                tasks.create_task(folder.run(halt), name="fold"),
                tasks.create_task(detector.run(halt), name="detector"),
                tasks.create_task(standby.run(halt), name="standby"),
                tasks.create_task(self._keep_house(halt), name="housekeeping"),
            ]
            if self.postgres is not None:
                background.append(tasks.create_task(self.postgres.keep(), name="postgres"))
            await supervisor.run(stop)
            await doorman.leave()
            halt.set()
            if self.postgres is not None:
                background.pop().cancel()
            await asyncio.wait(background, timeout=5.0)
            for task in background:
                task.cancel()
        _log.info("stopped")

    async def _keep_house(self, halt: asyncio.Event) -> None:
        """Keep partitions ahead of the days, drop what retention has ended, add up usage, seal days of the ledger."""
        sealer = Sealer(self.pool, load_or_make(self.settings.master_key_path), now=SystemClock().now)
        while not await set_within(halt, HOUSEKEEPING_S):
            today = SystemClock().now().date()
            with edge(_log, waits="housekeeping_waits", failed="housekeeping_failed"):
                try:
                    await events.ensure_partitions(self.pool, today)
                finally:
                    self.days_ready = await events.days_ready(self.pool, today)
                await warmup.judge(self.pool, now=SystemClock().now())
                await recipients.forget_old_strikes(self.pool, today=today)
                await postmaster.forget_old(self.pool, now=SystemClock().now())
                now = SystemClock().now()
                await usage.tidy(self.pool, now=now)
                await validations.tidy(self.pool, now=now)
                await mailboxes.forget_old(self.pool, now=SystemClock().now())
                await ab_tests.forget_messages(self.pool)
                await ingest.forget_old(self.pool, now=SystemClock().now())
                await figures.forget(self.pool, SystemClock().now())
                await sealer.run_once()
                await events.drop_partitions(self.pool, before=today - timedelta(days=self.settings.event_retention_days))

    @staticmethod
    def _watch(registry: CollectorRegistry, supervisor: Supervisor) -> None:
        """Let the supervisor's own registry tell about the workers."""
        ready = Gauge("homing_workers_ready", "Workers that serve", registry=registry)
        ready.set_function(lambda: float(sum(worker.state is WorkerState.READY for worker in supervisor.workers)))
        restarts = Gauge("homing_worker_restarts", "Restarts of workers since the start", registry=registry)
        restarts.set_function(lambda: float(sum(worker.restarts for worker in supervisor.workers)))
