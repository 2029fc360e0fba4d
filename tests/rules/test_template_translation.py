"""Templates of other platforms say in our language what they said in theirs; what has no counterpart is refused with its place.

The results were compared with Handlebars 4.7 itself.
"""

import contextlib
import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.templates.errors import TemplateError
from homing.templates.language import Place, parse
from homing.templates.rules.tags import Untranslatable
from homing.templates.rules.translate import Dialect, translate
from homing.templates.values import Scope

DATA = {
    "name": "<K> & co",
    "n": 3,
    "zero": 0,
    "none": [],
    "blank": "",
    "off": False,
    "user": {"first": "Kim", "last": {"x": "Lee"}, "first-name": "K"},
    "tags": ["p", "q"],
    "items": [{"name": "one", "subs": ["s", "t"]}, {"name": "two", "subs": []}],
}


def rendered(text: str, *, dialect: Dialect = Dialect.HANDLEBARS, place: Place = Place.HTML, data=None) -> str:
    """Translate, render, and undo what escaping differs in."""
    ours = translate(text, dialect=dialect, place=place).text
    said = parse(ours, place=place, part="html").render(Scope([DATA if data is None else data], {}))
    return html.unescape(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hi {{name}}!", "Hi <K> & co!"),
        ("{{{name}}} {{& name}}", "<K> & co <K> & co"),
        ("{{user.first}} {{user.[first]}} {{user.first-name}} {{user/first}}", "Kim Kim K Kim"),
        ("{{items.0.name}} {{items.[1].name}} {{@root.n}}", "one two 3"),
        ("{{#if zero}}A{{else}}B{{/if}}{{#if blank}}A{{else}}B{{/if}}{{#if none}}A{{else}}B{{/if}}{{#if off}}A{{/if}}", "BBB"),
        ("{{#if user}}u{{/if}}{{#if items}}i{{/if}}{{#if n}}n{{/if}}{{#if missing.deep}}m{{/if}}", "uin"),
        ("{{#if missing}}A{{else if n}}B{{else}}C{{/if}}", "B"),
        ("{{#unless missing}}no{{else}}yes{{/unless}}", "no"),
        ("{{#if n}}A{{^}}B{{/if}}", "A"),
        ("{{^none}}empty{{/none}}{{^zero}}zero{{/zero}}", "empty"),
        ("{{#each items}}{{name}}-{{@index}}{{#if @last}}.{{else}}, {{/if}}{{/each}}", "one-0, two-1."),
        ("{{#each items}}{{#if @first}}first {{/if}}{{this.name}} {{../n}};{{else}}none{{/each}}", "first one 3;two 3;"),
        ("{{#each none}}x{{else}}none{{/each}}", "none"),
        ("{{#each tags}}{{this}}|{{.}}{{/each}}", "p|pq|q"),
        ("{{#each items}}{{#each subs}}{{this}}/{{../name}}/{{../../n}} {{/each}}{{/each}}", "s/one/3 t/one/3 "),
        ("{{#each items as |it i|}}{{it.name}}={{i}}{{#each it.subs as |s|}} {{s}}:{{it.name}}{{/each}};{{/each}}",
         "one=0 s:one t:one;two=1;"),
        ("{{#with user}}{{first}} {{last.x}} {{../n}}{{else}}nobody{{/with}}", "Kim Lee 3"),
        ("{{#with missing}}{{first}}{{else}}nobody{{/with}}", "nobody"),
        ("{{#each items}}{{#if subs.length}}{{name}}:{{subs.length}}{{/if}}{{/each}}", "one:2"),
        ('{{#equals n 3}}same{{else}}other{{/equals}}{{#if (equals user.first "Kim")}}!{{/if}}', "same!"),
        ("{{#greaterThan n 2}}big{{else}}small{{/greaterThan}}{{#lessThan n 2}}small{{/lessThan}}", "big"),
        ("{{#greaterThan (length items) 1}}many{{else}}few{{/greaterThan}} {{length items}}", "many 2"),
        ("{{#and n user}}both{{else}}not{{/and}} {{#or zero blank}}any{{else}}neither{{/or}}", "both neither"),
        ("{{#notEquals n 4}}A{{else equals n 4}}B{{/notEquals}}", "A"),
        ('{{insert missing "default=friend"}} {{insert user.first default="x"}} {{insert n}}', "friend Kim 3"),
        ("x{{! c }}y{{!-- }} --}}z", "xyz"),
        ("{{~#if n~}}  A  {{~/if~}}  B", "AB"),
    ],
)  # fmt: skip
def test_handlebars_says_the_same_here(text, said):
    assert rendered(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A\n{{#if n}}\nB\n{{/if}}\nC", "A\nB\nC"),
        ("A\n  {{#if zero}}\n  B\n  {{else}}\n  D\n  {{/if}}\nC\n", "A\n  D\nC\n"),
        ("A {{#if n}}\nB\n{{/if}} C\nD", "A \nB\n C\nD"),
        ("{{#if n}}\nOslo\n{{/if}}, Norway", "Oslo\n, Norway"),
        ("A\n  {{#each none}}\n  - {{name}}\n  {{else}}\n  none\n  {{/each}}\nend\n", "A\n  none\nend\n"),
        ("A\n{{! gone }}\nB\n", "A\nB\n"),
        ("A\n{{#if n}}{{#if n}}\nX\n{{/if}}{{/if}}\nY", "A\n\nX\n\nY"),
        ("{{#if n}}{{! c}}\nfoo{{/if}}\n", "\nfoo\n"),
        ("{{#if n}}\n\nB\n{{/if}}\n\nC", "\nB\n\nC"),
        ("A{{#if n}}  \n{{/if}}  ", "A  \n"),
        ("1\r\n{{#if n}}\r\nB\r\n{{/if}}\r\nC", "1\r\nB\r\nC"),
    ],
)
def test_the_white_space_around_blocks_stays_as_it_is_there(text, said):
    assert rendered(text) == rendered(text, place=Place.TEXT) == said


def test_a_value_in_an_address_is_not_encoded_anew():
    text = '<a href="https://x.test/{{path}}?q={{{q}}}">{{path}}</a> {{link}}'
    done = translate(text, dialect=Dialect.HANDLEBARS, place=Place.HTML)
    assert done.text == '<a href="https://x.test/{{{path}}}?q={{{q}}}">{{path}}</a> {{link}}'
    assert [(remark.line, "within an address" in remark.text) for remark in done.remarks] == [(1, True)]
    assert rendered(text, data={"path": "a/b", "q": "a%20b", "link": ""}).startswith('<a href="https://x.test/a/b?q=a%20b">a/b')


def test_ses_escapes_nothing():
    done = translate("Hi {{name}}, {{{name}}}", dialect=Dialect.SES, place=Place.HTML)
    assert done.text == "Hi {{{name}}}, {{{name}}}"
    assert "not escaped" in done.remarks[0].text
    assert translate("Hi {{name}}", dialect=Dialect.SES, place=Place.TEXT).text == "Hi {{name}}"


def test_names_that_are_ours_are_told():
    (remark,) = translate("{{n}}\n{{email}} {{email}}", dialect=Dialect.HANDLEBARS, place=Place.TEXT).remarks
    assert (remark.line, remark.text[:26]) == (2, "email is the recipient's o")


@pytest.mark.parametrize(
    ("text", "line", "at", "why"),
    [
        ("a\nb {{formatDate d 'x'}}", 2, "{{formatDate d 'x'}}", "the helper 'formatDate' has no counterpart"),
        ("{{> footer}}", 1, "{{> footer}}", "a partial"),
        ("{{#> layout}}{{/layout}}", 1, "{{#> layout}}", "a partial"),
        ('{{#* inline "x"}}{{/inline}}', 1, '{{#* inline "x"}}', "a partial"),
        ("{{#person}}{{/person}}", 1, "{{#person}}", "say each, with or if"),
        ("{{#list items}}{{/list}}", 1, "{{#list items}}", "the block 'list'"),
        ("{{#each items}}{{@key}}{{/each}}", 1, "{{@key}}", "@key has no counterpart"),
        ("{{#each a}}{{#each b}}{{@../index}}{{/each}}{{/each}}", 1, "{{@../index}}", "no counterpart"),
        ("{{#each a as |x i|}}{{#each b}}{{i}}{{/each}}{{/each}}", 1, "{{i}}", "the innermost"),
        ("{{#each x.items}}{{#each y.items}}{{../n}}{{/each}}{{/each}}", 1, "{{../n}}", "both over 'items'"),
        ("{{first-name}}", 1, "{{first-name}}", "cannot be a name here"),
        ("{{end}}", 1, "{{end}}", "a word of our language"),
        ("{{#if a}}", 1, "if", "is not closed"),
        ("{{#if a}}{{/each}}", 1, "{{/each}}", "the block that is open is 'if'"),
        ("{{/if}}", 1, "{{/if}}", "no block to close"),
        ("{{else}}", 1, "{{else}}", "nothing to choose from"),
        ("{{#if a}}{{else}}{{else}}{{/if}}", 1, "{{else}}", "a second else"),
        ("{{#each a}}{{else}}{{else if b}}{{/each}}", 1, "{{else if b}}", "a second else"),
        ("{{#if a}}{{else each b}}{{/if}}", 1, "{{else each b}}", "begins another block"),
        ("{{#if a b}}{{/if}}", 1, "{{#if a b}}", "one condition"),
        ("{{name", 1, "{{name", "not closed"),
        ("{{}}", 1, "{{}}", "empty"),
        ("{{(a}}", 1, "{{(a}}", "parenthesis is not closed"),
        ("{{a)}}", 1, "{{a)}}", "a parenthesis too many"),
        ("{{helper a=b}}", 1, "{{helper a=b}}", "'helper'"),
        (r"\{{name}}", 1, r"\{{name}}", "backslash"),
        ("{{{{raw}}}} {{{{/raw}}}}", 1, "{{{{raw}}}}", "raw block"),
        ("{{this}}", 1, "{{this}}", "the whole data"),
        ("x\n<a href='{{{unsubscribe}}}'>", 2, "{{{unsubscribe}}}", "data-msys-unsubscribe"),
        ("<%asm_group_unsubscribe_raw_url%>", 1, "<%asm_group_unsubscribe_raw_url%>", "data-msys-unsubscribe"),
        ("%unsubscribe_url%", 1, "%unsubscribe_url%", "data-msys-unsubscribe"),
        ("{{amazonSESUnsubscribeUrl}}", 1, "{{amazonSESUnsubscribeUrl}}", "data-msys-unsubscribe"),
        ("Hi %recipient.first%", 1, "%recipient.first%", "older kind"),
        ("{{#if a}}" * 41 + "{{/if}}" * 41, 1, "{{#if a}}", "more than 40 deep"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_refused_with_its_place(text, line, at, why):
    with pytest.raises(Untranslatable) as refused:
        translate(text, dialect=Dialect.HANDLEBARS, place=Place.HTML)
    assert why in refused.value.problem
    assert refused.value.line == line
    assert refused.value.at.startswith(at[:20])


# Postmark's Mustachio -----------------------------------------------------------------------------------------------------

COMPANY = {
    "name": "Acme",
    "site": "acme.test",
    "Company": {"ceo": {"last_name": "Smith", "products": [{"name": "rocket", "version": 1}, {"name": "skates", "version": 2}]}},
    "empty": [],
    "note": "",
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello {{ name }}", "Hello Acme"),
        ("{{#Company}}{{#ceo}}{{last_name}}{{/ceo}}{{/Company}}", "Smith"),
        ("{{#each Company.ceo.products}}{{name}} {{version}} {{../../last_name}};{{/each}}", "rocket 1 Smith;skates 2 Smith;"),
        ("{{#each Company.ceo.products}}{{../../../../site}};{{/each}}", "acme.test;acme.test;"),
        ("{{#Company.ceo}}{{../../name}}{{/Company.ceo}}", "Acme"),
        ("{{#note}}note{{/note}}{{^note}}no note{{/note}}{{^empty}}, nothing{{/empty}}", "no note, nothing"),
        ("{{#name}}{{.}}{{/name}}", "Acme"),
        ("{{! said nowhere }}x", "x"),
    ],
)
def test_mustachio_says_the_same_here(text, said):
    assert rendered(text, dialect=Dialect.MUSTACHIO, data=COMPANY) == said


@pytest.mark.parametrize(
    "text", ["{{#if a}}{{/if}}x{{helper a b}}", "{{{ pm:unsubscribe }}}", "{{#each a b}}{{/each}}", "{{a | b}}"]
)
def test_mustachio_has_no_helpers_and_its_placeholders_are_refused(text):
    with pytest.raises(Untranslatable):
        translate(text, dialect=Dialect.MUSTACHIO, place=Place.HTML)


FRAGMENTS = [
    "{{", "}}", "{{{", "}}}", "#if a", "/if", "#each items", "/each", "else", "else if b", "#with user", "/with", "^x", "/x", "a",
    "this", "..", "/", ".", "@index", "@last", "@root.n", " ", "\n", "~", "!", "!--", "--", '"q"', "'", "(", ")", "length items",
    "equals a 1", "#equals a b", "/equals", "https://x.test/", "x", "as |i n|", "i", "n", "0", "[a b]", "insert a 'default=y'",
    "é", "\\",
]  # fmt: skip


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join), st.sampled_from(list(Dialect)))
@settings(max_examples=500, deadline=None)
def test_what_is_translated_can_be_rendered_here(text, dialect):
    with contextlib.suppress(Untranslatable):
        ours = translate(text, dialect=dialect, place=Place.HTML).text
        template = parse(ours, place=Place.HTML, part="html")
        with contextlib.suppress(TemplateError):  # comparing a text with a number, for example
            template.render(Scope([DATA], {}))
