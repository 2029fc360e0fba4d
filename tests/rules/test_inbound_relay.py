"""What is posted of an inbound mail, and when it is tried again."""

import base64
from datetime import UTC, datetime, timedelta

import django
import msgspec
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from homing.events.rules.wire import shown
from homing.events.types import EventType, Logged
from homing.inbound.relay_types import RelayMail
from homing.inbound.rules import relay

NOW = datetime(2026, 11, 26, 10, tzinfo=UTC)
MAIL = RelayMail(
    mail_id=bytes(range(10)), domain="in.acme.test", account_id=4471, subaccount_id=0, mail_from="kim@there.test",
    rcpt_to="Help@in.acme.test", recv_method="esmtp", size_bytes=1200, received_at=NOW,
)  # fmt: skip
HEAD = (
    b"Return-Path: <kim@there.test>\r\nReceived: from a by b\r\nReceived: from c\r\n by d\r\n"
    b"From: =?utf-8?q?K=C3=AFm?= <Kim@there.test>\r\n"
    b'To: Help <help@in.acme.test>, "Two, x" <two@in.acme.test>\r\n'
    b"Cc: three@in.acme.test\r\nSubject: =?utf-8?q?Re=3A_gr=C3=BC=C3=9Fe?=\r\n"
)
BOTH = (
    HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; "
    b"boundary=y\r\n\r\n--y\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"gr=FC=DFe\r\n--y\r\nContent-Type: text/html\r\n\r\n<p>ok</p>\r\n--y--\r\n--x\r\nContent-Type: text/plain\r\n"
    b"Content-Disposition: attachment; filename=a.txt\r\n\r\nnot this\r\n--x--\r\n"
)


def posted(raw: bytes) -> dict:
    (one,) = msgspec.json.decode(relay.payload(raw, MAIL, 30419977120045518))
    assert list(one["msys"]) == ["relay_message"]
    return one["msys"]["relay_message"]


def test_a_mail_is_posted_as_documented():
    told = posted(BOTH)
    content = told.pop("content")
    assert told == {
        "customer_id": "4471", "friendly_from": "Kim@there.test", "msg_from": "kim@there.test", "rcpt_to": "Help@in.acme.test",
        "webhook_id": "30419977120045518", "protocol": "smtp",
    }  # fmt: skip
    assert content["headers"][:3] == [
        {"Return-Path": "<kim@there.test>"}, {"Received": "from a by b"}, {"Received": "from c by d"},
    ]  # fmt: skip
    assert (content["html"], content["text"], content["subject"]) == ("<p>ok</p>", "grüße", "Re: grüße")
    assert content["to"] == ["help@in.acme.test", "two@in.acme.test"]
    assert content["cc"] == ["three@in.acme.test"]
    assert (content["email_rfc822"], content["email_rfc822_is_base64"]) == (BOTH.decode(), False)


def test_a_mail_that_is_not_utf8_comes_as_base64():
    raw = HEAD + b"\r\ngr\xfc\xdfe\r\n"
    content = posted(raw)["content"]
    assert content["email_rfc822_is_base64"] is True
    assert base64.b64decode(content["email_rfc822"]) == raw
    assert content["text"] == "grüße\r\n"


@given(st.binary(max_size=500))
def test_any_mail_can_be_posted(raw):
    assert posted(HEAD + raw)["protocol"] == "smtp"


def test_trace_fields_come_first_and_a_foreign_return_path_goes():
    raw = relay.with_trace(b"Subject: a\r\nReturn-Path: <x@y>\r\n\r\nbody\r\n", mail_from="", received="Received: r\r\n")
    assert raw == b"Return-Path: <>\r\nReceived: r\r\nSubject: a\r\n\r\nbody\r\n"
    assert relay.with_trace(b"Return-Path: x", mail_from="", received="R: r\r\n") == b"Return-Path: <>\r\nR: r\r\n"


def test_seven_tries_with_growing_waits():
    waits = [relay.next_try(tries, NOW) for tries in range(1, 8)]
    assert [(due - NOW) // timedelta(minutes=1) if due else None for due in waits] == [5, 15, 45, 135, 405, 480, None]


@pytest.mark.parametrize(
    ("event", "kind", "own"),
    [
        (relay.injected(MAIL), EventType.RELAY_INJECTION, {"msg_size": "1200"}),
        (
            relay.delivered(MAIL, now=NOW + timedelta(seconds=2)),
            EventType.RELAY_DELIVERY,
            {"queue_time": "2000", "delv_method": "http"},
        ),
        (
            relay.failed(MAIL, now=NOW, reason="503 down", code="503", final=False),
            EventType.RELAY_TEMPFAIL,
            {"error_code": "503", "num_retries": "0", "raw_reason": "503 down"},
        ),
        (relay.failed(MAIL, now=NOW, reason="x", code="", final=True), EventType.RELAY_PERMFAIL, {"reason": "x"}),
        (
            relay.rejected(MAIL, reason="554 loop", code="554", remote_addr="192.0.2.1"),
            EventType.RELAY_REJECTION,
            {"remote_addr": "192.0.2.1", "error_code": "554"},
        ),
    ],
)
def test_the_events_of_a_mail(event, kind, own):
    known = {name: getattr(event, name) for name in event.__struct_fields__}
    fields = shown(Logged(shard=1, seq=1, **known))
    assert fields["type"] == kind.wire
    assert own.items() <= fields.items()
    assert (fields["relay_id"], fields["origination"], fields["rcpt_to"], fields["raw_rcpt_to"]) == (
        MAIL.mail_id.hex(), "inbound", "help@in.acme.test", "Help@in.acme.test",
    )  # fmt: skip
    assert "rcpt_meta" not in fields


def test_django_anymail_takes_what_we_post():
    if not settings.configured:
        settings.configure(ANYMAIL={}, SECRET_KEY="x", DEFAULT_CHARSET="utf-8", ALLOWED_HOSTS=["*"])
        django.setup()
    from anymail.signals import inbound
    from anymail.webhooks.sparkpost import SparkPostInboundWebhookView
    from django.test import RequestFactory

    heard = []

    def hear(sender, event, **_):
        heard.append(event)

    inbound.connect(hear)
    try:
        request = RequestFactory().post("/", relay.payload(BOTH, MAIL, 1), content_type="application/json")
        answer = SparkPostInboundWebhookView.as_view()(request)
    finally:
        inbound.disconnect(hear)
    assert answer.status_code == 200
    (event,) = heard
    message = event.message
    assert (message.envelope_sender, message.envelope_recipient) == ("kim@there.test", "Help@in.acme.test")
    assert (message.subject, message.html, message.text.strip()) == ("Re: grüße", "<p>ok</p>", "grüße")
    assert [str(attachment.get_filename()) for attachment in message.attachments] == ["a.txt"]
