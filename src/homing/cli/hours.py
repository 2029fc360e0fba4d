"""`homing hours`: when Business Hours run, when a promise in them falls due, and why."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from homing.cli import hours_args as args
from homing.cli import hours_record, output
from homing.cli import hours_view as view
from homing.cli.keys import JsonOption
from homing.ground.errors import Misuse
from homing.hours.rules import text
from homing.hours.rules.contract import FIRST_DAY, LAST_DAY, SET_WORDS
from homing.hours.rules.days import observed, today
from homing.hours.rules.explain import explain, moves
from homing.hours.rules.measure import HORIZON_DAYS, due
from homing.hours.rules.shown import due_facts, explanation_facts, local
from homing.hours.types import ServiceZone

app = typer.Typer(help="Business Hours: when they run, what is due in them, and why; record changes.", no_args_is_help=True)

StartArgument = Annotated[
    str, typer.Argument(metavar="START", help="now, 2026-12-23T21:00Z, or '2026-12-23 16:00' in the zone.", show_default=False)
]


@app.command("show")
def show(
    zone: Annotated[
        ServiceZone | None,
        typer.Option("--zone", case_sensitive=False, help="One zone, day by day. Default: all three, now.", show_default=False),
    ] = None,
    holidays: args.SetOption = None,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="Which moment to look at.")] = "now",
    count: Annotated[int, typer.Option("--days", min=1, max=HORIZON_DAYS, help="How many days of one zone.")] = 14,
    known_at: args.KnownOption = None,
    contract: args.ContractOption = False,
    json: JsonOption = False,
) -> None:
    """Show whether Business Hours run, until when, and what was recorded about them."""
    if zone is None and holidays is not None:
        raise Misuse("--holidays needs --zone")
    chosen = [zone] if zone is not None else list(ServiceZone)
    found = [(args.fetch(one, holidays, known_at, contract=contract), args.instant(at, one, "--at")) for one in chosen]
    with args.misuse():
        if zone is None:
            view.show_all(found, json=json)
        else:
            view.show_one(*found[0], count, json=json)


@app.command("due")
def show_due(
    start: StartArgument,
    promise: Annotated[str, typer.Argument(metavar="DURATION", help="For example 4h, 90m, 1h30m.", show_default=False)],
    zone: args.ZoneOption,
    holidays: args.SetOption = None,
    known_at: args.KnownOption = None,
    contract: args.ContractOption = False,
    json: JsonOption = False,
) -> None:
    """Show when so much of Business Hours has passed since START, and what moved that moment since."""
    seconds = args.read(text.read_duration, promise, "DURATION")
    begin = args.instant(start, zone, "START")
    calendar = args.fetch(zone, holidays, known_at, contract=contract)
    with args.misuse():
        found = due(calendar, begin, seconds)
        moved = moves(calendar, begin, seconds)
    if json:
        output.print_json(due_facts(calendar, begin, seconds, found, moved))
        return
    console = output.console()
    console.print(f"{text.show_duration(seconds)} of Business Hours of {calendar.name}")
    console.print(f"begin  {local(calendar, begin)}")
    console.print(Text.assemble("due    ", (local(calendar, found), "bold"), f"  = {found:%Y-%m-%dT%H:%M:%SZ}"))
    view.print_moves(console, calendar, moved)


@app.command("explain")
def show_explanation(
    start: StartArgument,
    zone: args.ZoneOption,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="The other end.", show_default=False)] = None,
    promise: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="Up to where this is due, instead of --until.", show_default=False),
    ] = None,
    holidays: args.SetOption = None,
    known_at: args.KnownOption = None,
    contract: args.ContractOption = False,
    json: JsonOption = False,
) -> None:
    """List every stretch that counts and every one that does not, and why; they add up to the second."""
    if (until is None) == (promise is None):
        raise Misuse("say how far: --until TIME, or --for DURATION")
    begin = args.instant(start, zone, "START")
    seconds = None if promise is None else args.read(text.read_duration, promise, "--for")
    end = None if until is None else args.instant(until, zone, "--until")
    calendar = args.fetch(zone, holidays, known_at, contract=contract)
    with args.misuse():
        found = explain(calendar, begin, due(calendar, begin, seconds or 0) if end is None else end)
    if json:
        output.print_json(explanation_facts(calendar, found))
        return
    rows = output.table(f"{calendar.name}: what counts", "from", "until", "lasts", "counts", "why", right=("lasts",))
    for one in found.stretches:
        rows.add_row(
            local(calendar, one.start),
            local(calendar, one.end),
            text.show_duration(one.seconds),
            Text("yes", style="green") if one.why.counts else Text("no", style="dim"),
            view.why_of(one, calendar),
        )
    console = output.console()
    console.print(rows)
    console.print(
        f"{text.show_duration(found.counted_s)} counted + {text.show_duration(found.skipped_s)} skipped "
        f"= {text.show_duration(found.counted_s + found.skipped_s)} "
        f"({output.number(found.counted_s)} + {output.number(found.skipped_s)} s)"
    )


@app.command("holidays")
def list_holidays(
    zone: args.ZoneOption,
    holidays: args.SetOption = None,
    year: Annotated[
        int | None,
        typer.Option("--year", min=FIRST_DAY.year, max=LAST_DAY.year, help="Default: this year.", show_default=False),
    ] = None,
    known_at: args.KnownOption = None,
    contract: args.ContractOption = False,
    json: JsonOption = False,
) -> None:
    """List the bank holidays of a year."""
    calendar = args.fetch(zone, holidays, known_at, contract=contract)
    chosen = today(calendar, datetime.now(UTC)).year if year is None else year
    found = observed(calendar, chosen)
    if json:
        output.print_json({"calendar": calendar.name, "year": chosen, "holidays": list(found.values())})
        return
    rows = output.table(f"Bank holidays {chosen}: {SET_WORDS[calendar.holiday_set]}", "day", "date", "name", "instead of")
    for one in found.values():
        instead = "" if one.substitute_for is None else f"{one.substitute_for:%a %Y-%m-%d}"
        rows.add_row(f"{one.day:%a}", one.day.isoformat(), one.name, instead)
    output.console().print(rows)


app.command("record")(hours_record.record)
app.command("holiday")(hours_record.holiday)
app.command("import")(hours_record.import_list)
