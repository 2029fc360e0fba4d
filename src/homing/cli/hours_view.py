"""What `homing hours` prints: tables for a person, facts for JSON; each local time with its abbreviation and offset."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from homing.cli import output
from homing.hours.rules import text
from homing.hours.rules.contract import SET_WORDS, TERMS, zone_info
from homing.hours.rules.days import Day, days, today
from homing.hours.rules.explain import Move
from homing.hours.rules.measure import in_force, status
from homing.hours.rules.shown import day_facts, local, state_facts, version_facts
from homing.hours.types import Calendar, Open, Stretch, Version


def show_all(found: Sequence[tuple[Calendar, datetime]], *, json: bool) -> None:
    """Show the state of several calendars."""
    if json:
        output.print_json([state_facts(calendar, at) for calendar, at in found])
        return
    rows = output.table("Business Hours", "zone", "holidays", "week", "state", "until")
    for calendar, at in found:
        state = status(calendar, at)
        _, hours = in_force(calendar, at)
        is_open = isinstance(state, Open)
        rows.add_row(
            calendar.zone,
            f"{calendar.holiday_set} ({SET_WORDS[calendar.holiday_set]})",
            text.show_week(hours.weekly) or text.CLOSED,
            Text("open", style="green") if isinstance(state, Open) else Text(f"closed: {state.holiday or state.why}"),
            local(calendar, state.closes_at if isinstance(state, Open) else state.opens_at) or ("" if is_open else "never"),
        )
    output.console().print(rows)


def show_one(calendar: Calendar, at: datetime, count: int, *, json: bool) -> None:
    """Show one calendar day by day, and what was recorded about it."""
    listed = days(calendar, today(calendar, at), count)
    if json:
        facts = state_facts(calendar, at)
        facts["days"] = [day_facts(calendar, one) for one in listed]
        facts["versions"] = [version_facts(one) for one in calendar.versions]
        facts["holiday_changes"] = list(calendar.holiday_changes)
        output.print_json(facts)
        return
    console, terms = output.console(), TERMS[calendar.zone]
    state = status(calendar, at)
    number, hours = in_force(calendar, at)
    said = (
        ("open", "until", state.closes_at)
        if isinstance(state, Open)
        else (f"closed: {state.holiday or state.why}", "opens", state.opens_at)
    )
    console.print(Text.assemble((calendar.name, "bold"), f"  {terms.words} ({terms.tz}), {SET_WORDS[calendar.holiday_set]}"))
    console.print(f"{local(calendar, at)}: {said[0]}, {said[1]} {local(calendar, said[2]) or 'never'}")
    console.print(
        f"week: {text.show_week(hours.weekly) or text.CLOSED} ({'the contract' if not number else f'version {number}'})"
    )
    rows = output.table("", "day", "date", "open", "counts", "why", right=("counts",))
    for one in listed:
        rows.add_row(
            f"{one.day:%a}",
            one.day.isoformat(),
            spans_of(calendar, one),
            text.show_duration(one.seconds),
            f"{one.why}: {one.holiday}" if one.holiday else one.why.value,
        )
    console.print(rows)
    _print_records(console, calendar)


def _print_records(console: Console, calendar: Calendar) -> None:
    if calendar.versions:
        rows = output.table("Recorded hours", "version", "recorded", "from", "until", "hours", "by", "reason")
        for one in calendar.versions:
            exceptions = "; ".join(f"{day} {windows}" for day, windows in text.show_exceptions(one.hours.exceptions).items())
            rows.add_row(
                str(one.number),
                local(calendar, one.recorded_at),
                local(calendar, one.effective_from),
                local(calendar, one.effective_to),
                "; ".join(filter(None, [text.show_week(one.hours.weekly) or text.CLOSED, exceptions])),
                one.author,
                one.reason,
            )
        console.print(rows)
    if calendar.holiday_changes:
        rows = output.table(f"Recorded holidays of {calendar.holiday_set}", "date", "", "name", "recorded", "by", "source")
        for change in calendar.holiday_changes:
            rows.add_row(
                change.day.isoformat(),
                "added" if change.active else "taken out",
                change.name,
                local(calendar, change.recorded_at),
                change.author,
                change.source,
            )
        console.print(rows)


def print_moves(console: Console, calendar: Calendar, moved: Sequence[Move]) -> None:
    """Say what has moved a due time, and whose reason it was."""
    for one in moved:
        what = f"version {one.record.number}" if isinstance(one.record, Version) else f"a change of {one.record.holiday_set}"
        before, after = (local(calendar, moment) or "never" for moment in (one.before, one.after))
        later = one.after is None or (one.before is not None and one.after > one.before)
        console.print(
            Text(
                f"moved {'later' if later else 'earlier'} by {what}, recorded {local(calendar, one.record.recorded_at)} "
                f"by {one.record.author} ({one.record.reason}): {before} -> {after}",
                style="yellow" if later else "green",
            )
        )


def why_of(stretch: Stretch, calendar: Calendar) -> str:
    """Return why a stretch counts or does not, in words."""
    zone = zone_info(calendar.zone)
    before, after = stretch.start.astimezone(zone), (stretch.end - timedelta(seconds=1)).astimezone(zone)
    said = f"{stretch.why}: {stretch.holiday}" if stretch.holiday else stretch.why.value
    if stretch.version:
        said += f", version {stretch.version}"
    if before.utcoffset() != after.utcoffset():
        said += f"; clocks change from {before:%Z} to {after:%Z}"
    return said


def spans_of(calendar: Calendar, day: Day) -> str:
    """Return what counts of a day, as the zone reads it."""
    zone = zone_info(calendar.zone)
    return (
        ", ".join(f"{start.astimezone(zone):%H:%M %Z} - {end.astimezone(zone):%H:%M %Z}" for start, end in day.spans) or "closed"
    )
