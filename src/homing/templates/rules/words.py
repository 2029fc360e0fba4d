"""What stands within a foreign tag: words, parentheses, paths, names of blocks."""

import re

from homing.templates.rules.contexts import NoWay, Step, Way
from homing.templates.rules.tags import Tag

_WORD = re.compile(
    r"""\s*(?:(?P<string>"[^"]*"|'[^']*')|(?P<open>\()|(?P<close>\))|(?P<pipe>\|)|(?P<word>(?:\[[^\]]*\]|[^\s()|"'\[])+=?))"""
)
_SEGMENT = re.compile(r"\[([^\]]*)\]|(\.\.)|([^./\[\]]+)|([./])")

Word = str | list["Word"]  # a list: what stands in parentheses


def nested(tag: Tag) -> list[Word]:
    """Return the words of a tag, those in parentheses as a list of their own.

    raises   NoWay
    """
    stack: list[list[Word]] = [[]]
    at, text = 0, tag.words
    while text[at:].strip():
        found = _WORD.match(text, at)
        if found is None:
            raise NoWay("this cannot be read")
        at = found.end()
        if found["open"]:
            inner: list[Word] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif found["close"]:
            stack.pop()
            if not stack:
                raise NoWay("a parenthesis too many")
        else:
            stack[-1].append(found.group().strip())
    if len(stack) != 1:
        raise NoWay("a parenthesis is not closed")
    return stack[0]


def named(words: list[Word]) -> tuple[str, list[str]]:
    """Return the name that a block is about, and what `as |item index|` calls what is in it.

    raises   NoWay
    """
    head, aliases = words, list[Word]()
    if "as" in words[1:]:
        place = words.index("as", 1)
        head, rest = words[:place], words[place + 1 :]
        aliases = rest[1:-1]
        if len(rest) < 3 or rest[0] != "|" or rest[-1] != "|":
            raise NoWay("'as' without |names|")
    if len(head) != 1 or not isinstance(head[0], str) or not all(isinstance(one, str) for one in aliases):
        raise NoWay("this block takes one name")
    return head[0], [one for one in aliases if isinstance(one, str)]


def steps_of(text: str) -> Way:
    """Return a path as steps. Raises NoWay."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _SEGMENT.match(text, at)
        if found is None or found[2]:
            raise NoWay(f"the path {text!r} cannot be read")
        at = found.end()
        name = found[1] if found[1] is not None else found[3]
        if name:
            steps.append(Step(name))
    return tuple(steps)


def quoted(text: str) -> str:
    """Return a text as a literal of ours. Raises NoWay."""
    if "\n" in text or ("'" in text and '"' in text):
        raise NoWay("a text with both kinds of quotation marks, or several lines")
    return f'"{text}"' if "'" in text else f"'{text}'"
