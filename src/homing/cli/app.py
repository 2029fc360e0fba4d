"""The command line itself: its commands, and how a failure is told."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from homing.cli import (
    accounts,
    availability,
    cases,
    contract,
    demo,
    doctor,
    domains,
    events,
    hours,
    ips,
    keys,
    line,
    oncall,
    output,
    people,
    postmaster,
    privacy,
    probe,
    queue,
    send,
    suppressions,
    templates,
    trace,
    up,
)
from homing.ground.errors import HomingError, Misuse, StoreUnavailable

app = typer.Typer(
    help="homing: your own email platform. `homing up` starts it, `homing demo` shows it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.add_typer(accounts.app, name="account")
app.add_typer(accounts.subaccount_app, name="subaccount")
app.add_typer(keys.app, name="key")
app.add_typer(domains.app, name="domain")
app.command("send")(send.send)
app.command("events")(events.events)
app.command("trace")(trace.trace)
app.add_typer(queue.app, name="queue")
app.add_typer(ips.app, name="ips")
app.command("pools")(ips.pools)
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(templates.app, name="templates")
app.add_typer(hours.app, name="hours")
app.add_typer(cases.app, name="cases")
app.add_typer(people.app, name="staff")
app.add_typer(contract.app, name="contract")
app.add_typer(line.app, name="line")
app.add_typer(oncall.app, name="oncall")
app.command("postmaster")(postmaster.postmaster)
app.add_typer(privacy.app, name="privacy")
app.add_typer(availability.app, name="availability")
app.add_typer(probe.app, name="probe")
app.command("doctor")(doctor.doctor)

_flags = {"traceback": False}


@app.callback()
def options(
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="The data folder; the same as HOMING_DATA.", show_default=False),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The settings file; the same as HOMING_CONFIG.", show_default=False),
    ] = None,
    show_traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error happened.", hidden=True)] = False,
) -> None:
    """Take the options that stand before a command."""
    if data is not None:
        os.environ["HOMING_DATA"] = str(data)
    if settings is not None:
        os.environ["HOMING_CONFIG"] = str(settings)
    _flags["traceback"] = show_traceback


def main() -> int:
    """Run the command line; every failure is a sentence on standard error. Returns the exit code."""
    try:
        app()
    except Misuse as trouble:
        return _fail(str(trouble), 2)
    except StoreUnavailable as trouble:
        return _fail(f"{trouble} ({trouble.__cause__}); is `homing up` running?", 1)
    except HomingError as trouble:
        return _fail(str(trouble), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone, for example `| head`
        return 0
    except OSError as trouble:
        return _fail(f"{trouble.filename}: {trouble.strerror}" if trouble.filename else str(trouble), 1)
    except Exception as trouble:
        return _fail(
            f"this should not have happened: {type(trouble).__name__}: {trouble}. "
            "`homing --traceback ...` shows where; please report it.",
            1,
        )
    return 0


def _fail(text: str, code: int) -> int:
    if _flags["traceback"]:
        traceback.print_exc()
    output.complain(text)
    return code
