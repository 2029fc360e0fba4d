"""Which links of a rendered body are tracked: those whose protocol stands in the template (SparkPost reference, section 3.7)."""

import email
import email.policy
import html
import re
from datetime import UTC, datetime

import pytest

from homing.message.tracked import Seal
from homing.spool.marks import Marks
from homing.spool.render import prepare
from homing.spool.types import ChunkFacts, InlineContent, RawContent, RecipientDetail
from homing.templates.types import Snippet

NOW = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
SEAL = Seal(b"s" * 32)
BASE = "https://click.test"
DATA = {"url": "https://value.test/a?b=1&c=2", "host": "shop.test", "q": "a b", "page": '<a href="https://value.test/x">x</a>'}
FACTS = ChunkFacts(
    account_id=1, transmission_id=b"t" * 10, accepted_at=NOW, recv_method="rest", sending_domain="acme.test",
    friendly_from="news@acme.test", click_tracking=True,
    substitution_data={"dynamic_html": {"offer": '<a href="https://offer.test/{{q}}">o</a>'}},
)  # fmt: skip
SNIPPET = Snippet(account_id=1, subaccount_id=0, snippet_id="s", name="s", html='<a href="https://snippet.test/">s</a>')


def rendered(content, *, tracked: bool = True) -> email.message.EmailMessage:
    prepared = prepare(content, FACTS, "here.test", tracked=tracked)
    data = prepared.render(
        detail=RecipientDetail(substitution_data=DATA), recipient="kim@there.test", message_id=bytes(10),
        mail_from="b@bounce.test", now=NOW, snippets={"s": SNIPPET},
        marks=Marks(SEAL, BASE, FACTS, bytes(10), b"") if tracked else None,
    ).data  # fmt: skip
    return email.message_from_bytes(data, policy=email.policy.SMTP)


def links(text: str) -> list[str]:
    """Return the targets of the links of a body; those that are tracked are told as `tracked URL`."""
    told = []
    for url in re.findall(r"https?:(?://|&#x2F;&#x2F;)[^\s\"<>]+", text):
        found = SEAL.read(html.unescape(url).removeprefix(BASE)) if url.startswith(BASE) else None
        told.append(html.unescape(url) if found is None else f"tracked {found.url}")
    return told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('<a href="https://shop.test/">', ["tracked https://shop.test/"]),
        ('<a href="https://{{host}}/p">', ["tracked https://shop.test/p"]),
        ('<a href="https://{{{host}}}/?q={{q}}">', ["tracked https://shop.test/?q=a%20b"]),
        ('<a href="https://shop.test/?to={{{url}}}">', ["tracked https://shop.test/?to=https://value.test/a?b=1&c=2"]),
        ('<a href="{{url}}">', ["https://value.test/a?b=1&c=2"]),
        ('<a href="{{{url}}}">', ["https://value.test/a?b=1&c=2"]),
        ("{{{page}}}", ["https://value.test/x"]),
        ("{{render_dynamic_content(dynamic_html.offer)}}", ["tracked https://offer.test/a%20b"]),
        ("{{render_snippet('s')}}", ["tracked https://snippet.test/"]),
        ('{{if host}}<a href="https://in.test/">{{end}}', ["tracked https://in.test/"]),
        ('<area href="https://shop.test/map">', ["tracked https://shop.test/map"]),
        ('<a data-msys-clicktrack="0" href="https://shop.test/">', ["https://shop.test/"]),
    ],
)
def test_links_of_html(written, told):
    body = rendered(InlineContent(from_email="news@acme.test", subject="Hi", html=written)).get_content()
    assert links(body) == told
    assert "\ufdd0" not in body
    assert "data-msys" not in body


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("see https://{{host}}/p now", ["tracked https://shop.test/p"]),
        ("see {{url}} now", ["https://value.test/a?b=1&c=2"]),
        ("see {{{url}}} now", ["https://value.test/a?b=1&c=2"]),
        ('https://shop.test/u[[data-msys-unsubscribe="1"]] x', ["tracked https://shop.test/u"]),
        ('https://shop.test/u[[data-msys-clicktrack="0"]] x', ["https://shop.test/u"]),
    ],
)
def test_links_of_text(written, told):
    body = rendered(InlineContent(from_email="news@acme.test", subject="Hi", text=written)).get_content()
    assert links(body) == told
    assert "\ufdd0" not in body
    assert "[[" not in body


def test_header_fields_and_untracked_bodies_hold_values_as_they_are():
    content = InlineContent(
        from_email="news@acme.test", subject="See {{url}}", text="{{url}}", headers={"X-Link": "{{url}}"}
    )  # fmt: skip
    for tracked in (True, False):
        message = rendered(content, tracked=tracked)
        assert message["Subject"] == f"See {DATA['url']}"
        assert message["X-Link"] == DATA["url"]
        assert message.get_content().strip() == DATA["url"]


def test_links_of_raw_messages_follow_the_same_rule():
    raw = b"From: news@acme.test\r\nSubject: {{url}}\r\n\r\n{{url}} https://{{host}}/p\r\n"
    message = rendered(RawContent(rfc822=raw, substitute=True))
    assert message["Subject"] == DATA["url"]
    assert links(message.get_content()) == [DATA["url"], "tracked https://shop.test/p"]


def test_a_name_of_a_link_is_cut_at_63_bytes_and_is_raw_url_without_one():
    names = []
    for written in (
        '<a href="https://a.test" data-msys-linkname="{{q}}">',
        f'<a data-msys-linkname="{"ü" * 40}" href="https://a.test">',
        '<a href="https://a.test">',
    ):
        body = rendered(InlineContent(from_email="news@acme.test", subject="Hi", html=written)).get_content()
        found = SEAL.read(re.search(rf"{BASE}([^\"]+)", body)[1])
        names.append(found.name)
    assert names == ["a b", "ü" * 31, "Raw URL"]
