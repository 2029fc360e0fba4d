"""The HTTP door on a real loopback socket, with a queue that only remembers what it was handed."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from homing.abtests.book import AbTestBook
from homing.accounts import store as accounts
from homing.accounts.allowance import Allowance
from homing.accounts.authenticate import Authenticator
from homing.accounts.book import AccountBook
from homing.accounts.grants import KEY_GRANTS
from homing.api.app import Deps, framed, routes_of
from homing.api.frame import Frame
from homing.api.server import serving
from homing.domains.facts import DomainBook
from homing.domains.keyring import KeyRing
from homing.domains.tracking import TrackingBook
from homing.egress.pools import PoolBook
from homing.evidence.types import FaultTag
from homing.ground import db, ids
from homing.ground.clock import SystemClock
from homing.ground.secrets import MasterKey
from homing.ingress.accept import Accept, Handover
from homing.ingress.submit import Submit
from homing.ingress.suppression import SuppressionDesk
from homing.queue.types import NewChunk, Place
from homing.templates.book import TemplateBook
from tests.kit.declared import Declared
from tests.kit.evidence import Evidence

SUBACCOUNTS = (3, 7, 8, 12)  # of the account that a door is made for
TRACKING_HOST = "click.homing.test"
TRACKING_BASE = f"https://{TRACKING_HOST}"
FIRST = datetime(2026, 5, 1, tzinfo=UTC)


async def subaccount(pool: db.Pool, account_id: int, number: int, **changes: Any) -> None:
    """Make the subaccount of this number, or change it."""
    row = {"name": f"Subaccount {number}", "status": "active", "compliance_status": "active", "ip_pool": ""} | changes
    await pool.execute(
        "INSERT INTO subaccounts (account_id, subaccount_id, name, status, compliance_status, ip_pool) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account_id, subaccount_id) DO UPDATE "
        "SET name = excluded.name, status = excluded.status, compliance_status = excluded.compliance_status, "
        "ip_pool = excluded.ip_pool",
        account_id,
        number,
        *(row[column] for column in ("name", "status", "compliance_status", "ip_pool")),
    )


class RememberingQueue:
    """Takes over what it is handed and keeps it; `trouble` is raised instead while it is set."""

    def __init__(self) -> None:
        self.chunks: list[NewChunk] = []
        self.payloads: list[bytes] = []
        self.trouble: Exception | None = None
        self._mint = ids.Mint(3)

    def place(self, count: int) -> Place:
        """Return a place in shard 3."""
        made = [self._mint.make(1_777_593_600_000) for _ in range(count + 2)]
        return Place(3, made[0], made[1], made[2:])

    async def hand_over(self, chunk: NewChunk) -> None:
        """Keep a chunk."""
        if self.trouble is not None:
            raise self.trouble
        self.chunks.append(chunk)

    async def hand_over_large(self, account_id: int, payloads: list[bytes], *, messages: int, now: datetime) -> None:
        """Keep payloads."""
        if self.trouble is not None:
            raise self.trouble
        self.payloads += payloads


class ByResource:
    """The application, made resource by resource as a test asks for them: to make all of it takes longer than most tests.

    A path that begins like none of its routes is answered by the whole.
    """

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._handlers = routes_of(deps)
        self._made: dict[str, Frame] = {}
        self.routes = frozenset(path for handler in self._handlers for path in handler.paths)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        start = _start(scope.get("path", ""))
        chosen = [handler for handler in self._handlers if any(_start(path) == start for path in handler.paths)]
        if not chosen:
            start, chosen = "", self._handlers
        if start not in self._made:
            self._made[start] = framed(self._deps, chosen)
        await self._made[start](scope, receive, send)


def _start(path: str) -> str:
    return "/".join(path.split("/")[:4])


class HttpDoor:
    """A door that serves, and a client with a key of account `acme` that holds every grant."""

    def __init__(self, pool: db.Pool, account_id: int, key: str) -> None:
        self.pool = pool
        self.account_id = account_id
        self.key = key
        self.queue = RememberingQueue()
        self.evidence = Evidence()
        self.refuse: str | None = None
        self.port = 0
        self.authenticator: Authenticator
        self.accept: Accept
        self.domains: DomainBook
        self.templates: TemplateBook
        self.ab_tests: AbTestBook
        self.client: httpx.AsyncClient

    @property
    def counted(self) -> list[tuple[int | None, FaultTag]]:
        """Return account and fault of every attempt that ended and can be judged."""
        return self.evidence.counted

    async def key_with(self, *grants: str, subaccount_id: int = 0) -> str:
        """Return a further key of the account with these grants alone."""
        if subaccount_id:
            await subaccount(self.pool, self.account_id, subaccount_id)
        made = await accounts.create_key(
            self.pool, account_id=self.account_id, label="test", grants=grants, subaccount_id=subaccount_id
        )
        return made.clear

    async def domain(self, name: str = "acme.test", **changes: Any) -> None:
        """Register a domain that may be used everywhere."""
        row = {"domain": name, "account_id": self.account_id, "subaccount_id": 0, "shared": False, "trusted": True} | changes
        await self.pool.execute(
            "INSERT INTO sending_domains (domain, account_id, subaccount_id, shared, trusted) VALUES ($1, $2, $3, $4, $5)",
            *(row[column] for column in ("domain", "account_id", "subaccount_id", "shared", "trusted")),
        )

    async def send(self, body: Any = None, *, headers: Mapping[str, str] | None = None, **changes: Any) -> httpx.Response:
        """POST a transmission: the smallest good one with changes, or a body as it is."""
        if body is None:
            content = {"from": "news@acme.test", "subject": "Hi", "text": "hello"}
            body = {"recipients": [{"address": "kim@there.test"}], "content": content} | changes
        return await self.client.post("/api/v1/transmissions", json=body, headers=headers)


def make_accept(
    pool: db.Pool,
    handover: Handover,
    accounts_book: AccountBook,
    *,
    domains: DomainBook | None = None,
    templates: TemplateBook | None = None,
    ab_tests: AbTestBook | None = None,
) -> Accept:
    """Return the one recipe, over a queue."""
    clock = SystemClock()
    return Accept(
        accounts=accounts_book,
        allowance=Allowance(pool, clock),
        domains=domains or DomainBook(pool, clock),
        keys=KeyRing(pool, MasterKey(b"k" * 32), clock),
        tracking=TrackingBook(pool, clock, own_base=TRACKING_BASE, own_hosts=frozenset({TRACKING_HOST})),
        pools=PoolBook(pool, source_ips=(), hostname="mx.homing.test"),
        desk=SuppressionDesk.over(pool),
        handover=handover,
        submit=Submit(pool),
        templates=templates or TemplateBook(pool, clock),
        ab_tests=ab_tests or AbTestBook(pool, clock),
        bounce_domain="bounce.homing.test",
        lifetime=timedelta(hours=72),
    )


@asynccontextmanager
async def http_door(
    pool: db.Pool, *, handover: Handover | None = None, drain_s: float = 2.0, sandbox_domain: str = "", **settings: Any
) -> AsyncIterator[HttpDoor]:
    """Serve the API on a free port of loopback with real accounts, domains and suppressions.

    handover   a real queue instead of the one that only remembers
    """
    clock = SystemClock()
    account = await accounts.get_or_create_account(pool, "acme")
    key = await accounts.create_key(pool, account_id=account.account_id, label="all", grants=sorted(KEY_GRANTS))
    for number in SUBACCOUNTS:
        await subaccount(pool, account.account_id, number)
    door = HttpDoor(pool, account.account_id, key.clear)
    serve = {name: settings.pop(name) for name in ("head_within_s", "most_connections", "cert", "key") if name in settings}

    async def ready() -> dict[str, Any]:
        return {"ready": door.refuse is None}

    async def metrics() -> bytes:
        return b"homing_test 1\n"

    authenticator = door.authenticator = Authenticator(pool, clock)
    door.domains, door.templates = DomainBook(pool, clock, house=sandbox_domain), TemplateBook(pool, clock)
    door.ab_tests = AbTestBook(pool, clock)
    door.accept = make_accept(
        pool,
        handover or door.queue,
        authenticator.book,
        domains=door.domains,
        templates=door.templates,
        ab_tests=door.ab_tests,
    )
    deps = Deps(
        authenticate=authenticator.authenticate,
        accept=door.accept,
        begin=door.evidence.begin,
        refuse_new=lambda: door.refuse,
        ready=ready,
        metrics=metrics,
        pool=pool,
        clock=clock,
        **settings,
    )
    sock = socket.create_server(("127.0.0.1", 0))
    door.port = sock.getsockname()[1]
    scheme = "https" if "cert" in serve else "http"
    app = ByResource(deps)
    async with serving(app, sock, drain_s=drain_s, begin=deps.begin, **serve):
        base = f"{scheme}://127.0.0.1:{door.port}"
        async with httpx.AsyncClient(base_url=base, headers={"Authorization": key.clear}, timeout=20.0, verify=False) as client:
            door.client = client
            declared = Declared(client, app.routes)
            yield door
            undeclared = await declared.undeclared()
            assert not undeclared, f"errors that the endpoints do not declare: {sorted(undeclared)}"
