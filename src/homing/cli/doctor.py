"""`homing doctor`: looks at everything that must be right, and says what to do."""

import sys
from typing import Annotated

import typer
from rich.status import Status
from rich.text import Text

from homing.cli import checks_machine, checks_world, control, output, reach
from homing.cli.findings import Finding, Level, fail, ok
from homing.cli.keys import JsonOption
from homing.ground.config import Settings
from homing.ground.disk import release_ballast
from homing.ground.errors import Misuse

_STYLES = {Level.OK: ("ok", "green"), Level.WARN: ("warn", "bold yellow"), Level.FAIL: ("fail", "bold red")}


def doctor(
    free: Annotated[bool, typer.Option("--free", help="Give the ballast file back to a full disk.")] = False,
    network: Annotated[bool, typer.Option("--network", help="Also try to reach a mail host of the world on port 25.")] = False,
    json: JsonOption = False,
) -> None:
    """Check settings, folders, disk, database, doors, DNS, TLS, limits and clock. Exit code 1 where something fails."""
    try:
        chosen = reach.settings()
    except Misuse as trouble:
        _report([fail("settings", str(trouble), "correct this setting")], json=json)
        raise typer.Exit(1) from trouble
    if free:
        released = release_ballast(chosen.data)
        output.remark(
            f"released {released / (1 << 20):.0f} MiB; make room, then restart `homing up`"
            if released
            else "there is no ballast left to release"
        )
    if sys.stderr.isatty() and not json:
        with Status("looking at everything …", console=None):
            found = reach.run(examine(chosen, network=network))
    else:
        found = reach.run(examine(chosen, network=network))
    _report(found, json=json)
    if any(one.level is Level.FAIL for one in found):
        raise typer.Exit(1)


async def examine(chosen: Settings, *, network: bool = False) -> list[Finding]:
    """Check everything, in the order in which one would repair it."""
    running = await control.ask(chosen, "snapshot") is not None
    return [
        ok("settings", "valid"),
        *checks_machine.data_folder(chosen),
        *checks_machine.master_key(chosen),
        *checks_machine.disk(chosen),
        *await checks_world.database(chosen),
        *checks_machine.ports(chosen, running=running),
        *checks_machine.certificate(chosen),
        *checks_machine.tracking_certificates(chosen),
        *await checks_world.resolver(chosen),
        *(checks_world.port_25() if network else []),
        *checks_machine.source_ips(chosen),
        *checks_machine.clear_auth(chosen),
        *checks_machine.limits(chosen),
        *checks_machine.time_sync(),
    ]


def _report(found: list[Finding], *, json: bool) -> None:
    counts = {level: sum(one.level is level for one in found) for level in Level}
    if json:
        output.print_json({"ok": not counts[Level.FAIL], "findings": [one._asdict() for one in found]})
        return
    console = output.console()
    width = max(len(one.area) for one in found)
    for one in found:
        word, style = _STYLES[one.level]
        console.print(Text.assemble((f"{word:>4}", style), "  ", (f"{one.area:<{width}}", "bold"), "  ", one.text))
        if one.advice:
            console.print(Text.assemble(" " * (8 + width), ("→ ", "cyan"), (one.advice, "dim" if one.level is Level.OK else "")))
    warnings = "1 warning" if counts[Level.WARN] == 1 else f"{counts[Level.WARN]} warnings"
    summary = f"{counts[Level.OK]} ok, {warnings}, {counts[Level.FAIL]} failed"
    console.print(Text(f"\n{summary}", style="bold red" if counts[Level.FAIL] else "bold"))
