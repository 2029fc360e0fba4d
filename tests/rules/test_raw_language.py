"""`email_rfc822` with the template language: what is decoded for it, and how it is encoded again (SparkPost reference, 3.9)."""

import base64
import email
import email.policy
from datetime import UTC, datetime

import pytest

from homing.spool.render import check, prepare
from homing.spool.types import ChunkFacts, RawContent, RecipientDetail

NOW = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=1, transmission_id=b"t" * 10, accepted_at=NOW, recv_method="rest", sending_domain="acme.test",
    friendly_from="news@acme.test",
)  # fmt: skip
DATA = {"name": "Kim", "umlaut": "Grüße", "long": "ü" * 60}


def made(raw: bytes, *, substitute: bool = True) -> bytes:
    prepared = prepare(RawContent(rfc822=raw, substitute=substitute), FACTS, "here.test")
    return prepared.render(
        detail=RecipientDetail(substitution_data=DATA), recipient="kim@there.test", message_id=bytes(10),
        mail_from="b@bounce.test", now=NOW,
    ).data  # fmt: skip


def message(raw: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(made(raw), policy=email.policy.SMTP)


def field(raw: bytes, name: bytes) -> bytes:
    """Return a field of the message that is made, as it is written."""
    head = b"\n" + made(raw).partition(b"\r\n\r\n")[0] + b"\r\n"
    start = head.lower().index(b"\n" + name.lower() + b":") + 1
    end = start
    while True:
        end = head.index(b"\r\n", end) + 2
        if head[end : end + 1] not in (b" ", b"\t"):
            return head[start:end]


def subject(*lines: str) -> bytes:
    return b"From: news@acme.test\r\nSubject: " + "\r\n ".join(lines).encode() + b"\r\n\r\nbody\r\n"


def word(text: str) -> str:
    return f"=?utf-8?B?{base64.b64encode(text.encode()).decode()}?="


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        (["Hello {{name}}"], "Hello Kim"),
        (["Hello", "{{name}}"], "Hello Kim"),
        ([word("Grüße {{name}}")], "Grüße Kim"),
        ([word("Grüße "), word("{{name}}")], "Grüße Kim"),
        ([word("Grüße {{na"), word("me}}!")], "Grüße Kim!"),
        ([word("Grüße"), "{{name}}"], "Grüße Kim"),
        (["=?utf-8?Q?Hello_=7B=7Bname=7D=7D?="], "Hello Kim"),
        (["=?iso-8859-1?Q?Gr=FC=DFe_{{name}}?="], "Grüße Kim"),
        (["Hello {{umlaut}}"], "Hello Grüße"),
    ],
)
def test_encoded_words_of_each_line_are_decoded_for_the_language(lines, read):
    assert message(subject(*lines))["Subject"] == read


def test_an_encoded_word_that_is_broken_by_a_fold_is_not_decoded():
    whole = word("Grüße {{name}} und mehr")
    broken = subject(whole[:25], whole[25:])
    assert field(broken, b"subject") == b"Subject: " + whole[:25].encode() + b"\r\n " + whole[25:].encode() + b"\r\n"


@pytest.mark.parametrize("name", [b"Subject", b"X-Note", b"Comments"])
def test_values_with_eight_bit_become_base64(name):
    raw = b"From: news@acme.test\r\n" + name + b": Hello {{umlaut}} {{name}}\r\n\r\nbody\r\n"
    written = field(raw, name)
    assert b"=?utf-8?b?" in written
    assert b"?q?" not in written
    assert message(raw)[name.decode()] == "Hello Grüße Kim"


def test_a_long_value_becomes_several_words_none_of_which_splits_a_character():
    written = field(subject("{{long}}"), b"subject")
    lines = written.split(b"\r\n")[:-1]
    assert len(lines) > 1
    assert all(len(line) <= 76 for line in lines)
    for line in lines:
        payload = line.partition(b"=?utf-8?b?")[2].removesuffix(b"?=")
        assert set(base64.b64decode(payload).decode()) == {"ü"}


def test_names_of_addresses_become_base64_and_addresses_stay():
    raw = 'From: "{{umlaut}} {{name}}" <news@acme.test>\r\nTo: Jürgen <j@there.test>\r\n\r\nbody\r\n'.encode()
    assert field(raw, b"from").endswith(b" <news@acme.test>\r\n")
    assert b"=?utf-8?b?" in field(raw, b"from")
    assert b"=?utf-8?b?" in field(raw, b"to")
    assert message(raw)["From"] == "Grüße Kim <news@acme.test>"
    assert message(raw)["To"] == "Jürgen <j@there.test>"


def test_a_value_of_ascii_is_written_as_it_is():
    assert field(subject("Hello {{name}}"), b"subject") == b"Subject: Hello Kim\r\n"
    untouched = b"X-Folded: a\r\n\tb =?utf-8?q?c?=\r\n"
    assert untouched in made(b"From: news@acme.test\r\n" + untouched + b"Subject: {{name}}\r\n\r\nbody\r\n")


def test_parts_with_eight_bit_become_quoted_printable_and_say_so():
    raw = (
        b"From: news@acme.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xfc\xdfe\r\n"
        b"--b\r\nContent-Type: text/html; charset=us-ascii\r\n\r\n<p>{{umlaut}}</p>\r\n"
        b"--b\r\nContent-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\r\n--b--\r\n"
    )
    text, html, other = message(raw).iter_parts()
    assert (text["Content-Transfer-Encoding"], text.get_content_charset()) == ("quoted-printable", "utf-8")
    assert text.get_content().strip() == "Grüße"
    assert (html["Content-Transfer-Encoding"], html.get_content_charset()) == ("quoted-printable", "utf-8")
    assert html.get_content().strip() == "<p>Grüße</p>"
    assert other["Content-Transfer-Encoding"] == "8bit"


def test_without_the_language_eight_bit_bodies_stay():
    raw = (
        "From: news@acme.test\r\nDate: x\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße {{name}}\r\n"
    ).encode()
    assert made(raw, substitute=False) == raw


def test_only_the_first_text_html_and_amp_part_have_the_language():
    def part(kind: str, body: str, more: str = "") -> str:
        return f"--b\r\nContent-Type: {kind}\r\n{more}\r\n{body}\r\n"

    raw = (
        'From: news@acme.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
        + part("text/plain", "a {{name}}", "Content-Disposition: attachment\r\n")
        + part("text/plain", "b {{name}}")
        + part("text/plain", "c {{name}}")
        + part("text/x-amp-html", "d {{name}}")
        + part("text/html", "e {{name}}")
        + part("text/html", "f {{name}}")
        + "--b--\r\n"
    )
    bodies = [part.get_payload(decode=True).decode().strip() for part in message(raw.encode()).iter_parts()]
    assert bodies == ["a {{name}}", "b Kim", "c {{name}}", "d Kim", "e Kim", "f {{name}}"]


def test_a_syntax_error_in_an_encoded_field_is_found():
    problems = check(RawContent(rfc822=subject(word("Grüße {{name")), substitute=True), FACTS)
    assert [problem.part for problem in problems] == ["Subject"]
