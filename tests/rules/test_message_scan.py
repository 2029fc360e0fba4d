"""A raw message's headers: read, dropped, added."""

import contextlib
import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message.addresses import BadAddress
from homing.message.lines import has_long_line, normalise_line_ends
from homing.message.scan import MAX_HOPS, scan, split_fields, without

RAW = (
    b"Received: from a by b; Sun, 1 Feb 2026 00:00:00 +0000\r\n"
    b"From: =?utf-8?q?Acme=2C?= <news@Acme.test>\r\n"
    b"To: kim@there.test\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=\r\n"
    b'X-MSYS-API: {"campaign_id":"spring",\r\n "tags":["vip"]}\r\n'
    b"Bcc: secret@there.test,\r\n other@there.test\r\n"
    b"Date: Sun, 1 Feb 2026 00:00:00 +0000\r\n"
    b"Message-ID: <1@acme.test>\r\n"
    b"\r\n"
    b"From: not a header\r\nBody\r\n"
)


def test_one_look_shows_what_a_door_must_know():
    found = scan(RAW)
    assert found.sender().text == "news@acme.test"
    assert found.subject == "Grüße"
    assert found.msys_api == ['{"campaign_id":"spring", "tags":["vip"]}']
    assert (found.has_message_id, found.has_date, found.hops, found.eight_bit) == (True, True, 1, False)
    assert found.malformed is None
    assert RAW[found.body_start :] == b"From: not a header\r\nBody\r\n"


def test_named_fields_are_dropped_and_no_other_octet_changes():
    left = without(scan(RAW), frozenset({b"x-msys-api", b"bcc"}))
    dropped = RAW.index(b"X-MSYS-API"), RAW.index(b"Date:")
    assert left == RAW[: dropped[0]] + RAW[dropped[1] :]
    assert without(scan(left), frozenset({b"x-msys-api"})) is not None


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("From: a@b.test", "a@b.test"),
        ("from : A <a@b.test>", "a@b.test"),
        ('From: "x@evil.test" <a@b.test>', "a@b.test"),
        ('From: "Doe, Jo\\"hn" <a@b.test> (comment)', "a@b.test"),
        ("From:\r\n Kim\r\n <a@b.test>", "a@b.test"),
        ("From: Zoë <a@bücher.example>", "a@xn--bcher-kva.example"),
        ('From: "q u"@b.test', '"q u"@b.test'),
    ],
)
def test_the_sender_is_the_address_of_from(field, address):
    assert scan(field.encode() + b"\r\n\r\nx\r\n").sender().text == address


@pytest.mark.parametrize(
    "block",
    [
        "To: x@y", "From: a@b\r\nFrom: c@d", "From: a@b, c@d", "From: <a@b> <c@d>", "From:", "From: nobody", "From: us: a@b;",
        'From: "a <a@b>', "From: a@b (", "From: a@b\r\nfrom : c@d",
    ],
)  # fmt: skip
def test_a_message_must_be_from_exactly_one_address(block):
    with pytest.raises(BadAddress):
        scan(block.encode() + b"\r\n\r\nx\r\n").sender()


def test_a_line_that_is_no_field_is_told():
    assert scan(b"From: a@b\r\nrubbish\r\nTo: c@d\r\n\r\n").malformed == b"rubbish"
    assert scan(b"From: a@b\r\nB\xc3d: x\r\n\r\n").malformed == b"B\xc3d: x"
    assert scan(b" begins folded\r\nFrom: a@b\r\n\r\n").malformed == b" begins folded"


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"\r\n\r\n", b"From: a@b", b"From: a@b\r\n", b"\r\nbody", b"x"])
def test_the_edges_of_a_message_are_found(raw):
    found = scan(raw)
    assert raw[: found.header_end] + raw[found.header_end :] == raw
    assert 0 <= found.header_end <= found.body_start <= max(len(raw), 2)


def test_hops_are_counted():
    assert scan(b"Received: x\r\n" * (MAX_HOPS + 1) + b"\r\n").hops > MAX_HOPS


@given(st.binary(max_size=300))
def test_any_bytes_can_be_scanned_and_nothing_is_lost(raw):
    found = scan(raw)
    for name in (b"from", b"subject"):
        found.values(name)
    assert isinstance(found.subject, str)
    with contextlib.suppress(BadAddress):
        found.sender()
    assert without(found, frozenset({b"not-there"})) == raw


NAMES = st.sampled_from(["Subject", "X-A", "From", "X-MSYS-API", "Received", "x-b"])
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.text("ab \t", max_size=5))
def test_the_standard_library_sees_the_same_fields(fields, body):
    raw = "".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n" + body.encode()
    theirs = email.message_from_bytes(raw, policy=email.policy.compat32)
    assert [name.decode() for name, _ in split_fields(raw[: scan(raw).header_end])] == [key.lower() for key in theirs]


@pytest.mark.parametrize(
    ("data", "normal"),
    [
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\rc\r\n", b"a\r\nb\r\nc\r\n"),
        (b"a\r\r\n\n", b"a\r\n\r\n\r\n"),
        (b"\n\r", b"\r\n\r\n"),
        (b"", b""),
    ],
)
def test_line_ends_become_crlf(data, normal):
    assert normalise_line_ends(data) == normal


@given(st.lists(st.integers(0, 30), max_size=12), st.booleans())
def test_a_long_line_is_found_wherever_it_is(lengths, ended):
    data = b"\r\n".join(b"x" * length for length in lengths) + (b"\r\n" if ended else b"")
    assert has_long_line(data, 20) == any(length > 20 for length in lengths)
