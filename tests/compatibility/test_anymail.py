"""django-anymail, unmodified, on a real Django site: it sends through us over HTTPS, and hears of its mail by our webhooks."""

import base64
import html
import json
import os
import re
import smtplib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.authority import Authority
from tests.compatibility.inbox import Inbox
from tests.compatibility.secure import SecureHouse
from tests.compatibility.signatures import Records, assert_signed, published
from tests.kit.engine import free_port
from tests.kit.house import DOMAIN
from tests.kit.postgres import TestServer
from tests.stories.test_a_bounce_after_the_delivery_suppresses_the_address import COMPLAINT, REPORT
from tests.stories.test_opens_clicks_and_unsubscribes_are_told import Stay

NEWS = f"news@{DOMAIN}"
SECRET = "hook:a-long-random-word"
PAGE = (
    '<html><body><p>Hi</p><a href="https://shop.acme.test/?a=1" data-msys-linkname="Shop">x</a>'
    '<a href="https://shop.acme.test/stop" data-msys-unsubscribe="1">y</a></body></html>'
)


class Choosy(Inbox):
    """A receiver that does not know `nobody...`, and is not ready for `later...`."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 <nobody>: no such user"
        if address.startswith("later"):
            return "451 4.2.1 mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"


class Site:
    """The Django site, in a process of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"http://127.0.0.1:{port}"

    def send(self, **asked: Any) -> dict[str, Any]:
        """Send by Anymail; returns message_id and the status of each recipient, or the error."""
        request = urllib.request.Request(f"{self.base}/send", data=json.dumps(asked).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def heard(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return what the site has been told, as far as it is of these values."""
        with urllib.request.urlopen(f"{self.base}/heard", timeout=30) as answer:
            return [one for one in json.load(answer) if all(one.get(name) == value for name, value in wanted.items())]

    def is_up(self) -> bool:
        try:
            self.heard()
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    with Choosy() as made:
        yield made


@pytest.fixture(scope="module")
def site_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def house(postgres_server: TestServer, inbox: Inbox, authority: Authority, site_port: int) -> Iterator[SecureHouse]:
    tracking = free_port()
    settings = {
        "allow_private_targets": "true",
        "target_ports": str(site_port),
        "tracking": f"127.0.0.1:{tracking}",
        "tracking_url": f"https://127.0.0.1:{tracking}",
    }
    with (
        postgres_server.fresh() as dsn,
        SecureHouse(authority, database=dsn, smarthost=str(inbox.address), settings=settings) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def site(house: SecureHouse, authority: Authority, site_port: int) -> Iterator[Site]:
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environ |= {
        "SITE_PORT": str(site_port),
        "SITE_API_URL": f"{house.origin}/api/v1",
        "SITE_API_KEY": house.key,
        "SITE_SECRET": SECRET,
        "REQUESTS_CA_BUNDLE": str(authority.file),
    }
    with subprocess.Popen([sys.executable, str(Path(__file__).with_name("django_site.py"))], env=environ) as process:
        made = Site(site_port)
        try:
            house.wait_until(made.is_up, 30, "the site serves")
            user, _, password = SECRET.partition(":")
            hook = {
                "name": "anymail",
                "target": f"{made.base}/anymail/sparkpost/tracking/",
                "events": TOLD,
                "auth_type": "basic",
                "auth_credentials": {"username": user, "password": password},
            }
            status, answer = house.call("/api/v1/webhooks", hook)
            assert status == 200, answer
            yield made
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def records(house: SecureHouse) -> Records:
    return published(house)


TOLD = [
    "injection",
    "delivery",
    "delay",
    "bounce",
    "out_of_band",
    "spam_complaint",
    "generation_failure",
    "open",
    "initial_open",
    "click",
    "list_unsubscribe",
    "link_unsubscribe",
]


def told(house: SecureHouse, site: Site, kind: str, recipient: str) -> dict[str, Any]:
    """Wait until the site has heard of something, and return it."""

    def found() -> dict[str, Any] | None:
        return next(iter(site.heard(signal="tracking", type=kind, recipient=recipient)), None)

    return house.wait_until(found, 30, f"the site hears that {recipient} is {kind}")


def visit(authority: Authority, url: str, data: bytes | None = None) -> tuple[int, str]:
    """Ask the tracking site, and follow no redirect; returns status and Location."""
    context = ssl.create_default_context(cafile=authority.file)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay)
    try:
        with opener.open(urllib.request.Request(url, data=data), timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers.get("Location", "")


def sent(site: Site, **asked: Any) -> dict[str, Any]:
    made = site.send(**{"subject": "Hello", "body": "It works.\n", "from_email": NEWS, **asked})
    assert "error" not in made, made
    assert made["message_id"].isdigit()
    return made


def test_a_simple_message_is_queued_and_arrives(site, inbox, records):
    made = sent(site, to=["kim@there.test"], alternatives=[["text/html", "<p>It works.</p>"]], track_opens=False)
    assert made["recipients"] == {"kim@there.test": "queued"}
    letter = inbox.one("kim@there.test")
    assert_signed(letter.data, records)
    assert [part.get_content().strip() for part in letter.message.iter_parts()] == ["It works.", "<p>It works.</p>"]


def test_everything_that_a_message_can_have_arrives(site, house, inbox):
    at = datetime.now(UTC) + timedelta(seconds=3)
    made = sent(
        site,
        from_email=f'"Acme, Ünited" <{NEWS}>',
        to=["One <ada@there.test>", "ben@there.test"],
        cc=["Copy Ü <cyd@there.test>"],
        bcc=["dan@there.test"],
        reply_to=[f"Help <help@{DOMAIN}>", f"other@{DOMAIN}"],
        subject="Grüße 山",
        headers={"X-Anymail-Test": "value, with ü", "X-Number": "3"},
        alternatives=[
            ["text/html", '<p>Hi <img src="cid:logo"></p>'],
            ["text/x-amp-html", "<!doctype html><html ⚡4email></html>"],
        ],
        attachments=[
            ["terms.txt", "text/plain", base64.b64encode("ü terms".encode()).decode()],
            ["größe.pdf", "application/pdf", base64.b64encode(b"%PDF").decode()],
        ],
        inline=[["logo", base64.b64encode(b"\x89PNG").decode()]],
        metadata={"order": "12345", "mode": 7},
        tags=["spring"],
        track_opens=False,
        track_clicks=False,
        send_at=at.isoformat(),
        esp_extra={"description": "of a test", "options": {"transactional": True, "inline_css": True}},
    )
    assert set(made["recipients"]) == {f"{name}@there.test" for name in ("ada", "ben", "cyd", "dan")}
    assert set(made["recipients"].values()) == {"queued"}
    for name in ("ada", "ben", "cyd", "dan"):
        letter = inbox.one(f"{name}@there.test")
        assert letter.at >= at.replace(microsecond=0).timestamp()
        message = letter.message
        assert (message["Subject"], message["X-Anymail-Test"], message["X-Number"]) == ("Grüße 山", "value, with ü", "3")
        assert getaddresses([str(message["From"])]) == [("Acme, Ünited", NEWS)]
        assert getaddresses([str(message["To"])]) == [("One", "ada@there.test"), ("", "ben@there.test")]
        assert getaddresses([str(message["Cc"])]) == [("Copy Ü", "cyd@there.test")]
        assert getaddresses([str(message["Reply-To"])]) == [("Help", f"help@{DOMAIN}"), ("", f"other@{DOMAIN}")]
        assert "Bcc" not in message
        files = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments() if part.get_filename()}
        assert files["terms.txt"] == "ü terms".encode()
        assert files["größe.pdf"] == b"%PDF"
        kinds = [part.get_content_type() for part in message.walk()]
        assert {"text/plain", "text/html", "text/x-amp-html", "image/png"} <= set(kinds)
        image = next(part for part in message.walk() if part.get_content_type() == "image/png")
        assert image["Content-ID"] == "<logo>"
    event = told(house, site, "queued", "ada@there.test")
    assert (event["tags"], event["metadata"]) == (["spring"], {"order": "12345", "mode": 7})
    assert event["message_id"] == made["message_id"]
    assert event["raw"]["transactional"] == "1"


def test_a_batch_gives_everybody_his_own_data_and_headers(site, house, inbox):
    made = sent(
        site,
        to=["Eve <eve@there.test>", "fay@there.test"],
        subject="{{greeting}} {{name}}",
        body="{{name}} of {{group}}: {{greeting}}",
        merge_data={"eve@there.test": {"name": "Eve", "group": "A"}, "fay@there.test": {"name": "Fay"}},
        merge_global_data={"greeting": "Dear", "group": "nobody"},
        merge_metadata={"eve@there.test": {"order": 1}, "fay@there.test": {"order": 2}},
        merge_headers={"eve@there.test": {"List-Unsubscribe": "<https://acme.test/e>"}, "fay@there.test": {"X-Own": "fay"}},
        headers={"List-Unsubscribe": "<https://acme.test/all>"},
        metadata={"run": "17"},
    )
    assert made["recipients"] == {"eve@there.test": "queued", "fay@there.test": "queued"}
    eve, fay = inbox.one("eve@there.test").message, inbox.one("fay@there.test").message
    assert (eve["Subject"], eve["To"]) == ("Dear Eve", "Eve <eve@there.test>")
    assert (fay["Subject"], fay["To"]) == ("Dear Fay", "fay@there.test")
    assert eve.get_content().strip() == "Eve of A: Dear"
    assert fay.get_content().strip() == "Fay of nobody: Dear"
    assert (eve["List-Unsubscribe"], eve["X-Own"]) == ("<https://acme.test/e>", None)
    assert (fay["List-Unsubscribe"], fay["X-Own"]) == ("<https://acme.test/all>", "fay")
    assert told(house, site, "delivered", "eve@there.test")["metadata"] == {"run": "17", "order": 1}
    assert told(house, site, "delivered", "fay@there.test")["metadata"] == {"run": "17", "order": 2}


def test_a_stored_template_is_sent(site, house, inbox):
    content = {"from": NEWS, "subject": "Order {{order}}", "html": "<p>{{name}}</p>", "text": "{{name}}"}
    assert house.call("/api/v1/templates", {"id": "test-template", "published": True, "content": content})[0] == 200
    made = site.send(
        to=["gus@there.test"],
        template_id="test-template",
        merge_data={"gus@there.test": {"name": "Gus"}},
        merge_global_data={"order": 12345},
    )
    assert made["recipients"] == {"gus@there.test": "queued"}
    assert inbox.one("gus@there.test").message["Subject"] == "Order 12345"
    assert site.send(to=["gus@there.test"], template_id="nope")["status"] == 422


def test_an_envelope_sender_needs_a_bounce_domain(site, house, inbox):
    refused = site.send(subject="x", body="x", from_email=NEWS, to=["hal@there.test"], envelope_sender="b@nowhere.test")
    assert (refused["error"], refused["status"]) == ("AnymailRequestsAPIError", 400)
    house.sql('UPDATE sending_domains SET status = status || \'{"cname_status": "valid"}\' WHERE domain = %s RETURNING 1', DOMAIN)

    def taken() -> bool:
        own = f"b@{DOMAIN}"
        return "error" not in site.send(subject="x", body="x", from_email=NEWS, to=["hal@there.test"], envelope_sender=own)

    house.wait_until(taken, 20, "the domain is known to take bounces")
    assert inbox.one("hal@there.test").sender.endswith(f"@{DOMAIN}")


def test_mail_of_a_subaccount(site, house):
    made = site.send(subject="x", body="x", from_email=NEWS, to=["ian@there.test"], connection={"subaccount": "77"})
    assert made["status"] == 400
    assert "this account has no subaccount 77" in made["text"]


def test_a_wrong_key_is_unauthorized(site):
    made = site.send(subject="x", body="x", from_email=NEWS, to=["kim@there.test"], connection={"api_key": "0" * 40})
    assert (made["error"], made["status"]) == ("AnymailRequestsAPIError", 401)
    assert "Unauthorized" in made["text"]


def test_a_message_of_one_empty_part_is_taken(site, inbox):
    sent(site, to=["jan@there.test"], subject="", body="", alternatives=[["text/html", "<p>only</p>"]])
    assert inbox.one("jan@there.test").message["Subject"] in (None, "")


def test_the_site_hears_of_delivery_and_what_the_reader_does(site, house, inbox, authority):
    made = sent(site, to=["lou@there.test"], alternatives=[["text/html", PAGE]], tags=["tracked"], metadata={"uid": "9"})
    message = inbox.one("lou@there.test").message
    body = message.get_body(preferencelist=("html",)).get_content()
    pixels = re.findall(r'<img [^>]*src="([^"]+)"', body)
    shop, stop = [html.unescape(link) for link in re.findall(r'<a href="([^"]+)"', body)]
    delivered = told(house, site, "delivered", "lou@there.test")
    assert [visit(authority, html.unescape(pixel))[0] for pixel in pixels] == [200, 200]
    assert visit(authority, shop) == (302, "https://shop.acme.test/?a=1")
    assert delivered["timestamp"] is not None
    opened = told(house, site, "opened", "lou@there.test")
    clicked = told(house, site, "clicked", "lou@there.test")
    assert clicked["click_url"] == "https://shop.acme.test/?a=1"
    assert clicked["raw"]["target_link_name"] == "Shop"
    assert opened["user_agent"].startswith("Python-urllib")
    for event in (told(house, site, "queued", "lou@there.test"), delivered, opened, clicked):
        assert event["esp"] == "SparkPost"
        assert (event["message_id"], event["tags"], event["metadata"]) == (made["message_id"], ["tracked"], {"uid": "9"})
        assert event["event_id"]
    house.wait_until(lambda: site.heard(signal="tracking", type="unknown", recipient="lou@there.test"), 20, "initial_open")
    assert visit(authority, stop) == (302, "https://shop.acme.test/stop")
    assert told(house, site, "unsubscribed", "lou@there.test")["raw"]["type"] == "link_unsubscribe"


def test_the_site_hears_of_a_one_click_unsubscribe(site, house, inbox, authority):
    sent(site, to=["may@there.test"])
    message = inbox.one("may@there.test").message
    way = next(way for way in re.findall(r"<([^>]+)>", message["List-Unsubscribe"]) if way.startswith("https:"))
    assert visit(authority, way, b"List-Unsubscribe=One-Click")[0] == 200
    assert told(house, site, "unsubscribed", "may@there.test")["raw"]["type"] == "list_unsubscribe"
    sent(site, to=["may@there.test"])
    bounced = told(house, site, "bounced", "may@there.test")
    assert (bounced["reject_reason"], bounced["raw"]["bounce_class"]) == ("blocked", "25")


def test_the_site_hears_of_bounces_and_delays(site, house):
    sent(site, to=["nobody@there.test"])
    bounced = told(house, site, "bounced", "nobody@there.test")
    assert (bounced["reject_reason"], bounced["mta_response"]) == ("invalid", "550 5.1.1 <nobody>: no such user")
    sent(site, to=["later@there.test"])
    deferred = told(house, site, "deferred", "later@there.test")
    assert "mailbox is busy" in deferred["mta_response"]


def test_the_site_hears_of_bounces_after_the_fact_and_of_complaints(site, house, inbox):
    for name, report, kind in (("ned", REPORT, "bounced"), ("oda", COMPLAINT, "complained")):
        sent(site, to=[f"{name}@there.test"])
        path = inbox.one(f"{name}@there.test").sender
        text = report.format(path=path, recipient=f"{name}@there.test")
        with smtplib.SMTP("127.0.0.1", house.mx_port, local_hostname="mx.there.test", timeout=30) as client:
            client.sendmail("", [path if kind == "bounced" else "fbl@mail.acme.test"], text)
        event = told(house, site, kind, f"{name}@there.test")
        assert event["raw"]["type"] in ("out_of_band", "spam_complaint")


def test_the_site_hears_of_messages_that_cannot_be_made(site, house):
    sent(site, to=["pam@there.test"], body="{{1 / nothing.at.all}}")
    failed = told(house, site, "failed", "pam@there.test")
    assert "Error while rendering part text" in failed["raw"]["raw_reason"]


def test_a_post_without_the_secret_is_refused_by_the_site(site, house):
    hook = {"name": "x", "target": f"{site.base}/anymail/sparkpost/tracking/", "events": ["delivery"]}
    status, answer = house.call("/api/v1/webhooks", hook)
    assert status == 400
    assert answer["errors"][0]["response"]["status"] == 400


def test_the_site_hears_of_inbound_mail(site, house):
    assert house.call("/api/v1/inbound-domains", {"domain": "in.acme.test"})[0] == 200
    target = f"http://{SECRET}@127.0.0.1:{site.port}/anymail/sparkpost/inbound/"
    assert house.call("/api/v1/relay-webhooks", {"target": target, "match": {"domain": "in.acme.test"}})[0] == 200
    text = (
        "From: Kïm <kim@there.test>\r\nTo: help@in.acme.test\r\nSubject: Wo ist es? 山\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße\r\n'
        '--b\r\nContent-Type: text/csv; charset=utf-8; name="a.csv"\r\nContent-Disposition: attachment; filename="a.csv"\r\n\r\n'
        "a;b\r\n--b--\r\n"
    ).encode()
    with smtplib.SMTP("127.0.0.1", house.mx_port, local_hostname="mx.there.test", timeout=30) as client:
        client.sendmail("kim@there.test", ["help@in.acme.test"], text)
    (mail,) = house.wait_until(lambda: site.heard(signal="inbound"), 30, "the site hears of the mail")
    assert (mail["esp"], mail["type"], mail["envelope"]) == ("SparkPost", "inbound", ["kim@there.test", "help@in.acme.test"])
    assert (mail["from"], mail["subject"]) == ("Kïm <kim@there.test>", "Wo ist es? 山")
    assert mail["text"].strip() == "Grüße"
    assert {name: content.strip() for name, content in mail["attachments"].items()} == {"a.csv": "a;b"}
