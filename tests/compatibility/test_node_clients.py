"""node-sparkpost over HTTPS and nodemailer over STARTTLS, unmodified: every call that they have, against a house."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from homing.events.types import EventType
from tests.compatibility.authority import Authority
from tests.compatibility.inbox import Inbox
from tests.compatibility.nodes import Failed, Node, installed
from tests.compatibility.secure import SecureHouse
from tests.compatibility.signatures import Records, assert_signed, published
from tests.kit.house import DOMAIN
from tests.kit.postgres import TestServer
from tests.kit.target import Target, listening

NEWS = f"news@{DOMAIN}"
CONTENT = {"from": NEWS, "subject": "Hello", "text": "It works.\n"}
METHODS = {
    "events": {"searchMessage"},
    "inboundDomains": {"list", "get", "create", "delete"},
    "messageEvents": {"search"},
    "recipientLists": {"list", "get", "create", "update", "delete"},
    "relayWebhooks": {"list", "get", "create", "update", "delete"},
    "sendingDomains": {"list", "get", "create", "update", "delete", "verify"},
    "subaccounts": {"list", "get", "create", "update"},
    "suppressionList": {"list", "get", "upsert", "delete"},
    "templates": {"list", "get", "create", "update", "delete", "preview"},
    "transmissions": {"list", "get", "send"},
    "webhooks": {
        "list",
        "get",
        "create",
        "update",
        "delete",
        "validate",
        "getBatchStatus",
        "getDocumentation",
        "getSamples",
    },
}

Call = Callable[..., Any]
called: set[str] = set()  # `resource.method`, for the last test of the module


@pytest.fixture(scope="module")
def packages() -> Path:
    return installed()


@pytest.fixture(scope="module")
def app() -> Iterator[Target]:
    """What webhooks and relay webhooks are posted to."""
    with listening() as made:
        yield made


@pytest.fixture(scope="module")
def house(packages: Path, postgres_server: TestServer, inbox: Inbox, authority: Authority, app: Target) -> Iterator[SecureHouse]:
    settings = {"allow_private_targets": "true", "target_ports": str(app.port)}
    with (
        postgres_server.fresh() as dsn,
        SecureHouse(authority, database=dsn, smarthost=str(inbox.address), settings=settings) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def records(house: SecureHouse) -> Records:
    return published(house)


@pytest.fixture(scope="module")
def node(packages: Path, authority: Authority) -> Iterator[Node]:
    with Node(packages, authority.file) as made:
        yield made


@pytest.fixture
def call(house: SecureHouse, node: Node) -> Call:
    """Call a method of the client: `call("templates.get", "welcome")`."""

    def of_client(name: str, *args: Any, key: str = "", callback: bool = False, **options: Any) -> Any:
        called.add(name)
        options = {"origin": house.origin, **options}
        return node.ask(call=name.split("."), args=args, key=key or house.key, callback=callback, options=options)

    return of_client


def refused(call: Call, name: str, *args: Any, **more: Any) -> Failed:
    with pytest.raises(Failed) as caught:
        call(name, *args, **more)
    return caught.value


def test_the_client_has_the_calls_that_are_tried_here(node):
    assert {name: set(methods) for name, methods in node.ask(methods=True).items()} == METHODS


def test_everybody_gets_his_own_text_and_copies_see_the_recipients(call, inbox, records):
    sent = call(
        "transmissions.send",
        {
            "campaign_id": "spring",
            "description": "spring run",
            "options": {"open_tracking": False, "click_tracking": False, "transactional": True, "inline_css": True},
            "metadata": {"run": "17"},
            "substitution_data": {"shop": "Acme"},
            "recipients": [
                {"address": '"Kim Ü" <kim@there.test>', "substitution_data": {"first": "Kim"}, "tags": ["vip"]},
                {"address": {"email": "lee@there.test", "name": "Lee"}, "substitution_data": {"first": "Lee"}},
            ],
            "cc": [{"address": {"email": "cc@there.test", "name": "C Copy"}, "substitution_data": {"first": "C"}}],
            "bcc": [{"address": "bcc@there.test", "substitution_data": {"first": "B"}}],
            "content": {
                "from": {"email": NEWS, "name": "{{shop}}"},
                "subject": "Hello {{first}}",
                "reply_to": f"Help <help@{DOMAIN}>",
                "headers": {"X-Run": "17"},
                "text": "Hi {{first}}",
                "html": '<style>p{color:red}</style><p>Hi {{first}} <img src="cid:logo"></p>',
                "attachments": [{"name": "terms.txt", "type": "text/plain; charset=UTF-8", "data": "dGVybXM="}],
                "inline_images": [{"name": "logo", "type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}],
            },
        },
        {"num_rcpt_errors": 3},
    )
    results = sent["results"]
    assert results["id"].isdigit()
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (4, 0)
    for recipient, first in (("kim", "Kim"), ("lee", "Lee"), ("cc", "C"), ("bcc", "B")):
        letter = inbox.one(f"{recipient}@there.test")
        assert_signed(letter.data, records)
        message = letter.message
        assert (message["Subject"], message["X-Run"], message["Reply-To"]) == (f"Hello {first}", "17", f"Help <help@{DOMAIN}>")
        assert message["From"] == f"Acme <{NEWS}>"
        assert message["CC"] == '"C Copy" <cc@there.test>' or message["CC"] == "C Copy <cc@there.test>"
        html = message.get_body(preferencelist=("html",))
        assert html is not None
        assert f'<p style="color: red;">Hi {first} <img src="cid:logo"></p>' in html.get_content()
        assert [part.get_content() for part in message.iter_attachments()][-1].strip() == "terms"
    to = inbox.one("bcc@there.test").message["To"]
    assert [address.addr_spec for address in to.addresses] == ["kim@there.test", "lee@there.test"]
    assert "bcc@there.test" not in str(inbox.one("kim@there.test").message)


def test_some_recipients_are_left_out_and_named(call):
    sent = call(
        "transmissions.send",
        {"recipients": [{"address": "mia@there.test"}, {"address": "no address"}, {"address": "@"}], "content": CONTENT},
        {"num_rcpt_errors": 1},
    )
    assert sent["errors"][0]["code"] == "2000"
    assert (sent["results"]["total_rejected_recipients"], len(sent["results"]["rcpt_to_errors"])) == (2, 1)


def test_refusals_have_a_status_and_an_array_of_errors(call):
    error = refused(call, "transmissions.send", {"recipients": [{"address": "kim@there.test"}], "content": {"from": NEWS}})
    assert error.status == 422
    assert error.errors == [
        {"message": "required field is missing", "description": "content.subject is a required field", "code": "1400"}
    ]
    error = refused(call, "transmissions.list", key="0" * 40)
    assert (error.status, error.errors) == (401, [{"message": "Unauthorized."}])
    error = refused(call, "templates.delete", "nope")
    assert (error.status, error.errors) == (404, None)  # the client does not parse what a DELETE is answered with


def test_calls_by_callback_answer_too(call):
    assert call("transmissions.list", callback=True) == {"results": []}
    assert refused(call, "templates.get", "nope", callback=True).status == 404


def test_scheduled_transmissions_are_listed_and_looked_at(call):
    start = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    asked = {
        "campaign_id": "later",
        "options": {"start_time": start},
        "recipients": [{"address": "noa@there.test"}],
        "content": CONTENT,
    }
    ident = call("transmissions.send", asked)["results"]["id"]
    assert [one["id"] for one in call("transmissions.list", {"campaign_id": "later"})["results"]] == [ident]
    found = call("transmissions.get", ident)["results"]["transmission"]
    assert (found["id"], found["state"], found["campaign_id"], found["num_rcpts"]) == (ident, "submitted", "later", 1)


def test_templates_are_kept_previewed_and_sent(call, inbox):
    made = call(
        "templates.create",
        {"id": "welcome", "name": "Welcome", "content": {**CONTENT, "subject": "Hi {{first}}", "html": "<p>{{first}}</p>"}},
    )
    assert made == {"results": {"id": "welcome"}}
    assert [one["id"] for one in call("templates.list")["results"]] == ["welcome"]
    assert call("templates.get", "welcome", {"draft": True})["results"]["published"] is False
    assert call("templates.update", "welcome", {"published": True}) == {"results": {"id": "welcome"}}
    changed = {"content": {**CONTENT, "subject": "Dear {{first}}"}}
    assert call("templates.update", "welcome", changed, {"update_published": True}) == {"results": {"id": "welcome"}}
    shown = call("templates.preview", "welcome", {"substitution_data": {"first": "Kim"}, "draft": False})["results"]
    assert (shown["subject"], shown["from"]) == ("Dear Kim", {"email": NEWS})
    to = [{"address": "tia@there.test", "substitution_data": {"first": "Tia"}}]
    call("transmissions.send", {"recipients": to, "content": {"template_id": "welcome"}})
    assert inbox.one("tia@there.test").message["Subject"] == "Dear Tia"
    assert refused(call, "templates.create", {"id": "bad", "content": {**CONTENT, "text": "{{"}}).errors[0]["code"] == "3000"
    assert call("templates.delete", "welcome") == "{}"


def test_recipient_lists_are_kept_and_sent_to(call, house, inbox):
    people = [{"address": {"email": f"g{number}@there.test"}, "substitution_data": {"n": number}} for number in range(2)]
    made = call("recipientLists.create", {"id": "grads", "name": "Grads", "recipients": people, "num_rcpt_errors": 2})
    assert (made["results"]["id"], made["results"]["total_accepted_recipients"]) == ("grads", 2)
    assert [one["id"] for one in call("recipientLists.list")["results"]] == ["grads"]
    assert len(call("recipientLists.get", "grads", {"show_recipients": True})["results"]["recipients"]) == 2
    assert call("recipientLists.update", "grads", {"name": "All"})["results"]["name"] == "All"
    call("transmissions.send", {"recipients": {"list_id": "grads"}, "content": {**CONTENT, "subject": "No {{n}}"}})
    assert inbox.one("g1@there.test").message["Subject"] == "No 1"
    house.wait_until(lambda: house.waiting() <= 1, 20, "the list is done")  # one message of another test waits for its start
    assert call("recipientLists.delete", "grads") == "{}"


def test_the_suppression_list_is_kept(call):
    entries = [{"recipient": "Vera@there.test", "type": "non_transactional", "description": "asked"}]
    assert call("suppressionList.upsert", entries)["results"]["message"] == "Suppression List successfully updated"
    call("suppressionList.upsert", {"recipient": "vera@there.test", "type": "transactional"})
    (one, other) = call("suppressionList.get", "vera@there.test")["results"]
    assert {one["type"], other["type"]} == {"transactional", "non_transactional"}
    listed = call("suppressionList.list", {"types": "transactional", "per_page": 5, "cursor": "initial"})
    assert [entry["recipient"] for entry in listed["results"]] == ["vera@there.test"]
    assert (listed["total_count"], listed["links"]) == (1, [])
    assert call("suppressionList.delete", "vera@there.test") in (None, "")
    assert refused(call, "suppressionList.get", "vera@there.test").errors == [{"message": "Recipient could not be found"}]


def test_sending_domains_are_kept_and_verified(call):
    made = call("sendingDomains.create", {"domain": "mail.other.test", "generate_dkim": True, "dkim_key_length": 1024})["results"]
    assert (made["message"], made["domain"]) == ("Successfully Created domain.", "mail.other.test")
    assert made["dkim"]["selector"].startswith("scph")
    assert {"mail.other.test", DOMAIN} <= {one["domain"] for one in call("sendingDomains.list")["results"]}
    assert call("sendingDomains.get", "mail.other.test")["results"]["status"]["ownership_verified"] is False
    changed = call("sendingDomains.update", "mail.other.test", {"shared_with_subaccounts": True})["results"]
    assert changed == {"message": "Successfully Updated Domain.", "domain": "mail.other.test"}
    looked = call("sendingDomains.verify", "mail.other.test", {"dkim_verify": True})["results"]
    assert looked["dkim_status"] in ("invalid", "unverified")
    assert "dns" in looked
    assert call("sendingDomains.delete", "mail.other.test") in (None, "")
    assert refused(call, "sendingDomains.get", "mail.other.test").status == 404


def test_inbound_domains_and_relay_webhooks_are_kept(call, app):
    assert call("inboundDomains.create", {"domain": "in.other.test"}) == {}
    assert call("inboundDomains.list")["results"] == [{"domain": "in.other.test"}]
    assert call("inboundDomains.get", "in.other.test")["results"] == {"domain": "in.other.test"}
    wanted = {"name": "replies", "target": app.url, "match": {"protocol": "SMTP", "domain": "in.other.test"}, "auth_token": "t"}
    ident = call("relayWebhooks.create", wanted)["results"]["id"]
    assert [one["id"] for one in call("relayWebhooks.list")["results"]] == [ident]
    assert call("relayWebhooks.get", ident)["results"]["match"] == {"protocol": "SMTP", "domain": "in.other.test"}
    assert call("relayWebhooks.update", ident, {"name": "answers"})["results"] == {"id": ident}
    assert refused(call, "inboundDomains.delete", "in.other.test").status == 409
    assert call("relayWebhooks.delete", ident) == "{}"
    assert call("inboundDomains.delete", "in.other.test") == "{}"


def test_webhooks_are_kept_tried_and_told(call, house, app):
    wanted = {
        "name": "app",
        "target": app.url,
        "events": ["delivery", "injection"],
        "auth_type": "basic",
        "auth_credentials": {"username": "u", "password": "p"},
    }
    ident = call("webhooks.create", wanted)["results"]["id"]
    assert [one["id"] for one in call("webhooks.list", {"timezone": "Europe/Oslo"})["results"]] == [ident]
    found = call("webhooks.get", ident, {"timezone": "America/New_York"})["results"]
    assert (found["target"], found["auth_request_details"]) == (app.url, {})
    assert call("webhooks.update", ident, {"id": ident, "events": ["delivery"]})["results"]["id"] == ident
    tried = call("webhooks.validate", ident, {"message": {"msys": {}}})["results"]
    assert (tried["msg"], tried["response"]["status"]) == ("Test POST to endpoint succeeded", 200)
    call("transmissions.send", {"recipients": [{"address": "wes@there.test"}], "content": CONTENT})
    house.wait_until(lambda: any(event.get("rcpt_to") == "wes@there.test" for event in app.events), 20, "it is told")
    assert app.batches[-1].headers["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert call("webhooks.getBatchStatus", ident, {"limit": 10}) == {"results": []}
    app.script = lambda heard: 503
    error = refused(call, "webhooks.validate", ident, {"message": {"msys": {}}})
    app.script = lambda heard: 200
    assert (error.status, error.errors[0]["code"], error.errors[0]["response"]["status"]) == (400, 400, 503)
    assert call("webhooks.delete", ident) in (None, "")
    assert refused(call, "webhooks.get", ident).status == 404


def test_long_answers_come_compressed_and_are_read(call):
    found = call("webhooks.getDocumentation")["results"]
    assert found["message_event"]["events"]["bounce"]["event"]["type"]["sampleValue"] == "bounce"
    samples = call("webhooks.getSamples", {"events": "bounce"})["results"]
    assert [next(iter(one["msys"].values()))["type"] for one in samples] == ["bounce"]


def test_events_are_searched(call, house):
    call("transmissions.send", {"campaign_id": "search", "recipients": [{"address": "zoe@there.test"}], "content": CONTENT})
    house.wait_for("zoe@there.test", "delivery")
    until = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = call(
        "events.searchMessage", {"recipients": ["zoe@there.test", "nobody@there.test"], "events": ["delivery"], "to": until}
    )
    assert [(event["type"], event["rcpt_to"], event["campaign_id"]) for event in found["results"]] == [
        ("delivery", "zoe@there.test", "search")
    ]
    assert (found["total_count"], found["links"]) == (1, {})


def test_events_are_searched_in_the_older_way(call, house):
    call("transmissions.send", {"campaign_id": "older", "recipients": [{"address": "yan@there.test"}], "content": CONTENT})
    house.wait_for("yan@there.test", "delivery")
    found = call("messageEvents.search", {"recipients": "yan@there.test", "events": ["delivery"], "campaign_ids": "older"})
    (event,) = found["results"]
    assert (event["type"], event["rcpt_to"], event["campaign_id"]) == ("delivery", "yan@there.test", "older")
    assert all(isinstance(value, str) for name, value in event.items() if name not in ("rcpt_meta", "rcpt_tags", "geo_ip"))
    assert found["total_count"] == 1


def test_subaccounts_are_made_and_sent_from(call, house, inbox):
    made = call(
        "subaccounts.create",
        {"name": "Kites", "key_label": "kites", "key_grants": ["smtp/inject", "transmissions/modify"]},
    )["results"]
    ident = str(made["subaccount_id"])
    assert [str(one["id"]) for one in call("subaccounts.list")["results"]] == [ident]
    assert call("subaccounts.get", ident)["results"]["name"] == "Kites"
    call("subaccounts.update", ident, {"name": "Kites and more"})
    assert call("subaccounts.get", ident)["results"]["name"] == "Kites and more"
    call("sendingDomains.update", DOMAIN, {"shared_with_subaccounts": True})
    sent = call("transmissions.send", {"recipients": [{"address": "sub@there.test"}], "content": CONTENT}, key=made["key"])
    assert sent["results"]["total_accepted_recipients"] == 1
    inbox.one("sub@there.test")
    headers = {"X-MSYS-SUBACCOUNT": ident}
    call("transmissions.send", {"recipients": [{"address": "sub2@there.test"}], "content": CONTENT}, headers=headers)
    house.wait_for("sub2@there.test", "delivery")
    later = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
    told = house.get(f"/api/v1/events/message?recipients=sub2@there.test&to={later}")[1]["results"]
    assert {str(event["subaccount_id"]) for event in told} == {ident}


def test_a_client_that_does_not_know_the_authority_refuses_to_speak(packages, house):
    with Node(packages, None) as stranger, pytest.raises(Failed, match="certificate"):
        stranger.ask(call=["transmissions", "list"], args=[], key=house.key, options={"origin": house.origin})


def door(house: SecureHouse, **more: Any) -> dict[str, Any]:
    """Return how nodemailer is told to reach the SMTP door: never without TLS."""
    auth = {"user": "SMTP_Injection", "pass": house.key}
    return {"host": "127.0.0.1", "port": house.smtp_port, "secure": False, "requireTLS": True, "auth": auth, **more}


def test_nodemailer_sends_over_starttls_with_everything(node, house, inbox, records):
    sent = node.ask(
        mail={
            "from": {"name": "Acme Ünited", "address": NEWS},
            "to": "Nía <nia@there.test>",
            "subject": "Grüße 山",
            "text": "Hi Nía\n.\nend\n",
            "html": '<style>p{color:red}</style><p>Hi <img src="cid:logo@acme.test"></p>',
            "replyTo": f"help@{DOMAIN}",
            "headers": {
                "X-MSYS-API": '{"campaign_id": "node", "metadata": {"run": "18"}, "tags": ["smtp"], '
                '"options": {"inline_css": true, "open_tracking": false}, '
                '"cc": [{"email": "nia2@there.test", "name": "Two"}], "bcc": ["nia3@there.test"]}'
            },
            "attachments": [
                {"filename": "prices.pdf", "content": "JVBERi0=", "encoding": "base64", "contentType": "application/pdf"},
                {"filename": "logo.png", "content": "iVBORw==", "encoding": "base64", "cid": "logo@acme.test"},
            ],
            "list": {"unsubscribe": {"url": "https://acme.test/u", "comment": "Stop"}},
        },
        door=door(house),
    )
    assert sent["response"].startswith("250 2.0.0 OK ")
    for recipient in ("nia", "nia2", "nia3"):
        letter = inbox.one(f"{recipient}@there.test")
        assert_signed(letter.data, records)
        message = letter.message
        assert (message["Subject"], message["To"], message["Cc"]) == ("Grüße 山", "Nía <nia@there.test>", "Two <nia2@there.test>")
        assert message["From"] == f"Acme Ünited <{NEWS}>"
        assert "X-MSYS-API" not in message
        assert "nia3" not in str(message).replace("nia3@there.test", "", 0 if recipient == "nia" else -1)
        html = message.get_body(preferencelist=("html",))
        assert html is not None
        assert '<p style="color: red;">' in html.get_content()
        assert {part.get_filename() for part in message.walk() if part.get_filename()} == {"prices.pdf", "logo.png"}
    event = house.wait_for("nia@there.test", "delivery")
    assert (event["rcpt_meta"], event["rcpt_tags"]) == ({"run": "18"}, ["smtp"])


def test_nodemailer_logs_in_in_the_older_way_too(node, house, inbox):
    node.ask(mail={"from": NEWS, "to": "login@there.test", "subject": "x", "text": "x"}, door=door(house, authMethod="LOGIN"))
    assert b"with ESMTPSA id " in inbox.one("login@there.test").data


def test_nodemailer_is_told_of_a_wrong_key_and_of_refused_mail(node, house):
    wrong = door(house, auth={"user": "SMTP_Injection", "pass": "0" * 40})
    mail = {"from": NEWS, "to": "kim@there.test", "subject": "x", "text": "x"}
    with pytest.raises(Failed) as caught:
        node.ask(mail=mail, door=wrong)
    assert (caught.value.code, caught.value.response_code) == ("EAUTH", 535)
    assert "5.7.8" in str(caught.value)
    with pytest.raises(Failed) as caught:
        node.ask(mail={**mail, "from": "me@elsewhere.test"}, door=door(house))
    assert caught.value.response_code == 550


def test_nodemailer_refuses_a_certificate_that_nobody_signed(packages, house):
    mail = {"from": NEWS, "to": "kim@there.test", "subject": "x", "text": "x"}
    with Node(packages, None) as stranger, pytest.raises(Failed, match="certificate"):
        stranger.ask(mail=mail, door=door(house))


def test_a_pool_of_nodemailer_sends_many_messages_on_one_connection(node, house):
    before = house.count(EventType.INJECTION)
    mails = [
        {"from": NEWS, "to": [f"p{number}@there.test", f"q{number}@there.test"], "subject": "x", "text": "x"}
        for number in range(5)
    ]
    sent = node.ask(mails=mails, door=door(house, pool=True, maxConnections=1))
    assert [len(one["accepted"]) for one in sent] == [2] * 5
    house.wait_until(lambda: house.count(EventType.INJECTION) == before + 10, 10, "all are taken")


def test_every_call_of_the_client_was_tried():
    everything = {f"{resource}.{method}" for resource, methods in METHODS.items() for method in methods}
    if len(called) < 20:
        pytest.skip("the other tests of this module did not run")
    assert called == everything
