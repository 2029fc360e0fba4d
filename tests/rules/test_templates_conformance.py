"""The template language as SparkPost's pages describe it (reference section 3)."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.templates.errors import TemplateError
from homing.templates.language import MAX_BLOCKS, Place, parse
from homing.templates.values import Scope

DYNAMIC = "{{render_dynamic_content(dynamic_html.x)}}"
INNER = "render_dynamic_content() cannot be used inside of dynamic content and snippets"
KIM = {"email": "kim@there.test", "address": {"email": "kim@there.test", "name": "Kim"}}


def render(text: str, data: dict[str, Any] | None = None, place: Place = Place.TEXT) -> str:
    return parse(text, place=place, part=place.value).render(Scope((data or {},), KIM, data))


@pytest.mark.parametrize(
    ("number", "place", "text", "data", "out"),
    [
        (1, Place.TEXT, "Hi {{name}}", {"name": "<b>"}, "Hi <b>"),
        (2, Place.HTML, "Hi {{name}}", {"name": "<b>x</b>"}, "Hi &lt;b&gt;x&lt;&#x2F;b&gt;"),
        (3, Place.HTML, "Hi {{{name}}}", {"name": "<b>x</b>"}, "Hi <b>x</b>"),
        (4, Place.TEXT, "Hi {{name or 'you'}}", {}, "Hi you"),
        (4, Place.TEXT, "Hi {{name or 'you'}}", {"name": None}, "Hi you"),
        (5, Place.TEXT, "{{a.b.c}}", {}, ""),
        (6, Place.TEXT, "{{items[1].n}}", {"items": [{"n": "p"}, {"n": "q"}]}, "p"),
        (7, Place.TEXT, "{{#items}}", {"items": [{"n": "p"}, {"n": "q"}]}, "2"),
        (8, Place.TEXT, "{{each items}}{{loop_index}}={{loop_var.n}};{{end}}", {"items": [{"n": "p"}, {"n": "q"}]}, "1=p;2=q;"),
        (9, Place.TEXT, "{{if n > 1 and ok then}}Y{{else}}N{{end}}", {"n": 2, "ok": True}, "Y"),
        (10, Place.TEXT, "{{if not x}}none{{end}}", {}, "none"),
        (11, Place.TEXT, "{{price - 5}}", {"price": 15}, "10"),
        (12, Place.TEXT, "{{p}}", {"p": 5.00}, "5"),
        (
            13,
            Place.HTML,
            '<a href="https://s.test/?q={{q}}">',
            {"q": "Daily Deal!"},
            '<a href="https://s.test/?q=Daily%20Deal%21">',
        ),
        (14, Place.HTML, '<a href="https://{{{h}}}">', {"h": "s.test/a"}, '<a href="https://s.test/a">'),
        (15, Place.TEXT, "{{ opening_double_curly() }}x{{ closing_double_curly() }}", {}, "{{x}}"),
        (16, Place.TEXT, "{{if empty(a)}}yes{{end}}", {"a": []}, "yes"),
        (17, Place.TEXT, "{{v}}", {"v": "{{name}}", "name": "k"}, "{{name}}"),
        (
            18,
            Place.HTML,
            "{{render_dynamic_content(dynamic_html.c)}}",
            {"dynamic_html": {"c": "<i>{{name}}</i>"}, "name": "k"},
            "<i>k</i>",
        ),
        (19, Place.TEXT, "A\n{{if ok}}\nB\n{{end}}\nC", {"ok": True}, "A\nB\nC"),
        (
            20,
            Place.TEXT,
            "{{each outer}}{{each loop_var.inner}}{{loop_vars.outer.x}}{{loop_vars.inner.y}} {{end}}{{end}}",
            {"outer": [{"x": 1, "inner": [{"y": "a"}, {"y": "b"}]}, {"x": 2, "inner": [{"y": "c"}]}]},
            "1a 1b 2c ",
        ),
        (21, Place.TEXT, "{{address.name}} {{email}}", {}, "Kim kim@there.test"),
    ],
)
def test_the_conformance_cases(number, place, text, data, out):
    assert render(text, data, place) == out


@pytest.mark.parametrize(
    ("text", "data", "out"),
    [
        ("a {{if x == 1}}one{{elseif x == 2}}two{{else}}many{{end}}", {"x": 1}, "a one"),
        ("a {{if x == 1}}one{{elseif x == 2}}two{{else}}many{{end}}", {"x": 2}, "a two"),
        ("a {{if x == 1}}one{{elseif x == 2}}two{{else}}many{{end}}", {"x": 3}, "a many"),
        ("{{1 + 2 * 3}} {{(1 + 2) * 3}} {{7 / 2}} {{8 / 2}} {{-x}} {{not x}}", {"x": 4}, "7 9 3.5 4 -4 false"),
        ("{{a and b}} {{a or b}} {{nil or false}}", {"a": "A", "b": "B"}, "B A false"),
        ("{{'10' + 5}}", {}, "15"),
        ("{{1 / 0}} {{-1 / 0}}", {}, "inf -inf"),
        ("{{if 0}}yes{{end}}{{if ''}}yes{{end}}{{if false}}no{{end}}", {}, "yesyes"),
        (
            "{{1 == '1'}} {{true == 1}} {{missing == nil}} {{'a' < 'b'}} {{a != b}}",
            {"a": 1, "b": 1.0},
            "false false true true false",
        ),
        ("{{if missing > 5}}no{{else}}nothing is larger than null{{end}}", {}, "nothing is larger than null"),
        ("{{each missing}}x{{end}}{{each name}}x{{end}}", {"name": "text"}, ""),
        ("{{cart[i].n}} {{o['a b']}}", {"cart": [{"n": "p"}], "i": 1, "o": {"a b": "q"}}, "p q"),
        ("{{each list}}{{if loop_index > 1}}, {{end}}{{loop_var}}{{end}}", {"list": ["a", "b"]}, "a, b"),
        (
            "{{render_dynamic_content(dynamic_plain[k])}}",
            {"dynamic_plain": {"p": "for {{email}}"}, "k": "p"},
            "for kim@there.test",
        ),
        (
            "{{each l}}{{render_dynamic_content(dynamic_html[loop_var])}}{{end}}",
            {"l": ["a", "b"], "dynamic_html": {"a": "<{{loop_index}}>", "b": "[{{loop_index}}]"}},
            "<1>[2]",
        ),
    ],
)
def test_expressions_and_statements(text, data, out):
    assert render(text, data) == out


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ('{{ if city == "Oslo" }}\nOslo\n{{ end }}, Norway', "Oslo, Norway"),
        ('{{ if city == "Oslo" }}\nOslo\n{{ end }}\nNorway', "Oslo\nNorway"),
        ("  {{ if city }}\n  x\n  {{ end }}\ny", "  x\ny"),
        ("a\n\t{{ if city }}\r\nx\r\n{{ end }}\r\ny", "a\nx\r\ny"),
        ("Hello {{ if city }} you {{ end }} there", "Hello  you  there"),
        ("{{each l}}\n* {{loop_var}}\n{{end}}\nend", "* 1\n* 2\nend"),
        ("x {{if city}}\ny{{end}}", "x y"),
        ("{{city}}\nx", "Oslo\nx"),
    ],
)
def test_white_space_around_statements(text, out):
    assert render(text, {"city": "Oslo", "l": [1, 2]}) == out


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\n\n{{if (a}}{{end}}", 3, "the expression ends too early"),
        ("{{if a)}}{{end}}", 1, "syntax error near ')'"),
        ("{{a", 1, "substitution statement missing ending '}}'"),
        ("{{if a}}\nx", 1, "the statement {{if}} has no {{end}}"),
        ("x\n{{end}}", 2, "syntax error near 'end': there is nothing to end"),
        ("{{else}}", 1, "syntax error near 'else': there is nothing to choose from"),
        ("{{each a}}{{else}}{{end}}", 1, "syntax error near 'else': there is nothing to choose from"),
        ("{{if a}}{{else}}{{else}}{{end}}", 1, "syntax error near 'else': there is nothing to choose from"),
        ("{{end x}}", 1, "syntax error near 'x'"),
        ("{{now()}}", 1, "there is no macro now()"),
        ("{{empty()}}", 1, "empty() takes one argument"),
        ("{{{if a}}}", 1, "syntax error near 'if': a statement has two braces"),
        ("{{if a}}" * (MAX_BLOCKS + 1), 1, f"statements are nested more than {MAX_BLOCKS} deep"),
    ],
)
def test_bad_syntax_is_told_with_its_line(text, line, says):
    with pytest.raises(TemplateError) as told:
        parse(text, place=Place.HTML, part="html")
    assert (told.value.part, told.value.line, told.value.problem) == ("html", line, says)


@pytest.mark.parametrize(
    ("text", "data", "line", "says"),
    [
        ("x\n{{name - 1}}", {"name": "Kim"}, 2, "attempt to perform arithmetic on a text"),
        ("{{if a < b}}x{{end}}", {"a": 1, "b": "x"}, 1, "attempt to compare a number with a text"),
        ("{{missing + 1}}", {}, 1, "attempt to perform arithmetic on a null value"),
        ("{{#n}}", {"n": 3}, 1, "attempt to get the length of a number"),
        (DYNAMIC, {}, 1, "render_dynamic_content() found no text; it must be in the transmission's substitution_data"),
        (DYNAMIC, {"dynamic_html": {"x": DYNAMIC}}, 1, INNER),
    ],
)  # fmt: skip
def test_what_cannot_be_rendered_is_told_with_its_line(text, data, line, says):
    with pytest.raises(TemplateError) as told:
        render(text, data)
    assert (told.value.line, told.value.problem) == (line, says)


def test_dynamic_content_of_a_recipient_is_not_executed():
    mine = {"dynamic_html": {"c": "mine"}}
    scope = Scope((mine, {}, {}, {}), KIM, {"dynamic_html": {"c": "everybody's"}})
    assert parse("{{render_dynamic_content(dynamic_html.c)}}", place=Place.HTML, part="html").render(scope) == "everybody's"


def test_values_inside_dynamic_content_are_escaped():
    data = {"dynamic_html": {"c": "<i>{{name}}</i>"}, "name": "<k>"}
    assert render("{{render_dynamic_content(dynamic_html.c)}}", data, Place.HTML) == "<i>&lt;k&gt;</i>"


@pytest.mark.parametrize(
    "text", ["{{each l}}{{each l}}{{each l}}{{x}}{{end}}{{end}}{{end}}", "{{each l}}{{each l}}{{each l}}{{end}}{{end}}{{end}}"]
)
def test_loops_within_loops_end(text):
    with pytest.raises(TemplateError, match="too many steps"):
        render(text, {"l": list(range(1000)), "x": "y"})


def test_a_loop_that_writes_too_much_ends():
    with pytest.raises(TemplateError, match="longer than"):
        render("{{each l}}{{x}}{{end}}", {"l": list(range(10_000)), "x": "y" * 100_000})


def test_a_template_starts_afresh_after_one_that_failed():
    scope = Scope(({"l": list(range(2000)), "m": [1]},), KIM)
    with pytest.raises(TemplateError):
        parse("{{each l}}{{each l}}{{end}}{{end}}", place=Place.TEXT, part="text").render(scope)
    assert parse("{{each m}}{{loop_var}}{{end}}{{loop_var}}", place=Place.TEXT, part="text").render(scope) == "1"


def test_amp_mustache_templates_are_left_to_the_mail_client():
    text = '{{name}}<template type="amp-mustache">{{#items}}{{name}}{{{raw}}}{{sparkpost_x}}{{/items}}</template>{{name}}'
    out = render(text, {"name": "Kim", "sparkpost_x": "ours"}, Place.AMP)
    assert out == 'Kim<template type="amp-mustache">{{#items}}{{name}}{{{raw}}}ours{{/items}}</template>Kim'


WORDS = st.sampled_from(
    ["{{", "}}", "{{{", "}}}", "if ", "each ", "else", "elseif ", "end", "a", "l", "loop_var", ".", "[", "]", "(", ")", " ", "\n",
     "1", "'x'", "+", "-", "*", "/", "==", "<", " and ", " or ", " not ", "#", "empty(", "render_dynamic_content(dynamic_html.c)",
     "https://", "<", '"']
)  # fmt: skip
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "l", "c"]), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=40).map("".join), DATA, DATA, DATA, st.sampled_from(list(Place)))
def test_any_template_renders_any_data_or_is_refused(text, a, l, c, place):  # noqa: E741
    data = {"a": a, "l": l, "dynamic_html": {"c": c}}
    with suppress(TemplateError):
        assert isinstance(render(text, data, place), str)
