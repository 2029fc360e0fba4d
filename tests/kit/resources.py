"""The HTTP door with the resources of accounts, domains and recipients, and a small DNS that a test may change."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import httpx
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.accounts.book import AccountBook
from homing.accounts.grants import KEY_GRANTS
from homing.api.bodies import Bodies
from homing.api.v1 import (
    ab_tests,
    account,
    alerts,
    api_keys,
    availability,
    availability_exclusions,
    data_privacy,
    dkim_keys,
    inbound_domains,
    ingest,
    ip_pools,
    metrics,
    recipient_lists,
    recipient_validation,
    relay_webhooks,
    scheduled,
    seeds,
    sending_domains,
    sending_ips,
    snippets,
    subaccounts,
    support_case_steps,
    support_cases,
    support_clocks,
    support_contacts,
    support_contract,
    support_hours,
    support_oncall,
    support_oversight,
    support_promises,
    support_quarantine,
    support_staff,
    support_tam,
    support_threads,
    support_trends,
    support_updates,
    suppression_imports,
    suppression_list,
    templates,
    tracking_domains,
    webhooks,
)
from homing.api.v1.support_callers import Office
from homing.boot.domains import DnsDomains, resolver_of
from homing.boot.line import Line
from homing.boot.oversight import Oversight
from homing.boot.tam import Tam
from homing.domains.tracking import TrackingBook
from homing.domains.verify import DomainDns
from homing.egress.pools import PoolBook
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.certificates import Certificates
from homing.ground.clock import Clock, SystemClock
from homing.ground.config import HostPort, Settings
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.inbound.store import RelayWebhooks
from homing.inbound.target import Poster
from homing.ingest.batches import Batches
from homing.ingress.accept import Handover
from homing.ingress.notices import Notices
from homing.metrics.alerts import Alerts
from homing.queue.tell import tell
from homing.recipients.importer import Importer
from homing.simulator.dns import DnsServer, Zones
from homing.spool.css import Inliner
from homing.support.cases.calls import Calls
from homing.support.cases.course import Course
from homing.support.cases.desk import Desk
from homing.support.cases.endings import Endings
from homing.support.clocks.store import LegalClock, ServerClock
from homing.templates.book import SnippetBook
from homing.validation.judge import Judge
from homing.validation.rules.names import Names
from homing.validation.runner import Runner
from homing.webhooks.store import Webhooks
from tests.kit.http import TRACKING_BASE, TRACKING_HOST, HttpDoor, RememberingQueue, http_door, make_accept

MASTER_KEY = MasterKey(b"k" * 32)
BOUNCE_HOST = "bounce.homing.test"


class ResourceDoor:
    """A door with its DNS zones; `call` answers as httpx does."""

    def __init__(self, door: HttpDoor, zones: Zones, importer: Importer, runner: Runner, tam: Tam) -> None:
        self.tam = tam
        self.door = door
        self.importer = importer
        self.runner = runner
        self.zones = zones
        self.pool = door.pool
        self.account_id = door.account_id
        self.notices = RememberingQueue()  # what the platform itself wrote

    async def call(self, method: str, path: str, *, key: str = "", sub: str | None = None, **body: object) -> httpx.Response:
        """Call /api/v1/<path>; json=... or content=... is the body, `key` another key, `sub` the subaccount header."""
        headers = {"Authorization": key} if key else {}
        if sub is not None:
            headers["X-MSYS-SUBACCOUNT"] = sub
        if "content" in body:
            headers["Content-Type"] = "application/json"
        return await self.door.client.request(method, f"/api/v1/{path}", headers=headers, **body)  # type: ignore[arg-type]

    async def stranger(self) -> str:
        """Return a key of another account that holds every grant."""
        account = await accounts.get_or_create_account(self.pool, "stranger")
        made = await accounts.create_key(self.pool, account_id=account.account_id, label="s", grants=sorted(KEY_GRANTS))
        return made.clear


@asynccontextmanager
async def resource_door(
    pool: db.Pool,
    *,
    handover: Handover | None = None,
    target_ports: tuple[int, ...] = (80, 443),
    notice_from: str = "",
    clock: Clock | None = None,
    certificates: Certificates | None = None,
    legal: LegalClock | None = None,
    sandbox_domain: str = "",
) -> AsyncIterator[ResourceDoor]:
    """Serve everything on loopback.

    notice_from   address that mail of the platform itself comes from
    """
    zones, clock, written = Zones(), clock or SystemClock(), RememberingQueue()
    tracking = TrackingBook(pool, clock, own_base=TRACKING_BASE, own_hosts=frozenset({TRACKING_HOST}))
    notices = Notices(
        pool, make_accept(pool, written, AccountBook(pool, clock)), sender=notice_from, refuse_new=lambda: None, clock=clock
    )
    tam = Tam(
        pool, legal or ServerClock(), notices, address=notice_from, token=partial(MASTER_KEY.token, purpose="threads", size=16)
    )
    http = OutboundHttp(TargetPolicy(allow_private=len(target_ports) == 1, ports=target_ports))
    made: list[ResourceDoor] = []
    folder = Path(tempfile.mkdtemp(prefix="homing-imports-"))
    importer = Importer(pool, clock, folder, "tester")
    inliner = Inliner()
    async with contextlib.AsyncExitStack() as ending, DnsServer(zones, listen_on=HostPort("127.0.0.1", 0)) as dns:
        ending.callback(inliner.close)
        legal = ServerClock()
        cases = Desk(pool, legal)
        line_settings = Settings(data=folder, sev1_url="https://line.homing.test")
        line = Line(line_settings, pool, clock, MASTER_KEY, mail=notices, calls=Calls(cases, legal))
        settings = Settings(dns=HostPort(dns.where.host, dns.where.port), allow_private_mx=True)
        resolver = resolver_of(settings, clock)
        judge = Judge(pool, DnsDomains(resolver), Names.from_package())
        runner = Runner(pool, clock, judge, "tester")

        oversight = Oversight(
            line_settings,
            pool,
            clock,
            MASTER_KEY,
            mail=notices,
            line=line,
            desk=cases,
            address="",
            legal=legal,
        )

        def more(bodies: Bodies) -> list[HTTPRouteHandler]:
            lookup = DomainDns(dns.where, patience_s=0.5)
            return [
                *api_keys.routes(pool=pool, bodies=bodies, clock=clock, forget=lambda: None),
                *account.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    forget=lambda: door.authenticator.forget(),
                    sandbox=bool(sandbox_domain),
                ),
                *subaccounts.routes(
                    pool=pool,
                    bodies=bodies,
                    pools=PoolBook(pool, source_ips=(), hostname="mx.homing.test"),
                    forget=lambda: door.authenticator.forget(),
                ),
                *suppression_imports.routes(
                    pool=pool, bodies=bodies, clock=clock, importer=importer, refuse_new=lambda: made[0].door.refuse
                ),
                *suppression_list.routes(pool=pool, bodies=bodies),
                *inbound_domains.routes(pool=pool, bodies=bodies, own_domains=frozenset({BOUNCE_HOST}), forget=lambda: None),
                *relay_webhooks.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    webhooks=RelayWebhooks(pool, MASTER_KEY),
                    http=http,
                    poster=Poster(http, clock),
                    forget=lambda: None,
                ),
                *support_routes(pool, bodies),
                *line.routes(bodies),
                *oversight.telephony(bodies),
                *support_oversight.routes(bodies=bodies, overseers=oversight.overseers, escalations=oversight.escalations),
                *support_threads.routes(
                    bodies=bodies,
                    overseers=oversight.overseers,
                    threads=oversight.threads,
                    gate=oversight.gate,
                    recordings=oversight.recordings,
                ),
                *alerts.routes(alerts=Alerts(pool, MASTER_KEY), http=http, bodies=bodies, mail=True),
                *recipient_validation.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    judge=judge,
                    runner=runner,
                    refuse_new=lambda: made[0].door.refuse,
                ),
                *ab_tests.routes(pool=pool, bodies=bodies, clock=clock, tell=tell, forget=lambda: None),
                *data_privacy.routes(pool=pool, bodies=bodies, clock=clock, news=lambda: None),
                *ingest.routes(pool=pool, bodies=bodies, clock=clock, batches=Batches(pool), refuse_new=lambda: None),
                *availability.routes(pool=pool, bodies=bodies, clock=clock, master_key=MASTER_KEY, target=Decimal("99.99")),
                *availability_exclusions.routes(pool=pool, bodies=bodies, clock=clock),
                *seeds.routes(),
                *support_oncall.routes(pool=pool, clock=clock, answer=line.answering.answer),
                *support_contract.routes(pool=pool, bodies=bodies, clock=clock, master_key=MASTER_KEY),
                *support_contacts.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    master_key=MASTER_KEY,
                    notices=notices,
                    codes=line.codes,
                    hostname="mx.homing.test",
                ),
                *support_clocks.routes(pool=pool),
                *support_staff.routes(pool=pool, bodies=bodies, clock=clock),
                *support_hours.routes(pool=pool, bodies=bodies, clock=clock),
                *support_tam.routes(office=tam.office, bodies=bodies),
                *support_trends.routes(office=tam.office, bodies=bodies),
                *metrics.routes(pool=pool, clock=clock, classes=Classifier.from_package().classes),
                *recipient_lists.routes(pool=pool, bodies=bodies, clock=clock),
                *scheduled.routes(pool=pool, clock=clock, news=lambda: None),
                *templates.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    snippets=SnippetBook(pool, clock),
                    inline=inliner,
                    forget=lambda: door.templates.forget(),
                    sandbox_domain=sandbox_domain,
                ),
                *ip_pools.routes(pool=pool, bodies=bodies, forget=lambda: None),
                *sending_ips.routes(pool=pool, bodies=bodies, clock=clock, forget=lambda: None),
                *snippets.routes(pool=pool, bodies=bodies, forget=lambda: None),
                *webhooks.routes(
                    webhooks=Webhooks(pool, MASTER_KEY),
                    http=http,
                    bodies=bodies,
                    clock=clock,
                ),
                *sending_domains.routes(
                    pool=pool,
                    bodies=bodies,
                    clock=clock,
                    master_key=MASTER_KEY,
                    lookup=lookup,
                    bounce_hosts=frozenset({BOUNCE_HOST}),
                    notices=notices,
                    hostname="mx.homing.test",
                    forget=lambda: door.domains.forget(),
                ),
                *dkim_keys.routes(
                    pool=pool, bodies=bodies, clock=clock, master_key=MASTER_KEY, lookup=lookup, forget=lambda: None
                ),
                *tracking_domains.routes(
                    pool=pool,
                    bodies=bodies,
                    lookup=lookup,
                    book=tracking,
                    certificates=certificates or Certificates(None),
                    clock=clock,
                    hosts=frozenset({TRACKING_HOST}),
                    forget=tracking.forget,
                ),
            ]

        async with http_door(pool, more_routes=more, handover=handover, sandbox_domain=sandbox_domain) as door:
            made.append(ResourceDoor(door, zones, importer, runner, tam))
            made[0].notices = written
            yield made[0]
        await resolver.close()
    shutil.rmtree(folder, ignore_errors=True)


def support_routes(pool: db.Pool, bodies: Bodies, legal: LegalClock | None = None) -> list[HTTPRouteHandler]:
    """Return the routes of Support Cases."""
    clock = legal or ServerClock()
    desk = Desk(pool, clock)
    office = Office(pool=pool, legal=clock, desk=desk, course=Course(desk), endings=Endings(desk))
    return [
        *support_cases.routes(office=office, bodies=bodies),
        *support_case_steps.routes(office=office, bodies=bodies),
        *support_quarantine.routes(office=office, bodies=bodies),
        *support_promises.routes(office=office),
        *support_updates.routes(office=office, bodies=bodies),
    ]
