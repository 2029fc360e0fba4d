"""A statement as a page that can be printed, and as lines for a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from jinja2 import Environment, Template

from homing.availability.rules.share import Outcome
from homing.availability.rules.statement import Statement
from homing.contracts.kept import CalendarOfMonth, CallBack, Cases, Kept, Miss, Programme, Promise, TamOfMonth
from homing.hours.rules.text import show_duration

_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_VERDICTS = {
    Outcome.MET.value: "the target was met",
    Outcome.MISSED.value: "the target was missed",
    Outcome.UNDECIDED.value: "undecided: it depends on the unknown seconds",
    Outcome.OPEN.value: "open: the month is not final",
}


SECTIONS = ("days", "call_backs", "promises", "misses", "cases", "tams", "programme", "calendars")
_NATURES = {
    "contractual": "contractual",
    "provisional": "provisional: before a cadence is agreed",
    "objective": "our own objective, not contractual",
}

_KINDS = {
    "OWN": "a case is taken",
    "FIRST_RESPONSE": "first response",
    "UPDATE": "next word on a case",
    "TAM_REPLY": "answer of the TAM",
    "CADENCE": "status update on a Critical Issue",
}


def html_of(statement: Statement) -> str:
    """Return a statement as an HTML page."""
    return _page().render(
        s=statement,
        k=statement.kept,
        number="{:,}".format,
        moment=_moment,
        hours=show_duration,
        verdicts=_VERDICTS,
        natures=_NATURES,
        kinds=_KINDS,
        after=_after,
    )


def csv_of(statement: Statement, section: str = "days") -> str:
    """Return one section of a statement as CSV (RFC 4180): the days and their sum in seconds, or a part of what was kept."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerows(_days(statement) if section == "days" else _kept(statement.kept, section))
    return out.getvalue()


def _days(statement: Statement) -> Iterator[list[Any]]:
    yield ["day", "attempted_api", "attempted_smtp", "unavailable", "excluded", "net", "strict", "unknown", "sealed", "leaf"]
    for day in statement.days:
        net = day.unavailable - day.excluded
        figures = [day.attempted_api, day.attempted_smtp, day.unavailable, day.excluded, net, day.strict, day.unknown]
        yield [day.day, *figures, "yes" if day.sealed else "no", day.leaf]
    seconds = statement.seconds
    yield [
        statement.month,
        seconds.attempted_api,
        seconds.attempted_smtp,
        seconds.unavailable_gross,
        seconds.excluded,
        seconds.unavailable_net,
        seconds.unavailable_strict,
        seconds.unknown,
        "yes" if statement.is_final else "no",
        "",
    ]


def _kept(kept: Kept, section: str) -> Iterator[list[Any]]:
    parts: dict[str, tuple[type[msgspec.Struct], Sequence[msgspec.Struct]]] = {
        "call_backs": (CallBack, kept.call_backs.calls),
        "promises": (Promise, kept.promises),
        "misses": (Miss, kept.misses),
        "cases": (Cases, [kept.cases]),
        "tams": (TamOfMonth, kept.tams),
        "programme": (Programme, [kept.programme]),
        "calendars": (CalendarOfMonth, kept.calendars),
    }
    kind, rows = parts[section]
    names = [name for name in kind.__struct_fields__ if name not in ("holidays", "covers", "versions")]
    yield names
    for row in rows:
        yield [_cell(getattr(row, name)) for name in names]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str) and value[:1] in _FORMULA:
        return f"'{value}"  # a spreadsheet must not take what somebody typed for a formula
    return "" if value is None else value


@cache
def _page() -> Template:
    text = resources.files("homing.availability").joinpath("data/statement.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text)


def _after(begin: datetime, end: datetime) -> int:
    return int((end - begin).total_seconds())


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
