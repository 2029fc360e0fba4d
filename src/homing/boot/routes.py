"""The routes of every resource, wired."""

from decimal import Decimal
from typing import TYPE_CHECKING

from litestar.handlers import HTTPRouteHandler

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
    support_clocks,
    support_contacts,
    support_contract,
    support_hours,
    support_oncall,
    support_oversight,
    support_staff,
    support_tam,
    support_threads,
    support_trends,
    suppression_imports,
    suppression_list,
    templates,
    tracking_domains,
    webhooks,
)
from homing.boot.names import tracking_hosts
from homing.boot.services import bounce_hosts
from homing.domains.verify import DomainDns
from homing.ground import db
from homing.ground.clock import Clock
from homing.ground.config import Settings
from homing.ground.secrets import MasterKey
from homing.ingest.batches import Batches
from homing.queue.tell import tell

if TYPE_CHECKING:
    from homing.boot.worker import Worker


def resources(
    worker: "Worker", bodies: Bodies, *, settings: Settings, pool: db.Pool, clock: Clock, master_key: MasterKey
) -> list[HTTPRouteHandler]:
    """Return the handlers of the resources of a worker."""
    lookup = DomainDns(settings.dns)
    return [
        *api_keys.routes(pool=pool, bodies=bodies, clock=clock, forget=worker.authenticator.forget),
        *account.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            forget=worker.authenticator.forget,
            sandbox=bool(settings.sandbox_domain),
        ),
        *subaccounts.routes(pool=pool, bodies=bodies, pools=worker.pools, forget=worker.authenticator.forget),
        *sending_domains.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            master_key=master_key,
            lookup=lookup,
            bounce_hosts=bounce_hosts(settings),
            notices=worker.notices,
            hostname=settings.hostname,
            forget=worker.forget_domains,
        ),
        *dkim_keys.routes(
            pool=pool, bodies=bodies, clock=clock, master_key=master_key, lookup=lookup, forget=worker.forget_domains
        ),
        *tracking_domains.routes(
            pool=pool,
            bodies=bodies,
            lookup=lookup,
            book=worker.tracking,
            certificates=worker.services.certificates,
            clock=clock,
            hosts=tracking_hosts(settings),
            forget=worker.forget_domains,
        ),
        *suppression_imports.routes(
            pool=pool, bodies=bodies, clock=clock, importer=worker.services.importer, refuse_new=worker.refuse_new
        ),
        *suppression_list.routes(pool=pool, bodies=bodies),
        *recipient_validation.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            judge=worker.services.judge,
            runner=worker.services.validation,
            refuse_new=worker.refuse_new,
        ),
        *recipient_lists.routes(pool=pool, bodies=bodies, clock=clock),
        *scheduled.routes(pool=pool, clock=clock, news=worker.owner.look_into_inbox),
        *templates.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            snippets=worker.snippets,
            inline=worker.preview_inliner,
            forget=worker.templates.forget,
            sandbox_domain=settings.sandbox_domain.lower(),
        ),
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
        *alerts.routes(alerts=worker.services.alerts, http=worker.services.http, bodies=bodies, mail=worker.notices.is_offered),
        *ip_pools.routes(pool=pool, bodies=bodies, forget=worker.pools.forget),
        *sending_ips.routes(pool=pool, bodies=bodies, clock=clock, forget=worker.pools.forget),
        *ab_tests.routes(pool=pool, bodies=bodies, clock=clock, tell=tell, forget=worker.ab_tests.forget),
        *data_privacy.routes(pool=pool, bodies=bodies, clock=clock, news=worker.services.clerk.news),
        *support_oncall.routes(pool=pool, clock=clock, answer=worker.line.answering.answer),
        *support_contract.routes(pool=pool, bodies=bodies, clock=clock, master_key=master_key),
        *support_contacts.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            master_key=master_key,
            notices=worker.notices,
            codes=worker.line.codes,
            hostname=settings.hostname,
        ),
        *support_clocks.routes(pool=pool),
        *support_staff.routes(pool=pool, bodies=bodies, clock=clock),
        *support_hours.routes(pool=pool, bodies=bodies, clock=clock),
        *support_tam.routes(office=worker.support.tam.office, bodies=bodies),
        *support_trends.routes(office=worker.support.tam.office, bodies=bodies),
        *ingest.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            batches=Batches(pool, news=worker.owner.look_into_inbox),
            refuse_new=worker.refuse_new,
        ),
        *seeds.routes(),
        *metrics.routes(pool=pool, clock=clock, classes=worker.classifier.classes),
        *worker.line.routes(bodies),
        *worker.oversight.telephony(bodies),
        *support_oversight.routes(bodies=bodies, overseers=worker.oversight.overseers, escalations=worker.oversight.escalations),
        *support_threads.routes(
            bodies=bodies,
            overseers=worker.oversight.overseers,
            threads=worker.oversight.threads,
            gate=worker.oversight.gate,
            recordings=worker.oversight.recordings,
        ),
        *availability.routes(
            pool=pool,
            bodies=bodies,
            clock=clock,
            master_key=master_key,
            target=Decimal(str(settings.availability_target)),
        ),
        *availability_exclusions.routes(pool=pool, bodies=bodies, clock=clock),
        *webhooks.routes(webhooks=worker.services.webhooks, http=worker.services.http, bodies=bodies, clock=clock),
        *worker.support.routes(pool, bodies),
    ]
