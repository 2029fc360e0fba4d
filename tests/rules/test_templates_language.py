"""The substitution language, case by case (SparkPost reference 3.10 and around it)."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.templates.errors import TemplateError
from homing.templates.expressions import MAX_NESTING
from homing.templates.language import Place, parse
from homing.templates.values import Scope, escape_html, text_of

BUILTINS = {"address": {"name": "Kim", "email": "kim@there.test"}, "email": "kim@there.test", "env_from": "b@b.test"}


def render(text, data=None, place=Place.TEXT, *more_layers):
    return parse(text, place=place, part=place.value).render(Scope((data or {}, *more_layers), BUILTINS))


@pytest.mark.parametrize(
    ("text", "data", "out"),
    [
        ("Hi {{name}}", {"name": "<b>"}, "Hi <b>"),
        ("Hi {{ name or 'you' }}", {}, "Hi you"),
        ('Hi {{name or "you"}}', {"name": None}, "Hi you"),
        ("{{a or b or 'c'}}", {"b": 0}, "0"),
        ("{{a or ''}}", {}, ""),
        ("{{a or false}}", {}, "false"),
        ("{{a.b.c}}", {}, ""),
        ("{{a.b.c}}", {"a": {"b": 1}}, ""),
        ("{{a.b.c}}", {"a": {"b": {"c": "x"}}}, "x"),
        ("{{a['k']}}{{a[\"k k\"]}}", {"a": {"k": 1, "k k": 2}}, "12"),
        ("{{items[1].n}}", {"items": [{"n": "p"}, {"n": "q"}]}, "p"),
        ("{{a['']}}{{a[#a]}}", {"a": {"": 1}}, "1"),
        ("{{items[0]}}{{items[3]}}{{items[1.5]}}", {"items": [1, 2]}, ""),
        ("{{items[i]}}", {"items": ["a", "b"], "i": 2}, "b"),
        ("{{items[i]}}", {"items": ["a", "b"], "i": 2.0}, "b"),
        ("{{p}} {{q}}", {"p": 5.00, "q": 39.99}, "5 39.99"),
        ("{{p}}", {"p": 1e15}, "1e+15"),
        ("{{p}}", {"p": 12345678901234567}, "12345678901234567"),
        ("{{p}}", {"p": 10**400}, "inf"),
        ("{{0.1}} {{5.00}} {{7}} {{'x'}} {{true}} {{nil}}.", {}, "0.1 5 7 x true ."),
        ("{{v}}", {"v": "{{name}}", "name": "k"}, "{{name}}"),
        ("{{v}}", {"v": [1, {"a": None}]}, '[1,{"a":null}]'),
        ("{{address.name}} {{email}}", {}, "Kim kim@there.test"),
        ("{{address.name}} {{address.city}}", {"address": {"name": "Eve", "city": "Oslo"}}, "Kim Oslo"),
        ("{{email}}", {"email": "eve@there.test"}, "kim@there.test"),
        ("{{{name}}}", {"name": "/"}, "/"),
        ("{{{name}}}}", {"name": "/"}, "/}"),
        ("{{name}}}", {"name": "/"}, "/}"),
        ("{ {{name}} } }} { {", {"name": "/"}, "{ / } }} { {"),
        ("{{ (name or 'x') }}", {}, "x"),
        ("{{ '}}' }}", {}, "}}"),
        ("{{\n name \n}}", {"name": 1}, "1"),
        ("https://s.test/?q={{q}}&r={{{q}}} {{q}}", {"q": "a b!"}, "https://s.test/?q=a%20b%21&r=a b! a b!"),
        ("{{p}}s.test/?q={{q}}", {"p": "https://", "q": "a b"}, "https://s.test/?q=a b"),
        ("", {}, ""),
    ],
)
def test_text_renders(text, data, out):
    assert render(text, data) == out


@pytest.mark.parametrize(
    ("text", "data", "out"),
    [
        ("Hi {{name}}", {"name": "<b>x</b>"}, "Hi &lt;b&gt;x&lt;&#x2F;b&gt;"),
        ("Hi {{{name}}}", {"name": "<b>x</b>"}, "Hi <b>x</b>"),
        ("{{n}}", {"n": "& \" '"}, "&amp; &quot; &#39;"),
        ('<a href="https://s.test/?q={{q}}">', {"q": "Daily Deal!"}, '<a href="https://s.test/?q=Daily%20Deal%21">'),
        ('<a href="HTTP://{{h}}/{{q}}">{{q}}</a>', {"h": "s.test", "q": "ü/"}, '<a href="HTTP://s.test/%C3%BC%2F">ü&#x2F;</a>'),
        ('<a href="https://{{{h}}}">', {"h": "s.test/a"}, '<a href="https://s.test/a">'),
        ('<a href="{{u}}">', {"u": "https://s.test/"}, '<a href="https:&#x2F;&#x2F;s.test&#x2F;">'),
        ("https://a.test {{q}}", {"q": "<"}, "https://a.test &lt;"),
    ],
)
def test_html_is_escaped_by_place(text, data, out):
    assert render(text, data, Place.HTML) == out


@pytest.mark.parametrize(
    "path",
    [
        "o['list']",
        'o["list"]',
        "list",
        "o.list",
        "a.o['list']",
        "o[which]",
        "(o['list'])",
        "o.deep[1].list",
        "lists[1].list",
        "list[2]",
    ],
)
def test_loop_vars_names_a_loop_by_the_last_segment_of_its_path(path):
    items = ["x", "y"]
    data = {
        "o": {"list": items, "deep": [{"list": items}]},
        "which": "list",
        "lists": [{"list": items}],
        "a": {"o": {"list": items}},
    }
    data["list"] = [1, items] if path == "list[2]" else items
    assert render(f"{{{{each {path}}}}}{{{{loop_vars.list}}}}{{{{end}}}}", data) == "xy"


def test_headers_are_not_escaped():
    assert render("https://{{q}} {{q}}", {"q": "<a b>"}, Place.HEADER) == "https://<a b> <a b>"


def test_the_strongest_layer_that_knows_a_name_wins():
    layers = ({"a": 1, "n": None}, {"a": 2, "b": 2}, {"a": 3, "b": 3, "c": 3}, {"a": 4, "b": 4, "c": 4, "d": 4, "n": 4})
    assert render("{{a}}{{b}}{{c}}{{d}}{{n}}", layers[0], Place.TEXT, *layers[1:]) == "1234"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("{{", 1, "missing ending '}}'"),
        ("a\nb {{name", 2, "missing ending '}}'"),
        ("{{{name}}", 1, "missing ending '}}}'"),
        ("\n\n{{}}", 3, "empty"),
        ("{{ a b }}", 1, "'b'"),
        ("{{ a. }}", 1, "early"),
        ("{{ a.1 }}", 1, "syntax error near"),
        ("{{ a[1 }}", 1, "early"),
        ("{{ or }}", 1, "reserved"),
        ("{{ a or }}", 1, "early"),
        ("{{ 'x }}", 1, '"\'"'),
        ("{{ a ? b }}", 1, "'?'"),
        ("{{ ü }}", 1, "'ü'"),
        ("{{ a .. b }}", 1, "syntax error near '..'"),
        ("{{ a and }}", 1, "early"),
        ("{{ # }}", 1, "early"),
        ("\n{{ if a }}x", 2, "{{if}} has no {{end}}"),
        ("{{each a}}", 1, "{{each}} has no {{end}}"),
        ("{{ else }}", 1, "'else'"),
        ("{{ while }}", 1, "reserved"),
        ("{{ render_snippet() }}", 1, "render_snippet() takes one argument"),
        ("{{ nonsense(1) }}", 1, "no macro nonsense()"),
        ("{{{{x}}}}", 1, "'{'"),
        ("{{" + "(" * (MAX_NESTING + 1) + "x" + ")" * (MAX_NESTING + 1) + "}}", 1, "deep"),
        ("{{ " + "a or " * 1000 + "b }}", 1, "more than"),
    ],
)
def test_bad_syntax_is_told_with_its_line(text, line, says):
    with pytest.raises(TemplateError) as wrong:
        parse(text, place=Place.HTML, part="html")
    assert wrong.value.line == line
    assert wrong.value.part == "html"
    assert says in wrong.value.problem


def test_a_text_without_expressions_is_static():
    assert parse("plain } {", place=Place.HTML, part="html").static == "plain } {"
    assert parse("{{x}}", place=Place.HTML, part="html").static is None


def test_an_object_of_any_depth_is_printed_or_refused():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(TemplateError):
        render("{{v}}", {"v": deep})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abk") | st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
DATA = st.dictionaries(st.sampled_from(["a", "b", "c", "address", "email"]), JSON, max_size=4)


@given(st.text(alphabet="{}ab.[]'\"(1) or#\n&<ü/https:", max_size=60), DATA, st.sampled_from(list(Place)))
def test_any_template_renders_or_is_refused(text, data, place):
    with contextlib.suppress(TemplateError):
        assert isinstance(render(text, data, place), str)


@given(st.sampled_from(["{{a}}", "{{a.b}}", "{{a[b]}}", "{{a[1]}}", "{{a['b'] or c}}", "{{address.a}}", "{{{c}}}"]), DATA)
def test_any_data_renders(text, data):
    assert isinstance(render(text, data, Place.HTML), str)


@given(st.text(), st.text(alphabet="<>&\"'/a{}", max_size=20))
def test_an_escaped_value_brings_no_markup(before, value):
    if "{{" in before + "{":
        before = ""
    out = render(before.replace("http", "") + "{{v}}", {"v": value}, Place.HTML)
    assert out.endswith(escape_html(value))
    assert not set(escape_html(value)) & set("<>\"'/")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_print_as_numbers(number):
    assert json.loads(text_of(number)) == pytest.approx(number, rel=1e-12)


def test_a_long_hostile_template_is_refused_at_once():
    for text in ("{{" * 200_000, "{{a" * 200_000, "{{'" * 200_000, "{{ " + " " * 400_000, "https://" * 200_000 + "{{"):
        with pytest.raises(TemplateError):
            parse(text, place=Place.HTML, part="html")


def test_a_thousand_expressions_after_a_long_text_parse_in_linear_time():
    text = "x\n" * 1000 + "{{a}}" * 20_000
    assert render(text, {"a": 1}).endswith("1" * 20_000)
