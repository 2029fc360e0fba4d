"""options.inline_css: the rules of style elements go into what they select, after the language, and before links are tracked."""

import asyncio
import email
import email.policy
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from homing.events.types import EventType
from homing.ingress.rules.transmission import decode
from homing.ingress.types import Transmission
from homing.message.tracked import Seal
from homing.queue.types import NewChunk
from homing.spool import css
from homing.spool.css import CannotInline, Inliner
from homing.spool.marks import Marks
from homing.spool.preview import preview
from homing.spool.render import CannotRender, ProblemKind, prepare
from homing.spool.types import MOST_INLINED, NOTHING_DIFFERS, ChunkFacts, Content, InlineContent, RawContent, RecipientDetail
from homing.templates.types import Snippet
from tests.kit.engine import post_office
from tests.kit.mail import new_chunk
from tests.kit.resources import ResourceDoor, resource_door
from tests.kit.scripted_mx import ACCEPT, EHLO, Loop, scripted_mx

NOW = datetime(2026, 2, 1, 3, 4, 5, tzinfo=UTC)
FACTS = ChunkFacts(
    account_id=1, transmission_id=b"t" * 10, accepted_at=NOW, recv_method="rest", sending_domain="acme.test",
    friendly_from="news@acme.test", inline_css=True,
)  # fmt: skip
RED = "<style>p{color:red}</style>"
DEEP = RED + "<div>" * 400_000


@pytest.fixture(scope="module")
def inliner() -> Iterator[Inliner]:
    made = Inliner()
    yield made
    made.close()


class Counting:
    """An inliner that counts what it is asked."""

    def __init__(self, inliner: Inliner) -> None:
        self._inliner = inliner
        self.asked = 0

    def __call__(self, html: str) -> str:
        self.asked += 1
        return self._inliner(html)


def html_of(content: Content, inline, *, data=None, facts=FACTS, marks=None, snippets=None) -> str:
    prepared = prepare(content, facts, "here.test", tracked=marks is not None, inline=inline)
    return read(prepared, data=data, marks=marks, snippets=snippets)


def read(prepared, *, data=None, marks=None, snippets=None) -> str:
    rendered = prepared.render(
        detail=RecipientDetail(substitution_data=data or {}), recipient="kim@there.test", message_id=bytes(10),
        mail_from="b@bounce.test", now=NOW, marks=marks, snippets=snippets,
    )  # fmt: skip
    message = email.message_from_bytes(rendered.data, policy=email.policy.SMTP)
    return next(part for part in message.walk() if part.get_content_type() == "text/html").get_content().replace("\r\n", "\n")


def inline_html(html: str, **more) -> InlineContent:
    return InlineContent(from_email="news@acme.test", subject="Hello", html=html, **more)


def test_rules_go_into_the_elements_that_they_select_and_what_cannot_stays(inliner: Inliner):
    made = inliner(
        "<!DOCTYPE html><html><head><style>p{color:red} .big{font-size:2em} a:hover{color:blue}"
        "@media (max-width:600px){p{color:green}}</style></head>"
        '<body><p class="big" style="margin:0">a &amp; b&nbsp;c</p><!--[if mso]><table><tr><td><![endif]--></body></html>'
    )
    assert '<p class="big" style="color: red;font-size: 2em;margin: 0">a &amp; b&nbsp;c</p>' in made
    assert "a:hover { color: blue; }" in made
    assert "@media (max-width:600px){p{color:green}}" in made
    assert "<!--[if mso]><table><tr><td><![endif]-->" in made
    assert made.startswith("<!DOCTYPE html>")
    assert "p { color" not in made


def test_what_is_meant_for_printers_is_not_moved(inliner: Inliner):
    made = inliner('<style media="print">p{color:black}</style><style media="screen">p{margin:0}</style><p>x</p>')
    assert "p{color:black}" in made
    assert '<p style="margin: 0;">x</p>' in made


def test_html_without_styles_stays_as_it_is(inliner: Inliner):
    for html in ("<p>x<td>&copy; <BR>", "no html at all", '<p style="color:red">x', "<styles>p{}</styles>"):
        assert inliner(html) == html
    assert html_of(inline_html("<P>x<td>&copy;"), inliner) == "<P>x<td>&copy;\n"


async def test_nothing_is_loaded_from_anywhere(inliner: Inliner, tmp_path: Path):
    asked: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    sheet = tmp_path / "sheet.css"
    sheet.write_text("p{color:green}")
    async with await asyncio.start_server(note, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sheet.css"
        html = (
            f'<head><link rel="stylesheet" href="{url}"><link rel="stylesheet" href="file://{sheet}">'
            f'<link rel="stylesheet" href="{sheet}"><style>@import url("{url}"); p{{color:red;background:url({url})}}</style>'
            "</head><p>x</p>"
        )
        made = await asyncio.to_thread(inliner, html)
        await asyncio.sleep(0.1)
    assert not asked
    assert "green" not in made
    assert 'style="color: red;background: url(' in made
    assert made.count("<link ") == 3


def test_the_language_is_applied_first(inliner: Inliner):
    # A parser of HTML would move the statements out of the table, and cannot know what a value selects.
    html = (
        "<style>td{color:red} .due{font-weight:bold}</style>"
        '<table>{{each rows}}<tr><td class="{{loop_var.kind}}">{{loop_var.name}}</td></tr>{{end}}</table>'
        '{{if rows[2].name == "<b>"}}<p>two</p>{{end}}'
    )
    made = html_of(inline_html(html), inliner, data={"rows": [{"name": "one", "kind": "due"}, {"name": "<b>", "kind": "x"}]})
    assert '<td class="due" style="color: red;font-weight: bold;">one</td>' in made
    assert '<td class="x" style="color: red;">&lt;b&gt;</td>' in made
    assert "<p>two</p>" in made
    assert "{{" not in made


def test_css_that_values_and_dynamic_content_and_snippets_bring_counts(inliner: Inliner):
    html = "<style>p{color:{{colour}}} i{margin:0}</style>{{render_dynamic_content(dynamic_html.a)}}{{render_snippet('foot')}}"
    facts = replace(FACTS, substitution_data={"colour": "#123", "dynamic_html": {"a": "<p>x</p>"}})
    snippet = Snippet(account_id=1, subaccount_id=0, snippet_id="foot", name="foot", html="<i>{{name}}</i>")
    made = html_of(inline_html(html), inliner, facts=facts, data={"name": "Kim"}, snippets={"foot": snippet})
    assert '<p style="color: #123;">x</p>' in made
    assert '<i style="margin: 0;">Kim</i>' in made


def test_links_are_tracked_afterwards_and_pixels_come_last(inliner: Inliner):
    facts = replace(FACTS, open_tracking=True, click_tracking=True, initial_open=True)
    seal = Seal(b"s" * 32)
    marks = Marks(seal, "https://click.test", facts, bytes(10), b"")
    html = (
        "<html><head><style>a{color:red}</style></head><body>"
        '<a href="https://shop.test/?a=1&amp;b={{name}}" data-msys-linkname="shop">x</a>'
        '<a href="https://shop.test/plain" data-msys-clicktrack="0">y</a></body></html>'
    )
    made = html_of(inline_html(html), inliner, facts=facts, marks=marks, data={"name": "Kim K"})
    assert "data-msys" not in made
    assert '<a href="https://shop.test/plain" style="color: red;">y</a>' in made
    tracked = made.split('<a href="https://click.test')[1].split('"')[0]
    found = seal.read(tracked)
    assert found is not None
    assert (found.url, found.name) == ("https://shop.test/?a=1&b=Kim%20K", "shop")
    assert made.count("<img ") == 2


def test_text_and_amp_are_left_alone(inliner: Inliner):
    amp = "<!doctype html><html amp4email><head><style amp-custom>p{color:red}</style></head><body><p>x</p></body></html>"
    prepared = prepare(inline_html(RED + "<p>x", text=RED + "<p>x", amp_html=amp), FACTS, "here.test", inline=inliner)
    data = prepared.render(
        detail=NOTHING_DIFFERS, recipient="kim@there.test", message_id=bytes(10), mail_from="b@bounce.test", now=NOW
    ).data
    parts = list(email.message_from_bytes(data, policy=email.policy.SMTP).iter_parts())
    assert [part.get_content().strip() for part in parts[:2]] == [RED + "<p>x", amp]
    assert '<p style="color: red;">x</p>' in parts[2].get_content()


def test_bodies_without_the_language_are_inlined_once_for_all_recipients(inliner: Inliner):
    for content in (
        inline_html(RED + "<p>x</p>"),
        inline_html(RED + "<p>{{x}}</p>", perform_substitutions=False),
        raw(RED + "<p>x</p>", substitute=True),
        raw(RED + "<p>{{x}}</p>", substitute=False),
    ):
        counting = Counting(inliner)
        prepared = prepare(content, FACTS, "here.test", inline=counting)
        assert [read(prepared) == read(prepared), counting.asked, prepared.waits] == [True, 1, False]
        assert '<p style="color: red;">' in read(prepared)
    counting = Counting(inliner)
    prepared = prepare(inline_html(RED + "<p>{{x}}</p>"), FACTS, "here.test", inline=counting)
    assert (read(prepared, data={"x": "1"}) == read(prepared, data={"x": "2"}), counting.asked, prepared.waits) == (
        False,
        2,
        True,
    )


def raw(html: str, *, substitute: bool, head: str = "") -> RawContent:
    text = f"{head}From: news@acme.test\r\nSubject: Hi\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    return RawContent(rfc822=f"{text}{html}\r\n".encode(), substitute=substitute)


def test_a_raw_message_is_inlined_in_its_first_html_part(inliner: Inliner):
    made = html_of(raw(RED + "<p>{{name}}</p>", substitute=True), inliner, data={"name": "Kim"})
    assert '<p style="color: red;">Kim</p>' in made
    untouched = raw("<p>no styles</p>", substitute=False)
    assert (
        prepare(untouched, FACTS, "here.test", inline=inliner)
        .render(detail=NOTHING_DIFFERS, recipient="kim@there.test", message_id=bytes(10), mail_from="b@bounce.test", now=NOW)
        .data.endswith(b"\r\n\r\n<p>no styles</p>\r\n")
    )


def test_a_message_that_is_signed_already_is_not_touched(inliner: Inliner):
    signed = raw(RED + "<p>x</p>", substitute=False, head="DKIM-Signature: v=1; b=x\r\n")
    assert html_of(signed, inliner) == RED + "<p>x</p>\n"


def test_without_the_option_css_stays_where_it_is(inliner: Inliner):
    assert html_of(inline_html(RED + "<p>x"), inliner, facts=replace(FACTS, inline_css=False)) == RED + "<p>x\n"


@pytest.mark.parametrize(
    "html",
    [
        DEEP,
        RED + "".join(f"<b a={n}>" for n in range(50_000)) + "<p>" * 50_000,
        "<style>" + "".join(f"p{{--a{n}:{n}}}" for n in range(10_000)) + "</style>" + "<p>x</p>" * 2_000,
    ],
    ids=["nested without end", "formatting that multiplies", "every rule meets every element"],
)
def test_what_is_too_much_for_a_parser_fails_alone(inliner: Inliner, html: str):
    with pytest.raises(CannotInline, match="takes too long or too much memory"):
        inliner(html)
    assert inliner(RED + "<p>x</p>") == '<html><head></head><body><p style="color: red;">x</p></body></html>'


def test_html_and_results_are_bounded(inliner: Inliner):
    with pytest.raises(CannotInline, match=f"over {MOST_INLINED} bytes"):
        inliner(RED + "x" * MOST_INLINED)
    with pytest.raises(CannotInline, match="more than 20971520 bytes"):
        inliner(f"<style>p{{color:{'r' * 1_000}}}</style>" + "<p>" * 30_000)


def test_after_three_failures_the_others_of_a_chunk_cost_nothing(inliner: Inliner):
    counting = Counting(inliner)
    prepared = prepare(inline_html(RED + "{{x}}"), FACTS, "here.test", inline=counting)
    for _ in range(10):
        with pytest.raises(CannotRender) as caught:
            read(prepared, data={"x": "x" * MOST_INLINED})
    assert (caught.value.problem.kind, caught.value.problem.part) == (ProblemKind.HTML, "html")
    assert counting.asked == 3


def test_a_child_that_somebody_ended_is_replaced(inliner: Inliner):
    inliner(RED + "<p>x")
    for number in (signal.SIGKILL, signal.SIGTERM):
        child = inliner._child
        assert child is not None
        child.send_signal(number)
        child.wait(10)
        assert "color: red" in inliner(RED + "<p>x")


def test_a_child_that_does_not_answer_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(css, "WITHIN_S", 0.3)
    inliner = Inliner()
    inliner(RED + "<p>x")
    assert inliner._child is not None
    inliner._child.send_signal(signal.SIGSTOP)
    assert "color: red" in inliner(RED + "<p>x")
    inliner.close()


def test_the_child_has_no_secret_of_ours_and_ends_with_us(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOMING_DATABASE_URL", "postgres://secret")
    inliner = Inliner()
    inliner(RED + "<p>x")
    child = inliner._child
    assert child is not None
    environ = Path(f"/proc/{child.pid}/environ").read_bytes()
    assert b"secret" not in environ
    assert {one.partition(b"=")[0] for one in environ.split(b"\0") if one} <= {b"PYTHONPATH", b"LC_CTYPE"}
    descriptors = {os.readlink(f"/proc/{child.pid}/fd/{n}").partition(":")[0] for n in os.listdir(f"/proc/{child.pid}/fd")}
    assert not any(name == "socket" for name in descriptors)
    inliner.close()
    assert child.returncode == 0
    assert not Path(f"/proc/{child.pid}").exists()


async def test_a_message_whose_css_cannot_be_inlined_ends_as_a_generation_failure(database):
    async with (
        scripted_mx((*EHLO, Loop(ACCEPT)), strict=False) as mx,
        post_office(database, {"a.test": "127.0.0.1"}, port=mx.port) as post,
    ):
        for recipient, html in (("good@a.test", RED + "<p>{{email}}</p>"), ("bad@a.test", DEEP)):
            chunk = new_chunk(post.owner.place(1), [recipient])
            await post.owner.hand_over(with_html(chunk, html))
        await post.until(lambda: len(mx.messages) == 1 and post.engine.outcomes.counters.failed_to_make == 1, within_s=30)
        message = email.message_from_bytes(mx.messages[0], policy=email.policy.SMTP)
        assert '<p style="color: red;">good@a.test</p>' in message.get_content()
        async with asyncio.timeout(10):
            while await post.events(EventType.GENERATION_FAILURE) != ["bad@a.test"]:
                await asyncio.sleep(0.02)
        row = await post.pool.fetchrow("SELECT detail FROM events WHERE type = $1", int(EventType.GENERATION_FAILURE))
        assert "554 5.3.3 [internal] Error while rendering part html: its CSS takes too long" in row["detail"]


def with_html(chunk: NewChunk, html: str) -> NewChunk:
    return replace(chunk, content=inline_html(html), facts=replace(chunk.facts, inline_css=True, recv_method="rest"))


def test_rest_takes_the_option_and_bounds_the_html():
    def body(html: str) -> bytes:
        import json

        return json.dumps(
            {
                "options": {"inline_css": True},
                "recipients": [{"address": "kim@there.test"}],
                "content": {"from": "news@acme.test", "subject": "Hi", "html": html},
            }
        ).encode()

    taken = decode(body(RED))
    assert isinstance(taken, Transmission)
    assert taken.inline_css
    refused = decode(body("x" * (MOST_INLINED + 1)))
    assert (refused.status, refused.code) == (422, "1300")
    assert "content.html, where options.inline_css is true, must be at most 2097152 bytes" in refused.description


@pytest.fixture
async def door(pool):
    async with resource_door(pool) as made:
        await made.door.domain()
        yield made


async def test_previews_inline_where_they_are_asked_to(door: ResourceDoor):
    content = {"from": "news@acme.test", "subject": "Hi", "html": RED + "<p>{{x}}</p>"}
    made = await door.call("POST", "templates", json={"id": "t", "content": content})
    assert made.status_code == 200
    for path, body in (
        ("templates/t/preview", {"substitution_data": {"x": "1"}}),
        ("utils/content-previewer", {"content": content, "substitution_data": {"x": "1"}}),
    ):
        plain = await door.call("POST", path, json=body)
        assert plain.json()["results"]["html"] == RED + "<p>1</p>"
        inlined = await door.call("POST", path, json={**body, "options": {"inline_css": True}})
        assert '<p style="color: red;">1</p>' in inlined.json()["results"]["html"]


async def test_a_preview_that_cannot_be_inlined_is_invalid_html(door: ResourceDoor):
    content = {"from": "news@acme.test", "subject": "Hi", "html": DEEP}
    answer = await door.call(
        "POST",
        "utils/content-previewer",
        json={"content": content, "substitution_data": {}, "options": {"inline_css": True}},
    )
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["message"], error["code"]) == ("invalid HTML", "3050")
    assert "too long" in error["description"]


def test_a_preview_of_a_raw_message_is_inlined_too(inliner: Inliner):
    shown = preview(raw(RED + "<p>{{x}}</p>", substitute=True), {"x": "1"}, {}, snippets={}, now=NOW, inline=inliner)
    assert "color: red" in shown["email_rfc822"]
