"""Cutting a foreign template into text and tags, as Handlebars and Mustachio have them."""

import re
from typing import NamedTuple

_BLANK = " \t\r"
_COMMENT = re.compile(r"\{\{~?!--(.*?)--~?\}\}|\{\{~?!(.*?)\}\}", re.DOTALL)
_SHOWN = 60


class Untranslatable(Exception):
    """A place that has no faithful translation; the sentence says why, the line where.

    at     the tag, or what else stands there
    """

    def __init__(self, problem: str, line: int, at: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.at = at if len(at) <= _SHOWN else at[: _SHOWN - 1] + "…"


class Tag(NamedTuple):
    """One pair of braces.

    kind         value, raw (nothing is escaped), open, inverse, close, else, comment
    words        what stands between the braces, without the sign of its kind
    source       the whole tag
    standalone   it has a line for itself, which goes with it
    eats_before, eats_after   `~`: the white space there goes
    """

    kind: str
    words: str
    source: str
    line: int
    standalone: bool = False
    eats_before: bool = False
    eats_after: bool = False


Token = str | Tag


def cut(text: str) -> list[Token]:
    """Return text and tags in their order; text between two tags that is empty is left out.

    raises   Untranslatable
    """
    tokens: list[Token] = []
    at = 0
    while (opening := text.find("{{", at)) >= 0:
        if opening > at:
            tokens.append(text[at:opening])
        tag, at = _tag(text, opening)
        tokens.append(tag)
    if at < len(text):
        tokens.append(text[at:])
    return _marked(tokens)


def _tag(text: str, opening: int) -> tuple[Tag, int]:
    line = text.count("\n", 0, opening) + 1
    if opening and text[opening - 1] == "\\":
        raise Untranslatable("braces that are escaped by a backslash", line, text[opening - 1 : opening + 20])
    if text.startswith("{{{{", opening):
        raise Untranslatable("a raw block", line, text[opening : opening + 20])
    comment = _COMMENT.match(text, opening)
    if comment is not None:
        source = comment[0]
        return Tag("comment", "", source, line, False, source.startswith("{{~"), source.endswith("~}}")), comment.end()
    raw = text.startswith("{{{", opening) or text.startswith("{{~{", opening)
    closing = "}}}" if text.startswith("{{{", opening) else "}~}}" if raw else "}}"
    end = text.find(closing, opening)
    if raw and end < 0:
        closing = "}}}"
        end = text.find(closing, opening)
    if end < 0:
        raise Untranslatable(f"the braces are not closed; {closing} is missing", line, text[opening : opening + 40])
    source = text[opening : end + len(closing)]
    inner = source.strip("{}")
    before, after = inner.startswith("~"), inner.endswith("~")
    inner = inner.strip("~").strip("{}").strip()
    kind, words = _kind(inner, raw)
    return Tag(kind, words, source, line, False, before, after), end + len(closing)


def _kind(inner: str, raw: bool) -> tuple[str, str]:
    if raw:
        return "raw", inner
    sign, rest = inner[:1], inner[1:].strip()
    match sign:
        case "#":
            return "open", rest
        case "^":
            return ("inverse", rest) if rest else ("else", "")
        case "/":
            return "close", rest
        case "&":
            return "raw", rest
        case _:
            word, _, rest = inner.partition(" ")
            return ("else", rest.strip()) if word == "else" else ("value", inner)


_BLOCKS = ("open", "inverse", "close", "else", "comment")


def _marked(tokens: list[Token]) -> list[Token]:
    """Return the tokens with what has a line for itself marked, and the white space that `~` takes gone."""
    last = len(tokens) - 1
    made: list[Token] = []
    for place, token in enumerate(tokens):
        if isinstance(token, Tag) and token.kind in _BLOCKS:
            before = tokens[place - 1] if place else ""
            after = tokens[place + 1] if place < last else ""
            alone = (
                isinstance(before, str)
                and isinstance(after, str)
                and not before[before.rfind("\n") + 1 :].strip(_BLANK)
                and ("\n" in before or place <= 1)
                and not after.partition("\n")[0].strip(_BLANK)
                and ("\n" in after or place >= last - 1)
            )
            token = token._replace(standalone=alone and not token.eats_before and not token.eats_after)
        made.append(token)
    for place, token in enumerate(made):
        if not isinstance(token, Tag):
            continue
        if token.eats_before and place and isinstance(before := made[place - 1], str):
            made[place - 1] = before.rstrip()
        if token.eats_after and place < last and isinstance(after := made[place + 1], str):
            made[place + 1] = after.lstrip()
    return made
