"""Nobody reads, changes or infers what belongs to another tenant: every route is walked, as the OpenAPI document lists them.

Three intruders try each route on what belongs to subaccount B and to the primary account: a key of subaccount A, a primary key
that acts as A, and a key of another account. They get what they would get for something that does not exist, find no trace
of it in any list, and leave every row as it was. A new route must be added to WALK (or to OPEN, if it needs no key).
"""

import gzip
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest

from homing.accounts import store as accounts
from homing.accounts.grants import KEY_GRANTS, SUBACCOUNT_KEY_GRANTS
from homing.api.v1.support_contract_wire import OrderFormIn, order_form_in
from homing.contracts import store as contracts
from homing.egress import store as egress
from homing.egress.types import SendingIp
from homing.events import store as events
from homing.events.types import EventType
from homing.ground import db, ids
from homing.support.tam import notes
from homing.support.tam.desk import Taken
from homing.support.tam.rules import states
from homing.support.tam.rules.states import Decision
from homing.support.tam.types import Record, RecordKind
from tests.house.test_documents import routes as documented_routes
from tests.kit.cases import TAM as STAFF
from tests.kit.resources import ResourceDoor, resource_door
from tests.kit.tam import AGENDA, RAMP, TASKS
from tests.kit.target import Target, target
from tests.store.test_events import append
from tests.store.test_metrics_store import follow
from tests.wire.test_api_ingest import NDJSON

A, B = 7, 8
NOW = datetime.now(UTC)
CONTENT = {"from": "news@{own}", "subject": "s", "text": "t"}
TO = [{"address": "somebody@there.test"}]
HOOK = {"name": "n", "target": "{target}", "events": ["delivery"]}


AB_TEST = {
    "name": "n",
    "default_template": {"template_id": "{template}", "percent": 60},
    "variants": [{"template_id": "{template}-b", "percent": 40}],
    "metric": "count_unique_clicked",
    "audience_selection": "percent",
    "test_mode": "learning",
    "start_time": f"{NOW + timedelta(days=3):%Y-%m-%dT%H:%M:%S+00:00}",
}
ALERT = {
    "name": "{template}",
    "metric": "hard_bounce_rate",
    "muted": False,
    "filters": [],
    "threshold_evaluator": {"operator": "gt", "source": "raw", "value": 5},
    "channels": {"webhook": {"target": "{target}"}},
}


class Way(NamedTuple):
    """What an intruder tries on a route. Words in braces stand for a thing of the victim's, or for one that does not exist.

    thing      what the path names; '': it names nothing
    bodies     each is tried
    queries    each is tried
    is_global  names are unique in the whole house, so that one is taken is told: in the same way for everybody's
    """

    thing: str = ""
    bodies: tuple[Any, ...] = (None,)
    queries: tuple[str, ...] = ("",)
    is_global: bool = False


WALK: dict[str, Way] = {
    # Before what makes templates: the intruder has none of these names yet.
    "POST /api/v1/ab-test": Way(bodies=({**AB_TEST, "id": "{ab_test}"},)),
    "POST /api/v1/ab-test/{test_id}/cancel": Way("ab_test", bodies=({},)),
    "POST /api/v1/ab-test/draft": Way(bodies=({**AB_TEST, "id": "{draft}"},)),
    "POST /api/v1/ab-test/draft/{test_id}/schedule": Way("draft", bodies=(AB_TEST,)),
    "POST /api/v1/transmissions": Way(
        bodies=(
            {"recipients": TO, "content": {**CONTENT, "from": "news@{domain}"}},
            {"recipients": TO, "content": CONTENT, "return_path": "b@{domain}"},
            {"recipients": TO, "content": {"template_id": "{template}"}},
            {"recipients": {"list_id": "{list}"}, "content": CONTENT},
            {"recipients": TO, "content": CONTENT, "campaign_id": "{campaign}"},
            {"recipients": [{"address": "{recipient}"}], "content": CONTENT},
        )
    ),
    "GET /api/v1/transmissions": Way(queries=("", "campaign_id={campaign}", "template_id={template}")),
    "GET /api/v1/transmissions/{transmission_id}": Way("transmission"),
    "DELETE /api/v1/transmissions": Way(queries=("campaign_id={campaign}",)),
    "DELETE /api/v1/transmissions/{transmission_id}": Way("transmission"),
    "POST /api/v1/recipient-lists": Way(bodies=({"id": "{list}", "recipients": TO},)),
    "GET /api/v1/recipient-lists": Way(),
    "PUT /api/v1/recipient-lists": Way(bodies=({"id": "{list}"},)),
    "DELETE /api/v1/recipient-lists": Way(),
    "GET /api/v1/recipient-lists/{list_id}": Way("list", queries=("", "show_recipients=true")),
    "PUT /api/v1/recipient-lists/{list_id}": Way("list", bodies=({"name": "x"}, {"recipients": TO})),
    "DELETE /api/v1/recipient-lists/{list_id}": Way("list"),
    "GET /api/v1/events/message": Way(
        queries=(
            "",
            "recipients={recipient}",
            "campaigns={campaign}",
            "messages={message}",
            "transmissions={sent}",
            "subaccounts={subaccount}",
            "subaccounts=0,7,8",
        )
    ),
    "POST /api/v1/templates": Way(bodies=({"id": "{template}", "content": {**CONTENT, "from": "news@acme.test"}},)),
    "GET /api/v1/templates": Way(queries=("", "draft=true", "draft=false", "shared_with_subaccounts=true")),
    "GET /api/v1/templates/{template_id}": Way("template", queries=("", "draft=true", "draft=false", "version=1")),
    "GET /api/v1/templates/{template_id}/versions": Way("template"),
    "PUT /api/v1/templates/{template_id}": Way("template", bodies=({"published": True}, {"name": "x"}, {"content": CONTENT})),
    "DELETE /api/v1/templates/{template_id}": Way("template"),
    "POST /api/v1/templates/{template_id}/preview": Way("template", bodies=({"substitution_data": {}},)),
    "POST /api/v1/utils/content-previewer": Way(
        bodies=({"content": {**CONTENT, "text": '{{ render_snippet("{snippet}") }}'}, "substitution_data": {}},)
    ),
    "POST /api/labs/snippets": Way(bodies=({"id": "{snippet}", "content": {"text": "own"}},)),
    "GET /api/labs/snippets": Way(queries=("", "shared_with_subaccounts=true", "shared_with_subaccounts=false")),
    "GET /api/labs/snippets/{snippet_id}": Way("snippet"),
    "PUT /api/labs/snippets/{snippet_id}": Way("snippet", bodies=({"name": "x"},)),
    "DELETE /api/labs/snippets/{snippet_id}": Way("snippet"),
    "POST /api/v1/inbound-domains": Way(bodies=({"domain": "{inbound}"},), is_global=True),
    "GET /api/v1/inbound-domains": Way(),
    "GET /api/v1/inbound-domains/{domain}": Way("inbound"),
    "DELETE /api/v1/inbound-domains/{domain}": Way("inbound"),
    "POST /api/v1/relay-webhooks": Way(bodies=({"target": "{target}", "match": {"domain": "{inbound}"}},)),
    "GET /api/v1/relay-webhooks": Way(),
    "GET /api/v1/relay-webhooks/{webhook_id}": Way("relay"),
    "PUT /api/v1/relay-webhooks/{webhook_id}": Way("relay", bodies=({"name": "x"}, {})),
    "DELETE /api/v1/relay-webhooks/{webhook_id}": Way("relay"),
    "POST /api/v1/relay-webhooks/{webhook_id}/validate": Way("relay", bodies=({},)),
    "POST /api/v1/webhooks": Way(bodies=({**HOOK, "name": "{template}"},)),
    "GET /api/v1/webhooks": Way(queries=("", "timezone=Europe/Oslo")),
    "GET /api/v1/webhooks/{webhook_id}": Way("webhook"),
    "PUT /api/v1/webhooks/{webhook_id}": Way("webhook", bodies=({"name": "x"}, {"subaccount_id": A})),
    "DELETE /api/v1/webhooks/{webhook_id}": Way("webhook"),
    "POST /api/v1/webhooks/{webhook_id}/validate": Way("webhook", bodies=([{"msys": {}}],)),
    "GET /api/v1/webhooks/{webhook_id}/batch-status": Way("webhook"),
    "GET /api/v1/webhooks/{webhook_id}/signing-secret": Way("webhook"),
    "POST /api/v1/webhooks/{webhook_id}/replay": Way("webhook", bodies=({"from": "2026-01-01T00:00:00Z"},)),
    "POST /api/v1/sending-domains": Way(bodies=({"domain": "{domain}", "dkim_key_length": 1024},), is_global=True),
    "GET /api/v1/sending-domains": Way(queries=("", "ownership_verified=true", "ownership_verified=false")),
    "GET /api/v1/sending-domains/{domain}": Way("domain"),
    "PUT /api/v1/sending-domains/{domain}": Way("domain", bodies=({"is_default_bounce_domain": False},)),
    "DELETE /api/v1/sending-domains/{domain}": Way("domain"),
    "POST /api/v1/sending-domains/{domain}/verify": Way("domain", bodies=({"dkim_verify": True},)),
    "POST /api/v1/sending-domains/{domain}/dkim-keys": Way("domain", bodies=({"id": "own"},)),
    "GET /api/v1/sending-domains/{domain}/dkim-keys": Way("domain"),
    "GET /api/v1/sending-domains/{domain}/dkim-keys/{key_id}": Way("domain"),
    "PUT /api/v1/sending-domains/{domain}/dkim-keys/{key_id}": Way("domain", bodies=({"is_default": True}, {"selector": "s"})),
    "DELETE /api/v1/sending-domains/{domain}/dkim-keys/{key_id}": Way("domain"),
    "POST /api/v1/sending-domains/{domain}/dkim-keys/{key_id}/verify": Way("domain", bodies=({},)),
    "POST /api/v1/tracking-domains": Way(bodies=({"domain": "{tracking}"},), is_global=True),
    "GET /api/v1/tracking-domains": Way(queries=("", "default=true")),
    "GET /api/v1/tracking-domains/{domain}": Way("tracking"),
    "PUT /api/v1/tracking-domains/{domain}": Way("tracking", bodies=({"secure": True}, {"default": True})),
    "DELETE /api/v1/tracking-domains/{domain}": Way("tracking"),
    "POST /api/v1/tracking-domains/{domain}/verify": Way("tracking", bodies=({},)),
    "POST /api/v1/suppression-list/import": Way(bodies=({},)),
    "GET /api/v1/suppression-list-imports": Way(),
    "GET /api/v1/suppression-list-imports/{import_id}": Way("import"),
    "GET /api/v1/suppression-list/export": Way(queries=("", "domain={domain}")),
    "GET /api/v1/recipient-validation/single/{address}": Way("recipient"),
    "POST /api/v1/recipient-validation/upload": Way(bodies=({},)),
    "GET /api/v1/recipient-validation/list": Way(),
    "POST /api/v1/recipient-validation/trigger/{list_id}": Way("validated"),
    "GET /api/v1/recipient-validation/job/{list_id}": Way("validated"),
    "GET /api/v1/recipient-validation/job/{list_id}/results": Way("validated"),
    "GET /api/v1/message-events": Way(queries=("", "recipients={recipient}", "campaign_ids={campaign}", "message_ids={message}")),
    "POST /api/v1/ingest/events": Way(bodies=({},)),
    "GET /api/v1/ingest/events/{batch_id}": Way("batch"),
    "GET /api/v1/ingest/events/failures/{batch_id}": Way("batch"),
    "GET /api/v1/events/ingest": Way(queries=("", "batch_ids={batch}")),
    "POST /api/v1/data-privacy/rtbf-request": Way(bodies=({"recipients": ["{recipient}"], "include_subaccounts": False},)),
    "POST /api/v1/data-privacy/opt-out-request": Way(bodies=({"recipients": ["{recipient}"], "include_subaccounts": False},)),
    "GET /api/v1/ab-test": Way(queries=("", "status=scheduled")),
    "GET /api/v1/ab-test/{test_id}": Way("ab_test", queries=("", "version=1")),
    "PUT /api/v1/ab-test/{test_id}": Way("ab_test", bodies=(AB_TEST,)),
    "DELETE /api/v1/ab-test/{test_id}": Way("ab_test"),
    "GET /api/v1/ab-test/draft/{test_id}": Way("draft"),
    "PUT /api/v1/ab-test/draft/{test_id}": Way("draft", bodies=(AB_TEST,)),
    "DELETE /api/v1/ab-test/draft/{test_id}": Way("draft"),
    "POST /api/v1/ip-pools": Way(bodies=({"name": "{pool}"},)),
    "GET /api/v1/ip-pools": Way(),
    "GET /api/v1/ip-pools/{pool_id}": Way("pool"),
    "PUT /api/v1/ip-pools/{pool_id}": Way("pool", bodies=({"name": "x"},)),
    "DELETE /api/v1/ip-pools/{pool_id}": Way("pool"),
    "GET /api/v1/sending-ips": Way(),
    "GET /api/v1/sending-ips/{external_ip}": Way("address"),
    "PUT /api/v1/sending-ips/{external_ip}": Way("address", bodies=({"ip_pool": "default"}, {"auto_warmup_enabled": True})),
    "POST /api/v1/support/sev1": Way(bodies=({"description": "{template}", "email": "kim@there.test"},)),
    "GET /api/v1/support/sev1": Way(),
    "GET /api/v1/support/thread": Way(),
    "POST /api/v1/support/thread/messages": Way(bodies=({"text": "{template}"}, {"text": "x", "contact": "kim@there.test"})),
    "GET /api/v1/support/sev1/{reference}": Way("sev1"),
    "GET /api/v1/support/contract": Way(),
    "GET /api/v1/support/contract/order-forms": Way(),
    "GET /api/v1/support/contract/order-forms/{order_form_id}": Way("form"),
    "GET /api/v1/support/contract/tam": Way(),
    "POST /api/v1/support/contract/pin": Way(),
    "GET /api/v1/support/audit": Way(),
    "GET /api/v1/support/contacts": Way(),
    "GET /api/v1/support/contacts/{contact_id}": Way("contact"),
    "PUT /api/v1/support/contacts/{contact_id}": Way("contact", bodies=({"name": "x"},)),
    "DELETE /api/v1/support/contacts/{contact_id}": Way("contact"),
    "POST /api/v1/support/contacts/{contact_id}/email-verification": Way("contact"),
    "PUT /api/v1/support/contacts/{contact_id}/email-verification": Way("contact", bodies=({"code": "x"},)),
    "POST /api/v1/support/contacts/{contact_id}/phone-verification": Way("contact", bodies=({"number": "+12025550123"},)),
    "PUT /api/v1/support/contacts/{contact_id}/phone-verification": Way(
        "contact", bodies=({"number": "+12025550123", "code": "123456"},)
    ),
    "GET /api/v1/support/hours": Way(),
    "GET /api/v1/support/hours/due": Way(queries=("duration=1h",)),
    "GET /api/v1/support/hours/explain": Way(queries=("duration=1h",)),
    "GET /api/v1/support/hours/holidays": Way(),
    "GET /api/v1/support/hours/versions": Way(),
    "GET /api/v1/support/onboarding-plans": Way(queries=("", "state=draft", "before=9999999")),
    "GET /api/v1/support/onboarding-plans/{number}": Way("onboarding"),
    "GET /api/v1/support/onboarding-plans/{number}/events": Way("onboarding"),
    "PUT /api/v1/support/onboarding-plans/{number}": Way("onboarding", bodies=({"tasks": [{"title": "x"}]},)),
    "POST /api/v1/support/onboarding-plans/{number}/agreement": Way("onboarding", bodies=({"version": 1},)),
    "POST /api/v1/support/onboarding-plans/{number}/objection": Way("onboarding", bodies=({"version": 1, "reason": "x"},)),
    "POST /api/v1/support/onboarding-plans/{number}/done": Way("onboarding", bodies=({"number": 1},)),
    "POST /api/v1/support/onboarding-plans/{number}/scope/acknowledgement": Way("onboarding", bodies=({"number": 1},)),
    "GET /api/v1/support/migration-plans": Way(),
    "GET /api/v1/support/migration-plans/{number}": Way("migration"),
    "GET /api/v1/support/migration-plans/{number}/events": Way("migration"),
    "PUT /api/v1/support/migration-plans/{number}": Way(
        "migration", bodies=({"stages": [{"starts_on": "2026-06-01", "per_day": 1}]},)
    ),
    "POST /api/v1/support/migration-plans/{number}/agreement": Way("migration", bodies=({"version": 1},)),
    "POST /api/v1/support/migration-plans/{number}/objection": Way("migration", bodies=({"version": 1, "reason": "x"},)),
    "GET /api/v1/support/planning-reviews": Way(),
    "GET /api/v1/support/planning-reviews/{number}": Way("review"),
    "GET /api/v1/support/planning-reviews/{number}/events": Way("review"),
    "GET /api/v1/support/planning-reviews/{number}/documents": Way("review"),
    "GET /api/v1/support/planning-reviews/{number}/documents/{document}": Way("review"),
    "GET /api/v1/support/planning-reviews/{number}/documents/{document}/text": Way("review"),
    "POST /api/v1/support/planning-reviews/{number}/topics": Way("review", bodies=({"text": "x"},)),
    "POST /api/v1/support/planning-reviews/{number}/done": Way("review", bodies=({"number": 1},)),
    "GET /api/v1/support/recommendations": Way(),
    "GET /api/v1/support/recommendations/{number}": Way("advice"),
    "GET /api/v1/support/recommendations/{number}/events": Way("advice"),
    "GET /api/v1/support/recommendations/{number}/checks": Way("advice"),
    "POST /api/v1/support/recommendations/{number}/checks": Way("advice"),
    "POST /api/v1/support/recommendations/{number}/acknowledge": Way("advice", bodies=({},)),
    "POST /api/v1/support/recommendations/{number}/decline": Way("advice", bodies=({"reason": "x"},)),
    "GET /api/v1/support/education-items": Way(),
    "GET /api/v1/support/education-items/{number}": Way("lesson"),
    "GET /api/v1/support/education-items/{number}/events": Way("lesson"),
    "POST /api/v1/support/education-items/{number}/acknowledge": Way("lesson", bodies=({},)),
    "GET /api/v1/support/trend-notes": Way(),
    "GET /api/v1/support/trend-notes/{number}": Way("note"),
    "GET /api/v1/availability": Way(),
    "GET /api/v1/availability/months/{month}": Way("month"),
    "GET /api/v1/availability/seconds": Way(),
    "GET /api/v1/availability/days/{day}": Way("day"),
    "POST /api/v1/availability/witnesses": Way(bodies=({"name": "{template}"},)),
    "GET /api/v1/availability/witnesses": Way(),
    "DELETE /api/v1/availability/witnesses/{witness_id}": Way("witness"),
    "POST /api/v1/availability/evidence": Way(bodies=({"reports": []},)),
    "GET /api/v1/availability/evidence": Way(),
    "GET /api/v1/seeds": Way(),
    "GET /api/v1/inline-seeds/config": Way(),
    "GET /api/v1/inline-seeds/status": Way(),
    "GET /api/v1/alerts": Way(),
    "POST /api/v1/alerts": Way(bodies=(ALERT,)),
    "GET /api/v1/alerts/{alert_id}": Way("alert"),
    "PUT /api/v1/alerts/{alert_id}": Way("alert", bodies=({"muted": True},)),
    "DELETE /api/v1/alerts/{alert_id}": Way("alert"),
    "GET /api/v1/alerts/{alert_id}/incidents": Way("alert"),
    "GET /api/v1/suppression-list": Way(queries=("", "domain={domain}", "description={campaign}", "cursor=initial&per_page=1")),
    "GET /api/v1/suppression-list/summary": Way(),
    "PUT /api/v1/suppression-list": Way(bodies=({"recipients": [{"recipient": "{recipient}", "type": "transactional"}]},)),
    "GET /api/v1/suppression-list/{recipient}": Way("recipient"),
    "PUT /api/v1/suppression-list/{recipient}": Way(
        "recipient", bodies=({"type": "transactional"}, {"type": "non_transactional"})
    ),
    "DELETE /api/v1/suppression-list/{recipient}": Way("recipient", bodies=(None, {"type": "non_transactional"})),
    "GET /api/v1/api-keys": Way(queries=("", "grant=smtp/inject")),
    "POST /api/v1/api-keys": Way(bodies=({"label": "{template}", "grants": ["smtp/inject"]},)),
    "GET /api/v1/api-keys/{key_id}": Way("key"),
    "PUT /api/v1/api-keys/{key_id}": Way("key", bodies=({"label": "x"},)),
    "DELETE /api/v1/api-keys/{key_id}": Way("key"),
    "GET /api/v1/authenticate/grants": Way(),
    "GET /api/v1/subaccounts": Way(queries=("", "ids={subaccount}", "name={template}", "sort_by=id")),
    "POST /api/v1/subaccounts": Way(bodies=({"name": "{template}", "setup_api_key": False},)),
    "GET /api/v1/subaccounts/summary": Way(),
    "GET /api/v1/subaccounts/{subaccount_id}": Way("subaccount"),
    "PUT /api/v1/subaccounts/{subaccount_id}": Way("subaccount", bodies=({"status": "suspended"},)),
    "GET /api/v1/account": Way(queries=("", "include=usage")),
    "PUT /api/v1/account": Way(bodies=({"company_name": "{template}"},)),
    "GET /api/v1/usage": Way(),
    "GET /api/v1/usage/history": Way(),
    "GET /api/v1/support/cases": Way(queries=("", "state=new", "before=9999999")),
    "POST /api/v1/support/cases": Way(bodies=({"subject": "s", "text": "x y z"},)),
    # after cases: one is opened in the name of whoever is the first contact
    "POST /api/v1/support/contacts": Way(bodies=({"name": "Kim", "email": "{contact_address}"},)),
    "GET /api/v1/support/cases/{number}": Way("case"),
    "GET /api/v1/support/cases/{number}/messages": Way("case"),
    "POST /api/v1/support/cases/{number}/messages": Way("case", bodies=({"text": "x y z"},)),
    "GET /api/v1/support/cases/{number}/messages/{message}/attachments/{file}": Way("case"),
    "GET /api/v1/support/cases/{number}/events": Way("case"),
    "POST /api/v1/support/cases/{number}/severity": Way("case", bodies=({"severity": "critical"},)),
    "POST /api/v1/support/cases/{number}/cadence": Way("case", bodies=({"interval_s": 600}, {"accept": 1})),
    "POST /api/v1/support/cases/{number}/tam": Way("case", bodies=({"text": "x y z"},)),
    "POST /api/v1/support/cases/{number}/resolution": Way("case", bodies=({"text": "x y z"},)),
    "POST /api/v1/support/cases/{number}/resolution/signature": Way("case", bodies=({"version": 1},)),
    "POST /api/v1/support/cases/{number}/resolution/refusal": Way("case", bodies=({"version": 1},)),
    "POST /api/v1/support/cases/{number}/scope/acknowledgement": Way("case", bodies=({},)),
    "GET /api/v1/support/promises": Way(),
    "POST /api/v1/support/cases/{number}/withdrawal": Way("case", bodies=({},)),
}
PROGRAMME = ("onboarding", "migration", "review", "advice", "lesson", "note")  # of a TAM with his customer
METRICS = Way(queries=("from={hour}", "from={hour}&campaigns={campaign}", "from={hour}&subaccounts=0,7,8"))
OPEN = {
    "GET /api/docs",
    "GET /api/docs/{operation}",
    "GET /api/openapi.json",
    "GET /api/v1/events/message/documentation",
    "GET /api/v1/events/message/samples",
    "GET /api/v1/ingest/events/documentation",
    "GET /api/v1/ingest/events/samples",
    "GET /api/v1/message-events/events/documentation",
    "GET /api/v1/message-events/events/samples",
    "GET /api/v1/webhooks/events/documentation",
    "GET /api/v1/webhooks/events/samples",
    "GET /api/v1/availability/roots",
    "GET /sev1",  # the form of the Severity 1 Line: whoever cannot phone may write
    "POST /sev1",
    "POST /telephony/v1/{carrier}/calls/{step}",  # carriers sign what they ask
    "POST /telephony/v1/{carrier}/attempts/{attempt_id}/{leg}",
    "POST /telephony/v1/{carrier}/tam/{step}",
    "POST /telephony/v1/{carrier}/pages/{page_id}/{leg}",
    "POST /telephony/v1/{carrier}/codes/{code_id}/{leg}",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
}
# What belongs to an account as a whole, or where X-MSYS-SUBACCOUNT is not used (SparkPost reference, section 1.4): a primary
# key that acts as A is still a key of the primary account here.
OF_THE_ACCOUNT = (
    "/api/v1/message-events",
    "/api/v1/alerts",
    "/api/v1/ip-pools",
    "/api/v1/recipient-validation",
    "/api/v1/support",
    "/api/v1/availability",
    "/api/v1/sending-ips",
    "/api/v1/subaccounts",
    "/api/v1/account",
    "/api/v1/usage",
    "/api/v1/metrics",
    "/api/v1/events/message",
    "/api/v1/message-events",
    "/api/v1/events/ingest",
)


def way_of(route: str) -> Way | None:
    return METRICS if route.startswith("GET /api/v1/metrics") else WALK.get(route)


class Tenant(NamedTuple):
    """Somebody who has one of everything. mark is in every name that he chose."""

    mark: str
    account_id: int
    subaccount_id: int
    things: dict[str, str]

    def traces(self) -> list[str]:
        """Return what must not be found in an answer to somebody else."""
        return [self.mark, *(self.things[thing] for thing in ("webhook", "relay", "transmission", "sent", "message"))]


class Intruder(NamedTuple):
    name: str
    headers: dict[str, str]
    own_domain: str


class Town(NamedTuple):
    door: ResourceDoor
    app: Target
    b: Tenant
    primary: Tenant
    elsewhere: Tenant

    @property
    def client(self) -> httpx.AsyncClient:
        return self.door.door.client


@pytest.fixture
async def town(pool):
    await events.ensure_partitions(pool, NOW.date())
    async with target() as app, resource_door(pool, target_ports=(app.port,)) as door:
        third = await accounts.get_or_create_account(pool, "third")
        key = await accounts.create_key(pool, account_id=third.account_id, label="t", grants=sorted(KEY_GRANTS))
        b = await settle(door, app, "kumquat", door.door.key, door.account_id, B)
        primary = await settle(door, app, "quince", door.door.key, door.account_id, 0)
        elsewhere = await settle(door, app, "medlar", key.clear, third.account_id, 0)
        await follow(pool)
        yield Town(door, app, b, primary, elsewhere)


async def programme(door: ResourceDoor, mark: str, account_id: int) -> dict[str, str]:
    """Let the staff work with a tenant; return its records by kind."""
    desk, pool = door.tam.desk, door.pool
    made = {
        "onboarding": await desk.open(account_id, RecordKind.ONBOARDING, mark, STAFF, content=TASKS),
        "migration": await desk.open(account_id, RecordKind.MIGRATION, mark, STAFF, content=RAMP),
        "review": await desk.open(account_id, RecordKind.REVIEW, mark, STAFF, meets_at=NOW + timedelta(days=9), topics=AGENDA),
        "advice": await desk.open(account_id, RecordKind.RECOMMENDATION, mark, STAFF, text=mark),
        "lesson": await desk.open(account_id, RecordKind.EDUCATION, mark, STAFF, text=mark),
    }
    numbers = {kind: one.record_id for kind, one in made.items() if isinstance(one, Record)}

    async def delivered(taken: Taken) -> Decision:
        return states.deliver(taken.record, "in a call")

    await desk.act(numbers["lesson"], STAFF, delivered)
    note = await notes.write(pool, desk.legal, door.tam.figures, STAFF, title=mark, body="x")
    assert isinstance(note, notes.Note)
    await notes.send(pool, desk.legal, door.tam.figures, STAFF, note.note_id, wanted=[account_id], may=None)
    return {kind: str(number) for kind, number in numbers.items()} | {"note": str(note.note_id)}


async def settle(door: ResourceDoor, app: Target, mark: str, key: str, account_id: int, number: int) -> Tenant:
    """Give a tenant one of everything, by the API itself where it can."""
    things = {
        "template": f"{mark}-tpl",
        "snippet": f"{mark}-snip",
        "domain": f"{mark}.test",
        "inbound": f"in.{mark}.test",
        "tracking": f"click.{mark}.test",
        "recipient": f"kim@{mark}.test",
        "campaign": mark,
        "list": f"{mark}-list",
        "ab_test": f"{mark}-test",
        "draft": f"{mark}-draft",
    }

    async def made(method: str, path: str, body: Any) -> Any:
        prefix = "" if path.startswith("/") else "/api/v1/"
        headers = {"Authorization": key, "X-MSYS-SUBACCOUNT": str(number)}
        answer = await door.door.client.request(method, prefix + path, json=body, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json().get("results", {})

    async def uploaded(path: str, text: str | bytes, **more: str) -> Any:
        headers = {"Authorization": key, "X-MSYS-SUBACCOUNT": str(number)} | (more or {"Content-Type": "text/csv"})
        answer = await door.door.client.post(f"/api/v1/{path}", content=text, headers=headers)
        assert answer.status_code in (200, 202), (path, answer.text)
        return answer.json()["results"]

    content = {"from": f"news@{things['domain']}", "subject": mark, "text": mark}
    await made("POST", "sending-domains", {"domain": things["domain"], "dkim_key_length": 1024})
    await door.pool.execute("UPDATE sending_domains SET trusted = true WHERE domain = $1", things["domain"])
    await made("POST", "templates", {"id": things["template"], "name": mark, "content": content, "published": True})
    await made("POST", "templates", {"id": f"{things['template']}-b", "name": mark, "content": content, "published": True})
    test = filled(AB_TEST, things)
    await made("POST", "ab-test", {**test, "id": things["ab_test"], "name": mark})
    await made("POST", "ab-test/draft", {**test, "id": things["draft"], "name": mark})
    await made("PUT", f"templates/{things['template']}", {"content": {**content, "subject": f"{mark} draft"}})
    await made("POST", "/api/labs/snippets", {"id": things["snippet"], "name": mark, "content": {"text": mark}})
    row = {"type": "non_transactional", "description": mark}
    await made("PUT", f"suppression-list/{things['recipient']}", row)
    await door.pool.execute("UPDATE suppressions SET source = 'Compliance' WHERE recipient = $1", things["recipient"])
    hook = {"name": mark, "target": app.url, "events": ["delivery"]}
    things["webhook"] = (await made("POST", "webhooks", hook))["id"]
    await made("POST", "tracking-domains", {"domain": things["tracking"]})
    alert = filled(ALERT, {"template": mark, "target": app.url})
    things["alert"] = str((await made("POST", "alerts", alert))["id"])
    things["import"] = (await uploaded("suppression-list/import", f"recipient,type\nlee@{mark}.test,transactional\n"))["id"]
    things["validated"] = (await uploaded("recipient-validation/upload", f"lee@{mark}.test\n"))["list_id"]
    things["batch"] = (await uploaded("ingest/events", gzip.compress(b"{}\n"), **NDJSON))["id"]
    things["pool"] = (await made("POST", "ip-pools", {"name": f"{mark}-pool"}))["id"]
    things["address"] = f"198.51.100.{account_id * 20 + number}"
    given = SendingIp(address=things["address"], hostname=f"{mark}.test", account_id=account_id, pool_id=things["pool"])
    await egress.assign(door.pool, given, today=NOW.date())
    reported = {"description": mark, "company": mark, "name": mark, "email": f"kim@{mark}.test"}
    kim = {"name": mark, "email": f"contact@{mark}.test"}
    things["contact"] = str((await made("POST", "support/contacts", kim))["contact_id"])
    things["contact_address"] = kim["email"]
    things["form"] = str(await order_form(door.pool, account_id, mark))
    things["sev1"] = (await made("POST", "support/sev1", reported))["reference"]
    await made("POST", "inbound-domains", {"domain": things["inbound"]})
    relay = {"name": mark, "target": app.url, "match": {"domain": things["inbound"]}}
    things["relay"] = (await made("POST", "relay-webhooks", relay))["id"]
    things |= await programme(door, mark, account_id)
    case = {"subject": mark, "text": f"{mark} is slow", "attachments": [{"name": f"{mark}.txt", "data": ""}]}
    things["case"] = str((await made("POST", "support/cases", case))["number"])
    things["key"] = (await made("POST", "api-keys", {"label": mark, "grants": ["smtp/inject"]}))["id"]
    later = (NOW + timedelta(days=1)).isoformat(timespec="seconds")
    scheduled = {"recipients": [{"address": things["recipient"]}], "content": content, "campaign_id": mark}
    things["transmission"] = (await made("POST", "transmissions", {**scheduled, "options": {"start_time": later}}))["id"]
    if not number:
        await made("POST", "recipient-lists", {"id": things["list"], "name": mark, "recipients": scheduled["recipients"]})
        others = await made("POST", "subaccounts", {"name": mark, "setup_api_key": False})
        things["subaccount"] = str(others["subaccount_id"])
    else:
        await made("PUT", f"subaccounts/{number}", {"name": mark})
        things["subaccount"] = str(number)
    message = ids.compose(1, 5, account_id * 100 + number)
    transmission = ids.compose(1, 6, account_id * 100 + number)
    things["message"], things["sent"] = message.hex(), ids.to_digits(transmission)
    for kind in (EventType.INJECTION, EventType.BOUNCE):
        await append(
            door.pool,
            day=NOW.date(),
            at=NOW - timedelta(minutes=10),
            type=kind,
            account_id=account_id,
            subaccount_id=number,
            message_id=message,
            transmission_id=transmission,
            recipient=things["recipient"],
            recipient_domain=things["domain"],
            campaign_id=mark,
            detail={
                "subject": mark,
                "template_id": mark,
                "sending_domain": things["domain"],
                "reason": f"550 {mark}",
                "ip_pool": mark,
            }
            | ({"bounce_class": "10"} if kind is EventType.BOUNCE else {}),
        )
    return Tenant(mark, account_id, number, things)


async def order_form(pool: db.Pool, account_id: int, mark: str) -> int:
    """Return the number of an account's Order Form."""
    known = await contracts.order_forms_of(pool, account_id)
    if known:
        return known[0].order_form_id
    given = OrderFormIn(plan=mark, zone="PT")
    made = await contracts.add_order_form(pool, order_form_in(given, account_id=account_id, now=NOW), actor=mark)
    assert made is not None
    return made.order_form_id


async def intruder(town: Town, name: str) -> Intruder:
    door = town.door.door
    if name == "stranger":
        await door.domain("stranger.test", account_id=await stranger_id(town.door.pool))
        return Intruder(name, {"Authorization": await town.door.stranger()}, "stranger.test")
    await door.domain("own.test", subaccount_id=A)
    if name == "key of A":  # it is pinned, so the header changes nothing
        key = await door.key_with(*SUBACCOUNT_KEY_GRANTS, subaccount_id=A)
        return Intruder(name, {"Authorization": key, "X-MSYS-SUBACCOUNT": str(B)}, "own.test")
    return Intruder(name, {"Authorization": door.key, "X-MSYS-SUBACCOUNT": str(A)}, "own.test")


async def stranger_id(pool: db.Pool) -> int:
    return (await accounts.get_or_create_account(pool, "stranger")).account_id


class Trial:
    """One intruder's tries."""

    def __init__(self, town: Town, who: Intruder) -> None:
        self.town = town
        self.who = who
        self.number = 0

    def nobodys(self) -> dict[str, str]:
        """Return names that nobody has, new ones each time."""
        self.number += 1
        n = self.number
        return {
            "template": f"nobody{n}-tpl",
            "snippet": f"nobody{n}-snip",
            "domain": f"nobody{n}.test",
            "inbound": f"in.nobody{n}.test",
            "tracking": f"click.nobody{n}.test",
            "alert": str(9_000_000 + n),
            **{kind: str(9_000_000 + n) for kind in PROGRAMME},
            "case": str(9_000_000 + n),
            "month": "2026-01",
            "day": "2026-01-01",
            "witness": str(uuid.uuid4()),
            "sev1": f"S1-{9_000_000 + n}",
            "contact": str(9_000_000 + n),
            "contact_address": f"contact@nobody{n}.test",
            "form": str(9_000_000 + n),
            "ab_test": f"nobody{n}-test",
            "draft": f"nobody{n}-draft",
            "batch": str(uuid.uuid4()),
            "import": str(uuid.uuid4()),
            "validated": str(uuid.uuid4()),
            "pool": f"nobody{n}-pool",
            "address": f"203.0.113.{n % 250}",
            "recipient": f"kim@nobody{n}.test",
            "campaign": f"nobody{n}",
            "list": f"nobody{n}-list",
            "webhook": str(uuid.uuid4()),
            "relay": str(9_000_000 + n),
            "key": str(9_000_000 + n),
            "subaccount": str(9_000_000 + n),
            "transmission": ids.to_digits(ids.compose(3, 9, n)),
            "sent": ids.to_digits(ids.compose(3, 9, n)),
            "message": ids.compose(3, 9, n).hex(),
        }

    async def ask(self, route: str, way: Way, body: Any, query: str, things: dict[str, str]) -> tuple[int, str]:
        """Return status and text of an answer, with the names that were asked for made alike."""
        values = {
            **things,
            "own": self.who.own_domain,
            "target": self.town.app.url,
            "hour": f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}",
        }
        method, _, path = route.partition(" ")
        if way.thing:
            path = path_to(path, things[way.thing])
        query = filled(query, values)
        more: dict[str, Any] = {} if body is None else {"json": filled(body, values)}
        answer = await self.town.client.request(method, f"{path}?{query}" if query else path, headers=self.who.headers, **more)
        assert answer.status_code < 500, (route, answer.text)
        text = answer.text
        for value in sorted(things.values(), key=len, reverse=True):
            text = text.replace(f"'{value}'" if value.isdigit() else value, "it")
        return answer.status_code, without_own_ids(text)

    async def on_things(self, route: str, way: Way, victim: Tenant) -> None:
        """What the path names is the victim's: it is as if it did not exist."""
        for body in way.bodies:
            for query in way.queries:
                told = await self.ask(route, way, body, query, victim.things)
                expected = await self.ask(route, way, body, query, self.nobodys())
                assert told == expected, f"{self.who.name} learns something of {victim.mark} by {route}"
                self.check_traces(route, victim, told[1])

    async def on_all(self, route: str, way: Way, victim: Tenant) -> None:
        """The path names nothing: the answer holds no trace, and names of the victim's are as good as any."""
        for body in way.bodies:
            for query in way.queries:
                told = await self.ask(route, way, body, query, victim.things)
                others = self.town.elsewhere.things if way.is_global else self.nobodys()
                expected = await self.ask(route, way, body, query, others)
                assert told[0] == expected[0], (f"{self.who.name} learns something of {victim.mark} by {route}", told, expected)
                if body is not None or query:
                    assert told[1] == expected[1], f"{self.who.name} learns something of {victim.mark} by {route} {query}"
                self.check_traces(route, victim, told[1])

    def check_traces(self, route: str, victim: Tenant, text: str) -> None:
        found = [trace for trace in victim.traces() if trace in text]
        assert not found, f"{self.who.name} sees {found} by {route}: {text[:500]}"


def path_to(path: str, thing: str) -> str:
    """Return a path that names a thing; what it names of the thing is its first DKIM key."""
    return re.sub(r"\{\w+\}", "default", re.sub(r"\{\w+\}", lambda _: thing, path, count=1))


def filled(value: Any, values: dict[str, str]) -> Any:
    """Return a body or query with its words in braces filled in."""
    if isinstance(value, str):
        return re.sub(r"(?<!\{)\{(\w+)\}", lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {name: filled(member, values) for name, member in value.items()}
    return [filled(member, values) for member in value] if isinstance(value, list) else value


def without_own_ids(text: str) -> str:
    """Return an answer without what differs by chance: ids and keys that were just made, moments."""
    text = re.sub(
        r'"(id|key|short_key|href|reference|pin|signing_secret|webhook_id|dkim|public|value|updated|created|timestamp|due_local)"'
        r':"[^"]*"',
        r'"\1":""',
        text,
    )
    text = re.sub(r'"(subaccount_id|contact_id|id|number)":\d+', r'"\1":0', text)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "", text)


async def rows_of(pool: db.Pool, victim: Tenant) -> dict[str, list[str]]:
    """Return every row that belongs to a tenant, of whatever table says whose its rows are."""
    columns = await pool.fetch(
        "SELECT c.relname AS table_name, a.attname AS column_name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace "
        "AND a.attname IN ('account_id', 'subaccount_id')"
    )
    tables: dict[str, set[str]] = {}
    for row in columns:
        tables.setdefault(row["table_name"], set()).add(row["column_name"])
    found = {}
    for table, known in sorted(tables.items()):
        if "account_id" not in known or table.startswith("usage_"):
            continue
        where = f"account_id = {victim.account_id}"
        where += f" AND subaccount_id = {victim.subaccount_id}" if "subaccount_id" in known else ""
        where += f" AND subaccount_id <> {A}" if table == "subaccounts" and not victim.subaccount_id else ""
        rows = await pool.fetch(f"SELECT row_to_json(t)::text AS row FROM {table} t WHERE {where} ORDER BY 1")
        found[table] = [row["row"] for row in rows]
    keys = await pool.fetch(
        "SELECT row_to_json(k)::text AS row FROM dkim_keys k WHERE domain = $1 ORDER BY 1", victim.things["domain"]
    )
    return found | {"dkim_keys": [row["row"] for row in keys]}


async def operations(town: Town) -> dict[str, bool]:
    """Return every route of the door, and whether it needs a key or a token."""
    document = (await town.client.get("/api/openapi.json")).json()
    return {
        f"{method.upper()} {path}": bool(operation["x-homing-grants"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["x-homing-grants"] or "x-homing-staff" not in operation
    }


async def test_no_key_of_a_customer_opens_what_is_the_staffs(town: Town):
    document = (await town.client.get("/api/openapi.json")).json()
    routes = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "x-homing-staff" in operation and not operation["x-homing-grants"]
    ]
    assert len(routes) > 5
    for method, path in routes:
        for key in (town.door.door.key, await town.door.stranger(), "staff_" + "0" * 40, ""):
            answer = await town.client.request(method, re.sub(r"\{\w+\}", "1", path), headers={"Authorization": key})
            assert answer.status_code in (401, 403), (method, path, answer.text)


async def test_every_route_is_walked(town: Town):
    routes = await operations(town)
    document = (await town.client.get("/api/openapi.json")).json()
    there = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    missing = {f"{method} {path}" for method, path in documented_routes()} - there
    assert not missing, f"add them to the door of tests/kit/resources.py, so that they are walked here: {sorted(missing)}"
    unknown = sorted(route for route, guarded in routes.items() if guarded and way_of(route) is None)
    assert not unknown, f"say in WALK what an intruder would try on them: {unknown}"
    assert {route for route, guarded in routes.items() if not guarded} == OPEN, "a route without grants: is it open on purpose?"
    assert set(WALK) <= set(routes), "WALK names routes that are gone"


async def test_what_is_open_to_everybody_tells_of_nobody(town: Town):
    for route in sorted(route for route in OPEN if route.startswith("GET ")):
        answer = await town.client.get(route.partition(" ")[2].format(operation="create_snippet"), headers={"Authorization": ""})
        assert answer.status_code == 200
        for victim in (town.b, town.primary):
            assert not [trace for trace in victim.traces() if trace in answer.text], route


async def test_without_a_key_nothing_is_told(town: Town):
    for route, guarded in (await operations(town)).items():
        if guarded:
            method, _, path = route.partition(" ")
            way = way_of(route)
            assert way is not None
            path = path_to(path, town.b.things.get(way.thing, "1"))
            answer = await town.client.request(method, path, headers={"Authorization": "0" * 40})
            assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": "Unauthorized."}]}), route


@pytest.mark.parametrize("name", ["key of A", "primary key that acts as A", "stranger"])
async def test_a_tenant_neither_reads_nor_changes_nor_infers_what_is_anothers(town: Town, name: str):
    who = await intruder(town, name)
    trial = Trial(town, who)
    victims = (town.b, town.primary)
    before = [await rows_of(town.door.pool, victim) for victim in victims]
    walked = {
        route: way
        for route, guarded in (await operations(town)).items()
        if guarded and (way := way_of(route)) is not None
        if not (name.startswith("primary") and route.partition(" ")[2].startswith(OF_THE_ACCOUNT))
    }
    # What the path names comes first, and what makes something last: the intruder may then have his own by the same name.
    order = ("GET", "DELETE", "PUT", "POST")
    places = {route: number for number, route in enumerate(WALK)}
    ordered = sorted(
        walked, key=lambda route: (order.index(route.partition(" ")[0]), not walked[route].thing, places.get(route, -1), route)
    )
    for victim in victims:
        for route in ordered:
            way = walked[route]
            if way.thing in victim.things:
                await trial.on_things(route, way, victim)
            elif not way.thing:
                await trial.on_all(route, way, victim)
    after = [await rows_of(town.door.pool, victim) for victim in victims]
    for victim, was, is_now in zip(victims, before, after, strict=True):
        changed = {table for table in was if was[table] != is_now[table]}
        assert not changed, f"{name} changed rows of {victim.mark} in {changed}"


async def test_the_victims_see_their_own(town: Town):
    """So the walk would have found what is there."""
    door = town.door
    for victim, sub in ((town.b, str(B)), (town.primary, "0")):
        for route, way in WALK.items():
            method, _, path = route.partition(" ")
            if method == "GET" and way.thing and way.thing in victim.things and not path.startswith("/api/v1/metrics"):
                path = path_to(path, victim.things[way.thing])
                answer = await town.client.get(path, headers={"X-MSYS-SUBACCOUNT": sub})
                expected = 404 if way.thing == "list" and sub != "0" else 200
                expected = 409 if path.endswith("/results") else expected  # it is there, but not complete
                expected = 404 if "/documents/default" in path else expected  # no document has that number
                expected = 404 if path.endswith("/attachments/default") else expected  # no file is called so
                assert answer.status_code == expected, (route, answer.text)
        found = await door.call("GET", f"events/message?recipients={victim.things['recipient']}")
        assert len(found.json()["results"]) == 2
        hour = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%M}"
        figures = await door.call("GET", f"metrics/deliverability/campaign?from={hour}&campaigns={victim.mark}")
        assert victim.mark in figures.text


async def test_a_subaccount_of_another_account_cannot_be_told_from_one_that_does_not_exist(town: Town):
    key = await town.door.stranger()
    for route in WALK:
        method, _, path = route.partition(" ")
        if "{" in path:
            continue
        answers = [
            await town.client.request(method, path, headers={"Authorization": key, "X-MSYS-SUBACCOUNT": number}, json={})
            for number in (str(B), "4242")
        ]
        assert [answer.status_code for answer in answers] == [400, 400], route
        assert answers[0].text.replace(f"subaccount {B}", "") == answers[1].text.replace("subaccount 4242", ""), route


async def test_a_shared_thing_can_be_used_by_subaccounts_and_changed_by_none(town: Town):
    door, key = town.door, await town.door.door.key_with(*SUBACCOUNT_KEY_GRANTS, subaccount_id=A)
    shared = {"shared_with_subaccounts": True}
    things = town.primary.things
    for path in (f"templates/{things['template']}", f"sending-domains/{things['domain']}"):
        assert (await door.call("PUT", path, json=shared)).status_code == 200
    assert (await town.client.put(f"/api/labs/snippets/{things['snippet']}", json=shared)).status_code == 200
    content = {"template_id": things["template"]}
    sent = await door.door.send(headers={"Authorization": key}, content=content)
    assert sent.status_code == 200
    assert door.door.queue.chunks[-1].facts.subaccount_id == A
    assert (await door.call("GET", f"templates/{things['template']}", key=key)).status_code == 200
    for path, body in (
        (f"/api/v1/templates/{things['template']}", {"name": "mine"}),
        (f"/api/v1/sending-domains/{things['domain']}", {"shared_with_subaccounts": False}),
        (f"/api/labs/snippets/{things['snippet']}", {"name": "mine"}),
    ):
        assert (await town.client.put(path, json=body, headers={"Authorization": key})).status_code == 404
        assert (await town.client.delete(path, headers={"Authorization": key})).status_code == 404
    stranger = {"Authorization": await door.stranger()}
    assert (await door.door.send(headers=stranger, content=content)).status_code == 422
    assert (await town.client.get(f"/api/labs/snippets/{things['snippet']}", headers=stranger)).status_code == 404
