"""The HTTP door with the resources of accounts, domains and recipients, and a small DNS that a test may change."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
from litestar.handlers import HTTPRouteHandler

from homing.accounts import store as accounts
from homing.accounts.grants import KEY_GRANTS
from homing.api.bodies import Bodies
from homing.api.v1 import (
    api_keys,
    availability,
    inbound_domains,
    metrics,
    recipient_lists,
    relay_webhooks,
    scheduled,
    sending_domains,
    snippets,
    suppression_list,
    templates,
    webhooks,
)
from homing.domains.verify import DomainDns
from homing.events.rules.classify import Classifier
from homing.ground import db
from homing.ground.clock import Clock, SystemClock
from homing.ground.config import HostPort
from homing.ground.http import OutboundHttp, TargetPolicy
from homing.ground.secrets import MasterKey
from homing.inbound.store import RelayWebhooks
from homing.inbound.target import Poster
from homing.ingress.accept import Handover
from homing.simulator.dns import DnsServer, Zones
from homing.templates.book import SnippetBook
from homing.webhooks.store import Webhooks
from tests.kit.http import HttpDoor, http_door

MASTER_KEY = MasterKey(b"k" * 32)
BOUNCE_HOST = "bounce.homing.test"


class ResourceDoor:
    """A door with its DNS zones; `call` answers as httpx does."""

    def __init__(self, door: HttpDoor, zones: Zones) -> None:
        self.door = door
        self.zones = zones
        self.pool = door.pool
        self.account_id = door.account_id

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
    clock: Clock | None = None,
) -> AsyncIterator[ResourceDoor]:
    """Serve everything on loopback."""
    zones, clock = Zones(), clock or SystemClock()
    http = OutboundHttp(TargetPolicy(allow_private=len(target_ports) == 1, ports=target_ports))
    async with DnsServer(zones, listen_on=HostPort("127.0.0.1", 0)) as dns:

        def more(bodies: Bodies) -> list[HTTPRouteHandler]:
            return [
                *api_keys.routes(pool=pool, bodies=bodies, clock=clock, forget=lambda: None),
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
                *availability.routes(pool=pool, bodies=bodies, clock=clock, master_key=MASTER_KEY, target=Decimal("99.99")),
                *metrics.routes(pool=pool, clock=clock, classes=Classifier.from_package().classes),
                *recipient_lists.routes(pool=pool, bodies=bodies, clock=clock),
                *scheduled.routes(pool=pool, clock=clock, news=lambda: None),
                *templates.routes(pool=pool, bodies=bodies, clock=clock, snippets=SnippetBook(pool, clock), forget=lambda: None),
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
                    lookup=DomainDns(dns.where, patience_s=0.5),
                    bounce_hosts=frozenset({BOUNCE_HOST}),
                    forget=lambda: None,
                ),
            ]

        async with http_door(pool, more_routes=more, handover=handover) as door:
            yield ResourceDoor(door, zones)
