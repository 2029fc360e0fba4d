"""Expressions: the text between braces becomes a function of the recipient's data.

The grammar (SparkPost reference 3.2) is read by descent; each rule returns a closure.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from homing.templates.operators import COMPARISONS, PRODUCTS, SUMS, Operate, is_empty, length, negative
from homing.templates.values import Scope, is_true, member

MAX_NESTING = 50  # brackets and parentheses within each other
MAX_TOKENS = 1_000  # in one expression

Evaluate = Callable[[Scope], Any]
Include = Callable[[Evaluate, Scope], Any]

STATEMENTS = frozenset({"if", "elseif", "else", "each", "end"})
CURLIES = {
    f"{which}_{many}_curly": sign * count
    for which, sign in (("opening", "{"), ("closing", "}"))
    for many, count in (("single", 1), ("double", 2), ("triple", 3))
}
MACROS = {"render_dynamic_content": 1, "render_snippet": 1, "empty": 1} | dict.fromkeys(CURLIES, 0)  # name -> arguments
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
_UNARY: dict[str, Callable[[Any], Any]] = {"not": lambda value: not is_true(value), "#": length, "-": negative}


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
                raise Wrong(f"substitution statement missing ending '{closing}'", start)
            raise Wrong(f"syntax error near {rest[0]!r}", place)
        kind, word = token.lastgroup or "", token[token.lastgroup or 0]
        if kind == "close":
            if len(word) < len(closing):
                raise Wrong(f"substitution statement missing ending '{closing}'", start)
            # Of three braces after two, the third is text.
            return found, token.start("close") + len(closing)
        found.append((kind, word, token.start(kind)))
        if len(found) > MAX_TOKENS:
            raise Wrong(f"the expression has more than {MAX_TOKENS} words", start)
        place = token.end()


class Parser:
    """Reads one expression from its tokens.

    include   macro -> what renders the text that it names; None inside of such a text, which may not name another
    """

    def __init__(self, tokens: list[Token], start: int, *, include: Mapping[str, Include] | None = None) -> None:
        self._tokens = tokens
        self._next = 0
        self._start = start
        self._depth = 0
        self._include = include
        self.last: list[str | Evaluate] = []  # the segments of the path that was read last: of an array's path, its own

    def parse(self) -> Evaluate:
        """Return the expression's function.

        raises   Wrong
        """
        if not self._tokens:
            raise Wrong("the expression is empty", self._start)
        evaluate = self._or()
        if self._next < len(self._tokens):
            raise _near(self._tokens[self._next])
        return evaluate

    def _peek(self) -> str:
        """Return the next word, unless it is the text of a string."""
        if self._next == len(self._tokens):
            return ""
        kind, word, _ = self._tokens[self._next]
        return word if kind != "string" else ""

    def _take(self) -> Token:
        if self._next == len(self._tokens):
            raise Wrong("the expression ends too early", self._start)
        self._next += 1
        return self._tokens[self._next - 1]

    def _expect(self, sign: str) -> None:
        kind, word, at = self._take()
        if word != sign or kind != "sign":
            raise Wrong(f"syntax error near {word!r}: expected {sign!r}", at)

    def _or(self) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Wrong(f"the expression is nested more than {MAX_NESTING} deep", self._start)
        evaluate = self._joined("or", lambda: self._joined("and", self._comparison, _first_false), _first_true)
        self._depth -= 1
        return evaluate

    def _joined(self, word: str, operand: Callable[[], Evaluate], join: Callable[[list[Evaluate]], Evaluate]) -> Evaluate:
        operands = [operand()]
        while self._peek() == word:
            self._next += 1
            operands.append(operand())
        return operands[0] if len(operands) == 1 else join(operands)

    def _comparison(self) -> Evaluate:
        left = self._chain(SUMS, lambda: self._chain(PRODUCTS, self._unary))
        operate = COMPARISONS.get(self._peek())
        if operate is None:
            return left
        self._next += 1
        return _operation(operate, left, self._chain(SUMS, lambda: self._chain(PRODUCTS, self._unary)))

    def _chain(self, operators: dict[str, Operate], operand: Callable[[], Evaluate]) -> Evaluate:
        left = operand()
        while (operate := operators.get(self._peek())) is not None:
            self._next += 1
            left = _operation(operate, left, operand())
        return left

    def _unary(self) -> Evaluate:
        signs: list[Callable[[Any], Any]] = []
        while (sign := self._peek()) in _UNARY:
            self._next += 1
            signs.append(_UNARY[sign])
            if len(signs) > MAX_NESTING:
                raise Wrong(f"the expression is nested more than {MAX_NESTING} deep", self._start)
        evaluate = self._primary()
        for apply in reversed(signs):
            evaluate = _applied(apply, evaluate)
        return evaluate

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
            raise _near(token)
        if self._peek() == "(" and word not in RESERVED:
            return self._call(word, at)
        if word in _CONSTANTS:
            return _constant(_CONSTANTS[word])
        if word in RESERVED:
            raise Wrong(f"syntax error near {word!r}: it is a reserved word", at)
        return self._path(word)

    def _call(self, macro: str, at: int) -> Evaluate:
        self._expect("(")
        arguments: list[Evaluate] = []
        if self._peek() != ")":
            arguments.append(self._or())
            while self._peek() == ",":
                self._next += 1
                arguments.append(self._or())
        self._expect(")")
        wanted = MACROS.get(macro)
        if wanted is None:
            raise Wrong(f"there is no macro {macro}()", at)
        if len(arguments) != wanted:
            raise Wrong(f"{macro}() takes {'no argument' if wanted == 0 else 'one argument'}", at)
        if macro in CURLIES:
            return _constant(CURLIES[macro])
        if macro == "empty":
            return _applied(is_empty, arguments[0])
        if self._include is None:
            raise Wrong(f"{macro}() cannot be used inside of dynamic content and snippets", at)
        include, named = self._include[macro], arguments[0]
        return lambda scope: include(named, scope)

    def _path(self, name: str) -> Evaluate:
        steps: list[str | Evaluate] = []
        while self._peek() in (".", "["):
            _, sign, _ = self._take()
            if sign == ".":
                kind, word, at = self._take()
                if kind != "name":
                    raise Wrong(f"syntax error near {word!r}: expected a name after the dot", at)
                steps.append(word)
            else:
                key = self._key()
                steps.append(self._or() if key is None else key)
                self._expect("]")
        self.last = [name, *steps]
        return _at_path(name, steps)

    def _key(self) -> str | None:
        """Return the text of a step that is a string alone; None for any other."""
        ahead = self._tokens[self._next : self._next + 2]
        if len(ahead) < 2 or ahead[0][0] != "string" or ahead[1][:2] != ("sign", "]"):
            return None
        self._next += 1
        return ahead[0][1][1:-1]


def _near(token: Token) -> Wrong:
    return Wrong(f"syntax error near {token[1]!r}", token[2])


def _operation(operate: Operate, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: operate(left(scope), right(scope))


def _applied(apply: Callable[[Any], Any], evaluate: Evaluate) -> Evaluate:
    return lambda scope: apply(evaluate(scope))


def _first_false(operands: list[Evaluate]) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = None
        for operand in operands:
            value = operand(scope)
            if not is_true(value):
                break
        return value

    return evaluate


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


def _at_path(name: str, steps: list[str | Evaluate]) -> Evaluate:
    """Return what a path leads to; a step is a key, or an expression that tells it."""
    if not steps:
        return lambda scope: scope.look_up(name)
    in_loop = name == "loop_var"

    def evaluate(scope: Scope) -> Any:
        value = scope.loops[-1][1] if in_loop and scope.loops else scope.look_up(name)
        for step in steps:
            if value is None:
                return None
            key = step if type(step) is str else step(scope)  # type: ignore[operator]
            value = value.get(key) if type(value) is dict and type(key) is str else member(value, key)
        return value

    return evaluate
