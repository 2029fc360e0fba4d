"""`homing oncall`: who is on duty, whom a ladder wakes, and whether a page arrives."""

import asyncio
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from homing.cli import output, reach
from homing.cli.domains import master_key
from homing.cli.hours_args import LONGEST_TEXT, misuse
from homing.cli.keys import JsonOption
from homing.cli.people import ACTOR, somebody
from homing.contracts import people
from homing.contracts.types import StaffMember
from homing.ground.errors import Misuse
from homing.ground.http import MOST_URL, OutboundHttp, Refused, TargetPolicy
from homing.hours.rules.text import read_date, read_instant, read_week, show_week
from homing.support.oncall import runs, store
from homing.support.oncall.channels import understands
from homing.support.oncall.rules.duty import on_duty, shifts
from homing.support.oncall.rules.ladder import checked
from homing.support.oncall.rules.text import read_name, read_step, show_step
from homing.support.oncall.runs import Owed
from homing.support.oncall.store import Channel
from homing.support.oncall.types import ChannelKind, Ladder, Override, Rotation, Run, Schedule, Severity, Step, Target, Whom

app = typer.Typer(help="Who is on duty, whom a ladder wakes, and whether a page arrives.", no_args_is_help=True)
PATIENCE_S = 60.0
FIRST, LAST = date(2000, 1, 1), date(2200, 1, 1)
RemoveOption = Annotated[int, typer.Option("--remove", metavar="NUMBER", help="Forget the one of this number instead.")]


@app.command("show")
def show(
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How far to look ahead.")] = 14, json: JsonOption = False
) -> None:
    """Show who is on duty now and next, how everybody is reached, and which ladders run."""
    now = datetime.now(UTC)

    async def work() -> tuple[list[Schedule], list[StaffMember], list[Channel], list[Run]]:
        async with reach.database(reach.settings()) as pool:
            return (
                await store.schedules(pool, now),
                await people.everybody(pool),
                await store.channels(pool),
                [one for one in await runs.latest(pool) if one.ended_at is None],
            )

    plans, staff, ways, going = reach.run(work())
    ahead = {plan.name: shifts(plan, now, now + timedelta(days=days)) for plan in plans}
    if json:
        shown = [{"name": one.name, "on_duty": on_duty(one, now), "shifts": ahead[one.name],
                  "rotations": one.rotations, "overrides": one.overrides} for one in plans]  # fmt: skip
        labels = [{"number": way.channel_id, "person_id": way.person_id, "kind": way.kind, "label": way.label} for way in ways]
        output.print_json({"schedules": shown, "channels": labels, "ladders": going})
        return
    names = {one.person_id: one.name + (" (has left)" if one.left_at else "") for one in staff}
    console = output.console()
    for plan in plans:
        rows = output.table(f"{plan.name}: {_said(on_duty(plan, now), names)} now", "from", "until", "on duty")
        for shift in ahead[plan.name]:
            rows.add_row(output.clock(shift.begins_at), output.clock(shift.ends_at), _said(shift.people, names))
        console.print(rows)
        for rotation in plan.rotations:
            week = f", {show_week(rotation.weekly)}" if rotation.weekly else ""
            at = f"{rotation.hands_over_min // 60:02d}:{rotation.hands_over_min % 60:02d}"
            turns = f"every {rotation.every_days} days at {at} {rotation.zone} from {rotation.starts_on}{week}"
            console.print(f"rotation {rotation.rotation_id}: {_said(rotation.people, names)}, {turns}")
        for one in plan.overrides:
            who = _said(() if one.person_id is None else (one.person_id,), names)
            until = f"{output.clock(one.begins_at)} to {output.clock(one.ends_at)}"
            console.print(f"override {one.override_id}: {who}, {until}, {one.reason or 'no reason given'}")
    if not plans:
        console.print("there is no schedule; `homing oncall schedule primary` makes one")
    for way in ways:
        console.print(f"channel {way.channel_id}: {names.get(way.person_id, '?')}, {way.kind}, {way.label}")
    for run in going:
        held = "" if run.claim is None else f", held by {names.get(run.claim.person_id, '?')}"
        console.print(f"ladder {run.run_id} runs for {run.reference}: step {run.next_step} of {len(run.steps)}{held}")


@app.command("schedule")
def schedule(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Ladders name it: primary, secondary, incident manager, management.")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Forget it with its rotations and overrides instead.")] = False,
) -> None:
    """Make a schedule, or forget one."""
    wanted = read_name(name)

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            if remove:
                return await store.remove_schedule(pool, wanted, actor=ACTOR)
            return await store.add_schedule(pool, wanted, actor=ACTOR)

    if not reach.run(work()):
        raise Misuse(f"there is {'no' if remove else 'a'} schedule {wanted!r}{'' if remove else ' already'}")
    output.console().print(f"schedule {wanted} is {'gone' if remove else 'made; `homing oncall rotation` puts people on it'}")


@app.command("rotation")
def rotation(
    schedule_name: Annotated[str, typer.Argument(metavar="SCHEDULE", show_default=False)] = "",
    who: Annotated[
        list[str] | None, typer.Argument(metavar="EMAIL...", help="In the order of turns.", show_default=False)
    ] = None,
    zone: Annotated[str, typer.Option("--zone", metavar="IANA", help="Whose clock on the wall counts.")] = "UTC",
    starts: Annotated[str, typer.Option("--from", metavar="DATE", help="Local date of the first turn.")] = "today",
    at: Annotated[str, typer.Option("--at", metavar="HH:MM", help="When turns change.")] = "09:00",
    every: Annotated[int, typer.Option("--days", min=1, max=365, help="How long a turn is.")] = 7,
    windows: Annotated[str, typer.Option("--windows", metavar="WEEK", help="On duty only then: 'mon-fri 09:00-17:00'.")] = "",
    remove: RemoveOption = 0,
) -> None:
    """Let people take turns in a schedule."""
    if not remove and (not schedule_name or not who):
        raise Misuse("say the schedule and at least one address; or --remove NUMBER")
    with misuse():
        area = _zone(zone)
        first = datetime.now(area).date() if starts == "today" else read_date(starts)
        if not FIRST <= first <= LAST:
            raise ValueError(f"--from must lie from {FIRST} to {LAST}")
        weekly = read_week(windows) if windows else ()
    minute = _minute(at)

    async def work() -> int | None:
        async with reach.database(reach.settings()) as pool:
            if remove:
                return 1 if await store.remove_rotation(pool, remove, actor=ACTOR) else None
            members = [await somebody(pool, one) for one in who or []]
            wanted = Rotation(
                zone=zone,
                people=tuple(one.person_id for one in members),
                starts_on=first,
                hands_over_min=minute,
                every_days=every,
                weekly=weekly,
            )
            return await store.add_rotation(pool, read_name(schedule_name), wanted, actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise reach.NotFound(f"there is no rotation {remove}" if remove else f"there is no schedule {schedule_name!r}")
    output.console().print(f"rotation {remove} is gone" if remove else f"rotation {made}: turns change at {at} {zone}")


@app.command("override")
def override(
    schedule_name: Annotated[str, typer.Argument(metavar="SCHEDULE", show_default=False)] = "",
    who: Annotated[str, typer.Argument(metavar="EMAIL", help="Left out: nobody is on duty.", show_default=False)] = "",
    begins: Annotated[str, typer.Option("--from", metavar="TIME", help="now, or a time with offset.")] = "now",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="A time with offset; UTC without one.")] = "",
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "",
    remove: RemoveOption = 0,
) -> None:
    """Put somebody on duty for a time, instead of whose turn it is."""
    if not remove and (not schedule_name or not until):
        raise Misuse("say the schedule and --until TIME; or --remove NUMBER")
    if len(reason) > LONGEST_TEXT or not (reason.isprintable() or not reason):
        raise Misuse("--reason must be printable, and 1,000 characters at most")
    now = datetime.now(UTC)
    with misuse():
        start = now if begins == "now" else read_instant(begins, UTC)
        end = read_instant(until, UTC) if until else now
    if not remove and end <= start:
        raise Misuse("--until must be later than --from")

    async def work() -> int | None:
        async with reach.database(reach.settings()) as pool:
            if remove:
                return 1 if await store.remove_override(pool, remove, actor=ACTOR) else None
            person_id = (await somebody(pool, who)).person_id if who else None
            wanted = Override(person_id=person_id, begins_at=start, ends_at=end, reason=reason)
            return await store.add_override(pool, read_name(schedule_name), wanted, actor=ACTOR)

    made = reach.run(work())
    if made is None:
        raise reach.NotFound(f"there is no override {remove}" if remove else f"there is no schedule {schedule_name!r}")
    told = f"override {made}: {who or 'nobody'} until {output.clock(end)}"
    output.console().print(f"override {remove} is gone" if remove else told)


@app.command("ladder")
def ladder(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Left out: show every ladder.", show_default=False)] = "",
    step: Annotated[
        list[str] | None,
        typer.Option("--step", metavar="STEP", help="'+2 schedule:secondary'; again for more.", show_default=False),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Forget it instead.")] = False,
    json: JsonOption = False,
) -> None:
    """Show ladders, or record one. What runs already goes on as it was."""
    wanted = None
    if name and not remove:
        wanted = checked(Ladder(name=read_name(name), steps=tuple(read_step(one) for one in step or [])))

    async def work() -> list[Ladder]:
        async with reach.database(reach.settings()) as pool:
            if wanted is not None:
                await store.put_ladder(pool, wanted, actor=ACTOR)
            elif remove and not await store.remove_ladder(pool, read_name(name), actor=ACTOR):
                raise reach.NotFound(f"no ladder {name!r} was recorded")
            return await store.ladders(pool)

    found = reach.run(work())
    if json:
        output.print_json([{"name": one.name, "steps": [show_step(each) for each in one.steps]} for one in found])
        return
    for one in found:
        output.console().print(f"{one.name}: " + "; ".join(show_step(each) for each in one.steps))


@app.command("channel")
def channel(
    who: Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)] = "",
    webhook: Annotated[str, typer.Option("--webhook", metavar="URL", help="Is posted to.")] = "",
    service: Annotated[str, typer.Option("--service", metavar="URL", help="Of the library apprise: ntfy://topic.")] = "",
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What is shown of it; the URL never is.")] = "",
    remove: RemoveOption = 0,
) -> None:
    """Let somebody be paged by a webhook or a service, besides mail, call and text."""
    if not remove and (not who or bool(webhook) == bool(service)):
        raise Misuse("say the address, and one of --webhook and --service; or --remove NUMBER")
    if label and (len(label) > LONGEST_TEXT or not label.isprintable()):
        raise Misuse("--label must be printable, and 1,000 characters at most")
    chosen = reach.settings()
    if webhook:
        policy = TargetPolicy(allow_private=chosen.allow_private_targets, ports=chosen.target_ports)
        try:
            OutboundHttp(policy).check(webhook)
        except Refused as refused:
            raise Misuse(str(refused)) from None
    if service and (len(service) > MOST_URL or not service.isprintable() or not understands(service)):
        raise Misuse("no service is named by that URL, or the library apprise is not installed beside homing")
    kind = ChannelKind.WEBHOOK if webhook else ChannelKind.SERVICE

    async def work() -> int | None:
        async with reach.database(chosen) as pool:
            if remove:
                return 1 if await store.remove_channel(pool, remove, actor=ACTOR) else None
            member = await somebody(pool, who)
            return await store.add_channel(
                pool, master_key(chosen), member.person_id, kind, webhook or service, label=label or kind.value, actor=ACTOR
            )

    made = reach.run(work())
    if made is None:
        raise reach.NotFound(f"there is no channel {remove}")
    output.console().print(f"channel {remove} is gone" if remove else f"channel {made}; `homing oncall test {who}` tries it")


@app.command("test")
def try_out(
    who: Annotated[str, typer.Argument(metavar="EMAIL", show_default=False)],
    patience: Annotated[float, typer.Option("--wait", min=1, max=600, help="Seconds.")] = PATIENCE_S,
    json: JsonOption = False,
) -> None:
    """Page somebody by all his channels, through the running house, and show what became of it."""

    async def work() -> list[Owed]:
        async with reach.database(reach.settings()) as pool:
            member = await somebody(pool, who)
            steps = Ladder(name="test", steps=(Step(after_s=0, targets=(Target(Whom.PERSON, str(member.person_id)),)),))
            obligation = f"test {secrets.token_hex(8)}"
            async with pool.acquire() as connection, connection.transaction():
                await runs.start_ladder(
                    connection,
                    obligation,
                    account_id=None,
                    reference="a test, nothing has happened",
                    now=datetime.now(UTC),
                    severity=Severity.ORDINARY,
                    steps=steps,
                )
            pages: list[Owed] = []
            run = None
            try:
                async with asyncio.timeout(patience):
                    while run is None or not run.next_step or any(page.due_at for page in pages):
                        await asyncio.sleep(0.2)
                        run = await runs.of_obligation(pool, obligation)
                        pages = [] if run is None else await runs.pages_of(pool, run.run_id)
            except TimeoutError:
                pass
            async with pool.acquire() as connection, connection.transaction():
                await runs.end_ladder(connection, obligation, because="the test is over", now=datetime.now(UTC))
            if run is None or not run.next_step:
                raise reach.NotRunning("no worker carried it out; is `homing up` running?")
            return [page for page in pages if page.person_id == member.person_id]

    pages = reach.run(work())
    if json:
        output.print_json([{"kind": one.kind, "outcome": one.outcome, "sent_at": one.sent_at} for one in pages])
    else:
        for page in pages:
            output.console().print(f"{page.kind}: {page.outcome or 'not yet sent'}")
    if not any(page.sent_at for page in pages):
        raise reach.NotFound(f"nothing reached {who}; docs/oncall.md says what a channel needs")


def _said(some: tuple[int, ...], names: dict[int, str]) -> str:
    return ", ".join(names.get(person, f"staff {person}") for person in some) or "nobody"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise Misuse(f"'{name[:40]}' is no time zone; write for example Europe/London") from None


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    if not (hour.isdigit() and minute.isdigit() and len(minute) == 2 and int(hour) < 24 and int(minute) < 60):
        raise Misuse(f"'{text[:20]}' is no time of day; write for example 09:00")
    return int(hour) * 60 + int(minute)
