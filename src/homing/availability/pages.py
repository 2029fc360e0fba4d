"""A statement as a page that can be printed, and as lines for a spreadsheet."""

import csv
import io
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, Template

from homing.availability.rules.share import Outcome
from homing.availability.rules.statement import Statement

_VERDICTS = {
    Outcome.MET.value: "the target was met",
    Outcome.MISSED.value: "the target was missed",
    Outcome.UNDECIDED.value: "undecided: it depends on the unknown seconds",
    Outcome.OPEN.value: "open: the month is not final",
}


def html_of(statement: Statement) -> str:
    """Return a statement as an HTML page."""
    return _page().render(s=statement, number="{:,}".format, moment=_moment, verdicts=_VERDICTS)


def csv_of(statement: Statement) -> str:
    """Return the days of a statement as CSV (RFC 4180), and their sum; counts of seconds."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(
        ["day", "attempted_api", "attempted_smtp", "unavailable", "excluded", "net", "strict", "unknown", "sealed", "leaf"]
    )
    for day in statement.days:
        net = day.unavailable - day.excluded
        figures = [day.attempted_api, day.attempted_smtp, day.unavailable, day.excluded, net, day.strict, day.unknown]
        lines.writerow([day.day, *figures, "yes" if day.sealed else "no", day.leaf])
    seconds = statement.seconds
    lines.writerow(
        [
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
    )
    return out.getvalue()


@cache
def _page() -> Template:
    text = resources.files("homing.availability").joinpath("data/statement.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True).from_string(text)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
