"""Messages from inline content: the standard email package reads back exactly what was asked for."""

import base64
import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from homing.domains.types import SigningKey
from homing.message.lines import has_long_line
from homing.spool.dkim import sign
from homing.spool.encoding import encode_base64
from homing.spool.render import CannotRender, ProblemKind, check, prepare, render
from homing.spool.types import NOTHING_DIFFERS, ChunkFacts, InlineContent, Part, RecipientDetail
from tests.kit.dkim_oracle import record, verifies

NOW = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
IDENT = bytes(range(10))
FACTS = ChunkFacts(
    account_id=1, transmission_id=b"t" * 10, accepted_at=NOW, recv_method="rest", sending_domain="acme.test",
    friendly_from="news@acme.test",
)  # fmt: skip


@dataclass
class Read:
    data: bytes
    message: email.message.EmailMessage
    rendered: object


def facts(**more) -> ChunkFacts:
    known = {field: getattr(FACTS, field) for field in FACTS.__struct_fields__}
    return ChunkFacts(**{**known, **more})


def make(content=None, *, detail=NOTHING_DIFFERS, recipient="kim@there.test", chunk=FACTS, extra=(), **members) -> Read:
    members = {"from_email": "news@acme.test", "subject": "Hello", "text": "Hi\n", **members}
    rendered = render(
        content=content or InlineContent(**members), facts=chunk, detail=detail, recipient=recipient, message_id=IDENT,
        mail_from="b-1@bounce.test", hostname="here.test", now=NOW, extra_headers=extra,
    )  # fmt: skip
    data = rendered.data
    assert data.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert not has_long_line(data)
    return Read(data, email.message_from_bytes(data, policy=email.policy.SMTP), rendered)


def text(part) -> str:
    return part.get_content().replace("\r\n", "\n")


def test_a_small_message_is_written_like_this():
    read = make(detail=RecipientDetail(name="Kim"), from_name="Acme", headers={"X-Run": "17"}, reply_to="Help <help@acme.test>")
    assert read.data.decode() == (
        "From: Acme <news@acme.test>\r\n"
        "To: Kim <kim@there.test>\r\n"
        "Subject: Hello\r\n"
        "Reply-To: Help <help@acme.test>\r\n"
        "X-Run: 17\r\n"
        "Date: Sun, 01 Feb 2026 03:04:05 +0000\r\n"
        "Message-ID: <00010203040506070809@here.test>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hi\r\n"
    )
    assert (read.rendered.subject, read.rendered.friendly_from) == ("Hello", "news@acme.test")
    assert not read.rendered.utf8
    assert not read.rendered.eight_bit


@pytest.mark.parametrize(
    ("detail", "to"),
    [
        (NOTHING_DIFFERS, "kim@there.test"),
        (RecipientDetail(name="Kim"), "Kim <kim@there.test>"),
        (RecipientDetail(name="Kim, Dr."), '"Kim, Dr." <kim@there.test>'),
        (RecipientDetail(header_to="a@x.test, B <b@x.test>"), "a@x.test, B <b@x.test>"),
        (RecipientDetail(header_to='"To" <to@there.test>'), "To <to@there.test>"),
        (RecipientDetail(name="To", header_to="to@there.test"), "To <to@there.test>"),
        (RecipientDetail(header_to="undisclosed-recipients:;"), "undisclosed-recipients:;"),
    ],
)
def test_to_is_built_as_documented(detail, to):
    assert str(make(detail=detail).message["To"]) == to


def test_parts_stand_in_the_order_that_readers_expect():
    logo, terms = b"\x89PNG\r\n\x1a\n\0", b"terms\r\nand more\n"
    read = make(
        text="Grüße\n", html='<p>Grüße <img src="cid:logo"></p>\n', amp_html="<html amp4email></html>\n",
        attachments=(Part("terms.txt", "text/plain; charset=UTF-8", terms), Part("Größe 山.pdf", "application/pdf", b"\0" * 300)),
        inline_images=(Part("logo", "image/png", logo), Part("two words.gif", "image/gif", b"GIF")),
    )  # fmt: skip
    mixed = read.message
    assert mixed.get_content_type() == "multipart/mixed"
    related, first, second = mixed.iter_parts()
    alternative, image, other = related.iter_parts()
    assert related.get_param("type") == "multipart/alternative"
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/x-amp-html", "text/html"]
    assert [text(part) for part in alternative.iter_parts()] == [
        "Grüße\n", "<html amp4email></html>\n", '<p>Grüße <img src="cid:logo"></p>\n',
    ]  # fmt: skip
    assert (image["Content-ID"], image.get_content(), image.get_content_disposition()) == ("<logo>", logo, "inline")
    assert other["Content-ID"] == "<two%20words.gif>"
    assert (first.get_filename(), first.get_payload(decode=True)) == ("terms.txt", terms)
    assert first["Content-Type"] == 'text/plain; charset="UTF-8"'
    assert (second.get_filename(), second.get_content()) == ("Größe 山.pdf", b"\0" * 300)
    assert not mixed.defects
    assert read.data.isascii()


def test_an_attached_message_stays_a_message():
    inner = b"From: a@b.test\r\nSubject: inner\r\n\r\nbody\r\n"
    read = make(attachments=(Part("m.eml", "message/rfc822", inner),))
    _, attached = read.message.iter_parts()
    assert attached.get_content()["Subject"] == "inner"
    assert "base64" not in attached["Content-Transfer-Encoding"]
    assert make(attachments=(Part("m.eml", "message/rfc822", inner + b"\xfc\r\n"),)).rendered.eight_bit


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Hi\n", "7bit"),
        ("a  \n.\n..\nFrom here\n\tx\n", "7bit"),
        ("x" * 2000 + "\n", "quoted-printable"),
        ("Grüße und sonst nur ASCII, viel davon, damit es lesbar bleibt\n", "quoted-printable"),
        ("日本語のメール\n", "base64"),
        ("bell \x07 and \x00 and \x0b\n" + "plain " * 10 + "\n", "quoted-printable"),
        ("\r\n\r\nlone \r and \r\n", "7bit"),
        ("", "7bit"),
    ],
)
def test_a_body_is_encoded_as_fits(body, encoding):
    read = make(text=body)
    assert read.message["Content-Transfer-Encoding"] == encoding
    wanted = body.replace("\r\n", "\n").replace("\r", "\n")
    got = read.message.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert got.removesuffix("\n") == wanted.removesuffix("\n")


@given(st.text(max_size=200), st.text(max_size=200), st.booleans())
def test_any_text_and_html_read_back(plain, html, attached):
    plain, html = (s.encode("utf-8", "replace").decode().replace("{{", "") for s in (plain, html))
    read = make(text=plain, html=html, attachments=(Part("a", "a/b", plain.encode()),) if attached else ())
    bodies = [part for part in read.message.walk() if part.get_content_maintype() == "text"]
    for part, wanted in zip(bodies, (plain, html), strict=True):
        assert part.get_payload(decode=True).decode() == re.sub(r"\r\n|\r|\n", "\r\n", wanted)
    if attached:
        *_, part = read.message.iter_attachments()
        assert part.get_payload(decode=True) == plain.encode()
    assert not any(part.defects for part in read.message.walk())


VALUE = st.text(max_size=60)


@given(VALUE, VALUE, VALUE, VALUE)
def test_no_data_of_a_recipient_makes_a_second_header(subject, name, header, to):
    data = {"subject": subject, "header": header, "name": name}
    content = InlineContent(
        from_email="news@acme.test", from_name="{{name}}", subject="{{subject}}", text="x", headers={"X-Any": "{{header}}"},
        reply_to="{{name}} <r@acme.test>",
    )  # fmt: skip
    try:
        read = make(content, detail=RecipientDetail(name=name, header_to=to or None, substitution_data=data))
    except CannotRender:
        return
    names = [key.lower() for key in email.message_from_bytes(read.data).keys()]  # noqa: SIM118
    assert len(set(names)) == len(names)
    assert set(names) <= {
        "from", "to", "subject", "reply-to", "x-any", "date", "message-id", "mime-version", "content-type",
        "content-transfer-encoding",
    }  # fmt: skip


def test_each_recipient_gets_their_own_data():
    content = InlineContent(
        from_email="{{kind}}@acme.test", from_name="{{shop}}", subject="Hi {{first or 'you'}}", headers={"X-Uid": "{{uid}}"},
        text="Hi {{first}} of {{city}}, {{address.email}} {{return_path}}\n", html="<b>{{first}}</b>",
    )  # fmt: skip
    prepared = prepare(content, facts(substitution_data={"shop": "Acme", "kind": "news", "city": "Oslo"}), "here.test")
    for number, (first, subject) in enumerate((("<Kim>", "Hi <Kim>"), ("Zoë", "Hi Zoë"), (None, "Hi you"))):
        rendered = prepared.render(
            detail=RecipientDetail(substitution_data={"first": first}, metadata={"uid": number}), recipient="r@there.test",
            message_id=IDENT, mail_from="b-1@bounce.test", now=NOW,
        )  # fmt: skip
        message = email.message_from_bytes(rendered.data, policy=email.policy.SMTP)
        assert (str(message["Subject"]), rendered.subject) == (subject, subject)
        assert str(message["From"]) == "Acme <news@acme.test>"
        assert message["X-Uid"] == str(number)
        plain, html = message.iter_parts()
        assert text(plain) == f"Hi {first or ''} of Oslo, r@there.test b-1@bounce.test\n"
        assert text(html).strip() == {"<Kim>": "<b>&lt;Kim&gt;</b>", "Zoë": "<b>Zoë</b>"}.get(first, "<b></b>")


def test_an_empty_header_is_left_out():
    assert "Cc" not in make(headers={"Cc": "{{ cc_data or '' }}", "X-Empty": ""}).message
    assert "Cc" in make(headers={"Cc": "{{ cc }}"}, chunk=facts(substitution_data={"cc": "lee@there.test"})).message


def test_bodies_stay_verbatim_without_substitutions_but_headers_do_not():
    read = make(subject="{{x or 'y'}}", text="{{x}} {{if}}\n", html="{{", perform_substitutions=False)
    plain, html = read.message.iter_parts()
    assert (read.message["Subject"], text(plain), text(html).strip()) == ("y", "{{x}} {{if}}\n", "{{")


def test_the_list_id_of_override_wins():
    read = make(headers={"List-Id": "<own.test>"}, chunk=facts(list_id="News <news.acme.test>"))
    assert read.message.get_all("List-Id") == ["News <news.acme.test>"]


def test_own_message_id_and_date_are_kept():
    read = make(headers={"Message-ID": "<mine@acme.test>", "Date": "Mon, 02 Feb 2026 00:00:00 +0000"})
    assert read.message.get_all("Message-ID") == ["<mine@acme.test>"]
    assert len(read.message.get_all("Date")) == 1


def test_extra_headers_are_added():
    read = make(extra=[("List-Unsubscribe", "<https://u.test/1>")], detail=RecipientDetail(extra_headers=(("Bcc", "b@x.test"),)))
    assert (read.message["List-Unsubscribe"], read.message["Bcc"]) == ("<https://u.test/1>", "b@x.test")


def test_addresses_with_utf8_local_parts_need_smtputf8_and_others_do_not():
    assert make(recipient="用户@例子.测试").rendered.utf8
    assert not make(recipient="kim@例子.测试", detail=RecipientDetail(name="用户")).rendered.utf8
    assert "xn--fsqu00a" in str(make(recipient="kim@例子.测试").message["To"])
    assert make(from_email="né@acme.test").rendered.utf8


@pytest.mark.parametrize(
    "data",
    [{"who": "a@evil.test,b"}, {"who": "x\r\nBcc: y"}, {"who": ""}, {"who": "a@evil.test> <b"}],
)
def test_data_cannot_move_the_sender(data):
    with pytest.raises(CannotRender) as trouble:
        make(from_email="{{who}}@acme.test", detail=RecipientDetail(substitution_data=data))
    assert trouble.value.problem.kind is ProblemKind.HEADER


def test_the_sender_must_be_of_the_sending_domain():
    with pytest.raises(CannotRender):
        make(from_email="news@evil.test")
    with pytest.raises(CannotRender):
        make(from_email="news@{{d}}", detail=RecipientDetail(substitution_data={"d": "evil.test"}))


@pytest.mark.parametrize(
    ("members", "kinds"),
    [
        ({}, []),
        ({"html": "\n{{if x}}", "subject": "{{"}, [ProblemKind.SYNTAX, ProblemKind.SYNTAX]),
        ({"headers": {"Subject": "x", "X Y": "z", "Content-Type": "a/b"}}, [ProblemKind.HEADER] * 3),
        ({"headers": {"X-A": "a\r\nBcc: b@x"}}, [ProblemKind.HEADER]),
        ({"subject": "a\nb"}, [ProblemKind.HEADER]),
        ({"from_email": "nobody"}, [ProblemKind.HEADER]),
        ({"attachments": (Part("a", "multipart/mixed", b""),)}, [ProblemKind.MIME]),
        ({"attachments": (Part("a", "nothing", b""),)}, [ProblemKind.MIME]),
        ({"attachments": (Part("a\r\nb", "a/b", b""),)}, [ProblemKind.MIME]),
        ({"attachments": (Part("a", "a/b\r\nX: y", b""),)}, [ProblemKind.MIME]),
        ({"text": None}, [ProblemKind.MIME]),
    ],
)
def test_what_cannot_work_for_anybody_is_found_before(members, kinds):
    content = InlineContent(**{"from_email": "news@acme.test", "subject": "s", "text": "t", **members})
    assert [problem.kind for problem in check(content, FACTS)] == kinds


def test_a_syntax_problem_names_part_and_line():
    (problem,) = check(InlineContent(from_email="news@acme.test", html="a\n{{each x}}"), FACTS)
    assert (problem.kind, problem.part, problem.line) == (ProblemKind.SYNTAX, "html", 2)


def test_an_attachment_is_encoded_once_for_all_recipients():
    content = InlineContent(from_email="news@acme.test", text="{{n}}", attachments=(Part("a", "a/b", b"x" * 100_000),))
    prepared = prepare(content, FACTS, "here.test")
    assert prepared.size_bytes > 130_000
    bodies = {
        prepared.render(
            detail=RecipientDetail(substitution_data={"n": n}), recipient="r@x.test", message_id=IDENT, mail_from="", now=NOW
        ).data
        for n in range(3)
    }
    assert len(bodies) == 3


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 113, 114, 115, 1000])
def test_base64_is_cut_into_lines_of_76(size):
    data = bytes(number % 256 for number in range(size))
    encoded = encode_base64(data)
    assert encoded.replace(b"\r\n", b"\n") == base64.encodebytes(data).removesuffix(b"\n")


def test_a_rendered_message_with_everything_is_signed_and_verifies():
    key = SigningKey(domain="acme.test", selector="e", private=Ed25519PrivateKey.generate())
    read = make(
        from_name="Zoë " * 30, subject="Grüße " * 30, html="<p>x  y</p>" + "z" * 2000, headers={"Cc": "Ö <o@x.test>, p@x.test"},
        attachments=(Part("山.txt", "text/plain", b"a \t\r\n" * 99),), detail=RecipientDetail(name="Kïm"),
    )  # fmt: skip
    signed = sign(read.data, [key], now=NOW) + read.data
    assert verifies(signed, {"e._domainkey.acme.test.": record(key)})
