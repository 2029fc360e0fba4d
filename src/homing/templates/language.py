"""Templates: text with `{{expressions}}` and statements, parsed once, rendered for each recipient.

Source: SparkPost reference section 3. `{{x}}` is escaped by where it stands, `{{{x}}}` never. What a value holds is never
parsed, except the dynamic content of a transmission. Whatever a template does, it ends: loops, nesting and output are bounded.
"""

from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from homing.templates.errors import TemplateError
from homing.templates.expressions import STATEMENTS, Evaluate, Include, Parser, Wrong, tokens_of
from homing.templates.pieces import Branches, Each, Markup, Pieces, Rendering, TooMuch, name_of, written
from homing.templates.source import Ends, amp_regions, ends_in_url, left_to_amp, trimmed
from homing.templates.values import Scope, escape_html, escape_url

MAX_STEPS = 500_000  # words of expressions that are carried out for one part and recipient, loops included
MAX_EXPRESSIONS = 20_000  # in one part; each costs about 10 us and 500 octets before anything is rendered
MAX_BLOCKS = 50  # if and each within each other
CACHED_TEXT = 16_384  # longer templates are not cached here: whoever renders them keeps them
CACHED_TEMPLATES = 512


class Place(Enum):
    """Where a template stands; it decides what `{{x}}` escapes."""

    TEXT = "text"  # URLs only
    HTML = "html"  # HTML, and URLs
    AMP = "amp_html"  # as HTML; amp-mustache templates are left to the mail client
    HEADER = "header"  # nothing: the header's own encoding follows


PLACES = {"text": Place.TEXT, "html": Place.HTML, "amp_html": Place.AMP}  # of the bodies


_SNIPPET_PARTS = {Place.TEXT: "text", Place.HEADER: "text", Place.HTML: "html", Place.AMP: "amp_html"}
MAX_SNIPPETS = 5  # calls of render_snippet() in one message, all its parts together


class Template:
    """A parsed template.

    static   the whole text where there is no expression in it, else None
    """

    __slots__ = ("_part", "_pieces", "static")

    def __init__(self, pieces: Pieces, part: str) -> None:
        self._pieces = pieces
        self._part = part
        self.static = "".join(pieces) if all(isinstance(piece, str) for piece in pieces) else None  # type: ignore[arg-type]

    def render(self, scope: Scope) -> str:
        """Return the text for one recipient.

        raises   TemplateError
        """
        if self.static is not None:
            return self.static
        scope.left = MAX_STEPS
        scope.loops.clear()
        rendering = Rendering(scope)
        try:
            rendering.run(self._pieces)
        except TooMuch as trouble:
            raise TemplateError(str(trouble), part=self._part, line=1) from trouble
        return "".join(rendering.out)

    def within(self, rendering: Rendering) -> None:
        """Render into a rendering of another template, with its data, loops and limits."""
        rendering.run(self._pieces)


def parse(text: str, *, place: Place, part: str) -> Template:
    """Return the template of a text.

    part     for errors: html, text, subject, a header's name
    raises   TemplateError
    """
    if "{{" not in text:
        return Template(Pieces([text]), part)
    return _cached(text, place, part) if len(text) <= CACHED_TEXT else _Reader(text, place, part, inner=False).read()


@lru_cache(maxsize=CACHED_TEMPLATES)
def _cached(text: str, place: Place, part: str) -> Template:
    return _Reader(text, place, part, inner=False).read()


@lru_cache(maxsize=CACHED_TEMPLATES)
def _included(text: str, place: Place, part: str) -> Template:
    return _Reader(text, place, part, inner=True).read()


class _Open:
    """A statement whose end has not come yet; `pieces` is where its text goes at the moment."""

    __slots__ = ("at", "branches", "each", "pieces", "word")

    def __init__(self, word: str, at: int, pieces: Pieces) -> None:
        self.word = word
        self.at = at
        self.pieces = pieces
        self.branches: list[tuple[Evaluate | None, Pieces]] = []
        self.each: Each | None = None


class _Reader:
    """Reads one text.

    inner   it is dynamic content itself, and may not name another
    """

    def __init__(self, text: str, place: Place, part: str, *, inner: bool) -> None:
        self._text = text
        self._place = place
        self._part = part
        self._root = Pieces()
        self._open: list[_Open] = []
        self._line = 1
        self._counted = 0
        self._include: dict[str, Include] | None = None
        if not inner:
            self._include = {"render_dynamic_content": self._render_dynamic, "render_snippet": self._render_snippet}
        self._amp = amp_regions(text) if place is Place.AMP else ()

    def read(self) -> Template:
        """Return the template.

        raises   TemplateError
        """
        try:
            self._read()
        except Wrong as wrong:
            line = self._text.count("\n", 0, wrong.at) + 1
            raise TemplateError(wrong.problem, part=self._part, line=line) from None
        return Template(self._root, self._part)

    def _read(self) -> None:
        text = self._text
        at = searched = expressions = 0
        in_url = False
        while (opening := text.find("{{", searched)) >= 0:
            if self._amp and left_to_amp(text, opening, self._amp):
                searched = opening + 2
                continue
            expressions += 1
            if expressions > MAX_EXPRESSIONS:
                raise Wrong(f"there are more than {MAX_EXPRESSIONS} expressions", opening)
            literal = text[at:opening]
            raw = text.startswith("{{{", opening)
            # Offsets of braces, tokens and errors all count from the beginning of the text.
            tokens, at = tokens_of(text, opening + (3 if raw else 2), "}}}" if raw else "}}")
            self._line += text.count("\n", self._counted, opening)
            self._counted = opening
            if literal:
                in_url = ends_in_url(literal, in_url)
            if tokens and tokens[0][0] == "name" and tokens[0][1] in STATEMENTS:
                word = tokens[0][1]
                if raw:
                    raise Wrong(f"syntax error near {word!r}: a statement has two braces", opening)
                ends: Ends = trimmed(literal, text, at, is_end=word == "end")
                literal, at = ends.before, ends.after
                self._put(literal)
                self._statement(word, tokens[1:], opening)
            else:
                self._put(literal)
                evaluate = Parser(tokens, opening, include=self._include).parse()
                self._pieces.weight += len(tokens)
                self._pieces.append(written(evaluate, self._escape(in_url, raw), self._part, self._line, in_url=in_url))
            searched = at
        if self._open:
            left = self._open[-1]
            raise Wrong(f"the statement {{{{{left.word}}}}} has no {{{{end}}}}", left.at)
        self._put(text[at:])

    @property
    def _pieces(self) -> Pieces:
        return self._open[-1].pieces if self._open else self._root

    def _put(self, literal: str) -> None:
        if literal:
            self._pieces.append(literal)

    def _statement(self, word: str, rest: list[tuple[str, str, int]], at: int) -> None:
        if word in ("if", "elseif") and rest and rest[-1][:2] == ("name", "then"):
            rest = rest[:-1]
        if word in ("else", "end") and rest:
            raise Wrong(f"syntax error near {rest[0][1]!r}", rest[0][2])
        asked = self._pieces  # where the condition is carried out; of an elseif, that is around the whole if
        if word == "elseif":
            asked = self._open[-2].pieces if len(self._open) > 1 else self._root
        asked.weight += 1 + len(rest)
        if word in ("if", "each"):
            if len(self._open) == MAX_BLOCKS:
                raise Wrong(f"statements are nested more than {MAX_BLOCKS} deep", at)
            self._begin(word, rest, at)
            return
        opened = self._open[-1] if self._open else None
        if opened is None:
            raise Wrong(f"syntax error near {word!r}: there is nothing to {'end' if word == 'end' else 'choose from'}", at)
        if word == "end":
            self._open.pop()
            self._pieces.append(opened.each or Branches(opened.branches))
        elif opened.word != "if" or (opened.branches and opened.branches[-1][0] is None):
            raise Wrong(f"syntax error near {word!r}: there is nothing to choose from", at)
        else:
            opened.pieces = Pieces()
            condition = Parser(rest, at, include=self._include).parse() if word == "elseif" else None
            opened.branches.append((self._guarded(condition) if condition else None, opened.pieces))

    def _begin(self, word: str, rest: list[tuple[str, str, int]], at: int) -> None:
        parser = Parser(rest, at, include=self._include)
        evaluate = self._guarded(parser.parse())
        opened = _Open(word, at, Pieces())
        if word == "if":
            opened.branches.append((evaluate, opened.pieces))
        else:
            opened.each = Each(self._guarded(name_of(parser.last)), evaluate, opened.pieces)
        self._open.append(opened)

    def _guarded(self, evaluate: Evaluate) -> Evaluate:
        """Let what goes wrong in an expression of a statement be told with its part and line."""
        part, line = self._part, self._line

        def guarded(scope: Scope) -> object:
            try:
                return evaluate(scope)
            except (ValueError, RecursionError) as trouble:
                raise TemplateError(str(trouble) or "the value is nested too deep", part=part, line=line) from trouble

        return guarded

    def _escape(self, in_url: bool, raw: bool) -> Callable[[str], str] | None:
        if raw or self._place is Place.HEADER:
            return None
        if in_url:
            return escape_url
        return None if self._place is Place.TEXT else escape_html

    def _render_dynamic(self, named: Evaluate, scope: Scope) -> Markup:
        """Render the text that render_dynamic_content() names; it must lie in the transmission's substitution data."""
        text = named(scope)
        if not isinstance(text, str):
            raise ValueError("render_dynamic_content() found no text; it must be in the transmission's substitution_data")
        return self._rendered(text, scope)

    def _render_snippet(self, named: Evaluate, scope: Scope) -> Markup:
        """Render the part of a snippet that matches this place."""
        scope.called += 1
        if scope.called > MAX_SNIPPETS:
            raise ValueError(f"render_snippet() may be called {MAX_SNIPPETS} times at most")
        snippet_id = named(scope)
        snippet = scope.snippets.get(snippet_id) if isinstance(snippet_id, str) else None
        text = None if snippet is None else getattr(snippet, _SNIPPET_PARTS[self._place])
        if text is None:
            raise ValueError(f"there is no snippet {str(snippet_id)[:64]!r} with a part for {self._place.value}")
        return self._rendered(text, scope)

    def _rendered(self, text: str, scope: Scope) -> Markup:
        rendering = Rendering(scope)
        _included(text, self._place, self._part).within(rendering)
        return Markup("".join(rendering.out))
