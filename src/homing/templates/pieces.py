"""What a parsed template is made of, and how the pieces are carried out for one recipient."""

from collections.abc import Callable, Iterable, Sequence
from types import FunctionType

from homing.message.links import hidden
from homing.templates.errors import TemplateError
from homing.templates.expressions import Evaluate
from homing.templates.values import Scope, is_true, text_of

MAX_OUTPUT = 20_971_520  # characters that one rendered part may have; as many as a body that comes in has bytes


class TooMuch(Exception):
    """A rendering reached a limit; it never leaves this room."""


class Pieces(list["Piece"]):
    """Literals, expressions and statements, in their order.

    weight   steps that it costs to carry them out: one, and one for each word of their expressions
    """

    __slots__ = ("weight",)

    def __init__(self, pieces: "Iterable[Piece]" = ()) -> None:
        super().__init__(pieces)
        self.weight = 1


class Markup(str):
    """Text that is written as it is: dynamic content was escaped when it was rendered."""

    __slots__ = ()


class Rendering:
    """One part for one recipient: what has been written, and how much more may be."""

    __slots__ = ("out", "room", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.room = MAX_OUTPUT
        self.out: list[str] = []

    def run(self, pieces: Pieces) -> None:
        """Write these pieces.

        raises   TemplateError, TooMuch
        """
        scope, append, room = self.scope, self.out.append, self.room
        scope.left -= pieces.weight
        if scope.left < 0:
            raise TooMuch("rendering takes too many steps")
        for piece in pieces:
            if type(piece) is str:
                text = piece
            elif type(piece) is FunctionType:
                text = piece(scope)
            else:
                self.room = room
                piece.run(self)  # type: ignore[union-attr]
                room = self.room
                continue
            room -= len(text)
            if room < 0:  # at once: what follows could be a thousand times as much
                raise TooMuch(f"the rendered text is longer than {MAX_OUTPUT} characters")
            append(text)
        self.room = room


class Branches:
    """`if`, `elseif`, `else`: the pieces of the first condition that holds; a condition that is None holds always."""

    __slots__ = ("_branches",)

    def __init__(self, branches: list[tuple[Evaluate | None, Pieces]]) -> None:
        self._branches = branches

    def run(self, rendering: Rendering) -> None:
        """Write the pieces of one branch, or none."""
        for condition, pieces in self._branches:
            if condition is None or is_true(condition(rendering.scope)):
                rendering.run(pieces)
                return


def name_of(path: "Sequence[str | Evaluate]") -> Evaluate:
    """Return what tells the name of an array's path: its last segment that is a text (SparkPost reference 3.3).

    A segment in brackets may be known only once it is carried out; a number is no name.
    """
    static = next((step for step in reversed(path) if isinstance(step, str)), "")
    last = path[-1] if path else ""
    if isinstance(last, str):
        return lambda _scope: static

    def named(scope: Scope) -> object:
        key = last(scope)
        return key if isinstance(key, str) else static

    return named


class Each:
    """`each`: the pieces once for each item of an array; of anything else, never. name: what loop_vars calls the item."""

    __slots__ = ("_items", "_name", "_pieces")

    def __init__(self, name: Callable[[Scope], object], items: Evaluate, pieces: Pieces) -> None:
        self._name = name
        self._items = items
        self._pieces = pieces

    def run(self, rendering: Rendering) -> None:
        """Write the pieces for each item."""
        scope = rendering.scope
        items = self._items(scope)
        if not isinstance(items, list | tuple):
            return
        loops, pieces, name = scope.loops, self._pieces, str(self._name(scope))
        loops.append(("", None, 0))
        for index, item in enumerate(items, 1):
            loops[-1] = (name, item, index)
            rendering.run(pieces)
        loops.pop()


Piece = str | Branches | Each | Callable[[Scope], str]


def written(
    evaluate: Evaluate, escape: Callable[[str], str] | None, part: str, line: int, *, in_url: bool = False
) -> Callable[[Scope], str]:
    """Return what writes an expression's value, escaped for its place; within a URL it begins no link of its own."""

    def write(scope: Scope) -> str:
        try:
            value = evaluate(scope)
            text = value if isinstance(value, str) else text_of(value)
        except (ValueError, RecursionError) as trouble:
            raise TemplateError(str(trouble) or "the value is nested too deep", part=part, line=line) from trouble
        if type(text) is Markup:
            return text
        if scope.hides and not in_url and "://" in text:
            text = hidden(text)  # only links whose protocol stands in the template are tracked (SparkPost reference 3.7)
        return text if escape is None else escape(text)

    return write
