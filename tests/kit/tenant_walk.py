"""What an intruder tries on each route, as the OpenAPI document lists them (tests/wire/test_tenant_isolation.py)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

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


def filled(value: Any, values: dict[str, str]) -> Any:
    """Return a body or query with its words in braces filled in."""
    if isinstance(value, str):
        return re.sub(r"(?<!\{)\{(\w+)\}", lambda found: values[found[1]], value)
    if isinstance(value, dict):
        return {name: filled(member, values) for name, member in value.items()}
    return [filled(member, values) for member in value] if isinstance(value, list) else value
