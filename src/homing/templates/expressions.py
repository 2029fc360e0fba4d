"""Expressions: the text between braces becomes a function of the recipient's data.

The grammar (SparkPost reference 3.2) is read by descent; each rule returns a closure. Operators other than `or`, and
macros, get their rules here; until then they are refused by name, never taken for something else.
"""

import re
from collections.abc import Callable
from typing import Any

from homing.templates.values import Scope, is_true, member

MAX_NESTING = 50  # brackets and parentheses within each other
MAX_TOKENS = 1_000  # in one expression

Evaluate = Callable[[Scope], Any]

STATEMENTS = frozenset({"if", "elseif", "else", "each", "end"})
MACROS = frozenset(
    {
        "render_dynamic_content", "render_snippet", "empty", "opening_single_curly", "closing_single_curly",
        "opening_double_curly", "closing_double_curly", "opening_triple_curly", "closing_triple_curly",
    }
)  # fmt: skip
RESERVED = frozenset(
    {
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not", "or",
        "each", "repeat", "return", "then", "true", "until", "while",
    }
)  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<string>"[^"\n]*"|'[^'\n]*')
    | (?P<close>\}\}\}|\}\})
    | (?P<sign>==|!=|~=|<=|>=|\.\.|[-+*/<>#.,()\[\]])
    )""",
    re.VERBOSE | re.ASCII,
)
_CONSTANTS = {"true": True, "false": False, "nil": None}
_OPERATORS = frozenset({"==", "!=", "~=", "<=", ">=", "<", ">", "+", "-", "*", "/", "#", "..", "and", "not"})


class Wrong(Exception):
    """A syntax error; the reader of the template adds part and line. It never leaves this room.

    at       offset in the template's text
    """

    def __init__(self, problem: str, at: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at


Token = tuple[str, str, int]  # kind, text, offset


def tokens_of(text: str, start: int, closing: str) -> tuple[list[Token], int]:
    """Return the tokens from an offset up to the closing braces, and the offset after those.

    raises   Wrong
    """
    found: list[Token] = []
    place = start
    while True:
        token = _TOKEN.match(text, place)
        if token is None:
            rest = text[place : place + 200].lstrip()
            if not rest:
                raise Wrong(f"the expression is not closed with {closing}", start)
            raise Wrong(f"unexpected {rest[0]!r} in an expression", place)
        kind, word = token.lastgroup or "", token[token.lastgroup or 0]
        if kind == "close":
            if len(word) < len(closing):
                raise Wrong(f"the expression is not closed with {closing}", start)
            # Of three braces after two, the third is text.
            return found, token.start("close") + len(closing)
        found.append((kind, word, token.start(kind)))
        if len(found) > MAX_TOKENS:
            raise Wrong(f"the expression has more than {MAX_TOKENS} words", start)
        place = token.end()


class Parser:
    """Reads one expression from its tokens."""

    def __init__(self, tokens: list[Token], start: int) -> None:
        self._tokens = tokens
        self._next = 0
        self._start = start
        self._depth = 0

    def parse(self) -> Evaluate:
        """Return the expression's function.

        raises   Wrong
        """
        if not self._tokens:
            raise Wrong("the expression is empty", self._start)
        evaluate = self._or()
        if self._next < len(self._tokens):
            self._refuse(self._tokens[self._next])
        return evaluate

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self) -> Token:
        if self._next == len(self._tokens):
            raise Wrong("the expression ends too early", self._start)
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, sign: str) -> None:
        kind, word, at = self._take()
        if word != sign or kind != "sign":
            raise Wrong(f"expected {sign!r} before {word!r}", at)

    def _refuse(self, token: Token) -> None:
        kind, word, at = token
        if word in _OPERATORS and kind != "string":
            raise Wrong(f"the operator {word!r} is not supported yet", at)
        raise Wrong(f"unexpected {word!r} in an expression", at)

    def _or(self) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Wrong(f"the expression is nested more than {MAX_NESTING} deep", self._start)
        choices = [self._primary()]
        while self._peek() == "or" and self._tokens[self._next][0] == "name":
            self._next += 1
            choices.append(self._primary())
        self._depth -= 1
        return choices[0] if len(choices) == 1 else _first_true(choices)

    def _primary(self) -> Evaluate:
        kind, word, at = token = self._take()
        if kind == "number":
            # Whole numbers stay whole, so that they can index arrays exactly; both print alike.
            return _constant(int(word) if word.isdigit() and len(word) < 16 else float(word))
        if kind == "string":
            return _constant(word[1:-1])
        if kind == "sign" and word == "(":
            inner = self._or()
            self._expect(")")
            return inner
        if kind != "name":
            self._refuse(token)
        if self._peek() == "(" and word not in RESERVED:
            known = word in MACROS
            raise Wrong(f"the macro {word}() is not supported yet" if known else f"there is no macro {word}()", at)
        if word in _CONSTANTS:
            return _constant(_CONSTANTS[word])
        if word in RESERVED:
            if word in _OPERATORS:
                self._refuse(token)
            raise Wrong(f"{word!r} is a reserved word", at)
        return self._path(word)

    def _path(self, name: str) -> Evaluate:
        steps: list[Evaluate] = []
        while self._peek() in (".", "["):
            kind, sign, _ = self._take()
            if kind != "sign":
                self._next -= 1
                break
            if sign == ".":
                kind, word, at = self._take()
                if kind != "name":
                    raise Wrong(f"expected a name after the dot, not {word!r}", at)
                steps.append(_constant(word))
            else:
                steps.append(self._or())
                self._expect("]")
        return _at_path(name, steps)


def _constant(value: Any) -> Evaluate:
    return lambda _scope: value


def _first_true(choices: list[Evaluate]) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = None
        for choice in choices:
            value = choice(scope)
            if is_true(value):
                break
        return value

    return evaluate


def _at_path(name: str, steps: list[Evaluate]) -> Evaluate:
    if not steps:
        return lambda scope: scope.look_up(name)

    def evaluate(scope: Scope) -> Any:
        value = scope.look_up(name)
        for step in steps:
            if value is None:
                return None
            value = member(value, step(scope))
        return value

    return evaluate
