"""Every signature of ours verifies with dkimpy, whatever the body."""

import email
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.types import SigningKey
from homing.spool.dkim import CannotSign, relaxed_body, sign
from tests.kit.dkim_oracle import record, verifies

NOW = datetime(2026, 2, 1, tzinfo=UTC)
RSA = SigningKey(domain="acme.test", selector="r1", private=generate_private_key(65537, 2048))
EDWARDS = SigningKey(domain="acme.test", selector="e1", private=Ed25519PrivateKey.generate())
HEADERS = (
    b"Received: from here\r\nFrom: Acme\t <news@acme.test>\r\nTo: kim@there.test,\r\n\tlee@there.test\r\n"
    b"Subject:  Hello   you \r\nDate: Sun, 01 Feb 2026 00:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\n"
    b"Content-Type: text/plain;\r\n charset=utf-8\r\nX-Unsigned: 1\r\n"
)


RECORDS = {f"{key.selector}._domainkey.{key.domain}.": record(key) for key in (RSA, EDWARDS)}


def arrives(message: bytes) -> bytes:
    """Return a message as it comes out of SMTP: its last line has an end."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"


BODIES = {
    "plain": b"Hello\r\n",
    "none": b"",
    "empty lines only": b"\r\n\r\n\r\n",
    "trailing empty lines": b"Hello\r\n\r\n\r\n",
    "white space lines at the end": b"Hello\r\n \t \r\n\t\r\n",
    "tabs and runs": b"a\t\tb   c \t \r\n  d\t\r\n",
    "no CRLF at the end": b"Hello\r\nyou",
    "spaces at the end, no CRLF": b"Hello  \t",
    "spaces alone": b"   ",
    "8-bit": "Grüße, 山\r\n".encode() + b"\xff\xfe\r\n",
    "long run": b"a" + b" " * 10_000 + b"b\r\n",
    "dots": b".\r\n..\r\n. \r\n",
    "spaced blank lines inside": b"a\r\n   \r\n\r\nb\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_both_algorithms_verify_over_a_hostile_body(body):
    message = HEADERS + b"\r\n" + body
    signed = sign(message, [RSA, EDWARDS], now=NOW) + message
    assert verifies(arrives(signed), RECORDS, 0)
    assert verifies(arrives(signed), RECORDS, 1)


def test_a_message_without_a_body_verifies():
    signed = sign(HEADERS, [EDWARDS], now=NOW) + HEADERS
    assert verifies(arrives(signed), RECORDS, 0)


def test_the_header_is_folded_and_tells_what_it_must():
    message = HEADERS + b"List-Unsubscribe: <https://u.test>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nx\r\n"
    fields = sign(message, [RSA, EDWARDS], now=NOW)
    assert fields.count(b"DKIM-Signature:") == 2
    assert all(len(line) <= 78 for line in fields.split(b"\r\n"))
    value = email.message_from_bytes(fields)["DKIM-Signature"].replace("\r\n", "").replace(" ", "")
    tags = dict(tag.split("=", 1) for tag in value.split(";"))
    assert (tags["v"], tags["a"], tags["c"], tags["d"], tags["s"]) == ("1", "rsa-sha256", "relaxed/relaxed", "acme.test", "r1")
    assert tags["t"] == str(int(NOW.timestamp()))
    assert "l" not in tags
    assert tags["h"].split(":").count("from") == 2
    assert {"to", "subject", "date", "message-id", "content-type", "list-unsubscribe", "list-unsubscribe-post"} < set(
        tags["h"].split(":")
    )
    assert "x-unsigned" not in tags["h"]


@pytest.mark.parametrize("added", [b"From: evil@there.test\r\n", b"Subject: other\r\n"])
def test_what_is_changed_on_the_way_does_not_verify(added):
    message = HEADERS + b"\r\nHello\r\n"
    fields = sign(message, [EDWARDS], now=NOW)
    if added.startswith(b"From"):
        assert not verifies(fields + added + message, RECORDS, 0)
    else:
        assert not verifies(fields + message.replace(b"Subject:  Hello   you \r\n", added), RECORDS, 0)
    assert not verifies(fields + message + b"more\r\n", RECORDS, 0)


def test_repeated_fields_are_all_signed():
    message = b"From: a@acme.test\r\nCc: one@x.test\r\nTo: b@x.test\r\nCc: two@x.test\r\nCC: three@x.test\r\n\r\nx\r\n"
    fields = sign(message, [EDWARDS], now=NOW)
    assert verifies(fields + message, RECORDS, 0)
    assert not verifies(fields + message.replace(b"one@", b"eno@"), RECORDS, 0)


def test_a_message_without_from_is_not_signed():
    with pytest.raises(CannotSign):
        sign(b"To: a@b\r\n\r\nx\r\n", [RSA], now=NOW)
    assert sign(b"To: a@b\r\n\r\nx\r\n", [], now=NOW) == b""


@given(st.text(alphabet="ab \t\r\n.é", max_size=40))
def test_the_relaxed_body_is_the_oracles(text):
    body = text.replace("\r", "\n").replace("\n", "\r\n").encode()
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(arrives(body) if body else b"")


@given(st.text(alphabet="ab \t.é\r\n", max_size=30), st.text(alphabet="ab \té", max_size=30))
def test_any_message_verifies(text, subject):
    body = text.replace("\r", "\n").replace("\n", "\r\n").encode()
    message = b"From: a@acme.test\r\nSubject: " + subject.encode() + b"\r\n\r\n" + body
    assert verifies(arrives(sign(message, [EDWARDS], now=NOW) + message), RECORDS, 0)
