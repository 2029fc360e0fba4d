"""The command line itself: its commands, and how a failure is told."""

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from homing.cli import output
from homing.ground import collector
from homing.ground.errors import HomingError, Misuse, StoreUnavailable

# Of a command: where it is, and whether it has commands of its own. A module is imported when its command is asked for: all of
# them take most of a second, which each call would wait for.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "up"),
    "demo": ("demo", "demo"),
    "account": ("accounts", "app"),
    "subaccount": ("accounts", "subaccount_app"),
    "key": ("keys", "app"),
    "domain": ("domains", "app"),
    "send": ("send", "send"),
    "events": ("events", "events"),
    "trace": ("trace", "trace"),
    "queue": ("queue", "app"),
    "ips": ("ips", "app"),
    "pools": ("ips", "pools"),
    "suppressions": ("suppressions", "app"),
    "templates": ("templates", "app"),
    "hours": ("hours", "app"),
    "cases": ("cases", "app"),
    "staff": ("people", "app"),
    "contract": ("contract", "app"),
    "line": ("line", "app"),
    "oncall": ("oncall", "app"),
    "tam": ("tam", "app"),
    "postmaster": ("postmaster", "postmaster"),
    "privacy": ("privacy", "app"),
    "availability": ("availability", "app"),
    "probe": ("probe", "app"),
    "doctor": ("doctor", "doctor"),
}


class Commands(TyperGroup):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return one, or None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        with collector.at_rest():
            found = getattr(importlib.import_module(f"homing.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = cmd_name
            return group
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(found)
        return get_command(alone)


app = typer.Typer(
    cls=Commands,
    help="homing: your own email platform. `homing up` starts it, `homing demo` shows it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
