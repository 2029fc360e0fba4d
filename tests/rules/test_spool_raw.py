"""Whole messages: what changes on their way through, and what must not."""

import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.message.lines import has_long_line
from homing.spool.render import CannotRender, ProblemKind, check, prepare
from homing.spool.types import NOTHING_DIFFERS, ChunkFacts, RawContent, RecipientDetail

NOW = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=1, transmission_id=b"t" * 10, accepted_at=NOW, recv_method="esmtp", sending_domain="acme.test",
    friendly_from="news@acme.test", subject="Hello",
)  # fmt: skip
HEAD = (
    b"Received: from x\r\n\tby y\r\nFrom:  Acme <news@acme.test>\r\nTo: kim@there.test\r\nsubject: Hello\r\n"
    b"Date: Sun, 1 Feb 2026 00:00:00 +0000\r\nMessage-ID: <1@acme.test>\r\n"
)


def make(raw: bytes, *, substitute=False, detail=NOTHING_DIFFERS, recipient="kim@there.test", extra=()):
    return prepare(RawContent(rfc822=raw, substitute=substitute), FACTS, "here.test").render(
        detail=detail, recipient=recipient, message_id=bytes(10), mail_from="b@bounce.test", now=NOW, extra_headers=extra
    )


def read(data: bytes):
    return email.message_from_bytes(data, policy=email.policy.SMTP)


def test_a_message_that_lacks_nothing_goes_as_it_came():
    raw = HEAD + b"\r\n. dots\r\n\tand tabs  \r\n\r\n\r\n"
    rendered = make(raw)
    assert rendered.data == raw
    assert (rendered.subject, rendered.friendly_from) == ("Hello", "news@acme.test")


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_the_body_is_never_touched(lines):
    body = b"".join(line.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for line in lines)
    assert make(HEAD + b"\r\n" + body).data == HEAD + b"\r\n" + body


def test_what_is_not_for_others_is_dropped():
    raw = HEAD + b'X-MSYS-API: {"a":\r\n 1}\r\nBCC: secret@x.test\r\nX-Last: 1\r\n\r\nbody\r\n'
    assert make(raw).data == HEAD + b"X-Last: 1\r\n\r\nbody\r\n"


def test_message_id_and_date_come_where_they_are_missing():
    data = make(b"From: news@acme.test\r\n\r\nbody\r\n").data
    assert data == (
        b"From: news@acme.test\r\nMessage-ID: <00000000000000000000@here.test>\r\n"
        b"Date: Sun, 01 Feb 2026 03:04:05 +0000\r\n\r\nbody\r\n"
    )


def test_a_copys_own_headers_stand_on_top():
    detail = RecipientDetail(extra_headers=(("Bcc", "kim@there.test"),))
    assert make(HEAD + b"\r\nx\r\n", detail=detail, extra=[("X-A", "1")]).data.startswith(b"Bcc: kim@there.test\r\nX-A: 1\r\nRec")


@pytest.mark.parametrize("raw", [HEAD, HEAD[:-2], HEAD + b"\r\n", HEAD + b"\r\nno end", b"\r\nbody"])
def test_the_edges_of_a_message_are_kept(raw):
    data = make(raw).data
    assert data.endswith(b"\r\n")
    assert data.startswith(HEAD) or raw.startswith(b"\r\n")
    assert read(data).get_content().strip() in ("", "no end", "body")


def test_raw_eight_bit_headers_are_encoded_so_that_anybody_can_take_them():
    raw = "From: Zoë <news@acme.test>\r\nSubject: Grüße\r\nX: ok\r\n\r\nGrüße\r\n".encode()
    rendered = make(raw)
    assert rendered.eight_bit
    assert not rendered.utf8
    assert str(read(rendered.data)["Subject"]) == "Grüße"
    assert read(rendered.data)["From"].addresses[0].display_name == "Zoë"
    assert rendered.data.endswith("\r\n\r\nGrüße\r\n".encode())


def test_an_address_with_a_utf8_local_part_needs_smtputf8():
    assert make("From: news@acme.test\r\nTo: 用户@x.test\r\n\r\n".encode()).utf8
    assert make(HEAD + b"\r\n", recipient="用户@x.test").utf8
    assert not make(HEAD + b"\r\n", recipient="kim@bücher.test").utf8


LONG = b"x" * 600 + b" " + b"y" * 600
MIXED = (
    HEAD + b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary="b b"\r\n\r\npreamble\r\n--b b\r\n'
    b"Content-Type: text/plain\r\nX-Part: 1\r\n\r\nshort = \r\n--b b\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n"
    + LONG
    + b"\xfc\r\n--b b--\r\nepilogue\r\n"
)


def test_lines_that_smtp_forbids_are_encoded_part_by_part():
    data = make(MIXED).data
    assert not has_long_line(data)
    assert data.startswith(MIXED[: MIXED.index(b"--b b\r\nContent-Type: text/html")])
    _, html = read(data).iter_parts()
    assert html.get_content().strip() == (LONG + b"\xfc").decode("latin-1")


def test_a_long_single_body_keeps_its_other_headers():
    data = make(HEAD + b"\r\n" + LONG + b"\r\n").data
    assert not has_long_line(data)
    assert data.startswith(HEAD)
    assert read(data).get_content().strip() == LONG.decode()


@pytest.mark.parametrize(
    "more",
    [
        b"DKIM-Signature: v=1; a=rsa-sha256; b=x\r\n\r\n" + LONG,
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n"
        + LONG
        + b"\r\n--b\r\nContent-Type: a/b\r\n\r\nx\r\n--b--",
    ],
)  # fmt: skip
def test_what_is_signed_already_is_left_alone(more):
    assert make(HEAD + more + b"\r\n").data == HEAD + more + b"\r\n"


def test_a_header_line_that_is_too_long_is_folded():
    data = make(HEAD + b"X-Long: " + b"word " * 400 + b"\r\n\r\nx\r\n").data
    assert not has_long_line(data)
    assert read(data)["X-Long"].split() == ["word"] * 400


TEMPLATE = (
    b"From: {{shop}} <news@acme.test>\r\nTo: {{address.email}}\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= {{name}}\r\n"
    b"X-Plain: kept   as it is\r\nX-Gone: {{nothing}}\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\nHi {{name}}\r\n--b\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+e3tuYW1lfX08L2I+\r\n--b\r\n"
    b"Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\n{{name}}\r\n--b\r\n"
    b"Content-Type: text/plain\r\n\r\nsecond {{name}}\r\n--b--\r\n"
)


def test_the_language_applies_to_headers_and_first_parts_alone():
    detail = RecipientDetail(substitution_data={"name": "<Zoë>", "shop": "Acmé"})
    rendered = make(TEMPLATE, substitute=True, detail=detail)
    message = read(rendered.data)
    assert str(message["From"]) == "Acmé <news@acme.test>"
    assert str(message["To"]) == "kim@there.test"
    assert str(message["Subject"]) == rendered.subject == "Grüße <Zoë>"
    assert b"X-Plain: kept   as it is\r\n" in rendered.data
    assert "X-Gone" not in message
    text, html, attachment, second = message.iter_parts()
    assert text.get_content().strip() == "Hi <Zoë>"
    assert html.get_content().strip() == "<b>&lt;Zoë&gt;</b>"
    assert attachment.get_content().strip() == "{{name}}"
    assert second.get_content().strip() == "second {{name}}"
    assert rendered.data.isascii()


def test_the_language_applies_to_a_single_body():
    raw = b"From: news@acme.test\r\nSubject: x\r\n\r\nHi {{name}}\r\nyou\r\n"
    rendered = make(raw, substitute=True, detail=RecipientDetail(substitution_data={"name": "Zoë"}))
    assert read(rendered.data).get_content().strip().splitlines() == ["Hi Zoë", "you"]
    assert make(raw).data.endswith(b"\r\n\r\nHi {{name}}\r\nyou\r\n")


def test_data_cannot_move_the_sender():
    raw = b"From: {{who}}@acme.test\r\n\r\nx\r\n"
    assert make(raw, substitute=True, detail=RecipientDetail(substitution_data={"who": "a"})).friendly_from == "a@acme.test"
    for who in ("a@evil.test, b", "a@evil.test> <b", "x\r\nBcc: y"):
        with pytest.raises(CannotRender):
            make(raw, substitute=True, detail=RecipientDetail(substitution_data={"who": who}))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"From: news@acme.test\r\nrubbish\r\n\r\nx", ProblemKind.PARSE),
        (b"From: news@acme.test\r\nSubject: {{\r\n\r\nx", ProblemKind.SYNTAX),
        (b"From: news@acme.test\r\n\r\n{{each x}}", ProblemKind.SYNTAX),
    ],
)
def test_what_cannot_work_for_anybody_is_found_before(raw, kind):
    assert [problem.kind for problem in check(RawContent(rfc822=raw, substitute=True), FACTS)] == [kind]


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_render_or_are_refused(body, multipart):
    body = body.replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    kind = b"Content-Type: multipart/mixed; boundary=b\r\n" if multipart else b"Content-Transfer-Encoding: base64\r\n"
    try:
        data = make(HEAD + kind + b"\r\n--b\r\n" + body, substitute=True).data
    except CannotRender:
        return
    assert data.startswith(HEAD)
