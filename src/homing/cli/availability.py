"""`homing availability`: months, statements, seconds and sealed days of customers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from homing.availability import export
from homing.availability.pages import csv_of, html_of
from homing.availability.rules.statement import Statement
from homing.availability.statement import Line, lines, statement
from homing.availability.views import Extract, extract, show
from homing.cli import availability_desk, availability_ledger, output, reach, typed
from homing.cli.domains import master_key
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.typed import DayArgument, MonthArgument
from homing.ground.errors import Misuse

app = typer.Typer(help="How available the platform was, for whom, and what proves it.", no_args_is_help=True)


@app.command("months")
def months(month: MonthArgument = None, json: JsonOption = False) -> None:
    """Show a month of every customer."""
    chosen = reach.settings()
    wanted = typed.month(month)

    async def work() -> list[Line]:
        async with reach.database(chosen) as pool:
            return await lines(pool, wanted, now=typed.now(), target=typed.target(chosen.availability_target))

    found = reach.run(typed.told(work()))
    if json:
        output.print_json({"month": str(wanted), "accounts": found})
        return
    columns = ("attempted s", "Unavailable s", "net s", "both doors s", "unknown s", "uptime net %")
    rows = output.table(f"Availability in {wanted} (UTC)", "customer", *columns, "verdict", right=columns)
    for one in found:
        figures = (one.attempted, one.unavailable_gross, one.unavailable_net, one.unavailable_strict, one.unknown)
        rows.add_row(one.account, *map(output.number, figures), one.uptime_net, one.verdict.value)
    output.console().print(rows)


@app.command("month")
def month_command(
    month: MonthArgument = None,
    account: AccountOption = None,
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the days as CSV.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to print.", show_default=False)
    ] = None,
) -> None:
    """Show the statement of a customer's month."""
    chosen = reach.settings()
    wanted = typed.month(month)

    async def work() -> Statement:
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            target = typed.target(chosen.availability_target)
            return await statement(pool, owner, wanted, master_key=master_key(chosen), now=typed.now(), target=target)

    found = reach.run(typed.told(work()))
    if html is not None:
        html.write_text(html_of(found), encoding="utf-8")
        output.remark(f"written: {html}")
    elif csv:
        typer.echo(csv_of(found), nl=False)
    elif json:
        output.print_json(found)
    else:
        _show(found)


def _show(found: Statement) -> None:
    seconds = found.seconds
    rows = output.table(f"Availability of {found.account} in {found.month} (UTC)", "figure", "value", right=("value",))
    for name, value in (
        ("uptime, after exclusions", f"{found.uptime.net} %"),
        ("uptime, before exclusions", f"{found.uptime.gross} %"),
        ("target", f"{found.uptime.target} %: {output.number(seconds.budget)} s"),
        ("verdict", found.verdict.value),
        ("Unavailable, gross", f"{output.number(seconds.unavailable_gross)} s"),
        ("excluded", f"{output.number(seconds.excluded)} s"),
        ("Unavailable, net", f"{output.number(seconds.unavailable_net)} s"),
        ("Unavailable, both doors taken together", f"{output.number(seconds.unavailable_strict)} s"),
        ("unknown", f"{output.number(seconds.unknown)} s"),
        ("with attempts by API", f"{output.number(seconds.attempted_api)} s"),
        ("with attempts by SMTP", f"{output.number(seconds.attempted_smtp)} s"),
        ("without attempts", f"{output.number(seconds.no_attempt)} s"),
        ("failed attempts of nobody known", f"{output.number(seconds.unattributed)} s"),
    ):
        rows.add_row(name, value)
    output.console().print(rows)
    if found.episodes:
        rows = output.table("Episodes", "from", "until", "seconds", "excluded", "persistent at", right=("seconds", "excluded"))
        for one in found.episodes:
            at = "" if one.persistent_at is None else output.clock(one.persistent_at)
            rows.add_row(output.clock(one.since), output.clock(one.until), str(one.seconds), str(one.excluded), at)
        output.console().print(rows)


@app.command("seconds")
def seconds_command(
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Such as 2026-03-10T14:00:00Z. Default: an hour before.", show_default=False),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Default: now.", show_default=False)] = None,
    account: AccountOption = None,
    json: JsonOption = False,
) -> None:
    """Show which seconds of a customer were Unavailable or unknown; of a day at most."""
    now = typed.now()
    end = now if until is None else typed.moment(until, "--to")
    start = end - timedelta(hours=1) if since is None else typed.moment(since, "--from")
    if not timedelta(0) < end - start <= timedelta(days=1):
        raise Misuse("--from must be before --to, by a day at most")

    async def work() -> Extract:
        async with reach.database(reach.settings()) as pool:
            owner = await reach.account(pool, account)
            return await extract(pool, owner, since=int(start.timestamp()), until=int(end.timestamp()), now=now)

    found = show(reach.run(work()))
    if json:
        output.print_json(found)
        return
    rows = output.table("Seconds", "what", "from", "seconds", right=("seconds",))
    for name in ("unavailable", "unknown", "contested"):
        runs: list[tuple[int, int]] = found[name]  # type: ignore[assignment]
        for first, length in runs:
            rows.add_row(name, output.clock(datetime.fromtimestamp(first, UTC)), str(length))
    output.console().print(rows if rows.row_count else "nothing was Unavailable, unknown or contested")


@app.command("day")
def day_command(
    day: DayArgument,
    account: AccountOption = None,
) -> None:
    """Print a sealed day of a customer as JSON, for docs/verify_day.py."""
    wanted = typed.day(day)

    async def work() -> dict[str, object]:
        async with reach.database(reach.settings()) as pool:
            return await export.exported(pool, await reach.account(pool, account), wanted)

    output.print_json(reach.run(typed.told(work())))


availability_desk.add_to(app)
availability_ledger.add_to(app)
