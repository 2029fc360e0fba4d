"""Templates: text with `{{expressions}}`, parsed once, rendered for each recipient.

Source: SparkPost reference section 3. `{{x}}` is escaped by where it stands, `{{{x}}}` never. What a value holds is never
parsed. Statements (if, each) are recognised in `_statement`, which is where they will be compiled; until then they are
refused by name.
"""

import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from homing.templates.errors import TemplateError
from homing.templates.expressions import STATEMENTS, Evaluate, Parser, Wrong, tokens_of
from homing.templates.values import Scope, escape_html, escape_url, text_of

MAX_OUTPUT = 20_971_520  # characters that one rendered part may have; as many as a body that comes in has bytes
MAX_EXPRESSIONS = 20_000  # in one part; each costs about 10 us and 500 octets before anything is rendered
CACHED_TEXT = 16_384  # longer templates are not cached here: whoever renders them keeps them
CACHED_TEMPLATES = 512

# A URL counts from its literal protocol up to what cannot stand in one.
_URL = re.compile(r"https?://", re.IGNORECASE)
_URL_END = re.compile(r"[\s\"'<>`]")
Piece = str | Callable[[Scope], str]


class Place(Enum):
    """Where a template stands; it decides what `{{x}}` escapes."""

    TEXT = "text"  # URLs only
    HTML = "html"  # html and amp_html: HTML, and URLs
    HEADER = "header"  # nothing: the header's own encoding follows


class Template:
    """A parsed template.

    static   the whole text where there is no expression in it, else None
    """

    __slots__ = ("_part", "_pieces", "static")

    def __init__(self, pieces: list[Piece], part: str) -> None:
        self._pieces = pieces
        self._part = part
        self.static = "".join(pieces) if all(isinstance(piece, str) for piece in pieces) else None  # type: ignore[arg-type]

    def render(self, scope: Scope) -> str:
        """Return the text for one recipient.

        raises   TemplateError
        """
        if self.static is not None:
            return self.static
        out: list[str] = []
        size = 0
        for piece in self._pieces:
            text = piece if isinstance(piece, str) else piece(scope)
            size += len(text)
            if size > MAX_OUTPUT:  # at once: what follows could be a thousand times as much
                raise TemplateError(f"the rendered text is longer than {MAX_OUTPUT} characters", part=self._part, line=1)
            out.append(text)
        return "".join(out)


def parse(text: str, *, place: Place, part: str) -> Template:
    """Return the template of a text.

    part     for errors: html, text, subject, a header's name
    raises   TemplateError
    """
    if "{{" not in text:
        return Template([text], part)
    return _cached(text, place, part) if len(text) <= CACHED_TEXT else _parse(text, place, part)


@lru_cache(maxsize=CACHED_TEMPLATES)
def _cached(text: str, place: Place, part: str) -> Template:
    return _parse(text, place, part)


def _parse(text: str, place: Place, part: str) -> Template:
    pieces: list[Piece] = []
    in_url = False
    at = counted = expressions = 0
    line = 1
    try:
        while (opening := text.find("{{", at)) >= 0:
            expressions += 1
            if expressions > MAX_EXPRESSIONS:
                raise Wrong(f"there are more than {MAX_EXPRESSIONS} expressions", opening)
            literal = text[at:opening]
            if literal:
                pieces.append(literal)
                in_url = _ends_in_url(literal, in_url)
            raw = text.startswith("{{{", opening)
            start = opening + (3 if raw else 2)
            # Offsets of braces, tokens and errors all count from the beginning of the text.
            tokens, at = tokens_of(text, start, "}}}" if raw else "}}")
            if tokens and tokens[0][0] == "name" and tokens[0][1] in STATEMENTS:
                _statement(tokens[0][1], opening)
            line += text.count("\n", counted, opening)
            counted = opening
            pieces.append(_expression(Parser(tokens, opening).parse(), _escape(place, in_url, raw), part, line))
    except Wrong as wrong:
        raise TemplateError(wrong.problem, part=part, line=text.count("\n", 0, wrong.at) + 1) from None
    if at < len(text):
        pieces.append(text[at:])
    return Template(pieces, part)


def _statement(word: str, at: int) -> None:
    raise Wrong(f"the statement {{{{{word}}}}} is not supported yet", at)


def _ends_in_url(literal: str, in_url: bool) -> bool:
    """Return whether text after this literal is still inside a URL."""
    last = None
    for end in _URL_END.finditer(literal):
        last = end
    after = 0 if last is None else last.end()
    return (in_url and last is None) or _URL.search(literal, after) is not None


def _escape(place: Place, in_url: bool, raw: bool) -> Callable[[str], str] | None:
    if raw or place is Place.HEADER:
        return None
    if in_url:
        return escape_url
    return escape_html if place is Place.HTML else None


def _expression(evaluate: Evaluate, escape: Callable[[str], str] | None, part: str, line: int) -> Callable[[Scope], str]:
    def write(scope: Scope) -> str:
        try:
            text = text_of(evaluate(scope))
        except ValueError as trouble:
            raise TemplateError(str(trouble), part=part, line=line) from trouble
        return text if escape is None else escape(text)

    return write
