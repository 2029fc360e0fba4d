"""`homing hours record`, `holiday`, `import`: change Business Hours from now on; nothing that was recorded is ever changed."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from homing.cli import hours_args as args
from homing.cli import hours_view as view
from homing.cli import output, reach
from homing.cli.keys import JsonOption
from homing.ground.errors import Misuse
from homing.hours import store
from homing.hours.rules import text
from homing.hours.rules.days import Day, changed_from, today
from homing.hours.rules.measure import HORIZON_DAYS
from homing.hours.rules.published import SOURCE, Difference, differences, read_published
from homing.hours.rules.record import Wish, check_holiday, plan, read_day, zone_of
from homing.hours.rules.shown import changed_facts, local, version_facts
from homing.hours.types import Calendar, HolidayChange, HolidaySet, ServiceZone, Version, Windows

MOST_LISTED = 40
MOST_FILE_BYTES = 4_000_000


def record(
    zone: args.ZoneOption,
    by: args.ByOption,
    reason: args.ReasonOption,
    week: Annotated[
        str | None,
        typer.Option("--week", metavar="HOURS", help="For example 'mon-fri 09:00-18:00; sat 10:00-12:00'.", show_default=False),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            metavar="DATE=HOURS",
            help="One day: 2026-12-24=09:00-11:00, 2026-12-28=closed, 2026-12-24=usual; again for more.",
            show_default=False,
        ),
    ] = None,
    begins: Annotated[str, typer.Option("--from", metavar="TIME", help="From when on; never before it is recorded.")] = "now",
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Up to when. Default: for good.", show_default=False)
    ] = None,
    notice: Annotated[
        str | None, typer.Option("--notice-sent", metavar="TIME", help="When customers were told.", show_default=False)
    ] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Also where another version would begin or end meanwhile.")
    ] = False,
    dry_run: args.DryOption = False,
    json: JsonOption = False,
) -> None:
    """Record other hours of a zone: longer or shorter weeks, single days."""
    if week is None and not on:
        raise Misuse("say what changes: --week HOURS, or --on DATE=HOURS")
    author, why = args.words(by, "--by"), args.words(reason, "--reason")
    new_week = None if week is None else args.read(text.read_week, week, "--week")
    new_days = dict(args.read(_read_day, one, "--on") for one in on or [])
    calendar = args.fetch(zone, None)
    wish = Wish(
        week=new_week,
        days=new_days,
        author=author,
        reason=why,
        effective_from=None if begins == "now" else args.instant(begins, zone, "--from"),
        effective_to=None if until is None else args.instant(until, zone, "--until"),
        notice_sent_at=None if notice is None else args.instant(notice, zone, "--notice-sent"),
    )
    if wish.effective_to is not None and wish.effective_to <= datetime.now(UTC):
        raise Misuse("--until must be later than now")
    with args.misuse():
        made, number, turn = plan(calendar, wish, now=datetime.now(UTC))
    if turn is not None and not override:
        raise Misuse(
            f"another version begins or ends on {local(calendar, turn)}, and this one would hide that: "
            f"end it before with --until, or say --override (`homing hours show --zone {zone}` lists the versions)"
        )
    hours, begin = made.hours, max(made.effective_from, made.recorded_at)
    if not dry_run:

        async def work() -> Version:
            async with reach.database(reach.settings()) as pool:
                return await store.record_version(
                    pool,
                    zone,
                    hours,
                    follows=len(calendar.versions),
                    author=author,
                    reason=why,
                    effective_from=wish.effective_from,
                    effective_to=wish.effective_to,
                    notice_sent_at=wish.notice_sent_at,
                )

        made = reach.run(work())
    with args.misuse():
        after = structs.replace(calendar, versions=(*calendar.versions, made))
        changes = changed_from(calendar, after, begin)
    if json:
        output.print_json({"recorded": not dry_run, **version_facts(made), "based_on": number, "days": changed_facts(changes)})
        return
    said = "would be recorded" if dry_run else f"is recorded, at {local(calendar, made.recorded_at)}"
    output.console().print(
        f"version {made.number} of {zone} {said}; it follows {'the contract' if not number else f'version {number}'}"
    )
    _print_changes(calendar, changes)


def holiday(
    day: Annotated[str, typer.Argument(metavar="DATE", help="For example 2026-06-15.", show_default=False)],
    holidays: Annotated[HolidaySet, typer.Option("--holidays", case_sensitive=False, help="Which set.", show_default=False)],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What the day is called.", show_default=False)],
    source: Annotated[
        str, typer.Option("--source", metavar="TEXT", help="Who says so: an address, a proclamation.", show_default=False)
    ],
    by: args.ByOption,
    reason: args.ReasonOption,
    remove: Annotated[bool, typer.Option("--remove", help="It is no holiday after all.")] = False,
    instead_of: Annotated[
        str | None, typer.Option("--instead-of", metavar="DATE", help="The weekend day it stands for.", show_default=False)
    ] = None,
    json: JsonOption = False,
) -> None:
    """Record a bank holiday that was proclaimed, or that one is none after all. It counts from now on."""
    chosen = args.day(day, "DATE")
    for_day = None if instead_of is None else args.day(instead_of, "--instead-of")
    calendar = args.fetch(zone_of(holidays), holidays)
    with args.misuse():
        check_holiday(calendar, chosen, now=datetime.now(UTC))
    author, why = args.words(by, "--by"), args.words(reason, "--reason")
    called, said = args.words(name, "--name"), args.words(source, "--source")

    async def work() -> HolidayChange:
        async with reach.database(reach.settings()) as pool:
            return await store.record_holiday(
                pool,
                holidays,
                chosen,
                name=called,
                active=not remove,
                source=said,
                author=author,
                reason=why,
                substitute_for=for_day,
            )

    made = reach.run(work())
    if json:
        output.print_json(made)
        return
    what = "is no holiday of" if remove else "is a holiday of"
    output.console().print(f"{chosen:%a} {chosen} ({called}) {what} {holidays}, recorded at {local(calendar, made.recorded_at)}")


def import_list(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help=f"What {SOURCE} holds.", exists=True, dir_okay=False, show_default=False)
    ],
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who approves it.")] = "",
    approve: Annotated[bool, typer.Option("--approve", help="Record the differences; without it they are only shown.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare the UK government's list of bank holidays with ours, and record what differs once it is approved."""
    if file.stat().st_size > MOST_FILE_BYTES:
        raise Misuse(f"FILE: this is not the list that {SOURCE} holds: it is too large")
    data = file.read_bytes()
    with args.misuse():
        published = read_published(data)
    author = args.words(by, "--by") if approve else ""
    edition = hashlib.sha256(data).hexdigest()[:16]

    async def work() -> list[Difference]:
        async with reach.database(reach.settings()) as pool:
            found: list[Difference] = []
            for holiday_set, days in published.items():
                calendar = await store.calendar(pool, ServiceZone.UK, holiday_set)
                found += differences(calendar, days, today=today(calendar, datetime.now(UTC)))
            for one in found if approve else []:
                await store.record_holiday(
                    pool,
                    one.holiday_set,
                    one.day,
                    name=one.name,
                    active=one.active,
                    source=SOURCE,
                    source_version=edition,
                    author=author,
                    reason="the published list says so",
                )
            return found

    found = reach.run(work())
    if json:
        output.print_json({"source_version": edition, "recorded": approve, "differences": found})
    else:
        rows = output.table("What the published list says otherwise", "set", "day", "date", "", "name")
        for one in found:
            said = "is a holiday" if one.active else "is no holiday"
            rows.add_row(one.holiday_set, f"{one.day:%a}", one.day.isoformat(), said, one.name)
        output.console().print(rows if found else "the published list and ours agree")
        if found:
            output.remark(
                "recorded" if approve else "nothing is recorded; look at each day, then run it again with --approve --by NAME"
            )
    if found and not approve:
        raise typer.Exit(1)


def _read_day(value: str) -> tuple[date, Windows | None]:
    """Read `2026-12-24=09:00-11:00`; `usual` takes an exception back."""
    day, equals, windows = value.partition("=")
    if not equals:
        raise ValueError(f"{value!r}: write for example 2026-12-24=09:00-11:00")
    return read_day(day, windows)


def _print_changes(calendar: Calendar, changes: Sequence[tuple[Day, Day]]) -> None:
    rows = output.table(f"What changes for {calendar.name}", "day", "date", "before", "after")
    for before, after in changes[:MOST_LISTED]:
        rows.add_row(f"{after.day:%a}", after.day.isoformat(), view.spans_of(calendar, before), view.spans_of(calendar, after))
    console = output.console()
    console.print(rows if changes else f"no day of the next {HORIZON_DAYS} changes")
    if len(changes) > MOST_LISTED:
        console.print(f"and {len(changes) - MOST_LISTED} more")
