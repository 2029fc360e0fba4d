"""The official Python client, unmodified, over HTTPS: what it sends arrives as it was asked for, what it may not raises."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

import pytest
from sparkpost import SparkPost, __version__
from sparkpost.base import Resource
from sparkpost.exceptions import SparkPostAPIException

from tests.compatibility.authority import Authority
from tests.compatibility.inbox import Inbox, Letter
from tests.compatibility.secure import SecureHouse
from tests.compatibility.signatures import Records, assert_signed, published
from tests.kit.house import DOMAIN, House
from tests.kit.postgres import TestServer

NEWS = f"news@{DOMAIN}"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256))).decode()
PDF = base64.b64encode(b"%PDF-1.7\r\n" + bytes(reversed(range(256))) * 40).decode()


@pytest.fixture(scope="module")
def house(postgres_server: TestServer, inbox: Inbox, authority: Authority) -> Iterator[House]:
    with (
        postgres_server.fresh() as dsn,
        SecureHouse(authority, database=dsn, smarthost=str(inbox.address), settings={"sandbox_domain": DOMAIN}) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def records(house: House) -> Records:
    return published(house)


@pytest.fixture
def client(house: House, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> SparkPost:
    """The client as its users make it; the environment tells `requests` whom to trust."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    return SparkPost(house.key, f"127.0.0.1:{house.http_port}")


def send(client: SparkPost, recipients: Any, **more: Any) -> dict[str, Any]:
    asked = {"from_email": NEWS, "subject": "Hello", "text": "It works.\n"} | more
    results: dict[str, Any] = client.transmissions.send(recipients=recipients, **asked)
    assert results["id"].isdigit()
    return results


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    assert isinstance(part, EmailMessage)
    return str(part.get_content()).replace("\r\n", "\n")


def addresses(message: EmailMessage, field: str) -> list[tuple[str, str]]:
    return getaddresses([str(value) for value in message.get_all(field, [])])


def test_the_client_is_the_published_one():
    assert __version__ == "1.3.10"


def test_a_client_that_does_not_know_the_authority_refuses_to_speak(house):
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        SparkPost(house.key, f"127.0.0.1:{house.http_port}").transmissions.send(recipients=["kim@there.test"], text="x")


def test_everybody_gets_his_own_text(client, inbox, records):
    results = send(
        client,
        [
            {
                "address": {"email": "ada@there.test", "name": "Ada Lovelace"},
                "substitution_data": {"first": "Ada", "order": {"items": [{"name": "Engine"}], "total": 5}},
            },
            {"address": {"email": "jose@there.test", "name": "José Ñandú"}, "substitution_data": {"first": "José <&>"}},
            "lee@there.test",
        ],
        from_email="{{shop}} Team <news@acme.test>",
        subject="{{first or 'Friend'}}, grüße from {{shop}}",
        text="Hi {{first or 'friend'}},\n\nyour total: {{order.total or 'nothing'}}.\n.\nTo {{address.email}}\n",
        html="<p>Hi {{first or 'friend'}} <b>{{{shop}}}</b> → {{address.name or 'you'}}</p>",
        substitution_data={"shop": "Acme & Sons"},
    )
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (3, 0)
    expected = {
        "ada@there.test": ("Ada Lovelace", "Ada", "Ada", "5", "Ada Lovelace"),
        "jose@there.test": ("José Ñandú", "José <&>", "José &lt;&amp;&gt;", "nothing", "José Ñandú"),
        "lee@there.test": ("", None, "friend", "nothing", "you"),
    }
    for recipient, (name, first, first_html, total, named) in expected.items():
        letter = inbox.one(recipient)
        assert_signed(letter.data, records)
        message = letter.message
        assert addresses(message, "To") == [(name, recipient)]
        assert addresses(message, "From") == [("Acme & Sons Team", NEWS)]
        assert message["Subject"] == f"{first or 'Friend'}, grüße from Acme & Sons"
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert text_of(message, "plain") == f"Hi {first or 'friend'},\n\nyour total: {total}.\n.\nTo {recipient}\n"
        assert text_of(message, "html").strip() == f"<p>Hi {first_html} <b>Acme & Sons</b> → {named}</p>"


def test_recipient_data_wins_over_the_transmissions(client, inbox):
    recipients = [
        {"address": {"email": "own@there.test"}, "substitution_data": {"word": "own"}},
        {"address": {"email": "common@there.test"}},
    ]
    send(client, recipients, text="{{word}}", substitution_data={"word": "common"})
    assert inbox.one("own@there.test").message.get_content().strip() == "own"
    assert inbox.one("common@there.test").message.get_content().strip() == "common"


def test_substitution_can_be_switched_off(client, inbox):
    send(client, ["plain@there.test"], text="{{first}} stays", substitution_data={"first": "Kim"}, perform_substitutions=False)
    assert inbox.one("plain@there.test").message.get_content().strip() == "{{first}} stays"


def test_attachments_and_inline_images_arrive_octet_for_octet(client, inbox, records, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_bytes("Größe: 5\nbare LF, CR\r and NUL\0\n".encode())
    send(
        client,
        ["mia@there.test"],
        html='<p>See <img src="cid:logo.png"></p>',
        attachments=[
            {"type": "application/pdf", "name": 'Übersicht 2026 (final) "v1".pdf', "data": PDF},
            {"type": "text/plain; charset=UTF-8", "name": "notes.txt", "filename": str(notes)},
        ],
        inline_images=[{"type": "image/png", "name": "logo.png", "data": PNG}],
    )
    letter = inbox.one("mia@there.test")
    assert_signed(letter.data, records)
    message = letter.message
    assert message.get_content_type() == "multipart/mixed"
    related, pdf, text = message.iter_parts()
    assert related.get_content_type() == "multipart/related"
    body, image = related.iter_parts()
    assert [part.get_content_type() for part in body.iter_parts()] == ["text/plain", "text/html"]
    assert (image.get_content_type(), image["Content-ID"], image.get_content_disposition()) == (
        "image/png",
        "<logo.png>",
        "inline",
    )
    assert image.get_payload(decode=True) == base64.b64decode(PNG)
    assert (pdf.get_content_type(), pdf.get_content_disposition()) == ("application/pdf", "attachment")
    assert pdf.get_filename() == 'Übersicht 2026 (final) "v1".pdf'
    assert pdf.get_payload(decode=True) == base64.b64decode(PDF)
    assert (text.get_content_type(), text.get_content_charset(), text.get_filename()) == ("text/plain", "utf-8", "notes.txt")
    assert text.get_payload(decode=True) == notes.read_bytes()


def test_copies_see_the_recipient_and_blind_ones_are_seen_by_nobody(client, inbox, records):
    results = send(
        client,
        [{"address": {"email": "to@there.test", "name": "Tea, O."}, "substitution_data": {"first": "Tea"}}],
        cc=["cc1@there.test", "Carl Copy <cc2@there.test>"],
        bcc=["bcc@there.test"],
        text="Hi {{first}}\n",
    )
    assert results["total_accepted_recipients"] == 4
    everybody = ["to@there.test", "cc1@there.test", "cc2@there.test", "bcc@there.test"]
    letters = [inbox.one(recipient) for recipient in everybody]
    for letter in letters:
        assert_signed(letter.data, records)
        message = letter.message
        assert addresses(message, "To") == [("Tea, O.", "to@there.test")]
        assert addresses(message, "Cc") == [("", "cc1@there.test"), ("Carl Copy", "cc2@there.test")]
        assert message["Bcc"] is None
        assert b"bcc@there.test" not in letter.data
        assert message.get_content().strip() == "Hi Tea"
    assert len({letter.message["Message-ID"] for letter in letters}) == 4
    assert len({letter.sender for letter in letters}) == 4


def test_fields_of_ones_own_are_kept(client, inbox, records):
    send(
        client,
        ["nils@there.test"],
        reply_to='"Help, please" <help@acme.test>, second@acme.test',
        custom_headers={
            "X-Campaign": "spring {{run}}",
            "X-Gruesse": "schöne Grüße – 你好 " * 12,
            "List-Unsubscribe": "<https://acme.test/u?x=1>, <mailto:u@acme.test>",
            "Message-ID": "<given-1@acme.test>",
        },
        substitution_data={"run": 17},
    )
    letter = inbox.one("nils@there.test")
    assert_signed(letter.data, records)
    message = letter.message
    assert addresses(message, "Reply-To") == [("Help, please", "help@acme.test"), ("", "second@acme.test")]
    assert message["X-Campaign"] == "spring 17"
    assert message["X-Gruesse"].strip() == ("schöne Grüße – 你好 " * 12).strip()
    assert message["List-Unsubscribe"] == "<https://acme.test/u?x=1>, <mailto:u@acme.test>"
    assert message["Message-ID"] == "<given-1@acme.test>"
    assert max(map(len, letter.data.split(b"\r\n"))) <= 998
    assert abs(parsedate_to_datetime(message["Date"]) - datetime.now(UTC)) < timedelta(minutes=2)


def test_long_and_foreign_text_survives(client, inbox, records):
    long = "Der Fluß " * 400
    html = f"<p>{long}</p><p>\u2028日本語 emoji 🎉 trailing   </p>" + "x" * 5_000
    send(client, ["ona@there.test"], subject="日本語" * 40, text=f"{long}\nFrom here\n.\n..dots\n\ttab \nend", html=html)
    letter = inbox.one("ona@there.test")
    assert_signed(letter.data, records)
    assert letter.message["Subject"] == "日本語" * 40
    assert text_of(letter.message, "plain").rstrip("\n") == f"{long}\nFrom here\n.\n..dots\n\ttab \nend"
    assert text_of(letter.message, "html").rstrip("\n") == html
    assert max(map(len, letter.data.split(b"\r\n"))) <= 998


def test_events_tell_campaign_metadata_and_tags(client, house, inbox):
    results = send(
        client,
        [{"address": {"email": "pia@there.test"}, "tags": ["vip", "eu"], "metadata": {"uid": "7", "run": "own"}}],
        campaign="spring",
        description="spring run",
        metadata={"run": "17", "shop": "main"},
        transactional=True,
        track_opens=True,
        track_clicks=False,
        skip_suppression=False,
        ip_pool="sp_shared",
    )
    inbox.one("pia@there.test")
    house.wait_for("pia@there.test", "delivery")
    soon = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")  # the default ends a minute ago
    status, answer = house.get(f"/api/v1/events/message?recipients=pia@there.test&to={soon}")
    assert status == 200
    found = {event["type"]: event for event in answer["results"]}
    assert set(found) == {"injection", "delivery"}
    for event in found.values():
        assert event["transmission_id"] == results["id"]
        assert event["campaign_id"] == "spring"
        assert event["rcpt_tags"] == ["vip", "eu"]
        assert event["rcpt_meta"] == {"uid": "7", "run": "own", "shop": "main"}
        assert event["transactional"] == "1"
        assert event["recv_method"] == "rest"
    assert (found["injection"]["open_tracking"], found["injection"]["click_tracking"]) == (True, False)


def test_mail_with_a_start_time_waits_for_it(client, inbox):
    start = (datetime.now(UTC) + timedelta(seconds=3)).replace(microsecond=0)
    send(client, ["quin@there.test"], start_time=start.astimezone().isoformat())
    letter = inbox.one("quin@there.test")
    assert start.timestamp() <= letter.at < start.timestamp() + 8


def test_a_start_time_that_is_none_is_refused(client):
    with pytest.raises(SparkPostAPIException) as refusal:
        send(client, ["quin2@there.test"], start_time="tomorrow")
    assert refusal.value.status == 422
    assert "Code: 1300" in str(refusal.value)


def test_a_whole_message_stays_as_it_is(client, inbox, records):
    body = "Zeile eins\r\n.punkt\r\n\r\nletzte Zeile {{word}}\r\n"
    raw = (
        f"X-First: one\r\nFrom: Acme <{NEWS}>\r\nTo: {{{{address.email}}}}\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        f"X-Last: folded\r\n line\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}"
    )
    client.transmissions.send(
        recipients=["ray@there.test"], email_rfc822=raw, subject="ignored", substitution_data={"word": "grün"}
    )
    letter = inbox.one("ray@there.test")
    assert_signed(letter.data, records)
    message = letter.message
    assert (message["X-First"], message["X-Last"], message["Subject"]) == ("one", "folded line", "Grüße")
    assert addresses(message, "To") == [("", "ray@there.test")]
    assert text_of(message, "plain") == body.replace("\r\n", "\n").replace("{{word}}", "grün")
    assert message["Date"]
    assert message["Message-ID"]


def test_a_wrong_key_is_unauthorized(client, house):
    with pytest.raises(SparkPostAPIException, match="Unauthorized") as refusal:
        send(SparkPost("0" * 40, f"127.0.0.1:{house.http_port}"), ["kim@there.test"])
    assert refusal.value.status == 401


def test_a_domain_that_nobody_verified_may_not_send(client, house):
    with pytest.raises(SparkPostAPIException) as refusal:
        send(client, ["sam@there.test"], from_email="me@elsewhere.test")
    assert refusal.value.status == 400
    assert refusal.value.errors == [
        "Invalid domain Code: 7001 Description: Unconfigured or unverified sending domain. \n",
    ]
    assert house.kinds("sam@there.test") == []


def test_bad_addresses_are_left_out_and_named(client, inbox):
    results = send(client, ["tom@there.test", {"address": {"name": "Nobody"}}, "no address", "uma@there.test"])
    assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (2, 2)
    assert [error["code"] for error in results["rcpt_to_errors"]] == ["1400", "1300"]
    assert results["rcpt_to_errors"][0]["description"] == "address.email is required for each recipient"
    inbox.one("tom@there.test")
    inbox.one("uma@there.test")


def test_a_call_without_any_good_address_is_refused(client):
    with pytest.raises(SparkPostAPIException, match="At least one valid recipient is required Code: 5002") as refusal:
        send(client, ["no address", "@", {"address": {"email": ""}}])
    assert refusal.value.status == 400


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"text": None, "html": None}, 422, "1400"),
        ({"subject": None}, 422, "1400"),
        ({"subject": "two\r\nBcc: victim@there.test"}, 422, "3002"),
        ({"reply_to": "x@acme.test\nX-Injected: 1"}, 422, "3002"),
        ({"custom_headers": {"X-A": "1\r\n\r\nbody"}}, 422, "3002"),
        ({"custom_headers": {"DKIM-Signature": "v=1"}}, 422, "3002"),
        ({"attachments": [{"type": "application/pdf", "name": "x.pdf", "data": "not base64!"}]}, 422, "1300"),
        ({"campaign": "x" * 65}, 422, "1300"),
        ({"metadata": {"x": "y" * 10_240}}, 422, "2007"),
        ({"ip_pool": "nowhere"}, 400, "1200"),
        ({"use_sandbox": True}, 422, "2106"),
        ({"template": "nope", "text": None, "html": None, "subject": None}, 422, "1603"),
    ],
    ids=[
        "no body",
        "no subject",
        "subject",
        "reply_to",
        "header",
        "reserved",
        "base64",
        "campaign",
        "metadata",
        "pool",
        "sandbox",
        "template",
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_code(client, inbox, asked, status, code):
    given = {"from_email": NEWS, "subject": "Hello", "text": "It works.\n"} | asked
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(SparkPostAPIException, match=f"Code: {code} ") as refusal:
        client.transmissions.send(recipients=["victim@there.test"], **given)
    assert refusal.value.status == status
    assert inbox.letters(lambda letter: letter.recipient == "victim@there.test") == []


def test_the_sandbox_sends_five_first_emails_and_no_more(client, inbox, records):
    first = {"template": "my-first-email", "use_sandbox": True}
    results = client.transmissions.send(recipients=[f"new{number}@there.test" for number in range(5)], **first)
    assert results["total_accepted_recipients"] == 5
    letter = inbox.one("new3@there.test")
    assert_signed(letter.data, records)
    assert addresses(letter.message, "From") == [("Sandbox", f"support@{DOMAIN}")]
    with pytest.raises(SparkPostAPIException, match=r"Exceed Sending Limit \(sandbox\) Code: 2103") as refusal:
        client.transmissions.send(recipients=["new6@there.test"], **first)
    assert refusal.value.status == 420


def test_a_thousand_recipients_get_one_message_each(client, house, inbox):
    everybody = {f"r{number}@crowd.test" for number in range(1_000)}
    recipients = [{"address": {"email": one}, "substitution_data": {"number": one[1:-11]}} for one in sorted(everybody)]
    results = send(client, recipients, subject="You are {{number}}", text="{{number}}\n")
    assert results["total_accepted_recipients"] == 1_000

    def came() -> list[Letter]:
        return inbox.letters(lambda letter: letter.recipient.endswith("@crowd.test"))

    house.wait_until(lambda: len(came()) >= 1_000, 30, "a thousand messages have come")
    house.wait_empty()
    letters = came()
    assert len(letters) == 1_000
    assert {letter.recipient for letter in letters} == everybody
    for letter in letters[::50]:
        assert letter.message["Subject"] == f"You are {letter.recipient[1:-11]}"


def test_the_suppression_list_is_kept_by_the_client(client, house, inbox):
    stop = client.suppression_list
    added = stop.create({"email": "Vera@there.test", "transactional": True, "non_transactional": True, "description": "asked"})
    assert added == {"message": "Suppression list successfully updated"}
    found = stop.get("vera@there.test")
    assert {entry["type"] for entry in found} == {"transactional", "non_transactional"}
    assert {(entry["recipient"], entry["source"], entry["description"]) for entry in found} == {
        ("vera@there.test", "Manually Added", "asked")
    }

    send(client, ["vera@there.test"])
    bounce = house.wait_for("vera@there.test", "bounce")
    assert bounce["bounce_class"] == "25"
    send(client, ["vera@there.test"], skip_suppression=True)
    inbox.one("vera@there.test")

    many = [{"email": f"w{number}@there.test", "non_transactional": True} for number in range(3)]
    assert stop.create(many) == {"message": "Suppression List successfully updated"}
    listed = stop.list(types="non_transactional", sources="Manually Added", limit=10)
    assert {entry["recipient"] for entry in listed} == {"vera@there.test", "w0@there.test", "w1@there.test", "w2@there.test"}
    assert stop.update({"email": "w0@there.test", "type": "transactional"}) == added

    assert stop.delete("vera@there.test") is True
    with pytest.raises(SparkPostAPIException, match="Recipient could not be found") as refusal:
        stop.get("vera@there.test")
    assert refusal.value.status == 404
    with pytest.raises(SparkPostAPIException, match="Recipient could not be found"):
        stop.delete("vera@there.test")
    send(client, ["vera@there.test"], subject="Again")
    house.wait_until(
        lambda: [one for one in inbox.letters() if one.recipient == "vera@there.test" and one.message["Subject"] == "Again"],
        10,
        "she is written to again",
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.transmissions.get("123"),
        lambda client: client.transmissions.delete("123"),
        lambda client: client.templates.get("nope"),
        lambda client: client.recipient_lists.get("nope"),
    ],
    ids=["transmission", "cancel", "template", "recipient list"],
)
def test_what_does_not_exist_is_not_found(client, ask):
    with pytest.raises(SparkPostAPIException) as refusal:
        ask(client)
    assert refusal.value.status == 404


def test_metrics_name_the_campaigns_and_domains_that_were_sent(client, house):
    send(client, ["ada@there.test"], campaign="counted")

    def known() -> bool:
        return "counted" in client.metrics.campaigns.list(params={"match": "count", "limit": 5})

    house.wait_until(known, 30, "the campaign is counted")
    assert "there.test" in client.metrics.domains.list()


def test_templates_are_kept_previewed_and_sent_by_the_client(client, house, inbox):
    templates = client.templates
    made = templates.create(
        id="welcome",
        name="Welcome",
        from_email=f"Acme <{NEWS}>",
        subject="Hi {{first}}",
        text="Hello {{first}}\n",
        html="<p>{{first}}</p>",
    )
    assert made == {"id": "welcome"}
    assert [one["id"] for one in templates.list()] == ["welcome", "my-first-email"]  # and that of the sandbox
    found = templates.get("welcome", draft=True)
    assert (found["content"]["subject"], found["has_draft"], found["published"]) == ("Hi {{first}}", True, False)
    shown = templates.preview("welcome", {"first": "Kim"})
    assert (shown["subject"], shown["html"], shown["from"]) == ("Hi Kim", "<p>Kim</p>", {"email": NEWS, "name": "Acme"})
    templates.update("welcome", published=True)
    to = [{"address": {"email": "tess@there.test"}, "substitution_data": {"first": "Tess"}}]
    results = client.transmissions.send(recipients=to, template="welcome", use_draft_template=False)
    assert results["total_accepted_recipients"] == 1
    assert inbox.one("tess@there.test").message["Subject"] == "Hi Tess"
    assert house.wait_for("tess@there.test", "delivery")["template_id"] == "welcome"
    assert templates.delete("welcome") == {}
    with pytest.raises(SparkPostAPIException) as refusal:
        templates.get("welcome")
    assert refusal.value.status == 404


def test_recipient_lists_are_kept_and_sent_to_by_the_client(client, house, inbox):
    lists = client.recipient_lists
    people = [{"address": {"email": f"l{number}@there.test"}, "substitution_data": {"n": number}} for number in range(3)]
    made = lists.create(id="grads", name="Grads", recipients=people)
    assert (made["id"], made["total_accepted_recipients"], made["total_rejected_recipients"]) == ("grads", 3, 0)
    assert [one["id"] for one in lists.list()] == ["grads"]
    assert len(lists.get("grads", show_recipients=True)["recipients"]) == 3
    assert "recipients" not in lists.get("grads")
    lists.update("grads", name="Graduates")
    assert lists.get("grads")["name"] == "Graduates"
    results = client.transmissions.send(recipient_list="grads", from_email=NEWS, subject="No {{n}}", text="x\n")
    assert results["total_accepted_recipients"] == 3
    for number in range(3):
        assert inbox.one(f"l{number}@there.test").message["Subject"] == f"No {number}"
    house.wait_empty()
    assert lists.delete("grads") == {}


def test_a_scheduled_transmission_is_looked_at_and_cancelled_by_the_client(client, house, inbox):
    start = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+00:00")
    sent = send(client, ["later@there.test"], start_time=start, campaign="fall")
    found = client.transmissions.get(sent["id"])
    assert (found["state"], found["campaign_id"], found["num_rcpts"]) == ("submitted", "fall", 1)
    assert [one["id"] for one in client.transmissions.list(campaign_id="fall")] == [sent["id"]]
    assert client.transmissions.delete(sent["id"]) is True
    assert house.wait_for("later@there.test", "bounce")["raw_reason"] == "554 5.7.1 [internal] Campaign cancelled"
    assert client.transmissions.get(sent["id"])["state"] == "Canceled"


class MessageEvents(Resource):
    """The client's own base class under a name that the published version has no class for."""

    key = "message-events"

    def list(self, **kwargs: Any) -> Any:
        return self.request("GET", self.uri, params=kwargs)


def test_legacy_events_are_listed_over_the_client(client, house, inbox):
    sent = send(client, ["mona@there.test"], campaign="legacy", metadata={"tags": ["a", "b"]})
    inbox.one("mona@there.test")
    house.wait_for("mona@there.test", "delivery")
    found = MessageEvents(client.base_uri, client.api_key).list(
        recipients="mona@there.test", campaign_ids="legacy", transmission_ids=sent["id"], events="injection,delivery", page=1
    )
    assert [event["type"] for event in found] == ["delivery", "injection"]
    assert {event["transmission_id"] for event in found} == {sent["id"]}
    assert all(isinstance(event["customer_id"], str) for event in found)
    assert found[0]["rcpt_meta"] == {"tags": {"0": "a", "1": "b"}}
