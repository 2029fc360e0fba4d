"""Tables for a terminal, and docs/benchmarks.md: what was found, on which machine, and what of it was expected."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from bench.result import Result, Table

ROOT = Path(__file__).parent.parent
OUT = ROOT / "bench" / "out"
PAGE = ROOT / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

What this machine did, as `make bench` measured it. Figures of other machines differ; the ratios travel better. Both systems
write to disk with fsync before they answer 250, run on the same machine in turns, and talk to the same `smtp-sink`. CPU is that
of the whole process tree: for homing the supervisor, the workers and PostgreSQL, for Postfix its master and everything it
starts. The load generators are not counted, but they share the cores. Postfix runs with `bench/postfix/main.cf`.

`python -m bench` writes this page; `--only NAME` measures one part anew and keeps the others as they were.
"""


def keep(result: Result, facts: dict[str, str]) -> None:
    """Write a result to bench/out, where the page is made from."""
    OUT.mkdir(parents=True, exist_ok=True)
    told = {"facts": facts, **result.as_dict()}
    (OUT / f"{result.name}.json").write_text(json.dumps(told, indent=1) + "\n")


def kept(order: list[str]) -> list[tuple[Result, dict[str, str]]]:
    """Return everything that was measured, the last time of each."""
    found = []
    for name in order:
        path = OUT / f"{name}.json"
        if path.exists():
            told: dict[str, Any] = json.loads(path.read_text())
            found.append((Result.from_dict(told), told["facts"]))
    return found


def show(console: Console, result: Result) -> None:
    """Print a result."""
    console.print(f"\n[bold]{result.title}[/]")
    for table in result.tables:
        console.print(_rich(table))
    for one in result.expectations:
        mark = "[green]met[/]" if one.met else "[bold red]not met[/]"
        console.print(f"  {mark}  {one.what}: {one.found} (expected {one.expected})")
    for note in result.notes:
        console.print(f"  {note}", style="dim")


def write(results: list[tuple[Result, dict[str, str]]]) -> None:
    """Write docs/benchmarks.md."""
    lines = [HEAD, "## The machine", ""]
    newest = max(results, key=lambda pair: pair[1]["date"])[1]
    lines += _markdown(Table("", ["", ""], [[name, value] for name, value in newest.items() if name not in ("date", "command")]))
    lines += ["", "## What was expected", ""]
    rows = [
        [one.what, one.expected, one.found, "yes" if one.met else "**no**"]
        for result, _ in results
        for one in result.expectations
    ]
    lines += _markdown(Table("", ["figure", "expected", "found", "met"], rows))
    for result, facts in results:
        lines += ["", f"## {result.title}", "", result.about, "", f"Measured {facts['date']} by `{facts['command'].strip()}`."]
        for table in result.tables:
            lines += ["", *([f"{table.title}:", ""] if table.title else []), *_markdown(table)]
        for note in result.notes:
            lines += ["", note]
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text("\n".join(lines) + "\n")


def _markdown(table: Table) -> list[str]:
    head = "| " + " | ".join(table.columns) + " |"
    rule = "|" + "|".join(["---"] + ["---:"] * (len(table.columns) - 1)) + "|"
    if len(table.columns) == 2 and not any(table.columns):
        rule = "|---|---|"
    return [head, rule, *("| " + " | ".join(row) + " |" for row in table.rows)]


def _rich(table: Table) -> RichTable:
    made = RichTable(title=table.title or None, title_justify="left")
    for number, column in enumerate(table.columns):
        made.add_column(column, justify="right" if number else "left")
    for row in table.rows:
        made.add_row(*row)
    return made
