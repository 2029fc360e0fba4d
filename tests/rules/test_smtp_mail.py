"""What becomes of a message that SMTP handed in: trace, headers, recipients, and which are refused."""

import email
import email.policy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.ingress.smtp_mail import to_transmission
from homing.ingress.types import Recipient, Transmission
from homing.smtp.replies import Reply
from homing.smtp.trace import Arrival
from homing.smtp.types import Mail, Mailbox, Peer
from homing.spool.types import RawContent
from tests.kit.smtp_script import OWNER

DATE = "Mon, 23 Nov 2026 18:33:39 +0000"
V4 = Arrival(hostname="mx.homing.test", peer=Peer("203.0.113.9", 1, False), token="t0ken")
V6 = Arrival(hostname="mx.homing.test", peer=Peer("2001:db8::1", 1, False), token="t0ken")
FULL = (
    b"From: Jo <Jo@Acme.Test>\r\nTo: x@there.test\r\nSubject: hi\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    b"Message-ID: <1@acme.test>\r\n\r\nhello\r\n"
)


def mail(body: bytes = FULL, *to: str, helo: str = "client.test", sender: str = "a@acme.test") -> Mail:
    recipients = [Mailbox(address, address.rpartition("@")[2].lower()) for address in to or ("x@there.test",)]
    return Mail(sender=OWNER, reverse_path=sender, recipients=recipients, body=body, helo=helo, protocol="ESMTPSA", number=3)


def made(body: bytes = FULL, *to: str, arrival: Arrival = V4, **more: str) -> Transmission:
    found = to_transmission(mail(body, *to, **more), arrival, date=DATE)
    assert isinstance(found, Transmission), found
    return found


def rfc822(transmission: Transmission) -> bytes:
    assert isinstance(transmission.content, RawContent)
    return transmission.content.rfc822


def with_api(value: object, head: bytes = b"From: a@acme.test\r\nTo: x@there.test\r\n") -> bytes:
    return head + b"X-MSYS-API: " + json.dumps(value).encode() + b"\r\nSubject: s\r\n\r\nbody\r\n"


def test_a_trace_header_is_added_and_nothing_else_changes():
    trace = (
        b"Received: from client.test ([203.0.113.9])\r\n\tby mx.homing.test with ESMTPSA id t0ken.3\r\n\tfor <x@there.test>;\r\n"
        b"\tMon, 23 Nov 2026 18:33:39 +0000\r\n"
    )
    found = made()
    assert rfc822(found) == trace + FULL
    assert found.size_bytes == len(trace + FULL)
    assert (found.from_email, found.sending_domain, found.subject) == ("Jo@acme.test", "acme.test", "hi")
    assert (found.recv_method, found.return_path, found.own_list_id) == ("esmtp", "a@acme.test", "")
    assert not any((found.open_tracking, found.click_tracking, found.initial_open, found.transactional))
    assert found.recipients == [Recipient("x@there.test", "there.test")]


def test_the_null_sender_gives_no_return_path():
    assert made(sender="").return_path is None


def test_the_trace_names_no_recipient_where_there_are_several():
    assert b"for <" not in rfc822(made(FULL, "x@there.test", "y@there.test"))


def test_a_helo_cannot_write_headers():
    assert b"from a?b?c? ([IPv6:2001:db8::1])\r\n" in rfc822(made(helo="a(b)c\u2028", arrival=V6))


def test_date_and_message_id_are_added_where_they_are_missing():
    parsed = email.message_from_bytes(rfc822(made(b"From: a@acme.test\r\n\r\nx\r\n")), policy=email.policy.default)
    assert parsed["Date"] == DATE
    assert parsed["Message-ID"] == "<t0ken.3@mx.homing.test>"


def test_hidden_and_private_headers_do_not_go_out():
    body = (
        b"Bcc: secret@there.test,\r\n other@there.test\r\nFrom: a@acme.test\r\nReturn-Path: <z@z.test>\r\nX-Keep: 1\r\n"
        b"Resent-Bcc: s@t.test\r\nx-msys-api: {}\r\n\r\nBcc: in the body stays\r\n"
    )
    kept = rfc822(made(body))
    assert kept.endswith(b"From: a@acme.test\r\nX-Keep: 1\r\n\r\nBcc: in the body stays\r\n")
    assert b"secret" not in kept


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"a@acme.test", "a@acme.test"),
        (b" <a@acme.test>", "a@acme.test"),
        (b'"Doe, Jo" <a@acme.test>', "a@acme.test"),
        (b"=?utf-8?q?J=C3=B6?= <a@acme.test>", "a@acme.test"),
        (b"J\xf6 <a@acme.test>", "a@acme.test"),
        (b"Jo\r\n\t<a@acme.test>", "a@acme.test"),
        ("ü@bücher.test".encode(), "ü@xn--bcher-kva.test"),
    ],
)
def test_the_from_header_tells_the_sending_domain(value: bytes, address: str):
    assert made(b"From: " + value + b"\r\n\r\nx\r\n").from_email == address


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "550 5.6.0 message must begin with header fields"),
        (b"\r\nhello\r\n", "550 5.6.0 message must begin with header fields"),
        (b"hello\r\n", "550 5.6.0 message must begin with header fields"),
        (b"From a@acme.test Mon\r\nFrom: a@acme.test\r\n\r\nx\r\n", "550 5.6.0 message must begin with header fields"),
        (b" From: a@acme.test\r\n\r\nx\r\n", "550 5.6.0 message must begin with header fields"),
        (b"From: a@acme.test\r\nno field\r\nX: y\r\n\r\nx\r\n", "550 5.6.0 message must begin with header fields"),
        (b"Subject: s\r\n\r\nx\r\n", "550 5.6.0 message needs one From header"),
        (b"From: a@acme.test\r\nFROM : b@acme.test\r\n\r\nx\r\n", "550 5.6.0 message has more than one From header"),
        (b"From: nobody\r\n\r\nx\r\n", "550 5.6.0 From header cannot be read"),
        (b"From: \r\n\r\nx\r\n", "550 5.6.0 From header cannot be read"),
        (b"From: a@acme.test, b@evil.test\r\n\r\nx\r\n", "550 5.6.0 From header cannot be read"),
        (b"From: group: a@acme.test;\r\n\r\nx\r\n", "550 5.6.0 From header cannot be read"),
        (b"From: a@[192.0.2.1]\r\n\r\nx\r\n", "550 5.6.0 From header cannot be read"),
        (b"From: a@acme.test\r\nX-MSYS-API: {\r\n\r\nx\r\n", "550 5.6.0 JSON parsing error in X-MSYS-API"),
        (b"From: a@acme.test\r\nX-MSYS-API: {}\r\nx-msys-api: {}\r\n\r\nx\r\n", "550 5.6.0 message has more than one X-MSYS-API"),
        (b"Received: x\r\n" * 101 + b"From: a@acme.test\r\n\r\nx\r\n", "554 5.4.6 too many hops"),
        (with_api({"cc": ["c@there.test"]}, b"From: a@acme.test\r\n"), "550 5.6.0 X-MSYS-API 'cc', 'bcc' and"),
        (with_api({"bcc": ["c@there.test"]}, b"From: a@acme.test\r\nTo: a@b.test, c@d.test\r\n"), "550 5.6.0 X-MSYS-API 'cc'"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_with_its_reason(body: bytes, text: str):
    found = to_transmission(mail(body), V4, date=DATE)
    assert isinstance(found, Reply)
    assert found.wire.decode().startswith(text)


def test_a_hundred_hops_are_borne():
    assert made(b"Received: x\r\n" * 100 + b"From: a@acme.test\r\n\r\nx\r\n")


def test_subjects_are_decoded_and_kept_short_for_events():
    assert made(b"From: a@acme.test\r\nSubject: =?utf-8?q?fr=C3=BCh?=\r\n =?utf-8?q?ling?=\r\n\r\nx\r\n").subject == "frühling"
    assert len(made(b"From: a@acme.test\r\nSubject: " + b"x" * 5000 + b"\r\n\r\nx\r\n").subject) < 1010


def test_the_api_header_sets_the_transmission_and_is_stripped():
    asked = {
        "campaign_id": "spring",
        "metadata": {"uid": "7"},
        "tags": ["vip"],
        "options": {"open_tracking": True, "ip_pool": "bulk"},
    }
    found = made(with_api(asked))
    assert (found.campaign_id, found.metadata, found.ip_pool, found.open_tracking) == ("spring", {"uid": "7"}, "bulk", True)
    assert found.recipients[0].detail is not None
    assert found.recipients[0].detail.tags == ("vip",)
    assert b"MSYS" not in rfc822(found)


def test_copies_are_further_recipients_and_only_cc_is_seen():
    asked = {
        "cc": [{"email": "c1@there.test", "name": "Jö, Cc"}, "c2@there.test"],
        "bcc": ["b1@there.test", "b2@there.test"],
        "archive": ["arc@acme.test"],
    }
    found = made(with_api(asked, b"From: a@acme.test\r\nTo: x@there.test\r\nCc: old@there.test\r\n"))
    details = {to.email: to.detail for to in found.recipients}
    assert [(address, detail.rcpt_type if detail else "") for address, detail in details.items()] == [
        ("x@there.test", ""), ("c1@there.test", "cc"), ("c2@there.test", "cc"), ("b1@there.test", "bcc"),
        ("b2@there.test", "bcc"), ("arc@acme.test", "archive"),
    ]  # fmt: skip
    assert [detail.extra_headers for detail in details.values() if detail] == [
        (), (), (("Bcc", "b1@there.test"),), (("Bcc", "b2@there.test"),), (),
    ]  # fmt: skip
    parsed = email.message_from_bytes(rfc822(found), policy=email.policy.default)
    assert [(address.display_name, address.addr_spec) for address in parsed["Cc"].addresses] == [
        ("Jö, Cc", "c1@there.test"),
        ("", "c2@there.test"),
    ]
    assert len(parsed.get_all("Cc")) == 1
    assert parsed["Bcc"] is None


def test_everybody_gets_one_copy():
    found = made(with_api({"cc": ["X@There.test", "y@there.test"]}), "x@there.test", "X@THERE.test", "z@there.test")
    assert [to.email for to in found.recipients] == ["x@there.test", "z@there.test", "y@there.test"]


@given(
    st.lists(
        st.sampled_from(
            [b"From: a@acme.test", b"Bcc: b", b" fold", b"X-MSYS-API: {}", b"", b"Cc: c", b"text", b"To:", b"\xff: x"]
        ),
        max_size=12,
    )
)
def test_whatever_comes_is_taken_or_refused(lines: list[bytes]):
    body = b"".join(line + b"\r\n" for line in lines)
    found = to_transmission(mail(body), V4, date=DATE)
    if isinstance(found, Transmission):
        header, _, text = rfc822(found).partition(b"\r\n\r\n")
        assert b"bcc" not in header.lower()
        assert b"x-msys-api" not in header.lower()
        assert body.endswith(text)


def test_a_list_id_over_smtp_names_the_list_of_the_message():
    assert made(b"List-Id: News <news@acme.test>\r\n" + FULL).own_list_id == "news.acme.test"
    assert made(b"List-Id: <a>\r\nList-Id: <b>\r\n" + FULL).own_list_id == ""
