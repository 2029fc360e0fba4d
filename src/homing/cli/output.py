"""How the command line speaks: tables for a person, JSON for a script, times that can be read at a glance."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

NARROWEST = 100  # columns assumed where there is no terminal


def console() -> Console:
    """Return the console for results: colours on a terminal, plain text elsewhere."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else NARROWEST + 60, soft_wrap=False)


def complain(text: str) -> None:
    """Say what is wrong, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble(("homing: ", "bold red"), text))


def remark(text: str) -> None:
    """Say something to the person that is no result, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style="dim"))


def print_json(value: Any) -> None:
    """Print one indented JSON value."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(_plain(value)), indent=2).decode() + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """Print one JSON value on one line, for streams."""
    sys.stdout.write(msgspec.json.encode(_plain(value)).decode() + "\n")
    sys.stdout.flush()


def table(title: str, *columns: str, right: Sequence[str] = (), nowrap: Sequence[str] = ()) -> Table:
    """Return an empty table; the columns named in `right` are aligned to the right."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in nowrap or column in right, overflow="fold"
        )
    return made


def number(count: int) -> str:
    """Return a count with thousands apart: 12,345."""
    return f"{count:,}"


def span(duration: timedelta) -> str:
    """Return a duration in its two largest units: `3 d 4 h`, `12 min`, `0.4 s`."""
    seconds = abs(duration.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    for size, unit, next_size, next_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {unit}" + (f" {rest} {next_unit}" if rest and whole < 10 * size else "")
    return f"{whole} s"


def relative(moment: datetime | None, now: datetime) -> str:
    """Return a moment as seen from now: `in 4 min`, `12 s ago`, `now`."""
    if moment is None:
        return ""
    difference = moment - now
    if abs(difference) < timedelta(seconds=1):
        return "now"
    return f"in {span(difference)}" if difference > timedelta(0) else f"{span(difference)} ago"


def clock(moment: datetime) -> str:
    """Return a moment for a table: `2026-03-09 14:05:11.250 UTC` without what need not be said."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def moment(at: datetime) -> str:
    """Return a moment to the second with its zone: `2026-03-09 14:05:11 UTC`, for what people agree on."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def shortened(text: str, most: int) -> str:
    """Return a text cut to so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def joined(words: Iterable[str]) -> str:
    """Return words as a list that can be read: `a, b and c`."""
    some = list(words)
    return " and ".join(filter(None, [", ".join(some[:-1]), some[-1]])) if some else ""


def _plain(value: Any) -> Any:
    """Return a value that JSON knows; bytes (ids) as hex, tuples with names as objects."""
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "_asdict"):
        return {name: _plain(member) for name, member in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(member) for member in value]
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value
