"""The golden paths of the strict clients, on the wire: what gosparkpost, php-sparkpost and java-sparkpost send, and the types
that they can read (SparkPost reference, section 7.9).

    1 python-sparkpost   test_sparkpost_client.py        2 node-sparkpost   test_node_clients.py
    3 django-anymail     test_anymail.py                 7 SMTP             test_smtplib.py, test_node_clients.py
    4 Go, 5 PHP, 6 Java  here: requests octet for octet as their clients make them, answers read as strictly as they do

Go decodes into fixed types, so one wrong scalar fails the whole call: the structs below are as strict. Java reads numbers out of
texts too, but a list where it wants a map fails.
"""

import base64
import http.client
import json
import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec
import pytest

from tests.compatibility.authority import Authority
from tests.compatibility.inbox import Inbox
from tests.compatibility.secure import SecureHouse
from tests.kit.house import DOMAIN
from tests.kit.postgres import TestServer
from tests.kit.target import Target, listening

T = TypeVar("T")
NEWS = f"news@{DOMAIN}"
CONTENT = {"from": NEWS, "subject": "Hello", "text": "It works.\n"}


class Answer(NamedTuple):
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def read(self, kind: type[T], *, strict: bool = True) -> T:
        """Return the body as a client with fixed types reads it."""
        return msgspec.json.decode(self.body, type=kind, strict=strict)


class Client:
    """Sends exactly these headers, over one connection with the authority's trust."""

    def __init__(self, house: SecureHouse, authority: Authority, headers: dict[str, str]) -> None:
        self._port = house.http_port
        self._context = ssl.create_default_context(cafile=authority.file)
        self._headers = headers

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=30, context=self._context)
        try:
            given = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            whole = {**self._headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
            connection.request(method, path, given, whole)
            answer = connection.getresponse()
            found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()
        assert found.headers["x-sparkpost-request-id"]
        if found.body:
            assert found.headers["content-type"].partition(";")[0] == "application/json"
        return found


@pytest.fixture(scope="module")
def app() -> Iterator[Target]:
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def house(postgres_server: TestServer, inbox: Inbox, authority: Authority, app: Target) -> Iterator[SecureHouse]:
    settings = {"allow_private_targets": "true", "target_ports": str(app.port)}
    with (
        postgres_server.fresh() as dsn,
        SecureHouse(authority, database=dsn, smarthost=str(inbox.address), settings=settings) as made,
    ):
        yield made


# Go -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def go(house: SecureHouse, authority: Authority) -> Client:
    headers = {"User-Agent": "GoSparkPost v0.1", "Authorization": house.key, "Accept-Encoding": "identity"}
    return Client(house, authority, headers)


JSON = {"Content_Type": "application/json"}  # sent where there is a body


class GoError(msgspec.Struct):
    message: str = ""
    code: str | int = ""
    description: str = ""
    part: str = ""
    line: int = 0


class GoResponse(msgspec.Struct):
    results: Any = None
    errors: list[GoError] = []


class GoLink(msgspec.Struct):
    href: str
    rel: str


class GoSuppression(msgspec.Struct):
    recipient: str = ""
    transactional: bool = False
    non_transactional: bool = False
    source: str = ""
    type: str = ""
    description: str = ""
    updated: str = ""
    created: str = ""
    subaccount_id: str = ""


class GoSuppressions(msgspec.Struct):
    results: list[GoSuppression] = []
    errors: list[GoError] = []
    total_count: int = 0
    links: list[GoLink] = []


class GoContent(msgspec.Struct):
    html: str = ""
    text: str = ""
    subject: str = ""
    from_: Any = msgspec.field(default=None, name="from")
    reply_to: str = ""
    headers: dict[str, str] = {}
    email_rfc822: str = ""


class GoOptions(msgspec.Struct):
    open_tracking: bool | None = None
    click_tracking: bool | None = None
    transactional: bool | None = None


NEVER = datetime(1, 1, 1, tzinfo=UTC)


class GoTemplate(msgspec.Struct):
    id: str = ""
    content: GoContent = msgspec.field(default_factory=GoContent)
    published: bool = False
    name: str = ""
    description: str = ""
    last_use: datetime = NEVER  # RFC 3339, or not there at all
    last_update_time: datetime = NEVER
    options: GoOptions | None = None


class GoTemplates(msgspec.Struct):
    results: list[GoTemplate] = []


class GoTemplateFound(msgspec.Struct):
    results: GoTemplate


class GoTokenBody(msgspec.Struct):
    client_id: str = ""
    client_secret: str = ""


class GoTokenRequest(msgspec.Struct):
    url: str = ""
    body: GoTokenBody = msgspec.field(default_factory=GoTokenBody)


class GoCredentials(msgspec.Struct):
    username: str = ""
    password: str = ""
    access_token: str = ""
    expires_in: int = 0


class GoMethods(msgspec.Struct):
    href: str = ""
    rel: str = ""
    method: list[str] = []


class GoWebhook(msgspec.Struct):
    id: str = ""
    name: str = ""
    target: str = ""
    events: list[str] = []
    auth_type: str = ""
    auth_request_details: GoTokenRequest = msgspec.field(default_factory=GoTokenRequest)
    auth_credentials: GoCredentials = msgspec.field(default_factory=GoCredentials)
    auth_token: str = ""
    last_successful: str = ""
    last_failure: str = ""
    links: list[GoMethods] = []


class GoWebhooks(msgspec.Struct):
    results: list[GoWebhook] = []


class GoWebhookFound(msgspec.Struct):
    results: GoWebhook


class GoStatus(msgspec.Struct):
    batch_id: str = ""
    ts: str = ""
    attempts: int = 0
    response_code: str = ""


class GoStatuses(msgspec.Struct):
    results: list[GoStatus] = []


class GoEvent(msgspec.Struct):
    type: str = ""
    campaign_id: str = ""
    customer_id: str = ""
    delv_method: str = ""
    ip_address: str = ""
    message_id: str = ""
    msg_from: str = ""
    msg_size: str = ""
    num_retries: str = ""
    queue_time: str = ""
    rcpt_meta: dict[str, str] = {}
    rcpt_tags: list[str] = []
    rcpt_to: str = ""
    recv_method: str = ""
    routing_domain: str = ""
    subject: str = ""
    template_id: str = ""
    template_version: str = ""
    timestamp: str = ""
    transmission_id: str = ""
    bounce_class: str = ""
    error_code: str = ""
    raw_reason: str = ""
    reason: str = ""


class GoEvents(msgspec.Struct):
    results: list[GoEvent] = []
    total_count: int = 0
    links: list[GoLink] = []


class GoField(msgspec.Struct):
    description: str = ""
    sampleValue: Any = None


class GoEventKind(msgspec.Struct):
    display_name: str = ""
    description: str = ""
    event: dict[str, GoField] = {}


class GoEventClass(msgspec.Struct):
    display_name: str = ""
    description: str = ""
    events: dict[str, GoEventKind] = {}


class GoEventClasses(msgspec.Struct):
    results: dict[str, GoEventClass]


class GoFigures(msgspec.Struct):
    count_injected: int = 0
    count_bounce: int = 0
    count_rejected: int = 0
    count_delivered: int = 0
    count_targeted: int = 0
    count_sent: int = 0
    count_accepted: int = 0
    count_unique_clicked: int = 0
    total_delivery_time_first: int = 0
    total_msg_volume: int = 0
    domain: str = ""
    campaign_id: str = ""
    template_id: str = ""
    ts: str = ""
    watched_domain: str = ""


class GoMetrics(msgspec.Struct):
    results: list[GoFigures] = []
    total_count: int = 0
    links: list[dict[str, str]] = []


class GoSubaccount(msgspec.Struct):
    subaccount_id: int = 0
    name: str = ""
    key: str = ""
    short_key: str = ""
    status: str = ""
    compliance_status: str = ""
    ip_pool: str = ""


def test_go_sends_and_reads_an_id_of_digits(go, inbox):
    body = {
        "recipients": [{"address": {"email": "kim@there.test", "name": "Kim"}}],
        "content": CONTENT,
        "options": {},
        "campaign_id": "go",
        "metadata": {"run": "17"},
    }
    answer = go.ask("POST", "/api/v1/transmissions", body, **JSON)
    assert answer.status == 200
    results = answer.read(GoResponse).results
    assert isinstance(results["id"], str)
    assert results["id"].isdigit()
    assert type(results["total_accepted_recipients"]) is int
    inbox.one("kim@there.test")
    refused = go.ask("POST", "/api/v1/transmissions", {**body, "content": {"from": NEWS}}, **JSON)
    (error,) = refused.read(GoResponse).errors
    assert (refused.status, error.code) == (422, "1400")


def test_go_looks_at_a_scheduled_transmission_and_takes_it_back(go):
    start = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    body = {
        "recipients": [{"address": "noa@there.test"}], "content": CONTENT, "campaign_id": "go", "options": {"start_time": start},
    }  # fmt: skip
    ident = go.ask("POST", "/api/v1/transmissions", body, **JSON).json["results"]["id"]
    listed = go.ask("GET", "/api/v1/transmissions?campaign_id=go&template_id=")
    assert (listed.status, type(listed.json["results"])) == (200, list)
    by_campaign = go.ask("GET", "/api/v1/transmissions?campaign_id=go").json["results"]
    assert [one["id"] for one in by_campaign] == [ident]
    assert go.ask("GET", f"/api/v1/transmissions/{ident}").json["results"]["transmission"]["id"] == ident
    gone = go.ask("DELETE", f"/api/v1/transmissions/{ident}", b"")
    assert (gone.status, gone.body) == (204, b"")


def test_go_follows_the_pages_of_the_suppression_list(go, house):
    entries = [{"recipient": f"page{n}@there.test", "type": "non_transactional", "description": "go"} for n in range(3)]
    put = go.ask("PUT", "/api/v1/suppression-list", {"recipients": entries}, **JSON)
    assert (put.status, put.read(GoResponse).errors) == (200, [])
    page = go.ask("GET", "/api/v1/suppression-list?cursor=initial&per_page=1").read(GoSuppressions)
    seen, pages = list(page.results), 1
    assert page.total_count == 3
    assert {link.rel for link in page.links} == {"next", "first", "last"}
    while href := {link.rel: link.href for link in page.links}.get("next"):
        assert href.startswith("/api/v1/suppression-list?")
        page = go.ask("GET", href).read(GoSuppressions)
        seen += page.results
        pages += 1
    assert pages == 3
    assert {one.recipient for one in seen} == {entry["recipient"] for entry in entries}
    assert all(one.non_transactional and not one.transactional and one.source == "Manually Added" for one in seen)
    one = go.ask("GET", "/api/v1/suppression-list/page0@there.test").read(GoSuppressions)
    assert [entry.recipient for entry in one.results] == ["page0@there.test"]
    assert one.links == []
    gone = go.ask("DELETE", "/api/v1/suppression-list/page0@there.test", b"")
    assert (gone.status, gone.body) == (204, b"")
    assert go.ask("GET", "/api/v1/suppression-list/page0@there.test").read(GoResponse).errors[0].message


def test_go_reads_the_subaccount_of_a_suppression_as_a_text(go):
    made = go.ask("POST", "/api/v1/subaccounts", {"name": "Go", "key_label": "go", "key_grants": ["smtp/inject"]}, **JSON)
    results = made.json["results"]
    assert type(results["subaccount_id"]) is int
    assert type(results["short_key"]) is str
    ident = results["subaccount_id"]
    entry = {"recipients": [{"recipient": "sub@there.test", "type": "transactional"}]}
    assert go.ask("PUT", "/api/v1/suppression-list", entry, **JSON, X_MSYS_SUBACCOUNT=str(ident)).status == 200
    (found,) = go.ask("GET", "/api/v1/suppression-list/sub@there.test", X_MSYS_SUBACCOUNT=str(ident)).read(GoSuppressions).results
    assert (found.subaccount_id, found.transactional) == (str(ident), True)
    one = msgspec.convert(go.ask("GET", f"/api/v1/subaccounts/{ident}").json["results"], GoSubaccount)
    assert (one.name, one.status, one.compliance_status) == ("Go", "active", "active")
    listed = go.ask("GET", "/api/v1/subaccounts").json["results"]
    assert [msgspec.convert(each, GoSubaccount).name for each in listed] == ["Go"]
    changed = go.ask("PUT", f"/api/v1/subaccounts/{ident}", {"subaccount_id": ident, "name": "Gopher", "key_label": "go"}, **JSON)
    assert (changed.status, changed.read(GoResponse).errors) == (200, [])


def test_go_reads_a_template_that_was_never_used(go):
    template = {"id": "go", "name": "Go", "content": {**CONTENT, "html": "<p>x</p>", "headers": {"X-A": "b"}}}
    assert go.ask("POST", "/api/v1/templates", template, **JSON).read(GoResponse).results == {"id": "go"}
    found = go.ask("GET", "/api/v1/templates/go?draft=true").read(GoTemplateFound).results
    assert (found.last_use, found.last_update_time > NEVER, found.published) == (NEVER, True, False)
    assert found.content.headers == {"X-A": "b"}
    published = go.ask("PUT", "/api/v1/templates/go?update_published=false", {"published": True}, **JSON)
    assert (published.status, published.read(GoResponse).errors) == (200, [])
    (listed,) = go.ask("GET", "/api/v1/templates").read(GoTemplates).results
    assert (listed.id, listed.published, listed.last_use) == ("go", True, NEVER)
    shown = go.ask("POST", "/api/v1/templates/go/preview?draft=false", {"substitution_data": None}, **JSON)
    assert shown.read(GoResponse).results["html"] == "<p>x</p>"
    sent = {"recipients": [{"address": "uma@there.test"}], "content": {"template_id": "go", "use_draft_template": False}}
    assert go.ask("POST", "/api/v1/transmissions", sent, **JSON).status == 200
    assert go.ask("GET", "/api/v1/templates/go").read(GoTemplateFound).results.last_use >= NEVER
    wrong = go.ask("POST", "/api/v1/templates", {"id": "wrong", "content": {**CONTENT, "text": "\n{{"}}, **JSON)
    (error,) = wrong.read(GoResponse).errors
    assert (wrong.status, error.code, error.part, error.line) == (422, "3000", "text", 2)
    gone = go.ask("DELETE", "/api/v1/templates/go", b"")
    assert (gone.status, gone.json) == (200, {})
    assert go.ask("DELETE", "/api/v1/templates/go", b"").read(GoResponse).errors[0].code == "1600"


def test_go_keeps_recipient_lists(go):
    wanted = {"id": "go", "name": "Go", "recipients": [{"address": {"email": "kim@there.test"}, "tags": ["a"]}]}
    made = go.ask("POST", "/api/v1/recipient-lists", wanted, **JSON).read(GoResponse).results
    assert isinstance(made["id"], str)
    (listed,) = go.ask("GET", "/api/v1/recipient-lists").json["results"]
    assert (type(listed["id"]), type(listed["total_accepted_recipients"])) == (str, int)


def test_go_looks_at_webhooks_and_what_became_of_their_batches(go, house, app):
    hooks = [
        {"name": "plain", "target": app.url, "events": ["delivery"]},
        {"name": "basic", "target": app.url, "events": ["bounce"], "auth_type": "basic",
         "auth_credentials": {"username": "u", "password": "p"}},
    ]  # fmt: skip
    plain, basic = (go.ask("POST", "/api/v1/webhooks", hook, **JSON).json["results"]["id"] for hook in hooks)
    found = go.ask("GET", f"/api/v1/webhooks/{plain}?timezone=UTC").read(GoWebhookFound).results
    assert (found.target, found.auth_type, found.auth_credentials) == (app.url, "none", GoCredentials())
    listed = {one.id: one for one in go.ask("GET", "/api/v1/webhooks").read(GoWebhooks).results}
    assert listed[basic].auth_credentials == GoCredentials(username="u", password="p")
    assert {link.rel for link in listed[plain].links} == {"urn.msys.webhooks.webhook"}
    raw = {one["id"]: one for one in go.ask("GET", "/api/v1/webhooks").json["results"]}
    assert (raw[plain]["auth_request_details"], raw[plain]["auth_credentials"]) == ({}, {})  # never null, never lists
    app.script = lambda heard: 503 if len(app.batches) < 3 else 200
    body = {"recipients": [{"address": "wes@there.test"}], "content": CONTENT}
    assert go.ask("POST", "/api/v1/transmissions", body, **JSON).status == 200
    path = f"/api/v1/webhooks/{plain}/batch-status"
    house.wait_until(lambda: go.ask("GET", path).json["results"], 30, "a batch has failed")
    (status, *_) = go.ask("GET", f"{path}?limit=1").read(GoStatuses).results
    assert re.fullmatch(r"[0-9a-f]{32}", status.batch_id)
    assert (status.response_code, status.attempts >= 1) == ("503", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status.ts)
    for ident in (plain, basic):
        go.ask("DELETE", f"/api/v1/webhooks/{ident}", b"")


def test_go_searches_events_in_the_older_way(go, house):
    for name in ("evan", "evie"):
        body = {
            "recipients": [{"address": f"{name}@there.test", "tags": ["t"]}], "content": CONTENT, "campaign_id": "go events",
            "metadata": {"run": "17"},
        }  # fmt: skip
        go.ask("POST", "/api/v1/transmissions", body, **JSON)
        house.wait_for(f"{name}@there.test", "delivery")
    query = urlencode({"campaign_ids": "go events", "events": "delivery,injection", "per_page": "3", "timezone": "UTC"})
    page = go.ask("GET", f"/api/v1/message-events?{query}").read(GoEvents)
    seen = list(page.results)
    assert (page.total_count, len(seen)) == (4, 3)
    href = {link.rel: link.href for link in page.links}["next"]
    assert href.startswith("/api/v1/message-events?")
    page = go.ask("GET", href).read(GoEvents)
    seen += page.results
    assert sorted((one.type, one.rcpt_to) for one in seen) == [
        ("delivery", "evan@there.test"),
        ("delivery", "evie@there.test"),
        ("injection", "evan@there.test"),
        ("injection", "evie@there.test"),
    ]
    assert all((one.rcpt_meta, one.rcpt_tags) == ({"run": "17"}, ["t"]) for one in seen)
    assert all(one.customer_id.isdigit() and one.transmission_id.isdigit() for one in seen)
    for one in seen:
        moment = datetime.strptime(one.timestamp, "%Y-%m-%dT%H:%M:%S.%f%z")  # the only form that it parses
        assert one.timestamp.endswith("+00:00")
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
    samples = go.ask("GET", "/api/v1/message-events/events/samples?events=bounce%2Cdelivery").read(GoEvents).results
    assert {one.type for one in samples} == {"bounce", "delivery"}


def test_go_reads_the_documentation_of_events(go):
    classes = go.ask("GET", "/api/v1/webhooks/events/documentation").read(GoEventClasses).results
    kinds = {name for one in classes.values() for name in one.events}
    assert {"bounce", "delivery", "click", "list_unsubscribe", "relay_injection"} <= kinds
    assert classes["message_event"].events["bounce"].event["type"].sampleValue == "bounce"


def test_go_reads_figures(go, house):
    house.wait_until(lambda: figures(go, "").results[0].count_injected, 30, "something was counted")
    whole = figures(go, "")
    assert {"href", "rel", "method"} <= set(whole.links[0])
    (row,) = whole.results
    assert row.count_targeted >= row.count_injected > 0
    assert [one.domain for one in figures(go, "/domain").results] == ["there.test"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one.ts) for one in figures(go, "/time-series").results)


def figures(client: Client, path: str) -> GoMetrics:
    since = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    query = urlencode({"from": since, "metrics": "count_injected,count_targeted,count_delivered,total_msg_volume"})
    return client.ask("GET", f"/api/v1/metrics/deliverability{path}?{query}").read(GoMetrics)


# PHP ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def php(house: SecureHouse, authority: Authority) -> Client:
    headers = {"Authorization": house.key, "Content-Type": "application/json", "User-Agent": "php-sparkpost/2.3.0"}
    return Client(house, authority, headers)


NO_ARRAY = b"[]"  # what it sends as the body where there is none


def test_php_sends_with_a_slash_at_the_end_and_copies(php, inbox):
    to = '"Kim" <pkim@there.test>'
    body = {
        "content": {
            "from": {"name": "Acme", "email": NEWS}, "subject": "Hi {{name}}", "text": "x", "headers": {"CC": "pcc@there.test"},
        },
        "substitution_data": {"name": "Kim"},
        "recipients": [
            {"address": {"name": "Kim", "email": "pkim@there.test"}},
            {"address": {"email": "pcc@there.test", "header_to": to}},
            {"address": {"email": "pbcc@there.test", "header_to": to}},
        ],
    }  # fmt: skip
    answer = php.ask("POST", "/api/v1/transmissions/", body)
    assert (answer.status, answer.json["results"]["total_accepted_recipients"]) == (200, 3)
    for name in ("pkim", "pcc", "pbcc"):
        message = inbox.one(f"{name}@there.test").message
        assert (message["To"], message["CC"], message["Subject"]) == ("Kim <pkim@there.test>", "pcc@there.test", "Hi Kim")


@pytest.mark.parametrize(
    "path",
    [
        "transmissions/",
        "transmissions",
        "transmissions/?campaign_id=none",
        "templates/",
        "recipient-lists/",
        "suppression-list/",
        "suppression-list/summary",
        "sending-domains/",
        "webhooks/",
        "events/message?recipients=a@b.test,c@d.test",
        "message-events?events=delivery,bounce",
        "metrics/",
        "subaccounts/",
    ],
)
def test_php_gets_with_a_body_of_two_brackets(php, path):
    answer = php.ask("GET", f"/api/v1/{path}", NO_ARRAY)
    assert answer.status == 200
    assert "results" in answer.json


def test_php_deletes_with_a_body_of_two_brackets(php):
    made = {"id": "php", "content": CONTENT}
    assert php.ask("POST", "/api/v1/templates/", made).status == 200
    assert php.ask("DELETE", "/api/v1/templates/php", NO_ARRAY).status == 200
    entry = {"recipients": [{"recipient": "php@there.test", "type": "transactional"}]}
    assert php.ask("PUT", "/api/v1/suppression-list", entry).status == 200
    gone = php.ask("DELETE", "/api/v1/suppression-list/php@there.test", NO_ARRAY)
    assert (gone.status, gone.body) == (204, b"")
    missing = php.ask("DELETE", "/api/v1/transmissions/123", NO_ARRAY)
    assert (missing.status, missing.json["errors"][0]["code"]) == (404, "1600")


def test_php_is_told_what_is_wrong(php):
    answer = php.ask("POST", "/api/v1/transmissions/", {"recipients": [], "content": CONTENT})
    assert answer.status == 400
    assert set(answer.json["errors"][0]) >= {"message", "code"}
    assert php.ask("POST", "/api/v1/transmissions/", NO_ARRAY).status == 422
    assert php.ask("GET", "/api/v1/nowhere/", NO_ARRAY).json == {"errors": [{"message": "Resource could not be found"}]}


# Java ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def java(house: SecureHouse, authority: Authority) -> Client:
    headers = {
        "Authorization": house.key,
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": "java-sparkpost/0.27 (abc)",
    }
    return Client(house, authority, headers)


class JavaSuppression(msgspec.Struct):
    recipient: str
    type: str
    source: str
    description: str = ""
    created: str = ""
    updated: str = ""
    transactional: bool = False
    non_transactional: bool = False
    subaccount_id: int = 0


class JavaSent(msgspec.Struct):
    id: str
    total_rejected_recipients: int
    total_accepted_recipients: int


class JavaTransmission(msgspec.Struct):
    id: str
    description: str
    campaign_id: str
    return_path: str
    generation_start_time: str
    generation_end_time: str
    rcpt_list_total_chunks: int
    rcpt_list_chunk_size: int
    num_rcpts: int
    num_generated: int
    num_failed_gen: int


class JavaError(msgspec.Struct):
    message: str
    description: str = ""
    code: str = ""


class JavaErrors(msgspec.Struct):
    errors: list[JavaError]


class JavaEvents(msgspec.Struct):
    results: list[dict[str, Any]]
    total_count: int
    links: dict[str, str]


def read_as_java(value: Any, kind: type[T]) -> T:
    """Gson takes a number that stands in a text."""
    return msgspec.convert(value, kind, strict=False)


def test_java_reads_an_empty_list_of_links_as_no_links(java):
    entry = {"recipients": [{"recipient": "java@there.test", "type": "transactional"}]}
    assert java.ask("PUT", "/api/v1/suppression-list/", entry).status == 200
    answer = java.ask("GET", "/api/v1/suppression-list/java@there.test")
    assert answer.json["links"] == []
    (found,) = read_as_java(answer.json["results"], list[JavaSuppression])
    assert (found.recipient, found.transactional, found.subaccount_id) == ("java@there.test", True, 0)
    assert java.ask("GET", "/api/v1/suppression-list/?types=transactional&limit=1000").json["links"] == []
    single = java.ask("PUT", "/api/v1/suppression-list/java2@there.test", {"non_transactional": True, "description": "x"})
    assert single.status == 200
    for name in ("java", "java2"):
        assert java.ask("DELETE", f"/api/v1/suppression-list/{name}@there.test").status == 204


def test_java_follows_the_pages_of_events(java, house):
    for n in range(3):
        body = {"recipients": [{"address": f"jev{n}@there.test"}], "content": CONTENT, "campaign_id": "java & more"}
        java.ask("POST", "/api/v1/transmissions", body)
        house.wait_for(f"jev{n}@there.test", "delivery")
    until = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    recipients = ",".join(f"jev{n}@there.test" for n in range(3))
    query = urlencode({"recipients": recipients, "events": "delivery", "to": until, "per_page": "1", "cursor": "initial"})
    seen, pages = [], 0
    while query:
        page = java.ask("GET", f"/api/v1/events/message?{query}").read(JavaEvents)
        seen += [event["rcpt_to"] for event in page.results]
        pages += 1
        following = page.links.get("next", "")
        assert following == "" or following.startswith("/api/v1/")
        query = as_java_sends(following.partition("?")[2])
        assert pages < 10
    assert (pages, sorted(seen)) == (3, [f"jev{n}@there.test" for n in range(3)])


def as_java_sends(query: str) -> str:
    """Take a query apart at & and = after decoding it, and put it together again: what a cursor must survive."""
    pairs = [pair.split("=") for pair in unquote(query).split("&") if pair]
    assert all(len(pair) == 2 for pair in pairs), f"{query} does not survive"
    assert dict(pairs).keys() == dict(parse_qsl(query)).keys()
    return "&".join(f"{name}={quote(value)}" for name, value in pairs)


def test_java_keeps_the_id_of_every_request(java):
    answers = [
        java.ask("GET", "/api/v1/templates/"),
        java.ask("GET", "/api/v1/templates/nope"),
        java.ask("DELETE", "/api/v1/transmissions?campaign_id=nobody"),
        java.ask("POST", "/api/v1/transmissions", b"{"),
    ]
    ids = {answer.headers["x-sparkpost-request-id"] for answer in answers}
    assert [answer.status for answer in answers] == [200, 404, 204, 400]
    assert len(ids) == 4


def test_java_finds_a_body_in_every_refusal(java, house, authority):
    wrong = Client(house, authority, {"Authorization": "0" * 40, "Content-Type": "application/json"})
    weak = house.run("key", "create", "--name", "weak", "--grant", "metrics/view").stdout
    key = next(iter(re.findall(r"\b[0-9a-f]{40}\b", weak)))
    other = Client(house, authority, {"Authorization": key, "Content-Type": "application/json"})
    for client, status in ((wrong, 401), (other, 403)):
        answer = client.ask("GET", "/api/v1/templates/")
        assert (answer.status, len(answer.read(JavaErrors).errors)) == (status, 1)
    assert read_as_java(java.ask("GET", "/api/v1/templates/nope").json, JavaErrors).errors[0].code == "1600"


def test_java_reads_numbers_and_texts_of_transmissions(java):
    start = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    body = {
        "recipients": [{"address": "jo@there.test"}],
        "content": CONTENT,
        "campaign_id": "jav",
        "options": {"start_time": start},
    }
    sent = read_as_java(java.ask("POST", "/api/v1/transmissions", body).json["results"], JavaSent)
    found = java.ask("GET", f"/api/v1/transmissions/{sent.id}").json["results"]["transmission"]
    assert read_as_java(found, JavaTransmission).num_rcpts == 1
    assert java.ask("DELETE", "/api/v1/transmissions?campaign_id=jav").status == 204


def test_java_may_name_itself_by_basic_authorisation(house, authority):
    pair = base64.b64encode(f"{house.key}:".encode()).decode()
    client = Client(house, authority, {"Authorization": f"Basic {pair}"})
    assert client.ask("GET", "/api/v1/sending-domains/").status == 200


def test_java_reads_the_links_of_metrics(java):
    links = java.ask("GET", "/api/v1/metrics/").json["links"]
    assert all(set(link) == {"href", "rel", "method"} and all(type(value) is str for value in link.values()) for link in links)
