"""`homing availability`, the ledger itself: machines that watch, folding, sealing, audit."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from homing.availability import export, store
from homing.availability.seal import Sealer
from homing.availability.statement import link_of
from homing.boot.names import node_name, resolved
from homing.cli import output, reach, typed
from homing.cli.domains import master_key
from homing.cli.keys import JsonOption
from homing.cli.people import ACTOR
from homing.cli.typed import DayArgument
from homing.contracts import store as contracts
from homing.evidence import store as evidence
from homing.evidence.fold import Folder
from homing.evidence.rules.classify import VERSION
from homing.ground.clock import SystemClock
from homing.ground.errors import Misuse, Permanent

node = typer.Typer(help="Machines that watch the doors.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add these commands to `homing availability`."""
    app.add_typer(node, name="node")
    for name, command in (
        ("roots", roots),
        ("audit", audit),
        ("disputed", disputed),
        ("fold", fold),
        ("reclassify", reclassify),
        ("seal", seal),
    ):
        app.command(name)(command)


def roots(json: JsonOption = False) -> None:
    """Show the roots of the ledger of the last 31 days."""
    today = typed.now().date()

    async def work() -> list[store.Root]:
        async with reach.database(reach.settings()) as pool:
            return await store.roots(pool, today - timedelta(days=31), today)

    found = reach.run(work())
    if json:
        output.print_json([link_of(one) for one in found])
        return
    rows = output.table("The ledger", "day", "leaves", "root", "link", "missing", right=("leaves",))
    for one in found:
        rows.add_row(one.day.isoformat(), str(one.leaves), one.root.hex()[:16], one.link.hex()[:16], ", ".join(one.missing))
    output.console().print(rows if found else "no day is sealed yet")


def audit(
    since: Annotated[str | None, typer.Option("--from", metavar="DAY", help="Default: the first.", show_default=False)] = None,
) -> None:
    """Compute everything that was sealed anew: leaves, figures, trees, chain, signatures."""
    first = date(1970, 1, 1) if since is None else typed.day(since)

    async def work() -> tuple[int, list[export.Flaw]]:
        async with reach.database(reach.settings()) as pool:
            return await export.audit(pool, first, date(9999, 12, 31))

    days, flaws = reach.run(work())
    for flaw in flaws:
        output.complain(f"{flaw.day.isoformat()}: {flaw.what}")
    if flaws:
        raise Permanent(f"{len(flaws)} of what was sealed does not agree")
    output.console().print(f"{days} days agree with what was sealed")


def disputed(day: DayArgument, json: JsonOption = False) -> None:
    """Show the answers of a day whose fault tag and code say different things."""
    wanted = typed.day(day)

    async def work() -> list[evidence.FileSum]:
        async with reach.database(reach.settings()) as pool:
            return await evidence.files_of_day(pool, wanted)

    found = [(one.node, one.process, *dispute) for one in reach.run(work()) for dispute in one.disputed]
    if json:
        output.print_json([dict(zip(("node", "process", "door", "tag", "code", "count"), one, strict=True)) for one in found])
        return
    rows = output.table(f"Disputed answers of {day}", "node", "process", "door", "tag", "code", "count", right=("count",))
    for one in found:
        rows.add_row(*map(str, one))
    output.console().print(rows if found else "tags and codes agree")


@node.command("list")
def list_nodes(json: JsonOption = False) -> None:
    """List the machines that watch, and how far their journals are folded."""

    async def work() -> list[evidence.Node]:
        async with reach.database(reach.settings()) as pool:
            return await evidence.nodes(pool)

    found, now = reach.run(work()), typed.now()
    if json:
        output.print_json(found)
        return
    rows = output.table("Nodes", "node", "since", "retired", "folded until")
    for one in found:
        retired = "" if one.until is None else output.moment(one.until)
        rows.add_row(one.node, output.moment(one.since), retired, output.relative(one.folded_until, now))
    output.console().print(rows if found else "no node has watched yet")


@node.command("retire")
def retire(
    name: Annotated[str, typer.Argument(metavar="NODE", help="As `homing availability node list` shows it.")],
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="Since when. Default: now.", show_default=False)] = None,
    again: Annotated[bool, typer.Option("--again", help="Expect it again.")] = False,
) -> None:
    """Expect nothing more of a machine that was taken out of service: until then its silence makes seconds unknown."""
    until = None if again else typed.now() if at is None else typed.moment(at, "--at")

    async def work() -> bool:
        async with reach.database(reach.settings()) as pool:
            known = await evidence.retire_node(pool, name, until=until)
            if known:  # it decides about unknown seconds, so it is seen afterwards
                await contracts.note(
                    pool,
                    actor=ACTOR,
                    action="node expected again" if until is None else "node retired",
                    account_id=None,
                    subject=f"node {name}",
                    detail={} if until is None else {"at": until.isoformat()},
                )
            return known

    if not reach.run(work()):
        raise reach.NotFound(f"there is no node {name!r}; `homing availability node list` shows them")
    output.console().print(f"{name} is expected again" if again else f"{name} is retired")


def fold(
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", help="A folder of journals. Default: this machine's.", show_default=False),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--node", metavar="NODE", help="Whose journals they are. Default: this machine's.", show_default=False),
    ] = None,
) -> None:
    """Take journals into the ledger: those of a machine that is gone, from its disk. As often as you like."""
    if (folder is None) != (of is None):
        raise Misuse("--folder and --node go together: whose journals are these?")
    chosen = reach.settings()
    where = folder or chosen.data / "evidence"
    whose = of or node_name(resolved(chosen))

    async def work() -> tuple[int, int]:
        async with reach.database(chosen) as pool:
            folding = Folder(pool, where, whose, clock=SystemClock().now, own=False)
            read = hours = 0
            while True:
                done = await folding.fold()
                read, hours = read + done.lines, hours + done.hours
                if not done.more:
                    await folding.sum_up()
                    return read, hours

    read, hours = reach.run(work())
    output.console().print(f"{output.number(read)} lines read, {output.number(hours)} hours of accounts changed")


def reclassify(day: DayArgument) -> None:
    """Judge a day anew from this machine's journals, with the classifier of this version; a sealed day is amended."""
    wanted, chosen = typed.day(day), reach.settings()

    async def work() -> tuple[int, int]:
        async with reach.database(chosen) as pool:
            folding = Folder(pool, chosen.data / "evidence", node_name(resolved(chosen)), clock=SystemClock().now)
            hours = await folding.refold(wanted)
            sealer = Sealer(pool, master_key(chosen), now=typed.now)
            return hours, await sealer.amend(reason=f"classifier {VERSION}", day=wanted)

    hours, leaves = reach.run(work())
    output.console().print(f"{hours} hours of accounts changed, {leaves} sealed leaves amended")


def seal() -> None:
    """Amend what needs it, and seal every day that is due; `homing up` does so every ten minutes."""
    chosen = reach.settings()

    async def work() -> list[date]:
        async with reach.database(chosen) as pool:
            return await Sealer(pool, master_key(chosen), now=typed.now).run_once()

    sealed = reach.run(work())
    output.console().print(f"sealed: {output.joined(day.isoformat() for day in sealed)}" if sealed else "nothing is due")
