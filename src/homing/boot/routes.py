"""The routes of every resource, wired."""

from decimal import Decimal
from typing import TYPE_CHECKING

from litestar.handlers import HTTPRouteHandler

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
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey

if TYPE_CHECKING:
    from homing.boot.worker import Worker


def resources(
    worker: "Worker", bodies: Bodies, *, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey
) -> list[HTTPRouteHandler]:
    """Return the handlers of the resources of a worker."""
    return [
        *api_keys.routes(pool=pool, bodies=bodies, clock=clock, forget=worker.authenticator.forget),
        *sending_domains.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            master_key=master_key,
            lookup=DomainDns(settings.dns),
            bounce_hosts=frozenset({settings.bounce_domain.lower(), settings.hostname.lower()}),
            forget=worker.forget_domains,
        ),
        *suppression_list.routes(pool=pool, bodies=bodies),
        *recipient_lists.routes(pool=pool, bodies=bodies, clock=clock),
        *scheduled.routes(pool=pool, clock=clock, news=worker.owner.look_into_inbox),
        *templates.routes(pool=pool, bodies=bodies, clock=clock, snippets=worker.snippets, forget=worker.templates.forget),
        *snippets.routes(pool=pool, bodies=bodies, forget=worker.snippets.forget),
        *inbound_domains.routes(
            pool=pool,
            bodies=bodies,
            own_domains=frozenset({settings.bounce_domain.lower(), settings.hostname.lower()}),
            forget=worker.relays.forget,
        ),
        *relay_webhooks.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            webhooks=worker.relay_webhooks,
            http=worker.services.http,
            poster=worker.poster,
            forget=worker.relays.forget,
        ),
        *metrics.routes(pool=pool, clock=clock, classes=worker.classifier.classes),
        *availability.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            master_key=master_key,
            target=Decimal(str(settings.availability_target)),
        ),
        *webhooks.routes(webhooks=worker.services.webhooks, http=worker.services.http, bodies=bodies, clock=clock),
    ]
