"""`homing availability`: months, statements, seconds and sealed days of customers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from homing.availability import export
from homing.availability.pages import SECTIONS, csv_of, html_of
from homing.availability.rules.statement import Statement
from homing.availability.statement import Line, lines, statement
from homing.availability.types import moment
from homing.availability.views import Extract, extract, show
from homing.cli import availability_desk, availability_ledger, output, reach, typed
from homing.cli.domains import master_key
from homing.cli.keys import AccountOption, JsonOption
from homing.cli.typed import DayArgument, MonthArgument
from homing.contracts.kept import Kept
from homing.ground.errors import Misuse
from homing.hours.rules.text import show_duration
from homing.support.report.month import kept

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
    csv: Annotated[bool, typer.Option("--csv", help="Print one section as CSV.")] = False,
    section: Annotated[str, typer.Option("--section", metavar="NAME", help=f"Of --csv: {', '.join(SECTIONS)}.")] = SECTIONS[0],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page to print.", show_default=False)
    ] = None,
) -> None:
    """Show the statement of a customer's month."""
    chosen = reach.settings()
    wanted = typed.month(month)
    if section not in SECTIONS:
        raise Misuse(f"--section is one of {', '.join(SECTIONS)}")

    async def work() -> Statement:
        async with reach.database(chosen) as pool:
            owner = await reach.account(pool, account)
            target = typed.target(chosen.availability_target)
            promised = await kept(pool, owner.account_id, moment(wanted.start), moment(wanted.start + wanted.seconds))
            key = master_key(chosen)
            return await statement(pool, owner, wanted, master_key=key, now=typed.now(), target=target, kept=promised)

    found = reach.run(typed.told(work()))
    if html is not None:
        html.write_text(html_of(found), encoding="utf-8")
        output.remark(f"written: {html}")
    elif csv:
        typer.echo(csv_of(found, section), nl=False)
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
    for other in found.targets[1:]:
        when = "" if other.recorded_at is None else f", recorded at {output.moment(other.recorded_at)}"
        output.console().print(
            f"another Order Form of the month ({other.order_form_id}{when}): {other.target} %, {other.verdict.value}"
        )
    if found.episodes:
        rows = output.table(
            "Episodes", "from", "until", "seconds", "excluded", "persistent at", "cases", right=("seconds", "excluded")
        )
        for one in found.episodes:
            at = "" if one.persistent_at is None else output.moment(one.persistent_at)
            about = ", ".join(map(str, one.cases))
            rows.add_row(output.moment(one.since), output.moment(one.until), str(one.seconds), str(one.excluded), at, about)
        output.console().print(rows)
    _show_kept(found.kept)


def _show_kept(found: Kept) -> None:
    console, calls, cases = output.console(), found.call_backs, found.cases
    console.print(
        f"Severity 1 call-backs: {calls.count}; in time {calls.met}, missed {calls.missed}, connected {calls.connected}, "
        f"still owed {calls.owed}, not entitled {calls.not_entitled}, "
        f"undecided {calls.undecided} ({calls.undecided_missed} missed), void {calls.void}"
    )
    if found.promises:
        figures = ("carried", "started", "met", "missed", "running", "superseded", "void")
        rows = output.table("Promises whose clocks ran in the month", "promise", "worth", *figures, right=figures)
        for one in found.promises:
            rows.add_row(one.kind, one.nature, *(str(getattr(one, name)) for name in figures))
        console.print(rows)
    for miss in found.misses:
        ended = "owed still" if miss.ended_at is None else f"ended {output.moment(miss.ended_at)}"
        console.print(f"missed: {miss.kind} ({miss.nature}) of {miss.subject}, due {output.moment(miss.due_at)}, {ended}")
    console.print(
        f"Support Cases: opened {cases.opened}, critical {cases.critical}, resolved by both sides {cases.agreed}, "
        f"closed unconfirmed {cases.unconfirmed}, reopened {cases.reopened}"
    )
    for tam in found.tams:
        until = f" until {output.moment(tam.ends_at)}" if tam.ends_at else ""
        console.print(f"Technical Account Manager: {tam.name}, since {output.moment(tam.begins_at)}{until}")
    if not found.tams:
        console.print("Technical Account Manager: nobody")
    elif found.without_tam_s or found.without_tam_now_s:
        now = f" ({output.number(found.without_tam_now_s)} s with what was recorded afterwards)"
        now = now if found.without_tam_now_s != found.without_tam_s else ""
        console.print(f"without a Technical Account Manager: {output.number(found.without_tam_s)} s{now}")
    done = {name.replace("_", " "): number for name, number in msgspec.structs.asdict(found.programme).items() if number}
    console.print(f"Programme: {', '.join(f'{name} {number}' for name, number in done.items()) or 'nothing'}")
    for calendar in found.calendars:
        versions = ", ".join(f"version {one.version}" if one.version else "the contract" for one in calendar.versions)
        console.print(f"Business Hours: {calendar.calendar} ({calendar.plan}), {show_duration(calendar.seconds)}, by {versions}")


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
            rows.add_row(name, output.moment(datetime.fromtimestamp(first, UTC)), str(length))
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
