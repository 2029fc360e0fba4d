"""Handlebars and Mustachio in our language, where a faithful translation exists; a place that has none refuses the template.

What differs underneath and is written out: their truth (0, '' and empty arrays are untrue there), arrays from 0, white space
around statements, values in addresses (as they are there, percent-encoded here), and names inside of blocks.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from homing.templates.language import Place
from homing.templates.rules.contexts import OURS, Loop, NoWay, Step, Way, loop_name, written
from homing.templates.rules.tags import Tag, Untranslatable, cut
from homing.templates.rules.words import Word, named, nested, quoted, steps_of
from homing.templates.source import ends_in_url

MOST_NESTED = 40
_KEEP = "{{''}}"  # nothing; keeps the line's end that a statement of ours would take
_OPERATORS = {"equals": "==", "equal": "==", "eq": "==", "notEquals": "!=", "ne": "!=", "greaterThan": ">", "gt": ">",
              "lessThan": "<", "lt": "<", "gte": ">=", "lte": "<="}  # fmt: skip
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
_UNSUBSCRIBE = (
    "a placeholder for an unsubscribe address: List-Unsubscribe is added by itself, and a link of yours in the text becomes one "
    'with data-msys-unsubscribe="1"'
)
_FOREIGN = (
    (re.compile(r"\{\{\{?\s*(?:unsubscribe|unsubscribe_preferences|weblink|Sender_\w+|amazonSESUnsubscribeUrl)\s*\}?\}\}"), ""),
    (re.compile(r"\{\{\{?\s*pm:\w+\s*\}?\}\}"), ""),
    (re.compile(r"<%\s*[\w-]+\s*%>|%(?:tag_|mailing_list_)?unsubscribe_(?:url|email)%|\[unsubscribe\]"), ""),
    (re.compile(r"%recipient(?:\.[\w.-]+)?%|%recipient_\w+%"), "a variable of the older kind, between percent signs"),
)


class Dialect(Enum):
    """What is translated from."""

    HANDLEBARS = "handlebars"
    SES = "ses"  # Handlebars in which nothing is escaped
    MUSTACHIO = "mustachio"


class Remark(NamedTuple):
    """What the owner of a translated template should know."""

    line: int
    text: str


class Translated(NamedTuple):
    """A text in our language."""

    text: str
    remarks: tuple[Remark, ...] = ()


class _Block(NamedTuple):
    """A block that is open.

    word     what closes it
    depth    contexts there were before it
    looped   it is a loop (that has not come to its else)
    items    of a loop, where they are
    chosen   its last else has come
    """

    word: str
    line: int
    depth: int
    looped: bool = False
    items: Way = ()
    chosen: bool = False


def translate(text: str, *, dialect: Dialect, place: Place) -> Translated:
    """Return a foreign text in our language.

    raises   Untranslatable with the first place that has no translation
    """
    for pattern, why in _FOREIGN:
        found = pattern.search(text)
        if found is not None:
            raise Untranslatable(why or _UNSUBSCRIBE, text.count("\n", 0, found.start()) + 1, found[0])
    return _Translator(text, dialect, place).run() if "{{" in text else Translated(text)


class _Translator:
    def __init__(self, text: str, dialect: Dialect, place: Place) -> None:
        self._tokens = cut(text)
        self._dialect = dialect
        self._place = place
        self._out: list[str] = []
        self._remarks: dict[str, Remark] = {}
        self._contexts: list[Way] = [()]
        self._aliases: list[dict[str, Way | int]] = [{}]  # int: the number of the loop whose position it is
        self._loops: list[Loop] = []
        self._blocks: list[_Block] = []
        self._number = 0
        self._in_url = False
        self._tag: Tag

    def run(self) -> Translated:
        for place, token in enumerate(self._tokens):
            if isinstance(token, str):
                self._out.append(token)
                self._in_url = ends_in_url(token, self._in_url)
                continue
            self._tag = token
            try:
                self._take(token, place)
            except NoWay as trouble:
                raise self._refused(str(trouble)) from None
        if self._blocks:
            left = self._blocks[-1]
            raise Untranslatable(f"the block {left.word!r} is not closed", left.line, left.word)
        return Translated("".join(self._out), tuple(self._remarks.values()))

    def _refused(self, problem: str) -> Untranslatable:
        return Untranslatable(problem, self._tag.line, self._tag.source)

    def _take(self, tag: Tag, place: int) -> None:
        match tag.kind:
            case "comment":
                if tag.standalone:
                    self._drop_line(place)
            case "value" | "raw":
                self._value(tag)
            case "open" | "inverse":
                self._statement(self._opened(tag), place)
            case "else":
                self._statement(self._otherwise(tag), place)
            case _:
                self._statement(self._closed(tag), place)

    # white space ---------------------------------------------------------------------------------------------------------

    def _statement(self, statements: Sequence[str], place: int) -> None:
        """Write statements of ours for one of theirs, so that the white space around stays as it is there."""
        tag, made = self._tag, "".join(f"{{{{{one}}}}}" for one in statements)
        before = self._out[-1] if self._out else ""
        if tag.standalone:
            if len(statements) > 1 and before and not before.startswith("{{"):
                self._out[-1] = before.rstrip(" \t")
            self._out.append(made)
            return
        own_line = "\n" in before and not before.rpartition("\n")[2].strip(" \t")
        if statements and statements[0] == "end" and own_line:
            made = _KEEP + made
        if self._ends_its_line(place):
            made += _KEEP
        self._out.append(made)

    def _ends_its_line(self, place: int) -> bool:
        """Return whether nothing visible follows a tag on its line, so that a statement of ours would take the line's end."""
        for number in range(place + 1, len(self._tokens)):
            follows = self._tokens[number]
            if isinstance(follows, str) and follows:
                last = number == len(self._tokens) - 1
                return not follows.partition("\n")[0].strip(" \t\r") and ("\n" in follows or last)
            if isinstance(follows, Tag) and follows.kind != "comment":
                return False
        return False

    def _drop_line(self, place: int) -> None:
        """Take the line of a comment away."""
        if self._out:
            self._out[-1] = self._out[-1].rstrip(" \t")
        follows = self._tokens[place + 1] if place + 1 < len(self._tokens) else ""
        if isinstance(follows, str) and follows:
            self._tokens[place + 1] = follows.partition("\n")[2]

    # values --------------------------------------------------------------------------------------------------------------

    def _value(self, tag: Tag) -> None:
        words = nested(tag)
        if tag.words.startswith(">"):
            raise self._refused("a partial: a template within the template")
        if words[:1] == ["insert"] and self._dialect is Dialect.HANDLEBARS:
            made = self._inserted(words[1:])
        else:
            made = self._expression(words)
        raw = tag.kind == "raw" or (self._dialect is Dialect.SES and self._place in (Place.HTML, Place.AMP))
        if self._in_url and tag.kind != "raw" and self._place is not Place.HEADER:
            raw = True
            self._remark("a value within an address is written as it is, as before; {{x}} would percent-encode it")
        elif raw and tag.kind != "raw":
            self._remark("values are not escaped in HTML, as before; two braces instead of three would escape them")
        self._out.append(f"{{{{{{{made}}}}}}}" if raw else f"{{{{{made}}}}}")

    def _inserted(self, words: list[Word]) -> str:
        """Return `insert name "default=Customer"` of SendGrid."""
        texts = [word for word in words if isinstance(word, str)]
        if len(texts) != len(words) or not 1 <= len(texts) <= 3:
            raise self._refused("insert takes a name and a default")
        made = self._operand(texts[0])
        if len(texts) == 1:
            return made
        said = texts[1][1:-1] if texts[1][:1] in "\"'" else texts[1]
        name, sign, value = said.partition("=")
        if len(texts) == 3 and not value:
            value = texts[2].strip("\"'")
        elif len(texts) == 3:
            name = ""
        if name.strip() != "default" or not sign:
            raise self._refused("insert takes a name and a default")
        return f"{made} or {quoted(value)}"

    def _remark(self, text: str) -> None:
        self._remarks.setdefault(text, Remark(self._tag.line, text))

    # expressions ---------------------------------------------------------------------------------------------------------

    def _expression(self, words: list[Word]) -> str:
        """Return what some words are worth: a path, a literal, or a helper with its arguments."""
        if not words:
            raise self._refused("the braces are empty")
        helper, rest = words[0], words[1:]
        if not rest:
            return self._operand(helper) if isinstance(helper, str) else f"({self._expression(helper)})"
        if isinstance(helper, str) and self._dialect is not Dialect.MUSTACHIO:
            if helper in _OPERATORS and len(rest) == 2:
                return f"{self._expression(rest[:1])} {_OPERATORS[helper]} {self._expression(rest[1:])}"
            if helper in ("and", "or") and len(rest) >= 2:
                return f" {helper} ".join(f"({self._truth([one])})" for one in rest)
            if helper == "not" and len(rest) == 1:
                return f"not ({self._truth(rest)})"
            if helper == "length" and len(rest) == 1:
                return f"#{self._expression(rest)}"
        raise self._refused(f"the helper {helper if isinstance(helper, str) else '(...)'!r} has no counterpart here")

    def _truth(self, words: list[Word]) -> str:
        """Return a condition that holds where theirs does: 0, '' and what is empty are untrue there."""
        word = words[0] if words else ""
        if len(words) != 1:
            made = self._expression(words)
            return f"{made} != 0" if word == "length" else made
        if not isinstance(word, str):
            return f"({self._truth(word)})"
        made = self._operand(word)
        if word[:1] in "\"'":
            return "true" if len(word) > 2 else "false"
        if _NUMBER.fullmatch(word):
            return "true" if float(word) else "false"
        if made in ("true", "false", "nil"):
            return made
        if made == "loop_index - 1":
            return "loop_index > 1"
        if word in ("@first", "@last"):
            return made
        return f"{made} and {made} != 0 and not empty({made})"

    def _operand(self, word: str) -> str:
        if word[:1] in "\"'":
            return quoted(word[1:-1])
        if _NUMBER.fullmatch(word) or word in ("true", "false", "null", "undefined"):
            return {"null": "nil", "undefined": "nil"}.get(word, word)
        if "=" in word or "|" in word:
            raise self._refused("a named argument")
        if word.startswith("@"):
            return self._data(word)
        known = self._aliases[-1].get(word)
        if isinstance(known, int):
            if not self._loops or self._loops[-1].number != known:
                raise self._refused("the position in an outer loop; only the innermost has one here")
            return "loop_index - 1"
        way = self._way(word)
        made = written(way, self._loops)
        if len(way) > 1 and way[-1].name == "length" and self._dialect is not Dialect.MUSTACHIO:
            return f"({made} or #{written(way[:-1], self._loops)})"  # of an array; an object may have a member of this name
        return made

    def _data(self, word: str) -> str:
        name = word[1:]
        if name == "root" or name.startswith(("root.", "root/")):
            return written(steps_of(name[5:]), self._loops)
        if not self._loops or name not in ("index", "first", "last"):
            raise self._refused(f"{word} has no counterpart here")
        if name == "index":
            return "loop_index - 1"
        if name == "first":
            return "loop_index == 1"
        return f"loop_index == #{written(self._loops[-1].items, self._loops)}"

    def _way(self, text: str) -> Way:
        """Return where a path leads from the context that the tag stands in.

        In Handlebars `../` is the context around a block; in Mustachio it is what holds the value, so of an item its array.
        """
        whole = text
        if self._dialect is Dialect.MUSTACHIO:
            base = self._contexts[-1]
            while text.startswith(".."):
                text = text[2:].lstrip("/")
                base = base[:-1]
        else:
            up = 0
            while text.startswith(".."):
                text = text[2:].lstrip("/")
                up += 1
            base = self._contexts[-1 - up] if up < len(self._contexts) else ()
            head = text.partition(".")[0]
            known = self._aliases[-1].get(head)
            if not up and isinstance(known, tuple):
                base, text = known, text[len(head) + 1 :]
        for word in ("this", "."):
            if text == word or text.startswith((f"{word}.", f"{word}/")):
                text = text[len(word) :].lstrip("./")
        steps = steps_of(text)
        if not base and steps and steps[0].name in OURS:
            name = steps[0].name
            self._remark(f"{name} is the recipient's own here, whatever the data says; rename it if it means something else")
        if not base and not steps and whole in (".", "this"):
            raise self._refused("the whole data at once")
        return base + steps

    # blocks --------------------------------------------------------------------------------------------------------------

    def _opened(self, tag: Tag) -> list[str]:
        if tag.words.startswith((">", "*")):
            raise self._refused("a partial: a template within the template")
        if len(self._blocks) >= MOST_NESTED:
            raise self._refused(f"blocks are nested more than {MOST_NESTED} deep")
        words = nested(tag)
        word, rest = words[0] if words else "", words[1:]
        if not isinstance(word, str) or not word:
            raise self._refused("a block without a name")
        if tag.kind == "inverse":
            if rest:
                raise self._refused("an inverse block takes one name")
            if self._dialect is Dialect.MUSTACHIO:
                return self._begin(word, f"if not ({self._truth([word])})", self._way(word))
            made = self._operand(word)  # 0 and '' are no reason for an inverse block of Handlebars, though for its `unless`
            return self._begin(word, f"if not {made} or empty({made}) and {made} != ''")
        if word == "each":
            return self._looped(rest)
        if self._dialect is Dialect.MUSTACHIO:
            return self._scoped(word, words)
        if word == "with":
            return self._scoped(word, rest)
        if word in ("if", "unless", "and", "or") or word in _OPERATORS:
            return self._begin(word, f"if {self._condition(word, rest)}")
        if rest:
            raise self._refused(f"the block {word!r} has no counterpart here")
        raise self._refused(f"whether {word!r} is walked or only looked at depends on the data; say each, with or if")

    def _condition(self, word: str, rest: list[Word]) -> str:
        if word not in ("if", "unless"):
            return self._truth([word, *rest])
        if len(rest) != 1:
            raise self._refused(f"{word} takes one condition")
        made = self._truth(rest)
        return made if word == "if" else f"not ({made})"

    def _begin(self, word: str, statement: str, way: Way | None = None) -> list[str]:
        self._blocks.append(_Block(word, self._tag.line, len(self._contexts)))
        if way is not None:
            self._enter(way)
        return [statement]

    def _enter(self, way: Way) -> None:
        self._contexts.append(way)
        self._aliases.append(dict(self._aliases[-1]))

    def _scoped(self, word: str, words: list[Word]) -> list[str]:
        name, aliases = named(words)
        way, made = self._way(name), self._truth([name])
        begun = self._begin(word, f"if {made}", way)
        for alias in aliases[:1]:
            self._aliases[-1][alias] = way
        return begun

    def _looped(self, rest: list[Word]) -> list[str]:
        name, aliases = named(rest)
        items = self._way(name)
        made = written(items, self._loops)
        self._number += 1
        self._blocks.append(_Block("each", self._tag.line, len(self._contexts), True, items))
        self._loops.append(Loop(self._number, items, loop_name(made)))
        item = (*items, Step("", self._number))
        self._enter(item)
        meanings: tuple[Way | int, ...] = (item, self._number)
        self._aliases[-1].update(zip(aliases, meanings, strict=False))
        return [f"each {made}"]

    def _otherwise(self, tag: Tag) -> list[str]:
        if not self._blocks:
            raise self._refused("there is nothing to choose from")
        block = self._blocks[-1]
        if block.chosen:
            raise self._refused("a second else")
        self._leave(block)
        self._blocks[-1] = block._replace(looped=False, chosen=not tag.words)
        if block.looped:
            if tag.words:
                raise self._refused("an else with a condition, of a loop")
            return ["end", f"if empty({written(block.items, self._loops)})"]
        if not tag.words:
            return ["else"]
        word, *rest = nested(tag)
        if block.word == "with" or word in ("each", "with"):
            raise self._refused("an else that begins another block")
        if not isinstance(word, str) or (word not in ("if", "unless", "and", "or") and word not in _OPERATORS):
            raise self._refused(f"the helper {word!r} has no counterpart here")
        return [f"elseif {self._condition(word, rest)}"]

    def _closed(self, tag: Tag) -> list[str]:
        if not self._blocks:
            raise self._refused("there is no block to close")
        block = self._blocks.pop()
        if tag.words != block.word:
            raise self._refused(f"the block that is open is {block.word!r}, of line {block.line}")
        self._leave(block)
        return ["end"]

    def _leave(self, block: _Block) -> None:
        """Leave the context and the loop that a block made."""
        del self._contexts[block.depth :], self._aliases[block.depth :]
        if block.looped:
            self._loops.pop()
