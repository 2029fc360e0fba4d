"""Where a foreign name finds its value, written in our language.

A context is a way from the whole data: names, and items of loops. Only the way behind the innermost item counts, since that
item has a name of its own here: `loop_var`, or `loop_vars.<array>` for a loop further out.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from homing.templates.expressions import RESERVED
from homing.templates.values import LOOP_NAMES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ENDS_IN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
OURS = frozenset({"address", "email", "email_id", "env_from", "return_path"})  # names that are the recipient's here


class NoWay(Exception):
    """A way that our language cannot write; the sentence says why."""


class Loop(NamedTuple):
    """A loop around the place that is looked at. number: tells loops of one template apart."""

    number: int
    items: "Way"
    name: str


class Step(NamedTuple):
    """A name on a way, or (loop) an item of that loop."""

    name: str
    loop: int = 0


Way = tuple[Step, ...]


def written(way: Way, loops: Sequence[Loop]) -> str:
    """Return a way as an expression of ours, for a place within these loops, the innermost last.

    raises   NoWay
    """
    start = max((place for place, step in enumerate(way) if step.loop), default=-1)
    if start >= 0:
        made = _item(way[start].loop, loops)
    elif not way:
        raise NoWay("the whole data at once")
    else:
        made, start = _first(way[0].name), 0
    for step in way[start + 1 :]:
        made += _member(step.name)
    return made


def loop_name(expression: str) -> str:
    """Return what our language calls the loop over an expression: its last name."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)
    found = _ENDS_IN_NAME.findall(bare)
    return found[-1] if found else ""


def _item(number: int, loops: Sequence[Loop]) -> str:
    if loops[-1].number == number:
        return "loop_var"
    place = next(place for place, loop in enumerate(loops) if loop.number == number)
    name = loops[place].name
    if any(loop.name == name for loop in loops[place + 1 :]):
        raise NoWay(f"two loops within each other are both over {name!r}, and the outer one is meant")
    return f"loop_vars.{name}"


def _first(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise NoWay(f"{name!r} cannot be a name here (letters, digits and _); rename it in the data and the template")
    if name in RESERVED or name in LOOP_NAMES:
        raise NoWay(f"{name!r} is a word of our language; rename it in the data and the template")
    return name


def _member(name: str) -> str:
    if _NAME.fullmatch(name) is not None:
        return f".{name}"
    if name.isascii() and name.isdigit():
        return f"[{int(name) + 1}]"  # arrays begin at 1 here
    if "\n" in name or ("'" in name and '"' in name):
        raise NoWay(f"{name!r} cannot be a name here")
    return f'["{name}"]' if "'" in name else f"['{name}']"
