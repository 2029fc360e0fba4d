"""The text around braces: what is inside a URL, which white space a statement takes with it, what AMP keeps."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# A URL counts from its literal protocol up to what cannot stand in one.
_URL = re.compile(r"https?://", re.IGNORECASE)
_URL_END = re.compile(r"[\s\"'<>`]")
_REST_OF_LINE = re.compile(r"[ \t\r]*(?:\n|\Z)")
_BLANKS = re.compile(r"[ \t]*")
_STATEMENT = re.compile(r"\{\{\s*(?:if|elseif|else|each|end)\b")
_AMP_TEMPLATE = re.compile(
    r"<template\b[^>]*\btype\s*=\s*[\"']?amp-mustache\b[^>]*>(.*?)</template\s*>", re.IGNORECASE | re.DOTALL
)
_OURS_IN_AMP = re.compile(
    r"\b(?:\w*sparkpost\w*|loop_var|(?:opening|closing)_(?:single|double|triple)_curly)\b|\A\s*(?:else|end)\s*\Z"
)


class Ends(NamedTuple):
    """The text before a statement, and the offset where the text after it goes on."""

    before: str
    after: int


def ends_in_url(literal: str, in_url: bool) -> bool:
    """Return whether text after this literal is still inside a URL."""
    last = None
    for end in _URL_END.finditer(literal):
        last = end
    after = 0 if last is None else last.end()
    return (in_url and last is None) or _URL.search(literal, after) is not None


def trimmed(before: str, text: str, at: int, *, is_end: bool) -> Ends:
    """Return what white space a statement leaves (SparkPost reference 3.4).

    before   the text between the statement and what is before it
    at       the offset behind the statement

    A statement takes the rest of its line, if that is blank, with the line's end; so a line of statements alone leaves
    nothing, and its indentation goes too. Where something visible follows an `end` on its line, the line's end before goes.
    """
    rest = _REST_OF_LINE.match(text, at)
    line_start = before.rfind("\n") + 1
    indent = before[line_start:]
    alone = not indent.strip(" \t") and (line_start > 0 or len(before) == _offset_of_line(text, at))
    if rest is not None:
        return Ends(before[:line_start] if alone and indent else before, rest.end())
    if is_end and line_start > 0 and not indent.strip(" \t"):
        visible = _BLANKS.match(text, at)
        assert visible is not None
        if _STATEMENT.match(text, visible.end()) is None:
            return Ends(before[: line_start - 1].removesuffix("\r"), at)
    return Ends(before, at)


def _offset_of_line(text: str, at: int) -> int:
    """Return how far the statement that ends at an offset stands behind the beginning of a text's first line, if it is on it."""
    opening = text.rfind("{{", 0, at)
    return opening if text.find("\n", 0, opening) < 0 else -1


def amp_regions(text: str) -> Sequence[tuple[int, int]]:
    """Return where the insides of amp-mustache templates begin and end."""
    return tuple(found.span(1) for found in _AMP_TEMPLATE.finditer(text))


def left_to_amp(text: str, opening: int, regions: Sequence[tuple[int, int]]) -> bool:
    """Return whether braces at an offset belong to the mail client (SparkPost reference 3.8)."""
    if not any(start <= opening < end for start, end in regions):
        return False
    closing = text.find("}}", opening)
    return closing < 0 or _OURS_IN_AMP.search(text[opening:closing].lstrip("{")) is None
